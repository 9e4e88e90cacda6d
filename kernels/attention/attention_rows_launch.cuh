/* Attention in f32, forward and backward, scores never stored: launches for one head size.
 *
 * Floors for P visible pairs of query and key: forward 4 D flops and one exponential a pair, 16 B T H D bytes;
 * backward 10 D flops and one exponential a pair (14 D as done here: both halves recompute the scores), 32 B T H D
 * bytes. At T = 128, D = 32 bytes and flops cost about the same on an H100 in f32.
 *
 * Windows of up to RESIDENT_BARS bars whose keys and values fit what a block may have of shared memory are one block
 * for each window and head, which reads each of q, k, v once. A block takes 8 T (D + 1) bytes and 4 D (16 + T / 16) for
 * the rotations: at D = 32 37 KB at T = 128 and 70 KB at T = 256; at D = 16 half as much, at D = 64 and T = 128 as at D
 * = 32 and T = 256. Windows of 256 bars are so resident up to D = 32 in the 99 KB that a block may have on sm_86, sm_89
 * and sm_120, up to 64 in the 163 KB of sm_80, up to 96 in the 227 KB of sm_90; at D = 128 their keys and values alone
 * are 256 KB. Occupancy: the launch bounds leave registers for 12 or 16 warps forward and 8 backward. 8 are enough to
 * keep the multipliers busy, as each thread has many sums under way at once; where shared memory has room for one block
 * only, that block therefore gets 8 warps, not 4. Longer windows go by tiles of TILE rows: TILE * HEAD is 4,096 floats
 * at most, so both tiles and the rotations stay below 48 KB and need no opt-in. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_ROWS_LAUNCH_CUH
#define PU_KERNELS_ATTENTION_ATTENTION_ROWS_LAUNCH_CUH

#include "kernels/attention/attention_rows.cuh"

/* Dimensions that one thread holds: registers have room for about 32 forward and, beside them, half that backward. */
template <int HEAD> struct slices {
    enum {
        FORWARD = HEAD == 16   ? 16
                  : HEAD == 48 ? 24
                  : HEAD > 64  ? HEAD / 4
                               : 32,
        BACKWARD = HEAD == 16                ? 8
                   : HEAD == 48              ? 12
                   : HEAD > 64 && HEAD < 128 ? HEAD / 4
                                             : 16
    };
};

/* Whether a block holds `rows` rows of two tensors; then those are the tile. Else tiles of TILE rows. Its threads, of
 * THREADS or more as far as `most` allows, and its shared memory. */
template <int HEAD, int SLICE>
static bool is_resident(const pu__cuda_exec *cuda, attention_args *args, int rows, int most, int *threads,
                        size_t *bytes) {
    typedef layout<HEAD, SLICE> L;
    static_assert(shared_bytes_of<HEAD>(L::TILE, L::TILE, true) <= STATIC_BYTES, "tiles that nobody asked for");
    args->query_tiles = (int)pu__ceil_div(args->queries, L::TILE);
    args->key_tiles = (int)pu__ceil_div(args->keys, L::TILE);
    *threads = L::THREADS;
    if (rows <= RESIDENT_BARS) {
        args->tile_rows = (int)pu__ceil_div(rows > 0 ? rows : 1, GROUP) * GROUP;
        *bytes = shared_bytes_of<HEAD>(args->tile_rows, L::TILE, args->rotary);
        if (blocks_together(cuda, *bytes) < 2 && rows > L::TILE && 2 * L::THREADS <= most) {
            *threads = 2 * L::THREADS;
            *bytes = shared_bytes_of<HEAD>(args->tile_rows, 2 * L::TILE, args->rotary);
        }
        if (*bytes <= cuda->block_shared_bytes) return true;
    }
    *threads = L::THREADS;
    args->tile_rows = L::TILE;
    *bytes = shared_bytes_of<HEAD>(L::TILE, L::TILE, args->rotary);
    return false;
}

template <int HEAD> static pu_status launch_forward(const pu__cuda_exec *cuda, attention_args *args) {
    enum { SLICE = slices<HEAD>::FORWARD };
    typedef layout<HEAD, SLICE> L;
    int threads = 0;
    size_t bytes = 0;
    if (is_resident<HEAD, SLICE>(cuda, args, args->keys, L::THREADS * L::BLOCKS, &threads, &bytes)) {
        PU_TRY(allow_shared(attention_resident_kernel<HEAD, SLICE>, bytes));
        PU_LAUNCH((attention_resident_kernel<HEAD, SLICE>), dim3(args->blocks), dim3(threads), bytes, cuda->stream,
                  *args);
    } else {
        PU_LAUNCH((attention_kernel<HEAD, SLICE>), dim3(args->blocks * args->query_tiles), dim3(threads), bytes,
                  cuda->stream, *args);
    }
    return pu__launched("attention");
}

template <int HEAD> static pu_status launch_backward(const pu__cuda_exec *cuda, attention_args *args) {
    enum { SLICE = slices<HEAD>::BACKWARD };
    typedef layout<HEAD, SLICE> L;
    int threads = 0;
    size_t bytes = 0;
    if (is_resident<HEAD, SLICE>(cuda, args, max(args->keys, args->queries), L::THREADS * (L::BLOCKS - 1),
                                 &threads, &bytes)) {
        PU_TRY(allow_shared(attention_grad_resident_kernel<HEAD, SLICE>, bytes));
        PU_LAUNCH((attention_grad_resident_kernel<HEAD, SLICE>), dim3(args->blocks), dim3(threads), bytes,
                  cuda->stream, *args);
        return pu__launched("attention_grad");
    }
    if (args->queries > 0) {
        PU_LAUNCH((attention_grad_query_kernel<HEAD, SLICE>), dim3(args->blocks * args->query_tiles),
                  dim3(threads), bytes, cuda->stream, *args);
        PU_TRY(pu__launched("attention_grad of queries"));
    }
    PU_LAUNCH((attention_grad_key_kernel<HEAD, SLICE>), dim3(args->blocks * args->key_tiles), dim3(threads), bytes,
              cuda->stream, *args);
    return pu__launched("attention_grad of keys");
}

template <int HEAD> static pu_status attend(const pu__call *call) {
    attention_args args = args_of(call);
    return pu__is_attention_grad(call->op) ? launch_backward<HEAD>(call->cuda, &args)
                                           : launch_forward<HEAD>(call->cuda, &args);
}

#endif
