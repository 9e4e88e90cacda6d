/* validation.html: the page of host/data/validate/validation.html with Chart.js and the results put in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/buffer.h"
#include "host/base/file.h"
#include "host/data/validate/results.h"
#include "plusultra/memory.h"

extern const char pu__validation_page[];
extern const char pu__chart_js[];

/* JSON that may stand inside a script element: no "<" can end it early. */
static void add_data(pu__buffer *page, const char *text) {
    while (*text) {
        const size_t plain = strcspn(text, "<");
        pu__buffer_add(page, text, plain);
        text += plain;
        if (*text != '<') break;
        pu__buffer_add(page, "\\u003c", 6);
        ++text;
    }
}

static char *data_text(const pu_validation *validation, const char *title) {
    char created[32];
    pu_time_format((int64_t)time(NULL), true, created);
    json_t *data = pu__validation_json(validation, true);
    if (data) {
        json_object_set_new(data, "title", json_string(title));
        json_object_set_new(data, "version", json_string(PU_VERSION));
        json_object_set_new(data, "created", json_string(created));
    }
    char *text = data ? json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;
    json_decref(data);
    return text;
}

pu_status pu_validation_page(const pu_validation *validation, const char *title, const char *path) {
    static const char chart_mark[] = "/*CHART_JS*/", data_mark[] = "/*DATA*/";
    const char *chart = strstr(pu__validation_page, chart_mark), *data = strstr(pu__validation_page, data_mark);
    char *text = data_text(validation, title);
    if (!text) return pu_fail(PU_ERR_MEMORY, "out of memory for %s", path);
    pu__buffer page = {0};
    pu__buffer_add(&page, pu__validation_page, (size_t)(chart - pu__validation_page));
    pu__buffer_add(&page, pu__chart_js, strlen(pu__chart_js));
    chart += sizeof chart_mark - 1;
    pu__buffer_add(&page, chart, (size_t)(data - chart));
    add_data(&page, text);
    free(text);
    data += sizeof data_mark - 1;
    pu__buffer_add(&page, data, strlen(data));
    const size_t bytes = page.used;
    char *whole = pu__buffer_take(&page);
    if (!whole) return PU_ERR_MEMORY;
    const pu_status status = pu__file_replace(path, whole, bytes);
    pu_free(whole);
    return status;
}
