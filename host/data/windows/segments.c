/* Segments: chronological, purged, embargoed.
 *
 * Invariants:
 *  1. Segments are disjoint and ordered in time.
 *  2. The label of a row that weighs in a segment ends on a bar that closes before the segment's end (purge).
 *  3. After the end of a segment, embargo_bars of the union calendar, and of each asset's own bars, pass before
 *     a row of the next one weighs. */
#include <inttypes.h>
#include <string.h>

#include "host/data/windows/calendar.h"
#include "plusultra/memory.h"

static const char *const segment_name[PU_SEGMENT_COUNT] = {"train", "valid", "test"};

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

/* Nominal ends, before the embargo: dates where given, else what the neighbours leave, else the ratios. */
static pu_status place_segments(const pu_config *config, const pu__calendar *calendar,
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
        if (!has_from[s]) from[s] = s == 0 ? calendar->first_ts : to[s - 1];
        if (has_to[s]) continue;
        int64_t start = 0;
        to[s] = s == PU_SEGMENT_TEST ? calendar->last_ts + 1 : from[s + 1];
        if (s == PU_SEGMENT_TEST || has_from[s + 1]) continue;
        PU_TRY(pu__calendar_rank(calendar, from[s], &start));
        PU_TRY(pu__calendar_time(calendar, (double)start + ratio[s] * (double)calendar->count, &to[s]));
    }
    for (int s = 1; s < PU_SEGMENT_COUNT; ++s) {
        if (from[s] < to[s - 1]) {
            return pu_fail(PU_ERR_CONFIG, "split.%s begins before split.%s ends: segments must not overlap",
                           segment_name[s], segment_name[s - 1]);
        }
    }
    return PU_OK;
}

static pu_status empty_segment(const pu_dataset *dataset, const pu__calendar *calendar, int segment) {
    char first[32], last[32];
    pu_time_format(calendar->first_ts, false, first);
    pu_time_format(calendar->last_ts, false, last);
    return pu_fail(
        PU_ERR_DATA,
        "split.%s holds no decision time: the calendar has %" PRId64
        " bars from %s to %s, and the embargo takes %" PRId64
        " after each segment; change the split, shorten the longest horizon or feature, or use more data",
        segment_name[segment], calendar->count, first, last, dataset->embargo_bars);
}

static pu_status span_asset(pu_dataset *dataset, int index) {
    pu__dataset_asset *asset = &dataset->asset[index];
    for (int s = 0; s < PU_SEGMENT_COUNT; ++s) {
        int64_t first = 0, last = 0;
        PU_TRY(pu_dataset_rows_before(dataset, index, dataset->from_ts[s], &first));
        PU_TRY(pu_dataset_rows_before(dataset, index, dataset->to_ts[s], &last));
        if (s > 0) {
            int64_t before = 0;
            PU_TRY(pu_dataset_rows_before(dataset, index, dataset->to_ts[s - 1], &before));
            if (before > 0 && first < before + dataset->embargo_bars) first = before + dataset->embargo_bars;
        }
        if (first > last) first = last;
        const int64_t usable = last - dataset->label_bars;
        asset->span[s] = (pu__span){.first = first, .usable = usable > first ? usable : first, .last = last};
    }
    return PU_OK;
}

/* Lets the embargo pass; what is left must hold a decision time. */
static pu_status start_segment(pu_dataset *dataset, const pu__calendar *calendar, int s) {
    int64_t *from = dataset->from_ts, *to = dataset->to_ts, ended = 0, first = 0, first_ts = 0;
    if (s > 0) {
        int64_t earliest = 0;
        PU_TRY(pu__calendar_rank(calendar, to[s - 1], &ended));
        PU_TRY(pu__calendar_time(calendar, (double)(ended + dataset->embargo_bars), &earliest));
        if (from[s] < earliest) from[s] = earliest;
    }
    PU_TRY(pu__calendar_rank(calendar, from[s], &first));
    PU_TRY(pu__calendar_time(calendar, (double)first, &first_ts));
    return from[s] < to[s] && first < calendar->count && first_ts < to[s] ? PU_OK
                                                                          : empty_segment(dataset, calendar, s);
}

pu_status pu__segments_compute(const pu_config *config, pu_dataset *dataset) {
    dataset->embargo_bars = config->split.embargo_bars >= 0
                                ? config->split.embargo_bars
                                : dataset->label_bars + dataset->plan.features.lookback_bars;
    pu__calendar calendar;
    PU_TRY(pu__calendar_open(dataset, &calendar));
    pu_status status = place_segments(config, &calendar, dataset->from_ts, dataset->to_ts);
    for (int s = 0; s < PU_SEGMENT_COUNT && status == PU_OK; ++s) status = start_segment(dataset, &calendar, s);
    pu__calendar_close(&calendar);
    for (int a = 0; status == PU_OK && a < dataset->plan.asset_count; ++a) status = span_asset(dataset, a);
    return status;
}
