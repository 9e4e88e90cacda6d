/* `plusultra import --series NAME FILE...` and `--regimes NAME FILE...`. */
#ifndef PU_HOST_CLI_IMPORT_SERIES_H
#define PU_HOST_CLI_IMPORT_SERIES_H

#include "host/cli/cli.h"

/* Whether the command asks for series or regimes rather than bars, or has an option of theirs. */
bool pu__imports_series(const pu__cli *cli);
pu_status pu__import_series(pu__cli *cli);

/* Rows of the verb's table of options. */
// clang-format off
#define PU__SERIES_OPTIONS                                                                                         \
    {"series", 0, "NAME", "read an alternative series of this name instead of bars"},                              \
    {"regimes", 0, "NAME", "read the labels of a named regime instead of bars"},                                   \
    {"kind", 0, "NAME", "of a series: macro, onchain, funding, sentiment, other"},                                 \
    {"only", 0, "TEXT", "rows whose event, metric or series column says this, as the series NAME itself"},         \
    {"unit", 0, "TEXT", "of a series' values"},                                                                    \
    {"stale-after", 0, "LENGTH", "a series' value this long after its publication counts as missing (by kind)"},   \
    {"published-lag", 0, "LENGTH", "for series without publication times: known this long after their time"},      \
    {"zone", 0, "NAME", "of a series' times that do not say theirs, such as America/New_York (UTC)"},              \
    {"table", 0, "NAME", "of a SQLite file with several"}
// clang-format on

#endif
