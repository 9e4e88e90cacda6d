/* Where an asset stands among the others at the same close: ranks and z-scores of its return, volatility, change of
 * volume and reversal. The updates give the asset's own value; the engine makes rank or z-score of those of all assets
 * with a bar at that close. */
#include "host/data/features/window.h"

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

typedef struct return_state {
    pu__roll close;
} return_state;

static double return_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    return_state *state = memory;
    const double *window = pu__roll_push(&state->close, (int)parameters[0] + 1, bar->close);
    return window ? log(bar->close / window[0]) : NAN;
}

#define RETURN(n)                                                                                          \
    .version = 1, .tags = "cross,return",                                                                  \
    .source = "log(close[t] / close[t-n]); Jegadeesh & Titman 1993 rank so", PU__PARAMETERS(bars_name, n), \
    .lookback_bars = (n), PU__UPDATE(return_state, return_update)

CROSS_PAIR(return_5, "the log return over 5 bars", RETURN(5))
CROSS_PAIR(return_20, "the log return over 20 bars", RETURN(20))
CROSS_PAIR(return_60, "the log return over 60 bars", RETURN(60))
CROSS_PAIR(return_120, "the log return over 120 bars", RETURN(120))

/* ---- volatility ---- */

static double volatility_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    return window ? sqrt(pu__dot(window, window, bars) / bars) : NAN;
}

#define VOLATILITY(n)                                                                                \
    .version = 1, .tags = "cross,volatility", .source = "sqrt(mean(r^2)) of n log returns, per bar", \
    PU__PARAMETERS(bars_name, n), .lookback_bars = (n), PU__UPDATE(pu__returns, volatility_update)

CROSS_PAIR(volatility_5, "the volatility of 5 bars", VOLATILITY(5))
CROSS_PAIR(volatility_20, "the volatility of 20 bars", VOLATILITY(20))
CROSS_PAIR(volatility_60, "the volatility of 60 bars", VOLATILITY(60))
CROSS_PAIR(volatility_120, "the volatility of 120 bars", VOLATILITY(120))

/* ---- change of volume ---- */

/* The last n volumes, and the n before them, which have left the first window. */
typedef struct volume_state {
    pu__roll recent, before;
    bool is_full;
} volume_state;

#define FLOOR_RATIO 1e-3

/* 0 where volume is missing, and until 2 n bars had one: such bars are left out. Neither mean counts as less than a
 * thousandth of the other. */
static double volume_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    volume_state *state = memory;
    const int bars = (int)parameters[0];
    const double none = index < 2 * (int64_t)bars - 1 ? NAN : 0;
    if (isnan(bar->volume)) return none;
    const double *before =
        state->is_full ? pu__roll_push(&state->before, bars, state->recent.value[state->recent.next]) : NULL;
    const double *recent = pu__roll_push(&state->recent, bars, bar->volume);
    state->is_full = recent != NULL;
    if (!before) return none;
    const double now = pu__sum(recent, bars), then = pu__sum(before, bars);
    if (now <= 0 && then <= 0) return 0;
    return log(fmax(now, FLOOR_RATIO * then) / fmax(then, FLOOR_RATIO * now));
}

#define VOLUME(n)                                                                       \
    .version = 1, .tags = "cross,volume", .needs_volume = true,                         \
    .source = "log(mean volume of n bars / that of the n before), within +- log(1000)", \
    PU__PARAMETERS(bars_name, n), .lookback_bars = 2 * (n)-1, PU__UPDATE(volume_state, volume_update)

CROSS_PAIR(volume_change_5, "the change of volume, 5 bars against the 5 before", VOLUME(5))
CROSS_PAIR(volume_change_20, "the change of volume, 20 bars against the 20 before", VOLUME(20))
CROSS_PAIR(volume_change_60, "the change of volume, 60 bars against the 60 before", VOLUME(60))
CROSS_PAIR(volume_change_120, "the change of volume, 120 bars against the 120 before", VOLUME(120))

/* ---- reversal ---- */

typedef struct reversal_state {
    pu__roll close;
    pu__volatility volatility;
} reversal_state;

static double reversal_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)index;
    reversal_state *state = memory;
    const int bars = (int)parameters[0];
    const double volatility = pu__volatility_push(&state->volatility, parameters[1], bar->close);
    const double *window = pu__roll_push(&state->close, bars + 1, bar->close);
    return window ? -pu__over(log(bar->close / window[0]), volatility) / sqrt(bars) : NAN;
}

#define REVERSAL(n, lookback)                                                                         \
    .version = 1, .tags = "cross,momentum",                                                           \
    .source = "-log(close[t] / close[t-n]) / (ewma_volatility_32 * sqrt(n)); Jegadeesh 1990, scaled", \
    PU__PARAMETERS(reversal_names, n, 32), .lookback_bars = (lookback),                               \
    PU__UPDATE(reversal_state, reversal_update)

CROSS_PAIR(reversal_5, "the 5-bar return, turned round, in units of volatility", REVERSAL(5, 32))
CROSS_PAIR(reversal_20, "the 20-bar return, turned round, in units of volatility", REVERSAL(20, 32))
CROSS_PAIR(reversal_60, "the 60-bar return, turned round, in units of volatility", REVERSAL(60, 60))
CROSS_PAIR(reversal_120, "the 120-bar return, turned round, in units of volatility", REVERSAL(120, 120))
