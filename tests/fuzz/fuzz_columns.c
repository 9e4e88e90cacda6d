/* What --columns says of bars and of series, as a header or by roles, and behind the first line a file that it names
 * the columns of. Bar lengths, ages and times as they are typed come along. */
#define _GNU_SOURCE
#include "host/data/import/probe.h"
#include "tests/fuzz/rows.h"
#include "tests/fuzz/series.h"

static void import(const char *path, const char *list) {
    pu_import_options options = {0};
    pu__mapping *mapping = NULL;
    pu__lines lines;
    pu__row_rules rules;
    pu_arena *arena = NULL;
    bool assumed = false;
    const bool roles = strchr(list, '=') != NULL;
    if (pu_arena_new(0, &arena) != PU_OK || pu__mapping_new(arena, &mapping) != PU_OK) abort();
    if (!roles) options.columns = list;
    if ((!roles || pu__mapping_columns(arena, list, mapping) == PU_OK) && pu__lines_open(path, &lines) == PU_OK) {
        if (pu__probe(&lines, &options, roles ? mapping : NULL, &rules, &assumed) == PU_OK) {
            pu__text_source source = pu__text_rows(&lines, &rules);
            fuzz_read_rows(&source.base, &rules);
        }
        pu__lines_close(&lines);
    }
    pu_arena_free(arena);
}

static void read_words(const char *text) {
    char again[32];
    int64_t seconds = 0, ts = 0;
    if (pu_series_length(text, PU_SERIES_LIMIT_S_MAX, &seconds) &&
        (seconds < 0 || seconds > PU_SERIES_LIMIT_S_MAX))
        abort();
    if (pu_import_bar_length(text) < 0) abort();
    if (pu_time_parse(text, &ts) != PU_OK) return;
    pu_time_format(ts, strlen(text) > 10, again);
    if (strcmp(text, again) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char list[512], path[64];
    const uint8_t *newline = memchr(data, '\n', size);
    const size_t length = newline ? (size_t)(newline - data) : size, tail = newline ? length + 1 : size;
    snprintf(list, sizeof list, "%.*s", (int)length, (const char *)data);
    read_words(list);
    const int file = memfd_create("input", MFD_CLOEXEC);
    if (file < 0 || write(file, data + tail, size - tail) != (ssize_t)(size - tail)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    import(path, list);
    for (int kind = 0; kind < PU_SERIES_KINDS; ++kind) {
        const pu_series_options options = {
            .name = "fuzz", .kind = (pu_series_kind)kind, .has_published_lag = true, .columns = list};
        pu__columns columns;
        if (pu__columns_make(options.kind, list, &columns) == PU_OK) fuzz_series_file(path, &options, &columns);
    }
    close(file);
    return 0;
}
