#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/buffer.h"
#include "host/base/file.h"
#include "host/cli/cli.h"
#include "host/config/text.h"
#include "plusultra/memory.h"

/* The keys that a new experiment usually touches; the rest is in docs/configuration.md. */
static const char *const starter_keys[] = {
    "run.name",
    "run.seed",
    "data.store",
    "data.symbols",
    "data.benchmark",
    "split.train_ratio",
    "split.valid_ratio",
    "windows.window_bars",
    "windows.horizons",
    "model.width",
    "model.layers",
    "train.steps",
    "train.batch",
    "train.lr",
    "backtest.horizon",
    "backtest.spread_bps",
    "backtest.slippage_bps",
    "backtest.fee_bps",
    "backtest.target_vol",
    "backtest.leverage_max",
};

static const char opening[] =
    "# An experiment of Plus Ultra. Every key has a default; this file holds those that are changed most often.\n"
    "# All keys: docs/configuration.md, or `plusultra show-config`.\n";

static pu_status run(pu__cli *cli) {
    const char *path = cli->operand_count > 0 ? cli->operands[0] : "experiment.yaml";
    struct stat info;
    if (stat(path, &info) == 0)
        return pu_fail(PU_ERR_IO, "%s exists and is left as it is; name another file", path);
    if (errno != ENOENT) return pu_fail(PU_ERR_IO, "cannot inspect %s: %s", path, strerror(errno));
    const int key_count = pu__cli_flag(cli, "all") ? 0 : (int)(sizeof starter_keys / sizeof starter_keys[0]);
    char *keys = pu__config_starter(key_count, starter_keys);
    if (!keys) return PU_ERR_MEMORY;
    pu__buffer out = {0};
    pu__buffer_printf(&out, "%s%s", opening, keys);
    pu_free(keys);
    const size_t bytes = out.used;
    char *text = pu__buffer_take(&out);
    if (!text) return PU_ERR_MEMORY;
    const pu_status status = pu__file_replace(path, text, bytes);
    pu_free(text);
    PU_TRY(status);
    if (json_object_set_new(cli->result, "file", json_string(path)) != 0)
        return pu_fail(PU_ERR_DATA, "%s: not a UTF-8 file name", path);
    printf("wrote %s\n\nnext:\n"
           "  plusultra import --store market.db FILE.csv...   or: plusultra synth --store market.db\n"
           "  plusultra validate --store market.db\n"
           "  plusultra train -c %s\n"
           "  plusultra predict -c %s\n"
           "  plusultra backtest -c %s\n"
           "  plusultra report -c %s\n",
           path, path, path, path, path);
    return PU_OK;
}

static const pu__option options[] = {
    {"all", 0, NULL, "write every key with its default"},
};

const pu__verb pu__verb_init = {
    .name = "init",
    .summary = "write a configuration file to start from",
    .details = "Writes a commented configuration (experiment.yaml unless FILE is given) and says what to do next. "
               "A file that exists is never\n"
               "overwritten.",
    .operands = "[FILE]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
