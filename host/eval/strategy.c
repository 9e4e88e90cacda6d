#include "host/eval/strategy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/eval/stats.h"
#include "plusultra/memory.h"

static const double level = 0.95;

void pu__strategy_free(pu__strategy *strategy) {
    pu__run_free(&strategy->run);
    pu_free(strategy->drawdown);
    pu_free(strategy->rolling_sharpe);
    *strategy = (pu__strategy){0};
}

pu_status pu__strategy_run(const char *name, const char *label, const pu__panel *panel, int64_t first,
                           const double *weight, const pu__physics_rules *rules, pu__strategy *out) {
    *out = (pu__strategy){
        .name = name, .label = label, .hedged_sharpe = (double)NAN, .hedged_interval = {(double)NAN, (double)NAN}};
    return pu__simulate(panel, first, weight, rules, &out->run);
}

/* The first point is the start; the returns to measure are those of the others. */
static int64_t periods_of(const pu__run *run) { return run->times > 0 ? run->times - 1 : 0; }

static void measure_activity(pu__strategy *s, double periods_per_year) {
    const pu__run *run = &s->run;
    const double times = (double)run->times, periods = (double)periods_of(run);
    double gross = 0.0, net = 0.0, turnover = 0.0, cost = 0.0;
    for (int64_t t = 0; t < run->times; ++t) {
        gross += run->gross[t];
        net += run->net[t];
        turnover += run->turnover[t];
        cost += run->cost[t];
    }
    s->exposure = times > 0.0 ? gross / times : (double)NAN;
    s->net_exposure = times > 0.0 ? net / times : (double)NAN;
    s->turnover = periods > 0.0 ? turnover / periods * periods_per_year : (double)NAN;
    s->cost = periods > 0.0 ? cost / periods * periods_per_year : (double)NAN;
}

static pu_status measure_series(pu__strategy *s, const pu__settings *settings) {
    const pu__run *run = &s->run;
    s->drawdown = pu_calloc((size_t)run->times, sizeof *s->drawdown);
    s->rolling_sharpe = pu_calloc((size_t)run->times, sizeof *s->rolling_sharpe);
    if (!s->drawdown || !s->rolling_sharpe) return PU_ERR_MEMORY;
    const int64_t n = periods_of(run);
    if (run->times == 0) return PU_OK;
    s->rolling_sharpe[0] = (double)NAN;
    pu__drawdowns(n, run->returns + 1, s->drawdown + 1);
    pu__rolling_sharpe(n, run->returns + 1, settings->rolling_bars, settings->periods_per_year,
                       settings->risk_free, s->rolling_sharpe + 1);
    return PU_OK;
}

static pu_status measure_histogram(const pu__run *run, pu__histogram *out) {
    const int64_t n = periods_of(run);
    *out = (pu__histogram){.low = -0.5e-4, .high = 0.5e-4, .bins = PU__BINS_MIN};
    if (n == 0) return PU_OK;
    double *sorted = pu_calloc((size_t)n, sizeof *sorted);
    if (!sorted) return PU_ERR_MEMORY;
    memcpy(sorted, run->returns + 1, (size_t)n * sizeof *sorted);
    pu__sort(n, sorted);
    const double spread = pu__sorted_quantile(n, sorted, 0.75) - pu__sorted_quantile(n, sorted, 0.25);
    const double width = 2.0 * spread / cbrt((double)n), range = sorted[n - 1] - sorted[0];
    out->low += sorted[0];
    out->high += sorted[n - 1];
    if (range > 0.0) {
        out->low = sorted[0];
        out->high = sorted[n - 1];
    }
    if (width > 0.0) out->bins = (int)fmax(PU__BINS_MIN, fmin(ceil(range / width), PU__BINS_MAX));
    for (int64_t i = 0; i < n; ++i) {
        const int bin = (int)((sorted[i] - out->low) / (out->high - out->low) * out->bins);
        ++out->count[bin < out->bins ? bin : out->bins - 1];
    }
    pu_free(sorted);
    return PU_OK;
}

static pu_status measure_hedged(pu__strategy *s, const double *market, const pu__bootstrap_options *options) {
    const int64_t n = periods_of(&s->run);
    if (!market || isnan(s->metrics.beta)) return PU_OK;
    double *hedged = pu_calloc((size_t)n, sizeof *hedged);
    if (!hedged) return PU_ERR_MEMORY;
    for (int64_t i = 0; i < n; ++i)
        hedged[i] = s->run.returns[i + 1] - s->metrics.beta * (market[i] - options->risk_free);
    s->hedged_sharpe = pu__sharpe(n, hedged, options->risk_free) * sqrt(options->periods_per_year);
    pu__intervals intervals;
    const pu_status status = pu__bootstrap(n, hedged, options, &intervals);
    if (status == PU_OK) s->hedged_interval = intervals.sharpe;
    pu_free(hedged);
    return status;
}

pu_status pu__strategy_measure(pu__strategy *strategy, const pu__strategy *market, const pu__settings *settings) {
    const int64_t n = periods_of(&strategy->run);
    const double *r = strategy->run.returns + (n > 0),
                 *b = market && market != strategy ? market->run.returns + (n > 0) : 0;
    const pu__metric_options options = {settings->periods_per_year, settings->risk_free, b, settings->trials};
    const pu__bootstrap_options bootstrap = {
        settings->periods_per_year, settings->risk_free, settings->samples, settings->seed, level, settings->pool};
    PU_TRY(pu__metrics_compute(n, r, &options, &strategy->metrics));
    PU_TRY(pu__bootstrap(n, r, &bootstrap, &strategy->intervals));
    measure_activity(strategy, settings->periods_per_year);
    PU_TRY(measure_series(strategy, settings));
    PU_TRY(measure_histogram(&strategy->run, &strategy->histogram));
    return measure_hedged(strategy, b, &bootstrap);
}

static pu_status total_return_at(const pu__panel *panel, int64_t first, const double *weight,
                                 const pu__settings *settings, double cost_bps, double *out, double *traded) {
    const pu__physics_rules rules = {.fee_ratio = 1e-4 * cost_bps,
                                     .no_trade_weight = settings->rules.no_trade_weight,
                                     .latency_bars = settings->rules.latency_bars};
    pu__run run;
    PU_TRY(pu__simulate(panel, first, weight, &rules, &run));
    *out = run.times > 0 ? run.equity[run.times - 1] - 1.0 : 0.0;
    *traded = run.traded;
    pu__run_free(&run);
    return PU_OK;
}

pu_status pu__break_even_cost_bps(const pu__panel *panel, int64_t first, const double *weight,
                                  const pu__settings *settings, double *out) {
    double low = 0.0, high = 10000.0, total = 0.0, traded = 0.0;
    PU_TRY(total_return_at(panel, first, weight, settings, low, &total, &traded));
    *out = traded > 0.0 ? 0.0 : (double)NAN;
    if (traded == 0.0 || total <= 0.0) return PU_OK;
    PU_TRY(total_return_at(panel, first, weight, settings, high, &total, &traded));
    *out = (double)NAN;
    if (total >= 0.0) return PU_OK;
    while (high - low > 1e-3) {
        const double middle = 0.5 * (low + high);
        PU_TRY(total_return_at(panel, first, weight, settings, middle, &total, &traded));
        if (total > 0.0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *out = 0.5 * (low + high);
    return PU_OK;
}

static void explain(const pu__strategy *model, int64_t trials, pu__verdict *v) {
    const pu__interval i = model->intervals.sharpe, h = model->hedged_interval;
    char *text = v->sentence;
    const size_t room = sizeof v->sentence;
    if (v->claims_edge) {
        snprintf(text, room,
                 "An edge is claimed: after costs the Sharpe ratio is %.2f with a 95 %% interval of %.2f to %.2f; "
                 "without the market's part the "
                 "interval is %.2f to %.2f.",
                 model->metrics.sharpe, i.low, i.high, h.low, h.high);
    } else if (isnan(i.low)) {
        snprintf(text, room,
                 "No edge is claimed: the returns have no spread to judge, the model took no position or the test "
                 "is too short.");
    } else if (i.high < 0.0) {
        snprintf(text, room,
                 "No edge is claimed: the model loses after costs, the 95 %% interval of its Sharpe ratio is %.2f "
                 "to %.2f.",
                 i.low, i.high);
    } else if (!v->interval_above_zero) {
        snprintf(
            text, room,
            "No edge is claimed: the 95 %% interval of the Sharpe ratio after costs, %.2f to %.2f, contains zero.",
            i.low, i.high);
    } else if (!v->hedged_above_zero) {
        snprintf(text, room,
                 "No edge is claimed: the Sharpe ratio after costs is %.2f, but without the market's part its 95 "
                 "%% interval, %.2f to %.2f, "
                 "contains zero.",
                 model->metrics.sharpe, h.low, h.high);
    } else if (!v->survives_deflation) {
        snprintf(text, room,
                 "No edge is claimed: the best of %lld tries without skill would do as well too often, the "
                 "deflated Sharpe ratio is %.1f %%, "
                 "below 97.5 %%.",
                 (long long)trials, 100.0 * model->metrics.deflated_sharpe);
    } else {
        snprintf(text, room, "No edge is claimed: %lld periods and %lld fills are too few to judge.",
                 (long long)model->metrics.periods, (long long)model->run.fill_count);
    }
}

void pu__judge(const pu__strategy *model, int64_t trials, pu__verdict *out) {
    *out = (pu__verdict){0};
    out->interval_above_zero = model->intervals.sharpe.low > 0.0;
    out->hedged_above_zero = isnan(model->metrics.beta) || model->hedged_interval.low > 0.0;
    out->survives_deflation = model->metrics.deflated_sharpe >= 0.5 * (1.0 + level);
    out->enough_evidence = model->metrics.periods >= PU__PERIODS_MIN && model->run.fill_count >= PU__FILLS_MIN;
    out->claims_edge =
        out->interval_above_zero && out->hedged_above_zero && out->survives_deflation && out->enough_evidence;
    explain(model, trials, out);
}
