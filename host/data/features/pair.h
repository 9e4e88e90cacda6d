/* Two series of log returns side by side: the asset's own and the market's, which is the benchmark or the mean of the
 * universe. */
#ifndef PU_HOST_DATA_FEATURES_PAIR_H
#define PU_HOST_DATA_FEATURES_PAIR_H

#include "host/data/features/window.h"

/* The last log return of each. */
typedef struct pu__pair {
    double close, level;
    bool has_level;
} pu__pair;

/* From one bar of the asset to the next, both returns. False until both are known: the benchmark's level is as of the
 * asset's bars, so that a day on which one of them rests is in both or in neither. */
static inline bool pu__pair_benchmark(pu__pair *pair, const pu_feature_bar *bar, int64_t index, double *own,
                                      double *market) {
    const double level = bar->input[0].value;
    *own = pu__return_push(&pair->close, index, bar->close);
    *market = pair->has_level ? log(level / pair->level) : NAN;
    pair->has_level = !isnan(level);
    pair->level = level;
    return !isnan(*own) && !isnan(*market);
}

/* The same against the universe, whose mean return is the input. */
static inline bool pu__pair_universe(pu__pair *pair, const pu_feature_bar *bar, int64_t index, double *own,
                                     double *market) {
    *own = pu__return_push(&pair->close, index, bar->close);
    *market = bar->input[0].value;
    return !isnan(*own) && !isnan(*market);
}

/* Second moments of n pairs, by population; and the centred values they are made of. */
typedef struct pu__moments {
    double own_variance, market_variance, covariance;
    double own[PU__ROLL_BARS_MAX], market[PU__ROLL_BARS_MAX];
} pu__moments;

static inline void pu__moments_of(const double *own, const double *market, int n, pu__moments *out) {
    out->own_variance = pu__centre(own, n, out->own);
    out->market_variance = pu__centre(market, n, out->market);
    out->covariance = pu__dot(out->own, out->market, n) / n;
}

/* Slope of own on market, 0 where the market does not move. */
static inline double pu__moments_beta(const pu__moments *moments) {
    return sqrt(moments->market_variance) > PU__FLAT ? moments->covariance / moments->market_variance : 0;
}

/* 0 where one of the two does not move. */
static inline double pu__moments_correlation(const pu__moments *moments) {
    const double own = sqrt(moments->own_variance), market = sqrt(moments->market_variance);
    return own > PU__FLAT && market > PU__FLAT ? moments->covariance / (own * market) : 0;
}

#endif
