/* The price process of a stress test: fitted to the market, or blocks of it. */
#include "host/stress/process.h"

#include <math.h>
#include <string.h>

#include "host/sim/process.h"
#include "plusultra/memory.h"

static void mean_returns(pu__stress *s) {
    const int64_t rows = s->market.rows - 1, assets = s->market.assets;
    for (int64_t a = 0; a < assets; ++a) {
        double sum = 0.0;
        for (int64_t r = 0; r < rows; ++r) sum += (double)s->market.log_return[r * assets + a];
        s->coefficient[a] = (pu__process_asset){.mean = (float)(sum / (double)rows)};
    }
}

static pu_status open_history(pu__stress *s, bool replay) {
    const int64_t rows = s->market.rows - 1;
    if (replay && rows < s->steps)
        return pu_fail(
            PU_ERR_CONFIG,
            "stress.steps_bars is %lld, but the history that is replayed has %lld steps: take fewer, or "
            "widen stress.fit",
            (long long)s->steps, (long long)rows);
    mean_returns(s);
    s->process.process = replay ? PU_PROCESS_REPLAY : PU_PROCESS_BOOTSTRAP;
    s->process.history = s->market.log_return;
    s->process.history_rows = (int32_t)rows;
    s->process.restart = (float)(1.0 / (double)s->config->stress.block_bars);
    if (replay) s->paths = s->seeds = 1;
    return PU_OK;
}

static pu_status open_gbm(pu__stress *s) {
    const int64_t rows = s->market.rows - 1, assets = s->market.assets;
    const double year = s->market.periods_per_year;
    double *correlation = pu_calloc((size_t)(assets * assets), sizeof *correlation);
    double *mean = pu_calloc((size_t)assets, sizeof *mean);
    s->factor = pu_calloc((size_t)(assets * assets), sizeof *s->factor);
    if (!correlation || !mean || !s->factor) return PU_ERR_MEMORY;
    const float *x = s->market.log_return;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t a = 0; a < assets; ++a) mean[a] += (double)x[r * assets + a] / (double)rows;
    for (int64_t a = 0; a < assets; ++a)
        for (int64_t b = 0; b < assets; ++b)
            for (int64_t r = 0; r < rows; ++r)
                correlation[a * assets + b] += ((double)x[r * assets + a] - mean[a]) *
                                               ((double)x[r * assets + b] - mean[b]) / (double)(rows - 1);
    pu_status status = PU_OK;
    for (int64_t a = 0; a < assets && status == PU_OK; ++a) {
        const double variance = correlation[a * assets + a] * year;
        const pu_process gbm = {
            .kind = PU_SIM_GBM,
            .of.gbm = {.growth = mean[a] * year + 0.5 * variance, .volatility = sqrt(variance)}};
        status = pu__process_make(&gbm, 1.0 / year, &s->coefficient[a]);
        mean[a] = sqrt(correlation[a * assets + a]);
    }
    for (int64_t i = 0; i < assets * assets; ++i)
        correlation[i] = i % (assets + 1) == 0 ? 1.0 : correlation[i] / (mean[i / assets] * mean[i % assets]);
    pu_correlation_repair repair;
    if (status == PU_OK) status = pu_correlation_factor(correlation, (int)assets, s->factor, &repair);
    s->process.process = PU_PROCESS_GBM;
    s->process.factor = s->factor;
    pu_free(correlation);
    pu_free(mean);
    return status;
}

pu_status pu__stress_process_open(pu__stress *s) {
    const char *kind = s->config->stress.process;
    const bool replay = strcmp(kind, "replay") == 0;
    s->coefficient = pu_calloc((size_t)s->market.assets, sizeof *s->coefficient);
    if (!s->coefficient) return PU_ERR_MEMORY;
    s->process.assets = s->market.assets;
    s->process.steps = (int32_t)s->steps;
    s->process.asset = s->coefficient;
    if (replay || strcmp(kind, "bootstrap") == 0) return open_history(s, replay);
    if (strcmp(kind, "gbm") == 0) return open_gbm(s);
    return pu_fail(PU_ERR_UNSUPPORTED, "stress.process %s", kind);
}
