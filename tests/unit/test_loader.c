/* The loader: order, content, resumption, number of readers, shutdown, errors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/windows/dataset.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/market.h"

enum { BARS = 1201, WARMUP = 13, WINDOW = 17, BATCH = 5, FEATURES = 3, HORIZONS = 2, SEED = 20261123 };
enum { BARS_FLOATS = BATCH * (WARMUP + WINDOW) * FEATURES, LABEL_FLOATS = BATCH * WINDOW * HORIZONS };

#define SMALL                                                                                                  \
    "features.names=[log_return_1, log_return_20, log_volume_10]", "windows.horizons=[1, 5]",                  \
        "windows.window_bars=17", "windows.warmup_bars=13", "windows.stride_bars=3", "features.block_bars=64", \
        "predict.stride_bars=7", "train.batch=5"

static test_market market;

static int make_market(void **state) {
    (void)state;
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS - 300, true);
    return 0;
}

static int remove_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

/* What a batch holds, copied. */
typedef struct copy {
    int64_t windows, position;
    int32_t start[BATCH];
    float bars[BARS_FLOATS], targets[LABEL_FLOATS], weights[LABEL_FLOATS];
} copy;

typedef struct session {
    pu_config *config;
    pu_dataset *dataset;
    pu_loader *loader;
} session;

static session session_open(const char *first, const char *second, pu_segment segment, bool shuffle,
                            int64_t position) {
    session s = {.config = test_config(&market, SMALL, first, second, NULL)};
    if (pu_dataset_open(s.config, &s.dataset) != PU_OK) fail_msg("%s", pu_error_message());
    if (pu_loader_open(s.dataset, s.config, segment, NULL, shuffle, SEED, position, &s.loader) != PU_OK)
        fail_msg("%s", pu_error_message());
    return s;
}

static void session_close(session *s) {
    pu_loader_close(s->loader);
    pu_dataset_close(s->dataset);
    pu_config_free(s->config);
}

static void next(pu_loader *loader, copy *out) {
    pu_batch batch;
    if (pu_loader_next(loader, &batch) != PU_OK) fail_msg("%s", pu_error_message());
    memset(out, 0, sizeof *out);
    out->windows = batch.windows;
    out->position = batch.position;
    if (batch.windows == 0) return;
    memcpy(out->start, batch.start, sizeof out->start);
    memcpy(out->bars, batch.bars, sizeof out->bars);
    memcpy(out->targets, batch.targets, sizeof out->targets);
    memcpy(out->weights, batch.weights, sizeof out->weights);
    pu_loader_release(loader, &batch);
}

/* One window of the sampler's order, assembled by pu_dataset_read. */
static void check_window(session *s, const copy *got, int b, const pu__window *window, bool weighs) {
    static float bars[(WARMUP + WINDOW) * FEATURES], targets[WINDOW * HORIZONS], weights[WINDOW * HORIZONS];
    assert_int_equal(pu_dataset_read(s->dataset, window->asset, window->start - WARMUP, WARMUP + WINDOW, bars,
                                     NULL, NULL, NULL),
                     PU_OK);
    assert_int_equal(
        pu_dataset_read(s->dataset, window->asset, window->start, WINDOW, NULL, targets, weights, NULL), PU_OK);
    assert_int_equal(got->start[b], b * (WARMUP + WINDOW));
    assert_memory_equal(got->bars + b * (WARMUP + WINDOW) * FEATURES, bars, sizeof bars);
    assert_memory_equal(got->targets + b * WINDOW * HORIZONS, targets, sizeof targets);
    for (int i = 0; i < WINDOW * HORIZONS; ++i) {
        const int64_t row = window->start + i / HORIZONS;
        const bool inside = weighs && row >= window->weight_from && row < window->weight_to;
        assert_true(got->weights[b * WINDOW * HORIZONS + i] == (inside ? weights[i] : 0.0f));
    }
}

static void evaluation_is_in_order_and_complete(void **state) {
    (void)state;
    session s = session_open("windows.readers=3", "windows.ring_slots=2", PU_SEGMENT_VALID, false, 0);
    pu__sampler sampler;
    assert_int_equal(pu__sampler_open(s.dataset, PU_SEGMENT_VALID, false, &sampler), PU_OK);
    const int64_t windows = pu_loader_windows(s.loader);
    assert_int_equal(windows, sampler.windows);
    assert_true(windows % BATCH != 0 && windows > 3 * BATCH); /* a short last batch */
    static copy got;
    int64_t seen = 0;
    for (next(s.loader, &got); got.windows > 0; next(s.loader, &got)) {
        assert_int_equal(got.position, seen);
        assert_int_equal(got.windows, windows - seen < BATCH ? windows - seen : BATCH);
        for (int b = 0; b < BATCH; ++b) {
            const pu__window window = pu__sampler_window(&sampler, seen + b % got.windows);
            check_window(&s, &got, b, &window, b < got.windows);
        }
        seen += got.windows;
    }
    assert_int_equal(seen, windows);
    next(s.loader, &got); /* the end stays the end */
    assert_int_equal(got.windows, 0);
    assert_int_equal(pu_loader_measure(s.loader).windows, windows);
    pu__sampler_close(&sampler);
    session_close(&s);
}

static void an_epoch_visits_every_window_once(void **state) {
    (void)state;
    session s = session_open("train.batch=5", "windows.readers=2", PU_SEGMENT_TRAIN, true, 0);
    const int64_t windows = pu_loader_windows(s.loader);
    pu__sampler sampler;
    assert_int_equal(pu__sampler_open(s.dataset, PU_SEGMENT_TRAIN, true, &sampler), PU_OK);
    static float first[512][(WARMUP + WINDOW) * FEATURES];
    assert_true(windows < 512);
    bool *visited = pu_calloc((size_t)windows, sizeof *visited);
    for (int64_t w = 0; w < windows; ++w) {
        const pu__window window = pu__sampler_window(&sampler, w);
        assert_int_equal(pu_dataset_read(s.dataset, window.asset, window.start - WARMUP, WARMUP + WINDOW, first[w],
                                         NULL, NULL, NULL),
                         PU_OK);
    }
    static copy got;
    int64_t in_order = 0;
    for (int64_t p = 0; p < 2 * windows;
         ++p) { /* windows of two epochs; a batch may hold the end of one and the start of the next */
        if (p % BATCH == 0) next(s.loader, &got);
        if (p == windows) memset(visited, 0, (size_t)windows * sizeof *visited);
        int64_t found = -1;
        for (int64_t w = 0; w < windows && found < 0; ++w) {
            if (memcmp(first[w], got.bars + p % BATCH * (WARMUP + WINDOW) * FEATURES, sizeof first[w]) == 0)
                found = w;
        }
        assert_true(found >= 0);
        assert_false(visited[found]);
        visited[found] = true;
        in_order += found == p % windows;
    }
    assert_true(in_order < windows / 10); /* shuffled */
    pu_free(visited);
    pu__sampler_close(&sampler);
    session_close(&s);
}

static void readers_and_slots_change_nothing(void **state) {
    (void)state;
    static const char *const shapes[][2] = {
        {"windows.readers=1", "windows.ring_slots=2"},
        {"windows.readers=4", "windows.ring_slots=3"},
        {"windows.readers=7", "windows.ring_slots=64"},
        {"windows.readers=3", "windows.cache_mib=0"},
    };
    enum { BATCHES = 60 };
    static copy want[BATCHES], got;
    for (int n = 0; n < 4; ++n) {
        session s = session_open(shapes[n][0], shapes[n][1], PU_SEGMENT_TRAIN, true, 0);
        for (int i = 0; i < BATCHES; ++i) {
            next(s.loader, n == 0 ? &want[i] : &got);
            if (n > 0) assert_memory_equal(&got, &want[i], sizeof got);
        }
        session_close(&s);
    }
}

static void resuming_gives_the_same_batches(void **state) {
    (void)state;
    enum { BATCHES = 90, TRIES = 8 };
    static copy want[BATCHES], got;
    session s = session_open("windows.readers=2", "windows.ring_slots=4", PU_SEGMENT_TRAIN, true, 0);
    for (int i = 0; i < BATCHES; ++i) next(s.loader, &want[i]);
    session_close(&s);
    pu_random random = pu_random_at(SEED, 1);
    for (int n = 0; n < TRIES; ++n) {
        const int64_t at = (int64_t)pu_random_below(&random, BATCHES - 1);
        s = session_open("windows.readers=2", "windows.ring_slots=4", PU_SEGMENT_TRAIN, true, want[at].position);
        for (int64_t i = at; i < BATCHES && i < at + 10; ++i) {
            next(s.loader, &got);
            assert_memory_equal(&got, &want[i], sizeof got);
        }
        session_close(&s);
    }
    s = session_open("windows.readers=2", "windows.ring_slots=4", PU_SEGMENT_VALID, false, 1000000);
    next(s.loader, &got);
    assert_int_equal(got.windows, 0);
    session_close(&s);
}

static void held_batches_stay_and_the_ring_is_bounded(void **state) {
    (void)state;
    session s = session_open("windows.readers=2", "windows.ring_slots=3", PU_SEGMENT_TRAIN, true, 0);
    pu_batch held[4];
    for (int i = 0; i < 3; ++i) assert_int_equal(pu_loader_next(s.loader, &held[i]), PU_OK);
    assert_int_equal(pu_loader_next(s.loader, &held[3]), PU_ERR_ARGUMENT);
    const float before = held[1].bars[7];
    pu_loader_release(s.loader, &held[0]);
    assert_int_equal(pu_loader_next(s.loader, &held[3]), PU_OK);
    assert_true(held[3].position == 3 * BATCH && held[1].bars[7] == before && held[3].bars == held[0].bars);
    session_close(&s); /* with three batches held */
}

static void closing_at_any_time_is_clean(void **state) {
    (void)state;
    for (int n = 0; n < 30; ++n) {
        session s = session_open(n % 2 ? "windows.readers=5" : "windows.readers=1", "windows.ring_slots=2",
                                 PU_SEGMENT_TRAIN, true, n);
        static copy got;
        for (int i = 0; i < n % 5; ++i) next(s.loader, &got);
        session_close(&s);
    }
    pu_loader_close(NULL);
}

static void a_damaged_block_is_reported(void **state) {
    (void)state;
    session s = {.config = test_config(&market, SMALL, NULL)};
    assert_int_equal(pu_dataset_open(s.config, &s.dataset), PU_OK);
    const int64_t block = s.dataset->asset[1].features.block[2].id;
    test_market_flip(&market, block, 123);
    assert_int_equal(pu_loader_open(s.dataset, s.config, PU_SEGMENT_TRAIN, NULL, true, SEED, 0, &s.loader), PU_OK);
    pu_status status = PU_OK;
    for (int i = 0; i < 200 && status == PU_OK; ++i) {
        pu_batch batch;
        status = pu_loader_next(s.loader, &batch);
        if (status == PU_OK) pu_loader_release(s.loader, &batch);
    }
    assert_int_equal(status, PU_ERR_CORRUPT);
    assert_non_null(strstr(pu_error_message(), "feature block 2 of BBB"));
    assert_non_null(strstr(pu_error_message(), "plusultra features build"));
    pu_batch batch;
    assert_int_equal(pu_loader_next(s.loader, &batch), PU_ERR_CORRUPT); /* and again */
    session_close(&s);
    test_market_flip(&market, block, 123);
}

static void a_block_replaced_meanwhile_is_reported(void **state) {
    (void)state;
    session s = {.config = test_config(&market, SMALL, "windows.cache_mib=0", NULL)};
    assert_int_equal(pu_dataset_open(s.config, &s.dataset), PU_OK);
    test_market_sql(&market, "DELETE FROM feature_blocks");
    assert_int_equal(pu_loader_open(s.dataset, s.config, PU_SEGMENT_TRAIN, NULL, true, SEED, 0, &s.loader), PU_OK);
    pu_batch batch;
    assert_int_equal(pu_loader_next(s.loader, &batch), PU_ERR_STORE);
    assert_non_null(strstr(pu_error_message(), "run again"));
    session_close(&s);
    pu_features_result built;
    pu_config *config = test_config(&market, SMALL, NULL);
    assert_int_equal(pu_features_build(config, &built), PU_OK); /* for the tests after this one */
    pu_config_free(config);
}

/* Readers that wait for a slow consumer hold no lock on the store. */
static void a_waiting_loader_lets_others_write(void **state) {
    (void)state;
    session s = session_open("windows.readers=2", "windows.cache_mib=0", PU_SEGMENT_TRAIN, true, 0);
    static copy got;
    next(s.loader, &got);
    test_market_sql(&market, "INSERT INTO runs (name) VALUES ('while loading') ON CONFLICT DO NOTHING");
    next(s.loader, &got);
    session_close(&s);
}

static void allocation_failures_are_reported(void **state) {
    (void)state;
    session s = {.config = test_config(&market, SMALL, NULL)};
    assert_int_equal(pu_dataset_open(s.config, &s.dataset), PU_OK);
    pu_status status = PU_ERR_MEMORY;
    int failures = 0;
    for (int n = 0; status != PU_OK; ++n, ++failures) {
        pu_memory_fail_after(n);
        pu_batch batch;
        status = pu_loader_open(s.dataset, s.config, PU_SEGMENT_TRAIN, NULL, true, SEED, 0, &s.loader);
        if (status == PU_OK) status = pu_loader_next(s.loader, &batch);
        pu_memory_fail_after(-1);
        assert_true(status == PU_OK || status == PU_ERR_MEMORY);
        pu_loader_close(s.loader);
        s.loader = NULL;
    }
    assert_true(failures > 5);
    session_close(&s);
}

int main(void) {
    pu_progress_silence(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluation_is_in_order_and_complete),
        cmocka_unit_test(an_epoch_visits_every_window_once),
        cmocka_unit_test(readers_and_slots_change_nothing),
        cmocka_unit_test(resuming_gives_the_same_batches),
        cmocka_unit_test(held_batches_stay_and_the_ring_is_bounded),
        cmocka_unit_test(closing_at_any_time_is_clean),
        cmocka_unit_test(a_damaged_block_is_reported),
        cmocka_unit_test(a_block_replaced_meanwhile_is_reported),
        cmocka_unit_test(a_waiting_loader_lets_others_write),
        cmocka_unit_test(allocation_failures_are_reported),
    };
    return cmocka_run_group_tests(tests, make_market, remove_market);
}
