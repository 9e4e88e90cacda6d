/* Forecasts by a run's checkpoint/best, window by window.
 *
 * The rows of an asset are cut into blocks of `stride` bars counted from its first row. A block is answered by the
 * window that ends with it, whose last `stride` outputs are kept:
 *
 *     rows      |....warm-up....|.........window.........|
 *     kept                                     [ stride ]
 *
 * The grid depends on the asset's first row only, rows behind the end are zeros that a causal model cannot see, and
 * every row of a matrix product is independent of the others: truncating history after t changes no forecast at or
 * before t, nor do the windows that share a run, bit for bit. */
#ifndef PU_HOST_TRAIN_FORECAST_H
#define PU_HOST_TRAIN_FORECAST_H

#include <jansson.h>

#include "host/train/network.h"

typedef struct pu__forecaster {
    pu__session session;
    pu__network network;
    json_t *manifest; /* of the checkpoint */
    int64_t stride, window, warmup;
    int64_t batch;   /* windows of a run */
    int64_t outputs; /* of a row: horizons * quantiles */
    float *bars;     /* [batch][warmup + window][features]: what pu__forecaster_run reads */
    float *output;   /* [batch][window][outputs]: what it gives, as the network has it */
    int32_t *start;
} pu__forecaster;

/* Opens the dataset and the checkpoint of the configured run. PU_ERR_NOT_FOUND: there is none. PU_ERR_CONFIG: it was
 * trained with another feature set, other windows or another model. Close also after a failure. */
pu_status pu__forecaster_open(const pu_config *config, pu__forecaster *out);
void pu__forecaster_close(pu__forecaster *forecaster); /* accepts a zeroed one */

/* The first block of an asset's rows that a whole window ends with. */
int64_t pu__forecaster_first_block(const pu__forecaster *forecaster);

/* Rows of an asset from the start of validation on that are answered: [*first, *end). */
pu_status pu__forecaster_rows(const pu__forecaster *forecaster, int asset, int64_t *first, int64_t *end);

/* Where window `index` of the next run begins, (warmup + window) rows of features. */
float *pu__forecaster_window(const pu__forecaster *forecaster, int64_t index);

/* Runs all windows; those that nobody filled are answered too. */
pu_status pu__forecaster_run(pu__forecaster *forecaster);

/* The forecast of row `at`, 0 <= at < stride, of the block that window `index` ends with: [horizons][quantiles], the
 * quantiles increasing. Crossing is repaired by sorting, which never raises the pinball loss (Chernozhukov,
 * Fernandez-Val & Galichon 2010). */
void pu__forecaster_answer(const pu__forecaster *forecaster, int64_t index, int64_t at, float *out);

#endif
