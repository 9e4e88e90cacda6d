/* Strict YAML for files that people write: libyaml's events with a place for every message. Aliases, anchors and tags
 * are refused, and so is a second document.
 *
 * Invariants:
 *  1. `event` is the event being looked at; pu__yaml_next releases it and fetches the next.
 *  2. After a failure the reader is only closed. */
#ifndef PU_HOST_CONFIG_YAML_H
#define PU_HOST_CONFIG_YAML_H

#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>

#include "plusultra/status.h"

typedef struct pu__yaml {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    const char *text; /* borrowed */
    size_t length;
    const char *source; /* borrowed; a file's name, or what else the text is from */
    bool is_file;       /* messages name the line as well */
} pu__yaml;

/* Starts reading and goes to the first event of the document. *empty: there is none, only comments or nothing. The
 * caller closes in any case. */
pu_status pu__yaml_open(pu__yaml *yaml, const char *source, bool is_file, const char *text, size_t length,
                        bool *empty);
void pu__yaml_close(pu__yaml *yaml); /* accepts a zeroed one */

pu_status pu__yaml_next(pu__yaml *yaml);
/* After the document's last event: PU_ERR_CONFIG when anything follows; `one` says what one file holds. */
pu_status pu__yaml_end(pu__yaml *yaml, const char *one);

int64_t pu__yaml_line(const pu__yaml *yaml); /* of the event, from 1 */

/* Of a scalar event. */
const char *pu__yaml_scalar(const pu__yaml *yaml);
bool pu__yaml_is_plain(const pu__yaml *yaml); /* written without quotes */
bool pu__yaml_is_null(const pu__yaml *yaml);

/* PU_ERR_CONFIG, "<source>:<line>: ..." */
pu_status pu__yaml_fail(const pu__yaml *yaml, int64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
