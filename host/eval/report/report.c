/* The report: one self-contained HTML page (host/eval/report/report.html) and the same tables as Markdown. Everything
 * shown comes from backtest.json and train.jsonl; nothing is computed here. */
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/page/page.h"
#include "plusultra/eval.h"
#include "plusultra/memory.h"

extern const char pu__report_page[];

enum { PATH_BYTES = 4096 };
static const size_t training_bytes_max = (size_t)1 << 30;

typedef struct report_input {
    json_t *backtest;
    json_t *training; /* array, one object per validation */
} report_input;

static pu_status load_training(const char *folder, json_t **out) {
    char path[PATH_BYTES], *text = NULL;
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/train.jsonl", folder);
    pu_status status = pu__file_read(path, training_bytes_max, &text, &bytes);
    if (status == PU_ERR_NOT_FOUND) return pu_fail(status, "%s is missing: run `plusultra train` first", path);
    PU_TRY(status);
    *out = json_array();
    status = *out ? PU_OK : pu_fail(PU_ERR_MEMORY, "out of memory for the report");
    int number = 1;
    for (char *line = text; status == PU_OK && *line; ++number) {
        const size_t length = strcspn(line, "\n");
        json_error_t error;
        json_t *entry = json_loadb(line, length, 0, &error);
        if (!json_is_object(entry)) {
            status =
                pu_fail(PU_ERR_CORRUPT, "%s:%d is damaged (%s): run `plusultra train --resume` or train again",
                        path, number, error.text);
            json_decref(entry);
        } else {
            json_array_append_new(*out, entry);
        }
        line += length + (line[length] == '\n');
    }
    pu_free(text);
    return status;
}

/* ---- Markdown ---- */

static void put_interval(FILE *out, const json_t *strategy, const char *name, pu__number_style style, int digits) {
    const json_t *pair = json_object_get(json_object_get(strategy, "intervals"), name);
    if (!json_is_number(json_array_get(pair, 0))) return;
    fputs(" (95 %: ", out);
    pu__markdown_number(out, json_array_get(pair, 0), style, digits);
    fputs(" to ", out);
    pu__markdown_number(out, json_array_get(pair, 1), style, digits);
    fputc(')', out);
}

static const pu__column metric_rows[] = {
    {"Total return", "total_return", PU__PERCENT, 1},
    {"Annual return", "cagr", PU__PERCENT, 1},
    {"Volatility", "volatility", PU__PERCENT, 1},
    {"Sharpe ratio", "sharpe", PU__PLAIN, 2},
    {"Sortino ratio", "sortino", PU__PLAIN, 2},
    {"Calmar ratio", "calmar", PU__PLAIN, 2},
    {"Maximum drawdown", "max_drawdown", PU__PERCENT, 1},
    {"Time under water", "under_water_ratio", PU__PERCENT, 1},
    {"VaR 5 %, per bar", "var_5", PU__PERCENT, 2},
    {"CVaR 5 %, per bar", "cvar_5", PU__PERCENT, 2},
    {"CVaR 1 %, per bar", "cvar_1", PU__PERCENT, 2},
    {"Omega ratio", "omega", PU__PLAIN, 2},
    {"Tail ratio", "tail_ratio", PU__PLAIN, 2},
    {"Skewness", "skewness", PU__PLAIN, 2},
    {"Kurtosis (normal: 3)", "kurtosis", PU__PLAIN, 2},
    {"Bars with a gain", "hit_rate", PU__PERCENT, 1},
    {"Profit factor", "profit_factor", PU__PLAIN, 2},
    {"Beta", "beta", PU__PLAIN, 2},
    {"Alpha", "alpha", PU__PERCENT, 1},
    {"Information ratio", "information_ratio", PU__PLAIN, 2},
    {"Sharpe ratio without the market's part", "hedged_sharpe", PU__PLAIN, 2},
    {"Exposure", "exposure", PU__PERCENT, 1},
    {"Turnover per year", "turnover", PU__PLAIN, 1},
    {"Costs per year", "cost", PU__PERCENT, 1},
    {"Average holding time (bars)", "average_holding_bars", PU__PLAIN, 1},
    {"Probabilistic Sharpe ratio", "probabilistic_sharpe", PU__PERCENT, 1},
    {"Deflated Sharpe ratio", "deflated_sharpe", PU__PERCENT, 1},
};

static void put_strategies(FILE *out, const json_t *strategies) {
    size_t i;
    json_t *strategy;
    fputs("\n## Strategies\n\n| |", out);
    json_array_foreach(strategies, i, strategy) {
        fputc(' ', out);
        pu__markdown_text(out, pu__text_of(strategy, "label"));
        fputs(" |", out);
    }
    fputs("\n|---|", out);
    json_array_foreach(strategies, i, strategy) fputs("---:|", out);
    fputc('\n', out);
    for (size_t row = 0; row < sizeof metric_rows / sizeof metric_rows[0]; ++row) {
        const pu__column *r = &metric_rows[row];
        fprintf(out, "| %s |", r->label);
        json_array_foreach(strategies, i, strategy) {
            fputc(' ', out);
            pu__markdown_number(out, json_object_get(json_object_get(strategy, "metrics"), r->key), r->style,
                                r->digits);
            fputs(" |", out);
        }
        fputc('\n', out);
    }
}

static void put_assets(FILE *out, const json_t *assets) {
    fputs("\n## Assets\n\n| Asset | Bars | Contribution | Mean weight | Turnover per year | Bars with a gain | IC "
          "|\n|---|---:|---:|---:|---:|---:|---:|\n",
          out);
    size_t i;
    json_t *asset;
    json_array_foreach(assets, i, asset) {
        static const pu__column columns[] = {
            {NULL, "bars", PU__WHOLE, 0},          {NULL, "contribution", PU__PERCENT, 1},
            {NULL, "mean_weight", PU__PERCENT, 1}, {NULL, "turnover", PU__PLAIN, 1},
            {NULL, "hit_rate", PU__PERCENT, 1},    {NULL, "ic", PU__PLAIN, 3}};
        fputs("| ", out);
        pu__markdown_text(out, pu__text_of(asset, "symbol"));
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; ++c) {
            fputs(" | ", out);
            pu__markdown_number(out, json_object_get(asset, columns[c].key), columns[c].style, columns[c].digits);
        }
        fputs(" |\n", out);
    }
}

static void put_forecast(FILE *out, const json_t *forecast) {
    fputs("\n## Forecasts\n\nSkill is 1 minus the pinball loss over that of the training segment's unconditional "
          "quantiles.\n\n"
          "| Horizon (bars) | Forecasts | Pinball loss | Unconditional | Skill | IC | Right sign "
          "|\n|---:|---:|---:|---:|---:|---:|---:|\n",
          out);
    size_t i;
    json_t *row;
    json_array_foreach(forecast, i, row) {
        static const pu__column columns[] = {
            {NULL, "horizon_bars", PU__WHOLE, 0}, {NULL, "count", PU__WHOLE, 0},
            {NULL, "pinball", PU__PLAIN, 4},      {NULL, "pinball_unconditional", PU__PLAIN, 4},
            {NULL, "skill", PU__PERCENT, 2},      {NULL, "ic", PU__PLAIN, 3},
            {NULL, "hit_rate", PU__PERCENT, 1}};
        fputc('|', out);
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; ++c) {
            fputc(' ', out);
            pu__markdown_number(out, json_object_get(row, columns[c].key), columns[c].style, columns[c].digits);
            fputs(" |", out);
        }
        fputc('\n', out);
    }
}

static void put_provenance(FILE *out, const json_t *meta, const json_t *training) {
    const json_t *last = json_array_get(training, json_array_size(training) - 1);
    fputs("\n## Training\n\n", out);
    fprintf(out, "%zu validations, ", json_array_size(training));
    fputs("best validation loss ", out);
    pu__markdown_number(out, json_object_get(last, "best_valid_loss"), PU__PLAIN, 5);
    fputs(".", out);
    const json_t *stream = json_object_get(last, "stream");
    if (stream) {
        fputs(" Steps waited ", out);
        pu__markdown_number(out, json_object_get(stream, "waited_ratio"), PU__PERCENT, 1);
        fputs(" of the time for windows; ", out);
        pu__markdown_number(out, json_object_get(stream, "in_memory_ratio"), PU__PERCENT, 1);
        fputs(" of the rows came from memory.", out);
    }
    fputs("\n\n## Provenance\n\n", out);
    static const char *const names[] = {"train", "valid", "test"};
    for (int i = 0; i < 3; ++i) {
        const json_t *segment = json_object_get(json_object_get(meta, "segments"), names[i]);
        const char *from = json_string_value(json_array_get(segment, 0)),
                   *to = json_string_value(json_array_get(segment, 1));
        fprintf(out, "- %s: %s to %s (end exclusive)\n", names[i], from ? from : "?", to ? to : "?");
    }
    fputs("- embargo: ", out);
    pu__markdown_number(out, json_object_get(meta, "embargo_bars"), PU__WHOLE, 0);
    fputs(" bars\n- periods per year: ", out);
    pu__markdown_number(out, json_object_get(meta, "periods_per_year"), PU__WHOLE, 0);
    fprintf(out, " (%s)\n- trials, for the deflated Sharpe ratio: ", pu__text_of(meta, "periods_reason"));
    pu__markdown_number(out, json_object_get(meta, "trials"), PU__WHOLE, 0);
    static const char *const costs[] = {"spread", "slippage", "fee"};
    for (int i = 0; i < 3; ++i) {
        fprintf(out, "\n- %s: ", costs[i]);
        pu__markdown_number(out, json_object_get(json_object_get(meta, "costs_bps"), costs[i]), PU__PLAIN, 2);
        fputs(" bp", out);
    }
    fputs("\n- fills after the decision: ", out);
    pu__markdown_number(out, json_object_get(meta, "latency_bars"), PU__WHOLE, 0);
    fprintf(out, " bars\n- data: `%s`\n- features: `%s`\n- Plus Ultra %s, %s\n", pu__text_of(meta, "data_hash"),
            pu__text_of(meta, "feature_hash"), pu__text_of(meta, "version"), pu__text_of(meta, "created"));
    fputs("\n## Configuration\n\n", out);
    pu__markdown_code(out, "yaml", pu__text_of(meta, "config"));
}

static void write_markdown(FILE *out, const report_input *input) {
    const json_t *meta = json_object_get(input->backtest, "meta"),
                 *strategies = json_object_get(input->backtest, "strategies");
    const json_t *model = json_array_get(strategies, 0), *metrics = json_object_get(model, "metrics");
    const json_t *test = json_object_get(json_object_get(meta, "segments"), "test");
    const char *from = json_string_value(json_array_get(test, 0)),
               *to = json_string_value(json_array_get(test, 1));
    fputs("# ", out);
    pu__markdown_text(out, pu__text_of(meta, "run"));
    fprintf(out, "\n\nOut-of-sample backtest %s to %s, after costs.\n\n**", from ? from : "?", to ? to : "?");
    pu__markdown_text(out, pu__text_of(input->backtest, "verdict"));
    fputs("**\n", out);
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(input->backtest, "warnings"), i, warning) {
        fputs("\n- ", out);
        pu__markdown_text(out, json_string_value(warning));
    }
    fputs("\n\n- Sharpe ratio: ", out);
    pu__markdown_number(out, json_object_get(metrics, "sharpe"), PU__PLAIN, 2);
    put_interval(out, model, "sharpe", PU__PLAIN, 2);
    fputs("\n- Annual return: ", out);
    pu__markdown_number(out, json_object_get(metrics, "cagr"), PU__PERCENT, 1);
    put_interval(out, model, "cagr", PU__PERCENT, 1);
    fputs("\n- Maximum drawdown: ", out);
    pu__markdown_number(out, json_object_get(metrics, "max_drawdown"), PU__PERCENT, 1);
    put_interval(out, model, "max_drawdown", PU__PERCENT, 1);
    fputs("\n- Break-even cost: ", out);
    pu__markdown_number(out, json_object_get(input->backtest, "break_even_cost_bps"), PU__PLAIN, 1);
    fputs(" bp one way, on what is traded\n", out);
    put_strategies(out, strategies);
    put_assets(out, json_object_get(input->backtest, "assets"));
    put_forecast(out, json_object_get(input->backtest, "forecast"));
    put_provenance(out, meta, input->training);
}

static pu_status write_html(const report_input *input, const char *path) {
    json_t *both = json_pack("{s:O, s:O}", "backtest", input->backtest, "training", input->training);
    const pu_status status = pu__page_write(path, pu__report_page, both);
    json_decref(both);
    return status;
}

static pu_status write_markdown_file(const report_input *input, const char *path) {
    pu__new_file file;
    PU_TRY(pu__file_begin(path, &file));
    write_markdown(file.stream, input);
    return pu__file_end(&file);
}

pu_status pu_report(const pu_config *config, char *html_path, int64_t html_path_capacity) {
    char folder[PATH_BYTES - 64], document[PATH_BYTES], html[PATH_BYTES], markdown[PATH_BYTES];
    if (snprintf(folder, sizeof folder, "%s/%s", config->run.out, config->run.name) >= (int)sizeof folder) {
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path that is too long");
    }
    snprintf(document, sizeof document, "%s/backtest.json", folder);
    snprintf(html, sizeof html, "%s/report.html", folder);
    snprintf(markdown, sizeof markdown, "%s/report.md", folder);
    report_input input = {0};
    pu_status status = pu__document_read(document, "plusultra-backtest-1", "backtest", &input.backtest);
    if (status == PU_OK) status = load_training(folder, &input.training);
    if (status == PU_OK) status = write_html(&input, html);
    if (status == PU_OK) status = write_markdown_file(&input, markdown);
    json_decref(input.training);
    json_decref(input.backtest);
    if (status == PU_OK && html_path) snprintf(html_path, (size_t)html_path_capacity, "%s", html);
    return status;
}
