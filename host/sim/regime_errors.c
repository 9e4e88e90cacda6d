#include "host/sim/regime_errors.h"

#include <math.h>
#include <string.h>

#include "host/sim/matrix.h"
#include "plusultra/memory.h"

enum { K = PU__REGIMES_MAX, PARAMETERS_MOST = 800, ROWS_A_PARAMETER = 4 };

typedef enum part { MEAN = 0, DEVIATION, TRANSITION, CORRELATION } part;

/* MEAN and DEVIATION (its logarithm): regime a, asset b. TRANSITION: from a to b, the logarithm of its odds against
 * staying. CORRELATION: of assets a and b. */
typedef struct parameter {
    part part;
    int a, b;
} parameter;

typedef struct scores {
    const pu__chain *chain;
    const double *y;
    int64_t rows;
    int parameters;
    parameter *parameter;
    double *score; /* [parameters][rows] */
    int workers;
    pu__chain *copy;    /* [workers] */
    double *gain;       /* [workers][rows] */
    double *work;       /* [workers][2 * assets] */
    bool *failed;       /* [parameters] */
    double *covariance; /* [parameters][parameters] */
} scores;

static void list_parameters(scores *s) {
    const int count = s->chain->regimes, n = s->chain->assets;
    int p = 0;
    for (int k = 0; k < count; ++k) {
        for (int i = 0; i < n; ++i) {
            s->parameter[p++] = (parameter){MEAN, k, i};
            s->parameter[p++] = (parameter){DEVIATION, k, i};
        }
        for (int j = 0; j < count; ++j)
            if (j != k && s->chain->transition[k][j] >= 1e-6) s->parameter[p++] = (parameter){TRANSITION, k, j};
    }
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < i; ++j) s->parameter[p++] = (parameter){CORRELATION, i, j};
    s->parameters = p;
}

static void move(pu__chain *chain, const parameter *p, double by) {
    const int n = chain->assets;
    if (p->part == MEAN) chain->mean[p->a * n + p->b] += by;
    if (p->part == DEVIATION) chain->deviation[p->a * n + p->b] *= exp(by);
    if (p->part == CORRELATION) {
        chain->correlation[p->a * n + p->b] += by;
        chain->correlation[p->b * n + p->a] += by;
    }
    if (p->part != TRANSITION) return;
    double *row = chain->transition[p->a], sum = 0.0;
    row[p->b] *= exp(by);
    for (int j = 0; j < chain->regimes; ++j) sum += row[j];
    for (int j = 0; j < chain->regimes; ++j) row[j] /= sum;
}

static void score_parameters(void *context, int64_t begin, int64_t end, int worker) {
    scores *s = context;
    pu__chain *copy = &s->copy[worker];
    double *gain = s->gain + worker * s->rows, *work = s->work + (int64_t)worker * 2 * s->chain->assets;
    for (int64_t p = begin; p < end; ++p) {
        const double step = s->parameter[p].part == CORRELATION ? 1e-6 : 1e-4;
        double *score = s->score + p * s->rows;
        for (int side = 0; side < 2; ++side) {
            pu__chain_copy(s->chain, copy);
            move(copy, &s->parameter[p], side == 0 ? step : -step);
            if (!pu__chain_prepare(copy)) s->failed[p] = true;
            else pu__chain_filter(copy, s->y, s->rows, NULL, gain, work);
            for (int64_t t = 0; t < s->rows; ++t)
                score[t] = side == 0 ? gain[t] : (score[t] - gain[t]) / (2.0 * step);
        }
    }
}

/* Inverse of the sum of outer products. */
static bool invert(scores *s) {
    const int64_t n = s->parameters;
    double *information = s->covariance + n * n, *lower = information + n * n;
    for (int64_t i = 0; i < n; ++i) {
        if (s->failed[i]) return false;
        for (int64_t j = 0; j <= i; ++j) {
            const double *a = s->score + i * s->rows, *b = s->score + j * s->rows;
            double sum = 0.0;
            for (int64_t t = 0; t < s->rows; ++t) sum += a[t] * b[t];
            information[i * n + j] = information[j * n + i] = sum;
        }
    }
    if (pu__cholesky(information, n, lower) < n) return false;
    pu__cholesky_inverse(lower, n, s->covariance);
    return true;
}

/* ---- from the parameters to those that people know ---- */

static int find(const scores *s, part kind, int a, int b) {
    for (int p = 0; p < s->parameters; ++p)
        if (s->parameter[p].part == kind && s->parameter[p].a == a && s->parameter[p].b == b) return p;
    return -1;
}

static double covariance_of(const scores *s, int p, int q) {
    return s->covariance[(int64_t)p * s->parameters + q];
}

static double transition_error(const scores *s, int i, int j) {
    const double *row = s->chain->transition[i];
    double variance = 0.0;
    bool moved = false;
    for (int l = 0; l < s->chain->regimes; ++l) {
        const int p = l == i ? -1 : find(s, TRANSITION, i, l);
        if (p < 0) continue;
        moved = true;
        for (int m = 0; m < s->chain->regimes; ++m) {
            const int q = m == i ? -1 : find(s, TRANSITION, i, m);
            if (q >= 0)
                variance += row[j] * ((j == l) - row[l]) * row[j] * ((j == m) - row[m]) * covariance_of(s, p, q);
        }
    }
    return moved && row[j] >= 1e-6 ? sqrt(variance) : (double)NAN;
}

static void fill_errors(const scores *s, const pu__returns *returns, pu__regime_errors *out) {
    const int count = s->chain->regimes, n = s->chain->assets;
    for (int k = 0; k < count; ++k) {
        for (int i = 0; i < n; ++i) {
            const int m = find(s, MEAN, k, i), d = find(s, DEVIATION, k, i);
            const double dt = returns[i].step_years, unit = returns[i].deviation;
            const double deviation = s->chain->deviation[k * n + i] * unit, square = deviation * deviation / dt;
            const double slope = unit / dt; /* of growth by the mean; by the deviation's logarithm: square */
            out->growth[k * n + i] =
                sqrt(slope * slope * covariance_of(s, m, m) + 2.0 * slope * square * covariance_of(s, m, d) +
                     square * square * covariance_of(s, d, d));
            out->volatility[k * n + i] = deviation / sqrt(dt) * sqrt(covariance_of(s, d, d));
        }
        for (int j = 0; j < count; ++j) out->transition[k][j] = transition_error(s, k, j);
    }
    for (int i = 0; i < n; ++i) {
        for (int j = 0; j < i; ++j) {
            const int p = find(s, CORRELATION, i, j);
            out->correlation[i * n + j] = out->correlation[j * n + i] = sqrt(covariance_of(s, p, p));
        }
        out->correlation[i * n + i] = 0.0;
    }
}

/* ---- all of it ---- */

static pu_status scores_open(scores *s) {
    const size_t p = (size_t)s->parameters, rows = (size_t)s->rows, n = (size_t)s->chain->assets;
    const size_t workers = (size_t)s->workers;
    s->score = pu_calloc(p * rows + 3 * p * p + workers * (rows + 2 * n), sizeof *s->score);
    s->copy = pu_calloc(workers, sizeof *s->copy);
    s->failed = pu_calloc(p, sizeof *s->failed);
    if (!s->score || !s->copy || !s->failed) return PU_ERR_MEMORY;
    s->covariance = s->score + p * rows;
    s->gain = s->covariance + 3 * p * p;
    s->work = s->gain + workers * rows;
    for (int w = 0; w < s->workers; ++w) PU_TRY(pu__chain_new(s->chain->regimes, s->chain->assets, &s->copy[w]));
    return PU_OK;
}

static pu_status make(scores *s, const pu__returns *returns, pu_pool *pool, pu__regime_errors *out) {
    const int count = s->chain->regimes, n = s->chain->assets;
    const size_t most = (size_t)(2 * count * n + count * count + n * n);
    s->parameter = pu_calloc(most, sizeof *s->parameter);
    if (!s->parameter) return PU_ERR_MEMORY;
    list_parameters(s);
    if (s->parameters > PARAMETERS_MOST || (int64_t)s->parameters * ROWS_A_PARAMETER > s->rows) {
        out->reason = "too many assets and regimes for the length of the history";
        return PU_OK;
    }
    PU_TRY(scores_open(s));
    pu_parallel_for(pool, s->parameters, 1, score_parameters, s);
    out->known = invert(s);
    if (out->known) fill_errors(s, returns, out);
    else out->reason = "the information is singular, the history does not tell the regimes' parameters apart";
    return PU_OK;
}

pu_status pu__regime_errors_make(const pu__chain *chain, const double *y, int64_t rows, const pu__returns *returns,
                                 pu_pool *pool, pu__regime_errors *out) {
    const size_t n = (size_t)chain->assets, cells = 2 * K * n + n * n;
    *out = (pu__regime_errors){0};
    out->growth = pu_calloc(cells, sizeof *out->growth);
    if (!out->growth) return PU_ERR_MEMORY;
    out->volatility = out->growth + K * n;
    out->correlation = out->volatility + K * n;
    for (size_t i = 0; i < cells; ++i) out->growth[i] = (double)NAN;
    for (int i = 0; i < K * K; ++i) out->transition[i / K][i % K] = (double)NAN;
    scores s = {.chain = chain, .y = y, .rows = rows, .workers = pool ? pu_pool_threads(pool) : 1};
    const pu_status status = make(&s, returns, pool, out);
    for (int w = 0; s.copy && w < s.workers; ++w) pu__chain_free(&s.copy[w]);
    pu_free(s.parameter);
    pu_free(s.score);
    pu_free(s.copy);
    pu_free(s.failed);
    if (status != PU_OK) pu__regime_errors_free(out);
    return status;
}

void pu__regime_errors_free(pu__regime_errors *errors) {
    pu_free(errors->growth);
    *errors = (pu__regime_errors){0};
}
