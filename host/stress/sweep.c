/* The grid, cell by cell, and what is made of it.
 *
 * Invariants:
 *  1. A cell is in the store whole or not at all, and never twice: one transaction each, one sweep of a run at a time.
 *  2. Cells are a function of the recipe: what is stored under the same one is what this run would make. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/stress/document.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/stress.h"

enum { PATH_BYTES = 4096 };

typedef struct sweep {
    pu__stress stress;
    pu__grid grid;
    pu_store *store;
    int64_t sweep_id;
    bool *known;                 /* [cells] */
    pu__stress_figures *figures; /* [cells] */
    pu__answers answers;
    int lock;
    pu_progress progress;
    pu_stress_result *result;
} sweep;

/* Two sweeps of a run at once would write the same cells. */
static pu_status take_lock(sweep *w) {
    char path[PATH_BYTES];
    const pu_config *config = w->stress.config;
    const int used = snprintf(path, sizeof path, "%s/%s", config->run.out, config->run.name);
    if (used < 0 || (size_t)used + sizeof "/stress.lock" > sizeof path)
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path of %d characters: shorten them", used);
    PU_TRY(pu__folder_make(path));
    snprintf(path + used, sizeof path - (size_t)used, "/stress.lock");
    return pu__file_lock(path, &w->lock);
}

static pu_status begin(sweep *w) {
    char recipe[65];
    const pu_config *config = w->stress.config;
    PU_TRY(pu__stress_recipe(&w->stress, recipe));
    PU_TRY(pu_store_open(config->data.store, PU_STORE_WRITE, &w->store));
    char *text = pu_config_text(config);
    if (!text) return PU_ERR_MEMORY;
    const pu__stress_sweep record = {recipe, text, w->stress.data_hash, w->grid.count};
    const pu_status status =
        pu__stress_begin(w->store, config->run.name, &record, &w->sweep_id, &w->result->replaced);
    pu_free(text);
    PU_TRY(status);
    w->known = pu_calloc((size_t)w->grid.count, sizeof *w->known);
    w->figures = pu_calloc((size_t)w->grid.count, sizeof *w->figures);
    if (!w->known || !w->figures) return PU_ERR_MEMORY;
    PU_TRY(pu__stress_get(w->store, w->sweep_id, w->grid.count, w->known, w->figures));
    for (int64_t i = 0; i < w->grid.count; ++i) w->result->resumed += w->known[i];
    w->result->cells = w->grid.count;
    if (w->result->replaced)
        pu_log(
            PU_LOG_WARNING, "stress.replaced",
            "the configuration or the data are not those of the stored cells of run %s: they are simulated anew",
            config->run.name);
    if (w->result->resumed > 0)
        pu_log(PU_LOG_INFO, "stress.resumed", "%lld of %lld cells are stored already",
               (long long)w->result->resumed, (long long)w->grid.count);
    return PU_OK;
}

static pu_status finish_cell(sweep *w, int64_t number, pu__outcome *outcome) {
    const pu__grid_cell *cell = &w->grid.cell[number];
    pu__stress_measure(outcome, w->stress.steps, &w->figures[number]);
    PU_TRY(pu__stress_put(w->store, w->sweep_id, &cell->cell, &w->figures[number],
                          outcome->fan.bars > 0 ? &outcome->fan : NULL));
    w->known[number] = true;
    w->result->simulated += (double)w->stress.paths * (double)w->stress.steps * (double)w->stress.market.assets;
    char note[96];
    snprintf(note, sizeof note, "%s at %g", cell->cell.scenario, cell->cell.severity);
    pu_progress_update(&w->progress, w->progress.done + 1, note);
    return PU_OK;
}

/* Cells of one group: the same prices and decisions. */
static pu_status run_cells(sweep *w, int count, const int64_t *number, pu__stress_terms *terms,
                           pu__outcome *outcome) {
    const pu__grid_cell *first = &w->grid.cell[number[0]];
    const pu__stress_prices prices = {w->stress.scenario[first->scenario], first->cell.severity, first->cell.seed};
    for (int i = 0; i < count; ++i) {
        const pu__grid_cell *cell = &w->grid.cell[number[i]];
        terms[i] =
            (pu__stress_terms){.cost_factor = cell->cell.cost_factor, .latency_bars = cell->cell.latency_bars};
        PU_TRY(pu__outcome_make(&w->stress, cell->fan, &outcome[i]));
    }
    PU_TRY(pu__stress_simulate(&w->stress, first->policy, &prices, count, terms, outcome));
    for (int i = 0; i < count; ++i) PU_TRY(finish_cell(w, number[i], &outcome[i]));
    return PU_OK;
}

/* The cells of a group that are not stored; those of a model together, since its decisions serve them all. */
static pu_status run_group(sweep *w, int64_t begin, int64_t *number, pu__stress_terms *terms,
                           pu__outcome *outcome) {
    const bool together = w->stress.policy[w->grid.cell[begin].policy].source == PU__SOURCE_MODEL;
    pu_status status = PU_OK;
    int count = 0;
    for (int64_t i = begin; i < begin + w->grid.group && status == PU_OK; ++i) {
        if (!w->known[i]) number[count++] = i;
        const bool last = i + 1 == begin + w->grid.group;
        if (count == 0 || (together && !last)) continue;
        status = run_cells(w, count, number, terms, outcome);
        for (int k = 0; k < count; ++k) pu__outcome_free(&outcome[k]);
        count = 0;
    }
    return status;
}

static pu_status run_groups(sweep *w) {
    const size_t group = (size_t)w->grid.group;
    int64_t *number = pu_calloc(group, sizeof *number);
    pu__stress_terms *terms = pu_calloc(group, sizeof *terms);
    pu__outcome *outcome = pu_calloc(group, sizeof *outcome);
    pu_status status = number && terms && outcome ? PU_OK : PU_ERR_MEMORY;
    for (int64_t i = 0; i < w->grid.count && status == PU_OK; i += w->grid.group)
        status = run_group(w, i, number, terms, outcome);
    pu_free(number);
    pu_free(terms);
    pu_free(outcome);
    return status;
}

static pu_status run_grid(sweep *w) {
    pu_progress_begin(&w->progress, "stress", "cells", w->grid.count);
    pu_progress_update(&w->progress, w->result->resumed, NULL);
    const pu_status status = run_groups(w);
    pu_progress_end(&w->progress, NULL);
    if (status != PU_ERR_INTERRUPTED) return status;
    return pu_fail(PU_ERR_INTERRUPTED, "interrupted with %lld of %lld cells stored: the same command goes on",
                   (long long)w->progress.done, (long long)w->grid.count);
}

static pu_status answer(sweep *w, double started_s) {
    char path[PATH_BYTES];
    json_t *document = NULL;
    pu_log(PU_LOG_INFO, "stress.answers",
           "every cell is stored; looking for break-even costs and breaking severities");
    const pu_status found = pu__answers_find(&w->stress, &w->grid, w->figures, &w->answers);
    if (found == PU_ERR_INTERRUPTED)
        return pu_fail(found, "interrupted with all cells stored: the same command goes on with the answers");
    PU_TRY(found);
    const pu__stress_record record = {w->store, w->sweep_id, pu_clock_s() - started_s, w->result->simulated};
    PU_TRY(pu__stress_document(&w->stress, &w->grid, w->figures, &w->answers, &record, &document));
    const pu_status status = pu__stress_write(w->stress.config, "stress.json", document, path, sizeof path);
    json_decref(document);
    return status;
}

static pu_status run(sweep *w, const pu_config *config, double started_s) {
    PU_TRY(pu__stress_open(config, &w->stress));
    PU_TRY(pu__grid_make(&w->stress, &w->grid));
    PU_TRY(take_lock(w));
    PU_TRY(begin(w));
    for (int i = 0; i < w->stress.warnings; ++i) pu_log(PU_LOG_WARNING, "stress.note", "%s", w->stress.warning[i]);
    PU_TRY(run_grid(w));
    PU_TRY(answer(w, started_s));
    w->result->seconds = pu_clock_s() - started_s;
    return PU_OK;
}

pu_status pu_stress(const pu_config *config, pu_stress_result *out) {
    *out = (pu_stress_result){0};
    sweep *w = pu_calloc(1, sizeof *w);
    if (!w) return PU_ERR_MEMORY;
    w->lock = -1;
    w->result = out;
    const pu_status status = run(w, config, pu_clock_s());
    pu__answers_free(&w->answers);
    pu_store_close(w->store);
    if (w->lock >= 0) close(w->lock);
    pu_free(w->known);
    pu_free(w->figures);
    pu__grid_free(&w->grid);
    pu__stress_close(&w->stress);
    pu_free(w);
    return status;
}

/* ---- one path ---- */

static pu_status choose_cell(const pu__stress *s, const pu_stress_path_request *request, pu__stress_cell *cell,
                             int *scenario, int *policy) {
    *scenario = *policy = 0;
    if (request->path < 0 || request->path >= s->paths)
        return pu_fail(PU_ERR_CONFIG, "path %lld: there are paths 0 to %lld", (long long)request->path,
                       (long long)s->paths - 1);
    if (request->scenario) PU_TRY(pu__scenarios_find(&s->library, request->scenario, scenario));
    for (int p = 0; request->policy; ++p) {
        if (p == s->policies)
            return pu_fail(PU_ERR_CONFIG, "policy %.60s is not simulated: %s is", request->policy,
                           s->policy[0].name);
        *policy = p;
        if (strcmp(s->policy[p].name, request->policy) == 0) break;
    }
    const double most = pu__stress_cost_factor_max(s);
    if (request->cost_factor > most)
        return pu_fail(PU_ERR_CONFIG, "cost factor %g: such costs are more than what is traded: at most %.6g",
                       request->cost_factor, most);
    const bool given = !isnan(request->severity);
    *cell = (pu__stress_cell){.policy = s->policy[*policy].name,
                              .scenario = s->library.scenario[*scenario].name,
                              .severity = *scenario == 0 ? 0.0
                                          : given        ? request->severity
                                                         : 1.0,
                              .cost_factor = isnan(request->cost_factor) ? 1.0 : request->cost_factor,
                              .latency_bars = request->latency_bars < 0 ? s->base_latency : request->latency_bars,
                              .seed = request->seed < 0 ? pu__stress_seed(s, 0) : request->seed};
    return pu__scenario_check(&s->library.scenario[*scenario], s->steps, s->market.assets, s->market.asset);
}

static pu_status write_path(pu__stress *s, const pu_stress_path_request *request, char *path, size_t capacity) {
    pu__stress_cell cell;
    int scenario = 0, policy = 0;
    json_t *document = NULL;
    PU_TRY(choose_cell(s, request, &cell, &scenario, &policy));
    PU_TRY(pu__path_document(s, policy, &cell, &s->library.scenario[scenario], request->path, &document));
    const pu_status status = pu__stress_write(s->config, "stress_path.json", document, path, capacity);
    json_decref(document);
    return status;
}

pu_status pu_stress_path(const pu_config *config, const pu_stress_path_request *request, char *path,
                         int64_t path_capacity) {
    pu__stress *s = pu_calloc(1, sizeof *s);
    if (!s) return PU_ERR_MEMORY;
    pu_status status = pu__stress_open(config, s);
    if (status == PU_OK) status = write_path(s, request, path, (size_t)path_capacity);
    pu__stress_close(s);
    pu_free(s);
    return status;
}
