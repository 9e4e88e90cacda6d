/* Bars per second through all checks of a class, beside the floor: the same bars only read, by the same cursor, in
 * alternating rounds of the same run. Then ten times the bars, for time that is linear and memory that is flat.
 *
 * Usage: bench_validate [BARS] */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/data/store/cursor.h"
#include "host/data/store/write.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "plusultra/validate.h"

enum { BARS = 1000000, ROUNDS = 5, FIRST_TS = 1262649600, BAR_S = 60, CHUNK = 10000 };

static char path[64] = "/tmp/bench_validate_XXXXXX";

static pu_status fill(pu_store *store, int64_t count, bool one) {
    static pu__bar bars[CHUNK];
    pu_random random = pu_random_at(1, 0);
    pu__bar_writer writer;
    int64_t id = 0;
    double close = 100;
    PU_TRY(pu_store_begin(store));
    PU_TRY(pu__asset_make(store, one ? "ONE" : "MANY", "crypto", BAR_S, "", 525600, &id));
    PU_TRY(pu__bar_writer_open(store, id, &writer));
    pu_status status = PU_OK;
    for (int64_t done = 0; done < count && status == PU_OK; done += CHUNK) {
        const int64_t now = count - done < CHUNK ? count - done : CHUNK;
        for (int64_t i = 0; i < now; ++i) {
            const double open = close;
            close *= exp(0.001 * pu_random_normal(&random));
            bars[i] = (pu__bar){FIRST_TS + (done + i) * BAR_S, open,  fmax(open, close) * 1.0001,
                                fmin(open, close) * 0.9999,    close, close,
                                (double)(1000 + i % 977)};
        }
        status = pu__bars_put(&writer, bars, now, false, NULL);
    }
    status = pu__bar_writer_close(&writer, status);
    return status == PU_OK ? pu_store_commit(store) : status;
}

static pu_status read_only(pu_store *store, const pu_asset *asset) {
    pu__bar_cursor cursor;
    const pu_bars *chunk = NULL;
    PU_TRY(pu__bar_cursor_open(store, asset->id, INT64_MIN, INT64_MAX, PU__CURSOR_BARS, &cursor));
    pu_status status = PU_OK;
    do status = pu__bar_cursor_next(&cursor, &chunk);
    while (status == PU_OK && chunk->count > 0);
    pu__bar_cursor_close(&cursor);
    return status;
}

static pu_status checked(pu_store *store, const pu_asset *asset) {
    pu_validation found;
    PU_TRY(pu_validate(store, 1, asset, NULL, &found));
    const pu_status status = found.errors + found.warnings == 0
                                 ? PU_OK
                                 : pu_fail(PU_ERR_DATA, "sound bars have findings: %s", found.finding[0].message);
    pu_validation_free(&found);
    return status;
}

static double peak_mib(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024 : 0;
}

static pu_status time_both(pu_store *store, const char *symbol, double *floor_s, double *checked_s) {
    int count = 0;
    pu_asset *asset = NULL;
    PU_TRY(pu_store_assets(store, 1, &symbol, &count, &asset));
    pu_status status = PU_OK;
    *floor_s = *checked_s = INFINITY;
    for (int round = 0; round < ROUNDS && status == PU_OK; ++round) {
        const double started_s = pu_clock_s();
        status = read_only(store, asset);
        const double between_s = pu_clock_s();
        if (status == PU_OK) status = checked(store, asset);
        *floor_s = fmin(*floor_s, between_s - started_s);
        *checked_s = fmin(*checked_s, pu_clock_s() - between_s);
    }
    pu_free(asset);
    return status;
}

static pu_status bench(pu_store *store, int64_t bars) {
    double floor_s = 0, checked_s = 0, many_floor_s = 0, many_s = 0;
    PU_TRY(fill(store, bars, true));
    PU_TRY(time_both(store, "ONE", &floor_s, &checked_s));
    const double one_mib = peak_mib();
    PU_TRY(fill(store, 10 * bars, false));
    PU_TRY(time_both(store, "MANY", &many_floor_s, &many_s));
    printf("validate: all checks of a class, one thread, best of %d\n", ROUNDS);
    printf("%12s %12s %14s %16s %14s %10s\n", "bars", "seconds", "bars/s", "only read (s)", "checks (s)",
           "peak MiB");
    printf("%12" PRId64 " %12.3f %14.0f %16.3f %14.3f %10.1f\n", bars, checked_s, (double)bars / checked_s,
           floor_s, checked_s - floor_s, one_mib);
    printf("%12" PRId64 " %12.3f %14.0f %16.3f %14.3f %10.1f\n", 10 * bars, many_s, 10 * (double)bars / many_s,
           many_floor_s, many_s - many_floor_s, peak_mib());
    return PU_OK;
}

int main(int argc, char **argv) {
    const int64_t bars = argc > 1 ? strtoll(argv[1], NULL, 10) : BARS;
    pu_store *store = NULL;
    const int file = mkstemp(path);
    if (bars < 1 || file < 0) return 2;
    close(file);
    unlink(path);
    pu_status status = pu_store_open(path, PU_STORE_CREATE, &store);
    if (status == PU_OK) status = bench(store, bars);
    pu_store_close(store);
    unlink(path);
    if (status != PU_OK) fprintf(stderr, "bench_validate: %s\n", pu_error_message());
    return status == PU_OK ? 0 : 1;
}
