/* The volatility regime: where volatility stands among all its own values so far. Never a full-sample quantile: the
 * distribution is the one known at that bar.
 *
 * The values so far are counted in bins, 16 to an octave, so that state and time a bar do not grow with the history;
 * the rank is exact but for values in the same bin, that is within 6% of each other. The bins are a Fenwick tree
 * (1994). */
#include "host/data/features/window.h"

enum { OCTAVE_BINS = 16, OCTAVES = 64, BINS = OCTAVES * OCTAVE_BINS, EXPONENT_OFFSET = 40 };

static const char *const rank_names[] = {"bars"};
static const char *const regime_names[] = {"bars", "low_quantile", "high_quantile"};

typedef struct rank_state {
    pu__returns returns;
    int64_t total;
    int64_t tree[BINS + 1];
} rank_state;

/* The bin of a value above 0, by its binary exponent and the next four bits: exact in any library. */
static int bin_of(double value) {
    int exponent = 0;
    const double mantissa = frexp(value, &exponent);
    const int bin = (exponent + EXPONENT_OFFSET) * OCTAVE_BINS + (int)((2 * mantissa - 1) * OCTAVE_BINS);
    return bin < 1 ? 1 : bin >= BINS ? BINS - 1 : bin;
}

/* Share of the values so far, this one included, that lie in a lower bin; NaN before the first. */
static double rank_push(rank_state *state, int bars, const pu_feature_bar *bar, int64_t index) {
    const double *window = pu__returns_push(&state->returns, bars, bar->close, index);
    if (!window) return NAN;
    double squares = 0;
    for (int i = 0; i < bars; ++i) squares += window[i] * window[i];
    const double volatility = sqrt(squares / bars);
    const int bin = volatility > PU__FLAT ? bin_of(volatility) : 0;
    for (int i = bin + 1; i <= BINS; i += i & -i) state->tree[i] += 1;
    state->total += 1;
    int64_t below = 0;
    for (int i = bin; i > 0; i -= i & -i) below += state->tree[i];
    return (double)below / (double)state->total;
}

static double rank_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    return rank_push(memory, (int)parameters[0], bar, index);
}

static double regime_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const double rank = rank_push(memory, (int)parameters[0], bar, index);
    return (rank >= parameters[1]) + (rank >= parameters[2]);
}

/* A rank among fewer values than this says little. */
enum { RANK_LOOKBACK_BARS = 80 };

const pu_feature pu__feature_volatility_rank_20 = {
    .name = "volatility_rank_20",
    .version = 1,
    .description = "Share of all values so far of 20-bar volatility that lie below the present one.",
    .tags = "regime,volatility",
    .source = "expanding empirical quantile of sqrt(mean(r^2)), values within a bin of 1/16 octave equal",
    PU__PARAMETERS(rank_names, 20),
    .lookback_bars = RANK_LOOKBACK_BARS,
    PU__UPDATE(rank_state, rank_update),
};

const pu_feature pu__feature_volatility_regime_20 = {
    .name = "volatility_regime_20",
    .version = 1,
    .description =
        "Volatility regime: 0 in the calmest third of the values so far, 1 in the middle, 2 in the top.",
    .tags = "regime,volatility",
    .source = "terciles of volatility_rank_20, expanding",
    PU__PARAMETERS(regime_names, 20, 1.0 / 3, 2.0 / 3),
    .lookback_bars = RANK_LOOKBACK_BARS,
    PU__UPDATE(rank_state, regime_update),
};
