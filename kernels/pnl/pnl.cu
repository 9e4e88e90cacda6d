/* Profit and loss of windows. A group of lanes, as many as there are assets (a power of two, 32 at most), walks through
 * a window bar by bar; sums over assets are butterflies inside the group, so that all its lanes hold the same account.
 * A lane's asset stays in registers where it has only one; what more it has lies in the workspace.
 *
 * Floor: the tensors' bytes, but the chain of a bar is longer: two butterflies forward and one backward, of up to five
 * exchanges each, and a dozen operations in double. It is hidden by windows, not within one. */
#include "kernels/pnl/pnl.h"

#include "kernels/common/device.cuh"
#include "kernels/pnl/pnl_step.h"

enum { PNL_THREADS = PU_WARP }; /* small blocks: windows spread over the multiprocessors */

/* One asset of a window. */
typedef struct pnl_state {
    double value, slope; /* position; slope by it on the way back */
    int64_t place;       /* in the ring of orders that wait */
} pnl_state;

typedef struct pnl_args {
    const float *weight, *simple_return, *volume, *dnet, *dequity;
    float *net, *equity, *paid, *dweight, *dreturn;
    pu__execution_rules rules;
    int64_t windows, bars, assets;
    int lanes; /* of a window */
    /* workspace */
    pu__pnl_bar *bar; /* [B,T] */
    double *value;    /* [B,T,A] positions before the bar */
    pnl_state *state; /* [B,A] where a lane has several assets */
    float *due;       /* [B,T,A] weights that fell due */
    float *pending;   /* [B,latency,A] */
} pnl_args;

/* A window, in one lane of its group. */
typedef struct pnl_walk {
    int64_t window;
    int lane;
    bool live; /* there is such a window */
    pnl_state own;
    double equity;
    bool ruined;
    double paid[PU_PNL_PAID_COUNT]; /* by this lane's assets; the carry by the window */
} pnl_walk;

static __device__ inline double group_sum(double v, int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) v += __shfl_xor_sync(PU_ALL_LANES, v, step);
    return v;
}

template <bool ONE> static __device__ inline pnl_state *state_of(const pnl_args *args, pnl_walk *w, int64_t a) {
    return ONE ? &w->own : &args->state[w->window * args->assets + a];
}

/* The asset's first place in the ring; the next ones are A apart. */
static __device__ inline float *ring_of(const pnl_args *args, const pnl_walk *w, int64_t a) {
    return args->pending + w->window * args->rules.physics.latency_bars * args->assets + a;
}

/* What waited for latency_bars; `x` takes its place. */
static __device__ inline float exchange(const pnl_args *args, const pnl_walk *w, int64_t a, pnl_state *state,
                                        float x) {
    const int64_t latency = args->rules.physics.latency_bars;
    if (latency == 0) return x;
    float *place = ring_of(args, w, a) + state->place * args->assets;
    const float due = *place;
    *place = x;
    state->place = state->place + 1 < latency ? state->place + 1 : 0;
    return due;
}

template <bool ONE> static __device__ inline pnl_walk begin(const pnl_args *args) {
    pnl_walk w = {};
    const int groups = PNL_THREADS / args->lanes;
    w.window = (int64_t)blockIdx.x * groups + threadIdx.x / (unsigned)args->lanes;
    w.lane = (int)threadIdx.x % args->lanes;
    w.live = w.window < args->windows;
    w.equity = 1.0;
    for (int64_t a = w.lane; w.live && a < args->assets; a += args->lanes) {
        *state_of<ONE>(args, &w, a) = pnl_state{0.0, 0.0, 0};
        for (int64_t i = 0; i < args->rules.physics.latency_bars; ++i)
            ring_of(args, &w, a)[i * args->assets] = (float)NAN;
    }
    return w;
}

/* Marks the window's positions and pays carry. */
template <bool ONE, bool KEEP>
static __device__ inline pu__pnl_bar mark(const pnl_args *args, pnl_walk *w, int64_t at, bool active) {
    double earned = 0.0, held = 0.0, sold = 0.0, carry = 0.0;
    for (int64_t a = w->lane; active && a < args->assets; a += args->lanes) {
        pnl_state *state = state_of<ONE>(args, w, a);
        const double simple_return = args->simple_return[at + a];
        if (KEEP) args->value[at + a] = state->value;
        held += state->value;
        sold += state->value < 0.0 ? -state->value : 0.0;
        if (!pu__physics_is_nan(simple_return)) earned += pu__pnl_mark(&state->value, simple_return);
    }
    earned = group_sum(earned, args->lanes);
    if (args->rules.funding_ratio > 0.0 || args->rules.borrow_ratio > 0.0) {
        held = group_sum(held, args->lanes);
        sold = group_sum(sold, args->lanes);
        carry = pu__execution_carry(&args->rules, w->equity - held, sold);
        if (active) w->paid[PU_PNL_CARRY] += carry;
    }
    return pu__pnl_bar{w->equity, w->equity + earned - carry, w->equity - held};
}

/* Trades what falls due; returns the costs of this lane's assets. */
template <bool ONE, bool KEEP>
static __device__ inline double fill(const pnl_args *args, pnl_walk *w, int64_t at, double marked) {
    double cost = 0.0;
    for (int64_t a = w->lane; a < args->assets; a += args->lanes) {
        float due = (float)NAN;
        if (!pu__physics_is_nan(args->simple_return[at + a])) {
            pnl_state *state = state_of<ONE>(args, w, a);
            due = exchange(args, w, a, state, args->weight[at + a]);
            const double volume = args->volume ? args->volume[at + a] : 0.0;
            const pu__execution_fill f = pu__execution_trade(&args->rules, marked, due, state->value, volume, 1.0);
            state->value = f.value;
            w->paid[PU_PNL_SPREAD] += f.spread;
            w->paid[PU_PNL_SLIPPAGE] += f.slippage;
            w->paid[PU_PNL_FEE] += f.fee;
            w->paid[PU_PNL_IMPACT] += f.impact;
            w->paid[PU_PNL_TRADED] += fabs(f.trade);
            cost += f.spread + f.slippage + f.fee + f.impact;
        }
        if (KEEP) args->due[at + a] = due;
    }
    return cost;
}

/* One bar of every window of the warp. What it found counts only where the account was not ruined before. */
template <bool ONE, bool KEEP>
static __device__ inline pu__pnl_bar step(const pnl_args *args, pnl_walk *w, int64_t t) {
    const int64_t at = (w->window * args->bars + t) * args->assets;
    const bool active = w->live && !w->ruined;
    const pu__pnl_bar bar = mark<ONE, KEEP>(args, w, at, active);
    double cost = active && bar.marked > 0.0 ? fill<ONE, KEEP>(args, w, at, bar.marked) : 0.0;
    cost = group_sum(cost, args->lanes);
    w->equity = bar.marked > 0.0 ? bar.marked - cost : 0.0;
    w->ruined = w->ruined || !(w->equity > 0.0);
    w->equity = w->ruined ? 0.0 : w->equity;
    return bar;
}

template <bool ONE>
static __global__ void __launch_bounds__(PNL_THREADS) pnl_kernel(const __grid_constant__ pnl_args args) {
    pnl_walk w = begin<ONE>(&args);
    const bool writes = w.live && w.lane == 0;
    for (int64_t t = 0; t < args.bars; ++t) {
        const bool before = w.ruined;
        const pu__pnl_bar bar = step<ONE, false>(&args, &w, t);
        const double net = w.ruined ? before ? 0.0 : -1.0 : w.equity / bar.equity - 1.0;
        if (writes) args.net[w.window * args.bars + t] = (float)net;
        if (writes) args.equity[w.window * args.bars + t] = (float)w.equity;
    }
    PU_UNROLL
    for (int kind = 0; kind < PU_PNL_PAID_COUNT; ++kind) {
        const double paid = kind == PU_PNL_CARRY ? w.paid[kind] : group_sum(w.paid[kind], args.lanes);
        if (writes) args.paid[w.window * PU_PNL_PAID_COUNT + kind] = (float)paid;
    }
}

/* The bar t backward; `equity`: the slope by the equity after it. Returns the slope by the equity before it. */
template <bool ONE>
static __device__ inline double step_back(const pnl_args *args, pnl_walk *w, const pu__pnl_bar *bar, int64_t t,
                                          double equity, bool active) {
    const int64_t at = (w->window * args->bars + t) * args->assets;
    double marked = 0.0;
    for (int64_t a = w->lane; w->live && a < args->assets; a += args->lanes) {
        const double simple_return = args->simple_return[at + a];
        float dweight = 0.0f;
        if (active && !pu__physics_is_nan(simple_return)) {
            pnl_state *state = state_of<ONE>(args, w, a);
            const double volume = args->volume ? args->volume[at + a] : 0.0;
            const pu__pnl_fill_slope slope =
                pu__pnl_fill_backward(&args->rules, bar->marked, args->due[at + a],
                                      args->value[at + a] * (1.0 + simple_return), volume, equity, state->slope);
            dweight = exchange(args, w, a, state, (float)slope.weight);
            state->slope = slope.value;
            marked += slope.marked;
        }
        args->dweight[at + a] = dweight;
    }
    marked = equity + group_sum(marked, args->lanes);
    for (int64_t a = w->lane; w->live && a < args->assets; a += args->lanes) {
        double by_return = 0.0;
        pnl_state *state = state_of<ONE>(args, w, a);
        if (active)
            state->slope = pu__pnl_mark_backward(&args->rules, bar, args->value[at + a],
                                                 args->simple_return[at + a], state->slope, marked, &by_return);
        if (args->dreturn) args->dreturn[at + a] = (float)by_return;
    }
    return marked * (1.0 - pu__execution_cash_slope(&args->rules, bar->cash));
}

template <bool ONE>
static __global__ void __launch_bounds__(PNL_THREADS) pnl_grad_kernel(const __grid_constant__ pnl_args args) {
    pnl_walk w = begin<ONE>(&args);
    int64_t lived = 0; /* bars before a ruin */
    double after = 1.0, slope = 0.0;
    for (int64_t t = 0; t < args.bars; ++t) {
        const pu__pnl_bar bar = step<ONE, true>(&args, &w, t);
        if (w.live && w.lane == 0) args.bar[w.window * args.bars + t] = bar;
        after = w.ruined ? after : w.equity;
        lived += w.ruined ? 0 : 1;
    }
    for (int64_t a = w.lane; w.live && a < args.assets; a += args.lanes) {
        for (int64_t i = 0; i < args.rules.physics.latency_bars; ++i)
            ring_of(&args, &w, a)[i * args.assets] = 0.0f;
    }
    __syncwarp();
    for (int64_t t = args.bars - 1; t >= 0; --t) {
        const bool active = w.live && t < lived;
        const int64_t at = active ? w.window * args.bars + t : 0;
        const pu__pnl_bar bar = active ? args.bar[at] : pu__pnl_bar{1.0, 1.0, 1.0};
        const double by_net = active ? args.dnet[at] : 0.0, by_equity = active ? args.dequity[at] : 0.0;
        const double equity = slope + by_equity + by_net / bar.equity;
        const double before =
            step_back<ONE>(&args, &w, &bar, t, equity, active) - by_net * (after / bar.equity) / bar.equity;
        slope = active ? before : slope;
        after = active ? bar.equity : after;
    }
}

/* The parts of the workspace, each on an alignment of its own; bytes in all. `gradient`: bars are kept. No memory: only
 * the bytes are asked for. */
static size_t place(pnl_args *args, char *memory, bool gradient) {
    const size_t windows = (size_t)args->windows, assets = (size_t)args->assets;
    const size_t kept = gradient ? windows * (size_t)args->bars : 0;
    const size_t states = args->assets > args->lanes ? windows * assets : 0;
    size_t used = 0;
    const auto part = [&](size_t bytes) {
        void *const here = memory ? memory + used : memory;
        used += bytes;
        return here;
    };
    args->bar = (pu__pnl_bar *)part(kept * sizeof *args->bar);
    args->value = (double *)part(kept * assets * sizeof *args->value);
    args->state = (pnl_state *)part(states * sizeof *args->state);
    args->due = (float *)part(kept * assets * sizeof *args->due);
    args->pending =
        (float *)part(windows * (size_t)args->rules.physics.latency_bars * assets * sizeof *args->pending);
    return used;
}

/* `slot`: of the weights. */
static pnl_args args_of(const pu__call *call, int slot) {
    const pu_shape *shape = &call->in[slot].shape;
    pnl_args args = {};
    args.weight = (const float *)call->in[slot].data;
    args.simple_return = (const float *)call->in[slot + 1].data;
    args.volume = call->in_count > slot + 2 ? (const float *)call->in[slot + 2].data : (const float *)0;
    args.rules = pu__pnl_execution(&call->attributes->pnl);
    args.windows = shape->dim[0];
    args.bars = shape->dim[1];
    args.assets = shape->dim[2];
    args.lanes = 1;
    while (args.lanes < PU_WARP && args.lanes < args.assets) args.lanes *= 2;
    return args;
}

static dim3 grid_of(const pnl_args *args) {
    return dim3((unsigned)pu__ceil_div(args->windows, PNL_THREADS / args->lanes));
}

extern "C" size_t pu__pnl_workspace_cuda(const pu__call *call) {
    pnl_args args = args_of(call, 0);
    return place(&args, (char *)0, false);
}

extern "C" size_t pu__pnl_grad_workspace_cuda(const pu__call *call) {
    pnl_args args = args_of(call, 2);
    return place(&args, (char *)0, true);
}

extern "C" pu_status pu__pnl_cuda(const pu__call *call) {
    pnl_args args = args_of(call, 0);
    args.net = (float *)call->out[0].data;
    args.equity = (float *)call->out[1].data;
    args.paid = (float *)call->out[2].data;
    place(&args, (char *)call->workspace, false);
    if (args.windows == 0) return PU_OK;
    if (args.assets <= args.lanes)
        PU_LAUNCH(pnl_kernel<true>, grid_of(&args), dim3(PNL_THREADS), 0, call->cuda->stream, args);
    else PU_LAUNCH(pnl_kernel<false>, grid_of(&args), dim3(PNL_THREADS), 0, call->cuda->stream, args);
    return pu__launched("pnl");
}

extern "C" pu_status pu__pnl_grad_cuda(const pu__call *call) {
    pnl_args args = args_of(call, 2);
    args.dnet = (const float *)call->in[0].data;
    args.dequity = (const float *)call->in[1].data;
    args.dweight = (float *)call->out[0].data;
    args.dreturn = call->out_count > 1 ? (float *)call->out[1].data : (float *)0;
    place(&args, (char *)call->workspace, true);
    if (args.windows == 0) return PU_OK;
    if (args.assets <= args.lanes)
        PU_LAUNCH(pnl_grad_kernel<true>, grid_of(&args), dim3(PNL_THREADS), 0, call->cuda->stream, args);
    else PU_LAUNCH(pnl_grad_kernel<false>, grid_of(&args), dim3(PNL_THREADS), 0, call->cuda->stream, args);
    return pu__launched("pnl_grad");
}
