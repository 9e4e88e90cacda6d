/* The loader: order, content, resumption, number of readers, shutdown, errors. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/data/windows/dataset.h"
#include "host/data/windows/waits.h"
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

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
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

/* In evaluation's order: every batch before the first that needs the damaged block, then the error, with any number
 * of readers. */
static void errors_come_in_order(void **state) {
    (void)state;
    static const char *const readers[] = {"windows.readers=1", "windows.readers=2", "windows.readers=5"};
    for (int n = 0; n < 3; ++n) {
        session s = {.config = test_config(&market, SMALL, readers[n], "windows.cache_mib=0", NULL)};
        assert_int_equal(pu_dataset_open(s.config, &s.dataset), PU_OK);
        pu__sampler sampler;
        assert_int_equal(pu__sampler_open(s.dataset, PU_SEGMENT_TEST, false, &sampler), PU_OK);
        const pu__blocks *blocks = &s.dataset->asset[0].features;
        const int64_t damaged = blocks->count - 2, id = blocks->block[damaged].id;
        int64_t first = 0; /* window that reaches into the block */
        while (pu__sampler_window(&sampler, first).start + WINDOW <= damaged * blocks->block_rows) ++first;
        test_market_flip(&market, id, 77);
        assert_int_equal(pu_loader_open(s.dataset, s.config, PU_SEGMENT_TEST, NULL, false, SEED, 0, &s.loader),
                         PU_OK);
        pu_status status = PU_OK;
        int64_t batches = 0;
        for (; status == PU_OK && batches < 1000; ++batches) {
            pu_batch batch;
            status = pu_loader_next(s.loader, &batch);
            if (status == PU_OK) pu_loader_release(s.loader, &batch);
        }
        assert_int_equal(status, PU_ERR_CORRUPT);
        assert_true(first > BATCH);
        assert_int_equal(batches - 1, first / BATCH);
        pu__sampler_close(&sampler);
        session_close(&s); /* its readers may be at work behind the fault, and would keep a writer out */
        test_market_flip(&market, id, 77);
    }
}

/* Takes batches until one fails; the last status. */
static pu_status drain(pu_loader *loader, int most) {
    pu_status status = PU_OK;
    for (int i = 0; i < most && status == PU_OK; ++i) {
        pu_batch batch;
        status = pu_loader_next(loader, &batch);
        if (status == PU_OK) pu_loader_release(loader, &batch);
    }
    return status;
}

/* Blocks that another process makes anew, of more bars, take the places and may take the ids of the old ones: rows of
 * both would go into one batch. */
static void blocks_made_anew_are_reported(void **state) {
    (void)state;
    test_market own = test_market_new();
    test_market_walk(&own, "AAA", 1, BARS, true);
    test_market_walk(&own, "BBB", 2, BARS, true);
    session s = {.config = test_config(&own, SMALL, "windows.cache_mib=0", "windows.ring_slots=2", NULL)};
    assert_int_equal(pu_dataset_open(s.config, &s.dataset), PU_OK);
    assert_int_equal(pu_loader_open(s.dataset, s.config, PU_SEGMENT_TRAIN, NULL, true, SEED, 0, &s.loader), PU_OK);
    assert_int_equal(drain(s.loader, 5), PU_OK);
    test_market_walk(&own, "AAA", 1, BARS + 1, true);
    pu_features_result built;
    assert_int_equal(pu_features_build(s.config, &built), PU_OK);
    assert_true(built.blocks_written > 0);
    assert_int_equal(drain(s.loader, 50), PU_ERR_STORE);
    assert_non_null(strstr(pu_error_message(), "blocks of AAA were replaced by another process; run again"));
    pu_loader_close(s.loader);
    assert_int_equal(pu_loader_open(s.dataset, s.config, PU_SEGMENT_VALID, NULL, false, SEED, 0, &s.loader),
                     PU_OK);
    assert_int_equal(drain(s.loader, 1), PU_ERR_STORE); /* connections made later see it too */
    session_close(&s);
    test_market_remove(&own);
}

/* Another file under the store's name: open connections keep the old one, new ones must not mix the two. A file that
 * is cut off or written over in place is an error. */
static void a_replaced_file_is_an_error(void **state) {
    (void)state;
    for (int n = 0; n < 3; ++n) {
        test_market own = test_market_new(), other = test_market_new();
        test_market_walk(&own, "AAA", 1, BARS, true);
        test_market_walk(&other, "AAA", 7, BARS, true);
        session s = {.config = test_config(&own, SMALL, "windows.cache_mib=0", "windows.ring_slots=2", NULL)};
        pu_config *config = test_config(&other, SMALL, NULL);
        pu_features_result built;
        assert_int_equal(pu_features_build(config, &built), PU_OK);
        assert_int_equal(pu_dataset_open(s.config, &s.dataset), PU_OK);
        assert_int_equal(pu_loader_open(s.dataset, s.config, PU_SEGMENT_TRAIN, NULL, true, SEED, 0, &s.loader),
                         PU_OK);
        assert_int_equal(drain(s.loader, 3), PU_OK);
        if (n == 0) {
            assert_int_equal(rename(other.store, own.store), 0);
            assert_int_equal(drain(s.loader, 20), PU_OK);
            pu_loader_close(s.loader);
            assert_int_equal(
                pu_loader_open(s.dataset, s.config, PU_SEGMENT_VALID, NULL, false, SEED, 0, &s.loader), PU_OK);
        } else {
            FILE *file = fopen(own.store, "r+b");
            assert_non_null(file);
            assert_int_equal(ftruncate(fileno(file), n == 1 ? 3 * 8192 : 0), 0);
            if (n == 2) {
                for (int i = 0; i < 100000; ++i) fputs("not a store ", file);
            }
            assert_int_equal(fclose(file), 0);
        }
        const pu_status status = drain(s.loader, 2000);
        if (status != PU_ERR_STORE && status != PU_ERR_CORRUPT && status != PU_ERR_IO)
            fail_msg("case %d: %d: %s", n, (int)status, pu_error_message());
        session_close(&s);
        pu_config_free(config);
        test_market_remove(&own);
        test_market_remove(&other);
    }
}

/* A consumer that takes nothing stops the readers after ring_slots batches; one that is slow waits for nothing, and
 * the readers for it. */
static void a_slow_consumer_stops_the_readers(void **state) {
    (void)state;
    session s = session_open("windows.readers=3", "windows.ring_slots=4", PU_SEGMENT_TRAIN, true, 0);
    const struct timespec pause = {0, 20000000};
    static copy got;
    next(s.loader, &got);
    nanosleep(&pause, NULL);
    pu_batch batch;
    for (int i = 0; i < 4; ++i) { /* all that stand ready, and no more while they are held */
        bool ready = false;
        assert_int_equal(pu_loader_try(s.loader, &batch, &ready), PU_OK);
        assert_true(ready);
    }
    bool ready = true;
    nanosleep(&pause, NULL);
    assert_int_equal(pu_loader_try(s.loader, &batch, &ready), PU_OK);
    assert_false(ready);
    const pu_loader_metrics held = pu_loader_measure(s.loader);
    assert_int_equal(held.batches, 5);
    assert_int_equal(held.windows, 5 * BATCH);
    session_close(&s);
    s = session_open("windows.readers=1", "windows.ring_slots=2", PU_SEGMENT_TRAIN, true, 0);
    for (int i = 0; i < 8; ++i) {
        next(s.loader, &got);
        nanosleep(&pause, NULL);
    }
    const pu_loader_metrics slow = pu_loader_measure(s.loader);
    assert_true(slow.blocked_s > 0.05); /* of 0.16 s */
    assert_true(slow.waited_p50_s < 0.005 && slow.ready_mean > 1);
    session_close(&s);
}

/* What is read, what comes from memory, and how long a consumer in a hurry waits. */
static void metrics_add_up(void **state) {
    (void)state;
    session s = session_open("windows.readers=2", "windows.ring_slots=2", PU_SEGMENT_TRAIN, true, 0);
    const int64_t epoch = pu_loader_windows(s.loader) / BATCH + 1;
    assert_int_equal(drain(s.loader, (int)epoch), PU_OK);
    const pu_loader_metrics first = pu_loader_measure(s.loader);
    assert_int_equal(first.batches, epoch);
    assert_true(first.bytes_read > 0 && first.bytes_read <= pu_dataset_cache_bytes(s.dataset) * 3);
    assert_true(first.reading_s > 0 && first.waited_max_s <= first.waited_s);
    assert_true(first.waited_p50_s <= first.waited_p99_s && first.waited_p99_s <= first.waited_max_s);
    assert_int_equal(drain(s.loader, 4 * (int)epoch), PU_OK);
    const pu_loader_metrics later = pu_loader_measure(s.loader);
    assert_int_equal(later.bytes_read, first.bytes_read); /* everything is kept by now */
    assert_true(later.in_memory_ratio > first.in_memory_ratio && later.in_memory_ratio < 1);
    session_close(&s);
    s = session_open("windows.readers=2", "windows.cache_mib=0", PU_SEGMENT_TRAIN, true, 0);
    assert_int_equal(drain(s.loader, 2 * (int)epoch), PU_OK);
    assert_true(pu_loader_measure(s.loader).bytes_read > first.bytes_read);
    session_close(&s);
}

static void waits_are_counted_in_bins(void **state) {
    (void)state;
    pu__waits waits = {0};
    assert_true(pu__waits_quantile(&waits, 0.5) == 0);
    enum { WAITS = 10007 };
    static double all[WAITS];
    pu_random random = pu_random_at(SEED, 2);
    double sum = 0;
    for (int i = 0; i < WAITS; ++i) {
        all[i] = i < 7 ? 0 : exp(3 * pu_random_normal(&random)) * 1e-3;
        sum += all[i];
        pu__waits_add(&waits, all[i]);
    }
    qsort(all, WAITS, sizeof *all, ascending);
    assert_true(waits.count == WAITS && fabs(waits.sum_s - sum) < 1e-9 * sum && waits.max_s == all[WAITS - 1]);
    static const double q[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.9999, 1};
    for (int i = 0; i < 7; ++i) {
        const double want = all[(int)ceil(q[i] * WAITS) - 1], got = pu__waits_quantile(&waits, q[i]);
        const bool none = want <= 1e-7 && got == 0;
        if (!none && (got < want * (1 - 1e-12) || got > want * 1.0906))
            fail_msg("q %g: %g, not %g", q[i], got, want);
    }
    pu__waits_add(&waits, 1e9); /* behind the last bin */
    assert_true(pu__waits_quantile(&waits, 1) == 1e9);
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
        cmocka_unit_test(errors_come_in_order),
        cmocka_unit_test(blocks_made_anew_are_reported),
        cmocka_unit_test(a_replaced_file_is_an_error),
        cmocka_unit_test(a_slow_consumer_stops_the_readers),
        cmocka_unit_test(metrics_add_up),
        cmocka_unit_test(waits_are_counted_in_bins),
        cmocka_unit_test(a_waiting_loader_lets_others_write),
        cmocka_unit_test(allocation_failures_are_reported),
    };
    return cmocka_run_group_tests(tests, make_market, remove_market);
}
