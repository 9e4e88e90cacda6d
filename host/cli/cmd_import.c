#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/bar_length.h"
#include "host/cli/cli.h"
#include "host/cli/import_actions.h"
#include "host/cli/import_series.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

typedef struct tally {
    json_t *files;
    int64_t done, failed, added, unchanged, replaced, rejected;
    double seconds;
} tally;

/* Day of a bar, or its clock time when it is shorter than a day: a daily bar closes at the next day's 00:00. */
static void show_time(int64_t ts, int64_t bar_s, char out[32]) {
    const bool daily = bar_s >= 86400;
    pu_time_format(daily ? ts - 1 : ts, !daily, out);
}

static json_t *rejects_json(const pu_import_result *result) {
    json_t *list = json_array();
    for (int i = 0; i < result->rejects_shown; ++i) {
        const pu_import_reject *row = &result->rejects[i];
        json_array_append_new(list, json_pack("{s:I, s:s, s:s}", "line", (json_int_t)row->line, "reason",
                                              row->reason, "text", row->text));
    }
    return list;
}

/* JSON is UTF-8; file names need not be. */
static const char *printable(const char *text) {
    json_t *probe = json_string(text);
    const bool valid = probe != NULL;
    json_decref(probe);
    return valid ? text : "(not UTF-8)";
}

static json_t *file_json(const char *path, pu_status status, const pu_import_result *r) {
    json_t *file =
        json_pack("{s:s*, s:s, s:s*, s:s, s:s, s:s, s:s}", "file", printable(path), "status",
                  status == PU_OK ? "ok" : pu_status_name(status), "error",
                  status == PU_OK ? NULL : printable(pu_error_message()), "symbol", printable(r->symbol),
                  "asset_class", r->asset_class, "layout", pu_import_layout_name(r->layout), "stamp",
                  r->stamp == PU_IMPORT_STAMP_CLOSE ? "close" : "open");
    json_object_update_new(
        file,
        json_pack("{s:I, s:f, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "bar_s", (json_int_t)r->bar_s,
                  "periods_per_year", r->periods_per_year, "bytes", (json_int_t)r->bytes, "sha256", r->sha256,
                  "rows_read", (json_int_t)r->rows_read, "rows_added", (json_int_t)r->rows_added, "rows_unchanged",
                  (json_int_t)r->rows_unchanged, "rows_replaced", (json_int_t)r->rows_replaced, "rows_rejected",
                  (json_int_t)r->rows_rejected, "seconds", r->seconds, "rejected", rejects_json(r)));
    char first[32], last[32];
    show_time(r->first_ts, r->bar_s, first);
    show_time(r->last_ts, r->bar_s, last);
    json_object_update_new(file, json_pack("{s:s, s:s}", "first", first, "last", last));
    return file;
}

static void show_file(const char *path, const pu_import_result *r) {
    char first[32], last[32];
    show_time(r->first_ts, r->bar_s, first);
    show_time(r->last_ts, r->bar_s, last);
    printf("%-12s %-8s %-8s %8" PRId64 " added %8" PRId64 " unchanged", r->symbol, r->asset_class,
           pu_import_layout_name(r->layout), r->rows_added, r->rows_unchanged);
    if (r->rows_replaced > 0) printf(" %8" PRId64 " replaced", r->rows_replaced);
    printf(" %8" PRId64 " rejected  %s to %s\n", r->rows_rejected, first, last);
    for (int i = 0; i < r->rejects_shown; ++i)
        printf("  %s:%" PRId64 ": %s\n", path, r->rejects[i].line, r->rejects[i].reason);
    if (r->rows_rejected > r->rejects_shown) {
        printf("  and %" PRId64 " more, in the table rejected_rows\n", r->rows_rejected - r->rejects_shown);
    }
    if (r->stamp_assumed) {
        pu_log(PU_LOG_WARNING, "import.stamp",
               "%s: its times were taken as the opening of the bars; --stamp close if they are the close", path);
    }
}

static void report(void *context, const char *path, pu_status status, const pu_import_result *result) {
    tally *sum = context;
    json_array_append_new(sum->files, file_json(path, status, result));
    if (status != PU_OK) {
        ++sum->failed;
        pu_log(PU_LOG_ERROR, "import.file", "%s", pu_error_message());
        return;
    }
    ++sum->done;
    sum->added += result->rows_added;
    sum->unchanged += result->rows_unchanged;
    sum->replaced += result->rows_replaced;
    sum->rejected += result->rows_rejected;
    sum->seconds += result->seconds;
    show_file(path, result);
}

static pu_status choose(const pu__cli *cli, const char *name, int count, const char *const *words, int *out) {
    const char *value = pu__cli_value(cli, name);
    *out = 0;
    if (!value) return PU_OK;
    for (int i = 0; i < count; ++i) {
        if (strcmp(value, words[i]) != 0) continue;
        *out = i;
        return PU_OK;
    }
    char known[128] = "";
    for (int i = 0; i < count; ++i) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", words[i]);
    }
    return pu_fail(PU_ERR_CONFIG, "--%s: expects one of %s, not '%.60s'", name, known, value);
}

static pu_status read_options(const pu__cli *cli, pu_import_options *out) {
    static const char *const layouts[] = {"auto", "yahoo", "stooq", "binance", "generic"};
    static const char *const stamps[] = {"auto", "open", "close"};
    static const char *const classes[] = {"equity", "index", "future", "forex", "crypto", "synthetic"};
    int layout = 0, stamp = 0, asset_class = 0;
    PU_TRY(choose(cli, "layout", 5, layouts, &layout));
    PU_TRY(choose(cli, "stamp", 3, stamps, &stamp));
    PU_TRY(choose(cli, "asset-class", 6, classes, &asset_class));
    *out = (pu_import_options){.layout = (pu_import_layout)layout,
                               .stamp = (pu_import_stamp)stamp,
                               .columns = pu__cli_value(cli, "columns"),
                               .symbol = pu__cli_value(cli, "symbol"),
                               .asset_class = pu__cli_value(cli, "asset-class"),
                               .currency = pu__cli_value(cli, "currency"),
                               .replace = pu__cli_flag(cli, "replace")};
    PU_TRY(pu__cli_bar_length(cli, "bar", &out->bar_s));
    return pu__cli_real(cli, "periods-per-year", 0, 0, 31622400, &out->periods_per_year);
}

static pu_status set_benchmark(pu__cli *cli, pu_store *store) {
    const char *symbol = pu__cli_value(cli, "benchmark");
    if (!symbol) return PU_OK;
    int count = 0;
    pu_asset *assets = NULL;
    PU_TRY(pu_store_assets(store, 1, &symbol, &count, &assets));
    const pu_status status = pu_store_put_benchmark(store, assets[0].asset_class, assets[0].id);
    if (status == PU_OK) printf("%s is the benchmark of class %s\n", symbol, assets[0].asset_class);
    pu_free(assets);
    return status;
}

/* Each failure is told where it happens; the last word is their number. */
static pu_status import_all(pu__cli *cli, pu_store *store, const pu_import_options *options, tally *sum) {
    pu_status first = PU_OK;
    for (int i = 0; i < cli->operand_count; ++i) {
        const int64_t failed = sum->failed;
        const pu_status status = pu_import_path(store, cli->operands[i], options, report, sum);
        if (status == PU_OK) continue;
        if (sum->failed == failed) { /* not one file was reached */
            ++sum->failed;
            pu_log(PU_LOG_ERROR, "import.file", "%s", pu_error_message());
        }
        if (first == PU_OK) first = status;
        if (status == PU_ERR_INTERRUPTED)
            return pu_fail(status, "interrupted after %" PRId64 " files; run again to go on", sum->done);
    }
    if (first == PU_OK) return PU_OK;
    return pu_fail(first, "%" PRId64 " of %" PRId64 " files were not imported", sum->failed,
                   sum->failed + sum->done);
}

static pu_status run(pu__cli *cli) {
    const char *path = pu__cli_value(cli, "store");
    pu_import_options options;
    pu_store *store = NULL;
    tally sum = {0};
    if (pu__imports_series(cli)) return pu__import_series(cli);
    PU_TRY(read_options(cli, &options));
    if (options.symbol && cli->operand_count > 1)
        return pu_fail(PU_ERR_CONFIG, "--symbol names one file, %d are given", cli->operand_count);
    if (cli->operand_count == 0 && !pu__cli_value(cli, "actions"))
        return pu_fail(PU_ERR_CONFIG, "expects FILE..., or --actions FILE; see `plusultra import --help`");
    pu_interrupt_install();
    PU_TRY(pu_store_open(path ? path : "market.db", PU_STORE_CREATE, &store));
    sum.files = json_array();
    pu_status status = import_all(cli, store, &options, &sum);
    if (status == PU_OK) status = pu__cli_import_actions(cli, store);
    if (status == PU_OK) status = set_benchmark(cli, store);
    printf("%" PRId64 " files: %" PRId64 " rows added, %" PRId64 " unchanged, %" PRId64 " rejected in %.2f s\n",
           sum.done, sum.added, sum.unchanged + sum.replaced, sum.rejected, sum.seconds);
    json_object_set_new(cli->result, "files", sum.files);
    json_object_update_new(cli->result,
                           json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "store", pu_store_path(store),
                                     "files_done", (json_int_t)sum.done, "files_failed", (json_int_t)sum.failed,
                                     "rows_added", (json_int_t)sum.added, "rows_unchanged",
                                     (json_int_t)sum.unchanged, "rows_replaced", (json_int_t)sum.replaced,
                                     "rows_rejected", (json_int_t)sum.rejected, "seconds", sum.seconds));
    pu_store_close(store);
    return status;
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store, made if it is missing (market.db)"},
    {"layout", 'l', "NAME", "yahoo, stooq, binance, generic (found by the first line)"},
    {"symbol", 0, "NAME", "name of the asset (ticker column, else the file's name)"},
    {"asset-class", 0, "NAME", "equity, index, future, forex, crypto, synthetic (by layout and symbol)"},
    {"currency", 0, "CODE", "currency of the prices"},
    {"bar", 0, "LENGTH", "bar length: seconds, or 5m, 1h, 1d, 1w (median distance of rows)"},
    {"stamp", 0, "open|close", "what the file's times are (open; a date alone is a day)"},
    {"columns", 0, "NAMES", "header for files without one: date,open,high,low,close,volume"},
    {"periods-per-year", 0, "N", "bars in a year (by class and bar length)"},
    {"benchmark", 0, "SYMBOL", "then make this asset the benchmark of its class"},
    {"actions", 0, "FILE", "splits and dividends of --symbol: Date,Dividends, Date,Stock Splits, date,kind,value"},
    {"dividend-basis", 0, "raw|split_adjusted", "shares that its dividends are counted in (by layout)"},
    {"adjust", 0, NULL, "with --actions: make the adjusted close anew by the stored actions"},
    {"replace", 0, NULL, "a bar that differs from the stored one takes its place"},
    PU__SERIES_OPTIONS,
};

const pu__verb pu__verb_import = {
    .name = "import",
    .summary = "read bars from CSV files into the store",
    .details = "Reads files, or all .csv and .txt files of folders. A file is stored whole or not at all; "
               "importing it again changes\n"
               "nothing. Rows that fail a check are not stored but listed with line and reason, here and in the "
               "table rejected_rows;\n"
               "nothing is repaired. Times are stored as UTC seconds of the bar's close.",
    .operands = "[FILE...]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
