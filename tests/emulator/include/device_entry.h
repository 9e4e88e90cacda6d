/* Entry points that the device header calls; C and C++. */
#ifndef PU_EMULATED_DEVICE_ENTRY_H
#define PU_EMULATED_DEVICE_ENTRY_H

#include "cuda_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

extern uint3 pu__emulated_thread, pu__emulated_block, pu__emulated_block_dim, pu__emulated_grid_dim;

enum {
    PU__SYNC = 0,
    PU__SHFL,
    PU__SHFL_UP,
    PU__SHFL_DOWN,
    PU__SHFL_XOR,
    PU__BALLOT,
    PU__ALL,
    PU__ANY,
    PU__OPERATION
};
enum { PU__WARP_WORDS = 10, PU__COPIES_MAX = 128 };

void *pu__emulated_dynamic_shared(size_t alignment);
void pu__emulated_barrier(const char *file, int line);
uint64_t pu__emulated_collective(int kind, unsigned mask, uint64_t value, int operand, int width, const char *file,
                                 int line);
/* An operation of a whole warp, such as a product of matrices: every lane hands in `count` words; when all have,
 * `operation` runs once over all lanes' words, and each lane gets its own back. `name` is what a fault calls it. */
typedef void (*pu__warp_operation)(uint32_t (*lanes)[PU__WARP_WORDS]);
void pu__emulated_warp(pu__warp_operation operation, uint32_t *words, int count, const char *name,
                       const char *file, int line);

/* Asynchronous copies of a thread. Begun ones are only noted; at its wait the thread takes them back one after the
 * other (false: no more) and does them. A thread that ends without is a fault. */
typedef struct pu__emulated_copy {
    float *to;
    const float *from;
    int live, count; /* floats that are copied; the others, up to count, become 0 */
} pu__emulated_copy;
void pu__emulated_copy_begin(float *to, const float *from, int live, int count);
int pu__emulated_copy_end(pu__emulated_copy *copy);

void pu__emulated_atomic(const void *address, size_t bytes);
void pu__emulated_float_atomic(const char *file, int line);

void pu__emulated_misaligned(const void *address, int alignment);

/* A launch: `body(state)` runs the kernel for one thread, `drop(state)` frees the arguments; both are called
 * later. */
cudaError_t pu__emulated_enqueue(const char *kernel, uint3 grid, uint3 block, size_t shared_bytes,
                                 cudaStream_t stream, const void *function, void (*body)(void *),
                                 void (*drop)(void *), void *state, size_t state_bytes);
cudaError_t pu__emulated_shared_limit(const void *function, int bytes);

#ifdef __cplusplus
}
#endif
#endif
