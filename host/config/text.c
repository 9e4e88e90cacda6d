#include "host/config/text.h"

#include <stdio.h>
#include <string.h>

#include "host/base/buffer.h"
#include "host/config/schema.h"
#include "host/config/value.h"

enum { COMMENT_COLUMN = 36 };

char *pu_config_text(const pu_config *config) {
    pu__buffer out = {0};
    const char *section = "";
    for (int i = 0; i < pu__key_count; ++i) {
        const pu__key *key = &pu__keys[i];
        if (strcmp(section, key->section) != 0) pu__buffer_printf(&out, "%s:\n", key->section);
        section = key->section;
        pu__buffer_printf(&out, "  %s: ", key->name);
        pu__value_write(key, config, &out);
        pu__buffer_add(&out, "\n", 1);
    }
    return pu__buffer_take(&out);
}

static void write_default(const pu__key *key, pu__buffer *out) {
    if (pu__kind_is_list(key->kind)) pu__buffer_printf(out, "[%s]", key->fallback);
    else pu__buffer_printf(out, "%s", key->fallback[0] ? key->fallback : "\"\"");
}

static bool is_named(const pu__key *key, int count, const char *const *names) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", key->section, key->name);
    for (int i = 0; i < count; ++i) {
        if (strcmp(names[i], full) == 0) return true;
    }
    return count == 0;
}

char *pu__config_starter(int count, const char *const *names) {
    pu__buffer out = {0};
    const char *section = "";
    for (int i = 0; i < pu__key_count; ++i) {
        const pu__key *key = &pu__keys[i];
        if (!is_named(key, count, names)) continue;
        if (strcmp(section, key->section) != 0) {
            section = key->section;
            pu__buffer_printf(&out, "\n%s: # %s\n", section, pu__find_section(section)->help);
        }
        const size_t start = out.used;
        pu__buffer_printf(&out, "  %s: ", key->name);
        write_default(key, &out);
        const int gap = COMMENT_COLUMN - (int)(out.used - start);
        pu__buffer_printf(&out, "%*s# %s\n", gap > 1 ? gap : 1, "", key->help);
    }
    return pu__buffer_take(&out);
}

/* A cell of a Markdown table: a bar would end it. */
static void write_cell(const char *text, pu__buffer *out) {
    for (; *text; ++text) {
        if (*text == '|') pu__buffer_add(out, "\\", 1);
        pu__buffer_add(out, text, 1);
    }
}

char *pu_config_reference(void) {
    pu__buffer out = {0};
    pu__buffer_printf(&out,
                      "# Configuration\n\n"
                      "One YAML file describes one experiment; every key has a default, so a file holds only what "
                      "differs. Any key can be\n"
                      "overridden on the command line with `--set section.key=value`. Unknown keys, wrong types "
                      "and values out of range are\n"
                      "errors that name the file, the line and the nearest valid key. `plusultra show-config` "
                      "prints the configuration that\n"
                      "results, and a run stores it in its folder.\n\n"
                      "This page is generated from `include/plusultra/config_keys.def`; `make docs` renews it.\n");
    const char *section = "";
    for (int i = 0; i < pu__key_count; ++i) {
        const pu__key *key = &pu__keys[i];
        if (strcmp(section, key->section) != 0) {
            section = key->section;
            pu__buffer_printf(&out, "\n## %s: %s\n\n| key | default | accepts | meaning |\n|---|---|---|---|\n",
                              section, pu__find_section(section)->help);
        }
        pu__buffer_printf(&out, "| `%s` | `", key->name);
        write_default(key, &out);
        pu__buffer_printf(&out, "` | %s", pu__kind_is_list(key->kind) ? "list of: " : "");
        pu__value_describe(key, &out);
        pu__buffer_printf(&out, " | ");
        write_cell(key->help, &out);
        pu__buffer_printf(&out, " |\n");
    }
    return pu__buffer_take(&out);
}
