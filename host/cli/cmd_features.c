#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"
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

static json_t *feature_json(const pu_feature *feature) {
    json_t *parameters = json_object();
    for (int p = 0; p < feature->parameter_count; ++p) {
        json_object_set_new(parameters, feature->parameter_names[p], json_real(feature->parameters[p]));
    }
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:b, s:i, s:b, s:o}", "name", feature->name, "feature_version",
                     feature->version, "description", feature->description, "tags", feature->tags, "source",
                     feature->source, "needs_volume", feature->needs_volume, "lookback_bars",
                     feature->lookback_bars, "default", is_default(feature->name), "parameters", parameters);
}

static pu_status store_result(pu__cli *cli, const char *key, json_t *value) {
    return json_object_set_new(cli->result, key, value) == 0
               ? PU_OK
               : pu_fail(PU_ERR_MEMORY, "out of memory for the JSON result");
}

static pu_status list(pu__cli *cli) {
    json_t *features = json_array();
    printf("%-26s %-8s %8s  %s\n", "feature", "default", "lookback", "");
    for (int i = 0; i < pu_feature_count(); ++i) {
        const pu_feature *feature = pu_feature_at(i);
        printf("%-26s %-8s %8d  %s\n", feature->name, is_default(feature->name) ? "yes" : "",
               feature->lookback_bars, feature->description);
        json_array_append_new(features, feature_json(feature));
    }
    return store_result(cli, "features", features);
}

static pu_status describe(pu__cli *cli) {
    if (cli->operand_count < 2)
        return pu_fail(PU_ERR_CONFIG, "features describe: which one? `plusultra features list` shows all");
    const char *name = cli->operands[1];
    const pu_feature *feature = pu_feature_find(name);
    if (!feature)
        return pu_fail(PU_ERR_CONFIG, "there is no feature '%s'; `plusultra features list` shows all", name);
    printf("%s, version %d%s\n%s\nformula:    %s\ntags:       %s\nlookback:   %d bars\nvolume:     %s\n",
           feature->name, feature->version, is_default(name) ? ", in the default set" : "", feature->description,
           feature->source, feature->tags, feature->lookback_bars, feature->needs_volume ? "needed" : "not used");
    for (int p = 0; p < feature->parameter_count; ++p) {
        printf("parameter:  %s = %g\n", feature->parameter_names[p], feature->parameters[p]);
    }
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

static pu_status audit(pu__cli *cli) {
    int64_t cuts = 0;
    pu_audit_result result;
    PU_TRY(pu__cli_int(cli, "cuts", CUTS_DEFAULT, 1, CUTS_MAX, &cuts));
    PU_TRY(pu_features_audit(cli->config, cuts, (uint64_t)cli->config->run.seed, &result));
    json_object_update_new(cli->result,
                           json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "assets", (json_int_t)result.assets, "cuts",
                                     (json_int_t)result.cuts, "values", (json_int_t)result.values, "leaks",
                                     (json_int_t)result.leaks, "stale", (json_int_t)result.stale, "first",
                                     result.feature));
    char when[32];
    pu_time_format(result.ts, true, when);
    if (result.leaks > 0) {
        return pu_fail(
            PU_ERR_DATA,
            "%" PRId64 " of %" PRId64
            " values changed when later bars were taken away, first %s of %s at %s: it looks ahead, or keeps "
            "state outside its own",
            result.leaks, result.values, result.feature, result.symbol, when);
    }
    if (result.stale > 0) {
        return pu_fail(PU_ERR_DATA,
                       "%" PRId64 " stored values are not what the code gives now, first %s of %s at %s: raise "
                       "the version of what changed, then "
                       "`plusultra features build`",
                       result.stale, result.feature, result.symbol, when);
    }
    printf("%" PRId64 " assets, %" PRId64 " cuts: all %" PRId64 " values are the same without the future\n",
           result.assets, result.cuts, result.values);
    return PU_OK;
}

static pu_status run(pu__cli *cli) {
    static const struct {
        const char *name;
        pu_status (*run)(pu__cli *cli);
    } actions[] = {{"list", list}, {"describe", describe}, {"docs", docs}, {"build", build}, {"audit", audit}};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; ++i) {
        if (strcmp(cli->operands[0], actions[i].name) == 0) return actions[i].run(cli);
    }
    return pu_fail(PU_ERR_CONFIG, "features %s: unknown; use list, describe, docs, build or audit",
                   cli->operands[0]);
}

static const pu__option options[] = {
    {"cuts", 0, "N", "cuts per asset in the audit (8)"},
};

const pu__verb pu__verb_features = {
    .name = "features",
    .summary = "list, describe, build and audit features",
    .details = "  list            every feature, and which ones are used when features.names is empty\n"
               "  describe NAME   formula, parameters, lookback of one\n"
               "  docs            the reference of all features, in Markdown\n"
               "  build           compute the feature and label blocks that are missing, out of date or damaged\n"
               "  audit           compute everything again over history cut at random bars: no value may change",
    .operands = "ACTION [NAME]",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .takes_config = true,
    .run = run,
};
