/* The stress report: one self-contained HTML page (host/stress/stress.html) and its tables as Markdown, of
 * stress.json. */
#include "host/stress/report.h"

#include "host/base/file.h"
#include "plusultra/memory.h"
#include "plusultra/stress.h"

extern const char pu__stress_page[];

enum { PATH_BYTES = 4096 };

static json_t *measures(void) {
    json_t *out = json_array();
    for (int i = 0; i < pu__measure_count; ++i) {
        const pu__measure *m = &pu__measures[i];
        json_array_append_new(out, json_pack("{s:s, s:s, s:b, s:i, s:s?, s:i}", "key", m->key, "label", m->label,
                                             "percent", m->style == PU__PERCENT, "digits", m->digits, "error",
                                             m->error, "sense", m->sense));
    }
    return out;
}

static json_t *attribution_parts(void) {
    json_t *out = json_array();
    for (int i = 0; i < pu__attribution_count; ++i) {
        const pu__attribution_part *part = &pu__attribution_parts[i];
        json_array_append_new(
            out, json_pack("{s:s, s:s, s:i}", "key", part->key, "label", part->label, "sign", part->sign));
    }
    return out;
}

static pu_status write_html(const char *path, json_t *document, const pu__stress_verdict *verdict) {
    json_t *data = json_pack("{s:O, s:{s:s, s:s}, s:o, s:o, s:o}", "stress", document, "verdict", "text",
                             verdict->text, "tone", verdict->tone, "measures", measures(), "parts",
                             attribution_parts(), "reading", pu__stress_reading(document));
    const pu_status status = pu__page_write(path, pu__stress_page, data);
    json_decref(data);
    return status;
}

static pu_status write_markdown(const char *path, const json_t *document, const pu__stress_verdict *verdict) {
    pu__new_file file;
    PU_TRY(pu__file_begin(path, &file));
    pu__stress_markdown(file.stream, document, verdict->text);
    return pu__file_end(&file);
}

pu_status pu_stress_report(const pu_config *config, char *html_path, int64_t html_path_capacity) {
    char folder[PATH_BYTES - 64], source[PATH_BYTES], html[PATH_BYTES], markdown[PATH_BYTES];
    if (snprintf(folder, sizeof folder, "%s/%s", config->run.out, config->run.name) >= (int)sizeof folder) {
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path that is too long");
    }
    snprintf(source, sizeof source, "%s/stress.json", folder);
    snprintf(html, sizeof html, "%s/stress.html", folder);
    snprintf(markdown, sizeof markdown, "%s/stress.md", folder);
    json_t *document = NULL;
    pu__stress_verdict verdict = {0};
    pu_status status = pu__stress_document_read(source, &document);
    if (status == PU_OK) status = pu__stress_judge(document, &verdict);
    if (status == PU_OK) status = write_html(html, document, &verdict);
    if (status == PU_OK) status = write_markdown(markdown, document, &verdict);
    pu_free(verdict.text);
    json_decref(document);
    if (status == PU_OK && html_path) snprintf(html_path, (size_t)html_path_capacity, "%s", html);
    return status;
}
