/* Results of a validation as JSON: the document of `plusultra validate --json` (docs/validation.md) and of the page. */
#ifndef PU_HOST_DATA_VALIDATE_RESULTS_H
#define PU_HOST_DATA_VALIDATE_RESULTS_H

#include <jansson.h>

#include "plusultra/validate.h"

/* A new object; null when memory is short. `charts` adds the prices of assets with findings, at most 200 of them. */
json_t *pu__validation_json(const pu_validation *validation, bool charts);

#endif
