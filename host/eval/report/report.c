/* The report: one self-contained HTML page (host/eval/report/report.html with Chart.js and the data put in) and
 * the same tables as
 * Markdown. Everything shown comes from backtest.json and train.jsonl; nothing is computed here. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "plusultra/eval.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

extern const char pu__report_page[];
extern const char pu__chart_js[];

enum { PATH_BYTES = 4096 };
static const size_t input_bytes_max = (size_t)1 << 30;

typedef struct report_input {
    json_t *backtest;
    json_t *training; /* array, one object per validation */
} report_input;

static pu_status read_file(const char *folder, const char *name, const char *made_by, char **text, size_t *bytes) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const pu_status status = pu__file_read(path, input_bytes_max, text, bytes);
    if (status == PU_ERR_NOT_FOUND)
        return pu_fail(status, "%s is missing: run `plusultra %s` first", path, made_by);
    return status;
}

static pu_status load_backtest(const char *folder, json_t **out) {
    char *text = NULL;
    size_t bytes = 0;
    PU_TRY(read_file(folder, "backtest.json", "backtest", &text, &bytes));
    json_error_t error;
    *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    pu_free(text);
    const char *format = json_string_value(json_object_get(*out, "format"));
    if (format && strcmp(format, "plusultra-backtest-1") == 0) return PU_OK;
    json_decref(*out);
    *out = NULL;
    return pu_fail(PU_ERR_CORRUPT, "%s/backtest.json:%d is damaged (%s): run `plusultra backtest` again", folder,
                   error.line, format ? "unknown format" : error.text);
}

static pu_status load_training(const char *folder, json_t **out) {
    char *text = NULL;
    size_t bytes = 0;
    PU_TRY(read_file(folder, "train.jsonl", "train", &text, &bytes));
    *out = json_array();
    pu_status status = *out ? PU_OK : pu_fail(PU_ERR_MEMORY, "out of memory for the report");
    int number = 1;
    for (char *line = text; status == PU_OK && *line; ++number) {
        const size_t length = strcspn(line, "\n");
        json_error_t error;
        json_t *entry = json_loadb(line, length, 0, &error);
        if (!json_is_object(entry)) {
            status = pu_fail(PU_ERR_CORRUPT,
                             "%s/train.jsonl:%d is damaged (%s): run `plusultra train --resume` or train again",
                             folder, number, error.text);
            json_decref(entry);
        } else {
            json_array_append_new(*out, entry);
        }
        line += length + (line[length] == '\n');
    }
    pu_free(text);
    return status;
}

/* JSON that may stand inside a script element: no "<" can end it early. */
static pu_status write_data(FILE *out, const report_input *input) {
    json_t *both = json_pack("{s:O, s:O}", "backtest", input->backtest, "training", input->training);
    char *text = both ? json_dumps(both, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;
    json_decref(both);
    if (!text) return pu_fail(PU_ERR_MEMORY, "out of memory for the report's data");
    for (const char *c = text; *c; ++c) {
        if (*c == '<') fputs("\\u003c", out);
        else fputc(*c, out);
    }
    free(text);
    return PU_OK;
}

static pu_status write_html(FILE *out, const report_input *input) {
    static const char chart_mark[] = "/*CHART_JS*/", data_mark[] = "/*DATA*/";
    const char *chart = strstr(pu__report_page, chart_mark), *data = strstr(pu__report_page, data_mark);
    fwrite(pu__report_page, 1, (size_t)(chart - pu__report_page), out);
    fputs(pu__chart_js, out);
    chart += sizeof chart_mark - 1;
    fwrite(chart, 1, (size_t)(data - chart), out);
    PU_TRY(write_data(out, input));
    fputs(data + sizeof data_mark - 1, out);
    return PU_OK;
}

/* ---- Markdown ---- */

/* Characters that would end a table cell or start markup. */
static void put_text(FILE *out, const char *text) {
    for (; text && *text; ++text) {
        if (*text == '\n' || *text == '\r') fputc(' ', out);
        else if (strchr("|<>*_`\\", *text)) fprintf(out, "\\%c", *text);
        else fputc(*text, out);
    }
}

typedef enum number_style { PLAIN, PERCENT, WHOLE } number_style;

static void put_number(FILE *out, const json_t *value, number_style style, int digits) {
    if (!json_is_number(value)) fputs("–", out);
    else if (style == PERCENT) fprintf(out, "%.*f %%", digits, 100 * json_number_value(value));
    else fprintf(out, "%.*f", style == WHOLE ? 0 : digits, json_number_value(value));
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void put_interval(FILE *out, const json_t *strategy, const char *name, number_style style, int digits) {
    const json_t *pair = json_object_get(json_object_get(strategy, "intervals"), name);
    if (!json_is_number(json_array_get(pair, 0))) return;
    fputs(" (95 %: ", out);
    put_number(out, json_array_get(pair, 0), style, digits);
    fputs(" to ", out);
    put_number(out, json_array_get(pair, 1), style, digits);
    fputc(')', out);
}

typedef struct metric_row {
    const char *label, *key;
    number_style style;
    int digits;
} metric_row;

static const metric_row metric_rows[] = {
    {"Total return", "total_return", PERCENT, 1},
    {"Annual return", "cagr", PERCENT, 1},
    {"Volatility", "volatility", PERCENT, 1},
    {"Sharpe ratio", "sharpe", PLAIN, 2},
    {"Sortino ratio", "sortino", PLAIN, 2},
    {"Calmar ratio", "calmar", PLAIN, 2},
    {"Maximum drawdown", "max_drawdown", PERCENT, 1},
    {"Time under water", "under_water_ratio", PERCENT, 1},
    {"VaR 5 %, per bar", "var_5", PERCENT, 2},
    {"CVaR 5 %, per bar", "cvar_5", PERCENT, 2},
    {"CVaR 1 %, per bar", "cvar_1", PERCENT, 2},
    {"Omega ratio", "omega", PLAIN, 2},
    {"Tail ratio", "tail_ratio", PLAIN, 2},
    {"Skewness", "skewness", PLAIN, 2},
    {"Kurtosis (normal: 3)", "kurtosis", PLAIN, 2},
    {"Bars with a gain", "hit_rate", PERCENT, 1},
    {"Profit factor", "profit_factor", PLAIN, 2},
    {"Beta", "beta", PLAIN, 2},
    {"Alpha", "alpha", PERCENT, 1},
    {"Information ratio", "information_ratio", PLAIN, 2},
    {"Sharpe ratio without the market's part", "hedged_sharpe", PLAIN, 2},
    {"Exposure", "exposure", PERCENT, 1},
    {"Turnover per year", "turnover", PLAIN, 1},
    {"Costs per year", "cost", PERCENT, 1},
    {"Average holding time (bars)", "average_holding_bars", PLAIN, 1},
    {"Probabilistic Sharpe ratio", "probabilistic_sharpe", PERCENT, 1},
    {"Deflated Sharpe ratio", "deflated_sharpe", PERCENT, 1},
};

static void put_strategies(FILE *out, const json_t *strategies) {
    size_t i;
    json_t *strategy;
    fputs("\n## Strategies\n\n| |", out);
    json_array_foreach(strategies, i, strategy) {
        fputc(' ', out);
        put_text(out, text_of(strategy, "label"));
        fputs(" |", out);
    }
    fputs("\n|---|", out);
    json_array_foreach(strategies, i, strategy) fputs("---:|", out);
    fputc('\n', out);
    for (size_t row = 0; row < sizeof metric_rows / sizeof metric_rows[0]; ++row) {
        const metric_row *r = &metric_rows[row];
        fprintf(out, "| %s |", r->label);
        json_array_foreach(strategies, i, strategy) {
            fputc(' ', out);
            put_number(out, json_object_get(json_object_get(strategy, "metrics"), r->key), r->style, r->digits);
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
        static const metric_row columns[] = {{NULL, "bars", WHOLE, 0},          {NULL, "contribution", PERCENT, 1},
                                             {NULL, "mean_weight", PERCENT, 1}, {NULL, "turnover", PLAIN, 1},
                                             {NULL, "hit_rate", PERCENT, 1},    {NULL, "ic", PLAIN, 3}};
        fputs("| ", out);
        put_text(out, text_of(asset, "symbol"));
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; ++c) {
            fputs(" | ", out);
            put_number(out, json_object_get(asset, columns[c].key), columns[c].style, columns[c].digits);
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
        static const metric_row columns[] = {
            {NULL, "horizon_bars", WHOLE, 0}, {NULL, "count", WHOLE, 0},
            {NULL, "pinball", PLAIN, 4},      {NULL, "pinball_unconditional", PLAIN, 4},
            {NULL, "skill", PERCENT, 2},      {NULL, "ic", PLAIN, 3},
            {NULL, "hit_rate", PERCENT, 1}};
        fputc('|', out);
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; ++c) {
            fputc(' ', out);
            put_number(out, json_object_get(row, columns[c].key), columns[c].style, columns[c].digits);
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
    put_number(out, json_object_get(last, "best_valid_loss"), PLAIN, 5);
    fputs(".", out);
    const json_t *stream = json_object_get(last, "stream");
    if (stream) {
        fputs(" Steps waited ", out);
        put_number(out, json_object_get(stream, "waited_ratio"), PERCENT, 1);
        fputs(" of the time for windows; ", out);
        put_number(out, json_object_get(stream, "in_memory_ratio"), PERCENT, 1);
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
    put_number(out, json_object_get(meta, "embargo_bars"), WHOLE, 0);
    fputs(" bars\n- periods per year: ", out);
    put_number(out, json_object_get(meta, "periods_per_year"), WHOLE, 0);
    fprintf(out, " (%s)\n- trials, for the deflated Sharpe ratio: ", text_of(meta, "periods_reason"));
    put_number(out, json_object_get(meta, "trials"), WHOLE, 0);
    static const char *const costs[] = {"spread", "slippage", "fee"};
    for (int i = 0; i < 3; ++i) {
        fprintf(out, "\n- %s: ", costs[i]);
        put_number(out, json_object_get(json_object_get(meta, "costs_bps"), costs[i]), PLAIN, 2);
        fputs(" bp", out);
    }
    fputs("\n- fills after the decision: ", out);
    put_number(out, json_object_get(meta, "latency_bars"), WHOLE, 0);
    fprintf(out, " bars\n- data: `%s`\n- features: `%s`\n- Plus Ultra %s, %s\n", text_of(meta, "data_hash"),
            text_of(meta, "feature_hash"), text_of(meta, "version"), text_of(meta, "created"));
    fprintf(out, "\n## Configuration\n\n```yaml\n%s\n```\n", text_of(meta, "config"));
}

static void write_markdown(FILE *out, const report_input *input) {
    const json_t *meta = json_object_get(input->backtest, "meta"),
                 *strategies = json_object_get(input->backtest, "strategies");
    const json_t *model = json_array_get(strategies, 0), *metrics = json_object_get(model, "metrics");
    const json_t *test = json_object_get(json_object_get(meta, "segments"), "test");
    const char *from = json_string_value(json_array_get(test, 0)),
               *to = json_string_value(json_array_get(test, 1));
    fputs("# ", out);
    put_text(out, text_of(meta, "run"));
    fprintf(out, "\n\nOut-of-sample backtest %s to %s, after costs.\n\n**", from ? from : "?", to ? to : "?");
    put_text(out, text_of(input->backtest, "verdict"));
    fputs("**\n", out);
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(input->backtest, "warnings"), i, warning) {
        fputs("\n- ", out);
        put_text(out, json_string_value(warning));
    }
    fputs("\n\n- Sharpe ratio: ", out);
    put_number(out, json_object_get(metrics, "sharpe"), PLAIN, 2);
    put_interval(out, model, "sharpe", PLAIN, 2);
    fputs("\n- Annual return: ", out);
    put_number(out, json_object_get(metrics, "cagr"), PERCENT, 1);
    put_interval(out, model, "cagr", PERCENT, 1);
    fputs("\n- Maximum drawdown: ", out);
    put_number(out, json_object_get(metrics, "max_drawdown"), PERCENT, 1);
    put_interval(out, model, "max_drawdown", PERCENT, 1);
    fputs("\n- Break-even cost: ", out);
    put_number(out, json_object_get(input->backtest, "break_even_cost_bps"), PLAIN, 1);
    fputs(" bp one way, on what is traded\n", out);
    put_strategies(out, strategies);
    put_assets(out, json_object_get(input->backtest, "assets"));
    put_forecast(out, json_object_get(input->backtest, "forecast"));
    put_provenance(out, meta, input->training);
}

/* Writes through memory so that the file is replaced whole or not at all. */
static pu_status write_file(const report_input *input, const char *path, bool html) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return pu_fail(PU_ERR_MEMORY, "out of memory for %s", path);
    pu_status status = PU_OK;
    if (html) status = write_html(out, input);
    else write_markdown(out, input);
    const bool whole = !ferror(out);
    if (fclose(out) != 0 || !whole) status = pu_fail(PU_ERR_MEMORY, "out of memory for %s", path);
    if (status == PU_OK) status = pu__file_replace(path, text, bytes);
    free(text);
    return status;
}

pu_status pu_report(const pu_config *config, char *html_path, int64_t html_path_capacity) {
    char folder[PATH_BYTES - 64], html[PATH_BYTES], markdown[PATH_BYTES];
    if (snprintf(folder, sizeof folder, "%s/%s", config->run.out, config->run.name) >= (int)sizeof folder) {
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path that is too long");
    }
    snprintf(html, sizeof html, "%s/report.html", folder);
    snprintf(markdown, sizeof markdown, "%s/report.md", folder);
    report_input input = {0};
    pu_status status = load_backtest(folder, &input.backtest);
    if (status == PU_OK) status = load_training(folder, &input.training);
    if (status == PU_OK) status = write_file(&input, html, true);
    if (status == PU_OK) status = write_file(&input, markdown, false);
    json_decref(input.training);
    json_decref(input.backtest);
    if (status == PU_OK && html_path) snprintf(html_path, (size_t)html_path_capacity, "%s", html);
    return status;
}
