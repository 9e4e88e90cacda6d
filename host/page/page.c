/* Documents that commands left, and pages made of them. */
#include "host/page/page.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/buffer.h"
#include "host/base/file.h"
#include "plusultra/memory.h"

extern const char pu__chart_js[];
extern const char pu__page_style[];
extern const char pu__page_script[];

static const size_t document_bytes_max = (size_t)1 << 30;

pu_status pu__document_read(const char *path, const char *format, const char *made_by, json_t **out) {
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    const pu_status status = pu__file_read(path, document_bytes_max, &text, &bytes);
    if (status == PU_ERR_NOT_FOUND)
        return pu_fail(status, "%s is missing: run `plusultra %s` first", path, made_by);
    PU_TRY(status);
    json_error_t error;
    json_t *document = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    pu_free(text);
    if (!document)
        return pu_fail(PU_ERR_CORRUPT, "%s:%d is damaged (%s): run `plusultra %s` again", path, error.line,
                       error.text, made_by);
    const char *found = json_string_value(json_object_get(document, "format"));
    if (found && strcmp(found, format) == 0) {
        *out = document;
        return PU_OK;
    }
    if (found)
        pu_fail(PU_ERR_CORRUPT, "%s: its format is \"%s\" and not \"%s\": run `plusultra %s` again", path, found,
                format, made_by);
    else pu_fail(PU_ERR_CORRUPT, "%s: its format is not said: run `plusultra %s` again", path, made_by);
    json_decref(document);
    return PU_ERR_CORRUPT;
}

/* JSON that may stand inside a script element: no "<" can end it early. */
static void add_data(pu__buffer *out, const char *text) {
    while (*text) {
        const size_t plain = strcspn(text, "<");
        pu__buffer_add(out, text, plain);
        text += plain;
        if (*text != '<') break;
        pu__buffer_add(out, "\\u003c", 6);
        ++text;
    }
}

pu_status pu__page_write(const char *path, const char *page, const json_t *data) {
    char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(8));
    if (!text) return pu_fail(PU_ERR_MEMORY, "out of memory for %s", path);
    const struct {
        const char *mark, *text;
    } parts[] = {{"/*STYLE*/", pu__page_style},
                 {"/*CHART_JS*/", pu__chart_js},
                 {"/*DATA*/", text},
                 {"/*SCRIPT*/", pu__page_script}};
    pu__buffer out = {0};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
        const char *mark = strstr(page, parts[i].mark);
        pu__buffer_add(&out, page, (size_t)(mark - page));
        if (parts[i].text == text) add_data(&out, text);
        else pu__buffer_add(&out, parts[i].text, strlen(parts[i].text));
        page = mark + strlen(parts[i].mark);
    }
    pu__buffer_add(&out, page, strlen(page));
    free(text);
    const size_t bytes = out.used;
    char *whole = pu__buffer_take(&out);
    if (!whole) return PU_ERR_MEMORY;
    const pu_status status = pu__file_replace(path, whole, bytes);
    pu_free(whole);
    return status;
}
