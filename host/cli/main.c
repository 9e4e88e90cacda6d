#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "host/cli/cli.h"
#include "plusultra/log.h"

/* verbs.inc is written by CMake: one PU_VERB(name) per file host/cli/cmd_<name>.c, in the order of the work. */
#define PU_VERB(name) extern const pu__verb pu__verb_##name;
#include "verbs.inc"
#undef PU_VERB

static const pu__verb *const verbs[] = {
#define PU_VERB(name) &pu__verb_##name,
#include "verbs.inc"
#undef PU_VERB
};

/* A process may be started with its standard streams closed; the next files opened would take their numbers, and
 * messages would be written into them. Reading ends in their place make writing fail as before. */
static bool hold_standard_streams(void) {
    int file = 0;
    while (file >= 0 && file <= STDERR_FILENO) file = open("/dev/null", O_RDONLY);
    if (file > STDERR_FILENO) close(file);
    return file >= 0;
}

int main(int argc, char **argv) {
    if (!hold_standard_streams()) return 1;
    pu_interrupt_install();
    return pu__cli_main((int)(sizeof verbs / sizeof verbs[0]), verbs, argc, argv);
}
