/* Window by window of time: the bars of all assets up to the first moment at which some asset's chunk ends; the
 * universe's mean; the cross-sectional features' own values, asset by asset; then what they are among the assets of
 * each close.
 *
 * Sums run in the order of the assets' numbers in the store, so that the bits do not depend on chunks, threads, or
 * which assets have enough bars for blocks of their own. */
#include "host/data/features/panel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/features/compare.h"
#include "host/data/features/feed.h"
#include "host/data/features/spool.h"
#include "plusultra/memory.h"

/* A window's bars over all assets, so that memory stays bounded with many assets too. */
enum { WINDOW_BARS = 1 << 18, CHUNK_BARS_MIN = 64 };

struct pu__panel {
    pu__spool spool; /* rows of all assets, one asset behind the other: [columns] */
    int columns, crossed;
    int universe; /* place among the plan's inputs; -1: nobody takes it */
    int *feature; /* [crossed]: which of the plan's, in order of the columns */
    int64_t *first_row;
};

typedef struct member {
    pu__feed feed;
    pu__slice slice;
    pu__stream *stream; /* of the crossed features */
    double *row;        /* [capacity][columns]: what the spool gets */
    double *column;     /* [capacity] */
    int64_t done;       /* bars in the spool */
} member;

/* One bar of the window. */
typedef struct event {
    int64_t ts, asset_id;
    int member, row;
} event;

typedef struct work {
    const pu__plan *plan;
    pu__panel *panel;
    const pu_feature **feature; /* [crossed] */
    int64_t chunk_bars;
    member *member; /* [assets] */
    event *event;   /* [assets * chunk_bars] */
    int64_t events;
    pu__entrant *entrant; /* [assets] */
} work;

/* ---- among the assets of one close ---- */

static void cross(work *w, int64_t from, int64_t to, int column, pu_feature_cross how) {
    for (int64_t i = from; i < to; ++i) {
        const event *e = &w->event[i];
        w->entrant[i - from].place = &w->member[e->member].row[(int64_t)e->row * w->panel->columns + column];
    }
    pu__compare(how, (int)(to - from), w->entrant);
}

static void average(work *w, int64_t from, int64_t to) {
    pu__mean_return mean = {0};
    for (int64_t i = from; i < to; ++i) {
        const event *e = &w->event[i];
        pu__mean_return_add(&mean, w->member[e->member].slice.columns.log_return[e->row]);
    }
    for (int64_t i = from; i < to; ++i) {
        const event *e = &w->event[i];
        member *m = &w->member[e->member];
        const double value = pu__mean_return_get(&mean);
        pu__slice_input(&m->slice, w->panel->universe)[e->row] = (pu_feature_value){.value = value};
        m->row[(int64_t)e->row * w->panel->columns] = value;
    }
}

/* ---- one window ---- */

static int by_time(const void *a, const void *b) {
    const event *x = a, *y = b;
    if (x->ts != y->ts) return x->ts < y->ts ? -1 : 1;
    return (x->asset_id > y->asset_id) - (x->asset_id < y->asset_id);
}

static pu_status take_window(work *w, int64_t to_ts) {
    w->events = 0;
    for (int a = 0; a < w->plan->member_count; ++a) {
        member *m = &w->member[a];
        PU_TRY(pu__feed_take(&m->feed, to_ts, &m->slice));
        for (int64_t i = 0; i < m->slice.columns.count; ++i)
            w->event[w->events++] = (event){m->slice.columns.ts[i], w->plan->asset[a].id, a, (int)i};
    }
    qsort(w->event, (size_t)w->events, sizeof *w->event, by_time);
    return PU_OK;
}

static void run_members(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    work *w = context;
    const int base = w->panel->universe >= 0;
    for (int64_t a = begin; a < end; ++a) {
        member *m = &w->member[a];
        for (int c = 0; c < w->panel->crossed; ++c) {
            pu__slice_run(w->plan, w->panel->feature[c], m->stream, c, &m->slice, m->column);
            for (int64_t i = 0; i < m->slice.columns.count; ++i)
                m->row[i * w->panel->columns + base + c] = m->column[i];
        }
    }
}

/* Calls `average`, or `cross` for every crossed feature, for each close of the window. */
static void over_closes(work *w, bool is_average) {
    const int base = w->panel->universe >= 0;
    for (int64_t from = 0, to; from < w->events; from = to) {
        for (to = from + 1; to < w->events && w->event[to].ts == w->event[from].ts;) ++to;
        if (is_average) average(w, from, to);
        for (int c = 0; !is_average && c < w->panel->crossed; ++c)
            cross(w, from, to, base + c, w->feature[c]->cross);
    }
}

static pu_status put_window(work *w) {
    const int64_t row_bytes = w->panel->columns * (int64_t)sizeof(double);
    for (int a = 0; a < w->plan->member_count; ++a) {
        member *m = &w->member[a];
        const int64_t count = m->slice.columns.count, row = w->panel->first_row[a] + m->done;
        if (m->done + count > w->plan->asset[a].bars)
            return pu_fail(PU_ERR_STORE, "%s: its bars changed while features were computed; run again",
                           w->plan->asset[a].symbol);
        PU_TRY(pu__spool_write(&w->panel->spool, row * row_bytes, m->row, (size_t)(count * row_bytes)));
        m->done += count;
    }
    return PU_OK;
}

static pu_status run_windows(work *w, pu_pool *pool) {
    for (;;) {
        int64_t to_ts = INT64_MAX;
        bool is_over = true;
        for (int a = 0; a < w->plan->member_count; ++a) {
            int64_t last_ts = 0;
            bool ended = false;
            PU_TRY(pu__feed_peek(&w->member[a].feed, &last_ts, &ended));
            is_over = is_over && ended;
            if (!ended && last_ts < to_ts) to_ts = last_ts;
        }
        if (is_over) return PU_OK;
        PU_TRY(take_window(w, to_ts));
        if (w->panel->universe >= 0) over_closes(w, true);
        pu_parallel_for(pool, w->plan->member_count, 1, run_members, w);
        for (int a = 0; a < w->plan->member_count; ++a) PU_TRY(pu__stream_check(w->member[a].stream));
        over_closes(w, false);
        PU_TRY(put_window(w));
    }
}

/* ---- opening ---- */

static pu_status open_member(work *w, pu_store *store, int asset, const pu__panel_options *options) {
    member *m = &w->member[asset];
    const size_t capacity = (size_t)w->chunk_bars;
    PU_TRY(pu__feed_open(w->plan, store, asset, options->until_ts, w->chunk_bars, true, &m->feed));
    PU_TRY(pu__slice_open(w->plan, w->chunk_bars, &m->slice));
    PU_TRY(pu__stream_open(w->panel->crossed, w->feature, w->chunk_bars, options->one_by_one, &m->stream));
    m->row = pu_calloc(capacity * (size_t)w->panel->columns, sizeof *m->row);
    m->column = pu_calloc(capacity, sizeof *m->column);
    return m->row && m->column ? PU_OK : PU_ERR_MEMORY;
}

static pu_status open_members(work *w, pu_store *store, const pu__panel_options *options) {
    const size_t assets = (size_t)w->plan->member_count;
    const int64_t share = WINDOW_BARS / w->plan->member_count;
    w->chunk_bars = options->chunk_bars < share ? options->chunk_bars : share;
    if (w->chunk_bars < CHUNK_BARS_MIN && options->chunk_bars >= CHUNK_BARS_MIN) w->chunk_bars = CHUNK_BARS_MIN;
    w->feature = pu_calloc((size_t)w->panel->crossed, sizeof *w->feature);
    w->member = pu_calloc(assets, sizeof *w->member);
    w->event = pu_calloc(assets * (size_t)w->chunk_bars, sizeof *w->event);
    w->entrant = pu_calloc(assets, sizeof *w->entrant);
    if (!w->feature || !w->member || !w->event || !w->entrant) return PU_ERR_MEMORY;
    for (int c = 0; c < w->panel->crossed; ++c) w->feature[c] = w->plan->features.feature[w->panel->feature[c]];
    for (int a = 0; a < w->plan->member_count; ++a) PU_TRY(open_member(w, store, a, options));
    return PU_OK;
}

static void close_members(work *w) {
    for (int a = 0; w->member && a < w->plan->member_count; ++a) {
        member *m = &w->member[a];
        if (m->feed.plan) pu__feed_close(&m->feed);
        pu__slice_close(&m->slice);
        pu__stream_close(m->stream);
        pu_free(m->row);
        pu_free(m->column);
    }
    pu_free(w->feature);
    pu_free(w->member);
    pu_free(w->event);
    pu_free(w->entrant);
}

static pu_status describe(const pu__plan *plan, pu__panel *panel) {
    panel->universe = -1;
    for (int i = 0; i < plan->features.inputs.count; ++i) {
        if (plan->features.inputs.input[i].kind == PU__INPUT_UNIVERSE) panel->universe = i;
    }
    panel->feature = pu_calloc((size_t)plan->features.count, sizeof *panel->feature);
    panel->first_row = pu_calloc((size_t)plan->member_count, sizeof *panel->first_row);
    if (!panel->feature || !panel->first_row) return PU_ERR_MEMORY;
    for (int f = 0; f < plan->features.count; ++f) {
        if (plan->features.feature[f]->cross != PU_CROSS_NONE) panel->feature[panel->crossed++] = f;
    }
    panel->columns = panel->crossed + (panel->universe >= 0);
    for (int a = 1; a < plan->member_count; ++a)
        panel->first_row[a] = panel->first_row[a - 1] + plan->asset[a - 1].bars;
    return pu__spool_open(&panel->spool);
}

pu_status pu__panel_build(const pu__plan *plan, pu_store *store, const pu__panel_options *options,
                          pu__panel **out) {
    *out = NULL;
    pu__panel *panel = pu_calloc(1, sizeof *panel);
    if (!panel) return PU_ERR_MEMORY;
    panel->spool.descriptor = -1;
    work w = {.plan = plan, .panel = panel};
    pu_status status = describe(plan, panel);
    if (status == PU_OK) status = open_members(&w, store, options);
    if (status == PU_OK) status = run_windows(&w, options->pool);
    close_members(&w);
    if (status == PU_OK) *out = panel;
    else pu__panel_close(panel);
    return status;
}

void pu__panel_close(pu__panel *panel) {
    if (!panel) return;
    pu__spool_close(&panel->spool);
    pu_free(panel->feature);
    pu_free(panel->first_row);
    pu_free(panel);
}

/* ---- reading ---- */

size_t pu__panel_scratch_bytes(const pu__panel *panel, int64_t count_max) {
    return (size_t)count_max * (size_t)panel->columns * sizeof(double);
}

pu_status pu__panel_read(const pu__panel *panel, int asset, int64_t first, int64_t count, double *scratch,
                         pu_feature_value *universe, double *const *value) {
    const int columns = panel->columns, base = panel->universe >= 0;
    const int64_t row_bytes = columns * (int64_t)sizeof *scratch;
    PU_TRY(pu__spool_read(&panel->spool, (panel->first_row[asset] + first) * row_bytes, scratch,
                          (size_t)(count * row_bytes)));
    for (int64_t i = 0; i < count; ++i) {
        const double *row = scratch + i * columns;
        if (base && universe) universe[i] = (pu_feature_value){.value = row[0]};
        for (int c = 0; c < panel->crossed; ++c) value[panel->feature[c]][i] = row[base + c];
    }
    return PU_OK;
}
