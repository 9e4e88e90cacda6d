/* S4D: what its two forms need, the coefficients and the chain rule, single bars, and the launches. */
#include "kernels/s4/s4.cuh"

#include "kernels/common/column_sum.cuh"
#include "kernels/s4/s4_convolution.cuh"
#include "kernels/s4/s4_held.h"
#include "kernels/s4/s4_scan.cuh"

/* Groups whose sums a thread of the chain rule adds up by itself. */
enum { GROUPS_MAX = 64 };

/* ---- coefficients ---- */

typedef struct complex64 {
    double re, im;
} complex64;

static __device__ inline complex64 times(complex64 a, complex64 b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
static __device__ inline complex64 over(complex64 a, complex64 b) {
    const double size = b.re * b.re + b.im * b.im;
    return {(a.re * b.re + a.im * b.im) / size, (a.im * b.re - a.re * b.im) / size};
}
static __device__ inline complex64 scaled(double by, complex64 a) { return {by * a.re, by * a.im}; }

/* exp(a). Through sincospi, whose reduction of large angles needs no local memory. */
static __device__ inline complex64 exponential(complex64 a) {
    const double size = exp(a.re);
    double s = 0, c = 0;
#ifdef __CUDACC__
    sincospi(a.im * 0.31830988618379067154, &s, &c);
#else
    s = sin(a.im);
    c = cos(a.im);
#endif
    return {size * c, size * s};
}

typedef struct layer {
    const float *log_step, *rate, *frequency, *weight;
    int64_t channels;
    int states;
    bool bilinear;
} layer;

typedef struct coefficient {
    double step;
    complex64 pole, weight, kept, input; /* A, C, a, b */
} coefficient;

static __device__ inline coefficient coefficient_of(const layer *l, int64_t n, int64_t c) {
    const int64_t at = n * l->channels + c;
    coefficient k;
    k.step = exp((double)l->log_step[c]);
    k.pole = {-exp((double)l->rate[at]), (double)l->frequency[at]};
    k.weight = {(double)l->weight[at], (double)l->weight[l->states * l->channels + at]};
    const complex64 whole = scaled(k.step, k.pole);
    if (l->bilinear) {
        const complex64 below = {1 - whole.re / 2, -whole.im / 2};
        k.kept = over({1 + whole.re / 2, whole.im / 2}, below);
        k.input = over({k.step, 0}, below);
    } else {
        k.kept = exponential(whole);
        const pu__s4_held held = pu__s4_hold(whole.re, whole.im, k.kept.re, k.kept.im);
        k.input = scaled(k.step, {held.re, held.im});
    }
    return k;
}

static __device__ inline complex64 power_of(complex64 a, int exponent) {
    complex64 result = {1, 0};
    for (; exponent > 0; exponent /= 2) {
        if (exponent % 2) result = times(result, a);
        a = times(a, a);
    }
    return result;
}

/* `power` may be null: a^L and L a^(L-1), which a chunk of L bars is crossed by. */
static __global__ void __launch_bounds__(PU_BLOCK)
    table_kernel(const __grid_constant__ layer l, float *table, float *power, int chunk_bars) {
    const int64_t i = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x;
    if (i >= l.states * l.channels) return;
    const int64_t n = pu__quotient(i, l.channels), c = i - n * l.channels;
    const coefficient k = coefficient_of(&l, n, c);
    const complex64 out = scaled(2, times(k.weight, k.input));
    float *row = table + n * PU__S4_ROWS * l.channels + c;
    row[PU__S4_RE * l.channels] = (float)k.kept.re;
    row[PU__S4_IM * l.channels] = (float)k.kept.im;
    row[PU__S4_OUT_RE * l.channels] = (float)out.re;
    row[PU__S4_OUT_IM * l.channels] = (float)out.im;
    if (!power) return;
    const complex64 slope = power_of(k.kept, chunk_bars - 1), whole = times(slope, k.kept);
    row = power + n * PU__S4_ROWS * l.channels + c;
    row[PU__S4_RE * l.channels] = (float)whole.re;
    row[PU__S4_IM * l.channels] = (float)whole.im;
    row[PU__S4_SLOPE_RE * l.channels] = (float)(chunk_bars * slope.re);
    row[PU__S4_SLOPE_IM * l.channels] = (float)(chunk_bars * slope.im);
}

/* ---- from the sums to the parameters ---- */

typedef struct slopes {
    float *log_step, *rate, *frequency, *weight, *skip;
    float *by_step; /* [N][C] */
} slopes;

/* One thread for a state of a channel: the groups' sums in order, then the chain rule. Of a value p of the loss,
 * by_p is the h with dL = Re(h dp). */
static __global__ void __launch_bounds__(PU_BLOCK)
    chain_rule_kernel(const __grid_constant__ layer l, const float *parts, int64_t groups,
                      const __grid_constant__ slopes out) {
    const int64_t i = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x;
    if (i >= l.states * l.channels) return;
    const int64_t n = pu__quotient(i, l.channels), c = i - n * l.channels;
    double sum[PU__S4_ROWS] = {0, 0, 0, 0};
    for (int64_t g = 0; g < groups; ++g) {
        const float *part = parts + (g * (l.states * PU__S4_ROWS + 1) + n * PU__S4_ROWS) * l.channels + c;
        PU_UNROLL
        for (int r = 0; r < PU__S4_ROWS; ++r) sum[r] += (double)part[r * l.channels];
    }
    const coefficient k = coefficient_of(&l, n, c);
    complex64 kept_by_pole, kept_by_step, input_by_pole, input_by_step;
    if (l.bilinear) {
        const complex64 below = {1 - k.step * k.pole.re / 2, -k.step * k.pole.im / 2},
                        square = times(below, below);
        kept_by_pole = over({k.step, 0}, square);
        kept_by_step = over(k.pole, square);
        input_by_pole = over({k.step * k.step / 2, 0}, square);
        input_by_step = over({1, 0}, square);
    } else {
        kept_by_pole = scaled(k.step, k.kept);
        kept_by_step = times(k.pole, k.kept);
        const pu__s4_held held = pu__s4_hold(k.step * k.pole.re, k.step * k.pole.im, k.kept.re, k.kept.im);
        input_by_pole = scaled(k.step * k.step, {held.slope_re, held.slope_im});
        input_by_step = k.kept;
    }
    const complex64 by_out = {sum[0], sum[1]};
    const complex64 by_kept = times(scaled(2, times(k.weight, k.input)), {sum[2], sum[3]});
    const complex64 by_weight = scaled(2, times(k.input, by_out)), by_input = scaled(2, times(k.weight, by_out));
    const complex64 pole_1 = times(by_kept, kept_by_pole), pole_2 = times(by_input, input_by_pole);
    const complex64 step_1 = times(by_kept, kept_by_step), step_2 = times(by_input, input_by_step);
    out.rate[i] = (float)((pole_1.re + pole_2.re) * k.pole.re);
    out.frequency[i] = (float)-(pole_1.im + pole_2.im);
    out.weight[i] = (float)by_weight.re;
    out.weight[l.states * l.channels + i] = (float)-by_weight.im;
    out.by_step[i] = (float)(k.step * (step_1.re + step_2.re));
}

static __global__ void __launch_bounds__(PU_BLOCK)
    channel_kernel(const __grid_constant__ layer l, const float *parts, int64_t groups,
                   const __grid_constant__ slopes out) {
    const int64_t c = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x;
    if (c >= l.channels) return;
    double by_step = 0, by_skip = 0;
    for (int64_t n = 0; n < l.states; ++n) by_step += (double)out.by_step[n * l.channels + c];
    const int64_t rows = l.states * PU__S4_ROWS + 1;
    for (int64_t g = 0; g < groups; ++g) by_skip += (double)parts[(g * rows + rows - 1) * l.channels + c];
    out.log_step[c] = (float)by_step;
    out.skip[c] = (float)by_skip;
}

/* ---- one bar ---- */

static __global__ void __launch_bounds__(PU_BLOCK)
    step_kernel(const __grid_constant__ layer l, const float *u, const float *before, const float *skip,
                int64_t windows, float *y, float *after) {
    const int64_t i = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x;
    if (i >= windows * l.channels) return;
    const int64_t window = pu__quotient(i, l.channels), c = i - window * l.channels;
    const int64_t state = window * 2 * l.states * l.channels + c;
    float sum = skip[c] * u[i];
    for (int64_t n = 0; n < l.states; ++n) {
        const coefficient k = coefficient_of(&l, n, c);
        const complex64 out = scaled(2, times(k.weight, k.input));
        const int64_t re = state + n * l.channels, im = re + l.states * l.channels;
        const float a_re = (float)k.kept.re, a_im = (float)k.kept.im;
        const float next_re = fmaf(a_re, before[re], fmaf(-a_im, before[im], u[i]));
        const float next_im = fmaf(a_re, before[im], a_im * before[re]);
        after[re] = next_re;
        after[im] = next_im;
        sum = fmaf((float)out.re, next_re, sum);
        sum = fmaf((float)-out.im, next_im, sum);
    }
    y[i] = sum;
}

/* ---- launches ---- */

static layer layer_of(const pu__call *call, int first) {
    layer l = {};
    l.log_step = (const float *)call->in[first].data;
    l.rate = (const float *)call->in[first + 1].data;
    l.frequency = (const float *)call->in[first + 2].data;
    l.weight = (const float *)call->in[first + 3].data;
    l.states = (int)call->in[first + 1].shape.dim[0];
    l.channels = call->in[first + 1].shape.dim[1];
    l.bilinear = call->attributes->s4.discretisation == PU_S4_BILINEAR;
    return l;
}

/* Flops of the convolution and of the scan are equal at T = 12 N; the convolution also pays for K and, beyond what
 * shared memory holds, for the cache. */
static bool convolves(const pu__call *call, int64_t bars, int64_t states) {
    if (call->attributes->s4.form != PU_S4_AUTO) return call->attributes->s4.form != PU_S4_SCAN;
    return bars <= 192 && bars <= 6 * states;
}

/* Places in the workspace, in floats. */
typedef struct places {
    int64_t table, power, states, impulse, kernel, parts, sums, scratch, by_step, end;
    int64_t groups, group_windows, chunks;
    int chunk_bars;
} places;

static places places_of(const pu__call *call, const pu_shape *u, int64_t states, bool gradient) {
    const int64_t windows = u->dim[0], channels = u->dim[2], taps = u->dim[1] * channels,
                  rows = (states * PU__S4_ROWS + 1) * channels;
    const int64_t lanes = pu__s4_lanes((int)states, gradient);
    const bool convolution = convolves(call, u->dim[1], states);
    places p = {};
    p.chunk_bars = (int)u->dim[1];
    if (!convolution) p.chunk_bars = pu__s4_chunk_bars(u, lanes, gradient);
    p.chunks = pu__ceil_div(u->dim[1], pu__greater(p.chunk_bars, 1));
    int64_t groups_max = GROUPS_MAX;
    if (!convolution) groups_max = pu__greater(groups_max, PU__S4_FILL / pu__greater(channels * lanes, 1));
    p.group_windows = gradient ? pu__greater(pu__ceil_div(windows, groups_max), 1) : 1;
    p.groups = pu__ceil_div(windows, p.group_windows) * p.chunks;
    const bool chunked = p.chunks > 1, many = p.groups > GROUPS_MAX;
    const int64_t state_rows = states * (gradient ? 2 : 1) * PU__S4_STATE_ROWS * channels;
    p.power = p.table + states * PU__S4_ROWS * channels;
    p.states = p.power + (chunked ? states * PU__S4_ROWS * channels : 0);
    p.impulse = p.states + (chunked ? windows * p.chunks * state_rows : 0);
    p.kernel = p.impulse + (convolution ? taps : 0);
    p.parts = p.kernel + (convolution ? taps : 0);
    p.sums = p.parts + (gradient ? p.groups * (convolution ? taps : rows) : 0);
    p.scratch = p.sums + (gradient && convolution ? rows + taps : gradient && many ? rows : 0);
    p.by_step = p.scratch + (gradient && convolution ? taps : 0);
    p.end = p.by_step + (gradient ? states * channels : 0);
    return p;
}

extern "C" size_t pu__s4_workspace_cuda(const pu__call *call) {
    return (size_t)places_of(call, &call->in[0].shape, call->in[2].shape.dim[0], false).end * sizeof(float);
}
extern "C" size_t pu__s4_grad_workspace_cuda(const pu__call *call) {
    return (size_t)places_of(call, &call->in[1].shape, call->in[3].shape.dim[0], true).end * sizeof(float);
}

static pu_status launch_table(const pu__call *call, const layer *l, const places *p) {
    float *at = (float *)call->workspace;
    const unsigned blocks = (unsigned)pu__ceil_div(l->states * l->channels, PU_BLOCK);
    PU_LAUNCH(table_kernel, dim3(blocks), dim3(PU_BLOCK), 0, call->cuda->stream, *l, at + p->table,
              p->chunks > 1 ? at + p->power : nullptr, p->chunk_bars);
    return pu__launched("s4 coefficients");
}

static __global__ void __launch_bounds__(PU_BLOCK) impulse_kernel(float *impulse, int64_t channels, int64_t n) {
    const int64_t i = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x;
    if (i < n) impulse[i] = i < channels ? 1.0f : 0.0f;
}

/* K, the answer to an impulse: [T][C]. */
static pu_status launch_kernel(const pu__call *call, const pu__s4_args *args, const places *p) {
    float *at = (float *)call->workspace;
    const int64_t taps = args->bars * args->channels;
    PU_LAUNCH(impulse_kernel, dim3((unsigned)pu__ceil_div(taps, PU_BLOCK)), dim3(PU_BLOCK), 0, call->cuda->stream,
              at + p->impulse, args->channels, taps);
    PU_TRY(pu__launched("s4 impulse"));
    pu__s4_args one = *args;
    one.u = at + p->impulse;
    one.out = at + p->kernel;
    one.windows = one.groups = one.group_windows = 1;
    return pu__s4_scan(call, &one);
}

static pu__s4_args args_of(const pu__call *call, int first, const places *p) {
    pu__s4_args args = {};
    args.u = (const float *)call->in[first].data;
    args.skip = (const float *)call->in[first + 5].data;
    args.table = (const float *)call->workspace + p->table;
    args.out = (float *)call->out[0].data;
    args.power = (const float *)call->workspace + p->power;
    args.boundary = (float *)call->workspace + p->states;
    args.windows = call->in[first].shape.dim[0];
    args.chunks = p->chunks;
    args.chunk_bars = p->chunk_bars;
    args.groups = p->groups;
    args.group_windows = p->group_windows;
    args.bars = (int)call->in[first].shape.dim[1];
    args.channels = call->in[first].shape.dim[2];
    args.states = (int)call->in[first + 2].shape.dim[0];
    return args;
}

extern "C" pu_status pu__s4_cuda(const pu__call *call) {
    const pu_shape *u = &call->in[0].shape;
    if (pu__count(u) == 0) return PU_OK;
    const layer l = layer_of(call, 1);
    const places p = places_of(call, u, l.states, false);
    const pu__s4_args args = args_of(call, 0, &p);
    PU_TRY(launch_table(call, &l, &p));
    if (!convolves(call, args.bars, args.states)) return pu__s4_scan(call, &args);
    PU_TRY(launch_kernel(call, &args, &p));
    return pu__s4_convolve(call, &args, (float *)call->workspace + p.kernel, false);
}

static pu_status launch_slopes(const pu__call *call, const layer *l, const float *parts, int64_t groups,
                               float *by_step) {
    slopes out = {};
    out.log_step = (float *)call->out[1].data;
    out.rate = (float *)call->out[2].data;
    out.frequency = (float *)call->out[3].data;
    out.weight = (float *)call->out[4].data;
    out.skip = (float *)call->out[5].data;
    out.by_step = by_step;
    PU_LAUNCH(chain_rule_kernel, dim3((unsigned)pu__ceil_div(l->states * l->channels, PU_BLOCK)), dim3(PU_BLOCK),
              0, call->cuda->stream, *l, parts, groups, out);
    PU_TRY(pu__launched("s4_grad of the parameters"));
    PU_LAUNCH(channel_kernel, dim3((unsigned)pu__ceil_div(l->channels, PU_BLOCK)), dim3(PU_BLOCK), 0,
              call->cuda->stream, *l, parts, groups, out);
    return pu__launched("s4_grad of the channels");
}

/* The slopes of K, summed over the groups, go through the scan's gradient as dy of one window of an impulse. */
static pu_status grad_by_convolution(const pu__call *call, const pu__s4_args *args, const layer *l,
                                     const places *p) {
    float *at = (float *)call->workspace,
          *dkernel = at + p->sums + (args->states * PU__S4_ROWS + 1) * args->channels;
    const int64_t taps = args->bars * args->channels;
    PU_TRY(launch_kernel(call, args, p));
    PU_TRY(pu__s4_convolve(call, args, at + p->kernel, true));
    PU_TRY(pu__s4_correlate(call, args, at + p->parts));
    PU_TRY(pu__column_sum_final(at + p->parts, args->groups, taps, dkernel, nullptr, taps, call->cuda->stream));
    pu__s4_args one = *args;
    one.u = at + p->impulse;
    one.dy = dkernel;
    one.out = at + p->scratch;
    one.parts = at + p->sums;
    one.windows = one.groups = one.group_windows = 1;
    PU_TRY(pu__s4_scan_grad(call, &one));
    return launch_slopes(call, l, at + p->sums, 1, at + p->by_step);
}

extern "C" pu_status pu__s4_grad_cuda(const pu__call *call) {
    const pu_shape *u = &call->in[1].shape;
    const layer l = layer_of(call, 2);
    const places p = places_of(call, u, l.states, true);
    float *at = (float *)call->workspace;
    if (l.channels == 0) return PU_OK;
    if (pu__count(u) == 0) return launch_slopes(call, &l, at + p.parts, 0, at + p.by_step);
    pu__s4_args args = args_of(call, 1, &p);
    args.dy = (const float *)call->in[0].data;
    args.parts = at + p.parts;
    PU_TRY(launch_table(call, &l, &p));
    if (convolves(call, args.bars, args.states)) return grad_by_convolution(call, &args, &l, &p);
    PU_TRY(pu__s4_scan_grad(call, &args));
    if (args.groups <= GROUPS_MAX) return launch_slopes(call, &l, args.parts, args.groups, at + p.by_step);
    const int64_t columns = (l.states * PU__S4_ROWS + 1) * l.channels;
    PU_TRY(
        pu__column_sum_final(args.parts, args.groups, columns, at + p.sums, nullptr, columns, call->cuda->stream));
    return launch_slopes(call, &l, at + p.sums, 1, at + p.by_step);
}

extern "C" pu_status pu__s4_step_cuda(const pu__call *call) {
    const layer l = layer_of(call, 2);
    const int64_t windows = call->in[0].shape.dim[0];
    if (windows * l.channels == 0) return PU_OK;
    PU_LAUNCH(step_kernel, dim3((unsigned)pu__ceil_div(windows * l.channels, PU_BLOCK)), dim3(PU_BLOCK), 0,
              call->cuda->stream, l, (const float *)call->in[0].data, (const float *)call->in[1].data,
              (const float *)call->in[6].data, windows, (float *)call->out[0].data, (float *)call->out[1].data);
    return pu__launched("s4_step");
}
