/* A set of checks in YAML, and a few bars through what it asks for. */
#include <math.h>
#include <stdlib.h>

#include "host/data/validate/inspect.h"
#include "tests/fuzz/fuzz.h"

static void run(const pu__suite *suite) {
    static const pu_asset asset = {.id = 1, .symbol = "FUZZ", .asset_class = "equity", .bar_s = 86400};
    pu_validation out = {0};
    pu__findings findings = {.out = &out, .samples = 3};
    pu__inspector inspector;
    if (pu__inspector_open(suite, &findings, &inspector) != PU_OK) abort();
    pu__inspector_begin(&inspector, &asset, NULL);
    for (int i = 0; i < 40; ++i) {
        const double close = i == 30 ? NAN : i < 20 ? 100 : 50;
        const pu__bar bar = {(int64_t)i * 86400, close, close, close, close, close, i % 3 ? 1 : 0};
        pu__inspector_bar(&inspector, &bar, i == 20, false);
    }
    pu__inspector_end(&inspector);
    pu__inspector_close(&inspector);
    pu_validation_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pu__suite suite;
    if (pu__suite_load("input.yaml", (const char *)data, size, "equity", &suite) != PU_OK) return 0;
    run(&suite);
    pu__suite_free(&suite);
    return 0;
}
