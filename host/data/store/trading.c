/* Trading calendars by asset class. Days per year: 252 sessions at the New York Stock Exchange (260.7 weekdays less
 * nine holidays), 260 weekdays for currencies, 365 where trading never stops. Share of holidays: nine of 261
 * weekdays are 0.034; 0.045 leaves room for markets with more. */
#include <string.h>

#include "plusultra/store.h"

enum { DAY_S = 86400, SATURDAY = 1 << 5, SUNDAY = 1 << 6 };

static const pu_calendar calendars[] = {
    {"equity", 252, 6.5 * 3600, SATURDAY | SUNDAY, SATURDAY | SUNDAY, 0.045,
     "one session on weekdays: 09:30 to 16:00 New York, which is 14:30 to 21:00 UTC in winter and an hour earlier "
     "in summer"},
    {"index", 252, 6.5 * 3600, SATURDAY | SUNDAY, SATURDAY | SUNDAY, 0.045, "as the equities it is made of"},
    {"future", 252, 23.0 * 3600, SATURDAY | SUNDAY, SATURDAY, 0.045,
     "Sunday 18:00 to Friday 17:00 New York, an hour's pause a day; Sunday's hours belong to Monday's session"},
    {"forex", 260, 24.0 * 3600, SATURDAY | SUNDAY, SATURDAY, 0.045,
     "Sunday 17:00 to Friday 17:00 New York without a pause; Sunday's hours belong to Monday's session"},
    {"crypto", 365, 24.0 * 3600, 0, 0, 0, "never closes; a day is a UTC day"},
    {"synthetic", 252, 24.0 * 3600, SATURDAY | SUNDAY, 0, 0,
     "daily bars on weekdays, shorter ones around the clock; no holidays"},
};

enum { CALENDARS = sizeof calendars / sizeof *calendars };

int pu_calendar_count(void) { return CALENDARS; }

const pu_calendar *pu_calendar_at(int index) { return index >= 0 && index < CALENDARS ? &calendars[index] : NULL; }

const pu_calendar *pu_calendar_of(const char *asset_class) {
    for (int i = 0; i < CALENDARS; ++i) {
        if (strcmp(calendars[i].asset_class, asset_class) == 0) return &calendars[i];
    }
    return NULL;
}

static int64_t floor_day(int64_t ts) { return (ts >= 0 ? ts : ts - (DAY_S - 1)) / DAY_S; }

/* 1970-01-01 was a Thursday. */
static int weekday(int64_t day) { return (int)(((day + 3) % 7 + 7) % 7); }

static unsigned weekend_at(const pu_calendar *calendar, int64_t bar_s) {
    return bar_s >= DAY_S ? calendar->weekend : calendar->weekend_intraday;
}

bool pu_calendar_trades(const pu_calendar *calendar, int64_t bar_s, int64_t day) {
    return (weekend_at(calendar, bar_s) >> weekday(day) & 1u) == 0;
}

/* Trading days after one day and before another. */
static int64_t days_between(unsigned weekend, int64_t from_day, int64_t to_day) {
    const int64_t days = to_day - from_day - 1, weeks = days > 0 ? days / 7 : 0;
    int64_t count = 0, in_week = 0;
    for (int64_t day = from_day + 1 + 7 * weeks; day < to_day; ++day) count += (weekend >> weekday(day) & 1u) == 0;
    for (int i = 0; i < 7; ++i) in_week += (weekend >> i & 1u) == 0;
    return count + in_week * weeks;
}

int64_t pu_calendar_bars_between(const pu_calendar *calendar, int64_t bar_s, int64_t from_ts, int64_t to_ts) {
    if (to_ts <= from_ts) return 0;
    if (bar_s > DAY_S) return (to_ts - from_ts - bar_s / 2) / bar_s;
    /* A market that opens on Sunday evening owes no whole session for it. */
    const unsigned weekend = weekend_at(calendar, bar_s) == 0 ? 0 : calendar->weekend;
    if (weekend == 0) return (to_ts - from_ts) / bar_s - 1;
    const int64_t days = days_between(weekend, floor_day(from_ts - 1), floor_day(to_ts - 1));
    if (bar_s == DAY_S) return days;
    const double in_session = calendar->session_s / (double)bar_s;
    return days * (in_session > 1 ? (int64_t)in_session : 1);
}

double pu_periods_per_year(const char *asset_class, int64_t bar_s) {
    const pu_calendar *calendar = pu_calendar_of(asset_class);
    if (!calendar) calendar = pu_calendar_of("synthetic");
    if (bar_s >= 28 * DAY_S && bar_s <= 31 * DAY_S) return 12;
    if (bar_s >= 5 * DAY_S && bar_s <= 7 * DAY_S) return 52;
    if (bar_s >= DAY_S) return calendar->days_per_year * DAY_S / (double)bar_s;
    const double bars = calendar->session_s / (double)bar_s;
    return calendar->days_per_year * (bars > 1 ? bars : 1);
}
