#include "kernels/s4/s4_cpu.h"

#include <complex.h>

/* ---- sizes ---- */

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* An output costs 6 N vector instructions by the scan, T / 2 by the convolution on average, and T / 32 + 80 by
 * blocks; in the gradient 14 N, T and T / 16 + 110. Measured forward and backward with two threads, N
 * from 8 to 64 and T from 96 to 1024: with AVX-512 the convolution is faster than the scan up to 9 to 12 N bars,
 * blocks faster than the convolution from about 256 bars on and than the scan up to about 96 (N - 24); with 4 and 8
 * lanes, where blocks win by more, from about 192 and up to about 96 (N - 12). */
static pu_s4_form form_of(const pu__call *call, int64_t bars, int64_t states) {
    enum { DIRECT_MOST = PU__LANES > 8 ? 256 : 192, STATES_LEAST = PU__LANES > 8 ? 24 : 12 };
    if (call->attributes->s4.form != PU_S4_AUTO) return call->attributes->s4.form;
    if (bars <= 10 * states && bars <= DIRECT_MOST) return PU_S4_CONVOLUTION;
    return bars <= 96 * (states - STATES_LEAST) ? PU_S4_BLOCKS : PU_S4_SCAN;
}

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Floats that one worker needs: a panel's rows, a tile's spectra, and the sums of one window of K's slope. */
static int64_t scratch_of(const pu__s4 *s, bool gradient) {
    const int64_t arrays = gradient ? 3 : 2, rows = arrays * s->panel * s->tile * s->row_stride,
                  turned = gradient ? PU__S4_BLOCK * PU__LANES : 0,
                  spectra = s->form == PU_S4_BLOCKS
                                ? (arrays - 1) * s->tile * (s->spectra * PU__S4_SPECTRUM + turned)
                                : 0,
                  sums = (3 * s->lags + s->padded_states * PU__S4_ROWS + 1) * PU__LANES;
    return round_up(most(rows + spectra, gradient ? sums : 0), 64);
}

/* Blocks of channels that are packed at once: a block's row is a cache line, and lines that lie far apart are read at
 * half the speed of neighbours. As many as a megabyte holds (half of a level-2 cache), and no more than leave every
 * thread four items. */
static int64_t panel_of(const pu__s4 *s, int64_t arrays, int64_t items, int threads) {
    const int64_t budget = 1 << 18, by_cache = budget / (arrays * s->tile * s->row_stride),
                  by_items = items * s->blocks / (4 * threads);
    return most(least(least(by_cache, by_items), s->blocks), 1);
}

size_t pu__s4_of(const pu__call *call, int first, pu__s4 *s) {
    const pu_shape *u = &call->in[first].shape;
    const bool gradient = first > 0;
    *s = (pu__s4){.u = call->in[first].data,
                  .log_step = call->in[first + 1].data,
                  .rate = call->in[first + 2].data,
                  .frequency = call->in[first + 3].data,
                  .weight = call->in[first + 4].data,
                  .skip = call->in[first + 5].data};
    s->windows = u->dim[0];
    s->bars = u->dim[1];
    s->channels = u->dim[2];
    s->states = call->in[first + 2].shape.dim[0];
    s->blocks = pu__chunks(s->channels, PU__LANES);
    s->padded_states = round_up(s->states, PU__S4_FORWARD_STATES);
    s->bilinear = call->attributes->s4.discretisation == PU_S4_BILINEAR;
    s->form = form_of(call, s->bars, s->states);
    s->spectra = s->form == PU_S4_BLOCKS ? pu__chunks(s->bars, PU__S4_BLOCK) : 0;
    s->lags = s->form == PU_S4_BLOCKS ? s->spectra * PU__S4_BLOCK : s->bars;
    s->taps = s->lags + PU__S4_TILE_LAGS;
    s->group_windows = pu__chunks(s->windows, PU__S4_GROUPS_MAX);
    s->groups = s->group_windows > 0 ? pu__chunks(s->windows, s->group_windows) : 0;
    s->part_rows = !gradient                      ? 0
                   : s->form == PU_S4_SCAN        ? s->padded_states * PU__S4_ROWS + 1
                   : s->form == PU_S4_CONVOLUTION ? s->taps
                                                  : s->spectra * PU__S4_SPECTRUM / PU__LANES;
    s->tile = s->form == PU_S4_SCAN ? 1 : PU__S4_TILE_WINDOWS;
    s->row_stride = (s->bars + PU__S4_TILE_LAGS) * PU__LANES;
    s->panel = panel_of(s, gradient ? 3 : 2, gradient ? s->groups : pu__chunks(s->windows, s->tile),
                        pu_pool_threads(call->pool));
    s->panels = pu__chunks(s->blocks, s->panel);
    s->scratch_count = scratch_of(s, gradient);
    const int64_t tables = s->blocks * s->padded_states * PU__S4_ROWS * PU__LANES,
                  kernel = s->form == PU_S4_SCAN ? 0 : s->blocks * s->taps * PU__LANES,
                  circle = s->form == PU_S4_BLOCKS ? 2 * PU__S4_CIRCLE : 0,
                  kernel_spectra = s->blocks * s->spectra * PU__S4_SPECTRUM,
                  parts = s->groups * s->blocks * s->part_rows * PU__LANES,
                  scratch = pu_pool_threads(call->pool) * s->scratch_count;
    if (call->workspace) {
        s->tables = call->workspace;
        s->kernel = s->tables + tables;
        s->circle = s->kernel + kernel;
        s->kernel_spectra = s->circle + circle;
        s->parts = s->kernel_spectra + kernel_spectra;
        s->scratch = s->parts + parts;
    }
    return (size_t)(tables + kernel + circle + kernel_spectra + parts + scratch);
}

size_t pu__s4_workspace_cpu(const pu__call *call) {
    pu__s4 s;
    return pu__s4_of(call, 0, &s) * sizeof(float);
}

/* ---- tables ---- */

/* Parts of a and its powers that are smaller are taken for zero: they add nothing that shows, their products are still
 * normal numbers, and arithmetic on denormal ones is a hundred times slower. */
static const float power_least = 1e-18f;

static float shown(double part) { return fabs(part) < (double)power_least ? 0.0f : (float)part; }

PU__INLINE pu__vec shown_lanes(pu__vec x) {
    const pu__vec_mask small = (x < power_least) & (x > -power_least);
    return (pu__vec)((pu__vec_mask)x & ~small);
}

typedef struct coefficients {
    pu__vec a_re, a_im, w_re, w_im; /* of one state: a, and 2 C b */
} coefficients;

PU__INLINE void load_coefficients(const float *table, coefficients out[PU__S4_FORWARD_STATES]) {
    for (int n = 0; n < PU__S4_FORWARD_STATES; ++n, table += PU__S4_ROWS * PU__LANES) {
        out[n] =
            (coefficients){pu__load(table + PU__S4_A_RE * PU__LANES), pu__load(table + PU__S4_A_IM * PU__LANES),
                           pu__load(table + PU__S4_W_RE * PU__LANES), pu__load(table + PU__S4_W_IM * PU__LANES)};
    }
}

static void fill_table(const pu__s4 *s, int64_t block, float *table) {
    memset(table, 0, (size_t)(s->padded_states * PU__S4_ROWS * PU__LANES) * sizeof *table);
    for (int64_t c = block * PU__LANES; c < s->channels && c < (block + 1) * PU__LANES; ++c) {
        const double step = exp((double)s->log_step[c]);
        for (int64_t n = 0; n < s->states; ++n) {
            const int64_t at = n * s->channels + c;
            const double complex pole = -exp((double)s->rate[at]) + I * (double)s->frequency[at];
            const double complex weight =
                (double)s->weight[at] + I * (double)s->weight[s->states * s->channels + at];
            const double complex half = step * pole / 2,
                                 kept = s->bilinear ? (1 + half) / (1 - half) : cexp(2 * half);
            const pu__s4_held held = pu__s4_hold(2 * creal(half), 2 * cimag(half), creal(kept), cimag(kept));
            const double complex input = s->bilinear ? step / (1 - half) : step * (held.re + I * held.im);
            float *row = table + n * PU__S4_ROWS * PU__LANES + c % PU__LANES;
            row[PU__S4_A_RE * PU__LANES] = shown(creal(kept));
            row[PU__S4_A_IM * PU__LANES] = shown(cimag(kept));
            row[PU__S4_W_RE * PU__LANES] = (float)creal(2 * weight * input);
            row[PU__S4_W_IM * PU__LANES] = (float)cimag(2 * weight * input);
        }
    }
}

/* Adds 2 Re C_n b_n a_n^k of some states to K. */
static void add_powers(const float *table, int64_t bars, float *kernel) {
    enum { STATES = PU__S4_FORWARD_STATES };
    coefficients of[STATES];
    pu__vec re[STATES], im[STATES];
    load_coefficients(table, of);
    for (int n = 0; n < STATES; ++n) {
        re[n] = pu__splat(1.0f);
        im[n] = (pu__vec){0};
    }
    for (int64_t k = 0; k < bars; ++k) {
        pu__vec out = pu__load(kernel + k * PU__LANES);
        for (int n = 0; n < STATES; ++n) {
            out = pu__multiply_add(of[n].w_re, re[n], out);
            out = pu__multiply_add(-of[n].w_im, im[n], out);
            const pu__vec turned = of[n].a_im * re[n];
            re[n] = shown_lanes(pu__multiply_add(of[n].a_re, re[n], -of[n].a_im * im[n]));
            im[n] = shown_lanes(pu__multiply_add(of[n].a_re, im[n], turned));
        }
        pu__store(kernel + k * PU__LANES, out);
    }
}

/* K(0 .. lags), skip within K(0), zeros behind. */
static void fill_kernel(const pu__s4 *s, int64_t block) {
    float *kernel = s->kernel + block * s->taps * PU__LANES;
    memset(kernel, 0, (size_t)(s->taps * PU__LANES) * sizeof *kernel);
    pu__store(kernel, pu__s4_skip(s, block));
    for (int64_t n = 0; n < s->padded_states; n += PU__S4_FORWARD_STATES)
        add_powers(pu__s4_table(s, block) + n * PU__S4_ROWS * PU__LANES, s->lags, kernel);
}

static void prepare_blocks(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__s4 *s = context;
    for (int64_t block = begin; block < end; ++block) {
        fill_table(s, block, s->tables + block * s->padded_states * PU__S4_ROWS * PU__LANES);
        if (s->form != PU_S4_SCAN) fill_kernel(s, block);
        if (s->form == PU_S4_BLOCKS) pu__s4_kernel_spectra(s, block);
    }
}

void pu__s4_prepare(const pu__call *call, pu__s4 *s) {
    if (s->form == PU_S4_BLOCKS) pu__s4_fill_circle(s->circle);
    if (s->bars > 0) pu_parallel_for(call->pool, s->blocks, 1, prepare_blocks, s);
}

pu__vec pu__s4_skip(const pu__s4 *s, int64_t block) {
    float skip[PU__LANES] = {0};
    for (int64_t c = block * PU__LANES; c < s->channels && c < (block + 1) * PU__LANES; ++c) {
        skip[c % PU__LANES] = s->skip[c];
    }
    return pu__load(skip);
}

/* ---- packing ---- */

/* Rows that are asked for ahead of their turn: they lie too far apart for the processor to foresee. */
enum { AHEAD = 24 };

void pu__s4_pack(const pu__s4 *s, int64_t window, int64_t block, int64_t blocks, const float *from, float *to) {
    const int64_t apart = s->tile * s->row_stride;
    for (int64_t t = 0; t < s->bars; ++t) {
        const float *row = from + (window * s->bars + t) * s->channels;
        for (int64_t j = 0; j < blocks; ++j) {
            const int64_t first = (block + j) * PU__LANES, left = s->channels - first;
            float *place = to + j * apart + t * PU__LANES;
            __builtin_prefetch(row + AHEAD * s->channels + first, 0, 2);
            if (left >= PU__LANES) {
                pu__store(place, pu__load(row + first));
            } else {
                for (int64_t c = 0; c < PU__LANES; ++c) place[c] = c < left ? row[first + c] : 0.0f;
            }
        }
    }
}

void pu__s4_unpack(const pu__s4 *s, int64_t window, int64_t block, int64_t blocks, const float *from, float *to) {
    const int64_t apart = s->tile * s->row_stride;
    for (int64_t t = 0; t < s->bars; ++t) {
        float *row = to + (window * s->bars + t) * s->channels;
        for (int64_t j = 0; j < blocks; ++j) {
            const int64_t first = (block + j) * PU__LANES, left = s->channels - first;
            const float *place = from + j * apart + t * PU__LANES;
            __builtin_prefetch(row + AHEAD * s->channels + first, 1, 3);
            if (left >= PU__LANES) {
                pu__store(row + first, pu__load(place));
            } else {
                for (int64_t c = 0; c < left; ++c) row[first + c] = place[c];
            }
        }
    }
}

/* ---- the recurrence ---- */

static void carry_forward(const float *table, int64_t bars, const float *u, float *y) {
    enum { STATES = PU__S4_FORWARD_STATES };
    coefficients of[STATES];
    pu__vec x_re[STATES] = {{0}}, x_im[STATES] = {{0}};
    load_coefficients(table, of);
    for (int64_t t = 0; t < bars; ++t) {
        const pu__vec in = pu__load(u + t * PU__LANES);
        pu__vec out = pu__load(y + t * PU__LANES);
        for (int n = 0; n < STATES; ++n) {
            const pu__vec turned = of[n].a_im * x_re[n];
            x_re[n] = pu__multiply_add(of[n].a_re, x_re[n], pu__multiply_add(-of[n].a_im, x_im[n], in));
            x_im[n] = pu__multiply_add(of[n].a_re, x_im[n], turned);
            out = pu__multiply_add(of[n].w_re, x_re[n], out);
            out = pu__multiply_add(-of[n].w_im, x_im[n], out);
        }
        pu__store(y + t * PU__LANES, out);
    }
}

void pu__s4_scan(const pu__s4 *s, int64_t block, const float *u, float *y) {
    const pu__vec skip = pu__s4_skip(s, block);
    for (int64_t t = 0; t < s->bars; ++t) pu__store(y + t * PU__LANES, skip * pu__load(u + t * PU__LANES));
    for (int64_t n = 0; n < s->padded_states; n += PU__S4_FORWARD_STATES) {
        carry_forward(pu__s4_table(s, block) + n * PU__S4_ROWS * PU__LANES, s->bars, u, y);
    }
}

/* ---- the convolution ---- */

/* Outputs [t, t + TILE_BARS) of `windows` windows: inputs in order of time, so that the bits of an output do not
 * depend on its place in the tile. */
PU__INLINE void convolve_tile(const float *kernel, const float *u, float *y, int64_t stride, int64_t t,
                              int64_t bars, int windows) {
    enum { BARS = PU__S4_TILE_BARS };
    pu__vec sum[PU__S4_TILE_WINDOWS][BARS] = {{{0}}};
    for (int64_t from = 0; from < t; ++from) {
        const float *lag = kernel + (t - from) * PU__LANES;
        for (int b = 0; b < windows; ++b) {
            const pu__vec in = pu__load(u + b * stride + from * PU__LANES);
            for (int i = 0; i < BARS; ++i)
                sum[b][i] = pu__multiply_add(pu__load(lag + i * PU__LANES), in, sum[b][i]);
        }
    }
    const int64_t rows = bars - t < BARS ? bars - t : BARS;
    for (int b = 0; b < windows; ++b) {
        for (int64_t from = 0; from < rows; ++from) {
            const pu__vec in = pu__load(u + b * stride + (t + from) * PU__LANES);
            for (int64_t i = from; i < rows; ++i) {
                sum[b][i] = pu__multiply_add(pu__load(kernel + (i - from) * PU__LANES), in, sum[b][i]);
            }
        }
        for (int64_t i = 0; i < rows; ++i) pu__store(y + b * stride + (t + i) * PU__LANES, sum[b][i]);
    }
}

void pu__s4_convolve(const pu__s4 *s, int64_t block, const float *u, float *y, int64_t stride, int64_t bars,
                     int windows) {
    const float *kernel = s->kernel + block * s->taps * PU__LANES;
    if (windows == PU__S4_TILE_WINDOWS) {
        for (int64_t t = 0; t < bars; t += PU__S4_TILE_BARS)
            convolve_tile(kernel, u, y, stride, t, bars, PU__S4_TILE_WINDOWS);
        return;
    }
    for (int b = 0; b < windows; ++b) {
        for (int64_t t = 0; t < bars; t += PU__S4_TILE_BARS)
            convolve_tile(kernel, u + b * stride, y + b * stride, stride, t, bars, 1);
    }
}

/* ---- forward ---- */

typedef struct forward {
    pu__s4 s;
    float *y;
} forward;

static void forward_block(const pu__s4 *s, int64_t block, const float *u, float *y, int windows, float *spectra) {
    if (s->form == PU_S4_SCAN) {
        pu__s4_scan(s, block, u, y);
    } else if (s->form == PU_S4_CONVOLUTION) {
        pu__s4_convolve(s, block, u, y, s->row_stride, s->bars, windows);
    } else {
        pu__s4_convolve_blocks(s, block, u, y, s->row_stride, windows, spectra);
    }
}

/* Item: a panel of channels of a tile of windows. */
static void forward_items(void *context, int64_t begin, int64_t end, int worker) {
    const forward *f = context;
    const pu__s4 *s = &f->s;
    const int64_t area = s->tile * s->row_stride;
    float *u = s->scratch + worker * s->scratch_count, *y = u + s->panel * area, *spectra = y + s->panel * area;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t block = item % s->panels * s->panel, first = item / s->panels * s->tile;
        const int64_t windows = least(s->windows - first, s->tile), blocks = least(s->blocks - block, s->panel);
        for (int64_t b = 0; b < windows; ++b)
            pu__s4_pack(s, first + b, block, blocks, s->u, u + b * s->row_stride);
        for (int64_t j = 0; j < blocks; ++j)
            forward_block(s, block + j, u + j * area, y + j * area, (int)windows, spectra);
        for (int64_t b = 0; b < windows; ++b)
            pu__s4_unpack(s, first + b, block, blocks, y + b * s->row_stride, f->y);
    }
}

pu_status pu__s4_cpu(const pu__call *call) {
    forward f = {.y = call->out[0].data};
    pu__s4_of(call, 0, &f.s);
    if (f.s.bars == 0 || f.s.windows == 0) return PU_OK;
    pu__s4_prepare(call, &f.s);
    pu_parallel_for(call->pool, pu__chunks(f.s.windows, f.s.tile) * f.s.panels, 1, forward_items, &f);
    return PU_OK;
}
