/* Parts of the stress report. Everything shown comes from stress.json (docs/stress-json.md): figures are selected,
 * never computed. */
#ifndef PU_HOST_STRESS_REPORT_H
#define PU_HOST_STRESS_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "host/page/page.h"

/* A measure of a cell. `error`: key of its standard error, or null. `sense`: 1 where more is better, -1 where less is,
 * 0 where neither. */
typedef struct pu__measure {
    const char *key, *label;
    pu__number_style style;
    int digits;
    const char *error;
    int sense;
} pu__measure;
extern const pu__measure pu__measures[];
extern const int pu__measure_count;

/* The row of a key; null where there is none. */
const pu__measure *pu__measure_of(const char *key);

/* Parts of the attribution, in the order of the sum: return before costs, what each took, return after costs. */
typedef struct pu__attribution_part {
    const char *key, *label;
    int sign; /* -1: was taken */
} pu__attribution_part;
extern const pu__attribution_part pu__attribution_parts[];
extern const int pu__attribution_count;

/* Reads stress.json and checks that all that a report shows is there: PU_ERR_NOT_FOUND, PU_ERR_CORRUPT, naming the
 * file and the line or the key. The caller releases it with json_decref. */
pu_status pu__stress_document_read(const char *path, json_t **out);

typedef struct pu__stress_verdict {
    char *text;       /* one sentence */
    const char *tone; /* "good", "bad"; "" where no limit is configured */
} pu__stress_verdict;

/* Which limits fail and from which severity on, break-even cost, probability of ruin. The caller frees `text` with
 * pu_free. */
pu_status pu__stress_judge(const json_t *document, pu__stress_verdict *out);

/* What the figures mean, sentences with the run's own numbers in them: a new array, null when memory is short. */
json_t *pu__stress_reading(const json_t *document);

/* The cells of a policy at the latency and seed of the base cell, by scenario, severity and cost factor: a new object,
 * null when memory is short. */
json_t *pu__stress_index(const json_t *document, const char *policy);

/* Of that index; at the base cell's cost factor where `cost_factor` is null. Null where there is no such cell. */
const json_t *pu__stress_cell(const json_t *document, const json_t *index, const char *scenario, double severity,
                              const json_t *cost_factor);

/* The severity of a scenario's cells that is nearest to 1, its full size. */
double pu__stress_severity(const json_t *document, const char *scenario);

/* Severities that a bisection found lie in the middle between two decimals; printf rounds these to the even one, the
 * page upwards: the value that both round up. */
double pu__tie_up(double value);

/* "gap, severity 2, cost factor 5, latency 1" */
void pu__stress_cell_name(const json_t *cell, char *text, size_t capacity);

void pu__stress_markdown(FILE *out, const json_t *document, const char *verdict);

#endif
