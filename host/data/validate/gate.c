/* What stands between faulty data and whoever would learn from them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/base/buffer.h"
#include "host/base/file.h"
#include "host/base/nearest.h"
#include "host/data/validate/inspect.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { NAMES_MAX = 1024, DETAILS_MAX = 3 };

static bool is_listed(const pu_text_list *list, const char *name) {
    for (int i = 0; i < list->count; ++i) {
        if (strcmp(list->value[i], name) == 0) return true;
    }
    return false;
}

/* Names of all sets' checks into `names`, which point into the suites. */
static int collect_names(int suite_count, const pu__suite *suite, const char **names) {
    int count = 0;
    for (int s = 0; s < suite_count; ++s) {
        for (int i = 0; i < suite[s].count && count < NAMES_MAX; ++i) names[count++] = suite[s].check[i].name;
    }
    return count;
}

static pu_status check_against(const pu_text_list *accept, int count, const char *const *names) {
    for (int i = 0; i < accept->count; ++i) {
        bool known = false;
        for (int k = 0; k < count && !known; ++k) known = strcmp(names[k], accept->value[i]) == 0;
        if (known) continue;
        const char *nearest = pu__nearest(accept->value[i], count, names);
        return pu_fail(PU_ERR_CONFIG, "data.accept: unknown check '%.60s'; %s%s", accept->value[i],
                       nearest ? "did you mean " : "`plusultra validate` lists all", nearest ? nearest : "");
    }
    return PU_OK;
}

/* data.accept names checks that some set has, so that a misspelt one does not go unnoticed. */
static pu_status check_accept(const pu_config *config) {
    pu__suite suites[16] = {{.count = 0}};
    const char *names[NAMES_MAX], *path = config->data.checks;
    char *text = NULL;
    size_t length = 0;
    int count = 0;
    pu_status status = PU_OK;
    if (config->data.accept.count == 0) return PU_OK;
    if (*path) PU_TRY(pu__file_read(path, PU__CHECKS_FILE_BYTES_MAX, &text, &length));
    for (; count < pu__builtin_count() && status == PU_OK; ++count)
        status = pu__suite_load(path, text, length, pu__builtin_name(count), &suites[count]);
    if (status == PU_OK) status = check_against(&config->data.accept, collect_names(count, suites, names), names);
    for (int i = 0; i < count; ++i) pu__suite_free(&suites[i]);
    pu_free(text);
    return status;
}

/* A benchmark that is not there is a mistake of the configuration, by name. */
static pu_status check_benchmark(pu_store *store, const char *benchmark) {
    int count = 0;
    pu_asset *found = NULL;
    if (!*benchmark) return PU_OK;
    const pu_status status = pu_store_assets(store, 1, &benchmark, &count, &found);
    pu_free(found);
    return status == PU_ERR_NOT_FOUND ? pu_fail_within(PU_ERR_CONFIG, "data.benchmark") : status;
}

/* The configuration's assets, and the benchmark with them. */
static pu_status choose_assets(const pu_config *config, pu_store *store, int *count, pu_asset **out) {
    const pu_text_list *symbols = &config->data.symbols;
    const char *benchmark = config->data.benchmark;
    PU_TRY(check_benchmark(store, benchmark));
    if (symbols->count == 0) return pu_store_assets(store, 0, NULL, count, out);
    const char **names = pu_calloc((size_t)symbols->count + 1, sizeof *names);
    if (!names) return PU_ERR_MEMORY;
    int total = symbols->count;
    memcpy(names, symbols->value, (size_t)total * sizeof *names);
    if (*benchmark && !is_listed(symbols, benchmark)) names[total++] = benchmark;
    const pu_status status = pu_store_assets(store, total, names, count, out);
    pu_free(names);
    return status;
}

static void describe(const pu_validation *found, int check, pu__buffer *out) {
    const pu_check_result *result = &found->check[check];
    pu__buffer_printf(out, "%s (%" PRId64 " finding%s", result->name, result->findings,
                      result->findings == 1 ? "" : "s");
    for (int64_t i = 0; i < found->count; ++i) {
        const pu_finding *finding = &found->finding[i];
        if (finding->check != check) continue;
        char when[32] = "";
        if (finding->ts != 0) pu_bar_time_format(finding->ts, finding->bar_s, when);
        pu__buffer_printf(
            out, "%s%s%s%s%s: %.110s", result->findings == 1 ? ": " : ", the first: ", finding->symbol,
            finding->symbol[0] && when[0] ? " " : "", when, finding->symbol[0] ? "" : "store", finding->message);
        break;
    }
    pu__buffer_printf(out, ")");
}

/* Whether a check of this name failed in another class's set. */
static bool told_before(const pu_validation *found, int check) {
    for (int i = 0; i < check; ++i) {
        const pu_check_result *other = &found->check[i];
        if (other->severity == PU_SEVERITY_ERROR && other->findings > 0 &&
            strcmp(other->name, found->check[check].name) == 0)
            return true;
    }
    return false;
}

/* The refusal, or the lines of what was accepted. */
static pu_status judge(const pu_config *config, const pu_validation *found, pu__buffer *accepted) {
    pu__buffer details = {0}, names = {0};
    int failed = 0;
    for (int i = 0; i < config->data.accept.count; ++i)
        pu__buffer_printf(&names, "%s%s", i ? ", " : "", config->data.accept.value[i]);
    for (int i = 0; i < found->check_count; ++i) {
        const pu_check_result *result = &found->check[i];
        if (result->severity != PU_SEVERITY_ERROR || result->findings == 0) continue;
        if (is_listed(&config->data.accept, result->name)) {
            describe(found, i, accepted);
            pu__buffer_printf(accepted, "\n");
            continue;
        }
        if (!told_before(found, i)) pu__buffer_printf(&names, "%s%s", names.used ? ", " : "", result->name);
        if (failed++ < DETAILS_MAX) {
            pu__buffer_printf(&details, "%s", failed > 1 ? "; " : "");
            describe(found, i, &details);
        }
    }
    pu_status status = details.failed || names.failed || accepted->failed ? PU_ERR_MEMORY : PU_OK;
    if (status == PU_OK && failed > 0) {
        status =
            pu_fail(PU_ERR_DATA,
                    "the data fail %d check%s at error level: %s%s. `plusultra validate` shows all; correct the "
                    "source, leave the assets out, or accept the faults by name: data.accept: [%s]",
                    failed, failed == 1 ? "" : "s", details.data, failed > DETAILS_MAX ? "; ..." : "", names.data);
    }
    pu_free(details.data);
    pu_free(names.data);
    return status;
}

static pu_status validate(const pu_config *config, pu_validation *found) {
    pu_store *store = NULL;
    pu_asset *assets = NULL;
    int count = 0;
    const pu_validate_options options = {.checks = config->data.checks,
                                         .benchmark = config->data.benchmark,
                                         .samples = 1,
                                         .severity_min = PU_SEVERITY_ERROR};
    PU_TRY(pu_store_open(config->data.store, PU_STORE_READ, &store));
    pu_status status = choose_assets(config, store, &count, &assets);
    if (status == PU_OK) status = pu_validate(store, count, assets, &options, found);
    pu_free(assets);
    pu_store_close(store);
    return status;
}

static void log_accepted(const char *lines) {
    while (*lines) {
        const size_t length = strcspn(lines, "\n");
        pu_log(PU_LOG_WARNING, "data.accepted", "faulty data, accepted by data.accept: %.*s", (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

pu_status pu_validate_gate(const pu_config *config, char **accepted) {
    pu_validation found = {0};
    pu__buffer lines = {0};
    *accepted = NULL;
    PU_TRY(check_accept(config));
    PU_TRY(validate(config, &found));
    pu_status status = judge(config, &found, &lines);
    pu_validation_free(&found);
    char *text = pu__buffer_take(&lines);
    if (status == PU_OK && !text) status = PU_ERR_MEMORY;
    if (status != PU_OK) {
        pu_free(text);
        return status;
    }
    log_accepted(text);
    *accepted = text;
    return PU_OK;
}
