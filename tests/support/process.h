/* Running programs and capturing what they print; scratch folders. Failures of the harness itself end the test
 * program. */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct test_outcome {
    int code; /* exit status; 128 + number for a signal */
    char *out, *err;
} test_outcome;

/* Runs argv (null-terminated, argv[0] a path or a name on PATH) in `folder` (null: the current one). Free with
 * test_outcome_free. */
test_outcome test_run(const char *folder, const char *const *argv);
void test_outcome_free(test_outcome *outcome);

/* The same for the `plusultra` of this build, with the words of the command behind it, ended by NULL. */
test_outcome test_plusultra(const char *folder, ...) __attribute__((sentinel));

/* What `body` writes to standard error, or to standard output. Free with free. */
char *test_capture_stderr(void (*body)(void *context), void *context);
char *test_capture_stdout(void (*body)(void *context), void *context);

/* A new empty folder below TMPDIR, and its removal with all content. */
char *test_folder_new(void);
void test_folder_remove(char *folder);

/* "<folder>/<name>" in one of eight rotating buffers. */
const char *test_path(const char *folder, const char *name);

/* Writes a text file; reads one (free with free; null when it does not exist). */
void test_write(const char *path, const char *text);
char *test_read(const char *path);

#endif
