/* The safetensors loader. What is accepted must encode to a file that decodes to the same tensors. */
#include <stdlib.h>
#include <string.h>

#include "host/train/safetensors.h"
#include "plusultra/memory.h"
#include "tests/fuzz/fuzz.h"

static size_t bytes_of(const pu_saved_tensor *tensor) {
    size_t count = tensor->dtype == PU_U64 ? 8 : 4;
    for (int d = 0; d < tensor->shape.rank; ++d) count *= (size_t)tensor->shape.dim[d];
    return count;
}

static int same(const pu_saved_tensor *a, const pu_saved_tensor *b) {
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->shape.rank == b->shape.rank &&
           bytes_of(a) == bytes_of(b) && memcmp(a->data, b->data, bytes_of(a)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int count = 0, again_count = 0;
    pu_saved_tensor *tensors = NULL, *again = NULL;
    char *bytes = NULL;
    size_t encoded = 0;
    if (pu__safetensors_decode((const char *)data, size, "input", &count, &tensors) != PU_OK) return 0;
    if (pu__safetensors_encode(count, tensors, &bytes, &encoded) != PU_OK) abort();
    if (pu__safetensors_decode(bytes, encoded, "encoded", &again_count, &again) != PU_OK || again_count != count)
        abort();
    for (int i = 0; i < count; ++i) {
        int found = 0;
        for (int j = 0; j < count; ++j) found += same(&tensors[i], &again[j]);
        if (found != 1) abort();
    }
    pu_checkpoint_free(count, tensors, NULL);
    pu_checkpoint_free(again_count, again, NULL);
    pu_free(bytes);
    return 0;
}
