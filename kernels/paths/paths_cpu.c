/* The lanes of vectors are paths: every loop over lanes is one that the compiler vectorises. A group of PU__N paths
 * keeps its state in a worker's memory, small enough for the nearest cache at a dozen assets. */
#include "kernels/paths/paths.h"
#include "kernels/physics/philox_lanes.h"

enum { PU__N = 64 };
#define PU__LANE_WORDS pu__draw_words_lanes
#include "kernels/paths/path_lanes.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"

enum { GROUPS_GRAIN = 16 };

typedef struct job {
    const pu__path_scenario *scenario;
    const pu__path_batch *batch;
    double *state; /* one stretch a worker */
    size_t state_doubles;
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

static void finish(const pu__path_lanes *lanes, const pu__path_batch *batch, int64_t first, int live,
                   pu__path_summary *summary) {
    for (int l = 0; l < live; ++l) {
        double metric[PU_PATH_METRIC_COUNT];
        pu__lane_metrics(lanes, l, metric);
        for (int m = 0; m < PU_PATH_METRIC_COUNT && batch->metric; ++m)
            batch->metric[m * batch->count + first + l] = metric[m];
        if (summary) pu__path_summary_take(summary, metric);
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
    float unseen = 1.0f;
    pu__lane_fill(&lanes, 0, 0.0f, trade);
    if (keep) keep_bar(&lanes, j->batch, first, live, 0, trade);
    for (int32_t bar = 1; bar <= s->steps; ++bar) {
        const int place = (bar - 1) % PU_DRAW_STEPS;
        if (place == 0) pu__lane_returns(&lanes, (bar - 1) / PU_DRAW_STEPS);
        unseen *= s->slow_decay;
        pu__lane_observe(&lanes, place);
        pu__lane_mark(&lanes, bar, place);
        pu__lane_fill(&lanes, bar, 1.0f - unseen, trade);
        if (keep) keep_bar(&lanes, j->batch, first, live, bar, trade);
    }
    finish(&lanes, j->batch, first, live, summary);
}

static void run_groups(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    pu__path_summary *summary = j->summary ? &j->summary[worker] : NULL;
    for (int64_t group = begin; group < end; ++group)
        run_group(j, group * PU__N, j->state + (size_t)worker * j->state_doubles, summary);
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
    j.state_doubles = (bytes + 63) / 64 * 8;
    j.state = pu_calloc(workers * j.state_doubles, sizeof(double));
    if (!j.state) return PU_ERR_MEMORY;
    if (batch->summary) {
        j.summary = pu_calloc(workers, sizeof *j.summary);
        if (!j.summary) {
            pu_free(j.state);
            return PU_ERR_MEMORY;
        }
        for (size_t w = 0; w < workers; ++w) pu__path_summary_reset(&j.summary[w]);
    }
    pu_parallel_for(pool, (batch->count + PU__N - 1) / PU__N, GROUPS_GRAIN, run_groups, &j);
    for (size_t w = 0; w < workers && batch->summary; ++w) pu__path_summary_add(batch->summary, &j.summary[w]);
    pu_free(j.summary);
    pu_free(j.state);
    return PU_OK;
}
