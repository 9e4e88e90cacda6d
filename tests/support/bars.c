#include "tests/support/bars.h"

#include <math.h>

#include "plusultra/memory.h"
#include "plusultra/random.h"

/* One block that starts at ts, as pu_bars_free expects. */
bool test_bars_alloc(int64_t count, pu_bars *out) {
    const size_t n = (size_t)count;
    char *block = pu_calloc(n, 7 * sizeof(double));
    if (!block) return false;
    double *column = (double *)(void *)(block + n * sizeof(int64_t));
    *out = (pu_bars){.count = count,
                     .ts = (int64_t *)(void *)block,
                     .open = column,
                     .high = column + n,
                     .low = column + 2 * n,
                     .close = column + 3 * n,
                     .adjusted = column + 4 * n,
                     .volume = column + 5 * n};
    return true;
}

bool test_bars_walk(uint64_t seed, int64_t count, int64_t first_ts, int64_t bar_s, pu_bars *out) {
    if (!test_bars_alloc(count, out)) return false;
    pu_random random = pu_random_at(seed, 0);
    double last = 50 + 100 * pu_random_uniform(&random);
    for (int64_t i = 0; i < count; ++i) {
        const double scale = 0.01 * exp(0.6 * sin((double)i / 40));
        const double open = last * exp(0.2 * scale * pu_random_normal(&random));
        const double close = last * exp(scale * pu_random_normal(&random));
        out->ts[i] = first_ts + i * bar_s;
        out->open[i] = open;
        out->close[i] = close;
        out->high[i] = fmax(open, close) * exp(0.3 * scale * fabs(pu_random_normal(&random)));
        out->low[i] = fmin(open, close) * exp(-0.3 * scale * fabs(pu_random_normal(&random)));
        out->adjusted[i] = i < count / 2 ? close * 0.95 : close;
        out->volume[i] = floor(exp(10 + 0.5 * pu_random_normal(&random)));
        last = close;
    }
    return true;
}

pu_bars test_bars_cut(const pu_bars *bars, int64_t count) {
    pu_bars cut = *bars;
    cut.count = count;
    return cut;
}
