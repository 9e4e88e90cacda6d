/* What a descriptor from outside has to be before anything calls or prints it. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/data/features/plugin.h"

enum { NAME_BYTES_MAX = 63, TEXT_BYTES_MAX = 1000, PARAMETERS_MAX = 64 };

/* The descriptor at hand, for messages: its name once that is known to be one, its number before. */
typedef struct subject {
    const pu_feature *feature;
    int number;
    bool named;
} subject;

static pu_status refuse(const subject *about, const char *format, ...) __attribute__((format(printf, 2, 3)));
static pu_status refuse(const subject *about, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (about->named) return pu_fail(PU_ERR_CONFIG, "feature %s: %s", about->feature->name, text);
    return pu_fail(PU_ERR_CONFIG, "feature %d of the array: %s", about->number, text);
}

/* lower_case_with_numbers, a letter first. */
static bool is_name(const char *text, size_t length) {
    if (length < 1 || length > NAME_BYTES_MAX || text[0] < 'a' || text[0] > 'z') return false;
    for (size_t i = 0; i < length; ++i) {
        const char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
    }
    return true;
}

/* Bytes of the UTF-8 character at `text`, 0 where there is none that may be printed: RFC 3629, no control
 * characters. */
static size_t character_bytes(const unsigned char *text) {
    if (text[0] >= 0x20 && text[0] < 0x7f) return 1;
    const size_t bytes = text[0] >= 0xc2 && text[0] < 0xe0   ? 2
                         : (text[0] & 0xf0) == 0xe0          ? 3
                         : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                             : 0;
    for (size_t i = 1; i < bytes; ++i) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    const bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    const bool beyond = (text[0] == 0xed && text[1] >= 0xa0) || (text[0] == 0xf4 && text[1] >= 0x90);
    const bool control = text[0] == 0xc2 && text[1] < 0xa0;
    return overlong || beyond || control ? 0 : bytes;
}

/* One line that a table, JSON and a terminal can take. */
static pu_status check_text(const subject *about, const char *field, const char *text) {
    if (!text || !*text) return refuse(about, "%s is %s", field, text ? "empty" : "null");
    if (strnlen(text, TEXT_BYTES_MAX + 1) > TEXT_BYTES_MAX)
        return refuse(about, "%s is longer than %d bytes", field, TEXT_BYTES_MAX);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        const size_t bytes = character_bytes(at);
        if (bytes == 0)
            return refuse(about, "%s has a control character or is no UTF-8, at byte %td", field,
                          at - (const unsigned char *)text + 1);
        at += bytes;
    }
    return PU_OK;
}

static pu_status check_tags(const subject *about) {
    PU_TRY(check_text(about, "tags", about->feature->tags));
    for (const char *tag = about->feature->tags;; ++tag) {
        const size_t length = strcspn(tag, ",");
        if (!is_name(tag, length))
            return refuse(about, "tags: '%.*s' is no tag: names like 'momentum', separated by commas",
                          (int)(length < NAME_BYTES_MAX ? length : NAME_BYTES_MAX), tag);
        tag += length;
        if (!*tag) return PU_OK;
    }
}

static pu_status check_parameters(const subject *about) {
    const pu_feature *feature = about->feature;
    if (feature->parameter_count < 0 || feature->parameter_count > PARAMETERS_MAX)
        return refuse(about, "parameter_count is %d: 0 to %d", feature->parameter_count, PARAMETERS_MAX);
    if (feature->parameter_count > 0 && !feature->parameters) return refuse(about, "parameters is null");
    if (feature->parameter_count > 0 && !feature->parameter_names) return refuse(about, "parameter_names is null");
    for (int p = 0; p < feature->parameter_count; ++p) {
        const char *name = feature->parameter_names[p];
        if (!name || !is_name(name, strnlen(name, NAME_BYTES_MAX + 1)))
            return refuse(about, "parameter_names[%d] is no name like 'bars'", p);
        if (!isfinite(feature->parameters[p]))
            return refuse(about, "parameters[%d], %s, is no finite number", p, name);
    }
    return PU_OK;
}

/* The spellings that features.h lists. */
static bool is_input(const char *text) {
    static const char *const series[] = {"alternative:", "regime:"};
    if (strcmp(text, "benchmark") == 0 || strcmp(text, "universe") == 0) return true;
    for (int i = 0; i < 2; ++i) {
        const size_t length = strlen(series[i]);
        if (strncmp(text, series[i], length) != 0) continue;
        const size_t rest = strnlen(text + length, NAME_BYTES_MAX + 1);
        return rest >= 1 && rest <= NAME_BYTES_MAX;
    }
    return false;
}

static pu_status check_inputs(const subject *about) {
    const pu_feature *feature = about->feature;
    if (feature->input_count < 0 || feature->input_count > PU_FEATURE_INPUTS_MAX)
        return refuse(about, "input_count is %d: 0 to %d", feature->input_count, PU_FEATURE_INPUTS_MAX);
    if (feature->input_count > 0 && !feature->inputs) return refuse(about, "inputs is null");
    for (int i = 0; i < feature->input_count; ++i) {
        char field[32];
        snprintf(field, sizeof field, "inputs[%d]", i);
        PU_TRY(check_text(about, field, feature->inputs[i]));
        if (!is_input(feature->inputs[i]))
            return refuse(
                about, "inputs[%d], '%.80s', is unknown: benchmark, universe, alternative:<name>, regime:<name>",
                i, feature->inputs[i]);
        for (int j = 0; j < i; ++j) {
            if (strcmp(feature->inputs[i], feature->inputs[j]) == 0)
                return refuse(about, "inputs names %s twice", feature->inputs[i]);
        }
    }
    return PU_OK;
}

static pu_status check_numbers(const subject *about) {
    const pu_feature *feature = about->feature;
    if (feature->version < 1) return refuse(about, "version is %d: at least 1", feature->version);
    if (feature->lookback_bars < 0 || feature->lookback_bars > PU__PLUGIN_LOOKBACK_BARS_MAX)
        return refuse(about, "lookback_bars is %d: 0 to %d", feature->lookback_bars, PU__PLUGIN_LOOKBACK_BARS_MAX);
    if (feature->state_bytes > PU__PLUGIN_STATE_BYTES_MAX)
        return refuse(about, "state_bytes is %zu: at most %d", feature->state_bytes, PU__PLUGIN_STATE_BYTES_MAX);
    const int cross = (int)feature->cross;
    if (cross < PU_CROSS_NONE || cross > PU_CROSS_ZSCORE)
        return refuse(about, "cross is %d: none of pu_feature_cross", cross);
    if (!feature->update) return refuse(about, "update is null");
    return PU_OK;
}

/* `abi` comes first: where it differs, no other field may be where this header has it. */
static pu_status check_one(int number, const pu_feature *feature) {
    subject about = {.feature = feature, .number = number};
    if (!feature) return refuse(&about, "null");
    if (feature->abi != PU_FEATURE_ABI)
        return refuse(&about,
                      "made for feature ABI %d, this program has %d: compile it with this version's headers",
                      feature->abi, PU_FEATURE_ABI);
    if (!feature->name) return refuse(&about, "name is null");
    if (!is_name(feature->name, strnlen(feature->name, NAME_BYTES_MAX + 1)))
        return refuse(&about, "name is no name of 1 to %d letters a-z, digits and _, a letter first",
                      NAME_BYTES_MAX);
    about.named = true;
    PU_TRY(check_text(&about, "description", feature->description));
    PU_TRY(check_text(&about, "source", feature->source));
    PU_TRY(check_tags(&about));
    PU_TRY(check_numbers(&about));
    PU_TRY(check_parameters(&about));
    return check_inputs(&about);
}

pu_status pu__plugin_check(int count, const pu_feature *const *features) {
    for (int i = 0; i < count; ++i) {
        PU_TRY(check_one(i, features[i]));
        const subject about = {.feature = features[i], .number = i, .named = true};
        for (int j = 0; j < i; ++j) {
            if (strcmp(features[i]->name, features[j]->name) == 0)
                return refuse(&about, "name is there twice in the array");
        }
        const pu_feature *known = pu_feature_find(features[i]->name);
        const char *path = known ? pu__feature_origin_path(known) : NULL;
        if (known)
            return refuse(&about, "name is taken by %s%s: choose another",
                          path ? "plug-in " : "a built-in feature", path ? path : "");
    }
    return PU_OK;
}
