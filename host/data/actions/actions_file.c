#include "host/data/actions/actions_file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/data/import/csv.h"
#include "host/data/store/adjust.h"
#include "host/data/store/digest.h"
#include "host/data/store/provenance.h"
#include "host/data/store/sql.h"
#include "plusultra/memory.h"

enum { DAY_S = 86400 };

typedef enum role { DATE = 0, KIND, VALUE, PUBLISHED, DIVIDENDS, SPLITS, ROLES } role;

typedef struct reader {
    const char *path;
    pu__lines lines;
    char delimiter;
    int column[ROLES]; /* -1: the file has none */
    int columns;
    pu_price_basis basis;
    pu_action *actions; /* owned */
    size_t count, capacity;
} reader;

static pu_status bad_line(const reader *r, const char *what, pu__text text) {
    return pu_fail(PU_ERR_DATA, "%s:%lld: %s: '%.*s'", r->path, (long long)r->lines.line, what,
                   (int)(text.bytes < 60 ? text.bytes : 60), text.data);
}

static bool same_word(pu__text text, const char *word) {
    return text.bytes == strlen(word) && strncasecmp(text.data, word, text.bytes) == 0;
}

static role role_of(pu__text name) {
    static const struct {
        const char *word;
        role role;
    } words[] = {{"date", DATE},           {"ex_date", DATE},        {"ex-date", DATE},
                 {"kind", KIND},           {"type", KIND},           {"action", KIND},
                 {"value", VALUE},         {"amount", VALUE},        {"published", PUBLISHED},
                 {"announced", PUBLISHED}, {"declared", PUBLISHED},  {"dividends", DIVIDENDS},
                 {"dividend", DIVIDENDS},  {"stock splits", SPLITS}, {"splits", SPLITS}};
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i) {
        if (same_word(name, words[i].word)) return words[i].role;
    }
    return ROLES;
}

static pu_status read_header(reader *r, pu__text line) {
    pu__text fields[PU__FIELDS_MAX + 1];
    r->delimiter = memchr(line.data, ';', line.bytes) ? ';' : memchr(line.data, '\t', line.bytes) ? '\t' : ',';
    r->columns = pu__split_fields(line, r->delimiter, fields);
    for (int i = 0; i < ROLES; ++i) r->column[i] = -1;
    for (int i = 0; i < r->columns && i < PU__FIELDS_MAX; ++i) {
        const role found = role_of(fields[i]);
        if (found != ROLES && r->column[found] < 0) r->column[found] = i;
    }
    const bool yahoo = r->column[DIVIDENDS] >= 0 || r->column[SPLITS] >= 0;
    const bool generic = r->column[KIND] >= 0 && r->column[VALUE] >= 0;
    r->basis = yahoo ? PU_BASIS_SPLIT_ADJUSTED : PU_BASIS_RAW;
    if (r->column[DATE] >= 0 && yahoo != generic) return PU_OK;
    return bad_line(r,
                    "no header of corporate actions; expected Date,Dividends or Date,Stock Splits or "
                    "date,kind,value[,published]",
                    line);
}

/* The date as written is the ex date, whatever clock time and zone stand behind it. */
static bool parse_ex_date(pu__text text, int64_t *ts) {
    size_t bytes = 0;
    while (bytes < text.bytes && text.data[bytes] != ' ' && text.data[bytes] != 'T') ++bytes;
    pu__moment moment;
    if (!pu__parse_moment((pu__text){text.data, bytes}, &moment) || !moment.date_only) return false;
    *ts = moment.ts;
    return true;
}

/* "2:1", "2/1": two new for one old; or one number. */
static bool parse_split(pu__text text, double *value) {
    const char *colon = memchr(text.data, ':', text.bytes);
    if (!colon) colon = memchr(text.data, '/', text.bytes);
    if (!colon) return pu__parse_real(text, value);
    const size_t bytes = (size_t)(colon - text.data);
    double fresh = 0, old = 0;
    if (!pu__parse_real(pu__trim((pu__text){text.data, bytes}), &fresh) ||
        !pu__parse_real(pu__trim((pu__text){colon + 1, text.bytes - bytes - 1}), &old) || old <= 0)
        return false;
    *value = fresh / old;
    return true;
}

static pu_status add_action(reader *r, pu_action action) {
    if (r->count == r->capacity) {
        const size_t grown = r->capacity ? 2 * r->capacity : 64;
        pu_action *actions = pu_regrow(r->actions, r->capacity * sizeof *actions, grown * sizeof *actions);
        if (!actions) return PU_ERR_MEMORY;
        r->actions = actions;
        r->capacity = grown;
    }
    r->actions[r->count++] = action;
    return PU_OK;
}

static pu_status take_value(reader *r, pu_action action, pu__text text, bool zero_is_none) {
    const bool split = action.kind == PU_ACTION_SPLIT;
    const bool readable = split ? parse_split(text, &action.value) : pu__parse_real(text, &action.value);
    if (!readable) return bad_line(r, split ? "no split such as 2:1 or 2.0" : "no amount", text);
    if (zero_is_none && action.value == 0) return PU_OK;
    if (action.value <= 0 || action.value > 1e9)
        return bad_line(r, split ? "a split is above 0 and up to 1e9" : "a dividend is above 0 and up to 1e9",
                        text);
    action.basis = split ? PU_BASIS_RAW : r->basis;
    return add_action(r, action);
}

static pu_status read_published(const reader *r, pu__text text, int64_t *ts) {
    pu__moment moment;
    if (text.bytes == 0) return PU_OK;
    if (!pu__parse_moment(text, &moment)) return bad_line(r, "no publication time", text);
    *ts = moment.date_only ? moment.ts + DAY_S : moment.ts;
    return PU_OK;
}

static pu_status read_row(reader *r, pu__text line) {
    pu__text fields[PU__FIELDS_MAX + 1];
    pu_action action = {0};
    if (pu__trim(line).bytes == 0) return PU_OK;
    const int count = pu__split_fields(line, r->delimiter, fields);
    if (count != r->columns) return bad_line(r, "not as many fields as the header", line);
    if (!parse_ex_date(fields[r->column[DATE]], &action.ex_ts))
        return bad_line(r, "no date such as 2020-12-31", fields[r->column[DATE]]);
    action.published_ts = action.ex_ts;
    if (r->column[PUBLISHED] >= 0) PU_TRY(read_published(r, fields[r->column[PUBLISHED]], &action.published_ts));
    if (r->column[KIND] >= 0) {
        const pu__text kind = fields[r->column[KIND]];
        action.kind = same_word(kind, "dividend") ? PU_ACTION_DIVIDEND : PU_ACTION_SPLIT;
        if (action.kind == PU_ACTION_SPLIT && !same_word(kind, "split"))
            return bad_line(r, "the kind is split or dividend, not", kind);
        return take_value(r, action, fields[r->column[VALUE]], false);
    }
    if (r->column[SPLITS] >= 0) PU_TRY(take_value(r, action, fields[r->column[SPLITS]], true));
    action.kind = PU_ACTION_DIVIDEND;
    return r->column[DIVIDENDS] >= 0 ? take_value(r, action, fields[r->column[DIVIDENDS]], true) : PU_OK;
}

static int by_time(const void *a, const void *b) {
    const pu_action *x = a, *y = b;
    if (x->ex_ts != y->ex_ts) return x->ex_ts < y->ex_ts ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

/* Dividends of one day are paid together; two splits of one day are a mistake. */
static pu_status merge_days(reader *r) {
    size_t kept = 0;
    if (r->count > 1) qsort(r->actions, r->count, sizeof *r->actions, by_time);
    for (size_t i = 0; i < r->count; ++i) {
        pu_action *last = kept > 0 ? &r->actions[kept - 1] : NULL;
        const pu_action *next = &r->actions[i];
        if (!last || by_time(last, next) != 0) {
            r->actions[kept++] = *next;
            continue;
        }
        char when[32];
        pu_time_format(next->ex_ts, false, when);
        if (next->kind == PU_ACTION_SPLIT)
            return pu_fail(PU_ERR_DATA, "%s: two splits on %s: leave one", r->path, when);
        last->value += next->value;
        if (next->published_ts > last->published_ts) last->published_ts = next->published_ts;
    }
    r->count = kept;
    return PU_OK;
}

static pu_status read_lines(reader *r, const pu_price_basis *basis, pu__actions_result *result) {
    pu__text line;
    bool found = false;
    PU_TRY(pu__lines_next(&r->lines, &line, &found));
    if (!found) return pu_fail(PU_ERR_DATA, "%s is empty", r->path);
    PU_TRY(read_header(r, line));
    if (basis) r->basis = *basis;
    for (;;) {
        PU_TRY(pu__lines_next(&r->lines, &line, &found));
        if (!found) break;
        PU_TRY(read_row(r, line));
    }
    PU_TRY(merge_days(r));
    for (size_t i = 0; i < r->count; ++i) {
        result->splits += r->actions[i].kind == PU_ACTION_SPLIT;
        result->dividends += r->actions[i].kind == PU_ACTION_DIVIDEND;
    }
    pu__digest_end(&r->lines.hash, result->sha256);
    return PU_OK;
}

static pu_status store_actions(pu_store *store, int64_t asset_id, const reader *r, pu__actions_result *result) {
    PU_TRY(pu_store_put_actions(store, asset_id, (int64_t)r->count, r->actions, &result->changed));
    const pu_status fit = pu__adjust_check(store, asset_id);
    if (fit != PU_OK) return pu_fail_within(fit, "%s: nothing of it is stored", r->path);
    bool known = false;
    PU_TRY(pu__provenance_latest(store, asset_id, "actions", result->sha256, &known));
    if (known && result->changed == 0) return PU_OK;
    const pu__provenance record = {.source = r->path,
                                   .sha256 = result->sha256,
                                   .layout = "actions",
                                   .bytes = r->lines.bytes,
                                   .rows_added = result->changed,
                                   .rows_unchanged = (int64_t)r->count - result->changed};
    return pu__provenance_put(store, asset_id, &record);
}

pu_status pu__actions_import(pu_store *store, int64_t asset_id, const char *path, const pu_price_basis *basis,
                             pu__actions_result *result) {
    reader r = {.path = path};
    *result = (pu__actions_result){0};
    PU_TRY(pu__lines_open(path, &r.lines));
    pu_status status = read_lines(&r, basis, result);
    pu__lines_close(&r.lines);
    if (status == PU_OK) {
        bool began = false;
        status = pu__sql_enter(store, &began);
        if (status == PU_OK) status = pu__sql_leave(store, began, store_actions(store, asset_id, &r, result));
    }
    pu_free(r.actions);
    return status;
}
