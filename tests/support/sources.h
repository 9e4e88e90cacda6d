/* The project's own sources as text, for tests that look at them. Failures to read end the test program. */
#ifndef TESTS_SUPPORT_SOURCES_H
#define TESTS_SUPPORT_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct test_source {
    char *path; /* relative to the source folder */
    char *text;
    char *code;       /* as long as text; comments, literals' contents and preprocessor lines are blank */
    char *directives; /* the same, but with nothing except preprocessor lines */
    size_t length;
} test_source;

typedef struct test_sources {
    int count;
    test_source *item; /* ordered by path */
} test_sources;

/* Every .c, .h, .cu, .cuh and .def file below the folders, or with `documents` every .md file; folders that do not
 * exist are
 * skipped. */
test_sources test_sources_read(const char *root, int folder_count, const char *const *folders, bool documents);
void test_sources_add(test_sources *sources, const char *root, const char *path);
void test_sources_free(test_sources *sources);

/* One function definition. */
typedef struct test_function {
    const test_source *source;
    char name[96];
    int line, lines; /* of the name; from the name to the closing brace */
    bool is_static;
} test_function;

/* The functions of a file; returns how many were found, at most `capacity` of them stored. -1 when its braces do
 * not balance. */
int test_source_functions(const test_source *source, test_function *out, int capacity);

int test_source_line(const test_source *source, size_t offset); /* from 1 */

/* The next place at or after `from` where `word` stands as a whole identifier in `text`; null if none. */
const char *test_find_word(const char *text, const char *from, const char *word);

#endif
