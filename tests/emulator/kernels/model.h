/* Launchers of the small kernels that test the emulator itself; all pointers are device memory. */
#ifndef PU_TESTS_EMULATOR_KERNELS_MODEL_H
#define PU_TESTS_EMULATOR_KERNELS_MODEL_H

#include <stdint.h>

#include "cuda_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Right ones. */
void model_indices(cudaStream_t stream, int *out, uint3 grid,
                   uint3 block); /* out[t] = t, t the linear thread of the grid */
void model_sum(cudaStream_t stream, const float *x, int n, float *partial, int blocks);
void model_transpose(cudaStream_t stream, const float *x, int rows, int columns, float *y);
void model_scan(cudaStream_t stream, const int *x, int n, int *y);       /* inclusive, each 32 by themselves */
void model_votes(cudaStream_t stream, const int *x, int n, unsigned *y); /* ballot, all, any of each 32 */
void model_histogram(cudaStream_t stream, const int *x, int n, int *bins, int bin_count);
void model_scale4(cudaStream_t stream, float *x, int n, float scale); /* float4 and a tail */
void model_warp_exchange(cudaStream_t stream, const int *x, int n,
                         int *y); /* y = x of the neighbouring lane, through shared memory */
void model_previous(cudaStream_t stream, const float *x, int n,
                    float *y); /* y[i] = x[i - 1], through shared memory, by a template */
void model_add(cudaStream_t stream, float *x, int n, float a);
/* d[16][8] = 1 + a[16][K] b[K][8] by one product of kernels/common/mma.cuh: bf16 with K = 16, else tf32 with K = 8. */
void model_product(cudaStream_t stream, const float *a, const float *b, float *d, int bf16);
/* x: 32 rows of four words. out[lane][8]: what a lane gets of four matrices of eight rows, and of them transposed. */
void model_matrices(cudaStream_t stream, const unsigned *x, unsigned *out);
/* y[i] = x[i ^ 4] below n, else 0, for 512 floats: by asynchronous copies of four floats, or (pairs) of two. */
void model_copies(cudaStream_t stream, const float *x, int n, float *y, int pairs);

/* Wrong ones, each in one way. x holds n floats. */
typedef enum model_wrong {
    WRONG_BARRIER_BRANCHES = 0,
    WRONG_BARRIER_EARLY_RETURN,
    WRONG_MASK_WITHOUT_CALLER,
    WRONG_MASK_EXITED_LANE,
    WRONG_MASK_PARTIAL_WARP,
    WRONG_MASKS_DIFFER,
    WRONG_SOURCE_NOT_IN_MASK,
    WRONG_SHUFFLE_AND_BARRIER,
    WRONG_WIDTH,
    WRONG_SHARED_RACE,
    WRONG_WARP_RACE,
    WRONG_TAIL_RACE,
    WRONG_BLOCK_RACE,
    WRONG_ATOMIC_AND_PLAIN,
    WRONG_UNINITIALISED,
    WRONG_READ_PAST_END,
    WRONG_WRITE_BEFORE_START,
    WRONG_READ_OF_HOST,
    WRONG_VECTOR_PAST_END,
    WRONG_VECTOR_MISALIGNED,
    WRONG_SHARED_INDEX,
    WRONG_DYNAMIC_SHARED_SIZE,
    WRONG_FLOAT_ATOMIC,
    WRONG_HALF_A_WARP,
    WRONG_MATRIX_MISALIGNED,
    WRONG_COPY_READ_EARLY,
    WRONG_COPY_FORGOTTEN,
    WRONG_COPY_OVER_READER,
    WRONG_COUNT
} model_wrong;
void model_launch_wrong(cudaStream_t stream, model_wrong wrong, float *x, int n);

#ifdef __cplusplus
}
#endif
#endif
