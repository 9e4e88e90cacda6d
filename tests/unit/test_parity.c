/* One physics: the backtest, the differentiable profit and loss and the path simulator say the same of the same prices
 * and weights, and where one of them has an error, which one it is.
 *
 * Weights and returns reach the operation as floats and its equity leaves it as one, rounded at 2^-24 = 6e-8; what the
 * three compute between is double. A simulated return is the float exponential of a float: over n bars of real prices,
 * whose returns are rounded once to it and once to a simple one, equity may wander by n roundings of 1e-9 (6e-8 of 2%).
 * 1e-6 leaves room for both and for nothing else. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/base/file.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"
#include "tests/support/parity.h"

enum { CASES = 24, REAL_FILES = 5, REAL_BARS_MAX = 6000, FILE_BYTES_MAX = 1 << 22 };
static const double limit = 1e-6;

static pu_device *device;

static int open_device(void **state) {
    (void)state;
    return pu_device_open("cpu", 1, &device) == PU_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    pu_device_close(device);
    return 0;
}

/* ---- the verdict on three accounts ---- */

typedef enum verdict { AGREE = 0, BACKTEST, PNL, PATHS, CONFUSED } verdict;
static const char *const verdict_name[] = {"all agree", "backtest", "pnl", "paths", "no two agree"};

typedef struct accounts {
    test_account backtest, pnl, paths;
} accounts;

static void free_accounts(accounts *a) {
    test_account_free(&a->backtest);
    test_account_free(&a->pnl);
    test_account_free(&a->paths);
}

static verdict judge(const accounts *a) {
    const bool first = test_account_distance(&a->backtest, &a->pnl) <= limit;
    const bool second = test_account_distance(&a->backtest, &a->paths) <= limit;
    const bool third = test_account_distance(&a->pnl, &a->paths) <= limit;
    if (first && second && third) return AGREE;
    return third ? BACKTEST : second ? PNL : first ? PATHS : CONFUSED;
}

static double widest(const accounts *a) {
    return fmax(fmax(test_account_distance(&a->backtest, &a->pnl), test_account_distance(&a->backtest, &a->paths)),
                test_account_distance(&a->pnl, &a->paths));
}

/* An account that is null is the real one. */
typedef struct planted {
    const char *name;
    verdict account;
    test_simulate *simulate;
    pu__kernel_entry pnl;
    test_paths *paths;
} planted;

static accounts ask(const test_parity *market, const planted *error) {
    const bool pnl = error && error->pnl.kernel;
    return (accounts){test_account_backtest(market, error && error->simulate ? error->simulate : pu__simulate),
                      test_account_pnl(market, device, pnl ? &error->pnl : NULL),
                      test_account_paths(market, device, error ? error->paths : NULL)};
}

/* ---- agreement ---- */

static void three_accounts_agree(void **state) {
    (void)state;
    double worst = 0.0;
    int ruins = 0;
    for (int number = 0; number < CASES; ++number) {
        test_parity market = test_parity_make(number, TEST_PARITY_WHOLE);
        accounts a = ask(&market, NULL);
        if (judge(&a) != AGREE) fail_msg("case %d: %s, by %.3g", number, verdict_name[judge(&a)], widest(&a));
        worst = fmax(worst, widest(&a));
        ruins += a.paths.equity[market.bars - 1] == 0.0;
        free_accounts(&a);
        test_parity_free(&market);
    }
    print_message("%d cases, %d ruins: at most %.2g apart\n", CASES, ruins, worst);
    assert_true(ruins > 0);
}

/* Assets with missing bars. A market of the path simulator has none: it can be asked where nothing waits. */
static void gaps_are_the_same_gaps(void **state) {
    (void)state;
    double worst = 0.0;
    for (int number = 0; number < CASES; ++number) {
        test_parity market = test_parity_make(number, TEST_PARITY_GAPS);
        const bool three = market.rules.latency_bars == 0;
        accounts a = {test_account_backtest(&market, pu__simulate), test_account_pnl(&market, device, NULL), {0}};
        if (three) a.paths = test_account_paths(&market, device, NULL);
        const double apart = three ? widest(&a) : test_account_distance(&a.backtest, &a.pnl);
        if (apart > limit) fail_msg("case %d: %.3g apart", number, apart);
        worst = fmax(worst, apart);
        free_accounts(&a);
        test_parity_free(&market);
    }
    print_message("at most %.2g apart\n", worst);
}

static pu_status plain_twin(const pu__path_scenario *scenario, const pu__path_batch *batch, pu_pool *pool) {
    (void)pool;
    return pu__paths_plain(scenario, batch);
}

/* Impact, funding and borrowing, which the backtest does not have; the path simulator's plain twin stands in for it. */
static void impact_and_carry_are_the_same(void **state) {
    (void)state;
    double worst = 0.0, carry = 0.0, impact = 0.0;
    for (int number = 0; number < CASES; ++number) {
        test_parity market = test_parity_make(number, TEST_PARITY_CARRY);
        accounts a = {test_account_paths(&market, device, plain_twin), test_account_pnl(&market, device, NULL),
                      test_account_paths(&market, device, NULL)};
        if (judge(&a) != AGREE) fail_msg("case %d: %s, by %.3g", number, verdict_name[judge(&a)], widest(&a));
        worst = fmax(worst, widest(&a));
        carry += a.pnl.paid[PU_PNL_CARRY];
        impact += a.pnl.paid[PU_PNL_IMPACT];
        free_accounts(&a);
        test_parity_free(&market);
    }
    print_message("at most %.2g apart, carry %.3g, impact %.3g\n", worst, carry, impact);
    assert_true(carry > 0.0 && impact > 0.0);
}

/* ---- real prices ---- */

static bool read_real(const char *symbol, char **text) {
    const char *shared = getenv("PU_SHARED"), *source = getenv("PU_SOURCE");
    char path[4096];
    size_t bytes = 0;
    if (shared) snprintf(path, sizeof path, "%s/data/real/equities/%s.csv", shared, symbol);
    else snprintf(path, sizeof path, "%s/../shared/data/real/equities/%s.csv", source ? source : ".", symbol);
    return pu__file_read(path, FILE_BYTES_MAX, text, &bytes) == PU_OK;
}

/* The adjusted closes of one file at the dates of `dates`, which the first file fills. */
static int64_t read_closes(char *text, char (*dates)[11], int64_t known, double *close, int64_t stride) {
    int64_t count = 0, at = 0;
    for (char *line = strchr(text, '\n'); line && line[1] && count < REAL_BARS_MAX;
         line = strchr(line + 1, '\n')) {
        double value = 0.0;
        if (sscanf(line + 1, "%*[^,],%*f,%*f,%*f,%*f,%lf", &value) != 1) continue;
        if (known == 0) {
            snprintf(dates[count], sizeof dates[0], "%.10s", line + 1);
        } else {
            while (at < known && strncmp(dates[at], line + 1, 10) < 0) ++at;
            if (at == known || strncmp(dates[at], line + 1, 10) != 0) continue;
        }
        close[(known ? at : count) * stride] = value;
        ++count;
    }
    return known ? known : count;
}

/* Files of full and of shorter histories; an asset that has not begun has no bar. */
static bool real_market(test_parity *market) {
    static const char *const symbols[REAL_FILES] = {"SPY", "AAPL", "BAC", "IBM", "AIG"};
    static char dates[REAL_BARS_MAX][11];
    static double close[REAL_BARS_MAX * REAL_FILES];
    int64_t bars = 0;
    for (int i = 0; i < REAL_BARS_MAX * REAL_FILES; ++i) close[i] = (double)NAN;
    for (int f = 0; f < REAL_FILES; ++f) {
        char *text = NULL;
        if (!read_real(symbols[f], &text)) return false;
        bars = read_closes(text, dates, bars, close + f, REAL_FILES);
        pu_free(text);
    }
    *market = test_parity_room(bars, REAL_FILES);
    pu_free(market->volume);
    market->volume = NULL;
    memcpy(market->price, close, (size_t)(bars * REAL_FILES) * sizeof *close);
    for (int64_t i = 0; i < bars * REAL_FILES; ++i) {
        assert_false(isnan(close[i])); /* these five trade on the same days */
        if (i < REAL_FILES) continue;
        market->simple_return[i] = (float)(close[i] / close[i - REAL_FILES] - 1.0);
        market->log_return[i] = (float)log(close[i] / close[i - REAL_FILES]);
    }
    return true;
}

static void three_accounts_agree_on_real_prices(void **state) {
    (void)state;
    test_parity market;
    if (!real_market(&market)) {
        print_message("real/equities is not here: skipped\n");
        skip();
    }
    pu_random random = pu_random_at(5, 0);
    for (int64_t i = 0; i < market.bars * market.assets; ++i)
        market.weight[i] = i / market.assets % 5 ? NAN : (float)(0.3 * pu_random_normal(&random));
    for (int latency = 0; latency <= 3; ++latency) {
        market.rules = (pu_pnl_rules){.half_spread_ratio = 2e-4, .slippage_ratio = 1e-4, .fee_ratio = 1e-4};
        market.rules.latency_bars = latency;
        accounts a = ask(&market, NULL);
        print_message("%lld days, latency %d: equity %.4f, at most %.2g apart\n", (long long)market.bars, latency,
                      a.backtest.equity[market.bars - 1], widest(&a));
        assert_int_equal(judge(&a), AGREE);
        free_accounts(&a);
    }
    test_parity_free(&market);
}

/* ---- planted errors ---- */

#define DECLARE_backtest(name) test_simulate name##_pu__simulate;
#define DECLARE_pnl(name)                               \
    pu_status name##_pu__pnl_cpu(const pu__call *call); \
    size_t name##_pu__pnl_workspace_cpu(const pu__call *call);
#define DECLARE_paths(name) test_paths name##_pu__paths_cpu;
#define PLANTED(name, account) DECLARE_##account(name)
#define STALE(name)
#include "parity.inc"
#undef PLANTED
#undef STALE

#define ROW_backtest(name) BACKTEST, name##_pu__simulate, {NULL, NULL}, NULL
#define ROW_pnl(name) PNL, NULL, {name##_pu__pnl_cpu, name##_pu__pnl_workspace_cpu}, NULL
#define ROW_paths(name) PATHS, NULL, {NULL, NULL}, name##_pu__paths_cpu
#define PLANTED(name, account) {#name, ROW_##account(name)},
#define STALE(name) {#name, CONFUSED, NULL, {NULL, NULL}, NULL},
static const planted errors[] = {
#include "parity.inc"
};
enum { ERRORS = sizeof errors / sizeof errors[0] };

/* An error is found where the account that has it stands alone; no case may name another. */
static void a_planted_error_is_found_where_it_is(void **state) {
    (void)state;
    for (int e = 0; e < ERRORS; ++e) {
        const planted *error = &errors[e];
        if (error->account == CONFUSED)
            fail_msg("%s: its text is no longer in the source: write it anew", error->name);
        int found = 0;
        for (int number = 0; number < CASES; ++number) {
            test_parity market = test_parity_make(number, TEST_PARITY_WHOLE);
            accounts a = ask(&market, error);
            const verdict named = judge(&a);
            if (named != AGREE && named != error->account)
                fail_msg("%s, case %d: the verdict is %s", error->name, number, verdict_name[named]);
            found += named == error->account;
            free_accounts(&a);
            test_parity_free(&market);
        }
        print_message("%-32s found in %d of %d cases\n", error->name, found, (int)CASES);
        if (found == 0) fail_msg("%s is found in no case", error->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_accounts_agree),
        cmocka_unit_test(gaps_are_the_same_gaps),
        cmocka_unit_test(impact_and_carry_are_the_same),
        cmocka_unit_test(three_accounts_agree_on_real_prices),
        cmocka_unit_test(a_planted_error_is_found_where_it_is),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
