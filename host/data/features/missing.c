/* Inputs that the store cannot give: found before anything is computed. */
#include <inttypes.h>
#include <string.h>

#include "host/base/buffer.h"
#include "host/data/features/sets.h"
#include "host/data/store/sql.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { LISTED_ASSETS = 20, DAY_S = 86400 };

/* A benchmark that ended this many bars, and days, before the asset is missing: from there on it would stand still. */
enum { ENDED_BARS = 30, ENDED_DAYS = 4 };

static const char volume[] = "volume";

/* One thing that features need, and for which assets it is missing. */
typedef struct need {
    const char *input; /* `volume`, or an input's text */
    bool is_looked_up;
    int lacking;
    char *assets; /* null when none lacks it */
} need;

/* Volume counts as missing where fewer than half of the bars have it. */
static pu_status lacks_volume(const pu__plan *plan, const pu_asset *asset, bool *out) {
    sqlite3_stmt *query = NULL;
    PU_TRY(pu__sql_prepare(plan->store, "SELECT count(volume) FROM series WHERE asset_id = ?1", &query));
    bool row = false;
    const pu_status status = sqlite3_bind_int64(query, 1, asset->id) == SQLITE_OK
                                 ? pu__sql_step(plan->store, query, &row, "count volumes in")
                                 : pu__store_failure(plan->store, "count volumes in");
    *out = !row || 2 * (int64_t)sqlite3_column_int64(query, 0) < asset->bars;
    sqlite3_finalize(query);
    return status;
}

/* Whether nothing of a series is published by the asset's last bar. */
static pu_status lacks_series(const pu__plan *plan, const pu__input *input, const pu_asset *asset, bool *out) {
    const pu__input_view view = {.asset_id = asset->id, .until_ts = asset->last_ts};
    pu__input_reader reader;
    pu__vintage row;
    bool is_found = false;
    *out = true;
    const pu_status opened = pu__input_reader_open(plan->store, input, &view, &reader);
    if (opened == PU_ERR_NOT_FOUND) return PU_OK;
    PU_TRY(opened);
    const pu_status status = pu__asof_row(reader.asof, asset->last_ts, &row, &is_found);
    pu__input_reader_close(&reader);
    *out = !is_found;
    return status;
}

static bool lacks_benchmark(const pu__plan *plan, const pu_asset *asset) {
    const pu_asset *benchmark = &plan->benchmark;
    const int64_t behind_s = asset->last_ts - benchmark->last_ts;
    return benchmark->id == 0 || benchmark->bars == 0 || benchmark->first_ts > asset->last_ts ||
           (behind_s > ENDED_BARS * asset->bar_s && behind_s > ENDED_DAYS * DAY_S);
}

static pu_status lacks_input(const pu__plan *plan, const char *text, const pu_asset *asset, bool *out) {
    pu__input input;
    *out = false;
    if (text == volume) return lacks_volume(plan, asset, out);
    PU_TRY(pu__input_parse(text, &input));
    if (input.kind == PU__INPUT_UNIVERSE) return PU_OK;
    if (input.kind != PU__INPUT_BENCHMARK) return lacks_series(plan, &input, asset, out);
    *out = lacks_benchmark(plan, asset);
    return PU_OK;
}

static pu_status look_up(const pu__plan *plan, need *what) {
    pu__buffer names = {0};
    for (int i = 0; i < plan->asset_count; ++i) {
        bool lacks = false;
        const pu_status status = lacks_input(plan, what->input, &plan->asset[i], &lacks);
        if (status != PU_OK) {
            pu_free(names.data);
            return status;
        }
        if (!lacks) continue;
        if (what->lacking < LISTED_ASSETS)
            pu__buffer_printf(&names, "%s%s", names.used ? ", " : "", plan->asset[i].symbol);
        what->lacking += 1;
    }
    what->is_looked_up = true;
    if (what->lacking == 0) return PU_OK;
    if (what->lacking > LISTED_ASSETS) pu__buffer_printf(&names, " and %d more", what->lacking - LISTED_ASSETS);
    what->assets = pu__buffer_take(&names);
    return what->assets ? PU_OK : PU_ERR_MEMORY;
}

static const char *remedy(const char *input) {
    if (input == volume) return "choose other assets";
    if (strcmp(input, "benchmark") == 0) return "name one as data.benchmark whose bars reach as far as theirs";
    return "import it with `plusultra import`, `plusultra series list` shows what there is";
}

static pu_status refuse(const pu_feature *feature, const need *what) {
    const pu_log_field fields[] = {{"feature", feature->name}, {"input", what->input}, {"assets", what->assets}};
    pu_log_fields(PU_LOG_ERROR, "features.input_missing", 3, fields, "the feature %s has no %s for %s",
                  feature->name, what->input, what->assets);
    return pu_fail(PU_ERR_CONFIG,
                   "features.names: %s needs %s, which is missing for %s: %s, or leave the feature out, or set "
                   "features.missing: skip",
                   feature->name, what->input, what->assets, remedy(what->input));
}

static pu_status omit(pu__plan *plan, const pu_feature *feature, const need *what) {
    pu__omission *found = NULL;
    for (int i = 0; i < plan->omission_count && !found; ++i) {
        if (strcmp(plan->omission[i].input, what->input) == 0) found = &plan->omission[i];
    }
    if (!found) {
        found = &plan->omission[plan->omission_count++];
        found->input = pu_strdup(what->input);
        found->assets = pu_strdup(what->assets);
    }
    pu__buffer features = {0};
    pu__buffer_printf(&features, "%s%s%s", found->features ? found->features : "", found->features ? ", " : "",
                      feature->name);
    pu_free(found->features);
    found->features = pu__buffer_take(&features);
    return found->input && found->assets && found->features ? PU_OK : PU_ERR_MEMORY;
}

/* needs[0] is volume; the others in the order they come up. */
static pu_status find_need(const pu__plan *plan, const char *input, need *needs, int *count, need **out) {
    int i = 0;
    while (i < *count && strcmp(needs[i].input, input) != 0) ++i;
    if (i == *count) needs[(*count)++].input = input;
    *out = &needs[i];
    return needs[i].is_looked_up ? PU_OK : look_up(plan, &needs[i]);
}

/* The first thing that `feature` needs and some asset lacks; null if none. */
static pu_status first_missing(const pu__plan *plan, const pu_feature *feature, need *needs, int *count,
                               const need **out) {
    *out = NULL;
    for (int k = feature->needs_volume ? -1 : 0; k < feature->input_count && !*out; ++k) {
        need *one = NULL;
        PU_TRY(find_need(plan, k < 0 ? volume : feature->inputs[k], needs, count, &one));
        if (one->lacking > 0) *out = one;
    }
    return PU_OK;
}

static pu_status resolve(pu__plan *plan, bool is_skipped, need *needs, int *count) {
    pu__feature_set *set = &plan->features;
    const int asked = set->count;
    set->count = 0;
    for (int f = 0; f < asked; ++f) {
        const pu_feature *feature = set->feature[f];
        const need *missing = NULL;
        PU_TRY(first_missing(plan, feature, needs, count, &missing));
        if (!missing) set->feature[set->count++] = feature;
        else if (is_skipped) PU_TRY(omit(plan, feature, missing));
        else return refuse(feature, missing);
    }
    return set->count > 0 ? PU_OK
                          : pu_fail(PU_ERR_CONFIG,
                                    "features.names: no feature is left, %s is missing for %s: import it, or name "
                                    "other features",
                                    plan->omission[0].input, plan->omission[0].assets);
}

static pu_status describe(pu__plan *plan) {
    pu__buffer text = {0};
    for (int i = 0; i < plan->omission_count; ++i) {
        const pu__omission *o = &plan->omission[i];
        pu__buffer_printf(&text, "%s%s (no %s for %s)", i ? "; " : "", o->features, o->input, o->assets);
    }
    if (plan->omission_count == 0) return PU_OK;
    plan->omitted = pu__buffer_take(&text);
    return plan->omitted ? PU_OK : PU_ERR_MEMORY;
}

pu_status pu__missing_resolve(const pu_config *config, pu__plan *plan) {
    size_t most = 1;
    int count = 0;
    for (int f = 0; f < plan->features.count; ++f) most += 1 + (size_t)plan->features.feature[f]->input_count;
    need *needs = pu_calloc(most, sizeof *needs);
    plan->omission = pu_calloc(most, sizeof *plan->omission);
    /* The default set is what fits the data; a name is a wish. */
    const bool is_skipped = config->features.names.count == 0 || strcmp(config->features.missing, "skip") == 0;
    pu_status status = needs && plan->omission ? resolve(plan, is_skipped, needs, &count) : PU_ERR_MEMORY;
    if (status == PU_OK) status = describe(plan);
    for (int i = 0; i < count; ++i) pu_free(needs[i].assets);
    pu_free(needs);
    return status;
}
