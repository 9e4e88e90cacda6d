#include "host/data/features/inputs.h"

#include <math.h>
#include <string.h>

#include "plusultra/memory.h"

static bool starts(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

pu_status pu__input_parse(const char *text, pu__input *out) {
    static const char alternative[] = "alternative:", regime[] = "regime:";
    *out = (pu__input){.text = text, .name = text};
    if (strcmp(text, "benchmark") == 0) {
        out->kind = PU__INPUT_BENCHMARK;
    } else if (strcmp(text, "universe") == 0) {
        out->kind = PU__INPUT_UNIVERSE;
    } else if (starts(text, alternative)) {
        out->kind = PU__INPUT_ALTERNATIVE;
        out->name = text + sizeof alternative - 1;
    } else if (starts(text, regime)) {
        out->kind = PU__INPUT_REGIME;
        out->name = text + sizeof regime - 1;
    } else {
        return pu_fail(PU_ERR_CONFIG,
                       "'%s' is no input of a feature: benchmark, universe, alternative:<name>, regime:<name>",
                       text);
    }
    return PU_OK;
}

/* ---- the inputs of a set ---- */

static pu_status add_input(pu__input_list *list, const char *text, bool is_crossed, int *place) {
    for (*place = 0; *place < list->count; ++*place) {
        if (strcmp(list->input[*place].text, text) != 0) continue;
        list->input[*place].is_crossed |= is_crossed;
        return PU_OK;
    }
    pu__input *input = &list->input[list->count];
    PU_TRY(pu__input_parse(text, input));
    input->is_crossed = is_crossed;
    list->count += 1;
    return PU_OK;
}

pu_status pu__input_list_open(int count, const pu_feature *const *features, pu__input_list *out) {
    *out = (pu__input_list){0};
    size_t total = 0;
    for (int f = 0; f < count; ++f) total += (size_t)features[f]->input_count;
    out->input = pu_calloc(total, sizeof *out->input);
    out->place = pu_calloc((size_t)count * PU_FEATURE_INPUTS_MAX, sizeof *out->place);
    pu_status status = out->input && out->place ? PU_OK : PU_ERR_MEMORY;
    for (int f = 0; f < count && status == PU_OK; ++f) {
        int *place = out->place + (size_t)f * PU_FEATURE_INPUTS_MAX;
        for (int k = 0; k < features[f]->input_count && status == PU_OK; ++k)
            status = add_input(out, features[f]->inputs[k], features[f]->cross != PU_CROSS_NONE, &place[k]);
        if (status != PU_OK) status = pu_fail_within(status, "the feature %s", features[f]->name);
    }
    if (status != PU_OK) pu__input_list_close(out);
    return status;
}

void pu__input_list_close(pu__input_list *list) {
    pu_free(list->input);
    pu_free(list->place);
    *list = (pu__input_list){0};
}

bool pu__input_list_has(const pu__input_list *list, pu__input_kind kind) {
    for (int i = 0; i < list->count; ++i) {
        if (list->input[i].kind == kind) return true;
    }
    return false;
}

/* ---- reading one ---- */

static int64_t end_after(int64_t ts) { return ts < INT64_MAX ? ts + 1 : INT64_MAX; }

pu_status pu__input_reader_open(pu_store *store, const pu__input *input, const pu__input_view *view,
                                pu__input_reader *out) {
    *out = (pu__input_reader){.last = {.value = NAN}};
    switch (input->kind) {
    case PU__INPUT_BENCHMARK:
        return pu__bar_cursor_open(store, view->benchmark_id, INT64_MIN, end_after(view->until_ts),
                                   PU__CURSOR_BARS, &out->benchmark);
    case PU__INPUT_ALTERNATIVE:
        return pu__asof_open(store, input->name, view->asset_id, view->until_ts, &out->asof);
    case PU__INPUT_REGIME: return pu__asof_open_regime(store, input->name, view->until_ts, &out->asof);
    case PU__INPUT_UNIVERSE: break;
    }
    return PU_OK;
}

void pu__input_reader_close(pu__input_reader *reader) {
    pu__asof_close(reader->asof);
    pu__bar_cursor_close(&reader->benchmark);
    *reader = (pu__input_reader){0};
}

/* Takes the benchmark's bars that closed by `ts`. */
static pu_status benchmark_at(pu__input_reader *reader, int64_t ts, pu_feature_value *out) {
    for (;;) {
        if (!reader->bars || (reader->next == reader->bars->count && reader->bars->count > 0)) {
            PU_TRY(pu__bar_cursor_next(&reader->benchmark, &reader->bars));
            reader->next = 0;
        }
        if (reader->next == reader->bars->count || reader->bars->ts[reader->next] > ts) break;
        reader->last.value = reader->bars->adjusted[reader->next];
        reader->last_ts = reader->bars->ts[reader->next];
        reader->next += 1;
    }
    *out = reader->last;
    if (!isnan(out->value)) out->age_s = ts - reader->last_ts;
    return PU_OK;
}

pu_status pu__input_reader_read(pu__input_reader *reader, int64_t count, const int64_t *ts,
                                pu_feature_value *out) {
    for (int64_t i = 0; i < count; ++i)
        PU_TRY(reader->asof ? pu__asof_at(reader->asof, ts[i], &out[i]) : benchmark_at(reader, ts[i], &out[i]));
    return PU_OK;
}
