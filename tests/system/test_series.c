/* Alternative data from the file to the feature: a publication changes features from its time on and nothing before
 * it; an import that is killed or interrupted leaves all of a file or nothing. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/data/alternative/asof.h"
#include "host/data/features/build.h"
#include "plusultra/alternative.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { BARS = 400, ROWS = 60000, KILLS = 6, SEED = 20261123 };

static test_market market;

static int open_market(void **state) {
    (void)state;
    pu_progress_silence(true);
    pu_log_setup(PU_LOG_ERROR, PU_LOG_HUMAN);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS, true);
    return 0;
}

static int close_market(void **state) {
    (void)state;
    test_market_remove(&market);
    return 0;
}

static int64_t day(int64_t bar) { return TEST_FIRST_TS + bar * TEST_DAY_S; }

/* ---- features ---- */

static void import_text(const char *text, const pu_series_options *options) {
    pu_store *store = NULL;
    pu_series_result result;
    const char *path = test_path(market.folder, "series.csv");
    test_write(path, text);
    assert_int_equal(pu_store_open(market.store, PU_STORE_WRITE, &store), PU_OK);
    if (pu_series_import(store, path, options, &result) != PU_OK) fail_msg("%s", pu_error_message());
    assert_int_equal(result.rows_rejected, 0);
    pu_store_close(store);
}

typedef struct feature_rows {
    int64_t first_bar, rows;
    int columns;
    float *value;
} feature_rows;

static void read_rows(const pu_config *config, int asset, feature_rows *out) {
    pu_store *store = NULL;
    pu__plan plan;
    pu__blocks features, labels;
    bool found = false;
    assert_int_equal(pu_store_open(config->data.store, PU_STORE_READ, &store), PU_OK);
    assert_int_equal(pu__plan_open(config, store, &plan), PU_OK);
    assert_int_equal(pu__asset_blocks(&plan, asset, &features, &labels, &found), PU_OK);
    assert_true(found);
    *out = (feature_rows){features.first_bar, features.rows, (int)features.columns, NULL};
    out->value = pu_calloc((size_t)(features.rows * features.columns), sizeof *out->value);
    assert_non_null(out->value);
    pu__block_reader reader = {.store = store};
    for (int64_t i = 0; i < features.count; ++i) {
        float *at = out->value + i * features.block_rows * features.columns;
        assert_int_equal(
            pu__block_read(&reader, &features, i, 0, pu__block_rows(&features, i) * features.columns, at), PU_OK);
    }
    pu__block_reader_rest(&reader);
    pu__blocks_free(&features);
    pu__blocks_free(&labels);
    pu__plan_close(&plan);
    pu_store_close(store);
}

static int64_t build_rows(feature_rows rows[2]) {
    pu_features_result built;
    pu_config *config = test_config(
        &market, "features.names=[funding_rate, funding_rate_known, sentiment, sentiment_age, regime_label]",
        NULL);
    if (pu_features_build(config, &built) != PU_OK) fail_msg("%s", pu_error_message());
    for (int i = 0; i < 2; ++i) read_rows(config, i, &rows[i]);
    pu_config_free(config);
    return built.blocks_written;
}

/* Bars of an asset whose features differ: the first, and how many. Frees `before`. */
static int64_t compare(feature_rows *before, const feature_rows *after, int64_t *first_ts) {
    int64_t differing = 0;
    assert_int_equal(before->rows, after->rows);
    assert_int_equal(before->columns, after->columns);
    *first_ts = INT64_MAX;
    for (int64_t r = 0; r < before->rows; ++r) {
        const size_t bytes = (size_t)before->columns * sizeof(float);
        const float *old = before->value + r * before->columns, *now = after->value + r * before->columns;
        if (memcmp(old, now, bytes) == 0) continue;
        if (differing++ == 0) *first_ts = day(before->first_bar + r);
    }
    pu_free(before->value);
    return differing;
}

/* Imports a row and builds; the features of the assets in `mask` differ, from the first close at or after
 * `from_ts` on. */
static void publish(const char *text, const pu_series_options *options, int mask, int64_t from_ts,
                    feature_rows rows[2]) {
    feature_rows after[2];
    import_text(text, options);
    assert_true(build_rows(after) > 0);
    for (int i = 0; i < 2; ++i) {
        int64_t first_ts = 0;
        const int64_t differing = compare(&rows[i], &after[i], &first_ts);
        if ((mask & 1 << i) == 0) assert_int_equal(differing, 0);
        else {
            assert_true(differing > 0);
            assert_int_equal(first_ts, from_ts);
        }
        rows[i] = after[i];
    }
    assert_int_equal(build_rows(after), 0); /* and stay current */
    for (int i = 0; i < 2; ++i) pu_free(after[i].value);
}

static void features_change_from_publication_on(void **state) {
    (void)state;
    const pu_series_options own = {.name = "funding_rate",
                                   .kind = PU_SERIES_FUNDING,
                                   .symbol = "AAA",
                                   .stale_after_s = 20 * TEST_DAY_S},
                            all = {.name = "funding_rate",
                                   .kind = PU_SERIES_FUNDING,
                                   .stale_after_s = 20 * TEST_DAY_S},
                            mood = {.name = "sentiment", .kind = PU_SERIES_SENTIMENT},
                            regime = {.name = "market", .kind = PU_SERIES_REGIME};
    char text[512];
    feature_rows rows[2];
    snprintf(text, sizeof text, "time,published,rate\n%" PRId64 ",%" PRId64 ",0.5\n", day(50), day(50) + 7);
    import_text(text, &all);
    snprintf(text, sizeof text, "time,published,score\n%" PRId64 ",%" PRId64 ",20\n", day(10), day(12));
    import_text(text, &mood);
    snprintf(text, sizeof text, "from,published,label\n%" PRId64 ",%" PRId64 ",1\n", day(5), day(20));
    import_text(text, &regime);
    assert_true(build_rows(rows) > 0);
    /* The asset's own, a second before a bar closes, at the close, a second after. */
    for (int i = -1; i <= 1; ++i) {
        snprintf(text, sizeof text, "time,published,rate\n%" PRId64 ",%" PRId64 ",%d\n", day(100 + i),
                 day(110 + 3 * i) + i, i + 3);
        publish(text, &own, 1, i == 1 ? day(114) : day(110 + 3 * i), rows);
    }
    /* A late revision of the market's, from its publication on; AAA had no series of its own then. One when it had: of
     * the other asset only. */
    snprintf(text, sizeof text, "time,published,rate\n%" PRId64 ",%" PRId64 ",0.25\n", day(50), day(61));
    publish(text, &all, 3, day(61), rows);
    snprintf(text, sizeof text, "time,published,rate\n%" PRId64 ",%" PRId64 ",0.75\n", day(150), day(160));
    publish(text, &all, 2, day(160), rows);
    snprintf(text, sizeof text, "time,published,score\n%" PRId64 ",%" PRId64 ",30\n", day(10), day(14));
    publish(text, &mood, 3, day(14), rows);
    snprintf(text, sizeof text, "from,published,label\n%" PRId64 ",%" PRId64 ",2\n", day(300), day(250));
    publish(text, &regime, 3, day(300), rows); /* announced ahead: from the day it holds */
    for (int i = 0; i < 2; ++i) pu_free(rows[i].value);
}

/* ---- kills ---- */

static double whole_run_s;
static char whole_identity[PU__ASOF_IDENTITY_BYTES];

static pid_t start_import(const char *store, const char *table) {
    char program[4096];
    const char *binary = getenv("PU_BINARY");
    snprintf(program, sizeof program, "%s/plusultra", binary ? binary : "build");
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(126);
        execl(program, program, "import", "--quiet", "--store", store, "--series", "long", "--kind", "sentiment",
              table, (char *)NULL);
        _exit(127);
    }
    return child;
}

static int wait_for(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void pause_s(double seconds) {
    const struct timespec wait = {(time_t)seconds, (long)(fmod(seconds, 1) * 1e9)};
    nanosleep(&wait, NULL);
}

/* Whether the series is there; if it is, all of it is, and the rejected row with it. */
static bool inspect(const char *path, char identity[PU__ASOF_IDENTITY_BYTES]) {
    pu_store *store = NULL;
    assert_int_equal(pu_store_open(path, PU_STORE_READ, &store), PU_OK);
    if (pu_store_check(store) != PU_OK) fail_msg("%s", pu_error_message());
    const pu_status status = pu__asof_identity(store, "long", 0, identity);
    assert_true(status == PU_OK || status == PU_ERR_NOT_FOUND);
    pu_store_close(store);
    const test_market as_market = {.folder = NULL};
    test_market at = as_market;
    snprintf(at.store, sizeof at.store, "%s", path);
    const int64_t values = test_market_sql(&at, "SELECT count(*) FROM alternative_values"),
                  rejected = test_market_sql(&at, "SELECT count(*) FROM alternative_rejected_rows");
    assert_int_equal(values, status == PU_OK ? ROWS : 0);
    assert_int_equal(rejected, status == PU_OK ? 1 : 0);
    return status == PU_OK;
}

static const char *write_long_table(void) {
    const char *path = test_path(market.folder, "long.csv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("time,published,value\n", file);
    for (int i = 0; i < ROWS; ++i) {
        fprintf(file, "%d,%d,%d\n", 1000000000 + 60 * i, 1000000030 + 60 * i, i % 97);
        if (i == 10) fputs("no,time,1\n", file);
    }
    assert_int_equal(fclose(file), 0);
    return path;
}

/* Until the import has begun to write: it is far from its end then. */
static void wait_for_journal(const char *store) {
    char journal[600];
    snprintf(journal, sizeof journal, "%s-journal", store);
    for (int tries = 0; tries < 20000 && access(journal, F_OK) != 0; ++tries) pause_s(0.0005);
}

static void break_at_random_points(int signal_number, int stopped_code) {
    pu_random random = pu_random_at(SEED, (uint64_t)signal_number);
    char table[512], path[512], identity[PU__ASOF_IDENTITY_BYTES];
    int stopped = 0;
    snprintf(table, sizeof table, "%s", write_long_table());
    for (int i = 0; i < KILLS; ++i) {
        pu_store *store = NULL;
        snprintf(path, sizeof path, "%s/%d_%d.db", market.folder, signal_number, i);
        assert_int_equal(pu_store_open(path, PU_STORE_CREATE, &store), PU_OK);
        pu_store_close(store);
        const pid_t child = start_import(path, table);
        if (i == 0) wait_for_journal(path);
        else pause_s(pu_random_uniform(&random) * whole_run_s);
        kill(child, signal_number);
        const int code = wait_for(child);
        /* A signal that comes before the program listens ends it as any other. */
        assert_true(code == 0 || code == stopped_code || code == 128 + signal_number);
        stopped += code != 0;
        assert_true(inspect(path, identity) || code != 0);
        assert_int_equal(wait_for(start_import(path, table)), 0);
        assert_true(inspect(path, identity));
        assert_string_equal(identity, whole_identity);
    }
    print_message("signal %d: %d of %d imports were stopped\n", signal_number, stopped, KILLS);
    assert_true(stopped > 0);
}

static void kills_leave_all_or_nothing(void **state) {
    (void)state;
    char table[512], path[512];
    printf("seed %d\n", SEED);
    snprintf(table, sizeof table, "%s", write_long_table());
    snprintf(path, sizeof path, "%s/whole.db", market.folder);
    const double started_s = pu_clock_s();
    assert_int_equal(wait_for(start_import(path, table)), 0);
    whole_run_s = pu_clock_s() - started_s;
    assert_true(inspect(path, whole_identity));
    break_at_random_points(SIGKILL, 128 + SIGKILL);
    break_at_random_points(SIGINT, 1);
}

/* ---- the command line ---- */

static void the_command_line_reads_and_shows(void **state) {
    (void)state;
    const char *folder = market.folder;
    test_write(test_path(folder, "g.csv"), "date,published,value\n2024-01-01,2024-04-01T12:00:00Z,1.5\n"
                                           "2024-01-01,2024-06-01T12:00:00Z,1.7\nx,2024-01-01,1\n");
    test_outcome outcome = test_plusultra(folder, "import", "--store", "c.db", "--series", "gdp", "--kind",
                                          "macro", "--unit", "%", "g.csv", "--json", "r.json", NULL);
    assert_int_equal(outcome.code, 0);
    assert_non_null(strstr(outcome.out, "2 added"));
    assert_non_null(strstr(outcome.out, "g.csv:4: time: 'x'"));
    test_outcome_free(&outcome);
    char *json = test_read(test_path(folder, "r.json"));
    assert_non_null(json);
    assert_non_null(strstr(json, "\"rows_rejected\": 1"));
    free(json);
    static const struct {
        const char *at, *says;
    } shows[] = {{"2024-04-01", "nothing was published"},
                 {"2024-04-02", "1.5, for 2024-01-01T00:00:00Z, published 2024-04-01T12:00:00Z (vintage 1 of 2)"},
                 {"2024-06-02", "1.7, for 2024-01-01T00:00:00Z, published 2024-06-01T12:00:00Z (vintage 2 of 2)"},
                 {"2024-12-01", "missing, the limit is 100d"}};
    for (size_t i = 0; i < sizeof shows / sizeof *shows; ++i) {
        outcome = test_plusultra(folder, "series", "show", "gdp", "--store", "c.db", "--at", shows[i].at, NULL);
        assert_int_equal(outcome.code, 0);
        if (!strstr(outcome.out, shows[i].says)) fail_msg("'%s' is not in:\n%s", shows[i].says, outcome.out);
        test_outcome_free(&outcome);
    }
    static const char *const wrong[][6] = {{"import", "--store", "c.db", "--series", "gdp", "g.csv"},
                                           {"import", "--series", "a", "--regimes", "b", "g.csv"},
                                           {"import", "--series", "a", "--kind", "fundin", "g.csv"},
                                           {"import", "--regimes", "a", "--bar", "1d", "g.csv"},
                                           {"import", "--regimes", "a", "--store", "c.db", "-v"},
                                           {"import", "--kind", "macro", "--store", "c.db", "g.csv"},
                                           {"series", "show", "--store", "c.db", "--at", "2024-01-01"},
                                           {"series", "shw", "gdp", "--store", "c.db", "-v"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        const char *const *w = wrong[i];
        outcome = test_plusultra(folder, w[0], w[1], w[2], w[3], w[4], w[5], NULL);
        assert_int_equal(outcome.code, 2);
        test_outcome_free(&outcome);
    }
    static const struct {
        const char *how, *name, *text;
    } packed[] = {{"--series", "gdp", "date,published,value\n2024-02-01,2024-07-01T12:00:00Z,1.9\n"},
                  {"--regimes", "state", "date,published,label\n2024-02-01,2024-07-01T12:00:00Z,2\n"}};
    for (size_t i = 0; i < sizeof packed / sizeof *packed; ++i) {
        gzFile file = gzopen(test_path(folder, "p.csv.gz"), "wb");
        assert_non_null(file);
        assert_true(gzputs(file, packed[i].text) > 0);
        assert_int_equal(gzclose(file), Z_OK);
        outcome = test_plusultra(folder, "import", "--store", "c.db", packed[i].how, packed[i].name, "p.csv.gz",
                                 i == 0 ? "--kind" : NULL, "macro", NULL);
        if (outcome.code != 0 || !strstr(outcome.out, "1 added")) fail_msg("%s%s", outcome.out, outcome.err);
        test_outcome_free(&outcome);
    }
    outcome = test_plusultra(folder, "import", "--store", "c.db", "--series", "dry", "--kind", "macro", "g.csv",
                             "--dry-run", NULL);
    assert_int_equal(outcome.code, 0);
    assert_non_null(strstr(outcome.out, "nothing was stored; would be: 1 files: 2 rows added"));
    test_outcome_free(&outcome);
    outcome = test_plusultra(folder, "import", "--store", "c.db", "--series", "dry", "--kind", "macro", "g.csv",
                             "--max-rejected", "0.3", NULL);
    assert_int_equal(outcome.code, 1);
    assert_non_null(strstr(outcome.err, "1 of its 3 rows are rejected"));
    test_outcome_free(&outcome);
    outcome = test_plusultra(folder, "series", "show", "dry", "--store", "c.db", NULL);
    assert_int_equal(outcome.code, 1);
    test_outcome_free(&outcome);
    outcome = test_plusultra(folder, "series", "show", "gpd", "--store", "c.db", NULL);
    assert_int_equal(outcome.code, 1);
    assert_non_null(strstr(outcome.err, "did you mean gdp?"));
    test_outcome_free(&outcome);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_change_from_publication_on),
        cmocka_unit_test(kills_leave_all_or_nothing),
        cmocka_unit_test(the_command_line_reads_and_shows),
    };
    return cmocka_run_group_tests(tests, open_market, close_market);
}
