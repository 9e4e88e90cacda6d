/* State-space layers and scans: a part of op_reference_body.h, included as often as that is, with its REAL and
 * NAME. The gradients follow the adjoint state over stored states, another way than the kernels' one. */

typedef struct NAME(complex) {
    REAL re, im;
} NAME(complex);

static NAME(complex) NAME(times)(NAME(complex) a, NAME(complex) b) {
    return (NAME(complex)){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
static NAME(complex) NAME(over)(NAME(complex) a, NAME(complex) b) {
    const REAL size = b.re * b.re + b.im * b.im;
    return (NAME(complex)){(a.re * b.re + a.im * b.im) / size, (a.im * b.re - a.re * b.im) / size};
}

/* (exp(z) - 1) / z and its derivative; where z is small, by their series. */
static void NAME(hold)(NAME(complex) z, NAME(complex) exp_z, NAME(complex) out[2]) {
    if (z.re * z.re + z.im * z.im > (REAL)0.01) {
        out[0] = NAME(over)((NAME(complex)){exp_z.re - 1, exp_z.im}, z);
        out[1] = NAME(over)((NAME(complex)){exp_z.re - out[0].re, exp_z.im - out[0].im}, z);
        return;
    }
    NAME(complex) term = {1, 0};
    out[0] = out[1] = (NAME(complex)){0, 0};
    for (int k = 0; k < 12; ++k) {
        out[0].re += term.re / (REAL)(k + 1);
        out[0].im += term.im / (REAL)(k + 1);
        out[1].re += term.re / (REAL)(k + 2);
        out[1].im += term.im / (REAL)(k + 2);
        term = NAME(times)(term, z);
        term = (NAME(complex)){term.re / (REAL)(k + 1), term.im / (REAL)(k + 1)};
    }
}

/* One state of one channel: its pole, C, and the discrete a and b. `at` is the slot of log_step. */
typedef struct NAME(state) {
    REAL step;
    NAME(complex) pole, c, a, b, held[2];
} NAME(state);

static NAME(state) NAME(state_of)(const pu__call *call, int at, int64_t n, int64_t channel) {
    const int64_t channels = NAME(dim)(call, at, 0), states = NAME(dim)(call, at + 1, 0),
                  i = n * channels + channel;
    NAME(state) s = {.step = EXP(NAME(in)(call, at)[channel])};
    s.pole = (NAME(complex)){-EXP(NAME(in)(call, at + 1)[i]), NAME(in)(call, at + 2)[i]};
    s.c = (NAME(complex)){NAME(in)(call, at + 3)[i], NAME(in)(call, at + 3)[states * channels + i]};
    const NAME(complex) whole = {s.step * s.pole.re, s.step * s.pole.im};
    if (call->attributes->s4.discretisation == PU_S4_BILINEAR) {
        const NAME(complex) above = {1 + whole.re / 2, whole.im / 2}, below = {1 - whole.re / 2, -whole.im / 2};
        s.a = NAME(over)(above, below);
        s.b = NAME(over)((NAME(complex)){s.step, 0}, below);
    } else {
        const REAL size = EXP(whole.re);
        s.a = (NAME(complex)){size * COS(whole.im), size * SIN(whole.im)};
        NAME(hold)(whole, s.a, s.held);
        s.b = (NAME(complex)){s.step * s.held[0].re, s.step * s.held[0].im};
    }
    return s;
}

static void NAME(s4)(const pu__call *call, REAL *y) {
    const float *u = NAME(in)(call, 0), *skip = NAME(in)(call, 5);
    const int64_t bars = NAME(dim)(call, 0, 1), channels = NAME(dim)(call, 0, 2), states = NAME(dim)(call, 2, 0);
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) y[i] = (REAL)skip[i % channels] * (REAL)u[i];
    for (int64_t bc = 0; bc < NAME(dim)(call, 0, 0) * channels; ++bc) {
        const int64_t first = bc / channels * bars * channels + bc % channels;
        for (int64_t n = 0; n < states; ++n) {
            const NAME(state) s = NAME(state_of)(call, 1, n, bc % channels);
            NAME(complex) x = {0, 0};
            for (int64_t t = 0; t < bars; ++t) {
                const REAL in = u[first + t * channels];
                x = NAME(times)(s.a, x);
                x.re += s.b.re * in;
                x.im += s.b.im * in;
                y[first + t * channels] += 2 * (s.c.re * x.re - s.c.im * x.im);
            }
        }
    }
}

static void NAME(s4_step)(const pu__call *call, REAL *const *out) {
    const float *u = NAME(in)(call, 0), *state = NAME(in)(call, 1), *skip = NAME(in)(call, 6);
    const int64_t channels = NAME(dim)(call, 0, 1), states = NAME(dim)(call, 3, 0);
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) {
        const int64_t b = i / channels, c = i % channels;
        out[0][i] = (REAL)skip[c] * (REAL)u[i];
        for (int64_t n = 0; n < states; ++n) {
            const NAME(state) s = NAME(state_of)(call, 2, n, c);
            const int64_t re = (b * 2 * states + n) * channels + c, im = re + states * channels;
            NAME(complex) x = NAME(times)(s.a, (NAME(complex)){state[re], state[im]});
            x.re += u[i];
            out[1][re] = x.re;
            out[1][im] = x.im;
            x = NAME(times)(NAME(times)(s.c, s.b), x);
            out[0][i] += 2 * x.re;
        }
    }
}

/* What one state of one channel gives to the gradients: the adjoint state g runs backwards over the stored x. */
static void NAME(s4_grad_state)(const pu__call *call, int64_t n, int64_t c, NAME(complex) * x, REAL *const *out) {
    const float *dy = NAME(in)(call, 0), *u = NAME(in)(call, 1);
    const int64_t windows = NAME(dim)(call, 1, 0), bars = NAME(dim)(call, 1, 1), channels = NAME(dim)(call, 1, 2);
    const int64_t states = NAME(dim)(call, 3, 0), at = n * channels + c;
    const NAME(state) s = NAME(state_of)(call, 2, n, c);
    NAME(complex) by_a = {0, 0}, by_b = {0, 0}, by_c = {0, 0};
    for (int64_t b = 0; b < windows; ++b) {
        const int64_t first = b * bars * channels + c;
        NAME(complex) state = {0, 0}, g = {0, 0};
        for (int64_t t = 0; t < bars; ++t) {
            state = NAME(times)(s.a, state);
            state.re += s.b.re * (REAL)u[first + t * channels];
            state.im += s.b.im * (REAL)u[first + t * channels];
            x[t] = state;
        }
        for (int64_t t = bars - 1; t >= 0; --t) {
            const REAL slope = 2 * (REAL)dy[first + t * channels], in = u[first + t * channels];
            g = NAME(times)(s.a, g);
            g.re += slope * s.c.re;
            g.im += slope * s.c.im;
            out[0][first + t * channels] += g.re * s.b.re - g.im * s.b.im;
            by_c.re += slope * x[t].re;
            by_c.im += slope * x[t].im;
            by_b.re += g.re * in;
            by_b.im += g.im * in;
            const NAME(complex) more = t > 0 ? NAME(times)(g, x[t - 1]) : (NAME(complex)){0, 0};
            by_a.re += more.re;
            by_a.im += more.im;
        }
    }
    NAME(complex) a_by_pole, a_by_step, b_by_pole, b_by_step;
    if (call->attributes->s4.discretisation == PU_S4_BILINEAR) {
        const NAME(complex) below = {1 - s.step * s.pole.re / 2, -s.step * s.pole.im / 2};
        const NAME(complex) square = NAME(times)(below, below);
        a_by_pole = NAME(over)((NAME(complex)){s.step, 0}, square);
        a_by_step = NAME(over)(s.pole, square);
        b_by_pole = NAME(over)((NAME(complex)){s.step * s.step / 2, 0}, square);
        b_by_step = NAME(over)((NAME(complex)){1, 0}, square);
    } else {
        a_by_pole = (NAME(complex)){s.step * s.a.re, s.step * s.a.im};
        a_by_step = NAME(times)(s.pole, s.a);
        b_by_pole = (NAME(complex)){s.step * s.step * s.held[1].re, s.step * s.step * s.held[1].im};
        b_by_step = s.a;
    }
    const NAME(complex) p1 = NAME(times)(by_a, a_by_pole), p2 = NAME(times)(by_b, b_by_pole);
    const NAME(complex) h1 = NAME(times)(by_a, a_by_step), h2 = NAME(times)(by_b, b_by_step);
    out[1][c] += s.step * (h1.re + h2.re);
    out[2][at] = (p1.re + p2.re) * s.pole.re;
    out[3][at] = -(p1.im + p2.im);
    out[4][at] = by_c.re;
    out[4][states * channels + at] = -by_c.im;
}

static void NAME(s4_grad)(const pu__call *call, REAL *const *out) {
    const float *dy = NAME(in)(call, 0), *u = NAME(in)(call, 1), *skip = NAME(in)(call, 6);
    const int64_t bars = NAME(dim)(call, 1, 1), channels = NAME(dim)(call, 1, 2), states = NAME(dim)(call, 3, 0);
    NAME(complex) *x = calloc((size_t)bars + 1, sizeof *x);
    if (!x) abort();
    for (int64_t c = 0; c < channels; ++c) out[1][c] = out[5][c] = 0;
    for (int64_t i = 0; i < pu__count(&call->in[1].shape); ++i) {
        out[0][i] = (REAL)skip[i % channels] * (REAL)dy[i];
        out[5][i % channels] += (REAL)dy[i] * (REAL)u[i];
    }
    for (int64_t c = 0; c < channels; ++c) {
        for (int64_t n = 0; n < states; ++n) NAME(s4_grad_state)(call, n, c, x, out);
    }
    free(x);
}

static void NAME(scan)(const pu__call *call, REAL *h) {
    const float *a = NAME(in)(call, 0), *x = NAME(in)(call, 1);
    const int64_t bars = NAME(dim)(call, 0, 1), channels = NAME(dim)(call, 0, 2);
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) {
        h[i] = x[i];
        if (i / channels % bars > 0) h[i] += (REAL)a[i] * h[i - channels];
    }
}

static void NAME(scan_grad)(const pu__call *call, REAL *const *out) {
    const float *dh = NAME(in)(call, 0), *a = NAME(in)(call, 1), *h = NAME(in)(call, 2);
    const int64_t bars = NAME(dim)(call, 0, 1), channels = NAME(dim)(call, 0, 2);
    for (int64_t i = pu__count(&call->in[0].shape) - 1; i >= 0; --i) {
        const int64_t t = i / channels % bars;
        out[1][i] = dh[i];
        if (t + 1 < bars) out[1][i] += (REAL)a[i + channels] * out[1][i + channels];
        out[0][i] = t > 0 ? out[1][i] * (REAL)h[i - channels] : 0;
    }
}
