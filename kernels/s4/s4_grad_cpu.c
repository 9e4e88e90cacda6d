/* The gradient of S4. Both forms end in sums over the windows, one set per group of windows:
 *  scan         sum of u m and of u q, with m(t) = a m(t+1) + dy(t) and q = dm/da, so q(t) = a q(t+1) + m(t+1): no
 *               state of the forward pass is stored or computed again;
 *  convolution, blocks
 *               the slope of K, which then goes through the same recurrences as one window whose input is an
 *               impulse. */
#include <complex.h>

#include "kernels/s4/s4_cpu.h"

typedef struct backward {
    pu__s4 s;
    const float *dy;
    float *du, *dlog_step, *drate, *dfrequency, *dweight, *dskip;
} backward;

size_t pu__s4_grad_workspace_cpu(const pu__call *call) {
    pu__s4 s;
    return pu__s4_of(call, 1, &s) * sizeof(float);
}

/* ---- the recurrences ---- */

/* Rows of one state in `sums`. */
enum { BY_W_RE = 0, BY_W_IM, BY_A_RE, BY_A_IM };

static void carry_backward(const float *table, int64_t bars, const float *u, const float *dy, float *du,
                           float *sums) {
    enum { STATES = PU__S4_BACKWARD_STATES };
    pu__vec a_re[STATES], a_im[STATES], w_re[STATES], w_im[STATES];
    pu__vec m_re[STATES], m_im[STATES], q_re[STATES], q_im[STATES], sum[STATES][PU__S4_ROWS];
    for (int n = 0; n < STATES; ++n) {
        const float *row = table + n * PU__S4_ROWS * PU__LANES;
        a_re[n] = pu__load(row + PU__S4_A_RE * PU__LANES);
        a_im[n] = pu__load(row + PU__S4_A_IM * PU__LANES);
        w_re[n] = pu__load(row + PU__S4_W_RE * PU__LANES);
        w_im[n] = pu__load(row + PU__S4_W_IM * PU__LANES);
        m_re[n] = m_im[n] = q_re[n] = q_im[n] = (pu__vec){0};
        for (int r = 0; r < PU__S4_ROWS; ++r) sum[n][r] = pu__load(sums + (n * PU__S4_ROWS + r) * PU__LANES);
    }
    for (int64_t t = bars - 1; t >= 0; --t) {
        const pu__vec in = pu__load(u + t * PU__LANES), slope = pu__load(dy + t * PU__LANES);
        pu__vec out = pu__load(du + t * PU__LANES);
        for (int n = 0; n < STATES; ++n) {
            const pu__vec q_turned = pu__multiply_add(a_im[n], q_re[n], m_im[n]), m_turned = a_im[n] * m_re[n];
            q_re[n] = pu__multiply_add(a_re[n], q_re[n], pu__multiply_add(-a_im[n], q_im[n], m_re[n]));
            q_im[n] = pu__multiply_add(a_re[n], q_im[n], q_turned);
            m_re[n] = pu__multiply_add(a_re[n], m_re[n], pu__multiply_add(-a_im[n], m_im[n], slope));
            m_im[n] = pu__multiply_add(a_re[n], m_im[n], m_turned);
            out = pu__multiply_add(w_re[n], m_re[n], out);
            out = pu__multiply_add(-w_im[n], m_im[n], out);
            sum[n][BY_W_RE] = pu__multiply_add(in, m_re[n], sum[n][BY_W_RE]);
            sum[n][BY_W_IM] = pu__multiply_add(in, m_im[n], sum[n][BY_W_IM]);
            sum[n][BY_A_RE] = pu__multiply_add(in, q_re[n], sum[n][BY_A_RE]);
            sum[n][BY_A_IM] = pu__multiply_add(in, q_im[n], sum[n][BY_A_IM]);
        }
        pu__store(du + t * PU__LANES, out);
    }
    for (int n = 0; n < STATES; ++n) {
        for (int r = 0; r < PU__S4_ROWS; ++r) pu__store(sums + (n * PU__S4_ROWS + r) * PU__LANES, sum[n][r]);
    }
}

/* One packed window; adds to sums[padded_states * ROWS + 1], the slope of skip in the last row. */
static void scan_backward(const pu__s4 *s, int64_t block, const float *u, const float *dy, float *du,
                          float *sums) {
    const pu__vec skip = pu__s4_skip(s, block);
    float *skip_sum = sums + s->padded_states * PU__S4_ROWS * PU__LANES;
    pu__vec by_skip = pu__load(skip_sum);
    for (int64_t t = 0; t < s->bars; ++t) {
        const pu__vec slope = pu__load(dy + t * PU__LANES);
        pu__store(du + t * PU__LANES, skip * slope);
        by_skip = pu__multiply_add(slope, pu__load(u + t * PU__LANES), by_skip);
    }
    pu__store(skip_sum, by_skip);
    for (int64_t n = 0; n < s->padded_states; n += PU__S4_BACKWARD_STATES) {
        const int64_t row = n * PU__S4_ROWS * PU__LANES;
        carry_backward(pu__s4_table(s, block) + row, s->bars, u, dy, du, sums + row);
    }
}

/* ---- the slope of K ---- */

/* Adds sum_t dy(t) u(t-k) for TILE_LAGS lags from `lag` on. `u` has TILE_LAGS rows of zeros before it. Two bars at
 * a time share the rows of u that they read. */
static void correlate(int64_t bars, const float *u, const float *dy, int64_t lag, float *sums) {
    enum { LAGS = PU__S4_TILE_LAGS };
    pu__vec sum[LAGS];
    for (int k = 0; k < LAGS; ++k) sum[k] = pu__load(sums + (lag + k) * PU__LANES);
    int64_t t = lag;
    for (; t + 1 < bars; t += 2) {
        const pu__vec now = pu__load(dy + t * PU__LANES), next = pu__load(dy + (t + 1) * PU__LANES);
        for (int back = LAGS - 1; back >= -1; --back) {
            const pu__vec in = pu__load(u + (t - lag - back) * PU__LANES);
            if (back >= 0) sum[back] = pu__multiply_add(now, in, sum[back]);
            if (back + 1 < LAGS) sum[back + 1] = pu__multiply_add(next, in, sum[back + 1]);
        }
    }
    if (t < bars) {
        const pu__vec now = pu__load(dy + t * PU__LANES);
        for (int k = 0; k < LAGS; ++k) {
            sum[k] = pu__multiply_add(now, pu__load(u + (t - lag - k) * PU__LANES), sum[k]);
        }
    }
    for (int k = 0; k < LAGS; ++k) pu__store(sums + (lag + k) * PU__LANES, sum[k]);
}

/* ---- one group of windows of one panel ---- */

static void turn_around(int64_t bars, float *rows) {
    for (int64_t t = 0; t < bars / 2; ++t) {
        float *early = rows + t * PU__LANES, *late = rows + (bars - 1 - t) * PU__LANES;
        const pu__vec kept = pu__load(early);
        pu__store(early, pu__load(late));
        pu__store(late, kept);
    }
}

/* Against time du is dy convolved with the same K. */
static void convolution_backward(const pu__s4 *s, int64_t block, const float *u, float *dy, float *du, int windows,
                                 float *slopes) {
    for (int b = 0; b < windows; ++b) {
        float *slope = dy + b * s->row_stride;
        for (int64_t lag = 0; lag < s->bars; lag += PU__S4_TILE_LAGS)
            correlate(s->bars, u + b * s->row_stride, slope, lag, slopes);
        turn_around(s->bars, slope);
    }
    pu__s4_convolve(s, block, dy, du, s->row_stride, s->bars, windows);
    for (int b = 0; b < windows; ++b) turn_around(s->bars, du + b * s->row_stride);
}

/* A tile of windows of one block, on packed rows; TILE_LAGS rows of zeros lie before those of u. */
static void backward_block(const pu__s4 *s, int64_t block, const float *u, float *dy, float *du, int windows,
                           float *spectra, float *part) {
    if (s->form == PU_S4_SCAN) {
        scan_backward(s, block, u, dy, du, part);
    } else if (s->form == PU_S4_CONVOLUTION) {
        convolution_backward(s, block, u, dy, du, windows, part);
    } else {
        pu__s4_blocks_backward(s, block, u, dy, du, s->row_stride, windows, spectra, part);
    }
}

static void backward_group(const backward *g, int64_t block, int64_t blocks, int64_t first, int64_t windows,
                           float *scratch, float *parts) {
    const pu__s4 *s = &g->s;
    const int64_t area = s->tile * s->row_stride, zeros = PU__S4_TILE_LAGS * PU__LANES;
    float *u = scratch, *dy = u + s->panel * area, *du = dy + s->panel * area, *spectra = du + s->panel * area;
    memset(parts, 0, (size_t)(blocks * s->part_rows * PU__LANES) * sizeof *parts);
    for (int64_t at = 0; at < windows; at += s->tile) {
        const int64_t count = windows - at < s->tile ? windows - at : s->tile;
        for (int64_t b = 0; b < count; ++b) {
            const int64_t window = first + at + b, row = b * s->row_stride;
            for (int64_t j = 0; j < blocks; ++j) memset(u + j * area + row, 0, (size_t)zeros * sizeof *u);
            pu__s4_pack(s, window, block, blocks, s->u, u + row + zeros);
            pu__s4_pack(s, window, block, blocks, g->dy, dy + row);
        }
        for (int64_t j = 0; j < blocks; ++j)
            backward_block(s, block + j, u + j * area + zeros, dy + j * area, du + j * area, (int)count, spectra,
                           parts + j * s->part_rows * PU__LANES);
        for (int64_t b = 0; b < count; ++b)
            pu__s4_unpack(s, first + at + b, block, blocks, du + b * s->row_stride, g->du);
    }
}

static void group_items(void *context, int64_t begin, int64_t end, int worker) {
    const backward *g = context;
    const pu__s4 *s = &g->s;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t block = item % s->panels * s->panel, group = item / s->panels;
        const int64_t first = group * s->group_windows, windows = s->windows - first, blocks = s->blocks - block;
        backward_group(g, block, blocks < s->panel ? blocks : s->panel, first,
                       windows < s->group_windows ? windows : s->group_windows,
                       s->scratch + worker * s->scratch_count,
                       s->parts + (group * s->blocks + block) * s->part_rows * PU__LANES);
    }
}

/* ---- from the sums to the parameters ---- */

static void chain_rule(const backward *g, int64_t c, const float *sums) {
    const pu__s4 *s = &g->s;
    const double step = exp((double)s->log_step[c]);
    double by_step = 0;
    for (int64_t n = 0; n < s->states; ++n) {
        const int64_t at = n * s->channels + c, imaginary = (s->states + n) * s->channels + c;
        const float *sum = sums + n * PU__S4_ROWS * PU__LANES + c % PU__LANES;
        const double complex pole = -exp((double)s->rate[at]) + I * (double)s->frequency[at];
        const double complex weight = (double)s->weight[at] + I * (double)s->weight[imaginary];
        const double complex half = step * pole / 2, below = 1 - half;
        const double complex kept = s->bilinear ? (1 + half) / below : cexp(2 * half);
        const pu__s4_held held = pu__s4_hold(2 * creal(half), 2 * cimag(half), creal(kept), cimag(kept));
        const double complex input = s->bilinear ? step / below : step * (held.re + I * held.im);
        const double complex kept_by_pole = s->bilinear ? step / (below * below) : step * kept,
                             kept_by_step = s->bilinear ? pole / (below * below) : pole * kept,
                             input_by_pole =
                                 step * step *
                                 (s->bilinear ? 1 / (2 * below * below) : held.slope_re + I * held.slope_im),
                             input_by_step = s->bilinear ? 1 / (below * below) : kept;
        /* Of a value p of the loss, the h with dL = Re(h dp). */
        const double complex by_w = (double)sum[BY_W_RE * PU__LANES] + I * (double)sum[BY_W_IM * PU__LANES];
        const double complex by_kept =
            2 * weight * input * ((double)sum[BY_A_RE * PU__LANES] + I * (double)sum[BY_A_IM * PU__LANES]);
        const double complex by_weight = 2 * input * by_w, by_input = 2 * weight * by_w;
        const double complex by_pole = by_kept * kept_by_pole + by_input * input_by_pole;
        by_step += creal(by_kept * kept_by_step + by_input * input_by_step);
        g->drate[at] = (float)(creal(by_pole) * creal(pole));
        g->dfrequency[at] = (float)-cimag(by_pole);
        g->dweight[at] = (float)creal(by_weight);
        g->dweight[imaginary] = (float)-cimag(by_weight);
    }
    g->dlog_step[c] = (float)(by_step * step);
    g->dskip[c] = sums[s->padded_states * PU__S4_ROWS * PU__LANES + c % PU__LANES];
}

/* The groups' sums of a block onto those of its first group, in order. */
static float *add_groups(const pu__s4 *s, int64_t block) {
    const int64_t count = s->part_rows * PU__LANES;
    float *total = s->parts + block * count;
    for (int64_t group = 1; group < s->groups; ++group) {
        const float *part = s->parts + (group * s->blocks + block) * count;
        for (int64_t i = 0; i < count; ++i) total[i] += part[i];
    }
    return total;
}

/* From the sums to the slope of K, and to the sums of one window with an impulse for input, whose dy is that slope. */
static float *sums_of_kernel(const pu__s4 *s, int64_t block, const float *slopes, float *scratch) {
    float *impulse = scratch, *du = impulse + s->bars * PU__LANES, *sums = du + s->bars * PU__LANES,
          *dkernel = sums + (s->padded_states * PU__S4_ROWS + 1) * PU__LANES;
    memset(impulse, 0, (size_t)(s->bars * PU__LANES) * sizeof *impulse);
    memset(sums, 0, (size_t)((s->padded_states * PU__S4_ROWS + 1) * PU__LANES) * sizeof *sums);
    for (int j = 0; j < PU__LANES; ++j) impulse[j] = 1.0f;
    if (s->form == PU_S4_BLOCKS) pu__s4_kernel_slope(s, slopes, dkernel);
    scan_backward(s, block, impulse, s->form == PU_S4_BLOCKS ? dkernel : slopes, du, sums);
    return sums;
}

static void finish_blocks(void *context, int64_t begin, int64_t end, int worker) {
    const backward *g = context;
    const pu__s4 *s = &g->s;
    for (int64_t block = begin; block < end; ++block) {
        float *sums = add_groups(s, block);
        if (s->form != PU_S4_SCAN) sums = sums_of_kernel(s, block, sums, s->scratch + worker * s->scratch_count);
        for (int64_t c = block * PU__LANES; c < s->channels && c < (block + 1) * PU__LANES; ++c)
            chain_rule(g, c, sums);
    }
}

pu_status pu__s4_grad_cpu(const pu__call *call) {
    backward g = {.dy = call->in[0].data,
                  .du = call->out[0].data,
                  .dlog_step = call->out[1].data,
                  .drate = call->out[2].data,
                  .dfrequency = call->out[3].data,
                  .dweight = call->out[4].data,
                  .dskip = call->out[5].data};
    pu__s4_of(call, 1, &g.s);
    if (g.s.groups == 0 || g.s.bars == 0) {
        for (int i = 1; i < 6; ++i)
            memset(call->out[i].data, 0, (size_t)pu__count(&call->out[i].shape) * sizeof(float));
        return PU_OK;
    }
    pu__s4_prepare(call, &g.s);
    pu_parallel_for(call->pool, g.s.groups * g.s.panels, 1, group_items, &g);
    pu_parallel_for(call->pool, g.s.blocks, 1, finish_blocks, &g);
    return PU_OK;
}
