/* An input held through a bar (zero-order hold), on the CPU and on CUDA: with z = h A, b = h (exp(z) - 1) / z, and the
 * slope of b by A is h^2 times that of (exp(z) - 1) / z by z. */
#ifndef PU_KERNELS_S4_S4_HELD_H
#define PU_KERNELS_S4_S4_HELD_H

#include <math.h>

#include "kernels/common/philox.h"

typedef struct pu__s4_held {
    double re, im;             /* (exp(z) - 1) / z */
    double slope_re, slope_im; /* its derivative by z */
} pu__s4_held;

/* From z and exp(z). Where z is small, as of states that hardly decay, both are differences of nearly equal numbers, of
 * which double keeps nothing: of the slope at |z| = 1e-8, of the quotient at 1e-16. There it is the series, sum of
 * z^k / (k + 1)!, whose next term is below 1e-13; at its border the difference still has 9 digits of the slope. */
PU_HOST_DEVICE static inline pu__s4_held pu__s4_hold(double re, double im, double exp_re, double exp_im) {
    enum { TERMS = 4 };
    pu__s4_held out = {1, 0, 0, 0};
    if (fabs(re) < 0x1p-10 && fabs(im) < 0x1p-10) {
        for (int k = TERMS; k > 0; --k) {
            const double part = 1.0 / (k + 1);
            const pu__s4_held was = out;
            out.re = 1 + part * (re * was.re - im * was.im);
            out.im = part * (re * was.im + im * was.re);
            out.slope_re = part * (was.re + re * was.slope_re - im * was.slope_im);
            out.slope_im = part * (was.im + re * was.slope_im + im * was.slope_re);
        }
        return out;
    }
    const double size = re * re + im * im;
    out.re = ((exp_re - 1) * re + exp_im * im) / size;
    out.im = (exp_im * re - (exp_re - 1) * im) / size;
    out.slope_re = ((exp_re - out.re) * re + (exp_im - out.im) * im) / size;
    out.slope_im = ((exp_im - out.im) * re - (exp_re - out.re) * im) / size;
    return out;
}

#endif
