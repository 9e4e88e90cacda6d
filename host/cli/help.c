#include "host/cli/help.h"

#include <string.h>

enum { HELP_COLUMN = 30 };

static const pu__option config_options[] = {
    {"config", 'c', "FILE", "experiment configuration; without it, the defaults"},
    {"set", 0, "SECTION.KEY=VALUE", "override one key; can be repeated"},
};
static const pu__option common_options[] = {
    {"json", 0, "FILE", "write the result as JSON, also after a failure; - for standard output"},
    {"quiet", 'q', NULL, "warnings and errors only"},
    {"verbose", 'v', NULL, "details as well"},
    {"log-format", 0, "FORMAT", "human or json lines"},
    {"help", 'h', NULL, "show this help"},
};
enum {
    CONFIG_OPTIONS = sizeof config_options / sizeof config_options[0],
    COMMON_OPTIONS = sizeof common_options / sizeof common_options[0]
};

int pu__option_total(const pu__verb *verb) {
    return verb->option_count + (verb->takes_config ? CONFIG_OPTIONS : 0) + COMMON_OPTIONS;
}

const pu__option *pu__option_at(const pu__verb *verb, int index) {
    if (index < verb->option_count) return &verb->options[index];
    index -= verb->option_count;
    if (verb->takes_config && index < CONFIG_OPTIONS) return &config_options[index];
    return &common_options[index - (verb->takes_config ? CONFIG_OPTIONS : 0)];
}

void pu__help_all(FILE *out, int verb_count, const pu__verb *const *verbs) {
    fprintf(out, "Plus Ultra trains trading models: market bars in, an honest backtest report out.\n\n"
                 "usage: plusultra COMMAND [OPTION...]\n\ncommands:\n");
    for (int i = 0; i < verb_count; ++i) fprintf(out, "  %-13s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(out, "\n`plusultra COMMAND --help` describes one command; `plusultra --version` prints the version.\n"
                 "Exit codes: 0 done, 1 failed, 2 the request is wrong (options or configuration).\n");
}

static void print_option(const pu__option *option) {
    char left[128];
    char letter[8] = "    ";
    if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
    const int used = snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
                              option->value_name ? " " : "", option->value_name ? option->value_name : "");
    if (used < HELP_COLUMN) printf("%-*s%s\n", HELP_COLUMN, left, option->help);
    else printf("%s\n%*s%s\n", left, HELP_COLUMN, "", option->help);
}

void pu__help_verb(const pu__verb *verb) {
    printf("usage: plusultra %s [OPTION...]%s%s\n\n%s\n", verb->name, verb->operands ? " " : "",
           verb->operands ? verb->operands : "", verb->details);
    if (verb->details[0] && verb->details[strlen(verb->details) - 1] != '\n') printf("\n");
    printf("options:\n");
    for (int i = 0; i < pu__option_total(verb); ++i) print_option(pu__option_at(verb, i));
}
