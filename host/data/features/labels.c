#include "host/data/features/labels.h"

#include "plusultra/memory.h"

pu_status pu__label_stream_open(const pu__label_set *set, pu__label_stream *out) {
    *out = (pu__label_stream){.set = set, .reach_bars = set->latency_bars};
    int64_t longest = 0;
    for (int i = 0; i < set->horizons; ++i)
        longest = longest > set->horizon_bars[i] ? longest : set->horizon_bars[i];
    out->reach_bars += longest;
    const int64_t room = out->reach_bars + 1;
    out->price = pu_calloc((size_t)room, 2 * sizeof *out->price);
    if (!out->price) return PU_ERR_MEMORY;
    out->sigma = out->price + room;
    return PU_OK;
}

void pu__label_stream_close(pu__label_stream *stream) {
    pu_free(stream->price);
    *stream = (pu__label_stream){0};
}

static void fill_row(const pu__label_stream *stream, int64_t index, float *row) {
    const pu__label_set *set = stream->set;
    const int64_t room = stream->reach_bars + 1, fill = index + set->latency_bars;
    const double sigma = stream->sigma[index % room];
    const bool is_scaled = index >= set->vol_bars && sigma > (double)PU_SIGMA_MIN;
    const float stored = sigma > (double)PU_SIGMA_MIN ? (float)sigma : PU_SIGMA_MIN;
    for (int i = 0; i < set->horizons; ++i) {
        const int64_t h = set->horizon_bars[i];
        row[i] = NAN;
        if (!is_scaled || fill + h >= stream->bars) continue;
        row[i] = (float)(log(stream->price[(fill + h) % room] / stream->price[fill % room]) /
                         ((double)stored * sqrt((double)h)));
    }
    row[set->horizons] = stored;
}

bool pu__label_stream_push(pu__label_stream *stream, double adjusted, float *row) {
    const int64_t at = stream->bars % (stream->reach_bars + 1);
    stream->price[at] = adjusted;
    stream->sigma[at] = pu__volatility_push(&stream->volatility, (double)stream->set->vol_bars, adjusted);
    stream->bars += 1;
    return stream->bars > stream->reach_bars && pu__label_stream_rest(stream, row);
}

bool pu__label_stream_rest(pu__label_stream *stream, float *row) {
    if (stream->rows == stream->bars) return false;
    fill_row(stream, stream->rows++, row);
    return true;
}
