/* The price processes against closed forms: within 4 standard errors, the standard error falling as 1 / sqrt(n). Seeds
 * are fixed; a limit of 4 is passed by chance once in 16,000. */
#include <complex.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/sim/process.h"
#include "kernels/paths/paths.h"
#include "plusultra/memory.h"

static const double pi = 3.14159265358979323846;
static const double one = 1.0;
enum { ASSETS = 4 };

typedef struct estimate {
    double mean, error; /* standard error */
} estimate;

static estimate estimate_of(const double *x, int64_t n) {
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; ++i) mean += x[i];
    mean /= (double)n;
    for (int64_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean);
    return (estimate){mean, sqrt(square / (double)(n - 1) / (double)n)};
}

#define assert_within(e, exact)                                                         \
    do {                                                                                \
        if (!(fabs((e).mean - (exact)) <= 4.0 * (e).error))                             \
            fail_msg("%.9g, not %.9g: %.2f standard errors", (e).mean, (double)(exact), \
                     ((e).mean - (exact)) / (e).error);                                 \
    } while (0)

static void make(const pu_process *process, double step_years, pu__process_asset *out) {
    if (pu__process_make(process, step_years, out) != PU_OK) fail_msg("%s", pu_error_message());
}

/* wealth[n] of one asset bought at the start: its final price. */
static double *final_prices(int kind, const pu__process_asset *asset, int32_t steps, int64_t n, uint64_t seed) {
    double *metric = pu_calloc((size_t)(PU_PATH_METRIC_COUNT * n), sizeof *metric);
    assert_non_null(metric);
    const pu__path_scenario s = {
        .seed = seed, .process = kind, .assets = 1, .steps = steps, .asset = asset, .weight = &one};
    const pu__path_batch batch = {.count = n, .metric = metric};
    if (pu__paths_cpu(&s, &batch, NULL) != PU_OK) fail_msg("%s", pu_error_message());
    return metric;
}

static estimate call_price(const double *price, int64_t n, double strike, double rate) {
    double *payoff = pu_calloc((size_t)n, sizeof *payoff);
    assert_non_null(payoff);
    for (int64_t i = 0; i < n; ++i) payoff[i] = exp(-rate) * fmax(price[i] - strike, 0.0);
    const estimate e = estimate_of(payoff, n);
    pu_free(payoff);
    return e;
}

/* Standard errors of 16 times as many paths: a quarter. Of heavy tails the estimate itself errs by a tenth at 2,500. */
static void assert_quarter(double *before, double error) {
    if (*before > 0) assert_true(fabs(*before / error - 4.0) < 0.5);
    *before = error;
}

static double normal_below(double x) { return 0.5 * erfc(-x * sqrt(0.5)); }

/* A call on 1, one year. */
static double black_scholes(double strike, double rate, double volatility) {
    const double d1 = (-log(strike) + rate + 0.5 * volatility * volatility) / volatility;
    return normal_below(d1) - strike * exp(-rate) * normal_below(d1 - volatility);
}

static void gbm_prices_are_those_of_black_and_scholes(void **state) {
    (void)state;
    enum { STEPS = 12 };
    const pu_process process = {PU_SIM_GBM, {.gbm = {0.03, 0.25}}};
    pu__process_asset asset;
    make(&process, 1.0 / STEPS, &asset);
    double before = 0;
    for (int64_t n = 2500; n <= 640000; n *= 16) {
        double *price = final_prices(PU_PROCESS_GBM, &asset, STEPS, n, 5);
        const double strikes[] = {0.8, 1.0, 1.3};
        for (int k = 0; k < 3; ++k)
            assert_within(call_price(price, n, strikes[k], 0.03), black_scholes(strikes[k], 0.03, 0.25));
        assert_within(estimate_of(price, n), exp(0.03));
        assert_quarter(&before, call_price(price, n, 1.0, 0.03).error);
        pu_free(price);
    }
}

/* Merton (1976): Black and Scholes's price, averaged over the number of jumps. */
static double merton_series(const pu_merton *m, double strike) {
    const double k = exp(m->jump_mean + 0.5 * m->jump_deviation * m->jump_deviation) - 1.0;
    const double tilted = m->jumps_per_year * (1.0 + k);
    double sum = 0, weight = exp(-tilted);
    for (int n = 0; n < 60; weight *= tilted / ++n) {
        const double volatility = sqrt(m->volatility * m->volatility + n * m->jump_deviation * m->jump_deviation);
        const double rate = m->growth - m->jumps_per_year * k + n * log(1.0 + k);
        sum += weight * black_scholes(strike, rate, volatility);
    }
    return sum;
}

static void jump_prices_are_those_of_mertons_series(void **state) {
    (void)state;
    enum { STEPS = 50 };
    const pu_process process = {PU_SIM_MERTON, {.merton = {0.02, 0.15, 1.5, -0.08, 0.12}}};
    pu__process_asset asset;
    make(&process, 1.0 / STEPS, &asset);
    double before = 0;
    for (int64_t n = 1250; n <= 320000; n *= 16) {
        double *price = final_prices(PU_PROCESS_MERTON, &asset, STEPS, n, 9);
        const double strikes[] = {0.7, 1.0, 1.2};
        for (int k = 0; k < 3; ++k)
            assert_within(call_price(price, n, strikes[k], 0.02), merton_series(&process.of.merton, strikes[k]));
        assert_within(estimate_of(price, n), exp(0.02));
        assert_quarter(&before, call_price(price, n, 1.0, 0.02).error);
        pu_free(price);
    }
}

/* The characteristic function of the log-price after a year, in the form that keeps to one branch of the logarithm:
 * Albrecher et al. (2007), "The little Heston trap". */
static double complex heston_function(const pu_heston *h, double complex u) {
    const double e2 = h->volatility_of_variance * h->volatility_of_variance;
    const double complex b = h->reversion - h->correlation * h->volatility_of_variance * I * u;
    const double complex d = csqrt(b * b + e2 * (I * u + u * u)), g = (b - d) / (b + d), fade = cexp(-d);
    const double complex c =
        h->reversion * h->variance_mean / e2 * ((b - d) - 2.0 * clog((1.0 - g * fade) / (1.0 - g)));
    return cexp(I * u * h->growth + c + h->variance_start / e2 * (b - d) * (1.0 - fade) / (1.0 - g * fade));
}

/* Lewis (2001): one integral over u - i/2. */
static double heston_call(const pu_heston *h, double strike) {
    const double k = -log(strike), step = 0.005;
    double sum = 0;
    for (int i = 0; i < 40000; ++i) {
        const double u = (i + 0.5) * step;
        sum += creal(cexp(I * u * k) * heston_function(h, u - 0.5 * I)) / (u * u + 0.25) * step;
    }
    return 1.0 - sqrt(strike) * exp(-h->growth) / pi * sum;
}

/* Bias of the quadratic-exponential scheme by the size of its steps, in Andersen's (2008) hardest case I, whose ten
 * years are one here (rates and variances times 10): far from Feller's condition, correlation -0.9. */
static void heston_prices_converge_to_the_integral(void **state) {
    (void)state;
    enum { N = 320000, FINE = 160 };
    const pu_process process = {PU_SIM_HESTON, {.heston = {0.01, 0.4, 0.4, 5, 10, -0.9, false}}};
    const pu_heston *heston = &process.of.heston;
    const double exact = heston_call(heston, 1.0);
    double bias[3] = {0}, before = 0;
    pu__process_asset asset;
    for (int k = 0; k < 3; ++k) {
        const int32_t steps = k == 0 ? 4 : k == 1 ? 16 : FINE;
        make(&process, 1.0 / steps, &asset);
        double *price = final_prices(PU_PROCESS_HESTON, &asset, steps, N, 21);
        const estimate call = call_price(price, N, 1.0, 0.01);
        bias[k] = fabs(call.mean - exact);
        print_message("Heston, %d steps: %.6f, integral %.6f, standard error %.6f\n", (int)steps, call.mean, exact,
                      call.error);
        assert_within(estimate_of(price, N), exp(0.01)); /* the martingale correction holds at any step */
        pu_free(price);
    }
    assert_true(bias[0] > 2 * bias[1] && bias[0] > 4 * bias[2]);
    for (int64_t n = N / 256; n <= N; n *= 16) {
        double *price = final_prices(PU_PROCESS_HESTON, &asset, FINE, n, 22);
        const double strikes[] = {0.8, 1.0, 1.2};
        for (int k = 0; k < 3; ++k)
            assert_within(call_price(price, n, strikes[k], 0.01), heston_call(heston, strikes[k]));
        assert_quarter(&before, call_price(price, n, 1.0, 0.01).error);
        pu_free(price);
    }
}

/* price[path][bar][asset] */
static double *all_prices(const pu__path_scenario *s, int64_t n) {
    double *price = pu_calloc((size_t)(n * (s->steps + 1) * s->assets), sizeof *price);
    assert_non_null(price);
    const pu__path_batch batch = {.count = n, .price = price};
    if (pu__paths_cpu(s, &batch, NULL) != PU_OK) fail_msg("%s", pu_error_message());
    return price;
}

/* E h(t) = h + (h(0) - h) (alpha + beta)^t */
static void garch_variance_follows_its_path(void **state) {
    (void)state;
    enum { STEPS = 60, N = 100000 };
    const pu_process process = {PU_SIM_GARCH, {.garch = {0.0, 4e-6, 0.06, 0.9, 12.0, 4e-4}}};
    pu__process_asset asset;
    make(&process, 1.0, &asset);
    const pu__path_scenario s = {
        .seed = 3, .process = PU_PROCESS_GARCH, .assets = 1, .steps = STEPS, .asset = &asset, .weight = &one};
    double *price = all_prices(&s, N), *square = pu_calloc(N, sizeof *square);
    assert_non_null(square);
    for (int t = 0; t < STEPS; t += 12) {
        for (int64_t i = 0; i < N; ++i) {
            const double r = log(price[i * (STEPS + 1) + t + 1] / price[i * (STEPS + 1) + t]);
            square[i] = r * r;
        }
        assert_within(estimate_of(square, N), 1e-4 + (4e-4 - 1e-4) * pow(0.96, t));
    }
    pu_free(square);
    pu_free(price);
}

static void regimes_are_visited_as_the_chain_says(void **state) {
    (void)state;
    enum { STEPS = 12, N = 60000 };
    /* growth without volatility: a return tells its regime */
    const pu_process process = {
        PU_SIM_REGIMES,
        {.regimes = {3, {{-0.1, 0}, {0.0, 0}, {0.1, 0}}, {0.9, 0.08, 0.02, 0.1, 0.7, 0.2, 0.05, 0.15, 0.8}}}};
    const double *p = process.of.regimes.transition;
    pu__process_asset asset;
    make(&process, 1.0, &asset);
    pu__path_scenario s = {
        .seed = 8, .process = PU_PROCESS_REGIME, .assets = 1, .steps = STEPS, .asset = &asset, .weight = &one};
    s.regime_start = 1;
    assert_int_equal(pu__regime_cumulative(&process.of.regimes, s.cumulative), PU_OK);
    double *price = all_prices(&s, N), *seen = pu_calloc(N, sizeof *seen), chance[3] = {0, 1, 0};
    assert_non_null(seen);
    for (int t = 0; t < STEPS; ++t) {
        double next[3] = {0};
        for (int i = 0; i < 9; ++i) next[i % 3] += chance[i / 3] * p[i];
        for (int k = 0; k < 3; ++k) {
            chance[k] = next[k];
            for (int64_t i = 0; i < N; ++i) {
                const double r = log(price[i * (STEPS + 1) + t + 1] / price[i * (STEPS + 1) + t]);
                seen[i] = fabs(r - 0.1 * (k - 1)) < 0.01;
            }
            assert_within(estimate_of(seen, N), chance[k]);
        }
    }
    pu_free(seen);
    pu_free(price);
}

static void assets_correlate_as_their_factor_says(void **state) {
    (void)state;
    enum { N = 100000 };
    /* L L' with rows of norm 1 */
    const float factor[ASSETS * ASSETS] = {1,     0,    0,           0, 0.6f, 0.8f, 0,    0,
                                           -0.5f, 0.5f, 0.70710678f, 0, 0.3f, 0.3f, 0.3f, 0.85440037f};
    const double weight[ASSETS] = {0};
    pu__process_asset asset[ASSETS];
    for (int a = 0; a < ASSETS; ++a) make(&(pu_process){PU_SIM_GBM, {.gbm = {0, 0.1 + 0.1 * a}}}, 1.0, &asset[a]);
    pu__path_shock shock[ASSETS];
    for (int a = 0; a < ASSETS; ++a) shock[a] = (pu__path_shock){0, 1, 1, 1, 1, 0.5f};
    pu__path_scenario s = {.seed = 2, .assets = ASSETS, .steps = 1, .asset = asset, .weight = weight};
    s.factor = factor;
    double *product = pu_calloc(N, sizeof *product);
    assert_non_null(product);
    for (int shocked = 0; shocked < 2; ++shocked) {
        s.shock = shocked ? shock : NULL; /* half of every variance from one factor: (1 + rho) / 2 */
        double *price = all_prices(&s, N);
        for (int a = 0; a < ASSETS; ++a)
            for (int b = 0; b <= a; ++b) {
                double rho = 0;
                for (int j = 0; j < ASSETS; ++j) rho += (double)(factor[a * ASSETS + j] * factor[b * ASSETS + j]);
                for (int64_t i = 0; i < N; ++i) {
                    const double *end = price + (i * 2 + 1) * ASSETS;
                    product[i] = (log(end[a]) - (double)asset[a].drift[0]) / (double)asset[a].volatility[0] *
                                 ((log(end[b]) - (double)asset[b].drift[0]) / (double)asset[b].volatility[0]);
                }
                assert_within(estimate_of(product, N), shocked ? 0.5 + 0.5 * rho : rho);
            }
        pu_free(price);
    }
    pu_free(product);
}

/* Pairwise correlations of -0.9 cannot be: the least eigenvalue is 1 - 2 * 0.9, and clipping leaves -1/2. */
static void impossible_correlations_are_repaired(void **state) {
    (void)state;
    double sound[9] = {1, 0.5, 0.2, 0.5, 1, -0.3, 0.2, -0.3, 1}, broken[9];
    float factor[9];
    pu_correlation_repair repair;
    for (int i = 0; i < 9; ++i) broken[i] = i % 4 == 0 ? 1.0 : -0.9;
    for (int k = 0; k < 2; ++k) {
        assert_int_equal(pu_correlation_factor(k ? broken : sound, 3, factor, &repair), PU_OK);
        assert_int_equal(repair.clipped, k);
        for (int i = 0; i < 9; ++i) {
            double product = 0;
            for (int j = 0; j < 3; ++j) product += (double)factor[i / 3 * 3 + j] * (double)factor[i % 3 * 3 + j];
            assert_true(fabs(product - (k == 0 ? sound[i] : i % 4 == 0 ? 1.0 : -0.5)) < 1e-6);
        }
    }
    assert_true(fabs(repair.least_eigenvalue + 0.8) < 1e-12 && fabs(repair.largest_change - 0.4) < 1e-6);
    sound[1] = 0.6;
    assert_int_equal(pu_correlation_factor(sound, 3, factor, &repair), PU_ERR_ARGUMENT);
}

/* Blocks: a row follows its predecessor with probability 1 - restart (and by chance), all assets from one row. */
static void the_bootstrap_keeps_blocks_and_assets_together(void **state) {
    (void)state;
    enum { ROWS = 40, STEPS = 80, N = 2000 };
    float history[ROWS * 2];
    const double weight[2] = {0, 0};
    const pu__process_asset asset[2] = {0};
    for (int i = 0; i < ROWS; ++i) {
        history[2 * i] = 0.001f * (float)i;
        history[2 * i + 1] = -0.002f * (float)i;
    }
    const pu__path_scenario s = {.seed = 4,
                                 .process = PU_PROCESS_BOOTSTRAP,
                                 .assets = 2,
                                 .steps = STEPS,
                                 .asset = asset,
                                 .weight = weight,
                                 .history = history,
                                 .history_rows = ROWS,
                                 .restart = 0.1f};
    double *price = all_prices(&s, N), *follows = pu_calloc((size_t)N * STEPS, sizeof *follows),
           starts[ROWS] = {0};
    assert_non_null(follows);
    for (int64_t i = 0; i < N; ++i) {
        int before = 0;
        for (int t = 0; t < STEPS; ++t) {
            const double *p = price + (i * (STEPS + 1) + t) * 2;
            const int row = (int)lrint(log(p[2] / p[0]) / 0.001);
            assert_true(fabs(log(p[3] / p[1]) + 0.002 * row) < 1e-6);
            if (t == 0) starts[row] += 1;
            else follows[i * (STEPS - 1) + t - 1] = row == (before + 1) % ROWS;
            before = row;
        }
    }
    assert_within(estimate_of(follows, (int64_t)N * (STEPS - 1)), 0.9 + 0.1 / ROWS);
    double chi2 = 0;
    for (int i = 0; i < ROWS; ++i) chi2 += pow(starts[i] - (double)N / ROWS, 2) / ((double)N / ROWS);
    assert_true(chi2 < 72.1); /* the 0.1% point at 39 degrees of freedom */
    pu_free(follows);
    pu_free(price);
}

/* Without drift E max drawdown = sqrt(pi / 2) sigma sqrt(T): Magdon-Ismail et al. (2004). A path looked at n times
 * misses a part of it that falls as 1 / sqrt(n): four times as many looks halve it, and the finest value and the one
 * before give the limit. */
static void drawdown_of_brownian_motion_is_as_expected(void **state) {
    (void)state;
    enum { N = 16000, LEVELS = 3 };
    const double exact = sqrt(pi / 2) * 0.2;
    estimate e[LEVELS];
    for (int k = 0; k < LEVELS; ++k) {
        const int32_t steps = 100 << (2 * k);
        pu__process_asset asset;
        make(&(pu_process){PU_SIM_GBM, {.gbm = {0.02, 0.2}}}, 1.0 / steps, &asset); /* log-price without drift */
        double *metric = final_prices(PU_PROCESS_GBM, &asset, steps, N, 31 + (uint64_t)k),
               *drawdown = metric + PU_PATH_DRAWDOWN * N;
        for (int64_t i = 0; i < N; ++i) drawdown[i] = -log(1.0 - drawdown[i]);
        e[k] = estimate_of(drawdown, N);
        pu_free(metric);
    }
    for (int k = 1; k < LEVELS; ++k) {
        /* twice this level's miss is that of the level before, but for the next term, of order 1 / n */
        const estimate halved = {2 * (exact - e[k].mean) - (exact - e[k - 1].mean),
                                 sqrt(4 * e[k].error * e[k].error + e[k - 1].error * e[k - 1].error)};
        print_message("maximum drawdown missed: %.5f, then %.5f; twice less once %.5f, standard error %.5f\n",
                      exact - e[k - 1].mean, exact - e[k].mean, halved.mean, halved.error);
        assert_true(exact - e[k].mean > 4 * e[k].error);
        assert_within(halved, 0.0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gbm_prices_are_those_of_black_and_scholes),
        cmocka_unit_test(jump_prices_are_those_of_mertons_series),
        cmocka_unit_test(heston_prices_converge_to_the_integral),
        cmocka_unit_test(garch_variance_follows_its_path),
        cmocka_unit_test(regimes_are_visited_as_the_chain_says),
        cmocka_unit_test(assets_correlate_as_their_factor_says),
        cmocka_unit_test(impossible_correlations_are_repaired),
        cmocka_unit_test(the_bootstrap_keeps_blocks_and_assets_together),
        cmocka_unit_test(drawdown_of_brownian_motion_is_as_expected),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
