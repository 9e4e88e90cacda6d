/* Geometric Brownian motion and Merton's jumps. */
#include <math.h>
#include <string.h>

#include "host/sim/exponential.h"
#include "host/sim/fit.h"

static const double log_two_pi = 1.8378770664093453;

void pu__fit_gbm(const pu__returns *r, pu__fit *out) {
    const double n = (double)r->rows, dt = r->step_years, volatility = r->deviation / sqrt(dt);
    const double growth = r->mean / dt + 0.5 * volatility * volatility;
    *out = (pu__fit){.process = {PU_SIM_GBM, {.gbm = {growth, volatility}}}, .converged = true};
    /* var(mean) = s^2 / n and var(s^2) = 2 s^4 / n, independent */
    const double square = volatility * volatility;
    pu__fit_add(out, "growth", growth, sqrt(square / (n * dt) + 0.5 * square * square / n));
    pu__fit_add(out, "volatility", volatility, volatility / sqrt(2.0 * n));
    pu__fit_likelihood(out, -0.5 * n * (log_two_pi + 2.0 * log(r->deviation) + 1.0), 2, r->rows);
}

/* ---- Merton ---- */

enum { TERMS = PU_JUMPS_MAX + 1, MERTON = 5 };

/* More jumps a step than this and the simulator's table of their number ends too early (pu__process_make). */
static const double jumps_most = 0.7;

/* Per step. */
typedef struct jumps {
    double drift, variance, rate, mean, deviation;
} jumps;

static jumps jumps_of(const double *x, const pu__returns *r) {
    const double s = r->deviation;
    jumps j;
    j.variance = pu__bounded(x[1], 1e-3, 1.2) * s * s;
    j.rate = pu__bounded(x[2], 0.0, jumps_most);
    j.mean = x[3] * s;
    j.deviation = s * exp(pu__bounded(x[4], log(0.05), log(100.0)));
    j.drift = r->mean + x[0] * s - j.rate * j.mean;
    return j;
}

/* log(weight) and the normal's constant of each number of jumps. */
static void prepare(const jumps *j, double constant[TERMS], double centre[TERMS], double half_inverse[TERMS]) {
    double weight = -j->rate;
    for (int k = 0; k < TERMS; ++k) {
        const double variance = j->variance + k * j->deviation * j->deviation;
        constant[k] = weight - 0.5 * (log_two_pi + log(variance));
        centre[k] = j->drift + k * j->mean;
        half_inverse[k] = 0.5 / variance;
        weight += log(j->rate / (k + 1));
    }
}

static double log_sum(const double *term, int count) {
    double most = term[0], sum = 0.0;
    for (int k = 1; k < count; ++k) most = term[k] > most ? term[k] : most;
    for (int k = 0; k < count; ++k) sum += pu__exp_minus(most - term[k]);
    return most + log(sum);
}

static double merton_objective(const double *x, void *context) {
    const pu__returns *r = context;
    const jumps j = jumps_of(x, r);
    double constant[TERMS], centre[TERMS], half_inverse[TERMS], sum = 0.0;
    prepare(&j, constant, centre, half_inverse);
    for (int64_t t = 0; t < r->rows; ++t) {
        double term[TERMS];
        for (int k = 0; k < TERMS; ++k) {
            const double apart = r->x[t] - centre[k];
            term[k] = constant[k] - apart * apart * half_inverse[k];
        }
        sum -= log_sum(term, TERMS);
    }
    return sum;
}

/* In the order of pu_merton. */
static void merton_natural(const double *x, double *out, void *context) {
    const pu__returns *r = context;
    const jumps j = jumps_of(x, r);
    const double dt = r->step_years, jump = exp(j.mean + 0.5 * j.deviation * j.deviation) - 1.0;
    out[0] = (j.drift + 0.5 * j.variance + j.rate * jump) / dt;
    out[1] = sqrt(j.variance / dt);
    out[2] = j.rate / dt;
    out[3] = j.mean;
    out[4] = j.deviation;
}

pu_status pu__fit_merton(const pu__returns *returns, pu__fit *out) {
    /* rate a step, jump's mean and deviation in the sample's, share of the variance left to the diffusion */
    static const double start[][4] = {
        {0.01, 0.0, 4.0, 0.8}, {0.05, 0.0, 2.5, 0.6}, {0.3, 0.0, 1.3, 0.5}, {0.02, -2.0, 2.0, 0.7}};
    static const char *const name[MERTON] = {"growth", "volatility", "jumps_per_year", "jump_mean",
                                             "jump_deviation"};
    static const double scale[MERTON] = {0.05, 0.5, 0.5, 0.5, 0.3};
    pu__returns r = *returns;
    pu__minimum best = {.value = (double)INFINITY};
    int evaluations = 0;
    for (size_t i = 0; i < sizeof start / sizeof start[0]; ++i) {
        const double from[MERTON] = {0.0, pu__unbounded(start[i][3], 1e-3, 1.2),
                                     pu__unbounded(start[i][0], 0.0, jumps_most), start[i][1],
                                     pu__unbounded(log(start[i][2]), log(0.05), log(100.0))};
        pu__minimum found;
        pu__search(MERTON, from, scale, merton_objective, &r, &found);
        evaluations += found.evaluations;
        if (found.value < best.value) best = found;
    }
    best.evaluations = evaluations;
    pu__polish(scale, merton_objective, &r, &best);
    double value[MERTON], error[MERTON];
    merton_natural(best.x, value, &r);
    pu__delta_errors(&best, merton_natural, &r, MERTON, error);
    *out = (pu__fit){.process = {PU_SIM_MERTON, {.merton = {value[0], value[1], value[2], value[3], value[4]}}}};
    for (int i = 0; i < MERTON; ++i) pu__fit_add(out, name[i], value[i], error[i]);
    pu__fit_minimum(out, &best);
    pu__fit_likelihood(out, -best.value, MERTON, r.rows);
    return PU_OK;
}

/* ---- the correlation of two diffusions ---- */

enum { PAIR_JUMPS = 4 }; /* numbers of jumps of each that are told apart */

typedef struct pair {
    const pu__returns *r[2];
    jumps j[2];
} pair;

static jumps jumps_of_fit(const pu__fit *fit, double dt) {
    const pu_merton *m = &fit->process.of.merton;
    const double jump = exp(m->jump_mean + 0.5 * m->jump_deviation * m->jump_deviation) - 1.0;
    jumps j = {.variance = m->volatility * m->volatility * dt,
               .rate = m->jumps_per_year * dt,
               .mean = m->jump_mean,
               .deviation = m->jump_deviation};
    j.drift = m->growth * dt - 0.5 * j.variance - j.rate * jump;
    return j;
}

/* x[0]: Fisher's transform of the correlation. */
static double pair_objective(const double *x, void *context) {
    const pair *p = context;
    const double covariance = tanh(x[0]) * sqrt(p->j[0].variance * p->j[1].variance);
    double constant[2][TERMS], centre[2][TERMS], half_inverse[2][TERMS], sum = 0.0;
    double own[PAIR_JUMPS * PAIR_JUMPS], inverse[PAIR_JUMPS * PAIR_JUMPS][3];
    for (int i = 0; i < 2; ++i) prepare(&p->j[i], constant[i], centre[i], half_inverse[i]);
    for (int k = 0; k < PAIR_JUMPS * PAIR_JUMPS; ++k) {
        const int a = k / PAIR_JUMPS, b = k % PAIR_JUMPS;
        const double va = 0.5 / half_inverse[0][a], vb = 0.5 / half_inverse[1][b];
        const double determinant = va * vb - covariance * covariance;
        own[k] = constant[0][a] + constant[1][b] - 0.5 * log(determinant / (va * vb));
        inverse[k][0] = 0.5 * vb / determinant;
        inverse[k][1] = 0.5 * va / determinant;
        inverse[k][2] = covariance / determinant;
    }
    for (int64_t t = 0; t < p->r[0]->rows; ++t) {
        double term[PAIR_JUMPS * PAIR_JUMPS];
        for (int k = 0; k < PAIR_JUMPS * PAIR_JUMPS; ++k) {
            const double u = p->r[0]->x[t] - centre[0][k / PAIR_JUMPS];
            const double v = p->r[1]->x[t] - centre[1][k % PAIR_JUMPS];
            term[k] = own[k] - inverse[k][0] * u * u - inverse[k][1] * v * v + inverse[k][2] * u * v;
        }
        sum -= log_sum(term, PAIR_JUMPS * PAIR_JUMPS);
    }
    return sum;
}

static void correlation_of(const double *x, double *out, void *context) {
    (void)context;
    out[0] = tanh(x[0]);
}

void pu__merton_correlation(const pu__returns *a, const pu__fit *fit_a, const pu__returns *b, const pu__fit *fit_b,
                            double *correlation, double *error) {
    pair p = {{a, b}, {jumps_of_fit(fit_a, a->step_years), jumps_of_fit(fit_b, b->step_years)}};
    const double start = 0.3, scale = 0.3;
    pu__minimum found;
    pu__search(1, &start, &scale, pair_objective, &p, &found);
    pu__polish(&scale, pair_objective, &p, &found);
    correlation_of(found.x, correlation, NULL);
    pu__delta_errors(&found, correlation_of, NULL, 1, error);
}
