/* Volatility from open, high, low and close that allows for drift and for gaps. */
#include "host/data/features/window.h"

static const char *const bars_name[] = {"bars"};

/* Zero but for rounding, at any drift: Rogers & Satchell 1991. */
static double rogers_satchell(const pu_feature_bar *bar) {
    const double high = log(bar->high / bar->open), low = log(bar->low / bar->open);
    const double close = log(bar->close / bar->open);
    return high * (high - close) + low * (low - close);
}

static double rogers_satchell_update(void *memory, const double *parameters, const pu_feature_bar *bar,
                                     int64_t index) {
    (void)index;
    const int bars = (int)parameters[0];
    const double *window = pu__roll_push(memory, bars, rogers_satchell(bar));
    return window ? sqrt(fmax(pu__sum(window, bars) / bars, 0)) : NAN;
}

const pu_feature pu__feature_rogers_satchell_20 = {
    .name = "rogers_satchell_20",
    .version = 1,
    .description = "Volatility per bar from open, high, low and close of the last 20 bars, free of drift.",
    .tags = "volatility,range",
    .source = "Rogers & Satchell 1991: sqrt(mean(h (h - c) + l (l - c))), h, l, c = ln(high, low, close / open)",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 19,
    PU__UPDATE(pu__roll, rogers_satchell_update),
};

typedef struct yang_zhang_state {
    double close;
    pu__roll gap, body, inside;
} yang_zhang_state;

static double sample_variance(const double *x, int n) {
    return pu__variance(x, n, pu__sum(x, n) / n) * n / (n - 1);
}

static double yang_zhang_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    yang_zhang_state *state = memory;
    const int n = (int)parameters[0];
    const double last = state->close;
    state->close = bar->close;
    if (index == 0) return NAN;
    const double *gap = pu__roll_push(&state->gap, n, log(bar->open / last));
    const double *body = pu__roll_push(&state->body, n, log(bar->close / bar->open));
    const double *inside = pu__roll_push(&state->inside, n, rogers_satchell(bar));
    if (!gap || !body || !inside) return NAN;
    const double k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0));
    const double drift_free = pu__sum(inside, n) / n;
    return sqrt(fmax(sample_variance(gap, n) + k * sample_variance(body, n) + (1 - k) * drift_free, 0));
}

const pu_feature pu__feature_yang_zhang_20 = {
    .name = "yang_zhang_20",
    .version = 1,
    .description = "Volatility per bar from gaps, bodies and ranges of the last 20 bars, free of drift.",
    .tags = "volatility,range",
    .source = "Yang & Zhang 2000, eq. 10: sqrt(Vo + k Vc + (1 - k) Vrs), k = 0.34 / (1.34 + (n + 1) / (n - 1)), "
              "variances with ddof 1",
    PU__PARAMETERS(bars_name, 20),
    .lookback_bars = 20,
    PU__UPDATE(yang_zhang_state, yang_zhang_update),
};
