/* TA-Lib's volume indicators. A bar whose volume is missing adds nothing. */
#include "host/data/features/columns.h"

static const char *const bars_name[] = {"bars"};
static const char *const pair_names[] = {"fast_bars", "slow_bars"};

static inline double known(double volume) { return isnan(volume) ? 0 : volume; }

typedef struct mfi_state {
    pu__tail typical, up, down;
} mfi_state;

/* A typical price that changes by rounding alone has not changed. TA-Lib gives 0 where the flow of 14 bars is below
 * 1, in whatever unit; here, where there is none. */
PU__BLOCK(mfi) {
    mfi_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span prices, ups, downs;
    double ups_sum[PU__BLOCK_BARS], downs_sum[PU__BLOCK_BARS];
    double *typical = pu__span_open(&state->typical, 1, &prices);
    double *up = pu__span_open(&state->up, n - 1, &ups), *down = pu__span_open(&state->down, n - 1, &downs);
    for (int t = 0; t < count; ++t) typical[t] = (block->high[t] + block->low[t] + block->close[t]) * (1.0 / 3);
    for (int t = 0; t < count; ++t) {
        const double change = typical[t] - typical[t - 1], least = PU__ZERO_RATIO * typical[t];
        const double flow = typical[t] * known(block->volume[t]);
        up[t] = change > least ? flow : 0;
        down[t] = change < -least ? flow : 0;
    }
    pu__span_close(&state->typical, 1, typical, count);
    pu__span_close(&state->up, n - 1, up, count);
    pu__span_close(&state->down, n - 1, down, count);
    pu__sums(up, n, count, ups_sum);
    pu__sums(down, n, count, downs_sum);
    for (int t = 0; t < count; ++t) {
        const double all = ups_sum[t] + downs_sum[t], share = 100 * (ups_sum[t] / all);
        out[t] = all > 0 ? share : 0;
    }
}

const pu_feature pu__feature_mfi_14 = {
    .name = "mfi_14",
    .version = 2,
    .description = "Money flow index: money at rising typical prices in percent of all, 14 bars.",
    .tags = "volume,talib",
    .source = "TA-Lib MFI(14)",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 14),
    .lookback_bars = 14,
    PU__BLOCKS(mfi_state, mfi),
};

/* The line so far. */
static inline void ad_push(double *sum, const pu_feature_chunk *block, double *restrict out) {
    const int count = (int)block->count;
    for (int t = 0; t < count; ++t) {
        const double high = block->high[t], low = block->low[t], close = block->close[t], range = high - low;
        const double share = ((close - low) - (high - close)) / range * known(block->volume[t]);
        out[t] = range > 0 ? share : 0;
    }
    double line = *sum;
    for (int t = 0; t < count; ++t) out[t] = line += out[t];
    *sum = line;
}

PU__BLOCK(ad) { ad_push(memory, block, out); }

const pu_feature pu__feature_ad = {
    .name = "ad",
    .version = 1,
    .description = "Chaikin's accumulation and distribution line, from the first bar on.",
    .tags = "volume,talib,level",
    .source = "TA-Lib AD: sum of ((close - low) - (high - close)) / (high - low) * volume",
    .needs_volume = true,
    .lookback_bars = 0,
    PU__BLOCKS(double, ad),
};

typedef struct adosc_state {
    double sum;
    pu__decay fast, slow;
} adosc_state;

/* Exponential mean of a line, which starts at its first value. */
static inline void line_mean(pu__decay *mean, double bars, int64_t first, const double *line, int count,
                             double *out) {
    const double factor = 2 / (bars + 1);
    double input[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) input[t] = factor * line[t];
    if (first == 0) input[0] = line[0];
    pu__decays(mean, 1 - factor, input, count, out);
}

PU__BLOCK(adosc) {
    adosc_state *state = memory;
    const int count = (int)block->count;
    double line[PU__BLOCK_BARS], slow[PU__BLOCK_BARS];
    ad_push(&state->sum, block, line);
    line_mean(&state->fast, parameters[0], block->first, line, count, out);
    line_mean(&state->slow, parameters[1], block->first, line, count, slow);
    for (int t = 0; t < count; ++t) out[t] -= slow[t];
}

const pu_feature pu__feature_adosc = {
    .name = "adosc",
    .version = 2,
    .description = "Chaikin's oscillator: the exponential mean of the AD line over 3 bars less that over 10.",
    .tags = "volume,talib,level",
    .source = "TA-Lib ADOSC(3, 10)",
    .needs_volume = true,
    PU__PARAMETERS(pair_names, 3, 10),
    .lookback_bars = 9,
    PU__BLOCKS(adosc_state, adosc),
};

typedef struct obv_state {
    pu__tail close;
    double sum;
} obv_state;

/* The first bar's volume is where it starts. */
PU__BLOCK(obv) {
    obv_state *state = memory;
    const int count = (int)block->count;
    pu__span span;
    const double *close = pu__span_of(&state->close, 1, block->close, count, &span);
    for (int t = 0; t < count; ++t) {
        const double volume = known(block->volume[t]);
        out[t] = close[t] > close[t - 1] ? volume : close[t] < close[t - 1] ? -volume : 0;
    }
    double sum = state->sum;
    for (int t = 0; t < count; ++t) out[t] = sum += out[t];
    state->sum = sum;
}

const pu_feature pu__feature_obv = {
    .name = "obv",
    .version = 1,
    .description = "On-balance volume: volume added at a higher close and taken away at a lower one.",
    .tags = "volume,talib,level",
    .source = "TA-Lib OBV; Granville 1963",
    .needs_volume = true,
    .lookback_bars = 0,
    PU__BLOCKS(obv_state, obv),
};
