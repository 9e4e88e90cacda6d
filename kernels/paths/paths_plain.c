/* One path after the other, in the order that paths.h tells: the judge of the batched versions. It shares with them
 * the draws, the process, the execution and the policies of one asset, and nothing of their layout. */
#include "kernels/paths/paths.h"
#include "kernels/paths/policy.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"

enum { PATHS_GRAIN = 8 };

typedef struct asset_state {
    double value, price, target;
    float variance, fast, slow, drawn;
} asset_state;

typedef struct walk {
    const pu__path_scenario *s;
    asset_state *asset;
    double *pending;               /* [latency][assets] */
    double *close, *held, *answer; /* CALLBACK: [steps + 1][assets], [assets], [assets] */
    const double *weight;          /* PATH_WEIGHTS: of this path, [steps + 1][assets] */
    uint64_t path;
    int32_t state; /* regime, or row of the history */
    double equity, peak, metric[PU_PATH_METRIC_COUNT];
    double worst, worst_peak; /* equity and peak of the largest drawdown */
    double traded, spread_base;
    float unseen; /* slow_decay^bar */
} walk;

static pu__philox4 words_of(const walk *w, int32_t step, uint32_t asset, pu__draw_kind kind) {
    return pu__draw_words(w->s->seed, w->path, (uint32_t)(step / PU_DRAW_STEPS), pu__draw_of(asset, kind));
}

static float normal_of(const walk *w, int32_t step, uint32_t asset, pu__draw_kind kind) {
    float z[PU_DRAW_STEPS];
    pu__draw_normals(words_of(w, step, asset, kind), z);
    return z[step % PU_DRAW_STEPS];
}

static float uniform_of(const walk *w, int32_t step, uint32_t asset) {
    return pu__draw_uniform(words_of(w, step, asset, PU_DRAW_UNIFORM).word[step % PU_DRAW_STEPS]);
}

static float draw_of(const walk *w, int32_t step, int32_t a) {
    if (w->s->process != PU_PROCESS_GARCH) return normal_of(w, step, (uint32_t)a, PU_DRAW_PRICE);
    const int place = step % PU_DRAW_STEPS;
    return pu__draw_student(words_of(w, step, (uint32_t)a, PU_DRAW_PRICE).word[place],
                            words_of(w, step, (uint32_t)a, PU_DRAW_SECOND).word[place],
                            w->s->asset[a].inverse_dof);
}

static float correlated(const walk *w, int32_t step, int32_t a) {
    const pu__path_scenario *s = w->s;
    float z = w->asset[a].drawn;
    if (s->factor) {
        const float *row = s->factor + (int64_t)a * s->assets;
        z *= row[a];
        for (int32_t j = a - 1; j >= 0; --j) z = fmaf(row[j], w->asset[j].drawn, z);
    }
    const float share = s->shock ? s->shock[(int64_t)step * s->assets].correlation : 0.0f;
    if (share > 0.0f)
        z = fmaf(sqrtf(1.0f - share), z, sqrtf(share) * normal_of(w, step, PU_DRAW_SHARED_ASSET, PU_DRAW_PRICE));
    return z;
}

/* The log-return of one asset; what all share has been drawn already. */
static float return_of(walk *w, int32_t step, int32_t a) {
    const pu__path_scenario *s = w->s;
    const pu__process_asset *p = &s->asset[a];
    const uint32_t asset = (uint32_t)a;
    switch (s->process) {
    case PU_PROCESS_GBM: return pu__gbm_step(p, correlated(w, step, a));
    case PU_PROCESS_MERTON:
        return pu__merton_step(p, correlated(w, step, a), normal_of(w, step, asset, PU_DRAW_SECOND),
                               uniform_of(w, step, asset));
    case PU_PROCESS_HESTON:
        return pu__heston_step(p, &w->asset[a].variance, correlated(w, step, a),
                               normal_of(w, step, asset, PU_DRAW_SECOND), uniform_of(w, step, asset));
    case PU_PROCESS_GARCH: return pu__garch_step(p, &w->asset[a].variance, correlated(w, step, a));
    case PU_PROCESS_REGIME: return pu__regime_step(p, w->state, correlated(w, step, a));
    default: return s->history[(int64_t)w->state * s->assets + a];
    }
}

static void draw_shared(walk *w, int32_t step) {
    const pu__path_scenario *s = w->s;
    if (s->process == PU_PROCESS_REPLAY) {
        w->state = pu__replay_row(s->history_first, step, s->history_rows);
        return;
    }
    for (int32_t a = 0; a < s->assets && s->process != PU_PROCESS_BOOTSTRAP; ++a)
        w->asset[a].drawn = draw_of(w, step, a);
    const float u = uniform_of(w, step, PU_DRAW_SHARED_ASSET);
    if (s->process == PU_PROCESS_REGIME) w->state = pu__regime_next(s->cumulative, w->state, u);
    if (s->process == PU_PROCESS_BOOTSTRAP) {
        const pu__philox4 start = words_of(w, step, PU_DRAW_SHARED_ASSET, PU_DRAW_SECOND);
        w->state = pu__bootstrap_next(w->state, s->history_rows, step == 0 ? 1.0f : s->restart, u,
                                      start.word[step % PU_DRAW_STEPS]);
    }
}

static float shocked(const pu__path_scenario *s, int32_t step, int32_t a, float x) {
    if (!s->shock) return x;
    const pu__path_shock shock = s->shock[(int64_t)step * s->assets + a];
    const float mean = s->asset[a].mean;
    return fmaf(shock.volatility_scale, x - mean, fmaf(shock.drift_scale, mean, shock.shift));
}

static void observe(const pu__path_scenario *s, asset_state *asset, float x) {
    if (s->policy == PU_POLICY_VOLATILITY) {
        asset->slow = fmaf(s->slow_decay, asset->slow, (1.0f - s->slow_decay) * x * x);
    } else {
        asset->fast = s->fast_decay * (asset->fast + x);
        asset->slow = s->slow_decay * (asset->slow + x);
    }
}

static void flag(walk *w, pu__path_metric metric, int32_t bar) {
    if (w->metric[metric] < 0.0) w->metric[metric] = bar;
}

static void close_account(walk *w, int32_t bar) {
    flag(w, PU_PATH_RUIN_BAR, bar);
    w->equity = 0.0;
    for (int32_t a = 0; a < w->s->assets; ++a) w->asset[a].value = 0.0;
}

static bool halted(const walk *w) {
    return w->metric[PU_PATH_MARGIN_BAR] >= 0.0 || w->metric[PU_PATH_STOP_BAR] >= 0.0;
}

static void mark(walk *w, int32_t bar) {
    const pu__path_scenario *s = w->s;
    double worth = w->equity, gross = 0.0, held = 0.0, sold = 0.0;
    draw_shared(w, bar - 1);
    for (int32_t a = 0; a < s->assets; ++a) {
        asset_state *asset = &w->asset[a];
        const float x = shocked(s, bar - 1, a, return_of(w, bar - 1, a));
        const double gain = (double)pu__sim_expm1(x), before = asset->value;
        observe(s, asset, x);
        asset->price *= 1.0 + gain;
        asset->value = fma(before, gain, before);
        worth = fma(before, gain, worth);
        held += before;
        sold += before < 0.0 ? -before : 0.0;
        gross += fabs(asset->value);
    }
    if (!(w->equity > 0.0)) return;
    const double carry = pu__execution_carry(&s->rules, w->equity - held, sold);
    w->metric[PU_PATH_CARRY] += carry;
    w->equity = worth - carry;
    if (!(w->equity > 0.0)) {
        close_account(w, bar);
        return;
    }
    if (halted(w)) return;
    const bool called = pu__execution_margin_call(&s->rules, w->equity, gross);
    if (pu__execution_loss_limit(&s->rules, w->equity, w->peak)) flag(w, PU_PATH_STOP_BAR, bar);
    if (called) flag(w, PU_PATH_MARGIN_BAR, bar);
}

static double decide(const walk *w, int32_t bar, int32_t a) {
    const pu__path_scenario *s = w->s;
    const asset_state *asset = &w->asset[a];
    switch (s->policy) {
    case PU_POLICY_BUY_HOLD: return bar == 0 ? s->weight[a] : (double)NAN;
    case PU_POLICY_WEIGHTS: return s->weight[(int64_t)bar * s->assets + a];
    case PU_POLICY_PATH_WEIGHTS: return w->weight[(int64_t)bar * s->assets + a];
    case PU_POLICY_HISTORY_WEIGHTS: return bar == 0 ? (double)NAN : s->weight[(int64_t)w->state * s->assets + a];
    case PU_POLICY_CALLBACK: return w->answer[a];
    case PU_POLICY_MOMENTUM: return s->weight[a] * (double)pu__policy_momentum(asset->fast, asset->slow);
    case PU_POLICY_MEAN_REVERSION: return s->weight[a] * (double)pu__policy_reversion(asset->slow, s->scale);
    case PU_POLICY_VOLATILITY:
        return s->weight[a] * (double)pu__policy_volatility(asset->slow, 1.0f - w->unseen, s->scale);
    default: return s->weight[a];
    }
}

static double due(walk *w, int32_t bar, int32_t a) {
    const int64_t latency = w->s->rules.physics.latency_bars;
    double weight = decide(w, bar, a);
    if (latency > 0) {
        double *place = w->pending + bar % latency * w->s->assets + a;
        const double waited = *place;
        *place = weight;
        weight = waited;
    }
    if (halted(w)) return 0.0;
    return weight == weight ? pu__execution_clip(&w->s->rules, weight) : w->asset[a].target;
}

/* What a bar trades: notionals, the same times the bar's scale of the spread, and the equity that costs leave. */
typedef struct bar_trade {
    double traded, spread_base, left;
} bar_trade;

static double fill_asset(walk *w, int32_t bar, int32_t a, double scale, bar_trade *sum) {
    const pu__path_scenario *s = w->s;
    asset_state *asset = &w->asset[a];
    double volume = s->volume ? s->volume[a] : 0.0, spread_scale = 1.0;
    if (s->shock && bar > 0) {
        volume *= (double)s->shock[(int64_t)(bar - 1) * s->assets + a].volume_scale;
        spread_scale = (double)s->shock[(int64_t)(bar - 1) * s->assets + a].spread_scale;
    }
    const pu__execution_order order = pu__execution_cut(&s->rules, w->equity, asset->target * scale, asset->value,
                                                        pu__execution_most(&s->rules, volume));
    const double notional = fabs(order.trade), impact = pu__execution_impact(&s->rules, notional, volume);
    if (!order.left) asset->target = (double)NAN;
    asset->value = order.value;
    sum->traded += notional;
    sum->spread_base = fma(notional, spread_scale, sum->spread_base);
    sum->left = fma(-pu__execution_cost_ratio(&s->rules, spread_scale), notional, sum->left) - impact;
    w->metric[PU_PATH_IMPACT] += impact;
    return order.trade;
}

static void ask(walk *w, int32_t bar) {
    const int32_t assets = w->s->assets;
    for (int32_t a = 0; a < assets; ++a) {
        w->close[(int64_t)bar * assets + a] = w->asset[a].price;
        w->held[a] = w->asset[a].value;
        w->answer[a] = (double)NAN;
    }
    w->s->decide(w->s->decide_context, (int64_t)w->path, bar, assets, w->close, w->equity, w->held, w->answer);
}

/* trade [assets] or null. */
static void trade_bar(walk *w, int32_t bar, double *trade) {
    double gross = 0.0;
    bar_trade sum = {0.0, 0.0, w->equity};
    if (w->s->policy == PU_POLICY_CALLBACK) ask(w, bar);
    for (int32_t a = 0; a < w->s->assets; ++a) {
        w->asset[a].target = due(w, bar, a);
        if (w->asset[a].target == w->asset[a].target) gross += fabs(w->asset[a].target);
    }
    const double scale = pu__execution_scale(&w->s->rules, gross);
    for (int32_t a = 0; a < w->s->assets; ++a) {
        const double bought = w->equity > 0.0 ? fill_asset(w, bar, a, scale, &sum) : 0.0;
        if (trade) trade[a] = bought;
    }
    if (w->equity > 0.0) {
        w->metric[PU_PATH_TURNOVER] = pu__execution_turnover(w->metric[PU_PATH_TURNOVER], sum.traded, w->equity);
        w->traded += sum.traded;
        w->spread_base += sum.spread_base;
        w->equity = sum.left;
        if (!(w->equity > 0.0)) close_account(w, bar);
    }
    if (w->equity > w->peak) w->peak = w->equity;
    if (w->equity * w->worst_peak < w->worst * w->peak) {
        w->worst = w->equity;
        w->worst_peak = w->peak;
    }
    if (w->equity < w->peak) w->metric[PU_PATH_UNDER_WATER] += 1.0;
}

static void finish(walk *w) {
    const pu__physics_rules *rules = &w->s->rules.physics;
    w->metric[PU_PATH_WEALTH] = w->equity;
    w->metric[PU_PATH_DRAWDOWN] = 1.0 - w->worst / w->worst_peak;
    w->metric[PU_PATH_SPREAD] = rules->half_spread_ratio * w->spread_base;
    w->metric[PU_PATH_SLIPPAGE] = rules->slippage_ratio * w->traded;
    w->metric[PU_PATH_FEE] = rules->fee_ratio * w->traded;
}

static void start(walk *w) {
    const pu__path_scenario *s = w->s;
    const int64_t assets = s->assets;
    for (int64_t a = 0; a < assets; ++a)
        w->asset[a] = (asset_state){.price = 1.0, .target = (double)NAN, .variance = s->asset[a].variance_start};
    for (int64_t i = 0; i < s->rules.physics.latency_bars * assets; ++i) w->pending[i] = (double)NAN;
    w->state = s->process == PU_PROCESS_REGIME ? s->regime_start : 0;
    w->equity = w->peak = w->worst = w->worst_peak = 1.0;
    w->traded = w->spread_base = 0.0;
    w->unseen = 1.0f;
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) w->metric[m] = m < PU_PATH_RUIN_BAR ? 0.0 : -1.0;
}

static void run_path(walk *w, const pu__path_batch *batch, int64_t index) {
    const int64_t assets = w->s->assets, bars = w->s->steps + 1;
    start(w);
    if (batch->weight) w->weight = batch->weight + index * bars * assets;
    for (int32_t bar = 0; bar < bars; ++bar) {
        const int64_t at = index * bars + bar;
        if (bar > 0) {
            w->unseen *= w->s->slow_decay;
            mark(w, bar);
        }
        trade_bar(w, bar, batch->trade ? batch->trade + at * assets : NULL);
        if (batch->equity) batch->equity[at] = w->equity;
        for (int64_t a = 0; a < assets && batch->price; ++a) batch->price[at * assets + a] = w->asset[a].price;
    }
    finish(w);
    for (int m = 0; m < PU_PATH_METRIC_COUNT && batch->metric; ++m)
        batch->metric[m * batch->count + index] = w->metric[m];
}

static void release(walk *w) {
    pu_free(w->asset);
    pu_free(w->pending);
    pu_free(w->close);
}

static bool prepare(walk *w, const pu__path_scenario *scenario) {
    const size_t assets = (size_t)scenario->assets, latency = (size_t)scenario->rules.physics.latency_bars;
    const size_t closes = ((size_t)scenario->steps + 1) * assets;
    const bool asks = scenario->policy == PU_POLICY_CALLBACK;
    *w = (walk){.s = scenario};
    w->asset = pu_calloc(assets, sizeof *w->asset);
    w->pending = pu_calloc(assets * latency + 1, sizeof *w->pending);
    if (asks) w->close = pu_calloc(closes + 2 * assets, sizeof *w->close);
    w->held = asks && w->close ? w->close + closes : NULL;
    w->answer = w->held ? w->held + assets : NULL;
    return w->asset && w->pending && (w->close || !asks);
}

typedef struct job {
    const pu__path_batch *batch;
    walk *walk;                /* one a worker, and so are summaries */
    pu__path_summary *summary; /* null: not wanted */
} job;

static void run_chunk(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    walk *w = &j->walk[worker];
    for (int64_t i = begin; i < end; ++i) {
        w->path = j->batch->first + (uint64_t)i;
        run_path(w, j->batch, i);
        if (j->summary) pu__path_summary_take(&j->summary[worker], w->metric);
    }
}

static pu_status run_pooled(job *j, const pu__path_scenario *scenario, size_t workers, pu_pool *pool) {
    bool ready = j->walk && (j->summary || !j->batch->summary);
    for (size_t i = 0; i < workers && ready; ++i) ready = prepare(&j->walk[i], scenario);
    if (!ready) return PU_ERR_MEMORY;
    for (size_t i = 0; i < workers && j->summary; ++i) pu__path_summary_reset(&j->summary[i]);
    pu_parallel_for(pool, j->batch->count, PATHS_GRAIN, run_chunk, j);
    for (size_t i = 0; i < workers && j->summary; ++i) pu__path_summary_add(j->batch->summary, &j->summary[i]);
    return PU_OK;
}

pu_status pu__paths_callback(const pu__path_scenario *scenario, const pu__path_batch *batch, pu_pool *pool) {
    PU_TRY(pu__path_scenario_check(scenario));
    PU_TRY(pu__path_batch_check(scenario, batch));
    PU_TRY(pu__path_tables_check(scenario));
    PU_TRY(pu__path_weights_check(scenario, batch));
    const size_t workers = pool ? (size_t)pu_pool_threads(pool) : 1;
    job j = {.batch = batch, .walk = pu_calloc(workers, sizeof *j.walk)};
    if (batch->summary) j.summary = pu_calloc(workers, sizeof *j.summary);
    const pu_status status = run_pooled(&j, scenario, workers, pool);
    for (size_t i = 0; i < workers && j.walk; ++i) release(&j.walk[i]);
    pu_free(j.summary);
    pu_free(j.walk);
    return status;
}

pu_status pu__paths_plain(const pu__path_scenario *scenario, const pu__path_batch *batch) {
    return pu__paths_callback(scenario, batch, NULL);
}
