/* The execution model: blocks one after the other, a fiber per thread, a turn for each thread until it waits.
 *
 * Invariants:
 *  1. A thread runs until it waits at a barrier or a warp collective, or exits. Then the scheduler gives the next
 *     ready thread its turn.
 *  2. A barrier opens when every thread of the block waits at it, at one call site. Threads that exited before
 *     it, or wait elsewhere, are a fault.
 *  3. A warp collective completes when all lanes of its mask wait at it with one mask, operation and call site. A
 *     mask without the caller, or with a lane that exited or does not exist, is a fault. Only __syncwarp orders
 *     memory. Products of matrices and loads of their fragments are collectives of the whole warp.
 *  4. A fault ends the launch: no thread of it runs again. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_entry.h"

typedef enum thread_state { READY = 0, AT_BARRIER, AT_COLLECTIVE, EXITED } thread_state;

typedef struct thread {
    pu__fiber fiber;
    thread_state state;
    uint3 index;
    const char *file; /* where it waits */
    int line;
    int kind; /* of the collective */
    unsigned mask;
    int operand, width;
    uint64_t value; /* in, then out */
    pu__warp_operation operation;
    const char *name;
    uint32_t *words;
    int word_count;
    int copies, copies_done; /* asynchronous ones under way */
    uint64_t barrier_token, warp_token;
} thread;

uint3 pu__emulated_thread, pu__emulated_block, pu__emulated_block_dim, pu__emulated_grid_dim;

static thread threads[PU__THREADS_MAX];
/* Of each thread, the oldest first. Not in `threads`, which are walked over often. */
static pu__emulated_copy copy_of[PU__THREADS_MAX][PU__COPIES_MAX];
static int thread_count;
int pu__running_thread = -1;
const char *pu__running_stack, *pu__running_stack_end;
static bool failed;
static const pu__launch *current;
static pu__order order;
static uint64_t order_state;
static int turn[PU__THREADS_MAX];
static char start_token, block_token, end_token;
static char warp_token[PU__THREADS_MAX / PU__WARP];

/* Dynamic shared memory between two zones that nothing may touch. */
_Alignas(1024) static char shared_room[PU__SHARED_ZONE_BYTES + PU__SHARED_BYTES_MAX + PU__SHARED_ZONE_BYTES];
static char *const dynamic_shared = shared_room + PU__SHARED_ZONE_BYTES;
extern char __start_pu_shared[] __attribute__((weak)), __stop_pu_shared[] __attribute__((weak));

void pu__set_order(pu__order new_order, uint64_t seed) {
    order = new_order;
    order_state = seed;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void describe(const thread *t, char *text, size_t bytes) {
    static const char *const collective[] = {"__syncwarp",       "__shfl_sync",     "__shfl_up_sync",
                                             "__shfl_down_sync", "__shfl_xor_sync", "__ballot_sync",
                                             "__all_sync",       "__any_sync"};
    const char *what = t->state == AT_BARRIER      ? "__syncthreads"
                       : t->state == AT_COLLECTIVE ? t->kind == PU__OPERATION ? t->name : collective[t->kind]
                                                   : "";
    if (t->state == EXITED)
        snprintf(text, bytes, "thread (%u,%u,%u) has exited", t->index.x, t->index.y, t->index.z);
    else if (t->state == READY)
        snprintf(text, bytes, "thread (%u,%u,%u) is running", t->index.x, t->index.y, t->index.z);
    else if (t->state == AT_BARRIER)
        snprintf(text, bytes, "thread (%u,%u,%u) is at %s, %s:%d", t->index.x, t->index.y, t->index.z, what,
                 base_name(t->file), t->line);
    else
        snprintf(text, bytes, "thread (%u,%u,%u) is at %s, mask %08x, %s:%d", t->index.x, t->index.y, t->index.z,
                 what, t->mask, base_name(t->file), t->line);
}

static void block_fault(pu__fault_kind kind, const thread *a, const thread *b) {
    char first[160], second[160];
    pu__order_ignore(true);
    describe(a, first, sizeof first);
    describe(b, second, sizeof second);
    pu__order_ignore(false);
    const uint3 block = pu__emulated_block;
    pu__fault_record(kind, "kernel %s, block (%u,%u,%u): %s, while %s", current->kernel, block.x, block.y, block.z,
                     first, second);
    failed = true;
}

_Noreturn static void leave_for_good(void) {
    pu__fiber_switch(&threads[pu__running_thread].fiber, pu__fiber_host());
    abort(); /* an ended fiber was resumed: a fault of the scheduler */
}

_Noreturn void pu__thread_fault(pu__fault_kind kind, const char *format, ...) {
    if (pu__running_thread < 0) abort(); /* a launcher, on the host, did what only a kernel may */
    char text[384];
    va_list arguments;
    va_start(arguments, format);
    pu__order_ignore(true);
    vsnprintf(text, sizeof text, format, arguments);
    pu__order_ignore(false);
    va_end(arguments);
    const uint3 b = pu__emulated_block, t = pu__emulated_thread;
    pu__fault_record(kind, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s", current->kernel, b.x, b.y, b.z,
                     t.x, t.y, t.z, text);
    failed = true;
    leave_for_good();
}

static void wait_for_turn(thread *t) { pu__fiber_switch(&t->fiber, pu__fiber_host()); }

/* ---- barriers ---- */

void pu__emulated_barrier(const char *file, int line) {
    thread *t = &threads[pu__running_thread];
    t->state = AT_BARRIER;
    t->file = file;
    t->line = line;
    pu__order_release(&block_token);
    wait_for_turn(t);
    pu__order_acquire(&block_token);
}

/* Whether two threads wait at one call site. A file's name is mostly one string: under the sanitizers, comparing texts
 * took more time than all else. */
static bool at_one_site(const thread *a, const thread *b) {
    return a->line == b->line && (a->file == b->file || strcmp(a->file, b->file) == 0);
}

/* A lane that thread i, at a collective, waits for in vain. */
static const thread *missing_lane(int i) {
    const thread *warp = &threads[i - i % PU__WARP];
    for (unsigned rest = threads[i].mask; rest; rest &= rest - 1) {
        const thread *lane = &warp[__builtin_ctz(rest)];
        if (lane->state != AT_COLLECTIVE) return lane;
    }
    return &threads[i];
}

/* Every thread waits or has exited: opens the barrier if they all wait at it. */
static void open_barrier(void) {
    const thread *waiting = NULL;
    for (int i = 0; i < thread_count; ++i) {
        if (threads[i].state == AT_COLLECTIVE) {
            const thread *missing = missing_lane(i);
            block_fault(missing->state == EXITED ? PU__FAULT_WARP : PU__FAULT_DEADLOCK, &threads[i], missing);
            return;
        }
        if (threads[i].state == AT_BARRIER && !waiting) waiting = &threads[i];
    }
    if (!waiting) return;
    for (int i = 0; i < thread_count; ++i) {
        const thread *t = &threads[i];
        if (t->state == EXITED || !at_one_site(t, waiting)) {
            block_fault(PU__FAULT_BARRIER, waiting, t);
            return;
        }
    }
    for (int i = 0; i < thread_count; ++i) threads[i].state = READY;
    pu__check_barrier();
}

/* ---- warp collectives ---- */

static uint64_t shuffled(const thread *warp, int lane, const thread *t) {
    const int segment = lane / t->width * t->width, at = lane - segment;
    int source = lane;
    switch (t->kind) {
    case PU__SHFL: source = segment + (t->operand & (t->width - 1)); break;
    case PU__SHFL_UP: source = at >= t->operand ? lane - t->operand : lane; break;
    case PU__SHFL_DOWN: source = at + t->operand < t->width ? lane + t->operand : lane; break;
    default:
        source = lane ^ t->operand;
        source = source < segment + t->width && source >= 0 && source < PU__WARP ? source : lane;
        break;
    }
    if (!(t->mask >> source & 1u)) {
        block_fault(PU__FAULT_WARP, t, &warp[source < thread_count - (int)(warp - threads) ? source : lane]);
        return UINT64_MAX;
    }
    return warp[source].value;
}

/* All lanes are there: their words to the operation and back. */
static void operate(thread *warp) {
    static uint32_t lanes[PU__WARP][PU__WARP_WORDS];
    pu__order_ignore(true);
    for (int lane = 0; lane < PU__WARP; ++lane)
        memcpy(lanes[lane], warp[lane].words, (size_t)warp[lane].word_count * sizeof(uint32_t));
    warp[0].operation(lanes);
    for (int lane = 0; lane < PU__WARP; ++lane)
        memcpy(warp[lane].words, lanes[lane], (size_t)warp[lane].word_count * sizeof(uint32_t));
    pu__order_ignore(false);
}

static void complete(thread *warp, unsigned mask, int kind) {
    unsigned ballot = 0;
    uint64_t result[PU__WARP];
    if (kind == PU__OPERATION) operate(warp);
    for (unsigned rest = mask; rest; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        if (warp[lane].value & 1u) ballot |= 1u << lane;
        result[lane] = kind >= PU__SHFL && kind <= PU__SHFL_XOR ? shuffled(warp, lane, &warp[lane]) : 0;
    }
    for (unsigned rest = mask; rest; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        if (kind == PU__BALLOT) result[lane] = ballot;
        if (kind == PU__ALL) result[lane] = ballot == mask;
        if (kind == PU__ANY) result[lane] = ballot != 0;
        warp[lane].value = result[lane];
        warp[lane].state = READY;
    }
}

/* Faults that the arrival of lane `lane` makes certain; true if there is one. */
static bool mismatch(const thread *warp, int lane, int lanes) {
    const thread *t = &warp[lane];
    for (int i = 0; i < PU__WARP; ++i) {
        const bool named = t->mask >> i & 1u;
        if (named && i >= lanes) {
            pu__fault_record(PU__FAULT_WARP,
                             "kernel %s, block (%u,%u,%u): mask %08x at %s:%d names lane %d of a warp of %d",
                             current->kernel, pu__emulated_block.x, pu__emulated_block.y, pu__emulated_block.z,
                             t->mask, base_name(t->file), t->line, i, lanes);
            failed = true;
            return true;
        }
        if (i >= lanes || i == lane) continue;
        const thread *o = &warp[i];
        const bool paired = o->state == AT_COLLECTIVE && (named || o->mask >> lane & 1u);
        const bool apart = paired && (o->mask != t->mask || o->kind != t->kind || o->width != t->width ||
                                      o->operation != t->operation || !at_one_site(o, t));
        if ((named && o->state == EXITED) || apart) {
            block_fault(PU__FAULT_WARP, t, o);
            return true;
        }
    }
    return false;
}

static uint64_t collective(int kind, unsigned mask, uint64_t value, int operand, int width, const char *file,
                           int line) {
    thread *t = &threads[pu__running_thread];
    const int lane = pu__running_thread % PU__WARP, first = pu__running_thread - lane;
    const int lanes = thread_count - first < PU__WARP ? thread_count - first : PU__WARP;
    if (!(mask >> lane & 1u))
        pu__thread_fault(PU__FAULT_WARP, "mask %08x at %s:%d leaves out the caller", mask, base_name(file), line);
    if (width < 1 || width > PU__WARP || (width & (width - 1)))
        pu__thread_fault(PU__FAULT_WARP, "width %d at %s:%d is not a power of two up to 32", width,
                         base_name(file), line);
    t->state = AT_COLLECTIVE;
    t->file = file;
    t->line = line;
    t->kind = kind;
    t->mask = mask;
    t->operand = operand;
    t->width = width;
    t->value = value;
    if (mismatch(&threads[first], lane, lanes)) leave_for_good();
    bool all = true;
    for (unsigned rest = mask; rest; rest &= rest - 1)
        all = all && threads[first + __builtin_ctz(rest)].state == AT_COLLECTIVE;
    if (kind == PU__SYNC) pu__order_release(&warp_token[first / PU__WARP]);
    if (all) {
        complete(&threads[first], mask, kind);
        if (failed) leave_for_good();
        if (kind == PU__SYNC && __builtin_popcount(mask) == lanes) pu__check_warp(first / PU__WARP);
    } else {
        wait_for_turn(t);
    }
    if (kind == PU__SYNC) pu__order_acquire(&warp_token[first / PU__WARP]);
    return t->value;
}

uint64_t pu__emulated_collective(int kind, unsigned mask, uint64_t value, int operand, int width, const char *file,
                                 int line) {
    threads[pu__running_thread].operation = NULL;
    return collective(kind, mask, value, operand, width, file, line);
}

void pu__emulated_warp(pu__warp_operation operation, uint32_t *words, int count, const char *name,
                       const char *file, int line) {
    thread *t = &threads[pu__running_thread];
    t->operation = operation;
    t->words = words;
    t->word_count = count;
    t->name = name;
    collective(PU__OPERATION, 0xffffffffu, 0, 0, PU__WARP, file, line);
}

/* ---- asynchronous copies ---- */

void pu__emulated_copy_begin(float *to, const float *from, int live, int count) {
    thread *t = &threads[pu__running_thread];
    if (t->copies == PU__COPIES_MAX)
        pu__thread_fault(PU__FAULT_COPY, "more than %d copies under way", (int)PU__COPIES_MAX);
    copy_of[pu__running_thread][t->copies++] = (pu__emulated_copy){to, from, live, count};
}

int pu__emulated_copy_end(pu__emulated_copy *copy) {
    thread *t = &threads[pu__running_thread];
    if (t->copies_done < t->copies) {
        *copy = copy_of[pu__running_thread][t->copies_done++];
        return 1;
    }
    t->copies = t->copies_done = 0;
    return 0;
}

/* ---- shared memory ---- */

void pu__emulated_float_atomic(const char *file, int line) {
    pu__thread_fault(PU__FAULT_ATOMIC, "%s:%d adds floats atomically: the order decides the sum's bits",
                     base_name(file), line);
}

void pu__emulated_misaligned(const void *address, int alignment) {
    pu__thread_fault(PU__FAULT_ALIGNMENT, "a vector at an address that is %d modulo %d",
                     (int)((uintptr_t)address % (uintptr_t)alignment), alignment);
}

void *pu__emulated_dynamic_shared(size_t alignment) {
    if (alignment > 1024)
        pu__thread_fault(PU__FAULT_ALIGNMENT, "dynamic shared memory is aligned to 1,024 bytes at most");
    return dynamic_shared;
}

/* NaN. Word by word: a sanitizer would judge memset, which may go over the zones it keeps between variables. */
static void poison(char *begin, const char *end) {
    for (volatile uint64_t *word = (volatile uint64_t *)(void *)begin; (const volatile char *)word < end; ++word)
        *word = UINT64_MAX;
}

/* ---- blocks and launches ---- */

static void thread_main(void) {
    pu__fiber_entered();
    pu__order_acquire(&start_token);
    current->body(current->state);
    if (threads[pu__running_thread].copies > 0)
        pu__thread_fault(PU__FAULT_COPY, "ends with %d copies that it has not waited for",
                         threads[pu__running_thread].copies);
    threads[pu__running_thread].state = EXITED;
    pu__order_release(&end_token);
    leave_for_good();
}

static void set_turns(int *turns, int n) {
    for (int i = 0; i < n; ++i) turns[i] = order == PU__ORDER_REVERSE ? n - 1 - i : i;
    for (int i = n - 1; order == PU__ORDER_RANDOM && i > 0; --i) {
        const int j = (int)(pu__random_next(&order_state) % (uint64_t)(i + 1));
        const int swap = turns[i];
        turns[i] = turns[j];
        turns[j] = swap;
    }
}

/* Gives each ready thread a turn, in order, until none is ready. */
static void run_ready(void) {
    for (bool any = true; any && !failed;) {
        any = false;
        if (order == PU__ORDER_RANDOM) set_turns(turn, thread_count);
        for (int i = 0; i < thread_count && !failed; ++i) {
            thread *t = &threads[turn[i]];
            if (t->state != READY) continue;
            any = true;
            pu__running_thread = turn[i];
            pu__running_stack = t->fiber.stack;
            pu__running_stack_end = t->fiber.stack + t->fiber.stack_bytes;
            pu__emulated_thread = t->index;
            pu__fiber_switch(pu__fiber_host(), &t->fiber);
            pu__running_thread = -1;
        }
    }
}

static bool start_threads(uint3 block) {
    for (int i = 0; i < thread_count; ++i) {
        thread *t = &threads[i];
        const unsigned linear = (unsigned)i;
        t->state = READY;
        t->copies = t->copies_done = 0;
        t->index = (uint3){linear % block.x, linear / block.x % block.y, linear / block.x / block.y};
        if (!pu__fiber_start(&t->fiber, i, thread_main)) {
            pu__fault_record(PU__FAULT_API, "no memory for the stacks of %d threads", thread_count);
            failed = true;
            return false;
        }
    }
    return true;
}

static void run_block(const pu__launch *launch, unsigned linear) {
    const uint3 grid = launch->grid;
    pu__emulated_block = (uint3){linear % grid.x, linear / grid.x % grid.y, linear / grid.x / grid.y};
    poison(__start_pu_shared, __stop_pu_shared);
    poison(shared_room, dynamic_shared + launch->shared_bytes + PU__SHARED_ZONE_BYTES);
    pu__check_block(linear, dynamic_shared, launch->shared_bytes);
    set_turns(turn, thread_count);
    pu__order_release(&start_token);
    if (start_threads(launch->block)) {
        bool all_exited = false;
        while (!failed && !all_exited) {
            run_ready();
            if (failed) break;
            all_exited = true;
            for (int i = 0; i < thread_count; ++i) all_exited = all_exited && threads[i].state == EXITED;
            if (!all_exited) open_barrier();
        }
        for (int i = 0; i < thread_count; ++i)
            if (threads[i].state != EXITED) pu__fiber_abandon(&threads[i].fiber, &end_token);
        pu__order_acquire(&end_token);
    }
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool pu__launch_run(const pu__launch *launch) {
    current = launch;
    failed = false;
    pu__fiber_host_begin();
    thread_count = (int)(launch->block.x * launch->block.y * launch->block.z);
    pu__emulated_block_dim = launch->block;
    pu__emulated_grid_dim = launch->grid;
    pu__check_launch(launch);
    const int reports = pu__order_reports();
    const unsigned blocks = launch->grid.x * launch->grid.y * launch->grid.z;
    /* Block i * stride + offset: a permutation, since stride and the number of blocks share no divisor. */
    uint64_t stride = 1, offset = 0;
    if (order == PU__ORDER_RANDOM) {
        offset = pu__random_next(&order_state) % blocks;
        do stride = 1 + pu__random_next(&order_state) % blocks;
        while (common_divisor(stride, blocks) != 1);
    }
    for (unsigned i = 0; i < blocks && !failed; ++i)
        run_block(launch,
                  order == PU__ORDER_REVERSE ? blocks - 1 - i : (unsigned)((i * stride + offset) % blocks));
    if (pu__order_reports() > reports) {
        pu__fault_record(PU__FAULT_RACE, "kernel %s: ThreadSanitizer reported %d", launch->kernel,
                         pu__order_reports() - reports);
        failed = true;
    }
    current = NULL;
    return !failed;
}
