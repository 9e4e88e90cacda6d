/* Every allocation, read and write in opening a dataset and loading its batches fails in turn. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "plusultra/log.h"
#include "tests/fault/fault.h"
#include "tests/support/market.h"
#include "tests/support/process.h"

enum { POINTS = 40, BARS = 500, BATCHES = 12, SEED = 20261123 };

static test_market market;
static char *work_folder;
static char expected[65]; /* of the batches; "" before the first run */

static int begin(void **state) {
    (void)state;
    pu_progress_silence(true);
    market = test_market_new();
    test_market_walk(&market, "AAA", 1, BARS, true);
    test_market_walk(&market, "BBB", 2, BARS - 100, true);
    work_folder = test_folder_new();
    return 0;
}

static int end(void **state) {
    (void)state;
    test_market_remove(&market);
    test_folder_remove(work_folder);
    return 0;
}

static pu_status read_batches(pu_loader *loader, const pu_dataset *dataset, const pu_config *config,
                              crypto_hash_sha256_state *hash) {
    const size_t bytes = (size_t)(pu_loader_ring_bytes(dataset, config) / config->windows.ring_slots);
    for (int i = 0; i < BATCHES; ++i) {
        pu_batch batch;
        PU_TRY(pu_loader_next(loader, &batch));
        if (batch.windows == 0) break;
        crypto_hash_sha256_update(hash, (const unsigned char *)batch.bars, bytes);
        pu_loader_release(loader, &batch);
    }
    return PU_OK;
}

static pu_status read_segment(pu_dataset *dataset, const pu_config *config, pu_segment segment,
                              crypto_hash_sha256_state *hash) {
    pu_loader *loader = NULL;
    PU_TRY(pu_loader_open(dataset, config, segment, NULL, segment == PU_SEGMENT_TRAIN, SEED, 0, &loader));
    const pu_status status = read_batches(loader, dataset, config, hash);
    pu_loader_close(loader);
    return status;
}

static pu_status run(const char *path, void *context) {
    crypto_hash_sha256_state hash;
    unsigned char digest[crypto_hash_sha256_BYTES];
    char text[65];
    pu_dataset *dataset = NULL;
    (void)path;
    PU_TRY(pu_dataset_open(context, &dataset));
    crypto_hash_sha256_init(&hash);
    pu_status status = read_segment(dataset, context, PU_SEGMENT_TRAIN, &hash);
    if (status == PU_OK) status = read_segment(dataset, context, PU_SEGMENT_TEST, &hash);
    pu_dataset_close(dataset);
    if (status != PU_OK) return status;
    crypto_hash_sha256_final(&hash, digest);
    sodium_bin2hex(text, sizeof text, digest, sizeof digest);
    if (!expected[0]) memcpy(expected, text, sizeof expected);
    return strcmp(text, expected) == 0 ? PU_OK : pu_fail(PU_ERR_CORRUPT, "other batches than undisturbed");
}

static pu_config *config_on(const char *store, const char *cache) {
    test_market other = market;
    snprintf(other.store, sizeof other.store, "%s", store);
    return test_config(&other, "features.names=[log_return_1, log_return_20, log_volume_10]",
                       "windows.horizons=[1, 5]", "windows.window_bars=17", "windows.warmup_bars=13",
                       "windows.stride_bars=3", "features.block_bars=64", "predict.stride_bars=7", "train.batch=5",
                       "windows.readers=2", "windows.ring_slots=3", "run.threads=1", cache, NULL);
}

static void sweep(const char *name, const char *cache, bool reads_only) {
    pu_config *config = config_on(test_path(work_folder, "fault.db"), cache);
    const fault_job job = {.name = name,
                           .folder = work_folder,
                           .initial = market.store,
                           .work = run,
                           .context = config,
                           .threads = true,
                           .reads_only = reads_only};
    fault_sweep(&job, POINTS);
    pu_config_free(config);
}

static void building_and_loading(void **state) {
    (void)state;
    sweep("build and load", "windows.cache_mib=0", false);
}

static void make_blocks(void) {
    pu_dataset *dataset = NULL;
    pu_config *config = config_on(market.store, "windows.cache_mib=0");
    if (pu_dataset_open(config, &dataset) != PU_OK) fail_msg("%s", pu_error_message());
    pu_dataset_close(dataset);
    pu_config_free(config);
}

static void loading(void **state) {
    (void)state;
    make_blocks();
    sweep("load", "windows.cache_mib=0", true);
}

static void loading_through_memory(void **state) {
    (void)state;
    make_blocks();
    sweep("load, kept", "windows.cache_mib=64", true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building_and_loading),
        cmocka_unit_test(loading),
        cmocka_unit_test(loading_through_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
