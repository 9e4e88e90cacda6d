// Buys equal parts at bar 0 and holds them; in C++, and with state of its own that shows when a path gets another's.
#include <plusultra/policy.h>

namespace {

struct hold {
    const pu_policy_setup *setup;
    int64_t next_bar;
};

void *create(const pu_policy_setup *setup, char *, size_t) { return new hold{setup, 0}; }

void decide(void *policy, const pu_policy_view *view, double *weight) {
    hold *state = static_cast<hold *>(policy);
    const bool in_order = view->bar == state->next_bar++;
    for (int a = 0; a < state->setup->traded; ++a) {
        if (!in_order) weight[a] = -1;
        else if (view->bar == 0) weight[a] = 1.0 / state->setup->traded;
    }
}

void destroy(void *policy) { delete static_cast<hold *>(policy); }

} // namespace

PU_POLICY_EXPORT const pu_policy *pu_plugin_policy(void) {
    static const pu_policy policy = {PU_POLICY_ABI, "hold", "Buys and holds.", create, decide, destroy};
    return &policy;
}
