/* Stress tests: a policy on simulated markets under shocks, costs and latencies. */
#ifndef PLUSULTRA_STRESS_H
#define PLUSULTRA_STRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/config.h"
#include "plusultra/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pu_stress_result {
    int64_t cells;    /* of the grid */
    int64_t resumed;  /* that were in the store already */
    bool replaced;    /* the store had cells of another configuration or other data, which are gone */
    double simulated; /* steps of a path and asset */
    double seconds;
} pu_stress_result;

/* Runs the grid of scenarios, severities, seeds, latencies and cost factors that config->stress says, answers its
 * questions, and writes <run.out>/<run.name>/stress.json (docs/stress-json.md) and the store's tables stress_sweeps,
 * stress_cells and stress_fans. Each cell is stored when it is done: PU_ERR_INTERRUPTED and any end of the process
 * leave whole cells, and the same call goes on behind them to the same bits. Another configuration or other data
 * begin anew. PU_ERR_CONFIG and PU_ERR_DATA: whatever cannot be, before anything runs. */
pu_status pu_stress(const pu_config *config, pu_stress_result *out);

/* One path by its number, as a cell of the grid has it. Null and NaN: the baseline, severity 1 (of the baseline 0),
 * cost factor 1; negative: the configured latency, the first seed. */
typedef struct pu_stress_path_request {
    int64_t path;
    const char *policy; /* null: the tested one */
    const char *scenario;
    double severity, cost_factor;
    int64_t latency_bars, seed;
} pu_stress_path_request;

/* Simulates the path and writes it to <run.out>/<run.name>/stress_path.json: an element of "worst_paths" of
 * docs/stress-json.md, with "metrics". */
pu_status pu_stress_path(const pu_config *config, const pu_stress_path_request *request, char *path,
                         int64_t path_capacity);

/* Writes <run.out>/<run.name>/stress.html (self-contained) and stress.md from the stress.json beside them.
 * PU_ERR_NOT_FOUND where it is missing; PU_ERR_CORRUPT names the line that is damaged, or the key that is missing or
 * of the wrong kind. `html_path` takes the page's path; it may be null. */
pu_status pu_stress_report(const pu_config *config, char *html_path, int64_t html_path_capacity);

#ifdef __cplusplus
}
#endif
#endif
