/* Kinds that look at the times of the bars: gaps, missing bars, reused tickers, odd closes. */
#include <inttypes.h>
#include <math.h>

#include "host/data/validate/inspect.h"

enum { DAY_S = 86400 };

static const pu_calendar *calendar_of(const pu_asset *asset) {
    const pu_calendar *calendar = pu_calendar_of(asset->asset_class);
    return calendar ? calendar : pu_calendar_of("synthetic");
}

/* ---- gap ---- */

static void gap_bar(pu__watch *watch, const pu__sight *sight) {
    if (!sight->previous) return;
    const int64_t bar_s = sight->asset->bar_s;
    const int64_t distance_s = sight->bar->ts - sight->previous->ts;
    const double scale = bar_s > DAY_S ? (double)bar_s / DAY_S : 1;
    if ((double)distance_s <= pu__value(watch, 0) * scale * DAY_S) return;
    char before[32];
    pu_bar_time_format(sight->previous->ts, bar_s, before);
    pu__report(watch, sight->bar->ts, sight->bar, 1, "no bar for %" PRId64 " days, since %s", distance_s / DAY_S,
               before);
}

const pu__check_kind pu__check_kind_gap = {
    .name = "gap",
    .finds =
        "No bar for more than days_max calendar days (of bars longer than a day: bars). Reported at the bar that "
        "ends the gap.",
    .parameter_count = 1,
    .parameter = {{"days_max", 10, 0.01, 1e5, "longest distance accepted"}},
    .bar = gap_bar,
};

/* ---- missing bars ---- */

typedef struct missing_state {
    int64_t missing, gaps, longest;
    pu__bar longest_end;
} missing_state;

static void missing_bar(pu__watch *watch, const pu__sight *sight) {
    missing_state *m = watch->state;
    if (!sight->previous) return;
    const int64_t from_ts = sight->previous->ts, to_ts = sight->bar->ts;
    if (to_ts <= from_ts) return;
    const int64_t lost = pu_calendar_bars_between(calendar_of(sight->asset), sight->asset->bar_s, from_ts, to_ts);
    if (lost <= 0) return;
    m->missing += lost;
    ++m->gaps;
    if (lost <= m->longest) return;
    m->longest = lost;
    m->longest_end = *sight->bar;
}

static void missing_end(pu__watch *watch, const pu__sight *last) {
    const missing_state *m = watch->state;
    if (m->missing == 0) return;
    const double expected = (double)(last->index + 1 + m->missing), share = (double)m->missing / expected;
    const double holidays = last->asset->bar_s <= DAY_S ? calendar_of(last->asset)->holiday_ratio : 0;
    if (share - holidays <= pu__value(watch, 0)) {
        pu__tolerate(watch, m->missing);
        return;
    }
    char when[32];
    pu_bar_time_format(m->longest_end.ts, last->asset->bar_s, when);
    pu__report(watch, m->longest_end.ts, &m->longest_end, m->missing,
               "%" PRId64 " bars (%.2f %%) are missing in %" PRId64 " gaps; the longest, %" PRId64
               " bars, ends %s",
               m->missing, 100 * share, m->gaps, m->longest, when);
}

const pu__check_kind pu__check_kind_missing_bars = {
    .name = "missing_bars",
    .finds =
        "Bars that the calendar of the asset's class promises and that are not there (whole days for markets with "
        "sessions), more than share_max of all beyond the calendar's share of holidays. Reported once, at the end "
        "of the longest gap.",
    .parameter_count = 1,
    .parameter = {{"share_max", 0.01, 0, 1, "share of the expected bars that may be missing"}},
    .state_bytes = sizeof(missing_state),
    .bar = missing_bar,
    .end = missing_end,
};

/* ---- ticker reuse ---- */

static void reuse_bar(pu__watch *watch, const pu__sight *sight) {
    if (!sight->previous) return;
    const double days = (double)(sight->bar->ts - sight->previous->ts) / DAY_S;
    if (days <= fmin(pu__value(watch, 0), pu__value(watch, 1))) return;
    const bool other_level = fabs(sight->log_return) > log(pu__value(watch, 2));
    if (!(days > pu__value(watch, 0) || (days > pu__value(watch, 1) && other_level))) return;
    char before[32];
    pu_bar_time_format(sight->previous->ts, sight->asset->bar_s, before);
    pu__report(
        watch, sight->bar->ts, sight->bar, 1,
        "after %.0f days without a bar (since %s) the price is %.4g times the last one: likely another security "
        "under the same symbol; cut the history before this bar",
        days, before, exp(sight->log_return));
}

const pu__check_kind pu__check_kind_ticker_reused = {
    .name = "ticker_reused",
    .finds =
        "A symbol that stood for another security before: no bar for more than days_max days, or for more than "
        "level_days_max days and then a price that is another by more than factor_max.",
    .parameter_count = 3,
    .parameter = {{"days_max", 365, 1, 1e5, "longest silence of one security"},
                  {"level_days_max", 60, 1, 1e5, "longest silence after which the price may be anywhere"},
                  {"factor_max", 3, 1, 1e9, "largest change of price over a long silence"}},
    .bar = reuse_bar,
};

/* ---- unaligned ---- */

typedef struct unaligned_state {
    int64_t origin, count;
    pu__bar first;
} unaligned_state;

static void unaligned_bar(pu__watch *watch, const pu__sight *sight) {
    unaligned_state *u = watch->state;
    if (sight->index == 0) u->origin = sight->bar->ts;
    if (sight->asset->bar_s > DAY_S || (sight->bar->ts - u->origin) % sight->asset->bar_s == 0) return;
    if (u->count++ == 0) u->first = *sight->bar;
}

static void unaligned_end(pu__watch *watch, const pu__sight *last) {
    const unaligned_state *u = watch->state;
    if (u->count == 0) return;
    if ((double)u->count <= pu__value(watch, 0) * (double)(last->index + 1)) {
        pu__tolerate(watch, u->count);
        return;
    }
    pu__report(watch, u->first.ts, &u->first, u->count,
               "%" PRId64 " bars, this one the first, do not close at multiples of %" PRId64
               " s from the first bar",
               u->count, last->asset->bar_s);
}

const pu__check_kind pu__check_kind_unaligned = {
    .name = "unaligned",
    .finds =
        "Bars of a day or less that do not close at multiples of the bar length from the first one: a clock that "
        "moved, a time zone that was dropped, two sources in one series. Reported once, at the first of them.",
    .parameter_count = 1,
    .parameter = {{"share_max", 0, 0, 1, "share of the bars that may"}},
    .state_bytes = sizeof(unaligned_state),
    .bar = unaligned_bar,
    .end = unaligned_end,
};

/* ---- closed market ---- */

typedef struct closed_state {
    int64_t day, in_day, count; /* bars of the day so far; bars that should not be */
    pu__bar first;
} closed_state;

/* Bars that a session holds, and one for the closing print. Hours are counted, not read off the clock: clocks of
 * exchanges differ, and move in spring and autumn. */
static int64_t session_bars(const pu_asset *asset) {
    return (int64_t)ceil(calendar_of(asset)->session_s / (double)asset->bar_s) + 1;
}

static void closed_bar(pu__watch *watch, const pu__sight *sight) {
    closed_state *c = watch->state;
    const pu_asset *asset = sight->asset;
    const int64_t last_s = sight->bar->ts - 1;
    const int64_t day = (last_s >= 0 ? last_s : last_s - (DAY_S - 1)) / DAY_S;
    if (asset->bar_s > DAY_S) return; /* a week closes on whatever day its source says */
    if (sight->index == 0 || day != c->day) c->in_day = 0;
    c->day = day;
    ++c->in_day;
    const bool open = pu_calendar_trades(calendar_of(asset), asset->bar_s, day);
    if (open && (asset->bar_s == DAY_S || c->in_day <= session_bars(asset))) return;
    if (c->count++ == 0) c->first = *sight->bar;
}

static void closed_end(pu__watch *watch, const pu__sight *last) {
    const closed_state *c = watch->state;
    if (c->count == 0) return;
    const double share = (double)c->count / (double)(last->index + 1);
    if (share <= pu__value(watch, 0)) {
        pu__tolerate(watch, c->count);
        return;
    }
    pu__report(
        watch, c->first.ts, &c->first, c->count,
        "%" PRId64 " bars (%.2f %%), this one the first, are of days or hours when the class %s is closed: "
        "another class or time zone, or trading outside the session, as on Sunday evening; its %g bars a year "
        "do not count them (`plusultra assets set`)",
        c->count, 100 * share, last->asset->asset_class, last->asset->periods_per_year);
}

const pu__check_kind pu__check_kind_closed_market = {
    .name = "closed_market",
    .finds =
        "Bars of a day or less when the calendar of the asset's class is closed, more than share_max of all: on "
        "its "
        "weekend, or, shorter than a day, more in a UTC day than a session and its closing print hold. Reported "
        "once, at the first of them.",
    .parameter_count = 1,
    .parameter = {{"share_max", 0.01, 0, 1, "share of the bars that may"}},
    .state_bytes = sizeof(closed_state),
    .bar = closed_bar,
    .end = closed_end,
};
