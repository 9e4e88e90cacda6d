/* Where the rows of a file go: assets, bars, counts, rejected rows. Lives inside one transaction. */
#ifndef PU_HOST_DATA_IMPORT_BAR_SINK_H
#define PU_HOST_DATA_IMPORT_BAR_SINK_H

#include "host/data/import/batch.h"
#include "host/data/import/resume.h"

typedef struct pu__bar_sink pu__bar_sink;

/* All are borrowed. The result's symbol names the asset where `rules->many` is false. */
pu_status pu__bar_sink_open(pu_store *store, const char *path, const pu_import_options *options,
                            const pu__row_rules *rules, pu_import_result *result, pu__bar_sink **out);
void pu__bar_sink_close(pu__bar_sink *sink); /* accepts null; stores nothing */

/* Counts the rows that were imported before, once, ahead of the first batch. */
pu_status pu__bar_sink_resume(pu__bar_sink *sink, const pu__batch_reader *reader, const pu__resume *resume);

/* Takes a batch's rows over; they may be stored later. */
pu_status pu__bar_sink_put(pu__bar_sink *sink, const pu__batch_reader *reader, const pu__batch *batch);

/* Stores what is left and checks that the file is of use. */
pu_status pu__bar_sink_end(pu__bar_sink *sink, const pu__batch_reader *reader);

/* The records of the import; a file that was imported before and adds nothing leaves the store as it is. The
 * result's hash is set. `end`: where the file ended, kept for the day it has grown; null: not to be kept. */
pu_status pu__bar_sink_record(pu__bar_sink *sink, const pu__file_end *end);

/* Tells the caller of the options what became of each symbol. */
void pu__bar_sink_report(const pu__bar_sink *sink);

#endif
