#include "host/config/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int64_t pu__yaml_line(const pu__yaml *yaml) { return (int64_t)yaml->event.start_mark.line + 1; }

pu_status pu__yaml_fail(const pu__yaml *yaml, int64_t line, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!yaml->is_file) return pu_fail(PU_ERR_CONFIG, "%s: %s", yaml->source, text);
    return pu_fail(PU_ERR_CONFIG, "%s:%lld: %s", yaml->source, (long long)line, text);
}

static pu_status fail_syntax(const pu__yaml *yaml) {
    const yaml_parser_t *p = &yaml->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return pu_fail(PU_ERR_MEMORY, "out of memory while reading %s", yaml->source);
    const char *problem = p->problem ? p->problem : "unreadable";
    int64_t line = 1 + (int64_t)p->problem_mark.line;
    if (p->error == YAML_READER_ERROR) { /* gives the byte's offset only, far ahead of the scanner's mark */
        line = 1;
        for (size_t i = 0; i < p->problem_offset && i < yaml->length; ++i) line += yaml->text[i] == '\n';
    }
    return pu__yaml_fail(yaml, line, "not valid YAML: %s%s%s", p->context ? p->context : "",
                         p->context ? ", " : "", problem);
}

static pu_status refuse_marks(const pu__yaml *yaml, const unsigned char *anchor, const unsigned char *tag) {
    const int64_t line = pu__yaml_line(yaml);
    if (anchor) return pu__yaml_fail(yaml, line, "anchors (&%s) are not accepted", (const char *)anchor);
    if (tag) return pu__yaml_fail(yaml, line, "tags (%s) are not accepted", (const char *)tag);
    return PU_OK;
}

pu_status pu__yaml_next(pu__yaml *yaml) {
    if (yaml->has_event) yaml_event_delete(&yaml->event);
    yaml->has_event = yaml_parser_parse(&yaml->parser, &yaml->event) != 0;
    if (!yaml->has_event) return fail_syntax(yaml);
    const yaml_event_t *e = &yaml->event;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return pu__yaml_fail(yaml, pu__yaml_line(yaml), "aliases (*%s) are not accepted: write the value out",
                             (const char *)e->data.alias.anchor);
    case YAML_SCALAR_EVENT: return refuse_marks(yaml, e->data.scalar.anchor, e->data.scalar.tag);
    case YAML_SEQUENCE_START_EVENT:
        return refuse_marks(yaml, e->data.sequence_start.anchor, e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return refuse_marks(yaml, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    case YAML_DOCUMENT_START_EVENT:
        if (e->data.document_start.tag_directives.start == e->data.document_start.tag_directives.end) return PU_OK;
        return pu__yaml_fail(yaml, pu__yaml_line(yaml), "%%TAG directives are not accepted");
    default: return PU_OK;
    }
}

pu_status pu__yaml_open(pu__yaml *yaml, const char *source, bool is_file, const char *text, size_t length,
                        bool *empty) {
    *yaml = (pu__yaml){.text = text, .length = length, .source = source, .is_file = is_file};
    *empty = false;
    if (!yaml_parser_initialize(&yaml->parser))
        return pu_fail(PU_ERR_MEMORY, "out of memory while starting the YAML reader");
    yaml_parser_set_encoding(&yaml->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&yaml->parser, (const unsigned char *)text, length);
    PU_TRY(pu__yaml_next(yaml)); /* the stream's start */
    PU_TRY(pu__yaml_next(yaml));
    *empty = yaml->event.type == YAML_STREAM_END_EVENT;
    return *empty ? PU_OK : pu__yaml_next(yaml);
}

void pu__yaml_close(pu__yaml *yaml) {
    if (yaml->has_event) yaml_event_delete(&yaml->event);
    yaml_parser_delete(&yaml->parser);
    *yaml = (pu__yaml){0};
}

pu_status pu__yaml_end(pu__yaml *yaml, const char *one) {
    PU_TRY(pu__yaml_next(yaml)); /* the document's end */
    PU_TRY(pu__yaml_next(yaml));
    if (yaml->event.type == YAML_STREAM_END_EVENT) return PU_OK;
    return pu__yaml_fail(yaml, pu__yaml_line(yaml), "a second document begins here: one file holds one %s", one);
}

const char *pu__yaml_scalar(const pu__yaml *yaml) { return (const char *)yaml->event.data.scalar.value; }

bool pu__yaml_is_plain(const pu__yaml *yaml) { return yaml->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE; }

bool pu__yaml_is_null(const pu__yaml *yaml) {
    const char *text = pu__yaml_scalar(yaml);
    return pu__yaml_is_plain(yaml) && (*text == '\0' || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
}
