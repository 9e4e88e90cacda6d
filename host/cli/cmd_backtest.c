#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"
#include "plusultra/eval.h"

enum { COLUMN = 18, NAME_COLUMN = 26 };

typedef enum style { PLAIN, PERCENT, WHOLE } style;

static void print_cell(const json_t *value, style how) {
    char text[64] = "-";
    if (json_is_number(value)) {
        const double x = json_number_value(value);
        if (how == PERCENT) {
            snprintf(text, sizeof text, "%.1f %%", 100.0 * x);
        } else {
            snprintf(text, sizeof text, "%.*f", how == WHOLE ? 0 : 2, x);
        }
    }
    printf("%*s", COLUMN, text);
}

static void print_interval(const json_t *pair, style how) {
    char text[64] = "-";
    const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
    if (json_is_number(low) && json_is_number(high)) {
        const double scale = how == PERCENT ? 100.0 : 1.0;
        snprintf(text, sizeof text, "%.*f to %.*f", how == PERCENT ? 1 : 2, scale * json_number_value(low),
                 how == PERCENT ? 1 : 2, scale * json_number_value(high));
    }
    printf("%*s", COLUMN, text);
}

typedef struct row {
    const char *name, *key;
    style how;
    bool interval; /* a second line with the 95 % interval */
} row;

static void print_rows(const json_t *strategies) {
    static const row rows[] = {
        {"total return", "total_return", PERCENT, false},
        {"annual return", "cagr", PERCENT, true},
        {"volatility", "volatility", PERCENT, false},
        {"Sharpe ratio", "sharpe", PLAIN, true},
        {"Sortino ratio", "sortino", PLAIN, false},
        {"maximum drawdown", "max_drawdown", PERCENT, true},
        {"Calmar ratio", "calmar", PLAIN, false},
        {"hit rate", "hit_rate", PERCENT, false},
        {"beta", "beta", PLAIN, false},
        {"alpha", "alpha", PERCENT, false},
        {"exposure", "exposure", PERCENT, false},
        {"turnover per year", "turnover", PLAIN, false},
        {"costs per year", "cost", PERCENT, false},
        {"fills", "fills", WHOLE, false},
        {"deflated Sharpe ratio", "deflated_sharpe", PERCENT, false},
    };
    size_t i;
    const json_t *s;
    printf("%*s", NAME_COLUMN, "");
    json_array_foreach(strategies, i, s) printf("%*s", COLUMN, json_string_value(json_object_get(s, "label")));
    putchar('\n');
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
        printf("%-*s", NAME_COLUMN, rows[r].name);
        json_array_foreach(strategies, i, s)
            print_cell(json_object_get(json_object_get(s, "metrics"), rows[r].key), rows[r].how);
        putchar('\n');
        if (!rows[r].interval) continue;
        printf("%-*s", NAME_COLUMN, "  95 % interval");
        json_array_foreach(strategies, i, s) {
            print_interval(json_object_get(json_object_get(s, "intervals"), rows[r].key), rows[r].how);
        }
        putchar('\n');
    }
}

static void print_forecasts(const json_t *forecast) {
    static const row columns[] = {{"forecasts", "count", WHOLE, false},
                                  {"skill", "skill", PERCENT, false},
                                  {"IC", "ic", PLAIN, false},
                                  {"IC by chance +-", "ic_error", PLAIN, false},
                                  {"hit rate", "hit_rate", PERCENT, false}};
    size_t i;
    const json_t *f;
    printf("\n%-*s", NAME_COLUMN, "horizon (bars)");
    for (size_t c = 0; c < sizeof columns / sizeof *columns; ++c) printf("%*s", COLUMN, columns[c].name);
    putchar('\n');
    json_array_foreach(forecast, i, f) {
        printf("%-*lld", NAME_COLUMN, (long long)json_integer_value(json_object_get(f, "horizon_bars")));
        for (size_t c = 0; c < sizeof columns / sizeof *columns; ++c)
            print_cell(json_object_get(f, columns[c].key), columns[c].how);
        putchar('\n');
    }
}

static void print_summary(const json_t *document, const char *path) {
    const json_t *meta = json_object_get(document, "meta"),
                 *test = json_object_get(json_object_get(meta, "segments"), "test");
    size_t i;
    const json_t *warning;
    printf("%s: test %s to %s, %lld bars of %zu assets, %.6g periods a year (%s)\n\n",
           json_string_value(json_object_get(meta, "run")), json_string_value(json_array_get(test, 0)),
           json_string_value(json_array_get(test, 1)),
           (long long)json_integer_value(json_object_get(meta, "bars")),
           json_array_size(json_object_get(meta, "assets")),
           json_number_value(json_object_get(meta, "periods_per_year")),
           json_string_value(json_object_get(meta, "periods_reason")));
    print_rows(json_object_get(document, "strategies"));
    print_forecasts(json_object_get(document, "forecast"));
    printf("\n%-*s", NAME_COLUMN, "break-even cost (bp)");
    print_cell(json_object_get(document, "break_even_cost_bps"), PLAIN);
    printf("\n\n%s\n", json_string_value(json_object_get(document, "verdict")));
    json_array_foreach(json_object_get(document, "warnings"), i, warning)
        printf("note: %s\n", json_string_value(warning));
    printf("written: %s\n", path);
}

/* The series stay in backtest.json; the result has the figures. */
static void fill_result(json_t *result, json_t *document, const char *path) {
    static const char *const top[] = {"claims_edge",         "verdict",  "criteria", "warnings",
                                      "break_even_cost_bps", "forecast", "assets"};
    static const char *const kept[] = {"name", "label", "metrics", "intervals", "costs"};
    json_object_set_new(result, "file", json_string(path));
    for (size_t i = 0; i < sizeof top / sizeof *top; ++i)
        json_object_set(result, top[i], json_object_get(document, top[i]));
    json_t *strategies = json_array();
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(document, "strategies"), i, s) {
        json_t *one = json_object();
        for (size_t k = 0; k < sizeof kept / sizeof *kept; ++k)
            json_object_set(one, kept[k], json_object_get(s, kept[k]));
        json_array_append_new(strategies, one);
    }
    json_object_set_new(result, "strategies", strategies);
}

static pu_status run(pu__cli *cli) {
    PU_TRY(pu_backtest(cli->config));
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/backtest.json", cli->config->run.out, cli->config->run.name);
    json_error_t error;
    json_t *document = json_load_file(path, 0, &error);
    if (!document) return pu_fail(PU_ERR_CORRUPT, "%s:%d: %s", path, error.line, error.text);
    print_summary(document, path);
    fill_result(cli->result, document, path);
    json_decref(document);
    return PU_OK;
}

const pu__verb pu__verb_backtest = {
    .name = "backtest",
    .summary = "trade the predictions over the test segment",
    .details = "Turns the run's predictions into positions, passes them through the market's frictions over the "
               "test segment, and\n"
               "compares them with buy and hold, momentum, ridge regression on the same features, and the "
               "benchmark. Writes\n"
               "<run.out>/<run.name>/backtest.json and the trades table. An edge is claimed only if the evidence "
               "supports it: see\n"
               "docs/backtest-json.md.",
    .takes_config = true,
    .run = run,
};
