/* How a file of the user's own kind is read, from a YAML file. docs/data.md lists its keys. */
#ifndef PU_HOST_DATA_IMPORT_MAPPING_H
#define PU_HOST_DATA_IMPORT_MAPPING_H

#include "host/data/import/role.h"
#include "host/data/import/zone.h"
#include "plusultra/import.h"

typedef struct pu__mapping {
    const char *delimiter; /* null: found by the first line */
    bool decimal_comma, has_header;
    int64_t skip_lines;
    const char *comment; /* what a comment's line begins with; null: nothing does */
    const char *table;   /* of a database */
    int missing_count;
    const char **missing;
    const char *column[PU__ROLE_COUNT]; /* a name, or a number from 1; null: none */
    const char *time_format;            /* null: any that is understood without one */
    int64_t units_per_s;                /* of a time that is a number; 0: none */
    const pu__zone *zone;               /* null: UTC */
    int64_t bar_s;
    pu_import_stamp stamp;
    const char *symbol, *asset_class, *currency;
    double periods_per_year, price_scale;
} pu__mapping;

/* Reads a mapping; it lives as long as the arena. PU_ERR_CONFIG names file, line, key and the nearest key. */
pu_status pu__mapping_load(pu_arena *arena, const char *path, pu__mapping **out);
pu_status pu__mapping_parse(pu_arena *arena, const char *source, const char *text, size_t length,
                            pu__mapping **out);

/* An empty mapping, which reads what is read without one. */
pu_status pu__mapping_new(pu_arena *arena, pu__mapping **out);

/* Adds "role=column,role=column". */
pu_status pu__mapping_columns(pu_arena *arena, const char *list, pu__mapping *mapping);
bool pu__mapping_has_columns(const pu__mapping *mapping);

bool pu__mapping_comment(const pu__mapping *mapping, pu__text line);
bool pu__mapping_missing(const pu__mapping *mapping, pu__text field);

/* A number with this mapping's decimal mark. */
bool pu__mapping_real(const pu__mapping *mapping, pu__text field, double *out);

/* Whether times are read by this mapping; then a date with the clock time beside it (empty: none). */
bool pu__mapping_has_time(const pu__mapping *mapping);
/* Whether date and clock time are read together, by one form. */
bool pu__mapping_formats_time(const pu__mapping *mapping);
/* Null, or what is wrong, to be read behind the text itself. */
const char *pu__mapping_time(const pu__mapping *mapping, pu__text date, pu__text clock, pu__moment *out);
/* The same for a time that is a number. */
const char *pu__mapping_epoch(const pu__mapping *mapping, int64_t value, pu__moment *out);

#endif
