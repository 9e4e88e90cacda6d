#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/bar_length.h"
#include "host/cli/cli.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/resample.h"

typedef struct job {
    pu__cli *cli;
    pu_store *store;
    int64_t from_s, to_s;
    json_t *assets;
    int64_t added, replaced;
} job;

static pu_status resample_one(job *j, const pu_asset *source) {
    pu_resample_result r;
    const pu_status status = pu_resample(j->store, source, j->to_s, pu__cli_flag(j->cli, "partial"), &r);
    if (status != PU_OK) return pu_fail_within(status, "%s@%" PRId64, source->symbol, source->bar_s);
    j->added += r.rows_added;
    j->replaced += r.rows_replaced;
    json_array_append_new(j->assets,
                          json_pack("{s:s, s:I, s:I, s:b, s:I, s:I, s:I, s:I}", "symbol", source->symbol, "from_s",
                                    (json_int_t)source->bar_s, "to_s", (json_int_t)j->to_s, "skipped", r.unchanged,
                                    "source_bars", (json_int_t)r.source_bars, "rows_added",
                                    (json_int_t)r.rows_added, "rows_unchanged", (json_int_t)r.rows_unchanged,
                                    "rows_replaced", (json_int_t)r.rows_replaced));
    if (r.unchanged) {
        printf("%-12s unchanged since the last time\n", source->symbol);
        return PU_OK;
    }
    char last[32];
    pu_time_format(r.last_ts, true, last);
    printf("%-12s %9" PRId64 " bars of %" PRId64 " s: %8" PRId64 " added %8" PRId64 " unchanged %8" PRId64
           " replaced  to %s\n",
           source->symbol, r.source_bars, source->bar_s, r.rows_added, r.rows_unchanged, r.rows_replaced, last);
    return PU_OK;
}

/* SYMBOL, with the length of --from behind it unless it names one. */
static pu_status resample_named(job *j, const char *name) {
    char wanted[128];
    int count = 0;
    pu_asset *assets = NULL;
    if (j->from_s > 0 && !strchr(name, '@')) snprintf(wanted, sizeof wanted, "%.80s@%" PRId64, name, j->from_s);
    else snprintf(wanted, sizeof wanted, "%.120s", name);
    const char *const one[] = {wanted};
    PU_TRY(pu_store_assets(j->store, 1, one, &count, &assets));
    const pu_status status = resample_one(j, &assets[0]);
    pu_free(assets);
    return status;
}

static pu_status resample_all(job *j) {
    int count = 0, done = 0;
    pu_asset *assets = NULL;
    PU_TRY(pu_store_assets(j->store, 0, NULL, &count, &assets));
    pu_status status = PU_OK;
    for (int i = 0; i < count && status == PU_OK; ++i) {
        if (assets[i].bar_s != j->from_s) continue;
        status = resample_one(j, &assets[i]);
        ++done;
    }
    pu_free(assets);
    if (status == PU_OK && done == 0)
        return pu_fail(PU_ERR_NOT_FOUND, "%s has no asset with bars of %" PRId64 " s: see `plusultra assets list`",
                       pu_store_path(j->store), j->from_s);
    return status;
}

static pu_status run(pu__cli *cli) {
    const char *path = pu__cli_value(cli, "store");
    job j = {.cli = cli};
    PU_TRY(pu__cli_bar_length(cli, "from", &j.from_s));
    PU_TRY(pu__cli_bar_length(cli, "to", &j.to_s));
    if (j.to_s == 0) return pu_fail(PU_ERR_CONFIG, "--to LENGTH is needed: 1h, 1d, 1w, 1mo or seconds");
    if (j.from_s == 0 && cli->operand_count == 0)
        return pu_fail(PU_ERR_CONFIG, "--from LENGTH is needed, or the symbols to resample");
    pu_interrupt_install();
    PU_TRY(pu_store_open(path ? path : "market.db", PU_STORE_WRITE, &j.store));
    j.assets = json_array();
    pu_status status = cli->operand_count == 0 ? resample_all(&j) : PU_OK;
    for (int i = 0; i < cli->operand_count && status == PU_OK; ++i) status = resample_named(&j, cli->operands[i]);
    json_object_set_new(cli->result, "assets", j.assets);
    json_object_update_new(cli->result, json_pack("{s:I, s:I}", "rows_added", (json_int_t)j.added, "rows_replaced",
                                                  (json_int_t)j.replaced));
    pu_store_close(j.store);
    return status;
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store (market.db)"},
    {"from", 0, "LENGTH", "bars to read: seconds, or 5m, 1h, 1d; all assets that have them, or those named"},
    {"to", 0, "LENGTH", "bars to write: seconds, or 1h, 1d, 1w, 1mo"},
    {"partial", 0, NULL, "write the unfinished last bar too"},
};

const pu__verb pu__verb_resample = {
    .name = "resample",
    .summary = "make longer bars from shorter ones",
    .details =
        "Writes the same symbols at another bar length: first open, highest high, lowest low, last close and "
        "adjusted close, sum of\n"
        "the volumes. A bar is stored under its close: within a day on multiples from 00:00 UTC; days, weeks and "
        "months end with the\n"
        "last trading day of the asset class's calendar. Gaps make no bars; an unfinished last bar waits. Run "
        "again "
        "it adds what is\n"
        "new and replaces what changed. SYMBOL@SECONDS names one length of a symbol that has several.",
    .operands = "[SYMBOL...]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
