/* A thread is a path. What a path holds for each asset lies in shared memory, one column a thread, so that a warp's
 * accesses to an item are neighbours; its account stays in registers. Metrics of a stretch of paths go to a buffer
 * of fixed size, from which a second kernel adds up the summary: blocks own metrics, sums are integers.
 *
 * Floor: about 60 operations in float and 60 in double for a step and asset; nothing is read but broadcast tables,
 * nothing written but 96 bytes a path. */
#include "kernels/paths/fixed_point.h"
#include "kernels/paths/paths.h"

enum { PU__N = 1 };
#include "kernels/common/device.cuh"
#include "kernels/paths/path_lanes.h"

enum { PATH_THREADS_MAX = 128 };
static const int64_t stretch_paths = 1 << 16;

typedef struct paths_args {
    pu__path_scenario scenario;
    uint64_t first;
    int64_t count, offset, batch_count; /* this stretch: paths, its place in the batch; paths of the batch */
    double *stretch, *metric; /* [PU_PATH_METRIC_COUNT][count]; [PU_PATH_METRIC_COUNT][batch_count] or null */
    double *price, *trade, *equity; /* whole paths or null */
    const double *weight;
} paths_args;

static __device__ inline void keep_bar(const pu__path_lanes *lanes, const paths_args *args, int64_t path,
                                       int32_t bar, const double *trade) {
    const int64_t assets = args->scenario.assets;
    const int64_t at = (args->offset + path) * (args->scenario.steps + 1) + bar;
    if (args->equity) args->equity[at] = lanes->equity[0];
    for (int64_t a = 0; a < assets; ++a) {
        if (args->price) args->price[at * assets + a] = *PU__ITEM(lanes->price, a);
        if (args->trade) args->trade[at * assets + a] = *PU__ITEM(trade, a);
    }
}

static __global__ void __launch_bounds__(PATH_THREADS_MAX, 4)
    paths_kernel(const __grid_constant__ paths_args args) {
    PU_DYNAMIC_SHARED(double, memory);
    const pu__path_scenario *s = &args.scenario;
    const int64_t path = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (path >= args.count) return;
    const bool keep = args.price || args.trade || args.equity;
    pu__path_lanes lanes;
    lanes.scenario = s;
    lanes.keep = keep;
    lanes.path = args.first + (uint64_t)(args.offset + path);
    lanes.stride = blockDim.x;
    lanes.live = 1;
    lanes.weight =
        args.weight ? args.weight + (args.offset + path) * (s->steps + 1) * s->assets : (const double *)0;
    double *trade = keep ? memory + threadIdx.x : (double *)0;
    pu__lane_place(&lanes, memory + (int64_t)s->assets * blockDim.x, threadIdx.x);
    pu__lane_reset(&lanes);
    float unseen = 1.0f;
    for (int32_t bar = 0; bar <= s->steps; ++bar) {
        if (bar > 0) {
            const int place = (bar - 1) % PU_DRAW_STEPS;
            if (place == 0) pu__lane_returns(&lanes, (bar - 1) / PU_DRAW_STEPS);
            unseen *= s->slow_decay;
            pu__lane_observe(&lanes, place);
            pu__lane_mark(&lanes, bar, place);
        }
        pu__lane_fill(&lanes, bar, 1.0f - unseen, trade);
        if (keep) keep_bar(&lanes, &args, path, bar, trade);
    }
    double metric[PU_PATH_METRIC_COUNT];
    pu__lane_metrics(&lanes, 0, metric);
    PU_UNROLL
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) {
        if (args.stretch) args.stretch[m * args.count + path] = metric[m];
        if (args.metric) args.metric[m * args.batch_count + args.offset + path] = metric[m];
    }
}

static __device__ inline void count_bin(int64_t *bin) { atomicAdd((unsigned long long *)bin, 1ull); }

/* A block owns a metric: thread by thread over the paths, then over the threads in order. */
static __global__ void __launch_bounds__(PU_BLOCK)
    summary_kernel(const double *stretch, int64_t count, pu__path_summary *summary) {
    __shared__ pu__path_sum part[PU_BLOCK];
    __shared__ int64_t reached[PU_BLOCK];
    const int m = (int)blockIdx.x, thread = (int)threadIdx.x;
    pu__path_sum sum = {0, 0, 0, 0, (double)INFINITY, -(double)INFINITY};
    int64_t happened = 0;
    for (int64_t i = thread; i < count; i += PU_BLOCK) {
        const double x = stretch[m * count + i];
        const int64_t value = pu__fixed_value(x), square = pu__fixed_square(x);
        sum.low += pu__fixed_low(value);
        sum.high += pu__fixed_high(value);
        sum.square_low += pu__fixed_low(square);
        sum.square_high += pu__fixed_high(square);
        sum.least = x < sum.least ? x : sum.least;
        sum.most = x > sum.most ? x : sum.most;
        happened += x >= 0.0 ? 1 : 0;
        if (m == PU_PATH_WEALTH) count_bin(&summary->wealth_bin[pu__wealth_bin(x)]);
        if (m == PU_PATH_DRAWDOWN) count_bin(&summary->drawdown_bin[pu__drawdown_bin(x)]);
    }
    part[thread] = sum;
    reached[thread] = happened;
    __syncthreads();
    if (thread > 0) return;
    sum = summary->sum[m];
    happened = 0;
    for (int t = 0; t < PU_BLOCK; ++t) {
        sum.low += part[t].low;
        sum.high += part[t].high;
        sum.square_low += part[t].square_low;
        sum.square_high += part[t].square_high;
        sum.least = part[t].least < sum.least ? part[t].least : sum.least;
        sum.most = part[t].most > sum.most ? part[t].most : sum.most;
        happened += reached[t];
    }
    summary->sum[m] = sum;
    if (m == PU_PATH_WEALTH) summary->paths += count;
    if (m == PU_PATH_RUIN_BAR) summary->ruined += happened;
    if (m == PU_PATH_MARGIN_BAR) summary->margin_called += happened;
    if (m == PU_PATH_STOP_BAR) summary->stopped += happened;
}

/* The most threads, in whole warps, whose state fits into a block's shared memory. */
static int block_threads(const pu__path_scenario *scenario, size_t shared_bytes_max) {
    const size_t bytes = pu__path_state_bytes(scenario) + (size_t)scenario->assets * sizeof(double);
    const size_t threads = shared_bytes_max / bytes / PU_WARP * PU_WARP;
    return threads < PATH_THREADS_MAX ? (int)threads : (int)PATH_THREADS_MAX;
}

extern "C" size_t pu__paths_workspace_cuda(const pu__path_batch *batch) {
    const int64_t count = batch->count < stretch_paths ? batch->count : stretch_paths;
    return batch->summary ? (size_t)count * PU_PATH_METRIC_COUNT * sizeof(double) : 0;
}

extern "C" pu_status pu__paths_cuda(const pu__path_scenario *scenario, const pu__path_batch *batch,
                                    void *workspace, int threads_most, pu__cuda_exec *cuda) {
    PU_TRY(pu__path_scenario_check(scenario));
    PU_TRY(pu__path_batch_check(scenario, batch));
    PU_TRY(pu__path_batched_check(scenario));
    int threads = block_threads(scenario, 96 * 1024);
    if (threads_most > 0 && threads > threads_most) threads = threads_most;
    const size_t shared =
        ((size_t)scenario->assets * sizeof(double) + pu__path_state_bytes(scenario)) * (size_t)threads;
    if (threads < 1)
        return pu_fail(PU_ERR_UNSUPPORTED,
                       "%d assets with a latency of %lld bars do not fit into a GPU's shared memory",
                       (int)scenario->assets, (long long)scenario->rules.physics.latency_bars);
    const cudaError_t error =
        cudaFuncSetAttribute(paths_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
    if (error != cudaSuccess)
        return pu_fail(PU_ERR_DEVICE, "shared memory of paths: %s", cudaGetErrorString(error));
    paths_args args = {};
    args.scenario = *scenario;
    args.first = batch->first;
    args.batch_count = batch->count;
    args.stretch = batch->summary ? (double *)workspace : (double *)0;
    args.metric = batch->metric;
    args.price = batch->price;
    args.trade = batch->trade;
    args.equity = batch->equity;
    args.weight = batch->weight;
    for (args.offset = 0; args.offset < batch->count; args.offset += stretch_paths) {
        const int64_t left = batch->count - args.offset;
        args.count = left < stretch_paths ? left : stretch_paths;
        PU_LAUNCH(paths_kernel, dim3((unsigned)pu__ceil_div(args.count, threads)), dim3((unsigned)threads), shared,
                  cuda->stream, args);
        PU_TRY(pu__launched("paths"));
        if (!batch->summary) continue;
        PU_LAUNCH(summary_kernel, dim3(PU_PATH_METRIC_COUNT), dim3(PU_BLOCK), 0, cuda->stream, args.stretch,
                  args.count, batch->summary);
        PU_TRY(pu__launched("paths summary"));
    }
    return PU_OK;
}
