/* One row of a layer normalisation and of its gradient, for the kernels that have them in common. Not inlined: both
 * kernels run the same instructions, so that the fused one gives the bits of the chain that it stands for. */
#ifndef PU_KERNELS_LAYER_NORM_LAYER_NORM_CPU_H
#define PU_KERNELS_LAYER_NORM_LAYER_NORM_CPU_H

#include <math.h>

#include "kernels/common/vector.h"

/* Sum of squared deviations: the second pass, so that a large mean does not cancel the variance away. */
static inline float pu__sum_squared_deviations(const float *x, float mean, int64_t n) {
    pu__vec sum = {0};
    int64_t i = 0;
    for (; i + PU__LANES <= n; i += PU__LANES) {
        const pu__vec deviation = pu__load(x + i) - mean;
        sum += deviation * deviation;
    }
    float total = pu__sum_lanes(sum);
    for (; i < n; ++i) total += (x[i] - mean) * (x[i] - mean);
    return total;
}

/* sum of e (x - mean) */
static inline float pu__dot_deviations(const float *e, const float *x, float mean, int64_t n) {
    pu__vec sum = {0};
    int64_t i = 0;
    for (; i + PU__LANES <= n; i += PU__LANES) sum += pu__load(e + i) * (pu__load(x + i) - mean);
    float total = pu__sum_lanes(sum);
    for (; i < n; ++i) total += e[i] * (x[i] - mean);
    return total;
}

typedef struct pu__norm_row {
    const float *gain, *bias;
    int64_t width;
    float epsilon;
} pu__norm_row;

static __attribute__((noinline, unused)) void pu__layer_norm_row(const pu__norm_row *row, const float *restrict x,
                                                                 float *restrict y, float *mean_out,
                                                                 float *rstd_out) {
    const float *restrict gain = row->gain, *restrict bias = row->bias;
    const int64_t width = row->width;
    const float mean = pu__sum(x, width) / (float)width;
    const float variance = pu__sum_squared_deviations(x, mean, width) / (float)width;
    const float rstd = 1.0f / sqrtf(variance + row->epsilon);
    for (int64_t c = 0; c < width; ++c) y[c] = gain[c] * ((x[c] - mean) * rstd) + bias[c];
    *mean_out = mean;
    *rstd_out = rstd;
}

/* Writes dx and adds the row's part to sums = {dgain[width], dbias[width]}. */
static __attribute__((noinline, unused)) void pu__layer_norm_grad_row(const float *restrict gain, int64_t width,
                                                                      const float *restrict dy,
                                                                      const float *restrict x, float mean,
                                                                      float rstd, float *restrict dx,
                                                                      float *restrict sums) {
    float *restrict dgain = sums, *restrict dbias = sums + width;
    for (int64_t c = 0; c < width; ++c) dx[c] = dy[c] * gain[c];
    const float mean_e = pu__sum(dx, width) / (float)width;
    const float mean_eh = (pu__dot_deviations(dx, x, mean, width) * rstd) / (float)width;
    for (int64_t c = 0; c < width; ++c) {
        const float h = (x[c] - mean) * rstd;
        dx[c] = rstd * (dx[c] - mean_e - h * mean_eh);
        dgain[c] += dy[c] * h;
        dbias[c] += dy[c];
    }
}

#endif
