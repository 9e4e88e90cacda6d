/* What it takes to move the price: Amihud's illiquidity. Bars without volume, or where it is missing, are left out,
 * as Amihud leaves out days without trades. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};
static const char *const change_names[] = {"short_bars", "long_bars"};

#define PER_MONEY 1e6 /* the paper's unit: per million */

typedef struct illiquidity_state {
    double close;
    pu__roll value;
} illiquidity_state;

/* |return| per money traded of the last n bars, NaN where nothing traded; null while there are fewer. */
static const double *illiquidity_push(illiquidity_state *state, int bars, const pu_feature_bar *bar,
                                      int64_t index) {
    const double last = state->close;
    state->close = bar->close;
    if (index == 0) return NULL;
    const double money = bar->close * bar->volume;
    return pu__roll_push(&state->value, bars, money > 0 ? fabs(bar->close / last - 1) / money : NAN);
}

/* Mean of what is known, 0 if nothing is. */
static double mean_known(const double *x, int n) {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < n; ++i) {
        if (isnan(x[i])) continue;
        sum += x[i];
        count += 1;
    }
    return count > 0 ? sum / count : 0;
}

static double amihud_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int bars = (int)parameters[0];
    const double *window = illiquidity_push(memory, bars, bar, index);
    return window ? PER_MONEY * mean_known(window, bars) : NAN;
}

const pu_feature pu__feature_amihud_20 = {
    .name = "amihud_20",
    .version = 1,
    .description = "Illiquidity: mean absolute return per million of money traded, last 20 bars.",
    .tags = "volume,liquidity,level",
    .source = "Amihud 2002, eq. 1: 10^6 mean(|R| / (close * volume)), adjusted close",
    .needs_volume = true,
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__UPDATE(illiquidity_state, amihud_update),
};

static double change_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int few = (int)parameters[0], many = (int)parameters[1];
    const double *window = illiquidity_push(memory, many, bar, index);
    if (!window) return NAN;
    const double now = mean_known(window + many - few, few), usual = mean_known(window, many);
    return now > 0 && usual > 0 ? log(now / usual) : 0;
}

const pu_feature pu__feature_amihud_change_10_60 = {
    .name = "amihud_change_10_60",
    .version = 1,
    .description = "Log of the illiquidity of the last 10 bars over that of the last 60, 0 where either is nil.",
    .tags = "volume,liquidity",
    .source = "Amihud 2002, eq. 1, over two windows",
    .needs_volume = true,
    PU__PARAMETERS(change_names, 10, 60),
    .lookback_bars = 60,
    PU__UPDATE(illiquidity_state, change_update),
};
