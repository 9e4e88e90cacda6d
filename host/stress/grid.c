#include "host/stress/grid.h"

#include <math.h>

#include "plusultra/memory.h"

enum { CELLS_MAX = 1000000 };

static int severities_of(const pu__stress *s, int scenario) {
    return scenario == 0 ? 1 : s->config->stress.severities.count;
}

/* One fan a scenario: at the severity nearest to 1, the milder of two. */
static int fan_severity(const pu__stress *s, int scenario) {
    const pu_real_list *list = &s->config->stress.severities;
    int best = 0;
    for (int i = 1; i < severities_of(s, scenario); ++i) {
        if (fabs(list->value[i] - 1.0) < fabs(list->value[best] - 1.0)) best = i;
    }
    return best;
}

static void fill_group(const pu__stress *s, const pu__grid_cell *first, pu__grid *grid, int64_t *number) {
    const pu_int_list *latencies = &s->config->stress.latencies;
    const pu_real_list *factors = &s->config->stress.cost_factors;
    for (int l = 0; l < latencies->count; ++l) {
        for (int c = 0; c < factors->count; ++c, ++*number) {
            pu__grid_cell *to = &grid->cell[*number];
            *to = *first;
            to->cell.number = *number;
            to->cell.latency_bars = latencies->value[l];
            to->cell.cost_factor = factors->value[c];
            const bool base =
                to->cell.latency_bars == s->base_latency && to->cell.cost_factor == s->base_cost_factor;
            to->fan = first->fan && base;
        }
    }
}

pu_status pu__grid_make(const pu__stress *s, pu__grid *out) {
    *out = (pu__grid){0};
    const pu_real_list *severities = &s->config->stress.severities;
    out->group = (int64_t)s->config->stress.latencies.count * s->config->stress.cost_factors.count;
    const double prices = 1.0 + (double)(s->scenarios - 1) * severities->count;
    const double cells = prices * (double)s->seeds * s->policies * (double)out->group;
    if (cells > CELLS_MAX)
        return pu_fail(
            PU_ERR_CONFIG,
            "the grid has %.0f cells, %d at most: name fewer of stress.scenarios, severities, cost_factors, "
            "latencies or seeds",
            cells, CELLS_MAX);
    out->count = (int64_t)cells;
    out->cell = pu_calloc((size_t)out->count, sizeof *out->cell);
    if (!out->cell) return PU_ERR_MEMORY;
    int64_t number = 0;
    for (int scenario = 0; scenario < s->scenarios; ++scenario) {
        const int fan = fan_severity(s, scenario);
        for (int v = 0; v < severities_of(s, scenario); ++v) {
            for (int64_t k = 0; k < s->seeds; ++k) {
                for (int p = 0; p < s->policies; ++p) {
                    const pu__grid_cell first = {
                        .cell = {.policy = s->policy[p].name,
                                 .scenario = s->scenario[scenario]->name,
                                 .severity = scenario == 0 ? 0.0 : severities->value[v],
                                 .seed = pu__stress_seed(s, k),
                                 .paths = s->paths},
                        .scenario = scenario,
                        .policy = p,
                        .fan = p == 0 && k == 0 && v == fan,
                    };
                    fill_group(s, &first, out, &number);
                }
            }
        }
    }
    while (!out->cell[out->base].fan) ++out->base;
    return PU_OK;
}

void pu__grid_free(pu__grid *grid) {
    pu_free(grid->cell);
    *grid = (pu__grid){0};
}

bool pu__grid_is_base(const pu__grid *grid, int64_t cell) {
    const pu__grid_cell *a = &grid->cell[cell], *b = &grid->cell[grid->base];
    return a->policy == b->policy && a->cell.seed == b->cell.seed &&
           a->cell.latency_bars == b->cell.latency_bars && a->cell.cost_factor == b->cell.cost_factor;
}
