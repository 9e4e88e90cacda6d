/* Markdown with text of users in it. */
#include <stdbool.h>
#include <string.h>

#include "host/page/page.h"

void pu__markdown_text(FILE *out, const char *text) {
    for (; text && *text; ++text) {
        if (*text == '\n' || *text == '\r') fputc(' ', out);
        else if (strchr("|<>*_`[]\\", *text)) fprintf(out, "\\%c", *text);
        else fputc(*text, out);
    }
}

void pu__markdown_code(FILE *out, const char *language, const char *text) {
    size_t fence = 3, run = 0;
    for (const char *c = text; *c; ++c) {
        run = *c == '`' ? run + 1 : 0;
        if (run >= fence) fence = run + 1;
    }
    for (size_t i = 0; i < fence; ++i) fputc('`', out);
    const size_t length = strlen(text);
    fprintf(out, "%s\n%s%s", language, text, length > 0 && text[length - 1] == '\n' ? "" : "\n");
    for (size_t i = 0; i < fence; ++i) fputc('`', out);
    fputc('\n', out);
}

void pu__markdown_fixed(FILE *out, double value, int digits) {
    char text[400]; /* the largest double has 309 digits before the point */
    snprintf(text, sizeof text, "%.*f", digits, value);
    const bool zero = text[strspn(text, "-0.")] == '\0';
    fputs(zero && text[0] == '-' ? text + 1 : text, out);
}

void pu__markdown_number(FILE *out, const json_t *value, pu__number_style style, int digits) {
    if (!json_is_number(value)) {
        fputs("–", out);
        return;
    }
    pu__markdown_fixed(out, (style == PU__PERCENT ? 100 : 1) * json_number_value(value),
                       style == PU__WHOLE ? 0 : digits);
    if (style == PU__PERCENT) fputs(" %", out);
}

const char *pu__text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}
