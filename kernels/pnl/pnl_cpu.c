/* A window after the other through the functions of kernels/physics, assets in their order. A window's account, its
 * positions and the orders that wait lie in the memory of the worker that walks it. */
#include "kernels/pnl/pnl.h"

#include "kernels/common/vector.h"
#include "kernels/pnl/pnl_step.h"
#include "plusultra/pool.h"

typedef struct pnl {
    const float *weight, *simple_return, *volume;
    const float *dnet, *dequity;
    float *net, *equity, *paid, *dweight, *dreturn;
    pu__execution_rules rules;
    int64_t windows, bars, assets;
    double *workspace;
} pnl;

/* A worker's memory, and what the walk through one window has come to. */
typedef struct account {
    pu__physics_account of;
    double impact, carry;
    pu__physics_position *position; /* [A] */
    double *pending;                /* [latency][A] */
    /* The gradient's: what each bar found, and slopes by the positions. */
    pu__pnl_bar *bar;    /* [T] */
    double *value, *due; /* [T][A]: position before the bar, weight that fell due */
    double *slope;       /* [A] */
} account;

enum { POSITION_DOUBLES = sizeof(pu__physics_position) / sizeof(double), BAR_DOUBLES = 3 };

static int64_t walk_doubles(const pnl *p) {
    return p->assets * (POSITION_DOUBLES + p->rules.physics.latency_bars);
}
static int64_t gradient_doubles(const pnl *p) {
    return walk_doubles(p) + p->bars * (BAR_DOUBLES + 2 * p->assets) + p->assets;
}

static account account_in(const pnl *p, double *memory, bool gradient) {
    account w = {.position = (pu__physics_position *)memory};
    w.pending = memory + p->assets * POSITION_DOUBLES;
    if (gradient) {
        w.bar = (pu__pnl_bar *)(memory + walk_doubles(p));
        w.value = memory + walk_doubles(p) + p->bars * BAR_DOUBLES;
        w.due = w.value + p->bars * p->assets;
        w.slope = w.due + p->bars * p->assets;
    }
    return w;
}

static double volume_at(const pnl *p, int64_t at) { return p->volume ? (double)p->volume[at] : 0.0; }

/* Marks what is held and pays carry; `at`: the bar's first element in [B,T,A]. The equity that orders are sized by. */
static double mark(const pnl *p, account *w, int64_t at, pu__pnl_bar *bar) {
    double earned = 0.0, held = 0.0, sold = 0.0;
    for (int64_t a = 0; a < p->assets; ++a) {
        pu__physics_position *position = &w->position[a];
        const double simple_return = (double)p->simple_return[at + a];
        held += position->value;
        sold -= position->value < 0.0 ? position->value : 0.0;
        if (pu__physics_is_nan(simple_return)) continue;
        earned += pu__pnl_mark(&position->value, simple_return);
    }
    bar->equity = w->of.equity;
    bar->cash = w->of.equity - held;
    const double carry = pu__execution_carry(&p->rules, bar->cash, sold);
    w->carry += carry;
    bar->marked = w->of.equity + earned - carry;
    return bar->marked;
}

/* Trades what falls due; returns the costs. `due` [A] or null. */
static double fill(const pnl *p, account *w, int64_t at, double marked, double *due) {
    double cost = 0.0;
    for (int64_t a = 0; a < p->assets; ++a) {
        double weight = (double)NAN;
        pu__physics_position *position = &w->position[a];
        if (!pu__physics_is_nan((double)p->simple_return[at + a])) {
            weight = pu__physics_queue(&p->rules.physics, position, w->pending + a, p->assets,
                                       (double)p->weight[at + a]);
            const pu__execution_fill f =
                pu__execution_trade(&p->rules, marked, weight, position->value, volume_at(p, at + a), 1.0);
            position->value = f.value;
            w->of.spread_paid += f.spread;
            w->of.slippage_paid += f.slippage;
            w->of.fee_paid += f.fee;
            w->impact += f.impact;
            w->of.traded += fabs(f.trade);
            cost += f.spread + f.slippage + f.fee + f.impact;
        }
        if (due) due[a] = weight;
    }
    return cost;
}

/* One bar; false where it ruins the account. */
static bool step(const pnl *p, account *w, int64_t window, int64_t t) {
    const int64_t at = (window * p->bars + t) * p->assets;
    pu__pnl_bar found, *bar = w->bar ? &w->bar[t] : &found;
    for (int64_t a = 0; a < p->assets && w->value; ++a) w->value[t * p->assets + a] = w->position[a].value;
    const double marked = mark(p, w, at, bar);
    w->of.equity = marked;
    if (marked > 0.0) w->of.equity -= fill(p, w, at, marked, w->due ? w->due + t * p->assets : NULL);
    if (w->of.equity > 0.0) return true;
    pu__physics_ruin(&w->of, w->position, p->assets);
    return false;
}

static void forward(const pnl *p, account *w, int64_t window) {
    float *net = p->net + window * p->bars, *equity = p->equity + window * p->bars;
    pu__physics_reset(&p->rules.physics, &w->of, w->position, w->pending, p->assets);
    w->impact = w->carry = 0.0;
    for (int64_t t = 0; t < p->bars; ++t) {
        net[t] = equity[t] = 0.0f;
        if (w->of.ruined) continue;
        const double before = w->of.equity;
        net[t] = step(p, w, window, t) ? (float)(w->of.equity / before - 1.0) : -1.0f;
        equity[t] = (float)w->of.equity;
    }
    float *paid = p->paid + window * PU_PNL_PAID_COUNT;
    paid[PU_PNL_SPREAD] = (float)w->of.spread_paid;
    paid[PU_PNL_SLIPPAGE] = (float)w->of.slippage_paid;
    paid[PU_PNL_FEE] = (float)w->of.fee_paid;
    paid[PU_PNL_IMPACT] = (float)w->impact;
    paid[PU_PNL_CARRY] = (float)w->carry;
    paid[PU_PNL_TRADED] = (float)w->of.traded;
}

/* One bar backward. `equity`: the slope by the equity after it; returns that by the equity before it. The ring of
 * orders runs backward too: at a bar it gives the slope of the order that was filled latency_bars later. */
static double step_back(const pnl *p, account *w, int64_t at, int64_t t, double equity) {
    const pu__pnl_bar *bar = &w->bar[t];
    const double *value = w->value + t * p->assets, *due = w->due + t * p->assets;
    double marked = equity;
    for (int64_t a = 0; a < p->assets; ++a) {
        const double simple_return = (double)p->simple_return[at + a];
        p->dweight[at + a] = 0.0f;
        if (pu__physics_is_nan(simple_return)) continue;
        const pu__pnl_fill_slope slope =
            pu__pnl_fill_backward(&p->rules, bar->marked, due[a], value[a] * (1.0 + simple_return),
                                  volume_at(p, at + a), equity, w->slope[a]);
        p->dweight[at + a] =
            (float)pu__physics_queue(&p->rules.physics, &w->position[a], w->pending + a, p->assets, slope.weight);
        w->slope[a] = slope.value;
        marked += slope.marked;
    }
    for (int64_t a = 0; a < p->assets; ++a) {
        double by_return = 0.0;
        w->slope[a] = pu__pnl_mark_backward(&p->rules, bar, value[a], (double)p->simple_return[at + a],
                                            w->slope[a], marked, &by_return);
        if (p->dreturn) p->dreturn[at + a] = (float)by_return;
    }
    return marked * (1.0 - pu__execution_cash_slope(&p->rules, bar->cash));
}

static void backward(const pnl *p, account *w, int64_t window) {
    const float *dnet = p->dnet + window * p->bars, *dequity = p->dequity + window * p->bars;
    int64_t lived = 0; /* bars before a ruin */
    pu__physics_reset(&p->rules.physics, &w->of, w->position, w->pending, p->assets);
    while (lived < p->bars && step(p, w, window, lived)) ++lived;
    double after = w->of.equity, slope = 0.0;
    if (lived < p->bars) after = w->bar[lived].equity;
    for (int64_t i = 0; i < p->rules.physics.latency_bars * p->assets; ++i) w->pending[i] = 0.0;
    for (int64_t a = 0; a < p->assets; ++a) w->slope[a] = 0.0;
    for (int64_t t = p->bars - 1; t >= 0; --t) {
        const int64_t at = (window * p->bars + t) * p->assets;
        for (int64_t a = 0; a < p->assets && t >= lived; ++a) {
            p->dweight[at + a] = 0.0f;
            if (p->dreturn) p->dreturn[at + a] = 0.0f;
        }
        if (t >= lived) continue;
        const double before = w->bar[t].equity, by_net = (double)dnet[t];
        slope = step_back(p, w, at, t, slope + (double)dequity[t] + by_net / before);
        slope -= by_net * (after / before) / before;
        after = before;
    }
}

static void forward_windows(void *context, int64_t begin, int64_t end, int worker) {
    const pnl *p = context;
    double none[1]; /* windows of nothing need no workspace */
    double *const space = p->workspace ? p->workspace + worker * walk_doubles(p) : none;
    account w = account_in(p, space, false);
    for (int64_t window = begin; window < end; ++window) forward(p, &w, window);
}

static void backward_windows(void *context, int64_t begin, int64_t end, int worker) {
    const pnl *p = context;
    double none[1];
    double *const space = p->workspace ? p->workspace + worker * gradient_doubles(p) : none;
    account w = account_in(p, space, true);
    for (int64_t window = begin; window < end; ++window) backward(p, &w, window);
}

/* `slot`: of the weights. */
static pnl pnl_of(const pu__call *call, int slot) {
    const pu_shape *shape = &call->in[slot].shape;
    return (pnl){.weight = call->in[slot].data,
                 .simple_return = call->in[slot + 1].data,
                 .volume = call->in_count > slot + 2 ? call->in[slot + 2].data : NULL,
                 .rules = pu__pnl_execution(&call->attributes->pnl),
                 .windows = shape->dim[0],
                 .bars = shape->dim[1],
                 .assets = shape->dim[2],
                 .workspace = call->workspace};
}

pu_status pu__pnl_cpu(const pu__call *call) {
    pnl p = pnl_of(call, 0);
    p.net = call->out[0].data;
    p.equity = call->out[1].data;
    p.paid = call->out[2].data;
    pu_parallel_for(call->pool, p.windows, pu__grain(p.bars * (12 * p.assets + 8)), forward_windows, &p);
    return PU_OK;
}

pu_status pu__pnl_grad_cpu(const pu__call *call) {
    pnl p = pnl_of(call, 2);
    p.dnet = call->in[0].data;
    p.dequity = call->in[1].data;
    p.dweight = call->out[0].data;
    p.dreturn = call->out_count > 1 ? call->out[1].data : NULL;
    pu_parallel_for(call->pool, p.windows, pu__grain(p.bars * (12 * p.assets + 8)), backward_windows, &p);
    return PU_OK;
}

size_t pu__pnl_workspace_cpu(const pu__call *call) {
    const pnl p = pnl_of(call, 0);
    return (size_t)(walk_doubles(&p) * pu_pool_threads(call->pool)) * sizeof(double);
}

size_t pu__pnl_grad_workspace_cpu(const pu__call *call) {
    const pnl p = pnl_of(call, 2);
    return (size_t)(gradient_doubles(&p) * pu_pool_threads(call->pool)) * sizeof(double);
}
