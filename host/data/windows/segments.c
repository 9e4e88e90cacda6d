/* Segments: chronological, purged, embargoed.
 *
 * Invariants:
 *  1. Segments are disjoint and ordered in time.
 *  2. The label of a row that weighs in a segment ends on a bar that closes before the segment's end (purge).
 *  3. After the end of a segment, embargo_bars of the union calendar, and of each asset's own bars, pass before
 *     a row of the next one weighs. */
#include <inttypes.h>
#include <string.h>

#include "host/data/windows/dataset.h"
#include "plusultra/memory.h"

static const char *const segment_name[PU_SEGMENT_COUNT] = {"train", "valid", "test"};

/* First index with ts[index] >= wanted. */
static int64_t lower_bound(const int64_t *ts, int64_t count, int64_t wanted) {
    int64_t low = 0, high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (ts[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Sorted union of two sorted lists without repeats. */
static int64_t merge(const int64_t *a, int64_t a_count, const int64_t *b, int64_t b_count, int64_t *out) {
    int64_t i = 0, j = 0, n = 0;
    while (i < a_count || j < b_count) {
        const bool take_a = j == b_count || (i < a_count && a[i] <= b[j]);
        if (i < a_count && j < b_count && a[i] == b[j]) ++j;
        out[n++] = take_a ? a[i++] : b[j++];
    }
    return n;
}

/* All decision times of all assets. */
static pu_status make_calendar(const pu_dataset *dataset, int64_t **out, int64_t *count) {
    int64_t total = 0;
    for (int a = 0; a < dataset->plan.asset_count; ++a) total += dataset->asset[a].rows;
    int64_t *calendar = pu_calloc((size_t)total, sizeof *calendar),
            *spare = pu_calloc((size_t)total, sizeof *spare);
    *count = 0;
    for (int a = 0; calendar && spare && a < dataset->plan.asset_count; ++a) {
        *count = merge(calendar, *count, dataset->asset[a].ts, dataset->asset[a].rows, spare);
        int64_t *swap = calendar;
        calendar = spare;
        spare = swap;
    }
    const bool complete = calendar && spare;
    pu_free(spare);
    if (!complete) pu_free(calendar);
    *out = complete ? calendar : NULL;
    return complete ? PU_OK : PU_ERR_MEMORY;
}

/* An end given by the configuration; *given is false where it is open. */
static pu_status parse_end(const pu_text_list *dates, pu_segment segment, int end, bool *given, int64_t *ts) {
    *given = false;
    if (dates->count == 0) return PU_OK;
    if (dates->count != 2)
        return pu_fail(PU_ERR_CONFIG, "split.%s has %d dates: give [from, to]", segment_name[segment],
                       dates->count);
    if (!*dates->value[end]) return PU_OK;
    *given = true;
    const pu_status status = pu_time_parse(dates->value[end], ts);
    return status == PU_OK ? PU_OK : pu_fail_within(PU_ERR_CONFIG, "split.%s", segment_name[segment]);
}

typedef struct calendar_view {
    const int64_t *ts;
    int64_t count;
    int64_t end_ts; /* after the last time */
} calendar_view;

static int64_t time_at(const calendar_view *calendar, double index) {
    return index < (double)calendar->count ? calendar->ts[(int64_t)index] : calendar->end_ts;
}

/* Nominal ends, before the embargo: dates where given, else what the neighbours leave, else the ratios. */
static pu_status place_segments(const pu_config *config, const calendar_view *calendar,
                                int64_t from[PU_SEGMENT_COUNT], int64_t to[PU_SEGMENT_COUNT]) {
    const pu_text_list *dates[PU_SEGMENT_COUNT] = {&config->split.train, &config->split.valid,
                                                   &config->split.test};
    const double ratio[PU_SEGMENT_COUNT] = {config->split.train_ratio, config->split.valid_ratio, 1};
    bool has_from[PU_SEGMENT_COUNT], has_to[PU_SEGMENT_COUNT];
    for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
        PU_TRY(parse_end(dates[s], (pu_segment)s, 0, &has_from[s], &from[s]));
        PU_TRY(parse_end(dates[s], (pu_segment)s, 1, &has_to[s], &to[s]));
    }
    for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
        if (!has_from[s]) from[s] = s == 0 ? calendar->ts[0] : to[s - 1];
        if (has_to[s]) continue;
        const double start = (double)lower_bound(calendar->ts, calendar->count, from[s]);
        to[s] = s == PU_SEGMENT_TEST ? calendar->end_ts
                : has_from[s + 1]    ? from[s + 1]
                                     : time_at(calendar, start + ratio[s] * (double)calendar->count);
    }
    for (int s = 1; s < PU_SEGMENT_COUNT; ++s) {
        if (from[s] < to[s - 1]) {
            return pu_fail(PU_ERR_CONFIG, "split.%s begins before split.%s ends: segments must not overlap",
                           segment_name[s], segment_name[s - 1]);
        }
    }
    return PU_OK;
}

static pu_status empty_segment(const pu_dataset *dataset, const calendar_view *calendar, int segment) {
    char first[32], last[32];
    pu_time_format(calendar->ts[0], false, first);
    pu_time_format(calendar->ts[calendar->count - 1], false, last);
    return pu_fail(
        PU_ERR_DATA,
        "split.%s holds no decision time: the calendar has %" PRId64
        " bars from %s to %s, and the embargo takes %" PRId64
        " after each segment; change the split, shorten the longest horizon or feature, or use more data",
        segment_name[segment], calendar->count, first, last, dataset->embargo_bars);
}

static void span_asset(pu_dataset *dataset, pu__dataset_asset *asset, const int64_t nominal_to[PU_SEGMENT_COUNT]) {
    for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
        int64_t first = lower_bound(asset->ts, asset->rows, dataset->from_ts[s]);
        const int64_t last = lower_bound(asset->ts, asset->rows, dataset->to_ts[s]);
        if (s > 0) {
            const int64_t before = lower_bound(asset->ts, asset->rows, nominal_to[s - 1]);
            if (before > 0 && first < before + dataset->embargo_bars) first = before + dataset->embargo_bars;
        }
        if (first > last) first = last;
        const int64_t usable = last - dataset->label_bars;
        asset->span[s] = (pu__span){.first = first, .usable = usable > first ? usable : first, .last = last};
    }
}

pu_status pu__segments_compute(const pu_config *config, pu_dataset *dataset) {
    dataset->embargo_bars = config->split.embargo_bars >= 0
                                ? config->split.embargo_bars
                                : dataset->label_bars + dataset->plan.features.lookback_bars;
    int64_t *times = NULL;
    calendar_view calendar = {0};
    PU_TRY(make_calendar(dataset, &times, &calendar.count));
    calendar.ts = times;
    calendar.end_ts = times[calendar.count - 1] + 1;
    int64_t *from = dataset->from_ts, *to = dataset->to_ts;
    pu_status status = place_segments(config, &calendar, from, to);
    for (int s = 0; s < PU_SEGMENT_COUNT && status == PU_OK; ++s) {
        if (s > 0) {
            const double resumed =
                (double)(lower_bound(calendar.ts, calendar.count, to[s - 1]) + dataset->embargo_bars);
            const int64_t earliest = time_at(&calendar, resumed);
            if (from[s] < earliest) from[s] = earliest;
        }
        const int64_t first = lower_bound(calendar.ts, calendar.count, from[s]);
        if (from[s] >= to[s] || first == calendar.count || calendar.ts[first] >= to[s])
            status = empty_segment(dataset, &calendar, s);
    }
    for (int a = 0; status == PU_OK && a < dataset->plan.asset_count; ++a)
        span_asset(dataset, &dataset->asset[a], to);
    pu_free(times);
    return status;
}
