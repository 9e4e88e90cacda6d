/* Where the values of one asset go: its feature and its label blocks. */
#ifndef PU_HOST_DATA_FEATURES_SINK_H
#define PU_HOST_DATA_FEATURES_SINK_H

#include "host/data/features/labels.h"
#include "host/data/features/pass.h"

/* What of an asset has to be built, and of what: source hashes of features and labels. */
typedef struct pu__due {
    bool features, labels;
    char feature_source[65], label_source[65];
} pu__due;

typedef struct pu__sink {
    const pu__plan *plan; /* borrowed */
    int asset;
    const pu__due *due; /* borrowed */
    pu__blocks feature_blocks, label_blocks;
    pu__block_writer features, labels;
    pu__label_stream label_stream;
    bool *begun;  /* [features]: has had a value */
    bool started; /* rows are written */
    int late;     /* the feature that was last waited for; -1: none */
} pu__sink;

/* Inside a transaction on the plan's store. */
pu_status pu__sink_open(const pu__plan *plan, int asset, const pu__due *due, pu__sink *out);
/* A pu__pass_consume; `context` is the sink. PU_ERR_DATA names feature, input, asset and time of a value that is not
 * finite. */
pu_status pu__sink_take(void *context, const pu__pass_chunk *chunk);
/* Writes the rest unless `status` is a failure; returns the first failure. */
pu_status pu__sink_close(pu__sink *sink, pu_status status);

/* The key of an asset's blocks, before they are found or written. */
void pu__blocks_name(const pu__plan *plan, int asset, pu__block_kind kind, pu__blocks *out);

#endif
