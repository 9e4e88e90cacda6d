/* Seeded bars for tests. */
#ifndef TESTS_SUPPORT_BARS_H
#define TESTS_SUPPORT_BARS_H

#include "plusultra/store.h"

/* Room for `count` bars; false when memory is short. Free with pu_bars_free. */
bool test_bars_alloc(int64_t count, pu_bars *out);

/* A seeded random walk with clustered volatility, a range and a volume per bar, one bar every `bar_s` seconds from
 * `first_ts`, prices adjusted by a dividend in the middle. */
bool test_bars_walk(uint64_t seed, int64_t count, int64_t first_ts, int64_t bar_s, pu_bars *out);

/* The first `count` bars, sharing memory with `bars`: not to be freed. */
pu_bars test_bars_cut(const pu_bars *bars, int64_t count);

#endif
