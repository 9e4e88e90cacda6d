#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/data/validate/results.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/validate.h"

static const char *time_of(const pu_finding *finding, char out[32]) {
    out[0] = '\0';
    if (finding->ts != 0) pu_bar_time_format(finding->ts, finding->bar_s, out);
    return out;
}

static void show_findings(const pu_validation *found, bool errors_only) {
    for (int64_t i = 0; i < found->count; ++i) {
        const pu_finding *finding = &found->finding[i];
        const pu_check_result *check = &found->check[finding->check];
        char when[32];
        if (errors_only && check->severity != PU_SEVERITY_ERROR) continue;
        printf("%-8s %-12s %-21s %-19s %s\n", pu_severity_name(check->severity), finding->symbol,
               time_of(finding, when), check->name, finding->message);
    }
}

/* The checks that found something, and how much of it the lines above leave out. */
static void show_checks(const pu_validation *found) {
    int passed = 0;
    bool headed = false;
    for (int i = 0; i < found->check_count; ++i) {
        const pu_check_result *c = &found->check[i];
        passed += c->findings == 0;
        if (c->findings == 0) continue;
        if (!headed)
            printf("\n%-8s %-10s %-20s %9s %8s %12s %12s\n", "failed", "set", "check", "findings", "assets",
                   "unexpected", "of");
        headed = true;
        printf("%-8s %-10s %-20s %9" PRId64 " %8" PRId64 " %12" PRId64 " %12" PRId64 "\n",
               pu_severity_name(c->severity), c->set, c->name, c->findings, c->assets_failed, c->unexpected,
               c->checked);
    }
    if (headed) printf("\n");
    printf("%" PRId64 " assets, %" PRId64 " bars, %d checks of which %d passed: %" PRId64 " errors, %" PRId64
           " warnings, %" PRId64 " notes\n",
           found->assets, found->bars, found->check_count, passed, found->errors, found->warnings, found->notes);
}

static pu_status write_page(pu__cli *cli, pu_store *store, const pu_validation *found) {
    const char *path = pu__cli_value(cli, "html");
    if (!path) return PU_OK;
    PU_TRY(pu_validation_page(found, pu_store_path(store), path));
    printf("written: %s\n", path);
    json_object_set_new(cli->result, "html", json_string(path));
    return PU_OK;
}

static pu_status show(pu__cli *cli, pu_store *store, const pu_validation *found) {
    show_findings(found, pu__cli_flag(cli, "errors"));
    show_checks(found);
    json_t *document = pu__validation_json(found, false);
    if (!document) return pu_fail(PU_ERR_MEMORY, "out of memory for the result");
    json_object_update(cli->result, document);
    json_decref(document);
    PU_TRY(write_page(cli, store, found));
    if (found->assets == 0) {
        pu_log(PU_LOG_WARNING, "validate.empty",
               "the store holds no bars: `plusultra import` or `plusultra synth` bring some");
    }
    if (found->errors == 0) return PU_OK;
    return pu_fail(PU_ERR_DATA,
                   "%" PRId64 " errors in the data: mend the source and import it anew, leave the assets out "
                   "(data.symbols), or accept them by name (data.accept)",
                   found->errors);
}

/* Those named on the command line, else the configuration's with its benchmark, else all. */
static pu_status choose_assets(const pu__cli *cli, pu_store *store, int *count, pu_asset **out) {
    const pu_text_list *symbols = &cli->config->data.symbols;
    const char *benchmark = cli->config->data.benchmark;
    if (cli->operand_count > 0) return pu_store_assets(store, cli->operand_count, cli->operands, count, out);
    if (symbols->count == 0) return pu_store_assets(store, 0, NULL, count, out);
    const char **names = pu_calloc((size_t)symbols->count + 1, sizeof *names);
    if (!names) return PU_ERR_MEMORY;
    int total = symbols->count;
    bool listed = *benchmark == '\0';
    for (int i = 0; i < total; ++i) {
        names[i] = symbols->value[i];
        listed |= strcmp(names[i], benchmark) == 0;
    }
    if (!listed) names[total++] = benchmark;
    const pu_status status = pu_store_assets(store, total, names, count, out);
    pu_free(names);
    return status;
}

static pu_status validate(pu__cli *cli, pu_store *store) {
    int count = 0;
    pu_asset *assets = NULL;
    pu_validation found = {0};
    const char *checks = pu__cli_value(cli, "checks");
    pu_validate_options options = {.checks = checks ? checks : cli->config->data.checks,
                                   .benchmark = cli->config->data.benchmark,
                                   .blocks = true,
                                   .charts = pu__cli_value(cli, "html") != NULL};
    PU_TRY(pu__cli_int(cli, "samples", PU_FINDINGS_DEFAULT, 1, PU_FINDINGS_MAX, &options.samples));
    PU_TRY(choose_assets(cli, store, &count, &assets));
    pu_status status = pu_validate(store, count, assets, &options, &found);
    if (status == PU_OK) status = show(cli, store, &found);
    pu_validation_free(&found);
    pu_free(assets);
    /* The file itself comes last, so that what points nowhere is told in words before SQLite calls it damage. */
    const pu_status file = status == PU_OK || status == PU_ERR_DATA ? pu_store_check(store) : PU_OK;
    return status == PU_OK || file != PU_OK ? (file != PU_OK ? file : status) : status;
}

static pu_status show_reference(void) {
    char *text = pu_validate_reference();
    if (!text) return PU_ERR_MEMORY;
    fputs(text, stdout);
    pu_free(text);
    return PU_OK;
}

static pu_status run(pu__cli *cli) {
    if (pu__cli_flag(cli, "reference")) return show_reference();
    const char *path = pu__cli_value(cli, "store");
    pu_store *store = NULL;
    PU_TRY(pu_store_open(path ? path : cli->config->data.store, PU_STORE_READ, &store));
    const pu_status status = validate(cli, store);
    pu_store_close(store);
    return status;
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store (data.store)"},
    {"checks", 0, "FILE", "YAML file of checks (data.checks); without it, the built-in sets"},
    {"html", 0, "FILE", "write the results as a page with charts"},
    {"samples", 0, "COUNT", "findings listed per check and asset (20)"},
    {"errors", 0, NULL, "list errors only"},
    {"reference", 0, NULL, "print docs/validation.md: all kinds, parameters and built-in sets"},
};

const pu__verb pu__verb_validate = {
    .name = "validate",
    .summary = "check the stored bars for faults",
    .details = "Runs the checks of each asset's class, or those of a file, over all assets, the configuration's, "
               "or those "
               "named: impossible prices,\n"
               "gaps against the market's calendar, tickers that were reused, jumps, splits, stale prices, bad "
               "ticks, volume, "
               "the benchmark; then what\n"
               "points nowhere, feature blocks, and the file itself for damage. Nothing is changed. Ends with 1 "
               "when there are "
               "errors.\n"
               "docs/validation.md describes every check and the format of files.",
    .operands = "[SYMBOL...]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
