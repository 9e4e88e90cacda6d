/* Checks every memory access of a kernel: bounds, alignment, data races, shared memory read before it was written.
 *
 * The kernels are compiled with -fsanitize=thread,alignment,bounds, which puts a call before each access. Here
 * those calls do not reach ThreadSanitizer, which knows one order of events for the whole process and so cannot
 * see that blocks are unordered while their shared memory is not shared. They come to this file, which knows the
 * order CUDA gives:
 *
 *  - Threads of a block are ordered by __syncthreads; lanes of a warp also by __syncwarp of the whole warp;
 *    shuffles order nothing.
 *  - Blocks of a launch are not ordered at all; launches are.
 *  - Two accesses of one address without an order race if one of them writes, unless both are atomic.
 *
 * Time is a counter. An interval is what lies between two barriers of a block: two accesses of one block are
 * ordered if their intervals differ. A cell remembers, for each four bytes, the last write, read and atomic
 * operation: enough to find the first race on it. */
#include "check.h"
#include "device_entry.h"
#include "internal.h"

#ifdef PU_EMULATOR_CHECKED

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CELL_BYTES = 4, MANY_THREADS = 1, MANY_WARPS = 2, MANY_BLOCKS = 4 };
typedef enum access_kind { READ = 0, WRITE, ATOMIC, ACCESS_KINDS } access_kind;
static const char *const access_name[] = {"read", "write", "atomic operation"};

typedef struct touch {
    uint32_t epoch; /* launch (device memory) or block run (shared memory); another one's entry is void */
    uint32_t block;
    uint32_t interval, warp_interval;
    uint32_t code; /* offset of the instruction in the program */
    uint16_t thread;
    uint8_t bytes; /* which of the four */
    uint8_t flags;
} touch;
typedef struct cell {
    touch last[ACCESS_KINDS];
} cell;

extern const char __executable_start[], _end[];
extern char __start_pu_shared[], __stop_pu_shared[];

static cell *device_cells, *static_cells, *dynamic_cells;
static unsigned char *valid; /* how many of each four bytes of device memory belong to an allocation */
static uint32_t clock_now, launch_epoch, block_epoch, interval, warp_interval[PU__THREADS_MAX / PU__WARP],
    block_number;
static const pu__launch *launch;
static const char *dynamic_begin, *dynamic_end, *dynamic_room_end;

static void *lazily(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("emulator: no memory for the access checker");
        abort();
    }
    return memory;
}

static void set_up(void) {
    if (valid) return;
    valid = lazily(PU__DEVICE_RANGE_BYTES / CELL_BYTES);
    device_cells = lazily(PU__DEVICE_RANGE_BYTES / CELL_BYTES * sizeof(cell));
    static_cells = lazily(((size_t)(__stop_pu_shared - __start_pu_shared) / CELL_BYTES + 1) * sizeof(cell));
    dynamic_cells = lazily((PU__SHARED_BYTES_MAX / CELL_BYTES + 1) * sizeof(cell));
}

void pu__check_memory(const char *memory, size_t bytes, bool is_valid) {
    set_up();
    unsigned char *at = valid + pu__device_offset(memory) / CELL_BYTES;
    memset(at, is_valid ? CELL_BYTES : 0, bytes / CELL_BYTES);
    if (bytes % CELL_BYTES) at[bytes / CELL_BYTES] = is_valid ? bytes % CELL_BYTES : 0;
}

void pu__check_launch(const pu__launch *next) {
    set_up();
    launch = next;
    launch_epoch = ++clock_now;
}

void pu__check_block(unsigned block, const char *dynamic_shared, size_t shared_bytes) {
    block_number = block;
    dynamic_begin = dynamic_shared;
    dynamic_end = dynamic_shared + shared_bytes;
    dynamic_room_end = dynamic_shared + PU__SHARED_BYTES_MAX;
    pu__check_barrier();
    block_epoch = interval;
}

void pu__check_barrier(void) {
    interval = ++clock_now;
    for (int warp = 0; warp < PU__THREADS_MAX / PU__WARP; ++warp) warp_interval[warp] = interval;
}

void pu__check_warp(int warp) { warp_interval[warp] = ++clock_now; }

/* ---- reports ---- */

/* "loss.cu:71", by addr2line where it is installed, else the offset in the program. */
static void place(uint32_t code, char *text, size_t bytes) {
    const uint16_t type = ((const Elf64_Ehdr *)(const void *)__executable_start)->e_type;
    const unsigned long address = code + (type == ET_EXEC ? (unsigned long)__executable_start : 0);
    snprintf(text, bytes, "code 0x%lx", address);
    char command[128], line[256] = "";
    snprintf(command, sizeof command, "addr2line -s -e /proc/%ld/exe 0x%lx 2>/dev/null", (long)getpid(),
             address - 1);
    FILE *pipe = popen(command, "r");
    if (!pipe) return;
    if (fgets(line, sizeof line, pipe) && line[0] != '?')
        snprintf(text, bytes, "%.*s", (int)strcspn(line, " \n"), line);
    pclose(pipe);
}

static void where_is(const char *address, char *text, size_t bytes) {
    if (pu__device_address(address)) {
        size_t offset = 0, size = 0;
        if (pu__device_find(address, &offset, &size))
            snprintf(text, bytes, "byte %zu of an allocation of %zu bytes", offset, size);
        else snprintf(text, bytes, "device memory that is not allocated");
    } else if (address >= __start_pu_shared && address < __stop_pu_shared) {
        snprintf(text, bytes, "static shared memory + %td", address - __start_pu_shared);
    } else {
        snprintf(text, bytes, "dynamic shared memory + %td of %td bytes", address - dynamic_begin,
                 dynamic_end - dynamic_begin);
    }
}

static void report_race(const touch *other, access_kind other_kind, const char *address, access_kind kind,
                        uint32_t code) {
    char here[128], there[128], memory[128];
    place(code, here, sizeof here);
    place(other->code, there, sizeof there);
    where_is(address, memory, sizeof memory);
    pu__thread_fault(PU__FAULT_RACE,
                     "%s at %s, of %s, has no order with the %s by linear thread %u of block %u at %s",
                     access_name[kind], here, memory, access_name[other_kind], other->thread, other->block, there);
}

static void report(pu__fault_kind fault, access_kind kind, const char *address, size_t bytes, uint32_t code) {
    char here[128], memory[128];
    place(code, here, sizeof here);
    where_is(address, memory, sizeof memory);
    pu__thread_fault(fault, "%s of %zu bytes at %s, %s", access_name[kind], bytes, here, memory);
}

/* ---- races ---- */

/* Whether an earlier access has no order with the one at hand. */
static bool unordered(const touch *old, uint32_t epoch, unsigned bytes) {
    if (old->epoch != epoch || !(old->bytes & bytes)) return false;
    if (old->block != block_number || old->flags & MANY_BLOCKS) return true;
    if (old->interval != interval) return false;
    if (old->flags & MANY_WARPS) return true;
    const int me = pu__running_thread, warp = me / PU__WARP;
    if (old->thread / PU__WARP != warp) return true;
    return old->warp_interval == warp_interval[warp] && (old->thread != me || old->flags & MANY_THREADS);
}

static void remember(touch *old, uint32_t epoch, unsigned bytes, uint32_t code) {
    const int me = pu__running_thread, warp = me / PU__WARP;
    unsigned flags = 0;
    if (old->epoch == epoch) {
        flags |= old->flags & MANY_BLOCKS;
        if (old->block != block_number) flags |= MANY_BLOCKS;
        else if (old->interval == interval) {
            flags |= old->flags & MANY_WARPS;
            bytes |= old->bytes;
            if (old->thread / PU__WARP != warp) flags |= MANY_WARPS;
            else if (old->warp_interval == warp_interval[warp] && (old->thread != me || old->flags & MANY_THREADS))
                flags |= MANY_THREADS;
        }
    }
    *old = (touch){epoch, block_number, interval,       warp_interval[warp],
                   code,  (uint16_t)me, (uint8_t)bytes, (uint8_t)flags};
}

/* Which bytes of a cell an access takes. */
static unsigned bytes_of_cell(size_t cell_offset, size_t offset, size_t bytes) {
    unsigned mask = 0;
    for (size_t at = cell_offset; at < cell_offset + CELL_BYTES; ++at)
        if (at >= offset && at < offset + bytes) mask |= 1u << (at - cell_offset);
    return mask;
}

static void check_cells(cell *cells, bool shared, const char *address, size_t offset, size_t bytes,
                        access_kind kind, uint32_t code) {
    const uint32_t epoch = shared ? block_epoch : launch_epoch;
    const bool whole = (offset | bytes) % CELL_BYTES == 0;
    for (size_t first = offset / CELL_BYTES; first * CELL_BYTES < offset + bytes; ++first) {
        cell *c = &cells[first];
        const unsigned mask = whole ? (1u << CELL_BYTES) - 1 : bytes_of_cell(first * CELL_BYTES, offset, bytes);
        for (access_kind other = READ; other < ACCESS_KINDS; ++other) {
            const bool races = other != kind ? true : kind == WRITE;
            if (races && unordered(&c->last[other], epoch, mask))
                report_race(&c->last[other], other, address, kind, code);
        }
        if (shared && kind != WRITE && c->last[WRITE].epoch != epoch)
            report(PU__FAULT_UNINITIALISED, kind, address, bytes, code);
        remember(&c->last[kind], epoch, mask, code);
    }
}

/* ---- where an access goes ---- */

static bool inside(const char *address, size_t bytes, const char *begin, const char *end) {
    return address >= begin && address < end && bytes <= (size_t)(end - address);
}

static void check_device(const char *address, size_t bytes, access_kind kind, uint32_t code) {
    const size_t offset = pu__device_offset(address);
    for (size_t i = offset / CELL_BYTES; i * CELL_BYTES < offset + bytes; ++i) {
        const size_t needed = offset + bytes - i * CELL_BYTES;
        if (valid[i] < (needed < CELL_BYTES ? needed : CELL_BYTES))
            report(PU__FAULT_BOUNDS, kind, address, bytes, code);
    }
    check_cells(device_cells, false, address, offset, bytes, kind, code);
}

static void check(const void *memory, size_t bytes, access_kind kind, const void *pc) {
    if (pu__running_thread < 0) return; /* a launcher, on the host */
    const char *address = memory;
    if (inside(address, bytes, pu__running_stack, pu__running_stack_end)) return;
    const uint32_t code = (uint32_t)((const char *)pc - __executable_start);
    if (pu__device_address(address)) {
        check_device(address, bytes, kind, code);
    } else if (address >= __start_pu_shared && address < __stop_pu_shared) {
        check_cells(static_cells, true, address, (size_t)(address - __start_pu_shared), bytes, kind, code);
    } else if (address >= dynamic_begin - PU__SHARED_ZONE_BYTES && address < dynamic_begin) {
        report(PU__FAULT_BOUNDS, kind, address, bytes, code);
    } else if (address >= dynamic_begin && address < dynamic_room_end) {
        if (!inside(address, bytes, dynamic_begin, dynamic_end))
            report(PU__FAULT_BOUNDS, kind, address, bytes, code);
        check_cells(dynamic_cells, true, address, (size_t)(address - dynamic_begin), bytes, kind, code);
    } else {
        const char *arguments = launch->state;
        const bool constant = inside(address, bytes, __executable_start, _end) ||
                              inside(address, bytes, arguments, arguments + launch->state_bytes);
        if (kind != READ || !constant) {
            char here[128];
            place(code, here, sizeof here);
            pu__thread_fault(PU__FAULT_BOUNDS, "%s of %zu bytes at %s, in memory of the host", access_name[kind],
                             bytes, here);
        }
    }
}

void pu__emulated_atomic(const void *address, size_t bytes) {
    check(address, bytes, ATOMIC, __builtin_return_address(0));
}

/* ---- the calls that the compiler puts in ---- */

void __tsan_init(void) {}
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) {}

#define HOOK_ALIGNED(name, bytes, kind)                                                                       \
    void name(void *address) {                                                                                \
        if ((uintptr_t)address % (bytes) && pu__running_thread >= 0)                                          \
            pu__thread_fault(PU__FAULT_ALIGNMENT, "an access of %d bytes at an address that is %d modulo %d", \
                             bytes, (int)((uintptr_t)address % (bytes)), bytes);                              \
        check(address, bytes, kind, __builtin_return_address(0));                                             \
    }
#define HOOK_ANY(name, bytes, kind) \
    void name(void *address) { check(address, bytes, kind, __builtin_return_address(0)); }
PU__CHECK_ALIGNED(HOOK_ALIGNED)
PU__CHECK_UNALIGNED(HOOK_ANY)

void __tsan_read_range(void *address, size_t bytes) { check(address, bytes, READ, __builtin_return_address(0)); }
void __tsan_write_range(void *address, size_t bytes) { check(address, bytes, WRITE, __builtin_return_address(0)); }

/* The layouts that gcc and clang give -fsanitize=alignment and bounds (libubsan's ubsan_handlers.h). */
struct pu__ubsan_place {
    const char *file;
    uint32_t line, column;
};
struct pu__ubsan_type_mismatch {
    struct pu__ubsan_place place;
    const void *type;
    unsigned char log_alignment, kind;
};
struct pu__ubsan_out_of_bounds {
    struct pu__ubsan_place place;
    const void *array_type, *index_type;
};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void __ubsan_handle_type_mismatch_v1(struct pu__ubsan_type_mismatch *data, uintptr_t address) {
    if (pu__running_thread < 0) return;
    const unsigned long alignment = 1ul << data->log_alignment;
    pu__thread_fault(PU__FAULT_ALIGNMENT, "%s:%u: an address that is %lu modulo %lu", base_name(data->place.file),
                     data->place.line, (unsigned long)address % alignment, alignment);
}

void __ubsan_handle_out_of_bounds(struct pu__ubsan_out_of_bounds *data, uintptr_t index) {
    if (pu__running_thread < 0) return;
    pu__thread_fault(PU__FAULT_BOUNDS, "%s:%u: array index %ld", base_name(data->place.file), data->place.line,
                     (long)index);
}

#else

void pu__check_memory(const char *memory, size_t bytes, bool is_valid) {
    (void)memory;
    (void)bytes;
    (void)is_valid;
}
void pu__check_launch(const pu__launch *launch) { (void)launch; }
void pu__check_block(unsigned block, const char *dynamic_shared, size_t shared_bytes) {
    (void)block;
    (void)dynamic_shared;
    (void)shared_bytes;
}
void pu__check_barrier(void) {}
void pu__check_warp(int warp) { (void)warp; }
void pu__emulated_atomic(const void *address, size_t bytes) {
    (void)address;
    (void)bytes;
}

#endif
