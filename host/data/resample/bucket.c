#include "host/data/resample/bucket.h"

#include "host/data/store/calendar.h"
#include "plusultra/resample.h"

enum { DAY_S = 86400 };

pu_status pu__bucket_rule_make(const pu_asset *source, int64_t to_s, pu__bucket_rule *out) {
    const int64_t from_s = source->bar_s;
    const bool within_day = to_s > 0 && to_s < DAY_S && DAY_S % to_s == 0 && to_s % from_s == 0;
    const bool days = (to_s == DAY_S || to_s == PU_WEEK_S || to_s == PU_MONTH_S) && DAY_S % from_s == 0;
    if (from_s >= to_s || !(within_day || days)) {
        return pu_fail(PU_ERR_ARGUMENT,
                       "bars of %lld s do not add up to bars of %lld s: within a day a multiple that divides the "
                       "day, else a day (86400), a week (604800) or a month (2592000) from bars up to a day",
                       (long long)from_s, (long long)to_s);
    }
    const pu_calendar *calendar = pu_calendar_of(source->asset_class);
    if (!calendar) calendar = pu_calendar_of("synthetic");
    const bool around_the_clock = from_s < DAY_S && calendar->weekend_intraday == 0;
    *out = (pu__bucket_rule){to_s, around_the_clock ? 0 : calendar->weekend};
    return PU_OK;
}

static int64_t floor_to(int64_t value, int64_t step) { return value - ((value % step) + step) % step; }

/* 0 for Monday; 1970-01-01 was a Thursday. */
static int64_t weekday(int64_t day) { return ((day + 3) % 7 + 7) % 7; }

static bool is_weekend(const pu__bucket_rule *rule, int64_t day) { return rule->weekend >> weekday(day) & 1u; }

static int64_t last_of_month(int64_t day) {
    int year = 0, month = 0, of_month = 0;
    pu__date_of_days(day, &year, &month, &of_month);
    return month == 12 ? pu__days_of_date(year + 1, 1, 1) - 1 : pu__days_of_date(year, month + 1, 1) - 1;
}

int64_t pu__bucket_end(const pu__bucket_rule *rule, int64_t ts) {
    if (rule->to_s < DAY_S) return floor_to(ts - 1, rule->to_s) + rule->to_s;
    int64_t day = floor_to(ts - 1, DAY_S) / DAY_S;
    while (is_weekend(rule, day)) ++day;
    if (rule->to_s > DAY_S) {
        day = rule->to_s == PU_WEEK_S ? day - weekday(day) + 6 : last_of_month(day);
        while (is_weekend(rule, day)) --day;
    }
    return (day + 1) * DAY_S;
}
