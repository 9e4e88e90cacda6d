#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"
#include "plusultra/alternative.h"
#include "plusultra/memory.h"

static json_t *series_json(const pu_series *series) {
    char first[32], last[32];
    pu_time_format(series->first_published_ts, true, first);
    pu_time_format(series->last_published_ts, true, last);
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", series->name, "symbol", series->symbol, "kind",
                  pu_series_kind_name(series->kind), "unit", series->unit, "rows", (json_int_t)series->rows);
    if (series->stale_after_s > 0) json_object_set_new(out, "stale_after_s", json_integer(series->stale_after_s));
    if (series->rows > 0)
        json_object_update_new(out, json_pack("{s:s, s:s}", "first_published", first, "last_published", last));
    return out;
}

/* "3d", "1h30m", "2d45s". */
static void format_length(int64_t seconds, char out[64]) {
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    size_t used = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; ++i) {
        const int64_t count = seconds / units[i].seconds;
        seconds %= units[i].seconds;
        if (count > 0 || (used == 0 && units[i].seconds == 1))
            used += (size_t)snprintf(out + used, 64 - used, "%" PRId64 "%c", count, units[i].letter);
    }
}

static void list_one(const pu_series *series) {
    char first[32] = "-", last[32] = "-", limit[64] = "never";
    if (series->rows > 0) {
        pu_time_format(series->first_published_ts, true, first);
        pu_time_format(series->last_published_ts, true, last);
    }
    if (series->stale_after_s > 0) format_length(series->stale_after_s, limit);
    printf("%-32s %-12s %-9s %-8s %9" PRId64 "  %-20s %-20s %s\n", series->name,
           series->symbol[0] ? series->symbol : "(market)", pu_series_kind_name(series->kind), series->unit,
           series->rows, first, last, limit);
}

static json_t *point_json(const pu_series_point *point) {
    char about[32], published[32];
    pu_time_format(point->ts, true, about);
    pu_time_format(point->published_ts, true, published);
    return json_pack("{s:s, s:s, s:f, s:I, s:I}", "time", about, "published", published, "value", point->value,
                     "vintage", (json_int_t)point->vintage, "vintages", (json_int_t)point->vintages);
}

static void print_point(const char *label, const pu_series_point *point) {
    char about[32], published[32];
    pu_time_format(point->ts, true, about);
    pu_time_format(point->published_ts, true, published);
    printf("  %-10s %.10g, for %s, published %s (vintage %" PRId64 " of %" PRId64 ")\n", label, point->value,
           about, published, point->vintage, point->vintages);
}

static json_t *show_one(const pu_series *series, int64_t T, const pu_series_view *view) {
    char at[32], age[64], limit[64];
    json_t *out = series_json(series);
    pu_time_format(T, true, at);
    json_object_set_new(out, "at", json_string(at));
    json_object_set_new(out, "identity", json_string(view->identity));
    json_object_set_new(out, "known", view->known.found ? point_json(&view->known) : json_null());
    json_object_set_new(out, "ahead", view->ahead.found ? point_json(&view->ahead) : json_null());
    printf("%s%s%s, %s%s%s at %s\n", series->name, series->symbol[0] ? " of " : "", series->symbol,
           pu_series_kind_name(series->kind), series->unit[0] ? ", in " : "", series->unit, at);
    if (!view->known.found) printf("  known      nothing was published by then\n");
    if (view->known.found) {
        format_length(view->age_s, age);
        json_object_set_new(out, "age_s", json_integer(view->age_s));
        json_object_set_new(out, "stale", json_boolean(view->stale));
        print_point("known", &view->known);
        if (view->stale) {
            format_length(series->stale_after_s, limit);
            printf("  age        %s: missing, the limit is %s\n", age, limit);
        } else {
            printf("  age        %s\n", age);
        }
    }
    if (view->ahead.found) print_point("ahead", &view->ahead);
    return out;
}

static pu_status list_series(pu__cli *cli, int count, const pu_series *series) {
    json_t *rows = json_array();
    if (count > 0)
        printf("%-32s %-12s %-9s %-8s %9s  %-20s %-20s %s\n", "name", "symbol", "kind", "unit", "values",
               "first published", "last published", "stale after");
    else printf("the store has no series; `plusultra import --series NAME FILE` reads them\n");
    for (int i = 0; i < count; ++i) {
        list_one(&series[i]);
        json_array_append_new(rows, series_json(&series[i]));
    }
    json_object_set_new(cli->result, "series", rows);
    return PU_OK;
}

static pu_status show_series(pu__cli *cli, pu_store *store, int count, const pu_series *series) {
    const char *at = pu__cli_value(cli, "at"), *symbol = pu__cli_value(cli, "symbol");
    int64_t T = 0;
    int shown = 0;
    if (at) PU_TRY(pu_time_parse(at, &T));
    json_t *rows = json_array();
    json_object_set_new(cli->result, "series", rows);
    for (int i = 0; i < count; ++i) {
        pu_series_view view;
        if (symbol && strcmp(symbol, series[i].symbol) != 0) continue;
        if (!at) T = series[i].last_published_ts;
        PU_TRY(pu_series_at(store, &series[i], T, &view));
        json_array_append_new(rows, show_one(&series[i], T, &view));
        ++shown;
    }
    if (shown > 0) return PU_OK;
    return pu_fail(PU_ERR_NOT_FOUND, "no series '%s' of %s; `plusultra series list` shows all", series[0].name,
                   symbol);
}

static pu_status run(pu__cli *cli) {
    const char *what = cli->operands[0], *name = cli->operand_count > 1 ? cli->operands[1] : NULL;
    const char *path = pu__cli_value(cli, "store");
    const bool list = strcmp(what, "list") == 0;
    if (!list && strcmp(what, "show") != 0)
        return pu_fail(PU_ERR_CONFIG, "expects list or show NAME, not '%.60s'", what);
    if (!list && !name) return pu_fail(PU_ERR_CONFIG, "show: name a series; `plusultra series list` shows them");
    pu_store *store = NULL;
    pu_series *series = NULL;
    int count = 0;
    PU_TRY(pu_store_open(path ? path : "market.db", PU_STORE_READ, &store));
    pu_status status = pu_series_list(store, name, &count, &series);
    if (status == PU_OK) status = list ? list_series(cli, count, series) : show_series(cli, store, count, series);
    pu_free(series);
    pu_store_close(store);
    return status;
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store (market.db)"},
    {"at", 0, "TIME", "show: as known at this time, 2024-01-31 or 2024-01-31T14:30:00Z (the last publication)"},
    {"symbol", 0, "NAME", "show: the series of this asset only"},
};

const pu__verb pu__verb_series = {
    .name = "series",
    .summary = "alternative series and regimes in the store, and what was known at a time",
    .details =
        "`series list` lists them. `series show NAME --at TIME` tells which value was known at a time: the time "
        "it is about,\n"
        "when it was published, which of its revisions it is, how old it was, and whether that is too old to "
        "count.",
    .operands = "list|show [NAME]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
