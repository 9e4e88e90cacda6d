/* What reports are made of: the JSON document that a command left, one HTML page with everything in it, Markdown. */
#ifndef PU_HOST_PAGE_PAGE_H
#define PU_HOST_PAGE_PAGE_H

#include <jansson.h>
#include <stdio.h>

#include "plusultra/status.h"

/* Reads a JSON object whose "format" is as said. PU_ERR_NOT_FOUND and PU_ERR_CORRUPT name the file, the line of the
 * damage, and `plusultra <made_by>`, which makes it. The caller releases it with json_decref. */
pu_status pu__document_read(const char *path, const char *format, const char *made_by, json_t **out);

/* Writes `page` to `path` with its marks filled: the style, Chart.js and the script that all pages share
 * (host/page/page.css, page.js), and the data as JSON. The marks, each once, in this order: STYLE, CHART_JS, DATA,
 * SCRIPT, written as comments of CSS and JavaScript. Text in the data cannot end the script element it stands in. */
pu_status pu__page_write(const char *path, const char *page, const json_t *data);

/* ---- Markdown ---- */

/* Text of users inside a paragraph or a cell: what would end a cell or start markup is escaped, line breaks become
 * spaces. Null writes nothing. */
void pu__markdown_text(FILE *out, const char *text);

/* As a block of code, whatever it contains: the fence is longer than any run of backticks in it. */
void pu__markdown_code(FILE *out, const char *language, const char *text);

typedef enum pu__number_style { PU__PLAIN, PU__PERCENT, PU__WHOLE } pu__number_style;

/* A dash where `value` is no number. */
void pu__markdown_number(FILE *out, const json_t *value, pu__number_style style, int digits);
/* With that many decimals; what rounds to zero has no sign. */
void pu__markdown_fixed(FILE *out, double value, int digits);

/* A number of an object under a heading. */
typedef struct pu__column {
    const char *label, *key;
    pu__number_style style;
    int digits;
} pu__column;

/* Text under a key, "" where there is none. */
const char *pu__text_of(const json_t *object, const char *key);

#endif
