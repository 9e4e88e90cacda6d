/* Memory for blocks, within the budget. How it is filled: reader.c. */
#include "host/data/windows/dataset.h"
#include "plusultra/memory.h"

static int64_t block_floats(const pu__blocks *blocks) { return blocks->block_rows * blocks->columns; }

/* Gives the first blocks of an asset their place, in floats from the start of the memory; *used grows by it. */
static int64_t place(const pu_dataset *dataset, const pu__blocks *blocks, int64_t *used, pu__cache *cache) {
    const int64_t room = dataset->cache_bytes_max / (int64_t)sizeof(float) - *used, at = *used;
    cache->kept = room / block_floats(blocks);
    if (cache->kept > blocks->count) cache->kept = blocks->count;
    *used += cache->kept * block_floats(blocks);
    return at;
}

static int64_t place_all(pu_dataset *dataset) {
    int64_t used = 0;
    for (int kind = 0; kind < 2; ++kind) {
        for (int a = 0; a < dataset->plan.asset_count; ++a) {
            pu__dataset_asset *asset = &dataset->asset[a];
            pu__cache *cache = kind == 0 ? &asset->label_cache : &asset->feature_cache;
            const int64_t at = place(dataset, kind == 0 ? &asset->labels : &asset->features, &used, cache);
            cache->data = dataset->cache_memory ? dataset->cache_memory + at : NULL;
        }
    }
    return used;
}

pu_status pu__cache_open(pu_dataset *dataset) {
    dataset->cache_bytes = (size_t)place_all(dataset) * sizeof(float);
    dataset->cache_memory = pu_pages_alloc(dataset->cache_bytes);
    if (!dataset->cache_memory) return PU_ERR_MEMORY;
    place_all(dataset);
    for (int a = 0; a < dataset->plan.asset_count; ++a) {
        pu__dataset_asset *asset = &dataset->asset[a];
        asset->feature_cache.state = pu_calloc((size_t)asset->features.count, sizeof *asset->feature_cache.state);
        asset->label_cache.state = pu_calloc((size_t)asset->labels.count, sizeof *asset->label_cache.state);
        if (!asset->feature_cache.state || !asset->label_cache.state) return PU_ERR_MEMORY;
    }
    return PU_OK;
}

void pu__cache_close(pu_dataset *dataset) {
    for (int a = 0; dataset->asset && a < dataset->plan.asset_count; ++a) {
        pu_free(dataset->asset[a].feature_cache.state);
        pu_free(dataset->asset[a].label_cache.state);
    }
    pu_pages_free(dataset->cache_memory, dataset->cache_bytes);
}
