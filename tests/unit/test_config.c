#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/config/schema.h"
#include "host/config/text.h"
#include "plusultra/config.h"
#include "plusultra/memory.h"
#include "tests/support/process.h"

static pu_status parse(const char *text, const char *override, pu_config **out) {
    return pu_config_parse(text, (int64_t)strlen(text), "exp.yaml", override ? 1 : 0, &override, out);
}

/* The whole message, so that file, line and key are all asserted. */
static void assert_refused(const char *text, const char *override, const char *message) {
    pu_config *config = NULL;
    const pu_status status = parse(text, override, &config);
    if (status != PU_ERR_CONFIG || strcmp(pu_error_message(), message) != 0) {
        print_error("for:\n%s\nset: %s\nexpected: %s\n     got: %s\n", text, override ? override : "", message,
                    status == PU_OK ? "no error" : pu_error_message());
    }
    assert_int_equal(status, PU_ERR_CONFIG);
    assert_string_equal(pu_error_message(), message);
    assert_null(config);
}

static pu_config *must_parse(const char *text, const char *override) {
    pu_config *config = NULL;
    const pu_status status = parse(text, override, &config);
    if (status != PU_OK) print_error("%s\n", pu_error_message());
    assert_int_equal(status, PU_OK);
    assert_non_null(config);
    return config;
}

static void defaults_are_those_of_the_table(void **state) {
    (void)state;
    pu_config *config = NULL;
    assert_int_equal(pu_config_load(NULL, 0, NULL, &config), PU_OK);
    assert_int_equal(config->run.seed, 1);
    assert_string_equal(config->run.name, "experiment");
    assert_int_equal(config->split.embargo_bars, -1);
    assert_int_equal(config->data.accept.count, 0);
    assert_string_equal(config->data.checks, "");
    assert_int_equal(config->data.symbols.count, 0);
    assert_int_equal(config->windows.horizons.count, 3);
    assert_int_equal(config->windows.horizons.value[2], 20);
    assert_int_equal(config->objective.quantiles.count, 5);
    assert_true(config->objective.quantiles.value[1] == 0.25);
    assert_true(config->train.epsilon == 1e-8);
    assert_string_equal(config->objective.loss, "pinball");
    pu_config_free(config);
    pu_config_free(NULL);
}

static void every_form_of_a_value_is_read(void **state) {
    (void)state;
    pu_config *config = must_parse("# a comment\n"
                                   "run:\n"
                                   "  seed: 9223372036854775807\n"
                                   "  name: 'single ''quoted'' \u00e9'\n"
                                   "data:\n"
                                   "  store: /path/with space/market.db\n"
                                   "  benchmark: \"\"\n"
                                   "  accept: [long_gap, jump]\n"
                                   "  symbols:\n"
                                   "    - SPY\n"
                                   "    - 'BRK-B'\n"
                                   "    - NO\n"
                                   "    - 600519\n"
                                   "split:\n" /* all keys commented out */
                                   "  # embargo_bars: 3\n"
                                   "windows: {horizons: [+2, 3], clip: 1.5e1}\n"
                                   "backtest: {horizon: 3, risk_free: -.5}\n"
                                   "objective: {loss: mse, quantiles: []}\n",
                                   NULL);
    assert_true(config->run.seed == INT64_MAX);
    assert_string_equal(config->run.name, "single 'quoted' \u00e9");
    assert_string_equal(config->data.store, "/path/with space/market.db");
    assert_string_equal(config->data.benchmark, "");
    assert_int_equal(config->data.accept.count, 2);
    assert_string_equal(config->data.accept.value[0], "long_gap");
    assert_int_equal(config->data.symbols.count, 4);
    assert_string_equal(config->data.symbols.value[1], "BRK-B");
    assert_string_equal(config->data.symbols.value[2], "NO");
    assert_string_equal(config->data.symbols.value[3], "600519");
    assert_int_equal(config->windows.horizons.value[0], 2);
    assert_true(config->windows.clip == 15);
    assert_true(config->backtest.risk_free == -0.5);
    assert_int_equal(config->objective.quantiles.count, 0);
    pu_config_free(config);
}

static void files_without_keys_are_defaults(void **state) {
    (void)state;
    static const char *const texts[] = {"",   "\n\n", "# only a comment\n", "---\n",
                                        "{}", "~",    "run:\ntrain: ~\n",   "\xef\xbb\xbfrun:\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) pu_config_free(must_parse(texts[i], NULL));
}

static void names_are_checked(void **state) {
    (void)state;
    assert_refused("train:\n  warmup_step: 3\n", NULL,
                   "exp.yaml:2: train.warmup_step: unknown key; did you mean train.warmup_steps?");
    assert_refused("train:\n  lr: 0.1\n\n  bacth: 3\n", NULL,
                   "exp.yaml:4: train.bacth: unknown key; did you mean train.batch?");
    assert_refused("train:\n  horizon: 3\n", NULL,
                   "exp.yaml:2: train.horizon: unknown key; did you mean backtest.horizon?");
    assert_refused("train:\n  zzzzzzzz: 3\n", NULL,
                   "exp.yaml:2: train.zzzzzzzz: unknown key; `plusultra show-config` lists all");
    assert_refused("trian:\n  lr: 3\n", NULL, "exp.yaml:1: trian: unknown section; did you mean train?");
    assert_refused("\nlr: 3\n", NULL,
                   "exp.yaml:2: lr: unknown section; did you mean the key lr, which stands under train:?");
    assert_refused("xyzxyzxyz: 3\n", NULL,
                   "exp.yaml:1: xyzxyzxyz: unknown section; `plusultra show-config` lists all");
    assert_refused("train:\n  Lr: 1\n", NULL, "exp.yaml:2: train.Lr: unknown key; did you mean train.lr?");
    assert_refused("<<: 3\n", NULL, "exp.yaml:1: <<: unknown section; `plusultra show-config` lists all");
}

static void duplicates_are_refused(void **state) {
    (void)state;
    assert_refused("train:\n  lr: 1\n  batch: 2\n  lr: 1\n", NULL,
                   "exp.yaml:4: train.lr: duplicate key, first given in line 2");
    assert_refused("train:\n  lr: 1\nrun:\n  seed: 1\ntrain:\n  batch: 2\n", NULL,
                   "exp.yaml:5: train: duplicate section, first given in line 1");
}

static void types_are_checked(void **state) {
    (void)state;
    assert_refused("train:\n  batch: 1.5\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not '1.5'");
    assert_refused("train:\n  batch: 1e3\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not '1e3'");
    assert_refused("train:\n  batch: 0x10\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not '0x10'");
    assert_refused("train:\n  batch: 1_000\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not '1_000'");
    assert_refused("train:\n  batch: ''\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not ''");
    assert_refused("train:\n  batch:\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not ''");
    assert_refused("train:\n  batch: \"32\"\n", NULL,
                   "exp.yaml:2: train.batch: expects a number, not text: remove the quotes around 32");
    assert_refused("train:\n  lr: fast\n", NULL,
                   "exp.yaml:2: train.lr: expects a number from 0 to 10, not 'fast'");
    assert_refused("train:\n  lr: .nan\n", NULL,
                   "exp.yaml:2: train.lr: expects a number from 0 to 10, not '.nan'");
    assert_refused("train:\n  lr: nan\n", NULL, "exp.yaml:2: train.lr: expects a number from 0 to 10, not 'nan'");
    assert_refused("train:\n  lr: inf\n", NULL, "exp.yaml:2: train.lr: expects a number from 0 to 10, not 'inf'");
    assert_refused("train:\n  lr: 1e999\n", NULL,
                   "exp.yaml:2: train.lr: expects a number from 0 to 10, not '1e999'");
    assert_refused("train:\n  lr: 0x1p-3\n", NULL,
                   "exp.yaml:2: train.lr: expects a number from 0 to 10, not '0x1p-3'");
    assert_refused("train:\n  lr: 1e\n", NULL, "exp.yaml:2: train.lr: expects a number from 0 to 10, not '1e'");
    assert_refused("train:\n  lr: .\n", NULL, "exp.yaml:2: train.lr: expects a number from 0 to 10, not '.'");
    assert_refused("backtest:\n  market_neutral: yes\n", NULL,
                   "exp.yaml:2: backtest.market_neutral: expects true or false, not 'yes'");
    assert_refused("backtest:\n  market_neutral: 'true'\n", NULL,
                   "exp.yaml:2: backtest.market_neutral: expects true or false, not 'true'");
    assert_refused("data:\n  store:\n", NULL,
                   "exp.yaml:2: data.store: has no value: write \"\" for an empty text");
    assert_refused("data:\n  store: null\n", NULL,
                   "exp.yaml:2: data.store: has no value: write \"\" for an empty text");
    assert_refused("data:\n  store: \"a\\nb\"\n", NULL,
                   "exp.yaml:2: data.store: control characters and line breaks are not accepted");
    assert_refused("data:\n  store: \"a\\0b\"\n", NULL,
                   "exp.yaml:2: data.store: control characters and line breaks are not accepted");
    assert_refused("data:\n  store: \"a\\x85b\"\n", NULL,
                   "exp.yaml:2: data.store: control characters and line breaks are not accepted");
    assert_refused("data:\n  store: \"a\\u2028b\"\n", NULL,
                   "exp.yaml:2: data.store: control characters and line breaks are not accepted");
    assert_refused("objective:\n  loss: l2\n", NULL,
                   "exp.yaml:2: objective.loss: expects one of pinball, mse, huber, not 'l2'");
    assert_refused("objective:\n  loss: pin\n", NULL,
                   "exp.yaml:2: objective.loss: expects one of pinball, mse, huber, not 'pin'");
    assert_refused("objective:\n  loss: ''\n", NULL,
                   "exp.yaml:2: objective.loss: expects one of pinball, mse, huber, not ''");
}

static void shapes_are_checked(void **state) {
    (void)state;
    assert_refused("train:\n  lr: [0.1]\n", NULL, "exp.yaml:2: train.lr: expects a single value, not a list");
    assert_refused("train:\n  lr:\n    peak: 1\n", NULL,
                   "exp.yaml:3: train.lr: expects a single value, not further keys");
    assert_refused("data:\n  symbols: SPY\n", NULL, "exp.yaml:2: data.symbols: expects a list: write [SPY]");
    assert_refused("data:\n  symbols:\n", NULL, "exp.yaml:2: data.symbols: expects a list: write []");
    assert_refused("data:\n  symbols: {a: 1}\n", NULL,
                   "exp.yaml:2: data.symbols: expects a list, not further keys");
    assert_refused("windows:\n  horizons: [1, 2, [3]]\n", NULL,
                   "exp.yaml:2: windows.horizons, item 3: lists hold values only, not lists or sections");
    assert_refused("windows:\n  horizons:\n    - 1\n    - two\n", NULL,
                   "exp.yaml:4: windows.horizons, item 2: expects a whole number from 1 to 10000, not 'two'");
    assert_refused("data:\n  symbols: [SPY, ~]\n", NULL,
                   "exp.yaml:2: data.symbols, item 2: has no value: write \"\" for an empty text");
    assert_refused("train: 3\n", NULL, "exp.yaml:1: train: is a section: expects keys below it");
    assert_refused("train:\n  - lr\n", NULL, "exp.yaml:2: train: is a section: expects keys below it");
    assert_refused("just text\n", NULL, "exp.yaml:1: expects sections such as `train:` with keys below them");
    assert_refused("- a\n", NULL, "exp.yaml:1: expects sections such as `train:` with keys below them");
    assert_refused("train:\n  ? [a]\n  : 3\n", NULL, "exp.yaml:2: train: a key must be a word");
    assert_refused("? [a]\n: 3\n", NULL, "exp.yaml:1: a section's name must be a word");
}

static void ranges_are_checked(void **state) {
    (void)state;
    assert_refused("train:\n  batch: 0\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not '0'");
    assert_refused("train:\n  batch: 65537\n", NULL,
                   "exp.yaml:2: train.batch: expects a whole number from 1 to 65536, not '65537'");
    assert_refused("run:\n  seed: -1\n", NULL,
                   "exp.yaml:2: run.seed: expects a whole number, at least 0, not '-1'");
    assert_refused("run:\n  seed: 9223372036854775808\n", NULL,
                   "exp.yaml:2: run.seed: expects a whole number, at least 0, not '9223372036854775808'");
    assert_refused("train:\n  lr: 10.000001\n", NULL,
                   "exp.yaml:2: train.lr: expects a number from 0 to 10, not '10.000001'");
    pu_config_free(must_parse("train: {batch: 65536, lr: 10, warmup_steps: 0}\nrun: {seed: 0}\n", NULL));
}

static void yaml_features_that_hide_meaning_are_refused(void **state) {
    (void)state;
    assert_refused("train:\n  lr: &a 1\n", NULL, "exp.yaml:2: anchors (&a) are not accepted");
    assert_refused("train: &t\n  lr: 1\n", NULL, "exp.yaml:1: anchors (&t) are not accepted");
    assert_refused("windows:\n  horizons: &h [1]\n", NULL, "exp.yaml:2: anchors (&h) are not accepted");
    assert_refused("train:\n  lr: *a\n", NULL, "exp.yaml:2: aliases (*a) are not accepted: write the value out");
    assert_refused("train:\n  lr: !!float 1\n", NULL,
                   "exp.yaml:2: tags (tag:yaml.org,2002:float) are not accepted");
    assert_refused("train: !mine\n  lr: 1\n", NULL, "exp.yaml:1: tags (!mine) are not accepted");
    assert_refused("%TAG ! tag:x,2000:\n---\ntrain:\n", NULL, "exp.yaml:1: %TAG directives are not accepted");
    assert_refused("train:\n  lr: 1\n---\ntrain:\n  lr: 2\n", NULL,
                   "exp.yaml:3: a second document begins here: one file holds one experiment");
}

static void broken_yaml_names_its_line(void **state) {
    (void)state;
    pu_config *config = NULL;
    static const struct {
        const char *text, *start;
    } rows[] = {
        {"windows:\n  horizons: [1, 2\n", "exp.yaml:3: not valid YAML: "},
        {"train:\n\tlr: 1\n", "exp.yaml:2: not valid YAML: "},
        {"train:\n  lr: \"open\n", "exp.yaml:3: not valid YAML: "},
        {"train:\n  lr: 1\n bad\n", "exp.yaml:3: not valid YAML: "},
        {"train:\n  lr: \xff\xfe\n", "exp.yaml:2: not valid YAML: "},
        {"train:\n  lr: @home\n", "exp.yaml:2: not valid YAML: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        assert_int_equal(parse(rows[i].text, NULL, &config), PU_ERR_CONFIG);
        if (strncmp(pu_error_message(), rows[i].start, strlen(rows[i].start)) != 0)
            print_error("%s\n", pu_error_message());
        assert_int_equal(strncmp(pu_error_message(), rows[i].start, strlen(rows[i].start)), 0);
    }
}

static void size_and_depth_are_capped(void **state) {
    (void)state;
    enum { LIMIT = 1 << 20 };
    char *text = pu_calloc(1, LIMIT + 2);
    assert_non_null(text);
    memset(text, '\n', LIMIT + 1);
    pu_config *config = NULL;
    assert_int_equal(pu_config_parse(text, LIMIT, "exp.yaml", 0, NULL, &config), PU_OK);
    pu_config_free(config);
    assert_int_equal(pu_config_parse(text, LIMIT + 1, "exp.yaml", 0, NULL, &config), PU_ERR_CONFIG);
    assert_string_equal(pu_error_message(), "exp.yaml: has 1048577 bytes, a configuration has at most 1048576");
    memcpy(text, "windows: {horizons: ", 20);
    memset(text + 20, '[', LIMIT - 20);
    assert_int_equal(pu_config_parse(text, LIMIT, "exp.yaml", 0, NULL, &config), PU_ERR_CONFIG);
    pu_free(text);

    char *folder = test_folder_new();
    const char *path = test_path(folder, "big.yaml");
    text = pu_calloc(1, LIMIT + 2);
    assert_non_null(text);
    memset(text, '\n', LIMIT + 1);
    test_write(path, text);
    assert_int_equal(pu_config_load(path, 0, NULL, &config), PU_ERR_CONFIG);
    pu_free(text);
    assert_int_equal(pu_config_load(test_path(folder, "none.yaml"), 0, NULL, &config), PU_ERR_NOT_FOUND);
    assert_non_null(strstr(pu_error_message(), "none.yaml"));
    test_write(path, "train:\n  lr: 0.5\n");
    assert_int_equal(pu_config_load(path, 0, NULL, &config), PU_OK);
    assert_true(config->train.lr == 0.5);
    pu_config_free(config);
    test_folder_remove(folder);
}

static void overrides_come_last_and_are_checked(void **state) {
    (void)state;
    pu_config *config = must_parse("train:\n  lr: 0.5\n", "train.lr=1e-4");
    assert_true(config->train.lr == 1e-4);
    pu_config_free(config);
    config = must_parse("", "data.symbols=[SPY, 'BRK-B']");
    assert_int_equal(config->data.symbols.count, 2);
    pu_config_free(config);
    config = must_parse("data:\n  symbols: [SPY]\n  benchmark: SPY\n", "data.symbols=");
    assert_int_equal(config->data.symbols.count, 0);
    pu_config_free(config);
    config = must_parse("data:\n  benchmark: SPY\n", "data.benchmark=");
    assert_string_equal(config->data.benchmark, "");
    pu_config_free(config);
    const char *const twice[] = {"train.lr=1", "train.lr=2"};
    assert_int_equal(pu_config_parse("", 0, "exp.yaml", 2, twice, &config), PU_OK);
    assert_true(config->train.lr == 2);
    pu_config_free(config);

    assert_refused("", "train.lr=abc", "--set train.lr: expects a number from 0 to 10, not 'abc'");
    assert_refused("", "train.lr=", "--set train.lr: expects a number from 0 to 10, not ''");
    assert_refused("", "train.lr", "--set train.lr: write --set section.key=value");
    assert_refused("", "", "--set : write --set section.key=value");
    assert_refused("", "lr=1", "--set lr: write section.key; did you mean train.lr?");
    assert_refused("", "train.batc=1", "--set train.batc: unknown key; did you mean train.batch?");
    assert_refused("", "trian.batch=1", "--set trian.batch: unknown key; did you mean train.batch?");
    assert_refused("", "x.qqqqqqqqqq=1", "--set x.qqqqqqqqqq: unknown key; `plusultra show-config` lists all");
    assert_refused("", "data.symbols=SPY", "--set data.symbols: expects a list: write [SPY]");
    assert_refused("", "run.seed=*a", "--set run.seed: aliases (*a) are not accepted: write the value out");
    assert_refused("", "run.seed=1\n--- 2",
                   "--set run.seed: a second document begins here: one file holds one experiment");
    assert_refused("", "run.name={a: b}", "--set run.name: expects a single value, not further keys");
    assert_refused("", "run.seed=# nothing", "--set run.seed: has no value");
    assert_refused("", "windows.horizons=[1, 0]",
                   "--set windows.horizons, item 2: expects a whole number from 1 to 10000, not '0'");
    assert_refused("train:\n  steps: 200\n", "train.warmup_steps=200",
                   "--set train.warmup_steps: train.warmup_steps (200) must be below train.steps (200)");
    assert_refused("train:\n  warmup_steps: 60\n", "train.steps=50",
                   "exp.yaml:2: train.warmup_steps: train.warmup_steps (60) must be below train.steps (50)");
}

static void relations_name_both_keys(void **state) {
    (void)state;
    assert_refused("train:\n  steps: 50\n", NULL,
                   "exp.yaml:2: train.steps: train.warmup_steps (100) must be below train.steps (50)");
    assert_refused("backtest:\n  horizon: 2\n", NULL,
                   "exp.yaml:2: backtest.horizon: backtest.horizon (2) is not among windows.horizons: only those "
                   "are forecast");
    assert_refused("windows:\n  horizons: [5, 20]\n", NULL,
                   "exp.yaml:2: windows.horizons: backtest.horizon (1) is not among windows.horizons: only those "
                   "are forecast");
    assert_refused("windows:\n  horizons: [1, 5, 5]\n", NULL,
                   "exp.yaml:2: windows.horizons: must increase: 5 stands after 5");
    assert_refused("windows:\n  horizons: []\n", NULL,
                   "exp.yaml:2: windows.horizons: is empty: name at least one horizon");
    assert_refused(
        "predict:\n  stride_bars: 65\n", NULL,
        "exp.yaml:2: predict.stride_bars: predict.stride_bars (65) is more than windows.window_bars (64)");
    assert_refused("model:\n  width: 60\n  heads: 7\n", NULL,
                   "exp.yaml:2: model.width: model.width (60) is not divisible by model.heads (7)");
    assert_refused(
        "model:\n  heads: 16\n", NULL,
        "exp.yaml:2: model.heads: model.width / model.heads is 64 / 16 = 4; it must be even and from 8 to 128");
    assert_refused(
        "model: {width: 1024, heads: 4}\n", NULL,
        "exp.yaml:1: model.width: model.width / model.heads is 1024 / 4 = 256; it must be even and from 8 to 128");
    assert_refused(
        "model: {width: 36, heads: 4}\n", NULL,
        "exp.yaml:1: model.width: model.width / model.heads is 36 / 4 = 9; it must be even and from 8 to 128");
    assert_refused(
        "model:\n  dilations: [1, 2, 4]\n", NULL,
        "exp.yaml:2: model.dilations: model.width (64) is not divisible by the number of model.dilations (3)");
    assert_refused("model:\n  dilations: [1,1,1,1,1,1,1,1,1]\n", NULL,
                   "exp.yaml:2: model.dilations: has 9 items; 1 to 8 are accepted");
    assert_refused("model:\n  dilations: []\n", NULL,
                   "exp.yaml:2: model.dilations: has 0 items; 1 to 8 are accepted");
    assert_refused("objective:\n  quantiles: [0.5, 0.1]\n", NULL,
                   "exp.yaml:2: objective.quantiles: must increase: 0.1 stands after 0.5");
    assert_refused(
        "objective:\n  quantiles: [0.1, 0.9]\n", NULL,
        "exp.yaml:2: objective.quantiles: objective.quantiles lacks 0.5, the median, which positions follow under "
        "objective.loss pinball");
    assert_refused("objective:\n  quantiles: []\n", NULL,
                   "exp.yaml:2: objective.quantiles: objective.quantiles has 0 items; 1 to 16 are accepted under "
                   "objective.loss pinball");
    assert_refused("split:\n  train_ratio: 0.7\n  valid_ratio: 0.3\n", NULL,
                   "exp.yaml:2: split.train_ratio: split.train_ratio (0.7) and split.valid_ratio (0.3) leave "
                   "nothing for testing: "
                   "their sum must be below 1");
    pu_config_free(must_parse("objective: {loss: huber, quantiles: [0.1, 0.9]}\n", NULL));
}

static void names_and_devices_are_checked(void **state) {
    (void)state;
    assert_refused(
        "run:\n  name: a/b\n", NULL,
        "exp.yaml:2: run.name: 'a/b' cannot be the name of a folder below run.out: use letters, digits, - and _");
    assert_refused(
        "run:\n  name: ..\n", NULL,
        "exp.yaml:2: run.name: '..' cannot be the name of a folder below run.out: use letters, digits, - and _");
    assert_refused("run:\n  device: gpu\n", NULL,
                   "exp.yaml:2: run.device: expects auto, cpu, cuda or cuda:N, not 'gpu'");
    assert_refused("run:\n  device: 'cuda:'\n", NULL,
                   "exp.yaml:2: run.device: expects auto, cpu, cuda or cuda:N, not 'cuda:'");
    assert_refused("data:\n  symbols: [SPY, QQQ, SPY]\n", NULL, "exp.yaml:2: data.symbols: 'SPY' is listed twice");
    assert_refused("data:\n  symbols: [SPY, '']\n", NULL, "exp.yaml:2: data.symbols: item 2 is empty");
    assert_refused("data:\n  store: ''\n", NULL, "exp.yaml:2: data.store: is empty: name a file");
    pu_config_free(must_parse("run: {device: 'cuda:3'}\n", NULL));
}

static void segments_are_dates_in_order(void **state) {
    (void)state;
    assert_refused("split:\n  train: [2020-01-01]\n", NULL,
                   "exp.yaml:2: split.train: expects two dates, [from, to], not 1");
    assert_refused(
        "split:\n  train: [2020-01-01, 2020-02-30]\n", NULL,
        "exp.yaml:2: split.train: '2020-02-30' is not a date: write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ");
    assert_refused(
        "split:\n  train: [2021-02-29, 2022-01-01]\n", NULL,
        "exp.yaml:2: split.train: '2021-02-29' is not a date: write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ");
    assert_refused(
        "split:\n  train: ['2020-01-01T24:00:00Z', 2022-01-01]\n", NULL,
        "exp.yaml:2: split.train: '2020-01-01T24:00:00Z' is not a date: write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ");
    assert_refused("split:\n  train: [2020-1-1, 2022-01-01]\n", NULL,
                   "exp.yaml:2: split.train: '2020-1-1' is not a date: write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ");
    assert_refused("split:\n  train: [2020-01-01, 2020-01-01T00:00:00Z]\n", NULL,
                   "exp.yaml:2: split.train: from 2020-01-01 to 2020-01-01T00:00:00Z holds no time: the end must "
                   "lie after the start");
    assert_refused("split:\n  train: [2019-01-01, 2021-01-01]\n  valid: [2020-12-31, 2022-01-01]\n", NULL,
                   "exp.yaml:3: split.valid: split.valid begins (2020-12-31T00:00:00Z) before split.train ends "
                   "(2021-01-01T00:00:00Z): segments must follow each other");
    assert_refused("split:\n  train: [2019-01-01, '']\n  test: [2020-12-31, 2022-01-01]\n", NULL,
                   "exp.yaml:3: split.test: split.test begins (2020-12-31T00:00:00Z) before split.train ends "
                   "(open): segments must "
                   "follow each other");
    pu_config *config = must_parse("split:\n"
                                   "  train: ['', 2020-02-29]\n"
                                   "  valid: [2020-02-29T00:00:00Z, 2020-06-01T12:30:00Z]\n"
                                   "  test: [2020-06-01T12:30:00Z, '']\n",
                                   NULL);
    assert_int_equal(config->split.test.count, 2);
    pu_config_free(config);
}

static void text_reads_back_the_same(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "run: {name: \"q\\\"uo\\\\te é\", seed: 9007199254740993}\ntrain: {lr: 0.1, epsilon: 3.3e-9, beta1: "
        "0.30000000000000004}\n",
        "data: {symbols: ['null', 'TRUE', 'no', '~', '-', ' lead', '# c', 'a: b', '[x]', '1', 'ES=F', '^GSPC'], "
        "store: 'x #y'}\n",
        "objective: {quantiles: [0.1, 0.3333333333333333, 0.5]}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) {
        pu_config *first = must_parse(texts[i], NULL);
        char *written = pu_config_text(first);
        assert_non_null(written);
        pu_config *second = must_parse(written, NULL);
        char *again = pu_config_text(second);
        assert_string_equal(written, again);
        assert_int_equal(first->run.seed, second->run.seed);
        assert_string_equal(first->run.name, second->run.name);
        assert_memory_equal(&first->train.beta1, &second->train.beta1, sizeof(double));
        assert_int_equal(first->data.symbols.count, second->data.symbols.count);
        for (int s = 0; s < first->data.symbols.count; ++s) {
            assert_string_equal(first->data.symbols.value[s], second->data.symbols.value[s]);
        }
        pu_free(written);
        pu_free(again);
        pu_config_free(first);
        pu_config_free(second);
    }
}

static void starter_is_the_defaults(void **state) {
    (void)state;
    static const char *const some[] = {"train.lr", "data.symbols", "data.benchmark"};
    for (int all = 0; all < 2; ++all) {
        char *starter = pu__config_starter(all ? 0 : 3, some);
        assert_non_null(starter);
        if (!all) assert_null(strstr(starter, "windows"));
        pu_config *read = must_parse(starter, NULL), *defaults = must_parse("", NULL);
        char *a = pu_config_text(read), *b = pu_config_text(defaults);
        assert_string_equal(a, b);
        pu_free(a);
        pu_free(b);
        pu_free(starter);
        pu_config_free(read);
        pu_config_free(defaults);
    }
}

/* Every allocation of a load fails once: a clean error each time, nothing leaked (the sanitizer build looks). */
static void short_memory_is_an_error(void **state) {
    (void)state;
    static const char text[] = "data: {symbols: [A, B]}\nwindows: {horizons: [1, 2]}\n";
    for (int fault = 0;; ++fault) {
        const char *override = "objective.quantiles=[0.5]";
        pu_config *config = NULL;
        pu_memory_fail_after(fault);
        const pu_status status = pu_config_parse(text, sizeof text - 1, "exp.yaml", 1, &override, &config);
        char *written = status == PU_OK ? pu_config_text(config) : NULL;
        pu_memory_fail_after(-1);
        pu_config_free(config);
        if (written) {
            pu_free(written);
            assert_true(fault > 3);
            return;
        }
        assert_true(status == PU_ERR_MEMORY || status == PU_OK);
    }
}

static void the_committed_reference_is_current(void **state) {
    (void)state;
    const char *source = getenv("PU_SOURCE");
    char *committed = test_read(test_path(source ? source : ".", "docs/configuration.md"));
    char *current = pu_config_reference();
    assert_non_null(committed);
    assert_non_null(current);
    if (strcmp(committed, current) != 0) print_error("docs/configuration.md is out of date: run `make docs`\n");
    assert_true(strcmp(committed, current) == 0);
    for (int i = 0; i < pu__key_count; ++i) {
        char cell[128];
        snprintf(cell, sizeof cell, "| `%s` | ", pu__keys[i].name);
        assert_non_null(strstr(current, cell));
    }
    free(committed);
    pu_free(current);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(every_form_of_a_value_is_read),
        cmocka_unit_test(files_without_keys_are_defaults),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(duplicates_are_refused),
        cmocka_unit_test(types_are_checked),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(yaml_features_that_hide_meaning_are_refused),
        cmocka_unit_test(broken_yaml_names_its_line),
        cmocka_unit_test(size_and_depth_are_capped),
        cmocka_unit_test(overrides_come_last_and_are_checked),
        cmocka_unit_test(relations_name_both_keys),
        cmocka_unit_test(names_and_devices_are_checked),
        cmocka_unit_test(segments_are_dates_in_order),
        cmocka_unit_test(text_reads_back_the_same),
        cmocka_unit_test(starter_is_the_defaults),
        cmocka_unit_test(short_memory_is_an_error),
        cmocka_unit_test(the_committed_reference_is_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
