#include "host/data/features/compare.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    const double x = ((const pu__entrant *)a)->value, y = ((const pu__entrant *)b)->value;
    return (x > y) - (x < y);
}

/* From -1, the lowest, to 1; equal ones share the mean of their ranks. */
static void rank(pu__entrant *among, int count) {
    qsort(among, (size_t)count, sizeof *among, by_value);
    for (int from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && among[to].value == among[from].value;) ++to;
        const double mean_rank = 0.5 * (from + to - 1);
        for (int i = from; i < to; ++i) *among[i].place = count > 1 ? 2 * mean_rank / (count - 1) - 1 : 0;
    }
}

static void standardise(const pu__entrant *among, int count) {
    double sum = 0, squares = 0, lowest = among[0].value, highest = lowest;
    for (int i = 0; i < count; ++i) {
        sum += among[i].value;
        lowest = fmin(lowest, among[i].value);
        highest = fmax(highest, among[i].value);
    }
    const double mean = sum / count;
    for (int i = 0; i < count; ++i) squares += (among[i].value - mean) * (among[i].value - mean);
    const double deviation = sqrt(squares / count);
    for (int i = 0; i < count; ++i)
        *among[i].place = highest > lowest && deviation > 0 ? (among[i].value - mean) / deviation : 0;
}

void pu__compare(pu_feature_cross how, int count, pu__entrant *among) {
    int finite = 0;
    for (int i = 0; i < count; ++i) {
        double *place = among[i].place;
        if (isfinite(*place)) among[finite++] = (pu__entrant){place, *place};
    }
    if (finite == 0) return;
    if (how == PU_CROSS_RANK) rank(among, finite);
    else standardise(among, finite);
}
