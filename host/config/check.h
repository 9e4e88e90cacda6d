/* Relations between keys, which limits of single keys cannot express. */
#ifndef PU_HOST_CONFIG_CHECK_H
#define PU_HOST_CONFIG_CHECK_H

#include "plusultra/config.h"

/* `lines[i]` is where key i of pu__keys was set: a line of `source`, 0 for a default, -1 for an override.
 * PU_ERR_CONFIG names both keys. */
pu_status pu__config_check(const pu_config *config, const char *source, const int64_t *lines);

#endif
