/* Policies that have to be refused, when they are loaded or by what they decide. FAULT says why. */
#include <math.h>
#include <plusultra/policy.h>
#include <stdio.h>

enum {
    OTHER_ABI = 1,
    NULL_POLICY,
    NO_NAME,
    NO_DECIDE,
    REFUSES,
    NOT_A_NUMBER,
    INFINITE,
    ABSURD,
    NOT_TRADED,
    NO_ENTRY
};

static void *create(const pu_policy_setup *setup, char *error, size_t error_bytes) {
    if (FAULT == REFUSES) snprintf(error, error_bytes, "%d assets are too many", setup->assets);
    return FAULT == REFUSES ? NULL : (void *)setup;
}

/* Paths that are never above 1 at bar 3 stay sound, so that the fault is not in all of them. */
static void decide(void *policy, const pu_policy_view *view, double *weight) {
    const pu_policy_setup *setup = policy;
    weight[0] = 0.5;
    if (view->bar != 3 || view->price[3 * setup->assets] <= 1) return;
    if (FAULT == NOT_A_NUMBER) weight[1] = NAN;
    if (FAULT == INFINITE) weight[1] = -INFINITY;
    if (FAULT == ABSURD) weight[1] = 1e6;
    if (FAULT == NOT_TRADED) weight[setup->traded] = 0.1;
}

static void destroy(void *policy) { (void)policy; }

static const pu_policy policy = {
    .abi = FAULT == OTHER_ABI ? PU_POLICY_ABI + 1 : PU_POLICY_ABI,
    .name = FAULT == NO_NAME ? "Not a name" : "broken",
    .description = "Has a fault.",
    .create = create,
    .decide = FAULT == NO_DECIDE ? NULL : decide,
    .destroy = destroy,
};

#if FAULT == 10
PU_POLICY_EXPORT const pu_policy *pu_plugin_policies(void) { return &policy; }
#else
PU_POLICY_EXPORT const pu_policy *pu_plugin_policy(void) { return FAULT == NULL_POLICY ? NULL : &policy; }
#endif
