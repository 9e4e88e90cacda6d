#include "host/data/features/continuation.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/data/features/compare.h"
#include "host/data/features/feed.h"
#include "host/data/features/labels.h"
#include "host/data/features/panel.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

/* Where a member's history ends. */
typedef struct ending {
    pu__adjust adjust;
    pu__stream *stream;
    pu__label_stream sigma;
    pu_feature_value *input; /* [inputs][bars] to come; those of benchmark and universe are not filled */
    int64_t last_ts;
} ending;

struct pu__continuation {
    const pu__plan *plan;
    int64_t bars;
    int64_t *ts;
    bool *goes_on;
    pu__label_set sigma_set; /* the plan's, without targets: a row is sigma alone, known at once */
    int *order;              /* [members] by their numbers in the store */
    int universe, benchmark; /* places among the inputs; -1: nobody takes it */
    int crossed;             /* features of a cross-section */
    int *crossed_place;      /* [features] of those, their number */
    ending *ending;          /* [members] */
};

struct pu__continuation_room {
    const pu__continuation *continuation;
    pu__slice *slice; /* [members] */
    pu__stream *stream;
    pu__label_stream sigma;
    double *column;       /* [bars] */
    double *crossed;      /* [crossed][members][bars]: their values */
    pu__entrant *entrant; /* [members] */
};

/* ---- the history ---- */

typedef struct passage {
    const pu__plan *plan;
    pu__slice slice;
    pu__stream *stream;
    double *memory;  /* of the columns */
    double **column; /* [features] */
    double *scratch; /* of the panel */
} passage;

static void run_features(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    passage *p = context;
    for (int64_t f = begin; f < end; ++f)
        pu__slice_run(p->plan, (int)f, p->stream, (int)f, &p->slice, p->column[f]);
}

static pu_status open_passage(const pu__continuation *c, const pu__panel *panel, passage *out) {
    const size_t features = (size_t)c->plan->features.count;
    *out = (passage){.plan = c->plan};
    PU_TRY(pu__slice_open(c->plan, PU__CHUNK_BARS, &out->slice));
    out->memory = pu_calloc(features * PU__CHUNK_BARS, sizeof *out->memory);
    out->column = pu_calloc(features, sizeof *out->column);
    out->scratch = pu_calloc(1, panel ? pu__panel_scratch_bytes(panel, PU__CHUNK_BARS) : 1);
    if (!out->memory || !out->column || !out->scratch) return PU_ERR_MEMORY;
    for (size_t f = 0; f < features; ++f) out->column[f] = out->memory + f * PU__CHUNK_BARS;
    return PU_OK;
}

static void close_passage(passage *p) {
    pu__slice_close(&p->slice);
    pu_free(p->memory);
    pu_free(p->column);
    pu_free(p->scratch);
}

/* The inputs at the times to come, by readers that have been through the history. */
static pu_status read_ahead(const pu__continuation *c, pu__feed *feed, ending *end) {
    const int inputs = c->plan->features.inputs.count;
    end->input = pu_calloc((size_t)inputs * (size_t)c->bars, sizeof *end->input);
    if (!end->input) return PU_ERR_MEMORY;
    for (int i = 0; i < inputs; ++i) {
        if (i != c->universe && i != c->benchmark)
            PU_TRY(pu__input_reader_read(&feed->reader[i], c->bars, c->ts, end->input + i * c->bars));
    }
    return PU_OK;
}

static pu_status pass_through(const pu__continuation *c, const pu__panel *panel, int member, pu__feed *feed,
                              passage *p, pu_pool *pool) {
    ending *end = &c->ending[member];
    float sigma;
    p->stream = end->stream;
    for (;;) {
        bool ended = false;
        int64_t last_ts = 0;
        PU_TRY(pu__feed_peek(feed, &last_ts, &ended));
        if (ended) break;
        PU_TRY(pu__feed_take(feed, last_ts, &p->slice));
        end->last_ts = last_ts;
        const pu__columns *bars = &p->slice.columns;
        if (panel && feed->adjust.bars > c->plan->asset[member].bars)
            return pu_fail(PU_ERR_STORE, "%s: its bars changed while they were read; run again",
                           c->plan->asset[member].symbol);
        if (panel)
            PU_TRY(pu__panel_read(panel, member, bars->first, bars->count, p->scratch,
                                  pu__slice_input(&p->slice, c->universe), p->column));
        pu_parallel_for(pool, c->plan->features.count, 1, run_features, p);
        for (int64_t i = 0; i < bars->count; ++i) pu__label_stream_push(&end->sigma, bars->close[i], &sigma);
        if (pu_interrupted()) return pu_fail(PU_ERR_INTERRUPTED, "stopped while the history was read");
    }
    end->adjust = feed->adjust;
    PU_TRY(pu__stream_check(end->stream));
    return c->goes_on[member] ? read_ahead(c, feed, end) : PU_OK;
}

static pu_status check_ending(const pu__continuation *c, int member, int64_t until_ts) {
    const ending *end = &c->ending[member];
    char when[32], last[32];
    if (!c->goes_on[member] || (end->adjust.bars > 0 && end->last_ts == until_ts)) return PU_OK;
    pu_time_format(until_ts, true, when);
    pu_time_format(end->last_ts, true, last);
    return pu_fail(PU_ERR_DATA, "%s has no bar that closes at %s, where the simulation begins%s%s",
                   c->plan->asset[member].symbol, when, end->adjust.bars ? ": its last one before closes at " : "",
                   end->adjust.bars ? last : "");
}

static pu_status run_history(pu__continuation *c, pu_store *store, const pu__panel *panel, passage *p,
                             const pu__continuation_options *options) {
    const pu__feature_set *set = &c->plan->features;
    for (int m = 0; m < c->plan->member_count; ++m) {
        pu__feed feed;
        ending *end = &c->ending[m];
        PU_TRY(pu__stream_open(set->count, set->feature, PU__CHUNK_BARS, false, &end->stream));
        PU_TRY(pu__label_stream_open(&c->sigma_set, &end->sigma));
        PU_TRY(pu__feed_open(c->plan, store, m, options->until_ts, PU__CHUNK_BARS, false, &feed));
        const pu_status status = pass_through(c, panel, m, &feed, p, options->pool);
        pu__feed_close(&feed);
        PU_TRY(status);
        PU_TRY(check_ending(c, m, options->until_ts));
    }
    return PU_OK;
}

/* ---- opening ---- */

static void order_members(pu__continuation *c) {
    for (int i = 0; i < c->plan->member_count; ++i) {
        int at = i;
        for (; at > 0 && c->plan->asset[c->order[at - 1]].id > c->plan->asset[i].id; --at)
            c->order[at] = c->order[at - 1];
        c->order[at] = i;
    }
}

static pu_status describe(pu__continuation *c, const pu__continuation_options *options) {
    const pu__plan *plan = c->plan;
    const size_t members = (size_t)plan->member_count, bars = (size_t)c->bars;
    c->ts = pu_calloc(bars, sizeof *c->ts);
    c->goes_on = pu_calloc(members, sizeof *c->goes_on);
    c->order = pu_calloc(members, sizeof *c->order);
    c->ending = pu_calloc(members, sizeof *c->ending);
    c->crossed_place = pu_calloc((size_t)plan->features.count, sizeof *c->crossed_place);
    if (!c->ts || !c->goes_on || !c->order || !c->ending || !c->crossed_place) return PU_ERR_MEMORY;
    for (int f = 0; f < plan->features.count; ++f) {
        if (plan->features.feature[f]->cross != PU_CROSS_NONE) c->crossed_place[f] = c->crossed++;
    }
    memcpy(c->ts, options->ts, bars * sizeof *c->ts);
    memcpy(c->goes_on, options->goes_on, members * sizeof *c->goes_on);
    order_members(c);
    c->universe = c->benchmark = -1;
    for (int i = 0; i < plan->features.inputs.count; ++i) {
        const pu__input_kind kind = plan->features.inputs.input[i].kind;
        if (kind == PU__INPUT_UNIVERSE) c->universe = i;
        if (kind == PU__INPUT_BENCHMARK) c->benchmark = i;
    }
    c->sigma_set = plan->labels;
    c->sigma_set.horizons = 0;
    c->sigma_set.latency_bars = 0;
    return PU_OK;
}

static pu_status open_with_panel(pu__continuation *c, pu_store *store, const pu__continuation_options *options) {
    const pu__panel_options seen = {
        .until_ts = options->until_ts, .chunk_bars = PU__CHUNK_BARS, .pool = options->pool};
    pu__panel *panel = NULL;
    passage p;
    if (c->universe >= 0) PU_TRY(pu__panel_build(c->plan, store, &seen, &panel));
    pu_status status = open_passage(c, panel, &p);
    if (status == PU_OK) status = run_history(c, store, panel, &p, options);
    close_passage(&p);
    pu__panel_close(panel);
    return status;
}

pu_status pu__continuation_open(const pu__plan *plan, pu_store *store, const pu__continuation_options *options,
                                pu__continuation **out) {
    *out = NULL;
    pu__continuation *c = pu_calloc(1, sizeof *c);
    if (!c) return PU_ERR_MEMORY;
    *c = (pu__continuation){.plan = plan, .bars = options->bars};
    pu_status status = describe(c, options);
    if (status == PU_OK) status = open_with_panel(c, store, options);
    if (status == PU_OK) *out = c;
    else pu__continuation_close(c);
    return status;
}

void pu__continuation_close(pu__continuation *c) {
    if (!c) return;
    for (int m = 0; c->ending && m < c->plan->member_count; ++m) {
        pu__stream_close(c->ending[m].stream);
        pu__label_stream_close(&c->ending[m].sigma);
        pu_free(c->ending[m].input);
    }
    pu_free(c->ending);
    pu_free(c->ts);
    pu_free(c->goes_on);
    pu_free(c->order);
    pu_free(c->crossed_place);
    pu_free(c);
}

double pu__continuation_last(const pu__continuation *continuation, int member) {
    return continuation->ending[member].adjust.last_close;
}

static pu_status open_room(const pu__continuation *c, pu__continuation_room *room) {
    const pu__feature_set *set = &c->plan->features;
    const size_t members = (size_t)c->plan->member_count, bars = (size_t)c->bars;
    room->slice = pu_calloc(members, sizeof *room->slice);
    room->column = pu_calloc(bars, sizeof *room->column);
    room->crossed = pu_calloc((size_t)c->crossed * members * bars, sizeof *room->crossed);
    room->entrant = pu_calloc(members, sizeof *room->entrant);
    if (!room->slice || !room->column || !room->crossed || !room->entrant) return PU_ERR_MEMORY;
    for (size_t m = 0; m < members; ++m) PU_TRY(pu__slice_open(c->plan, c->bars, &room->slice[m]));
    PU_TRY(pu__label_stream_open(&c->sigma_set, &room->sigma));
    return pu__stream_open(set->count, set->feature, c->bars, false, &room->stream);
}

pu_status pu__continuation_room_open(const pu__continuation *continuation, pu__continuation_room **out) {
    *out = NULL;
    pu__continuation_room *room = pu_calloc(1, sizeof *room);
    if (!room) return PU_ERR_MEMORY;
    room->continuation = continuation;
    const pu_status status = open_room(continuation, room);
    if (status == PU_OK) *out = room;
    else pu__continuation_room_close(room);
    return status;
}

void pu__continuation_room_close(pu__continuation_room *room) {
    if (!room) return;
    for (int m = 0; room->slice && m < room->continuation->plan->member_count; ++m)
        pu__slice_close(&room->slice[m]);
    pu__stream_close(room->stream);
    pu__label_stream_close(&room->sigma);
    pu_free(room->slice);
    pu_free(room->column);
    pu_free(room->crossed);
    pu_free(room->entrant);
    pu_free(room);
}

/* ---- one continuation ---- */

static pu_status not_finite(const pu__continuation_room *room, int member, int feature, int64_t at, double value) {
    const pu__continuation *c = room->continuation;
    const pu_feature *descriptor = c->plan->features.feature[feature];
    const int *place = c->plan->features.inputs.place + (size_t)feature * PU_FEATURE_INPUTS_MAX;
    char when[32];
    pu_time_format(c->ts[at], true, when);
    for (int k = 0; k < descriptor->input_count; ++k) {
        if (!isnan(pu__slice_input(&room->slice[member], place[k])[at].value)) continue;
        return pu_fail(PU_ERR_DATA,
                       "%s at %s, bar %" PRId64
                       " of the simulation: the feature %s has no value any more, its input %s is as it was last "
                       "known, and out of date by then: raise the limit of the series, simulate fewer bars, or "
                       "train without the feature",
                       c->plan->asset[member].symbol, when, at + 1, descriptor->name, descriptor->inputs[k]);
    }
    return pu_fail(PU_ERR_DATA,
                   "%s at %s, bar %" PRId64
                   " of the simulation: the value of the feature %s, %.3g, is no finite number in single "
                   "precision: train without the feature",
                   c->plan->asset[member].symbol, when, at + 1, descriptor->name, value);
}

static pu_status put_column(const pu__continuation_room *room, int member, int feature, const double *column,
                            float *features) {
    const pu__continuation *c = room->continuation;
    const int64_t columns = c->plan->features.count;
    float *out = features + member * c->bars * columns + feature;
    for (int64_t i = 0; i < c->bars; ++i) {
        out[i * columns] = (float)column[i];
        if (!isfinite(out[i * columns])) return not_finite(room, member, feature, i, column[i]);
    }
    return PU_OK;
}

static void take_bars(pu__continuation_room *room, int member, const pu_bars *bars, const double *benchmark) {
    const pu__continuation *c = room->continuation;
    pu__slice *slice = &room->slice[member];
    pu__adjust adjust = c->ending[member].adjust;
    pu__columns_take(&adjust, bars, 0, c->bars, &slice->columns);
    for (int i = 0; i < c->plan->features.inputs.count; ++i) {
        pu_feature_value *input = pu__slice_input(slice, i);
        if (i != c->universe && i != c->benchmark)
            memcpy(input, c->ending[member].input + i * c->bars, (size_t)c->bars * sizeof *input);
        for (int64_t t = 0; i == c->benchmark && t < c->bars; ++t)
            input[t] = (pu_feature_value){.value = benchmark ? benchmark[t] : NAN};
    }
}

static void average_returns(pu__continuation_room *room) {
    const pu__continuation *c = room->continuation;
    for (int64_t t = 0; t < c->bars; ++t) {
        pu__mean_return mean = {0};
        for (int i = 0; i < c->plan->member_count; ++i) {
            if (c->goes_on[c->order[i]])
                pu__mean_return_add(&mean, room->slice[c->order[i]].columns.log_return[t]);
        }
        const double value = pu__mean_return_get(&mean);
        for (int m = 0; m < c->plan->member_count; ++m) {
            if (c->goes_on[m])
                pu__slice_input(&room->slice[m], c->universe)[t] = (pu_feature_value){.value = value};
        }
    }
}

static double *crossed_column(const pu__continuation_room *room, int feature, int member) {
    const pu__continuation *c = room->continuation;
    return room->crossed + ((int64_t)c->crossed_place[feature] * c->plan->member_count + member) * c->bars;
}

/* Cross-sectional features of all members; the others of those that have rows. */
static pu_status run_member(pu__continuation_room *room, int member, float *features) {
    const pu__continuation *c = room->continuation;
    const pu__feature_set *set = &c->plan->features;
    pu__stream_copy(room->stream, c->ending[member].stream);
    for (int f = 0; f < set->count; ++f) {
        const bool is_crossed = set->feature[f]->cross != PU_CROSS_NONE;
        if (!is_crossed && member >= c->plan->asset_count) continue;
        double *column = is_crossed ? crossed_column(room, f, member) : room->column;
        pu__slice_run(c->plan, f, room->stream, f, &room->slice[member], column);
        if (!is_crossed) PU_TRY(put_column(room, member, f, column, features));
    }
    return PU_OK;
}

static pu_status cross_members(pu__continuation_room *room, int feature, float *features) {
    const pu__continuation *c = room->continuation;
    for (int64_t t = 0; t < c->bars; ++t) {
        int count = 0;
        for (int i = 0; i < c->plan->member_count; ++i) {
            if (c->goes_on[c->order[i]])
                room->entrant[count++].place = crossed_column(room, feature, c->order[i]) + t;
        }
        pu__compare(c->plan->features.feature[feature]->cross, count, room->entrant);
    }
    for (int m = 0; m < c->plan->asset_count; ++m) {
        if (c->goes_on[m]) PU_TRY(put_column(room, m, feature, crossed_column(room, feature, m), features));
    }
    return PU_OK;
}

static void run_sigma(pu__continuation_room *room, int member, float *sigma) {
    const pu__continuation *c = room->continuation;
    const pu__label_stream *ended = &c->ending[member].sigma;
    room->sigma.bars = ended->bars;
    room->sigma.rows = ended->rows;
    room->sigma.volatility = ended->volatility;
    for (int64_t t = 0; t < c->bars; ++t)
        pu__label_stream_push(&room->sigma, room->slice[member].columns.close[t], sigma + member * c->bars + t);
}

pu_status pu__continuation_run(pu__continuation_room *room, const pu_bars *bars, const double *benchmark,
                               float *features, float *sigma) {
    const pu__continuation *c = room->continuation;
    const pu__feature_set *set = &c->plan->features;
    for (int m = 0; m < c->plan->member_count; ++m) {
        if (c->goes_on[m]) take_bars(room, m, &bars[m], benchmark);
    }
    if (c->universe >= 0) average_returns(room);
    for (int m = 0; m < c->plan->member_count; ++m) {
        if (!c->goes_on[m]) continue;
        PU_TRY(run_member(room, m, features));
        if (m < c->plan->asset_count) run_sigma(room, m, sigma);
    }
    PU_TRY(pu__stream_check(room->stream));
    for (int f = 0; f < set->count; ++f) {
        if (set->feature[f]->cross != PU_CROSS_NONE) PU_TRY(cross_members(room, f, features));
    }
    return PU_OK;
}
