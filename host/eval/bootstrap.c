#include "host/eval/bootstrap.h"

#include <math.h>
#include <stdbool.h>

#include "host/eval/stats.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { FIGURES = 3, GRAIN = 16 };

static double autocovariance(int64_t n, const double *x, double mean, int64_t lag) {
    double sum = 0.0;
    for (int64_t i = 0; i + lag < n; ++i) sum += (x[i] - mean) * (x[i + lag] - mean);
    return sum / (double)n;
}

/* The smallest lag after which `run` autocorrelations in a row are insignificant; if there is none, the last
 * significant lag. */
static int64_t last_relevant_lag(int64_t n, const double *x, double mean, double variance, int64_t run,
                                 int64_t lag_max) {
    const double limit = 2.0 * sqrt(log10((double)n) / (double)n);
    int64_t last = 0, quiet = 0;
    for (int64_t lag = 1; lag <= lag_max + run && lag < n; ++lag) {
        if (fabs(autocovariance(n, x, mean, lag)) > limit * variance) {
            if (lag > lag_max) break;
            last = lag;
            quiet = 0;
        } else if (++quiet == run) {
            break;
        }
    }
    return last > 0 ? last : 1;
}

double pu__block_length(int64_t n, const double *x) {
    if (n < 8) return 1.0;
    const pu__moments m = pu__moments_of(n, x);
    const double variance = autocovariance(n, x, m.mean, 0);
    if (!(m.variance > 0.0)) return 1.0;
    const int64_t run = (int64_t)fmax(5.0, ceil(log10((double)n)));
    const int64_t lag_max = (int64_t)ceil(sqrt((double)n)) + run;
    const int64_t relevant = last_relevant_lag(n, x, m.mean, variance, run, lag_max);
    const int64_t width = 2 * relevant < lag_max ? 2 * relevant : lag_max;
    double g = 0.0, spectrum = variance;
    for (int64_t k = 1; k <= width && k < n; ++k) {
        const double t = (double)k / (double)width;
        const double window = t <= 0.5 ? 1.0 : 2.0 * (1.0 - t); /* flat-top */
        const double r = autocovariance(n, x, m.mean, k);
        g += 2.0 * window * (double)k * r;
        spectrum += 2.0 * window * r;
    }
    const double d = 2.0 * spectrum * spectrum;
    const double block = d > 0.0 ? cbrt(2.0 * g * g / d * (double)n) : 1.0;
    const double most = ceil(fmin(3.0 * sqrt((double)n), (double)n / 3.0));
    return fmax(1.0, fmin(block, most));
}

typedef struct job {
    int64_t n;
    const double *r;
    const pu__bootstrap_options *options;
    double block;
    double *figure; /* [FIGURES][samples] */
} job;

typedef struct tally {
    double shift, sum, sum_squares; /* of r - shift */
    double equity, peak, drawdown;
} tally;

static void take(tally *t, double r) {
    const double d = r - t->shift;
    t->sum += d;
    t->sum_squares += d * d;
    t->equity *= fmax(1.0 + r, 0.0);
    if (t->equity > t->peak) t->peak = t->equity;
    const double drawdown = t->equity / t->peak - 1.0;
    if (drawdown < t->drawdown) t->drawdown = drawdown;
}

static void figures_of(const tally *t, int64_t n, const pu__bootstrap_options *options, double out[FIGURES]) {
    const double a = options->periods_per_year, count = (double)n;
    const double mean = t->sum / count;
    const double variance = (t->sum_squares - mean * t->sum) / (count - 1.0);
    /* A resample of equal returns leaves rounding residue in place of zero. */
    const bool constant = !(variance > 1e-14 * t->sum_squares / count);
    out[0] = constant ? (double)NAN : (mean + t->shift - options->risk_free) / sqrt(variance) * sqrt(a);
    out[1] = pow(t->equity, a / count) - 1.0;
    out[2] = t->drawdown;
}

static void resample(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    /* Run lengths by inversion: 1 + floor(log u / log(1 - 1/block)). */
    const double log_stay = j->block > 1.0 ? log1p(-1.0 / j->block) : -INFINITY;
    for (int64_t s = begin; s < end; ++s) {
        pu_random random = pu_random_at(j->options->seed, (uint64_t)s);
        tally t = {j->r[0], 0.0, 0.0, 1.0, 1.0, 0.0};
        for (int64_t filled = 0; filled < j->n;) {
            int64_t at = (int64_t)pu_random_below(&random, (uint64_t)j->n);
            const double length = 1.0 + floor(log(pu_random_uniform(&random)) / log_stay);
            const int64_t left = j->n - filled;
            const int64_t run = length < (double)left ? (int64_t)length : left;
            for (int64_t k = 0; k < run; ++k) {
                take(&t, j->r[at]);
                if (++at == j->n) at = 0;
            }
            filled += run;
        }
        double figure[FIGURES];
        figures_of(&t, j->n, j->options, figure);
        for (int f = 0; f < FIGURES; ++f) j->figure[f * j->options->samples + s] = figure[f];
    }
}

static pu__interval interval_of(int64_t samples, double *figure, double level, double point) {
    int64_t known = 0;
    for (int64_t s = 0; s < samples; ++s) {
        if (!isnan(figure[s])) figure[known++] = figure[s];
    }
    pu__interval out = {(double)NAN, (double)NAN};
    if (2 * known < samples || isnan(point)) return out;
    pu__sort(known, figure);
    out.low = fmin(point, pu__sorted_quantile(known, figure, 0.5 * (1.0 - level)));
    out.high = fmax(point, pu__sorted_quantile(known, figure, 0.5 * (1.0 + level)));
    return out;
}

pu_status pu__bootstrap(int64_t n, const double *r, const pu__bootstrap_options *options, pu__intervals *out) {
    const pu__interval unknown = {(double)NAN, (double)NAN};
    *out = (pu__intervals){options->level, (double)NAN, options->samples, unknown, unknown, unknown};
    if (n < 2) return PU_OK;
    out->block = pu__block_length(n, r);
    double *figure = pu_calloc((size_t)options->samples, FIGURES * sizeof *figure);
    if (!figure) return PU_ERR_MEMORY;
    job j = {n, r, options, out->block, figure};
    pu_parallel_for(options->pool, options->samples, GRAIN, resample, &j);

    tally t = {r[0], 0.0, 0.0, 1.0, 1.0, 0.0};
    for (int64_t i = 0; i < n; ++i) take(&t, r[i]);
    double point[FIGURES];
    figures_of(&t, n, options, point);
    pu__interval *const interval[FIGURES] = {&out->sharpe, &out->cagr, &out->max_drawdown};
    for (int f = 0; f < FIGURES; ++f)
        *interval[f] = interval_of(options->samples, figure + f * options->samples, options->level, point[f]);
    pu_free(figure);
    return PU_OK;
}
