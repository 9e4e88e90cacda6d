/* Device and pinned memory. Device memory is one address range, most of it never touched. Around every allocation
 * lie guard zones of a known pattern, which also fill the gap from the last byte asked for to the next multiple
 * of the alignment. New memory is filled with NaN. On request, and unless a sanitizer has the say, the host
 * cannot touch the range except while the emulator itself works on it. */
#include "internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef PU_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if !defined(PU_EMULATOR_ASAN) && !defined(PU_EMULATOR_TSAN)
#define PU_PROTECT 1
#endif

enum { ALIGNMENT = 256, ZONE_BYTES = 4096, ZONE_PATTERN = 0xa5, NEW_PATTERN = 0xff, FREED_PATTERN = 0xfd };
enum { QUARANTINE_BYTES = 16 << 20 }; /* about how much is allocated before freed memory is used again */
static const size_t range_bytes = (size_t)PU__DEVICE_RANGE_BYTES;

typedef struct block {
    char *memory;
    size_t bytes;
} block;
typedef struct table {
    block *entry; /* ordered by address */
    int count, room;
} table;

static char *range;
static table device, pinned;
static size_t cursor, used_bytes, capacity_bytes = PU__DEVICE_MEMORY_BYTES;
static int open_depth;
static bool protect;

static size_t rounded(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

void pu__copy(void *to, const void *from, size_t bytes) { memmove(to, from, bytes); }

#ifdef PU_PROTECT
static struct sigaction before;
static void touched(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    static const char text[] = "emulator: the host touched device memory, which only kernels and copies may\n";
    if (pu__device_address(info->si_addr) && write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(1);
    sigaction(SIGSEGV, &before, NULL);
}
#endif

void pu__memory_open(bool open) {
#ifdef PU_PROTECT
    const int depth = open_depth + (open ? 1 : -1);
    if (protect && range && (depth == 0) != (open_depth == 0) &&
        mprotect(range, range_bytes, depth ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
        abort();
    open_depth = depth;
#else
    (void)open;
    (void)open_depth;
#endif
}

static bool range_map(void) {
    if (range) return true;
#ifdef PU_PROTECT
    const int protection = open_depth || !protect ? PROT_READ | PROT_WRITE : PROT_NONE;
#else
    const int protection = PROT_READ | PROT_WRITE;
#endif
    void *mapped = mmap(NULL, range_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return false;
    range = mapped;
    return true;
}

/* ---- tables ---- */

/* The first entry whose end lies above `memory`; count if none. */
static int table_find(const table *t, const char *memory) {
    int low = 0, high = t->count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (t->entry[middle].memory + t->entry[middle].bytes > memory) high = middle;
        else low = middle + 1;
    }
    return low;
}

static bool table_holds(const table *t, const char *memory, size_t bytes) {
    const int i = table_find(t, memory);
    if (i == t->count || t->entry[i].memory > memory) return false;
    return bytes <= t->entry[i].bytes - (size_t)(memory - t->entry[i].memory);
}

static bool table_insert(table *t, int at, block entry) {
    if (t->count == t->room) {
        const int room = t->room ? 2 * t->room : 64;
        block *grown = realloc(t->entry, (size_t)room * sizeof *grown);
        if (!grown) return false;
        t->entry = grown;
        t->room = room;
    }
    memmove(t->entry + at + 1, t->entry + at, (size_t)(t->count - at) * sizeof *t->entry);
    t->entry[at] = entry;
    ++t->count;
    return true;
}

static void table_remove(table *t, int at) {
    --t->count;
    memmove(t->entry + at, t->entry + at + 1, (size_t)(t->count - at) * sizeof *t->entry);
    if (t->count) return;
    free(t->entry);
    *t = (table){0};
}

/* ---- device memory ---- */

bool pu__device_address(const void *memory) {
    return range && (const char *)memory >= range && (const char *)memory < range + range_bytes;
}
size_t pu__device_offset(const void *memory) { return (size_t)((const char *)memory - range); }
bool pu__device_holds(const void *memory, size_t bytes) { return table_holds(&device, memory, bytes); }
bool pu__device_find(const void *memory, size_t *offset, size_t *bytes) {
    int at = table_find(&device, memory);
    if ((at == device.count || device.entry[at].memory > (const char *)memory) && --at < 0) return false;
    *offset = (size_t)((const char *)memory - device.entry[at].memory);
    *bytes = device.entry[at].bytes;
    return *offset < *bytes + ZONE_BYTES;
}
bool pu__pinned_holds(const void *memory, size_t bytes) { return table_holds(&pinned, memory, bytes); }

/* The first gap of `need` bytes at or after `from`; its index in the table and its start. */
static bool gap_find(size_t from, size_t need, int *at, size_t *start) {
    size_t begin = from;
    for (int i = table_find(&device, range + from); i <= device.count; ++i) {
        const size_t end = i < device.count ? (size_t)(device.entry[i].memory - range) - ZONE_BYTES : range_bytes;
        if (begin + need <= end) {
            *at = i;
            *start = begin;
            return true;
        }
        if (i < device.count)
            begin = (size_t)(device.entry[i].memory - range) + rounded(device.entry[i].bytes) + ZONE_BYTES;
    }
    return false;
}

static void zones_write(const block *b, int pattern) {
    memset(b->memory - ZONE_BYTES, pattern, ZONE_BYTES);
    memset(b->memory + b->bytes, pattern, rounded(b->bytes) - b->bytes + ZONE_BYTES);
}

static void zones_check(const block *b) {
#ifdef PU_EMULATOR_ASAN
    __asan_unpoison_memory_region(b->memory - ZONE_BYTES, ZONE_BYTES);
    __asan_unpoison_memory_region(b->memory + b->bytes, rounded(b->bytes) - b->bytes + ZONE_BYTES);
#endif
    for (ptrdiff_t i = -ZONE_BYTES; i < (ptrdiff_t)rounded(b->bytes) + ZONE_BYTES; ++i) {
        if (i == 0) i = (ptrdiff_t)b->bytes;
        if ((unsigned char)b->memory[i] == ZONE_PATTERN) continue;
        pu__fault_record(PU__FAULT_GUARD, "byte %td of an allocation of %zu bytes was written", i, b->bytes);
        break;
    }
#ifdef PU_EMULATOR_ASAN
    __asan_poison_memory_region(b->memory - ZONE_BYTES, ZONE_BYTES);
    __asan_poison_memory_region(b->memory + b->bytes, rounded(b->bytes) - b->bytes + ZONE_BYTES);
#endif
}

static cudaError_t device_alloc(size_t bytes, void **out) {
    const size_t need = rounded(bytes) + 2 * ZONE_BYTES;
    if (bytes > capacity_bytes || rounded(bytes) > capacity_bytes - used_bytes || !range_map())
        return cudaErrorMemoryAllocation;
    int at = 0;
    size_t start = 0;
    if (!gap_find(cursor, need, &at, &start) && !gap_find(0, need, &at, &start)) return cudaErrorMemoryAllocation;
    const block b = {range + start + ZONE_BYTES, bytes};
    if (!table_insert(&device, at, b)) return cudaErrorMemoryAllocation;
    cursor = start + need;
    if (cursor > 2 * used_bytes + QUARANTINE_BYTES) cursor = 0;
    used_bytes += rounded(bytes);
    pu__memory_open(true);
#ifdef PU_EMULATOR_ASAN
    __asan_unpoison_memory_region(range + start, need);
#endif
    memset(b.memory, NEW_PATTERN, bytes);
    zones_write(&b, ZONE_PATTERN);
#ifdef PU_EMULATOR_ASAN
    __asan_poison_memory_region(b.memory - ZONE_BYTES, ZONE_BYTES);
    __asan_poison_memory_region(b.memory + bytes, rounded(bytes) - bytes + ZONE_BYTES);
#endif
    pu__memory_open(false);
    pu__check_memory(b.memory, bytes, true);
    *out = b.memory;
    return cudaSuccess;
}

static cudaError_t device_free(char *memory) {
    const int at = table_find(&device, memory);
    if (at == device.count || device.entry[at].memory != memory) return cudaErrorInvalidValue;
    const block b = device.entry[at];
    pu__memory_open(true);
    zones_check(&b);
    memset(b.memory, FREED_PATTERN, b.bytes);
#ifdef PU_EMULATOR_ASAN
    __asan_poison_memory_region(b.memory, b.bytes);
#endif
    pu__memory_open(false);
    pu__check_memory(b.memory, b.bytes, false);
    used_bytes -= rounded(b.bytes);
    table_remove(&device, at);
    return cudaSuccess;
}

void pu__emulator_protect(bool on) {
    pu__lock();
#ifdef PU_PROTECT
    struct sigaction action = {.sa_sigaction = touched, .sa_flags = SA_SIGINFO};
    if (on && sigaction(SIGSEGV, &action, &before) != 0) abort();
    if (range && mprotect(range, range_bytes, on ? PROT_NONE : PROT_READ | PROT_WRITE) != 0) abort();
#endif
    protect = on;
    pu__unlock();
}

void pu__set_capacity(size_t bytes) {
    capacity_bytes = bytes < PU__DEVICE_MEMORY_BYTES ? bytes : PU__DEVICE_MEMORY_BYTES;
}

void pu__emulator_check_guards(void) {
    pu__lock();
    pu__memory_open(true);
    for (int i = 0; i < device.count; ++i) zones_check(&device.entry[i]);
    pu__memory_open(false);
    pu__unlock();
}

void pu__emulator_poison(void *memory, size_t bytes, bool on) {
    pu__lock();
#ifdef PU_EMULATOR_ASAN
    if (on) __asan_poison_memory_region(memory, bytes);
    else __asan_unpoison_memory_region(memory, bytes);
#endif
    pu__check_memory(memory, bytes, !on);
    pu__unlock();
}

/* ---- the runtime's functions ---- */

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorUnknown);
    if (error == cudaSuccess) {
        *free_bytes = capacity_bytes - used_bytes;
        *total_bytes = capacity_bytes;
    }
    return pu__call_end(error);
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorMemoryAllocation);
    if (error == cudaSuccess && bytes == 0) *memory = NULL;
    else if (error == cudaSuccess) error = device_alloc(bytes, memory);
    if (error == cudaSuccess && bytes > 0) pu__live_add(1);
    return pu__call_end(error);
}

cudaError_t cudaFree(void *memory) {
    pu__lock();
    const cudaError_t begun = pu__call_begin(PU__CALL_UNSAFE, cudaErrorUnknown);
    if (begun == cudaErrorStreamCaptureUnsupported) return pu__call_end(begun);
    pu__drain_all(); /* cudaFree waits for the device */
    cudaError_t error = cudaSuccess;
    if (memory) {
        const cudaError_t freed = device_free(memory);
        if (freed == cudaSuccess) pu__live_add(-1);
        else pu__fault_record(PU__FAULT_API, "cudaFree of %p, which is not an allocation", memory);
        error = freed;
    }
    return pu__call_end(begun != cudaSuccess ? begun : error);
}

cudaError_t cudaMallocHost(void **memory, size_t bytes) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorMemoryAllocation);
    if (error == cudaSuccess) {
        char *block_memory = bytes ? aligned_alloc(ALIGNMENT, rounded(bytes)) : NULL;
        error = bytes && !block_memory ? cudaErrorMemoryAllocation : cudaSuccess;
        if (block_memory &&
            !table_insert(&pinned, table_find(&pinned, block_memory), (block){block_memory, bytes})) {
            free(block_memory);
            error = cudaErrorMemoryAllocation;
        } else if (block_memory) {
            memset(block_memory, NEW_PATTERN, bytes);
            pu__live_add(1);
        }
        *memory = error == cudaSuccess ? block_memory : NULL;
    }
    return pu__call_end(error);
}

cudaError_t cudaFreeHost(void *memory) {
    pu__lock();
    const cudaError_t begun = pu__call_begin(PU__CALL_UNSAFE, cudaErrorUnknown);
    if (begun == cudaErrorStreamCaptureUnsupported) return pu__call_end(begun);
    pu__drain_all();
    cudaError_t error = cudaSuccess;
    const int at = table_find(&pinned, memory);
    if (memory && (at == pinned.count || pinned.entry[at].memory != (char *)memory)) {
        pu__fault_record(PU__FAULT_API, "cudaFreeHost of %p, which is not pinned memory", memory);
        error = cudaErrorInvalidValue;
    } else if (memory) {
        table_remove(&pinned, at);
        free(memory);
        pu__live_add(-1);
    }
    return pu__call_end(begun != cudaSuccess ? begun : error);
}
