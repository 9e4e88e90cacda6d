/* Windows per second from the store to the ring, beside memcpy of the same bytes from memory to the same kind of
 * ring, by as many threads, in the same run.
 *
 *   cold    first epoch, from the disk: the file was written out and the operating system was told to forget its pages
 *           (fdatasync, posix_fadvise DONTNEED; how many it still held is printed); blocks are verified and kept
 *   first   first epoch, the operating system holds the file's pages
 *   warm    later epochs: windows are copied from blocks in memory
 *   direct  no block is kept (windows.cache_mib=0) and SQLite's own cache is small: every window is read from the
 *           store, whose pages the operating system holds
 *
 * Usage: bench_windows [SECONDS_PER_CASE] */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/data/store/write.h"
#include "plusultra/features.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"
#include "plusultra/windows.h"

enum {
    ASSETS = 16,
    BARS = 20000,
    FIRST_TS = 1262649600,
    DAY_S = 86400,
    BATCH = 64,
    WINDOW = 128,
    WARMUP = 64,
    HORIZONS = 3,
    SLOTS = 4,
    ROUNDS = 11
};

static void walk(int index, pu__bar *bars) {
    pu_random random = pu_random_at(1, (uint64_t)index);
    double close = 100;
    for (int64_t i = 0; i < BARS; ++i) {
        const double open = close;
        close *= exp(0.01 * pu_random_normal(&random));
        bars[i] = (pu__bar){.ts = FIRST_TS + i * DAY_S,
                            .open = open,
                            .high = fmax(open, close) * 1.002,
                            .low = fmin(open, close) * 0.998,
                            .close = close,
                            .adjusted = close,
                            .volume = 1000 + (double)(i % 97)};
    }
}

static pu_status write_asset(pu_store *store, int index, pu__bar *bars) {
    char symbol[16];
    int64_t id = 0;
    pu__bar_writer writer;
    snprintf(symbol, sizeof symbol, "A%02d", index);
    PU_TRY(pu__asset_make(store, symbol, "synthetic", DAY_S, "", 252, &id));
    PU_TRY(pu__bar_writer_open(store, id, &writer));
    walk(index, bars);
    return pu__bar_writer_close(&writer, pu__bars_put(&writer, bars, BARS, false, NULL));
}

static pu_status write_market(const char *path) {
    pu_store *store = NULL;
    PU_TRY(pu_store_open(path, PU_STORE_CREATE, &store));
    pu__bar *bars = pu_calloc(BARS, sizeof *bars);
    pu_status status = bars ? pu_store_begin(store) : PU_ERR_MEMORY;
    for (int a = 0; a < ASSETS && status == PU_OK; ++a) status = write_asset(store, a, bars);
    if (status == PU_OK) status = pu_store_commit(store);
    pu_free(bars);
    pu_store_close(store);
    return status;
}

/* ---- the floor ---- */

typedef struct copies {
    pu_pool *pool;
    float *from, *to;
    size_t window_floats, from_floats;
    int64_t position;
} copies;

static pu_status copies_open(int threads, size_t window_floats, size_t from_floats, copies *out) {
    *out = (copies){.window_floats = window_floats, .from_floats = from_floats};
    out->from = pu_pages_alloc(from_floats * sizeof *out->from); /* the same kind of memory as the loader's */
    out->to = pu_pages_alloc(window_floats * SLOTS * BATCH * sizeof *out->to);
    if (!out->from || !out->to) return PU_ERR_MEMORY;
    memset(out->from, 1, from_floats * sizeof *out->from);
    return pu_pool_new(threads, &out->pool);
}

static void copies_close(copies *c) {
    pu_pool_free(c->pool);
    pu_pages_free(c->from, c->from_floats * sizeof *c->from);
    pu_pages_free(c->to, c->window_floats * SLOTS * BATCH * sizeof *c->to);
}

static void copy_windows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const copies *c = context;
    const uint64_t places = (uint64_t)((c->from_floats - c->window_floats) / WINDOW);
    for (int64_t i = begin; i < end; ++i) {
        const uint64_t place = pu_random_permute(1, 0, places, (uint64_t)(c->position + i) % places);
        const int64_t slot = (c->position + i) % (SLOTS * BATCH);
        memcpy(c->to + (size_t)slot * c->window_floats, c->from + place * WINDOW,
               c->window_floats * sizeof *c->to);
    }
}

/* Windows per second of memcpy: shuffled, from memory into a ring. */
static double copy_rate(copies *c, double seconds) {
    const double started_s = pu_clock_s();
    const int64_t first = c->position;
    while (pu_clock_s() - started_s < seconds) {
        pu_parallel_for(c->pool, SLOTS * BATCH, BATCH, copy_windows, c);
        c->position += (int64_t)SLOTS * BATCH;
    }
    return (double)(c->position - first) / (pu_clock_s() - started_s);
}

/* ---- the loader ---- */

static pu_status take(pu_loader *loader, double seconds, int64_t windows_max, double *rate) {
    const double started_s = pu_clock_s();
    int64_t windows = 0;
    while (pu_clock_s() - started_s < seconds && windows < windows_max) {
        pu_batch batch;
        PU_TRY(pu_loader_next(loader, &batch));
        windows += batch.windows;
        pu_loader_release(loader, &batch);
    }
    *rate = (double)windows / (pu_clock_s() - started_s);
    return PU_OK;
}

static pu_status configure(const char *path, int readers, int cache_mib, pu_config **config) {
    char store[600], reader_text[64], cache_text[64], shape[3][64];
    snprintf(store, sizeof store, "data.store=%s", path);
    snprintf(reader_text, sizeof reader_text, "windows.readers=%d", readers);
    snprintf(cache_text, sizeof cache_text, "windows.cache_mib=%d", cache_mib);
    snprintf(shape[0], sizeof shape[0], "windows.window_bars=%d", WINDOW);
    snprintf(shape[1], sizeof shape[1], "windows.warmup_bars=%d", WARMUP);
    snprintf(shape[2], sizeof shape[2], "train.batch=%d", BATCH);
    const char *const overrides[] = {store, reader_text, cache_text, shape[0], shape[1], shape[2]};
    return pu_config_load(NULL, 6, overrides, config);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

typedef struct bench {
    pu_config *config[2]; /* with and without kept blocks */
    pu_dataset *dataset[2];
    pu_loader *loader[2];
    copies copies;
    double window_bytes;
} bench;

static pu_status bench_open(const char *path, int readers, bench *out) {
    *out = (bench){0};
    for (int i = 0; i < 2; ++i) {
        PU_TRY(configure(path, readers, i == 0 ? 1024 : 0, &out->config[i]));
        PU_TRY(pu_dataset_open(out->config[i], &out->dataset[i]));
        PU_TRY(
            pu_loader_open(out->dataset[i], out->config[i], PU_SEGMENT_TRAIN, NULL, true, 1, 0, &out->loader[i]));
    }
    const size_t features = (size_t)pu_dataset_features(out->dataset[0]);
    const size_t window_floats = (WARMUP + WINDOW) * features + 2 * WINDOW * HORIZONS;
    out->window_bytes = (double)(window_floats * sizeof(float));
    return copies_open(readers, window_floats, (size_t)ASSETS * BARS * 6 / 10 * (features + 1 + HORIZONS),
                       &out->copies);
}

static void bench_close(bench *b) {
    copies_close(&b->copies);
    for (int i = 0; i < 2; ++i) {
        pu_loader_close(b->loader[i]);
        pu_dataset_close(b->dataset[i]);
        pu_config_free(b->config[i]);
    }
}

static void line(const bench *b, const char *name, int readers, double rate, double share) {
    printf("%-7s %d thread%s %10.0f windows/s %8.0f MB/s %6.1f%% of memcpy\n", name, readers,
           readers == 1 ? " " : "s", rate, rate * b->window_bytes / 1e6, 100 * share);
}

/* Forgets the file's pages; the share of them that is held all the same, or 1 where nothing can be known. */
static double forget_pages(const char *path) {
    const int file = open(path, O_RDONLY);
    struct stat info;
    double held = 1;
    if (file < 0) return held;
    if (fdatasync(file) == 0 && posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0 && fstat(file, &info) == 0) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size_t)info.st_size;
        const size_t pages = (bytes + page - 1) / page;
        unsigned char *present = pu_calloc(pages, 1);
        void *view = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
        if (present && view != MAP_FAILED && mincore(view, bytes, present) == 0) {
            size_t count = 0;
            for (size_t i = 0; i < pages; ++i) count += present[i] & 1;
            held = (double)count / (double)pages;
        }
        if (view != MAP_FAILED) munmap(view, bytes);
        pu_free(present);
    }
    close(file);
    return held;
}

/* Windows per second of the first epoch of a dataset opened for it. */
static pu_status first_epoch(const bench *b, double *rate) {
    pu_dataset *dataset = NULL;
    pu_loader *loader = NULL;
    pu_status status = pu_dataset_open(b->config[0], &dataset);
    if (status == PU_OK)
        status = pu_loader_open(dataset, b->config[0], PU_SEGMENT_TRAIN, NULL, true, 1, 0, &loader);
    if (status == PU_OK) status = take(loader, 1e9, pu_loader_windows(loader), rate);
    pu_loader_close(loader);
    pu_dataset_close(dataset);
    return status;
}

/* Short rounds of each kind in turn, so that other load on the machine falls on all alike; medians. */
static pu_status measure(bench *b, int readers, double seconds) {
    double cold = 0, first = 0, warm[ROUNDS], direct[ROUNDS], copied[ROUNDS], warm_share[ROUNDS],
           direct_share[ROUNDS];
    const double held = forget_pages(b->config[0]->data.store);
    PU_TRY(first_epoch(b, &cold));
    PU_TRY(take(b->loader[0], 1e9, pu_loader_windows(b->loader[0]), &first));
    for (int i = 0; i < ROUNDS; ++i) {
        PU_TRY(take(b->loader[0], seconds / ROUNDS, INT64_MAX, &warm[i]));
        copied[i] = copy_rate(&b->copies, seconds / ROUNDS);
        PU_TRY(take(b->loader[1], seconds / ROUNDS, INT64_MAX, &direct[i]));
        warm_share[i] = warm[i] / copied[i];
        direct_share[i] = direct[i] / copied[i];
    }
    const double copied_median = median(copied, ROUNDS);
    printf("cold: the operating system held %.0f %% of the file's pages\n", 100 * held);
    line(b, "cold", readers, cold, cold / copied_median);
    line(b, "first", readers, first, first / copied_median);
    line(b, "warm", readers, median(warm, ROUNDS), median(warm_share, ROUNDS));
    line(b, "direct", readers, median(direct, ROUNDS), median(direct_share, ROUNDS));
    line(b, "memcpy", readers, copied_median, 1);
    return PU_OK;
}

static pu_status run(const char *path, double seconds) {
    pu_config *config = NULL;
    pu_features_result built;
    PU_TRY(write_market(path));
    PU_TRY(configure(path, 1, 0, &config));
    pu_status status = pu_features_build(config, &built);
    pu_config_free(config);
    PU_TRY(status);
    printf("%d assets, %d bars each, window %d + %d warm-up, batch %d, %d horizons\n", ASSETS, BARS, WINDOW,
           WARMUP, BATCH, HORIZONS);
    printf("features build: %.0f bars/s\n", (double)ASSETS * BARS / built.seconds);
    for (int readers = 1; readers <= 2 && status == PU_OK; ++readers) {
        bench b;
        status = bench_open(path, readers, &b);
        if (status == PU_OK) status = measure(&b, readers, seconds);
        bench_close(&b);
    }
    return status;
}

int main(int argc, char **argv) {
    const double seconds = argc > 1 ? atof(argv[1]) : 2;
    const char *folder = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/bench_windows.%ld.db", folder ? folder : "/tmp", (long)getpid());
    pu_progress_silence(true);
    const pu_status status = run(path, seconds > 0 ? seconds : 2);
    if (status != PU_OK) fprintf(stderr, "bench_windows: %s\n", pu_error_message());
    unlink(path);
    return status == PU_OK ? 0 : 1;
}
