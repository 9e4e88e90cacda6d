#include "host/eval/positions.h"

#include <math.h>
#include <string.h>

#include "plusultra/memory.h"

enum { SPAN_BARS = 504, PRIOR_BARS = 20 };

static const double rho_max = 0.9, z_max = 5.0;

struct pu__sizer {
    pu__sizing sizing;
    int64_t assets;
    double *price;  /* of the last bar; 0 before the first; begins the block that holds these six */
    double *before; /* sigma decided with at the last bar; 0: none */
    double *view;   /* forecast in force */
    double *sigma;
    double *q;
    double *weight;              /* decided last */
    bool *present;               /* has a bar now */
    double rho_above, rho_below; /* weighted sums of the ratio that gives rho */
    double risk_sum, risk_count;
};

double pu__forecast_mean(int quantiles, const double *quantile, const float *value) {
    if (quantiles == 1) return (double)value[0];
    double sum = 0.0;
    for (int i = 0; i < quantiles; ++i) {
        const double low = i == 0 ? 0.0 : 0.5 * (quantile[i - 1] + quantile[i]);
        const double high = i == quantiles - 1 ? 1.0 : 0.5 * (quantile[i] + quantile[i + 1]);
        sum += (high - low) * (double)value[i];
    }
    return sum;
}

static double decay(void) { return 1.0 - 1.0 / SPAN_BARS; }

static void learn_correlation(pu__sizer *s, const double *price) {
    double sum = 0.0, squares = 0.0;
    int64_t n = 0;
    for (int64_t i = 0; i < s->assets; ++i) {
        if (isnan(price[i])) continue;
        if (s->price[i] > 0.0 && s->before[i] > 0.0) {
            const double z = fmax(-z_max, fmin((price[i] / s->price[i] - 1.0) / s->before[i], z_max));
            sum += z;
            squares += z * z;
            ++n;
        }
        s->price[i] = price[i];
    }
    if (n < 2) return;
    const double below = (double)(n - 1) * squares;
    if (s->rho_below == 0.0) s->rho_below = PRIOR_BARS * below;
    s->rho_above = decay() * s->rho_above + sum * sum - squares;
    s->rho_below = decay() * s->rho_below + below;
}

static void take_views(pu__sizer *s, const double *price, const double *forecast, const double *sigma) {
    for (int64_t i = 0; i < s->assets; ++i) {
        s->present[i] = !isnan(price[i]);
        if (!s->present[i]) continue;
        const bool known = sigma[i] > 0.0 && isfinite(sigma[i]);
        s->before[i] = known ? sigma[i] : 0.0;
        s->sigma[i] = known ? sigma[i] : 1.0;
        s->view[i] = known && isfinite(forecast[i]) ? forecast[i] : (double)NAN;
    }
}

/* q of the assets that decide now; the others keep theirs. */
static void choose_risk(pu__sizer *s, double rho) {
    double sum = 0.0, kept = 0.0, free_sum = 0.0;
    int64_t n = 0, free_n = 0;
    for (int64_t i = 0; i < s->assets; ++i) {
        const bool live = !isnan(s->view[i]);
        if (live) sum += s->view[i], ++n;
        if (!s->present[i]) kept += s->q[i];
    }
    const double common = n > 0 ? rho / (1.0 + (double)(n - 1) * rho) * sum : 0.0;
    for (int64_t i = 0; i < s->assets; ++i) {
        if (!s->present[i]) continue;
        const bool live = !isnan(s->view[i]);
        s->q[i] = live ? s->view[i] - common : 0.0;
        if (live) free_sum += s->q[i], ++free_n;
    }
    if (!s->sizing.market_neutral || free_n == 0) return;
    const double shift = (free_sum + kept) / (double)free_n;
    for (int64_t i = 0; i < s->assets; ++i) {
        if (s->present[i] && !isnan(s->view[i])) s->q[i] -= shift;
    }
}

static double scale_to_target(pu__sizer *s, double rho) {
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < s->assets; ++i) {
        sum += s->q[i];
        squares += s->q[i] * s->q[i];
    }
    s->risk_sum = decay() * s->risk_sum + (1.0 - rho) * squares + rho * sum * sum;
    s->risk_count = decay() * s->risk_count + 1.0;
    const double risk = sqrt(s->risk_sum / s->risk_count);
    return risk > 0.0 ? s->sizing.target_vol / risk : 0.0;
}

/* Returns whether a limit bit. */
static bool limit(pu__sizer *s) {
    const double position_max = s->sizing.position_max;
    double largest = 0.0, gross = 0.0, kept = 0.0;
    for (int64_t i = 0; i < s->assets; ++i) {
        if (s->present[i]) largest = fmax(largest, fabs(s->weight[i]));
    }
    bool limited = largest > position_max;
    const double shrink = limited && s->sizing.market_neutral ? position_max / largest : 1.0;
    for (int64_t i = 0; i < s->assets; ++i) {
        if (!s->present[i]) {
            kept += fabs(s->weight[i]);
            continue;
        }
        s->weight[i] = fmax(-position_max, fmin(s->weight[i] * shrink, position_max));
        gross += fabs(s->weight[i]);
    }
    const double room = fmax(0.0, s->sizing.leverage_max - kept);
    if (gross > room) {
        limited = true;
        for (int64_t i = 0; i < s->assets; ++i) {
            if (s->present[i]) s->weight[i] *= room / gross;
        }
    }
    return limited;
}

/* The book is empty: an asset without a bar now is not in it. */
static void begin_trading(pu__sizer *s, const double *price) {
    for (int64_t i = 0; i < s->assets; ++i) {
        if (!isnan(price[i])) continue;
        s->weight[i] = s->q[i] = 0.0;
        s->view[i] = (double)NAN;
    }
}

bool pu__sizer_decide(pu__sizer *s, const double *price, const double *forecast, const double *sigma,
                      double *weight) {
    learn_correlation(s, price);
    take_views(s, price, forecast, sigma);
    const double rho = s->rho_below > 0.0 ? fmax(0.0, fmin(s->rho_above / s->rho_below, rho_max)) : 0.0;
    choose_risk(s, rho);
    bool any = false;
    for (int64_t i = 0; i < s->assets; ++i) any = any || !isnan(s->view[i]);
    const double scale = any ? scale_to_target(s, rho) : 0.0;
    for (int64_t i = 0; i < s->assets; ++i) {
        if (s->present[i]) s->weight[i] = scale * s->q[i] / s->sigma[i];
    }
    const bool limited = limit(s);
    for (int64_t i = 0; i < s->assets; ++i) weight[i] = s->present[i] ? s->weight[i] : (double)NAN;
    return limited;
}

enum { TABLES = 6 };

pu_status pu__sizer_new(const pu__sizing *sizing, int64_t assets, pu__sizer **out) {
    *out = NULL;
    pu__sizer *s = pu_calloc(1, sizeof *s);
    double *block = pu_calloc((size_t)assets, TABLES * sizeof *block);
    bool *present = pu_calloc((size_t)assets, sizeof *present);
    if (!s || !block || !present) {
        pu_free(s);
        pu_free(block);
        pu_free(present);
        return PU_ERR_MEMORY;
    }
    *s = (pu__sizer){.sizing = *sizing,
                     .assets = assets,
                     .price = block,
                     .before = block + assets,
                     .view = block + 2 * assets,
                     .sigma = block + 3 * assets,
                     .q = block + 4 * assets,
                     .weight = block + 5 * assets,
                     .present = present};
    for (int64_t i = 0; i < assets; ++i) s->view[i] = (double)NAN;
    *out = s;
    return PU_OK;
}

void pu__sizer_free(pu__sizer *sizer) {
    if (!sizer) return;
    pu_free(sizer->price);
    pu_free(sizer->present);
    pu_free(sizer);
}

void pu__sizer_copy(pu__sizer *to, const pu__sizer *from) {
    memcpy(to->price, from->price, (size_t)from->assets * TABLES * sizeof *to->price);
    memcpy(to->present, from->present, (size_t)from->assets * sizeof *to->present);
    to->rho_above = from->rho_above;
    to->rho_below = from->rho_below;
    to->risk_sum = from->risk_sum;
    to->risk_count = from->risk_count;
}

pu_status pu__positions(const pu__panel *panel, const double *forecast, const double *sigma,
                        const pu__sizing *sizing, double *weight, int64_t from, double *limited_ratio) {
    const int64_t n = panel->assets;
    pu__sizer *s = NULL;
    PU_TRY(pu__sizer_new(sizing, n, &s));
    int64_t limited = 0;
    for (int64_t t = 0; t < panel->times; ++t) {
        const int64_t row = t * n;
        if (t == from) begin_trading(s, panel->price + row);
        const bool bit = pu__sizer_decide(s, panel->price + row, forecast + row, sigma + row, weight + row);
        if (bit && t >= from) ++limited;
    }
    if (limited_ratio)
        *limited_ratio = panel->times > from ? (double)limited / (double)(panel->times - from) : 0.0;
    pu__sizer_free(s);
    return PU_OK;
}
