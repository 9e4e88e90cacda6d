/* A file of series, given as bytes, through reader and row rules: what is accepted must be what the store accepts.
 * The kind of series follows from the number of bytes, so that truncations come by all of them. */
#ifndef TESTS_FUZZ_SERIES_H
#define TESTS_FUZZ_SERIES_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/data/alternative/points.h"
#include "host/data/import/rows.h"
#include "tests/fuzz/fuzz.h"

static void check_points(const pu_series_options *options, const pu__points *points) {
    if (points->count < 1 || points->count > PU__POINTS_MAX || strlen(points->symbol) > 63) abort();
    for (int i = 0; i < points->count; ++i) {
        const pu__point *point = &points->point[i];
        if (pu__series_name_check(point->name) != PU_OK) abort();
        if (strncmp(point->name, options->name, strlen(options->name)) != 0) abort();
        if (!pu__ts_plausible(point->ts) || !pu__ts_plausible(point->published_ts)) abort();
        if (!(fabs(point->value) <= 1e300)) abort();
        if (options->has_published_lag && options->kind != PU_SERIES_MACRO && point->published_ts < point->ts)
            abort();
        if (options->kind == PU_SERIES_REGIME && point->value != trunc(point->value)) abort();
    }
}

/* The file at `path` through reader and row rules. */
static inline void fuzz_series_file(const char *path, const pu_series_options *options,
                                    const pu__columns *columns) {
    char reason[PU_IMPORT_REASON_BYTES];
    pu__reader *reader = NULL;
    if (pu__reader_open(path, columns, options, &reader) != PU_OK) return;
    pu__reader_row row;
    pu__points points;
    bool found = true;
    int64_t last = 0;
    while (reader->next(reader, &row, &found) == PU_OK && found) {
        if (row.line <= last) abort();
        last = row.line;
        if (pu__points_read(options, NULL, &row, &points, reason)) check_points(options, &points);
        else if (!reason[0]) abort();
    }
    reader->close(reader);
}

static inline pu_series_options fuzz_series_options(size_t size) {
    return (pu_series_options){.name = "fuzz",
                               .kind = (pu_series_kind)(size % PU_SERIES_KINDS),
                               .has_published_lag = size / PU_SERIES_KINDS % 2 == 1};
}

static inline void fuzz_series(const char *list, const uint8_t *data, size_t size) {
    char path[64];
    pu_series_options options = fuzz_series_options(size);
    pu__columns columns;
    options.columns = list;
    const int file = memfd_create("input", MFD_CLOEXEC);
    if (file < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, data, size) != (ssize_t)size) abort();
    if (pu__columns_make(options.kind, list, &columns) != PU_OK) abort();
    fuzz_series_file(path, &options, &columns);
    close(file);
}

#endif
