/* What blocks were made from, as one word: when it is the same, they are current. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/base/buffer.h"
#include "host/data/features/sets.h"
#include "host/data/store/digest.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

/* A summary of an asset's bars, read now: symbol, length, number, ends, checksum. */
static pu_status describe_bars(sqlite3_stmt *query, pu_store *store, int64_t asset_id, pu__buffer *out) {
    bool row = false;
    pu_status status = sqlite3_bind_int64(query, 1, asset_id) == SQLITE_OK
                           ? pu__sql_step(store, query, &row, "read the assets of")
                           : pu__store_failure(store, "read the assets of");
    if (status == PU_OK && !row)
        status = pu_fail(PU_ERR_STORE, "an asset left the store during the work; run again");
    if (status == PU_OK) {
        pu__buffer_printf(out, "%s", (const char *)sqlite3_column_text(query, 0));
        for (int c = 1; c < 6; ++c) pu__buffer_printf(out, " %" PRId64, (int64_t)sqlite3_column_int64(query, c));
        pu__buffer_printf(out, "\n");
    }
    sqlite3_reset(query);
    return status;
}

static pu_status describe_series(const pu__plan *plan, int asset, pu__buffer *out) {
    const pu__input_list *inputs = &plan->features.inputs;
    char text[PU__ASOF_IDENTITY_BYTES];
    for (int i = 0; i < inputs->count; ++i) {
        const pu__input *input = &inputs->input[i];
        if (input->kind == PU__INPUT_ALTERNATIVE)
            PU_TRY(pu__asof_identity(plan->store, input->name, plan->asset[asset].id, text));
        else if (input->kind == PU__INPUT_REGIME) PU_TRY(pu__asof_identity_regime(plan->store, input->name, text));
        else continue;
        pu__buffer_printf(out, "%s\n", text);
    }
    return PU_OK;
}

/* Everything but the asset's own bars; nothing where the features look at nothing else. */
static pu_status describe_others(const pu__plan *plan, int asset, sqlite3_stmt *query, pu__buffer *out) {
    if (pu__input_list_has(&plan->features.inputs, PU__INPUT_BENCHMARK)) {
        pu__buffer_printf(out, "benchmark ");
        PU_TRY(describe_bars(query, plan->store, plan->benchmark.id, out));
    }
    for (int i = 0; plan->features.is_panel && i < plan->member_count; ++i)
        PU_TRY(describe_bars(query, plan->store, plan->asset[i].id, out));
    return describe_series(plan, asset, out);
}

static void digest_half(const pu__buffer *text, char out[PU__OWN_HASH_DIGITS + 1]) {
    char whole[65];
    pu__digest(text->data, text->used, whole);
    snprintf(out, PU__OWN_HASH_DIGITS + 1, "%.*s", PU__OWN_HASH_DIGITS, whole);
}

pu_status pu__source_hash(const pu__plan *plan, int asset, bool is_features, char out[65]) {
    pu__buffer own = {0}, others = {0};
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(
        plan->store, "SELECT symbol, bar_s, bars, first_ts, last_ts, checksum FROM assets WHERE asset_id = ?1",
        &query));
    pu_status status = describe_bars(query, plan->store, plan->asset[asset].id, &own);
    if (status == PU_OK && is_features) status = describe_others(plan, asset, query, &others);
    if (own.failed || others.failed) status = PU_ERR_MEMORY;
    sqlite3_finalize(query);
    if (status == PU_OK) {
        memset(out, '0', 64);
        out[64] = '\0';
        digest_half(&own, out);
        out[PU__OWN_HASH_DIGITS] = '0';
        if (others.used > 0) digest_half(&others, out + PU__OWN_HASH_DIGITS);
    }
    pu_free(own.data);
    pu_free(others.data);
    return status;
}
