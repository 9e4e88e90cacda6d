#include "host/cli/import_series.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/alternative.h"
#include "plusultra/log.h"

typedef struct series_tally {
    json_t *files;
    int64_t done, failed, added, unchanged, replaced, rejected;
} series_tally;

bool pu__imports_series(const pu__cli *cli) {
    static const char *const own[] = {"series", "regimes",     "kind",          "only",
                                      "unit",   "stale-after", "published-lag", "zone"};
    for (size_t i = 0; i < sizeof own / sizeof *own; ++i) {
        if (pu__cli_value(cli, own[i])) return true;
    }
    return false;
}

/* The option as seconds; *given is false without it. */
static pu_status read_length(const pu__cli *cli, const char *name, int64_t most_s, bool *given, int64_t *seconds) {
    const char *value = pu__cli_value(cli, name);
    *given = value != NULL;
    *seconds = 0;
    if (!value || pu_series_length(value, most_s, seconds)) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "--%s %.40s: write seconds, or 5m, 1h, 1d, 1w; at most %lld days", name, value,
                   (long long)(most_s / 86400));
}

static pu_status read_kind(const pu__cli *cli, pu_series_kind *out) {
    const char *word = pu__cli_value(cli, "kind");
    if (pu__cli_value(cli, "regimes")) {
        *out = PU_SERIES_REGIME;
        return word ? pu_fail(PU_ERR_CONFIG, "--kind is of a series: leave it out with --regimes") : PU_OK;
    }
    for (int k = 0; word && k < PU_SERIES_REGIME; ++k) {
        *out = (pu_series_kind)k;
        if (strcmp(word, pu_series_kind_name(*out)) == 0) return PU_OK;
    }
    return pu_fail(PU_ERR_CONFIG, "--kind: expects one of macro, onchain, funding, sentiment, other%s%.60s%s",
                   word ? ", not '" : "", word ? word : "", word ? "'" : "");
}

static pu_status read_options(const pu__cli *cli, double *rejected_ratio_max, pu_series_options *out) {
    static const char *const of_bars[] = {"layout", "asset-class",      "currency", "bar",
                                          "stamp",  "periods-per-year", "benchmark"};
    const char *series = pu__cli_value(cli, "series"), *regimes = pu__cli_value(cli, "regimes");
    bool given = false;
    if (cli->operand_count == 0) return pu_fail(PU_ERR_CONFIG, "expects FILE...; see `plusultra import --help`");
    if (!series && !regimes)
        return pu_fail(PU_ERR_CONFIG,
                       "--kind, --only, --unit, --stale-after, --published-lag and --zone are of series: "
                       "say --series NAME or --regimes NAME");
    if (series && regimes) return pu_fail(PU_ERR_CONFIG, "--series and --regimes: one of the two");
    for (size_t i = 0; i < sizeof of_bars / sizeof *of_bars; ++i) {
        if (pu__cli_value(cli, of_bars[i]))
            return pu_fail(PU_ERR_CONFIG, "--%s is of bars: leave it out with --%s", of_bars[i],
                           series ? "series" : "regimes");
    }
    *out = (pu_series_options){.name = series ? series : regimes,
                               .symbol = pu__cli_value(cli, "symbol"),
                               .zone = pu__cli_value(cli, "zone"),
                               .only = pu__cli_value(cli, "only"),
                               .unit = pu__cli_value(cli, "unit"),
                               .columns = pu__cli_value(cli, "columns"),
                               .mapping = pu__cli_value(cli, "mapping"),
                               .table = pu__cli_value(cli, "table"),
                               .replace = pu__cli_flag(cli, "replace"),
                               .dry_run = pu__cli_flag(cli, "dry-run")};
    if (pu__cli_value(cli, "max-rejected")) {
        PU_TRY(pu__cli_real(cli, "max-rejected", 0, 0, 1, rejected_ratio_max));
        out->rejected_ratio_max = rejected_ratio_max;
    }
    PU_TRY(read_kind(cli, &out->kind));
    PU_TRY(read_length(cli, "stale-after", PU_SERIES_LIMIT_S_MAX, &given, &out->stale_after_s));
    if (given && out->stale_after_s == 0)
        return pu_fail(PU_ERR_CONFIG, "--stale-after: every value would be missing at once");
    return read_length(cli, "published-lag", PU_SERIES_LAG_S_MAX, &out->has_published_lag, &out->published_lag_s);
}

/* JSON is UTF-8; file names and messages need not be. */
static json_t *text_json(const char *text) {
    json_t *value = json_string(text);
    return value ? value : json_string("(not UTF-8)");
}

static json_t *file_json(const char *path, pu_status status, const pu_series_result *r) {
    json_t *file = json_object(), *rejected = json_array();
    json_object_set_new(file, "file", text_json(path));
    json_object_set_new(file, "status", json_string(status == PU_OK ? "ok" : pu_status_name(status)));
    if (status != PU_OK) json_object_set_new(file, "error", text_json(pu_error_message()));
    for (int i = 0; i < r->rejects_shown; ++i) {
        const pu_import_reject *row = &r->rejects[i];
        json_t *entry = json_pack("{s:I}", "line", (json_int_t)row->line);
        json_object_set_new(entry, "reason", text_json(row->reason));
        json_object_set_new(entry, "text", text_json(row->text));
        json_array_append_new(rejected, entry);
    }
    json_object_update_new(file,
                           json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:f, s:o}", "format",
                                     r->format, "sha256", r->sha256, "bytes", (json_int_t)r->bytes, "rows_read",
                                     (json_int_t)r->rows_read, "rows_added", (json_int_t)r->rows_added,
                                     "rows_unchanged", (json_int_t)r->rows_unchanged, "rows_replaced",
                                     (json_int_t)r->rows_replaced, "rows_rejected", (json_int_t)r->rows_rejected,
                                     "series", r->series, "seconds", r->seconds, "rejected", rejected));
    if (r->rows_rejected < r->rows_read) {
        char first[32], last[32];
        pu_time_format(r->first_published_ts, true, first);
        pu_time_format(r->last_published_ts, true, last);
        json_object_update_new(file, json_pack("{s:s, s:s}", "first_published", first, "last_published", last));
    }
    return file;
}

static void show_file(const char *path, const pu_series_options *options, const pu_series_result *r) {
    char first[32], last[32];
    pu_time_format(r->first_published_ts, true, first);
    pu_time_format(r->last_published_ts, true, last);
    printf("%-16s %-9s %-6s %8" PRId64 " added %8" PRId64 " unchanged", options->name,
           pu_series_kind_name(options->kind), r->format, r->rows_added, r->rows_unchanged);
    if (r->rows_replaced > 0) printf(" %8" PRId64 " replaced", r->rows_replaced);
    printf(" %8" PRId64 " rejected  published %s to %s", r->rows_rejected, first, last);
    if (r->series > 1) printf(", %d series", r->series);
    printf("\n");
    for (int i = 0; i < r->rejects_shown; ++i)
        printf("  %s:%" PRId64 ": %s\n", path, r->rejects[i].line, r->rejects[i].reason);
    if (r->rows_rejected > r->rejects_shown)
        printf("  and %" PRId64 " more, in the table alternative_rejected_rows\n",
               r->rows_rejected - r->rejects_shown);
}

static pu_status import_one(const char *path, pu_store *store, const pu_series_options *options,
                            series_tally *sum) {
    pu_series_result result;
    const pu_status status = pu_series_import(store, path, options, &result);
    json_array_append_new(sum->files, file_json(path, status, &result));
    if (status != PU_OK) {
        ++sum->failed;
        pu_log(PU_LOG_ERROR, "import.file", "%s", pu_error_message());
        return status;
    }
    ++sum->done;
    sum->added += result.rows_added;
    sum->unchanged += result.rows_unchanged;
    sum->replaced += result.rows_replaced;
    sum->rejected += result.rows_rejected;
    show_file(path, options, &result);
    return PU_OK;
}

/* Each failure is told where it happens; the last word is their number. */
static pu_status import_all(pu__cli *cli, pu_store *store, const pu_series_options *options, series_tally *sum) {
    pu_status first = PU_OK;
    for (int i = 0; i < cli->operand_count; ++i) {
        const pu_status status = import_one(cli->operands[i], store, options, sum);
        if (first == PU_OK) first = status;
        if (status == PU_ERR_INTERRUPTED)
            return pu_fail(status, "interrupted after %" PRId64 " files; run again to go on", sum->done);
    }
    if (first == PU_OK) return PU_OK;
    return pu_fail(first, "%" PRId64 " of %" PRId64 " files were not imported", sum->failed,
                   sum->failed + sum->done);
}

pu_status pu__import_series(pu__cli *cli) {
    const char *path = pu__cli_value(cli, "store");
    pu_series_options options;
    pu_store *store = NULL;
    series_tally sum = {0};
    double rejected_ratio_max = 0;
    PU_TRY(read_options(cli, &rejected_ratio_max, &options));
    pu_interrupt_install();
    PU_TRY(pu_store_open(path ? path : "market.db", options.dry_run ? PU_STORE_WRITE : PU_STORE_CREATE, &store));
    sum.files = json_array();
    const pu_status status = import_all(cli, store, &options, &sum);
    printf("%s%" PRId64 " files: %" PRId64 " rows added, %" PRId64 " unchanged, %" PRId64 " replaced, %" PRId64
           " rejected\n",
           options.dry_run ? "nothing was stored; would be: " : "", sum.done, sum.added, sum.unchanged,
           sum.replaced, sum.rejected);
    json_object_set_new(cli->result, "files", sum.files);
    json_object_update_new(
        cli->result,
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "store", pu_store_path(store), "series",
                  options.name, "kind", pu_series_kind_name(options.kind), "files_done", (json_int_t)sum.done,
                  "files_failed", (json_int_t)sum.failed, "rows_added", (json_int_t)sum.added, "rows_unchanged",
                  (json_int_t)sum.unchanged, "rows_replaced", (json_int_t)sum.replaced, "rows_rejected",
                  (json_int_t)sum.rejected, "dry_run", options.dry_run));
    pu_store_close(store);
    return status;
}
