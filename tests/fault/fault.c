#define _GNU_SOURCE
#include "tests/fault/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/log.h"
#include "plusultra/random.h"
#include "plusultra/store.h"

enum { SEED = 20261123, PATH_BYTES = 600 };

static const char *const kind_name[FAULT_KINDS] = {"none", "memory", "files", "full disk", "partial", "kill"};

/* ---- files ---- */

static void must(bool held, const char *what) {
    if (!held) fail_msg("%s: %s", what, strerror(errno));
}

/* False where there is no such file. */
static bool copy_file(const char *from, const char *to) {
    char part[65536];
    const int in = open(from, O_RDONLY);
    if (in < 0) return false;
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    must(out >= 0, to);
    for (ssize_t got; (got = read(in, part, sizeof part)) > 0;) must(write(out, part, (size_t)got) == got, to);
    close(in);
    close(out);
    return true;
}

/* Names in a folder, joined. */
static void list_folder(const char *folder, char *out, size_t capacity) {
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, NULL, alphasort);
    must(count >= 0, folder);
    out[0] = '\0';
    for (int i = 0; i < count; ++i) {
        const size_t used = strlen(out);
        snprintf(out + used, capacity - used, "%s ", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static int count_open_files(void) {
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    must(folder != NULL, "/proc/self/fd");
    while (readdir(folder)) ++count;
    closedir(folder);
    return count;
}

/* ---- what a store holds ---- */

static bool tells_when_written(const char *column) {
    static const char *const names[] = {"imported_ts", "built_ts", "started_ts", "begun_ts"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        if (strcmp(column, names[i]) == 0) return true;
    }
    return false;
}

static void hash_value(crypto_hash_sha256_state *hash, sqlite3_stmt *rows, int column) {
    const int type = sqlite3_column_type(rows, column);
    const double real = type == SQLITE_FLOAT ? sqlite3_column_double(rows, column) : 0;
    const sqlite3_int64 integer = type == SQLITE_INTEGER ? sqlite3_column_int64(rows, column) : 0;
    const bool bytes = type == SQLITE_TEXT || type == SQLITE_BLOB;
    const void *data = bytes ? sqlite3_column_blob(rows, column) : NULL;
    const int length = bytes ? sqlite3_column_bytes(rows, column) : 0;
    crypto_hash_sha256_update(hash, (const unsigned char *)&type, sizeof type);
    crypto_hash_sha256_update(hash, (const unsigned char *)&real, sizeof real);
    crypto_hash_sha256_update(hash, (const unsigned char *)&integer, sizeof integer);
    crypto_hash_sha256_update(hash, (const unsigned char *)&length, sizeof length);
    if (data) crypto_hash_sha256_update(hash, data, (size_t)length);
}

/* Blocks that are made again, as after a page that could not be read, get other numbers. */
static const char *const without_numbers[][2] = {
    {"feature_sets", "SELECT kind, set_hash, asset_id, source_hash, columns, column_count, first_bar, row_count, "
                     "block_rows, first_ts, last_ts FROM feature_sets ORDER BY 1, 2, 3"},
    {"feature_blocks",
     "SELECT kind, set_hash, asset_id, first_row, b.row_count, b.column_count, checksum, data FROM "
     "feature_blocks AS b JOIN feature_sets USING (set_id) ORDER BY 1, 2, 3, 4"},
};

static void hash_table(sqlite3 *db, const char *table, crypto_hash_sha256_state *hash) {
    char sql[400];
    sqlite3_stmt *rows = NULL;
    snprintf(sql, sizeof sql, "SELECT * FROM \"%s\" ORDER BY 1, 2", table);
    for (size_t i = 0; i < sizeof without_numbers / sizeof *without_numbers; ++i) {
        if (strcmp(table, without_numbers[i][0]) == 0) snprintf(sql, sizeof sql, "%s", without_numbers[i][1]);
    }
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    const int columns = sqlite3_column_count(rows);
    for (int c = 0; c < columns; ++c) {
        const char *name = sqlite3_column_name(rows, c);
        crypto_hash_sha256_update(hash, (const unsigned char *)name, strlen(name));
    }
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        for (int c = 0; c < columns; ++c) {
            if (!tells_when_written(sqlite3_column_name(rows, c))) hash_value(hash, rows, c);
        }
    }
    if (code != SQLITE_DONE) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(rows);
}

static void must_be_sound(sqlite3 *db, const char *store) {
    sqlite3_stmt *check = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check", -1, &check, NULL) != SQLITE_OK ||
        sqlite3_step(check) != SQLITE_ROW || strcmp((const char *)sqlite3_column_text(check, 0), "ok") != 0)
        fail_msg("%s: quick_check: %s", store, sqlite3_errmsg(db));
    sqlite3_finalize(check);
}

void fault_content(const char *store, char out[65]) {
    sqlite3 *db = NULL;
    sqlite3_stmt *tables = NULL;
    crypto_hash_sha256_state hash;
    unsigned char digest[crypto_hash_sha256_BYTES];
    int count = 0;
    snprintf(out, 65, "none");
    if (access(store, F_OK) != 0) return;
    /* Writable: what a killed writer left is rolled back. */
    if (sqlite3_open_v2(store, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) fail_msg("%s does not open", store);
    must_be_sound(db, store);
    crypto_hash_sha256_init(&hash);
    if (sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1, &tables,
                           NULL) != SQLITE_OK)
        fail_msg("%s: %s", store, sqlite3_errmsg(db));
    for (; sqlite3_step(tables) == SQLITE_ROW; ++count)
        hash_table(db, (const char *)sqlite3_column_text(tables, 0), &hash);
    sqlite3_finalize(tables);
    sqlite3_close(db);
    crypto_hash_sha256_final(&hash, digest);
    if (count > 0) sodium_bin2hex(out, 65, digest, sizeof digest);
}

/* ---- a job undisturbed ---- */

typedef struct trial {
    const fault_job *job;
    char store[PATH_BYTES];
    char folder_after[4096];          /* names in the folder */
    int states;                       /* the store may be left in: before, and after each commit */
    char state[FAULT_STATES_MAX][65]; /* the last one is the end */
    const char *kind;                 /* for messages */
    int64_t point;
    bool lasting;
    bool passes; /* pu_store_check passes what the work begins with: a test's own store may have no checksums */
} trial;

static trial *observed;

#define SPOILT(t, ...) spoilt(t, __LINE__, __VA_ARGS__)
static void spoilt(const trial *t, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void spoilt(const trial *t, int line, const char *format, ...) {
    char text[3000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fault_trace();
    fail_msg("%s: %s fault %lld%s (%s), line %d: %s", t->job->name, t->kind, (long long)t->point,
             t->lasting ? " and on" : "", fault_what(), line, text);
}

static void add_state(trial *t, const char *store) {
    char content[65];
    fault_content(store, content);
    for (int i = 0; i < t->states; ++i) {
        if (strcmp(t->state[i], content) == 0 && i + 1 < t->states) return;
    }
    if (t->states > 0 && strcmp(t->state[t->states - 1], content) == 0) return;
    if (t->states == FAULT_STATES_MAX) fail_msg("%s: more than %d states", t->job->name, FAULT_STATES_MAX);
    memcpy(t->state[t->states++], content, sizeof content);
}

/* At a commit the connection still holds its locks: the copy is looked at elsewhere. */
static void observe(const char *journal) {
    char store[PATH_BYTES], copy[] = "/tmp/fault-state-XXXXXX";
    trial *t = observed;
    snprintf(store, sizeof store, "%.*s", (int)(strlen(journal) - strlen("-journal")), journal);
    if (strcmp(store, t->store) != 0) return;
    const int made = mkstemp(copy);
    must(made >= 0 && close(made) == 0 && copy_file(store, copy), copy);
    observed = NULL;
    fault_on_commit(NULL);
    add_state(t, copy);
    fault_on_commit(observe);
    observed = t;
    must(remove(copy) == 0, copy);
}

static void restore(const trial *t) {
    char journal[PATH_BYTES + 16];
    snprintf(journal, sizeof journal, "%s-journal", t->store);
    must(remove(journal) == 0 || errno == ENOENT, journal);
    must(remove(t->store) == 0 || errno == ENOENT, t->store);
    if (t->job->initial) must(copy_file(t->job->initial, t->store), t->job->initial);
}

static void must_work(const trial *t) {
    if (t->job->work(t->store, t->job->context) != PU_OK) SPOILT(t, "undisturbed work: %s", pu_error_message());
}

static void trial_begin(const fault_job *job, trial *t) {
    *t = (trial){.job = job, .kind = "no"};
    snprintf(t->store, sizeof t->store, "%s/fault.db", job->folder);
    must(sodium_init() >= 0, "libsodium");
    restore(t);
    must_work(t); /* what is made once for the process is made now */
    restore(t);
    pu_store *store = NULL;
    t->passes = !job->initial;
    if (job->initial && pu_store_open(t->store, PU_STORE_READ, &store) == PU_OK)
        t->passes = pu_store_check(store) == PU_OK;
    pu_store_close(store);
    add_state(t, t->store);
    observed = t;
    fault_on_commit(observe);
    must_work(t);
    fault_on_commit(NULL);
    char content[65];
    fault_content(t->store, content);
    if ((t->states < 2) != job->reads_only || strcmp(t->state[t->states - 1], content) != 0)
        fail_msg("%s: the work commits nothing, or its last commit was not seen", job->name);
    list_folder(job->folder, t->folder_after, sizeof t->folder_after);
    must_work(t); /* done again it changes nothing */
    char again[65];
    fault_content(t->store, again);
    if (strcmp(content, again) != 0) fail_msg("%s: the work done again changes the store", job->name);
}

static int64_t count_points(const trial *t, fault_kind kind) {
    restore(t);
    fault_arm(kind, INT64_MAX, false);
    must_work(t);
    return fault_disarm();
}

/* ---- and disturbed ---- */

static bool is_known_state(const trial *t, const char *content) {
    for (int i = 0; i < t->states; ++i) {
        if (strcmp(t->state[i], content) == 0) return true;
    }
    return false;
}

/* What the disturbance left is what had been committed, and running again ends the work. */
static void check_store(const trial *t, bool must_be_done) {
    char content[65], names[4096];
    pu_store *store = NULL;
    const pu_status status = pu_store_open(t->store, PU_STORE_READ, &store);
    fault_content(t->store, content);
    const bool none = strcmp(content, "none") == 0;
    if (status != PU_OK && !none) SPOILT(t, "the store does not open: %s", pu_error_message());
    if (status == PU_OK && t->passes && pu_store_check(store) != PU_OK)
        SPOILT(t, "the store is spoilt: %s", pu_error_message());
    pu_store_close(store);
    if (!is_known_state(t, content)) SPOILT(t, "the store holds what no commit left");
    if (must_be_done && strcmp(content, t->state[t->states - 1]) != 0)
        SPOILT(t, "the work says that it is done, and is not");
    must_work(t);
    fault_content(t->store, content);
    if (strcmp(content, t->state[t->states - 1]) != 0) SPOILT(t, "the work done again ends with another content");
    list_folder(t->job->folder, names, sizeof names);
    if (strcmp(names, t->folder_after) != 0)
        SPOILT(t, "files are left: %s, undisturbed %s", names, t->folder_after);
}

static bool names_a_file(const trial *t, const char *message) {
    char names[PATH_BYTES];
    if (strstr(message, t->store)) return true;
    snprintf(names, sizeof names, "%s", t->job->names ? t->job->names : "");
    char *rest = NULL;
    for (const char *name = strtok_r(names, "|", &rest); name; name = strtok_r(NULL, "|", &rest)) {
        if (strstr(message, name)) return true;
    }
    return false;
}

static void check_message(const trial *t, fault_kind kind, pu_status status) {
    const char *message = pu_error_message();
    if (kind == FAULT_PART) SPOILT(t, "half a read or write is taken for an error: %s", message);
    if (kind == FAULT_MEMORY) {
        if (status != PU_ERR_MEMORY || !strstr(message, "memory"))
            SPOILT(t, "%s: does not say that memory is short: %s", pu_status_name(status), message);
        return;
    }
    /* Some SQLites take a page that the disk cannot read for a damaged one: SQLITE_IOERR_CORRUPTFS. */
    const bool unreadable = status == PU_ERR_CORRUPT && strstr(message, "or its disk");
    if (status != PU_ERR_IO && !unreadable)
        SPOILT(t, "%s: not an error of files: %s", pu_status_name(status), message);
    if (!names_a_file(t, message)) SPOILT(t, "no file is named: %s", message);
}

static void disturb(trial *t, fault_kind kind, int64_t point, bool lasting) {
    restore(t);
    t->kind = kind_name[kind];
    t->point = point;
    t->lasting = lasting;
    const int files = count_open_files();
    const int64_t blocks = fault_live_blocks();
    pu_fail(PU_OK, "no message");
    fault_arm(kind, point, lasting);
    const pu_status status = t->job->work(t->store, t->job->context);
    fault_disarm();
    /* Fewer than before: a cache was given back. */
    if (!t->job->threads && fault_live_blocks() > blocks)
        SPOILT(t, "%lld blocks of memory are left (%s)", (long long)(fault_live_blocks() - blocks),
               pu_error_message());
    if (count_open_files() != files) SPOILT(t, "%d files are left open", count_open_files() - files);
    if (status != PU_OK) check_message(t, kind, status);
    check_store(t, status == PU_OK);
}

static bool wants_all(void) {
    const char *all = getenv("PU_FAULT_ALL");
    return all && strcmp(all, "1") == 0;
}

/* One point of each of `chosen` equal parts. */
static int64_t choose(int64_t part, int64_t chosen, int64_t points, pu_random *random) {
    const int64_t from = part * points / chosen, to = (part + 1) * points / chosen;
    return from + (int64_t)(pu_random_uniform(random) * (double)(to - from));
}

static int64_t sweep_kind(trial *t, fault_kind kind, bool lasting, int64_t points_max) {
    pu_random random = pu_random_at(SEED, (uint64_t)kind * 2 + lasting);
    const int64_t points = count_points(t, kind);
    const int64_t chosen = wants_all() || points < points_max ? points : points_max;
    for (int64_t i = 0; i < chosen; ++i) disturb(t, kind, choose(i, chosen, points, &random), lasting);
    print_message("%s: %s%s: %lld of %lld points\n", t->job->name, kind_name[kind], lasting ? " and on" : "",
                  (long long)chosen, (long long)points);
    return chosen;
}

void fault_sweep(const fault_job *job, int points) {
    static trial t;
    trial_begin(job, &t);
    const double started_s = pu_clock_s();
    int64_t all = 0;
    for (int kind = FAULT_MEMORY; kind < FAULT_KILL; ++kind) {
        for (int lasting = 0; lasting <= (kind != FAULT_PART); ++lasting)
            all += sweep_kind(&t, (fault_kind)kind, lasting, points);
    }
    print_message("%s: seed %d, %lld faults in %.1f s, %d states\n", job->name, SEED, (long long)all,
                  pu_clock_s() - started_s, t.states);
    assert_true(all > 0);
}

/* ---- killed ---- */

static pid_t start_child(const trial *t, int64_t point) {
    fflush(NULL);
    const pid_t child = fork();
    must(child >= 0, "fork");
    if (child > 0) return child;
    fault_arm(FAULT_KILL, point, false);
    _exit(t->job->work(t->store, t->job->context) == PU_OK ? 0 : 1);
}

/* Whether the child was killed before it was done. */
static bool end_child(const trial *t, pid_t child) {
    int status = 0;
    must(waitpid(child, &status, 0) == child, "wait");
    if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0) SPOILT(t, "the child fails");
    return WIFSIGNALED(status);
}

void fault_kill(const fault_job *job, int at_writes, int at_times) {
    static trial t;
    trial_begin(job, &t);
    pu_random random = pu_random_at(SEED, 1000);
    const int64_t points = count_points(&t, FAULT_KILL);
    int killed = 0;
    t.kind = kind_name[FAULT_KILL];
    for (int i = 0; i < at_writes; ++i) {
        restore(&t);
        t.point = choose(i, at_writes, points, &random);
        killed += end_child(&t, start_child(&t, t.point));
        check_store(&t, false);
    }
    restore(&t);
    const double started_s = pu_clock_s();
    must(!end_child(&t, start_child(&t, INT64_MAX)), "a whole run");
    const double whole_s = pu_clock_s() - started_s;
    for (int i = 0; i < at_times; ++i) {
        restore(&t);
        t.point = -1 - i;
        const pid_t child = start_child(&t, INT64_MAX);
        const double delay_s = whole_s * pu_random_uniform(&random);
        const struct timespec delay = {(time_t)delay_s, (long)(fmod(delay_s, 1) * 1e9)};
        nanosleep(&delay, NULL);
        kill(child, SIGKILL);
        killed += end_child(&t, child);
        check_store(&t, false);
    }
    print_message("%s: seed %d, %d of %d killed before the end, %lld writes, %d states\n", job->name, SEED, killed,
                  at_writes + at_times, (long long)points, t.states);
    assert_true(killed > (at_writes + at_times) / 2);
}
