#include "host/config/value.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHOWN_BYTES = 60, NUMBER_BYTES = 64 };

pu_status pu__value_fail(const pu__place *place, const char *format, ...) {
    char text[1024], item[32] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (place->item > 0) snprintf(item, sizeof item, ", item %lld", (long long)place->item);
    const pu__key *key = place->key;
    if (!place->source) return pu_fail(PU_ERR_CONFIG, "--set %s.%s%s: %s", key->section, key->name, item, text);
    return pu_fail(PU_ERR_CONFIG, "%s:%lld: %s.%s%s: %s", place->source, (long long)place->line, key->section,
                   key->name, item, text);
}

bool pu__kind_is_list(pu__kind kind) { return kind == PU__INTS || kind == PU__REALS || kind == PU__TEXTS; }

static pu__kind item_kind(pu__kind kind) {
    return kind == PU__INTS ? PU__INT : kind == PU__REALS ? PU__REAL : kind == PU__TEXTS ? PU__TEXT : kind;
}

size_t pu__value_bytes(pu__kind kind) {
    switch (item_kind(kind)) {
    case PU__INT: return sizeof(int64_t);
    case PU__REAL: return sizeof(double);
    case PU__BOOL: return sizeof(bool);
    default: return sizeof(const char *);
    }
}

void pu__value_describe(const pu__key *key, pu__buffer *out) {
    switch (item_kind(key->kind)) {
    case PU__INT:
        if (key->int_high == INT64_MAX) pu__buffer_printf(out, "a whole number, at least %s", key->low_text);
        else pu__buffer_printf(out, "a whole number from %s to %s", key->low_text, key->high_text);
        break;
    case PU__REAL: pu__buffer_printf(out, "a number from %s to %s", key->low_text, key->high_text); break;
    case PU__BOOL: pu__buffer_printf(out, "true or false"); break;
    case PU__WORD:
        for (const char *c = key->choices; *c; ++c) {
            if (*c == '|') pu__buffer_printf(out, ", ");
            else pu__buffer_add(out, c, 1);
        }
        break;
    default: pu__buffer_printf(out, "text"); break;
    }
}

/* "expects a whole number from 1 to 64, not 'abc'" */
static pu_status fail_expected(const pu__place *place, const char *text, size_t length) {
    pu__buffer expected = {0};
    pu__value_describe(place->key, &expected);
    char *description = pu__buffer_take(&expected);
    if (!description) return PU_ERR_MEMORY;
    const int shown = length > SHOWN_BYTES ? SHOWN_BYTES : (int)length;
    const pu_status status =
        pu__value_fail(place, "expects %s%s, not '%.*s'%s", place->key->kind == PU__WORD ? "one of " : "",
                       description, shown, text, length > SHOWN_BYTES ? "..." : "");
    pu_free(description);
    return status;
}

static size_t digits(const char *text) { return strspn(text, "0123456789"); }

/* [+-] digits [. digits] [e [+-] digits]: no hexadecimal, no infinity, no NaN. */
static bool is_decimal(const char *text, bool whole) {
    text += *text == '+' || *text == '-';
    const size_t before = digits(text);
    text += before;
    if (whole) return before > 0 && *text == '\0';
    size_t after = 0;
    if (*text == '.') {
        after = digits(text + 1);
        text += 1 + after;
    }
    if (before + after == 0) return false;
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '+' || text[1] == '-');
        const size_t exponent = digits(text);
        if (exponent == 0) return false;
        text += exponent;
    }
    return *text == '\0';
}

static pu_status read_number(const pu__place *place, const char *text, size_t length, bool plain, void *target) {
    const pu__key *key = place->key;
    const bool whole = item_kind(key->kind) == PU__INT;
    char number[NUMBER_BYTES];
    if (length >= sizeof number || strlen(text) != length || !is_decimal(text, whole))
        return fail_expected(place, text, length);
    if (!plain) return pu__value_fail(place, "expects a number, not text: remove the quotes around %s", text);
    memcpy(number, text, length + 1);
    errno = 0;
    if (whole) {
        const int64_t value = strtoll(number, NULL, 10);
        if (errno == ERANGE || value < key->int_low || value > key->int_high)
            return fail_expected(place, text, length);
        memcpy(target, &value, sizeof value);
        return PU_OK;
    }
    const double value = strtod(number, NULL);
    if (!isfinite(value) || value < key->real_low || value > key->real_high)
        return fail_expected(place, text, length);
    memcpy(target, &value, sizeof value);
    return PU_OK;
}

/* Characters that YAML cannot carry verbatim in a quoted scalar, or that would steer a terminal: C0, DEL, C1, line
 * and paragraph separators, byte order marks. The bytes are valid UTF-8: libyaml has checked. */
static bool has_control(const char *text, size_t length) {
    for (size_t i = 0; i < length; ++i) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f) return true;
        const unsigned char next = i + 1 < length ? (unsigned char)text[i + 1] : 0;
        const unsigned char after = i + 2 < length ? (unsigned char)text[i + 2] : 0;
        if (c == 0xc2 && next < 0xa0) return true;
        if (c == 0xe2 && next == 0x80 && (after == 0xa8 || after == 0xa9)) return true;
        if (c == 0xef && ((next == 0xbb && after == 0xbf) || (next == 0xbf && after >= 0xbe))) return true;
    }
    return false;
}

static pu_status read_text(const pu__place *place, const char *text, size_t length, bool plain, pu_arena *arena,
                           void *target) {
    if (has_control(text, length))
        return pu__value_fail(place, "control characters and line breaks are not accepted");
    if (plain && (strcmp(text, "") == 0 || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0)) {
        return pu__value_fail(place, "has no value: write \"\" for an empty text");
    }
    const char *copy = pu_arena_strdup(arena, text);
    if (!copy) return PU_ERR_MEMORY;
    memcpy(target, &copy, sizeof copy);
    return PU_OK;
}

static bool is_choice(const char *choices, const char *text, size_t length) {
    while (length > 0) {
        const size_t choice = strcspn(choices, "|");
        if (choice == length && memcmp(choices, text, length) == 0) return true;
        if (choices[choice] == '\0') return false;
        choices += choice + 1;
    }
    return false;
}

pu_status pu__value_read(const pu__place *place, const char *text, size_t length, bool plain, pu_arena *arena,
                         void *target) {
    switch (item_kind(place->key->kind)) {
    case PU__INT:
    case PU__REAL: return read_number(place, text, length, plain, target);
    case PU__BOOL: {
        const bool yes = plain && strcmp(text, "true") == 0;
        if (!yes && !(plain && strcmp(text, "false") == 0)) return fail_expected(place, text, length);
        memcpy(target, &yes, sizeof yes);
        return PU_OK;
    }
    case PU__WORD:
        if (!is_choice(place->key->choices, text, length)) return fail_expected(place, text, length);
        return read_text(place, text, length, plain, arena, target);
    default: return read_text(place, text, length, plain, arena, target);
    }
}

pu_status pu__value_set_list(const pu__key *key, pu_config *config, int64_t count, const void *items) {
    void *copy = NULL;
    const size_t bytes = (size_t)count * pu__value_bytes(key->kind);
    if (count > INT32_MAX)
        return pu_fail(PU_ERR_CONFIG, "%s.%s: a list of %lld items is too long", key->section, key->name,
                       (long long)count);
    if (count > 0) {
        copy = pu_arena_alloc(config->arena, bytes);
        if (!copy) return PU_ERR_MEMORY;
        memcpy(copy, items, bytes);
    }
    void *field = (char *)config + key->offset;
    if (key->kind == PU__INTS) *(pu_int_list *)field = (pu_int_list){(int)count, copy};
    else if (key->kind == PU__REALS) *(pu_real_list *)field = (pu_real_list){(int)count, copy};
    else *(pu_text_list *)field = (pu_text_list){(int)count, copy};
    return PU_OK;
}

/* Words that a YAML reader without a schema takes for something else than text. */
static bool is_reserved(const char *text) {
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
        if (strcasecmp(words[i], text) == 0) return true;
    }
    return false;
}

static void write_text(const char *text, pu__buffer *out) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-";
    if (*text && strchr(letters, *text) && text[strspn(text, safe)] == '\0' && !is_reserved(text)) {
        pu__buffer_printf(out, "%s", text);
        return;
    }
    pu__buffer_add(out, "\"", 1);
    for (; *text; ++text) {
        if (*text == '"' || *text == '\\') pu__buffer_add(out, "\\", 1);
        pu__buffer_add(out, text, 1);
    }
    pu__buffer_add(out, "\"", 1);
}

/* The shortest decimal that reads back as the same double. */
static void write_real(double value, pu__buffer *out) {
    char text[NUMBER_BYTES];
    for (int precision = 15; precision <= 17; ++precision) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value) break;
    }
    pu__buffer_printf(out, "%s", text);
}

static void write_item(pu__kind kind, const void *item, pu__buffer *out) {
    switch (item_kind(kind)) {
    case PU__INT: pu__buffer_printf(out, "%lld", (long long)*(const int64_t *)item); break;
    case PU__REAL: write_real(*(const double *)item, out); break;
    case PU__BOOL: pu__buffer_printf(out, "%s", *(const bool *)item ? "true" : "false"); break;
    default: write_text(*(const char *const *)item, out); break;
    }
}

void pu__value_write(const pu__key *key, const pu_config *config, pu__buffer *out) {
    const char *field = (const char *)config + key->offset;
    if (!pu__kind_is_list(key->kind)) {
        write_item(key->kind, field, out);
        return;
    }
    int count = 0;
    const char *items = NULL;
    if (key->kind == PU__INTS) {
        count = ((const pu_int_list *)field)->count;
        items = (const char *)((const pu_int_list *)field)->value;
    } else if (key->kind == PU__REALS) {
        count = ((const pu_real_list *)field)->count;
        items = (const char *)((const pu_real_list *)field)->value;
    } else {
        count = ((const pu_text_list *)field)->count;
        items = (const char *)((const pu_text_list *)field)->value;
    }
    pu__buffer_add(out, "[", 1);
    for (int i = 0; i < count; ++i) {
        if (i > 0) pu__buffer_add(out, ", ", 2);
        write_item(key->kind, items + (size_t)i * pu__value_bytes(key->kind), out);
    }
    pu__buffer_add(out, "]", 1);
}
