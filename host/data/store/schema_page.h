/* docs/schema.md, made from the schema itself and from schema_words.def. */
#ifndef PU_HOST_DATA_STORE_SCHEMA_PAGE_H
#define PU_HOST_DATA_STORE_SCHEMA_PAGE_H

#include <stdio.h>

#include "plusultra/status.h"

/* PU_ERR_ARGUMENT names a table or column that schema_words.def leaves out, or one that it has and the schema has
 * not. */
pu_status pu__schema_page(FILE *out);

#endif
