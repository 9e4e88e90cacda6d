/* A stress.json as a sweep writes it, with made-up figures. */
#ifndef TESTS_SUPPORT_STRESS_DOCUMENT_H
#define TESTS_SUPPORT_STRESS_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>

/* Sizes and parts. `scenarios`: besides the baseline, at most 12. Costs are the factors 0, 1, 2, ..., or 1 alone. No
 * more than five steps: no fans. */
typedef struct test_stress_sample {
    int scenarios, severities, costs, latencies, seeds, assets, steps, fills;
    bool compared; /* with buy and hold */
    bool calibrated, limited, with_paths;
    const char *prefix; /* of names */
} test_stress_sample;

/* A new document; the caller releases it with json_decref. */
json_t *test_stress_document(const test_stress_sample *sample);

#endif
