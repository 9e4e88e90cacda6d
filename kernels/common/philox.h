/* Philox4x32-10: counter-based random numbers. Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1,
 * 2, 3", SC 2011.
 *
 * The same (key, counter) gives the same four words on every device, whatever the launch shape: dropout, the
 * sampler and the simulator are reproducible because their counters are positions in the data, not positions in a
 * stream. */
#ifndef PU_KERNELS_COMMON_PHILOX_H
#define PU_KERNELS_COMMON_PHILOX_H

#include <stdint.h>

#if defined(__CUDACC__) || defined(PU_EMULATED)
#define PU_HOST_DEVICE __host__ __device__
#else
#define PU_HOST_DEVICE
#endif

typedef struct pu__philox4 {
    uint32_t word[4];
} pu__philox4;

/* key = seed; counter words from least to most significant. */
PU_HOST_DEVICE static inline pu__philox4 pu__philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
    uint32_t c0 = (uint32_t)counter_low, c1 = (uint32_t)(counter_low >> 32);
    uint32_t c2 = (uint32_t)counter_high, c3 = (uint32_t)(counter_high >> 32);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
#ifndef __CUDACC__
#pragma GCC unroll 10 /* so that a loop over counters vectorises */
#endif
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        const uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    pu__philox4 out = {{c0, c1, c2, c3}};
    return out;
}

/* Uniform in [0, 1), 24 bits. */
PU_HOST_DEVICE static inline float pu__uniform24(uint32_t word) {
    return (float)(word >> 8) * (1.0f / 16777216.0f);
}

#endif
