#include "host/train/budget.h"

#include "plusultra/log.h"
#include "plusultra/memory.h"

static const double mib = 1048576.0;

/* Not allocated when the plan is made. Validation has a ring, readers and slots of its own beside those of training. */
typedef struct coming {
    int64_t rings, readers, cache, slots;
} coming;

static pu_status check_host(const pu__session *session, const coming *c) {
    const double needed = (double)(c->rings + c->readers + c->cache);
    const size_t available = pu_memory_available_bytes();
    if (available == SIZE_MAX || needed <= (double)available) return PU_OK;
    const pu_config *config = session->config;
    return pu_fail(
        PU_ERR_MEMORY,
        "the run does not fit: window rings need %.1f MiB, readers %.1f MiB and the cache %.1f MiB, and "
        "%.1f MiB are free. Lower windows.cache_mib (%lld), windows.ring_slots (%lld), train.batch (%lld) "
        "or windows.warmup_bars (%lld)",
        (double)c->rings / mib, (double)c->readers / mib, (double)c->cache / mib, (double)available / mib,
        (long long)config->windows.cache_mib, (long long)config->windows.ring_slots,
        (long long)config->train.batch, (long long)config->windows.warmup_bars);
}

static pu_status check_device(const pu__session *session, const coming *c) {
    const size_t free_bytes = pu_device_memory_free_bytes(session->device);
    if (c->slots == 0 || (size_t)c->slots <= free_bytes) return PU_OK;
    return pu_fail(PU_ERR_MEMORY,
                   "the run does not fit: the windows need %.1f MiB on %s, and %.1f MiB are free. Lower "
                   "windows.device_slots (%lld), train.batch (%lld) or windows.warmup_bars (%lld)",
                   (double)c->slots / mib, pu_device_name(session->device), (double)free_bytes / mib,
                   (long long)session->config->windows.device_slots, (long long)session->config->train.batch,
                   (long long)session->config->windows.warmup_bars);
}

pu_status pu__budget_announce(const pu__session *session, const pu__network *train, const pu__network *evaluate) {
    const pu_memory_plan step = pu_program_memory(train->program), check = pu_program_memory(evaluate->program);
    const coming c = {.rings = 2 * pu_loader_ring_bytes(session->dataset, session->config),
                      .readers = 2 * pu_loader_reader_bytes(session->dataset, session->config),
                      .cache = pu_dataset_cache_bytes(session->dataset),
                      .slots = 2 * pu__staging_bytes(session->device, session->dataset, session->config)};
    pu_log(
        PU_LOG_INFO, "train.plan",
        "memory: parameters and optimiser %.1f MiB, activations %.1f MiB (%.1f without sharing), workspace %.1f "
        "MiB, inputs %.1f MiB, validation %.1f MiB, device slots %.1f MiB",
        (double)step.parameter_bytes / mib, (double)step.activation_bytes / mib, (double)step.unshared_bytes / mib,
        (double)step.workspace_bytes / mib, (double)step.input_bytes / mib,
        (double)(check.activation_bytes + check.workspace_bytes) / mib, (double)c.slots / mib);
    pu_log(PU_LOG_INFO, "train.plan",
           "memory for windows: rings %.1f MiB, readers %.1f MiB, cache up to %.1f MiB; %.1f MiB are free",
           (double)c.rings / mib, (double)c.readers / mib, (double)c.cache / mib,
           (double)pu_memory_available_bytes() / mib);
    PU_TRY(check_device(session, &c));
    return check_host(session, &c);
}
