#include <math.h>

#include "host/cli/cli.h"
#include "plusultra/log.h"
#include "plusultra/train.h"

static json_t *number_or_null(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static pu_status run(pu__cli *cli) {
    const bool resume = pu__cli_flag(cli, "resume"), overwrite = pu__cli_flag(cli, "overwrite");
    if (resume && overwrite) return pu_fail(PU_ERR_CONFIG, "--resume and --overwrite exclude each other");
    int64_t stop_after = 0;
    PU_TRY(pu__cli_int(cli, "stop-after", 0, 1, INT64_MAX, &stop_after));
    const pu_train_mode mode = resume ? PU_TRAIN_RESUME : overwrite ? PU_TRAIN_OVERWRITE : PU_TRAIN_NEW;
    pu_train_result result;
    const pu_status status = pu_train(cli->config, mode, stop_after, &result);
    json_object_set_new(cli->result, "steps", json_integer(result.steps));
    json_object_set_new(cli->result, "parameters", json_integer(result.parameter_count));
    json_object_set_new(cli->result, "train_loss", number_or_null(result.train_loss));
    json_object_set_new(cli->result, "valid_loss", number_or_null(result.valid_loss));
    json_object_set_new(cli->result, "best_valid_loss", number_or_null(result.best_valid_loss));
    json_object_set_new(cli->result, "best_step", json_integer(result.best_step));
    json_object_set_new(cli->result, "skipped_updates", json_integer(result.skipped_updates));
    json_object_set_new(cli->result, "stopped_early", json_boolean(result.stopped_early));
    json_object_set_new(cli->result, "interrupted", json_boolean(result.interrupted));
    json_object_set_new(cli->result, "seconds", json_real(result.seconds));
    json_object_set_new(cli->result, "steps_per_s", json_real(result.steps_per_s));
    json_object_set_new(cli->result, "windows_per_s", json_real(result.windows_per_s));
    json_object_set_new(cli->result, "waited_s", json_real(result.loader.waited_s));
    json_object_set_new(cli->result, "waited_ratio", json_real(result.waited_ratio));
    json_object_set_new(cli->result, "waited_p50_s", json_real(result.loader.waited_p50_s));
    json_object_set_new(cli->result, "waited_p99_s", json_real(result.loader.waited_p99_s));
    json_object_set_new(cli->result, "waited_max_s", json_real(result.loader.waited_max_s));
    json_object_set_new(cli->result, "reading_s", json_real(result.loader.reading_s));
    json_object_set_new(cli->result, "blocked_s", json_real(result.loader.blocked_s));
    json_object_set_new(cli->result, "bytes_read", json_integer(result.loader.bytes_read));
    json_object_set_new(cli->result, "in_memory_ratio", json_real(result.loader.in_memory_ratio));
    json_object_set_new(cli->result, "ready_mean", json_real(result.loader.ready_mean));
    if (status != PU_ERR_INTERRUPTED || pu_interrupted()) return status;
    pu_log(PU_LOG_INFO, "train.stopped", "%s", pu_error_message()); /* --stop-after: as asked */
    return PU_OK;
}

static const pu__option options[] = {
    {"resume", 'r', NULL, "go on from the run's last checkpoint; starts when there is none"},
    {"overwrite", 0, NULL, "start again although the run's folder holds a checkpoint"},
    {"stop-after", 0, "STEPS", "save a checkpoint and stop once this many steps are done in all"},
};

const pu__verb pu__verb_train = {
    .name = "train",
    .summary = "train a model",
    .details = "Trains the configured model into <run.out>/<run.name>: config.yaml, train.jsonl, checkpoint/last, "
               "checkpoint/best.\n"
               "Features are built first where they are missing or out of date. Interrupted by Ctrl-C or "
               "--stop-after it saves a checkpoint;\n"
               "a resumed run ends with the same bits as one that was never stopped.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
