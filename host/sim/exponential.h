/* An exponential for likelihoods that are sums of many of them. */
#ifndef PU_HOST_SIM_EXPONENTIAL_H
#define PU_HOST_SIM_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

/* e^-x for x >= 0, to 1e-11; beyond 700 that of 700. Taylor to the 9th power on [-ln 2 / 2, ln 2 / 2], the power of two
 * put into the exponent's bits. No branch and no call, so that loops vectorise. */
static inline double pu__exp_minus(double x) {
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: rounds to an integer in the low bits */
    const double cut = x < 700.0 ? x : 700.0, shifted = magic - cut * 1.4426950408889634;
    const double r = -cut - (shifted - magic) * 0.69314718055994531;
    double p = 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023u) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

#endif
