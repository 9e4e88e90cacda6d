/* The volatility regime: where volatility stands among all its own values so far. Never a full-sample quantile: the
 * distribution is the one known at that bar.
 *
 * The values so far are counted in bins, 16 to an octave, so that state and time a bar do not grow with the history;
 * the rank is exact but for values in the same bin, that is within 6% of each other. */
#include "host/data/features/columns.h"

#include <stdint.h>

enum { OCTAVE_BINS = 16, OCTAVES = 64, BINS = OCTAVES * OCTAVE_BINS, LEAST_EXPONENT = -41 };

static const char *const rank_names[] = {"bars"};
static const char *const regime_names[] = {"bars", "low_quantile", "high_quantile"};

typedef struct rank_state {
    pu__tail square;
    int64_t total;
    int64_t octave[OCTAVES], bin[BINS]; /* values counted */
} rank_state;

/* The bin of a normal value above 0, by its binary exponent and the next four bits. */
static inline int bin_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const int bin = (int)(bits >> 48) - (1023 + LEAST_EXPONENT) * OCTAVE_BINS;
    return bin < 1 ? 1 : bin >= BINS ? BINS - 1 : bin;
}

/* Counts a value; the share of the values so far, this one included, that lie in a lower bin. */
static inline double rank_push(rank_state *state, double volatility) {
    const int bin = volatility > PU__FLAT ? bin_of(volatility) : 0, octave = bin / OCTAVE_BINS;
    state->bin[bin] += 1;
    state->octave[octave] += 1;
    state->total += 1;
    int64_t below = 0;
    for (int i = 0; i < octave; ++i) below += state->octave[i];
    for (int i = octave * OCTAVE_BINS; i < bin; ++i) below += state->bin[i];
    return (double)below / (double)state->total;
}

PU__BLOCK(rank) {
    rank_state *state = memory;
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double *square = pu__span_open(&state->square, n - 1, &span);
    for (int t = 0; t < count; ++t) square[t] = block->log_return[t] * block->log_return[t];
    pu__span_close(&state->square, n - 1, square, count);
    pu__sums(square, n, count, out);
    for (int t = 0; t < count; ++t) out[t] = sqrt(out[t] * (1.0 / n));
    for (int t = 0; t < count; ++t) out[t] = block->first + t < n ? NAN : rank_push(state, out[t]);
}

PU__BLOCK(regime) {
    rank(memory, parameters, block, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = (out[t] >= parameters[1]) + (out[t] >= parameters[2]);
}

/* A rank among fewer values than this says little. */
enum { RANK_LOOKBACK_BARS = 80 };

const pu_feature pu__feature_volatility_rank_20 = {
    .name = "volatility_rank_20",
    .version = 2,
    .description = "Share of all values so far of 20-bar volatility that lie below the present one.",
    .tags = "regime,volatility",
    .source = "expanding empirical quantile of sqrt(mean(r^2)), values within a bin of 1/16 octave equal",
    PU__PARAMETERS(rank_names, 20),
    .lookback_bars = RANK_LOOKBACK_BARS,
    PU__BLOCKS(rank_state, rank),
};

const pu_feature pu__feature_volatility_regime_20 = {
    .name = "volatility_regime_20",
    .version = 2,
    .description =
        "Volatility regime: 0 in the calmest third of the values so far, 1 in the middle, 2 in the top.",
    .tags = "regime,volatility",
    .source = "terciles of volatility_rank_20, expanding",
    PU__PARAMETERS(regime_names, 20, 1.0 / 3, 2.0 / 3),
    .lookback_bars = RANK_LOOKBACK_BARS,
    PU__BLOCKS(rank_state, regime),
};
