#include "host/config/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/config/schema.h"
#include "host/config/value.h"

enum { DILATIONS_MAX = 8, QUANTILES_MAX = 16, HEAD_WIDTH_MIN = 8, HEAD_WIDTH_MAX = 128, TIME_BYTES = 21 };

typedef struct checker {
    const pu_config *config;
    const char *source;
    const int64_t *lines;
} checker;

/* Reports the relation at the key that the file or an override set, the first of the two if both were. */
static pu_status fail(const checker *c, const char *key_name, const char *other_name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static pu_status fail(const checker *c, const char *key_name, const char *other_name, const char *format, ...) {
    char text[1024], section[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const pu__key *found = NULL;
    for (int i = 0; i < 2; ++i) {
        const char *name = i == 0 ? key_name : other_name;
        const char *dot = strchr(name, '.');
        snprintf(section, sizeof section, "%.*s", (int)(dot - name), name);
        const pu__key *key = pu__find_key(section, dot + 1);
        if (!found || (c->lines[found - pu__keys] == 0 && c->lines[key - pu__keys] != 0)) found = key;
    }
    const int64_t line = c->lines[found - pu__keys];
    if (line == 0) return pu_fail(PU_ERR_CONFIG, "%s: %s.%s: %s", c->source, found->section, found->name, text);
    const pu__place place = {.source = line > 0 ? c->source : NULL, .line = line, .key = found};
    return pu__value_fail(&place, "%s", text);
}

static pu_status check_names(const checker *c) {
    const pu_config *g = c->config;
    const char *device = g->run.device;
    if (*g->run.name == '\0' || strchr(g->run.name, '/') || g->run.name[0] == '.') {
        return fail(c, "run.name", "run.out",
                    "'%s' cannot be the name of a folder below run.out: use letters, digits, - and _",
                    g->run.name);
    }
    if (*g->run.out == '\0') return fail(c, "run.out", "run.out", "is empty: name a folder");
    if (*g->data.store == '\0') return fail(c, "data.store", "data.store", "is empty: name a file");
    const bool numbered = strncmp(device, "cuda:", 5) == 0 && device[5] && strlen(device + 5) <= 3 &&
                          device[5 + strspn(device + 5, "0123456789")] == '\0';
    if (!numbered && strcmp(device, "auto") != 0 && strcmp(device, "cpu") != 0 && strcmp(device, "cuda") != 0) {
        return fail(c, "run.device", "run.device", "expects auto, cpu, cuda or cuda:N, not '%s'", device);
    }
    return PU_OK;
}

static pu_status check_distinct(const checker *c, const char *key, const pu_text_list *list) {
    for (int i = 0; i < list->count; ++i) {
        if (list->value[i][0] == '\0') return fail(c, key, key, "item %d is empty", i + 1);
        for (int j = 0; j < i; ++j) {
            if (strcmp(list->value[i], list->value[j]) == 0)
                return fail(c, key, key, "'%s' is listed twice", list->value[i]);
        }
    }
    return PU_OK;
}

static int days_of(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SSZ" to the longer form, whose byte order is the order of time. */
static bool normalise_time(const char *text, char out[TIME_BYTES]) {
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
    const size_t length = strlen(text);
    if (length != 10 && length != 20) return false;
    memcpy(out, "0000-00-00T00:00:00Z", TIME_BYTES);
    memcpy(out, text, length);
    for (int i = 0; shape[i]; ++i) {
        const bool digit = out[i] >= '0' && out[i] <= '9';
        if (shape[i] == 'd' ? !digit : out[i] != shape[i]) return false;
    }
    const int year = atoi(out), month = atoi(out + 5), day = atoi(out + 8);
    if (month < 1 || month > 12 || day < 1 || day > days_of(year, month)) return false;
    return atoi(out + 11) < 24 && atoi(out + 14) < 60 && atoi(out + 17) < 60;
}

/* Dates of one segment; an open end lies before or after every date. */
static pu_status read_segment(const checker *c, const char *key, const pu_text_list *list, char from[TIME_BYTES],
                              char to[TIME_BYTES]) {
    if (list->count != 2) return fail(c, key, key, "expects two dates, [from, to], not %d", list->count);
    for (int i = 0; i < 2; ++i) {
        char *out = i == 0 ? from : to;
        if (list->value[i][0] == '\0') {
            snprintf(out, TIME_BYTES, "%s", i == 0 ? "" : "~");
        } else if (!normalise_time(list->value[i], out)) {
            return fail(c, key, key, "'%s' is not a date: write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ",
                        list->value[i]);
        }
    }
    if (strcmp(from, to) < 0) return PU_OK;
    return fail(c, key, key, "from %s to %s holds no time: the end must lie after the start", list->value[0],
                list->value[1]);
}

static pu_status check_split(const checker *c) {
    static const char *const names[] = {"split.train", "split.valid", "split.test"};
    const pu_text_list *lists[] = {&c->config->split.train, &c->config->split.valid, &c->config->split.test};
    char from[TIME_BYTES], to[TIME_BYTES], last_to[TIME_BYTES] = "";
    int last = -1;
    for (int i = 0; i < 3; ++i) {
        if (lists[i]->count == 0) continue;
        PU_TRY(read_segment(c, names[i], lists[i], from, to));
        if (last >= 0 && strcmp(from, last_to) < 0) {
            return fail(c, names[i], names[last],
                        "%s begins (%s) before %s ends (%s): segments must follow each other", names[i],
                        *from ? from : "open", names[last], *last_to == '~' ? "open" : last_to);
        }
        memcpy(last_to, to, sizeof last_to);
        last = i;
    }
    const double train = c->config->split.train_ratio, valid = c->config->split.valid_ratio;
    if (lists[2]->count == 0 && train + valid >= 1) {
        return fail(c, "split.train_ratio", "split.valid_ratio",
                    "split.train_ratio (%g) and split.valid_ratio (%g) leave nothing for testing: their sum must "
                    "be below 1",
                    train, valid);
    }
    return PU_OK;
}

static pu_status check_windows(const checker *c) {
    const pu_config *g = c->config;
    const pu_int_list *horizons = &g->windows.horizons;
    if (horizons->count == 0)
        return fail(c, "windows.horizons", "windows.horizons", "is empty: name at least one horizon");
    bool found = false;
    for (int i = 0; i < horizons->count; ++i) {
        if (i > 0 && horizons->value[i] <= horizons->value[i - 1]) {
            return fail(c, "windows.horizons", "windows.horizons", "must increase: %lld stands after %lld",
                        (long long)horizons->value[i], (long long)horizons->value[i - 1]);
        }
        found |= horizons->value[i] == g->backtest.horizon;
    }
    if (!found) {
        return fail(c, "backtest.horizon", "windows.horizons",
                    "backtest.horizon (%lld) is not among windows.horizons: only those are forecast",
                    (long long)g->backtest.horizon);
    }
    if (g->predict.stride_bars > g->windows.window_bars) {
        return fail(c, "predict.stride_bars", "windows.window_bars",
                    "predict.stride_bars (%lld) is more than windows.window_bars (%lld)",
                    (long long)g->predict.stride_bars, (long long)g->windows.window_bars);
    }
    return PU_OK;
}

static pu_status check_model(const checker *c) {
    const long long width = (long long)c->config->model.width, heads = (long long)c->config->model.heads;
    const int groups = c->config->model.dilations.count;
    if (width % heads != 0)
        return fail(c, "model.width", "model.heads", "model.width (%lld) is not divisible by model.heads (%lld)",
                    width, heads);
    const long long head = width / heads;
    if (head % 2 != 0 || head < HEAD_WIDTH_MIN || head > HEAD_WIDTH_MAX) {
        return fail(c, "model.width", "model.heads",
                    "model.width / model.heads is %lld / %lld = %lld; it must be even and from %d to %d", width,
                    heads, head, HEAD_WIDTH_MIN, HEAD_WIDTH_MAX);
    }
    if (groups < 1 || groups > DILATIONS_MAX) {
        return fail(c, "model.dilations", "model.dilations", "has %d items; 1 to %d are accepted", groups,
                    DILATIONS_MAX);
    }
    if (width % groups != 0) {
        return fail(c, "model.dilations", "model.width",
                    "model.width (%lld) is not divisible by the number of model.dilations (%d)", width, groups);
    }
    return PU_OK;
}

static pu_status check_objective(const checker *c) {
    static const char key[] = "objective.quantiles";
    const pu_real_list *quantiles = &c->config->objective.quantiles;
    const bool pinball = strcmp(c->config->objective.loss, "pinball") == 0;
    if (quantiles->count > QUANTILES_MAX || (pinball && quantiles->count == 0)) {
        return fail(c, key, "objective.loss",
                    "objective.quantiles has %d items; 1 to %d are accepted under objective.loss %s",
                    quantiles->count, QUANTILES_MAX, c->config->objective.loss);
    }
    bool median = false;
    for (int i = 0; i < quantiles->count; ++i) {
        if (i > 0 && quantiles->value[i] <= quantiles->value[i - 1]) {
            return fail(c, key, key, "must increase: %g stands after %g", quantiles->value[i],
                        quantiles->value[i - 1]);
        }
        median |= quantiles->value[i] == 0.5;
    }
    if (pinball && !median) {
        return fail(
            c, key, "objective.loss",
            "objective.quantiles lacks 0.5, the median, which positions follow under objective.loss pinball");
    }
    return PU_OK;
}

static pu_status check_train(const checker *c) {
    const long long warmup = (long long)c->config->train.warmup_steps, steps = (long long)c->config->train.steps;
    if (warmup < steps) return PU_OK;
    return fail(c, "train.warmup_steps", "train.steps",
                "train.warmup_steps (%lld) must be below train.steps (%lld)", warmup, steps);
}

static pu_status check_increasing(const checker *c, const char *key, const pu_real_list *list) {
    if (list->count == 0) return fail(c, key, key, "is empty: name at least one");
    for (int i = 1; i < list->count; ++i) {
        if (list->value[i] <= list->value[i - 1])
            return fail(c, key, key, "must increase: %g stands after %g", list->value[i], list->value[i - 1]);
    }
    return PU_OK;
}

static pu_status check_stress_grid(const checker *c) {
    const pu_int_list *latencies = &c->config->stress.latencies;
    char from[TIME_BYTES], to[TIME_BYTES];
    PU_TRY(check_distinct(c, "stress.scenarios", &c->config->stress.scenarios));
    PU_TRY(check_increasing(c, "stress.severities", &c->config->stress.severities));
    PU_TRY(check_increasing(c, "stress.cost_factors", &c->config->stress.cost_factors));
    if (latencies->count == 0)
        return fail(c, "stress.latencies", "stress.latencies", "is empty: name at least one");
    for (int i = 1; i < latencies->count; ++i) {
        if (latencies->value[i] <= latencies->value[i - 1])
            return fail(c, "stress.latencies", "stress.latencies", "must increase: %lld stands after %lld",
                        (long long)latencies->value[i], (long long)latencies->value[i - 1]);
    }
    if (c->config->stress.fit.count > 0) PU_TRY(read_segment(c, "stress.fit", &c->config->stress.fit, from, to));
    return PU_OK;
}

static pu_status check_stress(const checker *c) {
    const pu_config *g = c->config;
    PU_TRY(check_stress_grid(c));
    if (strcmp(g->stress.policy, "plugin") == 0 && *g->stress.plugin == '\0')
        return fail(c, "stress.policy", "stress.plugin",
                    "stress.policy plugin needs stress.plugin, the shared object");
    if (strcmp(g->stress.policy, "momentum") == 0 && g->stress.fast_bars >= g->stress.slow_bars)
        return fail(c, "stress.fast_bars", "stress.slow_bars",
                    "stress.fast_bars (%lld) must be below stress.slow_bars (%lld)",
                    (long long)g->stress.fast_bars, (long long)g->stress.slow_bars);
    const bool by_rows = strcmp(g->stress.process, "bootstrap") == 0 || strcmp(g->stress.process, "replay") == 0;
    if (strcmp(g->stress.policy, "predictions") == 0 && !by_rows)
        return fail(c, "stress.policy", "stress.process",
                    "stored predictions belong to bars of the history: stress.process bootstrap or replay, not %s",
                    g->stress.process);
    if (g->stress.capital == 0.0 && g->stress.impact > 0.0)
        return fail(c, "stress.impact", "stress.capital", "stress.impact needs stress.capital above 0");
    if (g->stress.capital == 0.0 && g->stress.participation_max > 0.0)
        return fail(c, "stress.participation_max", "stress.capital",
                    "stress.participation_max needs stress.capital above 0");
    if (g->stress.limit_margin > 0.0 && g->stress.maintenance_ratio == 0.0)
        return fail(c, "stress.limit_margin", "stress.maintenance_ratio",
                    "without stress.maintenance_ratio there is no margin call to limit");
    return PU_OK;
}

pu_status pu__config_check(const pu_config *config, const char *source, const int64_t *lines) {
    const checker c = {config, source, lines};
    PU_TRY(check_names(&c));
    PU_TRY(check_distinct(&c, "data.symbols", &config->data.symbols));
    PU_TRY(check_distinct(&c, "data.accept", &config->data.accept));
    PU_TRY(check_distinct(&c, "features.names", &config->features.names));
    PU_TRY(check_distinct(&c, "features.plugins", &config->features.plugins));
    PU_TRY(check_split(&c));
    PU_TRY(check_windows(&c));
    PU_TRY(check_model(&c));
    PU_TRY(check_objective(&c));
    PU_TRY(check_train(&c));
    return check_stress(&c);
}
