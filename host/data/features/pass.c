#include "host/data/features/pass.h"

#include <stdio.h>

#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { ERROR_BYTES = 512, SLICES = 2 };

/* While the features of one slice are computed, the other one is handed on and then filled again. */
typedef struct pass {
    const pu__plan *plan;
    int asset;
    const pu__pass_options *options;
    pu__pass_consume consume;
    void *context;
    pu__feed feed;
    pu__stream *stream;
    pu__slice slice[SLICES];
    double **value[SLICES]; /* [features] columns */
    double *memory;         /* of all columns */
    double *panel_scratch;
    int universe; /* place among the inputs; -1: not taken */
    int64_t bars;
    int current;
    pu_status status; /* of the thread that hands on and reads */
    char error[ERROR_BYTES];
} pass;

static pu_status read_next(pass *p, int at) {
    pu__slice *slice = &p->slice[at];
    int64_t last_ts = 0;
    bool ended = false;
    PU_TRY(pu__feed_peek(&p->feed, &last_ts, &ended));
    if (pu_interrupted()) return pu_fail(PU_ERR_INTERRUPTED, "stopped while features were computed");
    PU_TRY(pu__feed_take(&p->feed, last_ts, slice));
    const int64_t first = slice->columns.first, count = slice->columns.count;
    p->bars += count;
    if (!p->options->panel || count == 0) return PU_OK;
    if (p->bars > p->plan->asset[p->asset].bars)
        return pu_fail(PU_ERR_STORE, "%s: its bars changed while features were computed; run again",
                       p->plan->asset[p->asset].symbol);
    return pu__panel_read(p->options->panel, p->asset, first, count, p->panel_scratch,
                          p->universe >= 0 ? pu__slice_input(slice, p->universe) : NULL, p->value[at]);
}

static pu_status hand_on(pass *p, int at) {
    const pu__pass_chunk chunk = {&p->slice[at], (const double *const *)p->value[at]};
    return chunk.slice->columns.count > 0 ? p->consume(p->context, &chunk) : PU_OK;
}

/* Item 0 is the other slice; item 1 + f feature f of the current one. */
static void run_items(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    pass *p = context;
    const int current = p->current, other = 1 - current;
    for (int64_t item = begin; item < end; ++item) {
        if (item == 0) {
            p->status = hand_on(p, other);
            if (p->status == PU_OK) p->status = read_next(p, other);
            if (p->status != PU_OK) snprintf(p->error, sizeof p->error, "%s", pu_error_message());
            continue;
        }
        const int f = (int)item - 1;
        const bool is_ready = p->options->panel && p->plan->features.feature[f]->cross != PU_CROSS_NONE;
        if (!is_ready) pu__slice_run(p->plan, f, p->stream, f, &p->slice[current], p->value[current][f]);
    }
}

static pu_status run(pass *p) {
    PU_TRY(read_next(p, 0));
    for (p->current = 0; p->slice[p->current].columns.count > 0; p->current = 1 - p->current) {
        pu_parallel_for(p->options->pool, 1 + p->plan->features.count, 1, run_items, p);
        if (p->status != PU_OK) return pu_fail(p->status, "%s", p->error);
        PU_TRY(pu__stream_check(p->stream));
    }
    return hand_on(p, 1 - p->current);
}

static pu_status open_columns(pass *p) {
    const size_t features = (size_t)p->plan->features.count, bars = (size_t)p->options->chunk_bars;
    p->memory = pu_calloc(SLICES * features * bars, sizeof *p->memory);
    if (!p->memory) return PU_ERR_MEMORY;
    for (int s = 0; s < SLICES; ++s) {
        PU_TRY(pu__slice_open(p->plan, p->options->chunk_bars, &p->slice[s]));
        p->value[s] = pu_calloc(features, sizeof *p->value[s]);
        if (!p->value[s]) return PU_ERR_MEMORY;
        for (size_t f = 0; f < features; ++f) p->value[s][f] = p->memory + ((size_t)s * features + f) * bars;
    }
    if (!p->options->panel) return PU_OK;
    p->panel_scratch = pu_calloc(1, pu__panel_scratch_bytes(p->options->panel, p->options->chunk_bars));
    return p->panel_scratch ? PU_OK : PU_ERR_MEMORY;
}

static pu_status open_pass(pass *p, pu_store *store) {
    const pu__feature_set *set = &p->plan->features;
    for (int i = 0; i < set->inputs.count; ++i) {
        if (set->inputs.input[i].kind == PU__INPUT_UNIVERSE) p->universe = i;
    }
    PU_TRY(pu__feed_open(p->plan, store, p->asset, p->options->until_ts, p->options->chunk_bars, false, &p->feed));
    PU_TRY(open_columns(p));
    return pu__stream_open(set->count, set->feature, p->options->chunk_bars, p->options->one_by_one, &p->stream);
}

static void close_pass(pass *p) {
    if (p->feed.plan) pu__feed_close(&p->feed);
    pu__stream_close(p->stream);
    for (int s = 0; s < SLICES; ++s) {
        pu__slice_close(&p->slice[s]);
        pu_free(p->value[s]);
    }
    pu_free(p->memory);
    pu_free(p->panel_scratch);
}

pu_status pu__pass_run(const pu__plan *plan, pu_store *store, int asset, const pu__pass_options *options,
                       pu__pass_consume consume, void *context, int64_t *bars) {
    pass p = {
        .plan = plan, .asset = asset, .options = options, .consume = consume, .context = context, .universe = -1};
    pu_status status = open_pass(&p, store);
    if (status == PU_OK) status = run(&p);
    *bars = p.bars;
    close_pass(&p);
    return status;
}
