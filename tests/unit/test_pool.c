#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "plusultra/memory.h"
#include "plusultra/pool.h"

enum { N_MAX = 5000 };

typedef struct loop_record {
    int64_t n, grain;
    int threads;
    _Atomic int visits[N_MAX];
    _Atomic int bad; /* cmocka's assertions are for the main thread */
} loop_record;

static void visit(void *context, int64_t begin, int64_t end, int worker) {
    loop_record *record = context;
    const bool on_grid = begin % record->grain == 0 && (end == begin + record->grain || end == record->n);
    if (!on_grid || begin >= end || worker < 0 || worker >= record->threads) atomic_fetch_add(&record->bad, 1);
    for (int64_t i = begin; i < end; ++i) atomic_fetch_add(&record->visits[i], 1);
}

static void every_index_is_visited_once(void **state) {
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 63, 64, 65, 997, N_MAX};
    static const int64_t grains[] = {1, 7, 64, 10000};
    static loop_record record;
    for (int threads = 1; threads <= 5; ++threads) {
        pu_pool *pool = NULL;
        assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
        assert_int_equal(pu_pool_threads(pool), threads);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
            for (size_t g = 0; g < sizeof grains / sizeof grains[0]; ++g) {
                memset(&record, 0, sizeof record);
                record.n = sizes[s];
                record.grain = grains[g];
                record.threads = threads;
                pu_parallel_for(pool, sizes[s], grains[g], visit, &record);
                assert_int_equal(record.bad, 0);
                for (int64_t i = 0; i < N_MAX; ++i) assert_int_equal(record.visits[i], i < sizes[s]);
            }
        }
        pu_pool_free(pool);
    }
}

typedef struct chunk_sums {
    double sum[N_MAX];
    int64_t grain;
} chunk_sums;

static void add_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    chunk_sums *sums = context;
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += 1.0 / (double)(3 * i + 1);
    sums->sum[begin / sums->grain] = sum;
}

/* The recipe that kernels use: one partial result per chunk, added in the order of the chunks. */
static void chunked_sums_have_the_same_bits_at_any_thread_count(void **state) {
    (void)state;
    double expected = 0;
    static chunk_sums sums;
    for (int threads = 0; threads <= 4; ++threads) {
        pu_pool *pool = NULL;
        if (threads > 0) assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
        memset(&sums, 0, sizeof sums);
        sums.grain = 13;
        pu_parallel_for(pool, N_MAX, sums.grain, add_chunk, &sums);
        double total = 0;
        for (int64_t c = 0; c < (N_MAX + 12) / 13; ++c) total += sums.sum[c];
        if (threads == 0) expected = total;
        assert_memory_equal(&total, &expected, sizeof total);
        pu_pool_free(pool);
    }
}

typedef struct nested_loop {
    pu_pool *pool;
    _Atomic int64_t inner;
} nested_loop;

static void count_inner(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    atomic_fetch_add((_Atomic int64_t *)context, end - begin);
}

static void run_inner(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    nested_loop *nested = context;
    for (int64_t i = begin; i < end; ++i) pu_parallel_for(nested->pool, 10, 1, count_inner, &nested->inner);
}

static void a_loop_inside_a_loop_runs(void **state) {
    (void)state;
    nested_loop nested = {0};
    assert_int_equal(pu_pool_new(3, &nested.pool), PU_OK);
    for (int repeat = 0; repeat < 50; ++repeat) {
        atomic_store(&nested.inner, 0);
        pu_parallel_for(nested.pool, 20, 1, run_inner, &nested);
        assert_int_equal(atomic_load(&nested.inner), 200);
    }
    pu_pool_free(nested.pool);
}

/* Short loops one after another: a worker that wakes late must not run a loop twice or miss its end. */
static void many_short_loops(void **state) {
    (void)state;
    pu_pool *pool = NULL;
    assert_int_equal(pu_pool_new(4, &pool), PU_OK);
    _Atomic int64_t count = 0;
    for (int i = 0; i < 5000; ++i) pu_parallel_for(pool, 5, 1, count_inner, &count);
    assert_int_equal(atomic_load(&count), 25000);
    pu_pool_free(pool);
}

static void limits_and_faults(void **state) {
    (void)state;
    pu_pool *pool = NULL;
    assert_int_equal(pu_pool_new(5000, &pool), PU_ERR_ARGUMENT);
    assert_null(pool);
    assert_int_equal(pu_pool_new(4096, &pool), PU_OK); /* far more than there are processors: fewer are started */
    const long processors = sysconf(_SC_NPROCESSORS_CONF);
    assert_true(pu_pool_threads(pool) <= (4 * processors > 64 ? 4 * processors : 64));
    pu_pool_free(pool);
    assert_int_equal(pu_pool_new(0, &pool), PU_OK);
    assert_true(pu_pool_threads(pool) >= 1);
    pu_pool_free(pool);
    pu_pool_free(NULL);
    assert_int_equal(pu_pool_threads(NULL), 1);
    for (int fault = 0; fault < 4;
         ++fault) { /* every allocation of the start-up fails once; the threads that ran are joined */
        pu_memory_fail_after(fault);
        const pu_status status = pu_pool_new(3, &pool);
        pu_memory_fail_after(-1);
        assert_int_equal(status, PU_ERR_MEMORY);
        assert_null(pool);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_visited_once),
        cmocka_unit_test(chunked_sums_have_the_same_bits_at_any_thread_count),
        cmocka_unit_test(a_loop_inside_a_loop_runs),
        cmocka_unit_test(many_short_loops),
        cmocka_unit_test(limits_and_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
