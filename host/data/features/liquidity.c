/* What it takes to move the price: Amihud's illiquidity. Bars without volume, or where it is missing, are left out,
 * as Amihud leaves out days without trades. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const change_names[] = {"short_bars", "long_bars"};

#define PER_MONEY 1e6 /* the paper's unit: per million */

typedef struct illiquidity_state {
    pu__tail close, value, known;
} illiquidity_state;

/* |return| per money traded, and 1 where anything traded; 0 and 0 elsewhere. In front of both lie n - 1 bars. */
typedef struct illiquidity {
    pu__span values, knowns;
    double *value, *known;
} illiquidity;

static inline void illiquidity_push(illiquidity_state *state, int n, const pu_feature_chunk *block,
                                    illiquidity *out) {
    const int count = (int)block->count;
    pu__span span;
    const double *close = pu__span_of(&state->close, 1, block->close, count, &span);
    out->value = pu__span_open(&state->value, n - 1, &out->values);
    out->known = pu__span_open(&state->known, n - 1, &out->knowns);
    for (int t = 0; t < count; ++t) {
        const double money = close[t] * block->volume[t], value = fabs(close[t] / close[t - 1] - 1) / money;
        const bool is_known = money > 0 && block->first + t > 0;
        out->value[t] = is_known ? value : 0;
        out->known[t] = is_known ? 1 : 0;
    }
    pu__span_close(&state->value, n - 1, out->value, count);
    pu__span_close(&state->known, n - 1, out->known, count);
}

/* Mean of what is known of the last n bars, 0 if nothing is. */
static inline void means_known(const illiquidity *of, int n, int count, double *restrict out) {
    double known[PU__BLOCK_BARS];
    pu__sums(of->value, n, count, out);
    pu__sums(of->known, n, count, known);
    for (int t = 0; t < count; ++t) {
        const double mean = out[t] / known[t];
        out[t] = known[t] > 0 ? mean : 0;
    }
}

PU__BLOCK(amihud) {
    const int n = (int)parameters[0], count = (int)block->count;
    illiquidity all;
    illiquidity_push(memory, n, block, &all);
    means_known(&all, n, count, out);
    for (int t = 0; t < count; ++t) out[t] *= PER_MONEY;
}

const pu_feature pu__feature_amihud_20 = {
    .name = "amihud_20",
    .version = 2,
    .description = "Illiquidity: mean absolute return per million of money traded, last 20 bars.",
    .tags = "volume,liquidity,level",
    .source = "Amihud 2002, eq. 1: 10^6 mean(|R| / (close * volume)), adjusted close",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__BLOCKS(illiquidity_state, amihud),
};

PU__BLOCK(change) {
    const int few = (int)parameters[0], many = (int)parameters[1], count = (int)block->count;
    illiquidity all;
    double now[PU__BLOCK_BARS], usual[PU__BLOCK_BARS];
    illiquidity_push(memory, many, block, &all);
    means_known(&all, few, count, now);
    means_known(&all, many, count, usual);
    for (int t = 0; t < count; ++t) now[t] = now[t] > 0 && usual[t] > 0 ? now[t] / usual[t] : 1;
    pu__logs(now, count, out);
}

const pu_feature pu__feature_amihud_change_10_60 = {
    .name = "amihud_change_10_60",
    .version = 2,
    .description = "Log of the illiquidity of the last 10 bars over that of the last 60, 0 where either is nil.",
    .tags = "volume,liquidity",
    .source = "Amihud 2002, eq. 1, over two windows",
    .needs_volume = true,
    PU__PARAMETERS(change_names, 10, 60),
    .lookback_bars = 60,
    PU__BLOCKS(illiquidity_state, change),
};
