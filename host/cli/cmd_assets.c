#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/base/nearest.h"
#include "host/cli/cli.h"
#include "host/data/store/edit.h"
#include "plusultra/memory.h"

typedef struct job {
    pu__cli *cli;
    pu_store *store;
    int count;
    pu_asset *assets; /* owned; those named, or all */
} job;

static const char *basis_word(pu_price_basis basis) { return basis == PU_BASIS_RAW ? "raw" : "split_adjusted"; }

static json_t *asset_json(const pu_asset *asset, const pu__asset_more *more) {
    char first[32] = "", last[32] = "";
    if (asset->bars > 0) {
        pu_bar_time_format(asset->first_ts, asset->bar_s, first);
        pu_bar_time_format(asset->last_ts, asset->bar_s, last);
    }
    return json_pack("{s:s, s:s, s:I, s:s, s:f, s:s, s:I, s:s, s:s, s:I, s:I}", "symbol", asset->symbol,
                     "asset_class", asset->asset_class, "bar_s", (json_int_t)asset->bar_s, "currency",
                     more->currency, "periods_per_year", asset->periods_per_year, "price_basis",
                     basis_word(more->basis), "bars", (json_int_t)asset->bars, "first", first, "last", last,
                     "splits", (json_int_t)more->splits, "dividends", (json_int_t)more->dividends);
}

static pu_status list(job *j) {
    json_t *assets = json_array();
    json_object_set_new(j->cli->result, "assets", assets);
    if (j->count > 0)
        printf("%-16s %-10s %8s %-4s %9s %9s  %-21s %s\n", "SYMBOL", "CLASS", "BAR_S", "CUR", "PER_YEAR", "BARS",
               "FIRST", "LAST");
    for (int i = 0; i < j->count; ++i) {
        const pu_asset *a = &j->assets[i];
        pu__asset_more more;
        PU_TRY(pu__asset_read(j->store, a->id, &more));
        json_t *one = asset_json(a, &more);
        json_array_append_new(assets, one);
        printf("%-16s %-10s %8" PRId64 " %-4s %9.6g %9" PRId64 "  %-21s %s\n", a->symbol, a->asset_class, a->bar_s,
               more.currency, a->periods_per_year, a->bars, json_string_value(json_object_get(one, "first")),
               json_string_value(json_object_get(one, "last")));
    }
    printf("%d assets\n", j->count);
    return PU_OK;
}

static pu_status show_one(job *j, const pu_asset *a, json_t *out) {
    pu__asset_more more;
    pu__dependants rows[PU__DEPENDANTS_MAX];
    int count = 0;
    PU_TRY(pu__asset_read(j->store, a->id, &more));
    PU_TRY(pu__asset_dependants(j->store, a->id, &count, rows));
    const pu_calendar *calendar = pu_calendar_of(a->asset_class);
    json_t *one = asset_json(a, &more), *tables = json_object();
    printf("%s\n  class            %s: %s\n  bar              %" PRId64 " s\n  periods per year %.10g\n",
           a->symbol, a->asset_class, calendar ? calendar->note : "", a->bar_s, a->periods_per_year);
    printf("  currency         %s\n  prices           %s; %" PRId64 " splits, %" PRId64 " dividends stored\n",
           *more.currency ? more.currency : "-", basis_word(more.basis), more.splits, more.dividends);
    printf("  bars             %" PRId64 ", %s to %s\n", a->bars, json_string_value(json_object_get(one, "first")),
           json_string_value(json_object_get(one, "last")));
    for (int i = 0; i < count; ++i) {
        json_object_set_new(tables, rows[i].table, json_integer(rows[i].rows));
        printf("  rows in %-20s %" PRId64 "\n", rows[i].table, rows[i].rows);
    }
    json_object_set_new(one, "rows", tables);
    json_array_append_new(out, one);
    return PU_OK;
}

static pu_status show(job *j) {
    json_t *assets = json_array();
    json_object_set_new(j->cli->result, "assets", assets);
    for (int i = 0; i < j->count; ++i) PU_TRY(show_one(j, &j->assets[i], assets));
    return PU_OK;
}

static pu_status read_view(const pu__cli *cli, pu_price_view *view, int64_t *known_ts) {
    static const char *const views[] = {"stored", "raw", "split_adjusted", "total_return"};
    const char *word = pu__cli_value(cli, "view"), *known = pu__cli_value(cli, "known");
    int which = 0;
    while (word && which < 4 && strcmp(word, views[which]) != 0) ++which;
    if (which == 4)
        return pu_fail(PU_ERR_CONFIG, "--view: expects stored, raw, split_adjusted or total_return, not '%.60s'",
                       word);
    *view = (pu_price_view)which;
    *known_ts = PU_KNOWN_ALL;
    if (!known) return PU_OK;
    return pu_time_parse(known, known_ts) == PU_OK ? PU_OK : pu_fail_within(PU_ERR_CONFIG, "--known");
}

static pu_status prices(job *j) {
    pu_price_view view = PU_PRICES_STORED;
    int64_t known_ts = 0;
    pu_bars bars;
    if (j->count != 1) return pu_fail(PU_ERR_CONFIG, "prices prints one asset, %d are given", j->count);
    PU_TRY(read_view(j->cli, &view, &known_ts));
    PU_TRY(pu_store_bars_view(j->store, j->assets[0].id, INT64_MIN, INT64_MAX, view, known_ts, &bars));
    printf("time,open,high,low,close,adjusted,volume\n");
    for (int64_t i = 0; i < bars.count; ++i) {
        char when[32];
        pu_time_format(bars.ts[i], true, when);
        printf("%s,%.10g,%.10g,%.10g,%.10g,%.10g,", when, bars.open[i], bars.high[i], bars.low[i], bars.close[i],
               bars.adjusted[i]);
        if (bars.volume[i] >= 0) printf("%.10g", bars.volume[i]); /* a missing one is an empty field */
        printf("\n");
    }
    json_object_set_new(j->cli->result, "bars", json_integer(bars.count));
    pu_bars_free(&bars);
    return PU_OK;
}

/* The answer counts only from a terminal. */
static pu_status ask(const pu__cli *cli, const char *what) {
    if (pu__cli_flag(cli, "yes")) return PU_OK;
    if (!isatty(STDIN_FILENO)) return pu_fail(PU_ERR_CONFIG, "nothing was removed; --yes removes without asking");
    printf("Remove %s? This cannot be undone. [y/N] ", what);
    fflush(stdout);
    char answer[16] = "";
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y')) return PU_OK;
    return pu_fail(PU_ERR_INTERRUPTED, "nothing was removed");
}

/* What would go, on standard output. */
static pu_status confirm(job *j) {
    for (int i = 0; i < j->count; ++i) {
        pu__dependants rows[PU__DEPENDANTS_MAX];
        int count = 0;
        PU_TRY(pu__asset_dependants(j->store, j->assets[i].id, &count, rows));
        printf("%s@%" PRId64 ":", j->assets[i].symbol, j->assets[i].bar_s);
        for (int k = 0; k < count; ++k)
            printf("%s %" PRId64 " rows of %s", k ? "," : "", rows[k].rows, rows[k].table);
        printf("%s\n", count == 0 ? " no rows" : "");
    }
    return ask(j->cli, j->count == 1 ? "it" : "them");
}

static pu_status remove_all(job *j) {
    PU_TRY(confirm(j));
    PU_TRY(pu_store_begin(j->store));
    pu_status status = PU_OK;
    for (int i = 0; i < j->count && status == PU_OK; ++i) status = pu__asset_remove(j->store, j->assets[i].id);
    if (status == PU_OK) status = pu_store_commit(j->store);
    if (status != PU_OK) {
        pu_store_rollback(j->store);
        return status;
    }
    json_object_set_new(j->cli->result, "removed", json_integer(j->count));
    printf("%d assets removed\n", j->count);
    return PU_OK;
}

/* ---- corporate actions ---- */

static const char *kind_word(pu_action_kind kind) { return kind == PU_ACTION_SPLIT ? "split" : "dividend"; }

static void show_action(const pu_asset *asset, const pu_action *action, json_t *out) {
    char when[32], published[32];
    pu_time_format(action->ex_ts, action->ex_ts % 86400 != 0, when);
    pu_time_format(action->published_ts, true, published);
    printf("%-16s %-12s %-8s %12.10g  published %s  %s shares\n", asset->symbol, when, kind_word(action->kind),
           action->value, published, basis_word(action->basis));
    json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:f, s:s, s:s}", "symbol", asset->symbol, "ex", when,
                                         "kind", kind_word(action->kind), "value", action->value, "published",
                                         published, "basis", basis_word(action->basis)));
}

/* Which of them --remove and --kind mean; the kind may be left out where the day has one action only. */
static pu_status find_action(const pu__cli *cli, const pu_asset *asset, int64_t count, const pu_action *actions,
                             const pu_action **out) {
    const char *day = pu__cli_value(cli, "remove"), *kind = pu__cli_value(cli, "kind");
    int64_t ex_ts = 0;
    if (kind && strcmp(kind, "split") != 0 && strcmp(kind, "dividend") != 0)
        return pu_fail(PU_ERR_CONFIG, "--kind: expects split or dividend, not '%.60s'", kind);
    if (pu_time_parse(day, &ex_ts) != PU_OK) return pu_fail_within(PU_ERR_CONFIG, "--remove");
    *out = NULL;
    for (int64_t i = 0; i < count; ++i) {
        if (actions[i].ex_ts != ex_ts || (kind && strcmp(kind, kind_word(actions[i].kind)) != 0)) continue;
        if (*out)
            return pu_fail(PU_ERR_CONFIG, "%s has a split and a dividend on %.60s: add --kind split or dividend",
                           asset->symbol, day);
        *out = &actions[i];
    }
    if (*out) return PU_OK;
    return pu_fail(PU_ERR_NOT_FOUND, "%s has no %s on %.60s; `plusultra assets actions %s` lists them",
                   asset->symbol, kind ? kind : "split or dividend", day, asset->symbol);
}

static pu_status remove_action(job *j, const pu_asset *asset, int64_t count, const pu_action *actions) {
    const pu_action *wrong = NULL;
    json_t *removed = json_array();
    json_object_set_new(j->cli->result, "removed", removed);
    PU_TRY(find_action(j->cli, asset, count, actions, &wrong));
    show_action(asset, wrong, removed);
    const pu_status status = ask(j->cli, "it");
    if (status != PU_OK) {
        json_array_clear(removed);
        return status;
    }
    PU_TRY(pu_store_remove_action(j->store, asset->id, wrong->ex_ts, wrong->kind));
    printf("removed; an adjusted close that was made from it stays until `plusultra import` makes it anew: from "
           "the\nbars' file with --replace, or by the actions that are right with --actions FILE --adjust\n");
    return PU_OK;
}

static pu_status list_actions(job *j) {
    json_t *listed = json_array();
    const bool removes = pu__cli_value(j->cli, "remove") != NULL;
    if (removes && j->count != 1)
        return pu_fail(PU_ERR_CONFIG, "--remove is about one asset, %d are given", j->count);
    if (!removes) json_object_set(j->cli->result, "actions", listed);
    pu_status status = PU_OK;
    for (int i = 0; i < j->count && status == PU_OK; ++i) {
        int64_t count = 0;
        pu_action *found = NULL;
        status = pu_store_get_actions(j->store, j->assets[i].id, &count, &found);
        if (status == PU_OK && removes) status = remove_action(j, &j->assets[i], count, found);
        for (int64_t k = 0; k < count && status == PU_OK && !removes; ++k)
            show_action(&j->assets[i], &found[k], listed);
        if (status == PU_OK && !removes && count == 0) printf("%-16s none\n", j->assets[i].symbol);
        pu_free(found);
    }
    json_decref(listed);
    return status;
}

static pu_status read_change(const pu__cli *cli, pu__asset_change *change, pu_price_basis *basis) {
    *change = (pu__asset_change){.asset_class = pu__cli_value(cli, "asset-class"),
                                 .currency = pu__cli_value(cli, "currency")};
    PU_TRY(pu__cli_real(cli, "periods-per-year", 0, 1e-3, 31622400, &change->periods_per_year));
    if (change->asset_class && !pu_calendar_of(change->asset_class)) {
        const char *names[16];
        int count = 0;
        for (; count < pu_calendar_count(); ++count) names[count] = pu_calendar_at(count)->asset_class;
        const char *nearest = pu__nearest(change->asset_class, count, names);
        return pu_fail(
            PU_ERR_CONFIG,
            "--asset-class: expects equity, index, future, forex, crypto or synthetic, not '%.60s'%s%s%s",
            change->asset_class, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    const char *word = pu__cli_value(cli, "price-basis");
    if (!word) return PU_OK;
    *basis = strcmp(word, "raw") == 0 ? PU_BASIS_RAW : PU_BASIS_SPLIT_ADJUSTED;
    change->basis = basis;
    if (strcmp(word, basis_word(*basis)) == 0) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "--price-basis: expects raw or split_adjusted, not '%.60s'", word);
}

static pu_status set(job *j) {
    pu__asset_change change;
    pu_price_basis basis;
    const char *universe = pu__cli_value(j->cli, "benchmark-of");
    PU_TRY(read_change(j->cli, &change, &basis));
    if (!universe && !change.asset_class && !change.currency && !change.basis && change.periods_per_year == 0)
        return pu_fail(PU_ERR_CONFIG, "nothing to set; name --asset-class, --currency, "
                                      "--periods-per-year, --price-basis or --benchmark-of");
    if (universe && (j->count != 1 || strlen(universe) > 63 || !*universe))
        return pu_fail(PU_ERR_CONFIG, "--benchmark-of takes a name of 1 to 63 characters, and one asset");
    PU_TRY(pu_store_begin(j->store));
    pu_status status = PU_OK;
    for (int i = 0; i < j->count && status == PU_OK; ++i)
        status = pu__asset_change_put(j->store, &j->assets[i], &change);
    if (status == PU_OK && universe) status = pu_store_put_benchmark(j->store, universe, j->assets[0].id);
    if (status == PU_OK) status = pu_store_commit(j->store);
    if (status != PU_OK) {
        pu_store_rollback(j->store);
        return status;
    }
    if (universe) printf("%s is the benchmark of %s\n", j->assets[0].symbol, universe);
    printf("%d assets changed\n", j->count);
    return PU_OK;
}

static pu_status migrate(job *j) {
    printf("%s has the schema of this program\n", pu_store_path(j->store));
    return PU_OK;
}

static const struct {
    const char *name;
    bool writes, needs_symbols;
    pu_status (*run)(job *j);
} actions[] = {
    {"list", false, false, list},          {"show", false, true, show}, {"prices", false, true, prices},
    {"remove", true, true, remove_all},    {"set", true, true, set},    {"migrate", true, false, migrate},
    {"actions", false, true, list_actions}};

enum { ACTIONS = sizeof actions / sizeof *actions };

static pu_status unknown_action(const char *word) {
    const char *names[ACTIONS];
    for (int i = 0; i < ACTIONS; ++i) names[i] = actions[i].name;
    const char *nearest = pu__nearest(word, ACTIONS, names);
    return pu_fail(PU_ERR_CONFIG, "%.60s: unknown; %s%s%s", word, nearest ? "did you mean " : "",
                   nearest ? nearest : "use list, show, prices, actions, set, remove or migrate",
                   nearest ? "?" : "");
}

static pu_status run(pu__cli *cli) {
    int which = 0;
    while (which < ACTIONS && strcmp(cli->operands[0], actions[which].name) != 0) ++which;
    if (which == ACTIONS) return unknown_action(cli->operands[0]);
    if (actions[which].needs_symbols && cli->operand_count < 2)
        return pu_fail(PU_ERR_CONFIG, "%s expects SYMBOL...; `plusultra assets list` shows them",
                       actions[which].name);
    const char *path = pu__cli_value(cli, "store");
    job j = {.cli = cli};
    const bool writes = actions[which].writes || pu__cli_value(cli, "remove");
    PU_TRY(pu_store_open(path ? path : "market.db", writes ? PU_STORE_WRITE : PU_STORE_READ, &j.store));
    pu_status status = pu_store_assets(j.store, cli->operand_count - 1, cli->operands + 1, &j.count, &j.assets);
    if (status == PU_OK) status = actions[which].run(&j);
    pu_free(j.assets);
    pu_store_close(j.store);
    return status;
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store (market.db)"},
    {"view", 0, "NAME", "prices: stored, raw, split_adjusted, total_return (stored)"},
    {"known", 0, "TIME", "prices: what was known then; 2020-12-31 or 2020-12-31T23:59:59Z (all)"},
    {"yes", 'y', NULL, "remove, actions --remove: do not ask"},
    {"remove", 0, "DATE", "actions: remove the one with this ex date"},
    {"kind", 0, "split|dividend", "actions --remove: which, where a date has both"},
    {"asset-class", 0, "NAME", "set: equity, index, future, forex, crypto, synthetic"},
    {"currency", 0, "CODE", "set: currency of the prices"},
    {"periods-per-year", 0, "N", "set: bars in a year"},
    {"price-basis", 0, "raw|split_adjusted", "set: what the stored open, high, low and close are"},
    {"benchmark-of", 0, "UNIVERSE", "set: make the asset the benchmark of a class or a name of yours"},
};

const pu__verb pu__verb_assets = {
    .name = "assets",
    .summary = "list, show, change and remove what the store holds",
    .details =
        "  list [SYMBOL...]     symbols, classes, bar lengths, ends\n"
        "  show SYMBOL...       an asset with its calendar and the rows that hang on it\n"
        "  prices SYMBOL        its bars as CSV by their close, in the prices of --view, as they were "
        "known at --known\n"
        "  actions SYMBOL...    its splits and dividends; --remove DATE takes a wrong one out, after asking\n"
        "  set SYMBOL...        class (and with it bars per year), currency, price basis, benchmark\n"
        "  remove SYMBOL...     an asset with its bars and everything made from them; asks first\n"
        "  migrate              bring a store of an older version forward, as any writing command does\n"
        "SYMBOL@SECONDS names one bar length of a symbol that is stored at several.",
    .operands = "ACTION [SYMBOL...]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
