/* Where the bar's close lies in the day, the week, the month and the year, UTC. A close at midnight belongs to the
 * day it ends. */
#include <math.h>

#include "host/data/features/features_internal.h"

enum { DAY_S = 86400, MONTHS = 12, DAYS_OF_WEEK = 7, MONDAY_OFFSET_DAYS = 3 /* 1970-01-01 was a Thursday */ };

typedef struct no_state {
    char none;
} no_state;

static int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0); }

static double week_angle(int64_t ts) {
    const int64_t day = floor_divide(ts - 1, DAY_S) + MONDAY_OFFSET_DAYS;
    return 2 * M_PI * (double)(day - floor_divide(day, DAYS_OF_WEEK) * DAYS_OF_WEEK) / DAYS_OF_WEEK;
}

static double day_angle(int64_t ts) { return 2 * M_PI * (double)(ts - floor_divide(ts, DAY_S) * DAY_S) / DAY_S; }

static double week_sin_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    return sin(week_angle(bar->ts));
}

static double week_cos_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    return cos(week_angle(bar->ts));
}

static double day_sin_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    return sin(day_angle(bar->ts));
}

static double day_cos_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    return cos(day_angle(bar->ts));
}

#define CALENDAR_FEATURE(function) \
    .version = 1, .source = "2 pi x over the period, UTC", .lookback_bars = 0, PU__UPDATE(no_state, function)

const pu_feature pu__feature_day_of_week_sin = {
    .name = "day_of_week_sin",
    .tags = "calendar",
    .description = "Sine of the day of the week, Monday 0.",
    CALENDAR_FEATURE(week_sin_update),
};
const pu_feature pu__feature_day_of_week_cos = {
    .name = "day_of_week_cos",
    .tags = "calendar",
    .description = "Cosine of the day of the week, Monday 0.",
    CALENDAR_FEATURE(week_cos_update),
};
/* The tag "intraday" keeps a feature out of the default set of bars of a day or longer. */
const pu_feature pu__feature_time_of_day_sin = {
    .name = "time_of_day_sin",
    .tags = "calendar,intraday",
    .description = "Sine of the time of day of the bar's close, midnight 0.",
    CALENDAR_FEATURE(day_sin_update),
};
const pu_feature pu__feature_time_of_day_cos = {
    .name = "time_of_day_cos",
    .tags = "calendar,intraday",
    .description = "Cosine of the time of day of the bar's close, midnight 0.",
    CALENDAR_FEATURE(day_cos_update),
};

typedef struct date {
    int month, day, days; /* both from 0; days of that month */
    int week_day;         /* Monday 0 */
} date;

/* The proleptic Gregorian date by eras of 400 years, each of which begins on the first of March. */
static date date_of(int64_t ts) {
    static const int month_days[MONTHS] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    enum { ERA_DAYS = 146097, ERA_YEARS = 400, DAYS_TO_1970 = 719468, FEBRUARY = 1 };
    const int64_t unix_day = floor_divide(ts - 1, DAY_S), day = unix_day + DAYS_TO_1970;
    const int64_t era = floor_divide(day, ERA_DAYS);
    const int in_era = (int)(day - era * ERA_DAYS);
    const int year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA_DAYS - 1)) / 365;
    const int in_year = in_era - (365 * year + year / 4 - year / 100);
    const int from_march = (5 * in_year + 2) / 153;
    date out = {.month = (from_march + 2) % MONTHS, .day = in_year - (153 * from_march + 2) / 5};
    const int64_t calendar_year = era * ERA_YEARS + year + (out.month <= FEBRUARY);
    const bool is_leap = calendar_year % 4 == 0 && (calendar_year % 100 != 0 || calendar_year % ERA_YEARS == 0);
    out.days = month_days[out.month] + (is_leap && out.month == FEBRUARY);
    const int64_t from_monday = unix_day + MONDAY_OFFSET_DAYS;
    out.week_day = (int)(from_monday - floor_divide(from_monday, DAYS_OF_WEEK) * DAYS_OF_WEEK);
    return out;
}

static double month_sin_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    return sin(2 * M_PI * date_of(bar->ts).month / MONTHS);
}

static double month_cos_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    return cos(2 * M_PI * date_of(bar->ts).month / MONTHS);
}

static double day_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)parameters;
    (void)index;
    const date when = date_of(bar->ts);
    return (double)when.day / (when.days - 1);
}

static bool is_weekday(const date *when, int days_on) {
    return ((when->week_day + days_on) % DAYS_OF_WEEK + DAYS_OF_WEEK) % DAYS_OF_WEEK < 5;
}

/* Weekdays stand for trading days: which holidays lie ahead is not in the bars. */
static double turn_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)memory;
    (void)index;
    const date when = date_of(bar->ts);
    int so_far = 0, ahead = 0;
    for (int i = 0; i <= when.day; ++i) so_far += is_weekday(&when, -i);
    for (int i = 1; i < when.days - when.day; ++i) ahead += is_weekday(&when, i);
    return so_far <= (int)parameters[1] || ahead < (int)parameters[0];
}

#define MONTH_FEATURE(formula, function) \
    .version = 1, .tags = "calendar", .source = formula, .lookback_bars = 0, PU__UPDATE(no_state, function)

const pu_feature pu__feature_month_sin = {
    .name = "month_sin",
    .description = "Sine of the month, January 0.",
    MONTH_FEATURE("sin(2 pi month / 12), UTC", month_sin_update),
};
const pu_feature pu__feature_month_cos = {
    .name = "month_cos",
    .description = "Cosine of the month, January 0.",
    MONTH_FEATURE("cos(2 pi month / 12), UTC", month_cos_update),
};
const pu_feature pu__feature_day_of_month = {
    .name = "day_of_month",
    .description = "Day of the month, 0 on the first to 1 on the last.",
    MONTH_FEATURE("(day - 1) / (days of the month - 1), UTC", day_update),
};

static const char *const turn_names[] = {"last_weekdays", "first_weekdays"};

const pu_feature pu__feature_turn_of_month = {
    .name = "turn_of_month",
    .description = "1 from the last weekday of a month to the third of the next, else 0.",
    MONTH_FEATURE("Lakonishok & Smidt 1988, with weekdays for trading days, UTC", turn_update),
    PU__PARAMETERS(turn_names, 1, 3),
};
