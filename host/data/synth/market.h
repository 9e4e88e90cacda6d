/* The random market itself, without a store: see include/plusultra/synth.h for the model. */
#ifndef PU_HOST_DATA_SYNTH_MARKET_H
#define PU_HOST_DATA_SYNTH_MARKET_H

#include "host/data/store/write.h"
#include "plusultra/synth.h"

/* What all assets share, per bar. */
typedef struct pu__synth_common {
    int64_t bars;
    int64_t *ts;         /* [bars] */
    double *factor;      /* [bars] f */
    double *regime;      /* [bars] multiplier of the volatility of the next bar */
    double *mean_return; /* [bars] sums for the index: r, sigma, sigma^2, volume */
    double *mean_sigma, *mean_variance, *volume;
} pu__synth_common;

/* One block, starting at ts; free with pu_free(common->ts). */
pu_status pu__synth_common_make(const pu_synth_options *options, pu__synth_common *out);

/* Bars, signal and next bar's sigma of asset `index`; adds its share to the common sums. */
void pu__synth_asset(const pu_synth_options *options, double periods_per_year, int64_t index,
                     pu__synth_common *common, pu__bar *bars, double *signal, double *sigma);

/* Bars of the equal-weight index, once all assets are made. */
void pu__synth_index(const pu_synth_options *options, const pu__synth_common *common, pu__bar *bars);

#endif
