/* exp, tanh, sigmoid, GELU, SILU and their derivatives in float: no branches and no tables, so that a loop over
 * them vectorises.
 *
 * Errors against double libm, measured over every exponent by tests/kernels/test_vector_math.c: exp 1 ulp, tanh
 * and sigmoid 3 ulp (above its underflow at -87). Infinities give the limits, NaN gives NaN: every clamp below
 * keeps a NaN because its comparison is false. */
#ifndef PU_KERNELS_COMMON_VECTOR_MATH_H
#define PU_KERNELS_COMMON_VECTOR_MATH_H

#include <stdint.h>
#include <string.h>

#include "kernels/common/call.h"

#define PU__INLINE static inline __attribute__((always_inline))

PU__INLINE float pu__clamp(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

PU__INLINE float pu__power_of_two(int32_t n) {
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits; ln 2
 * in two parts keeps n ln 2 exact for |n| < 2^9 (Cody & Waite 1980). */
PU__INLINE float pu__exp_reduce(float x, int32_t *n) {
    const float shifted = x * 1.44269504f + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    *n = bits - 0x4B400000;
    const float whole = shifted - 12582912.0f;
    return (x - whole * 0.693359375f) - whole * -2.12194440e-4f;
}

/* (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2: Taylor terms to r^7 / 7!, whose remainder is below 1e-8 there. */
PU__INLINE float pu__exp_tail(float r) {
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    return p * r + 0.5f;
}

/* Two factors of about 2^(n/2) reach denormal results and infinity without a special case. */
PU__INLINE float pu__exp(float x) {
    int32_t n;
    const float r = pu__exp_reduce(pu__clamp(x, -105.0f, 89.0f), &n);
    const float p = (pu__exp_tail(r) * r) * r + r + 1.0f;
    const int32_t half = n >> 1;
    return p * pu__power_of_two(half) * pu__power_of_two(n - half);
}

/* tanh x = em / (em + 2) with em = e^(2x) - 1 formed without cancellation; beyond |x| = 10 it is 1 in float. */
PU__INLINE float pu__tanh(float x) {
    int32_t n;
    const float r = pu__exp_reduce(2.0f * pu__clamp(x, -10.0f, 10.0f), &n);
    const float scale = pu__power_of_two(n);
    const float em = ((pu__exp_tail(r) * r) * r + r) * scale + (scale - 1.0f);
    return em / (em + 2.0f);
}

PU__INLINE float pu__sigmoid(float x) { return 1.0f / (1.0f + pu__exp(-x)); }

/* sigmoid'(x) = sigmoid(x) (1 - sigmoid(x)), the second factor as e^-x sigmoid(x) so that it does not cancel.
 * Below -80 both are taken for 1e-35. */
PU__INLINE float pu__sigmoid_grad(float x, float *sigmoid) {
    const float e = pu__exp(-(x < -80.0f ? -80.0f : x)), s = 1.0f / (1.0f + e);
    *sigmoid = s;
    return s * (e * s);
}

/* 0.5 (1 + tanh u) = sigmoid(2u), which keeps the relative accuracy of the negative tail. */
PU__INLINE float pu__gelu(float x) { return x * pu__sigmoid(1.59576912f * x * (1.0f + 0.044715f * x * x)); }

/* Beyond |x| = 20 the derivative is 0 or 1; the clamp keeps x^2 finite. */
PU__INLINE float pu__gelu_grad(float x) {
    float s;
    x = pu__clamp(x, -20.0f, 20.0f);
    const float slope = pu__sigmoid_grad(1.59576912f * x * (1.0f + 0.044715f * x * x), &s);
    return s + x * slope * (1.59576912f * (1.0f + 0.134145f * x * x));
}

PU__INLINE float pu__silu(float x) { return x * pu__sigmoid(x); }

PU__INLINE float pu__silu_grad(float x) {
    float s;
    x = pu__clamp(x, -100.0f, 100.0f);
    const float slope = pu__sigmoid_grad(x, &s);
    return s + x * slope;
}

/* 1 - tanh^2 x = 4 e / (1 + e)^2 with e = exp(-2 |x|). */
PU__INLINE float pu__tanh_grad(float x) {
    const float e = pu__exp(x < 0.0f ? 2.0f * x : -2.0f * x), s = 1.0f / (1.0f + e);
    return 4.0f * (e * s) * s;
}

/* `kind` is constant at every place this is used in, so that the switch is resolved outside the loop. */
PU__INLINE float pu__act(pu_act kind, float x) {
    switch (kind) {
    case PU_ACT_RELU: return x < 0.0f ? 0.0f : x;
    case PU_ACT_GELU: return pu__gelu(x);
    case PU_ACT_SILU: return pu__silu(x);
    case PU_ACT_SIGMOID: return pu__sigmoid(x);
    case PU_ACT_TANH: return pu__tanh(x);
    case PU_ACT_NONE: break;
    }
    return x;
}

PU__INLINE float pu__act_grad(pu_act kind, float x) {
    float sigmoid;
    switch (kind) {
    case PU_ACT_RELU: return x > 0.0f ? 1.0f : x <= 0.0f ? 0.0f : x;
    case PU_ACT_GELU: return pu__gelu_grad(x);
    case PU_ACT_SILU: return pu__silu_grad(x);
    case PU_ACT_SIGMOID: return pu__sigmoid_grad(x, &sigmoid);
    case PU_ACT_TANH: return pu__tanh_grad(x);
    case PU_ACT_NONE: break;
    }
    return 1.0f;
}

/* act'(x), and act(x) in *value, for one exponential where the gate serves both. */
PU__INLINE float pu__act_and_grad(pu_act kind, float x, float *value) {
    float s;
    switch (kind) {
    case PU_ACT_SIGMOID: return pu__sigmoid_grad(x, value);
    case PU_ACT_SILU: {
        const float c = pu__clamp(x, -100.0f, 100.0f), slope = pu__sigmoid_grad(c, &s);
        *value = x * s;
        return s + c * slope;
    }
    default: *value = pu__act(kind, x); return pu__act_grad(kind, x);
    }
}

/* Runs STATEMENT with KIND a constant of the value of `kind`. */
#define PU__ACT_CASE(value, KIND, STATEMENT) \
    case value: {                            \
        const pu_act KIND = value;           \
        (void)KIND;                          \
        STATEMENT;                           \
    } break;
#define PU__FOR_ACT(kind, KIND, STATEMENT)            \
    switch (kind) {                                   \
        PU__ACT_CASE(PU_ACT_NONE, KIND, STATEMENT)    \
        PU__ACT_CASE(PU_ACT_RELU, KIND, STATEMENT)    \
        PU__ACT_CASE(PU_ACT_GELU, KIND, STATEMENT)    \
        PU__ACT_CASE(PU_ACT_SILU, KIND, STATEMENT)    \
        PU__ACT_CASE(PU_ACT_SIGMOID, KIND, STATEMENT) \
        PU__ACT_CASE(PU_ACT_TANH, KIND, STATEMENT)    \
    }

#endif
