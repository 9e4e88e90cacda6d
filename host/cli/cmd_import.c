#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/bar_length.h"
#include "host/cli/cli.h"
#include "host/cli/import_actions.h"
#include "host/cli/import_series.h"
#include "plusultra/import.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { SYMBOLS_SHOWN = 20 };

typedef struct tally {
    json_t *files;
    json_t *symbols; /* of the file at hand */
    int64_t done, failed, added, unchanged, replaced, rejected, assets;
    double seconds;
    double rejected_ratio_max; /* what --max-rejected says */
    bool dry_run;
} tally;

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
    pu_bar_time_format(r->first_ts, r->bar_s, first);
    pu_bar_time_format(r->last_ts, r->bar_s, last);
    json_object_update_new(file, json_pack("{s:s, s:s, s:b, s:I}", "first", first, "last", last, "compressed",
                                           r->compressed, "bytes_known", (json_int_t)r->bytes_known));
    return file;
}

static const char *seam_word(pu_import_seam seam) {
    static const char *const words[] = {"none", "unseen", "differs"};
    return words[seam];
}

static json_t *symbol_json(const pu_import_symbol *s) {
    char first[32], last[32];
    pu_bar_time_format(s->first_ts, s->bar_s, first);
    pu_bar_time_format(s->last_ts, s->bar_s, last);
    return json_pack("{s:s, s:s, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "symbol", s->symbol,
                     "asset_class", s->asset_class, "bar_s", (json_int_t)s->bar_s, "periods_per_year",
                     s->periods_per_year, "rows_read", (json_int_t)s->rows_read, "rows_added",
                     (json_int_t)s->rows_added, "rows_unchanged", (json_int_t)s->rows_unchanged, "rows_replaced",
                     (json_int_t)s->rows_replaced, "rows_rejected", (json_int_t)s->rows_rejected, "first", first,
                     "last", last, "adjustment_seam", seam_word(s->seam));
}

static void show_symbol(const pu_import_symbol *s) {
    char first[32], last[32];
    pu_bar_time_format(s->first_ts, s->bar_s, first);
    pu_bar_time_format(s->last_ts, s->bar_s, last);
    printf("%-12s %-9s %8" PRId64 " added %8" PRId64 " unchanged", s->symbol, s->asset_class, s->rows_added,
           s->rows_unchanged);
    if (s->rows_replaced > 0) printf(" %8" PRId64 " replaced", s->rows_replaced);
    printf(" %8" PRId64 " rejected  %s to %s\n", s->rows_rejected, first, last);
}

/* One of a file's symbols; the file itself is reported after them. */
static void on_symbol(void *context, const pu_import_symbol *symbol) {
    tally *sum = context;
    json_array_append_new(sum->symbols, symbol_json(symbol));
    ++sum->assets;
    if (json_array_size(sum->symbols) <= SYMBOLS_SHOWN) show_symbol(symbol);
}

static void show_file(const char *path, const pu_import_result *r) {
    if (r->symbol_count > SYMBOLS_SHOWN)
        printf("  and %" PRId64 " more symbols of %s\n", r->symbol_count - SYMBOLS_SHOWN, path);
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
    json_t *file = file_json(path, status, result);
    json_object_set(file, "symbols", sum->symbols);
    json_array_append_new(sum->files, file);
    json_decref(sum->symbols);
    sum->symbols = json_array();
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

static pu_status read_limits(const pu__cli *cli, tally *sum, pu_import_options *out) {
    out->dry_run = sum->dry_run = pu__cli_flag(cli, "dry-run");
    if (out->dry_run && (pu__cli_value(cli, "actions") || pu__cli_value(cli, "benchmark")))
        return pu_fail(PU_ERR_CONFIG, "--dry-run is about bars: leave --actions and --benchmark out");
    if (!pu__cli_value(cli, "max-rejected")) return PU_OK;
    PU_TRY(pu__cli_real(cli, "max-rejected", 0, 0, 1, &sum->rejected_ratio_max));
    out->rejected_ratio_max = &sum->rejected_ratio_max;
    return PU_OK;
}

static pu_status read_options(const pu__cli *cli, tally *sum, pu_import_options *out) {
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
                               .mapping = pu__cli_value(cli, "mapping"),
                               .table = pu__cli_value(cli, "table"),
                               .symbol = pu__cli_value(cli, "symbol"),
                               .asset_class = pu__cli_value(cli, "asset-class"),
                               .currency = pu__cli_value(cli, "currency"),
                               .replace = pu__cli_flag(cli, "replace"),
                               .on_symbol = on_symbol,
                               .on_symbol_context = sum};
    PU_TRY(pu__cli_bar_length(cli, "bar", &out->bar_s));
    PU_TRY(read_limits(cli, sum, out));
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
            json_array_append_new(sum->files,
                                  json_pack("{s:s, s:s, s:s}", "file", printable(cli->operands[i]), "status",
                                            pu_status_name(status), "error", printable(pu_error_message())));
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

/* Of bars: an import of corporate actions alone has its own lines. */
static void show_sum(const tally *sum) {
    if (sum->done + sum->failed == 0) return;
    printf("%s%" PRId64 " files, %" PRId64 " assets: %" PRId64 " rows added, %" PRId64 " unchanged, %" PRId64
           " rejected in %.2f s\n",
           sum->dry_run ? "nothing was stored; would be: " : "", sum->done, sum->assets, sum->added,
           sum->unchanged + sum->replaced, sum->rejected, sum->seconds);
}

static pu_status run_on(pu__cli *cli, const char *path, const pu_import_options *options, tally *sum) {
    pu_store *store = NULL;
    PU_TRY(pu_store_open(path, PU_STORE_CREATE, &store));
    sum->files = json_array();
    sum->symbols = json_array();
    pu_status status = import_all(cli, store, options, sum);
    if (status == PU_OK) status = pu__cli_import_actions(cli, store);
    if (status == PU_OK) status = set_benchmark(cli, store);
    show_sum(sum);
    json_decref(sum->symbols);
    json_object_set_new(cli->result, "files", sum->files);
    json_object_update_new(cli->result,
                           json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b}", "store",
                                     pu_store_path(store), "files_done", (json_int_t)sum->done, "files_failed",
                                     (json_int_t)sum->failed, "assets", (json_int_t)sum->assets, "rows_added",
                                     (json_int_t)sum->added, "rows_unchanged", (json_int_t)sum->unchanged,
                                     "rows_replaced", (json_int_t)sum->replaced, "rows_rejected",
                                     (json_int_t)sum->rejected, "seconds", sum->seconds, "dry_run", sum->dry_run));
    pu_store_close(store);
    return status;
}

/* A dry run must not make the store that it would need. */
static pu_status run_on_scratch(pu__cli *cli, const pu_import_options *options, tally *sum) {
    char folder[512], path[600];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.400s/plusultra-dry-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder)) return pu_fail(PU_ERR_IO, "cannot make a folder for the dry run: %s", folder);
    snprintf(path, sizeof path, "%s/store.db", folder);
    const pu_status status = run_on(cli, path, options, sum);
    unlink(path);
    rmdir(folder);
    return status;
}

static pu_status run(pu__cli *cli) {
    const char *path = pu__cli_value(cli, "store");
    pu_import_options options;
    tally sum = {0};
    if (pu__imports_series(cli)) return pu__import_series(cli);
    PU_TRY(read_options(cli, &sum, &options));
    if (options.symbol && cli->operand_count > 1)
        return pu_fail(PU_ERR_CONFIG, "--symbol names one file, %d are given", cli->operand_count);
    if (cli->operand_count == 0 && !pu__cli_value(cli, "actions"))
        return pu_fail(PU_ERR_CONFIG, "expects FILE..., or --actions FILE; see `plusultra import --help`");
    pu_interrupt_install();
    if (!path) path = "market.db";
    return sum.dry_run && access(path, F_OK) != 0 ? run_on_scratch(cli, &options, &sum)
                                                  : run_on(cli, path, &options, &sum);
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store, made if it is missing (market.db)"},
    {"layout", 'l', "NAME", "yahoo, stooq, binance, generic (found by the first line)"},
    {"symbol", 0, "NAME", "name of the asset (ticker column, else the file's name)"},
    {"asset-class", 0, "NAME", "equity, index, future, forex, crypto, synthetic (by layout and symbol)"},
    {"currency", 0, "CODE", "currency of the prices"},
    {"bar", 0, "LENGTH", "bar length: seconds, or 5m, 1h, 1d, 1w (median distance of rows)"},
    {"stamp", 0, "open|close", "what the file's times are (open; a date alone is a day)"},
    {"columns", 0, "NAMES",
     "header for files without one: date,open,high,low,close; or by role: date=Datum,open=..."},
    {"mapping", 'm', "FILE", "YAML that says how the files are read: columns, times, decimal mark (docs/data.md)"},
    {"periods-per-year", 0, "N", "bars in a year (by class and bar length)"},
    {"benchmark", 0, "SYMBOL", "then make this asset the benchmark of its class"},
    {"actions", 0, "FILE", "splits and dividends of --symbol: Date,Dividends, Date,Stock Splits, date,kind,value"},
    {"dividend-basis", 0, "raw|split_adjusted", "shares that its dividends are counted in (by layout)"},
    {"adjust", 0, NULL, "with --actions: make the adjusted close anew by the stored actions"},
    {"max-rejected", 0, "RATIO",
     "refuse a file with a larger share of rejected rows (0.1, and more than 20 rows)"},
    {"dry-run", 0, NULL, "show what would be stored, and store nothing"},
    {"replace", 0, NULL, "a bar that differs from the stored one takes its place"},
    PU__SERIES_OPTIONS,
};

const pu__verb pu__verb_import = {
    .name = "import",
    .summary = "read bars from CSV files and other databases into the store",
    .details =
        "Reads CSV files, compressed by gzip or not, tables of other SQLite files, or all .csv, .txt and .gz "
        "files of folders. A file\n"
        "is stored whole or not at all; importing it again changes nothing, and a file that grew adds its new "
        "bars. Each symbol of a\n"
        "file becomes an asset. Rows that fail a check are not stored but listed with line and reason, here "
        "and in the table\n"
        "rejected_rows; nothing is repaired. Times are stored as UTC seconds of the bar's close.\n\n"
        "With --series or --regimes the files (CSV, JSON lines or SQLite) hold alternative data: values with the "
        "time they are about\n"
        "and the time they were published, see docs/data.md.",
    .operands = "[FILE...]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
