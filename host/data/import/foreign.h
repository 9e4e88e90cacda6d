/* SQLite files of other programs. */
#ifndef PU_HOST_DATA_IMPORT_FOREIGN_H
#define PU_HOST_DATA_IMPORT_FOREIGN_H

#include <sqlite3.h>

#include "plusultra/status.h"

/* Opens a file that is not trusted: read-only, with DEFENSIVE on and trusted_schema off, with limits, and with an
 * authorizer that lets nothing but reading through. A query ends when the program is interrupted. The caller closes
 * *out, which may be set after a failure, too. */
pu_status pu__foreign_open(const char *path, sqlite3 **out);

#endif
