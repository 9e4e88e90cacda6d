/* Shared by the emulator's own files. Every entry point of the runtime takes the one lock (pu__lock, or
 * pu__call_begin's caller) and holds it until pu__call_end; what is declared here runs under it. */
#ifndef PU_TESTS_EMULATOR_INTERNAL_H
#define PU_TESTS_EMULATOR_INTERNAL_H

#include <stdbool.h>

#include "cuda_runtime.h"
#include "emulator.h"

enum { PU__THREADS_MAX = 1024, PU__WARP = 32, PU__SHARED_BYTES_MAX = 232448 /* 227 KiB, as on sm_90 */ };
enum { PU__SHARED_ZONE_BYTES = 4096 }; /* before and behind dynamic shared memory */

/* ---- faults.c ---- */
void pu__fault_record(pu__fault_kind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pu__faults_clear(void);
uint64_t pu__random_next(uint64_t *state);

/* ---- fiber.c: stacks and the switch between them ---- */
typedef struct pu__fiber {
    void *stack_pointer;
    char *stack; /* lowest usable address */
    size_t stack_bytes;
    void *sanitizer; /* ThreadSanitizer's fiber, or AddressSanitizer's fake stack */
    void *context;   /* ucontext_t where there is no own switch */
} pu__fiber;

bool pu__fiber_start(pu__fiber *fiber, int slot, void (*entry)(void)); /* false: no memory for its stack */
void pu__fiber_switch(pu__fiber *from, pu__fiber *to);
/* The fiber will not be switched to again before its next start; what it did comes before what acquires the
 * token. */
void pu__fiber_abandon(pu__fiber *fiber, void *token);
void pu__fiber_entered(void);    /* first thing on a new fiber */
pu__fiber *pu__fiber_host(void); /* of the thread that runs the scheduler */
void pu__fiber_host_begin(void); /* the calling thread is that one */

/* Happens-before edges for ThreadSanitizer; nothing in other builds. */
void pu__order_release(void *token);
void pu__order_acquire(void *token);
void pu__order_ignore(bool ignore); /* accesses of the emulator itself, which the C library makes visible */
int pu__order_reports(void);        /* of ThreadSanitizer, since the start */

/* ---- block.c: the execution model ---- */
typedef struct pu__launch {
    const char *kernel;
    uint3 grid, block;
    size_t shared_bytes;
    void (*body)(void *state);
    void *state; /* the arguments */
    size_t state_bytes;
} pu__launch;

bool pu__launch_run(const pu__launch *launch); /* false: a fault was recorded */
void pu__set_order(pu__order order, uint64_t seed);
/* On a fiber: records a fault of the running thread and ends the launch; does not return. */
_Noreturn void pu__thread_fault(pu__fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
extern int pu__running_thread; /* -1: the host */
extern const char *pu__running_stack, *pu__running_stack_end;

/* ---- check.c: every memory access of an instrumented kernel ---- */
void pu__check_launch(const pu__launch *launch);
void pu__check_block(unsigned block, const char *dynamic_shared, size_t shared_bytes);
void pu__check_barrier(void);  /* all threads of the block passed */
void pu__check_warp(int warp); /* all lanes of a warp passed __syncwarp */
void pu__check_memory(const char *memory, size_t bytes, bool valid);

/* ---- memory.c: device and pinned memory ---- */
#define PU__DEVICE_MEMORY_BYTES ((size_t)1 << 30)
#define PU__DEVICE_RANGE_BYTES (2 * PU__DEVICE_MEMORY_BYTES)
bool pu__device_holds(const void *memory, size_t bytes); /* wholly inside one live allocation */
bool pu__device_address(const void *memory);             /* somewhere in the device's address range */
size_t pu__device_offset(const void *memory);
/* The allocation that holds an address, or ends right before it. */
bool pu__device_find(const void *memory, size_t *offset, size_t *bytes);
bool pu__pinned_holds(const void *memory, size_t bytes);
void pu__memory_open(bool open); /* lets the host touch device memory, or not; nests */
void pu__copy(void *to, const void *from, size_t bytes);
void pu__set_capacity(size_t bytes);

/* ---- stream.c ---- */
typedef struct pu__work {
    bool (*run)(void *state); /* false: a fault was recorded */
    void (*drop)(void *state);
    void *state;
} pu__work;

/* Puts work on the stream, or into the graph it records. Takes the state over, also when it fails. */
cudaError_t pu__enqueue(cudaStream_t stream, pu__work work);
void pu__drain(cudaStream_t stream);
void pu__drain_all(void);
void pu__set_schedule(pu__schedule schedule, uint64_t seed);
bool pu__recording(void); /* a stream records, so that calls which could wait for the device are refused */

/* ---- runtime.c ---- */
void pu__lock(void);
void pu__unlock(void);
typedef enum pu__call_class {
    PU__CALL_SAFE = 0,
    PU__CALL_UNSAFE /* refused while a stream records */
} pu__call_class;
/* Counts the call; `injected` when it shall fail, else the sticky error, if any. */
cudaError_t pu__call_begin(pu__call_class call, cudaError_t injected);
cudaError_t pu__call_end(cudaError_t error); /* remembers an error for cudaGetLastError, unlocks, and returns it */
void pu__set_sticky(cudaError_t error);
void pu__live_add(int count);
void pu__count_launch(void); /* a kernel or a product begins */

/* ---- blas.c ---- */
void pu__set_activations(bool on);

#endif
