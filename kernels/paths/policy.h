/* The rules that the path kernel trades by, as functions of what a policy has seen up to this close. */
#ifndef PU_KERNELS_PATHS_POLICY_H
#define PU_KERNELS_PATHS_POLICY_H

#include <math.h>

#include "kernels/common/philox.h"

/* Factors on the weight. `fast`, `slow`: log-price less its average. The fast average above the slow one: long. */
PU_HOST_DEVICE static inline float pu__policy_momentum(float fast, float slow) {
    const float signal = slow - fast;
    return signal > 0.0f ? 1.0f : signal < 0.0f ? -1.0f : 0.0f;
}

PU_HOST_DEVICE static inline float pu__policy_reversion(float slow, float scale) {
    const float signal = -slow / scale;
    const float most = signal > 1.0f ? 1.0f : signal;
    return most < -1.0f ? -1.0f : most;
}

/* `square`: average of squared log-returns begun at 0; `seen` = 1 - decay^bars undoes the start; 0: nothing seen, no
 * order. */
PU_HOST_DEVICE static inline float pu__policy_volatility(float square, float seen, float scale) {
    const float ratio = scale * sqrtf(seen) / sqrtf(square);
    return seen > 0.0f ? (ratio < 1.0f ? ratio : 1.0f) : (float)NAN;
}

#endif
