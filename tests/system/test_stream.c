/* Data ten times larger than the memory: `plusultra train`, allowed a tenth of its blocks' bytes by the operating
 * system, trains through them to the same bits as with all of them in memory; and it says so before it starts when a
 * run cannot fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <jansson.h>

#include "plusultra/log.h"
#include "plusultra/train.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

/* Everything the process may allocate: heap, stacks, tables; of it some 10 MiB are the program's without any data. */
enum { ALLOWED_MIB = 16, TIMES = 10, ASSETS = 7, BARS = 66000 };

static const char experiment[] =
    "data: {store: market.db}\n"
    "run: {name: NAME, out: runs, threads: 1, device: cpu, seed: 3}\n"
    "features:\n"
    "  block_bars: 256\n"
    "  names: [ad, adosc, apo, atr_14, atr_14_ratio, bbands_lower_20, bbands_middle_20, bbands_upper_20, bop, "
    "close_ema_10, close_ema_50, close_location, close_sma_10, close_sma_50, cmo_14, day_of_month, "
    "day_of_week_cos, day_of_week_sin, dema_30, downside_share_20, drawdown_60, drawdown_peak, dx_14, "
    "efficiency_ratio_10, efficiency_ratio_30, ema_30, ewma_volatility_32, gap, garman_klass_20, kama_30, "
    "linearreg_14, linearreg_angle_14, linearreg_slope_14, log_return_1, log_return_20, log_return_5, "
    "log_volume_10, log_volume_50, log_volume_z_20, macd, macd_atr, macd_hist, macd_signal, mfi_14, midpoint_14, "
    "midprice_14, minus_di_14, mom_10, momentum_20, month_cos, month_sin, natr_14, obv, parkinson_20, plus_di_14, "
    "ppo, realized_volatility_20, roc_10, rogers_satchell_20, rsi_14, runup_60, sar, sma_30, stddev_5, stoch_d, "
    "stoch_k, stochf_d, stochf_k, t3_5, tema_30, time_of_day_cos, time_of_day_sin, trange, trima_30, trix_30, "
    "tsf_14, turn_of_month, ultosc, var_5, volume_ratio_20, volume_return_20, volume_trend_20, willr_14, wma_30, "
    "yang_zhang_20, adx_14, adxr_14, aroon_down_14, aroon_up_14, aroonosc_14]\n"
    "windows: {window_bars: 32, warmup_bars: 32, readers: 2, horizons: [1, 3], stride_bars: 32}\n"
    "predict: {stride_bars: 32}\n"
    "model: {width: 16, layers: 1, heads: 2}\n"
    "train: {steps: 60, batch: 8, eval_every: 30, checkpoint_every: 30, warmup_steps: 5}\n"
    "split: {valid_ratio: 0.01}\n";

static char *folder;

static void write_experiment(const char *name) {
    char text[sizeof experiment + 64], file[64];
    const char *mark = strstr(experiment, "NAME");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - experiment), experiment, name, mark + 4);
    snprintf(file, sizeof file, "%s.yaml", name);
    test_write(test_path(folder, file), text);
}

static int make_data(void **state) {
    (void)state;
    char bars[32], assets[32];
    pu_progress_silence(true);
    folder = test_folder_new();
    snprintf(bars, sizeof bars, "%d", BARS);
    snprintf(assets, sizeof assets, "%d", ASSETS);
    write_experiment("build");
    test_outcome made =
        test_plusultra(folder, "synth", "--assets", assets, "--bars", bars, "--no-index", "-q", NULL);
    test_outcome built = test_plusultra(folder, "features", "build", "-c", "build.yaml", "-q", NULL);
    const bool sound = made.code == 0 && built.code == 0;
    if (!sound) print_error("%s%s", made.err, built.err);
    test_outcome_free(&made);
    test_outcome_free(&built);
    return sound ? 0 : -1;
}

static int remove_data(void **state) {
    (void)state;
    test_folder_remove(folder);
    return 0;
}

/* Trains in a process that may allocate `allowed_mib`; 0: no limit. Its exit status; its words in *said. */
static int train(const char *name, const char *cache, int allowed_mib, char **said) {
    char program[1024], file[64], log[64];
    snprintf(program, sizeof program, "%s/plusultra", getenv("PU_BINARY"));
    snprintf(file, sizeof file, "%s.yaml", name);
    snprintf(log, sizeof log, "%s.log", name);
    write_experiment(name);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const rlim_t bytes = (rlim_t)allowed_mib << 20;
        const struct rlimit limit = {bytes, bytes};
        const bool ready = chdir(folder) == 0 && freopen(log, "w", stderr) && freopen("/dev/null", "w", stdout) &&
                           (allowed_mib == 0 || setrlimit(RLIMIT_DATA, &limit) == 0);
        if (ready) execl(program, program, "train", "-c", file, "--set", cache, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    *said = test_read(test_path(folder, log));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void digest(const char *run, const char *which, char out[80]) {
    char path[1200];
    snprintf(path, sizeof path, "%s/runs/%s/checkpoint/%s/manifest.json", folder, run, which);
    json_error_t error;
    json_t *manifest = json_load_file(path, 0, &error);
    const char *hash = json_string_value(json_object_get(manifest, "sha256"));
    if (!hash) fail_msg("%s: %s", path, error.text);
    snprintf(out, 80, "%s", hash);
    json_decref(manifest);
}

static int64_t block_bytes(void) {
    const test_market market = {.folder = folder};
    test_market named = market;
    snprintf(named.store, sizeof named.store, "%s/market.db", folder);
    return test_market_sql(&named, "SELECT sum(length(data)) FROM feature_blocks");
}

static bool sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

static void ten_times_the_memory_to_the_same_bits(void **state) {
    (void)state;
    if (sanitized()) skip(); /* shadow memory counts as the program's */
    const int64_t stored = block_bytes();
    print_message("%.1f MiB of blocks, %d MiB allowed\n", (double)stored / 1048576, (int)ALLOWED_MIB);
    assert_true(stored >= (int64_t)TIMES * ALLOWED_MIB << 20);
    const struct {
        const char *name, *cache;
        int allowed_mib, code;
    } runs[] = {{"whole", "windows.cache_mib=1024", 0, 0},
                {"streamed", "windows.cache_mib=0", ALLOWED_MIB, 0},
                {"cached", "windows.cache_mib=1", ALLOWED_MIB, 0},
                {"refused", "windows.cache_mib=1024", ALLOWED_MIB, 1}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; ++i) {
        char *said = NULL, want[80], got[80];
        const int code = train(runs[i].name, runs[i].cache, runs[i].allowed_mib, &said);
        if (code == 127 && strstr(said, "shared librar")) {
            print_message("the program's shared libraries (CUDA's) alone take more than %d MiB\n",
                          runs[i].allowed_mib);
            free(said);
            skip();
        }
        if (code != runs[i].code) fail_msg("%s: %d: %s", runs[i].name, code, said);
        if (code != 0) assert_non_null(strstr(said, "out of memory"));
        free(said);
        if (i == 0 || code != 0) continue;
        for (int k = 0; k < 2; ++k) {
            digest("whole", k ? "best" : "last", want);
            digest(runs[i].name, k ? "best" : "last", got);
            assert_string_equal(got, want);
        }
    }
}

/* Rings of batches that no machine holds. */
static void what_does_not_fit_is_said_before(void **state) {
    (void)state;
    char out[1200], store[1200];
    snprintf(out, sizeof out, "run.out=%s", folder);
    snprintf(store, sizeof store, "data.store=%s/market.db", folder);
    const char *const overrides[] = {out,
                                     store,
                                     "run.name=vast",
                                     "run.device=cpu",
                                     "features.names=[log_return_1, log_return_20]",
                                     "windows.horizons=[1]",
                                     "windows.window_bars=2",
                                     "windows.warmup_bars=32000",
                                     "windows.ring_slots=64",
                                     "predict.stride_bars=2",
                                     "model.width=16",
                                     "model.layers=1",
                                     "model.heads=2",
                                     "train.batch=65536"};
    pu_config *config = NULL;
    assert_int_equal(pu_config_load(NULL, sizeof overrides / sizeof *overrides, overrides, &config), PU_OK);
    pu_train_result result;
    const pu_status status = pu_train(config, PU_TRAIN_OVERWRITE, 0, &result);
    if (status != PU_ERR_MEMORY) fail_msg("%d: %s", (int)status, pu_error_message());
    assert_non_null(strstr(pu_error_message(), "the run does not fit: window rings need"));
    assert_non_null(strstr(pu_error_message(), "windows.ring_slots (64)"));
    pu_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_times_the_memory_to_the_same_bits),
        cmocka_unit_test(what_does_not_fit_is_said_before),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
