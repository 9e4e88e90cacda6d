/* Named scenarios of shocks, read from YAML and laid over a process's log-returns.
 *
 *   scenarios:
 *     - name: crash_1987
 *       about: One sentence of facts.
 *       shocks:
 *         - {kind: gap, size: -0.2, at: 0.5}
 *         - {kind: volatility, size: 4, at_bar: 127, bars: 20, shape: decay}
 *
 * A shock begins at `at`, a share of the horizon, or at bar `at_bar` (1 is the first bar after the start), and has
 * w(i) of its size at the i-th of its `bars` bars:
 *
 *   step      1
 *   decay     e^(-3 i / bars)
 *   ramp      (i + 1) / bars
 *   triangle  min(i + 1, bars - i) / ceil(bars / 2)
 *
 * kind         keys of its own                what it does at severity s
 *   gap          size, a simple return          the price moves by size * s on top of the process's returns; over
 *                                               several bars in parts of its logarithm, in proportion to w
 *   flash_crash  size, recovery, recovery_bars  the price falls by size * s within `bars`, in equal parts of the
 *                                               logarithm, and a share of the fall comes back within recovery_bars
 *   volatility   size, a multiple               1 + (size - 1) s w on the log-return about its mean
 *   reversal     size, a multiple               1 + (size - 1) s w on the mean log-return: -1 turns the trend round
 *   correlation  size, a share of variance      size * s * w of each draw comes from one factor common to all assets
 *   liquidity    volume, spread, multiples      volume^(s w) on the volume, 1 + (spread - 1) s w on the spread
 *
 * `assets`: symbols that it hits; left out: all. Where shocks meet, gaps add in the logarithm, multiples multiply,
 * and the larger correlation holds. What would lie behind the horizon is cut off. */
#ifndef PU_HOST_SIM_SHOCKS_H
#define PU_HOST_SIM_SHOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/paths/paths.h"
#include "plusultra/config.h"
#include "plusultra/store.h"

struct pu_arena;

typedef enum pu__shock_kind {
    PU__SHOCK_GAP = 0,
    PU__SHOCK_FLASH_CRASH,
    PU__SHOCK_VOLATILITY,
    PU__SHOCK_REVERSAL,
    PU__SHOCK_CORRELATION,
    PU__SHOCK_LIQUIDITY,
    PU__SHOCK_KINDS
} pu__shock_kind;

typedef enum pu__shock_shape {
    PU__SHAPE_STEP = 0,
    PU__SHAPE_DECAY,
    PU__SHAPE_RAMP,
    PU__SHAPE_TRIANGLE,
    PU__SHAPE_COUNT
} pu__shock_shape;

typedef struct pu__shock {
    pu__shock_kind kind;
    pu__shock_shape shape;
    double size, recovery, volume, spread;
    double at;      /* share of the horizon, where at_bar is 0 */
    int64_t at_bar; /* 1 or more, or 0 */
    int64_t bars, recovery_bars;
    int asset_count; /* 0: all */
    const char *const *asset;
    int64_t line;
} pu__shock;

typedef struct pu__scenario {
    const char *source; /* file, for messages */
    int64_t line;
    const char *name, *about;
    int shock_count;
    const pu__shock *shock;
} pu__scenario;

enum { PU__SCENARIOS_MAX = 1024, PU__SHOCKS_MAX = 32, PU__SCENARIO_NAME_BYTES = 48 };

/* The market as it is. It is the first of every library; none of the user's may have its name. */
#define PU__BASELINE "baseline"

typedef struct pu__scenarios {
    int count;
    const pu__scenario *scenario; /* [0] is the baseline */
    char digest[65];              /* SHA-256 of the text */
    struct pu_arena *arena;
} pu__scenarios;

/* From text; `source` names it in messages. PU_ERR_CONFIG names file, line and key, and the nearest valid one. Free
 * with pu__scenarios_free, also after a failure. */
pu_status pu__scenarios_parse(const char *source, const char *text, size_t length, pu__scenarios *out);
/* From a file; null: the built-in library, configs/scenarios.yaml. */
pu_status pu__scenarios_read(const char *path, pu__scenarios *out);
/* The library of stress.library. PU_ERR_CONFIG also where the file cannot be read: it is a value that is wrong. */
pu_status pu__scenarios_of(const pu_config *config, pu__scenarios *out);
void pu__scenarios_free(pu__scenarios *scenarios); /* accepts a zeroed one */

/* The index, or PU_ERR_CONFIG with the nearest name. */
pu_status pu__scenarios_find(const pu__scenarios *scenarios, const char *name, int *out);

/* Which assets a scenario names that there are none of, and bars behind the horizon: PU_ERR_CONFIG with file and
 * line. */
pu_status pu__scenario_check(const pu__scenario *scenario, int64_t steps, int assets, const pu_asset *asset);

/* shock[steps][assets] at a severity of 0 or more. Severity 0 and the baseline change nothing. PU_ERR_CONFIG names
 * scenario and line where the severity asks for a price of 0 or less or a correlation above 1. */
pu_status pu__scenario_overlay(const pu__scenario *scenario, double severity, int64_t steps, int assets,
                               const pu_asset *asset, pu__path_shock *shock);

/* Shocks whose last bar lies behind the horizon. */
int pu__scenario_cut(const pu__scenario *scenario, int64_t steps);

const char *pu__shock_kind_name(pu__shock_kind kind);
/* A sentence such as "At half of the horizon the price moves by -20 % in one bar.". */
void pu__shock_text(const pu__shock *shock, char *out, size_t room);

#endif
