#include "host/sim/shocks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"

static const double decay_rate = 3.0;
static const double multiple_most = 1e3, volume_least = 1e-9; /* what kernels/paths takes */

static const char *const kind_names[PU__SHOCK_KINDS] = {"gap",      "flash_crash", "volatility",
                                                        "reversal", "correlation", "liquidity"};

const char *pu__shock_kind_name(pu__shock_kind kind) { return kind_names[kind]; }

static double share_of(const pu__shock *shock, int64_t i) {
    const double bars = (double)shock->bars, at = (double)i;
    switch (shock->shape) {
    case PU__SHAPE_DECAY: return exp(-decay_rate * at / bars);
    case PU__SHAPE_RAMP: return (at + 1.0) / bars;
    case PU__SHAPE_TRIANGLE: return fmin(at + 1.0, bars - at) / ceil(0.5 * bars);
    default: return 1.0;
    }
}

/* Step 0 leads to bar 1. */
static int64_t first_step(const pu__shock *shock, int64_t steps) {
    if (shock->at_bar > 0) return shock->at_bar - 1;
    const int64_t step = (int64_t)floor(shock->at * (double)steps);
    return step < steps ? step : steps - 1;
}

static int64_t length_of(const pu__shock *shock) {
    return shock->bars + (shock->kind == PU__SHOCK_FLASH_CRASH ? shock->recovery_bars : 0);
}

static pu_status fail_at(const pu__scenario *scenario, const pu__shock *shock, const char *what) {
    return pu_fail(PU_ERR_CONFIG, "%s:%lld: scenario %s, %s: %s", scenario->source, (long long)shock->line,
                   scenario->name, kind_names[shock->kind], what);
}

static bool names(const pu__shock *shock, const char *symbol) {
    for (int i = 0; i < shock->asset_count; ++i) {
        if (strcmp(shock->asset[i], symbol) == 0) return true;
    }
    return shock->asset_count == 0;
}

static pu_status check_symbol(const pu__scenario *scenario, const pu__shock *shock, const char *symbol, int assets,
                              const pu_asset *asset) {
    const char *nearest = NULL;
    int best = 3; /* edits */
    char text[256];
    for (int a = 0; a < assets; ++a) {
        const int distance = pu__edit_distance(symbol, asset[a].symbol);
        if (distance == 0) return PU_OK;
        if (distance < best) nearest = asset[a].symbol;
        best = distance < best ? distance : best;
    }
    snprintf(text, sizeof text, "there is no asset %.64s among those that are simulated%s%s%s", symbol,
             nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return fail_at(scenario, shock, text);
}

pu_status pu__scenario_check(const pu__scenario *scenario, int64_t steps, int assets, const pu_asset *asset) {
    for (int i = 0; i < scenario->shock_count; ++i) {
        const pu__shock *shock = &scenario->shock[i];
        for (int a = 0; a < shock->asset_count; ++a)
            PU_TRY(check_symbol(scenario, shock, shock->asset[a], assets, asset));
        if (shock->at_bar <= steps) continue;
        char text[128];
        snprintf(text, sizeof text, "at_bar %lld lies behind the horizon of %lld bars", (long long)shock->at_bar,
                 (long long)steps);
        return fail_at(scenario, shock, text);
    }
    return PU_OK;
}

int pu__scenario_cut(const pu__scenario *scenario, int64_t steps) {
    int cut = 0;
    for (int i = 0; i < scenario->shock_count; ++i)
        cut += first_step(&scenario->shock[i], steps) + length_of(&scenario->shock[i]) > steps;
    return cut;
}

/* What a severity may ask for. */
static pu_status check_severity(const pu__scenario *scenario, const pu__shock *shock, double severity) {
    char text[160];
    const double size = shock->size * severity;
    const bool moves = shock->kind == PU__SHOCK_GAP || shock->kind == PU__SHOCK_FLASH_CRASH;
    if (moves && !(size > -0.9999)) {
        snprintf(text, sizeof text,
                 "%g times severity %g leaves no price: at most %.3g of this scenario is possible", shock->size,
                 severity, 0.999 / -shock->size);
        return fail_at(scenario, shock, text);
    }
    if (shock->kind == PU__SHOCK_CORRELATION && !(size <= 1.0)) {
        snprintf(text, sizeof text,
                 "%g times severity %g is a correlation above 1: at most %.3g of this scenario is possible",
                 shock->size, severity, 1.0 / shock->size);
        return fail_at(scenario, shock, text);
    }
    const bool liquidity = shock->kind == PU__SHOCK_LIQUIDITY;
    const double multiple = 1.0 + ((liquidity ? shock->spread : shock->size) - 1.0) * severity;
    if ((liquidity || shock->kind == PU__SHOCK_VOLATILITY) && !(multiple >= 0.0 && multiple <= multiple_most)) {
        snprintf(text, sizeof text, "severity %g makes it a multiple of %g: 0 to %g", severity, multiple,
                 multiple_most);
        return fail_at(scenario, shock, text);
    }
    if (liquidity && !(pow(shock->volume, severity) >= volume_least)) {
        snprintf(text, sizeof text, "volume %g to the power of severity %g leaves nothing to trade with",
                 shock->volume, severity);
        return fail_at(scenario, shock, text);
    }
    return PU_OK;
}

/* The part of a move of the log-price that its i-th bar takes. */
static double move_of(const pu__shock *shock, double severity, int64_t i, double share_sum) {
    const double size = shock->size * severity;
    if (shock->kind == PU__SHOCK_GAP) return log1p(size) * share_of(shock, i) / share_sum;
    if (i < shock->bars) return log1p(size) / (double)shock->bars;
    const double left = size * (1.0 - shock->recovery);
    return (log1p(left) - log1p(size)) / (double)shock->recovery_bars;
}

/* A product beyond what a float holds stays beyond every limit. */
static float scaled(float value, double by) { return (float)fmin((double)value * by, 1e30); }

static void apply(const pu__shock *shock, double severity, int64_t i, double share_sum, pu__path_shock *to) {
    const double share = i < shock->bars ? share_of(shock, i) : 0.0, part = severity * share;
    switch (shock->kind) {
    case PU__SHOCK_VOLATILITY:
        to->volatility_scale = scaled(to->volatility_scale, 1.0 + (shock->size - 1.0) * part);
        break;
    case PU__SHOCK_REVERSAL: to->drift_scale = scaled(to->drift_scale, 1.0 + (shock->size - 1.0) * part); break;
    case PU__SHOCK_CORRELATION: to->correlation = fmaxf(to->correlation, (float)(shock->size * part)); break;
    case PU__SHOCK_LIQUIDITY:
        to->volume_scale = scaled(to->volume_scale, pow(shock->volume, part));
        to->spread_scale = scaled(to->spread_scale, 1.0 + (shock->spread - 1.0) * part);
        break;
    default: to->shift = (float)((double)to->shift + move_of(shock, severity, i, share_sum));
    }
}

static void lay(const pu__shock *shock, double severity, int64_t steps, int assets, const pu_asset *asset,
                pu__path_shock *out) {
    const int64_t first = first_step(shock, steps);
    double share_sum = 0.0;
    for (int64_t i = 0; i < shock->bars; ++i) share_sum += share_of(shock, i);
    for (int64_t i = 0; i < length_of(shock) && first + i < steps; ++i) {
        for (int a = 0; a < assets; ++a) {
            if (names(shock, asset[a].symbol))
                apply(shock, severity, i, share_sum, &out[(first + i) * assets + a]);
        }
    }
}

/* What shocks add up to where they meet, in the ranges that kernels/paths takes. */
static pu_status check_sum(const pu__scenario *scenario, double severity, int64_t bar, const pu__path_shock *sum) {
    const bool within = fabsf(sum->shift) <= 50.0f && (double)sum->volatility_scale <= multiple_most &&
                        fabs((double)sum->drift_scale) <= multiple_most &&
                        (double)sum->spread_scale <= multiple_most && (double)sum->volume_scale >= volume_least;
    if (within) return PU_OK;
    return pu_fail(
        PU_ERR_CONFIG,
        "%s:%lld: scenario %s: its shocks together are too much at bar %lld and severity %g: a multiple "
        "above %g, or no volume",
        scenario->source, (long long)scenario->line, scenario->name, (long long)bar, severity, multiple_most);
}

pu_status pu__scenario_overlay(const pu__scenario *scenario, double severity, int64_t steps, int assets,
                               const pu_asset *asset, pu__path_shock *shock) {
    for (int64_t i = 0; i < steps * assets; ++i)
        shock[i] = (pu__path_shock){
            .volatility_scale = 1.0f, .drift_scale = 1.0f, .volume_scale = 1.0f, .spread_scale = 1.0f};
    for (int i = 0; i < scenario->shock_count; ++i) {
        PU_TRY(check_severity(scenario, &scenario->shock[i], severity));
        lay(&scenario->shock[i], severity, steps, assets, asset, shock);
    }
    for (int64_t i = 0; i < steps * assets; ++i) PU_TRY(check_sum(scenario, severity, i / assets + 1, &shock[i]));
    return PU_OK;
}

/* ---- words ---- */

static void when(const pu__shock *shock, char *out, size_t room) {
    if (shock->at_bar > 0) snprintf(out, room, "From bar %lld", (long long)shock->at_bar);
    else snprintf(out, room, "From %.3g %% of the horizon", 100.0 * shock->at);
}

static void length_words(int64_t bars, char *out, size_t room) {
    if (bars == 1) snprintf(out, room, "in one bar");
    else snprintf(out, room, "over %lld bars", (long long)bars);
}

void pu__shock_text(const pu__shock *shock, char *out, size_t room) {
    static const char *const shapes[PU__SHAPE_COUNT] = {"", ", dying away", ", building up",
                                                        ", rising and falling"};
    char at[64], length[64], back[64], who[96] = "";
    when(shock, at, sizeof at);
    length_words(shock->bars, length, sizeof length);
    length_words(shock->recovery_bars, back, sizeof back);
    if (shock->asset_count > 0)
        snprintf(who, sizeof who, " (%.40s%s)", shock->asset[0], shock->asset_count > 1 ? " and others" : " only");
    const char *shape = shapes[shock->shape];
    switch (shock->kind) {
    case PU__SHOCK_GAP:
        snprintf(out, room, "%s the price moves by %+.4g %% %s%s%s.", at, 100.0 * shock->size, length, shape, who);
        break;
    case PU__SHOCK_FLASH_CRASH:
        snprintf(out, room, "%s the price moves by %+.4g %% %s, of which %.3g %% come back %s%s.", at,
                 100.0 * shock->size, length, 100.0 * shock->recovery, back, who);
        break;
    case PU__SHOCK_VOLATILITY:
        snprintf(out, room, "%s volatility is %.4g times as large %s%s%s.", at, shock->size, length, shape, who);
        break;
    case PU__SHOCK_REVERSAL:
        snprintf(out, room, "%s the mean return is multiplied by %.4g %s%s%s.", at, shock->size, length, shape,
                 who);
        break;
    case PU__SHOCK_CORRELATION:
        snprintf(out, room, "%s a common factor takes %.4g of the variance of all assets %s%s.", at, shock->size,
                 length, shape);
        break;
    default:
        snprintf(out, room, "%s volume is %.4g times and the spread %.4g times the usual %s%s%s.", at,
                 shock->volume, shock->spread, length, shape, who);
    }
}
