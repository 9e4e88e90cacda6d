/* Import of bars: from CSV files of Yahoo, Stooq and Binance, from any file whose header names its columns or for
 * which a mapping does, compressed by gzip or not, and from tables of other SQLite files.
 *
 * One transaction per file: after a failure, an interrupt or a kill the store holds all of a file or nothing of
 * it. Importing a file again changes nothing; a file that grew adds its new bars. A row that fails a check is not
 * stored: it is counted, and listed with its line and the reason in the result and in the table rejected_rows.
 * Nothing is repaired. Memory does not grow with the file: it depends on the number of symbols, at most 65,536. */
#ifndef PLUSULTRA_IMPORT_H
#define PLUSULTRA_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu_import_layout {
    PU_IMPORT_AUTO = 0,
    PU_IMPORT_YAHOO,   /* Date,Open,High,Low,Close[,Adj Close],Volume */
    PU_IMPORT_STOOQ,   /* Date,Open,High,Low,Close[,Volume], or <TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,... */
    PU_IMPORT_BINANCE, /* 12 columns, with or without a header; seconds, milli-, micro- or nanoseconds by magnitude
                        */
    PU_IMPORT_GENERIC, /* a header with a date, time or timestamp, open, high, low, close, and perhaps volume,
                          adjusted close, symbol; or what a mapping says */
    PU_IMPORT_SQLITE   /* a table or view of another SQLite file, found by the file's first bytes */
} pu_import_layout;

/* What a file's time stamps. A bar is stored under the time of its close: open adds one bar length, a date alone
 * ends with its (UTC) day. AUTO takes the open, which at worst is one bar late, never early. */
typedef enum pu_import_stamp {
    PU_IMPORT_STAMP_AUTO = 0,
    PU_IMPORT_STAMP_OPEN,
    PU_IMPORT_STAMP_CLOSE
} pu_import_stamp;

/* Adjusted closes of a file beside those that are stored: each download scales them to its own end, so that a split or
 * dividend that came since makes the older ones stale. */
typedef enum pu_import_seam {
    PU_IMPORT_SEAM_NONE = 0,
    PU_IMPORT_SEAM_UNSEEN, /* no bar of the file was stored before: nothing says whether the factors agree */
    PU_IMPORT_SEAM_DIFFERS /* bars with the same close have another adjusted one: stored bars have stale factors */
} pu_import_seam;

/* What became of one symbol of a file. rows_read = rows_added + rows_unchanged + rows_replaced + rows_rejected. */
typedef struct pu_import_symbol {
    char symbol[64];
    char asset_class[16];
    int64_t bar_s;
    double periods_per_year;
    int64_t rows_read, rows_added, rows_unchanged, rows_replaced, rows_rejected;
    int64_t first_ts, last_ts; /* of the accepted rows */
    pu_import_seam seam;
} pu_import_symbol;
typedef void (*pu_import_symbol_report)(void *context, const pu_import_symbol *symbol);

/* Zeros mean: find out. */
typedef struct pu_import_options {
    pu_import_layout layout;
    pu_import_stamp stamp;
    /* Header for a file without one, such as "date,open,high,low,close"; or the columns of a file with one, or of a
     * table, by their roles: "timestamp=when,symbol=name,open=o,high=h,low=l,close=c". */
    const char *columns;
    const char *mapping;     /* a YAML file that says how the file is read; what is given here goes before it */
    const char *table;       /* of an SQLite file; null: the one whose columns fit */
    const char *symbol;      /* null: the file's symbol column, else its name without the ending */
    const char *asset_class; /* null: by layout and symbol */
    const char *currency;    /* null: none */
    int64_t bar_s;           /* 0: the median distance of each symbol's first rows */
    double periods_per_year; /* 0: pu_periods_per_year */
    bool replace; /* a bar that differs from the stored one takes its place; otherwise the row is rejected */
    bool dry_run; /* everything is done and taken back: the result says what would be stored */
    /* A file of which a larger share of rows is rejected is refused as a whole. Null: more than 20 rows and more than
     * a tenth. */
    const double *rejected_ratio_max;
    /* Called for each symbol of a file once the file is stored; may be null. */
    pu_import_symbol_report on_symbol;
    void *on_symbol_context;
} pu_import_options;

enum { PU_IMPORT_REJECTS_SHOWN = 20, PU_IMPORT_TEXT_BYTES = 200, PU_IMPORT_REASON_BYTES = 160 };

typedef struct pu_import_reject {
    int64_t line; /* from 1; of a table the rowid, of a view the number of the row */
    char reason[PU_IMPORT_REASON_BYTES];
    char text[PU_IMPORT_TEXT_BYTES + 1]; /* the row's first 200 bytes; what is not printable ASCII becomes '?' */
} pu_import_reject;

/* Of a whole file. rows_read = rows_added + rows_unchanged + rows_replaced + rows_rejected. */
typedef struct pu_import_result {
    char symbol[64];      /* the first one, and its class, bar length and periods */
    int64_t symbol_count; /* that have bars in the store now */
    bool compressed;
    char asset_class[16];
    pu_import_layout layout;
    pu_import_stamp stamp;
    bool stamp_assumed; /* a clock time whose meaning the layout does not fix was taken as the open */
    int64_t bar_s;
    double periods_per_year;
    int64_t bytes;
    int64_t bytes_known; /* of them, at the beginning, that were imported before and not parsed again */
    char sha256[65];     /* of the file; of a table's rows as they were read */
    int64_t rows_read, rows_added, rows_unchanged, rows_replaced, rows_rejected;
    int64_t first_ts, last_ts; /* of the accepted rows */
    double seconds;
    int rejects_shown;
    pu_import_reject rejects[PU_IMPORT_REJECTS_SHOWN]; /* the first ones */
} pu_import_result;

/* Imports one file. *result is filled as far as the file was read, also on failure. PU_ERR_DATA: no layout fits, a
 * line above 64 KiB, no usable row, too many rejected ones, damaged compression; PU_ERR_CONFIG: the mapping;
 * PU_ERR_CORRUPT: a damaged database; PU_ERR_INTERRUPTED. */
pu_status pu_import_file(pu_store *store, const char *path, const pu_import_options *options,
                         pu_import_result *result);

/* Called after each file with its status; pu_error_message holds what went wrong. */
typedef void (*pu_import_report)(void *context, const char *path, pu_status status,
                                 const pu_import_result *result);

/* Imports a file, or all .csv and .txt files of a folder, also with .gz behind, in the order of their names. A file
 * that fails does not keep the others from being imported; the first failure is returned at the end. `report` may be
 * null. */
pu_status pu_import_path(pu_store *store, const char *path, const pu_import_options *options,
                         pu_import_report report, void *context);

/* "300", "5m", "1h", "1d", "1w", "1mo" (30 days) in seconds; 0 when it is none of these, or longer than a year. */
int64_t pu_import_bar_length(const char *text);

const char *pu_import_layout_name(pu_import_layout layout);

#ifdef __cplusplus
}
#endif
#endif
