/* The one physics: timing, costs, drift, gaps and ruin, by hand, by identity and against another way of
 * accounting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "kernels/physics/execution.h"
#include "plusultra/random.h"
#include "tests/support/golden.h"

enum { ASSETS_MAX = 8, LATENCY_MAX = 80, TIMES_MAX = 400 };
static const double none = (double)NAN;

typedef struct book {
    pu__physics_rules rules;
    pu__physics_account account;
    pu__physics_position position[ASSETS_MAX];
    double pending[LATENCY_MAX * ASSETS_MAX];
    int64_t assets;
} book;

static book new_book(int64_t assets, int64_t latency, double spread_bps) {
    book b;
    memset(&b, 0, sizeof b);
    b.assets = assets;
    b.rules.latency_bars = latency;
    b.rules.half_spread_ratio = 0.5e-4 * spread_bps;
    pu__physics_reset(&b.rules, &b.account, b.position, b.pending, assets);
    return b;
}

static double step(book *b, const double *price, const double *weight) {
    return pu__physics_step(&b->rules, &b->account, b->position, b->pending, b->assets, price, weight);
}

static double step1(book *b, double price, double weight) { return step(b, &price, &weight); }

#define assert_near(a, b, tolerance)                                                                              \
    do {                                                                                                          \
        if (!golden_near((a), (b), (tolerance))) fail_msg("%s = %.17g, not %.17g", #a, (double)(a), (double)(b)); \
    } while (0)

/* Half of 100 at 10, price to 11, then to 9.9, then sold; 20 bps full spread on what is traded. */
static void hand_computed(void **state) {
    (void)state;
    book b = new_book(1, 0, 20);
    assert_near(step1(&b, 10, 0.5), -0.5 * 0.001, 1e-15);
    const double e0 = 1 - 0.0005;
    assert_near(b.account.equity, e0, 1e-15);
    const double e1 = e0 + 0.5 * 0.1;
    assert_near(step1(&b, 11, none), e1 / e0 - 1, 1e-15);
    assert_near(b.position[0].value, 0.55, 1e-15);
    const double e2_marked = e1 - 0.55 * 0.1;
    const double e2 = e2_marked - 0.495 * 0.001;
    assert_near(step1(&b, 9.9, 0), e2 / e1 - 1, 1e-14);
    assert_near(b.account.equity, e2, 1e-15);
    assert_near(b.account.spread_paid, 0.0005 + 0.000495, 1e-15);
    assert_near(b.account.traded, 0.5 + 0.495, 1e-15);
    assert_int_equal(b.account.trades, 2);
}

static void buy_and_hold_trades_once(void **state) {
    (void)state;
    book b = new_book(1, 1, 10);
    pu_random random = pu_random_at(7, 0);
    double price = 100, entry = 0;
    for (int t = 0; t < 50; ++t) {
        step1(&b, price, t == 0 ? 1.0 : none);
        if (t == 1) entry = price;
        price *= exp(0.02 * pu_random_normal(&random));
    }
    assert_int_equal(b.account.trades, 1);
    assert_near(b.account.equity, b.position[0].price / entry - 0.0005, 1e-13);
}

static void latency_delays_the_fill_by_exactly_its_bars(void **state) {
    (void)state;
    for (int64_t latency = 0; latency <= 7; ++latency) {
        book b = new_book(1, latency, 0);
        for (int t = 0; t < 20; ++t) {
            /* Only the bar after the fill moves: whoever fills a bar early or late earns something else. */
            const double price = t <= 5 + latency ? 100 : 110;
            const double r = step1(&b, price, t == 5 ? 1.0 : none);
            assert_near(r, t == 6 + latency ? 0.1 : 0.0, 1e-14);
            assert_int_equal(b.account.trades, t >= 5 + latency ? 1 : 0);
        }
    }
}

static void latency_counts_the_assets_own_bars(void **state) {
    (void)state;
    book b = new_book(2, 2, 0);
    const double sparse[] = {10, none, none, 10, none, 10, 20};
    for (int t = 0; t < 7; ++t) {
        const double price[2] = {100, sparse[t]}, weight[2] = {none, t == 0 ? 0.5 : none};
        const double r = step(&b, price, weight);
        assert_near(r, t == 6 ? 0.5 : 0.0, 1e-15); /* own bars 0, 3, 5: filled at 5 */
    }
}

static void a_gap_is_earned_at_the_next_bar(void **state) {
    (void)state;
    book b = new_book(1, 0, 50);
    step1(&b, 10, 1);
    const double after_entry = b.account.equity;
    assert_near(step1(&b, none, 0), 0, 0); /* cannot trade: no bar */
    assert_int_equal(b.account.trades, 1);
    assert_near(step1(&b, 13, none), (after_entry + 0.3) / after_entry - 1, 1e-15);
}

static void without_costs_equity_is_the_product_of_returns(void **state) {
    (void)state;
    book b = new_book(1, 0, 0);
    pu_random random = pu_random_at(11, 0);
    double price = 50, product = 1;
    for (int t = 0; t < 300; ++t) {
        const double r = step1(&b, price, 1.0);
        product *= 1 + r;
        price *= exp(0.03 * pu_random_normal(&random));
    }
    assert_near(b.account.equity, b.position[0].price / 50, 1e-12);
    assert_near(product, b.account.equity, 1e-12);
}

/* Equity compounds: twice +10% is +21%, not +20%. */
static void equity_is_not_additive(void **state) {
    (void)state;
    book b = new_book(1, 0, 0);
    step1(&b, 100, 1);
    step1(&b, 110, 1);
    step1(&b, 121, 1);
    assert_near(b.account.equity, 1.21, 1e-15);
}

static void weights_drift_between_trades(void **state) {
    (void)state;
    book b = new_book(2, 0, 0);
    step(&b, (double[]){10, 10}, (double[]){0.5, 0.5});
    step(&b, (double[]){20, 10}, (double[]){none, none});
    assert_near(b.position[0].value / b.account.equity, 1.0 / 1.5, 1e-15);
    step(&b, (double[]){20, 5}, (double[]){none, none});
    assert_near(b.account.equity, 1.25, 1e-15);
}

static void costs_fall_on_trades_never_on_holdings(void **state) {
    (void)state;
    book b = new_book(1, 0, 100);
    b.rules.slippage_ratio = 0.001;
    b.rules.fee_ratio = 0.002;
    step1(&b, 10, 1);
    const double paid = b.account.spread_paid + b.account.slippage_paid + b.account.fee_paid;
    assert_near(paid, 0.005 + 0.001 + 0.002, 1e-15);
    for (int t = 0; t < 100; ++t) step1(&b, 10, none);
    assert_true(paid == b.account.spread_paid + b.account.slippage_paid + b.account.fee_paid);
}

static void a_tiny_order_pays_in_proportion(void **state) {
    (void)state;
    book large = new_book(1, 0, 30), tiny = new_book(1, 0, 30);
    step1(&large, 10, 1);
    step1(&tiny, 10, 1e-6);
    assert_near(tiny.account.spread_paid, 1e-6 * large.account.spread_paid, 1e-21);
}

static void equity_is_one_plus_pnl_less_costs(void **state) {
    (void)state;
    book b = new_book(5, 3, 40);
    b.rules.fee_ratio = 0.0007;
    b.rules.no_trade_weight = 0.05;
    pu_random random = pu_random_at(3, 9);
    double price[5] = {1, 10, 100, 1000, 10000}, pnl = 0, cost = 0;
    for (int t = 0; t < TIMES_MAX; ++t) {
        double seen[5], weight[5];
        for (int i = 0; i < 5; ++i) {
            price[i] *= exp(0.02 * pu_random_normal(&random));
            seen[i] = pu_random_uniform(&random) < 0.1 ? none : price[i];
            weight[i] = pu_random_uniform(&random) < 0.2 ? none : 0.4 * pu_random_normal(&random);
        }
        step(&b, seen, weight);
        for (int i = 0; i < 5; ++i) {
            pnl += b.position[i].pnl;
            cost += b.position[i].cost;
        }
        assert_near(b.account.equity, 1 + pnl - cost, 1e-12);
    }
    assert_false(b.account.ruined);
    assert_near(cost, b.account.spread_paid + b.account.slippage_paid + b.account.fee_paid, 1e-13);
}

static void the_band_keeps_small_changes_from_trading(void **state) {
    (void)state;
    book b = new_book(1, 0, 0);
    b.rules.no_trade_weight = 0.1;
    step1(&b, 10, 0.05);
    assert_int_equal(b.account.trades, 0);
    step1(&b, 10, 0.5);
    step1(&b, 10, 0.59);
    assert_int_equal(b.account.trades, 1);
    assert_near(b.position[0].value, 0.5, 0);
    step1(&b, 10, 0.35);
    assert_int_equal(b.account.trades, 2);
}

/* The reciprocal of a turnover against the division that it stands for, and where no float holds an equity. */
static void turnover_is_traded_over_equity(void **state) {
    (void)state;
    double worst = 0.0;
    for (int i = 0; i < 1000000; ++i) {
        const double equity = ldexp(1.0 + (double)i * 1.00000049e-6, i % 225 - 99);
        const double traded = equity * (1e-6 + (double)(i % 997));
        const double turnover = pu__execution_turnover(0.0, traded, equity), exact = traded / equity;
        worst = fmax(worst, fabs(turnover - exact) / exact);
    }
    print_message("worst relative error of a turnover: 2^%.1f\n", log2(worst));
    assert_true(worst > 0.0 && worst < 0x1p-46);
    assert_true(pu__execution_turnover(0.25, 0.0, 0.0) == 0.25);
    assert_true(pu__execution_turnover(0.25, 0.0, PU_EQUITY_LEAST / 8.0) == 0.25);
    assert_true(pu__execution_turnover(0.0, PU_EQUITY_LEAST, PU_EQUITY_LEAST / 8.0) == 1.0);
    assert_true(pu__execution_turnover(0.25, 1e300, 1e300) == 0.25);
}

static void ruin_is_final(void **state) {
    (void)state;
    book b = new_book(1, 0, 0);
    step1(&b, 10, -2);
    assert_near(step1(&b, 16, -2), -1, 0); /* short two, up 60%: -1.2 */
    assert_true(b.account.ruined && b.account.equity == 0);
    assert_near(step1(&b, 1, 1), 0, 0);
    assert_true(b.account.equity == 0 && b.account.trades == 1);

    book costly = new_book(1, 0, 20000); /* half the spread is the whole notional */
    assert_near(step1(&costly, 10, 1), -1, 0);
    assert_true(costly.account.ruined);
}

static void agrees_with_units_and_cash(void **state) {
    (void)state;
    json_t *golden = golden_load("physics.json");
    const json_t *prices = json_object_get(golden, "price"), *weights = json_object_get(golden, "weight");
    const json_t *cases = json_object_get(golden, "cases");
    assert_int_equal(json_array_size(cases), 4);
    for (size_t c = 0; c < json_array_size(cases); ++c) {
        const json_t *one = json_array_get(cases, c);
        book b = new_book(3, (int64_t)golden_real(one, "latency"), 0);
        b.rules.half_spread_ratio = golden_real(one, "half_spread");
        b.rules.slippage_ratio = golden_real(one, "slippage");
        b.rules.fee_ratio = golden_real(one, "fee");
        b.rules.no_trade_weight = golden_real(one, "band");
        double equity[TIMES_MAX];
        const int64_t times = golden_list(json_object_get(one, "equity"), equity, TIMES_MAX);
        for (int64_t t = 0; t < times; ++t) {
            double price[3], weight[3];
            golden_list(json_array_get(prices, (size_t)t), price, 3);
            golden_list(json_array_get(weights, (size_t)t), weight, 3);
            step(&b, price, weight);
            assert_near(b.account.equity, equity[t], 1e-12);
        }
        assert_near(b.account.spread_paid + b.account.slippage_paid + b.account.fee_paid, golden_real(one, "paid"),
                    1e-12);
    }
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_computed),
        cmocka_unit_test(buy_and_hold_trades_once),
        cmocka_unit_test(latency_delays_the_fill_by_exactly_its_bars),
        cmocka_unit_test(latency_counts_the_assets_own_bars),
        cmocka_unit_test(a_gap_is_earned_at_the_next_bar),
        cmocka_unit_test(without_costs_equity_is_the_product_of_returns),
        cmocka_unit_test(equity_is_not_additive),
        cmocka_unit_test(weights_drift_between_trades),
        cmocka_unit_test(costs_fall_on_trades_never_on_holdings),
        cmocka_unit_test(a_tiny_order_pays_in_proportion),
        cmocka_unit_test(equity_is_one_plus_pnl_less_costs),
        cmocka_unit_test(the_band_keeps_small_changes_from_trading),
        cmocka_unit_test(ruin_is_final),
        cmocka_unit_test(turnover_is_traded_over_equity),
        cmocka_unit_test(agrees_with_units_and_cash),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
