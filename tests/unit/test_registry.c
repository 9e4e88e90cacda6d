/* The registry from several threads: plug-ins come while others look features up. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/data/features/plugin.h"
#include "plusultra/memory.h"

enum { WRITERS = 3, READERS = 2, FEATURES = 40, LOOKS = 400 };

static double update(void *state, const double *parameters, const pu_feature_bar *bar, int64_t index) {
    (void)state, (void)parameters, (void)index;
    return bar->close;
}

typedef struct writer {
    pthread_t thread;
    int number, added;
    pu_feature feature[FEATURES];
    char name[FEATURES][32];
} writer;

static void *add_features(void *context) {
    writer *w = context;
    for (int i = 0; i < FEATURES; ++i) {
        char path[32];
        const pu_feature *list[] = {&w->feature[i]};
        snprintf(w->name[i], sizeof w->name[i], "of_writer_%d_%d", w->number, i);
        snprintf(path, sizeof path, "writer-%d-%d.so", w->number, i);
        w->feature[i] = (pu_feature){.abi = PU_FEATURE_ABI,
                                     .name = w->name[i],
                                     .version = 1,
                                     .description = "For tests.",
                                     .tags = "returns",
                                     .source = "none",
                                     .update = update};
        w->added += pu__registry_add(1, list, path, path) == PU_OK;
    }
    return NULL;
}

typedef struct reader {
    pthread_t thread;
    int wrong;
} reader;

/* What was there at the beginning is found at any time, and the list is in order. */
static void *look_up(void *context) {
    reader *r = context;
    for (int i = 0; i < LOOKS; ++i) {
        const pu_feature *known = pu_feature_find("rsi_14");
        r->wrong += !known || strcmp(known->name, "rsi_14") != 0;
        const pu_feature *any = pu_feature_at(i % pu_feature_count());
        r->wrong += !any || pu_feature_find(any->name) != any;
        (void)pu__feature_origin_path(any);
    }
    return NULL;
}

static void features_come_while_others_look(void **state) {
    (void)state;
    static writer writers[WRITERS];
    static reader readers[READERS];
    const int before = pu_feature_count();
    for (int i = 0; i < WRITERS; ++i) {
        writers[i].number = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, add_features, &writers[i]), 0);
    }
    for (int i = 0; i < READERS; ++i)
        assert_int_equal(pthread_create(&readers[i].thread, NULL, look_up, &readers[i]), 0);
    for (int i = 0; i < WRITERS; ++i) assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    for (int i = 0; i < READERS; ++i) assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    assert_int_equal(pu_feature_count(), before + WRITERS * FEATURES);
    for (int i = 1; i < pu_feature_count(); ++i)
        assert_true(strcmp(pu_feature_at(i - 1)->name, pu_feature_at(i)->name) < 0);
    for (int i = 0; i < WRITERS; ++i) {
        assert_int_equal(writers[i].added, FEATURES);
        for (int f = 0; f < FEATURES; ++f)
            assert_ptr_equal(pu_feature_find(writers[i].name[f]), &writers[i].feature[f]);
    }
    for (int i = 0; i < READERS; ++i) assert_int_equal(readers[i].wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_come_while_others_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
