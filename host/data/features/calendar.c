/* Where the bar's close lies in the day and the week, UTC, as a point on a circle. A close at midnight belongs to
 * the day it ends. */
#include <math.h>

#include "host/data/features/features_internal.h"

enum { DAY_S = 86400, DAYS_OF_WEEK = 7, MONDAY_OFFSET_DAYS = 3 /* 1970-01-01 was a Thursday */ };

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
