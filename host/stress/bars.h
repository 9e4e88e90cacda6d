/* Bars out of simulated closes: what follows the history, in a form that its feature code takes.
 *
 * A bar's shape is that of a bar of the asset's history: the one that the step's return came from where that is
 * known, else one drawn by (seed, path, bar); one row of the history serves all assets. With r the log-return of a
 * bar, to an asset and its row belong
 *
 *     gap      log(open / close before) = slope r + rest, slope by least squares over the history, cut to [0, 1]
 *     wicks    log(high / max(open, close)), log(min(open, close) / low)
 *     volume   over the median of the PU__BARS_VOLUME bars before it
 *
 * A simulated bar has the gap slope r' + s rest, r' its own return, and s times the wicks, s the shock's scale of
 * volatility: the gaps keep their variance and their covariance with the returns, and a bar whose return is the row's
 * is that row's bar. Its volume is the asset's median of the last bars, times the row's ratio, times the shock's
 * scale of volume. Rest and wicks are cut to PU__BARS_REACH, so that no bar leaves what an import takes: 0 < low <=
 * open, close <= high. Prices are adjusted ones, `adjusted` is `close`. */
#ifndef PU_HOST_STRESS_BARS_H
#define PU_HOST_STRESS_BARS_H

#include "host/sim/market.h"
#include "kernels/paths/paths.h"

enum { PU__BARS_VOLUME = 63 };
#define PU__BARS_REACH 2.0 /* of a logarithm */

/* Closes of simulated paths. */
typedef struct pu__simulated {
    int64_t first, count; /* paths */
    int64_t steps;
    int assets;          /* as in the market */
    const double *price; /* [count][steps + 1][assets], 1 at bar 0, which is the market's last row */
    const int32_t *row;  /* [count][steps] row of the market's log_return that a step's return came from; null: not
                            known */
    const pu__path_shock *shock; /* [steps][assets]; null: none */
    uint64_t seed;
} pu__simulated;

/* The rows that a bootstrap or a replay takes: what `row` above is for paths first .. first + count - 1, out
 * [count][steps]. The scenario's history is the market's log_return from its first row on. */
void pu__path_rows(const pu__path_scenario *scenario, int64_t first, int64_t count, int32_t *out);

/* Closing times of the steps behind the market's last row: when the calendars of all its assets have a bar (weekends
 * left out where they have none); below a day, at the times of the day at which the last rows closed. */
pu_status pu__bar_times(const pu__market *market, int64_t steps, int64_t *ts);

/* The shape of a row's bar. */
typedef struct pu__bar_shape {
    float rest, upper, lower, volume;
} pu__bar_shape;

typedef struct pu__bar_shapes {
    int assets;
    int64_t rows;         /* rows - 1 of the market: row r is the bar that its log_return r leads to */
    pu__bar_shape *shape; /* [rows][assets] */
    double *slope;        /* [assets] */
    double *volume;       /* [assets] median of the last bars; NaN: the asset has no volume */
    double *close;        /* [assets] adjusted, of the market's last row */
} pu__bar_shapes;

/* Reads the assets' bars from the configuration's store. Free with pu__bar_shapes_free, also after a failure. */
pu_status pu__bar_shapes_open(const pu_config *config, const pu__market *market, pu__bar_shapes *out);
void pu__bar_shapes_free(pu__bar_shapes *shapes); /* accepts a zeroed one */

/* Bars of path number `index` of `paths`, steps of them for each asset: bars[assets] with room for them; `ts` as
 * pu__bar_times, copied. */
void pu__bars_make(const pu__bar_shapes *shapes, const pu__simulated *paths, int64_t index, const int64_t *ts,
                   pu_bars *bars);

#endif
