/* One file into the store. The steps: find out how it is read (mapping, first line, first rows), then read on one
 * thread and write on this one, all inside one transaction. */
#include "plusultra/import.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "host/data/import/probe.h"
#include "host/data/import/bar_sink.h"
#include "host/data/import/database.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

typedef struct import_job {
    pu_store *store;
    const char *path;
    pu_import_options options; /* with what the mapping adds */
    pu__mapping *mapping;      /* null: none */
    pu_arena *arena;           /* the mapping's */
    pu_import_result *result;
    pu__row_rules rules;
    pu__bar_sink *sink;
    pu__lines *lines; /* null: a database */
    bool resumable;
    pu__file_end end; /* once all of it is read */
    int64_t total;    /* bytes or rows to come, for the progress */
    const char *unit;
    int64_t per_unit;
} import_job;

/* "folder/EURUSD.csv.gz" -> "EURUSD": without .gz, then without what follows the last dot, if anything stands before
 * it. */
static void name_of(const char *path, const char **name, size_t *length) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    *length = strlen(*name);
    if (*length > 3 && strcasecmp(*name + *length - 3, ".gz") == 0) *length -= 3;
    for (size_t i = *length; i > 1; --i) {
        if ((*name)[i - 1] != '.') continue;
        *length = i - 1;
        return;
    }
}

/* A name that is cut would put the bars of two files into one asset. */
static pu_status name_asset(import_job *job) {
    const char *name = job->options.symbol;
    size_t length = 0;
    if (name) {
        snprintf(job->result->symbol, sizeof job->result->symbol, "%s", name);
        return pu__asset_name_check(name);
    }
    name_of(job->path, &name, &length);
    snprintf(job->result->symbol, sizeof job->result->symbol, "%.*s", (int)(length < 63 ? length : 63), name);
    return PU_OK;
}

/* Once it is known that no column names the symbol. */
static pu_status settle_name(import_job *job) {
    const char *name = NULL;
    size_t length = 0;
    if (job->options.symbol || job->rules.many) return PU_OK;
    if (job->rules.symbol[0]) {
        snprintf(job->result->symbol, sizeof job->result->symbol, "%s", job->rules.symbol);
        return PU_OK;
    }
    name_of(job->path, &name, &length);
    if (length < sizeof job->result->symbol) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT,
                   "%s: its name is too long for a symbol, %zu bytes, 1 to 63 are accepted: name it with --symbol",
                   job->path, length);
}

static pu_status store_all(import_job *job, pu__batch_reader *reader) {
    pu_progress progress;
    pu_progress_begin(&progress, job->result->symbol, job->unit, job->total / job->per_unit);
    for (bool last = false; !last;) {
        const pu__batch *batch = pu__batch_next(reader);
        PU_TRY(pu__bar_sink_put(job->sink, reader, batch));
        last = batch->last;
        if (batch->status != PU_OK) return pu_fail(batch->status, "%s", batch->message);
        if (pu_interrupted())
            return pu_fail(PU_ERR_INTERRUPTED, "interrupted: nothing of %s was stored; run again", job->path);
        if (job->total >= 16 * job->per_unit) pu_progress_update(&progress, batch->done / job->per_unit, NULL);
    }
    return pu__bar_sink_end(job->sink, reader);
}

/* Moves on to the first row, or behind the rows that were imported before. */
static pu_status go_to_rows(import_job *job, pu__resume *resume) {
    pu__lines *lines = job->lines;
    const pu_import_result *result = job->result;
    if (!lines) return PU_OK;
    if (job->resumable)
        PU_TRY(pu__resume_find(job->store, result->symbol, &job->rules, lines->file_bytes, resume));
    if (resume->found)
        PU_TRY(pu__lines_skip(lines, resume->bytes, resume->sha256, resume->end.lines, &resume->found));
    for (int64_t i = 0; i < job->rules.head_lines && !resume->found; ++i) {
        pu__text line;
        bool found = false;
        PU_TRY(pu__lines_next(lines, &line, &found));
    }
    return PU_OK;
}

static pu_status read_rows(import_job *job, pu__row_source *source, const pu__resume *resume) {
    pu__batch_reader *reader = NULL;
    PU_TRY(pu__batch_reader_open(source, &job->rules, resume->found ? &resume->end.state : NULL, &reader));
    pu_status status = resume->found ? pu__bar_sink_resume(job->sink, reader, resume) : PU_OK;
    if (status == PU_OK) status = store_all(job, reader);
    if (status == PU_OK && job->resumable) job->end = (pu__file_end){job->lines->line, pu__batch_state(reader)};
    pu__batch_reader_close(reader);
    return status;
}

static pu_status write_rows(import_job *job, pu__row_source *source) {
    pu__resume resume = {0};
    pu_status status = go_to_rows(job, &resume);
    if (status == PU_OK) status = read_rows(job, source, &resume);
    pu__resume_free(&resume);
    return status;
}

static pu_status run_transaction(import_job *job, pu__row_source *source, crypto_hash_sha256_state *hash,
                                 const int64_t *bytes) {
    PU_TRY(pu_store_begin(job->store));
    pu_status status = write_rows(job, source);
    job->result->bytes = *bytes;
    if (status == PU_OK) {
        pu__digest_end(hash, job->result->sha256);
        status = pu__bar_sink_record(job->sink, job->resumable ? &job->end : NULL);
    }
    if (status == PU_OK && job->options.dry_run) {
        pu_store_rollback(job->store);
        pu__bar_sink_report(job->sink);
        return PU_OK;
    }
    status = pu__sql_leave(job->store, true, status);
    if (status == PU_OK) pu__bar_sink_report(job->sink);
    return status;
}

static pu_status run_rows(import_job *job, pu__row_source *source, crypto_hash_sha256_state *hash,
                          const int64_t *bytes) {
    pu_import_result *result = job->result;
    result->layout = job->rules.layout.kind;
    result->stamp = job->rules.stamp;
    PU_TRY(settle_name(job));
    PU_TRY(pu__bar_sink_open(job->store, job->path, &job->options, &job->rules, result, &job->sink));
    const pu_status status = run_transaction(job, source, hash, bytes);
    pu__bar_sink_close(job->sink);
    return status;
}

static pu_status run_text(import_job *job, pu__lines *lines) {
    PU_TRY(pu__probe(lines, &job->options, job->mapping, &job->rules, &job->result->stamp_assumed));
    job->result->compressed = lines->gunzip != NULL;
    pu__text_source source = pu__text_rows(lines, &job->rules);
    job->lines = lines;
    job->resumable = pu__resume_possible(&job->rules, lines->gunzip != NULL);
    job->total = lines->file_bytes;
    job->unit = "MB";
    job->per_unit = 1000000;
    return run_rows(job, &source.base, &lines->hash, &lines->bytes);
}

static pu_status import_text(import_job *job) {
    pu__lines lines;
    PU_TRY(pu__lines_open(job->path, &lines));
    const pu_status status = run_text(job, &lines);
    pu__lines_close(&lines);
    return status;
}

static pu_status import_table(import_job *job) {
    pu__database *table = NULL;
    PU_TRY(pu__database_open(job->path, &job->options, job->mapping, job->result->symbol, &job->rules, &table));
    job->result->stamp_assumed = pu__database_stamp_assumed(table);
    job->total = pu__database_rows(table);
    job->unit = "rows";
    job->per_unit = 1;
    const pu_status status =
        run_rows(job, pu__database_source(table), pu__database_hash(table), pu__database_bytes(table));
    pu__database_close(table);
    return status;
}

/* What is given on its own goes before the mapping. */
static void take_from_mapping(import_job *job) {
    pu_import_options *options = &job->options;
    const pu__mapping *mapping = job->mapping;
    if (options->stamp == PU_IMPORT_STAMP_AUTO) options->stamp = mapping->stamp;
    if (!options->table) options->table = mapping->table;
    if (!options->symbol) options->symbol = mapping->symbol;
    if (!options->asset_class) options->asset_class = mapping->asset_class;
    if (!options->currency) options->currency = mapping->currency;
    if (options->bar_s == 0) options->bar_s = mapping->bar_s;
    if (!(options->periods_per_year > 0)) options->periods_per_year = mapping->periods_per_year;
}

static pu_status read_mapping(import_job *job) {
    const char *columns = job->options.columns;
    const bool by_role = columns && strchr(columns, '=');
    if (!job->options.mapping && !by_role) return PU_OK;
    PU_TRY(pu_arena_new(0, &job->arena));
    PU_TRY(job->options.mapping ? pu__mapping_load(job->arena, job->options.mapping, &job->mapping)
                                : pu__mapping_new(job->arena, &job->mapping));
    if (by_role) PU_TRY(pu__mapping_columns(job->arena, columns, job->mapping));
    take_from_mapping(job);
    return PU_OK;
}

static pu_status run_job(import_job *job) {
    bool database = false;
    PU_TRY(read_mapping(job));
    PU_TRY(name_asset(job));
    PU_TRY(pu__database_magic(job->path, &database));
    return database ? import_table(job) : import_text(job);
}

pu_status pu_import_file(pu_store *store, const char *path, const pu_import_options *options,
                         pu_import_result *result) {
    const double started_s = pu_clock_s();
    *result = (pu_import_result){0};
    import_job *job = pu_calloc(1, sizeof *job);
    if (!job) return PU_ERR_MEMORY;
    *job = (import_job){.store = store, .path = path, .result = result};
    if (options) job->options = *options;
    const pu_status status = run_job(job);
    pu_arena_free(job->arena);
    pu_free(job);
    result->seconds = pu_clock_s() - started_s;
    return status;
}
