/* How a file of series is read, from a YAML file with the sections `columns` and `series`. */
#ifndef PU_HOST_DATA_ALTERNATIVE_MAPPING_H
#define PU_HOST_DATA_ALTERNATIVE_MAPPING_H

#include "host/data/alternative/columns.h"
#include "plusultra/memory.h"

/* Adds to `columns` and `options` what options->mapping says and they do not; texts live in the arena. PU_ERR_CONFIG
 * names file, line, key and the nearest key. */
pu_status pu__series_mapping_load(pu_arena *arena, pu__columns *columns, pu_series_options *options);

#endif
