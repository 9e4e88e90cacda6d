#define _GNU_SOURCE /* lgamma_r: lgamma writes a variable that all threads share */
#include <math.h>
#include <stdio.h>

#include "host/sim/fit.h"

enum { GARCH = 5, OUTPUTS = 7 };

static const double persistence_most = 0.9999; /* of alpha + beta: above it a variance is not told from none */
static const double dof_most = 200.0;          /* beyond it a Student-t is a normal to any history */

typedef struct garch_fit {
    const pu__returns *r;
    bool normal; /* dof is held at dof_most: four parameters */
} garch_fit;

static pu_garch garch_of(const double *x, const garch_fit *g) {
    const double s = g->r->deviation, persistence = pu__bounded(x[1], 0.0, 1.0);
    const double share = pu__bounded(x[2], 0.0, 1.0);
    pu_garch p = {.mean = g->r->mean + x[0] * s, .alpha = persistence * share};
    p.beta = persistence - p.alpha;
    p.omega = s * s * exp(x[3]) * (1.0 - persistence);
    p.dof = 1.0 / (g->normal ? 1.0 / dof_most : pu__bounded(x[4], 0.2 / dof_most, 0.49));
    return p;
}

/* The variance of a step from the step before it; `square` of its deviation from the mean. */
static double next_variance(const pu_garch *p, double variance, double square) {
    return p->omega + p->alpha * square + p->beta * variance;
}

/* log of the gamma function; the arguments are positive. */
static double log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

static double garch_objective(const double *x, void *context) {
    const garch_fit *g = context;
    const pu_garch p = garch_of(x, g);
    const pu__returns *r = g->r;
    const double spread = 1.0 / (p.dof - 2.0), power = 0.5 * (p.dof + 1.0);
    const double start = r->deviation * r->deviation, pi = 3.14159265358979323846;
    double variance = next_variance(&p, start, start), sum = 0.0;
    for (int64_t t = 0; t < r->rows; ++t) {
        const double apart = r->x[t] - p.mean, square = apart * apart;
        sum += 0.5 * log(variance) + power * log1p(square * spread / variance);
        variance = next_variance(&p, variance, square);
    }
    const double constant = log_gamma(power) - log_gamma(0.5 * p.dof) - 0.5 * log(pi * (p.dof - 2.0));
    return sum - (double)r->rows * constant;
}

static void garch_natural(const double *x, double *out, void *context) {
    const garch_fit *g = context;
    const pu_garch p = garch_of(x, g);
    const double persistence = p.alpha + p.beta;
    const double value[OUTPUTS] = {p.mean,
                                   p.omega,
                                   p.alpha,
                                   p.beta,
                                   p.dof,
                                   persistence,
                                   sqrt(p.omega / (1.0 - persistence) / g->r->step_years)};
    for (int i = 0; i < OUTPUTS; ++i) out[i] = value[i];
}

/* The best of two beginnings, by the variance of the sample ("variance targeting") and lively or slow. */
static void find(garch_fit *g, pu__minimum *best) {
    static const double start[][2] = {{0.97, 0.08}, {0.8, 0.3}}; /* persistence, alpha's share of it */
    static const double scale[GARCH] = {0.05, 0.7, 0.7, 0.2, 0.5};
    const int parameters = g->normal ? GARCH - 1 : GARCH;
    int evaluations = 0;
    best->value = (double)INFINITY;
    for (size_t i = 0; i < sizeof start / sizeof start[0]; ++i) {
        const double from[GARCH] = {0.0, pu__unbounded(start[i][0], 0.0, 1.0),
                                    pu__unbounded(start[i][1], 0.0, 1.0), 0.0,
                                    pu__unbounded(1.0 / 7.0, 0.2 / dof_most, 0.49)};
        pu__minimum found;
        pu__search(parameters, from, scale, garch_objective, g, &found);
        evaluations += found.evaluations;
        if (found.value < best->value) *best = found;
    }
    best->evaluations = evaluations;
    pu__polish(scale, garch_objective, g, best);
}

/* The variance of the step behind the last. */
static double filter(const pu_garch *p, const pu__returns *r) {
    const double start = r->deviation * r->deviation;
    double variance = next_variance(p, start, start);
    for (int64_t t = 0; t < r->rows; ++t) {
        const double apart = r->x[t] - p->mean;
        variance = next_variance(p, variance, apart * apart);
    }
    return variance;
}

static void describe(garch_fit *g, const pu__minimum *best, pu__fit *out) {
    static const char *const name[OUTPUTS] = {"mean", "omega",       "alpha",     "beta",
                                              "dof",  "persistence", "volatility"};
    double value[OUTPUTS], error[OUTPUTS];
    garch_natural(best->x, value, g);
    pu__delta_errors(best, garch_natural, g, OUTPUTS, error);
    if (g->normal) error[4] = (double)NAN;
    for (int i = 0; i < OUTPUTS; ++i) pu__fit_add(out, name[i], value[i], error[i]);
    pu__fit_minimum(out, best);
    pu__fit_likelihood(out, -best->value, best->parameters, g->r->rows);
    if (out->converged && g->normal)
        snprintf(out->note, sizeof out->note,
                 "the tails are no fatter than a normal's: dof is held at %g and has no error", dof_most);
    if (value[2] < 1e-4)
        snprintf(out->note, sizeof out->note,
                 "alpha is at its border 0: volatility does not cluster, and beta means nothing");
}

pu_status pu__fit_garch(const pu__returns *returns, pu__fit *out) {
    garch_fit g = {.r = returns};
    pu__minimum best;
    find(&g, &best);
    g.normal = garch_of(best.x, &g).dof > dof_most;
    if (g.normal) find(&g, &best);
    pu_garch p = garch_of(best.x, &g);
    if (p.alpha + p.beta > persistence_most)
        return pu_fail(
            PU_ERR_DATA,
            "%s: alpha + beta is %.6f, at the border of 1: this history has no stationary variance under "
            "GARCH; fit a longer or another interval, or use regimes or the bootstrap",
            returns->symbol, p.alpha + p.beta);
    *out = (pu__fit){0};
    p.variance_start = filter(&p, returns);
    out->process = (pu_process){PU_SIM_GARCH, {.garch = p}};
    describe(&g, &best, out);
    return PU_OK;
}
