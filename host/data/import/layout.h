/* What a file's columns mean. */
#ifndef PU_HOST_DATA_IMPORT_LAYOUT_H
#define PU_HOST_DATA_IMPORT_LAYOUT_H

#include "host/data/import/csv.h"
#include "host/data/import/mapping.h"
#include "plusultra/import.h"

typedef struct pu__layout {
    pu_import_layout kind;
    bool has_header;
    char delimiter;
    int columns;
    int column[PU__ROLE_COUNT]; /* -1: the file has none */
} pu__layout;

/* The mark that splits the line into the most fields; a comma among equals. */
char pu__find_delimiter(pu__text line);

/* Finds the layout by the file's first line, by the mapping (may be null) or by options->columns. PU_ERR_DATA names
 * the missing column, or says that nothing fits. */
pu_status pu__layout_detect(const char *path, pu__text first_line, const pu_import_options *options,
                            const pu__mapping *mapping, pu__layout *out);

/* "forex", "crypto", ... by layout and the look of the symbol. */
const char *pu__layout_class(const pu__layout *layout, const char *symbol);

#endif
