/* Four bars of the accounts of 32 paths that all live, on vectors of 8 (kernels/physics/quads.h): the operations of
 * pu__lane_walk, less those that only a ruined account needs. */
#ifndef PU_KERNELS_PATHS_PATH_QUADS_H
#define PU_KERNELS_PATHS_PATH_QUADS_H

#include "kernels/paths/path_account.h"
#include "kernels/physics/quads.h"

#ifdef PU__QUADS

enum { PU__WALK_LANES = PU__QUAD_DOUBLES };

typedef struct pu__vector_account {
    __m512d equity, peak, worst, worst_peak, traded, turnover, under_water, value;
} pu__vector_account;

PU__QUAD_INLINE pu__vector_account pu__vector_take(const pu__path_lanes *lanes, int l) {
    const pu__vector_account account = {
        _mm512_loadu_pd(lanes->equity + l),      _mm512_loadu_pd(lanes->peak + l),
        _mm512_loadu_pd(lanes->worst + l),       _mm512_loadu_pd(lanes->worst_peak + l),
        _mm512_loadu_pd(lanes->traded + l),      _mm512_loadu_pd(lanes->turnover + l),
        _mm512_loadu_pd(lanes->under_water + l), _mm512_loadu_pd(lanes->value + l)};
    return account;
}

PU__QUAD_INLINE void pu__vector_put(pu__path_lanes *lanes, int l, const pu__vector_account *account) {
    _mm512_storeu_pd(lanes->equity + l, account->equity);
    _mm512_storeu_pd(lanes->peak + l, account->peak);
    _mm512_storeu_pd(lanes->worst + l, account->worst);
    _mm512_storeu_pd(lanes->worst_peak + l, account->worst_peak);
    _mm512_storeu_pd(lanes->traded + l, account->traded);
    _mm512_storeu_pd(lanes->turnover + l, account->turnover);
    _mm512_storeu_pd(lanes->under_water + l, account->under_water);
    _mm512_storeu_pd(lanes->value + l, account->value);
    const __m512d alive = _mm512_loadu_pd(lanes->alive + l);
    _mm512_storeu_pd(lanes->alive + l, _mm512_add_pd(alive, _mm512_set1_pd(PU_DRAW_STEPS)));
}

/* What a bar of a vector has found out so far. */
typedef struct pu__vector_bar {
    __m512d marked, notional;
    __m256 near; /* a float's reciprocal of the marked equity */
} pu__vector_bar;

PU__QUAD_INLINE void pu__vector_mark(const pu__vector_account *account, __m512d gain, pu__vector_bar *bar) {
    bar->marked = _mm512_fmadd_pd(account->value, gain, account->equity);
    bar->near = _mm256_div_ps(_mm256_set1_ps(1.0f), _mm512_cvtpd_ps(bar->marked));
}

PU__QUAD_INLINE void pu__vector_fill(pu__vector_account *account, __m512d gain, __m512d weight,
                                     const pu__execution_rules *rules, const bool always, pu__vector_bar *bar) {
    const __m512d held = _mm512_fmadd_pd(account->value, gain, account->value);
    const __m512d ratio = _mm512_set1_pd(pu__execution_cost_ratio(rules, 1.0));
    const __m512d target = _mm512_mul_pd(weight, bar->marked);
    bar->notional = _mm512_abs_pd(_mm512_sub_pd(target, held));
    account->value = target;
    if (!always) {
        const __m512d band = _mm512_mul_pd(_mm512_set1_pd(rules->physics.no_trade_weight), bar->marked);
        const __mmask8 ordered = _mm512_cmp_pd_mask(bar->notional, band, _CMP_GT_OQ);
        bar->notional = _mm512_maskz_mov_pd(ordered, bar->notional);
        account->value = _mm512_mask_mov_pd(held, ordered, target);
    }
    account->equity = _mm512_fnmadd_pd(ratio, bar->notional, bar->marked);
    account->traded = _mm512_add_pd(account->traded, bar->notional);
}

/* Answers which of the `sound` still have an equity above PU_EQUITY_LEAST. */
PU__QUAD_INLINE __mmask8 pu__vector_close(pu__vector_account *account, __mmask8 sound) {
    const __m512d equity = account->equity;
    account->peak = _mm512_max_pd(equity, account->peak);
    const __mmask8 deeper = _mm512_cmp_pd_mask(_mm512_mul_pd(equity, account->worst_peak),
                                               _mm512_mul_pd(account->worst, account->peak), _CMP_LT_OQ);
    account->worst = _mm512_mask_mov_pd(account->worst, deeper, equity);
    account->worst_peak = _mm512_mask_mov_pd(account->worst_peak, deeper, account->peak);
    const __mmask8 below = _mm512_cmp_pd_mask(equity, account->peak, _CMP_LT_OQ);
    account->under_water =
        _mm512_mask_add_pd(account->under_water, below, account->under_water, _mm512_set1_pd(1.0));
    return _mm512_mask_cmp_pd_mask(sound, equity, _mm512_set1_pd(PU_EQUITY_LEAST), _CMP_GT_OQ);
}

/* pu__execution_turnover of an equity above PU_EQUITY_LEAST; last of a bar, when the division is done. */
PU__QUAD_INLINE void pu__vector_turnover(pu__vector_account *account, const pu__vector_bar *bar) {
    const __m512d near = _mm512_cvtps_pd(bar->near);
    const __m512d off = _mm512_fnmadd_pd(bar->marked, near, _mm512_set1_pd(1.0));
    account->turnover = _mm512_fmadd_pd(bar->notional, _mm512_fmadd_pd(near, off, near), account->turnover);
}

#define PU__EACH_VECTOR(v) _Pragma("GCC unroll 4") for (int v = 0; v < PU__QUAD_VECTORS; ++v)

/* Four bars of the lanes first .. first + 31. False, and nothing done, where some account falls to PU_EQUITY_LEAST:
 * costs are not negative, so the equity that is left after them is the least of a bar. */
PU__QUAD_INLINE bool pu__quad_walk(pu__path_lanes *lanes, int first, const float *const *gain,
                                   const double (*weight)[PU__N], const bool always) {
    const pu__execution_rules rules = lanes->scenario->rules;
    pu__vector_account account[PU__QUAD_VECTORS];
    __mmask8 sound[PU__QUAD_VECTORS];
    PU__EACH_VECTOR(v) {
        account[v] = pu__vector_take(lanes, first + 8 * v);
        sound[v] = _mm512_cmp_pd_mask(account[v].equity, _mm512_set1_pd(PU_EQUITY_LEAST), _CMP_GT_OQ);
    }
    if ((sound[0] & sound[1] & sound[2] & sound[3]) != 0xff) return false;
    for (int i = 0; i < PU_DRAW_STEPS; ++i) {
        pu__vector_bar bar[PU__QUAD_VECTORS];
        __m512d x[PU__QUAD_VECTORS];
        PU__EACH_VECTOR(v) {
            x[v] = _mm512_cvtps_pd(_mm256_loadu_ps(gain[i] + first + 8 * v));
            pu__vector_mark(&account[v], x[v], &bar[v]);
        }
        PU__EACH_VECTOR(v) {
            const __m512d due = _mm512_loadu_pd(weight[i] + first + 8 * v);
            pu__vector_fill(&account[v], x[v], due, &rules, always, &bar[v]);
            sound[v] = pu__vector_close(&account[v], sound[v]);
        }
        PU__EACH_VECTOR(v) pu__vector_turnover(&account[v], &bar[v]);
    }
    if ((sound[0] & sound[1] & sound[2] & sound[3]) != 0xff) return false;
    PU__EACH_VECTOR(v) pu__vector_put(lanes, first + 8 * v, &account[v]);
    return true;
}

#else
enum { PU__WALK_LANES = PU__N };
#endif
#endif
