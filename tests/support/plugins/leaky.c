/* A plug-in that looks ahead, for the tests of the audit. LEAK says how: REMEMBERS keeps the closes of every pass in
 * a static table and gives tomorrow's; FITS scales by the mean of everything seen in any pass; READS_ON takes the last
 * bar of the run it was handed. */
#include <math.h>
#include <plusultra/features.h>

enum { REMEMBERS = 1, FITS, READS_ON, BARS_MAX = 1 << 16 };

static double closes[BARS_MAX], fitted_sum, fitted_count;

static double leaky_update(void *state, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)state;
    (void)parameters;
    if (LEAK == REMEMBERS) {
        closes[index % BARS_MAX] = bar->close;
        return closes[(index + 1) % BARS_MAX] / bar->close;
    }
    if (LEAK == READS_ON) return 0;
    fitted_sum += bar->close;
    fitted_count += 1;
    return bar->close - fitted_sum / fitted_count;
}

static void leaky_many(void *state, const double *parameters, const pu_feature_chunk *chunk, double *out) {
    (void)state;
    (void)parameters;
    for (int64_t i = 0; i < chunk->count; ++i) out[i] = log(chunk->close[chunk->count - 1] / chunk->close[i]);
}

static const pu_feature leaky = {
    .abi = PU_FEATURE_ABI,
    .name = LEAK == REMEMBERS ? "leaky_remembers"
            : LEAK == FITS    ? "leaky_fits"
                              : "leaky_reads_on",
    .version = 1,
    .description = "Looks ahead.",
    .tags = "leaky",
    .source = "none",
    .update = leaky_update,
    .update_many = LEAK == READS_ON ? leaky_many : NULL,
};

PU_PLUGIN_EXPORT const pu_feature *const *pu_plugin_features(int *count) {
    static const pu_feature *const all[] = {&leaky};
    *count = 1;
    return all;
}
