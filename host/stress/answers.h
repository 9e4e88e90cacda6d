/* What a sweep is asked: does it keep the limits, which severity breaks them, which cost ends the edge, and what
 * took it. */
#ifndef PU_HOST_STRESS_ANSWERS_H
#define PU_HOST_STRESS_ANSWERS_H

#include "host/stress/grid.h"
#include "host/stress/simulate.h"

typedef struct pu__breaking {
    int scenario;
    double severity;  /* the mildest known to break it; NaN: none up to the largest of the grid */
    double low, high; /* it lies between; NaN with it */
} pu__breaking;

typedef enum pu__limit_kind {
    PU__LIMIT_DRAWDOWN = 0,
    PU__LIMIT_LOSS,
    PU__LIMIT_RUIN,
    PU__LIMIT_MARGIN,
    PU__LIMIT_COUNT
} pu__limit_kind;

typedef struct pu__limit {
    pu__limit_kind kind;
    double limit, base, worst;
    int64_t worst_cell;
    pu__breaking *breaking; /* [scenarios - 1], by the order of the scenarios */
} pu__limit;

typedef struct pu__break_even {
    bool found;
    double cost_factor, error;     /* NaN where it was not found */
    double bps_one_way, error_bps; /* of what is traded */
    double configured_bps_one_way; /* at cost factor 1, without impact */
    char text[400];
} pu__break_even;

/* gross - spread - slippage - fee - impact - carry - latency = net: the difference that the costs make is allotted to
 * their kinds in proportion to what was paid. */
typedef struct pu__attribution {
    double gross, spread, slippage, fee, impact, carry, latency, net;
    const char *largest;
} pu__attribution;

typedef struct pu__answers {
    int limits;
    pu__limit limit[PU__LIMIT_COUNT];
    pu__break_even break_even;
    pu__attribution attribution;
    int worst_count;
    int64_t *worst; /* cells whose worst path is drawn, the largest loss first; one of a scenario at most */
} pu__answers;

/* figures [grid->count]. Runs what the cells do not say, under the same random numbers. Free with pu__answers_free,
 * also after a failure. */
pu_status pu__answers_find(pu__stress *stress, const pu__grid *grid, const pu__stress_figures *figures,
                           pu__answers *out);
void pu__answers_free(pu__answers *answers); /* accepts a zeroed one */

const char *pu__limit_name(pu__limit_kind kind);
const char *pu__limit_measure_name(pu__limit_kind kind);

#endif
