#include "host/device/paths.h"

#include "host/device/backend.h"

/* A table of the host and its copy on the device. `result`: it comes back. */
typedef struct table {
    void *host;
    void **device;
    size_t bytes;
    bool result;
} table;

enum { TABLES = 12 };

static void release(pu_device *device, const table *tables) {
    for (int i = 0; i < TABLES; ++i) pu_device_free(device, *tables[i].device);
}

static pu_status place(pu_device *device, table *tables) {
    for (int i = 0; i < TABLES; ++i) *tables[i].device = NULL;
    for (int i = 0; i < TABLES; ++i) {
        table *t = &tables[i];
        if (t->bytes == 0 || !t->host) continue;
        PU_TRY(pu_device_alloc(device, t->bytes, t->device));
        PU_TRY(pu_device_upload(device, PU_STREAM_COMPUTE, *t->device, t->host, t->bytes));
    }
    return PU_OK;
}

static pu_status run(pu_device *device, const pu__path_scenario *scenario, const pu__path_batch *batch,
                     const table *tables) {
    pu__call call = {0};
    device->backend->bind(device->state, &call);
    PU_TRY(device->backend->paths(scenario, batch, &call));
    for (int i = 0; i < TABLES; ++i) {
        const table *t = &tables[i];
        if (t->result && t->host)
            PU_TRY(pu_device_download(device, PU_STREAM_COMPUTE, t->host, *t->device, t->bytes));
    }
    return pu_device_sync(device);
}

/* The scenario's tables and the batch's outputs, copied there and back. */
static pu_status run_copied(pu_device *device, const pu__path_scenario *scenario, const pu__path_batch *batch) {
    pu__path_scenario s = *scenario;
    pu__path_batch b = *batch;
    const size_t assets = (size_t)s.assets, bars = (size_t)s.steps + 1, paths = (size_t)b.count;
    const bool historical = s.process == PU_PROCESS_BOOTSTRAP || s.process == PU_PROCESS_REPLAY;
    const size_t rows = historical ? (size_t)s.history_rows : 0;
    const size_t weights = s.policy == PU_POLICY_WEIGHTS           ? bars * assets
                           : s.policy == PU_POLICY_HISTORY_WEIGHTS ? rows * assets
                           : s.policy == PU_POLICY_PATH_WEIGHTS    ? 0
                                                                   : assets;
    table tables[TABLES] = {
        {(void *)scenario->asset, (void **)&s.asset, assets * sizeof *s.asset, false},
        {(void *)scenario->factor, (void **)&s.factor, assets * assets * sizeof *s.factor, false},
        {(void *)scenario->volume, (void **)&s.volume, assets * sizeof *s.volume, false},
        {(void *)scenario->shock, (void **)&s.shock, (bars - 1) * assets * sizeof *s.shock, false},
        {(void *)scenario->history, (void **)&s.history, rows * assets * sizeof *s.history, false},
        {(void *)scenario->weight, (void **)&s.weight, weights * sizeof *s.weight, false},
        {(void *)batch->weight, (void **)&b.weight, paths * bars * assets * sizeof *b.weight, false},
        {batch->metric, (void **)&b.metric, PU_PATH_METRIC_COUNT * paths * sizeof(double), true},
        {batch->price, (void **)&b.price, paths * bars * assets * sizeof(double), true},
        {batch->trade, (void **)&b.trade, paths * bars * assets * sizeof(double), true},
        {batch->equity, (void **)&b.equity, paths * bars * sizeof(double), true},
        {batch->summary, (void **)&b.summary, sizeof *b.summary, true},
    };
    pu_status status = place(device, tables);
    if (status == PU_OK) status = run(device, &s, &b, tables);
    release(device, tables);
    return status;
}

pu_status pu__device_paths(pu_device *device, const pu__path_scenario *scenario, const pu__path_batch *batch) {
    PU_TRY(pu__path_scenario_check(scenario));
    PU_TRY(pu__path_batch_check(scenario, batch));
    PU_TRY(pu__path_batched_check(scenario));
    PU_TRY(pu__path_tables_check(scenario));
    PU_TRY(pu__path_weights_check(scenario, batch));
    if (batch->count == 0) return PU_OK;
    if (!pu_device_is_host(device)) return run_copied(device, scenario, batch);
    pu__call call = {0};
    device->backend->bind(device->state, &call);
    return device->backend->paths(scenario, batch, &call);
}
