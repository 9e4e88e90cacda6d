/* Host memory: checked allocation with a fault hook, and arenas.
 *
 * All allocation in the library goes through these functions so that a test can make the Nth one fail. */
#ifndef PLUSULTRA_MEMORY_H
#define PLUSULTRA_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zeroed memory for `count` elements of `size` bytes, aligned to 64 bytes; null (with pu_error_message set) when
 * the product overflows or memory is short. Free with pu_free. count 0 gives a valid pointer. */
void *pu_calloc(size_t count, size_t size);

/* Like realloc for memory from pu_calloc; `old_size` and `new_size` in bytes; the grown part is zeroed. Returns null
 * and leaves `block` alone when memory is short. */
void *pu_regrow(void *block, size_t old_size, size_t new_size);

/* A copy of a string in pu_calloc memory; null when memory is short. */
char *pu_strdup(const char *text);

/* Accepts null. */
void pu_free(void *block);

/* Zeroed memory for large tables, in whole pages, large ones where the system has them: a page costs nothing until it
 * is touched. Null as pu_calloc. Free with pu_pages_free and the same size. bytes 0 gives one page. */
void *pu_pages_alloc(size_t bytes);
void pu_pages_free(void *pages, size_t bytes); /* accepts null */

/* Memory that can be had without swapping or being ended for it: the machine's, or what the control group leaves.
 * SIZE_MAX where the system does not say. A larger block than this is refused. */
size_t pu_memory_available_bytes(void);

/* Test hook: after `countdown` further successful allocations every one fails; negative switches the fault off. */
void pu_memory_fail_after(int64_t countdown);

/* An arena hands out zeroed, 64-byte aligned memory that is freed all at once. One owner, one thread. */
typedef struct pu_arena pu_arena;

pu_status pu_arena_new(size_t chunk_bytes, pu_arena **out);
void *pu_arena_alloc(pu_arena *arena, size_t bytes); /* null when memory is short */
char *pu_arena_strdup(pu_arena *arena, const char *text);
char *pu_arena_printf(pu_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pu_arena_free(pu_arena *arena); /* accepts null */

#ifdef __cplusplus
}
#endif
#endif
