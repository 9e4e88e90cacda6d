/* A pool of worker threads for data-parallel loops.
 *
 * Invariants:
 *  1. The chunks of a loop are [i * grain, min(n, (i + 1) * grain)); they depend on n and grain, never on the
 *  number of
 *     threads. A kernel that writes one result per chunk and adds them in chunk order is the same at any thread
 *     count.
 *  2. A loop with one chunk, or on a pool of one, runs on the caller's thread.
 *  3. Loops do not nest: a loop called from inside a chunk runs serially on that worker. */
#ifndef PLUSULTRA_POOL_H
#define PLUSULTRA_POOL_H

#include <stdint.h>

#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu_pool pu_pool;

/* threads <= 0: the number of processors this process may use. */
pu_status pu_pool_new(int threads, pu_pool **out);
void pu_pool_free(pu_pool *pool); /* accepts null */
int pu_pool_threads(const pu_pool *pool);

/* Calls body(context, begin, end, worker) for every chunk and returns when all are done; worker in [0, threads).
 * pool may be
 * null: serial. */
typedef void (*pu_loop_body)(void *context, int64_t begin, int64_t end, int worker);
void pu_parallel_for(pu_pool *pool, int64_t n, int64_t grain, pu_loop_body body, void *context);

#ifdef __cplusplus
}
#endif
#endif
