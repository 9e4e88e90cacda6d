/* Golden values: JSON fixtures in tests/golden, made by the script of the same name. Header only, because the
 * kernel-only build has no jansson. */
#ifndef PU_TESTS_SUPPORT_GOLDEN_H
#define PU_TESTS_SUPPORT_GOLDEN_H

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The caller releases with json_decref. Ends the test program when the fixture is missing or broken. */
static inline json_t *golden_load(const char *name) {
    const char *source = getenv("PU_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/golden/%s", source ? source : ".", name);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        abort();
    }
    return root;
}

/* A number, NaN for null; ends the program when the key is absent. */
static inline double golden_real(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!value) {
        fprintf(stderr, "the fixture has no '%s'\n", key);
        abort();
    }
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* Numbers of a list into out[capacity], null as NaN; returns how many. */
static inline int64_t golden_list(const json_t *list, double *out, int64_t capacity) {
    const int64_t count = (int64_t)json_array_size(list);
    if (count > capacity) {
        fprintf(stderr, "a list of %lld values, room for %lld\n", (long long)count, (long long)capacity);
        abort();
    }
    for (int64_t i = 0; i < count; ++i) {
        const json_t *value = json_array_get(list, (size_t)i);
        out[i] = json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
    return count;
}

/* |a - b| within `tolerance` of the larger, or both NaN. */
static inline int golden_near(double a, double b, double tolerance) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return fabs(a - b) <= tolerance * fmax(1.0, fmax(fabs(a), fabs(b)));
}

#endif
