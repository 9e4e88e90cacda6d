/* docs/features.md: every feature by its first tag. */
#include <string.h>

#include "host/base/buffer.h"
#include "host/data/features/features_internal.h"
#include "host/data/features/plugin.h"

static const struct {
    const char *tag, *title;
} groups[] = {
    {"return", "Returns"},
    {"trend", "Trend"},
    {"momentum", "Momentum"},
    {"volatility", "Volatility"},
    {"range", "Place in the bar"},
    {"volume", "Volume and liquidity"},
    {"drawdown", "Drawdown"},
    {"shape", "Shape of the returns' distribution"},
    {"memory", "Memory"},
    {"spectrum", "Spectrum and wavelets"},
    {"cycle", "Cycle"},
    {"regime", "Regime"},
    {"calendar", "Calendar"},
    {"cross", "Cross-section: among the assets of the experiment"},
    {"benchmark", "Against the benchmark"},
    {"universe", "Against the universe"},
    {"lead_lag", "Lead and lag"},
    {"alternative", "Alternative data"},
};
enum { GROUPS = sizeof groups / sizeof groups[0] };

static const char introduction[] =
    "# Features\n"
    "\n"
    "Printed by `plusultra features docs`; `make docs` renews this page, and a test keeps it current.\n"
    "\n"
    "A feature is computed bar by bar from its own state and the bar at hand, never from a later one. Prices are "
    "adjusted for splits and dividends. *Lookback* is the number of bars before the first value, as TA-Lib "
    "counts; "
    "before it a value is missing, not zero. After it every value is finite, also where prices stand still, "
    "volume "
    "is nil or missing. *Default* marks the set that is used while `features.names` is empty. *Log volume* is "
    "log(max(volume, m / 1000)), m its exponentially weighted mean of span 50, so that a bar without trades is "
    "low in "
    "any unit.\n"
    "\n"
    "*Inputs* names what a feature sees beyond the asset's own bars, each as it was known at the bar's close: "
    "`benchmark`, the adjusted close of `data.benchmark`; `universe`, the mean log return over the assets of the "
    "experiment with a bar at that close; `alternative:<name>` and `regime:<name>`, series that carry the time "
    "they "
    "were published. *Rank* and *z-score over the assets*: the engine puts the asset's own value, whose formula "
    "is "
    "given, among those of all assets with a bar at that close; -1 is the lowest and 1 the highest rank, ties "
    "share "
    "the mean of theirs, the z-score is by population deviation, and an asset alone at its time gets 0. A feature "
    "of "
    "an alternative series is 0 while nothing is known, and its twin `_known` tells that from a true 0.\n"
    "\n"
    "Features with the tag `level` carry the unit of the price or of the volume. They serve rules and charts; a "
    "model that trades several assets, or over years, learns the level and not the market: they are never in the "
    "default set. And every later dividend or split rescales the adjusted prices before it, so that their level "
    "knows a little of the future; a backtest of such a feature says so. The tag `talib` marks what equals "
    "TA-Lib's value to 1e-9, lookback included, or is made of such values; where TA-Lib compares with an absolute "
    "zero, these compare with a share of the price.\n";

static bool leads_with(const pu_feature *feature, const char *tag) {
    const size_t length = strlen(tag);
    return strncmp(feature->tags, tag, length) == 0 && (feature->tags[length] == ',' || !feature->tags[length]);
}

static bool is_default(const pu_feature *feature) {
    for (int i = 0; i < pu_feature_default_count(); ++i) {
        if (strcmp(pu_feature_default_at(i), feature->name) == 0) return true;
    }
    return false;
}

/* A bar would end the table's cell. */
static void add_cell(pu__buffer *out, const char *text) {
    for (; *text; ++text) {
        if (*text == '|') pu__buffer_add(out, "\\", 1);
        pu__buffer_add(out, text, 1);
    }
}

/* What it sees beyond the asset's own bars, and what the engine makes of its value. */
static void add_inputs(pu__buffer *out, const pu_feature *feature) {
    static const char *const cross[] = {"", "rank over the assets", "z-score over the assets"};
    for (int i = 0; i < feature->input_count; ++i)
        pu__buffer_printf(out, "%s%s", i ? ", " : "", feature->inputs[i]);
    pu__buffer_printf(out, "%s%s", feature->input_count && feature->cross ? ", " : "", cross[feature->cross]);
    if (feature->needs_volume)
        pu__buffer_printf(out, "%svolume", feature->input_count || feature->cross ? ", " : "");
}

/* The tags of a plug-in are all shown: no heading stands for the first. */
static void add_feature(pu__buffer *out, const pu_feature *feature) {
    pu__buffer_printf(out, "| `%s` | ", feature->name);
    add_cell(out, feature->description);
    pu__buffer_printf(out, " | ");
    add_cell(out, feature->source);
    pu__buffer_printf(out, " | ");
    for (int p = 0; p < feature->parameter_count; ++p) {
        pu__buffer_printf(out, "%s%s %.4g", p ? ", " : "", feature->parameter_names[p], feature->parameters[p]);
    }
    pu__buffer_printf(out, " | ");
    add_inputs(out, feature);
    const char *comma = strchr(feature->tags, ',');
    const char *rest = pu__feature_origin_hash(feature) ? feature->tags : comma ? comma + 1 : "";
    pu__buffer_printf(out, " | %d | %s | %s | %d |\n", feature->lookback_bars, rest,
                      is_default(feature) ? "yes" : "", feature->version);
}

/* A group of the built-in features, or with a null tag those of plug-ins; nothing where it is empty. */
static void add_group(pu__buffer *out, const char *tag, const char *title) {
    bool any = false;
    for (int i = 0; i < pu_feature_count(); ++i) {
        const pu_feature *feature = pu_feature_at(i);
        const bool builtin = pu__feature_origin_hash(feature) == NULL;
        if (builtin != (tag != NULL) || (tag && !leads_with(feature, tag))) continue;
        if (!any)
            pu__buffer_printf(
                out,
                "\n## %s\n\n| feature | what it is | formula and source | parameters | inputs | lookback "
                "| tags | default | version |\n|---|---|---|---|---|---|---|---|---|\n",
                title);
        any = true;
        add_feature(out, feature);
    }
}

char *pu_feature_reference(void) {
    pu__buffer out = {0};
    pu__buffer_printf(&out, "%s\n%d features, %d of them in the default set.\n", introduction, pu_feature_count(),
                      pu_feature_default_count());
    for (int g = 0; g < GROUPS; ++g) add_group(&out, groups[g].tag, groups[g].title);
    add_group(&out, NULL, "From plug-ins");
    return pu__buffer_take(&out);
}
