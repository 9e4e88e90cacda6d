/* Simulated paths with costs and metrics on the CPU: time, memory, the floor under the time, and the same work in NumPy
 * and PyTorch (bench/peers/paths.py) in the same run.
 *
 *   bench_paths [paths] [python]     1,000,000 paths of 252 steps; PU_PEER_PYTHON or /opt/peer/bin/python */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kernels/paths/paths.h"
#include "kernels/physics/philox_lanes.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"

enum { STEPS = 252, LANES = 64, ASSETS_MAX = 16, RUNS = 3, PEER_PATHS_MAX = 131072 };

typedef struct floor_job {
    const pu__process_asset *asset;
    double *sum; /* of a group */
} floor_job;

/* Philox, normal, price: nothing else, by the functions that the simulator uses. */
static void floor_groups(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const floor_job *job = context;
    for (int64_t group = begin; group < end; ++group) {
        double price[LANES], sum = 0.0;
        for (int l = 0; l < LANES; ++l) price[l] = 1.0;
        for (uint32_t block = 0; block < STEPS / PU_DRAW_STEPS; ++block) {
            float x[PU_DRAW_STEPS * LANES];
            pu__draw_normals_lanes(7, (uint64_t)(group * LANES), block, 0, LANES, x, LANES);
            for (int l = 0; l < PU_DRAW_STEPS * LANES; ++l) x[l] = pu__gbm_step(job->asset, x[l]);
            pu__expm1_lanes(PU_DRAW_STEPS * LANES, x);
            for (int l = 0; l < LANES; ++l) {
                double gone = price[l];
                for (int i = 0; i < PU_DRAW_STEPS; ++i) gone *= 1.0 + (double)x[i * LANES + l];
                price[l] = gone;
            }
        }
        for (int l = 0; l < LANES; ++l) sum += price[l];
        job->sum[group] = sum;
    }
}

static double floor_s(const pu__process_asset *asset, int64_t paths, pu_pool *pool) {
    const int64_t groups = (paths + LANES - 1) / LANES;
    floor_job job = {asset, pu_calloc((size_t)groups, sizeof(double))};
    double best = INFINITY;
    for (int run = 0; run < RUNS && job.sum; ++run) {
        const double begin = pu_clock_s();
        pu_parallel_for(pool, groups, 8, floor_groups, &job);
        best = fmin(best, pu_clock_s() - begin);
    }
    pu_free(job.sum);
    return best;
}

static double ours_s(const pu__path_scenario *scenario, int64_t paths, pu_pool *pool, pu__path_summary *summary) {
    double best = INFINITY;
    for (int run = 0; run < RUNS; ++run) {
        pu__path_summary_reset(summary);
        const pu__path_batch batch = {.count = paths, .summary = summary};
        const double begin = pu_clock_s();
        if (pu__paths_cpu(scenario, &batch, pool) != PU_OK) return NAN;
        best = fmin(best, pu_clock_s() - begin);
    }
    return best;
}

static double peak_mib(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024.0 : NAN;
}

static void peers(int64_t paths, double seconds, int threads) {
    const char *python = getenv("PU_PEER_PYTHON");
    const int64_t fewer = paths < PEER_PATHS_MAX ? paths : PEER_PATHS_MAX;
    char command[512], line[256];
    snprintf(command, sizeof command, "%s bench/peers/paths.py %lld %d %d",
             python ? python : "/opt/peer/bin/python", (long long)fewer, (int)STEPS, threads);
    FILE *pipe = popen(command, "r");
    while (pipe && fgets(line, sizeof line, pipe)) {
        char *tab = strchr(line, '\t');
        if (!tab) continue;
        *tab = '\0';
        const double theirs = atof(tab + 1) / (double)fewer * (double)paths;
        printf("%-44s %7.2f s for %lld paths (from %lld), ours %.1f times as fast\n", line, theirs,
               (long long)paths, (long long)fewer, theirs / seconds);
    }
    if (!pipe || pclose(pipe) != 0) printf("peers: not available here (%s)\n", command);
}

int main(int argc, char **argv) {
    const int64_t paths = argc > 1 ? atoll(argv[1]) : 1000000;
    pu__process_asset asset[ASSETS_MAX] = {0};
    double weight[ASSETS_MAX];
    pu_pool *pool = NULL;
    pu__path_summary *summary = pu_calloc(1, sizeof *summary);
    if (paths < 1 || !summary || pu_pool_new(0, &pool) != PU_OK) return 1;
    pu__path_scenario s = {
        .seed = 7, .steps = STEPS, .asset = asset, .policy = PU_POLICY_CONSTANT, .weight = weight};
    s.rules.physics.half_spread_ratio = 5e-4;
    s.rules.physics.fee_ratio = 1e-4;
    double one = NAN;
    printf("paths of %d steps, constant weight, spread and fee, all metrics, summary; %d threads, best of %d\n",
           (int)STEPS, pu_pool_threads(pool), (int)RUNS);
    const struct {
        int32_t assets;
        int64_t paths;
    } cases[] = {{1, paths / 4}, {1, paths}, {4, paths / 4}, {11, paths / 10}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; ++c) {
        s.assets = cases[c].assets;
        for (int a = 0; a < s.assets; ++a) {
            asset[a].volatility[0] = 0.2f / sqrtf(252.0f);
            asset[a].drift[0] = -0.5f * 0.04f / 252.0f;
            weight[a] = 0.6 / s.assets;
        }
        const double seconds = ours_s(&s, cases[c].paths, pool, summary);
        if (c == 1) one = seconds;
        printf("%9lld paths x %2d assets: %7.3f s, %6.2f ns a step and asset, peak memory %.1f MiB; mean wealth "
               "%.6f\n",
               (long long)cases[c].paths, (int)s.assets, seconds,
               1e9 * seconds / (double)cases[c].paths / STEPS / s.assets, peak_mib(),
               pu__path_mean(summary, PU_PATH_WEALTH));
    }
    const double least = floor_s(asset, paths, pool);
    printf("floor (Philox, normal, price): %.3f s, %.2f ns a step; measured / floor %.2f\n", least,
           1e9 * least / (double)paths / STEPS, one / least);
    peers(paths, one, pu_pool_threads(pool));
    pu_pool_free(pool);
    pu_free(summary);
    return 0;
}
