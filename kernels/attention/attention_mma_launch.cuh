/* Attention in tf32 and bf16 on matrix units: the kernels, and their launches for one head size.
 *
 * Floors, as the contract counts them; the backward pass does 14 D flops and 2 exponentials a pair, since queries
 * and keys each form the scores again. On an H200 (per multiprocessor of 132: 31.8 GB/s of 4.2 TB/s; 4.7 TFLOP/s
 * of mma.sync in bf16, 63% of the 7.5 that wgmma has; 29.5 G exponentials/s), one head of one window, causal:
 *
 *                    forward: bytes    products    exp     backward: bytes    products    exp
 *   T = 128, D = 32       2.1 us        0.2 us     0.3 us        4.1 us        0.8 us     0.6 us
 *   T = 256, D = 64       8.2 us        1.8 us     1.1 us       16.5 us        6.3 us     2.2 us
 *   T = 512, D = 64      16.5 us        7.2 us     4.5 us       33.0 us       25.0 us     8.9 us
 *
 * So memory bounds them all, and one block that reads a window's head once is what there is to win: the resident
 * form. In bf16 a block takes T (4 D + 32) bytes for its tiles, about 128 D for the turns and 36 D a warp, backward
 * 8 T more: 28 KB at T = 128, D = 32 with 4 warps, 98 (backward 100) KB at T = 256, D = 64 with 8, of the 227 KB of
 * sm_90 (163 on sm_80, 99 on sm_86, sm_89 and sm_120); in tf32 tiles are twice as large, and a warp takes 68 D. The
 * backward pass of heads above 96 (tf32: 64) keeps own rows there, another 32 D (tf32: 64 D) a warp, and that of 128
 * makes dv and dk one after the other: registers hold no more than one of them.
 *
 * What is resident must not cost the warps that hide memory's latency. Registers let a multiprocessor hold 8 warps of
 * any of these kernels, so a block that takes more than 99 KB must come with 8 of them, or small enough for two of 4;
 * else the window is tiled. Up to 99 KB 4 will do: the tiled form, of 38 to 95 KB for heads above 48, has 4 or 8 on the
 * GPUs that allow no more, and reads twice. Windows of more than RESIDENT_BARS bars get no more than 99 KB, so that
 * blocks share a multiprocessor of the larger GPUs and one loads while another multiplies; those of more than
 * UNIT_RESIDENT_BARS are tiled. Resident by this, of windows of 256 bars with positions, are heads up to (a test has
 * this table: blocks_hold_what_the_device_allows)
 *
 *              bf16 forward    bf16 backward    tf32 forward    tf32 backward
 *     99 KB          64               64              32               32
 *    163 KB          96               96              48               48
 *    227 KB         128              128              80               64
 *
 * Tiled, the two launches of the backward pass read q, k, v and dy twice: 12 rows of D floats a bar where the
 * floor has 8. Each block of 128 rows (64 where registers allow no more) reads and rounds the other side anew, from
 * the level-2 cache: at T = 512, D = 64 forward k and v 2.5 times, causal.
 *
 * Not written: a Hopper path (wgmma, TMA). Products and exponentials of mma.sync, one after the other, take 11.6
 * us at T = 512, D = 64, below the 16.5 us of the bytes: faster products would gain nothing under the causal mask
 * before T = 730 (D = 64) or 900 (D = 128), and half of that when every key is seen, where T = 512, D = 64 could
 * gain 1.4 at most (23.2 us against 16.5 us) if nothing overlapped, and nothing if all did. The bytes also cap
 * what T = 512, D = 64 can reach at 270 TFLOP/s forward and 336 backward, causal; beyond that lie tensors of
 * two-byte numbers, not other products. All of this is arithmetic: nothing here has been timed on a GPU. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_MMA_LAUNCH_CUH
#define PU_KERNELS_ATTENTION_ATTENTION_MMA_LAUNCH_CUH

#include "kernels/attention/attention_mma.cuh"

#define RESIDENT_BOUNDS __launch_bounds__(WARPS_MAX *PU_WARP, (layout<UNITS, HEAD, BACKWARD>::BLOCKS))
#define TILED_BOUNDS \
    __launch_bounds__((layout<UNITS, HEAD, BACKWARD>::WARPS * PU_WARP), (layout<UNITS, HEAD, BACKWARD>::BLOCKS))

template <class UNITS, int HEAD, bool BACKWARD>
static __global__ void RESIDENT_BOUNDS attention_resident_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(uint32_t, shared);
    const place at = place_of(&args, blockIdx.x);
    shared_parts p = parts_of<UNITS, HEAD, BACKWARD, false>(shared, &args);
    const tensors keys = keys_of(&args, &at);
    fill_low<HEAD>(&p, &args);
    load_window<UNITS, HEAD, !BACKWARD>(&p, &keys, &args);
    __syncthreads();
    const int warps = (int)blockDim.x / PU_WARP;
    PU_UNROLL_BY(1)
    for (int round = 0; round * warps * ROWS < args.queries; ++round) {
        const int t0 = turn_in(round) * ROWS;
        if (t0 >= args.queries) continue;
        if constexpr (BACKWARD) grad_query_rows<UNITS, HEAD, false>(&args, &p, &keys, &at, t0, 0, 0);
        else forward_rows<UNITS, HEAD, false>(&args, &p, &keys, &at, t0, 0, 0);
    }
    if constexpr (BACKWARD) {
        const tensors queries = queries_of(&args, &at);
        load_window<UNITS, HEAD, false>(&p, &queries, &args);
        load_numbers(&p, &args, &at, 0);
        __syncthreads();
        PU_UNROLL_BY(1)
        for (int round = 0; round * warps * ROWS < args.keys; ++round) {
            const int u0 = turn_in(round) * ROWS;
            if (u0 < args.keys) grad_both_key_rows<UNITS, HEAD, false>(&args, &p, &queries, &at, u0, 0, 0);
        }
    }
}

/* Rows of queries: y and lse, or (BACKWARD) dq and delta. */
template <class UNITS, int HEAD, bool BACKWARD>
static __global__ void TILED_BOUNDS attention_query_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(uint32_t, shared);
    const int tiles = args.query_tiles,
              tile = tiles - 1 - (int)(blockIdx.x % (unsigned)tiles); /* the longest first */
    const int rows = (int)blockDim.x / PU_WARP * ROWS, first = tile * rows;
    const place at = place_of(&args, blockIdx.x / tiles);
    shared_parts p = parts_of<UNITS, HEAD, BACKWARD, true>(shared, &args);
    const tensors keys = keys_of(&args, &at);
    const int start = tile_before(&args, seen_by_query(&args, first).oldest);
    const int end = seen_by_query(&args, min(first + rows, args.queries) - 1).last + 1;
    const int t0 = first + (int)threadIdx.x / PU_WARP * ROWS;
    fill_low<HEAD>(&p, &args);
    __syncthreads();
    if constexpr (BACKWARD) grad_query_rows<UNITS, HEAD, true>(&args, &p, &keys, &at, t0, start, end);
    else forward_rows<UNITS, HEAD, true>(&args, &p, &keys, &at, t0, start, end);
}

template <class UNITS, int HEAD, bool BACKWARD>
static __global__ void TILED_BOUNDS attention_key_kernel(const __grid_constant__ attention_args args) {
    PU_DYNAMIC_SHARED(uint32_t, shared);
    const int tiles = args.key_tiles, tile = (int)(blockIdx.x % (unsigned)tiles);
    const int rows = (int)blockDim.x / PU_WARP * ROWS, first = tile * rows;
    const place at = place_of(&args, blockIdx.x / tiles);
    shared_parts p = parts_of<UNITS, HEAD, BACKWARD, true>(shared, &args);
    const tensors queries = queries_of(&args, &at);
    const int start = tile_before(&args, seen_by_key(&args, first).oldest);
    const int end = seen_by_key(&args, first + rows - 1).last + 1;
    fill_low<HEAD>(&p, &args);
    __syncthreads();
    const int u0 = first + (int)threadIdx.x / PU_WARP * ROWS;
    grad_both_key_rows<UNITS, HEAD, true>(&args, &p, &queries, &at, u0, start, end);
}

/* Whether a block holds `rows` rows of two tensors, for warps that take `shares` times 16 rows; then how. */
template <class UNITS, int HEAD, bool BACKWARD>
static bool is_resident(const pu__cuda_exec *cuda, attention_args *args, int rows, int shares, int *warps,
                        size_t *bytes) {
    const int few = min(shares, WARPS_MAX / 2), many = min(shares, WARPS_MAX);
    const int choices[] = {shares > WARPS_MAX ? many : few, shares > WARPS_MAX ? few : many};
    const size_t least = LEAST_BYTES, most = rows <= RESIDENT_BARS ? cuda->block_shared_bytes : least;
    *warps = 0;
    if (rows > UNIT_RESIDENT_BARS) return false;
    args->tile_rows = (int)pu__ceil_div(pu__greater(rows, 1), FORWARD_GROUP) * FORWARD_GROUP;
    for (const int choice : choices) {
        const size_t needed =
            4 * (size_t)words_of<UNITS, HEAD, BACKWARD, false>(args->tile_rows, choice, args->rotary).end;
        const bool filled = blocks_together(cuda, needed) * choice >= WARPS_MAX;
        if (needed > most || (!filled && (*warps > 0 || needed > least))) continue;
        *warps = choice;
        *bytes = needed;
        if (filled) break;
    }
    return *warps > 0;
}

/* The tiles and the block of a launch that is not resident. */
template <class UNITS, int HEAD, bool BACKWARD> static size_t tile(attention_args *args, int *threads) {
    typedef layout<UNITS, HEAD, BACKWARD> L;
    static_assert(4 * words_of<UNITS, HEAD, BACKWARD, true>(L::TILE, L::WARPS, true).end <= LEAST_BYTES,
                  "tiles that some GPU has no room for");
    args->tile_rows = L::TILE;
    args->query_tiles = (int)pu__ceil_div(args->queries, L::WARPS * ROWS);
    args->key_tiles = (int)pu__ceil_div(args->keys, L::WARPS * ROWS);
    *threads = L::WARPS * PU_WARP;
    return 4 * (size_t)words_of<UNITS, HEAD, BACKWARD, true>(L::TILE, L::WARPS, args->rotary).end;
}

template <class UNITS, int HEAD> static pu_status launch_forward(const pu__cuda_exec *cuda, attention_args *args) {
    int warps = 0, threads = 0;
    size_t bytes = 0;
    if (is_resident<UNITS, HEAD, false>(cuda, args, args->keys, (int)pu__ceil_div(args->queries, ROWS), &warps,
                                        &bytes)) {
        PU_TRY(allow_shared(attention_resident_kernel<UNITS, HEAD, false>, bytes));
        PU_LAUNCH((attention_resident_kernel<UNITS, HEAD, false>), dim3(args->blocks), dim3(warps * PU_WARP),
                  bytes, cuda->stream, *args);
        return pu__launched("attention");
    }
    bytes = tile<UNITS, HEAD, false>(args, &threads);
    PU_TRY(allow_shared(attention_query_kernel<UNITS, HEAD, false>, bytes));
    PU_LAUNCH((attention_query_kernel<UNITS, HEAD, false>), dim3(args->blocks * args->query_tiles), dim3(threads),
              bytes, cuda->stream, *args);
    return pu__launched("attention");
}

/* The whole backward pass in one launch, where it fits; `done` says whether. */
template <class UNITS, int HEAD>
static pu_status launch_resident_backward(const pu__cuda_exec *cuda, attention_args *args, bool *done) {
    const int most = max(args->keys, args->queries);
    int warps = 0;
    size_t bytes = 0;
    *done = is_resident<UNITS, HEAD, true>(cuda, args, most, (int)pu__ceil_div(most, ROWS), &warps, &bytes);
    if (!*done) return PU_OK;
    PU_TRY(allow_shared(attention_resident_kernel<UNITS, HEAD, true>, bytes));
    PU_LAUNCH((attention_resident_kernel<UNITS, HEAD, true>), dim3(args->blocks), dim3(warps * PU_WARP), bytes,
              cuda->stream, *args);
    return pu__launched("attention_grad");
}

template <class UNITS, int HEAD>
static pu_status launch_backward(const pu__cuda_exec *cuda, attention_args *args) {
    bool done = false;
    if constexpr (layout<UNITS, HEAD, true>::RESIDENT) {
        PU_TRY((launch_resident_backward<UNITS, HEAD>(cuda, args, &done)));
    }
    if (done) return PU_OK;
    int threads = 0;
    const size_t bytes = tile<UNITS, HEAD, true>(args, &threads);
    if (args->queries > 0) {
        PU_TRY(allow_shared(attention_query_kernel<UNITS, HEAD, true>, bytes));
        PU_LAUNCH((attention_query_kernel<UNITS, HEAD, true>), dim3(args->blocks * args->query_tiles),
                  dim3(threads), bytes, cuda->stream, *args);
        PU_TRY(pu__launched("attention_grad of queries"));
    }
    PU_TRY(allow_shared(attention_key_kernel<UNITS, HEAD, true>, bytes));
    PU_LAUNCH((attention_key_kernel<UNITS, HEAD, true>), dim3(args->blocks * args->key_tiles), dim3(threads),
              bytes, cuda->stream, *args);
    return pu__launched("attention_grad of keys");
}

template <class UNITS, int HEAD> static pu_status launch(const pu__call *call, attention_args *args) {
    return pu__is_attention_grad(call->op) ? launch_backward<UNITS, HEAD>(call->cuda, args)
                                           : launch_forward<UNITS, HEAD>(call->cuda, args);
}

template <int HEAD> static pu_status attend(const pu__call *call) {
    attention_args args = args_of(call);
    if (call->attributes->attention.precision == PU_PRECISION_TF32) return launch<tf32_units, HEAD>(call, &args);
    return launch<bf16_units, HEAD>(call, &args);
}

#endif
