/* Attention in f32, forward and backward, scores never stored.
 *
 * Floors for P visible pairs of query and key: forward 4 D flops and one exponential a pair, 16 B T H D bytes;
 * backward 10 D flops and one exponential a pair (14 D as done here: both halves recompute the scores), 32 B T H D
 * bytes. At T = 128, D = 32 bytes and flops cost about the same on an H100 in f32.
 *
 * Windows of up to RESIDENT_BARS bars whose keys and values fit into RESIDENT_BYTES are one block for each window
 * and head, which reads each of q, k, v once. Its occupancy: a block takes 8 T (D + 1) bytes and 4 D (16 + T / 16)
 * for the rotations; at D = 32 that is 37 KB at T = 128 and 70 KB at T = 256, so 6 and 3 blocks of 128 threads fit
 * the 228 KB of an SM of sm_90 (4 and 2 of 164 KB on sm_80, 2 and 1 of 100 KB on sm_89 and sm_120); at D = 16 twice
 * as many, at D = 64 and T = 128 as at D = 32 and T = 256. The registers (at most 168 a thread forward and 128
 * backward, by the launch bounds) allow three and four blocks of 128 threads. 99 KB is the most that one block may
 * have on sm_89 and sm_120. Longer windows go by tiles of TILE rows: TILE * HEAD is 4,096 floats, so both tiles and
 * the rotations stay below 48 KB and need no opt-in. */
#include "kernels/attention/attention_rows.cuh"

/* Whether a block can hold `rows` rows of two tensors; then those are the tile. Else tiles of TILE rows. */
template <int HEAD, int SLICE> static bool is_resident(attention_args *args, int rows) {
    const int whole = (int)pu__ceil_div(rows > 0 ? rows : 1, GROUP) * GROUP;
    const bool fits = rows <= RESIDENT_BARS && shared_bytes_of<HEAD, SLICE>(whole, args->rotary) <= RESIDENT_BYTES;
    args->tile_rows = fits ? whole : (int)layout<HEAD, SLICE>::TILE;
    args->query_tiles = (int)pu__ceil_div(args->queries, layout<HEAD, SLICE>::TILE);
    args->key_tiles = (int)pu__ceil_div(args->keys, layout<HEAD, SLICE>::TILE);
    return fits;
}

template <int HEAD, int SLICE>
static pu_status launch_forward(const pu__attention *a, attention_args *args, cudaStream_t stream) {
    typedef layout<HEAD, SLICE> L;
    const unsigned heads = (unsigned)(a->batch * a->heads);
    const bool resident = is_resident<HEAD, SLICE>(args, args->keys);
    const size_t bytes = shared_bytes_of<HEAD, SLICE>(args->tile_rows, args->rotary);
    if (resident) {
        PU_TRY(allow_shared(attention_resident_kernel<HEAD, SLICE>, bytes));
        PU_LAUNCH((attention_resident_kernel<HEAD, SLICE>), dim3(heads), dim3(L::THREADS), bytes, stream, *args);
    } else {
        PU_LAUNCH((attention_kernel<HEAD, SLICE>), dim3(heads * args->query_tiles), dim3(L::THREADS), bytes,
                  stream, *args);
    }
    return pu__launched("attention");
}

template <int HEAD, int SLICE>
static pu_status launch_backward(const pu__attention *a, attention_args *args, cudaStream_t stream) {
    typedef layout<HEAD, SLICE> L;
    const unsigned heads = (unsigned)(a->batch * a->heads);
    const bool resident = is_resident<HEAD, SLICE>(args, max(args->keys, args->queries));
    const size_t bytes = shared_bytes_of<HEAD, SLICE>(args->tile_rows, args->rotary);
    if (resident) {
        PU_TRY(allow_shared(attention_grad_resident_kernel<HEAD, SLICE>, bytes));
        PU_LAUNCH((attention_grad_resident_kernel<HEAD, SLICE>), dim3(heads), dim3(L::THREADS), bytes, stream,
                  *args);
        return pu__launched("attention_grad");
    }
    if (args->queries > 0) {
        PU_LAUNCH((attention_grad_query_kernel<HEAD, SLICE>), dim3(heads * args->query_tiles), dim3(L::THREADS),
                  bytes, stream, *args);
        PU_TRY(pu__launched("attention_grad of queries"));
    }
    PU_LAUNCH((attention_grad_key_kernel<HEAD, SLICE>), dim3(heads * args->key_tiles), dim3(L::THREADS), bytes,
              stream, *args);
    return pu__launched("attention_grad of keys");
}

extern "C" pu_status pu__attention_rows_cuda(const pu__call *call) {
    attention_args args = {};
    const pu__attention a = pu__attention_of(call, 0);
    PU_TRY(args_of(&a, &args));
    if (a.size <= 16) return launch_forward<16, 16>(&a, &args, call->cuda->stream);
    if (a.size <= 32) return launch_forward<32, 32>(&a, &args, call->cuda->stream);
    if (a.size <= 64) return launch_forward<64, 32>(&a, &args, call->cuda->stream);
    return launch_forward<128, 32>(&a, &args, call->cuda->stream);
}

extern "C" pu_status pu__attention_grad_rows_cuda(const pu__call *call) {
    attention_args args = {};
    const pu__attention a = pu__attention_of(call, 1);
    PU_TRY(args_of(&a, &args));
    args.delta = (float *)call->workspace;
    if (a.size <= 16) return launch_backward<16, 8>(&a, &args, call->cuda->stream);
    if (a.size <= 32) return launch_backward<32, 16>(&a, &args, call->cuda->stream);
    if (a.size <= 64) return launch_backward<64, 16>(&a, &args, call->cuda->stream);
    return launch_backward<128, 16>(&a, &args, call->cuda->stream);
}
