#include "host/data/features/columns.h"

#include <float.h>
#include <stdint.h>

/* ---- windows by doubling: level m holds the folds of m values, so a window is one piece per binary digit ---- */

PU__WIDTHS void pu__sums(const double *x, int n, int count, double *restrict out) {
    double room[2][PU__SPAN_BARS_MAX];
    const int total = count + n - 1;
    const double *level = x - (n - 1);
    for (int m = 1, newer = 0, side = 0;; m *= 2, side = !side) {
        if (n & m) {
            const double *piece = level + n - 1 - newer;
            if (newer == 0) {
                for (int t = 0; t < count; ++t) out[t] = piece[t];
            } else {
                for (int t = 0; t < count; ++t) out[t] += piece[t];
            }
            newer += m;
        }
        if (newer == n) return;
        double *restrict next = room[side];
        for (int i = 2 * m - 1; i < total; ++i) next[i] = level[i - m] + level[i];
        level = next;
    }
}

/* Pieces may overlap: two of the largest level are enough. */
#define EXTREMES(name, relation)                                                                   \
    PU__WIDTHS void name(const double *x, int n, int count, double *restrict out) {                \
        double room[2][PU__SPAN_BARS_MAX];                                                         \
        const int total = count + n - 1;                                                           \
        const double *level = x - (n - 1);                                                         \
        int m = 1;                                                                                 \
        for (int side = 0; 2 * m <= n; m *= 2, side = !side) {                                     \
            double *restrict next = room[side];                                                    \
            for (int i = 2 * m - 1; i < total; ++i)                                                \
                next[i] = level[i - m] relation level[i] ? level[i - m] : level[i];                \
            level = next;                                                                          \
        }                                                                                          \
        const double *newer = level + n - 1, *older = level + m - 1;                               \
        for (int t = 0; t < count; ++t) out[t] = older[t] relation newer[t] ? older[t] : newer[t]; \
    }
EXTREMES(pu__highest, >)
EXTREMES(pu__lowest, <)

/* Two neighbours, the older of a values and the newer of b, are one of a + b whose middle lies b / 2 before the
 * newer's... and a / 2 after the older's: tilt = older tilt + newer tilt + a / 2 newer sum - b / 2 older sum. */
PU__WIDTHS void pu__tilts(const double *x, int n, int count, double *restrict sum, double *restrict tilt) {
    double sums[2][PU__SPAN_BARS_MAX], tilts[2][PU__SPAN_BARS_MAX];
    const int total = count + n - 1;
    const double *level = x - (n - 1);
    memset(tilts[1], 0, (size_t)total * sizeof(double));
    const double *level_tilt = tilts[1];
    for (int m = 1, newer = 0, side = 0;; m *= 2, side = !side) {
        if (n & m) {
            const double *piece = level + n - 1 - newer, *piece_tilt = level_tilt + n - 1 - newer;
            const double older_half = 0.5 * m, newer_half = 0.5 * newer;
            if (newer == 0) {
                for (int t = 0; t < count; ++t) sum[t] = piece[t], tilt[t] = piece_tilt[t];
            } else {
                for (int t = 0; t < count; ++t) {
                    tilt[t] = (piece_tilt[t] + tilt[t]) + (older_half * sum[t] - newer_half * piece[t]);
                    sum[t] += piece[t];
                }
            }
            newer += m;
        }
        if (newer == n) return;
        double *restrict next = sums[side], *restrict next_tilt = tilts[side];
        const double half = 0.5 * m;
        for (int i = 2 * m - 1; i < total; ++i) {
            next_tilt[i] = (level_tilt[i - m] + level_tilt[i]) + half * (level[i] - level[i - m]);
            next[i] = level[i - m] + level[i];
        }
        level = next, level_tilt = next_tilt;
    }
}

PU__WIDTHS void pu__ages(const double *x, int n, int count, double *restrict out) {
    double values[2][PU__SPAN_BARS_MAX], ages[2][PU__SPAN_BARS_MAX];
    const int total = count + n - 1;
    const double *level = x - (n - 1);
    memset(ages[1], 0, (size_t)total * sizeof(double));
    const double *age = ages[1];
    int m = 1;
    for (int side = 0; 2 * m <= n; m *= 2, side = !side) {
        double *restrict next = values[side], *restrict next_age = ages[side];
        for (int i = 2 * m - 1; i < total; ++i) {
            const double older = age[i - m] + m;
            next_age[i] = level[i] >= level[i - m] ? age[i] : older;
            next[i] = level[i] >= level[i - m] ? level[i] : level[i - m];
        }
        level = next, age = next_age;
    }
    const int shift = n - m;
    for (int t = 0; t < count; ++t) {
        const double older = age[t + m - 1] + shift;
        out[t] = level[t + n - 1] >= level[t + m - 1] ? age[t + n - 1] : older;
    }
}

/* ---- windows value by value, four at a time between loads and stores of the sums ---- */

static inline __attribute__((always_inline)) double power_of(pu__power power, double d) {
    switch (power) {
    case PU__SQUARES: return d * d;
    case PU__CUBES: return d * d * d;
    case PU__FOURTHS: return (d * d) * (d * d);
    default: return fabs(d);
    }
}

static inline __attribute__((always_inline)) void deviate(pu__power power, const double *x, int n, int count,
                                                          const double *mean, double *restrict out) {
    for (int t = 0; t < count; ++t) out[t] = 0;
    int k = 0;
    for (const double *w = x - (n - 1); k + 4 <= n; k += 4, w += 4) {
        for (int t = 0; t < count; ++t) {
            const double m = mean[t];
            out[t] = (((out[t] + power_of(power, w[t] - m)) + power_of(power, w[t + 1] - m)) +
                      power_of(power, w[t + 2] - m)) +
                     power_of(power, w[t + 3] - m);
        }
    }
    for (; k < n; ++k) {
        const double *w = x - (n - 1) + k;
        for (int t = 0; t < count; ++t) out[t] += power_of(power, w[t] - mean[t]);
    }
}

PU__WIDTHS void pu__deviations(pu__power power, const double *x, int n, int count, const double *mean,
                               double *restrict out) {
    switch (power) {
    case PU__SQUARES: deviate(PU__SQUARES, x, n, count, mean, out); break;
    case PU__CUBES: deviate(PU__CUBES, x, n, count, mean, out); break;
    case PU__FOURTHS: deviate(PU__FOURTHS, x, n, count, mean, out); break;
    default: deviate(PU__SIZES, x, n, count, mean, out); break;
    }
}

PU__WIDTHS void pu__products(const double *x, const double *y, int n, int count, const double *x_mean,
                             const double *y_mean, double *restrict out) {
    for (int t = 0; t < count; ++t) out[t] = 0;
    int k = 0;
    for (; k + 4 <= n; k += 4) {
        const double *w = x - (n - 1) + k, *v = y - (n - 1) + k;
        for (int t = 0; t < count; ++t) {
            const double a = x_mean[t], b = y_mean[t];
            out[t] = (((out[t] + (w[t] - a) * (v[t] - b)) + (w[t + 1] - a) * (v[t + 1] - b)) +
                      (w[t + 2] - a) * (v[t + 2] - b)) +
                     (w[t + 3] - a) * (v[t + 3] - b);
        }
    }
    for (; k < n; ++k) {
        const double *w = x - (n - 1) + k, *v = y - (n - 1) + k;
        for (int t = 0; t < count; ++t) out[t] += (w[t] - x_mean[t]) * (v[t] - y_mean[t]);
    }
}

PU__WIDTHS void pu__dots(const double *weight, const double *x, int n, int count, double *restrict out) {
    for (int t = 0; t < count; ++t) out[t] = 0;
    int k = 0;
    for (; k + 4 <= n; k += 4) {
        const double *w = x - (n - 1) + k;
        const double a = weight[k], b = weight[k + 1], c = weight[k + 2], d = weight[k + 3];
        for (int t = 0; t < count; ++t)
            out[t] = (((out[t] + a * w[t]) + b * w[t + 1]) + c * w[t + 2]) + d * w[t + 3];
    }
    for (; k < n; ++k) {
        const double *w = x - (n - 1) + k;
        for (int t = 0; t < count; ++t) out[t] += weight[k] * w[t];
    }
}

/* ---- decay ---- */

enum { LAG = PU__DECAY_LAG, BEFORE = LAG - 1 };

/* Inputs with room for the ones before in front. */
typedef struct inputs {
    double value[BEFORE + PU__BLOCK_BARS];
} inputs;

static inline __attribute__((always_inline)) void decay_of(pu__decay *decay, double keep, inputs *in, int count,
                                                           double *restrict out) {
    double four[LAG / 2 + PU__BLOCK_BARS];
    const double keep_2 = keep * keep, keep_4 = keep_2 * keep_2, keep_8 = keep_4 * keep_4;
    const double *y = in->value;
    memcpy(in->value, decay->input, sizeof decay->input);
    memcpy(decay->input, y + count, sizeof decay->input);
    for (int i = 0; i < count + LAG / 2; ++i)
        four[i] = keep_2 * (keep * y[i] + y[i + 1]) + (keep * y[i + 2] + y[i + 3]);
    for (int t = 0; t < count && t < LAG; ++t)
        out[t] = keep_8 * decay->value[t] + (keep_4 * four[t] + four[t + 4]);
    for (int t = LAG; t < count; ++t) out[t] = keep_8 * out[t - LAG] + (keep_4 * four[t] + four[t + 4]);
    const int kept = count < LAG ? LAG - count : 0;
    memmove(decay->value, decay->value + LAG - kept, (size_t)kept * sizeof *out);
    memcpy(decay->value + kept, out + count - (LAG - kept), (size_t)(LAG - kept) * sizeof *out);
}

PU__WIDTHS void pu__decays(pu__decay *decay, double keep, const double *y, int count, double *restrict out) {
    inputs in;
    memcpy(in.value + BEFORE, y, (size_t)count * sizeof *y);
    decay_of(decay, keep, &in, count, out);
}

PU__WIDTHS void pu__seeded_push(pu__seeded *sum, int n, double seed_weight, double keep, double weight,
                                int64_t first, const double *x, int count, double *restrict out) {
    inputs in;
    double *y = in.value + BEFORE;
    for (int t = 0; t < count; ++t) y[t] = weight * x[t];
    for (int t = 0; t < count && first + t < n; ++t) {
        if (first + t >= 0) sum->seed += x[t];
        y[t] = first + t == n - 1 ? seed_weight * sum->seed : 0;
    }
    decay_of(&sum->decay, keep, &in, count, out);
}

/* ---- logarithm ---- */

/* x = 2^e m with m between the roots of 1/2 and 2; ln m = 2 artanh s, s = (m - 1) / (m + 1), by its series to s^21,
 * beyond which a term is below 2^-57 of the whole. */
/* Returns how many were not normal numbers above 0. */
PU__WIDTHS static int logs_of_normal(const double *x, int count, double *restrict out) {
    const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45; /* e * ln2_high is exact */
    int odd = 0;
    for (int t = 0; t < count; ++t) odd += !(x[t] >= DBL_MIN && x[t] <= DBL_MAX);
    for (int t = 0; t < count; ++t) {
        uint64_t bits;
        memcpy(&bits, &x[t], sizeof bits);
        const uint64_t shifted = bits + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
        const uint64_t exponent_bits = (shifted >> 52) | 0x4330000000000000u; /* 2^52 + biased exponent */
        const uint64_t mantissa_bits = (shifted & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
        double exponent, m;
        memcpy(&exponent, &exponent_bits, sizeof exponent);
        memcpy(&m, &mantissa_bits, sizeof m);
        exponent -= 0x1p52 + 1023;
        const double f = m - 1, s = f / (f + 2), z = s * s;
        const double z2 = z * z, z4 = z2 * z2;
        const double low = (2.0 / 3 + z * (2.0 / 5)) + z2 * (2.0 / 7 + z * (2.0 / 9));
        const double high =
            (2.0 / 11 + z * (2.0 / 13)) + z2 * (2.0 / 15 + z * (2.0 / 17)) + z4 * (2.0 / 19 + z * (2.0 / 21));
        const double tail = z * (low + z4 * high); /* ln m = 2 s + s tail, and 2 s = f - s f */
        out[t] = exponent * ln2_high + (f - (s * (f - tail) - exponent * ln2_low));
    }
    return odd;
}

void pu__logs(const double *x, int count, double *out) {
    double room[PU__BLOCK_BARS];
    const int odd = logs_of_normal(x, count, room);
    for (int t = 0; t < count && odd > 0; ++t)
        if (!(x[t] >= DBL_MIN && x[t] <= DBL_MAX)) room[t] = log(x[t]);
    memcpy(out, room, (size_t)count * sizeof *out);
}
