/* The lanes of vectors are paths: every loop over lanes is one that the compiler vectorises. A group of PU__N paths
 * keeps its state in a worker's memory, small enough for the nearest cache at a dozen assets. */
#include "kernels/paths/paths.h"

#include <string.h>

#include "kernels/paths/fixed_point.h"
#include "kernels/physics/philox_lanes.h"

enum { PU__N = 64, CACHE_LINE = 64 };
#define PU__LANES_ALIGN _Alignas(CACHE_LINE)
#define PU__LANE_WORDS pu__draw_words_lanes
#define PU__LANE_NORMALS pu__draw_normals_lanes
#define PU__LANE_EXPM1 pu__expm1_lanes
#include "kernels/paths/path_single.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"

enum { GROUPS_GRAIN = 16 };

typedef struct job {
    const pu__path_scenario *scenario;
    const pu__path_batch *batch;
    char *state; /* one stretch a worker, each from a cache line on */
    size_t state_bytes;
    pu__path_summary *summary; /* one a worker */
} job;

/* Prices, trades and equity of a bar to the whole paths that were asked for. */
static void keep_bar(const pu__path_lanes *lanes, const pu__path_batch *batch, int64_t first, int live,
                     int32_t bar, const double *trade) {
    const int32_t assets = lanes->scenario->assets;
    const int64_t bars = lanes->scenario->steps + 1;
    for (int l = 0; l < live; ++l) {
        const int64_t at = (first + l) * bars + bar;
        if (batch->equity) batch->equity[at] = lanes->equity[l];
        for (int32_t a = 0; a < assets; ++a) {
            if (batch->price) batch->price[at * assets + a] = lanes->price[a * PU__N + l];
            if (batch->trade) batch->trade[at * assets + a] = trade[a * PU__N + l];
        }
    }
}

/* Sums of a metric over a group, in loops that vectorise: units before they become integers, extremes by halves. */
static void sum_metric(pu__path_sum *sum, const double metric[PU__N]) {
    double units[PU__N], square_units[PU__N], least[PU__N], most[PU__N];
    int64_t low = 0, high = 0, square_low = 0, square_high = 0;
    for (int l = 0; l < PU__N; ++l) {
        units[l] = pu__fixed_units(metric[l]);
        square_units[l] = pu__fixed_square_units(metric[l]);
        least[l] = most[l] = metric[l];
    }
    for (int l = 0; l < PU__N; ++l) {
        const int64_t value = (int64_t)units[l], square = (int64_t)square_units[l];
        low += pu__fixed_low(value);
        high += pu__fixed_high(value);
        square_low += pu__fixed_low(square);
        square_high += pu__fixed_high(square);
    }
    for (int half = PU__N / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) {
            least[l] = least[l + half] < least[l] ? least[l + half] : least[l];
            most[l] = most[l + half] > most[l] ? most[l + half] : most[l];
        }
    }
    sum->low += low;
    sum->high += high;
    sum->square_low += square_low;
    sum->square_high += square_high;
    sum->least = least[0] < sum->least ? least[0] : sum->least;
    sum->most = most[0] > sum->most ? most[0] : sum->most;
}

/* What pu__path_summary_take does for each path of a whole group. */
static void summarise(pu__path_summary *summary, double metric[PU_PATH_METRIC_COUNT][PU__N]) {
    summary->paths += PU__N;
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) sum_metric(&summary->sum[m], metric[m]);
    for (int l = 0; l < PU__N; ++l) {
        summary->ruined += metric[PU_PATH_RUIN_BAR][l] >= 0.0;
        summary->margin_called += metric[PU_PATH_MARGIN_BAR][l] >= 0.0;
        summary->stopped += metric[PU_PATH_STOP_BAR][l] >= 0.0;
    }
    for (int l = 0; l < PU__N; ++l) {
        ++summary->wealth_bin[pu__wealth_bin(metric[PU_PATH_WEALTH][l])];
        ++summary->drawdown_bin[pu__drawdown_bin(metric[PU_PATH_DRAWDOWN][l])];
    }
}

static void finish(const pu__path_lanes *lanes, const pu__path_batch *batch, int64_t first, int live,
                   pu__path_summary *summary) {
    double metric[PU_PATH_METRIC_COUNT][PU__N];
    PU__EACH_LANE(l) {
        double of_lane[PU_PATH_METRIC_COUNT];
        pu__lane_metrics(lanes, l, of_lane);
        for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) metric[m][l] = of_lane[m];
    }
    for (int m = 0; m < PU_PATH_METRIC_COUNT && batch->metric; ++m)
        memcpy(batch->metric + m * batch->count + first, metric[m], (size_t)live * sizeof(double));
    if (summary && live == PU__N) summarise(summary, metric);
    for (int l = 0; l < live && summary && live < PU__N; ++l) {
        double of_lane[PU_PATH_METRIC_COUNT];
        for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) of_lane[m] = metric[m][l];
        pu__path_summary_take(summary, of_lane);
    }
}

static void run_group(const job *j, int64_t first, double *memory, pu__path_summary *summary) {
    const pu__path_scenario *s = j->scenario;
    const int64_t left = j->batch->count - first;
    const int live = left < PU__N ? (int)left : PU__N;
    const bool keep = j->batch->price || j->batch->trade || j->batch->equity;
    pu__path_lanes lanes;
    lanes.scenario = s;
    lanes.keep = keep;
    lanes.path = j->batch->first + (uint64_t)first;
    lanes.stride = PU__N;
    lanes.live = live;
    lanes.weight = j->batch->weight ? j->batch->weight + first * (s->steps + 1) * s->assets : NULL;
    double *trade = keep ? memory : NULL;
    pu__lane_place(&lanes, memory + (int64_t)s->assets * PU__N, 0);
    pu__lane_reset(&lanes);
    if (!keep && pu__lane_is_single(s)) {
        pu__lane_walk_path(&lanes);
    } else {
        float unseen = 1.0f;
        for (int32_t bar = 0; bar <= s->steps; ++bar) {
            const int place = (bar - 1) % PU_DRAW_STEPS;
            if (bar > 0 && place == 0) pu__lane_returns(&lanes, (bar - 1) / PU_DRAW_STEPS);
            if (bar > 0) {
                unseen *= s->slow_decay;
                pu__lane_observe(&lanes, place);
                pu__lane_mark(&lanes, bar, place);
            }
            pu__lane_fill(&lanes, bar, 1.0f - unseen, trade);
            if (keep) keep_bar(&lanes, j->batch, first, live, bar, trade);
        }
    }
    finish(&lanes, j->batch, first, live, summary);
}

static void run_groups(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    pu__path_summary *summary = j->summary ? &j->summary[worker] : NULL;
    for (int64_t group = begin; group < end; ++group)
        run_group(j, group * PU__N, (double *)(void *)(j->state + (size_t)worker * j->state_bytes), summary);
}

pu_status pu__paths_cpu(const pu__path_scenario *scenario, const pu__path_batch *batch, struct pu_pool *pool) {
    PU_TRY(pu__path_scenario_check(scenario));
    PU_TRY(pu__path_batch_check(scenario, batch));
    PU_TRY(pu__path_batched_check(scenario));
    PU_TRY(pu__path_tables_check(scenario));
    PU_TRY(pu__path_weights_check(scenario, batch));
    const size_t workers = pool ? (size_t)pu_pool_threads(pool) : 1;
    job j = {.scenario = scenario, .batch = batch};
    const size_t bytes = PU__N * (pu__path_state_bytes(scenario) + (size_t)scenario->assets * sizeof(double));
    j.state_bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    char *state = pu_calloc(workers * j.state_bytes + CACHE_LINE, 1);
    if (!state) return PU_ERR_MEMORY;
    j.state = state + (CACHE_LINE - (uintptr_t)state % CACHE_LINE) % CACHE_LINE;
    if (batch->summary) {
        j.summary = pu_calloc(workers, sizeof *j.summary);
        if (!j.summary) {
            pu_free(state);
            return PU_ERR_MEMORY;
        }
        for (size_t w = 0; w < workers; ++w) pu__path_summary_reset(&j.summary[w]);
    }
    pu_parallel_for(pool, (batch->count + PU__N - 1) / PU__N, GROUPS_GRAIN, run_groups, &j);
    for (size_t w = 0; w < workers && batch->summary; ++w) pu__path_summary_add(batch->summary, &j.summary[w]);
    pu_free(j.summary);
    pu_free(state);
    return PU_OK;
}
