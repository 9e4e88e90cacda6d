/* Price processes: the log-return of one asset over one step, from draws of unit variance. Host and device.
 *
 *  GBM       x = (mu - sigma^2 / 2) dt + sigma sqrt(dt) z: exact.
 *  MERTON    x = GBM's + sum of N jumps, N ~ Poisson(lambda dt), each normal(m, s); the drift lessened by lambda dt (e^(m
 *            + s^2 / 2) - 1). Merton (1976). Exact but for N <= PU_JUMPS_MAX.
 *  HESTON    dv = kappa (theta - v) dt + epsilon sqrt(v) dW, correlation rho with the price: Andersen (2008), "Simple and
 *            efficient simulation of the Heston stochastic volatility model", quadratic-exponential scheme with psi_c
 *            = 1.5, gamma_1 = gamma_2 = 1/2, and the martingale correction K0* where rho <= 0.
 *  GARCH     x = mu + sqrt(h) e, h' = omega + alpha h e^2 + beta h, e Student-t of unit variance. Bollerslev (1987).
 *  REGIME    GBM whose mu and sigma are those of a Markov chain's state; one chain for all assets. Hamilton (1989).
 *  BOOTSTRAP rows of a history of log-returns in blocks of geometric length: Politis and Romano (1994), "The stationary
 *            bootstrap". One row serves all assets, so what happened together stays together.
 *  REPLAY    the history's rows from a first one on, as they happened: no draws.
 *
 * Correlation of assets: z = L g with L the Cholesky factor and g independent draws. The draws of a GARCH model are t
 * before L: correlation and variance are exact, the tails of an asset that mixes several lie between t and normal.
 *
 * Multiply-adds are written out and no function branches on a draw (see draws.h). */
#ifndef PU_KERNELS_PHYSICS_PROCESSES_H
#define PU_KERNELS_PHYSICS_PROCESSES_H

#include "kernels/physics/draws.h"

typedef enum pu__process {
    PU_PROCESS_GBM = 0,
    PU_PROCESS_MERTON,
    PU_PROCESS_HESTON,
    PU_PROCESS_GARCH,
    PU_PROCESS_REGIME,
    PU_PROCESS_BOOTSTRAP,
    PU_PROCESS_REPLAY,
    PU_PROCESS_COUNT
} pu__process;

enum { PU_JUMPS_MAX = 8, PU_REGIMES_MAX = 4 };

/* Coefficients of one asset, per step. Which are read depends on the process; host/sim/process.h fills them from
 * yearly parameters. */
typedef struct pu__process_asset {
    float drift[PU_REGIMES_MAX]; /* of the log-return; [0] but for REGIME. HESTON: without the variance's part */
    float volatility[PU_REGIMES_MAX]; /* of the log-return; [0] but for REGIME */
    float mean;                       /* of the log-return: what a shock to the drift scales */
    /* MERTON */
    float jump_cdf[PU_JUMPS_MAX]; /* P(N <= k) */
    float jump_mean, jump_deviation;
    /* HESTON and GARCH */
    float variance_start; /* HESTON: per year; GARCH: of a step */
    /* HESTON: v' has mean m = theta + (v - theta) decay and variance v * variance_v + variance_0 */
    float theta, decay, variance_v, variance_0;
    float k1, k2, k3, k4;
    float tilt,
        k0_v; /* k2 + k4 / 2 and k1 + k3 / 2; both 0 for the scheme without martingale correction (rho > 0) */
    /* GARCH */
    float omega, alpha, beta, inverse_dof;
} pu__process_asset;

PU_HOST_DEVICE static inline float pu__gbm_step(const pu__process_asset *p, float z) {
    return fmaf(p->volatility[0], z, p->drift[0]);
}

/* N by inversion; given N, the jumps' sum is normal(N m, N s^2). */
PU_HOST_DEVICE static inline float pu__merton_step(const pu__process_asset *p, float z, float jump_z, float u) {
    float jumps = 0.0f;
    for (int k = 0; k < PU_JUMPS_MAX; ++k) jumps += u > p->jump_cdf[k] ? 1.0f : 0.0f;
    const float sum = fmaf(jumps, p->jump_mean, sqrtf(jumps) * p->jump_deviation * jump_z);
    return fmaf(p->volatility[0], z, p->drift[0]) + sum;
}

/* Both branches of the scheme are formed and one is taken: `variance_z` serves the quadratic one, `u` the
 * exponential one, and which it is depends on the past alone. */
PU_HOST_DEVICE static inline float pu__heston_step(const pu__process_asset *p, float *variance, float z,
                                                   float variance_z, float u) {
    const float v = *variance, a = p->tilt;
    const float m = fmaf(v - p->theta, p->decay, p->theta);
    const float s2 = fmaf(v, p->variance_v, p->variance_0);
    const float psi = s2 / (m * m);
    const bool quadratic = psi <= 1.5f;
    /* quadratic: v' = scale (b + z)^2 */
    const float inverse = 2.0f / (quadratic ? psi : 1.0f);
    const float b2 = (inverse - 1.0f) + sqrtf(inverse) * sqrtf(inverse - 1.0f);
    const float scale = m / (1.0f + b2);
    const float root = sqrtf(b2) + variance_z;
    const float tilt = fmaf(-2.0f * a, scale, 1.0f);
    const float quadratic_k0 = fmaf(0.5f, pu__sim_log(tilt), -a * b2 * scale / tilt);
    /* exponential: 0 with probability q, else exponential of rate r */
    const float tail_psi = quadratic ? 2.0f : psi;
    const float q = (tail_psi - 1.0f) / (tail_psi + 1.0f), rate = (1.0f - q) / m;
    const float drawn = pu__sim_log((1.0f - q) / (u < 1.0f - q ? u : 1.0f - q)) / rate;
    const float exponential_k0 = -pu__sim_log(q + rate * (1.0f - q) / (rate - a));
    const float next = quadratic ? scale * root * root : drawn;
    const float k0 = (quadratic ? quadratic_k0 : exponential_k0) - p->k0_v * v;
    const float spread = fmaf(p->k3, v, p->k4 * next);
    *variance = next;
    return fmaf(sqrtf(spread > 0.0f ? spread : 0.0f), z, fmaf(p->k2, next, fmaf(p->k1, v, p->drift[0] + k0)));
}

PU_HOST_DEVICE static inline float pu__garch_step(const pu__process_asset *p, float *variance, float e) {
    const float shock = sqrtf(*variance) * e;
    *variance = fmaf(p->alpha * shock, shock, fmaf(p->beta, *variance, p->omega));
    return p->drift[0] + shock;
}

/* cumulative[i][j] = P(next state <= j | state i). The state after the step, which the step's return is drawn in. */
PU_HOST_DEVICE static inline int32_t pu__regime_next(const float cumulative[PU_REGIMES_MAX][PU_REGIMES_MAX],
                                                     int32_t state, float u) {
    int32_t next = 0;
    for (int j = 0; j < PU_REGIMES_MAX - 1; ++j) {
        float bound = cumulative[0][j];
        for (int i = 1; i < PU_REGIMES_MAX; ++i) bound = state == i ? cumulative[i][j] : bound;
        next += u > bound ? 1 : 0;
    }
    return next;
}

PU_HOST_DEVICE static inline float pu__regime_step(const pu__process_asset *p, int32_t state, float z) {
    float drift = p->drift[0], volatility = p->volatility[0];
    for (int i = 1; i < PU_REGIMES_MAX; ++i) {
        drift = state == i ? p->drift[i] : drift;
        volatility = state == i ? p->volatility[i] : volatility;
    }
    return fmaf(volatility, z, drift);
}

/* The history's row of step `step`; the steps of a draw block that lie behind the last are not used. */
PU_HOST_DEVICE static inline int32_t pu__replay_row(int32_t first, int32_t step, int32_t rows) {
    const int64_t row = (int64_t)first + step;
    return row < rows ? (int32_t)row : rows - 1;
}

/* The history's row after `row`: the next one, from the last to the first, or a new block's start. */
PU_HOST_DEVICE static inline int32_t pu__bootstrap_next(int32_t row, int32_t rows, float restart, float u,
                                                        uint32_t word) {
    const int32_t start = (int32_t)((uint64_t)word * (uint32_t)rows >> 32);
    const int32_t after = row + 1 < rows ? row + 1 : 0;
    return u <= restart ? start : after;
}

#endif
