/* What the feature files share: descriptors. */
#ifndef PU_HOST_DATA_FEATURES_INTERNAL_H
#define PU_HOST_DATA_FEATURES_INTERNAL_H

#include "plusultra/features.h"

#define PU_FEATURE(name, in_default_set) extern const pu_feature pu__feature_##name;
#include "host/data/features/features.def"
#undef PU_FEATURE

/* Parts of a descriptor: the state's size and the update; the names and values of the parameters. */
#define PU__UPDATE(state_type, function) \
    .abi = PU_FEATURE_ABI, .state_bytes = sizeof(state_type), .update = function
#define PU__VALUES(...) \
    (const double[]) { __VA_ARGS__ }
#define PU__PARAMETERS(names, ...)                                             \
    .parameter_count = (int)(sizeof PU__VALUES(__VA_ARGS__) / sizeof(double)), \
    .parameters = PU__VALUES(__VA_ARGS__), .parameter_names = (names)

/* Dispersion of log returns, or of prices over their level, at or below this is rounding noise and counts as none.
 */
#define PU__FLAT 1e-10
/* TA-Lib's zero (1e-14) is absolute; here it is relative to the price, so that the value does not depend on the
 * unit of price. */
#define PU__ZERO_RATIO 1e-14

/* value / scale, 0 where the scale is rounding noise. */
static inline double pu__over(double value, double scale) { return scale > PU__FLAT ? value / scale : 0; }

#endif
