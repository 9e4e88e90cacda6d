/* A file of its own for readers that need a name: SQLite follows links, and behind /proc/self/fd there is none. */
#ifndef TESTS_FUZZ_SCRATCH_H
#define TESTS_FUZZ_SCRATCH_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char fuzz_scratch_path[64];

static inline void fuzz_scratch_drop(void) {
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; ++i) {
        char path[80];
        snprintf(path, sizeof path, "%s%s", fuzz_scratch_path, endings[i]);
        unlink(path);
    }
}

/* The input as a file; its path stays the same. It lies in memory where the system has a place for that. */
static inline const char *fuzz_scratch(const uint8_t *data, size_t size) {
    if (!fuzz_scratch_path[0]) {
        const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(fuzz_scratch_path, sizeof fuzz_scratch_path, "%s/fuzz_%ld.db", folder, (long)getpid());
        if (atexit(fuzz_scratch_drop) != 0) abort();
    }
    fuzz_scratch_drop();
    const int file = open(fuzz_scratch_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, data, size) != (ssize_t)size || close(file) != 0) abort();
    return fuzz_scratch_path;
}

#endif
