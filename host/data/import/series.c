#include "host/data/import/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/memory.h"

enum { DAY_S = 86400, SLOTS_FIRST = 1024 };

pu__series *pu__series_at(const pu__series_table *table, int index) {
    return &table->block[index / PU__SERIES_BLOCK][index % PU__SERIES_BLOCK];
}

void pu__series_free(pu__series_table *table) {
    for (int i = 0; i < table->count; ++i) pu_free(pu__series_at(table, i)->held);
    for (int i = 0; i < PU__SERIES_MAX / PU__SERIES_BLOCK; ++i) pu_free(table->block[i]);
    pu_free(table->slot);
    *table = (pu__series_table){0};
}

/* FNV-1a: Fowler, Noll and Vo. */
static uint64_t hash_of(pu__text symbol, int64_t period_s) {
    uint64_t hash = 14695981039346656037u ^ (uint64_t)period_s;
    for (size_t i = 0; i < symbol.bytes; ++i) hash = (hash ^ (unsigned char)symbol.data[i]) * 1099511628211u;
    return hash ^ (hash >> 32);
}

static bool is_it(const pu__series *series, pu__text symbol, int64_t period_s) {
    return series->period_s == period_s && strncmp(series->symbol, symbol.data, symbol.bytes) == 0 &&
           series->symbol[symbol.bytes] == '\0';
}

static size_t slot_of(const pu__series_table *table, pu__text symbol, int64_t period_s) {
    size_t at = hash_of(symbol, period_s) & (table->slots - 1);
    while (table->slot[at] != 0 && !is_it(pu__series_at(table, table->slot[at] - 1), symbol, period_s))
        at = (at + 1) & (table->slots - 1);
    return at;
}

/* At most half of the slots are taken. */
static pu_status make_room(pu__series_table *table) {
    if (2 * (size_t)(table->count + 1) <= table->slots) return PU_OK;
    const size_t slots = table->slots ? 2 * table->slots : SLOTS_FIRST;
    int *slot = pu_calloc(slots, sizeof *slot);
    if (!slot) return PU_ERR_MEMORY;
    pu_free(table->slot);
    table->slot = slot;
    table->slots = slots;
    for (int i = 0; i < table->count; ++i) {
        const pu__series *series = pu__series_at(table, i);
        const pu__text symbol = {series->symbol, strlen(series->symbol)};
        table->slot[slot_of(table, symbol, series->period_s)] = i + 1;
    }
    return PU_OK;
}

static pu_status add_series(pu__series_table *table, pu__text symbol, int64_t period_s, int *index) {
    PU_TRY(make_room(table));
    pu__series **block = &table->block[table->count / PU__SERIES_BLOCK];
    if (!*block) *block = pu_calloc(PU__SERIES_BLOCK, sizeof **block);
    if (!*block) return PU_ERR_MEMORY;
    pu__series *series = pu__series_at(table, table->count);
    memcpy(series->symbol, symbol.data, symbol.bytes);
    series->symbol[symbol.bytes] = '\0';
    series->period_s = period_s;
    table->slot[slot_of(table, symbol, period_s)] = table->count + 1;
    *index = table->count++;
    return PU_OK;
}

static bool may_be_name(pu__text symbol) {
    char name[64];
    if (symbol.bytes == 0 || symbol.bytes >= sizeof name || memchr(symbol.data, '\0', symbol.bytes)) return false;
    memcpy(name, symbol.data, symbol.bytes);
    name[symbol.bytes] = '\0';
    return pu__asset_name_check(name) == PU_OK;
}

pu_status pu__series_find(pu__series_table *table, pu__text symbol, int64_t period_s, int *index, char *reason) {
    if (table->count > 0 && is_it(pu__series_at(table, table->last), symbol, period_s)) {
        *index = table->last;
        return PU_OK;
    }
    *index = table->count > 0 ? table->slot[slot_of(table, symbol, period_s)] - 1 : -1;
    if (*index < 0 && !may_be_name(symbol)) {
        snprintf(reason, PU_IMPORT_REASON_BYTES,
                 "symbol: '%.*s' cannot name an asset: 1 to 63 printable ASCII characters without blank, comma, "
                 "quotation mark, '@'",
                 symbol.bytes < 40 ? (int)symbol.bytes : 40, symbol.data ? symbol.data : "");
        return PU_OK;
    }
    if (*index < 0 && table->count == PU__SERIES_MAX) {
        return pu_fail(PU_ERR_DATA, "more than %d symbols in one file: split it, or check the symbol column",
                       PU__SERIES_MAX);
    }
    if (*index < 0) PU_TRY(add_series(table, symbol, period_s, index));
    table->last = *index;
    return PU_OK;
}

pu_status pu__series_single(pu__series_table *table, const pu__row_rules *rules) {
    int index = 0;
    PU_TRY(add_series(table, (pu__text){rules->symbol, strlen(rules->symbol)}, 0, &index));
    pu__series *series = pu__series_at(table, index);
    series->bar_s = rules->bar_s;
    series->guessed = rules->bar_guessed;
    series->descending = rules->descending;
    series->settled = true;
    return PU_OK;
}

pu_status pu__series_hold(pu__series *series, const pu__raw_row *row) {
    if (!series->held) series->held = pu_calloc(PU__HELD_ROWS, sizeof *series->held);
    if (!series->held) return PU_ERR_MEMORY;
    series->held[series->held_count++] = (pu__held_row){row->line, row->stamp, row->close_ts, row->bar};
    return PU_OK;
}

void pu__series_settle(pu__series *series, const pu__row_rules *rules) {
    int64_t step[PU__HELD_ROWS];
    int steps = 0, backward = 0;
    for (int i = 1; i < series->held_count; ++i) {
        const pu__moment *before = &series->held[i - 1].stamp, *now = &series->held[i].stamp;
        backward += now->ts < before->ts;
        if (now->ts != before->ts) step[steps++] = pu__row_distance(before, now);
    }
    const int64_t told = pu__bar_of_distances(step, steps, rules->layout.kind != PU_IMPORT_BINANCE);
    const bool first = rules->first_bar_s > 0 && strcmp(series->symbol, rules->symbol) == 0;
    if (rules->bar_given) series->bar_s = rules->bar_s;
    else if (series->period_s > 0) series->bar_s = series->period_s;
    else if (first) series->bar_s = rules->first_bar_s;
    else series->bar_s = told > 0 && told <= 366 * DAY_S ? told : rules->bar_s;
    series->guessed = rules->bar_guessed && steps == 0 && !rules->bar_given && series->period_s == 0;
    /* One time alone does not tell, unless it is a day. */
    if (series->bar_s == 0 && series->held_count > 0 && steps == 0 && series->held[0].stamp.date_only) {
        series->bar_s = DAY_S;
        series->guessed = true;
    }
    series->descending = 2 * backward > steps;
    series->settled = true;
}

void pu__series_release(pu__series *series) {
    pu_free(series->held);
    series->held = NULL;
    series->held_count = 0;
}

int pu__bar_text(const pu__bar *bar, size_t capacity, char *out) {
    const int used =
        snprintf(out, capacity, "open %.10g high %.10g low %.10g close %.10g adjusted %.10g volume %.10g",
                 bar->open, bar->high, bar->low, bar->close, bar->adjusted, bar->volume);
    return used < (int)capacity ? used : (int)capacity - 1;
}
