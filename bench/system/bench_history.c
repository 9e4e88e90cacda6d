/* Building features while the history grows tenfold: peak memory, which is to stay, and time, which is to grow with the
 * bars. One asset of a seeded walk, the default features, each build a process of its own.
 *
 * Usage: bench_history [BARS]      the shorter history (default a million) */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/data/store/write.h"
#include "plusultra/features.h"
#include "plusultra/log.h"
#include "plusultra/random.h"

enum { BARS = 1000000, GROWTH = 10, CHUNK = 4096, BAR_S = 60, FIRST_TS = 946684800, PATH_BYTES = 256 };

static const char child_flag[] = "--build";

static pu_status add_walk(pu_store *store, int64_t count) {
    static pu__bar bars[CHUNK];
    pu__bar_writer writer;
    pu_random random = pu_random_at(1, 0);
    int64_t id = 0;
    double close = 100;
    PU_TRY(pu__asset_make(store, "WALK", "crypto", BAR_S, "", 525600, &id));
    PU_TRY(pu__bar_writer_open(store, id, &writer));
    pu_status status = PU_OK;
    for (int64_t first = 0; first < count && status == PU_OK; first += CHUNK) {
        const int64_t n = count - first < CHUNK ? count - first : CHUNK;
        for (int64_t i = 0; i < n; ++i) {
            const double open = close;
            close *= exp(0.0005 * pu_random_normal(&random));
            bars[i] = (pu__bar){.ts = FIRST_TS + (first + i) * BAR_S,
                                .open = open,
                                .high = fmax(open, close) * 1.0005,
                                .low = fmin(open, close) * 0.9995,
                                .close = close,
                                .adjusted = close,
                                .volume = exp(5 + pu_random_normal(&random))};
        }
        status = pu__bars_put(&writer, bars, n, false, NULL);
    }
    return pu__bar_writer_close(&writer, status);
}

static pu_status make_store(const char *path, int64_t bars) {
    pu_store *store = NULL;
    PU_TRY(pu_store_open(path, PU_STORE_CREATE, &store));
    pu_status status = pu_store_begin(store);
    if (status == PU_OK) status = add_walk(store, bars);
    if (status == PU_OK) status = pu_store_commit(store);
    pu_store_close(store);
    return status;
}

/* The process that is measured. */
static int build(const char *path) {
    char store[PATH_BYTES];
    snprintf(store, sizeof store, "data.store=%s", path);
    const char *overrides[] = {store};
    pu_config *config = NULL;
    pu_features_result result;
    pu_progress_silence(true);
    pu_status status = pu_config_load(NULL, 1, overrides, &config);
    if (status == PU_OK) status = pu_features_build(config, &result);
    if (status != PU_OK) fprintf(stderr, "bench_history: %s\n", pu_error_message());
    pu_config_free(config);
    return status == PU_OK ? 0 : 1;
}

typedef struct figure {
    double seconds, processor_s, peak_mib;
} figure;

static bool measure(const char *program, const char *path, figure *out) {
    struct rusage usage;
    int code = 1;
    const double started_s = pu_clock_s();
    const pid_t child = fork();
    if (child == 0) {
        execl(program, program, child_flag, path, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || wait4(child, &code, 0, &usage) != child) return false;
    out->seconds = pu_clock_s() - started_s;
    out->processor_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    out->peak_mib = (double)usage.ru_maxrss / 1024;
    return WIFEXITED(code) && WEXITSTATUS(code) == 0;
}

static bool run(const char *program, const char *folder, int64_t bars, figure *out) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/history.db", folder);
    const pu_status status = make_store(path, bars);
    if (status != PU_OK) fprintf(stderr, "bench_history: %s\n", pu_error_message());
    const bool is_measured = status == PU_OK && measure(program, path, out);
    unlink(path);
    if (!is_measured) return false;
    printf("%11" PRId64 " bars: %7.2f s, %7.2f s of processor, %.3g bars/s, peak %.1f MiB\n", bars, out->seconds,
           out->processor_s, (double)bars / out->seconds, out->peak_mib);
    return true;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], child_flag) == 0) return build(argv[2]);
    const int64_t bars = argc > 1 ? atoll(argv[1]) : BARS;
    const char *base = getenv("TMPDIR");
    char folder[PATH_BYTES / 2];
    snprintf(folder, sizeof folder, "%s/plusultra-history-XXXXXX", base && *base ? base : "/var/tmp");
    if (bars < 1 || !mkdtemp(folder)) {
        fprintf(stderr, "bench_history: BARS is a number above 0; TMPDIR is a folder that can be written\n");
        return 1;
    }
    figure shorter, longer;
    printf("features build, one asset, %d default features, labels included\n", pu_feature_default_count());
    const bool is_done = run(argv[0], folder, bars, &shorter) && run(argv[0], folder, GROWTH * bars, &longer);
    if (is_done) {
        printf("%d times the bars: %.2f times the time, %.2f times the processor time, %+.1f MiB\n", GROWTH,
               longer.seconds / shorter.seconds, longer.processor_s / shorter.processor_s,
               longer.peak_mib - shorter.peak_mib);
    }
    rmdir(folder);
    return is_done ? 0 : 1;
}
