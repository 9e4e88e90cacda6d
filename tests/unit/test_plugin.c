/* Every field of a descriptor from outside is checked, and the message names feature and field. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/plugin.h"

static double update(void *state, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)state;
    (void)parameters;
    (void)index;
    return bar->close;
}

static const double two[] = {3, 4};
static const double infinite[] = {3, INFINITY};
static const char *const two_names[] = {"bars", "span_bars"};
static const char *const one_name_null[] = {"bars", NULL};
static const char *const bad_name[] = {"bars", "Span bars"};
static const char *const all_inputs[] = {"benchmark", "universe", "alternative:funding_rate", "regime:market"};
static const char *const null_input[] = {NULL};
static const char *const nameless[] = {"alternative:"};
static const char *const unknown[] = {"regimes:market"};
static const char *const twice[] = {"universe", "universe"};
static const char long_name[] = "a123456789012345678901234567890123456789012345678901234567890123";

static const pu_feature good = {
    .abi = PU_FEATURE_ABI,
    .name = "of_the_user",
    .version = 1,
    .description = "Gleitender Durchschnitt, \xc3\xa4hnlich.", /* UTF-8 */
    .tags = "trend,level",
    .source = "M\xc3\xbcller 2020",
    .parameter_count = 2,
    .parameters = two,
    .parameter_names = two_names,
    .lookback_bars = 0,
    .state_bytes = 0,
    .update = update,
    .input_count = 4,
    .inputs = all_inputs,
    .cross = PU_CROSS_ZSCORE,
};

static void check(pu_feature feature, const char *message) {
    const pu_feature *const all[] = {&feature};
    const pu_status status = pu__plugin_check(1, all);
    if (status != PU_ERR_CONFIG || !strstr(pu_error_message(), message))
        fail_msg("status %d, '%s', expected '%s'", status, pu_error_message(), message);
}

#define REFUSED(message, field, ...)   \
    do {                               \
        pu_feature changed = good;     \
        changed.field = (__VA_ARGS__); \
        check(changed, message);       \
    } while (0)

static void a_sound_descriptor_passes(void **state) {
    (void)state;
    pu_feature least = {.abi = PU_FEATURE_ABI,
                        .name = "x",
                        .version = 1,
                        .description = "d",
                        .tags = "t",
                        .source = "s",
                        .update = update};
    const pu_feature *const all[] = {&good, &least};
    assert_int_equal(pu__plugin_check(2, all), PU_OK);
    least.state_bytes = PU__PLUGIN_STATE_BYTES_MAX;
    least.lookback_bars = PU__PLUGIN_LOOKBACK_BARS_MAX;
    assert_int_equal(pu__plugin_check(2, all), PU_OK);
}

static void names_and_texts_are_checked(void **state) {
    (void)state;
    static const char *const names[] = {"", "Upper", "1st", "_x", "with space", "with,comma", "nul|l", long_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        REFUSED("feature 0 of the array: name is no name", name, names[i]);
    REFUSED("feature 0 of the array: name is null", name, NULL);
    REFUSED("feature sma_30: name is taken by a built-in feature", name, "sma_30");
    REFUSED("feature of_the_user: description is null", description, NULL);
    REFUSED("feature of_the_user: description is empty", description, "");
    REFUSED("source is null", source, NULL);
    REFUSED("source has a control character or is no UTF-8, at byte 4", source, "abc\ndef");
    static const char *const torn[] = {"\xff",         "\xc3",         "\xc0\xaf",
                                       "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                                       "\xc2\x85",     "\xe2\x82",     "\x7f"};
    for (size_t i = 0; i < sizeof torn / sizeof *torn; ++i) REFUSED("at byte 1", description, torn[i]);
    char long_text[1200];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    REFUSED("description is longer than 1000 bytes", description, long_text);
    REFUSED("tags is null", tags, NULL);
    static const char *const tags[] = {",trend", "trend,", "trend,,level", "Trend", "a b"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; ++i) REFUSED("is no tag", tags, tags[i]);
}

static void numbers_are_checked(void **state) {
    (void)state;
    REFUSED("made for feature ABI 1, this program has 2", abi, 1);
    REFUSED("made for feature ABI 0", abi, 0);
    REFUSED("version is 0: at least 1", version, 0);
    REFUSED("lookback_bars is -1: 0 to", lookback_bars, -1);
    REFUSED("lookback_bars is 100001", lookback_bars, PU__PLUGIN_LOOKBACK_BARS_MAX + 1);
    REFUSED("state_bytes is 18446744073709551615", state_bytes, SIZE_MAX);
    REFUSED("cross is 3: none of pu_feature_cross", cross, (pu_feature_cross)3);
    REFUSED("update is null", update, NULL);
}

static void arrays_are_checked(void **state) {
    (void)state;
    REFUSED("parameter_count is -1", parameter_count, -1);
    REFUSED("parameter_count is 65: 0 to 64", parameter_count, 65);
    REFUSED("parameters is null", parameters, NULL);
    REFUSED("parameter_names is null", parameter_names, NULL);
    REFUSED("parameter_names[1] is no name", parameter_names, one_name_null);
    REFUSED("parameter_names[1] is no name", parameter_names, bad_name);
    REFUSED("parameters[1], span_bars, is no finite number", parameters, infinite);
    REFUSED("input_count is -1: 0 to 8", input_count, -1);
    REFUSED("input_count is 9: 0 to 8", input_count, PU_FEATURE_INPUTS_MAX + 1);
    REFUSED("inputs is null", inputs, NULL);
    pu_feature one = good;
    one.input_count = 1;
    one.inputs = null_input;
    check(one, "inputs[0] is null");
    one.inputs = nameless;
    check(one, "inputs[0], 'alternative:', is unknown");
    one.inputs = unknown;
    check(one, "inputs[0], 'regimes:market', is unknown: benchmark, universe, alternative:<name>, regime:<name>");
    one.input_count = 2;
    one.inputs = twice;
    check(one, "inputs names universe twice");
}

static void a_file_is_taken_as_a_whole(void **state) {
    (void)state;
    const pu_feature *const null[] = {&good, NULL};
    assert_int_equal(pu__plugin_check(2, null), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "feature 1 of the array: null"));
    const pu_feature *const same[] = {&good, &good};
    assert_int_equal(pu__plugin_check(2, same), PU_ERR_CONFIG);
    assert_non_null(strstr(pu_error_message(), "feature of_the_user: name is there twice in the array"));
    assert_null(pu_feature_find("of_the_user"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_descriptor_passes),  cmocka_unit_test(names_and_texts_are_checked),
        cmocka_unit_test(numbers_are_checked),        cmocka_unit_test(arrays_are_checked),
        cmocka_unit_test(a_file_is_taken_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
