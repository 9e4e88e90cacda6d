/* What features take beyond their asset's own bars, joined as of each bar's close: nothing that was published later
 * can be in a value. */
#ifndef PU_HOST_DATA_FEATURES_INPUTS_H
#define PU_HOST_DATA_FEATURES_INPUTS_H

#include "host/data/alternative/asof.h"
#include "host/data/store/cursor.h"
#include "plusultra/features.h"

typedef enum pu__input_kind {
    PU__INPUT_BENCHMARK = 0,
    PU__INPUT_UNIVERSE,
    PU__INPUT_ALTERNATIVE,
    PU__INPUT_REGIME
} pu__input_kind;

typedef struct pu__input {
    const char *text; /* as the descriptor has it; borrowed */
    const char *name; /* of the series or the regime, within text */
    pu__input_kind kind;
    bool is_crossed; /* a cross-sectional feature takes it */
} pu__input;

/* PU_ERR_CONFIG for a text that is no input. */
pu_status pu__input_parse(const char *text, pu__input *out);

/* The different inputs of a set of features. */
typedef struct pu__input_list {
    int count;
    pu__input *input;
    int *place; /* [features][PU_FEATURE_INPUTS_MAX]: which of `input` the feature's k-th is */
} pu__input_list;

pu_status pu__input_list_open(int count, const pu_feature *const *features, pu__input_list *out);
void pu__input_list_close(pu__input_list *list); /* accepts a zeroed one */
bool pu__input_list_has(const pu__input_list *list, pu__input_kind kind);

/* One input of one asset, read forwards. "universe" is no reader: it comes from the panel. */
typedef struct pu__input_reader {
    pu__asof *asof;           /* alternative, regime */
    pu__bar_cursor benchmark; /* the rest: its bars */
    const pu_bars *bars;
    int64_t next; /* the first of `bars` that is not taken yet */
    pu_feature_value last;
    int64_t last_ts;
} pu__input_reader;

/* Whose input it is, and the last moment that exists: what was published later is not there. */
typedef struct pu__input_view {
    int64_t asset_id, benchmark_id, until_ts;
} pu__input_view;

pu_status pu__input_reader_open(pu_store *store, const pu__input *input, const pu__input_view *view,
                                pu__input_reader *out);
/* The values at `count` increasing times, none before those of the last call. */
pu_status pu__input_reader_read(pu__input_reader *reader, int64_t count, const int64_t *ts, pu_feature_value *out);
void pu__input_reader_close(pu__input_reader *reader); /* accepts a zeroed one */

#endif
