/* A policy plug-in: trend following with a volatility target; docs/plugins.md explains it.
 *
 *   cc -shared -fPIC -O2 -I<prefix>/include plugin_policy.c -o plugin_policy.so -lm
 *   plusultra stress --set stress.policy=plugin --set stress.plugin=./plugin_policy.so */
#include <math.h>
#include <plusultra/policy.h>
#include <stdio.h>
#include <stdlib.h>

enum { TREND_BARS = 60, VOLATILITY_BARS = 20, REBALANCE_BARS = 5 };

typedef struct trend {
    const pu_policy_setup *setup;
    double target; /* volatility of a bar */
} trend;

static void *trend_create(const pu_policy_setup *setup, char *error, size_t error_bytes) {
    if (setup->history_rows <= TREND_BARS) {
        snprintf(error, error_bytes, "a trend of %d bars needs more than %d rows of history", TREND_BARS,
                 TREND_BARS);
        return NULL;
    }
    trend *state = malloc(sizeof *state);
    if (!state) return NULL;
    state->setup = setup;
    state->target = 0.10 / sqrt(setup->periods_per_year) / setup->traded;
    return state;
}

/* The close of `asset` so many bars before the one at hand, in multiples of bar 0's. */
static double close_before(const pu_policy_setup *setup, const pu_policy_view *view, int bars, int asset) {
    const int64_t bar = view->bar - bars;
    if (bar >= 0) return view->price[bar * setup->assets + asset];
    const double *row = setup->history + (setup->history_rows - 1) * setup->assets;
    return row[bar * setup->assets + asset] / row[asset];
}

static void trend_decide(void *policy, const pu_policy_view *view, double *weight) {
    const trend *state = policy;
    const pu_policy_setup *setup = state->setup;
    if (view->bar % REBALANCE_BARS != 0) return; /* no order */
    for (int a = 0; a < setup->traded; ++a) {
        const double now = close_before(setup, view, 0, a);
        double squares = 0;
        for (int k = 0; k < VOLATILITY_BARS; ++k) {
            const double change = log(close_before(setup, view, k, a) / close_before(setup, view, k + 1, a));
            squares += change * change;
        }
        const double volatility = sqrt(squares / VOLATILITY_BARS);
        const double direction = now > close_before(setup, view, TREND_BARS, a) ? 1 : -1;
        weight[a] = volatility > 0 ? direction * fmin(state->target / volatility, 1.0) : 0;
    }
}

PU_POLICY_EXPORT const pu_policy *pu_plugin_policy(void) {
    static const pu_policy policy = {
        .abi = PU_POLICY_ABI,
        .name = "example_trend",
        .description = "Follows the trend of 60 bars at equal risk, every five bars.",
        .create = trend_create,
        .decide = trend_decide,
        .destroy = free,
    };
    return &policy;
}
