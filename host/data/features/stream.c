#include <math.h>

#include "host/data/features/features_internal.h"
#include "plusultra/memory.h"

struct pu__stream {
    int count;
    const pu_feature *const *feature; /* borrowed */
    int64_t index;                    /* of the next bar */
    size_t *state_offset;
    unsigned char *state;
};

/* States are kept a cache line apart, which also aligns them for any type. */
enum { STATE_ALIGNMENT_BYTES = 64 };

pu_status pu__stream_open(int count, const pu_feature *const *features, pu__stream **out) {
    *out = NULL;
    pu__stream *stream = pu_calloc(1, sizeof *stream);
    if (!stream) return PU_ERR_MEMORY;
    stream->count = count;
    stream->feature = features;
    stream->state_offset = pu_calloc((size_t)count, sizeof *stream->state_offset);
    size_t bytes = 0;
    for (int i = 0; stream->state_offset && i < count; ++i) {
        stream->state_offset[i] = bytes;
        bytes +=
            (features[i]->state_bytes + STATE_ALIGNMENT_BYTES - 1) / STATE_ALIGNMENT_BYTES * STATE_ALIGNMENT_BYTES;
    }
    stream->state = pu_calloc(1, bytes);
    if (!stream->state_offset || !stream->state) {
        pu__stream_close(stream);
        return PU_ERR_MEMORY;
    }
    *out = stream;
    return PU_OK;
}

void pu__stream_close(pu__stream *stream) {
    if (!stream) return;
    pu_free(stream->state_offset);
    pu_free(stream->state);
    pu_free(stream);
}

/* Each feature gets its own copy of the bar: nothing it holds a pointer to leads to another bar. */
void pu__stream_push(pu__stream *stream, const pu_feature_bar *bar, double *values) {
    const int64_t index = stream->index++;
    for (int i = 0; i < stream->count; ++i) {
        const pu_feature *feature = stream->feature[i];
        const pu_feature_bar own = *bar;
        const double value =
            feature->update(stream->state + stream->state_offset[i], feature->parameters, &own, index);
        values[i] = index < feature->lookback_bars ? NAN : value;
    }
}

pu_feature_bar pu__adjusted_bar(const pu_bars *bars, int64_t index) {
    const double close = bars->close[index], adjusted = bars->adjusted[index];
    const double factor = adjusted == close ? 1 : adjusted / close;
    return (pu_feature_bar){
        .ts = bars->ts[index],
        .open = bars->open[index] * factor,
        .high = bars->high[index] * factor,
        .low = bars->low[index] * factor,
        .close = adjusted,
        .volume = bars->volume ? bars->volume[index] : NAN,
    };
}

pu_status pu_feature_compute(const pu_feature *feature, const pu_bars *bars, double *out) {
    pu__stream *stream = NULL;
    PU_TRY(pu__stream_open(1, &feature, &stream));
    for (int64_t i = 0; i < bars->count; ++i) {
        const pu_feature_bar bar = pu__adjusted_bar(bars, i);
        pu__stream_push(stream, &bar, &out[i]);
    }
    pu__stream_close(stream);
    return PU_OK;
}
