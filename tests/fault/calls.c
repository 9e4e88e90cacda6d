/* The calls of the C library by which memory and files are had. An executable's own definitions come before those of
 * all shared objects, so that nothing passes by. Syncing is left out: it matters to a power failure, not to a failing
 * call or a killed process, and would be most of the time. */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/fault/fault.h"

typedef enum call { CALL_MEMORY = 0, CALL_OPEN, CALL_READ, CALL_WRITE, CALL_CHANGE, CALL_LOCK, CALL_INSPECT } call;

static const unsigned calls_of[FAULT_KINDS] = {
    [FAULT_MEMORY] = 1u << CALL_MEMORY,
    [FAULT_IO] = 1u << CALL_OPEN | 1u << CALL_READ | 1u << CALL_WRITE | 1u << CALL_CHANGE | 1u << CALL_LOCK |
                 1u << CALL_INSPECT,
    [FAULT_FULL] = 1u << CALL_WRITE,
    [FAULT_PART] = 1u << CALL_READ | 1u << CALL_WRITE,
    [FAULT_KILL] = 1u << CALL_WRITE | 1u << CALL_CHANGE,
};

static _Atomic int armed_kind;
static _Atomic int64_t counted, live;
static int64_t fail_point;
static bool fail_lasting;
static atomic_flag described = ATOMIC_FLAG_INIT;
static char description[512];
static void *caller[64];
static int callers;
static void (*observer)(const char *journal);

/* The sanitizer's own unwinder loads objects in ways that it then takes for leaks. */
static int take_trace(int depth) {
#ifdef FAULT_IN_FRONT_OF_ASAN
    (void)depth;
    return 0;
#else
    return backtrace(caller, depth);
#endif
}

void fault_arm(fault_kind kind, int64_t point, bool lasting) {
    fail_point = point;
    fail_lasting = lasting;
    description[0] = '\0';
    (void)take_trace(1); /* what it needs it loads now */
    callers = 0;
    atomic_flag_clear(&described);
    atomic_store(&counted, 0);
    atomic_store(&armed_kind, (int)kind);
}

int64_t fault_disarm(void) {
    atomic_store(&armed_kind, FAULT_NONE);
    return atomic_load(&counted);
}

const char *fault_what(void) { return description; }
void fault_trace(void) { backtrace_symbols_fd(caller, callers, STDERR_FILENO); }
int64_t fault_live_blocks(void) { return atomic_load(&live); }
void fault_on_commit(void (*observe)(const char *journal)) { observer = observe; }

static void describe(const char *function, const char *path, int file) {
    if (atomic_flag_test_and_set(&described)) return;
    callers = take_trace(sizeof caller / sizeof *caller);
    char link[64], name[256] = "";
    if (!path && file >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        if (readlink(link, name, sizeof name - 1) < 0) name[0] = '\0';
    }
    snprintf(description, sizeof description, "%s of %s", function, path ? path : name);
}

/* Whether this call is the one to fail. */
static bool due(call of, const char *function, const char *path, int file) {
    const int kind = atomic_load(&armed_kind);
    if (!(calls_of[kind] & 1u << of)) return false;
    const int64_t number = atomic_fetch_add(&counted, 1);
    if (fail_lasting ? number < fail_point : number != fail_point) return false;
    describe(function, path, file);
    return true;
}

static bool refuse(call of, const char *function, const char *path, int file) {
    if (!due(of, function, path, file)) return false;
    const int kind = atomic_load(&armed_kind);
    if (kind == FAULT_KILL) raise(SIGKILL);
    errno = kind == FAULT_FULL ? ENOSPC : EIO;
    return true;
}

/* ---- memory ---- */

#ifdef FAULT_IN_FRONT_OF_ASAN
#define REAL(function) __interceptor_##function
#define REAL_ALIGNED __interceptor_memalign
#else
#define REAL(function) __libc_##function
#define REAL_ALIGNED __libc_memalign
#endif
extern void *REAL(malloc)(size_t bytes);
extern void *REAL(calloc)(size_t count, size_t bytes);
extern void *REAL(realloc)(void *block, size_t bytes);
extern void *REAL_ALIGNED(size_t alignment, size_t bytes);
extern void REAL(free)(void *block);

static bool short_of_memory(const char *function) {
    if (!due(CALL_MEMORY, function, "memory", -1)) return false;
    errno = ENOMEM;
    return true;
}

static void *held(void *block) {
    if (block) atomic_fetch_add(&live, 1);
    return block;
}

void *malloc(size_t bytes) { return short_of_memory("malloc") ? NULL : held(REAL(malloc)(bytes)); }
void *calloc(size_t count, size_t bytes) {
    return short_of_memory("calloc") ? NULL : held(REAL(calloc)(count, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return short_of_memory("aligned_alloc") ? NULL : held(REAL_ALIGNED(alignment, bytes));
}
void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes) { return aligned_alloc(alignment, bytes); }

int posix_memalign(void **block, size_t alignment, size_t bytes) {
    *block = aligned_alloc(alignment, bytes);
    return *block ? 0 : ENOMEM;
}

void free(void *block) {
    if (block) atomic_fetch_sub(&live, 1);
    REAL(free)(block);
}

void *realloc(void *block, size_t bytes) {
    if (!block) return malloc(bytes);
    if (bytes > 0 && short_of_memory("realloc")) return NULL;
    void *moved = REAL(realloc)(block, bytes);
    if (bytes == 0 && !moved) atomic_fetch_sub(&live, 1);
    return moved;
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int file, off64_t offset) {
    const bool is_memory = (flags & MAP_ANONYMOUS) != 0;
    if (is_memory && short_of_memory("mmap")) return MAP_FAILED;
    void *pages = (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
    if (pages != MAP_FAILED) atomic_fetch_add(&live, 1);
    return pages;
}
void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    return mmap64(address, bytes, protection, flags, file, offset);
}
int munmap(void *address, size_t bytes) {
    const int result = (int)syscall(SYS_munmap, address, bytes);
    if (result == 0) atomic_fetch_sub(&live, 1);
    return result;
}

/* ---- files ---- */

static int open_file(const char *path, int flags, mode_t mode) {
    if (refuse(CALL_OPEN, "open", path, -1)) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN_BODY                                                                 \
    {                                                                             \
        va_list arguments;                                                        \
        va_start(arguments, flags);                                               \
        const bool makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE; \
        const mode_t mode = makes ? va_arg(arguments, mode_t) : 0;                \
        va_end(arguments);                                                        \
        return open_file(path, flags, mode);                                      \
    }
int open(const char *path, int flags, ...) OPEN_BODY int open64(const char *path, int flags, ...) OPEN_BODY

    static size_t part_of(call of, const char *function, int file, size_t bytes) {
    const int kind = atomic_load(&armed_kind);
    return kind == FAULT_PART && bytes > 1 && due(of, function, NULL, file) ? bytes / 2 : bytes;
}

static bool fails(call of, const char *function, int file) {
    return atomic_load(&armed_kind) != FAULT_PART && refuse(of, function, NULL, file);
}

ssize_t read(int file, void *data, size_t bytes) {
    if (fails(CALL_READ, "read", file)) return -1;
    return syscall(SYS_read, file, data, part_of(CALL_READ, "read", file, bytes));
}

ssize_t pread64(int file, void *data, size_t bytes, off64_t offset) {
    if (fails(CALL_READ, "pread", file)) return -1;
    return syscall(SYS_pread64, file, data, part_of(CALL_READ, "pread", file, bytes), offset);
}
ssize_t pread(int file, void *data, size_t bytes, off_t offset) { return pread64(file, data, bytes, offset); }

/* Killed in the middle of a write, every other time. */
static void tear(int file, const void *data, size_t bytes, off64_t offset) {
    if (atomic_load(&armed_kind) != FAULT_KILL || atomic_load(&counted) != fail_point || fail_point % 2 == 0)
        return;
    if (offset < 0) syscall(SYS_write, file, data, bytes / 2);
    else syscall(SYS_pwrite64, file, data, bytes / 2, offset);
}

ssize_t write(int file, const void *data, size_t bytes) {
    if (file <= STDERR_FILENO) return syscall(SYS_write, file, data, bytes);
    tear(file, data, bytes, -1);
    if (fails(CALL_WRITE, "write", file)) return -1;
    return syscall(SYS_write, file, data, part_of(CALL_WRITE, "write", file, bytes));
}

ssize_t pwrite64(int file, const void *data, size_t bytes, off64_t offset) {
    tear(file, data, bytes, offset);
    if (fails(CALL_WRITE, "pwrite", file)) return -1;
    return syscall(SYS_pwrite64, file, data, part_of(CALL_WRITE, "pwrite", file, bytes), offset);
}
ssize_t pwrite(int file, const void *data, size_t bytes, off_t offset) {
    return pwrite64(file, data, bytes, offset);
}

int fsync(int file) { return refuse(CALL_CHANGE, "fsync", NULL, file) ? -1 : 0; }
int fdatasync(int file) { return refuse(CALL_CHANGE, "fdatasync", NULL, file) ? -1 : 0; }

int ftruncate64(int file, off64_t bytes) {
    return refuse(CALL_CHANGE, "ftruncate", NULL, file) ? -1 : (int)syscall(SYS_ftruncate, file, bytes);
}
int ftruncate(int file, off_t bytes) { return ftruncate64(file, bytes); }

int unlink(const char *path) {
    if (refuse(CALL_CHANGE, "unlink", path, -1)) return -1;
    const int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    const size_t length = strlen(path);
    if (result == 0 && observer && length > 8 && strcmp(path + length - 8, "-journal") == 0) observer(path);
    return result;
}

static int control(int file, int command, void *argument) {
    const bool locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK;
    return locks && refuse(CALL_LOCK, "lock", NULL, file) ? -1 : (int)syscall(SYS_fcntl, file, command, argument);
}

#define CONTROL_BODY                                \
    {                                               \
        va_list arguments;                          \
        va_start(arguments, command);               \
        void *argument = va_arg(arguments, void *); \
        va_end(arguments);                          \
        return control(file, command, argument);    \
    }
int fcntl(int file, int command, ...) CONTROL_BODY int fcntl64(int file, int command, ...) CONTROL_BODY

    int fstat64(int file, struct stat64 *info) {
    return refuse(CALL_INSPECT, "fstat", NULL, file) ? -1 : (int)syscall(SYS_fstat, file, info);
}
int fstat(int file, struct stat *info) {
    return refuse(CALL_INSPECT, "fstat", NULL, file) ? -1 : (int)syscall(SYS_fstat, file, info);
}
int stat(const char *path, struct stat *info) {
    return refuse(CALL_INSPECT, "stat", path, -1) ? -1 : (int)syscall(SYS_newfstatat, AT_FDCWD, path, info, 0);
}
int stat64(const char *path, struct stat64 *info) {
    return refuse(CALL_INSPECT, "stat", path, -1) ? -1 : (int)syscall(SYS_newfstatat, AT_FDCWD, path, info, 0);
}
