/* Point in time: splits and dividends with the time they were announced, prices as traded or adjusted by what was
 * known at a time, and regimes.
 *
 * Back adjustment follows CRSP and Yahoo. For an action with ex time e, every bar with close ts <= e is multiplied:
 *   split of s new shares for one:  prices by 1 / s, volume by s;
 *   dividend of D a share:          prices by 1 - D / C, where C is the last close at or before e, in the shares
 *                                   that D is counted in.
 * (Yahoo Help, "What is the adjusted close?": multipliers by the standard of the Center for Research in Security
 * Prices, a dividend as a share of the price before it.) What is known at time T uses actions with
 * published_ts <= T and e < min(T, last bar): an action that is announced but not yet due does not move a price. */
#ifndef PLUSULTRA_PRICES_H
#define PLUSULTRA_PRICES_H

#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PU_KNOWN_ALL INT64_MAX /* everything the store holds */

typedef enum pu_price_basis {
    PU_BASIS_RAW = 0,        /* as traded; shares of the day */
    PU_BASIS_SPLIT_ADJUSTED, /* in shares after every split before the source's last bar */
} pu_price_basis;

typedef enum pu_action_kind { PU_ACTION_SPLIT = 0, PU_ACTION_DIVIDEND } pu_action_kind;

typedef struct pu_action {
    int64_t ex_ts; /* the first moment at which the price is without it */
    pu_action_kind kind;
    double value;         /* split: new shares for one old; dividend: cash per share */
    int64_t published_ts; /* when it was announced */
    pu_price_basis basis; /* of a dividend's value; splits are raw */
} pu_action;

/* Writes actions of one asset in one transaction; one at the same ex time and of the same kind takes the stored
 * one's place. PU_ERR_DATA names the value that is not positive and finite. *changed (may be null): how many were
 * new or differed. */
pu_status pu_store_put_actions(pu_store *store, int64_t asset_id, int64_t count, const pu_action *actions,
                               int64_t *changed);
/* All actions of an asset by ex time, splits before dividends; free *out with pu_free. */
pu_status pu_store_get_actions(pu_store *store, int64_t asset_id, int64_t *count, pu_action **out);

/* Removes one. PU_ERR_NOT_FOUND: the asset has none of that kind at that time. Adjusted closes that were made from it
 * stay as they are: pu_store_adjust, or another import of the bars, makes them anew. */
pu_status pu_store_remove_action(pu_store *store, int64_t asset_id, int64_t ex_ts, pu_action_kind kind);

/* What open, high, low and close of the asset are; SPLIT_ADJUSTED unless it was set otherwise. */
pu_status pu_store_put_price_basis(pu_store *store, int64_t asset_id, pu_price_basis basis);
pu_status pu_store_get_price_basis(pu_store *store, int64_t asset_id, pu_price_basis *out);

typedef enum pu_price_view {
    PU_PRICES_STORED = 0,     /* as they were imported */
    PU_PRICES_RAW,            /* as traded */
    PU_PRICES_SPLIT_ADJUSTED, /* in the shares of the last bar known */
    PU_PRICES_TOTAL_RETURN    /* also adjusted for dividends: close to close is what a holder earned */
} pu_price_view;

/* pu_store_bars through a view: open, high, low, close in the view's prices, volume in its shares, `adjusted` the
 * total-return close. Bars after known_ts are left out. Without a stored dividend the delivered adjusted close says
 * what dividends there were: as it is with PU_KNOWN_ALL, scaled to be the close at the last bar known otherwise.
 * PU_ERR_DATA: a dividend that is not below the close before it. */
pu_status pu_store_bars_view(pu_store *store, int64_t asset_id, int64_t from_ts, int64_t to_ts, pu_price_view view,
                             int64_t known_ts, pu_bars *out);

/* Rewrites the column `adjusted` of the asset's bars as the total-return close by the stored actions, in one
 * transaction, in constant memory. *changed (may be null): bars whose value moved. */
pu_status pu_store_adjust(pu_store *store, int64_t asset_id, int64_t *changed);

/* A named state of the market: `label` holds from ts until the next label's ts, and was known from published_ts. */
typedef struct pu_regime {
    int64_t published_ts, ts;
    int label; /* -1000 to 1000 */
} pu_regime;

/* Writes labels in one transaction; one at the same two times takes the stored one's place. */
pu_status pu_store_put_regimes(pu_store *store, const char *name, int64_t count, const pu_regime *regimes);
/* The labels published by known_ts, by ts and then publication; free *out with pu_free. NOT_FOUND when there is
 * none. */
pu_status pu_store_get_regimes(pu_store *store, const char *name, int64_t known_ts, int64_t *count,
                               pu_regime **out);

#ifdef __cplusplus
}
#endif
#endif
