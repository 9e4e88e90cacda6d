/* What the CPU kernels of the convolutions share. */
#ifndef PU_KERNELS_CONV_CONV_CPU_H
#define PU_KERNELS_CONV_CONV_CPU_H

#include "kernels/common/vector.h"

/* One row of y = act(z), while it is in cache. z null: y holds z and is overwritten. */
static inline void pu__conv_finish(pu_act act, const float *z, float *y, int64_t n) {
    if (z) memcpy(y, z, (size_t)n * sizeof *y);
    if (act == PU_ACT_NONE) return;
    PU__FOR_ACT(act, KIND, for (int64_t i = 0; i < n; ++i) y[i] = pu__act(KIND, y[i]))
}

#endif
