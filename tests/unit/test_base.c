/* Status, memory, arena, buffer, nearest name, files, log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/buffer.h"
#include "host/base/file.h"
#include "host/base/nearest.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "tests/support/process.h"

/* ---- status ---- */

static pu_status fails_inside(void) {
    PU_TRY(PU_OK);
    PU_TRY(pu_fail(PU_ERR_DATA, "row %d: bad", 7));
    return PU_OK;
}

static void status_carries_a_message(void **state) {
    (void)state;
    assert_int_equal(fails_inside(), PU_ERR_DATA);
    assert_string_equal(pu_error_message(), "row 7: bad");
    assert_int_equal(pu_fail_within(PU_ERR_IO, "file %s", "a.csv"), PU_ERR_IO);
    assert_string_equal(pu_error_message(), "file a.csv: row 7: bad");
    pu_fail(PU_ERR_DATA, "again: %s", pu_error_message()); /* an argument may point into the old message */
    assert_string_equal(pu_error_message(), "again: file a.csv: row 7: bad");
}

static void status_cuts_long_messages(void **state) {
    (void)state;
    char longer[4000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    pu_fail(PU_ERR_DATA, "%s", longer);
    assert_int_equal(strlen(pu_error_message()), 2047);
    pu_fail_within(PU_ERR_DATA, "%s", longer);
    assert_int_equal(strlen(pu_error_message()), 2047);
}

static void *fail_elsewhere(void *argument) {
    pu_fail(PU_ERR_IO, "another thread");
    return argument;
}

static void status_messages_are_per_thread(void **state) {
    (void)state;
    pu_fail(PU_ERR_DATA, "mine");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(pu_error_message(), "mine");
}

static void status_names_are_distinct(void **state) {
    (void)state;
    for (int a = PU_OK; a <= PU_ERR_INTERRUPTED; ++a) {
        assert_string_not_equal(pu_status_name((pu_status)a), "unknown");
        for (int b = PU_OK; b < a; ++b)
            assert_string_not_equal(pu_status_name((pu_status)a), pu_status_name((pu_status)b));
    }
    assert_string_equal(pu_status_name((pu_status)99), "unknown");
    assert_string_equal(pu_status_name(PU_ERR_CONFIG), "config");
}

/* ---- memory ---- */

static void memory_is_zeroed_and_aligned(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4099};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        unsigned char *block = pu_calloc(sizes[i], 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (size_t b = 0; b < sizes[i]; ++b) assert_int_equal(block[b], 0);
        memset(block, 7, sizes[i]);
        block = pu_regrow(block, sizes[i], sizes[i] + 130);
        assert_non_null(block);
        for (size_t b = 0; b < sizes[i] + 130; ++b) assert_int_equal(block[b], b < sizes[i] ? 7 : 0);
        pu_free(block);
    }
    assert_null(pu_calloc(SIZE_MAX, 2));
    assert_null(pu_calloc(SIZE_MAX - 8, 1));
}

static void memory_faults_come_when_asked(void **state) {
    (void)state;
    pu_memory_fail_after(2);
    void *first = pu_calloc(1, 1), *second = pu_calloc(1, 1), *third = pu_calloc(1, 1), *fourth = pu_calloc(1, 1);
    pu_memory_fail_after(-1);
    assert_non_null(first);
    assert_non_null(second);
    assert_null(third);
    assert_null(fourth);
    assert_non_null(strstr(pu_error_message(), "out of memory"));
    pu_free(first);
    pu_free(second);
}

/* Twice the memory there is could be mapped, but not used. */
static void memory_beyond_the_machine_is_refused(void **state) {
    (void)state;
    const size_t available = pu_memory_available_bytes();
    if (available > SIZE_MAX / 4) skip();
    assert_true(available > 0);
    assert_null(pu_calloc(2, available));
    assert_non_null(strstr(pu_error_message(), "are free; use a smaller model"));
}

static void arena_keeps_what_it_gave(void **state) {
    (void)state;
    pu_arena *arena = NULL;
    assert_int_equal(pu_arena_new(256, &arena), PU_OK);
    enum { COUNT = 100 };
    unsigned char *block[COUNT];
    for (int i = 0; i < COUNT; ++i) {
        const size_t bytes = (size_t)(i * 37 % 301);
        block[i] = pu_arena_alloc(arena, bytes);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 64, 0);
        for (size_t b = 0; b < bytes; ++b) assert_int_equal(block[i][b], 0);
        memset(block[i], i, bytes);
    }
    for (int i = 0; i < COUNT; ++i) {
        for (size_t b = 0; b < (size_t)(i * 37 % 301); ++b) assert_int_equal(block[i][b], i);
    }
    assert_string_equal(pu_arena_strdup(arena, "SPY"), "SPY");
    assert_string_equal(pu_arena_printf(arena, "%s-%d", "SPY", 5), "SPY-5");
    assert_null(pu_arena_alloc(arena, SIZE_MAX));
    pu_memory_fail_after(0);
    void *none = pu_arena_alloc(arena, 100000);
    pu_memory_fail_after(-1);
    assert_null(none);
    pu_arena_free(arena);
    pu_arena_free(NULL);
}

static void buffer_grows_and_remembers_a_fault(void **state) {
    (void)state;
    pu__buffer buffer = {0};
    for (int i = 0; i < 1000; ++i) pu__buffer_printf(&buffer, "%d,", i);
    pu__buffer_add(&buffer, "end", 3);
    char *text = pu__buffer_take(&buffer);
    assert_non_null(text);
    assert_int_equal(strlen(text), 10 * 2 + 90 * 3 + 900 * 4 + 3);
    assert_string_equal(text + strlen(text) - 7, "999,end");
    pu_free(text);
    text = pu__buffer_take(&buffer);
    assert_string_equal(text, "");
    pu_free(text);
    pu__buffer_add(&buffer, "kept", 4);
    pu_memory_fail_after(0);
    pu__buffer_printf(&buffer, "%*s", 5000, "");
    pu_memory_fail_after(-1);
    pu__buffer_add(&buffer, "x", 1);
    assert_null(pu__buffer_take(&buffer));
}

/* ---- nearest name ---- */

static void distance_counts_edits(void **state) {
    (void)state;
    assert_int_equal(pu__edit_distance("", ""), 0);
    assert_int_equal(pu__edit_distance("", "abc"), 3);
    assert_int_equal(pu__edit_distance("kitten", "sitting"), 3);
    assert_int_equal(pu__edit_distance("train", "trian"), 1);
    assert_int_equal(pu__edit_distance("LR", "lr"), 0);
    assert_int_equal(pu__edit_distance("ca", "abc"), 3); /* optimal string alignment: no edit inside a swap */
}

static void nearest_suggests_likely_words_only(void **state) {
    (void)state;
    static const char *const names[] = {"train", "trace", "backtest", "lr"};
    assert_string_equal(pu__nearest("trian", 4, names), "train");
    assert_string_equal(pu__nearest("backtset", 4, names), "backtest");
    assert_string_equal(pu__nearest("lrr", 4, names), "lr");
    assert_null(pu__nearest("zzzz", 4, names));
    assert_null(pu__nearest("x", 4, names));
    assert_null(pu__nearest("train", 0, names));
}

/* ---- files ---- */

static void file_replacement_is_whole(void **state) {
    (void)state;
    char *folder = test_folder_new();
    const char *path = test_path(folder, "a.txt");
    char *data = NULL;
    size_t bytes = 0;
    assert_int_equal(pu__file_read(path, 100, &data, &bytes), PU_ERR_NOT_FOUND);
    assert_int_equal(pu__file_replace(path, "one", 3), PU_OK);
    assert_int_equal(pu__file_replace(path, "second", 6), PU_OK);
    assert_int_equal(pu__file_read(path, 6, &data, &bytes), PU_OK);
    assert_int_equal(bytes, 6);
    assert_string_equal(data, "second");
    pu_free(data);
    assert_int_equal(pu__file_read(path, 5, &data, &bytes), PU_ERR_DATA);
    assert_int_equal(pu__file_read(folder, 5, &data, &bytes), PU_ERR_IO);
    const char *deep = test_path(folder, "x/y/z");
    assert_int_equal(pu__folder_make(deep), PU_OK);
    assert_int_equal(pu__folder_make(deep), PU_OK);
    assert_int_not_equal(pu__folder_make(test_path(folder, "a.txt/b")), PU_OK);
    /* A rename onto a folder fails; the temporary file must be gone and the folder as it was. */
    assert_int_not_equal(pu__file_replace(test_path(folder, "x"), "data", 4), PU_OK);
    const char *const list[] = {"ls", "-A", folder, NULL};
    test_outcome outcome = test_run(NULL, list);
    assert_string_equal(outcome.out, "a.txt\nx\n");
    test_outcome_free(&outcome);
    assert_int_equal(pu__file_replace("/nonexistent/folder/file", "x", 1), PU_ERR_NOT_FOUND);
    pu__new_file file;
    assert_int_equal(pu__file_begin("/nonexistent/folder/file", &file), PU_ERR_NOT_FOUND);
    pu__file_drop(&file);
    assert_int_equal(pu__file_begin(path, &file), PU_OK);
    fputs("dropped", file.stream);
    pu__file_drop(&file);
    assert_int_equal(pu__file_begin(path, &file), PU_OK);
    for (int i = 0; i < 10000; ++i) fprintf(file.stream, "%d\n", i % 10);
    assert_int_equal(pu__file_read(path, 6, &data, &bytes), PU_OK);
    pu_free(data);
    assert_int_equal(pu__file_end(&file), PU_OK);
    pu__file_drop(&file);
    assert_int_equal(pu__file_read(path, 20000, &data, &bytes), PU_OK);
    assert_int_equal(bytes, 20000);
    pu_free(data);
    outcome = test_run(NULL, list);
    assert_string_equal(outcome.out, "a.txt\nx\n");
    test_outcome_free(&outcome);
    test_folder_remove(folder);
}

static void a_lock_is_held_by_one(void **state) {
    (void)state;
    char *folder = test_folder_new();
    int first = -1, second = -1;
    assert_int_equal(pu__file_lock(test_path(folder, "lock"), &first), PU_OK);
    assert_int_equal(pu__file_lock(test_path(folder, "lock"), &second), PU_ERR_IO);
    assert_non_null(strstr(pu_error_message(), "another process works in this folder"));
    assert_int_equal(second, -1);
    close(first);
    assert_int_equal(pu__file_lock(test_path(folder, "lock"), &second), PU_OK);
    close(second);
    assert_int_equal(pu__file_lock(test_path(folder, "no/lock"), &second), PU_ERR_NOT_FOUND);
    test_folder_remove(folder);
}

static void file_replacement_survives_a_full_disk(void **state) {
    (void)state;
    if (access("/dev/full", W_OK) != 0) skip();
    /* The temporary file's name is a link to /dev/full: every write says ENOSPC. */
    char *folder = test_folder_new();
    const char *path = test_path(folder, "a.txt");
    char temporary[256];
    snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    test_write(path, "old");
    assert_int_equal(symlink("/dev/full", temporary), 0);
    assert_int_equal(pu__file_replace(path, "new", 3), PU_ERR_IO);
    assert_non_null(strstr(pu_error_message(), "free some space"));
    for (int lines = 1; lines < 100000; lines *= 1000) {
        pu__new_file file;
        assert_int_equal(symlink("/dev/full", temporary), 0);
        assert_int_equal(pu__file_begin(path, &file), PU_OK);
        for (int i = 0; i < lines; ++i) fputs("one more line\n", file.stream);
        assert_int_equal(pu__file_end(&file), PU_ERR_IO);
        assert_non_null(strstr(pu_error_message(), "free some space"));
    }
    char *text = test_read(path);
    assert_string_equal(text, "old");
    free(text);
    test_folder_remove(folder);
}

/* ---- log ---- */

static void log_hostile_text(void *format) {
    pu_log_setup(PU_LOG_INFO, *(pu_log_format *)format);
    pu_log(PU_LOG_DEBUG, "test.hidden", "below the level");
    pu_log(PU_LOG_INFO, "test.event", "quote \" backslash \\ bell \a escape \033[31m tab \t");
    pu_log(PU_LOG_WARNING, "test.event", "second");
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
}

static void log_json_is_json(void **state) {
    (void)state;
    pu_log_format format = PU_LOG_JSON;
    char *text = test_capture_stderr(log_hostile_text, &format);
    char *rest = NULL;
    char *line = strtok_r(text, "\n", &rest);
    json_t *root = json_loads(line, 0, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "message")),
                        "quote \" backslash \\ bell \a escape \033[31m tab \t");
    assert_string_equal(json_string_value(json_object_get(root, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(root, "event")), "test.event");
    assert_true(json_is_real(json_object_get(root, "ts")));
    json_decref(root);
    line = strtok_r(NULL, "\n", &rest);
    root = json_loads(line, 0, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "level")), "warning");
    json_decref(root);
    assert_null(strtok_r(NULL, "\n", &rest));
    free(text);
}

static void log_human_cannot_steer_the_terminal(void **state) {
    (void)state;
    pu_log_format format = PU_LOG_HUMAN;
    char *text = test_capture_stderr(log_hostile_text, &format);
    assert_string_equal(text, "quote \" backslash \\ bell   escape  [31m tab  \nwarning: second\n");
    free(text);
}

static void log_long_message(void *unused) {
    (void)unused;
    char longer[9000];
    memset(longer, '\001', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    pu_log_setup(PU_LOG_INFO, PU_LOG_JSON);
    pu_log(PU_LOG_INFO, "test.long", "%s", longer);
    pu_log_setup(PU_LOG_INFO, PU_LOG_HUMAN);
}

static void log_long_line_stays_json(void **state) {
    (void)state;
    char *text = test_capture_stderr(log_long_message, NULL);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    json_decref(root);
    free(text);
}

static void progress_in_a_pipe(void *silent) {
    pu_progress_silence(*(bool *)silent);
    pu_progress progress;
    pu_progress_begin(&progress, "import", "rows", 200);
    for (int i = 1; i <= 200; ++i) pu_progress_update(&progress, i, NULL);
    pu_progress_end(&progress, "loss 0.5");
    pu_progress_silence(false);
}

static void progress_in_a_pipe_is_one_plain_line(void **state) {
    (void)state;
    bool silent = false;
    char *text = test_capture_stderr(progress_in_a_pipe, &silent);
    assert_non_null(strstr(text, "import 100% 200 rows"));
    assert_non_null(strstr(text, "loss 0.5\n"));
    assert_null(strchr(text, '\r'));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
    silent = true;
    text = test_capture_stderr(progress_in_a_pipe, &silent);
    assert_string_equal(text, "");
    free(text);
}

static void interrupt_is_seen_once_installed(void **state) {
    (void)state;
    assert_false(pu_interrupted());
    pu_interrupt_install();
    assert_int_equal(raise(SIGTERM), 0);
    assert_true(pu_interrupted());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_carries_a_message),
        cmocka_unit_test(status_cuts_long_messages),
        cmocka_unit_test(status_messages_are_per_thread),
        cmocka_unit_test(status_names_are_distinct),
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(memory_faults_come_when_asked),
        cmocka_unit_test(memory_beyond_the_machine_is_refused),
        cmocka_unit_test(arena_keeps_what_it_gave),
        cmocka_unit_test(buffer_grows_and_remembers_a_fault),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(nearest_suggests_likely_words_only),
        cmocka_unit_test(file_replacement_is_whole),
        cmocka_unit_test(a_lock_is_held_by_one),
        cmocka_unit_test(file_replacement_survives_a_full_disk),
        cmocka_unit_test(log_json_is_json),
        cmocka_unit_test(log_human_cannot_steer_the_terminal),
        cmocka_unit_test(log_long_line_stays_json),
        cmocka_unit_test(progress_in_a_pipe_is_one_plain_line),
        cmocka_unit_test(interrupt_is_seen_once_installed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
