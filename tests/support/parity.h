/* One market and one book of weights through the three accounts that trade: the backtest, the differentiable profit
 * and loss, and the path simulator. */
#ifndef PU_TESTS_SUPPORT_PARITY_H
#define PU_TESTS_SUPPORT_PARITY_H

#include "host/device/backend.h"
#include "host/eval/simulate.h"
#include "kernels/paths/paths.h"

/* All tables are [bars][assets]. */
typedef struct test_parity {
    int64_t bars, assets;
    float *log_return;    /* from the bar before; row 0 is not used */
    float *simple_return; /* NaN: no bar */
    double *price;        /* NaN: no bar */
    float *weight;        /* NaN: no order */
    double *volume;       /* [assets] of every bar; null: unknown */
    pu_pnl_rules rules;
} test_parity;

/* Case `number` of a sweep over sizes, latencies and costs. Gaps: assets miss bars; the path simulator, whose markets
 * have none, can then be asked where the latency is 0 alone. Free with test_parity_free. */
typedef enum test_parity_kind { TEST_PARITY_WHOLE = 0, TEST_PARITY_GAPS, TEST_PARITY_CARRY } test_parity_kind;
test_parity test_parity_make(int number, test_parity_kind kind);
/* Room for a market of this size, all zero, volumes too. */
test_parity test_parity_room(int64_t bars, int64_t assets);
void test_parity_free(test_parity *market);

typedef struct test_account {
    int64_t bars;
    double *equity;                 /* after each bar */
    double paid[PU_PNL_PAID_COUNT]; /* by kind; NaN where this account has no such kind */
} test_account;
void test_account_free(test_account *account);

typedef pu_status test_simulate(const pu__panel *panel, int64_t first, const double *weight,
                                const pu__physics_rules *rules, pu__run *out);
typedef pu_status test_paths(const pu__path_scenario *scenario, const pu__path_batch *batch, struct pu_pool *pool);

test_account test_account_backtest(const test_parity *market, test_simulate *simulate);
/* By a kernel of the device; null: its own. */
test_account test_account_pnl(const test_parity *market, pu_device *device, const pu__kernel_entry *entry);
/* A replay of the market's log-returns; `run` null: on the device. */
test_account test_account_paths(const test_parity *market, pu_device *device, test_paths *run);

/* The largest relative difference of equity at a bar or of a cost by kind. Bar 0 of a backtest is 1 by definition and
 * not looked at. */
double test_account_distance(const test_account *a, const test_account *b);

#endif
