/* Features over many bars at once: what a feature keeps between blocks, and kernels over columns.
 *
 * A block function computes a run of at most PU__BLOCK_BARS bars; PU__BLOCK makes both forms of a feature of it, so
 * that a run of bars and one bar are the same arithmetic. Bits do not depend on where runs begin: every value is
 * made of the same inputs by the same operations in the same order, whichever vector lane it lands in.
 *
 * Rounding: a window of n is added up in a tree over pieces of 1, 2, 4, ... values (error about log2(n) ulp of the sum
 * of magnitudes), or value by value (n ulp); nothing is subtracted and nothing carried along. A decaying sum adds
 * up eight values at a time and contracts. Neither depends on how long the history is. */
#ifndef PU_HOST_DATA_FEATURES_COLUMNS_H
#define PU_HOST_DATA_FEATURES_COLUMNS_H

#include <math.h>
#include <string.h>

#include "host/data/features/features_internal.h"

enum {
    PU__BLOCK_BARS = 256,
    PU__TAIL_BARS_MAX = 128,
    PU__SPAN_BARS_MAX = PU__TAIL_BARS_MAX + PU__BLOCK_BARS,
    PU__DECAY_LAG = 8
};

/* One build of a function per vector width, picked when the program starts. No multiply-add may fuse
 * (-ffp-contract=off), so all give the same bits. What picks cannot be instrumented by the sanitizers. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define PU__WIDTHS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PU__WIDTHS
#endif

/* ---- the two forms of a feature ---- */

/* What both keep before the feature's own state. */
typedef struct pu__block_head {
    double close, padding;
} pu__block_head;

static inline pu_feature_chunk pu__block_at(const pu_feature_chunk *chunk, int64_t at) {
    const int64_t rest = chunk->count - at;
    return (pu_feature_chunk){
        .first = chunk->first + at,
        .count = rest < PU__BLOCK_BARS ? rest : PU__BLOCK_BARS,
        .ts = chunk->ts + at,
        .open = chunk->open + at,
        .high = chunk->high + at,
        .low = chunk->low + at,
        .close = chunk->close + at,
        .volume = chunk->volume + at,
        .log_return = chunk->log_return + at,
        .input = chunk->input ? chunk->input + at : NULL, /* a block function has one input at most */
    };
}

/* The body of a block function follows; its two forms are name_many and name_one. */
#define PU__BLOCK(name)                                                                                          \
    static inline __attribute__((always_inline)) void name(void *memory,                                         \
                                                           __attribute__((unused)) const double *parameters,     \
                                                           const pu_feature_chunk *block, double *restrict out); \
    PU__WIDTHS static void name##_many(void *memory, const double *parameters, const pu_feature_chunk *chunk,    \
                                       double *out) {                                                            \
        pu__block_head *head = memory;                                                                           \
        for (int64_t at = 0; at < chunk->count; at += PU__BLOCK_BARS) {                                          \
            const pu_feature_chunk block = pu__block_at(chunk, at);                                              \
            name(head + 1, parameters, &block, out + at);                                                        \
            head->close = block.close[block.count - 1];                                                          \
        }                                                                                                        \
    }                                                                                                            \
    static double name##_one(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) { \
        const double change = index > 0 ? log(bar->close / ((pu__block_head *)memory)->close) : NAN;             \
        const pu_feature_chunk chunk = pu__chunk_of_one(bar, index, &change);                                    \
        double out;                                                                                              \
        name##_many(memory, parameters, &chunk, &out);                                                           \
        return out;                                                                                              \
    }                                                                                                            \
    static inline __attribute__((always_inline)) void name(void *memory,                                         \
                                                           __attribute__((unused)) const double *parameters,     \
                                                           const pu_feature_chunk *block, double *restrict out)

static inline pu_feature_chunk pu__chunk_of_one(const pu_feature_bar *bar, int64_t index,
                                                const double *log_return) {
    return (pu_feature_chunk){.first = index,
                              .count = 1,
                              .ts = &bar->ts,
                              .open = &bar->open,
                              .high = &bar->high,
                              .low = &bar->low,
                              .close = &bar->close,
                              .volume = &bar->volume,
                              .log_return = log_return,
                              .input = bar->input};
}

/* The part of the descriptor, like PU__UPDATE. */
#define PU__BLOCKS(state_type, name)                                                                         \
    .abi = PU_FEATURE_ABI, .state_bytes = sizeof(pu__block_head) + sizeof(state_type), .update = name##_one, \
    .update_many = name##_many

/* ---- a column and what came before it ---- */

/* The last inputs of a window, oldest first. Zeros stand for what never was: values before a window is full mean
 * nothing. */
typedef struct pu__tail {
    double value[PU__TAIL_BARS_MAX];
} pu__tail;

/* Room for a tail and a block. */
typedef struct pu__span {
    double value[PU__SPAN_BARS_MAX];
} pu__span;

/* Where the block's values go: the last `before` ones of `tail` lie in front of it. */
static inline double *pu__span_open(const pu__tail *tail, int before, pu__span *span) {
    memcpy(span->value, tail->value, (size_t)before * sizeof(double));
    return span->value + before;
}

/* The block x[count] is filled: keeps its end for the next. */
static inline void pu__span_close(pu__tail *tail, int before, const double *x, int count) {
    memcpy(tail->value, x + count - before, (size_t)before * sizeof(double));
}

/* Both around a copy of `from`. */
static inline const double *pu__span_of(pu__tail *tail, int before, const double *from, int count,
                                        pu__span *span) {
    double *x = pu__span_open(tail, before, span);
    memcpy(x, from, (size_t)count * sizeof(double));
    pu__span_close(tail, before, x, count);
    return x;
}

/* ---- kernels: count at most PU__BLOCK_BARS; x has the n - 1 values before it in front ---- */

/* out[t] = sum, maximum, minimum of x[t - n + 1 .. t]. */
void pu__sums(const double *x, int n, int count, double *restrict out);
void pu__highest(const double *x, int n, int count, double *restrict out);
void pu__lowest(const double *x, int n, int count, double *restrict out);

/* Sum, and sum of (i - (n - 1) / 2) x_i with i the place in the window: n (n^2 - 1) / 12 times the slope of the
 * least-squares line. */
void pu__tilts(const double *x, int n, int count, double *restrict sum, double *restrict tilt);

/* How many bars ago the latest of the largest values of the window was. */
void pu__ages(const double *x, int n, int count, double *restrict out);

/* Sum over the window of (x - mean[t])^2, ^3, ^4 or of its size, value by value. */
typedef enum pu__power { PU__SQUARES = 0, PU__CUBES, PU__FOURTHS, PU__SIZES } pu__power;
void pu__deviations(pu__power power, const double *x, int n, int count, const double *mean, double *restrict out);

/* Sum over the window of (x - x_mean[t])(y - y_mean[t]). */
void pu__products(const double *x, const double *y, int n, int count, const double *x_mean, const double *y_mean,
                  double *restrict out);

/* Sum of weight[i] times the window's i-th value, the oldest first. */
void pu__dots(const double *weight, const double *x, int n, int count, double *restrict out);

/* Natural logarithms, within 1 ulp; what is not a normal number above 0 goes to log(). */
void pu__logs(const double *x, int count, double *out);

/* v[t] = keep v[t - 1] + y[t], v = 0 before the first: eight terms added up as a window, then keep^8 v[t - 8]. */
typedef struct pu__decay {
    double input[PU__DECAY_LAG - 1], value[PU__DECAY_LAG];
} pu__decay;
void pu__decays(pu__decay *decay, double keep, const double *y, int count, double *restrict out);

/* ---- on top of them ---- */

/* Mean of the last n values, and their population variance. */
static inline void pu__window_means(const double *x, int n, int count, double *restrict mean) {
    pu__sums(x, n, count, mean);
    for (int t = 0; t < count; ++t) mean[t] *= 1.0 / n;
}

static inline void pu__variances(const double *x, int n, int count, double *restrict mean,
                                 double *restrict variance) {
    pu__window_means(x, n, count, mean);
    pu__deviations(PU__SQUARES, x, n, count, mean, variance);
    for (int t = 0; t < count; ++t) variance[t] *= 1.0 / n;
}

/* A decaying sum that starts as `seed_weight` times the sum of the first n inputs, and takes `weight` times every
 * later one. x[0] is input number `first`; those below 0 do not count. 0 before the seed. */
typedef struct pu__seeded {
    pu__decay decay;
    double seed;
} pu__seeded;
void pu__seeded_push(pu__seeded *sum, int n, double seed_weight, double keep, double weight, int64_t first,
                     const double *x, int count, double *restrict out);

/* TA-Lib's EMA: seeded by the simple mean of the first n. */
static inline void pu__means_push(pu__seeded *mean, int n, int64_t first, const double *x, int count,
                                  double *out) {
    const double factor = 2.0 / (n + 1);
    pu__seeded_push(mean, n, 1.0 / n, 1 - factor, factor, first, x, count, out);
}

/* An EMA of an EMA of ...: stage i begins with the first value of the one before. */
static inline void pu__chain(pu__seeded *means, int stages, int n, int64_t first, const double *x, int count,
                             double (*stage)[PU__BLOCK_BARS]) {
    for (int i = 0; i < stages; ++i)
        pu__means_push(&means[i], n, first - (int64_t)i * (n - 1), i == 0 ? x : stage[i - 1], count, stage[i]);
}

/* pandas' ewm(span=n, adjust=True).mean(): the weights' sum is divided out. Inputs below number 0 do not count. */
typedef struct pu__weighted {
    pu__decay sum, weight;
} pu__weighted;

static inline void pu__weighted_push(pu__weighted *mean, double span, int64_t first, const double *x, int count,
                                     double *restrict out) {
    const double keep = 1 - 2 / (span + 1);
    double input[PU__BLOCK_BARS], one[PU__BLOCK_BARS], weight[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) {
        input[t] = first + t < 0 ? 0 : x[t];
        one[t] = first + t < 0 ? 0 : 1;
    }
    pu__decays(&mean->sum, keep, input, count, out);
    pu__decays(&mean->weight, keep, one, count, weight);
    for (int t = 0; t < count; ++t) out[t] /= weight[t];
}

/* Per-bar volatility: root of the exponentially weighted mean square log return; NaN at the first bar. */
static inline void pu__volatilities(pu__weighted *square, double span, const pu_feature_chunk *block,
                                    double *restrict out) {
    const int count = (int)block->count;
    double squares[PU__BLOCK_BARS];
    for (int t = 0; t < count; ++t) squares[t] = block->log_return[t] * block->log_return[t];
    pu__weighted_push(square, span, block->first - 1, squares, count, out);
    for (int t = 0; t < count; ++t) out[t] = sqrt(out[t]);
}

/* Wilder's smoothing: factor 1 / n, seeded likewise. */
static inline void pu__wilder_push(pu__seeded *mean, int n, int64_t first, const double *x, int count,
                                   double *out) {
    pu__seeded_push(mean, n, 1.0 / n, 1 - 1.0 / n, 1.0 / n, first, x, count, out);
}

/* Wilder's true range; means nothing at the first bar. */
static inline void pu__true_ranges(pu__tail *closes, const pu_feature_chunk *block, double *restrict out) {
    pu__span span;
    const double *close = pu__span_of(closes, 1, block->close, (int)block->count, &span);
    for (int t = 0; t < (int)block->count; ++t) {
        const double last = close[t - 1], range = block->high[t] - block->low[t];
        const double up = fabs(block->high[t] - last), down = fabs(block->low[t] - last);
        const double reach = up > down ? up : down;
        out[t] = range > reach ? range : reach;
    }
}

/* TA-Lib's ATR: Wilder's smoothing of the true range from the second bar on. */
typedef struct pu__atr {
    pu__tail close;
    pu__seeded mean;
} pu__atr;

static inline void pu__atr_push(pu__atr *atr, int n, const pu_feature_chunk *block, double *out) {
    double range[PU__BLOCK_BARS];
    pu__true_ranges(&atr->close, block, range);
    pu__wilder_push(&atr->mean, n, block->first - 1, range, (int)block->count, out);
}

/* TA-Lib's MACD line: both averages are seeded so that their first values fall on the same bar, the fast one
 * slow - fast bars late. */
typedef struct pu__macd {
    pu__seeded fast, slow;
} pu__macd;

static inline void pu__macd_push(pu__macd *macd, int fast_bars, int slow_bars, const pu_feature_chunk *block,
                                 double *out) {
    double slow[PU__BLOCK_BARS];
    const int count = (int)block->count;
    pu__means_push(&macd->fast, fast_bars, block->first - (slow_bars - fast_bars), block->close, count, out);
    pu__means_push(&macd->slow, slow_bars, block->first, block->close, count, slow);
    for (int t = 0; t < count; ++t) out[t] -= slow[t];
}

/* RSI's parts: Wilder's smoothing of gains and losses. */
typedef struct pu__gains {
    pu__tail close;
    pu__seeded gain, loss;
} pu__gains;

static inline void pu__gains_push(pu__gains *gains, int n, const pu_feature_chunk *block, double *gain,
                                  double *loss) {
    const int count = (int)block->count;
    pu__span span;
    double up[PU__BLOCK_BARS], down[PU__BLOCK_BARS];
    const double *close = pu__span_of(&gains->close, 1, block->close, count, &span);
    for (int t = 0; t < count; ++t) {
        const double change = close[t] - close[t - 1];
        up[t] = change > 0 ? change : 0;
        down[t] = change < 0 ? -change : 0;
    }
    pu__wilder_push(&gains->gain, n, block->first - 1, up, count, gain);
    pu__wilder_push(&gains->loss, n, block->first - 1, down, count, loss);
}

/* `part` in percent of all movement, 0 in a flat market. */
static inline double pu__share(double part, double gain, double loss, double close) {
    const double total = gain + loss;
    return total > PU__ZERO_RATIO * close ? 100 * (part / total) : 0;
}

/* Place of `value` between lowest and highest, in percent; 0 where they do not differ. */
static inline double pu__place(double value, double lowest, double highest) {
    const double range = highest - lowest, place = 100 * (value - lowest) / range;
    return range > PU__ZERO_RATIO * highest ? place : 0;
}

#endif
