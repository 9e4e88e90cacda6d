#include "host/sim/optimise.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "host/sim/matrix.h"

enum { P = PU__PARAMETERS_MAX, OUTPUTS_MAX = 16, EVALUATIONS_MAX = 6000, RESTARTS_MAX = 8, NEWTON_MAX = 30 };

typedef struct search {
    int n;
    pu__objective objective;
    void *context;
    int evaluations;
    double x[P + 1][P], f[P + 1]; /* the simplex, best first */
} search;

static double evaluate(search *s, const double *x) {
    s->evaluations += 1;
    const double value = s->objective(x, s->context);
    return isfinite(value) ? value : 1e300;
}

/* ---- Nelder and Mead ---- */

static void put_in_order(search *s) {
    for (int i = 1; i <= s->n; ++i) {
        for (int k = i; k > 0 && s->f[k] < s->f[k - 1]; --k) {
            double x[P];
            const double f = s->f[k];
            memcpy(x, s->x[k], sizeof x);
            memcpy(s->x[k], s->x[k - 1], sizeof x);
            memcpy(s->x[k - 1], x, sizeof x);
            s->f[k] = s->f[k - 1];
            s->f[k - 1] = f;
        }
    }
}

static void start_simplex(search *s, const double *at, const double *scale) {
    for (int i = 0; i <= s->n; ++i) {
        memcpy(s->x[i], at, (size_t)s->n * sizeof(double));
        if (i > 0) s->x[i][i - 1] += scale[i - 1];
        s->f[i] = evaluate(s, s->x[i]);
    }
    put_in_order(s);
}

/* The point at `t` on the line from the worst vertex (-1) through the centre of the others (0). */
static double try_point(search *s, double t, double *out) {
    for (int k = 0; k < s->n; ++k) {
        double centre = 0.0;
        for (int i = 0; i < s->n; ++i) centre += s->x[i][k] / s->n;
        out[k] = centre + t * (centre - s->x[s->n][k]);
    }
    return evaluate(s, out);
}

static void shrink(search *s) {
    for (int i = 1; i <= s->n; ++i) {
        for (int k = 0; k < s->n; ++k) s->x[i][k] = 0.5 * (s->x[0][k] + s->x[i][k]);
        s->f[i] = evaluate(s, s->x[i]);
    }
}

static void step_simplex(search *s) {
    double x[P], other[P];
    const int worst = s->n;
    double f = try_point(s, 1.0, x);
    if (f < s->f[0]) {
        const double further = try_point(s, 2.0, other);
        if (further < f) {
            f = further;
            memcpy(x, other, sizeof x);
        }
    } else if (f >= s->f[worst - 1]) {
        f = try_point(s, f < s->f[worst] ? 0.5 : -0.5, x);
        if (f >= s->f[worst]) {
            shrink(s);
            put_in_order(s);
            return;
        }
    }
    memcpy(s->x[worst], x, sizeof x);
    s->f[worst] = f;
    put_in_order(s);
}

void pu__search(int parameters, const double *start, const double *scale, pu__objective objective, void *context,
                pu__minimum *out) {
    search s = {.n = parameters, .objective = objective, .context = context};
    double size[P], best = (double)INFINITY;
    *out = (pu__minimum){.parameters = parameters};
    memcpy(size, scale, (size_t)parameters * sizeof *size);
    memcpy(out->x, start, (size_t)parameters * sizeof *size);
    for (int restart = 0; restart < RESTARTS_MAX && s.evaluations < EVALUATIONS_MAX; ++restart) {
        start_simplex(&s, out->x, size);
        while (s.f[parameters] - s.f[0] > 1e-4 && s.evaluations < EVALUATIONS_MAX) step_simplex(&s);
        memcpy(out->x, s.x[0], sizeof out->x);
        out->value = s.f[0];
        if (best - s.f[0] < 1e-2) break;
        best = s.f[0];
        for (int k = 0; k < parameters; ++k) size[k] *= -0.5;
    }
    out->evaluations = s.evaluations;
}

/* ---- Newton ---- */

typedef struct slope {
    double step[P], gradient[P], hessian[P * P];
} slope;

static double shifted(search *s, const double *x, int i, double di, int k, double dk) {
    double at[P];
    memcpy(at, x, (size_t)s->n * sizeof *at);
    at[i] += di;
    at[k] += dk;
    return evaluate(s, at);
}

/* The step of parameter i at which the objective changes by about 0.01, and the changes to either side. */
static void choose_step(search *s, const double *x, double f, int i, double scale, double *step,
                        double change[2]) {
    for (int k = 0; k < 8; ++k) {
        change[0] = shifted(s, x, i, *step, i, 0.0) - f;
        change[1] = shifted(s, x, i, -*step, i, 0.0) - f;
        const double moved = 0.5 * (fabs(change[0]) + fabs(change[1]));
        if (moved > 0.002 && moved < 0.05) return;
        const double factor = moved > 0.0 ? sqrt(0.01 / moved) : 10.0, before = *step;
        *step *= factor < 0.05 ? 0.05 : factor > 10.0 ? 10.0 : factor;
        *step = *step > scale ? scale : *step < 1e-7 * scale ? 1e-7 * scale : *step;
        if (*step == before) return;
    }
}

/* The mixed derivatives by two more points a pair: f(+,+) + f(-,-) less the four on the axes. */
static void differentiate(search *s, const double *x, double f, const double *scale, slope *out) {
    const int n = s->n;
    double change[P][2];
    for (int i = 0; i < n; ++i) {
        choose_step(s, x, f, i, scale[i], &out->step[i], change[i]);
        const double h = out->step[i];
        out->gradient[i] = (change[i][0] - change[i][1]) / (2.0 * h);
        out->hessian[i * n + i] = (change[i][0] + change[i][1]) / (h * h);
    }
    for (int i = 0; i < n; ++i) {
        for (int k = 0; k < i; ++k) {
            const double hi = out->step[i], hk = out->step[k];
            const double corners = shifted(s, x, i, hi, k, hk) - f + (shifted(s, x, i, -hi, k, -hk) - f);
            const double axes = change[i][0] + change[i][1] + change[k][0] + change[k][1];
            out->hessian[i * n + k] = out->hessian[k * n + i] = (corners - axes) / (2.0 * hi * hk);
        }
    }
}

/* Solves (H + ridge diag |H|) d = g; false where that is not positive definite. */
static bool solve(const slope *at, int n, double ridge, double *d, double *lower) {
    double matrix[P * P];
    memcpy(matrix, at->hessian, sizeof matrix);
    for (int i = 0; i < n; ++i) matrix[i * n + i] += ridge * (fabs(matrix[i * n + i]) + 1e-12);
    if (pu__cholesky(matrix, n, lower) < n) return false;
    memcpy(d, at->gradient, (size_t)n * sizeof *d);
    pu__cholesky_solve(lower, n, d);
    return true;
}

/* One step downhill with the least ridge that allows one; false: there is none. */
static bool descend(search *s, const slope *at, pu__minimum *out) {
    double d[P], lower[P * P], x[P];
    for (double ridge = 0.0; ridge < 1e8; ridge = ridge == 0.0 ? 1e-3 : 10.0 * ridge) {
        if (!solve(at, s->n, ridge, d, lower)) continue;
        for (int i = 0; i < s->n; ++i) x[i] = out->x[i] - d[i];
        const double value = evaluate(s, x);
        if (!(value < out->value)) continue;
        memcpy(out->x, x, (size_t)s->n * sizeof *x);
        out->value = value;
        return true;
    }
    return false;
}

void pu__polish(const double *scale, pu__objective objective, void *context, pu__minimum *out) {
    search s = {.n = out->parameters, .objective = objective, .context = context};
    slope at = {0};
    double lower[P * P], d[P], decrement = (double)INFINITY;
    for (int i = 0; i < s.n; ++i) at.step[i] = 0.01 * scale[i];
    out->value = evaluate(&s, out->x);
    for (int round = 0; round < NEWTON_MAX; ++round) {
        differentiate(&s, out->x, out->value, scale, &at);
        out->curved = solve(&at, s.n, 0.0, d, lower);
        decrement = 0.0;
        for (int i = 0; i < s.n; ++i) decrement += at.gradient[i] * d[i];
        if (out->curved && decrement < 1e-7) break;
        if (!descend(&s, &at, out)) break;
    }
    out->converged = out->curved && decrement < 1e-4;
    if (out->curved) pu__cholesky_inverse(lower, s.n, out->covariance);
    out->evaluations += s.evaluations;
}

/* ---- errors ---- */

void pu__delta_errors(const pu__minimum *minimum, pu__transform transform, void *context, int outputs,
                      double *error) {
    const int n = minimum->parameters;
    double jacobian[P][OUTPUTS_MAX];
    for (int i = 0; i < n && minimum->curved; ++i) {
        double x[P], up[OUTPUTS_MAX], down[OUTPUTS_MAX];
        memcpy(x, minimum->x, sizeof x);
        const double h = 1e-3 * sqrt(minimum->covariance[i * n + i]);
        x[i] = minimum->x[i] + h;
        transform(x, up, context);
        x[i] = minimum->x[i] - h;
        transform(x, down, context);
        for (int k = 0; k < outputs; ++k) jacobian[i][k] = (up[k] - down[k]) / (2.0 * h);
    }
    for (int k = 0; k < outputs; ++k) {
        double variance = 0.0;
        for (int i = 0; i < n && minimum->curved; ++i)
            for (int j = 0; j < n; ++j)
                variance += jacobian[i][k] * minimum->covariance[i * n + j] * jacobian[j][k];
        error[k] = minimum->curved ? sqrt(variance) : (double)NAN;
    }
}

double pu__bounded(double x, double low, double high) { return low + (high - low) / (1.0 + exp(-x)); }

double pu__unbounded(double value, double low, double high) { return log((value - low) / (high - value)); }
