#include "host/data/store/periods.h"

#include <stdio.h>

static void name_bar(int64_t bar_s, char *out, size_t room) {
    if (bar_s == 86400) {
        snprintf(out, room, "daily");
    } else if (bar_s == 604800) {
        snprintf(out, room, "weekly");
    } else if (bar_s % 3600 == 0) {
        snprintf(out, room, "%lld-hour", (long long)(bar_s / 3600));
    } else if (bar_s % 60 == 0) {
        snprintf(out, room, "%lld-minute", (long long)(bar_s / 60));
    } else {
        snprintf(out, room, "%lld-second", (long long)bar_s);
    }
}

double pu__periods_observed(double steps, double length_s) { return steps * 365.25 * 86400.0 / length_s; }

double pu__periods_choose(double set, int count, const pu__calendar_use *use, const char *what, double steps,
                          double length_s, char *reason, size_t room) {
    if (set > 0.0) {
        snprintf(reason, room, "backtest.periods_per_year");
        return set;
    }
    const pu_asset *first = use[0].asset;
    bool alike = true;
    for (int i = 0; i < count; ++i) {
        alike = alike && use[i].asset->periods_per_year == first->periods_per_year;
        alike = alike && (double)use[i].bars >= 0.9 * (double)use[i].times;
    }
    if (alike) {
        char bar[32];
        name_bar(first->bar_s, bar, sizeof bar);
        snprintf(reason, room, "%s, %s bars", first->asset_class, bar);
        return first->periods_per_year;
    }
    const double periods = pu__periods_observed(steps, length_s);
    snprintf(reason, room, "the assets' calendars differ: %.0f %s in %.2f years", steps, what, steps / periods);
    return periods;
}
