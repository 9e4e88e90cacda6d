/* Rounding of a float to the precisions of matrix units, as their conversion instructions do it: cvt.rna.tf32.f32
 * (to nearest, ties away from zero) and cvt.rn.bf16.f32 (to nearest, ties to even). A NaN stays one; what lies past
 * the largest value becomes infinite. C and C++. */
#ifndef PU_KERNELS_COMMON_ROUNDING_H
#define PU_KERNELS_COMMON_ROUNDING_H

#include <stdint.h>
#include <string.h>

#include "plusultra/ops.h"

#if defined(__CUDACC__)
#define PU__ON_BOTH __host__ __device__
#else
#define PU__ON_BOTH
#endif

PU__ON_BOTH static inline float pu__round_tf32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x1000u) & ~0x1fffu;
    float out;
    memcpy(&out, &bits, sizeof out);
    return x == x ? out : x;
}

PU__ON_BOTH static inline float pu__round_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
    float out;
    memcpy(&out, &bits, sizeof out);
    return x == x ? out : x;
}

static inline void pu__round_row(float *row, int64_t count, pu_precision precision) {
    if (precision == PU_PRECISION_TF32) {
        for (int64_t i = 0; i < count; ++i) row[i] = pu__round_tf32(row[i]);
    } else if (precision == PU_PRECISION_BF16) {
        for (int64_t i = 0; i < count; ++i) row[i] = pu__round_bf16(row[i]);
    }
}

#endif
