/* Checkpoints: what goes in comes out; damage of every kind is named, never followed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "host/base/file.h"
#include "host/train/safetensors.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"
#include "tests/support/process.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pu_checkpoint_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static float weights[15] = {1, -2, 3.5f, 0, 1e-30f};
static uint64_t counters[3] = {1, UINT64_MAX, 7};

static void sample(pu_saved_tensor out[3]) {
    memset(out, 0, 3 * sizeof *out);
    snprintf(out[0].name, sizeof out[0].name, "block0.weight");
    out[0].shape = PU_SHAPE2(3, 5);
    out[0].data = weights;
    snprintf(out[1].name, sizeof out[1].name, "train.state");
    out[1].dtype = PU_U64;
    out[1].shape = PU_SHAPE1(3);
    out[1].data = counters;
    snprintf(out[2].name, sizeof out[2].name, "empty");
    out[2].shape = PU_SHAPE1(0);
}

static void round_trip(void **state) {
    (void)state;
    pu_saved_tensor tensors[3];
    sample(tensors);
    assert_int_equal(pu_checkpoint_write(folder, 3, tensors, "{\"step\": 12}"), PU_OK);
    weights[0] = 9; /* a second write replaces the first */
    assert_int_equal(pu_checkpoint_write(folder, 3, tensors, "{\"step\": 13}"), PU_OK);
    int count = 0;
    pu_saved_tensor *back = NULL;
    char *manifest = NULL;
    assert_int_equal(pu_checkpoint_read(folder, &count, &back, &manifest), PU_OK);
    assert_int_equal(count, 3);
    assert_non_null(strstr(manifest, "\"step\": 13"));
    for (int i = 0; i < 3; ++i) {
        if (strcmp(back[i].name, "block0.weight") == 0) assert_memory_equal(back[i].data, weights, sizeof weights);
        if (strcmp(back[i].name, "train.state") == 0) assert_memory_equal(back[i].data, counters, sizeof counters);
        if (strcmp(back[i].name, "empty") == 0) assert_int_equal(back[i].shape.dim[0], 0);
    }
    pu_checkpoint_free(count, back, manifest);
    char command[128];
    snprintf(command, sizeof command, "test $(ls '%s' | wc -l) -eq 2", folder);
    assert_int_equal(system(command), 0); /* the old data file is gone */
}

static pu_status reread(void) {
    int count = 0;
    pu_saved_tensor *back = NULL;
    char *manifest = NULL;
    const pu_status status = pu_checkpoint_read(folder, &count, &back, &manifest);
    pu_checkpoint_free(count, back, manifest);
    return status;
}

static void damage(void **state) {
    (void)state;
    assert_int_equal(reread(), PU_ERR_NOT_FOUND);
    pu_saved_tensor tensors[3];
    sample(tensors);
    assert_int_equal(pu_checkpoint_write(folder, 3, tensors, NULL), PU_OK);
    char command[256];
    snprintf(command, sizeof command, "printf X | dd of=$(ls %s/model-*) bs=1 seek=200 conv=notrunc status=none",
             folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(reread(), PU_ERR_CORRUPT);
    assert_non_null(strstr(pu_error_message(), "SHA-256"));
    snprintf(command, sizeof command, "truncate -s 100 $(ls %s/model-*)", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(reread(), PU_ERR_CORRUPT);
    assert_non_null(strstr(pu_error_message(), "cut off"));
    snprintf(command, sizeof command, "truncate -s 20 %s/manifest.json", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(reread(), PU_ERR_CORRUPT);
}

/* Every bit but those of the name under which the manifest's own hash stands. */
static void no_flipped_bit_of_the_manifest_passes(void **state) {
    (void)state;
    pu_saved_tensor tensors[3];
    char *place = test_folder_new();
    sample(tensors);
    assert_int_equal(pu_checkpoint_write(place, 3, tensors, "{\"step\": 13, \"valid_loss\": 0.25}"), PU_OK);
    char *whole = test_read(test_path(place, "manifest.json"));
    const size_t bytes = strlen(whole);
    const char *name = strstr(whole, "manifest_sha256");
    assert_non_null(name);
    for (size_t i = 0; i < bytes; ++i) {
        if (whole + i >= name && whole + i < name + strlen("manifest_sha256")) continue;
        char kept = whole[i];
        whole[i] = (char)(kept ^ (1 << i % 7));
        if (whole[i] != '\0') {
            int count = 0;
            pu_saved_tensor *back = NULL;
            char *manifest = NULL;
            test_write(test_path(place, "manifest.json"), whole);
            if (pu_checkpoint_read(place, &count, &back, &manifest) == PU_OK) fail_msg("byte %zu: %s", i, whole);
        }
        whole[i] = kept;
    }
    free(whole);
    test_folder_remove(place);
}

/* Every byte of a valid file changed in turn, every length cut: the decoder answers, and never reads outside (run
 * under ASan). */
static void decoder_trusts_nothing(void **state) {
    (void)state;
    pu_saved_tensor tensors[3];
    sample(tensors);
    char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(pu__safetensors_encode(3, tensors, &bytes, &size), PU_OK);
    pu_random random = pu_random_at(5, 0);
    int refused = 0;
    for (size_t at = 0; at < size; ++at) {
        const char old = bytes[at];
        bytes[at] = (char)pu_random_u32(&random);
        int count = 0;
        pu_saved_tensor *back = NULL;
        if (pu__safetensors_decode(bytes, size, "flipped", &count, &back) != PU_OK) ++refused;
        pu_checkpoint_free(count, back, NULL);
        bytes[at] = old;
    }
    assert_true(refused > 100); /* nearly all changes of the 200-byte header */
    for (size_t cut = 0; cut < size; ++cut) {
        char *part = pu_calloc(1, cut);
        memcpy(part, bytes, cut);
        int count = 0;
        pu_saved_tensor *back = NULL;
        assert_int_equal(pu__safetensors_decode(part, cut, "cut", &count, &back), PU_ERR_CORRUPT);
        pu_free(part);
    }
    pu_free(bytes);
}

static void refuse(const char *header, const char *message) {
    char bytes[512] = {0};
    const size_t length = strlen(header);
    bytes[0] = (char)length;
    bytes[1] = (char)(length >> 8);
    memcpy(bytes + 8, header, length);
    int count = 0;
    pu_saved_tensor *back = NULL;
    assert_int_equal(pu__safetensors_decode(bytes, 8 + length + 16, "made", &count, &back), PU_ERR_CORRUPT);
    if (!strstr(pu_error_message(), message)) fail_msg("'%s' lacks '%s'", pu_error_message(), message);
}

static void hostile_headers(void **state) {
    (void)state;
    refuse("[]", "not a JSON object");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"a\":{}}", "duplicate");
    refuse("{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,16]}}", "type");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", "shape");
    refuse(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4611686018427387904],\"data_offsets\":[0,16]}}",
        "shape");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,32]}}", "outside");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "outside");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", "match its shape");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "belong to no tensor");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"F32\",\"shape\":["
           "2],\"data_offsets\":[8,16]}}",
           "overlap");
}

static void impossible_folder(void **state) {
    (void)state;
    pu_saved_tensor tensors[3];
    sample(tensors);
    assert_int_equal(pu_checkpoint_write("/proc/pu_nowhere", 3, tensors, NULL), PU_ERR_NOT_FOUND);
    assert_non_null(strstr(pu_error_message(), "/proc/pu_nowhere"));
    snprintf(tensors[1].name, sizeof tensors[1].name, "empty");
    assert_int_equal(pu_checkpoint_write(folder, 3, tensors, NULL), PU_ERR_ARGUMENT);
}

static void allocation_faults(void **state) {
    (void)state;
    pu_saved_tensor tensors[3];
    sample(tensors);
    assert_int_equal(pu_checkpoint_write(folder, 3, tensors, NULL), PU_OK);
    pu_status status = PU_ERR_MEMORY;
    int faults = 0;
    for (; status == PU_ERR_MEMORY && faults < 100; ++faults) {
        pu_memory_fail_after(faults);
        status = reread();
        pu_memory_fail_after(-1);
    }
    assert_int_equal(status, PU_OK);
    assert_true(faults > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(damage, make_folder, drop_folder),
        cmocka_unit_test(no_flipped_bit_of_the_manifest_passes),
        cmocka_unit_test(decoder_trusts_nothing),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test_setup_teardown(impossible_folder, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(allocation_faults, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
