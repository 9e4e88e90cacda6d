/* A market with holes, late beginnings and revisions, and features that show what the engine gives them. */
#ifndef TESTS_SUPPORT_WORLD_H
#define TESTS_SUPPORT_WORLD_H

#include "plusultra/features.h"
#include "tests/support/market.h"

/* AAA trades every day, BBB from day 37 on, CCC with holes; the benchmark SPX from day 20 on, with holes. */
enum { WORLD_ASSETS = 3, WORLD_BENCHMARK = 3, WORLD_SERIES = 4, WORLD_DAYS = 260 };

/* The market's series "cpi" has a release dated every ten days, out five days later, each third one revised after 35
 * days; BBB has one value of its own, -7, from day 100 on. The regime "phase" is 1 from the first day on, and 2 from
 * day 60 on, which is known on day 80. */
enum { WORLD_RELEASE_DAYS = 10, WORLD_DELAY_DAYS = 5, WORLD_REVISION_DAYS = 35, WORLD_OWN_FROM_DAY = 100 };

typedef struct world {
    test_market market;
    pu_bars bars[WORLD_SERIES];
} world;

extern const char *const world_symbol[WORLD_SERIES];

enum { AGE, BENCH, CPI, EXCESS, PHASE, RANK, UNIVERSE, Z, WORLD_FEATURES };
extern const pu_feature world_feature[WORLD_FEATURES];
#define WORLD_NAMES "features.names=[t_age, t_benchmark, t_cpi, t_excess_rank, t_phase, t_rank, t_universe, t_z]"

/* Registers them and silences progress: the setup of a group of tests. */
int world_features(void **state);

world world_new(void);
void world_remove(world *w);
pu_config *world_config(const world *w, const char *names, const char *other);

#endif
