/* Logging: human lines on standard error, or JSON lines on request; and progress of long work.
 *
 * Invariants: one call writes one line with one write(2); control characters in messages are escaped; colour only
 * on a
 * terminal without NO_COLOR. */
#ifndef PLUSULTRA_LOG_H
#define PLUSULTRA_LOG_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu_log_level { PU_LOG_DEBUG = 0, PU_LOG_INFO, PU_LOG_WARNING, PU_LOG_ERROR } pu_log_level;
typedef enum pu_log_format { PU_LOG_HUMAN = 0, PU_LOG_JSON } pu_log_format;

void pu_log_setup(pu_log_level lowest, pu_log_format format);

/* `event` is a short stable word for machines, such as "import.file"; the message is for people. */
void pu_log(pu_log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with fields for machines, which JSON lines carry beside the message; people read the message alone. */
typedef struct pu_log_field {
    const char *name, *value;
} pu_log_field;
void pu_log_fields(pu_log_level level, const char *event, int count, const pu_log_field *fields,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Progress of long work. On a terminal: one line redrawn at most ten times a second, with a bar, rate and time
 * left. In a pipe:
 * a plain line at most every ten seconds, and one at the end. The caller owns the struct. */
typedef struct pu_progress {
    const char *label; /* borrowed */
    const char *unit;  /* borrowed; "rows", "steps" */
    int64_t total;     /* 0 when unknown */
    int64_t done;
    double started_s; /* monotonic seconds */
    double drawn_s;
    bool terminal;
    bool quiet;
} pu_progress;

void pu_progress_begin(pu_progress *progress, const char *label, const char *unit, int64_t total);
/* `note` may be null; it is appended, for example the losses. */
void pu_progress_update(pu_progress *progress, int64_t done, const char *note);
void pu_progress_end(pu_progress *progress, const char *note);
void pu_progress_silence(bool silent); /* for tests and --quiet */

/* Monotonic seconds. */
double pu_clock_s(void);

/* Set by SIGINT and SIGTERM once pu_interrupt_install was called; long loops look at it between units of work. */
void pu_interrupt_install(void);
bool pu_interrupted(void);

#ifdef __cplusplus
}
#endif
#endif
