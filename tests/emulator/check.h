/* Declarations of the functions that gcc and clang call for -fsanitize=thread,alignment,bounds: sanitizer ABI,
 * not ours to name. */
#ifndef PU_TESTS_EMULATOR_CHECK_H
#define PU_TESTS_EMULATOR_CHECK_H

#include <stddef.h>
#include <stdint.h>

#define PU__CHECK_ALIGNED(X)   \
    X(__tsan_read1, 1, READ)   \
    X(__tsan_read2, 2, READ)   \
    X(__tsan_read4, 4, READ)   \
    X(__tsan_read8, 8, READ)   \
    X(__tsan_read16, 16, READ) \
    X(__tsan_write1, 1, WRITE) \
    X(__tsan_write2, 2, WRITE) \
    X(__tsan_write4, 4, WRITE) \
    X(__tsan_write8, 8, WRITE) \
    X(__tsan_write16, 16, WRITE)
#define PU__CHECK_UNALIGNED(X)           \
    X(__tsan_unaligned_read2, 2, READ)   \
    X(__tsan_unaligned_read4, 4, READ)   \
    X(__tsan_unaligned_read8, 8, READ)   \
    X(__tsan_unaligned_read16, 16, READ) \
    X(__tsan_unaligned_write2, 2, WRITE) \
    X(__tsan_unaligned_write4, 4, WRITE) \
    X(__tsan_unaligned_write8, 8, WRITE) \
    X(__tsan_unaligned_write16, 16, WRITE)

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
#define PU__CHECK_DECLARE(name, bytes, kind) void name(void *address);
PU__CHECK_ALIGNED(PU__CHECK_DECLARE)
PU__CHECK_UNALIGNED(PU__CHECK_DECLARE)
#undef PU__CHECK_DECLARE
void __tsan_read_range(void *address, size_t bytes);
void __tsan_write_range(void *address, size_t bytes);

struct pu__ubsan_type_mismatch;
struct pu__ubsan_out_of_bounds;
void __ubsan_handle_type_mismatch_v1(struct pu__ubsan_type_mismatch *data, uintptr_t address);
void __ubsan_handle_out_of_bounds(struct pu__ubsan_out_of_bounds *data, uintptr_t index);

#endif
