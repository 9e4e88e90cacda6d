/* Features per second on one thread: all of them in one pass over the bars, as blocks are built, and each by
 * itself beside TA-Lib's C (through its Python wheel) and pandas, where those are installed, on the same bars in
 * the same run. TA-Lib reads arrays that are ready; ours includes the adjustment of every bar.
 *
 * Usage: bench_features [BARS]      PU_PEER_PYTHON names the Python (default python3; "none" skips it) */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/data/features/stream.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { ASSETS = 11, BARS = 5000, ROUNDS = 3, FIRST_TS = 883699200, DAY_S = 86400, COLUMNS = 5, PEERS_MAX = 128 };

/* A random walk; `block` holds ts, open, high, low, close, volume one after the other. */
static bool walk(uint64_t seed, int64_t count, pu_bars *out) {
    const size_t n = (size_t)count;
    char *block = pu_calloc(n, (1 + COLUMNS) * sizeof(double));
    if (!block) return false;
    double *column = (double *)(void *)(block + n * sizeof(int64_t));
    *out = (pu_bars){.count = count,
                     .ts = (int64_t *)(void *)block,
                     .open = column,
                     .high = column + n,
                     .low = column + 2 * n,
                     .close = column + 3 * n,
                     .adjusted = column + 3 * n,
                     .volume = column + 4 * n};
    pu_random random = pu_random_at(seed, 0);
    double last = 100;
    for (int64_t i = 0; i < count; ++i) {
        out->ts[i] = FIRST_TS + i * DAY_S;
        out->open[i] = last * exp(0.004 * pu_random_normal(&random));
        out->close[i] = last = last * exp(0.012 * pu_random_normal(&random));
        out->high[i] = fmax(out->open[i], last) * exp(0.004 * fabs(pu_random_normal(&random)));
        out->low[i] = fmin(out->open[i], last) * exp(-0.004 * fabs(pu_random_normal(&random)));
        out->volume[i] = floor(exp(14 + 0.4 * pu_random_normal(&random)));
    }
    return true;
}

/* All features over one asset, as blocks are built. */
static pu_status pass(int count, const pu_feature *const *features, const pu_bars *bars, double *values) {
    static const pu_feature_value nothing[PU__CHUNK_BARS];
    const pu_feature_value *inputs[PU_FEATURE_INPUTS_MAX];
    for (int k = 0; k < PU_FEATURE_INPUTS_MAX; ++k) inputs[k] = nothing;
    pu__stream *stream = NULL;
    pu__columns columns;
    pu__adjust adjust = {0};
    PU_TRY(pu__columns_open(PU__CHUNK_BARS, &columns));
    const pu_status status = pu__stream_open(count, features, PU__CHUNK_BARS, false, &stream);
    for (int64_t first = 0; status == PU_OK && first < bars->count; first += PU__CHUNK_BARS) {
        const int64_t left = bars->count - first;
        pu__columns_take(&adjust, bars, first, left < PU__CHUNK_BARS ? left : PU__CHUNK_BARS, &columns);
        const pu_feature_chunk chunk = pu__columns_chunk(&columns);
        for (int f = 0; f < count; ++f) pu__stream_run(stream, f, &chunk, inputs, values);
    }
    pu__stream_close(stream);
    pu__columns_close(&columns);
    return status;
}

static pu_status time_pass(const pu_bars *bars, double *seconds) {
    const int count = pu_feature_count();
    const pu_feature **features = pu_calloc((size_t)count, sizeof *features);
    double *values = pu_calloc(PU__CHUNK_BARS, sizeof *values);
    pu_status status = features && values ? PU_OK : PU_ERR_MEMORY;
    for (int f = 0; status == PU_OK && f < count; ++f) features[f] = pu_feature_at(f);
    const double started_s = pu_clock_s();
    for (int a = 0; a < ASSETS && status == PU_OK; ++a) status = pass(count, features, &bars[a], values);
    *seconds = pu_clock_s() - started_s;
    pu_free(features);
    pu_free(values);
    return status;
}

/* Seconds of one feature over all assets, the least of the rounds. */
static pu_status time_feature(const pu_feature *feature, const pu_bars *bars, double *out, double *seconds) {
    *seconds = INFINITY;
    for (int round = 0; round < ROUNDS; ++round) {
        const double started_s = pu_clock_s();
        for (int a = 0; a < ASSETS; ++a) PU_TRY(pu_feature_compute(feature, &bars[a], out));
        *seconds = fmin(*seconds, pu_clock_s() - started_s);
    }
    return PU_OK;
}

/* ---- peers ---- */

typedef struct peer {
    char library[16], features[128];
    double seconds;
} peer;

static bool write_bars(const pu_bars *bars, const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file) return false;
    bool is_written = true;
    for (int a = 0; a < ASSETS; ++a) {
        const double *columns[COLUMNS] = {bars[a].open, bars[a].high, bars[a].low, bars[a].close, bars[a].volume};
        for (int c = 0; c < COLUMNS; ++c)
            is_written =
                fwrite(columns[c], sizeof(double), (size_t)bars[a].count, file) == (size_t)bars[a].count &&
                is_written;
    }
    return fclose(file) == 0 && is_written;
}

static int run_peers(const pu_bars *bars, peer *out) {
    const char *python = getenv("PU_PEER_PYTHON"), *source = getenv("PU_SOURCE");
    if (python && strcmp(python, "none") == 0) return 0;
    char path[] = "/tmp/plusultra-bench-XXXXXX", command[1024];
    const int descriptor = mkstemp(path);
    if (descriptor < 0) return 0;
    close(descriptor);
    int count = 0;
    snprintf(command, sizeof command,
             "OMP_NUM_THREADS=1 '%s' '%s/bench/peers/features_python.py' %s %d %" PRId64 " %d 2>/dev/null",
             python ? python : "python3", source ? source : ".", path, ASSETS, bars[0].count, ROUNDS);
    FILE *pipe = write_bars(bars, path) ? popen(command, "r") : NULL;
    while (pipe && count < PEERS_MAX &&
           fscanf(pipe, "%15s %lf %127s", out[count].library, &out[count].seconds, out[count].features) == 3)
        count += 1;
    if (pipe && pclose(pipe) != 0) count = 0;
    unlink(path);
    return count;
}

/* Ours for the features of one computation of a peer: the sum of theirs. */
static double ours_s(const char *names, const double *seconds) {
    double sum = 0;
    char name[64];
    for (int length; *names; names += length + (names[length] == ',')) {
        length = (int)strcspn(names, ",");
        snprintf(name, sizeof name, "%.*s", length, names);
        for (int f = 0; f < pu_feature_count(); ++f) {
            if (strcmp(pu_feature_at(f)->name, name) == 0) sum += seconds[f];
        }
    }
    return sum;
}

static void print_library(const char *library, const peer *peers, int count, const double *seconds, double bars) {
    double theirs = 0, ours = 0;
    int features = 0;
    for (int i = 0; i < count; ++i) {
        if (strcmp(peers[i].library, library) != 0) continue;
        const double own = ours_s(peers[i].features, seconds);
        int names = 1;
        for (const char *at = peers[i].features; *at; ++at) names += *at == ',';
        printf("  %-12s %-48s %7.1f ns/bar, ours %7.1f, theirs / ours %7.2f\n", library, peers[i].features,
               1e9 * peers[i].seconds / bars, 1e9 * own / bars, peers[i].seconds / own);
        theirs += peers[i].seconds, ours += own, features += names;
    }
    if (features == 0) {
        printf("%s: not available here\n", library);
        return;
    }
    printf("%s, %d shared features: %.4g bars*features/s, ours %.4g; theirs / ours %.2f\n", library, features,
           bars * features / theirs, bars * features / ours, theirs / ours);
}

static pu_status measure(const pu_bars *bars, double *seconds, double *total_s) {
    *total_s = INFINITY;
    for (int round = 0; round < ROUNDS; ++round) {
        double pass_s = 0;
        PU_TRY(time_pass(bars, &pass_s));
        *total_s = fmin(*total_s, pass_s);
    }
    double *out = pu_calloc((size_t)bars[0].count, sizeof *out);
    pu_status status = out ? PU_OK : PU_ERR_MEMORY;
    for (int f = 0; f < pu_feature_count() && status == PU_OK; ++f)
        status = time_feature(pu_feature_at(f), bars, out, &seconds[f]);
    pu_free(out);
    return status;
}

/* The dearest features; `seconds` is used up. */
static void print_costs(double *seconds, double bars) {
    enum { LISTED = 8 };
    printf("dearest of ours:");
    for (int i = 0; i < LISTED; ++i) {
        int most = 0;
        for (int f = 1; f < pu_feature_count(); ++f) most = seconds[f] > seconds[most] ? f : most;
        printf(" %s %.0f", pu_feature_at(most)->name, 1e9 * seconds[most] / bars);
        seconds[most] = 0;
    }
    printf(" ns/bar\n");
}

int main(int argc, char **argv) {
    const int64_t count = argc > 1 ? atoll(argv[1]) : BARS;
    const double total_bars = (double)count * ASSETS;
    pu_bars bars[ASSETS] = {{0}};
    static peer peers[PEERS_MAX];
    double *seconds = pu_calloc((size_t)pu_feature_count(), sizeof *seconds), total_s = 0;
    bool is_ready = seconds != NULL && count > 0;
    for (int a = 0; a < ASSETS && is_ready; ++a) is_ready = walk((uint64_t)a + 1, count, &bars[a]);
    const pu_status status = is_ready ? measure(bars, seconds, &total_s) : PU_ERR_MEMORY;
    if (status == PU_OK) {
        printf("%d features, %d assets of %" PRId64 " bars, one thread\n", pu_feature_count(), ASSETS, count);
        printf("all in one pass: %.4g bars*features/s, %.2f us a bar, %.0f ns a feature\n",
               total_bars * pu_feature_count() / total_s, 1e6 * total_s / total_bars,
               1e9 * total_s / total_bars / pu_feature_count());
        const int found = run_peers(bars, peers);
        print_library("TA-Lib", peers, found, seconds, total_bars);
        print_library("pandas", peers, found, seconds, total_bars);
        print_library("pandas.apply", peers, found, seconds, total_bars);
        print_costs(seconds, total_bars);
    } else {
        fprintf(stderr, "bench_features: %s\n", pu_error_message());
    }
    for (int a = 0; a < ASSETS; ++a) pu_bars_free(&bars[a]);
    pu_free(seconds);
    return status == PU_OK ? 0 : 1;
}
