#include "host/data/windows/waits.h"

#include <math.h>

static const double least_s = 1e-7, bins_per_octave = 8;

void pu__waits_add(pu__waits *waits, double seconds) {
    const double place = seconds > least_s ? ceil(bins_per_octave * log2(seconds / least_s)) : 0;
    ++waits->bin[place < PU__WAIT_BINS - 1 ? (int)place : PU__WAIT_BINS - 1];
    ++waits->count;
    waits->sum_s += seconds;
    if (seconds > waits->max_s) waits->max_s = seconds;
}

double pu__waits_quantile(const pu__waits *waits, double q) {
    const double wanted = ceil(q * (double)waits->count);
    int64_t seen = 0;
    for (int i = 0; i < PU__WAIT_BINS; ++i) {
        seen += waits->bin[i];
        if (seen == 0 || (double)seen < wanted) continue;
        if (i == 0) return 0;
        const double end_s = i == PU__WAIT_BINS - 1 ? waits->max_s : least_s * exp2(i / bins_per_octave);
        return end_s < waits->max_s ? end_s : waits->max_s;
    }
    return 0;
}
