#include <stdio.h>
#include <string.h>

#include "host/data/store/calendar.h"
#include "plusultra/store.h"

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar, counting years from March so that the leap
 * day is a year's last. */
int64_t pu__days_of_date(int year, int month, int day) {
    const int64_t y = month > 2 ? year : (int64_t)year - 1;
    const int64_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

void pu__date_of_days(int64_t days, int *year, int *month, int *day) {
    int64_t y = (days + 719468) * 400 / 146097; /* off by at most one */
    while (pu__days_of_date((int)y + 1, 3, 1) <= days) ++y;
    while (pu__days_of_date((int)y, 3, 1) > days) --y;
    const int64_t in_year = days - pu__days_of_date((int)y, 3, 1);
    const int64_t m = (5 * in_year + 2) / 153;
    *day = (int)(in_year - (m * 153 + 2) / 5) + 1;
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(*month > 2 ? y : y + 1);
}

/* `count` decimal digits, or -1. */
static int digits(const char *text, int count) {
    int value = 0;
    for (int i = 0; i < count; ++i) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static int month_days(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leap = month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);
    return days[month - 1] + leap;
}

bool pu__date_valid(int year, int month, int day) {
    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= month_days(year, month);
}

pu_status pu_time_parse(const char *text, int64_t *ts) {
    const size_t length = text ? strlen(text) : 0;
    const char *form = "0000-00-00T00:00:00Z";
    if (length == 10 || length == 20) {
        size_t i = 0;
        while (i < length && (form[i] == '0' ? digits(text + i, 1) >= 0 : form[i] == text[i])) ++i;
        const int year = i == length ? digits(text, 4) : 0, month = i == length ? digits(text + 5, 2) : 0;
        const int day = i == length ? digits(text + 8, 2) : 0;
        if (pu__date_valid(year, month, day)) {
            const bool clock = length == 20;
            const int hour = clock ? digits(text + 11, 2) : 0, minute = clock ? digits(text + 14, 2) : 0;
            const int second = clock ? digits(text + 17, 2) : 0;
            if (hour < 24 && minute < 60 && second < 60) {
                *ts = pu__days_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
                return PU_OK;
            }
        }
    }
    return pu_fail(PU_ERR_DATA, "'%.40s' is no time: write 2020-12-31 or 2020-12-31T23:59:59Z (UTC)",
                   text ? text : "");
}

void pu_time_format(int64_t ts, bool with_clock, char out[32]) {
    const int64_t seconds = ((ts % 86400) + 86400) % 86400;
    const int64_t days = (ts - seconds) / 86400;
    int year = 0, month = 0, day = 0;
    if (days < -719162 || days > 2932896) { /* outside years 1 to 9999 */
        snprintf(out, 32, "%llds", (long long)ts);
        return;
    }
    pu__date_of_days(days, &year, &month, &day);
    const int used = snprintf(out, 32, "%04d-%02d-%02d", year, month, day);
    if (!with_clock) return;
    snprintf(out + used, 32 - (size_t)used, "T%02d:%02d:%02dZ", (int)(seconds / 3600), (int)(seconds / 60 % 60),
             (int)(seconds % 60));
}

void pu_bar_time_format(int64_t close_ts, int64_t bar_s, char out[32]) {
    const bool daily = bar_s >= 86400;
    pu_time_format(daily ? close_ts - 1 : close_ts, !daily, out);
}
