/* The CPU backend: plain memory, work done when a call returns, loops spread over a pool of threads. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/backend.h"
#include "kernels/adamw/adamw.h"
#include "kernels/attention/attention.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/conv_dense.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/layer_norm/layer_norm.h"
#include "kernels/loss/loss.h"
#include "kernels/pnl/pnl.h"
#include "kernels/s4/s4.h"
#include "kernels/scan/scan.h"
#include "kernels/softmax/softmax.h"
#include "kernels/window_norm/window_norm.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"

static const pu__kernel_entry kernels[PU_OP_COUNT] = {
    [PU_OP_GEMM] = {pu__gemm_cpu, pu__gemm_workspace_cpu},
    [PU_OP_ACT] = {pu__act_cpu, NULL},
    [PU_OP_ACT_GRAD] = {pu__act_grad_cpu, NULL},
    [PU_OP_ADD] = {pu__add_cpu, NULL},
    [PU_OP_MUL] = {pu__mul_cpu, NULL},
    [PU_OP_AFFINE] = {pu__affine_cpu, NULL},
    [PU_OP_SUM_LEADING] = {pu__sum_leading_cpu, pu__sum_leading_workspace_cpu},
    [PU_OP_GLU] = {pu__glu_cpu, NULL},
    [PU_OP_GLU_GRAD] = {pu__glu_grad_cpu, NULL},
    [PU_OP_LAYER_NORM] = {pu__layer_norm_cpu, NULL},
    [PU_OP_LAYER_NORM_GRAD] = {pu__layer_norm_grad_cpu, pu__layer_norm_grad_workspace_cpu},
    [PU_OP_ADD_LAYER_NORM] = {pu__add_layer_norm_cpu, NULL},
    [PU_OP_ADD_LAYER_NORM_GRAD] = {pu__add_layer_norm_grad_cpu, pu__add_layer_norm_grad_workspace_cpu},
    [PU_OP_DROPOUT] = {pu__dropout_cpu, NULL},
    [PU_OP_SOFTMAX] = {pu__softmax_cpu, NULL},
    [PU_OP_SOFTMAX_GRAD] = {pu__softmax_grad_cpu, NULL},
    [PU_OP_ATTENTION] = {pu__attention_cpu, pu__attention_workspace_cpu},
    [PU_OP_ATTENTION_GRAD] = {pu__attention_grad_cpu, pu__attention_grad_workspace_cpu},
    [PU_OP_CROSS_ATTENTION] = {pu__cross_attention_cpu, pu__attention_workspace_cpu},
    [PU_OP_CROSS_ATTENTION_GRAD] = {pu__cross_attention_grad_cpu, pu__attention_grad_workspace_cpu},
    [PU_OP_CONV] = {pu__conv_cpu, NULL},
    [PU_OP_CONV_GRAD] = {pu__conv_grad_cpu, pu__conv_grad_workspace_cpu},
    [PU_OP_CONV_DENSE] = {pu__conv_dense_cpu, pu__conv_dense_workspace_cpu},
    [PU_OP_CONV_DENSE_GRAD] = {pu__conv_dense_grad_cpu, pu__conv_dense_grad_workspace_cpu},
    [PU_OP_S4] = {pu__s4_cpu, pu__s4_workspace_cpu},
    [PU_OP_S4_GRAD] = {pu__s4_grad_cpu, pu__s4_grad_workspace_cpu},
    [PU_OP_S4_STEP] = {pu__s4_step_cpu, NULL},
    [PU_OP_SCAN] = {pu__scan_cpu, NULL},
    [PU_OP_SCAN_GRAD] = {pu__scan_grad_cpu, NULL},
    [PU_OP_WINDOW_NORM] = {pu__window_norm_cpu, NULL},
    [PU_OP_LOSS] = {pu__loss_cpu, pu__loss_workspace_cpu},
    [PU_OP_LOSS_GRAD] = {pu__loss_grad_cpu, NULL},
    [PU_OP_PNL] = {pu__pnl_cpu, pu__pnl_workspace_cpu},
    [PU_OP_PNL_GRAD] = {pu__pnl_grad_cpu, pu__pnl_grad_workspace_cpu},
    [PU_OP_SUM_SQUARES] = {pu__sum_squares_cpu, pu__sum_squares_workspace_cpu},
    [PU_OP_ADAMW] = {pu__adamw_cpu, NULL},
};

/* ---- opening ---- */

/* The text behind the first "<key> ... : " of a /proc file; false when there is none. */
static bool proc_value(const char *path, const char *key, char *value, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file) return false;
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0) continue;
        const char *start = colon + 1 + strspn(colon + 1, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(start, "\n"), start);
        found = true;
    }
    fclose(file);
    return found;
}

static pu_status cpu_open(int index, int threads, void **state, pu__device_text *text) {
    (void)index;
    pu_pool *pool = NULL;
    PU_TRY(pu_pool_new(threads, &pool));
    char model[128];
    if (!proc_value("/proc/cpuinfo", "model name", model, sizeof model)) snprintf(model, sizeof model, "CPU");
    const double memory_gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1073741824.0;
    snprintf(text->name, sizeof text->name, "cpu");
    snprintf(text->description, sizeof text->description, "%s, %d thread%s, %.1f GiB memory", model,
             pu_pool_threads(pool), pu_pool_threads(pool) == 1 ? "" : "s", memory_gib);
    *state = pool;
    return PU_OK;
}

static void cpu_close(void *state) { pu_pool_free(state); }

static size_t cpu_memory_free_bytes(void *state) {
    (void)state;
    return pu_memory_available_bytes();
}

/* ---- memory ---- */

enum { ALIGNMENT = 256 };

/* pu_calloc aligns to 64 bytes; the pointer it gave stands right before the aligned memory. */
static pu_status cpu_alloc(void *state, size_t bytes, void **out) {
    (void)state;
    if (bytes > SIZE_MAX - 2 * ALIGNMENT)
        return pu_fail(PU_ERR_MEMORY, "an allocation of %zu bytes is too large", bytes);
    unsigned char *block = pu_calloc(1, bytes + ALIGNMENT + sizeof(void *));
    if (!block) return PU_ERR_MEMORY;
    const uintptr_t past_pointer = (uintptr_t)block + sizeof(void *);
    unsigned char *aligned = block + sizeof(void *) + (ALIGNMENT - past_pointer % ALIGNMENT) % ALIGNMENT;
    memcpy(aligned - sizeof(void *), &block, sizeof(void *));
    *out = aligned;
    return PU_OK;
}

static void cpu_free(void *state, void *memory) {
    (void)state;
    if (!memory) return;
    void *block = NULL;
    memcpy(&block, (unsigned char *)memory - sizeof(void *), sizeof(void *));
    pu_free(block);
}

static pu_status cpu_copy(void *state, pu_stream stream, void *to, const void *from, size_t bytes) {
    (void)state;
    (void)stream;
    memcpy(to, from, bytes);
    return PU_OK;
}

static pu_status cpu_zero(void *state, pu_stream stream, void *memory, size_t bytes) {
    (void)state;
    (void)stream;
    memset(memory, 0, bytes);
    return PU_OK;
}

static pu_status cpu_sync(void *state) {
    (void)state;
    return PU_OK;
}

static void cpu_bind(void *state, pu__call *call) { call->pool = state; }

static pu_status cpu_paths(const pu__path_scenario *scenario, const pu__path_batch *batch,
                           const pu__call *executor) {
    return pu__paths_cpu(scenario, batch, executor->pool);
}

const pu__backend *pu__cpu_backend(void) {
    static const pu__backend backend = {
        .name = "cpu",
        .is_host = true,
        .kernels = kernels,
        .open = cpu_open,
        .close = cpu_close,
        .memory_free_bytes = cpu_memory_free_bytes,
        .alloc = cpu_alloc,
        .free = cpu_free,
        .alloc_host = cpu_alloc,
        .free_host = cpu_free,
        .upload = cpu_copy,
        .download = cpu_copy,
        .zero = cpu_zero,
        .sync = cpu_sync,
        .bind = cpu_bind,
        .paths = cpu_paths,
    };
    return &backend;
}
