/* Usage texts, and the options that every verb has. */
#ifndef PU_HOST_CLI_HELP_H
#define PU_HOST_CLI_HELP_H

#include <stdio.h>

#include "host/cli/cli.h"

/* The verb's own options, then those of the frame that apply to it. */
int pu__option_total(const pu__verb *verb);
const pu__option *pu__option_at(const pu__verb *verb, int index);

void pu__help_all(FILE *out, int verb_count, const pu__verb *const *verbs);
void pu__help_verb(const pu__verb *verb); /* to standard output */

#endif
