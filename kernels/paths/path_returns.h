/* Log-returns of four steps of PU__N paths: draws, correlation, process, shocks. One text for the vectorised CPU
 * version (PU__N lanes in a row) and CUDA (PU__N = 1, the neighbours are other threads); included with
 * path_lanes.h. */
#ifndef PU_KERNELS_PATHS_PATH_RETURNS_H
#define PU_KERNELS_PATHS_PATH_RETURNS_H

#include "kernels/paths/paths.h"
#include "kernels/paths/policy.h"

/* Item i of an array that has one value for each lane: the next item of a lane is `stride` away. */
#define PU__ITEM(array, i) ((array) + (int64_t)(i)*lanes->stride)

/* Lanes do not touch each other's values, which compilers cannot see through the pointers. */
#ifndef PU__LANES_APART
#define PU__LANES_APART
#endif
#define PU__EACH_LANE(l) PU__LANES_APART for (int l = 0; l < PU__N; ++l)

#ifndef PU__LANES_ALIGN
#define PU__LANES_ALIGN
#endif

/* Functions of which each call with other constants is a version of its own, and loops over the bars of a block. */
#if defined(__CUDACC__)
#define PU__INLINE __forceinline__
#define PU__UNROLL_BARS _Pragma("unroll")
#else
#define PU__INLINE inline __attribute__((always_inline))
#define PU__UNROLL_BARS _Pragma("GCC unroll 4")
#endif

typedef struct pu__path_lanes {
    const pu__path_scenario *scenario;
    uint64_t path;        /* of lane 0 */
    bool keep;            /* prices are wanted */
    int live;             /* lanes that are paths of the batch */
    const double *weight; /* of the batch, from lane 0 on: [path][steps + 1][assets] */
    int64_t stride;
    double *value, *target, *price, *pending; /* [assets]; [latency][assets] */
    float *x;                                 /* [PU_DRAW_STEPS][assets] */
    float *fast, *slow, *variance;            /* [assets] */
    int32_t *row;                             /* [PU_DRAW_STEPS] of the history */
    int32_t state[PU__N];                     /* regime, or row of the history */
    PU__LANES_ALIGN double equity[PU__N];
    double peak[PU__N];
    double worst[PU__N], worst_peak[PU__N]; /* equity and peak of the largest drawdown */
    double traded[PU__N], spread_base[PU__N], turnover[PU__N], impact[PU__N], carry[PU__N];
    double under_water[PU__N], alive[PU__N]; /* bars; of one width with the rest: vectors */
    double margin_bar[PU__N], stop_bar[PU__N];
    double scale[PU__N]; /* that the leverage limit puts on this bar's weights */
} pu__path_lanes;

PU_HOST_DEVICE static inline void pu__lane_words(const pu__path_lanes *lanes, int32_t block, uint32_t draw,
                                                 uint32_t word[4][PU__N]) {
#ifdef PU__LANE_WORDS
    PU__LANE_WORDS(lanes->scenario->seed, lanes->path, (uint32_t)block, draw, PU__N, word[0]);
#else
    const pu__philox4 words = pu__draw_words(lanes->scenario->seed, lanes->path, (uint32_t)block, draw);
    for (int i = 0; i < 4; ++i) word[i][0] = words.word[i];
#endif
}

PU_HOST_DEVICE static inline void pu__lane_normals(const pu__path_lanes *lanes, int32_t block, uint32_t draw,
                                                   float *z, int64_t step_stride) {
#ifdef PU__LANE_NORMALS
    PU__LANE_NORMALS(lanes->scenario->seed, lanes->path, (uint32_t)block, draw, PU__N, z, step_stride);
#else
    float out[PU_DRAW_STEPS];
    pu__draw_normals(pu__draw_words(lanes->scenario->seed, lanes->path, (uint32_t)block, draw), out);
    for (int i = 0; i < PU_DRAW_STEPS; ++i) z[i * step_stride] = out[i];
#endif
}

PU_HOST_DEVICE static inline void pu__lane_students(const pu__path_lanes *lanes, int32_t block, int32_t a) {
    uint32_t word[4][PU__N], other[4][PU__N];
    const float inverse_dof = lanes->scenario->asset[a].inverse_dof;
    pu__lane_words(lanes, block, pu__draw_of((uint32_t)a, PU_DRAW_PRICE), word);
    pu__lane_words(lanes, block, pu__draw_of((uint32_t)a, PU_DRAW_SECOND), other);
    for (int s = 0; s < PU_DRAW_STEPS; ++s) {
        float *x = PU__ITEM(lanes->x, s * lanes->scenario->assets + a);
        PU__EACH_LANE(l) x[l] = pu__draw_student(word[s][l], other[s][l], inverse_dof);
    }
}

/* x = L x for each step, in place from the last asset up. */
PU_HOST_DEVICE static inline void pu__lane_correlate(const pu__path_lanes *lanes) {
    const int32_t assets = lanes->scenario->assets;
    for (int s = 0; s < PU_DRAW_STEPS; ++s) {
        for (int32_t a = assets - 1; a >= 0; --a) {
            const float *row = lanes->scenario->factor + (int64_t)a * assets;
            float *x = PU__ITEM(lanes->x, s * assets + a), sum[PU__N];
            PU__EACH_LANE(l) sum[l] = row[a] * x[l];
            for (int32_t j = a - 1; j >= 0; --j) {
                const float *other = PU__ITEM(lanes->x, s * assets + j);
                PU__EACH_LANE(l) sum[l] = fmaf(row[j], other[l], sum[l]);
            }
            PU__EACH_LANE(l) x[l] = sum[l];
        }
    }
}

/* Shock "correlation to one": a share of each draw's variance comes from one common normal. */
PU_HOST_DEVICE static inline void pu__lane_mix(const pu__path_lanes *lanes, int32_t block) {
    const pu__path_scenario *s = lanes->scenario;
    float common[PU_DRAW_STEPS * PU__N];
    pu__lane_normals(lanes, block, pu__draw_of(PU_DRAW_SHARED_ASSET, PU_DRAW_PRICE), common, PU__N);
    for (int i = 0; i < PU_DRAW_STEPS; ++i) {
        const int32_t step = block * PU_DRAW_STEPS + i;
        const float share = step < s->steps ? s->shock[(int64_t)step * s->assets].correlation : 0.0f;
        const float own = sqrtf(1.0f - share), mixed = sqrtf(share);
        for (int32_t a = 0; a < s->assets && share > 0.0f; ++a) {
            float *x = PU__ITEM(lanes->x, i * s->assets + a);
            PU__EACH_LANE(l) x[l] = fmaf(own, x[l], mixed * common[i * PU__N + l]);
        }
    }
}

PU_HOST_DEVICE static inline void pu__lane_draws(const pu__path_lanes *lanes, int32_t block) {
    const pu__path_scenario *s = lanes->scenario;
    for (int32_t a = 0; a < s->assets; ++a) {
        if (s->process == PU_PROCESS_GARCH) pu__lane_students(lanes, block, a);
        else
            pu__lane_normals(lanes, block, pu__draw_of((uint32_t)a, PU_DRAW_PRICE), PU__ITEM(lanes->x, a),
                             (int64_t)s->assets * lanes->stride);
    }
    if (s->factor) pu__lane_correlate(lanes);
    if (s->shock) pu__lane_mix(lanes, block);
}

/* Processes with draws of their own beside the correlated ones. */
PU_HOST_DEVICE static inline void pu__lane_more_draws(pu__path_lanes *lanes, int32_t block, int32_t a) {
    const pu__path_scenario *s = lanes->scenario;
    const pu__process_asset *p = &s->asset[a];
    const bool heston = s->process == PU_PROCESS_HESTON;
    float second[PU_DRAW_STEPS * PU__N], *variance = PU__ITEM(lanes->variance, a);
    uint32_t word[4][PU__N];
    pu__lane_normals(lanes, block, pu__draw_of((uint32_t)a, PU_DRAW_SECOND), second, PU__N);
    pu__lane_words(lanes, block, pu__draw_of((uint32_t)a, PU_DRAW_UNIFORM), word);
    for (int i = 0; i < PU_DRAW_STEPS; ++i) {
        float *x = PU__ITEM(lanes->x, i * s->assets + a);
        if (heston) {
            PU__EACH_LANE(l)
            x[l] = pu__heston_step(p, &variance[l], x[l], second[i * PU__N + l], pu__draw_uniform(word[i][l]));
        } else {
            PU__EACH_LANE(l)
            x[l] = pu__merton_step(p, x[l], second[i * PU__N + l], pu__draw_uniform(word[i][l]));
        }
    }
}

PU_HOST_DEVICE static inline void pu__lane_regimes(pu__path_lanes *lanes, int32_t block) {
    const pu__path_scenario *s = lanes->scenario;
    uint32_t word[4][PU__N];
    pu__lane_words(lanes, block, pu__draw_of(PU_DRAW_SHARED_ASSET, PU_DRAW_UNIFORM), word);
    for (int i = 0; i < PU_DRAW_STEPS; ++i) {
        PU__EACH_LANE(l)
        lanes->state[l] = pu__regime_next(s->cumulative, lanes->state[l], pu__draw_uniform(word[i][l]));
        for (int32_t a = 0; a < s->assets; ++a) {
            float *x = PU__ITEM(lanes->x, i * s->assets + a);
            PU__EACH_LANE(l) x[l] = pu__regime_step(&s->asset[a], lanes->state[l], x[l]);
        }
    }
}

/* Rows of the history, drawn or one after the other. */
PU_HOST_DEVICE static inline void pu__lane_rows(pu__path_lanes *lanes, int32_t block) {
    const pu__path_scenario *s = lanes->scenario;
    uint32_t word[4][PU__N], start[4][PU__N];
    if (s->process == PU_PROCESS_BOOTSTRAP) {
        pu__lane_words(lanes, block, pu__draw_of(PU_DRAW_SHARED_ASSET, PU_DRAW_UNIFORM), word);
        pu__lane_words(lanes, block, pu__draw_of(PU_DRAW_SHARED_ASSET, PU_DRAW_SECOND), start);
    }
    for (int i = 0; i < PU_DRAW_STEPS; ++i) {
        int32_t *row = PU__ITEM(lanes->row, i);
        if (s->process == PU_PROCESS_REPLAY) {
            const int32_t at = pu__replay_row(s->history_first, block * PU_DRAW_STEPS + i, s->history_rows);
            PU__EACH_LANE(l) row[l] = at;
        } else {
            const float restart = block == 0 && i == 0 ? 1.0f : s->restart;
            PU__EACH_LANE(l) {
                row[l] = pu__bootstrap_next(lanes->state[l], s->history_rows, restart,
                                            pu__draw_uniform(word[i][l]), start[i][l]);
                lanes->state[l] = row[l];
            }
        }
        for (int32_t a = 0; a < s->assets; ++a) {
            float *x = PU__ITEM(lanes->x, i * s->assets + a);
            PU__EACH_LANE(l) x[l] = s->history[(int64_t)row[l] * s->assets + a];
        }
    }
}

PU_HOST_DEVICE static inline void pu__lane_shock(const pu__path_lanes *lanes, int32_t block) {
    const pu__path_scenario *s = lanes->scenario;
    for (int i = 0; i < PU_DRAW_STEPS; ++i) {
        const int64_t step = (int64_t)block * PU_DRAW_STEPS + i;
        for (int32_t a = 0; a < s->assets && step < s->steps; ++a) {
            const pu__path_shock shock = s->shock[step * s->assets + a];
            const float mean = s->asset[a].mean, still = fmaf(shock.drift_scale, mean, shock.shift);
            float *x = PU__ITEM(lanes->x, i * s->assets + a);
            PU__EACH_LANE(l) x[l] = fmaf(shock.volatility_scale, x[l] - mean, still);
        }
    }
}

/* Fills lanes->x for the steps 4 block .. 4 block + 3. */
PU_HOST_DEVICE static inline void pu__lane_returns(pu__path_lanes *lanes, int32_t block) {
    const pu__path_scenario *s = lanes->scenario;
    if (s->process == PU_PROCESS_BOOTSTRAP || s->process == PU_PROCESS_REPLAY) pu__lane_rows(lanes, block);
    else pu__lane_draws(lanes, block);
    if (s->process == PU_PROCESS_REGIME) pu__lane_regimes(lanes, block);
    for (int32_t a = 0; a < s->assets; ++a) {
        const pu__process_asset *p = &s->asset[a];
        if (s->process == PU_PROCESS_MERTON || s->process == PU_PROCESS_HESTON)
            pu__lane_more_draws(lanes, block, a);
        for (int i = 0; i < PU_DRAW_STEPS; ++i) {
            float *x = PU__ITEM(lanes->x, i * s->assets + a), *variance = PU__ITEM(lanes->variance, a);
            if (s->process == PU_PROCESS_GBM) {
                PU__EACH_LANE(l) x[l] = pu__gbm_step(p, x[l]);
            } else if (s->process == PU_PROCESS_GARCH) {
                PU__EACH_LANE(l) x[l] = pu__garch_step(p, &variance[l], x[l]);
            }
        }
    }
    if (s->shock) pu__lane_shock(lanes, block);
}

#endif
