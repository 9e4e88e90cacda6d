/* A vector of floats of the width this file is compiled for, for sums that the compiler may not reorder by itself; and the sizes by which CPU
 * kernels cut their work. */
#ifndef PU_KERNELS_COMMON_VECTOR_H
#define PU_KERNELS_COMMON_VECTOR_H

#include <string.h>

#include "kernels/common/vector_math.h"

#if defined(__AVX512F__)
enum { PU__LANES = 16 };
#elif defined(__AVX__)
enum { PU__LANES = 8 };
#else
enum { PU__LANES = 4 };
#endif
typedef float pu__vec __attribute__((vector_size(PU__LANES * sizeof(float))));

PU__INLINE pu__vec pu__load(const float *from) {
    pu__vec out;
    memcpy(&out, from, sizeof out);
    return out;
}
PU__INLINE void pu__store(float *to, pu__vec value) { memcpy(to, &value, sizeof value); }
PU__INLINE pu__vec pu__splat(float x) { return x - (pu__vec){0}; }

PU__INLINE float pu__sum_lanes(pu__vec value) {
    float lane[PU__LANES];
    pu__store(lane, value);
    for (int width = PU__LANES / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
    }
    return lane[0];
}

PU__INLINE float pu__sum(const float *x, int64_t n) {
    pu__vec sum = {0}, other = {0};
    int64_t i = 0;
    for (; i + 2 * PU__LANES <= n; i += 2 * PU__LANES) {
        sum += pu__load(x + i);
        other += pu__load(x + i + PU__LANES);
    }
    float total = pu__sum_lanes(sum + other);
    for (; i < n; ++i) total += x[i];
    return total;
}

PU__INLINE float pu__dot(const float *x, const float *y, int64_t n) {
    pu__vec sum = {0}, other = {0};
    int64_t i = 0;
    for (; i + 2 * PU__LANES <= n; i += 2 * PU__LANES) {
        sum += pu__load(x + i) * pu__load(y + i);
        other += pu__load(x + i + PU__LANES) * pu__load(y + i + PU__LANES);
    }
    float total = pu__sum_lanes(sum + other);
    for (; i < n; ++i) total += x[i] * y[i];
    return total;
}

/* Items per chunk of a parallel loop so that a chunk moves about 32 KiB: long against the cost of handing it out, short against a level-2
 * cache. */
static inline int64_t pu__grain(int64_t item_bytes) {
    const int64_t items = 32768 / (item_bytes > 0 ? item_bytes : 1);
    return items > 0 ? items : 1;
}

static inline int64_t pu__chunks(int64_t n, int64_t grain) { return (n + grain - 1) / grain; }

/* Grain of a loop over n items whose chunks each leave a partial result: at least pu__grain, at most 64 chunks. */
static inline int64_t pu__reduction_grain(int64_t n, int64_t item_bytes) {
    const int64_t grain = pu__grain(item_bytes), least = pu__chunks(n, 64);
    return grain > least ? grain : least;
}

#endif
