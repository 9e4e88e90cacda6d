/* The cells of a sweep, numbered: scenario, then severity, seed, policy, latency, and cost factor the fastest. The
 * baseline has one severity, 0. */
#ifndef PU_HOST_STRESS_GRID_H
#define PU_HOST_STRESS_GRID_H

#include "host/stress/stress.h"

typedef struct pu__grid_cell {
    pu__stress_cell cell;
    int scenario, policy; /* of the stress test */
    bool fan;             /* its equity is drawn by bar */
} pu__grid_cell;

typedef struct pu__grid {
    int64_t count, group; /* cells that share prices and decisions follow each other, `group` of them */
    int64_t base;         /* baseline, base cost and latency, first seed, first policy */
    pu__grid_cell *cell;
} pu__grid;

/* PU_ERR_CONFIG where there are too many. Free with pu__grid_free. */
pu_status pu__grid_make(const pu__stress *stress, pu__grid *out);
void pu__grid_free(pu__grid *grid); /* accepts a zeroed one */

/* Whether a cell is of the base policy, cost, latency and seed: what limits and their severities are judged at. */
bool pu__grid_is_base(const pu__grid *grid, int64_t cell);

#endif
