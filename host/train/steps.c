#include "host/train/steps.h"

#include <string.h>

#include "plusultra/memory.h"

enum { HALVES = 2, TOLD_BYTES = 256 }; /* bound inputs are aligned to 256 bytes */
struct pu__steps {
    pu_device *device;
    pu__network *network;
    int per_launch;
    unsigned char *told;        /* [HALVES][per_launch][2 * TOLD_BYTES], pinned: clock, then hyper */
    unsigned char *told_device; /* the same on the device; where that is the host, `told` itself */
    pu__step_gave *gave;        /* [HALVES][per_launch], pinned */
    pu_fence *finished[HALVES];
    int count[HALVES]; /* steps of the half's launch */
    int64_t launched;  /* launches; the one being filled is number `launched` */
    int64_t collected; /* of them waited for */
    int64_t reading;   /* the launch whose results are being read, and the step of it */
    int reading_step;
};

pu_status pu__steps_per_launch(const pu_device *device, const pu_config *config, int *out) {
    const int64_t slots = config->windows.device_slots, wanted = config->train.steps_per_launch;
    *out = 1;
    if (pu_device_is_host(device)) return PU_OK;
    if (wanted > slots) {
        return pu_fail(PU_ERR_CONFIG,
                       "train.steps_per_launch is %lld, more than windows.device_slots (%lld), which hold the "
                       "batches of a launch: raise that (twice as many let the next batches travel meanwhile) or "
                       "lower this",
                       (long long)wanted, (long long)slots);
    }
    const int64_t steps = wanted > 0 ? wanted : slots / 2;
    *out = steps < 1 ? 1 : steps > PU_PROGRAM_STEPS_MAX ? PU_PROGRAM_STEPS_MAX : (int)steps;
    return PU_OK;
}

static size_t half_bytes(const pu__steps *s) { return (size_t)s->per_launch * 2 * TOLD_BYTES; }

static pu_status allocate(pu__steps *s) {
    void *told = NULL, *told_device = NULL, *gave = NULL;
    PU_TRY(pu_device_alloc_host(s->device, HALVES * half_bytes(s), &told));
    s->told = told;
    PU_TRY(pu_device_alloc_host(s->device, (size_t)(HALVES * s->per_launch) * sizeof *s->gave, &gave));
    s->gave = gave;
    if (!pu_device_is_host(s->device)) PU_TRY(pu_device_alloc(s->device, HALVES * half_bytes(s), &told_device));
    s->told_device = told_device ? told_device : told;
    for (int i = 0; i < HALVES; ++i) PU_TRY(pu_fence_new(s->device, &s->finished[i]));
    return PU_OK;
}

pu_status pu__steps_open(pu_device *device, pu__network *network, int per_launch, pu__steps **out) {
    *out = NULL;
    pu__steps *s = pu_calloc(1, sizeof *s);
    if (!s) return PU_ERR_MEMORY;
    s->device = device;
    s->network = network;
    s->per_launch = per_launch;
    const pu_status status = allocate(s);
    if (status != PU_OK) {
        pu__steps_close(s);
        return status;
    }
    *out = s;
    return PU_OK;
}

void pu__steps_close(pu__steps *s) {
    if (!s) return;
    for (int i = 0; i < HALVES; ++i) pu_fence_free(s->finished[i]);
    if (s->told_device && s->told_device != s->told) pu_device_free(s->device, s->told_device);
    if (s->gave) pu_device_free_host(s->device, s->gave);
    if (s->told) pu_device_free_host(s->device, s->told);
    pu_free(s);
}

pu_status pu__steps_add(pu__steps *s, const pu__staged *batch, const pu__step_told *told) {
    const int half = (int)(s->launched % HALVES), k = s->count[half];
    if (k == s->per_launch || s->launched - s->collected > 1 || s->reading < s->collected) {
        return pu_fail(PU_ERR_ARGUMENT, "steps: the launch is full, or one before it was not read");
    }
    const size_t at = (size_t)half * half_bytes(s) + (size_t)k * 2 * TOLD_BYTES;
    memcpy(s->told + at, told->clock, sizeof told->clock);
    memcpy(s->told + at + TOLD_BYTES, told->hyper, sizeof told->hyper);
    pu__step_gave *gave = &s->gave[half * s->per_launch + k];
    gave->step = (int64_t)told->clock[1];
    pu_program *program = s->network->program;
    pu_tensor *const inputs[] = {s->network->clock, s->network->hyper};
    void *const buffers[] = {s->told_device + at, s->told_device + at + TOLD_BYTES};
    PU_TRY(pu__network_bind(s->network, batch));
    PU_TRY(pu_program_bind(program, 2, inputs, buffers));
    PU_TRY(pu_program_fetch(program, s->network->loss, &gave->loss));
    PU_TRY(pu_program_fetch(program, s->network->stats, gave->stats));
    PU_TRY(pu_program_add_step(program));
    ++s->count[half];
    return PU_OK;
}

pu_status pu__steps_launch(pu__steps *s) {
    const int half = (int)(s->launched % HALVES);
    const size_t at = (size_t)half * half_bytes(s), bytes = (size_t)s->count[half] * 2 * TOLD_BYTES;
    if (s->told_device != s->told)
        PU_TRY(pu_device_upload(s->device, PU_STREAM_COMPUTE, s->told_device + at, s->told + at, bytes));
    PU_TRY(pu_program_run(s->network->program));
    ++s->launched;
    return pu_fence_record(s->finished[half], PU_STREAM_COMPUTE);
}

pu_status pu__steps_wait(pu__steps *s, int behind) {
    while (s->launched - s->collected > behind) {
        PU_TRY(pu_fence_host_wait(s->finished[s->collected % HALVES]));
        ++s->collected;
    }
    return PU_OK;
}

bool pu__steps_result(pu__steps *s, pu__step_gave *out) {
    if (s->reading == s->collected) return false;
    const int half = (int)(s->reading % HALVES);
    *out = s->gave[half * s->per_launch + s->reading_step];
    if (++s->reading_step == s->count[half]) {
        s->count[half] = s->reading_step = 0;
        ++s->reading;
    }
    return true;
}
