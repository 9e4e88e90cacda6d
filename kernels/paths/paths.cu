/* A thread is a path. What a path holds for each asset lies in shared memory, one column a thread, so that a warp's
 * accesses to an item are neighbours; its account stays in registers. At the end a block adds its paths up, a
 * warp a metric, and the sums to the summary: integers, which every order of additions leaves the same.
 *
 * Floor: about 60 operations in float and 60 in double for a step and asset; nothing is read but broadcast tables,
 * nothing written but what is asked for of each path, and the summary's two to three atomic additions a path. */
#include "kernels/paths/fixed_point.h"
#include "kernels/paths/paths.h"

enum { PU__N = 1 };
#include "kernels/common/device.cuh"
#include "kernels/paths/path_lanes.h"

enum { PATH_THREADS_MAX = 128 };

typedef struct paths_args {
    pu__path_scenario scenario;
    pu__path_batch batch;
} paths_args;

static __device__ inline void keep_bar(const pu__path_lanes *lanes, const pu__path_batch *batch, int64_t path,
                                       int32_t bar, const double *trade) {
    const int64_t assets = lanes->scenario->assets;
    const int64_t at = path * (lanes->scenario->steps + 1) + bar;
    if (batch->equity) batch->equity[at] = lanes->equity[0];
    for (int64_t a = 0; a < assets; ++a) {
        if (batch->price) batch->price[at * assets + a] = *PU__ITEM(lanes->price, a);
        if (batch->trade) batch->trade[at * assets + a] = *PU__ITEM(trade, a);
    }
}

/* A path of the batch from its start to its end. `keep`: it is written whole. */
static __device__ inline void walk(pu__path_lanes *lanes, const pu__path_batch *batch, int64_t path, bool keep,
                                   double *memory) {
    const pu__path_scenario *s = lanes->scenario;
    lanes->keep = keep;
    lanes->path = batch->first + (uint64_t)path;
    lanes->stride = blockDim.x;
    lanes->live = 1;
    lanes->weight = batch->weight ? batch->weight + path * (s->steps + 1) * s->assets : (const double *)0;
    double *trade = keep ? memory + threadIdx.x : (double *)0;
    pu__lane_place(lanes, memory + (int64_t)s->assets * blockDim.x, threadIdx.x);
    pu__lane_reset(lanes);
    float unseen = 1.0f;
    for (int32_t bar = 0; bar <= s->steps; ++bar) {
        if (bar > 0) {
            const int place = (bar - 1) % PU_DRAW_STEPS;
            if (place == 0) pu__lane_returns(lanes, (bar - 1) / PU_DRAW_STEPS);
            unseen *= s->slow_decay;
            pu__lane_observe(lanes, place);
            pu__lane_mark(lanes, bar, place);
        }
        pu__lane_fill(lanes, bar, 1.0f - unseen, trade);
        if (keep) keep_bar(lanes, batch, path, bar, trade);
    }
}

static __device__ inline void add(int64_t *to, int64_t value) {
    atomicAdd((unsigned long long *)to, (unsigned long long)value);
}

/* Doubles of one sign are ordered as the integers of their bits are, negative ones the other way round; and as
 * unsigned integers all negative ones lie above the others. */
static __device__ inline void lower(double *to, double value) {
    const long long bits = __double_as_longlong(value);
    if (bits >= 0) atomicMin((long long *)to, bits);
    else atomicMax((unsigned long long *)to, (unsigned long long)bits);
}

static __device__ inline void raise(double *to, double value) {
    const long long bits = __double_as_longlong(value);
    if (bits >= 0) atomicMax((long long *)to, bits);
    else atomicMin((unsigned long long *)to, (unsigned long long)bits);
}

/* One metric of a block's paths, x[paths], by a warp. */
static __device__ inline void summarise_metric(pu__path_summary *summary, int m, const double *x, int paths) {
    int64_t low = 0, high = 0, square_low = 0, square_high = 0, happened = 0;
    double least = (double)INFINITY, most = -(double)INFINITY;
    for (int i = threadIdx.x % PU_WARP; i < paths; i += PU_WARP) {
        const int64_t value = pu__fixed_value(x[i]), square = pu__fixed_square(x[i]);
        low += pu__fixed_low(value);
        high += pu__fixed_high(value);
        square_low += pu__fixed_low(square);
        square_high += pu__fixed_high(square);
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        happened += x[i] >= 0.0 ? 1 : 0;
    }
    low = pu__warp_sum(low);
    high = pu__warp_sum(high);
    square_low = pu__warp_sum(square_low);
    square_high = pu__warp_sum(square_high);
    happened = pu__warp_sum(happened);
    for (int step = PU_WARP / 2; step > 0; step /= 2) {
        const double other_least = __shfl_xor_sync(PU_ALL_LANES, least, step);
        const double other_most = __shfl_xor_sync(PU_ALL_LANES, most, step);
        least = other_least < least ? other_least : least;
        most = other_most > most ? other_most : most;
    }
    if (threadIdx.x % PU_WARP > 0) return;
    pu__path_sum *sum = &summary->sum[m];
    add(&sum->low, low);
    add(&sum->high, high);
    add(&sum->square_low, square_low);
    add(&sum->square_high, square_high);
    lower(&sum->least, least);
    raise(&sum->most, most);
    if (m == PU_PATH_WEALTH) add(&summary->paths, paths);
    if (m == PU_PATH_RUIN_BAR) add(&summary->ruined, happened);
    if (m == PU_PATH_MARGIN_BAR) add(&summary->margin_called, happened);
    if (m == PU_PATH_STOP_BAR) add(&summary->stopped, happened);
}

/* memory[PU_PATH_METRIC_COUNT][blockDim.x]: the metrics of the block's paths, of which the first are there. */
static __device__ inline void summarise(pu__path_summary *summary, const double *memory, int paths) {
    const int warps = blockDim.x / PU_WARP, thread = threadIdx.x;
    for (int m = thread / PU_WARP; m < PU_PATH_METRIC_COUNT; m += warps)
        summarise_metric(summary, m, memory + m * (int)blockDim.x, paths);
    if (thread >= paths) return;
    const double wealth = memory[PU_PATH_WEALTH * (int)blockDim.x + thread];
    const double drawdown = memory[PU_PATH_DRAWDOWN * (int)blockDim.x + thread];
    add(&summary->wealth_bin[pu__wealth_bin(wealth)], 1);
    add(&summary->drawdown_bin[pu__drawdown_bin(drawdown)], 1);
}

/* A thread beyond the last path walks that one again, unseen, so that every thread reaches the barriers. */
static __global__ void __launch_bounds__(PATH_THREADS_MAX, 4)
    paths_kernel(const __grid_constant__ paths_args args) {
    PU_DYNAMIC_SHARED(double, memory);
    const pu__path_batch *batch = &args.batch;
    const int64_t first = (int64_t)blockIdx.x * blockDim.x, left = batch->count - first;
    const int paths = left < (int64_t)blockDim.x ? (int)left : (int)blockDim.x, thread = (int)threadIdx.x;
    const bool live = thread < paths;
    pu__path_lanes lanes;
    lanes.scenario = &args.scenario;
    walk(&lanes, batch, first + (live ? thread : paths - 1),
         live && (batch->price || batch->trade || batch->equity), memory);
    __syncthreads(); /* the metrics take the place of the paths' states */
    double metric[PU_PATH_METRIC_COUNT];
    pu__lane_metrics(&lanes, 0, metric);
    PU_UNROLL
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) memory[m * (int)blockDim.x + thread] = metric[m];
    __syncthreads();
    for (int m = 0; m < PU_PATH_METRIC_COUNT && batch->metric; ++m)
        if (live) batch->metric[m * batch->count + first + thread] = memory[m * (int)blockDim.x + thread];
    if (batch->summary) summarise(batch->summary, memory, paths);
}

/* Shared memory of a path: its state and trades, or its metrics. */
static size_t path_bytes(const pu__path_scenario *scenario) {
    const size_t state = pu__path_state_bytes(scenario) + (size_t)scenario->assets * sizeof(double);
    const size_t metrics = PU_PATH_METRIC_COUNT * sizeof(double);
    return state > metrics ? state : metrics;
}

/* The most threads, in whole warps, whose state fits into a block's shared memory. */
static int block_threads(const pu__path_scenario *scenario, size_t shared_bytes_max) {
    const size_t threads = shared_bytes_max / path_bytes(scenario) / PU_WARP * PU_WARP;
    return threads < PATH_THREADS_MAX ? (int)threads : (int)PATH_THREADS_MAX;
}

extern "C" pu_status pu__paths_cuda(const pu__path_scenario *scenario, const pu__path_batch *batch,
                                    int threads_most, pu__cuda_exec *cuda) {
    PU_TRY(pu__path_scenario_check(scenario));
    PU_TRY(pu__path_batch_check(scenario, batch));
    PU_TRY(pu__path_batched_check(scenario));
    if (batch->count == 0) return PU_OK;
    int threads = block_threads(scenario, 96 * 1024);
    if (threads_most > 0 && threads > threads_most) threads = threads_most;
    if (threads < 1)
        return pu_fail(PU_ERR_UNSUPPORTED,
                       "%d assets with a latency of %lld bars do not fit into a GPU's shared memory",
                       (int)scenario->assets, (long long)scenario->rules.physics.latency_bars);
    const int64_t blocks = pu__ceil_div(batch->count, threads);
    if (blocks > INT32_MAX)
        return pu_fail(PU_ERR_UNSUPPORTED, "%lld paths do not fit into one launch: split the batch",
                       (long long)batch->count);
    const size_t shared = path_bytes(scenario) * (size_t)threads;
    const cudaError_t error =
        cudaFuncSetAttribute(paths_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
    if (error != cudaSuccess)
        return pu_fail(PU_ERR_DEVICE, "shared memory of paths: %s", cudaGetErrorString(error));
    const paths_args args = {*scenario, *batch};
    PU_LAUNCH(paths_kernel, dim3((unsigned)blocks), dim3((unsigned)threads), shared, cuda->stream, args);
    return pu__launched("paths");
}
