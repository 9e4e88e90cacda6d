#include "host/eval/simulate.h"

#include <math.h>

#include "plusultra/memory.h"

/* What one simulation needs beside its result. */
typedef struct scene {
    const pu__panel *panel;
    const pu__physics_rules *rules;
    pu__physics_account account;
    pu__physics_position *position;
    double *pending;
    int64_t *decided;  /* [latency][assets] panel rows of the asset's last bars */
    int64_t *gains;    /* [assets] */
    int64_t *losses;   /* [assets] */
    int8_t *sign;      /* [assets] of the position held */
    int64_t held_bars; /* bars of assets with a position */
    int64_t holdings;  /* runs of one sign */
    int64_t fill_capacity;
} scene;

static void scene_free(scene *s) {
    pu_free(s->position);
    pu_free(s->pending);
    pu_free(s->decided);
    pu_free(s->gains);
    pu_free(s->losses);
    pu_free(s->sign);
}

static pu_status scene_make(const pu__panel *panel, const pu__physics_rules *rules, scene *s) {
    const size_t assets = (size_t)panel->assets, places = assets * (size_t)rules->latency_bars;
    *s = (scene){.panel = panel, .rules = rules};
    s->position = pu_calloc(assets, sizeof *s->position);
    s->pending = pu_calloc(places, sizeof *s->pending);
    s->decided = pu_calloc(places, sizeof *s->decided);
    s->gains = pu_calloc(assets, sizeof *s->gains);
    s->losses = pu_calloc(assets, sizeof *s->losses);
    s->sign = pu_calloc(assets, sizeof *s->sign);
    if (!s->position || !s->pending || !s->decided || !s->gains || !s->losses || !s->sign) {
        scene_free(s);
        return PU_ERR_MEMORY;
    }
    pu__physics_reset(rules, &s->account, s->position, s->pending, panel->assets);
    return PU_OK;
}

static pu_status run_make(int64_t times, int64_t assets, pu__run *out) {
    *out = (pu__run){.times = times, .assets = assets};
    double **const column[] = {&out->equity, &out->returns, &out->gross, &out->net, &out->turnover, &out->cost};
    for (size_t i = 0; i < sizeof column / sizeof *column; ++i) {
        *column[i] = pu_calloc((size_t)times, sizeof **column);
        if (!*column[i]) return PU_ERR_MEMORY;
    }
    out->asset = pu_calloc((size_t)assets, sizeof *out->asset);
    return out->asset ? PU_OK : PU_ERR_MEMORY;
}

void pu__run_free(pu__run *run) {
    pu_free(run->equity);
    pu_free(run->returns);
    pu_free(run->gross);
    pu_free(run->net);
    pu_free(run->turnover);
    pu_free(run->cost);
    pu_free(run->asset);
    pu_free(run->fill);
    *run = (pu__run){0};
}

/* The panel row at which the order filled at this bar was decided; remembers this row in its place. */
static int64_t decided_row(scene *s, int64_t asset, int64_t row) {
    if (s->rules->latency_bars == 0) return row;
    const int64_t bar = s->position[asset].bars - 1;
    int64_t *place = &s->decided[(bar % s->rules->latency_bars) * s->panel->assets + asset];
    const int64_t decided = *place;
    *place = row;
    return decided;
}

static pu_status add_fill(scene *s, pu__run *run, const pu__fill *fill) {
    if (run->fill_count == s->fill_capacity) {
        const int64_t capacity = s->fill_capacity ? 2 * s->fill_capacity : 256;
        pu__fill *grown =
            pu_regrow(run->fill, (size_t)s->fill_capacity * sizeof *grown, (size_t)capacity * sizeof *grown);
        if (!grown) return PU_ERR_MEMORY;
        run->fill = grown;
        s->fill_capacity = capacity;
    }
    run->fill[run->fill_count++] = *fill;
    return PU_OK;
}

static void follow_holding(scene *s, int64_t asset, double value) {
    const int8_t sign = (int8_t)((value > 0.0) - (value < 0.0));
    if (sign != 0 && sign != s->sign[asset]) ++s->holdings;
    if (sign != 0) ++s->held_bars;
    s->sign[asset] = sign;
}

/* Books one asset's part of a step. `marked` is the equity that fills were sized by. */
static pu_status book_asset(scene *s, pu__run *run, int64_t asset, int64_t row, double marked) {
    const pu__physics_position *p = &s->position[asset];
    pu__asset_run *a = &run->asset[asset];
    const int64_t decided = decided_row(s, asset, row);
    const int64_t k = row - (s->panel->times - run->times);
    ++a->bars;
    a->contribution += p->pnl - p->cost;
    s->gains[asset] += p->pnl > 0.0;
    s->losses[asset] += p->pnl < 0.0;
    follow_holding(s, asset, p->value);
    if (p->trade == 0.0 || s->account.ruined) return PU_OK;
    a->turnover += fabs(p->trade) / marked;
    run->turnover[k] += fabs(p->trade) / marked;
    run->cost[k] += p->cost / marked;
    const double weight_before = (p->value - p->trade) / marked;
    const pu__fill fill = {asset, decided, row, p->price, weight_before, p->value / marked, p->cost / marked};
    return add_fill(s, run, &fill);
}

static pu_status simulate_step(scene *s, pu__run *run, int64_t row, const double *weight) {
    const int64_t assets = s->panel->assets, k = row - (s->panel->times - run->times);
    const double *price = s->panel->price + row * assets;
    const double before = s->account.equity;
    pu__physics_step(s->rules, &s->account, s->position, s->pending, assets, price, weight + row * assets);
    double marked = before, weight_sum = 0.0, weight_abs_sum = 0.0;
    for (int64_t i = 0; i < assets; ++i) marked += s->position[i].pnl;
    const bool was_ruined = run->ruined;
    for (int64_t i = 0; i < assets && !was_ruined; ++i) {
        if (!isnan(price[i])) PU_TRY(book_asset(s, run, i, row, marked));
    }
    run->ruined = s->account.ruined;
    for (int64_t i = 0; i < assets && !run->ruined; ++i) {
        const double w = s->position[i].value / s->account.equity;
        run->asset[i].mean_weight += w;
        run->asset[i].mean_abs_weight += fabs(w);
        weight_sum += w;
        weight_abs_sum += fabs(w);
    }
    run->net[k] = weight_sum;
    run->gross[k] = weight_abs_sum;
    run->time_in_market += weight_abs_sum > 0.0;
    run->equity[k] = k == 0 ? 1.0 : s->account.equity;
    run->returns[k] = k == 0 || run->equity[k - 1] <= 0.0 ? 0.0 : run->equity[k] / run->equity[k - 1] - 1.0;
    return PU_OK;
}

static void finish(const scene *s, pu__run *run) {
    const double times = (double)run->times;
    for (int64_t i = 0; i < run->assets; ++i) {
        pu__asset_run *a = &run->asset[i];
        const double moved = (double)(s->gains[i] + s->losses[i]);
        a->mean_weight = run->times > 0 ? a->mean_weight / times : (double)NAN;
        a->mean_abs_weight = run->times > 0 ? a->mean_abs_weight / times : (double)NAN;
        a->hit_rate = moved > 0.0 ? (double)s->gains[i] / moved : (double)NAN;
    }
    run->time_in_market = run->times > 0 ? run->time_in_market / times : (double)NAN;
    run->average_holding_bars = s->holdings > 0 ? (double)s->held_bars / (double)s->holdings : (double)NAN;
    run->spread_paid = s->account.spread_paid;
    run->slippage_paid = s->account.slippage_paid;
    run->fee_paid = s->account.fee_paid;
    run->traded = s->account.traded;
}

pu_status pu__simulate(const pu__panel *panel, int64_t first, const double *weight, const pu__physics_rules *rules,
                       pu__run *out) {
    scene s;
    PU_TRY(scene_make(panel, rules, &s));
    pu_status status = run_make(panel->times - first, panel->assets, out);
    for (int64_t row = first; row < panel->times && status == PU_OK; ++row)
        status = simulate_step(&s, out, row, weight);
    if (status == PU_OK) {
        finish(&s, out);
    } else {
        pu__run_free(out);
    }
    scene_free(&s);
    return status;
}
