/* How a consumer's waits are distributed, in memory that does not grow with them: counts in bins of an eighth of an
 * octave, so a quantile is at most 9 % above the true one. */
#ifndef PU_HOST_DATA_WINDOWS_WAITS_H
#define PU_HOST_DATA_WINDOWS_WAITS_H

#include <stdint.h>

enum { PU__WAIT_BINS = 256 }; /* from 100 ns on, up to some seven minutes */

typedef struct pu__waits {
    int64_t count, bin[PU__WAIT_BINS];
    double sum_s, max_s;
} pu__waits;

void pu__waits_add(pu__waits *waits, double seconds);
/* Quantile q in [0, 1] by nearest rank: the upper end of its bin, never above the longest wait. 0 without any, and
 * for what is below 100 ns. */
double pu__waits_quantile(const pu__waits *waits, double q);

#endif
