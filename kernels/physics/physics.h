/* The one physics of trading: marking to market, orders that wait, fills, and what they cost.
 *
 * Timing. A portfolio steps once per time of the calendar. At the close of an asset's bar t, in this order:
 *
 *     1. mark   the position held since the last bar earns P(t) / P(t-1) - 1; positions drift, nothing is traded
 * by it
 *     2. queue  the weight decided at this close waits; the one decided `latency` of the asset's own bars ago
 * falls due
 *     3. fill   what is due trades at P(t), to its weight of the equity just marked, and pays its costs
 *
 *     bar              t            t+1          ...     t+L                    t+L+1
 *     close price    P(t)         P(t+1)               P(t+L)                 P(t+L+1)
 *     weight w(t)    decided ---- waits -------------- filled, costs paid ---- earned: w(t) * (P(t+L+1) / P(t+L) -
 * 1)
 *
 * So w(t) earns nothing before P(t+L), and with L = 0 fills at the very close it was decided on. A caller keeps
 * causality by deciding w(t) from bars up to t; this file never sees a later price.
 *
 * Invariants:
 *  1. equity = 1 + sum of pnl - sum of costs, from the first step on, until ruin.
 *  2. Costs are a share of the traded notional. Holding costs nothing; an order for a tenth of the amount pays a
 * tenth.
 *  3. An asset without a bar (price NaN) neither earns, decides nor trades at that time; its next bar earns the
 * whole gap.
 *  4. A NaN weight is "no order": the position goes on drifting.
 *  5. Equity at or below zero is ruin: positions are closed, equity stays 0 (limited liability), waiting orders
 * are void.
 *
 * Amounts are in units of the starting equity, 1. Double precision. The same functions serve host and device. */
#ifndef PU_KERNELS_PHYSICS_PHYSICS_H
#define PU_KERNELS_PHYSICS_PHYSICS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/common/philox.h" /* PU_HOST_DEVICE */

/* Ratios of the traded notional (1 basis point = 1e-4). */
typedef struct pu__physics_rules {
    double half_spread_ratio;
    double slippage_ratio;
    double fee_ratio;
    double no_trade_weight; /* an order that would move the weight by no more than this is dropped when due; 0:
                               none is */
    int64_t latency_bars;
} pu__physics_rules;

typedef struct pu__physics_account {
    double equity;
    double spread_paid, slippage_paid, fee_paid; /* since the start */
    double traded;                               /* sum of absolute notionals */
    int64_t trades;
    bool ruined;
} pu__physics_account;

typedef struct pu__physics_position {
    double value; /* signed notional at the last price */
    double price; /* of the asset's last bar; 0 before the first */
    double pnl;   /* of the last step, before costs */
    double trade; /* of the last step: signed notional bought */
    double cost;  /* of the last step */
    int64_t bars; /* seen so far */
} pu__physics_position;

PU_HOST_DEVICE static inline bool pu__physics_is_nan(double x) { return x != x; }

/* Whether `trade` is an order: NaN is not, nor what lies within the band. */
PU_HOST_DEVICE static inline bool pu__physics_ordered(const pu__physics_rules *rules, double equity,
                                                      double trade) {
    return fabs(trade) > rules->no_trade_weight * equity;
}

/* Signed notional that takes a position of `value` to `weight` of `equity`; 0 where the weight is NaN or the order is
 * within the band. */
PU_HOST_DEVICE static inline double pu__physics_order(const pu__physics_rules *rules, double equity, double weight,
                                                      double value) {
    const double trade = weight * equity - value;
    return pu__physics_ordered(rules, equity, trade) ? trade : 0.0;
}

/* No order waits in a new ring: `pending` has latency_bars * assets places, [latency][assets]. */
PU_HOST_DEVICE static inline void pu__physics_reset(const pu__physics_rules *rules, pu__physics_account *account,
                                                    pu__physics_position *positions, double *pending,
                                                    int64_t assets) {
    const pu__physics_account fresh = {1.0, 0.0, 0.0, 0.0, 0.0, 0, false};
    const pu__physics_position flat = {0.0, 0.0, 0.0, 0.0, 0.0, 0};
    *account = fresh;
    for (int64_t i = 0; i < assets; ++i) positions[i] = flat;
    for (int64_t i = 0; i < rules->latency_bars * assets; ++i) pending[i] = (double)NAN;
}

/* Step 1 for one asset: profit of the held position at a new close. */
PU_HOST_DEVICE static inline double pu__physics_mark(pu__physics_position *position, double price) {
    const double value = position->price > 0.0 ? position->value * (price / position->price) : position->value;
    position->pnl = value - position->value;
    position->value = value;
    position->price = price;
    return position->pnl;
}

/* Step 2 for one asset: puts `weight` in the ring and returns the weight that falls due. The ring has one place
 * per bar of latency, so the place of bar t holds what was decided at t - latency. */
PU_HOST_DEVICE static inline double pu__physics_queue(const pu__physics_rules *rules,
                                                      pu__physics_position *position, double *pending,
                                                      int64_t assets, double weight) {
    double due = weight;
    if (rules->latency_bars > 0) {
        double *place = pending + (position->bars % rules->latency_bars) * assets;
        due = *place;
        *place = weight;
    }
    ++position->bars;
    return due;
}

/* Step 3 for one asset: trades to `weight` of `equity` and books the costs. Returns the costs; the caller takes
 * them from the equity once every asset has filled, so that the order of assets does not matter. */
PU_HOST_DEVICE static inline double pu__physics_fill(const pu__physics_rules *rules, pu__physics_account *account,
                                                     pu__physics_position *position, double equity,
                                                     double weight) {
    const double trade = pu__physics_order(rules, equity, weight, position->value);
    if (trade == 0.0) return 0.0;
    const double notional = fabs(trade);
    const double spread = notional * rules->half_spread_ratio;
    const double slippage = notional * rules->slippage_ratio;
    const double fee = notional * rules->fee_ratio;
    account->spread_paid += spread;
    account->slippage_paid += slippage;
    account->fee_paid += fee;
    account->traded += notional;
    ++account->trades;
    position->value = weight * equity;
    position->trade = trade;
    position->cost = spread + slippage + fee;
    return position->cost;
}

PU_HOST_DEVICE static inline void pu__physics_ruin(pu__physics_account *account, pu__physics_position *positions,
                                                   int64_t assets) {
    account->equity = 0.0;
    account->ruined = true;
    for (int64_t i = 0; i < assets; ++i) positions[i].value = 0.0;
}

/* One time of the calendar for a portfolio. price[assets]: closes, NaN where the asset has no bar now.
 * weight[assets]: decided at this close, NaN for no order; ignored where there is no bar. Returns the period's
 * simple return, costs included; 0 after ruin. */
PU_HOST_DEVICE static inline double pu__physics_step(const pu__physics_rules *rules, pu__physics_account *account,
                                                     pu__physics_position *positions, double *pending,
                                                     int64_t assets, const double *price, const double *weight) {
    double pnl = 0.0;
    for (int64_t i = 0; i < assets; ++i) {
        positions[i].pnl = positions[i].trade = positions[i].cost = 0.0;
        if (!account->ruined && !pu__physics_is_nan(price[i])) pnl += pu__physics_mark(&positions[i], price[i]);
    }
    if (account->ruined) return 0.0;
    const double before = account->equity;
    account->equity = before + pnl;
    if (!(account->equity > 0.0)) {
        pu__physics_ruin(account, positions, assets);
        return -1.0;
    }
    const double marked = account->equity;
    double cost = 0.0;
    for (int64_t i = 0; i < assets; ++i) {
        if (pu__physics_is_nan(price[i])) continue;
        const double due = pu__physics_queue(rules, &positions[i], pending + i, assets, weight[i]);
        cost += pu__physics_fill(rules, account, &positions[i], marked, due);
    }
    account->equity = marked - cost;
    if (!(account->equity > 0.0)) {
        pu__physics_ruin(account, positions, assets);
        return -1.0;
    }
    return account->equity / before - 1.0;
}

#endif
