#include "host/data/features/truth.h"

#include "host/data/features/labels.h"
#include "plusultra/memory.h"

/* One asset on its way into the files. */
typedef struct writer {
    const pu__truth *truth;
    int asset;
    pu__label_stream label_stream;
    int64_t label_rows;
    double *feature_row; /* [PU__CHUNK_BARS][features] */
    float *label_row;    /* [labels] */
} writer;

static pu_status put_label(writer *w) {
    const pu__truth *truth = w->truth;
    const int64_t row = truth->first_row[w->asset] + w->label_rows++;
    const size_t bytes = (size_t)truth->labels * sizeof *w->label_row;
    return pu__spool_write(&truth->label, row * (int64_t)bytes, w->label_row, bytes);
}

static pu_status take(void *context, const pu__pass_chunk *chunk) {
    writer *w = context;
    const pu__columns *bars = &chunk->slice->columns;
    const int columns = w->truth->features;
    const int64_t row = w->truth->first_row[w->asset] + bars->first;
    const int64_t row_bytes = columns * (int64_t)sizeof *w->feature_row;
    for (int64_t i = 0; i < bars->count; ++i) {
        for (int c = 0; c < columns; ++c) w->feature_row[i * columns + c] = chunk->value[c][i];
        if (pu__label_stream_push(&w->label_stream, bars->close[i], w->label_row)) PU_TRY(put_label(w));
    }
    return pu__spool_write(&w->truth->feature, row * row_bytes, w->feature_row, (size_t)(bars->count * row_bytes));
}

static pu_status write_asset(writer *w, const pu__panel *panel, pu_pool *pool) {
    const pu__plan *plan = w->truth->plan;
    const pu__pass_options options = {
        .until_ts = INT64_MAX, .chunk_bars = PU__CHUNK_BARS, .panel = panel, .pool = pool};
    int64_t bars = 0;
    w->label_rows = 0;
    PU_TRY(pu__label_stream_open(&plan->labels, &w->label_stream));
    pu_status status = pu__pass_run(plan, plan->store, w->asset, &options, take, w, &bars);
    while (status == PU_OK && pu__label_stream_rest(&w->label_stream, w->label_row)) status = put_label(w);
    pu__label_stream_close(&w->label_stream);
    if (status == PU_OK && bars != plan->asset[w->asset].bars)
        status = pu_fail(PU_ERR_STORE, "%s: its bars changed during the audit; run again",
                         plan->asset[w->asset].symbol);
    return status;
}

static pu_status write_all(const pu__truth *truth, pu_pool *pool) {
    const pu__panel_options options = {.until_ts = INT64_MAX, .chunk_bars = PU__CHUNK_BARS, .pool = pool};
    writer w = {.truth = truth};
    pu__panel *panel = NULL;
    w.feature_row = pu_calloc((size_t)truth->features * PU__CHUNK_BARS, sizeof *w.feature_row);
    w.label_row = pu_calloc((size_t)truth->labels, sizeof *w.label_row);
    pu_status status = w.feature_row && w.label_row ? PU_OK : PU_ERR_MEMORY;
    if (status == PU_OK && truth->plan->features.is_panel)
        status = pu__panel_build(truth->plan, truth->plan->store, &options, &panel);
    for (w.asset = 0; w.asset < truth->plan->asset_count && status == PU_OK; ++w.asset)
        status = write_asset(&w, panel, pool);
    pu__panel_close(panel);
    pu_free(w.feature_row);
    pu_free(w.label_row);
    return status;
}

pu_status pu__truth_open(const pu__plan *plan, pu_pool *pool, pu__truth *out) {
    *out = (pu__truth){.plan = plan,
                       .features = plan->features.count,
                       .labels = 1 + plan->labels.horizons,
                       .feature = {-1},
                       .label = {-1}};
    out->first_row = pu_calloc((size_t)plan->asset_count, sizeof *out->first_row);
    if (!out->first_row) return PU_ERR_MEMORY;
    for (int a = 1; a < plan->asset_count; ++a)
        out->first_row[a] = out->first_row[a - 1] + plan->asset[a - 1].bars;
    PU_TRY(pu__spool_open(&out->feature));
    PU_TRY(pu__spool_open(&out->label));
    return write_all(out, pool);
}

void pu__truth_close(pu__truth *truth) {
    pu__spool_close(&truth->feature);
    pu__spool_close(&truth->label);
    pu_free(truth->first_row);
    truth->first_row = NULL;
}

pu_status pu__truth_features(const pu__truth *truth, int asset, int64_t first, int64_t count, double *out) {
    const int64_t bytes = truth->features * (int64_t)sizeof *out;
    return pu__spool_read(&truth->feature, (truth->first_row[asset] + first) * bytes, out,
                          (size_t)(count * bytes));
}

pu_status pu__truth_labels(const pu__truth *truth, int asset, int64_t first, int64_t count, float *out) {
    const int64_t bytes = truth->labels * (int64_t)sizeof *out;
    return pu__spool_read(&truth->label, (truth->first_row[asset] + first) * bytes, out, (size_t)(count * bytes));
}
