#include "host/cli/cli.h"
#include "plusultra/log.h"
#include "plusultra/train.h"

static pu_status run(pu__cli *cli) {
    pu_predict_result result;
    const pu_status status = pu_predict(cli->config, &result);
    json_object_set_new(cli->result, "assets", json_integer(result.assets));
    json_object_set_new(cli->result, "rows", json_integer(result.rows));
    json_object_set_new(cli->result, "seconds", json_real(result.seconds));
    if (status == PU_OK) {
        pu_log(PU_LOG_INFO, "predict.done",
               "%lld decision times of %lld assets predicted in %.1f s: %s/%s/predictions.csv",
               (long long)result.rows, (long long)result.assets, result.seconds, cli->config->run.out,
               cli->config->run.name);
    }
    return status;
}

const pu__verb pu__verb_predict = {
    .name = "predict",
    .summary = "forecast with the best checkpoint",
    .details = "Forecasts every decision time from the start of validation to the end of the data with "
               "checkpoint/best of the run.\n"
               "Writes the store's predictions table and <run.out>/<run.name>/predictions.csv: symbol, time, "
               "horizon, volatility, and the\n"
               "quantiles of the return in units of volatility * sqrt(horizon).",
    .takes_config = true,
    .run = run,
};
