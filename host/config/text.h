/* Texts made from the key table, beside the public ones in plusultra/config.h. */
#ifndef PU_HOST_CONFIG_TEXT_H
#define PU_HOST_CONFIG_TEXT_H

#include "plusultra/config.h"

/* A configuration file to start from: the named keys ("section.key", in the order of config_keys.def) or, with
 * count 0, all of them; each with its default value and its help as a comment. The caller frees with pu_free. Null
 * when memory is short. */
char *pu__config_starter(int count, const char *const *names);

#endif
