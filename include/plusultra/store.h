/* The SQLite store: market data, feature blocks, predictions, runs. The schema is host/data/store/schema_1.sql,
 * documented in docs/schema.md.
 *
 * Settings (see docs/architecture.md): one writer at a time with BEGIN IMMEDIATE, rollback journal with
 * synchronous=FULL, foreign keys on, DEFENSIVE on, trusted_schema off, STRICT tables. Readers are separate
 * read-only connections. */
#ifndef PLUSULTRA_STORE_H
#define PLUSULTRA_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
typedef struct pu_store pu_store;

typedef enum pu_store_mode {
    PU_STORE_READ = 0,
    PU_STORE_WRITE, /* must exist */
    PU_STORE_CREATE /* made if missing */
} pu_store_mode;

/* Opens and, when writing, migrates forward. PU_ERR_NOT_FOUND, PU_ERR_CORRUPT (not a database, or its quick
 * checks fail), PU_ERR_STORE (newer schema, locked). One connection per thread. */
pu_status pu_store_open(const char *path, pu_store_mode mode, pu_store **out);
void pu_store_close(pu_store *store); /* accepts null */
const char *pu_store_path(const pu_store *store);
struct sqlite3 *pu_store_sqlite(pu_store *store); /* for the library's own modules */

/* Reads everything and checks it: SQLite's structure, range checks and references, and the checksums of bars
 * and predictions. PU_ERR_CORRUPT names what is damaged. Takes about a second per million bars. */
pu_status pu_store_check(pu_store *store);

/* Transactions: begin takes the write lock at once (BEGIN IMMEDIATE, waiting up to ten seconds). */
pu_status pu_store_begin(pu_store *store);
pu_status pu_store_commit(pu_store *store);
void pu_store_rollback(pu_store *store); /* harmless outside a transaction */

/* One asset: a symbol at one bar length. */
typedef struct pu_asset {
    int64_t id;
    char symbol[64];
    char asset_class[16];    /* equity, index, future, forex, crypto, synthetic */
    int64_t bar_s;           /* seconds of one bar: 86400 daily, 300 five minutes */
    double periods_per_year; /* by the market's calendar: 252 equities, 260 forex, 365 crypto daily, ... */
    int64_t bars;            /* rows in series */
    int64_t first_ts, last_ts;
} pu_asset;

/* All assets ordered by symbol, or those in `symbols` in that order (PU_ERR_NOT_FOUND names the missing one and
 * the nearest there is). A symbol that is stored at several bar lengths is named with its seconds, as in
 * "ETHBTC@300". Free *out with pu_free. */
pu_status pu_store_assets(pu_store *store, int symbol_count, const char *const *symbols, int *count,
                          pu_asset **out);

/* When the markets of an asset class trade. One table for all: bars per year, the gaps that validation looks for,
 * the ends of resampled days, weeks and months. Holidays are not in it: they differ by exchange, and a gap check
 * allows for their share. Weekdays are bits, 0 for Monday to 6 for Sunday. */
typedef struct pu_calendar {
    const char *asset_class;
    double days_per_year;
    double session_s;          /* trading seconds of a day */
    unsigned weekend;          /* days without trading, for bars of a day and longer */
    unsigned weekend_intraday; /* the same for shorter bars */
    double holiday_ratio;      /* share of the trading days that may be holidays */
    const char *note;          /* the hours, and the time zone they are kept in */
} pu_calendar;

/* The calendar of a class; null for a name that is none. Index 0 to pu_calendar_count() - 1 lists them all. */
const pu_calendar *pu_calendar_of(const char *asset_class);
int pu_calendar_count(void);
const pu_calendar *pu_calendar_at(int index);

/* Whether a bar of that length may close on a UTC day (days since 1970-01-01; the day that holds the bar's last
 * second). */
bool pu_calendar_trades(const pu_calendar *calendar, int64_t bar_s, int64_t day);

/* Bars that the calendar promises between two closing times, both left out: by whole days for markets with
 * sessions, as sessions within a day are not known. */
int64_t pu_calendar_bars_between(const pu_calendar *calendar, int64_t bar_s, int64_t from_ts, int64_t to_ts);

/* Bars per year of an asset class at a bar length, for assets whose source does not say: days_per_year at a day,
 * weekly 52, monthly 12, intraday days_per_year times the bars in a session. A class that is none counts as
 * synthetic. */
double pu_periods_per_year(const char *asset_class, int64_t bar_s);

/* Bars of one asset in time order, as columns of doubles. Missing volume is NaN; adjusted equals close where
 * the source has no adjusted close. ts: UTC seconds of the bar's close. */
typedef struct pu_bars {
    int64_t count;
    int64_t *ts;
    double *open, *high, *low, *close, *adjusted, *volume;
} pu_bars;
/* from_ts inclusive, to_ts exclusive. PU_ERR_CORRUPT when all bars are read and their checksum is not the
 * stored one. Free with pu_bars_free. */
pu_status pu_store_bars(pu_store *store, int64_t asset_id, int64_t from_ts, int64_t to_ts, pu_bars *out);
void pu_bars_free(pu_bars *bars);

/* SHA-256 (hex, 65 bytes with the end) over all bars of the assets, in order: the identity of the data in reports. */
pu_status pu_store_data_hash(pu_store *store, int asset_count, const pu_asset *assets, char out[65]);

/* Named series of an asset beside its bars, such as the truth a synthetic market was made from. put replaces
 * the values at the same times; get's arrays are one block, freed by pu_free(*ts). PU_ERR_NOT_FOUND when there
 * is no value. */
pu_status pu_store_put_indicator(pu_store *store, int64_t asset_id, const char *name, int64_t count,
                                 const int64_t *ts, const double *value);
pu_status pu_store_get_indicator(pu_store *store, int64_t asset_id, const char *name, int64_t *count, int64_t **ts,
                                 double **value);

/* The asset that a universe (an asset class, or a name of the user's) is compared with; NOT_FOUND when none was
 * set. */
pu_status pu_store_put_benchmark(pu_store *store, const char *universe, int64_t asset_id);
pu_status pu_store_get_benchmark(pu_store *store, const char *universe, int64_t *asset_id);

/* What a run was made from and what came out. Null strings leave what is stored. The run is made if it is new. */
typedef struct pu_run_record {
    const char *config;       /* effective configuration, YAML */
    const char *data_hash;    /* pu_dataset_hash */
    const char *feature_hash; /* pu_dataset_feature_hash */
    const char *result;       /* JSON */
    int64_t seed;
} pu_run_record;
pu_status pu_store_put_run(pu_store *store, const char *run, const pu_run_record *record);
/* What is stored of a run; NOT_FOUND when there is none. Its strings are never null; free with pu_run_record_free. */
pu_status pu_store_get_run(pu_store *store, const char *run, pu_run_record *out);
void pu_run_record_free(pu_run_record *record); /* accepts a zeroed one */

/* Fills of a backtest, replacing those of the same run. Weights are shares of equity. */
typedef struct pu_trade {
    int64_t asset_id;
    int64_t decided_ts, filled_ts;
    double price;
    double weight_before, weight_after;
    double cost_ratio; /* spread, slippage and fees over equity */
} pu_trade;
pu_status pu_store_put_trades(pu_store *store, const char *run, int64_t count, const pu_trade *trades);

/* Predictions: for a run, an asset, a decision time and a horizon, the forecast quantiles of the volatility-
 * scaled return. `quantiles` are increasing after sorting. Replaces what the same run stored before for that
 * asset. One transaction. */
typedef struct pu_prediction_set {
    int64_t asset_id;
    int64_t count;     /* decision times */
    const int64_t *ts; /* [count] */
    int horizons;
    const int64_t *horizon_bars; /* [horizons] */
    int quantiles;
    const double *quantile; /* [quantiles] */
    const float *value;     /* [count][horizons][quantiles], in units of sigma * sqrt(horizon) */
    const float *sigma;     /* [count], per-bar volatility at the decision */
} pu_prediction_set;
pu_status pu_store_put_predictions(pu_store *store, const char *run, const pu_prediction_set *set);
/* The same for decision times after those that the run has of the asset already, which stay. PU_ERR_ARGUMENT when
 * they are not after them, or for other horizons or quantiles. */
pu_status pu_store_add_predictions(pu_store *store, const char *run, const pu_prediction_set *set);
/* Removes all predictions of a run, if it has any. */
pu_status pu_store_clear_predictions(pu_store *store, const char *run);
/* Reads one asset's predictions of a run back; all pointers in *out are owned by one block to be freed with
 * pu_prediction_set_free. */
pu_status pu_store_get_predictions(pu_store *store, const char *run, int64_t asset_id, pu_prediction_set *out);
void pu_prediction_set_free(pu_prediction_set *set);

/* Times: "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SSZ" to UTC seconds and back (20 or 10 characters). */
pu_status pu_time_parse(const char *text, int64_t *ts);
void pu_time_format(int64_t ts, bool with_clock, char out[32]);
/* A bar by its closing time, as people name it: the day it traded, without a clock, where it is a day or longer (the
 * last one of a week or a month; a day's bar closes at 00:00 of the next), else the time at which it closed. */
void pu_bar_time_format(int64_t close_ts, int64_t bar_s, char out[32]);

#ifdef __cplusplus
}
#endif
#endif
