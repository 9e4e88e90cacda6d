/* stress.json: docs/stress-json.md. */
#ifndef PU_HOST_STRESS_DOCUMENT_H
#define PU_HOST_STRESS_DOCUMENT_H

#include <jansson.h>

#include "host/stress/answers.h"

/* What of the document is not in the other arguments. */
typedef struct pu__stress_record {
    pu_store *store; /* fans are read from it */
    int64_t sweep_id;
    double seconds, simulated;
} pu__stress_record;

/* Simulates the worst paths again. *out is released with json_decref. */
pu_status pu__stress_document(pu__stress *stress, const pu__grid *grid, const pu__stress_figures *figures,
                              const pu__answers *answers, const pu__stress_record *record, json_t **out);

/* A path in full: scenario, severity, ..., equity, prices, fills, metrics, and the command that gives it. */
pu_status pu__path_document(pu__stress *stress, int policy, const pu__stress_cell *cell,
                            const pu__scenario *scenario, int64_t path, json_t **out);

/* <run.out>/<run.name>/<name>, replaced as a whole; the folder is made. `path` has room for `capacity` bytes. */
pu_status pu__stress_write(const pu_config *config, const char *name, const json_t *document, char *path,
                           size_t capacity);

#endif
