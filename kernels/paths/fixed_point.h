/* Values as integers, for sums and counts that no order changes. Host and device. */
#ifndef PU_KERNELS_PATHS_FIXED_POINT_H
#define PU_KERNELS_PATHS_FIXED_POINT_H

#include "kernels/paths/paths.h"

#define PU_FIXED_UNIT (1.0 / 1073741824.0)
#define PU_FIXED_SQUARE_UNIT (1.0 / 1048576.0)
#define PU_FIXED_MOST 1048576.0

PU_HOST_DEVICE static inline double pu__fixed_cut(double x) {
    x = x > PU_FIXED_MOST ? PU_FIXED_MOST : x;
    return x < -PU_FIXED_MOST ? -PU_FIXED_MOST : x;
}

/* Whole units of a value and of its square. */
PU_HOST_DEVICE static inline double pu__fixed_units(double x) {
    return floor(pu__fixed_cut(x) * 1073741824.0 + 0.5);
}

PU_HOST_DEVICE static inline double pu__fixed_square_units(double x) {
    const double cut = pu__fixed_cut(x);
    return floor(cut * cut * 1048576.0 + 0.5);
}

PU_HOST_DEVICE static inline int64_t pu__fixed_value(double x) { return (int64_t)pu__fixed_units(x); }
PU_HOST_DEVICE static inline int64_t pu__fixed_square(double x) { return (int64_t)pu__fixed_square_units(x); }

PU_HOST_DEVICE static inline int64_t pu__fixed_low(int64_t x) { return (int64_t)((uint64_t)x & 0xffffffffu); }
PU_HOST_DEVICE static inline int64_t pu__fixed_high(int64_t x) { return x >> 32; }

/* By the bits of the float: 9 of its fraction, and the exponent from 2^-8. */
PU_HOST_DEVICE static inline int pu__wealth_bin(double wealth) {
    const float x = (float)wealth;
    if (!(x >= 0.00390625f)) return 0;
    const int bin = (int)(pu__bits_of_float(x) >> 14) - (119 << 9);
    return bin < PU_WEALTH_BINS ? bin : PU_WEALTH_BINS - 1;
}

static inline double pu__wealth_edge(int bin) {
    return (double)pu__float_of_bits((uint32_t)(bin + (119 << 9)) << 14);
}

PU_HOST_DEVICE static inline int pu__drawdown_bin(double drawdown) {
    const int bin = (int)(drawdown * PU_DRAWDOWN_BINS);
    return bin < PU_DRAWDOWN_BINS ? bin : PU_DRAWDOWN_BINS - 1;
}

#endif
