#define _GNU_SOURCE
#include "plusultra/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, LARGE_BYTES = 64 << 20, PAGE_BYTES = 2 << 20 };

static _Atomic int64_t fail_countdown = -1;

void pu_memory_fail_after(int64_t countdown) { atomic_store(&fail_countdown, countdown); }

static int fault_due(void) {
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) < 0) return 0;
    if (atomic_load(&fail_countdown) == 0) return 1;
    return atomic_fetch_sub(&fail_countdown, 1) <= 0;
}

/* The number behind `key`, or the first one for an empty key; SIZE_MAX when there is none. */
static size_t read_number(const char *path, const char *key) {
    FILE *file = fopen(path, "re");
    if (!file) return SIZE_MAX;
    char line[256];
    size_t value = SIZE_MAX;
    while (value == SIZE_MAX && fgets(line, sizeof line, file)) {
        unsigned long long number = 0;
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), " %llu", &number) == 1)
            value = (size_t)number;
    }
    fclose(file);
    return value;
}

size_t pu_memory_available_bytes(void) {
    size_t bytes = read_number("/proc/meminfo", "MemAvailable:");
    if (bytes != SIZE_MAX) bytes *= 1024;
    const size_t limit = read_number("/sys/fs/cgroup/memory.max", "");
    const size_t used = read_number("/sys/fs/cgroup/memory.current", "");
    const size_t cached = read_number("/sys/fs/cgroup/memory.stat", "inactive_file ");
    if (limit == SIZE_MAX || used == SIZE_MAX) return bytes;
    const size_t taken = used - (cached < used ? cached : 0);
    const size_t left = limit > taken ? limit - taken : 0;
    return left < bytes ? left : bytes;
}

/* The system grants more than it has and ends the process that touches it: a large block is refused before. */
static bool fits(size_t bytes) {
    if (bytes < LARGE_BYTES) return true;
    const size_t available = pu_memory_available_bytes();
    if (bytes <= available) return true;
    pu_fail(PU_ERR_MEMORY,
            "out of memory: %.1f MiB were asked for, %.1f are free; use a smaller model, batch, window or ring",
            (double)bytes / 1048576.0, (double)available / 1048576.0);
    return false;
}

void *pu_calloc(size_t count, size_t size) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT) {
        pu_fail(PU_ERR_MEMORY, "an allocation of %zu x %zu bytes is too large", count, size);
        return NULL;
    }
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!fits(rounded)) return NULL;
    void *block = fault_due() ? NULL : aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
    if (!block) {
        pu_fail(PU_ERR_MEMORY, "out of memory: %zu bytes were asked for", bytes);
        return NULL;
    }
    memset(block, 0, rounded ? rounded : ALIGNMENT);
    return block;
}

void *pu_regrow(void *block, size_t old_size, size_t new_size) {
    void *grown = pu_calloc(1, new_size);
    if (!grown) return NULL;
    if (block) memcpy(grown, block, old_size < new_size ? old_size : new_size);
    free(block);
    return grown;
}

char *pu_strdup(const char *text) {
    const size_t bytes = strlen(text) + 1;
    char *copy = pu_calloc(1, bytes);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

void pu_free(void *block) { free(block); }

/* Whole large pages: a table of a size between them would end in small ones. */
static size_t pages_bytes(size_t bytes) {
    return bytes ? (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES : PAGE_BYTES;
}

void *pu_pages_alloc(size_t bytes) {
    if (bytes > SIZE_MAX - 2 * (size_t)PAGE_BYTES) {
        pu_fail(PU_ERR_MEMORY, "an allocation of %zu bytes is too large", bytes);
        return NULL;
    }
    const size_t rounded = pages_bytes(bytes);
    if (!fits(rounded)) return NULL;
    void *pages =
        fault_due() ? MAP_FAILED : mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        pu_fail(PU_ERR_MEMORY, "out of memory: %zu bytes were asked for", rounded);
        return NULL;
    }
    (void)madvise(pages, rounded, MADV_HUGEPAGE); /* a wish: without large pages it is slower, not wrong */
    return pages;
}

void pu_pages_free(void *pages, size_t bytes) {
    if (pages) (void)munmap(pages, pages_bytes(bytes)); /* fails for wrong arguments only */
}

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(ALIGNMENT) unsigned char bytes[];
} chunk;

struct pu_arena {
    chunk *first;
    size_t chunk_bytes;
};

pu_status pu_arena_new(size_t chunk_bytes, pu_arena **out) {
    *out = pu_calloc(1, sizeof **out);
    if (!*out) return PU_ERR_MEMORY;
    (*out)->chunk_bytes = chunk_bytes ? chunk_bytes : 16384;
    return PU_OK;
}

void *pu_arena_alloc(pu_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) {
        pu_fail(PU_ERR_MEMORY, "an allocation of %zu bytes is too large", bytes);
        return NULL;
    }
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    chunk *head = arena->first;
    if (!head || head->size - head->used < rounded) {
        const size_t size = rounded > arena->chunk_bytes ? rounded : arena->chunk_bytes;
        head = pu_calloc(1, sizeof(chunk) + size);
        if (!head) return NULL;
        head->size = size;
        head->next = arena->first;
        arena->first = head;
    }
    void *block = head->bytes + head->used;
    head->used += rounded;
    return block;
}

char *pu_arena_strdup(pu_arena *arena, const char *text) {
    const size_t bytes = strlen(text) + 1;
    char *copy = pu_arena_alloc(arena, bytes);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

char *pu_arena_printf(pu_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) return NULL;
    char *text = pu_arena_alloc(arena, (size_t)length + 1);
    if (!text) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void pu_arena_free(pu_arena *arena) {
    if (!arena) return;
    for (chunk *c = arena->first; c;) {
        chunk *next = c->next;
        pu_free(c);
        c = next;
    }
    pu_free(arena);
}
