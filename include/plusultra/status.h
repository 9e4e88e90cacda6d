/* Status values and error messages.
 *
 * Every function that can fail returns pu_status. The message for a person lies in thread-local storage until
 * the next failure on the same thread; it says what happened, where (file, line, key, row), and what to do.
 * Library code never prints an error and never exits. */
#ifndef PLUSULTRA_STATUS_H
#define PLUSULTRA_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu_status {
    PU_OK = 0,
    PU_ERR_ARGUMENT,    /* the caller broke the contract: shape, range, null */
    PU_ERR_CONFIG,      /* configuration: unknown key, wrong type, out of range */
    PU_ERR_DATA,        /* the user's data: malformed file, impossible value, too short */
    PU_ERR_IO,          /* the operating system refused: missing file, full disk, read-only folder */
    PU_ERR_STORE,       /* SQLite reported an error */
    PU_ERR_CORRUPT,     /* a file of ours fails its checks: checksum, magic, length */
    PU_ERR_MEMORY,      /* an allocation failed, or a plan does not fit */
    PU_ERR_DEVICE,      /* CUDA, cuBLAS or another device library reported an error */
    PU_ERR_UNSUPPORTED, /* a valid request that this backend or build cannot serve */
    PU_ERR_NOT_FOUND,   /* a named thing does not exist */
    PU_ERR_INTERRUPTED  /* SIGINT or SIGTERM: work done so far is saved */
} pu_status;

/* Records a message (printf format) for the calling thread and returns `code`, so that a caller can write
 * `return pu_fail(PU_ERR_DATA, ...)`. Messages longer than 2,047 bytes are cut. */
pu_status pu_fail(pu_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<context>: " before the calling thread's message and returns `code`. */
pu_status pu_fail_within(pu_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The calling thread's last message; "" if none. Valid until its next pu_fail. */
const char *pu_error_message(void);

/* A lower-case word for a status, such as "config"; for logs and JSON. Never null. */
const char *pu_status_name(pu_status status);

/* Returns from the enclosing function with the status of `expression` unless it is PU_OK. */
#define PU_TRY(expression)                                                                                     \
    do {                                                                                                       \
        pu_status pu_try_status_ = (expression);                                                               \
        if (pu_try_status_ != PU_OK) return pu_try_status_;                                                    \
    } while (0)

/* Jumps to `label` with `status` set, for functions that have something to release. */
#define PU_TRY_GOTO(status, expression, label)                                                                 \
    do {                                                                                                       \
        (status) = (expression);                                                                               \
        if ((status) != PU_OK) goto label;                                                                     \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
