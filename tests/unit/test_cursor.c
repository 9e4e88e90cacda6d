/* The bars cursor: the bars of pu_store_bars in any chunks, its checks, its moment. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/store/cursor.h"
#include "host/data/store/sql.h"
#include "host/data/store/write.h"
#include "plusultra/memory.h"
#include "tests/support/bars.h"
#include "tests/support/process.h"

enum { BARS = 997, DAY_S = 86400 };

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = test_folder_new();
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

/* A store with `count` bars of one asset, every fifth without volume. */
static pu_store *make_store(const char *name, int64_t count, int64_t *id) {
    pu_store *store = NULL;
    pu_bars bars;
    pu__bar_writer writer;
    assert_true(test_bars_walk(3, count, DAY_S, DAY_S, &bars));
    assert_int_equal(pu_store_open(test_path(folder, name), PU_STORE_CREATE, &store), PU_OK);
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(pu__asset_make(store, "AAA", "equity", DAY_S, "", 252, id), PU_OK);
    assert_int_equal(pu__bar_writer_open(store, *id, &writer), PU_OK);
    pu_status status = PU_OK;
    for (int64_t i = 0; i < count && status == PU_OK; ++i) {
        const pu__bar bar = {bars.ts[i],
                             bars.open[i],
                             bars.high[i],
                             bars.low[i],
                             bars.close[i],
                             bars.adjusted[i],
                             i % 5 ? bars.volume[i] : NAN};
        status = pu__bars_put(&writer, &bar, 1, false, NULL);
    }
    assert_int_equal(pu__bar_writer_close(&writer, status), PU_OK);
    assert_int_equal(pu_store_commit(store), PU_OK);
    pu_bars_free(&bars);
    return store;
}

static void check_same(const pu_bars *want, int64_t at, const pu_bars *chunk) {
    const double *const wanted[] = {want->open, want->high, want->low, want->close, want->adjusted, want->volume};
    const double *const got[] = {chunk->open,  chunk->high,     chunk->low,
                                 chunk->close, chunk->adjusted, chunk->volume};
    const size_t bytes = (size_t)chunk->count * sizeof(double);
    assert_memory_equal(want->ts + at, chunk->ts, bytes);
    for (int c = 0; c < 6; ++c) assert_memory_equal(wanted[c] + at, got[c], bytes);
}

static void check_chunks(pu_store *store, int64_t id, int64_t from_ts, int64_t to_ts, int64_t chunk_bars) {
    pu_bars want;
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    assert_int_equal(pu_store_bars(store, id, from_ts, to_ts, &want), PU_OK);
    assert_int_equal(pu__bar_cursor_open(store, id, from_ts, to_ts, chunk_bars, &cursor), PU_OK);
    int64_t at = 0;
    for (;;) {
        assert_int_equal(pu__bar_cursor_next(&cursor, &chunk), PU_OK);
        const int64_t left = want.count - at;
        assert_int_equal(chunk->count, left < chunk_bars ? left : chunk_bars);
        if (chunk->count == 0) break;
        check_same(&want, at, chunk);
        at += chunk->count;
    }
    assert_int_equal(pu__bar_cursor_next(&cursor, &chunk), PU_OK);
    assert_int_equal(chunk->count, 0);
    assert_int_equal(cursor.read, want.count);
    pu__bar_cursor_close(&cursor);
    pu__bar_cursor_close(&cursor);
    pu_bars_free(&want);
}

static void chunks_are_the_bars(void **state) {
    (void)state;
    int64_t id = 0;
    pu_store *store = make_store("chunks.db", BARS, &id);
    const int64_t sizes[] = {1, 7, BARS - 1, BARS, BARS + 1, PU__CURSOR_BARS};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        check_chunks(store, id, INT64_MIN, INT64_MAX, sizes[i]);
        check_chunks(store, id, 100 * DAY_S, 200 * DAY_S, sizes[i]);
        check_chunks(store, id, 20, 10, sizes[i]);
    }
    pu__bar_cursor cursor;
    assert_int_equal(pu__bar_cursor_open(store, id + 1, INT64_MIN, INT64_MAX, 8, &cursor), PU_ERR_NOT_FOUND);
    assert_int_equal(pu__bar_cursor_open(store, id, INT64_MIN, INT64_MAX, 0, &cursor), PU_ERR_ARGUMENT);
    pu_store_close(store);
    store = make_store("empty.db", 0, &id);
    check_chunks(store, id, INT64_MIN, INT64_MAX, 8);
    pu_store_close(store);
}

static pu_status read_all(pu_store *store, int64_t id, int64_t to_ts) {
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    PU_TRY(pu__bar_cursor_open(store, id, INT64_MIN, to_ts, 64, &cursor));
    pu_status status = pu__bar_cursor_next(&cursor, &chunk);
    while (status == PU_OK && chunk->count > 0) status = pu__bar_cursor_next(&cursor, &chunk);
    pu__bar_cursor_close(&cursor);
    return status;
}

/* Who reads all bars learns of damage, and hears the symbol; a part has no checksum of its own. */
static void damage_is_found_at_the_end(void **state) {
    (void)state;
    static const char *const harm[] = {"UPDATE series SET close = close * 1.0000001 WHERE ts = 43200000",
                                       "DELETE FROM series WHERE ts = 43200000"};
    for (int i = 0; i < 2; ++i) {
        int64_t id = 0;
        pu_store *store = make_store(i ? "deleted.db" : "altered.db", BARS, &id);
        assert_int_equal(read_all(store, id, INT64_MAX), PU_OK);
        assert_int_equal(pu__sql_exec(store, harm[i], "harm"), PU_OK);
        assert_int_equal(sqlite3_changes(pu_store_sqlite(store)), 1);
        assert_int_equal(read_all(store, id, INT64_MAX), PU_ERR_CORRUPT);
        assert_non_null(strstr(pu_error_message(), "AAA"));
        assert_int_equal(read_all(store, id, (int64_t)BARS * DAY_S), PU_OK);
        pu_store_close(store);
    }
}

/* Another connection cannot commit under an open cursor, and can once it is closed. */
static void bars_are_of_one_moment(void **state) {
    (void)state;
    int64_t id = 0;
    pu_store *store = make_store("moment.db", BARS, &id), *reader = NULL;
    assert_int_equal(pu_store_open(test_path(folder, "moment.db"), PU_STORE_READ, &reader), PU_OK);
    sqlite3_busy_timeout(pu_store_sqlite(store), 0);
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    assert_int_equal(pu__bar_cursor_open(reader, id, INT64_MIN, INT64_MAX, 64, &cursor), PU_OK);
    assert_int_equal(pu__bar_cursor_next(&cursor, &chunk), PU_OK);
    assert_int_equal(pu_store_begin(store), PU_OK);
    assert_int_equal(pu__sql_exec(store, "DELETE FROM series", "harm"), PU_OK);
    assert_int_equal(pu_store_commit(store), PU_ERR_STORE);
    while (chunk->count > 0) assert_int_equal(pu__bar_cursor_next(&cursor, &chunk), PU_OK);
    assert_int_equal(cursor.read, BARS);
    pu__bar_cursor_close(&cursor);
    assert_int_equal(pu_store_commit(store), PU_OK);
    pu_store_close(reader);
    pu_store_close(store);
}

static void a_short_memory_leaves_nothing_open(void **state) {
    (void)state;
    int64_t id = 0;
    pu_store *store = make_store("memory.db", 10, &id);
    pu__bar_cursor cursor = {0};
    pu_memory_fail_after(0);
    assert_int_equal(pu__bar_cursor_open(store, id, INT64_MIN, INT64_MAX, 64, &cursor), PU_ERR_MEMORY);
    pu_memory_fail_after(-1);
    pu__bar_cursor_close(&cursor);
    assert_int_equal(read_all(store, id, INT64_MAX), PU_OK);
    pu_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_the_bars),
        cmocka_unit_test(damage_is_found_at_the_end),
        cmocka_unit_test(bars_are_of_one_moment),
        cmocka_unit_test(a_short_memory_leaves_nothing_open),
    };
    return cmocka_run_group_tests_name("cursor", tests, make_folder, drop_folder);
}
