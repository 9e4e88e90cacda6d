/* Dropout of four neighbouring elements on a GPU: the mask that kernels/elementwise/elementwise.h defines. */
#ifndef PU_KERNELS_COMMON_DROPOUT_CUH
#define PU_KERNELS_COMMON_DROPOUT_CUH

#include "kernels/common/device.cuh"
#include "kernels/common/philox.h"

typedef struct pu__dropout {
    const uint64_t *clock; /* {seed, step}, on the device; null: none */
    uint64_t tag;          /* in its place in the counter */
    float rate, scale;
} pu__dropout;

static inline pu__dropout pu__dropout_of(const uint64_t *clock, float rate, uint32_t tag) {
    return {clock, (uint64_t)tag << 40, rate, 1.0f / (1.0f - rate)};
}

/* v = dropout of the elements i .. i+3, which belong to one counter or to two. */
static __device__ inline void pu__dropout4(const pu__dropout *d, float v[4], int64_t i) {
    const uint64_t seed = d->clock[0], high = d->tag | d->clock[1];
    const int skipped = (int)(i % 4);
    pu__philox4 random = pu__philox(seed, (uint64_t)i / 4, high);
    if (skipped > 0) {
        const pu__philox4 next = pu__philox(seed, (uint64_t)i / 4 + 1, high);
        for (int turn = 0; turn < skipped; ++turn) {
            const uint32_t carried = turn == 0 ? next.word[0] : turn == 1 ? next.word[1] : next.word[2];
            random.word[0] = random.word[1];
            random.word[1] = random.word[2];
            random.word[2] = random.word[3];
            random.word[3] = carried;
        }
    }
    for (int j = 0; j < 4; ++j) v[j] = pu__uniform24(random.word[j]) >= d->rate ? v[j] * d->scale : 0.0f;
}

#endif
