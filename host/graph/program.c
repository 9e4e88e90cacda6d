/* Running compiled programs. Nothing here allocates but pu_program_profile. */
#include <stdlib.h>
#include <string.h>

#include "host/graph/op_table.h"
#include "plusultra/log.h"

static void forget(pu_program *program, pu__recording *recording) {
    if (recording->executable)
        program->device->backend->capture_free(program->device->state, recording->executable);
    recording->executable = NULL;
}

/* Place among the program's bound inputs; -1 when it is none. */
static int bound_place(const pu_program *program, const pu_tensor *tensor) {
    const pu_tensor *base = tensor->base ? tensor->base : tensor;
    for (int i = 0; i < program->bound_count; ++i) {
        if (program->bound[i] == base->index) return i;
    }
    return -1;
}

void pu_program_free(pu_program *program) {
    if (!program) return;
    for (int i = 0; i < PU__RECORDINGS_MAX; ++i) forget(program, &program->recording[i]);
    pu_device_free(program->device, program->block);
    pu_free(program->launch);
    pu_free(program->zero);
    pu_free(program->interval);
    pu_free(program->slot);
    pu_free(program);
}

pu_memory_plan pu_program_memory(const pu_program *program) { return program->memory; }

void *pu_program_buffer(pu_program *program, const pu_tensor *tensor) {
    if (!tensor || tensor->graph != program->graph || tensor->index >= program->tensor_count) return NULL;
    const pu_tensor *base = tensor->base ? tensor->base : tensor;
    if (base->home == PU__HOME_PARAMETER && base->is_output) {
        const pu_parameters *parameters = program->graph->parameters;
        return pu__parameter_address(parameters, base->part, parameters->item[base->parameter].info.offset);
    }
    if (base->home == PU__HOME_BOUND) return program->present.in[bound_place(program, base)];
    if (base->home != PU__HOME_INPUT && !base->is_output) return NULL;
    const int slot = program->slot[base->index];
    return slot < 0 ? NULL : program->block + program->interval[slot].offset;
}

pu_status pu_program_write(pu_program *program, const pu_tensor *tensor, const void *host) {
    void *buffer = pu_program_buffer(program, tensor);
    if (!buffer || (tensor->base ? tensor->base : tensor)->home != PU__HOME_INPUT) {
        return pu_fail(PU_ERR_ARGUMENT, "program write: the value is not an input of this program");
    }
    return pu_device_upload(program->device, PU_STREAM_COMPUTE, buffer, host, (size_t)pu__tensor_bytes(tensor));
}

pu_status pu_program_read(pu_program *program, const pu_tensor *tensor, void *host) {
    void *buffer = pu_program_buffer(program, tensor);
    if (!buffer)
        return pu_fail(PU_ERR_ARGUMENT,
                       "program read: the value is neither an input nor an output of this program");
    PU_TRY(pu_device_download(program->device, PU_STREAM_COMPUTE, host, buffer, (size_t)pu__tensor_bytes(tensor)));
    return pu_device_sync(program->device);
}

/* ---- binding ---- */

static void point_launches(pu_program *program, const pu__places *places) {
    for (int i = 0; i < program->launch_count; ++i) {
        pu__launch *launch = &program->launch[i];
        for (int k = 0; k < launch->call.in_count; ++k) {
            const pu_tensor *in = launch->node->in[k];
            if ((in->base ? in->base : in)->home == PU__HOME_BOUND)
                launch->call.in[k].data = places->in[bound_place(program, in)];
        }
    }
}

pu_status pu_program_bind(pu_program *program, int count, pu_tensor *const *inputs, void *const *buffers) {
    for (int i = 0; i < count; ++i) {
        const pu_tensor *input = inputs[i];
        const bool own = input && input->graph == program->graph && input->home == PU__HOME_BOUND && !input->base;
        if (!own || !buffers[i] || bound_place(program, input) < 0) {
            return pu_fail(PU_ERR_ARGUMENT,
                           "program bind: value %d is not a bound input of this program, or has no address", i);
        }
    }
    for (int i = 0; i < count; ++i) program->present.in[bound_place(program, inputs[i])] = buffers[i];
    return PU_OK;
}

pu_status pu_program_fetch(pu_program *program, const pu_tensor *output, void *host) {
    int place = 0;
    while (place < program->fetched_count && program->fetched[place] != output) ++place;
    if (!pu_program_buffer(program, output) || place == PU__FETCHED_MAX) {
        return pu_fail(PU_ERR_ARGUMENT, "program fetch: the value is not an output, or one of more than %d",
                       (int)PU__FETCHED_MAX);
    }
    program->fetched[place] = output;
    if (place == program->fetched_count) ++program->fetched_count;
    program->present.out[place] = host;
    return PU_OK;
}

static pu_status check_bound(const pu_program *program) {
    for (int i = 0; i < program->bound_count; ++i) {
        if (!program->present.in[i]) {
            return pu_fail(PU_ERR_ARGUMENT, "program run: input \"%s\" is not bound",
                           program->graph->tensor[program->bound[i]]->name);
        }
    }
    return PU_OK;
}

/* ---- running ---- */

static pu_status launch_failed(const pu_program *program, int index, pu_status status) {
    const pu__launch *launch = &program->launch[index];
    char text[PU__SHAPE_TEXT_BYTES];
    return pu_fail_within(status, "launch %d, %s to %s", index, pu_op_name(launch->call.op),
                          pu__shape_text(&launch->call.out[0].shape, text));
}

static pu_status zero_gradients(const pu_program *program) {
    for (int i = 0; i < program->zero_count; ++i) {
        PU_TRY(pu_device_zero(program->device, PU_STREAM_COMPUTE, program->zero[i].start, program->zero[i].bytes));
    }
    return PU_OK;
}

static pu_status issue_step(pu_program *program, const pu__places *places) {
    PU_TRY(zero_gradients(program));
    point_launches(program, places);
    for (int i = 0; i < program->launch_count; ++i) {
        const pu_status status = program->launch[i].kernel(&program->launch[i].call);
        if (status != PU_OK) return launch_failed(program, i, status);
    }
    for (int i = 0; i < program->fetched_count; ++i) {
        if (!places->out[i]) continue;
        const pu_tensor *output = program->fetched[i];
        PU_TRY(pu_device_download(program->device, PU_STREAM_COMPUTE, places->out[i],
                                  pu_program_buffer(program, output), (size_t)pu__tensor_bytes(output)));
    }
    return PU_OK;
}

static pu_status issue(pu_program *program) {
    for (int i = 0; i < program->steps; ++i) PU_TRY(issue_step(program, &program->step[i]));
    return PU_OK;
}

/* Of the steps to run; an empty place, or an older one's, where there is none. */
static pu__recording *find_recording(pu_program *program) {
    const size_t bytes = (size_t)program->steps * sizeof program->step[0];
    pu__recording *empty = NULL;
    for (int i = 0; i < PU__RECORDINGS_MAX; ++i) {
        pu__recording *recording = &program->recording[i];
        if (!recording->executable) {
            if (!empty) empty = recording;
        } else if (recording->steps == program->steps && memcmp(recording->step, program->step, bytes) == 0) {
            return recording;
        }
    }
    if (empty) return empty;
    pu__recording *oldest = &program->recording[program->recording_next++ % PU__RECORDINGS_MAX];
    forget(program, oldest);
    return oldest;
}

static pu_status record(pu_program *program, pu__recording *recording) {
    const pu__backend *backend = program->device->backend;
    void *state = program->device->state;
    PU_TRY(backend->capture_begin(state));
    const pu_status status = issue(program);
    if (status != PU_OK) {
        backend->capture_end(state, NULL); /* the message of the launch that failed is the one to keep */
        return status;
    }
    memcpy(recording->step, program->step, sizeof recording->step);
    recording->steps = program->steps;
    return backend->capture_end(state, &recording->executable);
}

pu_status pu_program_add_step(pu_program *program) {
    PU_TRY(check_bound(program));
    if (program->steps == PU_PROGRAM_STEPS_MAX)
        return pu_fail(PU_ERR_ARGUMENT, "program: at most %d steps in a run", (int)PU_PROGRAM_STEPS_MAX);
    program->step[program->steps++] = program->present;
    return PU_OK;
}

/* The first run launches one by one: libraries load modules and choose algorithms then, which a capture does not
 * allow. */
static pu_status run_steps(pu_program *program) {
    const pu__backend *backend = program->device->backend;
    if (!backend->capture_begin) return issue(program);
    if (!program->warm) {
        PU_TRY(issue(program));
        program->warm = true;
        return PU_OK;
    }
    pu__recording *recording = find_recording(program);
    if (!recording->executable) PU_TRY(record(program, recording));
    return backend->replay(program->device->state, recording->executable);
}

pu_status pu_program_run(pu_program *program) {
    if (program->steps == 0) PU_TRY(pu_program_add_step(program));
    const pu_status status = run_steps(program);
    program->steps = 0;
    return status;
}

/* ---- what each launch costs ---- */

static int by_value(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static pu_status time_launches(pu_program *program, int runs, double *seconds) {
    for (int run = 0; run < runs; ++run) {
        PU_TRY(zero_gradients(program));
        PU_TRY(pu_device_sync(program->device));
        for (int i = 0; i < program->launch_count; ++i) {
            const double start_s = pu_clock_s();
            pu_status status = program->launch[i].kernel(&program->launch[i].call);
            if (status == PU_OK) status = pu_device_sync(program->device);
            if (status != PU_OK) return launch_failed(program, i, status);
            seconds[(size_t)i * (size_t)runs + (size_t)run] = pu_clock_s() - start_s;
        }
    }
    return PU_OK;
}

pu_status pu_program_profile(pu_program *program, int runs) {
    if (runs < 1) return pu_fail(PU_ERR_ARGUMENT, "profile: %d runs, at least 1 is needed", runs);
    PU_TRY(check_bound(program));
    point_launches(program, &program->present);
    double *seconds = pu_calloc((size_t)program->launch_count * (size_t)runs, sizeof *seconds);
    if (!seconds) return PU_ERR_MEMORY;
    const pu_status status = time_launches(program, runs, seconds);
    for (int i = 0; status == PU_OK && i < program->launch_count; ++i) {
        double *own = seconds + (size_t)i * (size_t)runs;
        qsort(own, (size_t)runs, sizeof *own, by_value);
        program->launch[i].seconds = runs % 2 ? own[runs / 2] : 0.5 * (own[runs / 2 - 1] + own[runs / 2]);
    }
    pu_free(seconds);
    return status;
}

int pu_program_launches(const pu_program *program) { return program->launch_count; }

pu_launch_info pu_program_launch(const pu_program *program, int index) {
    if (index < 0 || index >= program->launch_count) return (pu_launch_info){.op = PU_OP_COUNT};
    const pu__launch *launch = &program->launch[index];
    return (pu_launch_info){.op = launch->call.op,
                            .shape = launch->call.out[0].shape,
                            .flops = pu__op_row(launch->call.op)->flops(&launch->call),
                            .bytes = pu__op_bytes(&launch->call),
                            .seconds = launch->seconds};
}
