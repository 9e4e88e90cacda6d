#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"
#include "plusultra/log.h"
#include "plusultra/synth.h"

enum { LATENCY_BARS = 1, PREFIX_BYTES_MAX = 32 };

#define TAIL_DF_MIN 2.1 /* below 2 the variance is infinite */
#define PREFIX_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

static pu_status read_options(const pu__cli *cli, pu_synth_options *out) {
    *out = pu_synth_defaults();
    const char *start = pu__cli_value(cli, "start"), *prefix = pu__cli_value(cli, "prefix");
    int64_t seed = 0;
    PU_TRY(pu__cli_int(cli, "seed", (int64_t)out->seed, 0, INT64_MAX, &seed));
    out->seed = (uint64_t)seed;
    PU_TRY(pu__cli_int(cli, "assets", out->assets, 1, 9999, &out->assets));
    PU_TRY(pu__cli_int(cli, "bars", out->bars, 2, 100000000, &out->bars));
    PU_TRY(pu__cli_int(cli, "bar", out->bar_s, 1, 31622400, &out->bar_s));
    PU_TRY(pu__cli_real(cli, "edge", out->edge, 0, 1, &out->edge));
    PU_TRY(pu__cli_real(cli, "persistence", out->persistence, 0, 0.999, &out->persistence));
    PU_TRY(pu__cli_real(cli, "correlation", out->correlation, 0, 0.95, &out->correlation));
    PU_TRY(pu__cli_real(cli, "vol", out->annual_vol, 0.001, 2, &out->annual_vol));
    PU_TRY(pu__cli_real(cli, "tail-df", out->tail_df, 0, 1e6, &out->tail_df));
    PU_TRY(pu__cli_real(cli, "volume-noise", out->volume_noise, 0, 10, &out->volume_noise));
    if (start) {
        if (pu_time_parse(start, &out->first_ts) != PU_OK) return pu_fail_within(PU_ERR_CONFIG, "--start");
        out->first_ts += out->bar_s;
    }
    if (prefix) out->prefix = prefix;
    if (out->tail_df > 0 && out->tail_df < TAIL_DF_MIN)
        return pu_fail(PU_ERR_CONFIG, "--tail-df: expects 0 or a number from %g on, not %g", TAIL_DF_MIN,
                       out->tail_df);
    if (strlen(out->prefix) > PREFIX_BYTES_MAX || strspn(out->prefix, PREFIX_CHARACTERS) != strlen(out->prefix))
        return pu_fail(PU_ERR_CONFIG, "--prefix: expects at most %d letters, digits, _ and -, not '%.60s'",
                       PREFIX_BYTES_MAX, out->prefix);
    out->index = !pu__cli_flag(cli, "no-index");
    return PU_OK;
}

static json_t *theory_json(const pu_synth_options *options) {
    json_t *list = json_array();
    for (int64_t latency = 0; latency <= 2; ++latency) {
        json_array_append_new(list,
                              json_pack("{s:I, s:f, s:f}", "latency_bars", (json_int_t)latency, "sharpe",
                                        pu_synth_best_sharpe(options, latency, false), "sharpe_market_neutral",
                                        options->assets > 1 ? pu_synth_best_sharpe(options, latency, true) : 0.0));
    }
    return list;
}

static pu_status run(pu__cli *cli) {
    const char *path = pu__cli_value(cli, "store");
    pu_synth_options options;
    pu_synth_result result;
    pu_store *store = NULL;
    PU_TRY(read_options(cli, &options));
    pu_interrupt_install();
    PU_TRY(pu_store_open(path ? path : "market.db", PU_STORE_CREATE, &store));
    const pu_status status = pu_synth(store, &options, &result);
    pu_store_close(store);
    PU_TRY(status);
    printf("%" PRId64 " synthetic assets of %" PRId64 " bars%s, seed %" PRIu64 ": %" PRId64 " bars added, %" PRId64
           " unchanged, %.2f s\n",
           result.assets, options.bars, options.index ? " and their INDEX" : "", options.seed, result.rows_added,
           result.rows_unchanged, result.seconds);
    printf("edge %g: the best annual Sharpe ratio before costs, filled %d bar after the decision, is %.2f (market "
           "neutral %.2f)\n",
           options.edge, LATENCY_BARS, pu_synth_best_sharpe(&options, LATENCY_BARS, false),
           options.assets > 1 ? pu_synth_best_sharpe(&options, LATENCY_BARS, true) : 0.0);
    json_object_update_new(
        cli->result,
        json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o}", "seed", (json_int_t)options.seed,
                  "assets", (json_int_t)result.assets, "bars", (json_int_t)options.bars, "edge", options.edge,
                  "persistence", options.persistence, "correlation", options.correlation, "periods_per_year",
                  result.periods_per_year, "seconds", result.seconds, "rows_added", (json_int_t)result.rows_added,
                  "rows_unchanged", (json_int_t)result.rows_unchanged, "best", theory_json(&options)));
    return PU_OK;
}

static const pu__option options[] = {
    {"store", 's', "FILE", "the store, made if it is missing (market.db)"},
    {"assets", 0, "N", "number of assets (12)"},
    {"bars", 0, "N", "bars per asset (4000)"},
    {"bar", 0, "SECONDS", "bar length; 86400 skips weekends (86400)"},
    {"start", 0, "DATE", "day of the first bar (2005-01-03)"},
    {"seed", 0, "N", "same seed, same market (1)"},
    {"edge", 0, "X", "planted edge in standard deviations per unit of signal; 0: none (0.1)"},
    {"persistence", 0, "X", "autocorrelation of the signal (0.9)"},
    {"correlation", 0, "X", "correlation of the assets' returns (0.3)"},
    {"vol", 0, "X", "annual volatility (0.2)"},
    {"tail-df", 0, "X", "degrees of freedom of the returns' Student t; 0: normal (5)"},
    {"volume-noise", 0, "X", "noise that hides the signal in the log volume (0)"},
    {"prefix", 0, "NAME", "beginning of the symbols (SYN)"},
    {"no-index", 0, NULL, "leave the equal-weight INDEX out"},
};

const pu__verb pu__verb_synth = {
    .name = "synth",
    .summary = "make a seeded synthetic market with an edge of known size",
    .details = "The market has volatility regimes, clustered volatility, fat tails and a common factor. The log "
               "volume of a bar carries a\n"
               "signal for the next bar's return; the best Sharpe ratio that it allows is known and printed. The "
               "truth is stored\n"
               "beside the bars as the indicators truth_signal and truth_sigma, which features do not see.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
