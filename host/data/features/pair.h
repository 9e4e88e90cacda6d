/* Two series of log returns side by side: the asset's own and the market's, which is the benchmark or the mean of the
 * universe. Where the market is not known yet its return is NaN, and so is everything of a window that reaches it. */
#ifndef PU_HOST_DATA_FEATURES_PAIR_H
#define PU_HOST_DATA_FEATURES_PAIR_H

#include "host/data/features/columns.h"

typedef enum pu__market { PU__OF_BENCHMARK = 0, PU__OF_UNIVERSE } pu__market;

typedef struct pu__pair_tails {
    pu__tail level, own, market;
} pu__pair_tails;

typedef struct pu__pair {
    pu__span own_span, market_span;
    const double *own, *market; /* of the block, with what came before in front */
} pu__pair;

/* From one bar of the asset to the next. The benchmark's level is as of the asset's bars, so that a day on which one
 * of them rests is in both or in neither. */
static inline void pu__market_returns(pu__market market, pu__tail *levels, const pu_feature_chunk *block,
                                      double *restrict out) {
    const int count = (int)block->count;
    pu__span span;
    double *level = pu__span_open(levels, 1, &span);
    for (int t = 0; t < count; ++t) level[t] = block->input[t].value;
    pu__span_close(levels, 1, level, count);
    if (market == PU__OF_UNIVERSE) {
        memcpy(out, level, (size_t)count * sizeof *out);
        return;
    }
    for (int t = 0; t < count; ++t) out[t] = level[t] / level[t - 1];
    if (block->first == 0) out[0] = NAN;
    pu__logs(out, count, out);
}

/* The block's returns with `before` of the asset's and `before` + lag_bars of the market's in front. */
static inline void pu__pair_of(pu__pair_tails *tails, pu__market market, int before, int lag_bars,
                               const pu_feature_chunk *block, pu__pair *out) {
    const int count = (int)block->count;
    out->own = pu__span_of(&tails->own, before, block->log_return, count, &out->own_span);
    double *y = pu__span_open(&tails->market, before + lag_bars, &out->market_span);
    pu__market_returns(market, &tails->level, block, y);
    pu__span_close(&tails->market, before + lag_bars, y, count);
    out->market = y;
}

/* Moments of n pairs, by population. */
typedef struct pu__moments {
    double own_mean[PU__BLOCK_BARS], own_variance[PU__BLOCK_BARS];
    double market_mean[PU__BLOCK_BARS], market_variance[PU__BLOCK_BARS], covariance[PU__BLOCK_BARS];
} pu__moments;

static inline void pu__moments_of(const double *own, const double *market, int n, int count, pu__moments *out) {
    pu__variances(own, n, count, out->own_mean, out->own_variance);
    pu__variances(market, n, count, out->market_mean, out->market_variance);
    pu__products(own, market, n, count, out->own_mean, out->market_mean, out->covariance);
    for (int t = 0; t < count; ++t) out->covariance[t] *= 1.0 / n;
}

/* Slope of own on market, 0 where the market does not move. */
static inline void pu__betas(const pu__moments *moments, int count, double *restrict out) {
    for (int t = 0; t < count; ++t) {
        const double value = moments->covariance[t] / moments->market_variance[t];
        out[t] = sqrt(moments->market_variance[t]) <= PU__FLAT ? 0 : value;
    }
}

/* 0 where one of the two does not move; NaN where the market is not known, also beside an asset at rest. */
static inline void pu__correlations(const pu__moments *moments, int count, double *restrict out) {
    for (int t = 0; t < count; ++t) {
        const double own = sqrt(moments->own_variance[t]), market = sqrt(moments->market_variance[t]);
        const double value = moments->covariance[t] / (own * market), rest = 0 * market;
        out[t] = own <= PU__FLAT || market <= PU__FLAT ? rest : value;
    }
}

#endif
