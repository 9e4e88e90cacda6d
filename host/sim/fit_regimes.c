/* Regimes by expectation and maximisation: Hamilton (1990), "Analysis of time series subject to changes in regime".
 *
 * The correlations are the same in every regime, as the simulator has them, so that a regime's deviations and the
 * correlations cannot be maximised at once; each in turn raises the likelihood (Meng and Rubin 1993, "Maximum
 * likelihood estimation via the ECM algorithm"). Returns are in units of each asset's deviation. A deviation is held
 * above 1/50 of the asset's: a regime that shrinks onto a few bars has no bound. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/sim/matrix.h"
#include "host/sim/regime_errors.h"
#include "plusultra/memory.h"

enum { K = PU__REGIMES_MAX, STARTS = 4, ROUNDS_TRIED = 40, ROUNDS_MOST = 3000 };

static const double deviation_least = 0.02, correlation_shrink = 1e-7;

typedef struct em {
    int64_t rows;
    int assets;
    double *y;        /* [rows][assets] in units of the assets' deviations, less their means */
    double *smoothed; /* [rows][K] */
    double *scatter;  /* [K][assets][assets] about the regime's means, weighted */
    double *inverse;  /* [assets][assets] */
    double *order;    /* [rows] */
    double *work;     /* [2 * assets] */
} em;

static pu_status em_open(int assets, const pu__returns *returns, em *out) {
    const size_t n = (size_t)assets, rows = (size_t)returns->rows;
    *out = (em){.rows = returns->rows, .assets = assets};
    out->y = pu_calloc(rows * (n + K + 1) + (K + 1) * n * n + 2 * n, sizeof *out->y);
    if (!out->y) return PU_ERR_MEMORY;
    out->smoothed = out->y + rows * n;
    out->scatter = out->smoothed + rows * K;
    out->inverse = out->scatter + K * n * n;
    out->order = out->inverse + n * n;
    out->work = out->order + rows;
    for (int64_t t = 0; t < out->rows; ++t)
        for (int i = 0; i < assets; ++i)
            out->y[t * assets + i] = (returns[i].x[t] - returns[i].mean) / returns[i].deviation;
    return PU_OK;
}

/* ---- maximisation ---- */

/* Means, and squares and products about them. Returns the bars of the regime. */
static double gather(em *e, pu__chain *chain, int k) {
    const int64_t n = e->assets;
    double *mean = chain->mean + k * n, *scatter = e->scatter + k * n * n, weight = 0.0;
    memset(mean, 0, (size_t)n * sizeof *mean);
    memset(scatter, 0, (size_t)(n * n) * sizeof *scatter);
    for (int64_t t = 0; t < e->rows; ++t) {
        const double w = e->smoothed[t * K + k];
        weight += w;
        for (int64_t i = 0; i < n; ++i) mean[i] += w * e->y[t * n + i];
    }
    for (int64_t i = 0; i < n && weight > 0.0; ++i) mean[i] /= weight;
    for (int64_t t = 0; t < e->rows; ++t) {
        const double w = e->smoothed[t * K + k];
        if (w < 1e-12) continue;
        for (int64_t i = 0; i < n; ++i) {
            const double apart = w * (e->y[t * n + i] - mean[i]);
            for (int64_t j = 0; j <= i; ++j) scatter[i * n + j] += apart * (e->y[t * n + j] - mean[j]);
        }
    }
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = i + 1; j < n; ++j) scatter[i * n + j] = scatter[j * n + i];
    return weight;
}

/* Each deviation in turn, the others and the correlations held: with u = 1 / deviation, weight / u - q_ii s_ii u -
 * sum_j q_ij s_ij u_j = 0. */
static void raise_deviations(const em *e, pu__chain *chain, int k, double weight) {
    const int64_t n = e->assets;
    double *deviation = chain->deviation + k * n;
    const double *scatter = e->scatter + k * n * n;
    for (int64_t i = 0; i < n; ++i) {
        double others = 0.0;
        for (int64_t j = 0; j < n; ++j)
            if (j != i) others += e->inverse[i * n + j] * scatter[i * n + j] / deviation[j];
        const double own = e->inverse[i * n + i] * scatter[i * n + i];
        const double u = (sqrt(others * others + 4.0 * own * weight) - others) / (2.0 * own);
        deviation[i] = own > 0.0 && 1.0 / u > deviation_least ? 1.0 / u : deviation_least;
    }
}

/* The covariance of what the deviations leave, its diagonal given back to them. */
static void raise_correlations(const em *e, pu__chain *chain) {
    const int64_t n = e->assets;
    double *c = chain->correlation;
    memset(c, 0, (size_t)(n * n) * sizeof *c);
    for (int k = 0; k < chain->regimes; ++k) {
        const double *deviation = chain->deviation + k * n, *scatter = e->scatter + k * n * n;
        for (int64_t at = 0; at < n * n; ++at)
            c[at] += scatter[at] / (deviation[at / n] * deviation[at % n] * (double)e->rows);
    }
    double *root = e->work;
    for (int64_t i = 0; i < n; ++i) {
        root[i] = sqrt(c[i * n + i]);
        for (int k = 0; k < chain->regimes; ++k) {
            double *deviation = &chain->deviation[k * n + i];
            *deviation = fmax(deviation_least, *deviation * root[i]);
        }
    }
    for (int64_t at = 0; at < n * n; ++at) {
        const bool diagonal = at / n == at % n;
        c[at] = diagonal ? 1.0 : (1.0 - correlation_shrink) * c[at] / (root[at / n] * root[at % n]);
    }
}

static bool maximise(em *e, pu__chain *chain, double pairs[K][K]) {
    const int64_t n = e->assets;
    pu__cholesky_inverse(chain->lower, n, e->inverse);
    for (int k = 0; k < chain->regimes; ++k) {
        const double weight = gather(e, chain, k);
        raise_deviations(e, chain, k, weight);
        double from = 0.0;
        for (int j = 0; j < chain->regimes; ++j) from += pairs[k][j];
        for (int j = 0; j < chain->regimes && from > 0.0; ++j) chain->transition[k][j] = pairs[k][j] / from;
        chain->start[k] = e->smoothed[k];
    }
    raise_correlations(e, chain);
    return pu__chain_prepare(chain);
}

/* Until a round adds less than `least`. Returns the log-likelihood; NaN where the assets move as one. */
static double climb(em *e, pu__chain *chain, int rounds, double least, int *done) {
    double last = -(double)INFINITY, pairs[K][K];
    for (*done = 0; *done < rounds; ++*done) {
        const double now = pu__chain_filter(chain, e->y, e->rows, e->smoothed, NULL, e->work);
        if (!isfinite(now) || now - last < least) return now;
        last = now;
        pu__chain_smooth(chain, e->rows, e->smoothed, pairs);
        if (!maximise(e, chain, pairs)) return (double)NAN;
    }
    return last;
}

/* ---- starts ---- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The mean square of all assets over the bars about t. */
static double local_square(const em *e, int64_t t, int64_t reach) {
    const int64_t from = t > reach ? t - reach : 0, to = t + reach < e->rows - 1 ? t + reach : e->rows - 1;
    double sum = 0.0;
    for (int64_t i = from * e->assets; i < (to + 1) * e->assets; ++i) sum += e->y[i] * e->y[i];
    return sum / (double)(to - from + 1);
}

/* Bars by how much the market moves about them, in groups of equal size. */
static bool start_chain(em *e, pu__chain *chain, int start) {
    static const int64_t reach[STARTS] = {2, 10, 31, 0};
    const int count = chain->regimes;
    double pairs[K][K] = {{0}}, bound[K];
    for (int64_t t = 0; t < e->rows; ++t) e->order[t] = local_square(e, t, reach[start]);
    qsort(e->order, (size_t)e->rows, sizeof *e->order, ascending);
    for (int k = 0; k < count - 1; ++k) bound[k] = e->order[e->rows * (k + 1) / count];
    int last = 0;
    for (int64_t t = 0; t < e->rows; ++t) {
        const double square = local_square(e, t, reach[start]);
        int k = 0;
        while (k < count - 1 && square > bound[k]) ++k;
        for (int j = 0; j < K; ++j) e->smoothed[t * K + j] = j >= count ? 0.0 : j == k ? 0.9 : 0.1 / (count - 1);
        if (t > 0) pairs[last][k] += 1.0;
        last = k;
    }
    for (int i = 0; i < count; ++i)
        for (int j = 0; j < count; ++j) pairs[i][j] += 1.0;
    const int64_t n = e->assets;
    for (int64_t at = 0; at < n * n; ++at) chain->correlation[at] = at / n == at % n ? 1.0 : 0.0;
    for (int64_t at = 0; at < K * n; ++at) chain->deviation[at] = 1.0;
    return pu__chain_prepare(chain) && maximise(e, chain, pairs);
}

/* Regimes from the calmest to the wildest, by the mean logarithm of their deviations. */
static void put_in_order(pu__chain *chain, pu__chain *copy) {
    const int64_t n = chain->assets;
    double size[K] = {0};
    int place[K];
    for (int k = 0; k < chain->regimes; ++k)
        for (int64_t i = 0; i < n; ++i) size[k] += log(chain->deviation[k * n + i]);
    for (int k = 0; k < chain->regimes; ++k) {
        place[k] = 0;
        for (int j = 0; j < chain->regimes; ++j) place[k] += size[j] < size[k] || (size[j] == size[k] && j < k);
    }
    pu__chain_copy(chain, copy);
    for (int k = 0; k < chain->regimes; ++k) {
        chain->start[place[k]] = copy->start[k];
        memcpy(chain->mean + place[k] * n, copy->mean + k * n, (size_t)n * sizeof(double));
        memcpy(chain->deviation + place[k] * n, copy->deviation + k * n, (size_t)n * sizeof(double));
        for (int j = 0; j < chain->regimes; ++j) chain->transition[place[k]][place[j]] = copy->transition[k][j];
    }
    pu__chain_prepare(chain);
}

/* ---- the fit ---- */

typedef struct climbed {
    double log_likelihood;
    int rounds;
    bool converged;
} climbed;

static pu_status find(em *e, pu__chain *best, pu__chain *tried, climbed *out) {
    *out = (climbed){.log_likelihood = -(double)INFINITY};
    for (int start = 0; start < STARTS; ++start) {
        int rounds = 0;
        const double value =
            start_chain(e, tried, start) ? climb(e, tried, ROUNDS_TRIED, 1e-2, &rounds) : (double)NAN;
        if (!(value > out->log_likelihood)) continue;
        out->log_likelihood = value;
        pu__chain_copy(tried, best);
    }
    if (isfinite(out->log_likelihood)) out->log_likelihood = climb(e, best, ROUNDS_MOST, 1e-9, &out->rounds);
    out->converged = out->rounds < ROUNDS_MOST;
    if (isfinite(out->log_likelihood)) return PU_OK;
    return pu_fail(PU_ERR_DATA,
                   "regimes: some assets move as one, so that their correlations cannot be told apart: "
                   "leave one of each such pair out of data.symbols");
}

static int parameters_of(int regimes, int assets) {
    return 2 * regimes * assets + regimes * (regimes - 1) + assets * (assets - 1) / 2;
}

static void describe(const em *e, pu__chain *chain, const pu__returns *returns, const climbed *found,
                     const pu__regime_errors *errors, pu__regime_fit *out) {
    const int count = chain->regimes, n = chain->assets;
    double scale = 0.0;
    for (int i = 0; i < n; ++i) scale += log(returns[i].deviation);
    for (int i = 0; i < n; ++i) {
        const double dt = returns[i].step_years;
        pu__fit *fit = &out->fit[i];
        *fit = (pu__fit){.process = {PU_SIM_REGIMES, {.regimes = {.count = count}}},
                         .converged = found->converged,
                         .evaluations = found->rounds};
        pu_regimes *regimes = &fit->process.of.regimes;
        for (int k = 0; k < count; ++k) {
            const double mean = returns[i].mean + chain->mean[k * n + i] * returns[i].deviation;
            const double deviation = chain->deviation[k * n + i] * returns[i].deviation;
            regimes->regime[k] = (pu_gbm){mean / dt + 0.5 * deviation * deviation / dt, deviation / sqrt(dt)};
            char name[40];
            snprintf(name, sizeof name, "growth_%d", k + 1);
            pu__fit_add(fit, name, regimes->regime[k].growth, errors->growth[k * n + i]);
            snprintf(name, sizeof name, "volatility_%d", k + 1);
            pu__fit_add(fit, name, regimes->regime[k].volatility, errors->volatility[k * n + i]);
        }
        for (int k = 0; k < count * count; ++k) {
            char name[40];
            snprintf(name, sizeof name, "transition_%d_%d", k / count + 1, k % count + 1);
            regimes->transition[k] = chain->transition[k / count][k % count];
            pu__fit_add(fit, name, regimes->transition[k], errors->transition[k / count][k % count]);
        }
        pu__fit_likelihood(fit, found->log_likelihood - (double)e->rows * scale, parameters_of(count, n), e->rows);
        if (!found->converged)
            snprintf(fit->note, sizeof fit->note, "did not converge in %d rounds: the likelihood still rises",
                     (int)ROUNDS_MOST);
        else if (!errors->known) snprintf(fit->note, sizeof fit->note, "no standard errors: %s", errors->reason);
    }
}

static int most_likely(const double *share, int count) {
    int best = 0;
    for (int k = 1; k < count; ++k) best = share[k] > share[best] ? k : best;
    return best;
}

static pu_status finish(em *e, pu__chain *chain, const pu__returns *returns, const climbed *found, pu_pool *pool,
                        pu__regime_fit *out) {
    pu__regime_errors errors;
    PU_TRY(pu__regime_errors_make(chain, e->y, e->rows, returns, pool, &errors));
    describe(e, chain, returns, found, &errors, out);
    const size_t cells = (size_t)chain->assets * (size_t)chain->assets;
    memcpy(out->correlation, chain->correlation, cells * sizeof *out->correlation);
    memcpy(out->correlation_error, errors.correlation, cells * sizeof *out->correlation_error);
    pu__regime_errors_free(&errors);
    double share[K];
    pu__chain_filter(chain, e->y, e->rows, e->smoothed, NULL, e->work);
    out->current = most_likely(e->smoothed + (e->rows - 1) * K, chain->regimes);
    pu__chain_stationary(chain, share);
    out->settled = most_likely(share, chain->regimes);
    return PU_OK;
}

/* Chains of each number of regimes that is asked for; the one with the least BIC is kept in chain[0]. */
static pu_status choose(em *e, int from, int to, pu__chain chain[3], climbed *best) {
    double least = (double)INFINITY;
    for (int count = from; count <= to; ++count) {
        climbed now;
        chain[1].regimes = chain[2].regimes = count;
        PU_TRY(find(e, &chain[1], &chain[2], &now));
        const double bic = parameters_of(count, e->assets) * log((double)e->rows) - 2.0 * now.log_likelihood;
        if (!(bic < least)) continue;
        least = bic;
        *best = now;
        chain[0].regimes = count;
        pu__chain_copy(&chain[1], &chain[0]);
    }
    return PU_OK;
}

pu_status pu__fit_regimes(int assets, const pu__returns *returns, int count, pu_pool *pool, pu__regime_fit *out) {
    em e = {0};
    pu__chain chain[3] = {{0}};
    climbed best = {0};
    pu_status status = em_open(assets, returns, &e);
    for (int i = 0; i < 3 && status == PU_OK; ++i) status = pu__chain_new(K, assets, &chain[i]);
    if (status == PU_OK) status = choose(&e, count ? count : 2, count ? count : K, chain, &best);
    if (status == PU_OK) {
        put_in_order(&chain[0], &chain[1]);
        status = finish(&e, &chain[0], returns, &best, pool, out);
    }
    for (int i = 0; i < 3; ++i) pu__chain_free(&chain[i]);
    pu_free(e.y);
    return status;
}
