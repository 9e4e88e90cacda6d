/* Descriptors of plug-ins with any numbers and texts: what is accepted can be called and printed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/features/plugin.h"
#include "plusultra/memory.h"
#include "tests/fuzz/fuzz.h"

enum { FEATURES = 2, PARAMETERS = 4, INPUTS = PU_FEATURE_INPUTS_MAX + 2, TEXTS = 16 };

/* The input from its front: numbers, and texts that end with a zero byte, or with the input. */
typedef struct feed {
    const uint8_t *at;
    size_t left;
    char *text[FEATURES * TEXTS];
    int texts;
} feed;

static uint8_t take_byte(feed *f) {
    if (f->left == 0) return 0;
    --f->left;
    return *f->at++;
}

/* Mostly small; four bytes of any value behind a byte of all ones. */
static int take_number(feed *f) {
    const uint8_t first = take_byte(f);
    if (first != 255) return first - 1;
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | take_byte(f);
    return (int)value;
}

/* Null for an empty one. A block of its exact size: a sanitizer sees what is read behind it. */
static const char *take_text(feed *f) {
    const uint8_t *zero = f->left ? memchr(f->at, 0, f->left) : NULL;
    const size_t bytes = zero ? (size_t)(zero - f->at) : f->left;
    char *copy = bytes ? malloc(bytes + 1) : NULL;
    if (copy) {
        memcpy(copy, f->at, bytes);
        copy[bytes] = '\0';
        f->text[f->texts++] = copy;
    }
    f->at += bytes + (zero != NULL);
    f->left -= bytes + (zero != NULL);
    return copy;
}

typedef struct made {
    pu_feature feature;
    double parameter[PARAMETERS];
    const char *parameter_name[PARAMETERS], *input[INPUTS];
} made;

static double update(void *state, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)state, (void)parameters, (void)index;
    return bar->close;
}

static void make(feed *f, made *m) {
    const uint8_t shape = take_byte(f);
    *m = (made){0};
    pu_feature *feature = &m->feature;
    feature->abi = shape & 1 ? take_number(f) : PU_FEATURE_ABI;
    feature->version = take_number(f);
    feature->lookback_bars = take_number(f);
    feature->state_bytes = (size_t)take_number(f);
    feature->cross = (pu_feature_cross)take_number(f);
    feature->parameter_count = take_number(f);
    feature->input_count = take_number(f);
    feature->name = take_text(f);
    feature->description = take_text(f);
    feature->tags = take_text(f);
    feature->source = take_text(f);
    feature->update = shape & 2 ? NULL : update;
    for (int i = 0; i < PARAMETERS; ++i) {
        m->parameter[i] = i == 2 ? NAN : take_number(f);
        m->parameter_name[i] = i < 2 ? take_text(f) : NULL;
    }
    for (int i = 0; i < INPUTS && i < 6; ++i) m->input[i] = take_text(f);
    feature->parameters = shape & 4 ? NULL : m->parameter;
    feature->parameter_names = shape & 8 ? NULL : m->parameter_name;
    feature->inputs = shape & 16 ? NULL : m->input;
    /* More than the arrays hold is the plug-in's lie, which nobody can check. */
    if (feature->parameter_count > PARAMETERS && feature->parameter_count <= 64)
        feature->parameter_count = PARAMETERS;
    if (feature->input_count > INPUTS) feature->input_count = INPUTS;
}

static void must_be_usable(const made *m) {
    const pu_feature *feature = &m->feature;
    if (strlen(feature->name) > 63 || feature->lookback_bars < 0 || feature->version < 1 || !feature->update)
        abort();
    if (feature->input_count > PU_FEATURE_INPUTS_MAX || feature->state_bytes > PU__PLUGIN_STATE_BYTES_MAX) abort();
    for (int i = 0; i < feature->parameter_count; ++i) {
        if (!isfinite(feature->parameters[i]) || !feature->parameter_names[i]) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    feed f = {.at = data, .left = size};
    made m[FEATURES];
    const pu_feature *list[FEATURES];
    for (int i = 0; i < FEATURES; ++i) {
        make(&f, &m[i]);
        list[i] = &m[i].feature;
    }
    for (int count = 1; count <= FEATURES; ++count) {
        if (pu__plugin_check(count, list) != PU_OK) continue;
        for (int i = 0; i < count; ++i) must_be_usable(&m[i]);
    }
    while (f.texts > 0) free(f.text[--f.texts]);
    return 0;
}
