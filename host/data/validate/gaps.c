#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/data/validate/faults.h"

enum { DAY_S = 86400, WARNING_DAYS = 10, ERROR_DAYS = 60, YEAR_DAYS = 365 };

static const double reuse_factor = 3;

static const pu_calendar *calendar_of(const pu_asset *asset) {
    const pu_calendar *calendar = pu_calendar_of(asset->asset_class);
    return calendar ? calendar : pu_calendar_of("synthetic");
}

static void report_reuse(pu__inspection *at, int64_t i, int64_t days) {
    const double factor = at->bars->adjusted[i] / at->bars->adjusted[i - 1];
    const bool other_level = factor > reuse_factor || factor < 1 / reuse_factor;
    if (days <= YEAR_DAYS && !other_level) return;
    char before[32];
    pu__fault_time(at->asset, at->bars->ts[i - 1], before);
    pu__fault_add(at, PU_FAULT_ERROR, "ticker_reused", at->bars->ts[i],
                  "after %" PRId64 " days without a bar (since %s) the price is %.4g times the last one: likely "
                  "another security under the same "
                  "symbol; cut the history before this bar",
                  days, before, factor);
}

static void report_gap(pu__inspection *at, int64_t i, int64_t days) {
    char before[32];
    pu__fault_time(at->asset, at->bars->ts[i - 1], before);
    pu__fault_add(at, days > ERROR_DAYS ? PU_FAULT_ERROR : PU_FAULT_WARNING, "gap", at->bars->ts[i],
                  "no bar for %" PRId64 " days, since %s", days, before);
    if (days > ERROR_DAYS) report_reuse(at, i, days);
}

/* Holidays are not faults; round-the-clock markets have none. */
static void report_missing(pu__inspection *at, int64_t missing, int64_t gaps, int64_t longest,
                           int64_t longest_at) {
    const pu_calendar *calendar = calendar_of(at->asset);
    const bool holidays = calendar->holiday_ratio > 0;
    const double expected = (double)(at->bars->count + missing), ratio = (double)missing / expected;
    const double holiday_ratio = at->asset->bar_s <= DAY_S ? calendar->holiday_ratio : 0;
    if (ratio <= holiday_ratio || missing == 0) return;
    char when[32];
    pu__fault_time(at->asset, at->bars->ts[longest_at], when);
    const double excess = ratio - holiday_ratio;
    pu__fault_add(at, excess > (holidays ? 0.01 : 0.001) ? PU_FAULT_WARNING : PU_FAULT_INFO, "missing", 0,
                  "%" PRId64 " bars (%.2f %%) are missing in %" PRId64 " gaps; the longest, %" PRId64
                  " bars, ends %s",
                  missing, 100 * ratio, gaps, longest, when);
}

void pu__check_gaps(pu__inspection *at) {
    const int64_t *ts = at->bars->ts;
    const int64_t scale_s = at->asset->bar_s > DAY_S ? at->asset->bar_s : DAY_S;
    int64_t missing = 0, gaps = 0, longest = 0, longest_at = 0;
    for (int64_t i = 1; i < at->bars->count; ++i) {
        const int64_t lost = pu_calendar_bars_between(calendar_of(at->asset), at->asset->bar_s, ts[i - 1], ts[i]);
        if (lost > 0) {
            missing += lost;
            ++gaps;
            if (lost > longest) longest = lost, longest_at = i;
        }
        if (ts[i] - ts[i - 1] > WARNING_DAYS * scale_s) report_gap(at, i, (ts[i] - ts[i - 1]) / DAY_S);
    }
    report_missing(at, missing, gaps, longest, longest_at);
}
