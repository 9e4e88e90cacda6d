/* What the feature files share: descriptors, the streaming pass. */
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

/* One pass of several features over the bars of one asset. */
typedef struct pu__stream pu__stream;
pu_status pu__stream_open(int count, const pu_feature *const *features, pu__stream **out);
void pu__stream_close(pu__stream *stream); /* accepts null */
/* The next bar; values[count], NaN where a feature is before its lookback. */
void pu__stream_push(pu__stream *stream, const pu_feature_bar *bar, double *values);

/* Bar `index` with prices adjusted for splits and dividends. */
pu_feature_bar pu__adjusted_bar(const pu_bars *bars, int64_t index);

#endif
