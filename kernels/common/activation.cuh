/* Activation functions and their derivatives at the pre-activation x; formulas in include/plusultra/ops.h. A
 * NaN stays a NaN. */
#ifndef PU_KERNELS_COMMON_ACTIVATION_CUH
#define PU_KERNELS_COMMON_ACTIVATION_CUH

#include "kernels/common/cuda.cuh"

#define PU_GELU_SCALE 0.79788456080286536f /* sqrt(2/pi) */
#define PU_GELU_CUBIC 0.044715f

static __device__ inline float pu__sigmoid_at(float x) { return 1.0f / (1.0f + expf(-x)); }

static __device__ inline float pu__act_at(pu_act kind, float x) {
    switch (kind) {
    case PU_ACT_RELU: return x < 0.0f ? 0.0f : x;
    case PU_ACT_GELU: return 0.5f * x * (1.0f + tanhf(PU_GELU_SCALE * (x + PU_GELU_CUBIC * x * x * x)));
    case PU_ACT_SILU: return x * pu__sigmoid_at(x);
    case PU_ACT_SIGMOID: return pu__sigmoid_at(x);
    case PU_ACT_TANH: return tanhf(x);
    default: return x;
    }
}

static __device__ inline float pu__act_slope_at(pu_act kind, float x) {
    switch (kind) {
    case PU_ACT_RELU: return x > 0.0f ? 1.0f : x <= 0.0f ? 0.0f : x;
    case PU_ACT_GELU: {
        const float t = tanhf(PU_GELU_SCALE * (x + PU_GELU_CUBIC * x * x * x));
        const float inner = PU_GELU_SCALE * (1.0f + 3.0f * PU_GELU_CUBIC * x * x);
        return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
    }
    case PU_ACT_SILU: {
        const float s = pu__sigmoid_at(x);
        return s * (1.0f + x * (1.0f - s));
    }
    case PU_ACT_SIGMOID: {
        const float s = pu__sigmoid_at(x);
        return s * (1.0f - s);
    }
    case PU_ACT_TANH: {
        const float t = tanhf(x);
        return 1.0f - t * t;
    }
    default: return 1.0f;
    }
}

#endif
