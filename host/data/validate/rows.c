/* Kinds that look at one bar, or at a bar and the one before. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "host/data/validate/inspect.h"

static void finite_bar(pu__watch *watch, const pu__sight *sight) {
    const pu__bar *b = sight->bar;
    const bool prices =
        isfinite(b->open) && isfinite(b->high) && isfinite(b->low) && isfinite(b->close) && isfinite(b->adjusted);
    if (prices && !isinf(b->volume)) return; /* NaN is how a missing volume is stored */
    pu__report(watch, b->ts, b, 1, "open %g high %g low %g close %g adjusted %g volume %g: not all are numbers",
               b->open, b->high, b->low, b->close, b->adjusted, b->volume);
}

const pu__check_kind pu__check_kind_finite = {
    .name = "finite",
    .finds = "A price that is NaN or infinite, or an infinite volume. A missing volume is not one of them: see "
             "`partial_volume`.",
    .bar = finite_bar,
};

static bool within(double value, double low, double high) { return value >= low && value <= high; }

static void range_bar(pu__watch *watch, const pu__sight *sight) {
    const pu__bar *b = sight->bar;
    const double low = pu__value(watch, 0), high = pu__value(watch, 1), volume_high = pu__value(watch, 2);
    const bool prices = within(b->open, low, high) && within(b->high, low, high) && within(b->low, low, high) &&
                        within(b->close, low, high) && within(b->adjusted, low, high);
    if (!prices) {
        pu__report(watch, b->ts, b, 1, "open %g high %g low %g close %g adjusted %g: a price is not from %g to %g",
                   b->open, b->high, b->low, b->close, b->adjusted, low, high);
    } else if (!isnan(b->volume) && !within(b->volume, 0, volume_high)) {
        pu__report(watch, b->ts, b, 1, "the volume %g is not from 0 to %g", b->volume, volume_high);
    }
}

const pu__check_kind pu__check_kind_range = {
    .name = "range",
    .finds = "A price outside price_min to price_max, or a volume below 0 or above volume_max. NaN is outside.",
    .parameter_count = 3,
    .parameter = {{"price_min", 1e-12, 1e-300, 1e300, "lowest price accepted; never 0"},
                  {"price_max", 1e9, 1e-300, 1e300, "highest price accepted"},
                  {"volume_max", 1e18, 0, 1e300, "highest volume accepted"}},
    .bar = range_bar,
};

static void order_bar(pu__watch *watch, const pu__sight *sight) {
    const pu__bar *b = sight->bar;
    const double slack = pu__value(watch, 0);
    const double low = b->low * (1 - slack), high = b->high * (1 + slack);
    if (isfinite(low) && isfinite(high) && b->high >= b->low && within(b->open, low, high) &&
        within(b->close, low, high))
        return;
    pu__report(watch, b->ts, b, 1, "open %.8g high %.8g low %.8g close %.8g: not low <= open, close <= high",
               b->open, b->high, b->low, b->close);
}

const pu__check_kind pu__check_kind_ohlc_order = {
    .name = "ohlc_order",
    .finds = "High below low, or open or close outside low to high. NaN is out of order.",
    .parameter_count = 1,
    .parameter = {{"tolerance_ratio", PU__BAR_TOLERANCE, 0, 1,
                   "share of the price by which open and close may leave low to high, for rounding"}},
    .bar = order_bar,
};

static void time_bar(pu__watch *watch, const pu__sight *sight) {
    const pu__bar *b = sight->bar;
    if (!sight->previous || b->ts > sight->previous->ts) return;
    char before[32];
    pu_bar_time_format(sight->previous->ts, sight->asset->bar_s, before);
    pu__report(watch, b->ts, b, 1, "%s the bar before it, at %s",
               b->ts == sight->previous->ts ? "has the time of" : "is earlier than", before);
}

const pu__check_kind pu__check_kind_time_order = {
    .name = "time_order",
    .finds = "A bar that is not later than the one before: times have to rise, and be unique.",
    .bar = time_bar,
};

static void spike_bar(pu__watch *watch, const pu__sight *sight) {
    const pu__bar *b = sight->bar;
    const double factor = pu__value(watch, 0);
    const double top = fmax(b->open, b->close), bottom = fmin(b->open, b->close);
    if (b->high > factor * top || b->low * factor < bottom) {
        pu__report(watch, b->ts, b, 1, "high %.6g, low %.6g beside open %.6g and close %.6g: a bad tick?", b->high,
                   b->low, b->open, b->close);
    }
}

const pu__check_kind pu__check_kind_spike = {
    .name = "spike",
    .finds =
        "A high above open and close times factor_min, or a low below them over factor_min, that the bar itself "
        "takes back: a bad tick.",
    .parameter_count = 1,
    .parameter = {{"factor_min", 2, 1, 1e6, "more than this is a spike"}},
    .bar = spike_bar,
};

static void jump_bar(pu__watch *watch, const pu__sight *sight) {
    const pu__bar *b = sight->bar;
    const double size = fabs(sight->log_return);
    /* The second is cheap, and decides for nearly every bar. */
    if (!(size > pu__value(watch, 1) * sight->habit && size > log(pu__value(watch, 0)))) return;
    char habit[64] = "too few bars before it to know its habit";
    if (sight->habit > 0) snprintf(habit, sizeof habit, "%.1f deviations", size / sight->habit);
    pu__report(watch, b->ts, b, 1, "the close is %.4g times the one before (%.6g to %.6g; %s)",
               exp(sight->log_return), sight->previous->close, b->close, habit);
}

const pu__check_kind pu__check_kind_jump = {
    .name = "jump",
    .finds = "An adjusted close beyond factor_min times, or 1 / factor_min times, the one before, and beyond "
             "deviations_min of the asset's own habit: 1.4826 times the median absolute log return of the 60 bars "
             "before (no bar after); with fewer than 20 of them the factor alone decides.",
    .parameter_count = 2,
    .parameter = {{"factor_min", 1.35, 1, 1e9, "more than this factor, up or down"},
                  {"deviations_min", 8, 0, 1e6, "and more than this many deviations"}},
    .bar = jump_bar,
};

static void adjustment_bar(pu__watch *watch, const pu__sight *sight) {
    const pu__bar *b = sight->bar, *p = sight->previous;
    if (!p || sight->has_action) return;
    const double factor = b->adjusted / b->close / (p->adjusted / p->close);
    const double most = 1 + pu__value(watch, 0);
    if (factor <= most && factor * most >= 1) return;
    pu__report(watch, b->ts, b, 1,
               "adjusted / close changes by %.4g times (%.6g / %.6g to %.6g / %.6g), and no split or dividend is "
               "stored for it",
               factor, p->adjusted, p->close, b->adjusted, b->close);
}

const pu__check_kind pu__check_kind_adjustment_jump = {
    .name = "adjustment_jump",
    .finds =
        "A change of adjusted over close from one bar to the next by more than ratio_max, up or down, without a "
        "corporate action stored between them. Files without actions change it at every dividend: the "
        "built-in limit lets those pass.",
    .parameter_count = 1,
    .parameter = {{"ratio_max", 0.2, 0, 1e6, "largest change accepted: 0.2 is a fifth"}},
    .bar = adjustment_bar,
};

typedef struct stale_state {
    pu__bar first;
    int64_t bars; /* of the run so far; 0: none */
} stale_state;

static void stale_close(pu__watch *watch) {
    const stale_state *run = watch->state;
    if (run->bars < (int64_t)pu__value(watch, 0)) return;
    pu__report(watch, run->first.ts, &run->first, run->bars,
               "%" PRId64 " bars from here stand at %.6g without any range", run->bars, run->first.close);
}

static void stale_bar(pu__watch *watch, const pu__sight *sight) {
    stale_state *run = watch->state;
    const pu__bar *b = sight->bar;
    const bool flat = b->high == b->low;
    if (flat && run->bars > 0 && b->close == run->first.close) {
        ++run->bars;
        return;
    }
    stale_close(watch);
    run->bars = flat;
    if (flat) run->first = *b;
}

static void stale_end(pu__watch *watch, const pu__sight *last) {
    (void)last;
    stale_close(watch);
}

const pu__check_kind pu__check_kind_stale = {
    .name = "stale",
    .finds = "The same price, without any range, for bars_min bars in a row: a feed that stood still, or a market "
             "that did not trade. Reported at the first of them.",
    .parameter_count = 1,
    .parameter = {{"bars_min", 20, 2, 1e9, "this many bars or more"}},
    .state_bytes = sizeof(stale_state),
    .bar = stale_bar,
    .end = stale_end,
};
