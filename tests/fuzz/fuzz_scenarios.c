/* A library of scenarios in YAML, laid over a market at some severities. */
#include <math.h>
#include <stdlib.h>

#include "host/sim/shocks.h"
#include "tests/fuzz/fuzz.h"

enum { STEPS = 40, ASSETS = 2 };

static void lay(const pu__scenario *scenario) {
    static const pu_asset asset[ASSETS] = {{.symbol = "AAA"}, {.symbol = "BBB"}};
    static const double severities[] = {0, 0.5, 1, 10};
    pu__path_shock shock[STEPS * ASSETS];
    char text[300];
    for (int i = 0; i < scenario->shock_count; ++i) pu__shock_text(&scenario->shock[i], text, sizeof text);
    if (pu__scenario_check(scenario, STEPS, ASSETS, asset) != PU_OK) return;
    for (size_t v = 0; v < sizeof severities / sizeof *severities; ++v) {
        if (pu__scenario_overlay(scenario, severities[v], STEPS, ASSETS, asset, shock) != PU_OK) continue;
        for (int i = 0; i < STEPS * ASSETS; ++i) {
            if (!isfinite(shock[i].shift) || !(shock[i].volatility_scale >= 0.0f) ||
                !(shock[i].correlation <= 1.0f))
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pu__scenarios library;
    if (pu__scenarios_parse("input.yaml", (const char *)data, size, &library) == PU_OK) {
        for (int i = 0; i < library.count; ++i) lay(&library.scenario[i]);
    }
    pu__scenarios_free(&library);
    return 0;
}
