/* What the first megabyte of a file tells: layout, bar length, order of rows, ticker. */
#ifndef PU_HOST_DATA_IMPORT_PROBE_H
#define PU_HOST_DATA_IMPORT_PROBE_H

#include "host/data/import/rows.h"

/* Takes nothing off `lines`. The mapping may be null. */
pu_status pu__probe(pu__lines *lines, const pu_import_options *options, const pu__mapping *mapping,
                    pu__row_rules *rules, bool *stamp_assumed);

#endif
