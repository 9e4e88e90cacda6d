/* Plug-ins that have to be refused. FAULT says why. */
#include <plusultra/features.h>

enum { OTHER_ABI = 1, NO_ARRAY, NO_COUNT, NULL_FEATURE, NO_UPDATE, TAKEN, BAD_INPUT, MISSING_SYMBOL };

#if FAULT == 8
extern double not_defined_anywhere(void);
#endif

static double update(void *state, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)state;
    (void)parameters;
    (void)index;
    (void)bar;
#if FAULT == 8
    return not_defined_anywhere();
#else
    return bar->close;
#endif
}

static const char *const inputs[] = {"weather"};

static const pu_feature sound = {
    .abi = PU_FEATURE_ABI,
    .name = "sound",
    .version = 1,
    .description = "Has no fault, but stands in the same file.",
    .tags = "test",
    .source = "none",
    .update = update,
};

static const pu_feature broken = {
    .abi = FAULT == OTHER_ABI ? PU_FEATURE_ABI + 1 : PU_FEATURE_ABI,
    .name = FAULT == TAKEN ? "rsi_14" : "broken",
    .version = 1,
    .description = "Has a fault.",
    .tags = "test",
    .source = "none",
    .update = FAULT == NO_UPDATE ? NULL : update,
    .input_count = FAULT == BAD_INPUT,
    .inputs = inputs,
};

PU_PLUGIN_EXPORT const pu_feature *const *pu_plugin_features(int *count) {
    static const pu_feature *const all[] = {&sound, FAULT == NULL_FEATURE ? NULL : &broken};
    if (FAULT != NO_COUNT) *count = 2;
    return FAULT == NO_ARRAY ? NULL : all;
}
