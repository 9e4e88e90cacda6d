/* Features per second on one thread: all of them in one pass over the bars, as blocks are built, and each by itself
 * beside TA-Lib's C library on the same columns, and the same set in pandas and NumPy. Everything in one run; the
 * least of several rounds counts.
 *
 * Usage: bench_features [BARS]
 * PU_PEER_PYTHON   a Python with pandas and the TA-Lib wheel, whose C library is used (default python3; "none")
 * PU_TALIB         TA-Lib's shared library, where it is not that one */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/system/talib_peer.h"
#include "host/data/features/stream.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"

enum {
    ASSETS = 11,
    BARS = 5000,
    ROUNDS = 15,
    THREADS = 2,
    FIRST_TS = 883699200,
    DAY_S = 86400,
    COLUMNS = 5 /* but for the time */,
    NAME_BYTES = 512,
    FEATURES_MAX = 512
};

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

/* The bars of the assets as columns, adjusted, and room for the values of one feature. */
typedef struct market {
    pu_bars bars[ASSETS];
    pu_feature_chunk asset[ASSETS]; /* all of its bars */
    pu__columns columns[ASSETS];
    double *out[TALIB_OUTPUTS_MAX];
    int64_t count;
} market;

static bool market_open(int64_t count, market *out) {
    out->count = count;
    bool is_ready = true;
    for (int i = 0; i < TALIB_OUTPUTS_MAX && is_ready; ++i)
        is_ready = (out->out[i] = pu_calloc((size_t)count, sizeof(double))) != NULL;
    for (int a = 0; a < ASSETS && is_ready; ++a) {
        pu__adjust adjust = {0};
        is_ready =
            walk((uint64_t)a + 1, count, &out->bars[a]) && pu__columns_open(count, &out->columns[a]) == PU_OK;
        if (!is_ready) break;
        pu__columns_take(&adjust, &out->bars[a], 0, count, &out->columns[a]);
        out->asset[a] = pu__columns_chunk(&out->columns[a]);
    }
    return is_ready;
}

static void market_close(market *m) {
    for (int a = 0; a < ASSETS; ++a) {
        pu_bars_free(&m->bars[a]);
        pu__columns_close(&m->columns[a]);
    }
    for (int i = 0; i < TALIB_OUTPUTS_MAX; ++i) pu_free(m->out[i]);
}

static void keep_least(double started_s, double *seconds) { *seconds = fmin(*seconds, pu_clock_s() - started_s); }

/* ---- ours ---- */

/* Of the asset's own bars alone: what TA-Lib and pandas are asked for too. */
static bool is_own(const pu_feature *feature) {
    return feature->input_count == 0 && feature->cross == PU_CROSS_NONE;
}

static int list_features(bool all, const pu_feature **out) {
    int count = 0;
    for (int f = 0; f < pu_feature_count(); ++f) {
        if (all || is_own(pu_feature_at(f))) out[count++] = pu_feature_at(f);
    }
    return count;
}

/* Stands for every input: the asset's own close for a level or a series, its return for the universe's. */
typedef struct stand_in {
    pu_feature_value level[PU__CHUNK_BARS], change[PU__CHUNK_BARS];
} stand_in;

static void feed(pu__stream *stream, int index, const pu_feature *feature, const pu_feature_chunk *chunk,
                 const stand_in *from, double *out) {
    const pu_feature_value *inputs[PU_FEATURE_INPUTS_MAX] = {NULL};
    for (int k = 0; k < feature->input_count; ++k)
        inputs[k] = strcmp(feature->inputs[k], "universe") == 0 ? from->change : from->level;
    pu__stream_run(stream, index, chunk, inputs, out);
}

/* Bars of one asset to adjusted columns, a chunk at a time, and the values of all features of each chunk. */
static pu_status pass(int count, const pu_feature *const *features, const pu_bars *bars, double *values) {
    static stand_in inputs;
    pu__stream *stream = NULL;
    pu__columns columns;
    pu__adjust adjust = {0};
    PU_TRY(pu__columns_open(PU__CHUNK_BARS, &columns));
    const pu_status status = pu__stream_open(count, features, PU__CHUNK_BARS, false, &stream);
    for (int64_t first = 0; status == PU_OK && first < bars->count; first += PU__CHUNK_BARS) {
        const int64_t left = bars->count - first;
        pu__columns_take(&adjust, bars, first, left < PU__CHUNK_BARS ? left : PU__CHUNK_BARS, &columns);
        const pu_feature_chunk chunk = pu__columns_chunk(&columns);
        for (int64_t i = 0; i < chunk.count; ++i) {
            inputs.level[i].value = chunk.close[i];
            inputs.change[i].value = chunk.log_return[i];
        }
        for (int f = 0; f < count; ++f)
            feed(stream, f, features[f], &chunk, &inputs, values + (int64_t)f * PU__CHUNK_BARS);
    }
    pu__stream_close(stream);
    pu__columns_close(&columns);
    return status;
}

/* Features over all assets, as blocks are built; none: what every pass pays once. */
static pu_status time_pass(const market *m, int count, const pu_feature *const *features, double *seconds) {
    double *values = pu_calloc((size_t)count + 1, PU__CHUNK_BARS * sizeof *values);
    pu_status status = values ? PU_OK : PU_ERR_MEMORY;
    for (int a = 0; a < ASSETS && status == PU_OK; ++a) {
        const double started_s = pu_clock_s();
        status = pass(count, features, &m->bars[a], values);
        keep_least(started_s, &seconds[a]);
    }
    pu_free(values);
    return status;
}

/* Assets side by side, one after another on each thread. */
typedef struct side_by_side {
    const market *m;
    const pu_feature **features;
    int count;
    double *values[THREADS];
    pu_status status[THREADS];
} side_by_side;

static void run_assets(void *context, int64_t begin, int64_t end, int worker) {
    side_by_side *job = context;
    for (int64_t a = begin; a < end && job->status[worker] == PU_OK; ++a)
        job->status[worker] = pass(job->count, job->features, &job->m->bars[a], job->values[worker]);
}

/* Seconds of one pass over all assets, the least of the rounds. */
static pu_status time_threads(const market *m, int threads, double *seconds) {
    const pu_feature *own[FEATURES_MAX];
    side_by_side job = {.m = m, .features = own, .count = list_features(false, own)};
    pu_pool *pool = NULL;
    pu_status status = pu_pool_new(threads, &pool);
    for (int i = 0; i < threads && status == PU_OK; ++i) {
        job.values[i] = pu_calloc((size_t)job.count, PU__CHUNK_BARS * sizeof(double));
        status = job.values[i] ? PU_OK : PU_ERR_MEMORY;
    }
    *seconds = INFINITY;
    for (int round = 0; round < ROUNDS && status == PU_OK; ++round) {
        const double started_s = pu_clock_s();
        pu_parallel_for(pool, ASSETS, 1, run_assets, &job);
        keep_least(started_s, seconds);
        for (int i = 0; i < threads; ++i) status = status == PU_OK ? job.status[i] : status;
    }
    for (int i = 0; i < threads; ++i) pu_free(job.values[i]);
    pu_pool_free(pool);
    return status;
}

/* One feature over columns that are ready, as TA-Lib's functions get them, from a fresh state. */
static void compute(const pu_feature *feature, void *state, const pu_feature_chunk *bars, double *out) {
    memset(state, 0, feature->state_bytes);
    feature->update_many(state, feature->parameters, bars, out);
}

static pu_status time_feature(const pu_feature *feature, const market *m, double *seconds) {
    void *state = pu_calloc(1, feature->state_bytes);
    if (!state) return PU_ERR_MEMORY;
    for (int a = 0; a < ASSETS; ++a) {
        const double started_s = pu_clock_s();
        compute(feature, state, &m->asset[a], m->out[0]);
        keep_least(started_s, &seconds[a]);
    }
    pu_free(state);
    return PU_OK;
}

/* Seconds for each asset, the least of the rounds. */
typedef struct timings {
    double pass_s[ASSETS], all_s[ASSETS], columns_s[ASSETS]; /* own features, all features, none */
    double copy_s[ASSETS];                                   /* a column read and one written */
    double feature_s[FEATURES_MAX][ASSETS], talib_s[TALIB_ROWS][ASSETS];
    bool has_talib;
} timings;

static double total(const double *seconds) {
    double sum = 0;
    for (int a = 0; a < ASSETS; ++a) sum += seconds[a];
    return sum;
}

static void time_copy(const market *m, double *seconds) {
    for (int a = 0; a < ASSETS; ++a) {
        const double started_s = pu_clock_s();
        memcpy(m->out[a % TALIB_OUTPUTS_MAX], m->asset[a].close, (size_t)m->count * sizeof(double));
        keep_least(started_s, &seconds[a]);
    }
}

/* ---- TA-Lib ---- */

static pu_status time_talib(const struct talib_row *row, talib_function *function, const market *m,
                            double *seconds) {
    talib_run run = {.option = row->option, .out = {m->out[0], m->out[1], m->out[2]}};
    for (int a = 0; a < ASSETS; ++a) {
        run.bars = &m->asset[a];
        const double started_s = pu_clock_s();
        if (row->call(function, &run) != 0) return pu_fail(PU_ERR_DATA, "%s failed", row->function);
        keep_least(started_s, &seconds[a]);
    }
    return PU_OK;
}

/* Largest difference of ours and theirs over the last asset, in units of the largest value. */
static pu_status talib_difference(const struct talib_row *row, talib_function *function, const market *m,
                                  double *most) {
    talib_run run = {
        .option = row->option, .bars = &m->asset[ASSETS - 1], .out = {m->out[0], m->out[1], m->out[2]}};
    double *own = pu_calloc((size_t)m->count, sizeof *own);
    pu_status status = own && row->call(function, &run) == 0 ? PU_OK : PU_ERR_MEMORY;
    for (int i = 0; i < TALIB_OUTPUTS_MAX && row->features[i] && status == PU_OK; ++i) {
        const pu_feature *feature = pu_feature_find(row->features[i]);
        void *state = pu_calloc(1, feature->state_bytes);
        if (!state) status = PU_ERR_MEMORY;
        else compute(feature, state, run.bars, own);
        pu_free(state);
        double largest = 0, difference = 0;
        for (int t = feature->lookback_bars - run.begin; t < run.count && status == PU_OK; ++t) {
            largest = fmax(largest, fabs(own[run.begin + t]));
            difference = fmax(difference, fabs(own[run.begin + t] - run.out[i][t]));
        }
        *most = fmax(*most, difference / largest);
    }
    pu_free(own);
    return status;
}

static double feature_s(const timings *times, const char *name) {
    const pu_feature *own[FEATURES_MAX];
    const int count = list_features(false, own);
    for (int f = 0; f < count; ++f)
        if (strcmp(own[f]->name, name) == 0) return total(times->feature_s[f]);
    return NAN;
}

static pu_status print_talib(const timings *times, talib_function *const *function, const market *m) {
    const double bars = (double)m->count * ASSETS;
    double ours = 0, theirs = 0, least = INFINITY;
    int features = 0;
    printf(
        "beside TA-Lib's C, ns a bar (ours, theirs, theirs / ours, largest difference over the largest value)\n");
    for (int i = 0; i < TALIB_ROWS; ++i) {
        const struct talib_row *row = &talib_rows[i];
        const double theirs_s = total(times->talib_s[i]);
        double own = 0, difference = 0;
        char names[NAME_BYTES] = "";
        for (int k = 0; k < TALIB_OUTPUTS_MAX && row->features[k]; ++k, ++features) {
            own += feature_s(times, row->features[k]);
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? " " : "", row->features[k]);
        }
        PU_TRY(talib_difference(row, function[i], m, &difference));
        printf("  %-50s %6.2f %6.2f %6.2f  %.0e\n", names, 1e9 * own / bars, 1e9 * theirs_s / bars, theirs_s / own,
               difference);
        ours += own, theirs += theirs_s, least = fmin(least, theirs_s / own);
    }
    printf("TA-Lib's C, %d shared features: ours %.1f ns a bar, theirs %.1f, theirs / ours %.2f; the least of one "
           "function %.2f\n",
           features, 1e9 * ours / bars, 1e9 * theirs / bars, theirs / ours, least);
    return PU_OK;
}

/* The wheel's own copy of the library, as the named Python finds it. */
static bool find_talib(char *path, size_t bytes) {
    const char *given = getenv("PU_TALIB"), *python = getenv("PU_PEER_PYTHON");
    if (given) return snprintf(path, bytes, "%s", given) > 0;
    if (python && strcmp(python, "none") == 0) return false;
    char command[1024];
    snprintf(command, sizeof command,
             "'%s' -c 'import glob, os, talib; print(glob.glob(os.path.join(os.path.dirname(talib.__file__), "
             "\"../ta_lib.libs/libta*\"))[0])' 2>/dev/null",
             python ? python : "python3");
    FILE *pipe = popen(command, "r");
    const bool is_found = pipe && fgets(path, (int)bytes, pipe);
    if (pipe) pclose(pipe);
    if (is_found) path[strcspn(path, "\n")] = 0;
    return is_found;
}

/* ---- pandas ---- */

enum { PYTHON_ROUNDS = 3, PYTHON_GROUPS_MAX = FEATURES_MAX };

typedef struct python_group {
    char kind[16], features[NAME_BYTES];
    double seconds, difference;
} python_group;

static bool write_column(FILE *file, const double *column, int64_t count) {
    return fwrite(column, sizeof *column, (size_t)count, file) == (size_t)count;
}

/* Bars of all assets, and our values of the first. */
static pu_status write_exchange(const market *m, const char *bars_path, const char *values_path) {
    FILE *bars = fopen(bars_path, "wb"), *values = fopen(values_path, "wb");
    bool is_written = bars && values;
    for (int a = 0; a < ASSETS && is_written; ++a) {
        const pu_feature_chunk *from = &m->asset[a];
        const double *columns[COLUMNS] = {from->open, from->high, from->low, from->close, from->volume};
        for (int c = 0; c < COLUMNS; ++c) is_written = write_column(bars, columns[c], m->count) && is_written;
    }
    const pu_feature *own[FEATURES_MAX];
    const int count = list_features(false, own);
    for (int f = 0; f < count && is_written; ++f) {
        void *state = pu_calloc(1, own[f]->state_bytes);
        if (state) compute(own[f], state, &m->asset[0], m->out[0]);
        is_written = state && write_column(values, m->out[0], m->count);
        pu_free(state);
    }
    if (bars) is_written = fclose(bars) == 0 && is_written;
    if (values) is_written = fclose(values) == 0 && is_written;
    return is_written ? PU_OK : pu_fail(PU_ERR_IO, "%s and %s could not be written", bars_path, values_path);
}

/* The groups that the Python side computed; 0 where there is no Python. */
static int run_python(const market *m, const char *bars_path, const char *values_path, python_group *out) {
    const char *python = getenv("PU_PEER_PYTHON"), *source = getenv("PU_SOURCE");
    char command[1 << 14];
    int length =
        snprintf(command, sizeof command,
                 "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 '%s' '%s/bench/peers/features_python.py' %s %s %d "
                 "%" PRId64 " %d",
                 python ? python : "python3", source ? source : ".", bars_path, values_path, ASSETS, m->count,
                 PYTHON_ROUNDS);
    const pu_feature *own[FEATURES_MAX];
    const int features = list_features(false, own);
    for (int f = 0; f < features && length < (int)sizeof command; ++f)
        length += snprintf(command + length, sizeof command - (size_t)length, " %s", own[f]->name);
    FILE *pipe = length < (int)sizeof command ? popen(command, "r") : NULL;
    int count = 0;
    while (pipe && count < PYTHON_GROUPS_MAX &&
           fscanf(pipe, "%15s %lf %lf %511s", out[count].kind, &out[count].seconds, &out[count].difference,
                  out[count].features) == 4)
        count += 1;
    return pipe && pclose(pipe) == 0 ? count : 0;
}

/* Of one kind of group: seconds, and ours of the same features. */
static void python_sum(const python_group *groups, int count, const char *kind, const timings *times,
                       double *seconds, double *ours_s) {
    for (int i = 0; i < count; ++i) {
        if (strcmp(groups[i].kind, kind) != 0) continue;
        char names[NAME_BYTES], *rest = names;
        snprintf(names, sizeof names, "%s", groups[i].features);
        *seconds += groups[i].seconds;
        for (char *name; (name = strsep(&rest, ","));) *ours_s += feature_s(times, name);
    }
}

static void print_python(const python_group *groups, int count, const timings *times, double bars) {
    enum { PANDAS, NUMPY, APPLY, LOOP, KINDS };
    static const char *const kinds[KINDS] = {"pandas", "numpy", "apply", "loop"};
    double theirs[KINDS] = {0}, ours[KINDS] = {0}, worst = 0;
    printf("in Python, ns a bar (largest difference over the largest value)\n");
    for (int i = 0; i < count; ++i) {
        printf("  %-6s %9.1f (%.0e) %s\n", groups[i].kind, 1e9 * groups[i].seconds / bars, groups[i].difference,
               groups[i].features);
        worst = fmax(worst, groups[i].difference);
    }
    for (int k = 0; k < KINDS; ++k) {
        python_sum(groups, count, kinds[k], times, &theirs[k], &ours[k]);
        printf("%-6s %8.2f us a bar, ours %6.3f us, each by itself; theirs / ours %.1f\n", kinds[k],
               1e6 * theirs[k] / bars, 1e6 * ours[k] / bars, theirs[k] / ours[k]);
    }
    const double pass_s = total(times->pass_s);
    const double pandas_s = theirs[PANDAS] + theirs[APPLY] + theirs[LOOP];
    const double numpy_s = theirs[PANDAS] + theirs[NUMPY] + theirs[LOOP];
    printf("all in pandas, rolling.apply where it has no statistic: %.1f us a bar, ours in one pass %.3f us; "
           "theirs / "
           "ours %.1f\n",
           1e6 * pandas_s / bars, 1e6 * pass_s / bars, pandas_s / pass_s);
    printf("all with NumPy in place of rolling.apply: %.1f us a bar; theirs / ours %.1f; largest difference of "
           "values "
           "%.0e\n",
           1e6 * numpy_s / bars, numpy_s / pass_s, worst);
}

static pu_status compare_python(const market *m, const timings *times) {
    static python_group groups[PYTHON_GROUPS_MAX];
    const char *python = getenv("PU_PEER_PYTHON");
    if (python && strcmp(python, "none") == 0) return PU_OK;
    char folder[] = "/tmp/plusultra-bench-XXXXXX", bars[64], values[64];
    if (!mkdtemp(folder)) return pu_fail(PU_ERR_IO, "%s could not be made", folder);
    snprintf(bars, sizeof bars, "%s/bars", folder);
    snprintf(values, sizeof values, "%s/values", folder);
    const pu_status status = write_exchange(m, bars, values);
    const int count = status == PU_OK ? run_python(m, bars, values, groups) : 0;
    unlink(bars);
    unlink(values);
    rmdir(folder);
    if (count > 0) print_python(groups, count, times, (double)m->count * ASSETS);
    else printf("pandas is not available here\n");
    return status;
}

static pu_status measure(const market *m, talib_function *const *function, timings *out) {
    const pu_feature *own[FEATURES_MAX], *all[FEATURES_MAX];
    const int own_count = list_features(false, own);
    list_features(true, all);
    for (int a = 0; a < ASSETS; ++a) {
        out->pass_s[a] = out->all_s[a] = out->columns_s[a] = out->copy_s[a] = INFINITY;
        for (int f = 0; f < own_count; ++f) out->feature_s[f][a] = INFINITY;
        for (int i = 0; i < TALIB_ROWS; ++i) out->talib_s[i][a] = INFINITY;
    }
    for (int round = 0; round < ROUNDS; ++round) {
        PU_TRY(time_pass(m, own_count, own, out->pass_s));
        PU_TRY(time_pass(m, pu_feature_count(), all, out->all_s));
        PU_TRY(time_pass(m, 0, own, out->columns_s));
        time_copy(m, out->copy_s);
        for (int f = 0; f < own_count; ++f) PU_TRY(time_feature(own[f], m, out->feature_s[f]));
        for (int i = 0; out->has_talib && i < TALIB_ROWS; ++i)
            PU_TRY(time_talib(&talib_rows[i], function[i], m, out->talib_s[i]));
    }
    return PU_OK;
}

/* Every feature, the dearest first. */
static void print_costs(const timings *times, double bars) {
    const pu_feature *own[FEATURES_MAX];
    double left_s[FEATURES_MAX], sum = 0;
    const int count = list_features(false, own);
    for (int f = 0; f < count; ++f) sum += left_s[f] = total(times->feature_s[f]);
    printf("each by itself, ns a bar, sum %.0f:", 1e9 * sum / bars);
    for (int i = 0; i < count; ++i) {
        int most = 0;
        for (int f = 1; f < count; ++f) most = left_s[f] > left_s[most] ? f : most;
        printf("%s%s %.1f", i % 8 ? ", " : "\n  ", own[most]->name, 1e9 * left_s[most] / bars);
        left_s[most] = -1;
    }
    printf("\n");
}

static pu_status run(const market *m) {
    static timings times;
    talib_function *function[TALIB_ROWS] = {NULL};
    char path[1024];
    times.has_talib = find_talib(path, sizeof path) && talib_open(path, function);
    PU_TRY(measure(m, function, &times));
    const double bars = (double)m->count * ASSETS, pass_s = total(times.pass_s);
    const pu_feature *own[FEATURES_MAX];
    const int features = list_features(false, own);
    printf("%d features of an asset's own bars, %d assets of %" PRId64 " bars, one thread\n", features, ASSETS,
           m->count);
    printf("all in one pass: %.4g bars*features/s, %.3f us a bar, %.1f ns a feature\n", bars * features / pass_s,
           1e6 * pass_s / bars, 1e9 * pass_s / bars / features);
    printf("%d more that look beyond the asset: %.3f us a bar, their inputs given\n",
           pu_feature_count() - features, 1e6 * (total(times.all_s) - pass_s) / bars);
    printf("adjusted columns and the shared log return, once a pass: %.1f ns a bar\n",
           1e9 * total(times.columns_s) / bars);
    double one_s = 0, two_s = 0;
    PU_TRY(time_threads(m, 1, &one_s));
    PU_TRY(time_threads(m, THREADS, &two_s));
    printf("assets side by side: 1 thread %.3f us a bar, %d threads %.3f us, %.2f times\n", 1e6 * one_s / bars,
           THREADS, 1e6 * two_s / bars, one_s / two_s);
    printf("floor of one feature: reading a column and writing one, %.2f ns a bar (measured by memcpy)\n",
           1e9 * total(times.copy_s) / bars);
    if (times.has_talib) {
        PU_TRY(print_talib(&times, function, m));
    } else {
        printf("TA-Lib is not available here\n");
    }
    PU_TRY(compare_python(m, &times));
    print_costs(&times, bars);
    return PU_OK;
}

int main(int argc, char **argv) {
    const int64_t count = argc > 1 ? atoll(argv[1]) : BARS;
    static market m;
    const bool is_ready = count > 0 && pu_feature_count() <= FEATURES_MAX && market_open(count, &m);
    const pu_status status = is_ready ? run(&m) : PU_ERR_MEMORY;
    if (status != PU_OK) fprintf(stderr, "bench_features: %s\n", pu_error_message());
    market_close(&m);
    return status == PU_OK ? 0 : 1;
}
