#include <inttypes.h>
#include <stdio.h>

#include "host/cli/cli.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/validate.h"

static void fault_time(const pu_fault *fault, int asset_count, const pu_asset *assets, char out[32]) {
    out[0] = '\0';
    if (fault->ts == 0) return;
    for (int i = 0; i < asset_count; ++i) {
        if (assets[i].id != fault->asset_id) continue;
        const bool daily = assets[i].bar_s >= 86400;
        pu_time_format(daily ? fault->ts - 1 : fault->ts, !daily, out);
    }
}

static pu_status show(pu__cli *cli, const pu_validation *found, int asset_count, const pu_asset *assets) {
    json_t *faults = json_array();
    const bool errors_only = pu__cli_flag(cli, "errors");
    for (int64_t i = 0; i < found->count; ++i) {
        const pu_fault *fault = &found->faults[i];
        char when[32];
        fault_time(fault, asset_count, assets, when);
        json_array_append_new(faults, json_pack("{s:s, s:s, s:s, s:s, s:s}", "level",
                                                pu_fault_level_name(fault->level), "code", fault->code, "symbol",
                                                fault->symbol, "time", when, "message", fault->message));
        if (errors_only && fault->level != PU_FAULT_ERROR) continue;
        printf("%-8s %-12s %-21s %-15s %s\n", pu_fault_level_name(fault->level), fault->symbol, when, fault->code,
               fault->message);
    }
    printf("%" PRId64 " assets, %" PRId64 " bars: %" PRId64 " errors, %" PRId64 " warnings, %" PRId64 " notes\n",
           found->assets, found->bars, found->errors, found->warnings, found->notes);
    json_object_update_new(
        cli->result, json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "assets", (json_int_t)found->assets, "bars",
                               (json_int_t)found->bars, "errors", (json_int_t)found->errors, "warnings",
                               (json_int_t)found->warnings, "notes", (json_int_t)found->notes, "faults", faults));
    if (found->assets == 0) {
        pu_log(PU_LOG_WARNING, "validate.empty",
               "the store holds no bars: `plusultra import` or `plusultra synth` bring some");
    }
    if (found->errors == 0) return PU_OK;
    return pu_fail(PU_ERR_DATA,
                   "%" PRId64 " errors in the data: mend the source and import it anew, leave the assets out "
                   "(data.symbols), or cut their history",
                   found->errors);
}

static pu_status validate(pu__cli *cli, pu_store *store) {
    int count = 0;
    pu_asset *assets = NULL;
    pu_validation found;
    PU_TRY(pu_store_check(store));
    PU_TRY(pu_store_assets(store, cli->operand_count, cli->operands, &count, &assets));
    pu_status status = pu_validate(store, count, assets, &found);
    if (status == PU_OK) {
        status = show(cli, &found, count, assets);
        pu_validation_free(&found);
    }
    pu_free(assets);
    return status;
}

static pu_status run(pu__cli *cli) {
    const char *path = pu__cli_value(cli, "store");
    pu_store *store = NULL;
    PU_TRY(pu_store_open(path ? path : "market.db", PU_STORE_READ, &store));
    const pu_status status = validate(cli, store);
    pu_store_close(store);
    return status;
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store (market.db)"},
    {"errors", 0, NULL, "show errors only"},
};

const pu__verb pu__verb_validate = {
    .name = "validate",
    .summary = "check the stored bars for faults",
    .details =
        "Checks the file for damage, then the bars of all assets, or of those named: gaps against the market's "
        "calendar, tickers that were\n"
        "reused, jumps, stale prices, bad ticks, volume. Nothing is changed. Ends with 1 when there are errors. "
        "Feature blocks are\n"
        "not looked at here: they are checked whenever they are read, and `plusultra features build` makes "
        "damaged ones again.",
    .operands = "[SYMBOL...]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
