#include "host/stress/break_even.h"

#include <math.h>
#include <stdio.h>

enum { DOUBLINGS_MAX = 40, HALVINGS_MAX = 60 };

static const double slope_step = 0.05; /* of the root, to each side */

pu_status pu__stress_evaluate(pu__stress *s, const pu__stress_prices *prices, const pu__stress_terms *terms,
                              pu__stress_figures *out) {
    pu__outcome outcome;
    pu_status status = pu__outcome_make(s, false, &outcome);
    if (status == PU_OK) status = pu__stress_simulate(s, 0, prices, 1, terms, &outcome);
    if (status == PU_OK) pu__stress_measure(&outcome, s->steps, out);
    pu__outcome_free(&outcome);
    return status;
}

static pu_status at_cost(pu__stress *s, double cost_factor, pu__stress_figures *out) {
    const pu__stress_prices prices = {s->scenario[0], 0.0, pu__stress_seed(s, 0)};
    const pu__stress_terms terms = {.cost_factor = cost_factor, .latency_bars = s->base_latency};
    return pu__stress_evaluate(s, &prices, &terms, out);
}

static void describe(const pu__stress *s, const pu__stress_figures *at, double slope, pu__break_even *out) {
    out->error = slope < 0.0 ? at->mean_return_error / -slope : (double)NAN;
    const double paid = at->spread + at->slippage + at->fee;
    out->bps_one_way =
        out->cost_factor * out->configured_bps_one_way * (paid > 0.0 ? 1.0 + at->impact / paid : 1.0);
    out->error_bps = out->error * out->bps_one_way / out->cost_factor;
    snprintf(out->text, sizeof out->text,
             "At %.3g times the configured costs (standard error %.2g), %.3g bp one way on what is traded%s, the "
             "mean return over %lld bars is 0.",
             out->cost_factor, out->error, out->bps_one_way, at->impact > 0.0 ? ", impact included" : "",
             (long long)s->steps);
}

/* The mean return is above 0 at `low`, and not at `high`. */
static pu_status bisect(pu__stress *s, double low, double high, pu__stress_figures *below,
                        pu__stress_figures *above, pu__break_even *out) {
    pu__stress_figures middle;
    for (int i = 0; i < HALVINGS_MAX && high - low > s->config->stress.tolerance * high; ++i) {
        const double factor = 0.5 * (low + high);
        PU_TRY(at_cost(s, factor, &middle));
        if (middle.mean_return > 0.0) {
            low = factor;
            *below = middle;
        } else {
            high = factor;
            *above = middle;
        }
    }
    const double drop = below->mean_return - above->mean_return;
    out->found = true;
    out->cost_factor = low + (drop > 0.0 ? (high - low) * below->mean_return / drop : 0.0);
    const double before = (1.0 - slope_step) * out->cost_factor;
    const double after = fmin((1.0 + slope_step) * out->cost_factor, pu__stress_cost_factor_max(s));
    PU_TRY(at_cost(s, out->cost_factor, &middle));
    PU_TRY(at_cost(s, before, below));
    PU_TRY(at_cost(s, after, above));
    describe(s, &middle, (above->mean_return - below->mean_return) / (after - before), out);
    return PU_OK;
}

pu_status pu__break_even_find(pu__stress *s, pu__break_even *out) {
    const pu_config *c = s->config;
    pu__stress_figures below, above;
    *out = (pu__break_even){.cost_factor = (double)NAN,
                            .error = (double)NAN,
                            .bps_one_way = (double)NAN,
                            .error_bps = (double)NAN,
                            .configured_bps_one_way =
                                0.5 * c->backtest.spread_bps + c->backtest.slippage_bps + c->backtest.fee_bps};
    if (out->configured_bps_one_way == 0.0) {
        snprintf(out->text, sizeof out->text, "Spread, slippage and fee are all 0: there is no cost to scale.");
        return PU_OK;
    }
    PU_TRY(at_cost(s, 0.0, &below));
    if (below.mean_return <= 0.0) {
        snprintf(out->text, sizeof out->text,
                 "Before costs the mean return is %.2f %%: there is no edge that costs could end.",
                 100.0 * below.mean_return);
        return PU_OK;
    }
    const double most = pu__stress_cost_factor_max(s), gross = below.mean_return;
    double low = 0.0, high = fmin(1.0, most);
    PU_TRY(at_cost(s, high, &above));
    for (int i = 0; i < DOUBLINGS_MAX && above.mean_return > 0.0 && high < most; ++i) {
        low = high;
        below = above;
        high = fmin(2.0 * high, most);
        PU_TRY(at_cost(s, high, &above));
    }
    if (above.mean_return <= 0.0) return bisect(s, low, high, &below, &above, out);
    snprintf(
        out->text, sizeof out->text,
        "Not even %.3g times the configured costs take the mean return of %.2f %% before costs: it trades too "
        "little.",
        high, 100.0 * gross);
    return PU_OK;
}

/* ---- attribution ---- */

pu_status pu__attribution_find(pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                               pu__attribution *out) {
    const pu__stress_figures *net = &figures[grid->base];
    const pu__stress_prices prices = {s->scenario[0], 0.0, pu__stress_seed(s, 0)};
    const pu__stress_terms waits = {.latency_bars = s->base_latency, .free = true}, at_once = {.free = true};
    pu__stress_figures gross, waited;
    PU_TRY(pu__stress_evaluate(s, &prices, &at_once, &gross));
    PU_TRY(pu__stress_evaluate(s, &prices, &waits, &waited));
    const double paid = net->spread + net->slippage + net->fee + net->impact + net->carry;
    const double scale = paid > 0.0 ? (waited.mean_return - net->mean_return) / paid : 0.0;
    *out = (pu__attribution){.gross = gross.mean_return,
                             .spread = scale * net->spread,
                             .slippage = scale * net->slippage,
                             .fee = scale * net->fee,
                             .impact = scale * net->impact,
                             .carry = scale * net->carry,
                             .latency = gross.mean_return - waited.mean_return,
                             .net = net->mean_return,
                             .largest = "none"};
    const struct {
        const char *name;
        double value;
    } part[] = {{"spread", out->spread}, {"slippage", out->slippage}, {"fee", out->fee},
                {"impact", out->impact}, {"carry", out->carry},       {"latency", out->latency}};
    double most = 0.0;
    for (size_t i = 0; i < sizeof part / sizeof *part; ++i) {
        if (part[i].value > most) out->largest = part[i].name;
        most = fmax(most, part[i].value);
    }
    return PU_OK;
}
