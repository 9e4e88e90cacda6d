/* Parameters of price processes turned into the coefficients of a step (kernels/physics/processes.h). */
#ifndef PU_HOST_SIM_PROCESS_H
#define PU_HOST_SIM_PROCESS_H

#include "kernels/physics/processes.h"
#include "plusultra/sim.h"

/* Fails as pu_process_check does. For BOOTSTRAP `out` is zero: fill in the mean of the asset's history. */
pu_status pu__process_make(const pu_process *process, double step_years, pu__process_asset *out);

/* P(next <= j | i), as pu__regime_next takes it; rows must sum to 1 within 1e-6. */
pu_status pu__regime_cumulative(const pu_regimes *regimes, float out[PU_REGIMES_MAX][PU_REGIMES_MAX]);

#endif
