/* Where the bar's close lies in the day, the week, the month and the year, UTC. A close at midnight belongs to the
 * day it ends. */
#include "host/data/features/columns.h"

enum { DAY_S = 86400, MONTHS = 12, DAYS_OF_WEEK = 7, MONDAY_OFFSET_DAYS = 3 /* 1970-01-01 was a Thursday */ };

typedef struct no_state {
    char none;
} no_state;

static int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0); }

/* Monday 0. */
static inline int week_day(int64_t unix_day) {
    const int64_t from_monday = unix_day + MONDAY_OFFSET_DAYS;
    return (int)(from_monday - floor_divide(from_monday, DAYS_OF_WEEK) * DAYS_OF_WEEK);
}

PU__BLOCK(week_sin) {
    (void)memory;
    double of_day[DAYS_OF_WEEK];
    for (int i = 0; i < DAYS_OF_WEEK; ++i) of_day[i] = sin(2 * M_PI * i / DAYS_OF_WEEK);
    for (int t = 0; t < (int)block->count; ++t) out[t] = of_day[week_day(floor_divide(block->ts[t] - 1, DAY_S))];
}

PU__BLOCK(week_cos) {
    (void)memory;
    double of_day[DAYS_OF_WEEK];
    for (int i = 0; i < DAYS_OF_WEEK; ++i) of_day[i] = cos(2 * M_PI * i / DAYS_OF_WEEK);
    for (int t = 0; t < (int)block->count; ++t) out[t] = of_day[week_day(floor_divide(block->ts[t] - 1, DAY_S))];
}

static int64_t second_of_day(int64_t ts) { return ts - floor_divide(ts, DAY_S) * DAY_S; }

/* Bars of a day or longer all close at one time of the day. */
static inline __attribute__((always_inline)) void day_waves(double (*wave)(double), const pu_feature_chunk *block,
                                                            double *restrict out) {
    int64_t last = -1;
    double value = 0;
    for (int t = 0; t < (int)block->count; ++t) {
        const int64_t second = second_of_day(block->ts[t]);
        if (second != last) value = wave(2 * M_PI * (double)second / DAY_S);
        last = second;
        out[t] = value;
    }
}

PU__BLOCK(day_sin) {
    (void)memory;
    day_waves(sin, block, out);
}

PU__BLOCK(day_cos) {
    (void)memory;
    day_waves(cos, block, out);
}

#define CALENDAR_FEATURE(function) \
    .version = 1, .source = "2 pi x over the period, UTC", .lookback_bars = 0, PU__BLOCKS(no_state, function)

const pu_feature pu__feature_day_of_week_sin = {
    .name = "day_of_week_sin",
    .tags = "calendar",
    .description = "Sine of the day of the week, Monday 0.",
    CALENDAR_FEATURE(week_sin),
};
const pu_feature pu__feature_day_of_week_cos = {
    .name = "day_of_week_cos",
    .tags = "calendar",
    .description = "Cosine of the day of the week, Monday 0.",
    CALENDAR_FEATURE(week_cos),
};
/* The tag "intraday" keeps a feature out of the default set of bars of a day or longer. */
const pu_feature pu__feature_time_of_day_sin = {
    .name = "time_of_day_sin",
    .tags = "calendar,intraday",
    .description = "Sine of the time of day of the bar's close, midnight 0.",
    CALENDAR_FEATURE(day_sin),
};
const pu_feature pu__feature_time_of_day_cos = {
    .name = "time_of_day_cos",
    .tags = "calendar,intraday",
    .description = "Cosine of the time of day of the bar's close, midnight 0.",
    CALENDAR_FEATURE(day_cos),
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
    out.week_day = week_day(unix_day);
    return out;
}

PU__BLOCK(month_sin) {
    (void)memory;
    double of_month[MONTHS];
    for (int i = 0; i < MONTHS; ++i) of_month[i] = sin(2 * M_PI * i / MONTHS);
    for (int t = 0; t < (int)block->count; ++t) out[t] = of_month[date_of(block->ts[t]).month];
}

PU__BLOCK(month_cos) {
    (void)memory;
    double of_month[MONTHS];
    for (int i = 0; i < MONTHS; ++i) of_month[i] = cos(2 * M_PI * i / MONTHS);
    for (int t = 0; t < (int)block->count; ++t) out[t] = of_month[date_of(block->ts[t]).month];
}

PU__BLOCK(day) {
    (void)memory;
    for (int t = 0; t < (int)block->count; ++t) {
        const date when = date_of(block->ts[t]);
        out[t] = (double)when.day / (when.days - 1);
    }
}

/* Monday to Friday among `days` days of which the first has the day of the week `first`. */
static int weekdays(int first, int days) {
    enum { WORKWEEK_DAYS = 5, WORKWEEK = 0x1f, TWO_WEEKS = WORKWEEK | WORKWEEK << DAYS_OF_WEEK };
    const unsigned rest = (unsigned)TWO_WEEKS >> first & ((1u << days % DAYS_OF_WEEK) - 1);
    return days / DAYS_OF_WEEK * WORKWEEK_DAYS + __builtin_popcount(rest);
}

/* Weekdays stand for trading days: which holidays lie ahead is not in the bars. */
PU__BLOCK(turn) {
    (void)memory;
    for (int t = 0; t < (int)block->count; ++t) {
        const date when = date_of(block->ts[t]);
        const int first = (when.week_day - when.day % DAYS_OF_WEEK + DAYS_OF_WEEK) % DAYS_OF_WEEK;
        const int so_far = weekdays(first, when.day + 1);
        const int ahead = weekdays((when.week_day + 1) % DAYS_OF_WEEK, when.days - when.day - 1);
        out[t] = so_far <= (int)parameters[1] || ahead < (int)parameters[0];
    }
}

#define MONTH_FEATURE(formula, function) \
    .version = 1, .tags = "calendar", .source = formula, .lookback_bars = 0, PU__BLOCKS(no_state, function)

const pu_feature pu__feature_month_sin = {
    .name = "month_sin",
    .description = "Sine of the month, January 0.",
    MONTH_FEATURE("sin(2 pi month / 12), UTC", month_sin),
};
const pu_feature pu__feature_month_cos = {
    .name = "month_cos",
    .description = "Cosine of the month, January 0.",
    MONTH_FEATURE("cos(2 pi month / 12), UTC", month_cos),
};
const pu_feature pu__feature_day_of_month = {
    .name = "day_of_month",
    .description = "Day of the month, 0 on the first to 1 on the last.",
    MONTH_FEATURE("(day - 1) / (days of the month - 1), UTC", day),
};

static const char *const turn_names[] = {"last_weekdays", "first_weekdays"};

const pu_feature pu__feature_turn_of_month = {
    .name = "turn_of_month",
    .description = "1 from the last weekday of a month to the third of the next, else 0.",
    MONTH_FEATURE("Lakonishok & Smidt 1988, with weekdays for trading days, UTC", turn),
    PU__PARAMETERS(turn_names, 1, 3),
};
