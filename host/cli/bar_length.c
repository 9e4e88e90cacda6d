#include "host/cli/bar_length.h"

#include "plusultra/import.h"

pu_status pu__cli_bar_length(const pu__cli *cli, const char *name, int64_t *bar_s) {
    const char *value = pu__cli_value(cli, name);
    *bar_s = value ? pu_import_bar_length(value) : 0;
    if (!value || *bar_s > 0) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "--%s %.60s: write seconds, or 5m, 1h, 1d, 1w, 1mo; at most a year", name,
                   value);
}
