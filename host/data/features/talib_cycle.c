/* TA-Lib's cycle indicators: Ehlers' dominant cycle by the Hilbert transform (Rocket Science for Traders, 2001).
 *
 * The smoothed price is detrended and split into its in-phase and quadrature parts; the angle between two bars gives
 * the period. All memory starts at zero at the parameter's first bar, which is TA-Lib's for each output. */
#include <pthread.h>

#include "host/data/features/columns.h"

enum {
    TAPS_BARS = 6,   /* the longest lag of the transform */
    BEFORE = 56,     /* bars that lie in front of a block of prices: the longest period, in whole vectors */
    SMOOTH_BARS = 4, /* weights 4, 3, 2, 1 */
    PERIOD_MIN_BARS = 6,
    PERIOD_MAX_BARS = 50,
    VECTOR = 8
};
#define DEGREES (180 / M_PI)

static const char *const first_name[] = {"first_bar"};

typedef struct phasor {
    double re, im;
} phasor;

typedef struct cycle_state {
    pu__tail price, smooth, detrender, quadrature;
    phasor now, product; /* smoothed: the phasor, and its product with that of the bar before */
    double period, smooth_period;
    double phase, last_phase;
    pu__tail mean;          /* of the price over one period */
    phasor sine, last_sine; /* re: sine of the phase, im: the lead sine */
    int bars_in_trend;
} cycle_state;

/* What all of them are made of, a value for each bar of the block; 0 before the first. */
typedef struct cycle {
    pu__span prices, smooths, detrenders, quadratures;
    const double *price;
    double *smooth, *detrender, *quadrature;
    double period[PU__BLOCK_BARS]; /* smoothed */
} cycle;

/* Ehlers' Hilbert transform without its gain: taps at lags 0, 2, 4, 6. */
static inline double transform(const double *x) {
    const double a = 0.0962, b = 0.5769;
    return a * (x[0] - x[-6]) + b * (x[-2] - x[-4]);
}

static inline double clamp(double x, double least, double most) {
    const double low = x > least ? x : least;
    return low < most ? low : most;
}

static inline double next_period(double last, phasor product) {
    double period = last;
    if (product.im != 0 && product.re != 0) period = 360 / (atan(product.im / product.re) * DEGREES);
    period = period < 1.5 * last ? period : 1.5 * last;
    period = period > 0.67 * last ? period : 0.67 * last;
    return 0.2 * clamp(period, PERIOD_MIN_BARS, PERIOD_MAX_BARS) + 0.8 * last;
}

/* From the smoothed price to the period, bar by bar: the gain depends on the last period. */
static inline void follow(cycle_state *state, int begin, int count, cycle *out) {
    phasor now = state->now, product = state->product;
    double period = state->period, smooth_period = state->smooth_period;
    for (int t = 0; t < begin; ++t) out->detrender[t] = out->quadrature[t] = out->period[t] = 0;
    for (int t = begin; t < count; ++t) {
        const double gain = 0.075 * period + 0.54, detrended = transform(out->smooth + t) * gain;
        out->detrender[t] = fabs(detrended) > PU__ZERO_RATIO * out->smooth[t] ? detrended : 0;
        const double *in_phase = out->detrender + t - 3;
        const double quadrature = out->quadrature[t] = transform(out->detrender + t) * gain;
        const phasor turned = {transform(in_phase) * gain, transform(out->quadrature + t) * gain}, last = now;
        now.re = 0.2 * (*in_phase - turned.im) + 0.8 * last.re;
        now.im = 0.2 * (quadrature + turned.re) + 0.8 * last.im;
        product.re = 0.2 * (now.re * last.re + now.im * last.im) + 0.8 * product.re;
        product.im = 0.2 * (now.re * last.im - now.im * last.re) + 0.8 * product.im;
        period = next_period(period, product);
        smooth_period = 0.33 * period + 0.67 * smooth_period;
        out->period[t] = smooth_period;
    }
    state->now = now, state->product = product;
    state->period = period, state->smooth_period = smooth_period;
}

static inline void cycle_push(cycle_state *state, const double *parameters, const pu_feature_chunk *block,
                              cycle *out) {
    const int count = (int)block->count, lags = TAPS_BARS + 3;
    const int64_t wait = (int64_t)parameters[0] - block->first;
    const int begin = wait < 0 ? 0 : wait > count ? count : (int)wait;
    out->price = pu__span_of(&state->price, BEFORE, block->close, count, &out->prices);
    out->smooth = pu__span_open(&state->smooth, BEFORE, &out->smooths);
    out->detrender = pu__span_open(&state->detrender, lags, &out->detrenders);
    out->quadrature = pu__span_open(&state->quadrature, TAPS_BARS, &out->quadratures);
    for (int t = 0; t < count; ++t) {
        const double *p = out->price + t;
        out->smooth[t] = t < begin ? 0 : (4 * p[0] + 3 * p[-1] + 2 * p[-2] + p[-3]) / 10;
    }
    follow(state, begin, count, out);
    pu__span_close(&state->smooth, BEFORE, out->smooth, count);
    pu__span_close(&state->detrender, lags, out->detrender, count);
    pu__span_close(&state->quadrature, TAPS_BARS, out->quadrature, count);
}

/* For a period of so many bars: cosines, sines and ones, the oldest first, with zeros in front up to whole vectors. */
static struct {
    double re[PERIOD_MAX_BARS + 1][BEFORE], im[PERIOD_MAX_BARS + 1][BEFORE], one[PERIOD_MAX_BARS + 1][BEFORE];
} waves;

static int in_vectors(int bars) { return (bars + VECTOR - 1) / VECTOR * VECTOR; }

static void make_waves(void) {
    for (int bars = 1; bars <= PERIOD_MAX_BARS; ++bars) {
        for (int back = 0; back < bars; ++back) {
            const int place = in_vectors(bars) - 1 - back;
            waves.re[bars][place] = cos(2 * M_PI * back / bars);
            waves.im[bars][place] = sin(2 * M_PI * back / bars);
            waves.one[bars][place] = 1;
        }
    }
}

static inline void need_waves(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_waves);
}

/* Sum of products with the last values up to x[0]; `vectors` values, a multiple of eight. */
static inline double weigh(const double *weight, const double *x, int vectors) {
    double part[VECTOR] = {0};
    x -= vectors - 1;
    for (int i = 0; i < vectors; i += VECTOR) {
        for (int k = 0; k < VECTOR; ++k) part[k] += weight[i + k] * x[i + k];
    }
    return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

/* The phase of the smoothed price at the dominant period, in degrees. */
static inline double next_phase(double last, const double *smooth, double period) {
    const int bars = (int)(period + 0.5), vectors = in_vectors(bars);
    const phasor sum = {weigh(waves.re[bars], smooth, vectors), weigh(waves.im[bars], smooth, vectors)};
    double phase = last;
    if (sum.re != 0) phase = atan(sum.im / sum.re) * DEGREES;
    else phase += 90 * ((sum.im > 0) - (sum.im < 0));
    phase += 90 + 360 / period + (sum.re < 0 ? 180 : 0);
    return phase > 315 ? phase - 360 : phase;
}

static inline void phases(cycle_state *state, const pu_feature_chunk *block, const double *parameters, cycle *all,
                          double *restrict out) {
    need_waves();
    cycle_push(state, parameters, block, all);
    double phase = state->phase;
    for (int t = 0; t < (int)block->count; ++t) {
        const bool has_begun = (double)(block->first + t) >= parameters[0];
        out[t] = has_begun ? phase = next_phase(phase, all->smooth + t, all->period[t]) : NAN;
    }
    state->phase = phase;
}

/* The mean price over one period, smoothed: a price without its dominant cycle. */
static inline void trendlines(cycle_state *state, const cycle *all, int count, double *restrict out) {
    pu__span span;
    double *mean = pu__span_open(&state->mean, SMOOTH_BARS - 1, &span);
    for (int t = 0; t < count; ++t) {
        const int bars = (int)(all->period[t] + 0.5);
        mean[t] = bars > 0 ? weigh(waves.one[bars], all->price + t, in_vectors(bars)) / bars : 0;
    }
    pu__span_close(&state->mean, SMOOTH_BARS - 1, mean, count);
    for (int t = 0; t < count; ++t) out[t] = (4 * mean[t] + 3 * mean[t - 1] + 2 * mean[t - 2] + mean[t - 3]) / 10;
}

PU__BLOCK(period) {
    cycle all;
    cycle_push(memory, parameters, block, &all);
    memcpy(out, all.period, (size_t)block->count * sizeof *out);
}

PU__BLOCK(in_phase) {
    cycle all;
    cycle_push(memory, parameters, block, &all);
    memcpy(out, all.detrender - 3, (size_t)block->count * sizeof *out);
}

PU__BLOCK(quadrature) {
    cycle all;
    cycle_push(memory, parameters, block, &all);
    memcpy(out, all.quadrature, (size_t)block->count * sizeof *out);
}

PU__BLOCK(phase) {
    cycle all;
    phases(memory, block, parameters, &all, out);
}

PU__BLOCK(sine) {
    cycle all;
    phases(memory, block, parameters, &all, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = sin(out[t] / DEGREES);
}

PU__BLOCK(leadsine) {
    cycle all;
    phases(memory, block, parameters, &all, out);
    for (int t = 0; t < (int)block->count; ++t) out[t] = sin((out[t] + 45) / DEGREES);
}

PU__BLOCK(trendline) {
    cycle all;
    need_waves();
    cycle_push(memory, parameters, block, &all);
    trendlines(memory, &all, (int)block->count, out);
}

/* A cycle begins where sine and lead sine cross and lasts half a period, or while the phase turns as a cycle's does;
 * a price 1.5% off the trendline is a trend all the same. */
static inline bool is_trend(cycle_state *state, double phase, double period, double smooth, double trendline) {
    state->last_phase = state->phase, state->last_sine = state->sine;
    state->phase = phase;
    state->sine = (phasor){sin(phase / DEGREES), sin((phase + 45) / DEGREES)};
    const bool rises = state->sine.re > state->sine.im && state->last_sine.re <= state->last_sine.im;
    const bool falls = state->sine.re < state->sine.im && state->last_sine.re >= state->last_sine.im;
    if (rises || falls) state->bars_in_trend = 0;
    state->bars_in_trend += 1;
    const double turned = state->phase - state->last_phase, turn = 360 / period;
    bool trends = !rises && !falls && state->bars_in_trend >= 0.5 * period;
    if (turned > 0.67 * turn && turned < 1.5 * turn) trends = false;
    if (trendline != 0 && fabs((smooth - trendline) / trendline) >= 0.015) trends = true;
    return trends;
}

PU__BLOCK(trendmode) {
    cycle_state *state = memory;
    cycle all;
    double phase[PU__BLOCK_BARS], trendline[PU__BLOCK_BARS];
    const double last_phase = state->phase;
    phases(state, block, parameters, &all, phase);
    trendlines(state, &all, (int)block->count, trendline);
    state->phase = last_phase;
    for (int t = 0; t < (int)block->count; ++t) {
        out[t] = NAN;
        if ((double)(block->first + t) >= parameters[0])
            out[t] = is_trend(state, phase[t], all.period[t], all.smooth[t], trendline[t]);
    }
}

#define CYCLE(formula, first, lookback, function)                                                 \
    .version = 2, .source = "TA-Lib " formula "; Ehlers 2001", PU__PARAMETERS(first_name, first), \
    .lookback_bars = lookback, PU__BLOCKS(cycle_state, function)

const pu_feature pu__feature_ht_dcperiod = {
    .name = "ht_dcperiod",
    .description = "Period of the dominant cycle in bars, 6 to 50.",
    .tags = "cycle,talib",
    CYCLE("HT_DCPERIOD", 12, 32, period),
};
const pu_feature pu__feature_ht_phasor_inphase = {
    .name = "ht_phasor_inphase",
    .description = "In-phase part of the detrended price.",
    .tags = "cycle,talib,level",
    CYCLE("HT_PHASOR, in phase", 12, 32, in_phase),
};
const pu_feature pu__feature_ht_phasor_quadrature = {
    .name = "ht_phasor_quadrature",
    .description = "Quadrature part of the detrended price.",
    .tags = "cycle,talib,level",
    CYCLE("HT_PHASOR, quadrature", 12, 32, quadrature),
};
const pu_feature pu__feature_ht_dcphase = {
    .name = "ht_dcphase",
    .description = "Phase of the dominant cycle in degrees, -45 to 315.",
    .tags = "cycle,talib",
    CYCLE("HT_DCPHASE", 37, 63, phase),
};
const pu_feature pu__feature_ht_sine = {
    .name = "ht_sine",
    .description = "Sine of the dominant cycle's phase.",
    .tags = "cycle,talib",
    CYCLE("HT_SINE, sine", 37, 63, sine),
};
const pu_feature pu__feature_ht_leadsine = {
    .name = "ht_leadsine",
    .description = "Sine of the dominant cycle's phase, 45 degrees ahead.",
    .tags = "cycle,talib",
    CYCLE("HT_SINE, lead sine", 37, 63, leadsine),
};
const pu_feature pu__feature_ht_trendline = {
    .name = "ht_trendline",
    .description = "Mean close over the dominant period: the price without its dominant cycle.",
    .tags = "cycle,talib,level",
    CYCLE("HT_TRENDLINE", 37, 63, trendline),
};
const pu_feature pu__feature_ht_trendmode = {
    .name = "ht_trendmode",
    .description = "1 in a trend, 0 in a cycle.",
    .tags = "cycle,talib",
    CYCLE("HT_TRENDMODE", 37, 63, trendmode),
};
