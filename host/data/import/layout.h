/* What a file's columns mean. */
#ifndef PU_HOST_DATA_IMPORT_LAYOUT_H
#define PU_HOST_DATA_IMPORT_LAYOUT_H

#include "host/data/import/csv.h"
#include "plusultra/import.h"

typedef enum pu__role {
    PU__ROLE_DATE = 0, /* a date, a date with a clock time, or an epoch */
    PU__ROLE_CLOCK,    /* the clock time beside a date */
    PU__ROLE_OPEN,
    PU__ROLE_HIGH,
    PU__ROLE_LOW,
    PU__ROLE_CLOSE,
    PU__ROLE_ADJUSTED,
    PU__ROLE_VOLUME,
    PU__ROLE_SYMBOL,
    PU__ROLE_PERIOD,
    PU__ROLE_CLOSE_TIME,
    PU__ROLE_COUNT
} pu__role;

typedef struct pu__layout {
    pu_import_layout kind;
    bool has_header;
    char delimiter;
    int columns;
    int column[PU__ROLE_COUNT]; /* -1: the file has none */
} pu__layout;

extern const char *const pu__role_name[PU__ROLE_COUNT];

/* The mark that splits the line into the most fields; a comma among equals. */
char pu__find_delimiter(pu__text line);

/* Finds the layout by the file's first line, or by options->columns. PU_ERR_DATA names the missing column, or says
 * that nothing fits. */
pu_status pu__layout_detect(const char *path, pu__text first_line, const pu_import_options *options,
                            pu__layout *out);

/* "forex", "crypto", ... by layout and the look of the symbol. */
const char *pu__layout_class(const pu__layout *layout, const char *symbol);

#endif
