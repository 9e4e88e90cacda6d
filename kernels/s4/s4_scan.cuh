/* S4D as a scan.
 *
 * Floor: bound by arithmetic, 12 B T C N flops forward and 28 backward, from N = 8 or so on; below, by 8 and 12
 * bytes per element. The states of one channel of one window are spread over up to 32 lanes, a few in each lane's
 * registers; a bar's output is their sum by a butterfly. Inputs are fetched several bars ahead of their use. The
 * gradient runs backwards only: with m(t) = a m(t+1) + dy(t), the slope of 2 C b is the sum of u m, and that of a is
 * the sum of u q, q = dm/da, q(t) = a q(t+1) + m(t+1); no state of the forward pass is stored.
 *
 * Where windows, channels and lanes are too few threads for a GPU, time is cut into chunks as well: a first pass takes
 * each chunk from zero states to the states at its end; a second carries them from chunk to chunk, by x = a^L x + end,
 * or m likewise and q = a^L q + L a^(L-1) m + end; the pass that gives the outputs then starts each chunk from its
 * true states and runs through the bars again, which costs less than to keep their states: 20 and 44 B T C N flops in
 * all. */
#ifndef PU_KERNELS_S4_S4_SCAN_CUH
#define PU_KERNELS_S4_S4_SCAN_CUH

#include "kernels/s4/s4.cuh"

enum { FORWARD_STATES = 8, BACKWARD_STATES = 4, BARS_AT_ONCE = 8, CHUNKS_AT_ONCE = 8 };
/* Threads that fill a GPU: by their registers, two blocks of these kernels fit a multiprocessor, and the larger GPUs
 * have 108 to 170 of those. A constant, so that bits do not depend on which GPU it is. */
enum { PU__S4_FILL = 65536, PU__S4_CHUNK_BARS = 64 };

/* Lanes that share a channel: a power of two. */
static int pu__s4_lanes(int states, bool gradient) {
    const int per_lane = gradient ? BACKWARD_STATES : FORWARD_STATES;
    int lanes = 1;
    while (lanes < PU_WARP && lanes * per_lane < states) lanes *= 2;
    return lanes;
}

/* The bars of a chunk; T where time is not cut. Forward, whether it is and where does not depend on T, so that what
 * comes later leaves a bar's bits alone. Backward that is not asked for: windows are cut from where it makes the way
 * shorter, and into no more chunks than fill a GPU, since each has sums of its own. Chunks of a cut window are whole
 * turns of the loop over bars. */
static int pu__s4_chunk_bars(const pu_shape *u, int64_t lanes, bool gradient) {
    const int64_t bars = u->dim[1], threads = pu__greater(u->dim[0] * u->dim[2] * lanes, 1);
    if (bars <= PU__S4_CHUNK_BARS || 2 * threads > PU__S4_FILL) return (int)bars;
    if (!gradient) return PU__S4_CHUNK_BARS;
    if (bars < 3 * PU__S4_CHUNK_BARS) return (int)bars;
    const int64_t chunks = pu__lesser(pu__ceil_div(PU__S4_FILL, threads), bars / PU__S4_CHUNK_BARS);
    return (int)(pu__ceil_div(pu__ceil_div(bars, chunks), BARS_AT_ONCE) * BARS_AT_ONCE);
}

/* Which states of which channel a thread carries: `lanes` neighbouring threads share a channel. */
typedef struct seat {
    int64_t group, channel; /* group of windows and chunk */
    int64_t window_group, chunk;
    int lane, first_bar;
    bool live;
} seat;

static __device__ inline seat seat_of(const pu__s4_args *args, int lanes) {
    const int64_t unit = (int64_t)blockIdx.x * (PU_BLOCK / lanes) + threadIdx.x / lanes;
    seat s;
    s.lane = (int)threadIdx.x % lanes;
    s.live = unit < args->groups * args->channels;
    s.group = s.live ? pu__quotient(unit, args->channels) : 0;
    s.channel = s.live ? unit - s.group * args->channels : 0;
    s.window_group = pu__quotient(s.group, args->chunks);
    s.chunk = s.group - s.window_group * args->chunks;
    s.first_bar = (int)s.chunk * args->chunk_bars;
    return s;
}

/* Row `row` of state n, 0 beyond the last state. */
static __device__ inline float entry(const pu__s4_args *args, const seat *s, int n, int row) {
    return n < args->states ? args->table[(n * PU__S4_ROWS + row) * args->channels + s->channel] : 0.0f;
}

/* Where row 0 of state n stands at the chunk's boundary. */
static __device__ inline float *boundary_of(const pu__s4_args *args, const seat *s, int64_t window, int n,
                                            int rows) {
    return args->boundary + ((window * args->chunks + s->chunk) * args->states + n) * rows * args->channels +
           s->channel;
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

/* One window in a group. ENDS: only the states at the chunk's end, from zero. Every chunk takes as many turns, so that
 * the channels of a warp stay together: the last one's missing bars are zeros. */
template <bool ENDS>
static __global__ void __launch_bounds__(PU_BLOCK) s4_kernel(const __grid_constant__ pu__s4_args args, int lanes) {
    const seat s = seat_of(&args, lanes);
    if (ENDS && s.chunk == args.chunks - 1) return; /* nothing comes after */
    const int64_t first = s.window_group * args.bars * args.channels + s.channel;
    const int bars_end = s.first_bar + args.chunk_bars;
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
            if (ENDS || s.chunk == 0 || n >= args.states) continue;
            const float *start = boundary_of(&args, &s, s.window_group, n, PU__S4_STATE_ROWS);
            x_re[i] = start[0];
            x_im[i] = start[args.channels];
        }
        for (int t = s.first_bar; t < bars_end; t += BARS_AT_ONCE) {
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
                    if (ENDS) continue;
                    sum = fmaf(w_re[i], x_re[i], sum);
                    sum = fmaf(-w_im[i], x_im[i], sum);
                }
                if (!ENDS)
                    put(&args, &s, lanes, t + j, first + (t + j) * args.channels, base == 0, u[j],
                        lanes_sum(sum, lanes));
            }
        }
        PU_UNROLL
        for (int i = 0; i < FORWARD_STATES; ++i) {
            const int n = base + i * lanes + s.lane;
            if (!ENDS || !s.live || n >= args.states) continue;
            float *end = boundary_of(&args, &s, s.window_group, n, PU__S4_STATE_ROWS);
            end[0] = x_re[i];
            end[args.channels] = x_im[i];
        }
    }
}

/* The states of a thread in the gradient, and their sums over the windows so far. */
typedef struct carried {
    float a_re[BACKWARD_STATES], a_im[BACKWARD_STATES], w_re[BACKWARD_STATES], w_im[BACKWARD_STATES];
    float m_re[BACKWARD_STATES], m_im[BACKWARD_STATES], q_re[BACKWARD_STATES], q_im[BACKWARD_STATES];
    float sum[BACKWARD_STATES][PU__S4_ROWS];
} carried;

/* State i, one bar back. */
static __device__ inline void turn_back(carried *k, int i, float dy) {
    const float q_turned = fmaf(k->a_im[i], k->q_re[i], k->m_im[i]), m_turned = k->a_im[i] * k->m_re[i];
    k->q_re[i] = fmaf(k->a_re[i], k->q_re[i], fmaf(-k->a_im[i], k->q_im[i], k->m_re[i]));
    k->q_im[i] = fmaf(k->a_re[i], k->q_im[i], q_turned);
    k->m_re[i] = fmaf(k->a_re[i], k->m_re[i], fmaf(-k->a_im[i], k->m_im[i], dy));
    k->m_im[i] = fmaf(k->a_re[i], k->m_im[i], m_turned);
}

/* One bar back; returns the states' share of du. */
static __device__ inline float step_back(carried *k, float u, float dy) {
    float du = 0.0f;
    PU_UNROLL
    for (int i = 0; i < BACKWARD_STATES; ++i) {
        turn_back(k, i, dy);
        du = fmaf(k->w_re[i], k->m_re[i], du);
        du = fmaf(-k->w_im[i], k->m_im[i], du);
        k->sum[i][0] = fmaf(u, k->m_re[i], k->sum[i][0]);
        k->sum[i][1] = fmaf(u, k->m_im[i], k->sum[i][1]);
        k->sum[i][2] = fmaf(u, k->q_re[i], k->sum[i][2]);
        k->sum[i][3] = fmaf(u, k->q_im[i], k->sum[i][3]);
    }
    return du;
}

static __device__ inline void load_states(carried *k, const pu__s4_args *args, const seat *s, int base,
                                          int lanes) {
    PU_UNROLL
    for (int i = 0; i < BACKWARD_STATES; ++i) {
        const int n = base + i * lanes + s->lane;
        k->a_re[i] = entry(args, s, n, PU__S4_RE);
        k->a_im[i] = entry(args, s, n, PU__S4_IM);
        k->w_re[i] = entry(args, s, n, PU__S4_OUT_RE);
        k->w_im[i] = entry(args, s, n, PU__S4_OUT_IM);
        PU_UNROLL
        for (int r = 0; r < PU__S4_ROWS; ++r) k->sum[i][r] = 0.0f;
    }
}

/* The states behind a chunk's last bar. */
static __device__ inline void start_back(carried *k, const pu__s4_args *args, const seat *s, int64_t window,
                                         bool known, int base, int lanes) {
    PU_UNROLL
    for (int i = 0; i < BACKWARD_STATES; ++i) {
        const int n = base + i * lanes + s->lane;
        k->m_re[i] = k->m_im[i] = k->q_re[i] = k->q_im[i] = 0.0f;
        if (!known || n >= args->states) continue;
        const float *start = boundary_of(args, s, window, n, 2 * PU__S4_STATE_ROWS);
        k->m_re[i] = start[0];
        k->m_im[i] = start[args->channels];
        k->q_re[i] = start[2 * args->channels];
        k->q_im[i] = start[3 * args->channels];
    }
}

static __global__ void __launch_bounds__(PU_BLOCK)
    s4_grad_kernel(const __grid_constant__ pu__s4_args args, int lanes) {
    const seat s = seat_of(&args, lanes);
    const int64_t window_end = min((s.window_group + 1) * args.group_windows, args.windows);
    float *part = args.parts + s.group * (args.states * PU__S4_ROWS + 1) * args.channels + s.channel;
    const int last_bars = s.first_bar + (args.chunk_bars - 1) / BARS_AT_ONCE * BARS_AT_ONCE;
    float by_skip = 0.0f;
    for (int base = 0; base < args.states; base += lanes * BACKWARD_STATES) {
        carried k;
        load_states(&k, &args, &s, base, lanes);
        /* Every channel of a warp takes the same number of turns: the last group's missing windows are zeros. */
        for (int64_t w = 0; w < args.group_windows; ++w) {
            const int64_t window = s.window_group * args.group_windows + w;
            const int64_t first = window * args.bars * args.channels + s.channel;
            const bool live = s.live && window < window_end;
            start_back(&k, &args, &s, window, live && s.chunk < args.chunks - 1, base, lanes);
            for (int t = last_bars; t >= s.first_bar; t -= BARS_AT_ONCE) {
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

/* m and q in front of each chunk but the first, from zero behind it. */
static __global__ void __launch_bounds__(PU_BLOCK)
    s4_grad_ends_kernel(const __grid_constant__ pu__s4_args args, int lanes) {
    const seat s = seat_of(&args, lanes);
    if (!s.live || s.chunk == 0) return;
    const int64_t first = s.window_group * args.bars * args.channels + s.channel;
    for (int base = 0; base < args.states; base += lanes * BACKWARD_STATES) {
        carried k;
        load_states(&k, &args, &s, base, lanes);
        start_back(&k, &args, &s, s.window_group, false, base, lanes);
        for (int t = s.first_bar + args.chunk_bars - BARS_AT_ONCE; t >= s.first_bar; t -= BARS_AT_ONCE) {
            float dy[BARS_AT_ONCE];
            PU_UNROLL
            for (int j = 0; j < BARS_AT_ONCE; ++j)
                dy[j] = t + j < args.bars ? args.dy[first + (t + j) * args.channels] : 0.0f;
            PU_UNROLL
            for (int j = BARS_AT_ONCE - 1; j >= 0; --j) {
                PU_UNROLL
                for (int i = 0; i < BACKWARD_STATES; ++i) turn_back(&k, i, dy[j]);
            }
        }
        PU_UNROLL
        for (int i = 0; i < BACKWARD_STATES; ++i) {
            const int n = base + i * lanes + s.lane;
            if (n >= args.states) continue;
            float *end = boundary_of(&args, &s, s.window_group, n, 2 * PU__S4_STATE_ROWS);
            end[0] = k.m_re[i];
            end[args.channels] = k.m_im[i];
            end[2 * args.channels] = k.q_re[i];
            end[3 * args.channels] = k.q_im[i];
        }
    }
}

/* a b + c. */
static __device__ inline float2 add_product(float2 a, float2 b, float2 c) {
    return make_float2(fmaf(a.x, b.x, fmaf(-a.y, b.y, c.x)), fmaf(a.x, b.y, fmaf(a.y, b.x, c.y)));
}

/* One thread for a state of a channel of a window, and in it the chunks in the order of the scan: where a chunk's end
 * stood, its start is left. */
template <bool BACKWARD>
static __global__ void __launch_bounds__(PU_BLOCK) carry_kernel(const __grid_constant__ pu__s4_args args) {
    enum { VALUES = BACKWARD ? 2 : 1 }; /* complex ones */
    const int64_t i = (int64_t)blockIdx.x * PU_BLOCK + threadIdx.x, per_window = args.states * args.channels;
    if (i >= args.windows * per_window) return;
    const int64_t window = pu__quotient(i, per_window), within = i - window * per_window;
    const int64_t n = pu__quotient(within, args.channels), channel = within - n * args.channels;
    const float *power = args.power + n * PU__S4_ROWS * args.channels + channel;
    const float2 kept = make_float2(power[0], power[args.channels]);
    const float2 slope =
        make_float2(power[PU__S4_SLOPE_RE * args.channels], power[PU__S4_SLOPE_IM * args.channels]);
    float *at = args.boundary + (window * args.chunks * args.states + n) * 2 * VALUES * args.channels + channel;
    const int64_t stride = per_window * 2 * VALUES;
    float2 x[VALUES];
    for (int v = 0; v < VALUES; ++v) x[v] = make_float2(0.0f, 0.0f);
    for (int64_t step = 0; step < args.chunks; step += CHUNKS_AT_ONCE) {
        float2 end[CHUNKS_AT_ONCE][VALUES];
        PU_UNROLL
        for (int j = 0; j < CHUNKS_AT_ONCE; ++j) {
            const bool inside = step + j < args.chunks - 1; /* the last one's end is of no use */
            const float *from = at + (BACKWARD ? args.chunks - 1 - step - j : step + j) * stride;
            PU_UNROLL
            for (int v = 0; v < VALUES; ++v)
                end[j][v] = inside ? make_float2(from[2 * v * args.channels], from[(2 * v + 1) * args.channels])
                                   : make_float2(0.0f, 0.0f);
        }
        PU_UNROLL
        for (int j = 0; j < CHUNKS_AT_ONCE; ++j) {
            if (step + j >= args.chunks) break;
            float *to = at + (BACKWARD ? args.chunks - 1 - step - j : step + j) * stride;
            PU_UNROLL
            for (int v = 0; v < VALUES; ++v) {
                to[2 * v * args.channels] = x[v].x;
                to[(2 * v + 1) * args.channels] = x[v].y;
            }
            if (BACKWARD) x[1] = add_product(kept, x[1], add_product(slope, x[0], end[j][1]));
            x[0] = add_product(kept, x[0], end[j][0]);
        }
    }
}

static unsigned pu__s4_blocks(const pu__s4_args *args, int lanes) {
    return (unsigned)pu__ceil_div(args->groups * args->channels, PU_BLOCK / lanes);
}
static unsigned pu__s4_carry_blocks(const pu__s4_args *args) {
    return (unsigned)pu__ceil_div(args->windows * args->states * args->channels, PU_BLOCK);
}

static pu_status pu__s4_scan(const pu__call *call, const pu__s4_args *args) {
    const int lanes = pu__s4_lanes(args->states, false);
    const dim3 grid(pu__s4_blocks(args, lanes)), block(PU_BLOCK);
    if (args->chunks > 1) {
        PU_LAUNCH(s4_kernel<true>, grid, block, 0, call->cuda->stream, *args, lanes);
        PU_TRY(pu__launched("s4 of chunks"));
        PU_LAUNCH(carry_kernel<false>, dim3(pu__s4_carry_blocks(args)), block, 0, call->cuda->stream, *args);
        PU_TRY(pu__launched("s4 between chunks"));
    }
    PU_LAUNCH(s4_kernel<false>, grid, block, 0, call->cuda->stream, *args, lanes);
    return pu__launched("s4");
}

static pu_status pu__s4_scan_grad(const pu__call *call, const pu__s4_args *args) {
    const int lanes = pu__s4_lanes(args->states, true);
    const dim3 grid(pu__s4_blocks(args, lanes)), block(PU_BLOCK);
    if (args->chunks > 1) {
        PU_LAUNCH(s4_grad_ends_kernel, grid, block, 0, call->cuda->stream, *args, lanes);
        PU_TRY(pu__launched("s4_grad of chunks"));
        PU_LAUNCH(carry_kernel<true>, dim3(pu__s4_carry_blocks(args)), block, 0, call->cuda->stream, *args);
        PU_TRY(pu__launched("s4_grad between chunks"));
    }
    PU_LAUNCH(s4_grad_kernel, grid, block, 0, call->cuda->stream, *args, lanes);
    return pu__launched("s4_grad");
}

#endif
