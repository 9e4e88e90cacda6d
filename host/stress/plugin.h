/* A policy from a shared object (include/plusultra/policy.h), run by the path kernel's callback: the physics is that of
 * all other policies. */
#ifndef PU_HOST_STRESS_PLUGIN_H
#define PU_HOST_STRESS_PLUGIN_H

#include "host/sim/market.h"
#include "kernels/paths/paths.h"
#include "plusultra/pool.h"

typedef struct pu__policy_plugin pu__policy_plugin;

/* Loads and checks the file for simulations that begin at the market's last row and take `steps`; the market outlives
 * the plug-in. One policy is created and destroyed, so that a setup that it refuses is known before anything runs.
 * PU_ERR_CONFIG (the file and what is wrong with it): no shared object, no pu_plugin_policy, another ABI, a field
 * that cannot be used, a setup that is refused. */
pu_status pu__policy_plugin_open(const char *path, const pu__market *market, int64_t steps,
                                 pu__policy_plugin **out);
void pu__policy_plugin_close(pu__policy_plugin *plugin); /* accepts null */

/* SHA-256 of the file, hexadecimal, and the policy's name. */
const char *pu__policy_plugin_hash(const pu__policy_plugin *plugin);
const char *pu__policy_plugin_name(const pu__policy_plugin *plugin);

/* pu__paths_callback with the plug-in's decisions; the scenario's own policy and weights are not looked at. PU_ERR_DATA
 * names the file, and path, bar and asset of the first weight that is none; outputs are then of no use. */
pu_status pu__policy_plugin_run(pu__policy_plugin *plugin, const pu__path_scenario *scenario,
                                const pu__path_batch *batch, pu_pool *pool);

#endif
