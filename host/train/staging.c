/* Invariants:
 *  1. A slot on the device is written only after the step that read it last, and read only after its upload: the two
 *     waits in the header.
 *  2. A slot of the ring goes back to the readers only after the host has waited for its upload. That also keeps the
 *     host at most `slots` steps ahead of the device.
 *  3. Batches are uploaded in the loader's order; at most `slots` are between their upload and their step's end, of
 *     which the first `taken` have been handed out. */
#include "host/train/staging.h"

#include "plusultra/memory.h"

enum { SLOTS_MAX = 16 };

struct pu__staging {
    pu_device *device;
    pu_loader *loader; /* null: not started */
    bool direct;       /* batches are used where they lie */
    int slots;
    size_t slot_bytes;
    unsigned char *memory; /* the device's: [slots][slot_bytes] */
    pu_fence *uploaded[SLOTS_MAX], *used[SLOTS_MAX];
    bool read[SLOTS_MAX];      /* used[] was recorded */
    pu_batch batch[SLOTS_MAX]; /* by slot */
    int64_t first, count;      /* batches in slots: numbers first .. first + count */
    int64_t taken;             /* the first of them, handed out and not done */
};

int64_t pu__staging_bytes(const pu_device *device, const pu_dataset *dataset, const pu_config *config) {
    if (pu_device_is_host(device)) return 0;
    return pu_loader_ring_bytes(dataset, config) / config->windows.ring_slots * config->windows.device_slots;
}

static pu_status allocate(pu__staging *staging) {
    void *memory = NULL;
    PU_TRY(pu_device_alloc(staging->device, staging->slot_bytes * (size_t)staging->slots, &memory));
    staging->memory = memory;
    for (int i = 0; i < staging->slots; ++i) {
        PU_TRY(pu_fence_new(staging->device, &staging->uploaded[i]));
        PU_TRY(pu_fence_new(staging->device, &staging->used[i]));
    }
    return PU_OK;
}

pu_status pu__staging_open(pu_device *device, const pu_dataset *dataset, const pu_config *config,
                           pu__staging **out) {
    *out = NULL;
    if (config->windows.device_slots > SLOTS_MAX || config->windows.device_slots > config->windows.ring_slots) {
        return pu_fail(
            PU_ERR_CONFIG,
            "windows.device_slots is %lld, more than windows.ring_slots (%lld): a batch comes from a slot "
            "of the ring; raise that or lower this",
            (long long)config->windows.device_slots, (long long)config->windows.ring_slots);
    }
    pu__staging *staging = pu_calloc(1, sizeof *staging);
    if (!staging) return PU_ERR_MEMORY;
    staging->device = device;
    staging->direct = pu_device_is_host(device);
    staging->slots = staging->direct ? 1 : (int)config->windows.device_slots;
    staging->slot_bytes = (size_t)(pu_loader_ring_bytes(dataset, config) / config->windows.ring_slots);
    const pu_status status = staging->direct ? PU_OK : allocate(staging);
    if (status != PU_OK) {
        pu__staging_close(staging);
        return status;
    }
    *out = staging;
    return PU_OK;
}

void pu__staging_close(pu__staging *staging) {
    if (!staging) return;
    for (int i = 0; i < staging->slots; ++i) {
        pu_fence_free(staging->uploaded[i]);
        pu_fence_free(staging->used[i]);
    }
    pu_device_free(staging->device, staging->memory);
    pu_free(staging);
}

void pu__staging_start(pu__staging *staging, pu_loader *loader) {
    staging->loader = loader;
    staging->first = staging->count = staging->taken = 0;
}

void pu__staging_stop(pu__staging *staging) {
    if (!staging || !staging->loader) return;
    (void)pu_device_sync(staging->device); /* what failed was reported where it was asked for */
    for (; staging->count > 0; --staging->count) {
        pu_loader_release(staging->loader, &staging->batch[staging->first % staging->slots]);
        ++staging->first;
    }
    staging->taken = 0;
    staging->loader = NULL;
}

static pu_status upload(pu__staging *staging, const pu_batch *batch) {
    const int s = (int)((staging->first + staging->count) % staging->slots);
    staging->batch[s] = *batch;
    ++staging->count; /* from here on the batch is given back by stop or done, whatever fails */
    if (staging->direct) return PU_OK;
    if (staging->read[s]) PU_TRY(pu_fence_stream_wait(staging->used[s], PU_STREAM_COPY));
    PU_TRY(pu_device_upload(staging->device, PU_STREAM_COPY, staging->memory + (size_t)s * staging->slot_bytes,
                            batch->bars, staging->slot_bytes));
    return pu_fence_record(staging->uploaded[s], PU_STREAM_COPY);
}

/* The arrays of a batch lie in one block, at the same offsets on both sides. */
static void point(const pu__staging *staging, int s, pu__staged *out) {
    const pu_batch *host = &out->host;
    const unsigned char *from = (const unsigned char *)host->bars;
    unsigned char *to =
        staging->direct ? (unsigned char *)(uintptr_t)from : staging->memory + (size_t)s * staging->slot_bytes;
    out->bars = to;
    out->targets = to + ((const unsigned char *)host->targets - from);
    out->weights = to + ((const unsigned char *)host->weights - from);
    out->start = to + ((const unsigned char *)host->start - from);
}

pu_status pu__staging_next(pu__staging *staging, pu__staged *out) {
    *out = (pu__staged){.host = {.slot = -1}};
    if (staging->taken == staging->slots) {
        return pu_fail(PU_ERR_ARGUMENT, "%d batches are in use and as many slots there are", staging->slots);
    }
    if (staging->count == staging->taken) {
        pu_batch batch;
        PU_TRY(pu_loader_next(staging->loader, &batch));
        if (batch.windows == 0) return PU_OK;
        PU_TRY(upload(staging, &batch));
    }
    const int s = (int)((staging->first + staging->taken) % staging->slots);
    if (!staging->direct) PU_TRY(pu_fence_stream_wait(staging->uploaded[s], PU_STREAM_COMPUTE));
    ++staging->taken;
    out->host = staging->batch[s];
    point(staging, s, out);
    return PU_OK;
}

/* Failures of a reader are left for pu__staging_next, whose turn they are. */
static pu_status upload_ready(pu__staging *staging) {
    while (staging->count < staging->slots - 1) {
        pu_batch batch;
        bool ready = false;
        if (pu_loader_try(staging->loader, &batch, &ready) != PU_OK || !ready || batch.windows == 0) return PU_OK;
        PU_TRY(upload(staging, &batch));
    }
    return PU_OK;
}

pu_status pu__staging_done(pu__staging *staging) {
    const int s = (int)(staging->first % staging->slots);
    if (!staging->direct) {
        PU_TRY(pu_fence_record(staging->used[s], PU_STREAM_COMPUTE));
        staging->read[s] = true;
        PU_TRY(pu_fence_host_wait(staging->uploaded[s]));
    }
    pu_loader_release(staging->loader, &staging->batch[s]);
    ++staging->first;
    --staging->count;
    --staging->taken;
    return upload_ready(staging);
}
