#include "host/data/features/feed.h"

#include "plusultra/memory.h"

pu_status pu__slice_open(const pu__plan *plan, int64_t capacity, pu__slice *out) {
    *out = (pu__slice){0};
    PU_TRY(pu__columns_open(capacity, &out->columns));
    out->input = pu_calloc((size_t)plan->features.inputs.count * (size_t)capacity, sizeof *out->input);
    if (out->input) return PU_OK;
    pu__columns_close(&out->columns);
    return PU_ERR_MEMORY;
}

void pu__slice_close(pu__slice *slice) {
    pu__columns_close(&slice->columns);
    pu_free(slice->input);
    *slice = (pu__slice){0};
}

void pu__slice_run(const pu__plan *plan, int feature, pu__stream *stream, int place, const pu__slice *slice,
                   double *out) {
    const pu_feature_chunk chunk = pu__columns_chunk(&slice->columns);
    const int *input = plan->features.inputs.place + (size_t)feature * PU_FEATURE_INPUTS_MAX;
    const pu_feature_value *column[PU_FEATURE_INPUTS_MAX];
    for (int k = 0; k < plan->features.feature[feature]->input_count; ++k)
        column[k] = pu__slice_input(slice, input[k]);
    pu__stream_run(stream, place, &chunk, column, out);
}

pu_status pu__feed_open(const pu__plan *plan, pu_store *store, int asset, int64_t until_ts, int64_t chunk_bars,
                        bool crossed_only, pu__feed *out) {
    const pu__input_list *inputs = &plan->features.inputs;
    const pu__input_view view = {plan->asset[asset].id, plan->benchmark.id, until_ts};
    const int64_t end_ts = until_ts < INT64_MAX ? until_ts + 1 : until_ts;
    *out = (pu__feed){.plan = plan};
    out->reader = pu_calloc((size_t)inputs->count, sizeof *out->reader);
    pu_status status = out->reader ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK)
        status = pu__bar_cursor_open(store, view.asset_id, INT64_MIN, end_ts, chunk_bars, &out->cursor);
    for (int i = 0; i < inputs->count && status == PU_OK; ++i) {
        if (inputs->input[i].kind == PU__INPUT_UNIVERSE || (crossed_only && !inputs->input[i].is_crossed))
            continue;
        status = pu__input_reader_open(store, &inputs->input[i], &view, &out->reader[i]);
    }
    if (status != PU_OK) pu__feed_close(out);
    return status;
}

void pu__feed_close(pu__feed *feed) {
    for (int i = 0; feed->reader && i < feed->plan->features.inputs.count; ++i)
        pu__input_reader_close(&feed->reader[i]);
    pu_free(feed->reader);
    pu__bar_cursor_close(&feed->cursor);
    *feed = (pu__feed){0};
}

pu_status pu__feed_peek(pu__feed *feed, int64_t *last_ts, bool *ended) {
    if (!feed->bars || (feed->next == feed->bars->count && feed->bars->count > 0)) {
        PU_TRY(pu__bar_cursor_next(&feed->cursor, &feed->bars));
        feed->next = 0;
    }
    *ended = feed->bars->count == 0;
    *last_ts = *ended ? INT64_MIN : feed->bars->ts[feed->bars->count - 1];
    return PU_OK;
}

pu_status pu__feed_take(pu__feed *feed, int64_t to_ts, pu__slice *out) {
    const int64_t from = feed->next;
    while (feed->next < feed->bars->count && feed->bars->ts[feed->next] <= to_ts) feed->next += 1;
    pu__columns_take(&feed->adjust, feed->bars, from, feed->next - from, &out->columns);
    for (int i = 0; i < feed->plan->features.inputs.count; ++i) {
        pu__input_reader *reader = &feed->reader[i];
        if (!reader->asof && !reader->benchmark.query) continue;
        PU_TRY(pu__input_reader_read(reader, out->columns.count, out->columns.ts, pu__slice_input(out, i)));
    }
    return PU_OK;
}
