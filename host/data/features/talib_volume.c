/* TA-Lib's volume indicators. A bar whose volume is missing adds nothing. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const pair_names[] = {"fast_bars", "slow_bars"};

static double known(double volume) { return isnan(volume) ? 0 : volume; }

typedef struct mfi_state {
    double typical;
    pu__fold up, down;
} mfi_state;

/* A typical price that changes by rounding alone has not changed. TA-Lib gives 0 where the flow of 14 bars is below
 * 1, in whatever unit; here, where there is none. */
static double mfi_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    mfi_state *state = memory;
    const int bars = (int)parameters[0];
    const double typical = (bar->high + bar->low + bar->close) / 3, change = typical - state->typical;
    state->typical = typical;
    if (index == 0) return NAN;
    const double flow = typical * known(bar->volume), least = PU__ZERO_RATIO * typical;
    const double up = pu__fold_push(&state->up, PU__FOLD_SUM, bars, change > least ? flow : 0);
    const double down = pu__fold_push(&state->down, PU__FOLD_SUM, bars, change < -least ? flow : 0);
    return up + down > 0 ? 100 * (up / (up + down)) : 0;
}

const pu_feature pu__feature_mfi_14 = {
    .name = "mfi_14",
    .version = 1,
    .description = "Money flow index: money at rising typical prices in percent of all, 14 bars.",
    .tags = "volume,talib",
    .source = "TA-Lib MFI(14)",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__UPDATE(mfi_state, mfi_update),
};

static double ad_push(double *sum, const pu_feature_bar *bar) {
    const double range = bar->high - bar->low;
    if (range > 0) *sum += ((bar->close - bar->low) - (bar->high - bar->close)) / range * known(bar->volume);
    return *sum;
}

static double ad_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters;
    (void)index;
    return ad_push(memory, bar);
}

const pu_feature pu__feature_ad = {
    .name = "ad",
    .version = 1,
    .description = "Chaikin's accumulation and distribution line, from the first bar on.",
    .tags = "volume,talib,level",
    .source = "TA-Lib AD: sum of ((close - low) - (high - close)) / (high - low) * volume",
    .needs_volume = true,
    .lookback_bars = 0,
    PU__UPDATE(double, ad_update),
};

typedef struct adosc_state {
    double sum, fast, slow;
} adosc_state;

/* Both averages start at the first value of the line. */
static double adosc_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    adosc_state *state = memory;
    const double line = ad_push(&state->sum, bar);
    const double fast = 2 / (parameters[0] + 1), slow = 2 / (parameters[1] + 1);
    state->fast = index == 0 ? line : fast * line + (1 - fast) * state->fast;
    state->slow = index == 0 ? line : slow * line + (1 - slow) * state->slow;
    return state->fast - state->slow;
}

const pu_feature pu__feature_adosc = {
    .name = "adosc",
    .version = 1,
    .description = "Chaikin's oscillator: the exponential mean of the AD line over 3 bars less that over 10.",
    .tags = "volume,talib,level",
    .source = "TA-Lib ADOSC(3, 10)",
    .needs_volume = true,
    PU__PARAMETERS(pair_names, 3, 10),
    .lookback_bars = 9,
    PU__UPDATE(adosc_state, adosc_update),
};

typedef struct obv_state {
    double close, sum;
} obv_state;

static double obv_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)parameters;
    obv_state *state = memory;
    if (index == 0 || bar->close > state->close) {
        state->sum += known(bar->volume);
    } else if (bar->close < state->close) {
        state->sum -= known(bar->volume);
    }
    state->close = bar->close;
    return state->sum;
}

const pu_feature pu__feature_obv = {
    .name = "obv",
    .version = 1,
    .description = "On-balance volume: volume added at a higher close and taken away at a lower one.",
    .tags = "volume,talib,level",
    .source = "TA-Lib OBV; Granville 1963",
    .needs_volume = true,
    .lookback_bars = 0,
    PU__UPDATE(obv_state, obv_update),
};
