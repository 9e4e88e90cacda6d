#include "host/sim/process.h"

#include <math.h>

/* `low` < value < `high`, or no more than one of the bounds reached where `closed`. NaN fails. */
static pu_status within(const char *name, double value, double low, double high, bool closed) {
    const bool inside = closed ? value >= low && value <= high : value > low && value < high;
    if (inside) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT, "%s is %g: it must lie %s %g and %g", name, value,
                   closed ? "in the range of" : "between", low, high);
}

static pu_status check_gbm(double growth, double volatility, double step_years) {
    PU_TRY(within("growth", growth, -100.0, 100.0, true));
    PU_TRY(within("volatility", volatility, 0.0, 100.0, true));
    return within("the length of a step in years", step_years, 0.0, 100.0, false);
}

static pu_status make_gbm(const pu_gbm *in, double step_years, pu__process_asset *out) {
    PU_TRY(check_gbm(in->growth, in->volatility, step_years));
    *out = (pu__process_asset){0};
    out->drift[0] = (float)((in->growth - 0.5 * in->volatility * in->volatility) * step_years);
    out->volatility[0] = (float)(in->volatility * sqrt(step_years));
    out->mean = out->drift[0];
    return PU_OK;
}

static pu_status make_merton(const pu_merton *in, double step_years, pu__process_asset *out) {
    const double jumps = in->jumps_per_year * step_years;
    PU_TRY(within("jumps_per_year", in->jumps_per_year, 0.0, 1e6, true));
    PU_TRY(within("jump_mean", in->jump_mean, -10.0, 10.0, true));
    PU_TRY(within("jump_deviation", in->jump_deviation, 0.0, 10.0, true));
    const pu_gbm diffusion = {in->growth, in->volatility};
    PU_TRY(make_gbm(&diffusion, step_years, out));
    double term = exp(-jumps), below = term;
    for (int k = 0; k < PU_JUMPS_MAX; ++k) {
        out->jump_cdf[k] = (float)below;
        term *= jumps / (k + 1);
        below += term;
    }
    if (1.0 - below > 1e-7)
        return pu_fail(PU_ERR_ARGUMENT, "%g jumps a step are too many for the jump process: take shorter steps",
                       jumps);
    const double compensation = exp(in->jump_mean + 0.5 * in->jump_deviation * in->jump_deviation) - 1.0;
    out->drift[0] =
        (float)((in->growth - 0.5 * in->volatility * in->volatility) * step_years - jumps * compensation);
    out->jump_mean = (float)in->jump_mean;
    out->jump_deviation = (float)in->jump_deviation;
    out->mean = (float)((double)out->drift[0] + jumps * in->jump_mean);
    return PU_OK;
}

/* A step's return has two terms of rho v / epsilon that nearly cancel, in floats: what their rounding leaves must be
 * little beside the step's deviation. */
static pu_status check_rounding(double rho, double theta, double epsilon, double dt) {
    const double least = rho * sqrt(theta / dt) * 0x1p-24 / 2e-3;
    if (epsilon >= least) return PU_OK;
    return pu_fail(PU_ERR_ARGUMENT,
                   "volatility_of_variance is %g: with this correlation and variance_mean, %g at the least, or "
                   "roundings take over; take longer steps or a correlation of 0",
                   epsilon, least);
}

/* Andersen (2008), equations 17, 18 and 33, with gamma_1 = gamma_2 = 1/2. */
static pu_status make_heston(const pu_heston *in, double step_years, pu__process_asset *out) {
    const double kappa = in->reversion, theta = in->variance_mean, epsilon = in->volatility_of_variance;
    const double rho = in->correlation, dt = step_years;
    PU_TRY(check_gbm(in->growth, 0.0, dt));
    PU_TRY(within("reversion", kappa, 0.0, 1e4, false));
    PU_TRY(within("variance_mean", theta, 0.0, 1e4, false));
    PU_TRY(within("volatility_of_variance", epsilon, 1e-6, 1e3, true));
    PU_TRY(within("variance_start", in->variance_start, 0.0, 1e4, true));
    PU_TRY(within("correlation", rho, -1.0, 1.0, true));
    PU_TRY(check_rounding(fabs(rho), theta, epsilon, dt));
    if (in->feller && 2.0 * kappa * theta < epsilon * epsilon)
        return pu_fail(PU_ERR_ARGUMENT,
                       "2 * reversion * variance_mean = %g is below volatility_of_variance^2 = %g: the variance "
                       "reaches 0 (Feller); raise the reversion or lower the volatility of variance",
                       2.0 * kappa * theta, epsilon * epsilon);
    const double decay = exp(-kappa * dt), common = 0.5 * dt * (kappa * rho / epsilon - 0.5);
    const double k1 = common - rho / epsilon, k2 = common + rho / epsilon, k34 = 0.5 * dt * (1.0 - rho * rho);
    *out = (pu__process_asset){0};
    out->variance_start = (float)in->variance_start;
    out->theta = (float)theta;
    out->decay = (float)decay;
    out->variance_v = (float)(epsilon * epsilon * decay / kappa * (1.0 - decay));
    out->variance_0 = (float)(theta * epsilon * epsilon / (2.0 * kappa) * (1.0 - decay) * (1.0 - decay));
    out->k1 = (float)k1;
    out->k2 = (float)k2;
    out->k3 = out->k4 = (float)k34;
    const bool corrected = rho <= 0.0; /* else the moment that corrects need not exist */
    out->tilt = corrected ? (float)(k2 + 0.5 * k34) : 0.0f;
    out->k0_v = corrected ? (float)(k1 + 0.5 * k34) : 0.0f;
    out->drift[0] = (float)(in->growth * dt - (corrected ? 0.0 : rho * kappa * theta / epsilon * dt));
    out->mean = (float)((in->growth - 0.5 * theta) * dt);
    return PU_OK;
}

static pu_status make_garch(const pu_garch *in, pu__process_asset *out) {
    PU_TRY(within("mean", in->mean, -10.0, 10.0, true));
    PU_TRY(within("omega", in->omega, 0.0, 100.0, false));
    PU_TRY(within("alpha", in->alpha, 0.0, 1.0, true));
    PU_TRY(within("beta", in->beta, 0.0, 1.0, true));
    PU_TRY(within("dof", in->dof, 2.0, 1e6, false));
    PU_TRY(within("variance_start", in->variance_start, 0.0, 100.0, true));
    if (in->alpha + in->beta >= 1.0)
        return pu_fail(PU_ERR_ARGUMENT, "alpha + beta is %g: below 1, or the variance has no mean",
                       in->alpha + in->beta);
    const double stationary = in->omega / (1.0 - in->alpha - in->beta);
    *out = (pu__process_asset){0};
    out->drift[0] = out->mean = (float)in->mean;
    out->omega = (float)in->omega;
    out->alpha = (float)in->alpha;
    out->beta = (float)in->beta;
    out->inverse_dof = (float)(1.0 / in->dof);
    out->variance_start = (float)(in->variance_start > 0.0 ? in->variance_start : stationary);
    return PU_OK;
}

static pu_status make_regimes(const pu_regimes *in, double step_years, pu__process_asset *out) {
    float cumulative[PU_REGIMES_MAX][PU_REGIMES_MAX];
    PU_TRY(pu__regime_cumulative(in, cumulative));
    pu__process_asset asset = {0};
    for (int k = 0; k < in->count; ++k) {
        pu__process_asset one;
        PU_TRY(make_gbm(&in->regime[k], step_years, &one));
        asset.drift[k] = one.drift[0];
        asset.volatility[k] = one.volatility[0];
        asset.mean += one.drift[0] / (float)in->count;
    }
    *out = asset;
    return PU_OK;
}

pu_status pu__regime_cumulative(const pu_regimes *regimes, float out[PU_REGIMES_MAX][PU_REGIMES_MAX]) {
    const int count = regimes->count;
    if (count < 1 || count > PU_REGIMES_MAX)
        return pu_fail(PU_ERR_ARGUMENT, "%d regimes: 1 to %d", count, (int)PU_REGIMES_MAX);
    for (int i = 0; i < PU_REGIMES_MAX; ++i) {
        double below = 0.0;
        for (int j = 0; j < PU_REGIMES_MAX; ++j) {
            const double p = i < count && j < count ? regimes->transition[i * count + j] : 0.0;
            if (!(p >= 0.0)) return pu_fail(PU_ERR_ARGUMENT, "transition %d to %d is %g: 0 or more", i, j, p);
            below += p;
            out[i][j] = i < count && j < count - 1 ? (float)below : 1.0f;
        }
        if (i < count && fabs(below - 1.0) > 1e-6)
            return pu_fail(PU_ERR_ARGUMENT, "the transitions of regime %d sum to %g: 1", i, below);
    }
    return PU_OK;
}

pu_status pu__process_make(const pu_process *process, double step_years, pu__process_asset *out) {
    switch (process->kind) {
    case PU_SIM_GBM: return make_gbm(&process->of.gbm, step_years, out);
    case PU_SIM_MERTON: return make_merton(&process->of.merton, step_years, out);
    case PU_SIM_HESTON: return make_heston(&process->of.heston, step_years, out);
    case PU_SIM_GARCH: return make_garch(&process->of.garch, out);
    case PU_SIM_REGIMES: return make_regimes(&process->of.regimes, step_years, out);
    case PU_SIM_BOOTSTRAP: *out = (pu__process_asset){0}; return PU_OK;
    }
    return pu_fail(PU_ERR_ARGUMENT, "unknown price process %d", (int)process->kind);
}

pu_status pu_process_check(const pu_process *process, double step_years) {
    pu__process_asset asset;
    return pu__process_make(process, step_years, &asset);
}
