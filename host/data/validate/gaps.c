#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/data/validate/faults.h"

enum { DAY_S = 86400, WARNING_DAYS = 10, ERROR_DAYS = 60, YEAR_DAYS = 365 };

static const double reuse_factor = 3;

static bool is_class(const pu_asset *asset, const char *name) { return strcmp(asset->asset_class, name) == 0; }

/* Weekdays after one day and before another; days are counted from 1970-01-01, a Thursday. */
static int64_t weekdays_between(int64_t from_day, int64_t to_day) {
    int64_t count = 0;
    const int64_t days = to_day - from_day - 1, weeks = days > 0 ? days / 7 : 0;
    for (int64_t day = from_day + 1 + 7 * weeks; day < to_day; ++day) count += (day + 3) % 7 < 5;
    return count + 5 * weeks;
}

/* Bars that the market's hours promise between two bars. Sessions of exchanges within a day are not known here:
 * only whole days count. */
static int64_t missing_between(const pu_asset *asset, int64_t from, int64_t to) {
    if (asset->bar_s > DAY_S) return (to - from - asset->bar_s / 2) / asset->bar_s;
    const bool around_the_clock =
        is_class(asset, "crypto") || (is_class(asset, "synthetic") && asset->bar_s != DAY_S);
    if (around_the_clock) return (to - from) / asset->bar_s - 1;
    const int64_t weekdays = weekdays_between((from - 1) / DAY_S, (to - 1) / DAY_S);
    return asset->bar_s == DAY_S ? weekdays : weekdays * (int64_t)(asset->periods_per_year / 252);
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

/* Holidays, some ten of 260 weekdays, are not faults; round-the-clock markets have none. */
static void report_missing(pu__inspection *at, int64_t missing, int64_t gaps, int64_t longest,
                           int64_t longest_at) {
    const bool holidays = !is_class(at->asset, "crypto") && !is_class(at->asset, "synthetic");
    const double expected = (double)(at->bars->count + missing), ratio = (double)missing / expected;
    const double holiday_ratio = holidays && at->asset->bar_s <= DAY_S ? 0.045 : 0;
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
        const int64_t lost = missing_between(at->asset, ts[i - 1], ts[i]);
        if (lost > 0) {
            missing += lost;
            ++gaps;
            if (lost > longest) longest = lost, longest_at = i;
        }
        if (ts[i] - ts[i - 1] > WARNING_DAYS * scale_s) report_gap(at, i, (ts[i] - ts[i - 1]) / DAY_S);
    }
    report_missing(at, missing, gaps, longest, longest_at);
}
