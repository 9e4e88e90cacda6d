/* A stress test with everything it needs: the market, its process, scenarios, policies, the device. */
#ifndef PU_HOST_STRESS_STRESS_H
#define PU_HOST_STRESS_STRESS_H

#include "host/data/store/stress.h"
#include "host/sim/calibrate.h"
#include "host/sim/market.h"
#include "host/sim/shocks.h"
#include "kernels/paths/paths.h"
#include "plusultra/config.h"
#include "plusultra/device.h"
#include "plusultra/pool.h"
#include "plusultra/sim.h"

enum { PU__STRESS_WARNINGS = 32, PU__STRESS_WARNING_BYTES = 600, PU__STRESS_POLICIES = 2, PU__FAN_PATHS = 1024 };

/* How a policy comes to its orders. */
typedef enum pu__stress_source {
    PU__SOURCE_RULE = 0, /* the path kernel decides */
    PU__SOURCE_HISTORY,  /* weights by the history's row */
    PU__SOURCE_MODEL,    /* weights by path, decided from simulated bars */
    PU__SOURCE_PLUGIN    /* called at every close */
} pu__stress_source;

typedef struct pu__stress_policy {
    const char *name;
    pu__stress_source source;
    int32_t rule;   /* pu__path_policy of a rule */
    double *weight; /* rule: [assets]; history: [rows - 1][assets]; else [assets], 0 */
    bool sized;     /* by the backtest's sizing, so with its band against small trades */
} pu__stress_policy;

/* What a model decided last, for what is simulated next on the same paths. */
typedef struct pu__decisions {
    const pu__scenario *scenario; /* null: nothing */
    double severity;
    int64_t seed, first, count;
    double *weight; /* [room][steps + 1][assets] */
    int64_t room;   /* paths */
} pu__decisions;

typedef struct pu__stress {
    const pu_config *config; /* borrowed */
    pu__market market;
    char data_hash[65];
    pu__scenarios library;
    int scenarios; /* chosen; the first is the baseline */
    const pu__scenario **scenario;
    pu__path_scenario process;   /* process, assets and history of every run; its tables belong to this struct */
    pu__calibration calibration; /* where the process is fitted */
    bool fitted;
    pu__process_asset *coefficient; /* where it is the history */
    int policies;
    pu__stress_policy policy[PU__STRESS_POLICIES]; /* [0] is the one that is tested */
    struct pu__policy *model;                      /* null unless the policy is one */
    struct pu__policy_plugin *plugin;              /* the same */
    pu_pool *pool;
    pu__decisions decisions;
    pu_device *device;
    int64_t paths, steps, seeds;
    int64_t base_latency;    /* bars; the configured one */
    double base_cost_factor; /* 1, or the nearest to it of the grid */
    double *volume;          /* [assets] in units of the starting equity; null: not considered */
    double impact_ratio;     /* at cost factor 1 */
    pu__path_shock *shock;   /* [steps][assets], of the run that goes on */
    int warnings;
    char warning[PU__STRESS_WARNINGS][PU__STRESS_WARNING_BYTES];
} pu__stress;

/* Reads and checks everything, so that what can be refused is refused here: PU_ERR_CONFIG, PU_ERR_DATA, and what the
 * parts say. Close also after a failure. */
pu_status pu__stress_open(const pu_config *config, pu__stress *out);
void pu__stress_close(pu__stress *stress); /* accepts a zeroed one */

/* SHA-256 of all that a cell depends on. */
pu_status pu__stress_recipe(const pu__stress *stress, char out[65]);

void pu__stress_warn(pu__stress *stress, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The cost factor at which a kind of cost is as large as what is traded. */
double pu__stress_cost_factor_max(const pu__stress *stress);

/* Seed number k of the grid, from 0. */
int64_t pu__stress_seed(const pu__stress *stress, int64_t k);

#endif
