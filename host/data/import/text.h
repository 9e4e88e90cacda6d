/* Strict reading of fields: a number or a time is the whole field or it is nothing. Independent of the locale. */
#ifndef PU_HOST_DATA_IMPORT_TEXT_H
#define PU_HOST_DATA_IMPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of a line; not terminated. */
typedef struct pu__text {
    const char *data;
    size_t bytes;
} pu__text;

/* Decimal number with optional sign, fraction and exponent, correctly rounded. False for anything else: empty,
 * NaN, infinity, hexadecimal, a grouping character, text behind the digits, an overflow. */
bool pu__parse_real(pu__text text, double *out);

/* Digits with an optional minus sign: up to 18, or 19 below 9 * 10^18. */
bool pu__parse_integer(pu__text text, int64_t *out);

/* A point in time, in UTC seconds. */
typedef struct pu__moment {
    int64_t ts;
    bool date_only;
} pu__moment;

/* 2020-12-31, 2020/12/31, 20201231; behind a date perhaps 'T' or a blank and 15:30, 15:30:00 or 15:30:00.000, and
 * perhaps Z or +02:00. A number of 9 to 11 digits is seconds since 1970, and 3, 6 or 9 digits more are milli-,
 * micro- and nanoseconds. */
bool pu__parse_moment(pu__text text, pu__moment *out);

/* The same; *local: a clock time that says nothing of its zone, read as UTC. */
bool pu__parse_moment_local(pu__text text, pu__moment *out, bool *local);

/* 15:30, 15:30:00 or 153000: seconds of the day. */
bool pu__parse_clock(pu__text text, int64_t *seconds);

/* Without blanks at either end. */
pu__text pu__trim(pu__text text);

#endif
