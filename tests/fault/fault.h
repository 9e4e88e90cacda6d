/* Faults of the operating system, one after the other: the n-th allocation, read, write, lock or sync of a piece of
 * work fails, once or from then on, or the process is killed there. calls.c stands in front of the C library's
 * calls, and thereby also of those that SQLite, libyaml, jansson and zlib make; fault.c runs the work and looks at
 * the store. */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/status.h"

/* ---- calls.c ---- */

typedef enum fault_kind {
    FAULT_NONE = 0,
    FAULT_MEMORY, /* an allocation gives nothing */
    FAULT_IO,     /* open, read, write, sync, truncate, lock, remove, inspect: EIO */
    FAULT_FULL,   /* a write: ENOSPC */
    FAULT_PART,   /* a read or write of half the bytes, which is no error */
    FAULT_KILL,   /* SIGKILL at a write, sync, truncate or remove; every other write is half done */
    FAULT_KINDS
} fault_kind;

/* From now on calls of that kind are counted, on all threads; number `point`, from 0, fails, and with `lasting` all
 * after it. INT64_MAX: count only. */
void fault_arm(fault_kind kind, int64_t point, bool lasting);
/* Returns how many were counted. */
int64_t fault_disarm(void);
/* The first call that failed since fault_arm, as "pread of /tmp/store.db"; "" if none did. */
const char *fault_what(void);
/* Writes where it was called from to standard error. */
void fault_trace(void);

/* Blocks of memory and mappings that are held now. */
int64_t fault_live_blocks(void);

/* Called after each successful removal of a journal, which is when SQLite commits; null: none. */
void fault_on_commit(void (*observe)(const char *journal));

/* ---- fault.c ---- */

enum { FAULT_STATES_MAX = 32 };

/* Work on a store, which is opened and closed by it. The work is the same each time, and done again it changes
 * nothing. */
typedef struct fault_job {
    const char *name;
    const char *folder;  /* where the store lies, beside nothing that the work does not need */
    const char *initial; /* a copy of it is what the work begins with; null: with no file */
    pu_status (*work)(const char *store, void *context);
    void *context;
    const char *names; /* what a message about files may name beside the store, each between '|' */
    bool threads;      /* it starts threads: their stacks stay with the C library, blocks are not counted */
    bool reads_only;   /* it commits nothing */
} fault_job;

/* Every kind but FAULT_KILL, once and lasting. At most `points` of each, or all with PU_FAULT_ALL=1. After each: no
 * memory or file is left open, the message names what failed, the store passes all its checks and holds what had been
 * committed, and the work done again ends with the same content as undisturbed. */
void fault_sweep(const fault_job *job, int points);

/* Kills child processes that do the work: `at_writes` at a write, `at_times` after a random time. Then as above. */
void fault_kill(const fault_job *job, int at_writes, int at_times);

/* SHA-256 of all tables without the columns that say when a row was written. "none" for a store without tables. */
void fault_content(const char *store, char out[65]);

#endif
