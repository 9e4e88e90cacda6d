/* S4's convolution in blocks of PU__S4_BLOCK bars: within a block directly, between blocks by Fourier transforms, as
 * in partitioned convolution (Stockham 1966; Gardner 1995, "Efficient convolution without input-output delay"). A
 * transform holds bars of one block of one window only, so that neither a later bar nor another window reaches an
 * output, not even as rounding; one transform of the whole window, which is shorter still, mixes them all.
 *
 * A block is real, PU__S4_BLOCK bars and as many zeros: its even rows are taken for real and its odd ones for
 * imaginary parts of half as many complex numbers (Press et al. 2007, "Numerical Recipes", 12.3), which in memory they
 * are already. Those are transformed as 8 x 8; bin k stands at place 8 (k mod 8) + k / 8. Spectra have the bins
 * 0 .. BLOCK and are twice the transform, save that of K, which carries the factor all the halves leave behind:
 * 1 / (8 BLOCK). */
#include "kernels/s4/s4_cpu.h"

enum { SIDE = 8, POINTS = PU__S4_BLOCK, PAIR = 2 * PU__LANES };
_Static_assert(SIDE *SIDE == POINTS, "a transform is 8 x 8");

static const float left_behind = 1.0f / (8 * PU__S4_BLOCK);

typedef struct complex_lanes {
    pu__vec re, im;
} complex_lanes;

PU__INLINE complex_lanes add(complex_lanes a, complex_lanes b) {
    return (complex_lanes){a.re + b.re, a.im + b.im};
}
PU__INLINE complex_lanes subtract(complex_lanes a, complex_lanes b) {
    return (complex_lanes){a.re - b.re, a.im - b.im};
}
/* - i a */
PU__INLINE complex_lanes turn(complex_lanes a) { return (complex_lanes){a.im, -a.re}; }

PU__INLINE complex_lanes multiply(complex_lanes a, pu__vec re, pu__vec im) {
    return (complex_lanes){pu__multiply_add(a.re, re, -(a.im * im)), pu__multiply_add(a.re, im, a.im * re)};
}
PU__INLINE complex_lanes load_pair(const float *at) {
    return (complex_lanes){pu__load(at), pu__load(at + PU__LANES)};
}
PU__INLINE void store_pair(float *at, complex_lanes x) {
    pu__store(at, x.re);
    pu__store(at + PU__LANES, x.im);
}

/* ---- transforms ---- */

/* The circle's points exp(-2 pi i k / (2 BLOCK)), cosines before sines. */
void pu__s4_fill_circle(float circle[2 * PU__S4_CIRCLE]) {
    const double turn_of_one = 2 * 3.14159265358979323846 / PU__S4_CIRCLE;
    for (int k = 0; k < PU__S4_CIRCLE; ++k) {
        const bool upright = k % (PU__S4_CIRCLE / 2) == PU__S4_CIRCLE / 4, flat = k % (PU__S4_CIRCLE / 2) == 0;
        circle[k] = upright ? 0.0f : (float)cos(turn_of_one * k);
        circle[PU__S4_CIRCLE + k] = flat ? 0.0f : (float)-sin(turn_of_one * k);
    }
}

/* Four points from x[0], x[2], x[4], x[6]; where `half`, the last two are zero. */
PU__INLINE void four_points(const complex_lanes *x, bool half, complex_lanes out[4]) {
    if (half) {
        out[0] = add(x[0], x[2]);
        out[1] = add(x[0], turn(x[2]));
        out[2] = subtract(x[0], x[2]);
        out[3] = subtract(x[0], turn(x[2]));
        return;
    }
    const complex_lanes sum = add(x[0], x[4]), difference = subtract(x[0], x[4]), other = add(x[2], x[6]),
                        turned = turn(subtract(x[2], x[6]));
    out[0] = add(sum, other);
    out[1] = add(difference, turned);
    out[2] = subtract(sum, other);
    out[3] = subtract(difference, turned);
}

PU__INLINE void eight_points(complex_lanes x[SIDE], bool half) {
    complex_lanes even[4], odd[4];
    four_points(x, half, even);
    four_points(x + 1, half, odd);
    const pu__vec root = pu__splat(0.70710678118654752f);
    odd[1] = (complex_lanes){(odd[1].re + odd[1].im) * root, (odd[1].im - odd[1].re) * root};
    odd[2] = turn(odd[2]);
    odd[3] = (complex_lanes){(odd[3].im - odd[3].re) * root, -((odd[3].re + odd[3].im) * root)};
    for (int k = 0; k < 4; ++k) {
        x[k] = add(even[k], odd[k]);
        x[k + 4] = subtract(even[k], odd[k]);
    }
}

/* The forward transform of POINTS complex rows, the second half of them zero and not read where `half`. */
PU__INLINE void transform(const float *circle, const float *in, bool half, float *out) {
    complex_lanes x[SIDE];
    for (int b = 0; b < SIDE; ++b) {
        for (int a = 0; a < (half ? SIDE / 2 : SIDE); ++a) x[a] = load_pair(in + (SIDE * a + b) * PAIR);
        eight_points(x, half);
        for (int k = 0; k < SIDE; ++k) {
            const float *point = circle + 2 * b * k;
            if (k > 0) x[k] = multiply(x[k], pu__splat(point[0]), pu__splat(point[PU__S4_CIRCLE]));
            store_pair(out + (SIDE * k + b) * PAIR, x[k]);
        }
    }
    for (int k = 0; k < SIDE; ++k) {
        float *row = out + SIDE * k * PAIR;
        for (int b = 0; b < SIDE; ++b) x[b] = load_pair(row + b * PAIR);
        eight_points(x, false);
        for (int j = 0; j < SIDE; ++j) store_pair(row + j * PAIR, x[j]);
    }
}

PU__INLINE complex_lanes swap(complex_lanes x) { return (complex_lanes){x.im, x.re}; }

/* The way back, POINTS times as large, of which the first half is written where `half`: the same with real and
 * imaginary parts swapped. Overwrites `in`. */
PU__INLINE void transform_back(const float *circle, float *in, bool half, float *out) {
    complex_lanes x[SIDE];
    for (int k = 0; k < SIDE; ++k) {
        float *row = in + SIDE * k * PAIR;
        for (int j = 0; j < SIDE; ++j) x[j] = swap(load_pair(row + j * PAIR));
        eight_points(x, false);
        for (int b = 0; b < SIDE; ++b) {
            const float *point = circle + 2 * b * k;
            if (b > 0) x[b] = multiply(x[b], pu__splat(point[0]), pu__splat(point[PU__S4_CIRCLE]));
            store_pair(row + b * PAIR, x[b]);
        }
    }
    for (int b = 0; b < SIDE; ++b) {
        for (int k = 0; k < SIDE; ++k) x[k] = load_pair(in + (SIDE * k + b) * PAIR);
        eight_points(x, false);
        for (int a = 0; a < (half ? SIDE / 2 : SIDE); ++a) store_pair(out + (SIDE * a + b) * PAIR, swap(x[a]));
    }
}

static int place_of(int bin) { return bin % SIDE * SIDE + bin / SIDE; }

/* Bins 0 .. BLOCK, doubled, of a real sequence whose complex halves were transformed to z. */
static void split(const float *circle, const float *z, float *spectrum, int64_t stride) {
    const complex_lanes first = load_pair(z), middle = load_pair(z + place_of(POINTS / 2) * PAIR);
    const pu__vec zero = {0};
    store_pair(spectrum, (complex_lanes){2 * (first.re + first.im), zero});
    store_pair(spectrum + POINTS * stride, (complex_lanes){2 * (first.re - first.im), zero});
    store_pair(spectrum + POINTS / 2 * stride, (complex_lanes){2 * middle.re, -2 * middle.im});
    for (int k = 1; k < POINTS / 2; ++k) {
        const complex_lanes low = load_pair(z + place_of(k) * PAIR),
                            high = load_pair(z + place_of(POINTS - k) * PAIR);
        const complex_lanes even = {low.re + high.re, low.im - high.im},
                            odd = {low.im + high.im, high.re - low.re};
        const complex_lanes turned = multiply(odd, pu__splat(circle[k]), pu__splat(circle[PU__S4_CIRCLE + k]));
        store_pair(spectrum + k * stride, add(even, turned));
        store_pair(spectrum + (POINTS - k) * stride, (complex_lanes){even.re - turned.re, turned.im - even.im});
    }
}

/* The way back, doubled again. */
static void join(const float *circle, const float *spectrum, int64_t stride, float *z) {
    const pu__vec lowest = pu__load(spectrum), highest = pu__load(spectrum + POINTS * stride);
    const complex_lanes middle = load_pair(spectrum + POINTS / 2 * stride);
    store_pair(z, (complex_lanes){lowest + highest, lowest - highest});
    store_pair(z + place_of(POINTS / 2) * PAIR, (complex_lanes){2 * middle.re, -2 * middle.im});
    for (int k = 1; k < POINTS / 2; ++k) {
        const complex_lanes low = load_pair(spectrum + k * stride),
                            high = load_pair(spectrum + (POINTS - k) * stride);
        const complex_lanes even = {low.re + high.re, low.im - high.im},
                            turned = {low.re - high.re, low.im + high.im};
        const complex_lanes odd = multiply(turned, pu__splat(circle[k]), pu__splat(-circle[PU__S4_CIRCLE + k]));
        store_pair(z + place_of(k) * PAIR, (complex_lanes){even.re - odd.im, even.im + odd.re});
        store_pair(z + place_of(POINTS - k) * PAIR, (complex_lanes){even.re + odd.im, odd.re - even.im});
    }
}

/* ---- of windows ---- */

/* A window's spectra lie bin by bin, [BLOCK + 1][spectra], so that of one bin all blocks are neighbours. */
static void spectra_of(const pu__s4 *s, const float *rows, float *spectra) {
    float z[POINTS * PAIR], last[PU__S4_BLOCK * PU__LANES];
    for (int64_t j = 0; j < s->spectra; ++j) {
        const int64_t first = j * PU__S4_BLOCK, left = s->bars - first;
        const float *in = rows + first * PU__LANES;
        if (left < PU__S4_BLOCK) {
            memset(last, 0, sizeof last);
            memcpy(last, in, (size_t)(left * PU__LANES) * sizeof *last);
            in = last;
        }
        transform(s->circle, in, true, z);
        split(s->circle, z, spectra + j * PAIR, s->spectra * PAIR);
    }
}

/* Of block d those of the lags d BLOCK + m, -BLOCK < m < BLOCK, the negative m behind the others. The first has no
 * earlier block beside it and is not needed. */
void pu__s4_kernel_spectra(const pu__s4 *s, int64_t block) {
    const float *kernel = s->kernel + block * s->taps * PU__LANES;
    float rows[2 * PU__S4_BLOCK * PU__LANES], z[POINTS * PAIR];
    for (int64_t d = 1; d < s->spectra; ++d) {
        const float *middle = kernel + d * PU__S4_BLOCK * PU__LANES;
        for (int m = 0; m < PU__S4_BLOCK * PU__LANES; ++m) {
            rows[m] = middle[m] * left_behind;
            rows[PU__S4_BLOCK * PU__LANES + m] =
                m < PU__LANES ? 0.0f : middle[m - PU__S4_BLOCK * PU__LANES] * left_behind;
        }
        transform(s->circle, rows, false, z);
        split(s->circle, z, s->kernel_spectra + block * s->spectra * PU__S4_SPECTRUM + d * PAIR,
              s->spectra * PAIR);
    }
}

/* Of one bin: x_i = sum over the blocks j before i (behind it, where `backward`) of x_j and K_|i-j| (its conjugate), in
 * order of the distance to the window's start (end). Windows are `own` floats apart. */
PU__INLINE void multiply_blocks(const float *kernel, float *x, int64_t own, int64_t count, bool backward,
                                int windows) {
    for (int64_t done = 0; done < count; ++done) {
        const int64_t i = backward ? done : count - 1 - done, others = count - 1 - done;
        complex_lanes sum[PU__S4_TILE_WINDOWS] = {{{0}, {0}}};
        for (int64_t n = 0; n < others; ++n) {
            const int64_t j = backward ? count - 1 - n : n;
            const complex_lanes of = load_pair(kernel + (others - n) * PAIR);
            const pu__vec crossed = backward ? of.im : -of.im;
            for (int b = 0; b < windows; ++b) {
                const complex_lanes in = load_pair(x + b * own + j * PAIR);
                sum[b].re = pu__multiply_add(of.re, in.re, sum[b].re);
                sum[b].im = pu__multiply_add(of.re, in.im, sum[b].im);
                sum[b].re = pu__multiply_add(crossed, in.im, sum[b].re);
                sum[b].im = pu__multiply_add(-crossed, in.re, sum[b].im);
            }
        }
        for (int b = 0; b < windows; ++b) store_pair(x + b * own + i * PAIR, sum[b]);
    }
}

/* Adds to every block of `windows` windows what the other blocks give it, and overwrites their spectra. */
static void add_others(const pu__s4 *s, int64_t block, float *spectra, bool backward, float *y, int64_t stride,
                       int windows) {
    const float *kernel = s->kernel_spectra + block * s->spectra * PU__S4_SPECTRUM;
    const int64_t own = s->spectra * PU__S4_SPECTRUM, bin = s->spectra * PAIR;
    for (int64_t k = 0; k < own; k += bin) {
        if (windows == PU__S4_TILE_WINDOWS && backward) {
            multiply_blocks(kernel + k, spectra + k, own, s->spectra, true, PU__S4_TILE_WINDOWS);
        } else if (windows == PU__S4_TILE_WINDOWS) {
            multiply_blocks(kernel + k, spectra + k, own, s->spectra, false, PU__S4_TILE_WINDOWS);
        } else {
            for (int b = 0; b < windows; ++b)
                multiply_blocks(kernel + k, spectra + b * own + k, own, s->spectra, backward, 1);
        }
    }
    float z[POINTS * PAIR], rows[PU__S4_BLOCK * PU__LANES];
    for (int64_t i = backward ? 0 : 1; i < s->spectra - (backward ? 1 : 0); ++i) {
        const int64_t left = s->bars - i * PU__S4_BLOCK, bars = left < PU__S4_BLOCK ? left : PU__S4_BLOCK;
        for (int b = 0; b < windows; ++b) {
            float *to = y + b * stride + i * PU__S4_BLOCK * PU__LANES;
            join(s->circle, spectra + b * own + i * PAIR, bin, z);
            transform_back(s->circle, z, true, rows);
            for (int64_t t = 0; t < bars; ++t)
                pu__store(to + t * PU__LANES, pu__load(to + t * PU__LANES) + pu__load(rows + t * PU__LANES));
        }
    }
}

void pu__s4_convolve_blocks(const pu__s4 *s, int64_t block, const float *u, float *y, int64_t stride, int windows,
                            float *spectra) {
    for (int b = 0; b < windows; ++b) spectra_of(s, u + b * stride, spectra + b * s->spectra * PU__S4_SPECTRUM);
    for (int64_t first = 0; first < s->bars; first += PU__S4_BLOCK) {
        const int64_t left = s->bars - first;
        pu__s4_convolve(s, block, u + first * PU__LANES, y + first * PU__LANES, stride,
                        left < PU__S4_BLOCK ? left : PU__S4_BLOCK, windows);
    }
    add_others(s, block, spectra, false, y, stride, windows);
}

/* ---- their gradient ---- */

/* Within a block against time: du(t) = sum_{r >= t} K(r - t) dy(r) is the convolution of the block turned around. */
static void convolve_turned(const pu__s4 *s, int64_t block, const float *dy, float *du, int64_t stride,
                            int64_t bars, int windows, float *turned) {
    enum { ROWS = PU__S4_BLOCK * PU__LANES };
    float *in = turned, *out = in + PU__S4_TILE_WINDOWS * ROWS;
    for (int b = 0; b < windows; ++b) {
        for (int64_t t = 0; t < bars; ++t)
            pu__store(in + b * ROWS + t * PU__LANES, pu__load(dy + b * stride + (bars - 1 - t) * PU__LANES));
    }
    pu__s4_convolve(s, block, in, out, ROWS, bars, windows);
    for (int b = 0; b < windows; ++b) {
        for (int64_t t = 0; t < bars; ++t)
            pu__store(du + b * stride + (bars - 1 - t) * PU__LANES, pu__load(out + b * ROWS + t * PU__LANES));
    }
}

/* Of one bin of one window: slopes[d + i] += sum over j of conj(u_j) dy_{j+d+i}, i < lags. */
PU__INLINE void add_lags(const float *u, const float *dy, int64_t count, int64_t d, int lags, float *slopes) {
    complex_lanes sum[PU__S4_TILE_BARS];
    for (int i = 0; i < lags; ++i) sum[i] = load_pair(slopes + (d + i) * PAIR);
    for (int64_t j = 0; j + d < count; ++j) {
        const complex_lanes x = load_pair(u + j * PAIR);
        for (int i = 0; i < lags && j + d + i < count; ++i) {
            const complex_lanes slope = load_pair(dy + (j + d + i) * PAIR);
            sum[i].re = pu__multiply_add(x.re, slope.re, sum[i].re);
            sum[i].im = pu__multiply_add(x.re, slope.im, sum[i].im);
            sum[i].re = pu__multiply_add(x.im, slope.im, sum[i].re);
            sum[i].im = pu__multiply_add(-x.im, slope.re, sum[i].im);
        }
    }
    for (int i = 0; i < lags; ++i) store_pair(slopes + (d + i) * PAIR, sum[i]);
}

void pu__s4_blocks_backward(const pu__s4 *s, int64_t block, const float *u, const float *dy, float *du,
                            int64_t stride, int windows, float *scratch, float *slopes) {
    const int64_t own = s->spectra * PU__S4_SPECTRUM, bin = s->spectra * PAIR;
    float *of_u = scratch, *of_dy = of_u + PU__S4_TILE_WINDOWS * own, *turned = of_dy + PU__S4_TILE_WINDOWS * own;
    for (int b = 0; b < windows; ++b) {
        spectra_of(s, u + b * stride, of_u + b * own);
        spectra_of(s, dy + b * stride, of_dy + b * own);
        for (int64_t k = 0; k < own; k += bin) {
            const float *x = of_u + b * own + k, *slope = of_dy + b * own + k;
            int64_t d = 0;
            for (; d + PU__S4_TILE_BARS <= s->spectra; d += PU__S4_TILE_BARS)
                add_lags(x, slope, s->spectra, d, PU__S4_TILE_BARS, slopes + k);
            for (; d < s->spectra; ++d) add_lags(x, slope, s->spectra, d, 1, slopes + k);
        }
    }
    for (int64_t first = 0; first < s->bars; first += PU__S4_BLOCK) {
        const int64_t left = s->bars - first;
        convolve_turned(s, block, dy + first * PU__LANES, du + first * PU__LANES, stride,
                        left < PU__S4_BLOCK ? left : PU__S4_BLOCK, windows, turned);
    }
    add_others(s, block, of_dy, true, du, stride, windows);
}

/* A transform's rows of lag d BLOCK + m, m < 0, stand behind the others, as in the spectra of K; those of d = 0 would
 * look ahead and are left out. */
void pu__s4_kernel_slope(const pu__s4 *s, const float *slopes, float *dkernel) {
    float z[POINTS * PAIR], rows[2 * PU__S4_BLOCK * PU__LANES];
    for (int64_t d = 0; d < s->spectra; ++d) {
        float *to = dkernel + d * PU__S4_BLOCK * PU__LANES;
        join(s->circle, slopes + d * PAIR, s->spectra * PAIR, z);
        transform_back(s->circle, z, false, rows);
        for (int m = 0; m < PU__S4_BLOCK * PU__LANES; ++m) {
            to[m] = rows[m] * left_behind;
            if (d > 0 && m >= PU__LANES)
                to[m - PU__S4_BLOCK * PU__LANES] += rows[PU__S4_BLOCK * PU__LANES + m] * left_behind;
        }
    }
}
