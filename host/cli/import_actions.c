#include "host/cli/import_actions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/data/actions/actions_file.h"
#include "host/data/store/adjust.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

/* Rounded prices of real files leave some 1e-5. */
static const double difference_told = 1e-3;

static pu_status read_basis(const pu__cli *cli, pu_price_basis *basis, const pu_price_basis **chosen) {
    const char *word = pu__cli_value(cli, "dividend-basis");
    *chosen = NULL;
    if (!word) return PU_OK;
    *chosen = basis;
    *basis = PU_BASIS_RAW;
    if (strcmp(word, "raw") == 0) return PU_OK;
    *basis = PU_BASIS_SPLIT_ADJUSTED;
    if (strcmp(word, "split_adjusted") == 0) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "--dividend-basis: expects raw or split_adjusted, not '%.60s'", word);
}

/* A delivered adjusted close is another witness of the same dividends. */
static pu_status compare_delivered(pu_store *store, const pu_asset *asset, json_t *out) {
    pu__adjust_difference found;
    PU_TRY(pu__adjust_compare(store, asset->id, &found));
    json_object_set_new(out, "delivered", json_boolean(found.delivered));
    if (!found.delivered) return PU_OK;
    char when[32];
    pu_time_format(found.ts - 1, false, when);
    json_object_set_new(out, "delivered_difference_ratio", json_real(found.ratio));
    if (found.ratio <= difference_told) return PU_OK;
    pu_log(PU_LOG_WARNING, "import.actions",
           "%s: by these actions the adjusted close leaves the delivered one by up to %.3g %% (%s): an action is "
           "missing, or counted in other shares (--dividend-basis)",
           asset->symbol, 100 * found.ratio, when);
    return PU_OK;
}

/* The adjusted close takes prices over a split; nothing does so for the volume that features see. */
static pu_status warn_raw_volume(pu_store *store, const pu_asset *asset, json_t *out) {
    pu_price_basis basis;
    int64_t count = 0, splits = 0;
    pu_action *actions = NULL;
    PU_TRY(pu_store_get_price_basis(store, asset->id, &basis));
    PU_TRY(pu_store_get_actions(store, asset->id, &count, &actions));
    for (int64_t i = 0; i < count; ++i)
        splits += actions[i].kind == PU_ACTION_SPLIT && actions[i].ex_ts >= asset->first_ts &&
                  actions[i].ex_ts < asset->last_ts;
    pu_free(actions);
    const bool jumps = basis == PU_BASIS_RAW && splits > 0;
    json_object_set_new(out, "volume_jumps_at_splits", json_boolean(jumps));
    if (!jumps) return PU_OK;
    pu_log(
        PU_LOG_WARNING, "import.raw_volume",
        "%s: its prices are as traded, and so is its volume: features of the volume jump at its splits (%" PRId64
        "); leave them out, or import bars whose prices and volume are split-adjusted",
        asset->symbol, splits);
    return PU_OK;
}

static pu_status import_into(pu__cli *cli, pu_store *store, const pu_asset *asset) {
    pu_price_basis basis;
    const pu_price_basis *chosen = NULL;
    pu__actions_result result;
    PU_TRY(read_basis(cli, &basis, &chosen));
    PU_TRY(pu__actions_import(store, asset->id, pu__cli_value(cli, "actions"), chosen, &result));
    printf("%-12s %" PRId64 " splits, %" PRId64 " dividends, %" PRId64 " of them new or changed\n", asset->symbol,
           result.splits, result.dividends, result.changed);
    json_t *out = json_pack("{s:s, s:I, s:I, s:I, s:s}", "symbol", asset->symbol, "splits",
                            (json_int_t)result.splits, "dividends", (json_int_t)result.dividends, "changed",
                            (json_int_t)result.changed, "sha256", result.sha256);
    json_object_set_new(cli->result, "actions", out);
    PU_TRY(warn_raw_volume(store, asset, out));
    if (!pu__cli_flag(cli, "adjust")) return compare_delivered(store, asset, out);
    int64_t changed = 0;
    PU_TRY(pu_store_adjust(store, asset->id, &changed));
    json_object_set_new(out, "bars_adjusted", json_integer(changed));
    printf("%-12s %" PRId64 " adjusted closes made anew\n", asset->symbol, changed);
    return PU_OK;
}

pu_status pu__cli_import_actions(pu__cli *cli, pu_store *store) {
    const char *symbol = pu__cli_value(cli, "symbol");
    if (!pu__cli_value(cli, "actions")) {
        if (pu__cli_flag(cli, "adjust") || pu__cli_value(cli, "dividend-basis"))
            return pu_fail(PU_ERR_CONFIG, "--adjust and --dividend-basis belong to --actions FILE");
        return PU_OK;
    }
    if (!symbol) return pu_fail(PU_ERR_CONFIG, "--actions needs --symbol NAME: whose actions they are");
    int count = 0;
    pu_asset *assets = NULL;
    PU_TRY(pu_store_assets(store, 1, &symbol, &count, &assets));
    const pu_status status = import_into(cli, store, &assets[0]);
    pu_free(assets);
    return status;
}
