/* Heston's model by the likelihood of its steps, the variance integrated out on a grid.
 *
 * A step of the simulator (kernels/physics/processes.h) draws the next variance from the last one, quadratic or
 * exponential, and then, given both, a normal return. That is a hidden Markov chain, and its likelihood is a sum over
 * the chain's states. The states are equally spaced in the root of the variance, where steps are about equally large
 * wherever they begin, and close enough that the sum is the integral to about 1e-4 of the log-likelihood: for a normal
 * density, points one deviation apart are wrong by 3e-9, and by 1e-3 at 1.6 deviations (Poisson's summation formula).
 * The number of states is raised until they are no farther apart than that at the maximum. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/sim/exponential.h"
#include "host/sim/fit.h"
#include "plusultra/memory.h"

enum { HESTON = 5, OUTPUTS = 6, STATES_LEAST = 32, STATES_MOST = 256 };

static const double spacing_most = 1.6, spacing_good = 1.1; /* of states, in deviations of a step */
static const double pi = 3.14159265358979323846;

typedef struct heston_fit {
    const pu__returns *r;
    int states;
    double *variance;   /* [states] */
    int *first, *count; /* [states] which states the next variance may be in */
    double *weight, *centre,
        *width;         /* [states][states] density of the return: weight * exp(-(x - centre)^2 width) */
    double *now, *next; /* [states] probability given the returns so far */
    double expected;    /* variance at the end */
} heston_fit;

/* Per year, as pu_heston; `mean` of a step's log-return, `cv` the variance's deviation over its mean. */
typedef struct heston {
    double mean, theta, kappa, epsilon, rho, cv, dt;
} heston;

static heston heston_of(const double *x, const pu__returns *r) {
    const double s = r->deviation, dt = r->step_years;
    heston h = {.mean = r->mean + x[0] * s, .theta = s * s / dt * exp(x[1]), .dt = dt};
    h.kappa = exp(pu__bounded(x[2], log(0.1 / ((double)r->rows * dt)), log(0.7 / dt)));
    h.cv = exp(pu__bounded(x[3], log(0.02), log(3.0)));
    h.epsilon = h.cv * sqrt(2.0 * h.kappa * h.theta);
    h.rho = pu__bounded(x[4], -0.999, 0.999);
    return h;
}

/* ---- the chain ---- */

/* Points in the root of the variance: the stationary law (gamma, of shape 1 / cv^2) to about 1e-7 at either end. */
static double place_states(const heston *h, heston_fit *f) {
    const double cv = h->cv, unit = sqrt(h->theta);
    const double low = unit * fmax(0.0, 1.0 - 3.0 * cv), high = unit * sqrt(1.0 + 6.0 * cv + 14.0 * cv * cv);
    const double step = (high - low) / f->states;
    for (int i = 0; i < f->states; ++i) {
        const double root = low + (i + 0.5) * step;
        f->variance[i] = root * root;
    }
    return step;
}

/* Density of the root of the next variance: of scale (b + z)^2, folded at 0. */
static double quadratic_density(double root, double b, double spread) {
    const double up = root / spread - b, down = root / spread + b;
    return (exp(-0.5 * up * up) + exp(-0.5 * down * down)) / spread;
}

/* Row i of the chain's transitions, normalised. False where the states are too far apart for it. */
static bool fill_row(const heston *h, heston_fit *f, int i, double step) {
    const double e = exp(-h->kappa * h->dt), square = h->epsilon * h->epsilon, v = f->variance[i];
    const double mean = h->theta + (v - h->theta) * e;
    const double spread =
        v * square * e / h->kappa * (1.0 - e) + h->theta * square / (2.0 * h->kappa) * (1.0 - e) * (1.0 - e);
    const double psi = spread / (mean * mean), first_root = sqrt(f->variance[0]);
    double *row = f->weight + (int64_t)i * f->states, sum = 0.0;
    double low = 0.0, high = sqrt(f->variance[f->states - 1]), b = 0.0, unit = 0.0;
    if (psi <= 1.5) { /* Andersen's critical value, as in the simulator */
        const double inverse = 2.0 / psi, b2 = inverse - 1.0 + sqrt(inverse) * sqrt(inverse - 1.0);
        unit = sqrt(mean / (1.0 + b2));
        b = sqrt(b2);
        low = unit * (b - 6.0);
        high = unit * (b + 6.0);
        if (step > spacing_most * unit) return false;
    }
    const int from = (int)floor((low - first_root) / step), to = (int)ceil((high - first_root) / step);
    f->first[i] = from > 0 ? from < f->states - 1 ? from : f->states - 1 : 0;
    const int last = to < f->states - 1 ? to : f->states - 1;
    f->count[i] = last >= f->first[i] ? last - f->first[i] + 1 : 1;
    const double q = (psi - 1.0) / (psi + 1.0), rate = (1.0 - q) / mean;
    for (int j = f->first[i]; j < f->first[i] + f->count[i]; ++j) {
        const double root = sqrt(f->variance[j]);
        if (psi <= 1.5) row[j] = quadratic_density(root, b, unit);
        else row[j] = (1.0 - q) * 2.0 * root * rate * exp(-rate * root * root) + (j == 0 ? q / step : 0.0);
        sum += row[j];
    }
    for (int j = f->first[i]; j < f->first[i] + f->count[i]; ++j) row[j] /= sum;
    return sum > 0.0;
}

/* Transitions times the constants of the return's density, and what its exponent needs. */
static bool fill(const heston *h, heston_fit *f) {
    const double step = place_states(h, f), ratio = h->rho / h->epsilon;
    const double common = 0.5 * h->dt * (h->kappa * ratio - 0.5), k1 = common - ratio, k2 = common + ratio;
    const double k3 = 0.5 * h->dt * (1.0 - h->rho * h->rho);
    const double drift = h->mean + 0.5 * h->theta * h->dt - ratio * h->kappa * h->theta * h->dt;
    for (int i = 0; i < f->states; ++i) {
        if (!fill_row(h, f, i, step)) return false;
        for (int j = f->first[i]; j < f->first[i] + f->count[i]; ++j) {
            const int64_t at = (int64_t)i * f->states + j;
            const double variance = k3 * (f->variance[i] + f->variance[j]);
            f->centre[at] = drift + k1 * f->variance[i] + k2 * f->variance[j];
            f->width[at] = 0.5 / variance;
            f->weight[at] /= sqrt(2.0 * pi * variance);
        }
    }
    return true;
}

/* ---- the filter ---- */

/* The density of a return, and the states after it. */
static double take_return(heston_fit *f, double x) {
    const int n = f->states;
    double sum = 0.0;
    memset(f->next, 0, (size_t)n * sizeof *f->next);
    for (int i = 0; i < n; ++i) {
        const double probability = f->now[i];
        if (probability < 1e-10) continue;
        const int64_t at = (int64_t)i * n + f->first[i];
        const double *weight = f->weight + at, *centre = f->centre + at, *width = f->width + at;
        double *next = f->next + f->first[i];
        for (int j = 0; j < f->count[i]; ++j) {
            const double apart = x - centre[j];
            next[j] += probability * weight[j] * pu__exp_minus(apart * apart * width[j]);
        }
    }
    for (int i = 0; i < n; ++i) sum += f->next[i];
    for (int i = 0; i < n; ++i) f->now[i] = f->next[i] / sum;
    return sum;
}

static double expected_variance(const heston_fit *f) {
    double sum = 0.0;
    for (int i = 0; i < f->states; ++i) sum += f->now[i] * f->variance[i];
    return sum;
}

static void start_stationary(const heston *h, heston_fit *f) {
    const double shape = 1.0 / (h->cv * h->cv);
    double most = -(double)INFINITY, sum = 0.0;
    for (int i = 0; i < f->states; ++i) {
        const double share = f->variance[i] / h->theta;
        f->now[i] = (shape - 0.5) * log(share) - shape * share;
        most = fmax(most, f->now[i]);
    }
    for (int i = 0; i < f->states; ++i) sum += f->now[i] = exp(f->now[i] - most);
    for (int i = 0; i < f->states; ++i) f->now[i] /= sum;
}

static double heston_objective(const double *x, void *context) {
    heston_fit *f = context;
    const heston h = heston_of(x, f->r);
    if (!fill(&h, f)) return (double)INFINITY;
    start_stationary(&h, f);
    double sum = 0.0;
    for (int64_t t = 0; t < f->r->rows; ++t) sum -= log(take_return(f, f->r->x[t]));
    f->expected = expected_variance(f);
    return sum;
}

/* ---- the fit ---- */

static void heston_natural(const double *x, double *out, void *context) {
    const heston_fit *f = context;
    const heston h = heston_of(x, f->r);
    const double value[OUTPUTS] = {
        h.mean / h.dt + 0.5 * h.theta, h.theta, h.kappa, h.epsilon, h.rho, 1.0 / (h.cv * h.cv)};
    memcpy(out, value, sizeof value);
}

static void raise_states(const double *x, heston_fit *f) {
    const heston h = heston_of(x, f->r);
    f->states = STATES_LEAST;
    while (f->states < STATES_MOST && place_states(&h, f) > spacing_good * 0.5 * h.epsilon * sqrt(h.dt))
        f->states += 8;
}

/* The best of a coarse grid of reversions and correlations; the variance's deviation by the sample's kurtosis, which
 * is 3 (1 + cv^2) for returns over short steps. */
static void choose_start(heston_fit *f, double best[HESTON]) {
    const pu__returns *r = f->r;
    double fourth = 0.0, least = (double)INFINITY;
    for (int64_t t = 0; t < r->rows; ++t) fourth += pow((r->x[t] - r->mean) / r->deviation, 4) / (double)r->rows;
    const double cv = fmin(1.2, sqrt(fmax(fourth / 3.0 - 1.0, 0.09)));
    static const double reversion[] = {0.01, 0.05, 0.2}, rho[] = {-0.6, 0.0, 0.6};
    for (int k = 0; k < 9; ++k) {
        const double low = log(0.1 / (double)r->rows), kappa = log(reversion[k / 3]);
        const double x[HESTON] = {0.0, 0.0, pu__unbounded(kappa, low, log(0.7)),
                                  pu__unbounded(log(cv), log(0.02), log(3.0)),
                                  pu__unbounded(rho[k % 3], -0.999, 0.999)};
        raise_states(x, f);
        const double value = heston_objective(x, f);
        if (k > 0 && !(value < least)) continue;
        least = value;
        memcpy(best, x, sizeof x);
    }
}

static void find(heston_fit *f, pu__minimum *best) {
    static const double scale[HESTON] = {0.05, 0.2, 0.5, 0.5, 0.5};
    double start[HESTON];
    int evaluations = 9;
    choose_start(f, start);
    raise_states(start, f);
    for (int states = 0; states < f->states;) {
        states = f->states;
        pu__search(HESTON, start, scale, heston_objective, f, best);
        evaluations += best->evaluations;
        memcpy(start, best->x, sizeof start);
        raise_states(start, f);
    }
    best->evaluations = evaluations;
    pu__polish(scale, heston_objective, f, best);
}

static void describe(heston_fit *f, const pu__minimum *best, pu__fit *out) {
    static const char *const name[OUTPUTS] = {
        "growth", "variance_mean", "reversion", "volatility_of_variance", "correlation", "feller_ratio"};
    double value[OUTPUTS], error[OUTPUTS];
    heston_natural(best->x, value, f);
    pu__delta_errors(best, heston_natural, f, OUTPUTS, error);
    heston_objective(best->x, f);
    *out = (pu__fit){.process = {PU_SIM_HESTON,
                                 {.heston = {.growth = value[0],
                                             .variance_start = f->expected,
                                             .variance_mean = value[1],
                                             .reversion = value[2],
                                             .volatility_of_variance = value[3],
                                             .correlation = value[4]}}}};
    for (int i = 0; i < OUTPUTS; ++i) pu__fit_add(out, name[i], value[i], error[i]);
    pu__fit_minimum(out, best);
    pu__fit_likelihood(out, -best->value, HESTON, f->r->rows);
    if (out->converged && (error[2] > 0.5 * value[2] || error[3] > 0.5 * value[3]))
        snprintf(out->note, sizeof out->note,
                 "these returns hardly tell the reversion (error %.0f %%) and the volatility of variance "
                 "(error %.0f %%)",
                 100.0 * error[2] / value[2], 100.0 * error[3] / value[3]);
}

pu_status pu__fit_heston(const pu__returns *returns, bool feller, pu__fit *out) {
    const size_t squares = (size_t)STATES_MOST * STATES_MOST;
    double *table = pu_calloc(3 * squares + 3 * STATES_MOST, sizeof *table);
    int *band = pu_calloc(2 * (size_t)STATES_MOST, sizeof *band);
    heston_fit f = {.r = returns};
    if (table && band) {
        f.weight = table;
        f.centre = table + squares;
        f.width = table + 2 * squares;
        f.variance = table + 3 * squares;
        f.now = f.variance + STATES_MOST;
        f.next = f.now + STATES_MOST;
        f.first = band;
        f.count = band + STATES_MOST;
        pu__minimum best;
        find(&f, &best);
        describe(&f, &best, out);
        out->process.of.heston.feller = feller;
    }
    pu_free(table);
    pu_free(band);
    return table && band ? PU_OK : PU_ERR_MEMORY;
}
