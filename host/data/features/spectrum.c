/* Where the energy of the last log returns lies: the periodogram's bands and entropy, and Haar wavelets.
 *
 * Power at frequency k / n is |X_k|^2, doubled for k strictly between 0 and n / 2 (one-sided); the mean, k = 0, is
 * left out. No taper. */
#include "host/data/features/window.h"

enum { SPECTRUM_BARS_MAX = 64, SPECTRUM_BINS_MAX = SPECTRUM_BARS_MAX / 2 };

static const char *const bars_name[] = {"bars"};
static const char *const band_names[] = {"bars", "first_frequency", "last_frequency"};
static const char *const level_names[] = {"bars", "level"};

typedef struct complex_value {
    double re, im;
} complex_value;

typedef struct spectrum_state {
    pu__returns returns;
    complex_value turn[SPECTRUM_BINS_MAX]; /* exp(-2 pi i k / n) */
} spectrum_state;

/* Cooley & Tukey 1965, n a power of two, in place; `turn` is that of 2 n. */
static void transform(complex_value *x, int n, const complex_value *turn) {
    for (int i = 1, j = 0; i < n; ++i) {
        int bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i >= j) continue;
        const complex_value swap = x[i];
        x[i] = x[j];
        x[j] = swap;
    }
    for (int half = 1; half < n; half *= 2) {
        for (int start = 0; start < n; start += 2 * half) {
            for (int k = 0; k < half; ++k) {
                const complex_value w = turn[k * (n / half)], a = x[start + k], b = x[start + k + half];
                const complex_value c = {b.re * w.re - b.im * w.im, b.re * w.im + b.im * w.re};
                x[start + k] = (complex_value){a.re + c.re, a.im + c.im};
                x[start + k + half] = (complex_value){a.re - c.re, a.im - c.im};
            }
        }
    }
}

/* |X_k|^2 of 2 n real values, of which x is the transform of n pairs (even, odd) as complex numbers; n is a power
 * of two. */
static double power_at(const complex_value *x, int n, int k, const complex_value *turn) {
    const complex_value a = x[k & (n - 1)], b = x[(n - k) & (n - 1)];
    const complex_value even = {(a.re + b.re) / 2, (a.im - b.im) / 2},
                        odd = {(a.im + b.im) / 2, (b.re - a.re) / 2};
    const complex_value w = k < n ? turn[k] : (complex_value){-1, 0};
    const double re = even.re + odd.re * w.re - odd.im * w.im, im = even.im + odd.re * w.im + odd.im * w.re;
    return re * re + im * im;
}

/* power[k - 1] of frequencies k = 1 to n / 2 as shares of their sum; false while there are too few returns. All
 * shares are 0 where the returns do not vary. */
static bool spectrum_push(spectrum_state *state, int n, const pu_feature_bar *bar, int64_t index, double *power) {
    if (index == 0) {
        for (int k = 0; k < n / 2; ++k)
            state->turn[k] = (complex_value){cos(2 * M_PI * k / n), -sin(2 * M_PI * k / n)};
    }
    const double *window = pu__returns_push(&state->returns, n, bar->close, index);
    if (!window) return false;
    complex_value x[SPECTRUM_BINS_MAX];
    for (int i = 0; i < n / 2; ++i) x[i] = (complex_value){window[2 * i], window[2 * i + 1]};
    transform(x, n / 2, state->turn);
    double total = 0;
    for (int k = 1; k <= n / 2; ++k) {
        power[k - 1] = (k < n / 2 ? 2 : 1) * power_at(x, n / 2, k, state->turn);
        total += power[k - 1];
    }
    const bool is_flat = sqrt(total) <= PU__FLAT * n; /* Parseval: total = n^2 times the variance */
    for (int k = 0; k < n / 2; ++k) power[k] = is_flat ? 0 : power[k] / total;
    return true;
}

static double band_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    double power[SPECTRUM_BINS_MAX];
    if (!spectrum_push(memory, (int)parameters[0], bar, index, power)) return NAN;
    double sum = 0;
    for (int k = (int)parameters[1]; k <= (int)parameters[2]; ++k) sum += power[k - 1];
    return sum;
}

#define BAND(first, last)                                                                                     \
    .version = 1, .tags = "spectrum", PU__PARAMETERS(band_names, 64, first, last), .lookback_bars = 64,       \
    .source = "periodogram (scipy.signal.periodogram, boxcar): share of the frequencies " #first " to " #last \
              " of 64 in the sum over 1 to 32",                                                               \
    PU__UPDATE(spectrum_state, band_update)

const pu_feature pu__feature_spectral_low_64 = {
    .name = "spectral_low_64",
    .description = "Share of swings of 16 bars or longer in the energy of the last 64 log returns.",
    BAND(1, 4),
};
const pu_feature pu__feature_spectral_middle_64 = {
    .name = "spectral_middle_64",
    .description = "Share of swings between 4 and 16 bars in the energy of the last 64 log returns.",
    BAND(5, 15),
};
const pu_feature pu__feature_spectral_high_64 = {
    .name = "spectral_high_64",
    .description = "Share of swings of 4 bars or shorter in the energy of the last 64 log returns.",
    BAND(16, 32),
};

static double entropy_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    double power[SPECTRUM_BINS_MAX];
    if (!spectrum_push(memory, bars, bar, index, power)) return NAN;
    double sum = 0;
    for (int k = 0; k < bars / 2; ++k) sum -= power[k] > 0 ? power[k] * log(power[k]) : 0;
    return sum / log(bars / 2.0);
}

#define ENTROPY(n)                                                                                 \
    .version = 1, .tags = "spectrum", PU__PARAMETERS(bars_name, n), .lookback_bars = n,            \
    .source = "Shannon entropy of the periodogram's shares over frequencies 1 to n / 2, over its " \
              "maximum ln(n / 2)",                                                                 \
    PU__UPDATE(spectrum_state, entropy_update)

const pu_feature pu__feature_spectral_entropy_32 = {
    .name = "spectral_entropy_32",
    .description = "Spectral entropy of the last 32 log returns: 1 for white noise, 0 for one frequency or none.",
    ENTROPY(32),
};
const pu_feature pu__feature_spectral_entropy_64 = {
    .name = "spectral_entropy_64",
    .description = "Spectral entropy of the last 64 log returns: 1 for white noise, 0 for one frequency or none.",
    ENTROPY(64),
};

/* Energy of the Haar details of one level as a share of that of all levels. The transform is orthonormal: the
 * energies of the levels add up to n times the variance. */
static double haar_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0], level = (int)parameters[1];
    const double *window = pu__returns_push(memory, bars, bar->close, index);
    if (!window) return NAN;
    double rest[SPECTRUM_BARS_MAX], total = 0, energy = 0;
    for (int i = 0; i < bars; ++i) rest[i] = window[i];
    for (int step = 1, count = bars / 2; count >= 1; ++step, count /= 2) {
        double sum = 0;
        for (int i = 0; i < count; ++i) {
            const double a = rest[2 * i], b = rest[2 * i + 1];
            sum += (a - b) * (a - b) / 2;
            rest[i] = (a + b) * M_SQRT1_2;
        }
        total += sum;
        if (step == level) energy = sum;
    }
    return sqrt(total / bars) > PU__FLAT ? energy / total : 0;
}

#define HAAR(level)                                                                                             \
    .version = 1, .tags = "spectrum,wavelet", PU__PARAMETERS(level_names, 32, level), .lookback_bars = 32,      \
    .source = "Haar 1910: detail energy of level " #level " over that of levels 1 to 5, orthonormal transform", \
    PU__UPDATE(pu__returns, haar_update)

const pu_feature pu__feature_haar_energy_1 = {
    .name = "haar_energy_1",
    .description = "Share of wavelet level 1 (2 to 4 bars) in the energy of the last 32 log returns.",
    HAAR(1),
};
const pu_feature pu__feature_haar_energy_2 = {
    .name = "haar_energy_2",
    .description = "Share of wavelet level 2 (4 to 8 bars) in the energy of the last 32 log returns.",
    HAAR(2),
};
const pu_feature pu__feature_haar_energy_3 = {
    .name = "haar_energy_3",
    .description = "Share of wavelet level 3 (8 to 16 bars) in the energy of the last 32 log returns.",
    HAAR(3),
};
const pu_feature pu__feature_haar_energy_4 = {
    .name = "haar_energy_4",
    .description = "Share of wavelet level 4 (16 to 32 bars) in the energy of the last 32 log returns.",
    HAAR(4),
};
