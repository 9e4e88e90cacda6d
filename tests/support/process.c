#define _GNU_SOURCE
#include "tests/support/process.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 64, PATH_BYTES = 4096 };

static void need(bool condition, const char *what) {
    if (condition) return;
    perror(what);
    abort();
}

static char *read_stream(FILE *file) {
    need(fseek(file, 0, SEEK_END) == 0, "seek");
    const long size = ftell(file);
    need(size >= 0, "tell");
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    need(text != NULL, "memory");
    need(fread(text, 1, (size_t)size, file) == (size_t)size, "read");
    return text;
}

test_outcome test_run(const char *folder, const char *const *argv) {
    FILE *out = tmpfile(), *err = tmpfile();
    need(out && err, "temporary file");
    fflush(NULL);
    const pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        if (folder && chdir(folder) != 0) _exit(126);
        if (dup2(fileno(out), STDOUT_FILENO) < 0 || dup2(fileno(err), STDERR_FILENO) < 0) _exit(126);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    int status = 0;
    need(waitpid(child, &status, 0) == child, "wait");
    const test_outcome outcome = {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                                  .out = read_stream(out),
                                  .err = read_stream(err)};
    fclose(out);
    fclose(err);
    return outcome;
}

void test_outcome_free(test_outcome *outcome) {
    free(outcome->out);
    free(outcome->err);
    *outcome = (test_outcome){0};
}

test_outcome test_plusultra(const char *folder, ...) {
    const char *argv[WORDS_MAX] = {0};
    char program[PATH_BYTES];
    const char *binary = getenv("PU_BINARY");
    snprintf(program, sizeof program, "%s/plusultra", binary ? binary : "build");
    argv[0] = program;
    va_list words;
    va_start(words, folder);
    for (int i = 1; i < WORDS_MAX - 1 && (argv[i] = va_arg(words, const char *)) != NULL; ++i) continue;
    va_end(words);
    return test_run(folder, argv);
}

static char *capture(FILE *stream, void (*body)(void *context), void *context) {
    FILE *file = tmpfile();
    const int saved = dup(fileno(stream));
    need(file && saved >= 0, "capture");
    fflush(stream);
    need(dup2(fileno(file), fileno(stream)) >= 0, "capture");
    body(context);
    fflush(stream);
    need(dup2(saved, fileno(stream)) >= 0, "capture");
    close(saved);
    char *text = read_stream(file);
    fclose(file);
    return text;
}

char *test_capture_stderr(void (*body)(void *context), void *context) { return capture(stderr, body, context); }
char *test_capture_stdout(void (*body)(void *context), void *context) { return capture(stdout, body, context); }

char *test_folder_new(void) {
    char name[PATH_BYTES];
    const char *base = getenv("TMPDIR");
    snprintf(name, sizeof name, "%s/plusultra-test-XXXXXX", base && *base ? base : "/tmp");
    need(mkdtemp(name) != NULL, name);
    char *folder = strdup(name);
    need(folder != NULL, "memory");
    return folder;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *position) {
    (void)info, (void)kind, (void)position;
    return remove(path);
}

void test_folder_remove(char *folder) {
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

const char *test_path(const char *folder, const char *name) {
    static _Thread_local char buffer[8][PATH_BYTES];
    static _Thread_local unsigned next;
    char *path = buffer[next++ % 8];
    snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return path;
}

void test_write(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    need(file != NULL, path);
    const size_t bytes = strlen(text);
    need(fwrite(text, 1, bytes, file) == bytes, path);
    need(fclose(file) == 0, path);
}

char *test_read(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *text = read_stream(file);
    fclose(file);
    return text;
}
