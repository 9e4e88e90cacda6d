/* Where an asset stands among the others at the same close: ranks and z-scores of its return, volatility, change of
 * volume and reversal. The updates give the asset's own value; the engine makes rank or z-score of those of all assets
 * with a bar at that close. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const reversal_names[] = {"bars", "volatility_span_bars"};

#define CROSS_PAIR(name_end, text, window)                                                                       \
    const pu_feature pu__feature_cross_rank_##name_end = {.name = "cross_rank_" #name_end,                       \
                                                          .description =                                         \
                                                              "Rank, -1 to 1, among the assets of " text ".",    \
                                                          .cross = PU_CROSS_RANK,                                \
                                                          window};                                               \
    const pu_feature pu__feature_cross_z_##name_end = {                                                          \
        .name = "cross_z_" #name_end,                                                                            \
        .description = "Deviations from the mean of the assets of " text ", in population standard deviations.", \
        .cross = PU_CROSS_ZSCORE,                                                                                \
        window};

/* ---- returns ---- */

/* Log of the close over that of n bars before. */
static inline void log_returns(pu__tail *closes, int n, const pu_feature_chunk *block, double *restrict out) {
    const int count = (int)block->count;
    pu__span span;
    double ratio[PU__BLOCK_BARS];
    const double *close = pu__span_of(closes, n, block->close, count, &span);
    for (int t = 0; t < count; ++t) ratio[t] = close[t] / close[t - n];
    pu__logs(ratio, count, out);
}

PU__BLOCK(returns) { log_returns(memory, (int)parameters[0], block, out); }

#define RETURN(n)                                                                                          \
    .version = 1, .tags = "cross,return",                                                                  \
    .source = "log(close[t] / close[t-n]); Jegadeesh & Titman 1993 rank so", PU__PARAMETERS(bars_name, n), \
    .lookback_bars = (n), PU__BLOCKS(pu__tail, returns)

CROSS_PAIR(return_5, "the log return over 5 bars", RETURN(5))
CROSS_PAIR(return_20, "the log return over 20 bars", RETURN(20))
CROSS_PAIR(return_60, "the log return over 60 bars", RETURN(60))
CROSS_PAIR(return_120, "the log return over 120 bars", RETURN(120))

/* ---- volatility ---- */

PU__BLOCK(volatility) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double *square = pu__span_open(memory, n - 1, &span);
    for (int t = 0; t < count; ++t) square[t] = block->log_return[t] * block->log_return[t];
    pu__span_close(memory, n - 1, square, count);
    pu__sums(square, n, count, out);
    for (int t = 0; t < count; ++t) out[t] = sqrt(out[t] / n);
}

#define VOLATILITY(n)                                                                                \
    .version = 1, .tags = "cross,volatility", .source = "sqrt(mean(r^2)) of n log returns, per bar", \
    PU__PARAMETERS(bars_name, n), .lookback_bars = (n), PU__BLOCKS(pu__tail, volatility)

CROSS_PAIR(volatility_5, "the volatility of 5 bars", VOLATILITY(5))
CROSS_PAIR(volatility_20, "the volatility of 20 bars", VOLATILITY(20))
CROSS_PAIR(volatility_60, "the volatility of 60 bars", VOLATILITY(60))
CROSS_PAIR(volatility_120, "the volatility of 120 bars", VOLATILITY(120))

/* ---- change of volume ---- */

/* Volume and whether there is one; their sums over n bars, of which those n bars ago are the window before. */
typedef struct volume_state {
    pu__tail volume, known, volume_sum, known_sum;
} volume_state;

#define FLOOR_RATIO 1e-3

static inline const double *window_sums(pu__tail *values, pu__tail *sums, int n, const double *from, int count,
                                        pu__span *span) {
    pu__span own;
    const double *x = pu__span_of(values, n - 1, from, count, &own);
    double *sum = pu__span_open(sums, n, span);
    pu__sums(x, n, count, sum);
    pu__span_close(sums, n, sum, count);
    return sum;
}

/* Means of the bars of a window that have a volume; 0 where one of the two windows has none, or nothing was traded.
 * Neither mean counts as less than a thousandth of the other. */
PU__BLOCK(volume_change) {
    volume_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span volume_span, known_span;
    double volume[PU__BLOCK_BARS], known[PU__BLOCK_BARS], ratio[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) {
        const bool has = !isnan(block->volume[t]);
        known[t] = has ? 1 : 0;
        volume[t] = has ? block->volume[t] : 0;
    }
    const double *sum = window_sums(&state->volume, &state->volume_sum, n, volume, count, &volume_span);
    const double *bars = window_sums(&state->known, &state->known_sum, n, known, count, &known_span);
    for (int t = 0; t < count; ++t) {
        const double now = sum[t] / bars[t], then = sum[t - n] / bars[t - n];
        const double above = now > FLOOR_RATIO * then ? now : FLOOR_RATIO * then;
        const double below = then > FLOOR_RATIO * now ? then : FLOOR_RATIO * now;
        const double value = above / below;
        ratio[t] = bars[t] > 0 && bars[t - n] > 0 && above > 0 ? value : 1;
    }
    pu__logs(ratio, count, out);
}

#define VOLUME(n)                                                                                            \
    .version = 1, .tags = "cross,volume", .needs_volume = true,                                              \
    .source =                                                                                                \
        "log(mean volume of n bars / that of the n before), of the bars that have one, within +- log(1000)", \
    PU__PARAMETERS(bars_name, n), .lookback_bars = 2 * (n)-1, PU__BLOCKS(volume_state, volume_change)

CROSS_PAIR(volume_change_5, "the change of volume, 5 bars against the 5 before", VOLUME(5))
CROSS_PAIR(volume_change_20, "the change of volume, 20 bars against the 20 before", VOLUME(20))
CROSS_PAIR(volume_change_60, "the change of volume, 60 bars against the 60 before", VOLUME(60))
CROSS_PAIR(volume_change_120, "the change of volume, 120 bars against the 120 before", VOLUME(120))

/* ---- reversal ---- */

typedef struct reversal_state {
    pu__tail close;
    pu__weighted square;
} reversal_state;

PU__BLOCK(reversal) {
    reversal_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    double volatility[PU__BLOCK_BARS];
    pu__volatilities(&state->square, parameters[1], block, volatility);
    log_returns(&state->close, n, block, out);
    for (int t = 0; t < count; ++t) out[t] = -pu__over(out[t], volatility[t]) / sqrt(n);
}

#define REVERSAL(n, lookback)                                                                         \
    .version = 1, .tags = "cross,momentum",                                                           \
    .source = "-log(close[t] / close[t-n]) / (ewma_volatility_32 * sqrt(n)); Jegadeesh 1990, scaled", \
    PU__PARAMETERS(reversal_names, n, 32), .lookback_bars = (lookback), PU__BLOCKS(reversal_state, reversal)

CROSS_PAIR(reversal_5, "the 5-bar return, turned round, in units of volatility", REVERSAL(5, 32))
CROSS_PAIR(reversal_20, "the 20-bar return, turned round, in units of volatility", REVERSAL(20, 32))
CROSS_PAIR(reversal_60, "the 60-bar return, turned round, in units of volatility", REVERSAL(60, 60))
CROSS_PAIR(reversal_120, "the 120-bar return, turned round, in units of volatility", REVERSAL(120, 120))
