#include "tests/support/blocks.h"

#include <stdio.h>
#include <stdlib.h>

#include "plusultra/memory.h"

static void must(bool held, const char *what) {
    if (held) return;
    fprintf(stderr, "test blocks: %s: %s\n", what, pu_error_message());
    abort();
}

float *test_blocks_read(const pu_config *config, int asset, pu__block_kind kind, pu__blocks *out) {
    pu_store *store = NULL;
    pu__plan plan;
    pu__blocks other;
    bool found = false;
    must(pu_store_open(config->data.store, PU_STORE_READ, &store) == PU_OK, "open");
    must(pu__plan_open(config, store, &plan) == PU_OK, "plan");
    const bool is_feature = kind == PU__BLOCKS_FEATURE;
    must(pu__asset_blocks(&plan, asset, is_feature ? out : &other, is_feature ? &other : out, &found) == PU_OK,
         "find");
    must(found, "blocks are not current");
    float *data = pu_calloc((size_t)(out->rows * out->columns), sizeof *data);
    must(data != NULL, "memory");
    pu__block_reader reader = {.store = store};
    for (int64_t i = 0; i < out->count; ++i) {
        float *at = data + i * out->block_rows * out->columns;
        must(pu__block_read(&reader, out, i, 0, pu__block_rows(out, i) * out->columns, at) == PU_OK, "read");
        must(pu__block_verify(out, i, at) == PU_OK, "verify");
    }
    pu__block_reader_rest(&reader);
    pu__blocks_free(&other);
    pu__plan_close(&plan);
    pu_store_close(store);
    return data;
}
