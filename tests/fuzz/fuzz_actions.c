/* Files of corporate actions: what is read is stored, adjusts prices or is refused for a reason, and the store stays
 * sound. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/data/actions/actions_file.h"
#include "host/data/store/write.h"
#include "tests/fuzz/fuzz.h"

enum { DAY_S = 86400, BARS = 8 };

static pu_store *store;
static int64_t asset_id;
static int file;
static char path[64], name[] = "/tmp/fuzz_actions_XXXXXX";

static void must(bool held) {
    if (!held) abort();
}

static void drop_store(void) {
    pu_store_close(store);
    unlink(name);
}

static void make_store(void) {
    const int made = mkstemp(name);
    pu__bar_writer writer;
    must(made >= 0 && close(made) == 0);
    must(atexit(drop_store) == 0 && pu_store_open(name, PU_STORE_CREATE, &store) == PU_OK);
    must(pu_store_begin(store) == PU_OK);
    must(pu__asset_make(store, "F", "equity", DAY_S, "", 252, &asset_id) == PU_OK);
    must(pu__bar_writer_open(store, asset_id, &writer) == PU_OK);
    for (int i = 1; i <= BARS; ++i) {
        const pu__bar bar = {i * DAY_S, 10, 11, 9, 10, 10, 5};
        must(pu__bars_put(&writer, &bar, 1, false, NULL) == PU_OK);
    }
    must(pu__bar_writer_close(&writer, PU_OK) == PU_OK && pu_store_commit(store) == PU_OK);
    must((file = memfd_create("actions", MFD_CLOEXEC)) >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
}

/* Inside a transaction that is taken back: every input meets the same store. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pu__actions_result result;
    pu_bars bars;
    if (!store) make_store();
    must(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    must(pu_store_begin(store) == PU_OK);
    if (pu__actions_import(store, asset_id, path, NULL, &result) == PU_OK) {
        must(result.splits >= 0 && result.changed == result.splits + result.dividends);
        for (int view = PU_PRICES_STORED; view <= PU_PRICES_TOTAL_RETURN; ++view) {
            const pu_status status =
                pu_store_bars_view(store, asset_id, INT64_MIN, INT64_MAX, (pu_price_view)view, 4 * DAY_S, &bars);
            must(status == PU_OK || status == PU_ERR_DATA);
            if (status != PU_OK) continue;
            for (int64_t i = 0; i < bars.count; ++i)
                must(bars.low[i] > 0 && bars.high[i] <= 1e300 && bars.adjusted[i] > 0 && bars.volume[i] >= 0);
            pu_bars_free(&bars);
        }
    } else {
        must(strlen(pu_error_message()) > 0);
    }
    pu_store_rollback(store);
    return 0;
}
