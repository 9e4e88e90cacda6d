/* Thread pool.
 *
 * Invariants:
 *  1. `generation` odd or even does not matter; a worker runs a loop at most once per generation.
 *  2. `next` is the next chunk to take; a loop is over when `finished` equals the number of workers that joined
 *     it.
 *  3. The caller takes chunks too, so a pool of n threads has n - 1 workers. */
#define _GNU_SOURCE
#include "plusultra/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { THREADS_MAX = 4096, THREADS_FEW = 64, THREADS_PER_PROCESSOR = 4, SPINS = 2000 };

struct pu_pool {
    int threads;
    int started; /* workers running, threads - 1 once open */
    pthread_t *worker;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    _Atomic uint64_t generation;
    _Atomic int busy; /* workers that have not finished the current loop */
    bool stopping;
    pu_loop_body body;
    void *context;
    int64_t n, grain, chunks;
    _Atomic int64_t next;
};

typedef struct worker_start {
    pu_pool *pool;
    int index;
} worker_start;

static _Thread_local bool inside_loop;

static void take_chunks(pu_pool *pool, int worker) {
    inside_loop = true;
    for (;;) {
        const int64_t chunk = atomic_fetch_add(&pool->next, 1);
        if (chunk >= pool->chunks) break;
        const int64_t begin = chunk * pool->grain;
        const int64_t end = begin + pool->grain < pool->n ? begin + pool->grain : pool->n;
        pool->body(pool->context, begin, end, worker);
    }
    inside_loop = false;
}

static void *worker_main(void *argument) {
    worker_start *start = argument;
    pu_pool *pool = start->pool;
    const int index = start->index;
    pu_free(start);
    uint64_t seen = 0;
    for (;;) {
        /* Loops follow each other within microseconds during a step: a short spin avoids a sleep and a wake for
         * each. */
        for (int spin = 0; spin < SPINS && atomic_load(&pool->generation) == seen; ++spin) sched_yield();
        pthread_mutex_lock(&pool->lock);
        while (atomic_load(&pool->generation) == seen && !pool->stopping)
            pthread_cond_wait(&pool->wake, &pool->lock);
        const bool stopping = pool->stopping;
        seen = atomic_load(&pool->generation);
        pthread_mutex_unlock(&pool->lock);
        if (stopping) return NULL;
        take_chunks(pool, index);
        if (atomic_fetch_sub(&pool->busy, 1) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static int processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

/* Thousands of threads on a few processors only wait for each other; results do not depend on their number. */
static int useful_threads(int threads) {
    const int most =
        THREADS_PER_PROCESSOR * processors() > THREADS_FEW ? THREADS_PER_PROCESSOR * processors() : THREADS_FEW;
    if (threads <= most) return threads;
    pu_log(PU_LOG_WARNING, "pool.threads", "%d threads on %d processors: %d are started", threads, processors(),
           most);
    return most;
}

static pu_status start_worker(pu_pool *pool, int index) {
    worker_start *start = pu_calloc(1, sizeof *start);
    if (!start) return PU_ERR_MEMORY;
    *start = (worker_start){pool, index};
    const int error = pthread_create(&pool->worker[index - 1], NULL, worker_main, start);
    if (error != 0) {
        pu_free(start);
        return pu_fail(PU_ERR_IO, "cannot start thread %d of %d: %s", index, pool->threads, strerror(error));
    }
    pool->started = index;
    return PU_OK;
}

pu_status pu_pool_new(int threads, pu_pool **out) {
    *out = NULL;
    if (threads > THREADS_MAX)
        return pu_fail(PU_ERR_ARGUMENT, "%d threads asked for, at most %d", threads, THREADS_MAX);
    pu_pool *pool = pu_calloc(1, sizeof *pool);
    if (!pool) return PU_ERR_MEMORY;
    pool->threads = threads > 0 ? useful_threads(threads) : processors();
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->worker = pu_calloc((size_t)pool->threads, sizeof *pool->worker);
    pu_status status = pool->worker ? PU_OK : PU_ERR_MEMORY;
    for (int i = 1; i < pool->threads && status == PU_OK; ++i) status = start_worker(pool, i);
    if (status != PU_OK) {
        pu_pool_free(pool);
        return status;
    }
    *out = pool;
    return PU_OK;
}

void pu_pool_free(pu_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; ++i) pthread_join(pool->worker[i], NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pu_free(pool->worker);
    pu_free(pool);
}

int pu_pool_threads(const pu_pool *pool) { return pool ? pool->threads : 1; }

static void run_serially(int64_t n, int64_t grain, pu_loop_body body, void *context) {
    for (int64_t begin = 0; begin < n; begin += grain)
        body(context, begin, begin + grain < n ? begin + grain : n, 0);
}

void pu_parallel_for(pu_pool *pool, int64_t n, int64_t grain, pu_loop_body body, void *context) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    if (!pool || pool->threads == 1 || n <= grain || inside_loop) {
        run_serially(n, grain, body, context);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->body = body;
    pool->context = context;
    pool->n = n;
    pool->grain = grain;
    pool->chunks = (n + grain - 1) / grain;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->busy, pool->started);
    atomic_fetch_add(&pool->generation, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    take_chunks(pool, 0);
    for (int spin = 0; spin < SPINS && atomic_load(&pool->busy) > 0; ++spin) sched_yield();
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->busy) > 0) pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
