/* S4D as a scan, and what both forms need: coefficients and the chain rule.
 *
 * Floor: the scan is bound by arithmetic, 12 B T C N flops forward and 28 backward, from N = 8 or so on; below, by
 * 8 and 12 bytes per element. The states of one channel of one window are spread over up to 32 lanes, a few in
 * each lane's registers; a bar's output is their sum by a butterfly. Inputs are fetched several bars ahead of
 * their use. The gradient runs backwards only: with m(t) = a m(t+1) + dy(t), the slope of 2 C b is the sum of u m,
 * and that of a is the sum of u q, q = dm/da, q(t) = a q(t+1) + m(t+1); no state of the forward pass is stored. */
#include "kernels/s4/s4.cuh"

#include "kernels/common/column_sum.cuh"
#include "kernels/s4/s4_convolution.cuh"

enum { FORWARD_STATES = 8, BACKWARD_STATES = 4, BARS_AT_ONCE = 8, GROUPS_MAX = 64 };

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
        k.input = over({k.kept.re - 1, k.kept.im}, k.pole);
    }
    return k;
}

static __global__ void __launch_bounds__(PU_BLOCK) table_kernel(const __grid_constant__ layer l, float *table) {
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
}

/* ---- the scan ---- */

/* Which states of which channel a thread carries: `lanes` neighbouring threads share a channel. */
typedef struct seat {
    int64_t group, channel; /* group of windows */
    int lane;
    bool live;
} seat;

static __device__ inline seat seat_of(const pu__s4_args *args, int lanes) {
    const int64_t unit = (int64_t)blockIdx.x * (PU_BLOCK / lanes) + threadIdx.x / lanes;
    seat s;
    s.lane = (int)threadIdx.x % lanes;
    s.live = unit < args->groups * args->channels;
    s.group = s.live ? pu__quotient(unit, args->channels) : 0;
    s.channel = s.live ? unit - s.group * args->channels : 0;
    return s;
}

/* Row `row` of state n, 0 beyond the last state. */
static __device__ inline float entry(const pu__s4_args *args, const seat *s, int n, int row) {
    return n < args->states ? args->table[(n * PU__S4_ROWS + row) * args->channels + s->channel] : 0.0f;
}

static __device__ inline float lanes_sum(float v, int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) v += __shfl_xor_sync(PU_ALL_LANES, v, step);
    return v;
}

/* Adds the states' share to the output of a bar, or begins it with skip * input: by one lane of the channel, a
 * different one from bar to bar. */
static __device__ inline void put(const pu__s4_args *args, const seat *s, int lanes, int bar, int64_t at,
                                  bool begins, float input, float sum) {
    if (!s->live || bar >= args->bars || bar % lanes != s->lane) return;
    args->out[at] = begins ? fmaf(args->skip[s->channel], input, sum) : args->out[at] + sum;
}

static __global__ void __launch_bounds__(PU_BLOCK) s4_kernel(const __grid_constant__ pu__s4_args args, int lanes) {
    const seat s = seat_of(&args, lanes); /* groups of one window */
    const int64_t first = s.group * args.bars * args.channels + s.channel;
    for (int base = 0; base < args.states; base += lanes * FORWARD_STATES) {
        float a_re[FORWARD_STATES], a_im[FORWARD_STATES], w_re[FORWARD_STATES], w_im[FORWARD_STATES];
        float x_re[FORWARD_STATES], x_im[FORWARD_STATES];
        PU_UNROLL
        for (int i = 0; i < FORWARD_STATES; ++i) {
            const int n = base + i * lanes + s.lane;
            a_re[i] = entry(&args, &s, n, PU__S4_RE);
            a_im[i] = entry(&args, &s, n, PU__S4_IM);
            w_re[i] = entry(&args, &s, n, PU__S4_OUT_RE);
            w_im[i] = entry(&args, &s, n, PU__S4_OUT_IM);
            x_re[i] = x_im[i] = 0.0f;
        }
        for (int t = 0; t < args.bars; t += BARS_AT_ONCE) {
            float u[BARS_AT_ONCE];
            PU_UNROLL
            for (int j = 0; j < BARS_AT_ONCE; ++j)
                u[j] = s.live && t + j < args.bars ? args.u[first + (t + j) * args.channels] : 0.0f;
            PU_UNROLL
            for (int j = 0; j < BARS_AT_ONCE; ++j) {
                float sum = 0.0f;
                PU_UNROLL
                for (int i = 0; i < FORWARD_STATES; ++i) {
                    const float turned = a_im[i] * x_re[i];
                    x_re[i] = fmaf(a_re[i], x_re[i], fmaf(-a_im[i], x_im[i], u[j]));
                    x_im[i] = fmaf(a_re[i], x_im[i], turned);
                    sum = fmaf(w_re[i], x_re[i], sum);
                    sum = fmaf(-w_im[i], x_im[i], sum);
                }
                put(&args, &s, lanes, t + j, first + (t + j) * args.channels, base == 0, u[j],
                    lanes_sum(sum, lanes));
            }
        }
    }
}

/* The states of a thread in the gradient, and their sums over the windows so far. */
typedef struct carried {
    float a_re[BACKWARD_STATES], a_im[BACKWARD_STATES], w_re[BACKWARD_STATES], w_im[BACKWARD_STATES];
    float m_re[BACKWARD_STATES], m_im[BACKWARD_STATES], q_re[BACKWARD_STATES], q_im[BACKWARD_STATES];
    float sum[BACKWARD_STATES][PU__S4_ROWS];
} carried;

/* One bar back; returns the states' share of du. */
static __device__ inline float step_back(carried *k, float u, float dy) {
    float du = 0.0f;
    PU_UNROLL
    for (int i = 0; i < BACKWARD_STATES; ++i) {
        const float q_turned = fmaf(k->a_im[i], k->q_re[i], k->m_im[i]), m_turned = k->a_im[i] * k->m_re[i];
        k->q_re[i] = fmaf(k->a_re[i], k->q_re[i], fmaf(-k->a_im[i], k->q_im[i], k->m_re[i]));
        k->q_im[i] = fmaf(k->a_re[i], k->q_im[i], q_turned);
        k->m_re[i] = fmaf(k->a_re[i], k->m_re[i], fmaf(-k->a_im[i], k->m_im[i], dy));
        k->m_im[i] = fmaf(k->a_re[i], k->m_im[i], m_turned);
        du = fmaf(k->w_re[i], k->m_re[i], du);
        du = fmaf(-k->w_im[i], k->m_im[i], du);
        k->sum[i][0] = fmaf(u, k->m_re[i], k->sum[i][0]);
        k->sum[i][1] = fmaf(u, k->m_im[i], k->sum[i][1]);
        k->sum[i][2] = fmaf(u, k->q_re[i], k->sum[i][2]);
        k->sum[i][3] = fmaf(u, k->q_im[i], k->sum[i][3]);
    }
    return du;
}

static __global__ void __launch_bounds__(PU_BLOCK)
    s4_grad_kernel(const __grid_constant__ pu__s4_args args, int lanes) {
    const seat s = seat_of(&args, lanes);
    const int64_t window_end = min((s.group + 1) * args.group_windows, args.windows);
    float *part = args.parts + s.group * (args.states * PU__S4_ROWS + 1) * args.channels + s.channel;
    float by_skip = 0.0f;
    for (int base = 0; base < args.states; base += lanes * BACKWARD_STATES) {
        carried k;
        PU_UNROLL
        for (int i = 0; i < BACKWARD_STATES; ++i) {
            const int n = base + i * lanes + s.lane;
            k.a_re[i] = entry(&args, &s, n, PU__S4_RE);
            k.a_im[i] = entry(&args, &s, n, PU__S4_IM);
            k.w_re[i] = entry(&args, &s, n, PU__S4_OUT_RE);
            k.w_im[i] = entry(&args, &s, n, PU__S4_OUT_IM);
            PU_UNROLL
            for (int r = 0; r < PU__S4_ROWS; ++r) k.sum[i][r] = 0.0f;
        }
        /* Every channel of a warp takes the same number of turns: the last group's missing windows are zeros. */
        for (int64_t w = 0; w < args.group_windows; ++w) {
            const int64_t window = s.group * args.group_windows + w;
            const int64_t first = window * args.bars * args.channels + s.channel;
            const bool live = s.live && window < window_end;
            PU_UNROLL
            for (int i = 0; i < BACKWARD_STATES; ++i) k.m_re[i] = k.m_im[i] = k.q_re[i] = k.q_im[i] = 0.0f;
            for (int t = (args.bars - 1) / BARS_AT_ONCE * BARS_AT_ONCE; t >= 0; t -= BARS_AT_ONCE) {
                float u[BARS_AT_ONCE], dy[BARS_AT_ONCE];
                PU_UNROLL
                for (int j = 0; j < BARS_AT_ONCE; ++j) {
                    const bool inside = live && t + j < args.bars;
                    u[j] = inside ? args.u[first + (t + j) * args.channels] : 0.0f;
                    dy[j] = inside ? args.dy[first + (t + j) * args.channels] : 0.0f;
                }
                float products = 0.0f; /* summed by themselves first: fewer roundings of a long sum */
                PU_UNROLL
                for (int j = BARS_AT_ONCE - 1; j >= 0; --j) {
                    const float du = lanes_sum(step_back(&k, u[j], dy[j]), lanes);
                    products = fmaf(dy[j], u[j], products);
                    if (live) put(&args, &s, lanes, t + j, first + (t + j) * args.channels, base == 0, dy[j], du);
                }
                if (base == 0) by_skip += products;
            }
        }
        PU_UNROLL
        for (int i = 0; i < BACKWARD_STATES; ++i) {
            const int n = base + i * lanes + s.lane;
            if (!s.live || n >= args.states) continue;
            PU_UNROLL
            for (int r = 0; r < PU__S4_ROWS; ++r) part[(n * PU__S4_ROWS + r) * args.channels] = k.sum[i][r];
        }
    }
    if (s.live && s.lane == 0) part[args.states * PU__S4_ROWS * args.channels] = by_skip;
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
        input_by_pole = over({k.step * k.kept.re - k.input.re, k.step * k.kept.im - k.input.im}, k.pole);
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
    if (call->attributes->s4.form != PU_S4_AUTO) return call->attributes->s4.form == PU_S4_CONVOLUTION;
    return bars <= 192 && bars <= 6 * states;
}

/* Places in the workspace, in floats. */
typedef struct places {
    int64_t table, impulse, kernel, parts, sums, scratch, by_step, end;
    int64_t groups, group_windows;
} places;

static places places_of(const pu__call *call, const pu_shape *u, int64_t states, bool gradient) {
    const int64_t channels = u->dim[2], taps = u->dim[1] * channels, rows = (states * PU__S4_ROWS + 1) * channels;
    const bool convolution = convolves(call, u->dim[1], states);
    places p = {};
    p.group_windows = pu__greater(pu__ceil_div(u->dim[0], GROUPS_MAX), 1);
    p.groups = pu__ceil_div(u->dim[0], p.group_windows);
    p.impulse = p.table + states * PU__S4_ROWS * channels;
    p.kernel = p.impulse + (convolution ? taps : 0);
    p.parts = p.kernel + (convolution ? taps : 0);
    p.sums = p.parts + (gradient ? p.groups * (convolution ? taps : rows) : 0);
    p.scratch = p.sums + (gradient && convolution ? rows + taps : 0);
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

/* Lanes that share a channel: a power of two. */
static int lanes_for(int states, int per_lane) {
    int lanes = 1;
    while (lanes < PU_WARP && lanes * per_lane < states) lanes *= 2;
    return lanes;
}

static pu_status launch_table(const pu__call *call, const layer *l, float *table) {
    const unsigned blocks = (unsigned)pu__ceil_div(l->states * l->channels, PU_BLOCK);
    PU_LAUNCH(table_kernel, dim3(blocks), dim3(PU_BLOCK), 0, call->cuda->stream, *l, table);
    return pu__launched("s4 coefficients");
}

static pu_status launch_scan(const pu__call *call, const pu__s4_args *args) {
    const int lanes = lanes_for(args->states, FORWARD_STATES);
    const unsigned blocks = (unsigned)pu__ceil_div(args->windows * args->channels, PU_BLOCK / lanes);
    PU_LAUNCH(s4_kernel, dim3(blocks), dim3(PU_BLOCK), 0, call->cuda->stream, *args, lanes);
    return pu__launched("s4");
}

static pu_status launch_grad(const pu__call *call, const pu__s4_args *args) {
    const int lanes = lanes_for(args->states, BACKWARD_STATES);
    const unsigned blocks = (unsigned)pu__ceil_div(args->groups * args->channels, PU_BLOCK / lanes);
    PU_LAUNCH(s4_grad_kernel, dim3(blocks), dim3(PU_BLOCK), 0, call->cuda->stream, *args, lanes);
    return pu__launched("s4_grad");
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
    return launch_scan(call, &one);
}

static pu__s4_args args_of(const pu__call *call, int first, const places *p) {
    pu__s4_args args = {};
    args.u = (const float *)call->in[first].data;
    args.skip = (const float *)call->in[first + 5].data;
    args.table = (const float *)call->workspace + p->table;
    args.out = (float *)call->out[0].data;
    args.windows = args.groups = call->in[first].shape.dim[0];
    args.group_windows = 1;
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
    PU_TRY(launch_table(call, &l, (float *)call->workspace + p.table));
    if (!convolves(call, args.bars, args.states)) return launch_scan(call, &args);
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
    PU_TRY(launch_grad(call, &one));
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
    args.groups = p.groups;
    args.group_windows = p.group_windows;
    PU_TRY(launch_table(call, &l, at + p.table));
    if (convolves(call, args.bars, args.states)) return grad_by_convolution(call, &args, &l, &p);
    PU_TRY(launch_grad(call, &args));
    return launch_slopes(call, &l, args.parts, args.groups, at + p.by_step);
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
