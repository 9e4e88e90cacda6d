/* A plug-in with two features; docs/plugins.md explains it line by line.
 *
 *   cc -shared -fPIC -O2 -I<prefix>/include plugin_momentum.c -o plugin_momentum.so -lm
 *   plusultra features audit --plugin ./plugin_momentum.so */
#include <math.h>
#include <plusultra/features.h>

enum { BARS_MAX = 64 };

/* The log closes of the last `bars` + 1 bars, as a ring. */
typedef struct momentum_state {
    double log_close[BARS_MAX + 1];
} momentum_state;

static double momentum_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    momentum_state *state = memory;
    const int64_t bars = (int64_t)parameters[0], size = bars + 1;
    state->log_close[index % size] = log(bar->close);
    if (index < bars) return NAN;
    return state->log_close[index % size] - state->log_close[(index + 1) % size];
}

static const double momentum_bars[] = {30};
static const char *const bars_name[] = {"bars"};

static const pu_feature momentum = {
    .abi = PU_FEATURE_ABI,
    .name = "example_momentum_30",
    .version = 1,
    .description = "Log return over 30 bars.",
    .tags = "momentum,example",
    .source = "log(close[t] / close[t-30]), adjusted prices",
    .parameter_count = 1,
    .parameters = momentum_bars,
    .parameter_names = bars_name,
    .lookback_bars = 30,
    .state_bytes = sizeof(momentum_state),
    .update = momentum_update,
};

/* The same, ranked over the assets of the experiment: the engine does that. */
static const pu_feature momentum_rank = {
    .abi = PU_FEATURE_ABI,
    .name = "example_momentum_rank_30",
    .version = 1,
    .description = "Rank of the log return over 30 bars among the assets, -1 to 1.",
    .tags = "cross,momentum,example",
    .source = "rank of example_momentum_30 over the assets with a bar at the same close",
    .parameter_count = 1,
    .parameters = momentum_bars,
    .parameter_names = bars_name,
    .lookback_bars = 30,
    .state_bytes = sizeof(momentum_state),
    .update = momentum_update,
    .cross = PU_CROSS_RANK,
};

PU_PLUGIN_EXPORT const pu_feature *const *pu_plugin_features(int *count) {
    static const pu_feature *const all[] = {&momentum, &momentum_rank};
    *count = 2;
    return all;
}
