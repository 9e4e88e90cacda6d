/* Where the energy of the last log returns lies: the periodogram's bands and entropy, and Haar wavelets.
 *
 * Power at frequency k / n is |X_k|^2, doubled for k strictly between 0 and n / 2 (one-sided); the mean, k = 0, is
 * left out. No taper. */
#include "host/data/features/columns.h"

enum {
    SPECTRUM_BARS_MAX = 64,
    BINS_MAX = SPECTRUM_BARS_MAX / 2,
    TIMES = 64, /* bars transformed at once */
    ROW = TIMES + SPECTRUM_BARS_MAX + 8
};

static const char *const bars_name[] = {"bars"};
static const char *const band_names[] = {"bars", "first_frequency", "last_frequency"};
static const char *const level_names[] = {"bars", "level"};

typedef struct turns {
    double re[BINS_MAX + 1], im[BINS_MAX + 1]; /* exp(-2 pi i k / n) */
} turns;

typedef struct spectrum_state {
    pu__tail returns;
    turns turn;
} spectrum_state;

static void turns_make(int n, turns *out) {
    for (int k = 0; k <= n / 2; ++k) out->re[k] = cos(2 * M_PI * k / n), out->im[k] = -sin(2 * M_PI * k / n);
}

/* Transforms of some length of windows ending at successive bars: frequency k of the one at place i. */
typedef struct transforms {
    double re[BINS_MAX + 1][ROW], im[BINS_MAX + 1][ROW];
} transforms;

/* From length m to 2 m (Cooley & Tukey 1965, by decimation in time), for windows whose values lie `stride` bars apart:
 * the even places are the window that ends a stride earlier, the odd ones the window itself. So a transform at one bar
 * is put together from those of half the length that earlier bars use too, and costs n butterflies and not n log n. */
static inline void double_length(const transforms *half, int m, int stride, int n, int places, const turns *turn,
                                 transforms *out) {
    for (int k = 0; k <= m / 2; ++k) {
        const double turn_re = turn->re[k * stride], turn_im = turn->im[k * stride];
        const double *re = half->re[k], *im = half->im[k];
        double *restrict low_re = out->re[k], *restrict low_im = out->im[k];
        double *restrict high_re = out->re[m - k], *restrict high_im = out->im[m - k];
        for (int i = n - stride; i < places; ++i) {
            const double odd_re = re[i] * turn_re - im[i] * turn_im, odd_im = re[i] * turn_im + im[i] * turn_re;
            const double even_re = re[i - stride], even_im = im[i - stride];
            if (k < m - k) high_re[i] = even_re - odd_re, high_im[i] = odd_im - even_im;
            low_re[i] = even_re + odd_re;
            low_im[i] = even_im + odd_im;
        }
    }
}

/* power[k - 1] of frequencies k = 1 to n / 2 of the windows of n = 2^i values that end at x[0 .. count), and their
 * sum. */
PU__WIDTHS static void powers(const turns *turn, const double *x, int n, int count,
                              double (*restrict power)[TIMES], double *restrict total) {
    transforms room[2];
    const int before = n - 1, places = count + before;
    memcpy(room[0].re[0], x - before, (size_t)places * sizeof(double));
    memset(room[0].im[0], 0, (size_t)places * sizeof(double));
    int side = 0;
    for (int m = 1; m < n; m *= 2, side = !side)
        double_length(&room[side], m, n / (2 * m), n, places, turn, &room[!side]);
    const transforms *whole = &room[side];
    for (int t = 0; t < count; ++t) total[t] = 0;
    for (int k = 1; k <= n / 2; ++k) {
        const double *re = whole->re[k] + before, *im = whole->im[k] + before;
        const double sides = k < n / 2 ? 2 : 1;
        for (int t = 0; t < count; ++t) {
            power[k - 1][t] = sides * (re[t] * re[t] + im[t] * im[t]);
            total[t] += power[k - 1][t];
        }
    }
}

/* Where returns do not vary there is no spectrum. By Parseval, the total is n^2 times the variance. */
static inline bool is_flat(double total, int n) { return !(sqrt(total) > PU__FLAT * n); }

PU__BLOCK(band) {
    const int n = (int)parameters[0], first = (int)parameters[1], last = (int)parameters[2];
    double power[BINS_MAX][TIMES], total[TIMES];
    pu__span span;
    spectrum_state *state = memory;
    if (block->first == 0) turns_make(n, &state->turn);
    const double *x = pu__span_of(&state->returns, n - 1, block->log_return, (int)block->count, &span);
    for (int at = 0; at < (int)block->count; at += TIMES) {
        const int count = (int)block->count - at < TIMES ? (int)block->count - at : TIMES;
        double *sum = out + at;
        powers(&state->turn, x + at, n, count, power, total);
        for (int t = 0; t < count; ++t) sum[t] = 0;
        for (int k = first; k <= last; ++k) {
            for (int t = 0; t < count; ++t) sum[t] += power[k - 1][t];
        }
        for (int t = 0; t < count; ++t) sum[t] = is_flat(total[t], n) ? 0 : sum[t] / total[t];
    }
}

#define BAND(first, last)                                                                                     \
    .version = 2, .tags = "spectrum", PU__PARAMETERS(band_names, 64, first, last), .lookback_bars = 64,       \
    .source = "periodogram (scipy.signal.periodogram, boxcar): share of the frequencies " #first " to " #last \
              " of 64 in the sum over 1 to 32",                                                               \
    PU__BLOCKS(spectrum_state, band)

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

PU__BLOCK(entropy) {
    const int n = (int)parameters[0];
    const double most = log(n / 2.0);
    double power[BINS_MAX][TIMES], total[TIMES], scale[TIMES], logs[TIMES], sum[TIMES];
    pu__span span;
    spectrum_state *state = memory;
    if (block->first == 0) turns_make(n, &state->turn);
    const double *x = pu__span_of(&state->returns, n - 1, block->log_return, (int)block->count, &span);
    for (int at = 0; at < (int)block->count; at += TIMES) {
        const int count = (int)block->count - at < TIMES ? (int)block->count - at : TIMES;
        powers(&state->turn, x + at, n, count, power, total);
        for (int t = 0; t < count; ++t) sum[t] = 0, scale[t] = 1 / total[t];
        for (int k = 0; k < n / 2; ++k) {
            for (int t = 0; t < count; ++t) {
                const double share = power[k][t] * scale[t];
                power[k][t] = share > 0 ? share : 1;
            }
            pu__logs(power[k], count, logs);
            for (int t = 0; t < count; ++t) sum[t] -= power[k][t] * logs[t];
        }
        for (int t = 0; t < count; ++t) out[at + t] = is_flat(total[t], n) ? 0 : sum[t] / most;
    }
}

#define ENTROPY(n)                                                                                 \
    .version = 2, .tags = "spectrum", PU__PARAMETERS(bars_name, n), .lookback_bars = n,            \
    .source = "Shannon entropy of the periodogram's shares over frequencies 1 to n / 2, over its " \
              "maximum ln(n / 2)",                                                                 \
    PU__BLOCKS(spectrum_state, entropy)

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

/* Energies of the Haar details of levels 1, 2, ... of the windows of n = 2^i values, and of one of them. A detail of
 * level j is the difference of two sums of 2^(j-1) values over the root of 2^j; in a window they lie 2^j apart. The
 * transform is orthonormal: the energies of the levels add up to n times the variance. */
PU__WIDTHS static void haar_energies(const double *x, int n, int level, int count, double *restrict total,
                                     double *restrict energy) {
    double sums[2][PU__SPAN_BARS_MAX], squares[2][PU__SPAN_BARS_MAX];
    const int places = count + n - 1;
    const double *sum = x - (n - 1);
    for (int t = 0; t < count; ++t) total[t] = 0;
    for (int m = 1, side = 0, step = 1; m < n; m *= 2, side = !side, ++step) {
        double *restrict next = sums[side], *square = squares[0];
        for (int i = 2 * m - 1; i < places; ++i) {
            const double older = sum[i - m], newer = sum[i], difference = older - newer;
            square[i] = difference * difference;
            next[i] = older + newer;
        }
        sum = next;
        int at = 0;
        for (int apart = 2 * m; apart < n; apart *= 2, at = !at) {
            const double *from = squares[at];
            double *restrict to = squares[!at];
            for (int i = 2 * apart - 1; i < places; ++i) to[i] = from[i - apart] + from[i];
        }
        const double *all = squares[at] + n - 1;
        for (int t = 0; t < count; ++t) total[t] += all[t] * (0.5 / m);
        for (int t = 0; t < count && step == level; ++t) energy[t] = all[t] * (0.5 / m);
    }
}

PU__BLOCK(haar) {
    const int n = (int)parameters[0], count = (int)block->count;
    pu__span span;
    double total[PU__BLOCK_BARS];
    const double *x = pu__span_of(memory, n - 1, block->log_return, count, &span);
    haar_energies(x, n, (int)parameters[1], count, total, out);
    for (int t = 0; t < count; ++t) {
        const double share = out[t] / total[t];
        out[t] = sqrt(total[t] / n) > PU__FLAT ? share : 0;
    }
}

#define HAAR(level)                                                                                             \
    .version = 2, .tags = "spectrum,wavelet", PU__PARAMETERS(level_names, 32, level), .lookback_bars = 32,      \
    .source = "Haar 1910: detail energy of level " #level " over that of levels 1 to 5, orthonormal transform", \
    PU__BLOCKS(pu__tail, haar)

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
