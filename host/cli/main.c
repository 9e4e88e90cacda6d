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

int main(int argc, char **argv) {
    pu_interrupt_install();
    return pu__cli_main((int)(sizeof verbs / sizeof verbs[0]), verbs, argc, argv);
}
