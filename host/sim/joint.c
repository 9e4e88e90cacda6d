#include "host/sim/joint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plusultra/log.h"
#include "plusultra/memory.h"

/* Simulated histories: what they do not tell adds 1 / HISTORIES to the variance of a correlation. */
enum { HISTORIES = 128, STEPS_MOST = 8192, ROUNDS_MOST = 8, SLOTS_MOST = 16, BYTES_MOST = 1 << 27 };
static const uint64_t seed = 20081993;
static const double change_least = 5e-4; /* of a correlation in a round: then the rounds end */
static const double missed_from = 0.005; /* of a correlation of returns */

/* ---- the sample ---- */

/* The sample's correlation, and its error by the mean square of its influence function, which holds for any tails:
 * Steiger and Hakstian (1982), "The asymptotic distribution of elements of a correlation matrix". */
static void correlate(const double *a, const double *b, int64_t rows, double *correlation, double *error) {
    const double n = (double)rows;
    double ma = 0.0, mb = 0.0, aa = 0.0, bb = 0.0, ab = 0.0, square = 0.0;
    for (int64_t t = 0; t < rows; ++t) {
        ma += a[t] / n;
        mb += b[t] / n;
    }
    for (int64_t t = 0; t < rows; ++t) {
        aa += (a[t] - ma) * (a[t] - ma) / n;
        bb += (b[t] - mb) * (b[t] - mb) / n;
        ab += (a[t] - ma) * (b[t] - mb) / n;
    }
    const double r = ab / sqrt(aa * bb);
    for (int64_t t = 0; t < rows; ++t) {
        const double u = (a[t] - ma) / sqrt(aa), v = (b[t] - mb) / sqrt(bb);
        const double influence = u * v - 0.5 * r * (u * u + v * v);
        square += influence * influence;
    }
    *correlation = r > 1.0 ? 1.0 : r < -1.0 ? -1.0 : r;
    *error = sqrt(square) / n;
}

typedef struct pairs {
    const pu__returns *returns;
    pu__calibration *calibration;
} pairs;

static void correlate_rows(void *context, int64_t begin, int64_t end, int worker) {
    const pairs *p = context;
    const pu__returns *r = p->returns;
    pu__calibration *c = p->calibration;
    (void)worker;
    for (int64_t a = begin; a < end; ++a) {
        c->correlation[a * c->assets + a] = 1.0;
        for (int64_t b = 0; b < a; ++b) {
            double correlation, error;
            if (c->kind == PU_SIM_MERTON)
                pu__merton_correlation(&r[a], &c->fit[a], &r[b], &c->fit[b], &correlation, &error);
            else correlate(r[a].x, r[b].x, c->rows, &correlation, &error);
            c->correlation[a * c->assets + b] = c->correlation[b * c->assets + a] = correlation;
            c->correlation_error[a * c->assets + b] = c->correlation_error[b * c->assets + a] = error;
        }
    }
}

/* ---- simulated histories ---- */

/* Of one history. Pairs are below the diagonal. */
typedef struct history {
    double *deviation,
        *x;        /* [assets][steps] what the price's draw is multiplied with; returns, about their mean */
    double *total; /* [2][assets] sums of squares: expected, of the returns */
    double *share,
        *found;      /* [assets][assets] correlation of returns over that of draws, expected; correlation found */
    float *variance; /* [assets] */
    float *draws;    /* [assets][PU_DRAW_STEPS] */
} history;

typedef struct simulation {
    const pu__calibration *c;
    int64_t steps; /* a multiple of PU_DRAW_STEPS */
    int64_t slots; /* histories at a time */
    int64_t first; /* of these */
    double *block;
    float *draws;
    history slot[SLOTS_MOST];
    double *share, *found, *square; /* [assets][assets] means over the histories; square of what is found */
} simulation;

static void draw_garch(const pu__calibration *c, uint64_t number, uint32_t block, float *x) {
    for (int a = 0; a < c->assets; ++a) {
        const pu__philox4 u = pu__draw_words(seed, number, block, pu__draw_of((uint32_t)a, PU_DRAW_PRICE));
        const pu__philox4 v = pu__draw_words(seed, number, block, pu__draw_of((uint32_t)a, PU_DRAW_SECOND));
        for (int s = 0; s < PU_DRAW_STEPS; ++s)
            x[a * PU_DRAW_STEPS + s] = pu__draw_student(u.word[s], v.word[s], c->settled[a].inverse_dof);
    }
}

static float correlated(const pu__calibration *c, const float *x, int a, int s) {
    const float *row = c->factor + (int64_t)a * c->assets;
    float z = 0.0f;
    for (int j = 0; j <= a; ++j) z = fmaf(row[j], x[j * PU_DRAW_STEPS + s], z);
    return z;
}

/* Draws are mixed by `factor`, as the path kernel does; total: the sum of h. */
static void simulate_garch(const simulation *m, uint64_t number, history *h) {
    const pu__calibration *c = m->c;
    for (int a = 0; a < c->assets; ++a) h->variance[a] = c->settled[a].variance_start;
    for (int64_t t = 0; t < m->steps; ++t) {
        const int s = (int)(t % PU_DRAW_STEPS);
        if (s == 0) draw_garch(c, number, (uint32_t)(t / PU_DRAW_STEPS), h->draws);
        for (int a = 0; a < c->assets; ++a) {
            h->deviation[a * m->steps + t] = sqrt((double)h->variance[a]);
            h->total[a] += (double)h->variance[a];
            h->x[a * m->steps + t] =
                (double)pu__garch_step(&c->settled[a], &h->variance[a], correlated(c, h->draws, a, s));
        }
    }
}

/* Normals of a block of steps for all assets, price's draws mixed by `factor`. */
static void draw_heston(const pu__calibration *c, uint64_t number, uint32_t block, float *x) {
    for (int a = 0; a < c->assets; ++a)
        pu__draw_normals(pu__draw_words(seed, number, block, pu__draw_of((uint32_t)a, PU_DRAW_PRICE)),
                         x + a * PU_DRAW_STEPS);
}

/* total: the sum of the deviation's square, and of the square of the rest about its mean. */
static void simulate_heston_asset(const simulation *m, uint64_t number, int a, history *h) {
    const pu__process_asset *p = &m->c->settled[a];
    double *deviation = h->deviation + a * m->steps, *x = h->x + a * m->steps;
    double square = 0.0, rest = 0.0, rest_square = 0.0;
    float variance = p->variance_start, variance_z[PU_DRAW_STEPS];
    pu__philox4 u = {0};
    for (int64_t t = 0; t < m->steps; ++t) {
        const int s = (int)(t % PU_DRAW_STEPS);
        const uint32_t block = (uint32_t)(t / PU_DRAW_STEPS), asset = (uint32_t)a;
        if (s == 0) {
            pu__draw_normals(pu__draw_words(seed, number, block, pu__draw_of(asset, PU_DRAW_SECOND)), variance_z);
            u = pu__draw_words(seed, number, block, pu__draw_of(asset, PU_DRAW_UNIFORM));
        }
        const float before = variance, z = (float)x[t];
        x[t] = (double)pu__heston_step(p, &variance, z, variance_z[s], pu__draw_uniform(u.word[s]));
        const double spread = (double)fmaf(p->k3, before, p->k4 * variance);
        deviation[t] = sqrt(fmax(spread, 0.0));
        const double centre = x[t] - deviation[t] * (double)z;
        square += deviation[t] * deviation[t];
        rest += centre;
        rest_square += centre * centre;
    }
    h->total[a] = square + fmax(rest_square - rest * rest / (double)m->steps, 0.0);
}

static void simulate_heston(const simulation *m, uint64_t number, history *h) {
    const pu__calibration *c = m->c;
    for (int64_t t = 0; t < m->steps; ++t) {
        const int s = (int)(t % PU_DRAW_STEPS);
        if (s == 0) draw_heston(c, number, (uint32_t)(t / PU_DRAW_STEPS), h->draws);
        for (int a = 0; a < c->assets; ++a) h->x[a * m->steps + t] = (double)correlated(c, h->draws, a, s);
    }
    for (int a = 0; a < c->assets; ++a) simulate_heston_asset(m, number, a, h);
}

static double product(const double *a, const double *b, int64_t n) {
    double part[4] = {0.0};
    for (int64_t t = 0; t < n; t += 4)
        for (int k = 0; k < 4; ++k) part[k] += a[t + k] * b[t + k];
    return (part[0] + part[1]) + (part[2] + part[3]);
}

static void measure(const simulation *m, history *h) {
    const int64_t n = m->c->assets, steps = m->steps;
    double *square = h->total + n;
    for (int64_t a = 0; a < n; ++a) {
        double *x = h->x + a * steps, mean = 0.0;
        for (int64_t t = 0; t < steps; ++t) mean += x[t] / (double)steps;
        for (int64_t t = 0; t < steps; ++t) x[t] -= mean;
        square[a] = product(x, x, steps);
        for (int64_t b = 0; b < a; ++b) {
            h->found[a * n + b] = product(x, h->x + b * steps, steps) / sqrt(square[a] * square[b]);
            h->share[a * n + b] = product(h->deviation + a * steps, h->deviation + b * steps, steps) /
                                  sqrt(h->total[a] * h->total[b]);
        }
    }
}

static void simulate_slots(void *context, int64_t begin, int64_t end, int worker) {
    simulation *m = context;
    (void)worker;
    for (int64_t i = begin; i < end; ++i) {
        history *h = &m->slot[i];
        memset(h->total, 0, (size_t)m->c->assets * sizeof *h->total);
        if (m->c->kind == PU_SIM_GARCH) simulate_garch(m, (uint64_t)(m->first + i), h);
        else simulate_heston(m, (uint64_t)(m->first + i), h);
        measure(m, h);
    }
}

static pu_status simulation_open(const pu__calibration *c, simulation *out) {
    const size_t n = (size_t)c->assets;
    const int64_t rows = c->rows < STEPS_MOST ? c->rows : STEPS_MOST;
    *out = (simulation){.c = c, .steps = rows / PU_DRAW_STEPS * PU_DRAW_STEPS};
    const size_t series = n * (size_t)out->steps, doubles = 2 * series + 2 * n + 2 * n * n;
    const size_t fit = BYTES_MOST / (doubles * sizeof *out->block), floats = n * (1 + PU_DRAW_STEPS);
    out->slots = fit < 1 ? 1 : fit < SLOTS_MOST ? (int64_t)fit : SLOTS_MOST;
    out->block = pu_calloc((size_t)out->slots * doubles, sizeof *out->block);
    out->draws = pu_calloc((size_t)out->slots * floats, sizeof *out->draws);
    out->share = pu_calloc(3 * n * n, sizeof *out->share);
    if (!out->block || !out->draws || !out->share) return PU_ERR_MEMORY;
    out->found = out->share + n * n;
    out->square = out->found + n * n;
    for (int64_t i = 0; i < out->slots; ++i) {
        double *block = out->block + (size_t)i * doubles;
        float *draws = out->draws + (size_t)i * floats;
        out->slot[i] = (history){.deviation = block, .x = block + series, .total = block + 2 * series};
        out->slot[i].share = out->slot[i].total + 2 * n;
        out->slot[i].found = out->slot[i].share + n * n;
        out->slot[i].variance = draws;
        out->slot[i].draws = draws + n;
    }
    return PU_OK;
}

static void simulation_close(simulation *m) {
    pu_free(m->block);
    pu_free(m->draws);
    pu_free(m->share);
    *m = (simulation){0};
}

/* Histories are added in their order, so that neither threads nor slots change a bit. */
static pu_status simulate(simulation *m, pu_pool *pool) {
    const int64_t n = m->c->assets;
    memset(m->share, 0, (size_t)(3 * n * n) * sizeof *m->share);
    for (m->first = 0; m->first < HISTORIES; m->first += m->slots) {
        const int64_t left = HISTORIES - m->first, count = left < m->slots ? left : m->slots;
        pu_parallel_for(pool, count, 1, simulate_slots, m);
        if (pu_interrupted()) return pu_fail(PU_ERR_INTERRUPTED, "interrupted");
        for (int64_t i = 0; i < count; ++i) {
            const history *h = &m->slot[i];
            for (int64_t at = 0; at < n * n; ++at) {
                m->share[at] += h->share[at] / HISTORIES;
                m->found[at] += h->found[at] / HISTORIES;
                m->square[at] += h->found[at] * h->found[at] / HISTORIES;
            }
        }
    }
    return PU_OK;
}

/* ---- correlations of the draws that give those of the returns ---- */

/* Of the factor: the draws' correlation after the repair. */
static double drawn(const pu__calibration *c, int64_t a, int64_t b) {
    double sum = 0.0;
    for (int64_t k = 0; k <= b; ++k)
        sum += (double)c->factor[a * c->assets + k] * (double)c->factor[b * c->assets + k];
    return sum;
}

/* A step of Newton's method from the correlations that were simulated, with `share` for the slope; returns its largest
 * change. GARCH's slope is steeper, as the draws' squares move the variances, and whole steps would swing about the
 * end: two thirds of one come nearer by a factor of 3 while the slope is at most twice the share. What the repair
 * took is not asked for again and again: steps begin at what was drawn. */
static double take_round(const simulation *m, pu__calibration *c) {
    const int64_t n = c->assets;
    const double part = c->kind == PU_SIM_GARCH ? 2.0 / 3.0 : 1.0;
    double largest = 0.0;
    for (int64_t a = 0; a < n; ++a) {
        for (int64_t b = 0; b < a; ++b) {
            const int64_t at = a * n + b;
            const double before = c->correlation[at];
            const double wanted = drawn(c, a, b) + (c->return_correlation[at] - m->found[at]) / m->share[at];
            const double after = fmax(-1.0, fmin(1.0, before + part * (wanted - before)));
            c->correlation[at] = c->correlation[b * n + a] = after;
            c->correlation_wanted[at] = c->correlation_wanted[b * n + a] = wanted;
            largest = fmax(largest, fabs(after - before));
        }
    }
    return largest;
}

/* Errors are the spread of the simulated samples' correlations, brought to the draws. */
static void finish(const simulation *m, pu__calibration *c) {
    const int64_t n = c->assets;
    const double length = (double)m->steps / (double)c->rows;
    for (int64_t a = 0; a < n; ++a) {
        c->return_correlation_model[a * n + a] = c->correlation_wanted[a * n + a] = 1.0;
        for (int64_t b = 0; b < a; ++b) {
            const int64_t at = a * n + b, mirrored = b * n + a;
            const double variance = fmax(m->square[at] - m->found[at] * m->found[at], 0.0);
            c->return_correlation_model[at] = c->return_correlation_model[mirrored] = m->found[at];
            c->correlation_error[at] = c->correlation_error[mirrored] =
                sqrt(variance * length * HISTORIES / (HISTORIES - 1)) / m->share[at];
        }
    }
}

static pu_status match_returns(pu__calibration *c, pu_pool *pool) {
    simulation m;
    double change = (double)INFINITY;
    pu_status status = simulation_open(c, &m);
    memcpy(c->return_correlation, c->correlation, (size_t)c->assets * (size_t)c->assets * sizeof *c->correlation);
    for (int round = 0; status == PU_OK; ++round) {
        status = simulate(&m, pool);
        if (status != PU_OK || change < change_least || round == ROUNDS_MOST) break;
        change = take_round(&m, c);
        status = pu_correlation_factor(c->correlation, c->assets, c->factor, &c->repair);
    }
    if (status == PU_OK) finish(&m, c);
    simulation_close(&m);
    return status;
}

pu_status pu__joint_fit(const pu__returns *returns, pu_pool *pool, pu__calibration *c) {
    if (c->kind != PU_SIM_REGIMES) {
        pairs p = {returns, c};
        pu_parallel_for(pool, c->assets, 1, correlate_rows, &p);
    }
    PU_TRY(pu_correlation_factor(c->correlation, c->assets, c->factor, &c->repair));
    return pu__calibration_matches_returns(c) ? match_returns(c, pool) : PU_OK;
}

/* ---- what cannot be had ---- */

bool pu__calibration_matches_returns(const pu__calibration *c) {
    return (c->kind == PU_SIM_GARCH || c->kind == PU_SIM_HESTON) && c->assets > 1;
}

bool pu__calibration_misses(const pu__calibration *c, int a, int b) {
    const int64_t at = (int64_t)a * c->assets + b;
    return pu__calibration_matches_returns(c) && a != b &&
           fabs(c->return_correlation[at] - c->return_correlation_model[at]) > missed_from;
}

void pu__calibration_missed_text(const pu__calibration *c, const pu__market *market, char *text, size_t capacity) {
    enum { PAIRS_SHOWN = 4, PAIR_BYTES = 160 };
    char pairs_text[PAIRS_SHOWN * PAIR_BYTES] = "", more[32] = "";
    int64_t missed = 0;
    size_t used = 0;
    for (int a = 0; a < c->assets; ++a) {
        for (int b = 0; b < a; ++b) {
            const int64_t at = (int64_t)a * c->assets + b;
            if (!pu__calibration_misses(c, a, b) || ++missed > PAIRS_SHOWN) continue;
            used += (size_t)snprintf(pairs_text + used, PAIR_BYTES, "%s %.40s and %.40s %.3f, simulated %.3f",
                                     used > 0 ? ";" : "", market->asset[b].symbol, market->asset[a].symbol,
                                     c->return_correlation[at], c->return_correlation_model[at]);
        }
    }
    if (missed > PAIRS_SHOWN) snprintf(more, sizeof more, "; and %lld more", (long long)missed - PAIRS_SHOWN);
    text[0] = '\0';
    if (missed == 0) return;
    snprintf(
        text, capacity,
        "The returns of %lld %s of assets are not correlated as in the history:%s%s. The draws would have to be "
        "correlated as no market can be.",
        (long long)missed, missed == 1 ? "pair" : "pairs", pairs_text, more);
}
