/* Fibers: one stack per CUDA thread of a block, and the switch between them. Stacks lie in one mapping, each
 * above a page that cannot be touched, and are used again by the next block. The switch saves what the x86-64
 * calling convention (System V ABI, 3.2.1) asks a callee to keep; elsewhere ucontext does the same, more slowly.
 * */
#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__x86_64__)
#define PU_OWN_SWITCH 1
#else
#include <ucontext.h>
#endif

#ifdef PU_EMULATOR_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef PU_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(PU_EMULATOR_TSAN) || defined(PU_EMULATOR_ASAN)
enum { STACK_BYTES = 256 << 10 };
#else
enum { STACK_BYTES = 64 << 10 };
#endif
enum { GUARD_BYTES = 64 << 10 }; /* as large as the largest page in use */

static char *stacks;
static pu__fiber host;

pu__fiber *pu__fiber_host(void) { return &host; }

void pu__fiber_host_begin(void) {
#ifdef PU_EMULATOR_TSAN
    host.sanitizer = __tsan_get_current_fiber();
#endif
    host.stack = NULL; /* learnt by the first fiber that the host switches to */
}

static char *stack_of(int slot) {
    const size_t stride = STACK_BYTES + GUARD_BYTES;
    if (!stacks) {
        void *area =
            mmap(NULL, stride * PU__THREADS_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (area == MAP_FAILED) return NULL;
        stacks = area;
    }
    return stacks + (size_t)slot * stride + GUARD_BYTES;
}

#ifdef PU_OWN_SWITCH
void pu__switch_stacks(void **save, void *load);
__asm__(".text\n"
        ".globl pu__switch_stacks\n"
        ".type pu__switch_stacks, @function\n"
        "pu__switch_stacks:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size pu__switch_stacks, .-pu__switch_stacks\n");

static bool prepare(pu__fiber *fiber, void (*entry)(void)) {
    uintptr_t *top = (uintptr_t *)(fiber->stack + fiber->stack_bytes);
    *--top = 0; /* where entry would return to: never. On entry %rsp + 8 is a multiple of 16, as after a call. */
    *--top = (uintptr_t)entry;
    for (int saved = 0; saved < 6; ++saved) *--top = 0;
    fiber->stack_pointer = top;
    return true;
}
#else
static bool prepare(pu__fiber *fiber, void (*entry)(void)) {
    if (!fiber->context) fiber->context = calloc(1, sizeof(ucontext_t));
    if (!host.context) host.context = calloc(1, sizeof(ucontext_t));
    if (!fiber->context || !host.context || getcontext(fiber->context) != 0) return false;
    ucontext_t *context = fiber->context;
    context->uc_stack.ss_sp = fiber->stack;
    context->uc_stack.ss_size = fiber->stack_bytes;
    context->uc_link = NULL;
    makecontext(context, entry, 0);
    return true;
}
#endif

bool pu__fiber_start(pu__fiber *fiber, int slot, void (*entry)(void)) {
    if (!fiber->stack) {
        char *stack = stack_of(slot);
        if (!stack || mprotect(stack, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) return false;
        fiber->stack = stack;
        fiber->stack_bytes = STACK_BYTES;
    }
#ifdef PU_EMULATOR_ASAN
    __asan_unpoison_memory_region(fiber->stack, fiber->stack_bytes);
    fiber->sanitizer = NULL;
#endif
#ifdef PU_EMULATOR_TSAN
    if (!fiber->sanitizer) fiber->sanitizer = __tsan_create_fiber(0); /* slow: kept for the next block */
#endif
    return prepare(fiber, entry);
}

void pu__fiber_abandon(pu__fiber *fiber, void *token) {
#ifdef PU_EMULATOR_TSAN
    __tsan_switch_to_fiber(fiber->sanitizer, __tsan_switch_to_fiber_no_sync);
    __tsan_release(token);
    __tsan_switch_to_fiber(host.sanitizer, __tsan_switch_to_fiber_no_sync);
    __tsan_destroy_fiber(fiber->sanitizer); /* it still believes in the calls that never returned */
    fiber->sanitizer = NULL;
#else
    (void)fiber;
    (void)token;
#endif
}

void pu__fiber_entered(void) {
#ifdef PU_EMULATOR_ASAN
    const void *bottom = NULL;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &bytes);
    if (!host.stack) { /* only the host switches to a fiber that was never entered */
        host.stack = (char *)(uintptr_t)bottom;
        host.stack_bytes = bytes;
    }
#endif
}

void pu__fiber_switch(pu__fiber *from, pu__fiber *to) {
#ifdef PU_EMULATOR_ASAN
    __sanitizer_start_switch_fiber(&from->sanitizer, to->stack, to->stack_bytes);
#endif
#ifdef PU_EMULATOR_TSAN
    __tsan_switch_to_fiber(to->sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef PU_OWN_SWITCH
    pu__switch_stacks(&from->stack_pointer, to->stack_pointer);
#else
    swapcontext(from->context, to->context);
#endif
#ifdef PU_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(from->sanitizer, NULL, NULL);
#endif
}

void pu__order_release(void *token) {
#ifdef PU_EMULATOR_TSAN
    __tsan_release(token);
#else
    (void)token;
#endif
}

void pu__order_acquire(void *token) {
#ifdef PU_EMULATOR_TSAN
    __tsan_acquire(token);
#else
    (void)token;
#endif
}

pu__sight pu__emulator_sight(void) {
#if defined(PU_EMULATOR_CHECKED)
    return PU__SEES_ACCESSES;
#elif defined(PU_EMULATOR_TSAN)
    return PU__SEES_RACES;
#else
    return PU__SEES_VALUES;
#endif
}

#ifdef PU_EMULATOR_TSAN
/* A race is reported each time, and the test decides what it means. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "suppress_equal_stacks=0:suppress_equal_addresses=0:exitcode=0";
}

/* ThreadSanitizer calls this for each of its reports, in the middle of its own work: count, and tell later. */
static volatile int reports;
void __tsan_on_report(void *report);
void __tsan_on_report(void *report) {
    (void)report;
    ++reports;
}
#endif

#ifdef PU_EMULATOR_TSAN
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#endif

void pu__order_ignore(bool ignore) {
#ifdef PU_EMULATOR_TSAN
    (ignore ? AnnotateIgnoreReadsBegin : AnnotateIgnoreReadsEnd)(__FILE__, __LINE__);
    (ignore ? AnnotateIgnoreWritesBegin : AnnotateIgnoreWritesEnd)(__FILE__, __LINE__);
#else
    (void)ignore;
#endif
}

int pu__order_reports(void) {
#ifdef PU_EMULATOR_TSAN
    return reports;
#else
    return 0;
#endif
}
