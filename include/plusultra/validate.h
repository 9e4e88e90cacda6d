/* Validation: declarative checks of the stored bars, and of what stands beside them, for what would make a model learn
 * something that never happened. Nothing is changed.
 *
 * A check has a name, a kind (docs/validation.md lists them with their parameters), thresholds and a severity. Each
 * asset class has a built-in set of checks (configs/checks/<class>.yaml, also inside the library); a YAML file of the
 * user's replaces or extends it. A row that several checks of one kind would report is reported by the most severe. */
#ifndef PLUSULTRA_VALIDATE_H
#define PLUSULTRA_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/config.h"
#include "plusultra/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu_severity { PU_SEVERITY_NOTE = 0, PU_SEVERITY_WARNING, PU_SEVERITY_ERROR } pu_severity;

const char *pu_severity_name(pu_severity severity); /* "note", "warning", "error" */

enum { PU_CHECK_NAME_BYTES = 48, PU_FINDINGS_DEFAULT = 20, PU_FINDINGS_MAX = 10000 };

/* What one check found over all assets of its set. */
typedef struct pu_check_result {
    char set[16]; /* the asset class, or "store" for checks of the store as a whole */
    char name[PU_CHECK_NAME_BYTES];
    const char *kind; /* static */
    pu_severity severity;
    int64_t assets, assets_failed; /* looked at; with a finding */
    int64_t checked,
        unexpected;   /* rows (bars, assets, references, blocks: the kind says) looked at; that failed */
    int64_t findings; /* found; of one check and asset at most `samples` are listed */
} pu_check_result;

/* A row that failed. */
typedef struct pu_finding {
    int check;        /* index among the results */
    int64_t asset_id; /* 0: no asset's */
    char symbol[64];
    int64_t bar_s;
    int64_t ts;   /* close of the bar; 0 when it is the whole series' */
    bool has_bar; /* the bar at ts, as stored: open, high, low, close, adjusted, volume (NaN: none) */
    double bar[6];
    char message[256]; /* why, with what was compared */
} pu_finding;

struct pu__chart;

/* The caller frees with pu_validation_free. Results are ordered by set, then as the set lists them; findings by asset
 * as given, time and check. */
typedef struct pu_validation {
    int64_t assets, bars;
    int64_t errors, warnings, notes; /* findings by severity, listed or not */
    int check_count;
    pu_check_result *check;
    int64_t count;
    pu_finding *finding;
    struct pu__chart *chart; /* internal: [assets] when charts were asked for */
} pu_validation;

typedef struct pu_validate_options {
    const char *checks;       /* YAML file; null or "": the built-in sets */
    const char *benchmark;    /* symbol that assets are aligned with; null or "": the benchmarks table's */
    int64_t samples;          /* findings listed per check and asset, the first by time; 0: PU_FINDINGS_DEFAULT */
    pu_severity severity_min; /* checks below it are left out */
    bool blocks;              /* read and verify stored feature and label blocks as well */
    bool charts;              /* keep what pu_validation_page draws */
} pu_validate_options;

/* Time is linear in the bars, memory does not depend on their number. `options` may be null. PU_ERR_CONFIG: the YAML
 * file, with line and key. PU_OK says that the checks ran, not that they passed. */
pu_status pu_validate(pu_store *store, int asset_count, const pu_asset *assets, const pu_validate_options *options,
                      pu_validation *out);
void pu_validation_free(pu_validation *validation); /* accepts a zeroed one */

/* One self-contained HTML page at `path`: results, failing rows, and a price chart of every asset with findings. */
pu_status pu_validation_page(const pu_validation *validation, const char *title, const char *path);

/* What a training, a forecast or a backtest asks before it uses the data: runs the checks of data.checks over the
 * configuration's assets and benchmark. PU_ERR_DATA when checks at error level fail that data.accept does not name: the
 * message lists them and says what to write. PU_ERR_CONFIG when data.accept names a check that no set has. Those
 * accepted are logged as warnings, and given as lines of text in *accepted ("" if none; freed with pu_free). */
pu_status pu_validate_gate(const pu_config *config, char **accepted);

/* Markdown reference of all kinds and built-in sets, for docs/validation.md. The caller frees with pu_free. Null when
 * memory is short. */
char *pu_validate_reference(void);

#ifdef __cplusplus
}
#endif
#endif
