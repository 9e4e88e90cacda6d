/* The history that simulations start from and are fitted to: the closes of some assets at the times when all of them
 * have a bar. */
#ifndef PU_HOST_SIM_MARKET_H
#define PU_HOST_SIM_MARKET_H

#include <stdbool.h>

#include "plusultra/config.h"
#include "plusultra/store.h"

enum { PU__MARKET_VOLUME_ROWS = 252, PU__MARKET_REASON_BYTES = 160 };

typedef struct pu__market {
    int assets;
    pu_asset *asset;   /* [assets]; the configuration's assets in its order, then the benchmark where it is none of
                          them */
    int traded;        /* the first so many may be traded; a benchmark behind them is simulated and not traded */
    int64_t rows;      /* >= 2 */
    int64_t *ts;       /* [rows] UTC seconds of the closes */
    double *price;     /* [rows][assets] adjusted closes (splits and dividends), as the backtest uses */
    float *log_return; /* [rows - 1][assets]: of row r, log(price[r + 1] / price[r]) */
    double *volume;    /* [assets] median traded value (close times volume) of a bar over the last
                          PU__MARKET_VOLUME_ROWS rows, in the prices' currency; 0: unknown */
    double periods_per_year; /* rows a year, by the backtest's rule (host/data/store/periods.h) */
    char periods_reason[PU__MARKET_REASON_BYTES];
    int64_t left_out; /* times at which some asset had no bar */
} pu__market;

/* from_ts inclusive, to_ts exclusive (INT64_MIN, INT64_MAX: all). PU_ERR_DATA names the asset that has too few bars,
 * or says that the assets share too few times; PU_ERR_CONFIG: see pu__assets_choose. Free with pu__market_free. */
pu_status pu__market_load(const pu_config *config, bool with_benchmark, int64_t from_ts, int64_t to_ts,
                          pu__market *out);
/* stress.fit as such an interval. */
pu_status pu__market_interval(const pu_config *config, int64_t *from_ts, int64_t *to_ts);
void pu__market_free(pu__market *market); /* accepts a zeroed one */

#endif
