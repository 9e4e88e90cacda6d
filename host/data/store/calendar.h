/* Dates of the proleptic Gregorian calendar as days since 1970-01-01. */
#ifndef PU_HOST_DATA_STORE_CALENDAR_H
#define PU_HOST_DATA_STORE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

/* Years 1 to 9999; any int is safe to ask about. */
bool pu__date_valid(int year, int month, int day);
int64_t pu__days_of_date(int year, int month, int day);
void pu__date_of_days(int64_t days, int *year, int *month, int *day);

#endif
