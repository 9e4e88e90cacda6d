#include "host/cli/cli.h"
#include "plusultra/eval.h"
#include "plusultra/log.h"

static pu_status run(pu__cli *cli) {
    char path[4096];
    PU_TRY(pu_report(cli->config, path, (int64_t)sizeof path));
    json_object_set_new(cli->result, "html", json_string(path));
    pu_log(PU_LOG_INFO, "report.done", "report: %s", path);
    return PU_OK;
}

const pu__verb pu__verb_report = {
    .name = "report",
    .summary = "make report.html and report.md of a run",
    .details = "Makes <run.out>/<run.name>/report.html, one file that needs no network, and report.md from what "
               "train and backtest left there.",
    .takes_config = true,
    .run = run,
};
