#include <stdio.h>
#include <string.h>

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

static pu_status run(pu__cli *cli) {
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
    return PU_OK;
}

static const pu__option options[] = {
    {"seconds", 0, "S", "how long to measure (5)"},
};

const pu__verb pu__verb_bench = {
    .name = "bench",
    .summary = "time the training step of a configuration on this machine",
    .details = "Times the configured model's training step with random inputs, prints the floor (its matrix "
               "products at this machine's own rate)\n"
               "and where the time goes. Needs no data. `make bench` measures import, windows and kernels as "
               "well, beside other systems.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
