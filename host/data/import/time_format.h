/* Times in a stated form: the conversions of strptime that name one fixed thing each, read strictly and without a
 * locale.
 *
 *   %Y year, 4 digits   %y year, 2 digits (00 to 68: 20xx)   %m month   %d day   %b %B month's English name, short or long
 *   %H hour 00 to 23    %I hour 01 to 12   %p AM or PM   %M minute   %S second   %f fraction of a second, dropped
 *   %z Z, +02:00 or +0200   %T is %H:%M:%S   %F is %Y-%m-%d   %% a percent sign
 *
 * A blank stands for any number of blanks; everything else stands for itself. Days, months and hours may have one
 * digit. */
#ifndef PU_HOST_DATA_IMPORT_TIME_FORMAT_H
#define PU_HOST_DATA_IMPORT_TIME_FORMAT_H

#include "host/data/import/text.h"

/* Null, or what is wrong with the form: an unknown conversion, no day. */
const char *pu__time_format_check(const char *format);

typedef struct pu__format_time {
    int64_t local_s; /* days and clock as written */
    bool date_only;  /* the form has no hour */
    bool has_offset;
    int64_t offset_s; /* of %z */
} pu__format_time;

/* Whether all of `text` has the form. */
bool pu__time_format_read(const char *format, pu__text text, pu__format_time *out);

#endif
