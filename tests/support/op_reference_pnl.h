/* Part of op_reference_body.h: profit and loss, written from the formulas of its contract without the physics.
 * Gradients are tangents: a walk through the window for every element, which carries the derivatives by it along. */

typedef struct NAME(tangent) {
    REAL of, by; /* a value, and its derivative by the element that is looked at */
} NAME(tangent);

static NAME(tangent) NAME(plus)(NAME(tangent) a, REAL factor, NAME(tangent) b) {
    return (NAME(tangent)){a.of + factor * b.of, a.by + factor * b.by};
}
static NAME(tangent) NAME(product)(NAME(tangent) a, NAME(tangent) b) {
    return (NAME(tangent)){a.of * b.of, a.by * b.of + a.of * b.by};
}
static NAME(tangent) NAME(above_zero)(NAME(tangent) a) { return a.of > 0 ? a : (NAME(tangent)){0, 0}; }
static NAME(tangent) NAME(magnitude)(NAME(tangent) a) {
    const REAL sign = a.of > 0 ? 1 : a.of < 0 ? -1 : 0;
    return (NAME(tangent)){sign * a.of, sign * a.by};
}

/* An element of an input of the case, with the derivative 1 where it is the one looked at. */
static NAME(tangent) NAME(element)(const float *x, int64_t i, const float *looked_at) {
    return (NAME(tangent)){x[i], x + i == looked_at ? 1 : 0};
}

/* The bar at which the order of bar t was decided; -1: none is due. */
static int64_t NAME(decided_at)(const float *returns, int64_t t, int64_t assets, int latency) {
    for (int left = latency; t >= 0; --t) {
        if (returns[t * assets] != returns[t * assets]) continue;
        if (left-- == 0) return t;
    }
    return -1;
}

typedef struct NAME(window) {
    const pu__call *call;
    const float *weight, *returns, *volume; /* of the window */
    int64_t bars, assets;
    NAME(tangent) * value;        /* [A] */
    NAME(tangent) * net, *equity; /* [T] */
    REAL paid[PU_PNL_PAID_COUNT];
} NAME(window);

static NAME(tangent) NAME(marked)(NAME(window) * w, int64_t t, NAME(tangent) equity, const float *looked_at) {
    const pu_pnl_rules *rules = &w->call->attributes->pnl;
    NAME(tangent) cash = equity, sold = {0, 0}, earned = {0, 0};
    for (int64_t a = 0; a < w->assets; ++a) {
        cash = NAME(plus)(cash, -1, w->value[a]);
        sold = NAME(plus)(sold, 1, NAME(above_zero)(NAME(plus)((NAME(tangent)){0, 0}, -1, w->value[a])));
        const NAME(tangent) r = NAME(element)(w->returns, t * w->assets + a, looked_at);
        if (r.of != r.of) continue;
        const NAME(tangent) gain = NAME(product)(w->value[a], r);
        earned = NAME(plus)(earned, 1, gain);
        w->value[a] = NAME(plus)(w->value[a], 1, gain);
    }
    NAME(tangent) carry = NAME(above_zero)(NAME(plus)((NAME(tangent)){0, 0}, -1, cash));
    carry = (NAME(tangent)){carry.of * (REAL)rules->funding_ratio, carry.by * (REAL)rules->funding_ratio};
    carry = NAME(plus)(carry, (REAL)rules->borrow_ratio, sold);
    w->paid[PU_PNL_CARRY] += carry.of;
    return NAME(plus)(NAME(plus)(equity, 1, earned), -1, carry);
}

static NAME(tangent) NAME(traded)(NAME(window) * w, int64_t t, NAME(tangent) equity, const float *looked_at) {
    const pu_pnl_rules *rules = &w->call->attributes->pnl;
    const REAL ratio[3] = {(REAL)rules->half_spread_ratio, (REAL)rules->slippage_ratio, (REAL)rules->fee_ratio};
    NAME(tangent) cost = {0, 0};
    for (int64_t a = 0; a < w->assets; ++a) {
        const int64_t at = t * w->assets + a;
        if (w->returns[at] != w->returns[at]) continue;
        const int64_t decided = NAME(decided_at)(w->returns + a, t, w->assets, rules->latency_bars);
        if (decided < 0 || w->weight[decided * w->assets + a] != w->weight[decided * w->assets + a]) continue;
        const NAME(tangent) wanted =
            NAME(product)(NAME(element)(w->weight, decided * w->assets + a, looked_at), equity);
        const NAME(tangent) notional = NAME(magnitude)(NAME(plus)(wanted, -1, w->value[a]));
        for (int kind = 0; kind < 3; ++kind) {
            cost = NAME(plus)(cost, ratio[kind], notional);
            w->paid[PU_PNL_SPREAD + kind] += ratio[kind] * notional.of;
        }
        if (w->volume && w->volume[at] > 0) {
            const REAL part = (REAL)rules->impact_ratio * SQRT(notional.of / (REAL)w->volume[at]);
            cost = NAME(plus)(cost, 1, (NAME(tangent)){part * notional.of, (REAL)1.5 * part * notional.by});
            w->paid[PU_PNL_IMPACT] += part * notional.of;
        }
        w->paid[PU_PNL_TRADED] += notional.of;
        w->value[a] = wanted;
    }
    return cost;
}

static void NAME(walk)(NAME(window) * w, const float *looked_at) {
    NAME(tangent) equity = {1, 0};
    for (int kind = 0; kind < PU_PNL_PAID_COUNT; ++kind) w->paid[kind] = 0;
    for (int64_t a = 0; a < w->assets; ++a) w->value[a] = (NAME(tangent)){0, 0};
    for (int64_t t = 0; t < w->bars; ++t) {
        const NAME(tangent) before = equity;
        w->net[t] = w->equity[t] = (NAME(tangent)){0, 0};
        if (!(before.of > 0)) continue;
        equity = NAME(marked)(w, t, equity, looked_at);
        if (equity.of > 0) equity = NAME(plus)(equity, -1, NAME(traded)(w, t, equity, looked_at));
        if (!(equity.of > 0)) {
            equity = (NAME(tangent)){0, 0};
            w->net[t].of = -1;
            continue;
        }
        w->equity[t] = equity;
        w->net[t].of = equity.of / before.of - 1;
        w->net[t].by = (equity.by - equity.of / before.of * before.by) / before.of;
    }
}

static NAME(window) NAME(window_of)(const pu__call *call, int slot, int64_t index, NAME(tangent) * memory) {
    NAME(window) w = {.call = call, .bars = NAME(dim)(call, slot, 1), .assets = NAME(dim)(call, slot, 2)};
    const int64_t at = index * w.bars * w.assets;
    w.weight = NAME(in)(call, slot) + at;
    w.returns = NAME(in)(call, slot + 1) + at;
    w.volume = call->in_count > slot + 2 ? NAME(in)(call, slot + 2) + at : NULL;
    w.net = memory;
    w.equity = w.net + w.bars;
    w.value = w.equity + w.bars;
    return w;
}

static NAME(tangent) * NAME(window_memory)(const pu__call *call, int slot) {
    const int64_t count = 2 * NAME(dim)(call, slot, 1) + NAME(dim)(call, slot, 2);
    NAME(tangent) *memory = calloc((size_t)count + 1, sizeof *memory);
    if (!memory) abort();
    return memory;
}

static void NAME(pnl)(const pu__call *call, REAL *const *out) {
    NAME(tangent) *memory = NAME(window_memory)(call, 0);
    for (int64_t b = 0; b < NAME(dim)(call, 0, 0); ++b) {
        NAME(window) w = NAME(window_of)(call, 0, b, memory);
        NAME(walk)(&w, NULL);
        for (int64_t t = 0; t < w.bars; ++t) {
            out[0][b * w.bars + t] = w.net[t].of;
            out[1][b * w.bars + t] = w.equity[t].of;
        }
        for (int kind = 0; kind < PU_PNL_PAID_COUNT; ++kind) out[2][b * PU_PNL_PAID_COUNT + kind] = w.paid[kind];
    }
    free(memory);
}

static void NAME(pnl_grad)(const pu__call *call, REAL *const *out) {
    const float *dnet = NAME(in)(call, 0), *dequity = NAME(in)(call, 1);
    NAME(tangent) *memory = NAME(window_memory)(call, 2);
    for (int64_t b = 0; b < NAME(dim)(call, 2, 0); ++b) {
        NAME(window) w = NAME(window_of)(call, 2, b, memory);
        for (int64_t i = 0; i < call->out_count * w.bars * w.assets; ++i) {
            const int slot = (int)(i / (w.bars * w.assets));
            const int64_t at = i % (w.bars * w.assets);
            REAL slope = 0;
            NAME(walk)(&w, (slot == 0 ? w.weight : w.returns) + at);
            for (int64_t t = 0; t < w.bars; ++t)
                slope += (REAL)dnet[b * w.bars + t] * w.net[t].by + (REAL)dequity[b * w.bars + t] * w.equity[t].by;
            out[slot][b * w.bars * w.assets + at] = slope;
        }
    }
    free(memory);
}
