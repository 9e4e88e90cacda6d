#include "tests/support/histories.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "plusultra/memory.h"

static void must(bool held) {
    if (held) return;
    fprintf(stderr, "test histories: %s\n", pu_error_message());
    abort();
}

/* price [count][rows + 1][assets] */
static double *simulate(const pu_process *process, double step_years, int assets, const double *correlation,
                        int64_t rows, int64_t count, uint64_t seed) {
    const size_t n = (size_t)assets;
    pu__process_asset *asset = pu_calloc(n, sizeof *asset);
    double *weight = pu_calloc(n, sizeof *weight);
    double *price = pu_calloc((size_t)count * (size_t)(rows + 1) * n, sizeof *price);
    float *factor = correlation ? pu_calloc(n * n, sizeof *factor) : NULL;
    must(asset && weight && price && (factor || !correlation));
    for (int a = 0; a < assets; ++a) must(pu__process_make(process, step_years, &asset[a]) == PU_OK);
    pu__path_scenario scenario = {.seed = seed,
                                  .process = (int32_t)process->kind,
                                  .assets = assets,
                                  .steps = (int32_t)rows,
                                  .asset = asset,
                                  .factor = factor,
                                  .weight = weight};
    pu_correlation_repair repair;
    if (correlation) must(pu_correlation_factor(correlation, assets, factor, &repair) == PU_OK);
    if (process->kind == PU_SIM_REGIMES)
        must(pu__regime_cumulative(&process->of.regimes, scenario.cumulative) == PU_OK);
    const pu__path_batch batch = {.count = count, .price = price};
    must(pu__paths_cpu(&scenario, &batch, NULL) == PU_OK);
    pu_free(asset);
    pu_free(weight);
    pu_free(factor);
    return price;
}

double *test_histories(const pu_process *process, double step_years, int64_t rows, int64_t count, uint64_t seed) {
    double *price = simulate(process, step_years, 1, NULL, rows, count, seed);
    double *x = pu_calloc((size_t)(rows * count), sizeof *x);
    must(x != NULL);
    for (int64_t i = 0; i < count; ++i) {
        const double *path = price + i * (rows + 1);
        for (int64_t t = 0; t < rows; ++t) x[i * rows + t] = log(path[t + 1] / path[t]);
    }
    pu_free(price);
    return x;
}

pu__returns test_returns(const double *x, int64_t rows, double step_years) {
    pu__returns r = {.symbol = "A0", .x = x, .rows = rows, .step_years = step_years};
    double square = 0.0;
    for (int64_t t = 0; t < rows; ++t) r.mean += x[t] / (double)rows;
    for (int64_t t = 0; t < rows; ++t) square += (x[t] - r.mean) * (x[t] - r.mean) / (double)rows;
    r.deviation = sqrt(square);
    return r;
}

pu__market test_simulated_market(const pu_process *process, int assets, const double *correlation, int64_t rows,
                                 double periods_per_year, uint64_t seed) {
    const int64_t cells = rows * assets;
    pu__market m = {.assets = assets, .traded = assets, .rows = rows + 1, .periods_per_year = periods_per_year};
    m.price = simulate(process, 1.0 / periods_per_year, assets, correlation, rows, 1, seed);
    m.asset = pu_calloc((size_t)assets, sizeof *m.asset);
    m.ts = pu_calloc((size_t)(rows + 1), sizeof *m.ts);
    m.log_return = pu_calloc((size_t)cells, sizeof *m.log_return);
    m.volume = pu_calloc((size_t)assets, sizeof *m.volume);
    must(m.asset && m.ts && m.log_return && m.volume);
    for (int a = 0; a < assets; ++a) snprintf(m.asset[a].symbol, sizeof m.asset[a].symbol, "A%d", a);
    for (int64_t t = 0; t <= rows; ++t) m.ts[t] = 1000000000 + 86400 * t;
    for (int64_t i = 0; i < cells; ++i) m.log_return[i] = (float)log(m.price[i + assets] / m.price[i]);
    return m;
}
