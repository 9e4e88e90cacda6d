#include <inttypes.h>
#include <math.h>

#include "host/eval/backtest.h"
#include "host/stress/policy.h"
#include "plusultra/memory.h"

/* The panel's weights at the closes of the market's rows; counts the rows that have some. */
static int64_t take_weights(const pu__backtest *b, const pu__market *market, const int *column,
                            const double *decided, double *weight) {
    int64_t t = 0, found = 0;
    for (int64_t r = 0; r + 1 < market->rows; ++r) {
        while (t < b->panel.times && b->panel.ts[t] < market->ts[r + 1]) ++t;
        const bool known = t < b->panel.times && b->panel.ts[t] == market->ts[r + 1];
        bool any = false;
        for (int a = 0; a < market->assets; ++a) {
            const int64_t cell = t * b->panel.assets + column[a];
            const bool has = known && column[a] >= 0 && !isnan(b->forecast[cell]);
            weight[r * market->assets + a] = has ? decided[cell] : 0.0;
            any = any || has;
        }
        found += any;
    }
    return found;
}

static pu_status take(pu__backtest *b, const pu__market *market, double *weight) {
    PU_TRY(pu__backtest_settle(b));
    double *decided = pu__panel_table(&b->panel);
    int *column = pu_calloc((size_t)market->assets, sizeof *column);
    pu_status status = decided && column ? PU_OK : PU_ERR_MEMORY;
    for (int a = 0; status == PU_OK && a < market->assets; ++a) {
        column[a] = -1;
        for (int i = 0; i < b->asset_count && a < market->traded; ++i) {
            if (b->input[i].asset->id == market->asset[a].id) column[a] = i;
        }
    }
    if (status == PU_OK)
        status = pu__positions(&b->panel, b->forecast, b->sigma, &b->sizing, decided, b->first, NULL);
    if (status == PU_OK && take_weights(b, market, column, decided, weight) == 0)
        status =
            pu_fail(PU_ERR_DATA,
                    "run '%s' has no prediction at the %" PRId64
                    " times of the history that is simulated from: widen stress.fit, or run `plusultra predict`",
                    b->config->run.name, market->rows - 1);
    pu_free(decided);
    pu_free(column);
    return status;
}

pu_status pu__policy_history(const pu_config *config, const pu__market *market, double *weight) {
    pu__backtest b;
    pu_status status = pu__backtest_load(config, &b);
    if (status == PU_OK) status = take(&b, market, weight);
    pu__backtest_free(&b);
    return status;
}
