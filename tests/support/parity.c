#include "tests/support/parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/device/paths.h"
#include "kernels/physics/draws.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

#define MUST(status)                                               \
    do {                                                           \
        if ((status) != PU_OK) fail_msg("%s", pu_error_message()); \
    } while (0)

static void *room(int64_t count, size_t size) {
    void *memory = pu_calloc((size_t)count + 1, size);
    assert_non_null(memory);
    return memory;
}

test_parity test_parity_room(int64_t bars, int64_t assets) {
    const int64_t n = bars * assets;
    return (test_parity){.bars = bars,
                         .assets = assets,
                         .log_return = room(n, sizeof(float)),
                         .simple_return = room(n, sizeof(float)),
                         .price = room(n, sizeof(double)),
                         .weight = room(n, sizeof(float)),
                         .volume = room(assets, sizeof(double))};
}

void test_parity_free(test_parity *market) {
    pu_free(market->log_return);
    pu_free(market->simple_return);
    pu_free(market->price);
    pu_free(market->weight);
    pu_free(market->volume);
    *market = (test_parity){0};
}

/* Every return is made of the same floats, in the way of the path simulator, so that all three see one market. */
static void walk_prices(test_parity *market, bool gaps, double deviation, pu_random *random) {
    for (int64_t a = 0; a < market->assets; ++a) {
        double price = 50.0, last = price;
        for (int64_t t = 0; t < market->bars; ++t) {
            const int64_t i = t * market->assets + a;
            const bool here = !gaps || pu_random_uniform(random) > 0.2;
            if (t > 0) {
                market->log_return[i] = (float)(deviation * pu_random_normal(random));
                price *= 1.0 + (double)pu__sim_expm1(market->log_return[i]);
            }
            market->simple_return[i] = here ? (float)(price / last - 1.0) : NAN;
            if (gaps) {
                price = here ? last * (1.0 + (double)market->simple_return[i]) : price;
                market->log_return[i] = here ? log1pf(market->simple_return[i]) : 0.0f;
            }
            market->price[i] = here ? price : (double)NAN;
            last = here ? price : last;
        }
    }
}

static pu_pnl_rules rules_of(int number, test_parity_kind kind) {
    pu_pnl_rules rules = {.half_spread_ratio = 4e-4, .slippage_ratio = 3e-4, .fee_ratio = 2e-4};
    if (number % 5 == 4) rules = (pu_pnl_rules){0};
    rules.latency_bars = number % 4;
    if (kind == TEST_PARITY_CARRY) {
        rules.impact_ratio = 0.01;
        rules.funding_ratio = 3e-4;
        rules.borrow_ratio = 2e-4;
    }
    return rules;
}

test_parity test_parity_make(int number, test_parity_kind kind) {
    static const int size[][2] = {{2, 1}, {7, 3}, {101, 2}, {257, 5}, {64, 11}, {33, 20}};
    const int *s = size[number % 6];
    pu_random random = pu_random_at(20261128, (uint64_t)(number * 3 + (int)kind));
    test_parity market = test_parity_room(s[0], s[1]);
    market.rules = rules_of(number, kind);
    const bool ruinous = number % 5 == 2;
    walk_prices(&market, kind == TEST_PARITY_GAPS, ruinous ? 0.12 : 0.02, &random);
    const double leverage = (ruinous ? 6.0 : 0.9) / sqrt((double)market.assets);
    for (int64_t i = 0; i < market.bars * market.assets; ++i) {
        const bool none = pu_random_uniform(&random) < 0.25;
        market.weight[i] = none ? NAN : (float)(leverage * pu_random_normal(&random));
    }
    for (int64_t a = 0; a < market.assets; ++a)
        market.volume[a] = (double)(float)(0.5 + 4.0 * pu_random_uniform(&random));
    if (kind != TEST_PARITY_CARRY) {
        pu_free(market.volume);
        market.volume = NULL;
    }
    return market;
}

void test_account_free(test_account *account) {
    pu_free(account->equity);
    *account = (test_account){0};
}

static test_account new_account(const test_parity *market) {
    test_account out = {.bars = market->bars, .equity = room(market->bars, sizeof(double))};
    for (int kind = 0; kind < PU_PNL_PAID_COUNT; ++kind) out.paid[kind] = (double)NAN;
    return out;
}

static double *widened(const float *x, int64_t n) {
    double *out = room(n, sizeof *out);
    for (int64_t i = 0; i < n; ++i) out[i] = (double)x[i];
    return out;
}

static pu__physics_rules physics_of(const pu_pnl_rules *rules) {
    return (pu__physics_rules){.half_spread_ratio = rules->half_spread_ratio,
                               .slippage_ratio = rules->slippage_ratio,
                               .fee_ratio = rules->fee_ratio,
                               .latency_bars = rules->latency_bars};
}

test_account test_account_backtest(const test_parity *market, test_simulate *simulate) {
    test_account out = new_account(market);
    double *weight = widened(market->weight, market->bars * market->assets);
    const pu__panel panel = {.times = market->bars, .assets = market->assets, .price = market->price};
    const pu__physics_rules rules = physics_of(&market->rules);
    pu__run run;
    MUST(simulate(&panel, 0, weight, &rules, &run));
    memcpy(out.equity, run.equity, (size_t)market->bars * sizeof *out.equity);
    out.paid[PU_PNL_SPREAD] = run.spread_paid;
    out.paid[PU_PNL_SLIPPAGE] = run.slippage_paid;
    out.paid[PU_PNL_FEE] = run.fee_paid;
    out.paid[PU_PNL_TRADED] = run.traded;
    pu__run_free(&run);
    pu_free(weight);
    return out;
}

/* ---- the operation ---- */

typedef struct launch {
    pu_device *device;
    pu__call call;
    pu_attributes attributes;
} launch;

static void add_input(launch *l, const float *host, pu_shape shape) {
    pu__view *view = &l->call.in[l->call.in_count++];
    view->shape = shape;
    const size_t bytes = (size_t)pu__count(&shape) * sizeof *host;
    MUST(pu_device_alloc(l->device, bytes, &view->data));
    MUST(pu_device_upload(l->device, PU_STREAM_COMPUTE, view->data, host, bytes));
    MUST(pu_device_sync(l->device));
}

static void add_output(launch *l, pu_shape shape) {
    pu__view *view = &l->call.out[l->call.out_count++];
    view->shape = shape;
    MUST(pu_device_alloc(l->device, (size_t)pu__count(&shape) * sizeof(float), &view->data));
}

static double *take_output(launch *l, int slot) {
    const int64_t n = pu__count(&l->call.out[slot].shape);
    float *host = room(n, sizeof *host);
    MUST(pu_device_download(l->device, PU_STREAM_COMPUTE, host, l->call.out[slot].data, (size_t)n * sizeof *host));
    MUST(pu_device_sync(l->device));
    double *out = widened(host, n);
    pu_free(host);
    return out;
}

static void run_launch(launch *l, const pu__kernel_entry *entry) {
    if (!entry) entry = &l->device->backend->kernels[PU_OP_PNL];
    l->device->backend->bind(l->device->state, &l->call);
    l->call.workspace_bytes = entry->workspace(&l->call);
    MUST(pu_device_alloc(l->device, l->call.workspace_bytes, &l->call.workspace));
    MUST(entry->kernel(&l->call));
    MUST(pu_device_sync(l->device));
}

test_account test_account_pnl(const test_parity *market, pu_device *device, const pu__kernel_entry *entry) {
    const int64_t bars = market->bars, assets = market->assets;
    const pu_shape x = {3, {1, bars, assets}}, bar = {2, {1, bars}}, paid = {2, {1, PU_PNL_PAID_COUNT}};
    launch l = {.device = device, .call = {.op = PU_OP_PNL}, .attributes = {.pnl = market->rules}};
    l.call.attributes = &l.attributes;
    add_input(&l, market->weight, x);
    add_input(&l, market->simple_return, x);
    float *volume = room(bars * assets, sizeof *volume);
    for (int64_t i = 0; market->volume && i < bars * assets; ++i) volume[i] = (float)market->volume[i % assets];
    if (market->volume) add_input(&l, volume, x);
    pu_free(volume);
    add_output(&l, bar);
    add_output(&l, bar);
    add_output(&l, paid);
    run_launch(&l, entry);
    test_account out = {.bars = bars, .equity = take_output(&l, 1)};
    double *sums = take_output(&l, 2);
    memcpy(out.paid, sums, sizeof out.paid);
    pu_free(sums);
    for (int i = 0; i < l.call.in_count; ++i) pu_device_free(device, l.call.in[i].data);
    for (int i = 0; i < l.call.out_count; ++i) pu_device_free(device, l.call.out[i].data);
    pu_device_free(device, l.call.workspace);
    return out;
}

/* ---- the path simulator ---- */

test_account test_account_paths(const test_parity *market, pu_device *device, test_paths *run) {
    test_account out = new_account(market);
    const int64_t n = market->bars * market->assets;
    double *weight = widened(market->weight, n), metric[PU_PATH_METRIC_COUNT];
    double *trade = room(n, sizeof *trade);
    float *history = room(n, sizeof *history);
    pu__process_asset *asset = room(market->assets, sizeof *asset);
    for (int64_t i = 0; i < n; ++i) {
        const bool gap = isnan(market->simple_return[i]);
        if (gap) weight[i] = (double)NAN;
        history[i] = gap ? 0.0f : market->log_return[i];
    }
    const pu_pnl_rules *rules = &market->rules;
    const pu__path_scenario scenario = {.process = PU_PROCESS_REPLAY,
                                        .assets = (int32_t)market->assets,
                                        .steps = (int32_t)market->bars - 1,
                                        .asset = asset,
                                        .volume = market->volume,
                                        .history = history,
                                        .history_rows = (int32_t)market->bars,
                                        .history_first = 1,
                                        .rules = {.physics = physics_of(rules),
                                                  .impact_ratio = rules->impact_ratio,
                                                  .funding_ratio = rules->funding_ratio,
                                                  .borrow_ratio = rules->borrow_ratio},
                                        .policy = PU_POLICY_WEIGHTS,
                                        .weight = weight};
    const pu__path_batch batch = {.count = 1, .metric = metric, .equity = out.equity, .trade = trade};
    MUST(run ? run(&scenario, &batch, NULL) : pu__device_paths(device, &scenario, &batch));
    out.paid[PU_PNL_SPREAD] = metric[PU_PATH_SPREAD];
    out.paid[PU_PNL_SLIPPAGE] = metric[PU_PATH_SLIPPAGE];
    out.paid[PU_PNL_FEE] = metric[PU_PATH_FEE];
    out.paid[PU_PNL_IMPACT] = metric[PU_PATH_IMPACT];
    out.paid[PU_PNL_CARRY] = metric[PU_PATH_CARRY];
    out.paid[PU_PNL_TRADED] = 0.0;
    for (int64_t i = 0; i < n; ++i) out.paid[PU_PNL_TRADED] += fabs(trade[i]);
    pu_free(weight);
    pu_free(trade);
    pu_free(history);
    pu_free(asset);
    return out;
}

static double relative(double a, double b) {
    const double larger = fmax(fabs(a), fabs(b));
    return larger > 0.0 ? fabs(a - b) / larger : 0.0;
}

double test_account_distance(const test_account *a, const test_account *b) {
    double worst = 0.0;
    for (int64_t t = 1; t < a->bars; ++t) worst = fmax(worst, relative(a->equity[t], b->equity[t]));
    for (int kind = 0; kind < PU_PNL_PAID_COUNT; ++kind) {
        if (isnan(a->paid[kind]) || isnan(b->paid[kind])) continue;
        worst = fmax(worst, relative(a->paid[kind], b->paid[kind]));
    }
    return worst;
}
