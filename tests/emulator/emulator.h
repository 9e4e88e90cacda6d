/* The emulator of the CUDA execution model: what tests set and read. docs/emulator.md tells how it works and what
 * it cannot show.
 *
 * Kernels run on the host, one block at a time, one fiber per CUDA thread. A fault ends the launch that made it,
 * is recorded here with the kernel's name, block and thread, and makes later runtime calls fail with
 * cudaErrorLaunchFailure, as on a GPU, until pu__emulator_reset. */
#ifndef PU_TESTS_EMULATOR_H
#define PU_TESTS_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order in which the threads of a block, and the blocks of a grid, take their turns. */
typedef enum pu__order { PU__ORDER_FORWARD = 0, PU__ORDER_REVERSE, PU__ORDER_RANDOM } pu__order;
void pu__emulator_set_order(pu__order order, uint64_t seed);

/* When work that was put on a stream runs: as late as the rules allow, at once, or at seeded random moments. */
typedef enum pu__schedule { PU__SCHEDULE_LATE = 0, PU__SCHEDULE_EAGER, PU__SCHEDULE_RANDOM } pu__schedule;
void pu__emulator_set_schedule(pu__schedule schedule, uint64_t seed);

#define PU__FAULTS(X)                               \
    X(BARRIER, "barrier divergence")                \
    X(WARP, "warp collective")                      \
    X(DEADLOCK, "deadlock")                         \
    X(RACE, "data race")                            \
    X(UNINITIALISED, "uninitialised shared memory") \
    X(BOUNDS, "out of bounds")                      \
    X(ALIGNMENT, "misaligned access")               \
    X(ATOMIC, "atomic float sum")                   \
    X(COPY, "asynchronous copy")                    \
    X(GUARD, "guard zone overwritten")              \
    X(API, "misuse of the runtime")

typedef enum pu__fault_kind {
#define PU__FAULT_ENUM(upper, text) PU__FAULT_##upper,
    PU__FAULTS(PU__FAULT_ENUM)
#undef PU__FAULT_ENUM
} pu__fault_kind;

enum { PU__FAULT_TEXT_BYTES = 512 };

typedef struct pu__fault {
    pu__fault_kind kind;
    char text[PU__FAULT_TEXT_BYTES];
} pu__fault;

/* Faults since the last reset; the first few are kept with their text. */
int pu__emulator_faults(void);
const pu__fault *pu__emulator_fault(int index); /* null when out of range */
const char *pu__emulator_fault_name(pu__fault_kind kind);

/* Forgets faults and the sticky error, ends injection, and sets forward order, late schedule, one device, its
 * memories as they are at first, and epilogues with activations. Memory, streams and the rest stay as they are. */
void pu__emulator_reset(void);

/* Calls of the emulated runtime and cuBLASLt since the start, launches among them. The nth call from now (1: the
 * next) fails with an error that fits it; 0 switches injection off. A call that releases something releases it
 * all the same. */
int64_t pu__emulator_calls(void);
void pu__emulator_fail_call(int64_t nth);

/* Pieces of work that were begun on streams since the start: kernels and products, recorded ones at each replay. */
int64_t pu__emulator_launches(void);

/* Whether cuBLASLt's heuristic has algorithms for epilogues with an activation; on at first. */
void pu__emulator_set_activations(bool on);

/* Objects that were made and not yet released: allocations, streams, events, graphs, handles, descriptors. */
int pu__emulator_live(void);

/* The emulated machine: devices (0: none; negative: no driver) and the memory of each. */
void pu__emulator_set_devices(int count);
void pu__emulator_set_memory(size_t bytes);

/* Shared memory that a block may have when its kernel asks for it: 227 KiB, as on sm_90, or less. A device tells it
 * when it is opened, and what was asked for before is forgotten. */
void pu__emulator_set_shared(size_t block_bytes);
/* The kernel launched last, as its launch spells it; "" before the first. */
const char *pu__emulator_last_kernel(void);

/* Makes the host crash, with a word about it, when it touches device memory; off at first, since it is slow.
 * Without effect under a sanitizer. */
void pu__emulator_protect(bool on);

/* Checks every guard zone around device memory; a fault names the allocation. They are also checked whenever
 * memory is freed. */
void pu__emulator_check_guards(void);

/* Puts a piece of an allocation out of bounds for kernels, or back. Whole multiples of four bytes. */
void pu__emulator_poison(void *memory, size_t bytes, bool on);

/* What this build finds beside misused barriers and collectives. */
typedef enum pu__sight {
    PU__SEES_VALUES = 0, /* nothing; under AddressSanitizer a fault of memory ends the program */
    PU__SEES_RACES,      /* ThreadSanitizer: races between threads of a block */
    PU__SEES_ACCESSES    /* the emulator's own checks of every access */
} pu__sight;
pu__sight pu__emulator_sight(void);

#ifdef __cplusplus
}
#endif
#endif
