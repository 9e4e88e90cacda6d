#include <math.h>

#include "host/sim/calibrate.h"

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *estimates_of(const pu__fit *fit) {
    json_t *out = json_array();
    for (int i = 0; i < fit->estimates; ++i) {
        const pu__estimate *e = &fit->estimate[i];
        json_array_append_new(out, json_pack("{s:s, s:o, s:o}", "name", e->name, "value", number(e->value),
                                             "error", number(e->error)));
    }
    return out;
}

static json_t *misfits_of(const pu__misfit *misfit) {
    json_t *out = json_array();
    for (int i = 0; i < PU__MISFIT_COUNT; ++i) {
        const pu__misfit *m = &misfit[i];
        if (!isfinite(m->history)) continue;
        json_array_append_new(out, json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "name",
                                             pu__misfit_name((pu__misfit_kind)i), "history", number(m->history),
                                             "model_low", number(m->low), "model", number(m->middle), "model_high",
                                             number(m->high), "matches", (int)m->matches));
    }
    return out;
}

static json_t *table_of(const double *value, int assets) {
    json_t *out = json_array();
    for (int a = 0; a < assets; ++a) {
        json_t *row = json_array();
        for (int b = 0; b < assets; ++b) json_array_append_new(row, number(value[a * assets + b]));
        json_array_append_new(out, row);
    }
    return out;
}

/* Pairs whose returns are not correlated as in the history. */
static json_t *missed_of(const pu__calibration *c, const pu__market *market) {
    json_t *out = json_array();
    for (int a = 0; a < c->assets; ++a) {
        for (int b = 0; b < a; ++b) {
            const int64_t at = (int64_t)a * c->assets + b;
            if (!pu__calibration_misses(c, a, b)) continue;
            json_array_append_new(out,
                                  json_pack("{s:[s, s], s:o, s:o, s:o}", "assets", market->asset[b].symbol,
                                            market->asset[a].symbol, "history", number(c->return_correlation[at]),
                                            "model", number(c->return_correlation_model[at]), "draws_wanted",
                                            number(c->correlation_wanted[at])));
        }
    }
    return out;
}

static json_t *returns_of(const pu__calibration *c, const pu__market *market) {
    if (!pu__calibration_matches_returns(c)) return json_null();
    return json_pack("{s:o, s:o, s:o}", "history", table_of(c->return_correlation, c->assets), "model",
                     table_of(c->return_correlation_model, c->assets), "missed", missed_of(c, market));
}

static json_t *repair_of(const pu_correlation_repair *repair) {
    return json_pack("{s:i, s:o, s:o}", "clipped", repair->clipped, "least_eigenvalue",
                     number(repair->least_eigenvalue), "largest_change", number(repair->largest_change));
}

json_t *pu__calibration_json(const pu__calibration *calibration, const pu__market *market,
                             const pu__misfit *misfit) {
    char from[32], to[32];
    pu_bar_time_format(market->ts[0], market->asset[0].bar_s, from);
    pu_bar_time_format(market->ts[market->rows - 1], market->asset[0].bar_s, to);
    json_t *fits = json_array();
    for (int a = 0; a < calibration->assets; ++a) {
        const pu__fit *fit = &calibration->fit[a];
        json_array_append_new(
            fits, json_pack("{s:s, s:b, s:i, s:s, s:o, s:o, s:o, s:o, s:o}", "symbol", market->asset[a].symbol,
                            "converged", (int)fit->converged, "evaluations", fit->evaluations, "note", fit->note,
                            "log_likelihood", number(fit->log_likelihood), "aic", number(fit->aic), "bic",
                            number(fit->bic), "estimates", estimates_of(fit), "misfit",
                            misfit ? misfits_of(misfit + (int64_t)a * PU__MISFIT_COUNT) : json_array()));
    }
    return json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "process",
                     pu__process_name(calibration->kind), "bars", (json_int_t)market->rows, "from", from, "to", to,
                     "periods_per_year", number(market->periods_per_year), "block_bars",
                     calibration->kind == PU_SIM_BOOTSTRAP ? number(calibration->block_bars) : json_null(), "fits",
                     fits, "correlation", table_of(calibration->correlation, calibration->assets),
                     "correlation_error", table_of(calibration->correlation_error, calibration->assets), "returns",
                     returns_of(calibration, market), "repair", repair_of(&calibration->repair));
}
