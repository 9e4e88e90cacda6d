/* The differentiable profit and loss and the path simulator as CUDA kernels, emulated, beside the backtest: one answer,
 * as tests/unit/test_parity.c asks of the CPU's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emulator.h"
#include "tests/support/parity.h"

enum { CASES = 24 };
static const double limit = 1e-6;

static pu_device *device;

static int open_device(void **state) {
    (void)state;
    pu__emulator_reset();
    return pu_device_open("cuda", 0, &device) == PU_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    pu_device_close(device);
    return pu__emulator_live() == 0 ? 0 : -1;
}

static void expect(const test_account *a, const test_account *b, int number, const char *what) {
    const double apart = test_account_distance(a, b);
    for (int i = 0; i < pu__emulator_faults(); ++i)
        if (pu__emulator_fault(i)) print_error("%s\n", pu__emulator_fault(i)->text);
    assert_int_equal(pu__emulator_faults(), 0);
    if (!(apart <= limit)) fail_msg("case %d, %s: %.3g apart", number, what, apart);
}

static void kernels_agree_with_the_backtest(void **state) {
    (void)state;
    for (int number = 0; number < CASES; ++number) {
        test_parity market = test_parity_make(number, TEST_PARITY_WHOLE);
        test_account backtest = test_account_backtest(&market, pu__simulate);
        test_account pnl = test_account_pnl(&market, device, NULL);
        test_account paths = test_account_paths(&market, device, NULL);
        expect(&backtest, &pnl, number, "pnl");
        expect(&backtest, &paths, number, "paths");
        if (number % 6 == 3) { /* the comparison sees a missing cost */
            market.rules.fee_ratio += 1e-4;
            test_account other = test_account_pnl(&market, device, NULL);
            assert_true(test_account_distance(&backtest, &other) > limit);
            test_account_free(&other);
        }
        test_account_free(&backtest);
        test_account_free(&pnl);
        test_account_free(&paths);
        test_parity_free(&market);
    }
}

static void kernels_agree_on_impact_and_carry(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number += 5) {
        test_parity market = test_parity_make(number, TEST_PARITY_CARRY);
        test_account pnl = test_account_pnl(&market, device, NULL);
        test_account paths = test_account_paths(&market, device, NULL);
        expect(&pnl, &paths, number, "impact and carry");
        test_account_free(&pnl);
        test_account_free(&paths);
        test_parity_free(&market);
    }
}

static void gaps_are_the_same_gaps(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number += 5) {
        test_parity market = test_parity_make(number, TEST_PARITY_GAPS);
        test_account backtest = test_account_backtest(&market, pu__simulate);
        test_account pnl = test_account_pnl(&market, device, NULL);
        expect(&backtest, &pnl, number, "gaps");
        test_account_free(&backtest);
        test_account_free(&pnl);
        test_parity_free(&market);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernels_agree_with_the_backtest),
                                       cmocka_unit_test(kernels_agree_on_impact_and_carry),
                                       cmocka_unit_test(gaps_are_the_same_gaps)};
    return cmocka_run_group_tests(tests, open_device, close_device);
}
