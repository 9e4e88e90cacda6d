/* Included twice by op_reference.c, with REAL = double and REAL = float. No include guard: that is the point. Sums
 * run in index order; only what a contract demands in double (window statistics, sum of squares, loss sums) is in
 * double in both. */

static const float *NAME(in)(const pu__call *call, int slot) { return call->in[slot].data; }
static int64_t NAME(dim)(const pu__call *call, int slot, int axis) { return call->in[slot].shape.dim[axis]; }

/* To the binary digits of the precision after the leading one; ties to even, or away from zero. At double nothing is
 * rounded. */
static REAL NAME(rounded_to)(pu_precision precision, REAL x) {
    if (sizeof(REAL) == sizeof(double) || precision == PU_PRECISION_F32 || x == 0 || !isfinite(x)) return x;
    int exponent;
    const double digits = precision == PU_PRECISION_TF32 ? 11 : 8;
    const double scaled = ldexp(frexp((double)x, &exponent), (int)digits);
    const double whole = precision == PU_PRECISION_TF32 ? round(scaled) : nearbyint(scaled);
    return (REAL)ldexp(whole, exponent - (int)digits);
}

/* ---- elementwise ---- */

static REAL NAME(sigmoid)(REAL x) { return x >= 0 ? 1 / (1 + EXP(-x)) : EXP(x) / (1 + EXP(x)); }

static REAL NAME(act_value)(pu_act kind, REAL x) {
    const REAL c = (REAL)0.7978845608028653559, k = (REAL)0.044715;
    switch (kind) {
    case PU_ACT_NONE: return x;
    case PU_ACT_RELU: return x > 0 ? x : x != x ? x : 0;
    case PU_ACT_GELU: return (REAL)0.5 * x * (1 + TANH(c * (x + k * x * x * x)));
    case PU_ACT_SILU: return x * NAME(sigmoid)(x);
    case PU_ACT_SIGMOID: return NAME(sigmoid)(x);
    case PU_ACT_TANH: return TANH(x);
    }
    return (REAL)NAN;
}

static REAL NAME(act_slope)(pu_act kind, REAL x) {
    const REAL c = (REAL)0.7978845608028653559, k = (REAL)0.044715;
    switch (kind) {
    case PU_ACT_NONE: return 1;
    case PU_ACT_RELU: return x > 0 ? 1 : x != x ? x : 0;
    case PU_ACT_GELU: {
        const REAL t = TANH(c * (x + k * x * x * x));
        return (REAL)0.5 * (1 + t) + (REAL)0.5 * x * (1 - t * t) * c * (1 + 3 * k * x * x);
    }
    case PU_ACT_SILU: {
        const REAL s = NAME(sigmoid)(x);
        return s * (1 + x * (1 - s));
    }
    case PU_ACT_SIGMOID: {
        const REAL s = NAME(sigmoid)(x);
        return s * (1 - s);
    }
    case PU_ACT_TANH: {
        const REAL t = TANH(x);
        return 1 - t * t;
    }
    }
    return (REAL)NAN;
}

static void NAME(elementwise)(const pu__call *call, REAL *y) {
    const int64_t n = pu__count(&call->in[0].shape);
    const int64_t m = call->in_count > 1 ? pu__count(&call->in[1].shape) : 1;
    const float *a = NAME(in)(call, 0), *b = call->in_count > 1 ? NAME(in)(call, 1) : NULL;
    for (int64_t i = 0; i < n; ++i) {
        const REAL x = a[i];
        switch (call->op) {
        case PU_OP_ACT: y[i] = NAME(act_value)(call->attributes->act.kind, x); break;
        case PU_OP_ACT_GRAD: y[i] = x * NAME(act_slope)(call->attributes->act.kind, b[i]); break;
        case PU_OP_ADD: y[i] = x + (REAL)b[i % m]; break;
        case PU_OP_MUL: y[i] = x * (REAL)b[i % m]; break;
        default: y[i] = (REAL)call->attributes->affine.scale * x + (REAL)call->attributes->affine.shift; break;
        }
    }
}

static void NAME(dropout)(const pu__call *call, REAL *y) {
    const float *x = NAME(in)(call, 0);
    const uint64_t *clock = call->in[1].data;
    const float rate = call->attributes->dropout.rate;
    const uint64_t high = (uint64_t)call->attributes->dropout.tag << 40 | clock[1];
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) {
        const uint32_t word = pu__philox(clock[0], (uint64_t)i / 4, high).word[i % 4];
        y[i] = pu__uniform24(word) >= rate ? (REAL)x[i] / (1 - (REAL)rate) : 0;
    }
}

static void NAME(sum_leading)(const pu__call *call, REAL *y) {
    const float *x = NAME(in)(call, 0);
    const int64_t n = pu__count(&call->in[0].shape), m = pu__count(&call->out[0].shape);
    for (int64_t i = 0; i < m; ++i) y[i] = 0;
    for (int64_t i = 0; i < n; ++i) y[i % m] += x[i];
}

static void NAME(glu)(const pu__call *call, REAL *y) {
    const float *x = NAME(in)(call, 0);
    const int64_t rows = NAME(dim)(call, 0, 0), c = NAME(dim)(call, 0, 1) / 2;
    for (int64_t i = 0; i < rows * c; ++i) {
        const float *row = x + i / c * 2 * c;
        y[i] = (REAL)row[i % c] * NAME(act_value)(call->attributes->act.kind, row[c + i % c]);
    }
}

static void NAME(glu_grad)(const pu__call *call, REAL *dx) {
    const float *dy = NAME(in)(call, 0), *x = NAME(in)(call, 1);
    const int64_t rows = NAME(dim)(call, 0, 0), c = NAME(dim)(call, 0, 1);
    for (int64_t i = 0; i < rows * c; ++i) {
        const int64_t at = i / c * 2 * c + i % c;
        dx[at] = (REAL)dy[i] * NAME(act_value)(call->attributes->act.kind, x[at + c]);
        dx[at + c] = (REAL)dy[i] * (REAL)x[at] * NAME(act_slope)(call->attributes->act.kind, x[at + c]);
    }
}

/* ---- products, norms, softmax ---- */

static void NAME(gemm)(const pu__call *call, REAL *y, REAL *z) {
    const int ta = call->attributes->gemm.transpose_a, tb = call->attributes->gemm.transpose_b;
    const int64_t m = NAME(dim)(call, 0, ta ? 1 : 0), k = NAME(dim)(call, 0, ta ? 0 : 1),
                  n = NAME(dim)(call, 1, tb ? 0 : 1);
    const pu_precision precision = call->attributes->gemm.precision;
    const float *a = NAME(in)(call, 0), *b = NAME(in)(call, 1),
                *bias = call->in_count > 2 ? NAME(in)(call, 2) : NULL;
    for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
            REAL sum = 0;
            for (int64_t l = 0; l < k; ++l)
                sum += NAME(rounded_to)(precision, (REAL)(ta ? a[l * m + i] : a[i * k + l])) *
                       NAME(rounded_to)(precision, (REAL)(tb ? b[j * k + l] : b[l * n + j]));
            if (bias) sum += bias[j];
            if (z) z[i * n + j] = sum;
            y[i * n + j] = NAME(act_value)(call->attributes->gemm.act, sum);
        }
    }
}

static void NAME(layer_norm)(const pu__call *call, REAL *const *out) {
    const float *gain = NAME(in)(call, 1), *bias = NAME(in)(call, 2);
    const int64_t rows = NAME(dim)(call, 0, 0), c = NAME(dim)(call, 0, 1);
    for (int64_t r = 0; r < rows; ++r) {
        const float *x = NAME(in)(call, 0) + r * c;
        REAL mean = 0, variance = 0;
        for (int64_t i = 0; i < c; ++i) mean += x[i];
        mean /= (REAL)c;
        for (int64_t i = 0; i < c; ++i) variance += (x[i] - mean) * (x[i] - mean);
        const REAL rstd = 1 / SQRT(variance / (REAL)c + (REAL)call->attributes->layer_norm.epsilon);
        out[1][r] = mean;
        out[2][r] = rstd;
        for (int64_t i = 0; i < c; ++i) out[0][r * c + i] = (REAL)gain[i] * ((x[i] - mean) * rstd) + (REAL)bias[i];
    }
}

static void NAME(layer_norm_grad)(const pu__call *call, REAL *const *out) {
    const float *gain = NAME(in)(call, 2), *mean = NAME(in)(call, 3), *rstd = NAME(in)(call, 4);
    const int64_t rows = NAME(dim)(call, 1, 0), c = NAME(dim)(call, 1, 1);
    for (int64_t i = 0; i < c; ++i) out[1][i] = out[2][i] = 0;
    for (int64_t r = 0; r < rows; ++r) {
        const float *dy = NAME(in)(call, 0) + r * c, *x = NAME(in)(call, 1) + r * c;
        REAL sum = 0, sum_h = 0;
        for (int64_t i = 0; i < c; ++i) {
            const REAL h = ((REAL)x[i] - mean[r]) * rstd[r], e = (REAL)dy[i] * gain[i];
            sum += e;
            sum_h += e * h;
            out[1][i] += dy[i] * h;
            out[2][i] += dy[i];
        }
        for (int64_t i = 0; i < c; ++i) {
            const REAL h = ((REAL)x[i] - mean[r]) * rstd[r], e = (REAL)dy[i] * gain[i];
            out[0][r * c + i] = rstd[r] * (e - sum / (REAL)c - h * sum_h / (REAL)c);
        }
    }
}

#include "tests/support/op_reference_norm.h"

static void NAME(softmax)(const pu__call *call, REAL *y) {
    const int64_t rows = NAME(dim)(call, 0, 0), c = NAME(dim)(call, 0, 1);
    for (int64_t r = 0; r < rows; ++r) {
        const float *x = NAME(in)(call, 0) + r * c;
        REAL top = -(REAL)INFINITY, sum = 0;
        for (int64_t i = 0; i < c; ++i) top = x[i] > top ? (REAL)x[i] : top;
        for (int64_t i = 0; i < c; ++i) sum += EXP(x[i] - top);
        for (int64_t i = 0; i < c; ++i) y[r * c + i] = EXP(x[i] - top) / sum;
    }
}

static void NAME(softmax_grad)(const pu__call *call, REAL *dx) {
    const int64_t rows = NAME(dim)(call, 0, 0), c = NAME(dim)(call, 0, 1);
    for (int64_t r = 0; r < rows; ++r) {
        const float *dy = NAME(in)(call, 0) + r * c, *y = NAME(in)(call, 1) + r * c;
        REAL sum = 0;
        for (int64_t i = 0; i < c; ++i) sum += (REAL)dy[i] * (REAL)y[i];
        for (int64_t i = 0; i < c; ++i) dx[r * c + i] = (REAL)y[i] * ((REAL)dy[i] - sum);
    }
}

/* ---- attention ---- */

#include "tests/support/op_reference_attention.h"

/* ---- convolution ---- */

static int64_t NAME(dilation_of)(const pu__call *call, int64_t c, int64_t channels) {
    return call->attributes->conv.dilation[c / (channels / call->attributes->conv.groups)];
}

static void NAME(conv)(const pu__call *call, REAL *const *out) {
    const float *x = NAME(in)(call, 0), *w = NAME(in)(call, 1), *bias = NAME(in)(call, 2);
    const int64_t bars = NAME(dim)(call, 0, 1), channels = NAME(dim)(call, 0, 2), taps = NAME(dim)(call, 1, 0);
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) {
        const int64_t c = i % channels, t = i / channels % bars;
        REAL sum = bias[c];
        for (int64_t k = 0; k < taps; ++k) {
            const int64_t back = k * NAME(dilation_of)(call, c, channels);
            if (back <= t) sum += (REAL)w[k * channels + c] * (REAL)x[i - back * channels];
        }
        out[0][i] = NAME(act_value)(call->attributes->conv.act, sum);
        if (call->out_count > 1 && out[1]) out[1][i] = sum;
    }
}

static void NAME(conv_grad)(const pu__call *call, REAL *const *out) {
    const float *dy = NAME(in)(call, 0), *x = NAME(in)(call, 1), *w = NAME(in)(call, 2);
    const int64_t bars = NAME(dim)(call, 1, 1), channels = NAME(dim)(call, 1, 2), taps = NAME(dim)(call, 2, 0);
    const int64_t n = pu__count(&call->in[1].shape);
    for (int64_t i = 0; i < n; ++i) out[0][i] = 0;
    for (int64_t i = 0; i < taps * channels; ++i) out[1][i] = 0;
    for (int64_t i = 0; i < channels; ++i) out[2][i] = 0;
    for (int64_t i = 0; i < n; ++i) {
        const int64_t c = i % channels, t = i / channels % bars;
        out[2][c] += dy[i];
        for (int64_t k = 0; k < taps; ++k) {
            const int64_t back = k * NAME(dilation_of)(call, c, channels);
            if (back > t) continue;
            out[0][i - back * channels] += (REAL)w[k * channels + c] * (REAL)dy[i];
            out[1][k * channels + c] += (REAL)dy[i] * (REAL)x[i - back * channels];
        }
    }
}

static void NAME(conv_dense)(const pu__call *call, REAL *const *out) {
    const float *x = NAME(in)(call, 0), *w = NAME(in)(call, 1), *bias = NAME(in)(call, 2);
    const int64_t bars = NAME(dim)(call, 0, 1), inputs = NAME(dim)(call, 0, 2), outputs = NAME(dim)(call, 1, 2);
    for (int64_t i = 0; i < pu__count(&call->out[0].shape); ++i) {
        const int64_t o = i % outputs, row = i / outputs, t = row % bars;
        REAL sum = 0;
        for (int64_t k = 0; k < NAME(dim)(call, 1, 0); ++k) {
            const int64_t back = k * call->attributes->conv.dilation[0];
            for (int64_t c = 0; c < inputs && back <= t; ++c)
                sum += (REAL)x[(row - back) * inputs + c] * (REAL)w[(k * inputs + c) * outputs + o];
        }
        sum += (REAL)bias[o];
        out[0][i] = NAME(act_value)(call->attributes->conv.act, sum);
        if (call->out_count > 1 && out[1]) out[1][i] = sum;
    }
}

static void NAME(conv_dense_grad)(const pu__call *call, REAL *const *out) {
    const float *dz = NAME(in)(call, 0), *x = NAME(in)(call, 1), *w = NAME(in)(call, 2);
    const int64_t bars = NAME(dim)(call, 1, 1), inputs = NAME(dim)(call, 1, 2), outputs = NAME(dim)(call, 2, 2);
    for (int64_t i = 0; i < pu__count(&call->in[1].shape); ++i) out[0][i] = 0;
    for (int64_t i = 0; i < pu__count(&call->in[2].shape); ++i) out[1][i] = 0;
    for (int64_t o = 0; o < outputs; ++o) out[2][o] = 0;
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) {
        const int64_t o = i % outputs, row = i / outputs, t = row % bars;
        out[2][o] += dz[i];
        for (int64_t k = 0; k < NAME(dim)(call, 2, 0); ++k) {
            const int64_t back = k * call->attributes->conv.dilation[0];
            for (int64_t c = 0; c < inputs && back <= t; ++c) {
                const int64_t from = (row - back) * inputs + c, weight = (k * inputs + c) * outputs + o;
                out[0][from] += (REAL)w[weight] * (REAL)dz[i];
                out[1][weight] += (REAL)dz[i] * (REAL)x[from];
            }
        }
    }
}

#include "tests/support/op_reference_s4.h"
#include "tests/support/op_reference_pnl.h"

/* ---- windows, losses, the update ---- */

static REAL NAME(window_value)(const pu__call *call, int64_t start, int64_t t, int64_t f) {
    const float *bars = NAME(in)(call, 0);
    const int64_t rows = NAME(dim)(call, 0, 0), features = NAME(dim)(call, 0, 1);
    const int64_t warmup = call->attributes->window_norm.warmup_bars,
                  window = call->attributes->window_norm.window_bars;
    const double clip = (double)call->attributes->window_norm.clip;
    if (start < 0 || start + warmup + window > rows) return (REAL)NAN;
    const int64_t n = warmup + t + 1;
    double mean = 0, variance = 0;
    for (int64_t r = 0; r < n; ++r) mean += (double)bars[(start + r) * features + f] / (double)n;
    for (int64_t r = 0; r < n; ++r) {
        const double deviation = (double)bars[(start + r) * features + f] - mean;
        variance += deviation * deviation / (double)n;
    }
    const double x = (double)bars[(start + n - 1) * features + f];
    const double y = (x - mean) / sqrt(variance + (double)call->attributes->window_norm.epsilon);
    return (REAL)(y > clip ? clip : y < -clip ? -clip : y);
}

static void NAME(window_norm)(const pu__call *call, REAL *y) {
    const int32_t *start = call->in[1].data;
    const int64_t features = NAME(dim)(call, 0, 1), window = call->attributes->window_norm.window_bars;
    for (int64_t i = 0; i < pu__count(&call->out[0].shape); ++i) {
        y[i] = NAME(window_value)(call, start[i / (features * window)], i / features % window, i % features);
    }
}

/* The loss of one target, and its slope by the prediction of quantile q, from e = target - prediction. */
static REAL NAME(loss_of)(const pu_attributes *attributes, int q, REAL e) {
    const REAL tau = attributes->loss.quantile[q], delta = attributes->loss.huber_delta;
    switch (attributes->loss.kind) {
    case PU_LOSS_PINBALL: return (e >= 0 ? tau * e : (tau - 1) * e) / (REAL)attributes->loss.quantiles;
    case PU_LOSS_MSE: return e * e;
    case PU_LOSS_HUBER: return FABS(e) <= delta ? e * e / 2 : delta * (FABS(e) - delta / 2);
    }
    return (REAL)NAN;
}

static REAL NAME(loss_slope)(const pu_attributes *attributes, int q, REAL e) {
    const REAL tau = attributes->loss.quantile[q], delta = attributes->loss.huber_delta;
    switch (attributes->loss.kind) {
    case PU_LOSS_PINBALL: return (e >= 0 ? -tau : 1 - tau) / (REAL)attributes->loss.quantiles;
    case PU_LOSS_MSE: return -2 * e;
    case PU_LOSS_HUBER: return e > delta ? -delta : e < -delta ? delta : -e;
    }
    return (REAL)NAN;
}

static void NAME(loss)(const pu__call *call, REAL *const *out) {
    const float *prediction = NAME(in)(call, 0), *target = NAME(in)(call, 1), *weight = NAME(in)(call, 2);
    const int quantiles = call->attributes->loss.quantiles;
    double sum = 0, count = 0;
    for (int64_t i = 0; i < pu__count(&call->in[1].shape); ++i) {
        if (weight[i] == 0) continue;
        REAL own = 0;
        for (int q = 0; q < quantiles; ++q) {
            own += NAME(loss_of)(call->attributes, q, (REAL)target[i] - (REAL)prediction[i * quantiles + q]);
        }
        sum += (double)weight[i] * (double)own;
        count += (double)weight[i];
    }
    out[0][0] = count == 0 ? 0 : (REAL)(sum / count);
    out[1][0] = (REAL)count;
}

static void NAME(loss_grad)(const pu__call *call, REAL *dprediction) {
    const float *prediction = NAME(in)(call, 1), *target = NAME(in)(call, 2), *weight = NAME(in)(call, 3);
    const REAL dloss = NAME(in)(call, 0)[0], count = NAME(in)(call, 4)[0];
    const int quantiles = call->attributes->loss.quantiles;
    for (int64_t i = 0; i < pu__count(&call->in[1].shape); ++i) {
        const REAL w = weight[i / quantiles], e = (REAL)target[i / quantiles] - (REAL)prediction[i];
        dprediction[i] = w == 0 || count == 0
                             ? 0
                             : dloss * w / count * NAME(loss_slope)(call->attributes, (int)(i % quantiles), e);
    }
}

static void NAME(sum_squares)(const pu__call *call, REAL *y) {
    const float *x = NAME(in)(call, 0);
    double sum = 0;
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) sum += (double)x[i] * (double)x[i];
    y[0] = (REAL)sum;
}

static void NAME(adamw)(const pu__call *call, REAL *const *out) {
    const float *param = NAME(in)(call, 0), *grad = NAME(in)(call, 1), *m = NAME(in)(call, 2),
                *v = NAME(in)(call, 3);
    const float *hyper = NAME(in)(call, 5);
    const REAL lr = hyper[0], b1 = hyper[1], b2 = hyper[2], epsilon = hyper[3], decay = hyper[4], clip = hyper[5];
    const REAL norm = SQRT((REAL)NAME(in)(call, 4)[0]);
    const int skipped = !isfinite(norm);
    const REAL factor = skipped ? 0 : clip > 0 && norm > clip ? clip / norm : 1;
    const REAL stats[] = {norm, factor, (REAL)skipped, 0};
    for (int i = 0; i < 4; ++i) out[3][i] = stats[i];
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) {
        if (skipped) {
            out[0][i] = param[i];
            out[1][i] = m[i];
            out[2][i] = v[i];
            continue;
        }
        const REAL g = factor * grad[i];
        const REAL new_m = b1 * m[i] + (1 - b1) * g, new_v = b2 * v[i] + (1 - b2) * g * g;
        const REAL kept = i < call->attributes->adamw.decay_count ? param[i] * (1 - lr * decay) : (REAL)param[i];
        out[0][i] = kept - lr * (new_m / hyper[6]) / (SQRT(new_v / hyper[7]) + epsilon);
        out[1][i] = new_m;
        out[2][i] = new_v;
    }
}

static void NAME(evaluate)(const pu__call *call, REAL *const *out) {
    switch (call->op) {
    case PU_OP_GEMM: NAME(gemm)(call, out[0], call->out_count > 1 ? out[1] : NULL); break;
    case PU_OP_ACT:
    case PU_OP_ACT_GRAD:
    case PU_OP_ADD:
    case PU_OP_MUL:
    case PU_OP_AFFINE: NAME(elementwise)(call, out[0]); break;
    case PU_OP_SUM_LEADING: NAME(sum_leading)(call, out[0]); break;
    case PU_OP_GLU: NAME(glu)(call, out[0]); break;
    case PU_OP_GLU_GRAD: NAME(glu_grad)(call, out[0]); break;
    case PU_OP_LAYER_NORM: NAME(layer_norm)(call, out); break;
    case PU_OP_LAYER_NORM_GRAD: NAME(layer_norm_grad)(call, out); break;
    case PU_OP_ADD_LAYER_NORM: NAME(add_layer_norm)(call, out); break;
    case PU_OP_ADD_LAYER_NORM_GRAD: NAME(add_layer_norm_grad)(call, out); break;
    case PU_OP_DROPOUT: NAME(dropout)(call, out[0]); break;
    case PU_OP_SOFTMAX: NAME(softmax)(call, out[0]); break;
    case PU_OP_SOFTMAX_GRAD: NAME(softmax_grad)(call, out[0]); break;
    case PU_OP_ATTENTION:
    case PU_OP_CROSS_ATTENTION: NAME(attention)(call, out); break;
    case PU_OP_ATTENTION_GRAD:
    case PU_OP_CROSS_ATTENTION_GRAD: NAME(attention_grad)(call, out); break;
    case PU_OP_CONV: NAME(conv)(call, out); break;
    case PU_OP_CONV_GRAD: NAME(conv_grad)(call, out); break;
    case PU_OP_CONV_DENSE: NAME(conv_dense)(call, out); break;
    case PU_OP_CONV_DENSE_GRAD: NAME(conv_dense_grad)(call, out); break;
    case PU_OP_S4: NAME(s4)(call, out[0]); break;
    case PU_OP_S4_GRAD: NAME(s4_grad)(call, out); break;
    case PU_OP_S4_STEP: NAME(s4_step)(call, out); break;
    case PU_OP_SCAN: NAME(scan)(call, out[0]); break;
    case PU_OP_SCAN_GRAD: NAME(scan_grad)(call, out); break;
    case PU_OP_WINDOW_NORM: NAME(window_norm)(call, out[0]); break;
    case PU_OP_LOSS: NAME(loss)(call, out); break;
    case PU_OP_LOSS_GRAD: NAME(loss_grad)(call, out[0]); break;
    case PU_OP_PNL: NAME(pnl)(call, out); break;
    case PU_OP_PNL_GRAD: NAME(pnl_grad)(call, out); break;
    case PU_OP_SUM_SQUARES: NAME(sum_squares)(call, out[0]); break;
    case PU_OP_ADAMW: NAME(adamw)(call, out); break;
    case PU_OP_COUNT: break;
    }
}
