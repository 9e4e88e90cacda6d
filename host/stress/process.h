/* The price process of a stress test. */
#ifndef PU_HOST_STRESS_PROCESS_H
#define PU_HOST_STRESS_PROCESS_H

#include <jansson.h>

#include "host/stress/stress.h"

/* Sets stress->process by the market, and for a replay one path and one seed. */
pu_status pu__stress_process_open(pu__stress *stress);

/* The fit and where it does not match the history; null of JSON where the process is the history itself. */
pu_status pu__stress_calibration_json(pu__stress *stress, json_t **out);

#endif
