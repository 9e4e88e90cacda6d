#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/graph/internal.h"
#include "plusultra/random.h"

/* Every parameter starts on a 64-byte boundary, so that kernels may use vector loads on it. */
enum { PARAMETER_ALIGNMENT = 16, PART_ALIGNMENT = 64, PART_COUNT = 4 };

static int64_t round_up(int64_t count, int64_t to) { return (count + to - 1) / to * to; }

pu_status pu_parameters_new(pu_device *device, pu_parameters **out) {
    *out = NULL;
    if (!device) return pu_fail(PU_ERR_ARGUMENT, "parameters need a device");
    pu_parameters *parameters = pu_calloc(1, sizeof *parameters);
    if (!parameters) return PU_ERR_MEMORY;
    parameters->device = device;
    const pu_status status = pu_arena_new(4096, &parameters->arena);
    if (status != PU_OK) {
        pu_free(parameters);
        return status;
    }
    *out = parameters;
    return PU_OK;
}

void pu_parameters_free(pu_parameters *parameters) {
    if (!parameters) return;
    pu_device_free(parameters->device, parameters->block);
    pu_arena_free(parameters->arena);
    pu_free(parameters->item);
    pu_free(parameters);
}

int pu__parameter_find(const pu_parameters *parameters, const char *name) {
    for (int i = 0; i < parameters->number; ++i) {
        if (strcmp(parameters->item[i].info.name, name) == 0) return i;
    }
    return -1;
}

float *pu__parameter_address(const pu_parameters *parameters, pu_parameter_part part, int64_t offset) {
    return parameters->block + (int64_t)part * parameters->part_stride + offset;
}

static pu_status reserve_item(pu_parameters *parameters) {
    if (parameters->number < parameters->capacity) return PU_OK;
    const int capacity = parameters->capacity ? parameters->capacity * 2 : 32;
    const size_t bytes = sizeof *parameters->item;
    pu__parameter *grown =
        pu_regrow(parameters->item, (size_t)parameters->capacity * bytes, (size_t)capacity * bytes);
    if (!grown) return PU_ERR_MEMORY;
    parameters->item = grown;
    parameters->capacity = capacity;
    return PU_OK;
}

pu_status pu_parameter_declare(pu_parameters *parameters, const char *name, pu_shape shape, pu_init init,
                               float scale, int decay) {
    char text[PU__SHAPE_TEXT_BYTES];
    if (!name || !*name) return pu_fail(PU_ERR_ARGUMENT, "a parameter needs a name");
    if (parameters->block) {
        return pu_fail(PU_ERR_ARGUMENT,
                       "parameter \"%s\" is declared after pu_parameters_allocate: declare it before", name);
    }
    const int64_t count = pu__shape_count_checked(&shape);
    if (count < 1) {
        return pu_fail(PU_ERR_ARGUMENT, "parameter \"%s\" has shape %s: every dimension must be at least 1", name,
                       pu__shape_text(&shape, text));
    }
    if ((unsigned)init > PU_INIT_S4D_STEP || !isfinite(scale)) {
        return pu_fail(PU_ERR_ARGUMENT, "parameter \"%s\": initialiser %d with scale %g is not known", name,
                       (int)init, (double)scale);
    }
    if (pu__parameter_find(parameters, name) >= 0) {
        return pu_fail(PU_ERR_ARGUMENT, "parameter \"%s\" is declared twice: names are unique", name);
    }
    PU_TRY(reserve_item(parameters));
    const char *copy = pu_arena_strdup(parameters->arena, name);
    if (!copy) return PU_ERR_MEMORY;
    parameters->item[parameters->number++] = (pu__parameter){
        .info = {.name = copy, .shape = shape, .count = count, .decay = decay != 0}, .init = init, .scale = scale};
    return PU_OK;
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash_name(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = name; *c; ++c) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return hash;
}

/* Row n of S4D's frequencies [N,C], of 2N real states: S4D-Lin and S4D-Inv of Gu et al. 2022. */
static double s4d_frequency(pu_init init, double n, double states) {
    const double pi = 3.14159265358979323846;
    return init == PU_INIT_S4D_LIN ? pi * n : states / pi * (states / (2 * n + 1) - 1);
}

static void fill(const pu__parameter *parameter, uint64_t seed, float *value) {
    const pu_shape *shape = &parameter->info.shape;
    const double fan_in = shape->rank > 0 ? (double)shape->dim[0] : 1.0;
    const double fan_out = (double)pu__last(shape);
    const double bound = (double)parameter->scale * sqrt(6.0 / (fan_in + fan_out));
    pu_random random = pu_random_at(seed, hash_name(parameter->info.name));
    for (int64_t i = 0; i < parameter->info.count; ++i) {
        switch (parameter->init) {
        case PU_INIT_ZERO: value[i] = 0.0f; break;
        case PU_INIT_ONE: value[i] = 1.0f; break;
        case PU_INIT_NORMAL: value[i] = (float)(parameter->scale * pu_random_normal(&random)); break;
        case PU_INIT_XAVIER: value[i] = (float)(bound * (2.0 * pu_random_uniform(&random) - 1.0)); break;
        case PU_INIT_CONSTANT: value[i] = parameter->scale; break;
        case PU_INIT_S4D_LIN:
        case PU_INIT_S4D_INV:
            value[i] = (float)(parameter->scale *
                               s4d_frequency(parameter->init, (double)(i / pu__last(shape)), 2 * fan_in));
            break;
        case PU_INIT_S4D_STEP: value[i] = (float)(log(1e-3) + pu_random_uniform(&random) * log(100.0)); break;
        }
    }
}

/* Decaying parameters first, so that AdamW needs one boundary and no mask. */
static void lay_out(pu_parameters *parameters) {
    int64_t offset = 0;
    for (int decay = 1; decay >= 0; --decay) {
        for (int i = 0; i < parameters->number; ++i) {
            pu_parameter_info *info = &parameters->item[i].info;
            if (info->decay != decay) continue;
            info->offset = offset;
            offset += round_up(info->count, PARAMETER_ALIGNMENT);
        }
        if (decay) parameters->decay_count = offset;
    }
    parameters->count = offset;
    parameters->part_stride = round_up(offset, PART_ALIGNMENT);
}

pu_status pu_parameters_allocate(pu_parameters *parameters, uint64_t seed) {
    if (parameters->block) return pu_fail(PU_ERR_ARGUMENT, "the parameters are allocated already");
    lay_out(parameters);
    float *value = pu_calloc((size_t)parameters->count, sizeof *value);
    if (!value) return PU_ERR_MEMORY;
    for (int i = 0; i < parameters->number; ++i) {
        fill(&parameters->item[i], seed, value + parameters->item[i].info.offset);
    }
    const size_t bytes = (size_t)parameters->part_stride * PART_COUNT * sizeof(float);
    void *block = NULL;
    pu_status status = pu_device_alloc(parameters->device, bytes, &block);
    parameters->block = block;
    if (status == PU_OK) status = pu_parameters_write(parameters, PU_PART_VALUE, value);
    if (status != PU_OK) {
        pu_device_free(parameters->device, parameters->block);
        parameters->block = NULL;
    }
    pu_free(value);
    return status;
}

int64_t pu_parameters_count(const pu_parameters *parameters) { return parameters->count; }
int pu_parameters_number(const pu_parameters *parameters) { return parameters->number; }

pu_status pu_parameter_get(const pu_parameters *parameters, int index, pu_parameter_info *out) {
    if (index < 0 || index >= parameters->number) {
        return pu_fail(PU_ERR_ARGUMENT, "parameter %d does not exist: there are %d", index, parameters->number);
    }
    *out = parameters->item[index].info;
    return PU_OK;
}

static pu_status check_part(const pu_parameters *parameters, pu_parameter_part part) {
    if ((unsigned)part >= PART_COUNT)
        return pu_fail(PU_ERR_ARGUMENT, "parameter part %d does not exist", (int)part);
    if (!parameters->block)
        return pu_fail(PU_ERR_ARGUMENT, "the parameters are not allocated: call pu_parameters_allocate");
    return PU_OK;
}

pu_status pu_parameters_read(pu_parameters *parameters, pu_parameter_part part, float *host) {
    PU_TRY(check_part(parameters, part));
    const size_t bytes = (size_t)parameters->count * sizeof(float);
    PU_TRY(pu_device_download(parameters->device, PU_STREAM_COMPUTE, host,
                              pu__parameter_address(parameters, part, 0), bytes));
    return pu_device_sync(parameters->device);
}

pu_status pu_parameters_write(pu_parameters *parameters, pu_parameter_part part, const float *host) {
    PU_TRY(check_part(parameters, part));
    const size_t bytes = (size_t)parameters->count * sizeof(float);
    PU_TRY(pu_device_upload(parameters->device, PU_STREAM_COMPUTE, pu__parameter_address(parameters, part, 0),
                            host, bytes));
    return pu_device_sync(parameters->device);
}
