#include "host/stress/answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/stress/break_even.h"
#include "plusultra/memory.h"

static const struct {
    const char *name, *measure;
} limit_words[PU__LIMIT_COUNT] = {
    {"drawdown", "drawdown_95"}, {"loss", "cvar_95"}, {"ruin", "ruin"}, {"margin", "margin_call"}};

const char *pu__limit_name(pu__limit_kind kind) { return limit_words[kind].name; }
const char *pu__limit_measure_name(pu__limit_kind kind) { return limit_words[kind].measure; }

static double measure_of(pu__limit_kind kind, const pu__stress_figures *figures) {
    switch (kind) {
    case PU__LIMIT_DRAWDOWN: return figures->drawdown_95;
    case PU__LIMIT_LOSS: return figures->cvar_95;
    case PU__LIMIT_RUIN: return figures->ruin;
    default: return figures->margin_call;
    }
}

/* ---- limits ---- */

static void choose_limits(const pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                          pu__answers *out) {
    const pu_config *c = s->config;
    const double limit[PU__LIMIT_COUNT] = {c->stress.limit_drawdown, c->stress.limit_loss, c->stress.limit_ruin,
                                           c->stress.limit_margin};
    for (int k = 0; k < PU__LIMIT_COUNT; ++k) {
        if (limit[k] == 0.0) continue;
        pu__limit *to = &out->limit[out->limits++];
        *to = (pu__limit){.kind = (pu__limit_kind)k, .limit = limit[k], .worst_cell = grid->base};
        to->base = to->worst = measure_of(to->kind, &figures[grid->base]);
        for (int64_t i = 0; i < grid->count; ++i) {
            const double value = measure_of(to->kind, &figures[i]);
            if (grid->cell[i].policy != 0 || value <= to->worst) continue;
            to->worst = value;
            to->worst_cell = i;
        }
    }
}

/* What is known of a scenario: measures by severity, those of the grid first. */
enum { KNOWN_MAX = 256 };
typedef struct known {
    int count;
    double severity[KNOWN_MAX];
    pu__stress_figures figures[KNOWN_MAX];
} known;

/* The scenario's figures at a severity, simulated once. */
static pu_status figures_at(pu__stress *s, const pu__grid *grid, int scenario, double severity, known *k,
                            const pu__stress_figures **out) {
    for (int i = 0; i < k->count; ++i) {
        *out = &k->figures[i];
        if (k->severity[i] == severity) return PU_OK;
    }
    const pu__stress_cell *base = &grid->cell[grid->base].cell;
    const pu__stress_prices prices = {s->scenario[scenario], severity, base->seed};
    const pu__stress_terms terms = {.cost_factor = base->cost_factor, .latency_bars = base->latency_bars};
    const int place = k->count < KNOWN_MAX ? k->count++ : KNOWN_MAX - 1;
    k->severity[place] = severity;
    *out = &k->figures[place];
    return pu__stress_evaluate(s, &prices, &terms, &k->figures[place]);
}

static void take_grid(const pu__grid *grid, const pu__stress_figures *figures, int scenario, known *k) {
    k->count = 1;
    k->severity[0] = 0.0;
    k->figures[0] = figures[grid->base];
    for (int64_t i = 0; i < grid->count && k->count < KNOWN_MAX / 2; ++i) {
        if (grid->cell[i].scenario != scenario || !pu__grid_is_base(grid, i)) continue;
        k->severity[k->count] = grid->cell[i].cell.severity;
        k->figures[k->count++] = figures[i];
    }
}

/* The first severity of the grid that breaks the limit and the one before it, halved until they are near. */
static pu_status bisect(pu__stress *s, const pu__grid *grid, const pu__limit *limit, known *k, int severities,
                        pu__breaking *out) {
    int at = 0;
    while (at < severities && measure_of(limit->kind, &k->figures[at]) <= limit->limit) ++at;
    out->severity = out->low = out->high = (double)NAN;
    if (at == severities) return PU_OK;
    double low = at > 0 ? k->severity[at - 1] : 0.0, high = k->severity[at];
    while (high - low > s->config->stress.tolerance) {
        const double middle = 0.5 * (low + high);
        const pu__stress_figures *figures = NULL;
        PU_TRY(figures_at(s, grid, out->scenario, middle, k, &figures));
        const bool broken = measure_of(limit->kind, figures) > limit->limit;
        if (broken) high = middle;
        else low = middle;
    }
    out->severity = out->high = high;
    out->low = low;
    return PU_OK;
}

static pu_status find_breaking(pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                               pu__answers *out) {
    known *k = pu_calloc(1, sizeof *k);
    if (!k) return PU_ERR_MEMORY;
    pu_status status = PU_OK;
    for (int scenario = 1; scenario < s->scenarios; ++scenario) {
        take_grid(grid, figures, scenario, k);
        const int severities = k->count;
        for (int l = 0; l < out->limits && status == PU_OK; ++l) {
            pu__breaking *breaking = &out->limit[l].breaking[scenario - 1];
            breaking->scenario = scenario;
            status = bisect(s, grid, &out->limit[l], k, severities, breaking);
        }
    }
    pu_free(k);
    return status;
}

/* ---- worst paths ---- */

static pu_status choose_worst(const pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                              pu__answers *out) {
    out->worst = pu_calloc((size_t)s->scenarios, sizeof *out->worst);
    if (!out->worst) return PU_ERR_MEMORY;
    for (int scenario = 0; scenario < s->scenarios; ++scenario) {
        int64_t worst = -1;
        for (int64_t i = 0; i < grid->count; ++i) {
            if (grid->cell[i].scenario != scenario || !pu__grid_is_base(grid, i)) continue;
            if (worst < 0 || figures[i].worst_return < figures[worst].worst_return) worst = i;
        }
        int at = out->worst_count++;
        for (; at > 0 && figures[out->worst[at - 1]].worst_return > figures[worst].worst_return; --at)
            out->worst[at] = out->worst[at - 1];
        out->worst[at] = worst;
    }
    if (out->worst_count > s->config->stress.worst) out->worst_count = (int)s->config->stress.worst;
    return PU_OK;
}

pu_status pu__answers_find(pu__stress *s, const pu__grid *grid, const pu__stress_figures *figures,
                           pu__answers *out) {
    *out = (pu__answers){0};
    choose_limits(s, grid, figures, out);
    for (int l = 0; l < out->limits; ++l) {
        out->limit[l].breaking = pu_calloc((size_t)s->scenarios, sizeof *out->limit[l].breaking);
        if (!out->limit[l].breaking) return PU_ERR_MEMORY;
    }
    PU_TRY(choose_worst(s, grid, figures, out));
    PU_TRY(pu__break_even_find(s, &out->break_even));
    PU_TRY(pu__attribution_find(s, grid, figures, &out->attribution));
    return find_breaking(s, grid, figures, out);
}

void pu__answers_free(pu__answers *answers) {
    for (int l = 0; l < answers->limits; ++l) pu_free(answers->limit[l].breaking);
    pu_free(answers->worst);
    *answers = (pu__answers){0};
}
