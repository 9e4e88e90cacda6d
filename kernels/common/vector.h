/* A vector of floats of the width this file is compiled for, for sums that the compiler may not reorder by itself;
 * and the sizes by which CPU kernels cut their work. */
#ifndef PU_KERNELS_COMMON_VECTOR_H
#define PU_KERNELS_COMMON_VECTOR_H

#include <math.h>
#include <string.h>

#if defined(__FMA__)
#include <immintrin.h>
#endif

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

/* The first n lanes, 0 < n < PU__LANES; no memory behind them is touched. The other lanes read as 0. */
PU__INLINE pu__vec pu__load_part(const float *from, int64_t n) {
#if defined(__AVX512F__)
    return (pu__vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), from);
#else
    pu__vec out = {0};
    for (int64_t i = 0; i < n; ++i) out[i] = from[i];
    return out;
#endif
}
PU__INLINE void pu__store_part(float *to, pu__vec value, int64_t n) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1u), (__m512)value);
#else
    for (int64_t i = 0; i < n; ++i) to[i] = value[i];
#endif
}
PU__INLINE pu__vec pu__splat(float x) { return x - (pu__vec){0}; }

/* a * b + c, rounded once where the instruction set can, twice where it cannot. Written out because a compiler may
 * fuse one copy of an expression and not another: then a row's bits would depend on the tile it falls into. */
PU__INLINE pu__vec pu__multiply_add(pu__vec a, pu__vec b, pu__vec c) {
#if defined(__AVX512F__)
    return (pu__vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (pu__vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__FP_FAST_FMAF)
    for (int i = 0; i < PU__LANES; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}

typedef int32_t pu__vec_mask __attribute__((vector_size(PU__LANES * sizeof(int32_t))));

/* Lane by lane a > b ? a : b, so that a NaN in `a` is passed over. */
PU__INLINE pu__vec pu__greater(pu__vec a, pu__vec b) {
    const pu__vec_mask mask = a > b;
    return (pu__vec)((mask & (pu__vec_mask)a) | (~mask & (pu__vec_mask)b));
}

/* The upper half of the lanes that are still in play onto the lower one. */
#if defined(__AVX512F__)
#define PU__FOLD(v, half)                                                                                \
    ((half) == 8   ? __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7) \
     : (half) == 4 ? __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15) \
     : (half) == 2 ? __builtin_shufflevector(v, v, 2, 3, 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) \
                   : __builtin_shufflevector(v, v, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#elif defined(__AVX__)
#define PU__FOLD(v, half)                                                  \
    ((half) == 4   ? __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3) \
     : (half) == 2 ? __builtin_shufflevector(v, v, 2, 3, 0, 1, 4, 5, 6, 7) \
                   : __builtin_shufflevector(v, v, 1, 0, 2, 3, 4, 5, 6, 7))
#else
#define PU__FOLD(v, half) \
    ((half) == 2 ? __builtin_shufflevector(v, v, 2, 3, 0, 1) : __builtin_shufflevector(v, v, 1, 0, 2, 3))
#endif

PU__INLINE float pu__sum_lanes(pu__vec v) {
    if (PU__LANES > 8) v += PU__FOLD(v, 8);
    if (PU__LANES > 4) v += PU__FOLD(v, 4);
    v += PU__FOLD(v, 2);
    v += PU__FOLD(v, 1);
    return v[0];
}

PU__INLINE float pu__max_lanes(pu__vec v) {
    if (PU__LANES > 8) v = pu__greater(v, PU__FOLD(v, 8));
    if (PU__LANES > 4) v = pu__greater(v, PU__FOLD(v, 4));
    v = pu__greater(v, PU__FOLD(v, 2));
    v = pu__greater(v, PU__FOLD(v, 1));
    return v[0];
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

/* The largest that is not NaN; -inf if there is none. */
PU__INLINE float pu__max(const float *x, int64_t n) {
    pu__vec top = pu__splat(-INFINITY), other = top;
    int64_t i = 0;
    for (; i + 2 * PU__LANES <= n; i += 2 * PU__LANES) {
        top = pu__greater(pu__load(x + i), top);
        other = pu__greater(pu__load(x + i + PU__LANES), other);
    }
    float out = pu__max_lanes(pu__greater(top, other));
    for (; i < n; ++i) out = x[i] > out ? x[i] : out;
    return out;
}

/* Items per chunk of a parallel loop so that a chunk moves about 32 KiB: long against the cost of handing it out,
 * short against a level-2 cache. */
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
