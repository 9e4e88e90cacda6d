#include <stdio.h>
#include <string.h>

#include "host/cli/bench_kernels.h"
#include "host/cli/bench_layers.h"
#include "host/cli/cli.h"
#include "plusultra/features.h"
#include "plusultra/train.h"

static void print(const pu_step_bench *b) {
    double total = 0;
    for (int op = 0; op < PU_OP_COUNT; ++op) total += b->op_s[op];
    printf("%s\n%lld parameters, %d launches a step\n", b->device, (long long)b->parameters, b->launches);
    printf("%.1f steps/s, %.0f windows/s (median step %.2f ms)\n", 1 / b->step_s, b->windows_per_s,
           1e3 * b->step_s);
    printf("floor %.2f ms: the step's matrix products at the measured %.0f GF/s; measured / floor %.2f\n\n",
           1e3 * b->floor_s, 1e-9 * b->matrix_flops_per_s, b->step_s / b->floor_s);
    printf("%-18s %10s %8s\n", "op", "ms", "share");
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        if (b->op_s[op] > 0)
            printf("%-18s %10.3f %7.1f%%\n", pu_op_name((pu_op_id)op), 1e3 * b->op_s[op],
                   100 * b->op_s[op] / total);
    }
}

static void fill_result(json_t *result, const pu_step_bench *b) {
    json_t *ops = json_object();
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        if (b->op_s[op] > 0) json_object_set_new(ops, pu_op_name((pu_op_id)op), json_real(b->op_s[op]));
    }
    json_object_set_new(result, "device", json_string(b->device));
    json_object_set_new(result, "parameters", json_integer(b->parameters));
    json_object_set_new(result, "step_s", json_real(b->step_s));
    json_object_set_new(result, "windows_per_s", json_real(b->windows_per_s));
    json_object_set_new(result, "floor_s", json_real(b->floor_s));
    json_object_set_new(result, "matrix_flops_per_s", json_real(b->matrix_flops_per_s));
    json_object_set_new(result, "matrix_ratio", json_real(b->matrix_ratio));
    json_object_set_new(result, "op_s", ops);
}

/* Every launch of the step, its least traffic and work, and how much of its time the larger limit explains. */
static void print_launches(const pu_step_bench *b) {
    printf("\n%4s %-16s %-22s %9s %9s %9s %8s %8s %7s\n", "", "launch", "output", "MB", "MFLOP", "ms", "GB/s",
           "GF/s", "limit");
    for (int i = 0; i < b->launches; ++i) {
        const pu_launch_info *l = &b->launch[i];
        char shape[64] = "";
        for (int d = 0; d < l->shape.rank; ++d) {
            const size_t used = strlen(shape);
            snprintf(shape + used, sizeof shape - used, "%s%lld", d ? "x" : "", (long long)l->shape.dim[d]);
        }
        printf("%4d %-16s %-22s %9.3f %9.2f %9.4f %8.1f %8.1f %6.0f%%\n", i, pu_op_name(l->op), shape,
               1e-6 * l->bytes, 1e-6 * l->flops, 1e3 * l->seconds, 1e-9 * l->bytes / l->seconds,
               1e-9 * l->flops / l->seconds, 100 * pu_step_bench_limit_s(b, i) / l->seconds);
    }
}

static json_t *launches(const pu_step_bench *b) {
    json_t *list = json_array();
    for (int i = 0; i < b->launches; ++i) {
        const pu_launch_info *l = &b->launch[i];
        json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:f, s:f}", "op", pu_op_name(l->op), "bytes",
                                              l->bytes, "flops", l->flops, "seconds", l->seconds, "limit_s",
                                              pu_step_bench_limit_s(b, i)));
    }
    return list;
}

static pu_status run(pu__cli *cli) {
    const char *what = cli->operand_count > 0 ? cli->operands[0] : "";
    const bool every_launch = strcmp(what, "step") == 0;
    if (strcmp(what, "kernels") == 0) return pu__cli_bench_kernels(cli);
    if (strcmp(what, "layers") == 0) return pu__cli_bench_layers(cli);
    if (*what && !every_launch)
        return pu_fail(PU_ERR_CONFIG,
                       "bench '%.40s' is not known: step, kernels, layers, or nothing for a summary", what);
    const pu_config *config = cli->config;
    double seconds = 0;
    PU_TRY(pu__cli_real(cli, "seconds", 5, 0, 3600, &seconds));
    const bool pinball = strcmp(config->objective.loss, "pinball") == 0;
    const pu_model_dims dims = {.features = config->features.names.count > 0 ? config->features.names.count
                                                                             : pu_feature_default_count(),
                                .horizons = config->windows.horizons.count,
                                .outputs = pinball ? config->objective.quantiles.count : 1};
    pu_step_bench bench;
    PU_TRY(pu_bench_step(config, dims, seconds, &bench));
    fill_result(cli->result, &bench);
    print(&bench);
    if (every_launch) {
        json_object_set_new(cli->result, "launches", launches(&bench));
        print_launches(&bench);
    }
    pu_step_bench_free(&bench);
    return PU_OK;
}

static const pu__option options[] = {
    {"seconds", 0, "S", "how long to measure the step (5); 0: a rough look, of kernels and layers too"},
    {"op", 0, "NAME", "kernels, layers: this operation only"},
    {"bars", 0, "T", "kernels, layers: windows of this length only (64, 128, 256, 512)"},
    {"peer", 0, "PYTHON", "kernels, layers: the same work in this Python's PyTorch, and JAX if it has it"},
    {"rounds", 0, "N", "layers: how often each system is measured in turn (15)"},
};

const pu__verb pu__verb_bench = {
    .name = "bench",
    .summary = "time the training step, or single kernels, on this machine",
    .details =
        "Times the configured model's training step with random inputs, prints the floor (its matrix "
        "products at this machine's own rate)\n"
        "and where the time goes. Needs no data.\n\n"
        "  step      every launch of the step too: bytes, operations, time, share of the limit\n"
        "  kernels   single operations, hot and cold, beside this machine's copy and matrix rates; --peer "
        "runs the\n"
        "            same work in PyTorch and JAX\n"
        "  layers    attention, depthwise convolution and S4, forward and backward as one, batch 64, width 128; "
        "with --peer\n"
        "            in rounds that alternate with PyTorch (eager, compiled) and JAX, each in its fastest form\n\n"
        "`make bench` measures import, features and windows as well, beside other systems.",
    .operands = "[step|kernels|layers]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
