#include "host/cli/bar_length.h"

#include <stdlib.h>
#include <string.h>

pu_status pu__cli_bar_length(const pu__cli *cli, const char *name, int64_t *bar_s) {
    enum { YEAR_S = 31622400 };
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}, {"mo", 2592000}};
    const char *value = pu__cli_value(cli, name);
    *bar_s = 0;
    if (!value) return PU_OK;
    char *end = NULL;
    const long long count = strtoll(value, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units && end != value && count > 0 && count <= YEAR_S; ++i) {
        if (strcmp(end, units[i].unit) == 0 && count * units[i].seconds <= YEAR_S)
            *bar_s = count * units[i].seconds;
    }
    if (*bar_s > 0) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "--%s %.60s: write seconds, or 5m, 1h, 1d, 1w, 1mo; at most a year", name,
                   value);
}
