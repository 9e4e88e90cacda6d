/* Alternative data and the user's regime labels, as published by the bar's close.
 *
 * Such a series begins late, has gaps, and grows stale. A feature of it is 0 while it is not known, and has a twin that
 * says so: `<name>_known` is 1 where the value is one and 0 where it stands for nothing. Both begin with the asset's
 * first bar, so that a series that began yesterday costs no history. Windows count the bars at which the series was
 * known; a gap neither empties them nor counts. */
#include "host/data/features/rolling.h"

static const char *const bars_name[] = {"bars"};
static const char *const funding_input[] = {"alternative:funding_rate"};
static const char *const sentiment_input[] = {"alternative:sentiment"};
static const char *const surprise_input[] = {"alternative:macro_surprise"};
static const char *const addresses_input[] = {"alternative:active_addresses"};
static const char *const regime_input[] = {"regime:market"};

enum { DAY_S = 86400 };

typedef struct series_state {
    pu__roll known;
} series_state;

/* A feature and its twin: `update` gives NaN where nothing is known. */
#define WITH_TWIN(base, whole, body, tag_text, source_text, ...)                                           \
    static double base##_value(void *memory, const double *parameters, const pu_feature_bar *bar,          \
                               int64_t index) {                                                            \
        (void)index;                                                                                       \
        const double value = body(memory, parameters, bar);                                                \
        return isnan(value) ? 0 : value;                                                                   \
    }                                                                                                      \
    static double base##_is_known(void *memory, const double *parameters, const pu_feature_bar *bar,       \
                                  int64_t index) {                                                         \
        (void)index;                                                                                       \
        return isnan(body(memory, parameters, bar)) ? 0 : 1;                                               \
    }                                                                                                      \
    const pu_feature pu__feature_##base = {.name = #base,                                                  \
                                           .version = 1,                                                   \
                                           .description = whole "; 0 while unknown.",                      \
                                           .tags = tag_text,                                               \
                                           .source = source_text,                                          \
                                           .input_count = 1,                                               \
                                           __VA_ARGS__,                                                    \
                                           PU__UPDATE(series_state, base##_value)};                        \
    const pu_feature pu__feature_##base##_known = {.name = #base "_known",                                 \
                                                   .version = 1,                                           \
                                                   .description = "1 where " #base " is known, else 0.",   \
                                                   .tags = tag_text,                                       \
                                                   .source = "whether " #base " has a value at the close", \
                                                   .input_count = 1,                                       \
                                                   __VA_ARGS__,                                            \
                                                   PU__UPDATE(series_state, base##_is_known)};

static double value_of(void *memory, const double *parameters, const pu_feature_bar *bar) {
    (void)memory;
    (void)parameters;
    return bar->input[0].value;
}

static double age_of(void *memory, const double *parameters, const pu_feature_bar *bar) {
    (void)memory;
    (void)parameters;
    return isnan(bar->input[0].value) ? NAN : log1p((double)bar->input[0].age_s / DAY_S);
}

static double change_of(void *memory, const double *parameters, const pu_feature_bar *bar) {
    series_state *state = memory;
    const int bars = (int)parameters[0];
    const double value = bar->input[0].value;
    if (isnan(value)) return NAN;
    const double *window = pu__roll_push(&state->known, bars + 1, value);
    return window ? value - window[0] : NAN;
}

/* The unit of a series can be anything: it rests where it deviates by rounding only. */
static double score_of(void *memory, const double *parameters, const pu_feature_bar *bar) {
    series_state *state = memory;
    const int bars = (int)parameters[0];
    const double value = bar->input[0].value;
    if (isnan(value)) return NAN;
    const double *window = pu__roll_push(&state->known, bars, value);
    if (!window) return NAN;
    const double mean = pu__sum(window, bars) / bars, deviation = sqrt(pu__variance(window, bars, mean));
    return deviation > PU__FLAT * fabs(mean) ? (value - mean) / deviation : 0;
}

WITH_TWIN(funding_rate, "Funding rate of the perpetual future", value_of, "alternative,funding",
          "the last rate published by the close", .inputs = funding_input)
WITH_TWIN(funding_rate_change_5, "Change of the funding rate over 5 bars", change_of, "alternative,funding",
          "x[t] - x[t-5], over bars at which it is known", .inputs = funding_input, PU__PARAMETERS(bars_name, 5))
WITH_TWIN(funding_rate_z_30, "Deviation of the funding rate from its mean of 30 bars", score_of,
          "alternative,funding", "(x - mean) / population deviation, over 30 bars at which it is known",
          .inputs = funding_input, PU__PARAMETERS(bars_name, 30))

WITH_TWIN(sentiment, "Sentiment score", value_of, "alternative,sentiment", "the last score published by the close",
          .inputs = sentiment_input)
WITH_TWIN(sentiment_age, "Age of the sentiment score", age_of, "alternative,sentiment",
          "ln(1 + days since it was published)", .inputs = sentiment_input)

WITH_TWIN(macro_surprise, "Surprise of the last macroeconomic release", value_of, "alternative,macro",
          "the last surprise published by the close, as the series scales it", .inputs = surprise_input)
WITH_TWIN(macro_surprise_age, "Age of the last macroeconomic release", age_of, "alternative,macro",
          "ln(1 + days since it was published)", .inputs = surprise_input)

WITH_TWIN(active_addresses_z_30, "Deviation of the chain's active addresses from their mean of 30 bars", score_of,
          "alternative,onchain", "(x - mean) / population deviation, over 30 bars at which they are known",
          .inputs = addresses_input, PU__PARAMETERS(bars_name, 30))

WITH_TWIN(regime_label, "Label of the user's regime `market` in force", value_of, "regime,alternative",
          "the label published by the close: never one that was assigned later", .inputs = regime_input)
