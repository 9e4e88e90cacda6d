/* One bar for a model that is fed bar by bar. Its coefficients are worked out anew at every step: one bar costs less
 * than a look at whether they have changed would save. */
#include <complex.h>
#include <math.h>
#include <stdbool.h>

#include "kernels/s4/s4.h"
#include "kernels/s4/s4_held.h"
#include "plusultra/pool.h"

typedef struct step {
    const float *u, *log_step, *rate, *frequency, *weight, *skip;
    const float *before; /* states */
    float *y, *after;
    int64_t windows, channels, states;
    bool bilinear;
} step;

static double complex held_of(double complex z, double complex exp_z) {
    const pu__s4_held held = pu__s4_hold(creal(z), cimag(z), creal(exp_z), cimag(exp_z));
    return held.re + I * held.im;
}

static void step_channels(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const step *s = context;
    for (int64_t c = begin; c < end; ++c) {
        const double size = exp((double)s->log_step[c]);
        for (int64_t b = 0; b < s->windows; ++b)
            s->y[b * s->channels + c] = s->skip[c] * s->u[b * s->channels + c];
        for (int64_t n = 0; n < s->states; ++n) {
            const int64_t at = n * s->channels + c, imaginary = (s->states + n) * s->channels + c;
            const double complex pole = -exp((double)s->rate[at]) + I * (double)s->frequency[at];
            const double complex weight = (double)s->weight[at] + I * (double)s->weight[imaginary];
            const double complex half = size * pole / 2,
                                 kept = s->bilinear ? (1 + half) / (1 - half) : cexp(2 * half);
            const double complex w =
                2 * weight * (s->bilinear ? size / (1 - half) : size * held_of(2 * half, kept));
            const float a_re = (float)creal(kept), a_im = (float)cimag(kept);
            for (int64_t b = 0; b < s->windows; ++b) {
                const int64_t window = b * 2 * s->states * s->channels;
                const float re = s->before[window + at], im = s->before[window + imaginary];
                const float next_re = a_re * re - a_im * im + s->u[b * s->channels + c],
                            next_im = a_re * im + a_im * re;
                s->after[window + at] = next_re;
                s->after[window + imaginary] = next_im;
                s->y[b * s->channels + c] += (float)creal(w) * next_re - (float)cimag(w) * next_im;
            }
        }
    }
}

pu_status pu__s4_step_cpu(const pu__call *call) {
    step s = {.u = call->in[0].data,
              .before = call->in[1].data,
              .log_step = call->in[2].data,
              .rate = call->in[3].data,
              .frequency = call->in[4].data,
              .weight = call->in[5].data,
              .skip = call->in[6].data};
    s.y = call->out[0].data;
    s.after = call->out[1].data;
    s.windows = call->in[0].shape.dim[0];
    s.channels = call->in[0].shape.dim[1];
    s.states = call->in[3].shape.dim[0];
    s.bilinear = call->attributes->s4.discretisation == PU_S4_BILINEAR;
    pu_parallel_for(call->pool, s.channels, 64, step_channels, &s);
    return PU_OK;
}
