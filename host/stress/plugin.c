/* Invariants:
 *  1. A path has a policy of its own, created before its bar 0 and destroyed after its last bar.
 *  2. A path whose policy failed has no orders afterwards, and its policy is not called again.
 *  3. Of the failures of a batch the one of the lowest path is told, whichever thread met it first. */
#include "host/stress/plugin.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "host/data/features/shared_object.h"
#include "host/stress/bars.h"
#include "plusultra/memory.h"
#include "plusultra/policy.h"

#define ENTRY_POINT "pu_plugin_policy"

enum { ERROR_BYTES = 512, NAME_BYTES_MAX = 63, TEXT_BYTES_MAX = 1000 };

struct pu__policy_plugin {
    char path[PATH_MAX], hash[65];
    void *object;
    const pu_policy *policy;
    pu_policy_setup setup;
    const char **symbol; /* [assets] */
    int64_t *ts;         /* [steps + 1] */
};

/* ---- loading ---- */

static bool is_name(const char *text) {
    const size_t length = text ? strnlen(text, NAME_BYTES_MAX + 1) : 0;
    if (length < 1 || length > NAME_BYTES_MAX || text[0] < 'a' || text[0] > 'z') return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static bool is_sentence(const char *text) {
    const size_t length = text ? strnlen(text, TEXT_BYTES_MAX + 1) : 0;
    if (length < 1 || length > TEXT_BYTES_MAX) return false;
    for (size_t i = 0; i < length; ++i) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return false;
    }
    return true;
}

/* `abi` comes first: where it differs, no other field may be where this header has it. */
static pu_status check_policy(const char *path, const pu_policy *policy) {
    if (!policy) return pu_fail(PU_ERR_CONFIG, "plug-in %s: " ENTRY_POINT " gives null", path);
    if (policy->abi != PU_POLICY_ABI)
        return pu_fail(
            PU_ERR_CONFIG,
            "plug-in %s was made for policy ABI %d, this program has %d: compile it with this version's "
            "headers",
            path, policy->abi, PU_POLICY_ABI);
    if (!is_name(policy->name))
        return pu_fail(PU_ERR_CONFIG,
                       "plug-in %s: name is no name of 1 to %d letters a-z, digits and _, a letter first", path,
                       NAME_BYTES_MAX);
    if (!is_sentence(policy->description))
        return pu_fail(PU_ERR_CONFIG, "plug-in %s: description is not one line of 1 to %d bytes", path,
                       TEXT_BYTES_MAX);
    const char *missing = !policy->create    ? "create"
                          : !policy->decide  ? "decide"
                          : !policy->destroy ? "destroy"
                                             : NULL;
    return missing ? pu_fail(PU_ERR_CONFIG, "plug-in %s: %s is null", path, missing) : PU_OK;
}

static pu_status load(pu__policy_plugin *plugin) {
    char now[65];
    void *symbol = NULL;
    pu_policy_entry entry = NULL;
    PU_TRY(pu__object_hash(plugin->path, plugin->hash));
    PU_TRY(pu__object_open(plugin->path, ENTRY_POINT, &plugin->object, &symbol));
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object to a function pointer */
    PU_TRY(pu__object_hash(plugin->path, now));
    if (strcmp(now, plugin->hash) != 0)
        return pu_fail(PU_ERR_CONFIG, "plug-in %s was replaced while it was loaded: run again", plugin->path);
    plugin->policy = entry();
    return check_policy(plugin->path, plugin->policy);
}

static pu_status describe(const pu__market *market, int64_t steps, pu__policy_plugin *plugin) {
    plugin->symbol = pu_calloc((size_t)market->assets, sizeof *plugin->symbol);
    plugin->ts = pu_calloc((size_t)steps + 1, sizeof *plugin->ts);
    if (!plugin->symbol || !plugin->ts) return PU_ERR_MEMORY;
    for (int a = 0; a < market->assets; ++a) plugin->symbol[a] = market->asset[a].symbol;
    plugin->ts[0] = market->ts[market->rows - 1];
    PU_TRY(pu__bar_times(market, steps, plugin->ts + 1));
    plugin->setup = (pu_policy_setup){.assets = market->assets,
                                      .traded = market->traded,
                                      .symbol = plugin->symbol,
                                      .periods_per_year = market->periods_per_year,
                                      .steps = steps,
                                      .ts = plugin->ts,
                                      .history_rows = market->rows,
                                      .history_ts = market->ts,
                                      .history = market->price};
    return PU_OK;
}

/* A policy of a path; null with a message in error[ERROR_BYTES]. */
static void *create(const pu__policy_plugin *plugin, char *error) {
    error[0] = '\0';
    void *policy = plugin->policy->create(&plugin->setup, error, ERROR_BYTES);
    error[ERROR_BYTES - 1] = '\0';
    if (!policy && !*error) snprintf(error, ERROR_BYTES, "it does not say why");
    return policy;
}

static pu_status try_setup(const pu__policy_plugin *plugin) {
    char error[ERROR_BYTES];
    void *policy = create(plugin, error);
    if (!policy)
        return pu_fail(PU_ERR_CONFIG, "plug-in %s: the policy %s refuses this setup: %s", plugin->path,
                       plugin->policy->name, error);
    plugin->policy->destroy(policy);
    return PU_OK;
}

pu_status pu__policy_plugin_open(const char *path, const pu__market *market, int64_t steps,
                                 pu__policy_plugin **out) {
    *out = NULL;
    pu__policy_plugin *plugin = pu_calloc(1, sizeof *plugin);
    if (!plugin) return PU_ERR_MEMORY;
    pu_status status = pu__object_path(path, plugin->path);
    if (status == PU_OK) status = load(plugin);
    if (status == PU_OK) status = describe(market, steps, plugin);
    if (status == PU_OK) status = try_setup(plugin);
    if (status == PU_OK) *out = plugin;
    else pu__policy_plugin_close(plugin);
    return status;
}

void pu__policy_plugin_close(pu__policy_plugin *plugin) {
    if (!plugin) return;
    if (plugin->object) dlclose(plugin->object);
    pu_free(plugin->symbol);
    pu_free(plugin->ts);
    pu_free(plugin);
}

const char *pu__policy_plugin_hash(const pu__policy_plugin *plugin) { return plugin->hash; }
const char *pu__policy_plugin_name(const pu__policy_plugin *plugin) { return plugin->policy->name; }

/* ---- running ---- */

typedef struct path_state {
    void *policy; /* null: not begun, over, or failed */
    bool failed;
} path_state;

typedef struct run {
    const pu__policy_plugin *plugin;
    int64_t first;
    path_state *path; /* [count] */
    pthread_mutex_t lock;
    int64_t failed_path; /* INT64_MAX: none */
    char error[ERROR_BYTES + 256];
} run;

static void record(run *r, int64_t path, const char *text) {
    r->path[path - r->first].failed = true;
    pthread_mutex_lock(&r->lock);
    if (path < r->failed_path) {
        r->failed_path = path;
        snprintf(r->error, sizeof r->error, "%s", text);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Turns the answer into the kernel's weights; false at the first that is none. */
static bool take_weights(const pu_policy_setup *setup, int32_t bar, double *weight, char *error) {
    for (int a = 0; a < setup->assets; ++a) {
        if (weight[a] == PU_POLICY_NO_ORDER) {
            weight[a] = (double)NAN;
            continue;
        }
        const bool is_weight = fabs(weight[a]) <= PU_POLICY_WEIGHT_MAX;
        if (is_weight && (a < setup->traded || weight[a] == 0.0)) continue;
        snprintf(error, ERROR_BYTES,
                 is_weight ? "at bar %" PRId32 " it decides for %s, which is not traded: %g"
                           : "at bar %" PRId32 " its weight of %s is %g",
                 bar, setup->symbol[a], weight[a]);
        return false;
    }
    return true;
}

static void no_orders(int32_t assets, double *weight) {
    for (int32_t a = 0; a < assets; ++a) weight[a] = (double)NAN;
}

static void decide(void *context, int64_t path, int32_t bar, int32_t assets, const double *price, double equity,
                   const double *position, double *weight) {
    run *r = context;
    const pu__policy_plugin *plugin = r->plugin;
    path_state *state = &r->path[path - r->first];
    char error[ERROR_BYTES];
    if (bar == 0) {
        state->policy = create(plugin, error);
        if (!state->policy) record(r, path, error);
    }
    no_orders(assets, weight);
    if (state->policy && !state->failed && equity > 0.0) {
        const pu_policy_view view = {.bar = bar, .price = price, .equity = equity, .position = position};
        for (int32_t a = 0; a < assets; ++a) weight[a] = PU_POLICY_NO_ORDER;
        plugin->policy->decide(state->policy, &view, weight);
        if (!take_weights(&plugin->setup, bar, weight, error)) {
            record(r, path, error);
            no_orders(assets, weight);
        }
    }
    if (bar < plugin->setup.steps || !state->policy) return;
    plugin->policy->destroy(state->policy);
    state->policy = NULL;
}

pu_status pu__policy_plugin_run(pu__policy_plugin *plugin, const pu__path_scenario *scenario,
                                const pu__path_batch *batch, pu_pool *pool) {
    if (scenario->steps != plugin->setup.steps || scenario->assets != plugin->setup.assets)
        return pu_fail(PU_ERR_ARGUMENT, "plug-in %s was opened for %" PRId64 " steps of %d assets", plugin->path,
                       plugin->setup.steps, plugin->setup.assets);
    run r = {.plugin = plugin, .first = (int64_t)batch->first, .failed_path = INT64_MAX};
    r.path = pu_calloc((size_t)batch->count, sizeof *r.path);
    if (!r.path) return PU_ERR_MEMORY;
    pthread_mutex_init(&r.lock, NULL);
    pu__path_scenario called = *scenario;
    called.policy = PU_POLICY_CALLBACK;
    called.weight = NULL;
    called.decide = decide;
    called.decide_context = &r;
    pu_status status = pu__paths_callback(&called, batch, pool);
    if (status == PU_OK && r.failed_path < INT64_MAX)
        status = pu_fail(PU_ERR_DATA, "plug-in %s: policy %s, path %" PRId64 ": %s", plugin->path,
                         plugin->policy->name, r.failed_path, r.error);
    pthread_mutex_destroy(&r.lock);
    pu_free(r.path);
    return status;
}
