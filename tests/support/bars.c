#include "tests/support/bars.h"

#include <math.h>

#include "plusultra/memory.h"
#include "plusultra/random.h"

bool test_bars_alloc(int64_t count, pu_bars *out) {
    double **columns[] = {&out->open, &out->high, &out->low, &out->close, &out->adjusted, &out->volume};
    *out = (pu_bars){.count = count, .ts = pu_calloc((size_t)count, sizeof(int64_t))};
    bool complete = out->ts != NULL;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; ++i) {
        *columns[i] = pu_calloc((size_t)count, sizeof(double));
        complete = complete && *columns[i];
    }
    return complete;
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
