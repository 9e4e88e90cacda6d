/* Kinds that judge an asset as a whole: length, volume, benchmark; and the suspected split, which needs the bars that
 * follow. */
#include <inttypes.h>
#include <math.h>

#include "host/data/validate/inspect.h"

enum { DAY_S = 86400 };

static void no_bars_end(pu__watch *watch, const pu__sight *last) {
    if (!last->bar) pu__report(watch, 0, NULL, 1, "the asset has no bars");
}

const pu__check_kind pu__check_kind_no_bars = {
    .name = "no_bars",
    .finds = "An asset without a bar.",
    .unit = PU__UNIT_ASSETS,
    .end = no_bars_end,
};

static void short_end(pu__watch *watch, const pu__sight *last) {
    if (!last->bar || (double)(last->index + 1) >= pu__value(watch, 0)) return;
    pu__report(watch, 0, NULL, 1, "%" PRId64 " bars are little to learn from; %.0f are asked for", last->index + 1,
               pu__value(watch, 0));
}

const pu__check_kind pu__check_kind_short_history = {
    .name = "short_history",
    .finds = "An asset with bars, but fewer than bars_min.",
    .unit = PU__UNIT_ASSETS,
    .parameter_count = 1,
    .parameter = {{"bars_min", 250, 1, 1e9, "fewest bars accepted"}},
    .end = short_end,
};

/* ---- volume ---- */

typedef struct volume_state {
    int64_t count;
    pu__bar first;
} volume_state;

static void note_bar(volume_state *state, const pu__bar *bar, bool failed) {
    if (failed && state->count++ == 0) state->first = *bar;
}

static void zero_volume_bar(pu__watch *watch, const pu__sight *sight) {
    note_bar(watch->state, sight->bar, sight->bar->volume == 0);
}

static void zero_volume_end(pu__watch *watch, const pu__sight *last) {
    const volume_state *v = watch->state;
    if (v->count == 0) return;
    if ((double)v->count <= pu__value(watch, 0) * (double)(last->index + 1)) {
        pu__tolerate(watch, v->count);
        return;
    }
    pu__report(watch, v->first.ts, &v->first, v->count,
               "%" PRId64 " of %" PRId64 " bars, this one the first, have zero volume", v->count, last->index + 1);
}

const pu__check_kind pu__check_kind_zero_volume = {
    .name = "zero_volume",
    .finds =
        "Bars with zero volume, more than share_max of all: prices that nobody traded at. Reported once, at the "
        "first of them.",
    .parameter_count = 1,
    .parameter = {{"share_max", 0.005, 0, 1, "share of the bars that may"}},
    .state_bytes = sizeof(volume_state),
    .bar = zero_volume_bar,
    .end = zero_volume_end,
};

static void partial_volume_bar(pu__watch *watch, const pu__sight *sight) {
    note_bar(watch->state, sight->bar, isnan(sight->bar->volume));
}

static void partial_volume_end(pu__watch *watch, const pu__sight *last) {
    const volume_state *v = watch->state;
    if (v->count == 0 || v->count == last->index + 1) return; /* a source without volume is whole */
    if ((double)v->count <= pu__value(watch, 0) * (double)(last->index + 1)) {
        pu__tolerate(watch, v->count);
        return;
    }
    pu__report(watch, v->first.ts, &v->first, v->count,
               "%" PRId64 " of %" PRId64 " bars, this one the first, have no volume", v->count, last->index + 1);
}

const pu__check_kind pu__check_kind_partial_volume = {
    .name = "partial_volume",
    .finds =
        "Bars without a volume beside bars with one, more than share_max of all. An asset without any volume is "
        "not faulty. Reported once, at the first of them.",
    .parameter_count = 1,
    .parameter = {{"share_max", 0, 0, 1, "share of the bars that may"}},
    .state_bytes = sizeof(volume_state),
    .bar = partial_volume_bar,
    .end = partial_volume_end,
};

/* ---- benchmark ---- */

typedef struct benchmark_state {
    int64_t missing, first_ts;
    pu__bar first;
} benchmark_state;

static void benchmark_bar(pu__watch *watch, const pu__sight *sight) {
    benchmark_state *state = watch->state;
    if (!sight->benchmark) return;
    if (sight->index == 0) state->first_ts = sight->bar->ts;
    if (!sight->benchmark_has_bar && state->missing++ == 0) state->first = *sight->bar;
}

static void benchmark_end(pu__watch *watch, const pu__sight *last) {
    const benchmark_state *state = watch->state;
    const pu_asset *other = last->benchmark;
    if (!other || !last->bar) return;
    const int64_t bars = last->index + 1;
    const double late_days = (double)(other->first_ts - state->first_ts) / DAY_S;
    const double early_days = (double)(last->bar->ts - other->last_ts) / DAY_S, days_max = pu__value(watch, 1);
    char when[32];
    if (other->bars == 0) {
        pu__report(watch, state->first_ts, NULL, bars, "the benchmark %s has no bars", other->symbol);
    } else if (late_days > days_max) {
        pu_bar_time_format(other->first_ts, other->bar_s, when);
        pu__report(watch, state->first_ts, NULL, state->missing,
                   "the benchmark %s begins at %s, %.0f days after the asset", other->symbol, when, late_days);
    } else if (early_days > days_max) {
        pu_bar_time_format(other->last_ts, other->bar_s, when);
        pu__report(watch, last->bar->ts, NULL, state->missing,
                   "the benchmark %s ends at %s, %.0f days before the asset", other->symbol, when, early_days);
    } else if ((double)state->missing > pu__value(watch, 0) * (double)bars) {
        pu__report(watch, state->first.ts, &state->first, state->missing,
                   "%" PRId64 " of %" PRId64
                   " bars (%.2f %%), this one the first, have no bar of the benchmark %s",
                   state->missing, bars, 100.0 * (double)state->missing / (double)bars, other->symbol);
    } else {
        pu__tolerate(watch, state->missing);
    }
}

const pu__check_kind pu__check_kind_benchmark_alignment = {
    .name = "benchmark_alignment",
    .finds =
        "Assets whose bars have no bar of the benchmark at the same time, more than share_max of them, or whose "
        "benchmark begins more than days_max days later or ends as much earlier. The benchmark is "
        "data.benchmark, else the one of the asset's class in the benchmarks table; assets of another bar length "
        "are left out.",
    .parameter_count = 2,
    .parameter = {{"share_max", 0.05, 0, 1, "share of the bars that may"},
                  {"days_max", 30, 0, 1e5, "days by which the benchmark may be shorter at either end"}},
    .state_bytes = sizeof(benchmark_state),
    .bar = benchmark_bar,
    .end = benchmark_end,
};

/* ---- suspected splits ---- */

static const struct {
    double value;
    const char *text;
} plain_ratios[] = {{1.5, "3 to 2"}, {2, "2 to 1"},    {2.5, "5 to 2"}, {3, "3 to 1"},   {4, "4 to 1"},
                    {5, "5 to 1"},   {6, "6 to 1"},    {7, "7 to 1"},   {8, "8 to 1"},   {10, "10 to 1"},
                    {15, "15 to 1"}, {20, "20 to 1"},  {25, "25 to 1"}, {30, "30 to 1"}, {40, "40 to 1"},
                    {50, "50 to 1"}, {100, "100 to 1"}};

/* The plain ratio that a factor, up or down, is near to; null: none. */
static const char *plain_ratio(double factor, double tolerance) {
    const double ratio = factor < 1 ? 1 / factor : factor;
    for (size_t i = 0; i < sizeof plain_ratios / sizeof *plain_ratios; ++i) {
        if (ratio < plain_ratios[i].value * (1 - tolerance)) return NULL; /* they rise */
        if (fabs(ratio / plain_ratios[i].value - 1) <= tolerance) return plain_ratios[i].text;
    }
    return NULL;
}

typedef struct split_state {
    pu__bar bar; /* the candidate */
    const char *ratio;
    double level, step; /* log of its adjusted open, log of the overnight factor */
    double before;      /* adjusted close of the bar before */
    int64_t left;       /* bars that have yet to stay at the new level; 0: no candidate */
} split_state;

static void split_found(pu__watch *watch) {
    split_state *s = watch->state;
    s->left = 0;
    pu__report(
        watch, s->bar.ts, &s->bar, 1,
        "the price goes from %.6g to %.6g overnight, like a %ssplit of %s, and stays there: not adjusted for?",
        s->before, exp(s->level), s->step < 0 ? "" : "reverse ", s->ratio);
}

static void split_bar(pu__watch *watch, const pu__sight *sight) {
    split_state *s = watch->state;
    const pu__bar *b = sight->bar, *p = sight->previous;
    if (!p) return;
    if (s->left > 0) {
        const bool stays = fabs(log(b->adjusted) - s->level) < 0.5 * fabs(s->step);
        if (!stays) {
            s->left = 0;
            return; /* taken back: the way back is none either */
        }
        if (--s->left == 0) split_found(watch);
    }
    const int64_t scale_s = sight->asset->bar_s > DAY_S ? sight->asset->bar_s : DAY_S;
    if (b->ts - p->ts > 10 * scale_s) return; /* after a gap a price may be anywhere: see ticker_reused */
    const double open = b->open * b->adjusted / b->close, factor = open / p->adjusted;
    const char *ratio = plain_ratio(factor, pu__value(watch, 0));
    if (!ratio) return;
    const double step = log(factor);
    if (!(fabs(step) > pu__value(watch, 1) * sight->habit)) return;
    if (!(fabs(log(b->close / b->open)) < 0.25 * fabs(step))) return;
    *s = (split_state){.bar = *b,
                       .level = log(open),
                       .step = step,
                       .ratio = ratio,
                       .left = (int64_t)pu__value(watch, 2),
                       .before = p->adjusted};
    if (s->left == 0) split_found(watch);
}

static void split_end(pu__watch *watch, const pu__sight *last) {
    const split_state *s = watch->state;
    if (last->bar && s->left > 0) split_found(watch); /* the series ends at the new level */
}

const pu__check_kind pu__check_kind_split_suspected = {
    .name = "split_suspected",
    .finds =
        "An overnight change, adjusted close to adjusted open, that is a plain ratio of shares (3/2, 2, 5/2, 3, "
        "4, ... "
        "100, or one over it) within tolerance_ratio, beyond deviations_min of the asset's habit, with a trading "
        "range "
        "that goes on at the new level for confirm_bars bars: a split that the source did not adjust for. A fall "
        "that is taken back is none.",
    .parameter_count = 3,
    .parameter = {{"tolerance_ratio", 0.03, 0, 0.2, "distance from the plain ratio"},
                  {"deviations_min", 8, 0, 1e6, "more than this many deviations, as for jump"},
                  {"confirm_bars", 5, 0, 1000, "bars after it that have to stay nearer to the new level"}},
    .state_bytes = sizeof(split_state),
    .bar = split_bar,
    .end = split_end,
};
