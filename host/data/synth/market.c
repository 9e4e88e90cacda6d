#include "host/data/synth/market.h"

#include <math.h>

#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { DAY_S = 86400, SUBSTEPS = 8 };

/* Streams of the seed: 0 the market, 1 the index, then one per asset. */
enum { STREAM_MARKET = 0, STREAM_INDEX = 1, STREAM_ASSETS = 2 };

enum { REGIMES = 3, CALM = 0, NORMAL = 1, STRESSED = 2 };
static const double regime_volatility[REGIMES] = {0.7, 1.0, 1.8};
/* Probability per bar to go from the row's regime to the column's: mean stays of 50, 50 and 20 bars. */
static const double regime_move[REGIMES][REGIMES] = {{0.98, 0.02, 0}, {0.01, 0.98, 0.01}, {0, 0.05, 0.95}};

/* The share of a bar's variance that falls between one close and the next open. */
static const double overnight_share = 0.15;
static const double return_min = -0.5;

/* Student t of `df` degrees of freedom scaled to unit variance, by the polar method: Bailey 1994, "Polar
 * generation of random variates with the t-distribution", equation 2. */
static double draw_tail(pu_random *random, double df) {
    if (df <= 0) return pu_random_normal(random);
    const double u = pu_random_uniform(random), v = pu_random_uniform(random);
    const double t = sqrt(df * (pow(u, -2 / df) - 1)) * cos(6.283185307179586476925 * v);
    return t * sqrt((df - 2) / df);
}

static int next_regime(pu_random *random, int regime) {
    double u = pu_random_uniform(random);
    for (int to = 0; to < REGIMES - 1; ++to) {
        if (u < regime_move[regime][to]) return to;
        u -= regime_move[regime][to];
    }
    return REGIMES - 1;
}

/* Daily bars close at the end of a weekday: 1970-01-01 was a Thursday, so day number + 3 counts from a Monday. A
 * bar that closes at 00:00 belongs to the day before. */
static int64_t next_close(const pu_synth_options *options, int64_t ts) {
    ts += options->bar_s;
    if (options->bar_s != DAY_S) return ts;
    while (((ts - 1) / DAY_S + 3) % 7 >= 5) ts += DAY_S;
    return ts;
}

pu_status pu__synth_common_make(const pu_synth_options *options, pu__synth_common *out) {
    const size_t n = (size_t)options->bars;
    int64_t *block = pu_calloc(n, 7 * sizeof(int64_t));
    if (!block) return PU_ERR_MEMORY;
    double *column = (double *)(void *)(block + n);
    *out = (pu__synth_common){options->bars,  block,          column,         column + n,
                              column + 2 * n, column + 3 * n, column + 4 * n, column + 5 * n};
    pu_random random = pu_random_at(options->seed, STREAM_MARKET);
    int regime = NORMAL;
    int64_t ts = options->first_ts;
    for (size_t t = 0; t < n; ++t) {
        out->ts[t] = ts;
        ts = next_close(options, ts);
        out->factor[t] = draw_tail(&random, options->tail_df);
        regime = next_regime(&random, regime);
        out->regime[t] = options->regimes ? regime_volatility[regime] : 1;
    }
    return PU_OK;
}

typedef struct extremes {
    double high, low;
} extremes;

/* Highest and lowest point of a Brownian bridge from a to b with variance v: the maximum has the inverse
 * distribution function (a + b + sqrt((b - a)^2 - 2 v ln u)) / 2 (Karatzas and Shreve 1991, section 4.3.C). */
static void widen(pu_random *random, double a, double b, double v, extremes *range) {
    const double step = (b - a) * (b - a);
    const double high = 0.5 * (a + b + sqrt(step - 2 * v * log(pu_random_uniform(random))));
    const double low = 0.5 * (a + b - sqrt(step - 2 * v * log(pu_random_uniform(random))));
    if (high > range->high) range->high = high;
    if (low < range->low) range->low = low;
}

/* Open, high and low between two closes: a Brownian bridge of log prices with the bar's sigma, of which the first
 * part passes while the market is shut. */
static void draw_range(pu_random *random, double before, double sigma, pu__bar *bar) {
    const double target = log(bar->close / before), variance = sigma * sigma;
    double at = 0, left = 1;
    extremes range = {-INFINITY, INFINITY};
    for (int step = 0; step <= SUBSTEPS; ++step) {
        const double share = step == 0 ? overnight_share : (1 - overnight_share) / SUBSTEPS;
        const double after = step == SUBSTEPS ? 0 : left - share;
        const double spread = sqrt(variance * share * (after > 0 ? after : 0) / left);
        const double next =
            step == SUBSTEPS ? target : at + (target - at) * share / left + spread * pu_random_normal(random);
        if (step == 0) bar->open = before * exp(next);
        else widen(random, at, next, variance * share, &range);
        at = next;
        left = after;
    }
    bar->high = fmax(before * exp(range.high), fmax(bar->open, bar->close));
    bar->low = fmin(before * exp(range.low), fmin(bar->open, bar->close));
}

static double base_volatility(const pu_synth_options *options, double periods_per_year, pu_random *random) {
    /* Log-uniform from 0.7 to 1.4 times the typical one. */
    return options->annual_vol / sqrt(periods_per_year) * 0.7 * pow(2, pu_random_uniform(random));
}

void pu__synth_asset(const pu_synth_options *options, double periods_per_year, int64_t index,
                     pu__synth_common *common, pu__bar *bars, double *signal, double *sigma) {
    pu_random random = pu_random_at(options->seed, STREAM_ASSETS + (uint64_t)index);
    const double phi = options->persistence, rho = options->correlation, edge = options->edge;
    const double base = base_volatility(options, periods_per_year, &random);
    const double level = 13 + 2 * pu_random_uniform(&random);
    double close = 20 * pow(10, pu_random_uniform(&random));
    double s = pu_random_normal(&random), h = 1, sigma_now = base;
    for (int64_t t = 0; t < common->bars; ++t) {
        const double z =
            edge * s + sqrt(rho) * common->factor[t] + sqrt(1 - rho) * draw_tail(&random, options->tail_df);
        const double r = fmax(sigma_now * z, return_min);
        pu__bar *bar = &bars[t];
        *bar = (pu__bar){.ts = common->ts[t], .close = close * (1 + r)};
        draw_range(&random, close, sigma_now, bar);
        bar->adjusted = close = bar->close;
        s = phi * s + sqrt(1 - phi * phi) * pu_random_normal(&random);
        bar->volume = floor(exp(level + s + options->volume_noise * pu_random_normal(&random)) + 0.5);
        common->mean_return[t] += r / (double)options->assets;
        common->mean_sigma[t] += sigma_now / (double)options->assets;
        common->mean_variance[t] += sigma_now * sigma_now / (double)options->assets;
        common->volume[t] += bar->volume;
        h = 1 - options->garch_shock - options->garch_memory + options->garch_shock * z * z / (1 + edge * edge) +
            options->garch_memory * h;
        sigma_now = base * common->regime[t] * sqrt(h);
        signal[t] = s;
        sigma[t] = sigma_now;
    }
}

void pu__synth_index(const pu_synth_options *options, const pu__synth_common *common, pu__bar *bars) {
    pu_random random = pu_random_at(options->seed, STREAM_INDEX);
    const double n = (double)options->assets, rho = options->correlation;
    double close = 100;
    for (int64_t t = 0; t < common->bars; ++t) {
        /* Variance of an equal-weight mean: the factor stays, the rest is divided by n. */
        const double factor = common->mean_sigma[t] * common->mean_sigma[t];
        const double sigma = sqrt(rho * factor + (1 - rho) * common->mean_variance[t] / n);
        bars[t] = (pu__bar){
            .ts = common->ts[t], .close = close * (1 + common->mean_return[t]), .volume = common->volume[t]};
        draw_range(&random, close, sigma, &bars[t]);
        bars[t].adjusted = close = bars[t].close;
    }
}
