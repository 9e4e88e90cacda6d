#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/data/features/plugin.h"
#include "plusultra/features.h"
#include "plusultra/memory.h"
#include "plusultra/store.h"

enum { CUTS_DEFAULT = 8, CUTS_MAX = 1000000 };

static bool is_default(const char *name) {
    for (int i = 0; i < pu_feature_default_count(); ++i) {
        if (strcmp(pu_feature_default_at(i), name) == 0) return true;
    }
    return false;
}

static const char *cross_name(const pu_feature *feature) {
    static const char *const names[] = {"none", "rank", "zscore"};
    return names[feature->cross];
}

static json_t *feature_json(const pu_feature *feature) {
    json_t *parameters = json_object(), *inputs = json_array();
    for (int p = 0; p < feature->parameter_count; ++p) {
        json_object_set_new(parameters, feature->parameter_names[p], json_real(feature->parameters[p]));
    }
    for (int i = 0; i < feature->input_count; ++i) json_array_append_new(inputs, json_string(feature->inputs[i]));
    json_t *out = json_pack("{s:s, s:i, s:s, s:s, s:s, s:b, s:i, s:b, s:s, s:o, s:o}", "name", feature->name,
                            "feature_version", feature->version, "description", feature->description, "tags",
                            feature->tags, "source", feature->source, "needs_volume", feature->needs_volume,
                            "lookback_bars", feature->lookback_bars, "default", is_default(feature->name), "cross",
                            cross_name(feature), "inputs", inputs, "parameters", parameters);
    const char *path = pu__feature_origin_path(feature);
    if (path) {
        json_t *text = json_string(path); /* null where the path is no UTF-8 */
        json_object_set_new(out, "plugin", text ? text : json_string("(not UTF-8)"));
        json_object_set_new(out, "plugin_sha256", json_string(pu__feature_origin_hash(feature)));
    }
    return out;
}

static pu_status store_result(pu__cli *cli, const char *key, json_t *value) {
    return json_object_set_new(cli->result, key, value) == 0
               ? PU_OK
               : pu_fail(PU_ERR_MEMORY, "out of memory for the JSON result");
}

/* ---- list and describe ---- */

static bool has_tag(const pu_feature *feature, const char *tag) {
    const size_t length = strlen(tag);
    for (const char *at = feature->tags; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, tag, length) == 0 && (at[length] == ',' || !at[length])) return true;
    }
    return false;
}

/* The tags there are, for the message about one that there is not. */
static void collect_tags(char *out, size_t bytes) {
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < pu_feature_count(); ++i) {
        for (const char *at = pu_feature_at(i)->tags; *at; at += *at == ',') {
            const size_t length = strcspn(at, ",");
            char tag[80];
            snprintf(tag, sizeof tag, " %.*s,", (int)length, at);
            if (!strstr(out, tag) && used + strlen(tag) < bytes)
                used += (size_t)snprintf(out + used, bytes - used, "%s", tag);
            at += length;
        }
    }
    if (used) out[used - 1] = '\0';
}

static void print_row(const pu_feature *feature) {
    printf("%-28s %-8s %8d  %s", feature->name, is_default(feature->name) ? "yes" : "", feature->lookback_bars,
           feature->description);
    for (int i = 0; i < feature->input_count; ++i)
        printf("%s%s%s", i ? ", " : " [", feature->inputs[i], i + 1 == feature->input_count ? "]" : "");
    printf("%s\n", pu__feature_origin_path(feature) ? " (plug-in)" : "");
}

static pu_status list(pu__cli *cli) {
    const char *tag = pu__cli_value(cli, "tag");
    json_t *features = json_array();
    int shown = 0;
    for (int i = 0; i < pu_feature_count(); ++i) {
        const pu_feature *feature = pu_feature_at(i);
        if (tag && !has_tag(feature, tag)) continue;
        if (shown++ == 0) printf("%-28s %-8s %8s  %s\n", "feature", "default", "lookback", "");
        print_row(feature);
        json_array_append_new(features, feature_json(feature));
    }
    PU_TRY(store_result(cli, "features", features));
    if (shown > 0) return PU_OK;
    char tags[1024];
    collect_tags(tags, sizeof tags);
    return pu_fail(PU_ERR_CONFIG, "--tag: no feature has the tag '%.60s'; there are%s", tag ? tag : "", tags);
}

static pu_status describe(pu__cli *cli) {
    if (cli->operand_count < 2)
        return pu_fail(PU_ERR_CONFIG, "features describe: which one? `plusultra features list` shows all");
    const char *name = cli->operands[1];
    const pu_feature *feature = pu_feature_find(name);
    const char *nearest = feature ? NULL : pu__feature_nearest(name);
    if (!feature)
        return pu_fail(PU_ERR_CONFIG, "there is no feature '%.80s'%s%s%s; `plusultra features list` shows all",
                       name, nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    printf("%s, version %d%s\n%s\nformula:    %s\ntags:       %s\nlookback:   %d bars\nvolume:     %s\n",
           feature->name, feature->version, is_default(name) ? ", in the default set" : "", feature->description,
           feature->source, feature->tags, feature->lookback_bars, feature->needs_volume ? "needed" : "not used");
    for (int i = 0; i < feature->input_count; ++i) printf("input:      %s\n", feature->inputs[i]);
    if (feature->cross != PU_CROSS_NONE)
        printf("cross:      %s over the assets of the experiment with a bar at the same close\n",
               cross_name(feature));
    for (int p = 0; p < feature->parameter_count; ++p) {
        printf("parameter:  %s = %g\n", feature->parameter_names[p], feature->parameters[p]);
    }
    if (pu__feature_origin_path(feature))
        printf("plug-in:    %s\nSHA-256:    %s\n", pu__feature_origin_path(feature),
               pu__feature_origin_hash(feature));
    return store_result(cli, "feature", feature_json(feature));
}

static pu_status docs(pu__cli *cli) {
    (void)cli;
    char *text = pu_feature_reference();
    if (!text) return PU_ERR_MEMORY;
    fputs(text, stdout);
    pu_free(text);
    return PU_OK;
}

/* ---- build and audit ---- */

static pu_status build(pu__cli *cli) {
    pu_features_result result;
    PU_TRY(pu_features_build(cli->config, &result));
    printf("%" PRId64 " assets, %" PRId64 " rows: %" PRId64 " blocks written, %" PRId64
           " were current and sound, %.2f s\n",
           result.assets, result.rows, result.blocks_written, result.blocks_current, result.seconds);
    json_object_update_new(cli->result, json_pack("{s:I, s:I, s:I, s:I, s:f}", "assets", (json_int_t)result.assets,
                                                  "rows", (json_int_t)result.rows, "blocks_written",
                                                  (json_int_t)result.blocks_written, "blocks_current",
                                                  (json_int_t)result.blocks_current, "seconds", result.seconds));
    return PU_OK;
}

static bool is_listed(const char *name, int count, const char *const *names) {
    for (int i = 0; i < count; ++i) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

/* What is audited: features.names, else the default set; with --all every feature whose inputs are there; and in any
 * case those of the plug-ins, which the audit is for. */
static pu_status choose_audited(pu__cli *cli, const char ***out) {
    const bool all = pu__cli_flag(cli, "all");
    const pu_text_list *named = &cli->config->features.names;
    const int total = pu_feature_count();
    bool extra = all;
    const char **names = pu_calloc((size_t)(total + named->count), sizeof *names);
    if (!names) return PU_ERR_MEMORY;
    int count = 0;
    for (; count < named->count; ++count) names[count] = named->value[count];
    for (int i = 0; i < total; ++i) {
        const pu_feature *feature = pu_feature_at(i);
        const bool plugin = pu__feature_origin_path(feature) != NULL;
        extra |= plugin;
        if ((all || plugin || (named->count == 0 && is_default(feature->name))) &&
            !is_listed(feature->name, named->count, named->value))
            names[count++] = feature->name;
    }
    *out = names;
    if (all) cli->config->features.missing = "skip";
    if (extra) cli->config->features.names = (pu_text_list){count, names};
    return PU_OK;
}

static pu_status report_audit(pu__cli *cli, const pu_audit_result *result) {
    json_object_update_new(cli->result,
                           json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "assets", (json_int_t)result->assets,
                                     "cuts", (json_int_t)result->cuts, "values", (json_int_t)result->values,
                                     "leaks", (json_int_t)result->leaks, "stale", (json_int_t)result->stale,
                                     "first", result->feature));
    char when[32];
    pu_time_format(result->ts, true, when);
    if (result->leaks > 0) {
        return pu_fail(
            PU_ERR_DATA,
            "%" PRId64 " of %" PRId64
            " values changed when later bars were taken away, first %s of %s at %s: it looks ahead, or keeps "
            "state outside its own",
            result->leaks, result->values, result->feature, result->symbol, when);
    }
    if (result->stale > 0) {
        return pu_fail(PU_ERR_DATA,
                       "%" PRId64 " stored values are not what the code gives now, first %s of %s at %s: raise "
                       "the version of what changed, then "
                       "`plusultra features build`",
                       result->stale, result->feature, result->symbol, when);
    }
    printf("%" PRId64 " assets, %" PRId64 " cuts: all %" PRId64 " values are the same without the future\n",
           result->assets, result->cuts, result->values);
    return PU_OK;
}

static pu_status audit(pu__cli *cli) {
    int64_t cuts = 0, seed = 0;
    pu_audit_result result;
    PU_TRY(pu__cli_int(cli, "cuts", CUTS_DEFAULT, 1, CUTS_MAX, &cuts));
    PU_TRY(pu__cli_int(cli, "seed", cli->config->run.seed, 0, INT64_MAX, &seed));
    const char **names = NULL;
    PU_TRY(choose_audited(cli, &names));
    const pu_status status = pu_features_audit(cli->config, cuts, (uint64_t)seed, &result);
    pu_free(names);
    return status == PU_OK ? report_audit(cli, &result) : status;
}

/* ---- the verb ---- */

static pu_status load_plugins(pu__cli *cli) {
    for (int i = 0; pu__cli_value_at(cli, "plugin", i); ++i) {
        const pu_status status = pu_feature_plugin_load(pu__cli_value_at(cli, "plugin", i));
        if (status != PU_OK) return pu_fail_within(status, "--plugin");
    }
    return pu__plugins_load(cli->config);
}

static pu_status run(pu__cli *cli) {
    static const struct {
        const char *name;
        pu_status (*run)(pu__cli *cli);
    } actions[] = {{"list", list}, {"describe", describe}, {"docs", docs}, {"build", build}, {"audit", audit}};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; ++i) {
        if (strcmp(cli->operands[0], actions[i].name) != 0) continue;
        if (cli->operand_count > 1 && actions[i].run != describe)
            return pu_fail(
                PU_ERR_CONFIG, "features %s: unexpected argument '%.80s'%s", actions[i].name, cli->operands[1],
                actions[i].run == build || actions[i].run == audit ? "; a configuration is given by --config FILE"
                                                                   : "");
        PU_TRY(load_plugins(cli));
        return actions[i].run(cli);
    }
    return pu_fail(PU_ERR_CONFIG, "features %s: unknown; use list, describe, docs, build or audit",
                   cli->operands[0]);
}

static const pu__option options[] = {
    {"plugin", 0, "FILE", "shared object with features, beside those of features.plugins; may be repeated"},
    {"tag", 't', "TAG", "list only features with this tag"},
    {"cuts", 0, "N", "cuts per asset in the audit (8)"},
    {"seed", 0, "N", "seed of the audit's cuts (run.seed)"},
    {"all", 0, NULL, "audit every feature whose inputs are there, not only those of features.names"},
};

const pu__verb pu__verb_features = {
    .name = "features",
    .summary = "list, describe, build and audit features",
    .details = "  list            every feature, and which ones are used when features.names is empty\n"
               "  describe NAME   formula, inputs, parameters, lookback of one\n"
               "  docs            the reference of all features, in Markdown\n"
               "  build           compute the feature and label blocks that are missing, out of date or damaged\n"
               "  audit           compute everything again over history cut at random bars: no value may change;\n"
               "                  the features of plug-ins are always among those audited",
    .operands = "ACTION [NAME]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
