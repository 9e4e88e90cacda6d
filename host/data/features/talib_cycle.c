/* TA-Lib's cycle indicators: Ehlers' dominant cycle by the Hilbert transform (Rocket Science for Traders, 2001).
 *
 * The smoothed price is detrended and split into its in-phase and quadrature parts; the angle between two bars gives
 * the period. All memory starts at zero at the parameter's first bar, which is TA-Lib's for each output. */
#include "host/data/features/window.h"

enum { LAGS = 8, PRICES = 64, SMOOTH_BARS = 4, PERIOD_MIN_BARS = 6, PERIOD_MAX_BARS = 50 };
#define DEGREES (180 / M_PI)

static const char *const first_name[] = {"first_bar"};

typedef struct phasor {
    double re, im;
} phasor;

/* `time` counts the bars; lags and prices are rings by it. */
typedef struct cycle_state {
    int64_t time;
    double price[PRICES], smooth[PRICES];
    double detrender[LAGS], in_phase[LAGS], quadrature[LAGS];
    phasor now, last, product; /* smoothed: the phasor, that of the bar before, their product */
    double period, smooth_period;
    double phase, last_phase;
    double means[SMOOTH_BARS]; /* of the price over one period, the latest first */
    phasor sine, last_sine;    /* re: sine of the phase, im: the lead sine */
    int bars_in_trend;
} cycle_state;

static double *at(double *ring, int size, int64_t time) { return &ring[time & (size - 1)]; }

/* Ehlers' Hilbert transform: taps at lags 0, 2, 4, 6. */
static double transform(double *ring, int size, int64_t time, double gain) {
    const double a = 0.0962, b = 0.5769;
    return (a * (*at(ring, size, time) - *at(ring, size, time - 6)) +
            b * (*at(ring, size, time - 2) - *at(ring, size, time - 4))) *
           gain;
}

static void next_period(cycle_state *state) {
    const double last = state->period;
    double period = last;
    if (state->product.im != 0 && state->product.re != 0)
        period = 360 / (atan(state->product.im / state->product.re) * DEGREES);
    period = fmax(fmin(period, 1.5 * last), 0.67 * last);
    period = fmin(fmax(period, PERIOD_MIN_BARS), PERIOD_MAX_BARS);
    state->period = 0.2 * period + 0.8 * last;
    state->smooth_period = 0.33 * state->period + 0.67 * state->smooth_period;
}

/* False before the first bar; then the period is known. */
static bool cycle_push(cycle_state *state, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const int64_t t = state->time = index;
    *at(state->price, PRICES, t) = bar->close;
    if ((double)t < parameters[0]) return false;
    double smooth = 0;
    for (int i = 0; i < SMOOTH_BARS; ++i) smooth += (SMOOTH_BARS - i) * *at(state->price, PRICES, t - i);
    *at(state->smooth, PRICES, t) = smooth / 10;
    const double gain = 0.075 * state->period + 0.54;
    const double detrended = transform(state->smooth, PRICES, t, gain);
    *at(state->detrender, LAGS, t) = fabs(detrended) > PU__ZERO_RATIO * smooth ? detrended : 0;
    const double quadrature = transform(state->detrender, LAGS, t, gain);
    const double in_phase = *at(state->detrender, LAGS, t - 3);
    *at(state->in_phase, LAGS, t) = in_phase;
    *at(state->quadrature, LAGS, t) = quadrature;
    const double turned_in_phase = transform(state->in_phase, LAGS, t, gain);
    const double turned_quadrature = transform(state->quadrature, LAGS, t, gain);
    state->last = state->now;
    state->now.re = 0.2 * (in_phase - turned_quadrature) + 0.8 * state->last.re;
    state->now.im = 0.2 * (quadrature + turned_in_phase) + 0.8 * state->last.im;
    const phasor now = state->now, last = state->last;
    state->product.re = 0.2 * (now.re * last.re + now.im * last.im) + 0.8 * state->product.re;
    state->product.im = 0.2 * (now.re * last.im - now.im * last.re) + 0.8 * state->product.im;
    next_period(state);
    return true;
}

/* The phase of the smoothed price at the dominant period, in degrees. */
static void next_phase(cycle_state *state) {
    const int bars = (int)(state->smooth_period + 0.5);
    const double angle = bars > 0 ? 2 * M_PI / bars : 0;
    const phasor step = {cos(angle), sin(angle)};
    phasor sum = {0, 0}, turn = {1, 0};
    for (int i = 0; i < bars; ++i) {
        const double smooth = *at(state->smooth, PRICES, state->time - i);
        sum.re += turn.re * smooth;
        sum.im += turn.im * smooth;
        turn = (phasor){turn.re * step.re - turn.im * step.im, turn.re * step.im + turn.im * step.re};
    }
    state->last_phase = state->phase;
    if (sum.re != 0) {
        state->phase = atan(sum.im / sum.re) * DEGREES;
    } else {
        state->phase += 90 * ((sum.im > 0) - (sum.im < 0));
    }
    state->phase += 90 + 360 / state->smooth_period + (sum.re < 0 ? 180 : 0);
    if (state->phase > 315) state->phase -= 360;
    state->last_sine = state->sine;
    state->sine = (phasor){sin(state->phase / DEGREES), sin((state->phase + 45) / DEGREES)};
}

/* The mean price over one period, smoothed: a price without its dominant cycle. */
static double next_trendline(cycle_state *state) {
    const int bars = (int)(state->smooth_period + 0.5);
    double sum = 0, trend = 0;
    for (int i = 0; i < bars; ++i) sum += *at(state->price, PRICES, state->time - i);
    for (int i = SMOOTH_BARS - 1; i > 0; --i) state->means[i] = state->means[i - 1];
    state->means[0] = bars > 0 ? sum / bars : 0;
    for (int i = 0; i < SMOOTH_BARS; ++i) trend += (SMOOTH_BARS - i) * state->means[i];
    return trend / 10;
}

static double period_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    cycle_state *state = memory;
    return cycle_push(state, parameters, bar, index) ? state->smooth_period : NAN;
}

static double in_phase_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    cycle_state *state = memory;
    return cycle_push(state, parameters, bar, index) ? *at(state->in_phase, LAGS, index) : NAN;
}

static double quadrature_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    cycle_state *state = memory;
    return cycle_push(state, parameters, bar, index) ? *at(state->quadrature, LAGS, index) : NAN;
}

static double phase_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    cycle_state *state = memory;
    if (!cycle_push(state, parameters, bar, index)) return NAN;
    next_phase(state);
    return state->phase;
}

static double sine_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const cycle_state *state = memory;
    return isnan(phase_update(memory, parameters, bar, index)) ? NAN : state->sine.re;
}

static double leadsine_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    const cycle_state *state = memory;
    return isnan(phase_update(memory, parameters, bar, index)) ? NAN : state->sine.im;
}

static double trendline_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    cycle_state *state = memory;
    return cycle_push(state, parameters, bar, index) ? next_trendline(state) : NAN;
}

/* A cycle begins where sine and lead sine cross and lasts half a period, or while the phase turns as a cycle's does;
 * a price 1.5% off the trendline is a trend all the same. */
static double trendmode_update(void *memory, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    cycle_state *state = memory;
    if (isnan(phase_update(memory, parameters, bar, index))) return NAN;
    const double trendline = next_trendline(state), turn = 360 / state->smooth_period;
    const bool rises = state->sine.re > state->sine.im && state->last_sine.re <= state->last_sine.im;
    const bool falls = state->sine.re < state->sine.im && state->last_sine.re >= state->last_sine.im;
    if (rises || falls) state->bars_in_trend = 0;
    state->bars_in_trend += 1;
    const double turned = state->phase - state->last_phase;
    bool is_trend = !rises && !falls && state->bars_in_trend >= 0.5 * state->smooth_period;
    if (turned > 0.67 * turn && turned < 1.5 * turn) is_trend = false;
    const double smooth = *at(state->smooth, PRICES, index);
    if (trendline != 0 && fabs((smooth - trendline) / trendline) >= 0.015) is_trend = true;
    return is_trend;
}

#define CYCLE(formula, first, lookback, function)                                                 \
    .version = 1, .source = "TA-Lib " formula "; Ehlers 2001", PU__PARAMETERS(first_name, first), \
    .lookback_bars = lookback, PU__UPDATE(cycle_state, function)

const pu_feature pu__feature_ht_dcperiod = {
    .name = "ht_dcperiod",
    .description = "Period of the dominant cycle in bars, 6 to 50.",
    .tags = "cycle,talib",
    CYCLE("HT_DCPERIOD", 12, 32, period_update),
};
const pu_feature pu__feature_ht_phasor_inphase = {
    .name = "ht_phasor_inphase",
    .description = "In-phase part of the detrended price.",
    .tags = "cycle,talib,level",
    CYCLE("HT_PHASOR, in phase", 12, 32, in_phase_update),
};
const pu_feature pu__feature_ht_phasor_quadrature = {
    .name = "ht_phasor_quadrature",
    .description = "Quadrature part of the detrended price.",
    .tags = "cycle,talib,level",
    CYCLE("HT_PHASOR, quadrature", 12, 32, quadrature_update),
};
const pu_feature pu__feature_ht_dcphase = {
    .name = "ht_dcphase",
    .description = "Phase of the dominant cycle in degrees, -45 to 315.",
    .tags = "cycle,talib",
    CYCLE("HT_DCPHASE", 37, 63, phase_update),
};
const pu_feature pu__feature_ht_sine = {
    .name = "ht_sine",
    .description = "Sine of the dominant cycle's phase.",
    .tags = "cycle,talib",
    CYCLE("HT_SINE, sine", 37, 63, sine_update),
};
const pu_feature pu__feature_ht_leadsine = {
    .name = "ht_leadsine",
    .description = "Sine of the dominant cycle's phase, 45 degrees ahead.",
    .tags = "cycle,talib",
    CYCLE("HT_SINE, lead sine", 37, 63, leadsine_update),
};
const pu_feature pu__feature_ht_trendline = {
    .name = "ht_trendline",
    .description = "Mean close over the dominant period: the price without its dominant cycle.",
    .tags = "cycle,talib,level",
    CYCLE("HT_TRENDLINE", 37, 63, trendline_update),
};
const pu_feature pu__feature_ht_trendmode = {
    .name = "ht_trendmode",
    .description = "1 in a trend, 0 in a cycle.",
    .tags = "cycle,talib",
    CYCLE("HT_TRENDMODE", 37, 63, trendmode_update),
};
