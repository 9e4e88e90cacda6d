/* Seeded random numbers on the host, over Philox4x32-10 (kernels/common/philox.h). A stream is a position, not a
 * state to be
 * guarded: (seed, stream, position) names every number, so any run can be resumed at any point. */
#ifndef PLUSULTRA_RANDOM_H
#define PLUSULTRA_RANDOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu_random {
    uint64_t seed;
    uint64_t stream;
    uint64_t position; /* 32-bit words taken so far */
} pu_random;

pu_random pu_random_at(uint64_t seed, uint64_t stream);
uint32_t pu_random_u32(pu_random *random);
uint64_t pu_random_u64(pu_random *random);
uint64_t pu_random_below(pu_random *random, uint64_t bound); /* unbiased in [0, bound); bound 0 gives 0 */
double pu_random_uniform(pu_random *random);                 /* in (0, 1), 53 bits */
double pu_random_normal(pu_random *random);                  /* standard normal, Box-Muller, one at a time */

/* The image of `index` in [0, n) under a seeded permutation (Feistel network with cycle walking): no table, any
 * position at
 * once. */
uint64_t pu_random_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t index);

/* The images of first .. first + count - 1 (all below n), about twice as fast as one by one: their rounds overlap. */
void pu_random_permute_run(uint64_t seed, uint64_t stream, uint64_t n, uint64_t first, int count, uint64_t *out);

#ifdef __cplusplus
}
#endif
#endif
