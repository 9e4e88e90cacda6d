/* The operations a model graph is made of: identifiers, shapes, attributes. The full contract of each op (formula,
 * source, slots,
 * workspace, determinism) is kernels/<op>/<op>.h; what each slot holds is summarised here.
 *
 * Notation: N rows, B windows in a batch, T bars in a window, C channels, H heads, D head size. All tensors are
 * float32 except where
 * marked i32 (int32) or u64. Gradients of a value have the value's shape. Every op overwrites its outputs.
 *
 *  op              in                                              out                     attributes
 *  GEMM            a, b, bias[N]?                                  y[M,N], z[M,N]?         gemm: y = act(z), z =
 *  op(a) op(b) + bias;
 *                                                                                          z is written only if a
 *                                                                                          second output exists
 *  ACT             x                                               y                       act.kind
 *  ACT_GRAD        dy, x                                           dx                      act.kind; x is the
 *  pre-activation
 *  ADD             a, b                                            y                       b has a's shape or a
 *  suffix of it (broadcast over
 *                                                                                          leading dimensions)
 *  MUL             a, b                                            y                       the same broadcasting
 *  AFFINE          x                                               y = scale*x + shift     affine
 *  SUM_LEADING     x[..., S]                                       y[S]                    sums over all leading
 *  dimensions; out shape fixed by
 *                                                                                          the caller; a fixed
 *                                                                                          order
 *  GLU             x[N,2C]                                         y[N,C] = a * act(b)     act.kind; a = x[:, :C],
 *  b = x[:, C:]
 *  GLU_GRAD        dy[N,C], x[N,2C]                                dx[N,2C]                act.kind
 *  LAYER_NORM      x[N,C], gain[C], bias[C]                        y, mean[N], rstd[N]     layer_norm.epsilon
 *  LAYER_NORM_GRAD dy, x, gain, mean, rstd                         dx, dgain, dbias        layer_norm.epsilon
 *  ADD_LAYER_NORM  x[N,C], branch[N,C], gain[C], bias[C],  y, sum, mean[N], rstd[N] add_layer_norm; sum = x +
 *                  clock?                                                          dropout(branch), y its LAYER_NORM
 *  ADD_LAYER_NORM_GRAD dy, dsum, sum, gain, mean, rstd,    dx, dgain, dbias,       add_layer_norm
 *                  clock?                                  dbranch?
 *  DROPOUT         x, clock u64[2] = {seed, step}                  y                       dropout.rate,
 *  dropout.tag. Element i is kept iff
 *                                                                                          u >= rate, u from word
 *                                                                                          i%4 of Philox(key =
 *                                                                                          seed,
 *                                                                                          counter_low = i/4,
 *                                                                                          counter_high = tag<<40
 *                                                                                          | step);
 *                                                                                          kept elements are
 *                                                                                          divided by 1 - rate.
 *                                                                                          Its own
 *                                                                                          gradient (applied to
 *                                                                                          dy).
 *  SOFTMAX         x[N,C]                                          y                       over the last dimension
 *  SOFTMAX_GRAD    dy, y                                           dx
 *  ATTENTION       qkv[B,T,3*H*D]                                  y[B,T,H*D], lse[B,H,T]  attention; order in the
 *  last dimension: 3, H, D.
 *                                                                                          scores = rot(q_t).rot(k_s)/sqrt(D), s <= t and
 *                                                                                          t - s < span; lse =
 *                                                                                          log-sum-exp of the
 *                                                                                          scores
 *  ATTENTION_GRAD  dy, qkv, y, lse                                 dqkv                    attention
 *  CROSS_ATTENTION q[B,Tq,H*D], kv[B,Tk,2*H*D]                     y[B,Tq,H*D],            attention; query t stands
 *                                                                  lse[B,H,Tq]             at key bar t + offset
 *  CROSS_ATTENTION_GRAD dy, q, kv, y, lse                          dq, dkv                 attention
 *  CONV            x[B,T,C], w[K,C], bias[C]                       y[B,T,C], z[B,T,C]?     conv; depthwise, causal:
 *                                                                                          y = act(z), z[b,t,c] =
 *                                                                                          bias[c] +
 *                                                                                          sum_k w[k,c] *
 *                                                                                          x[b, t - k*dilation(c),
 *                                                                                          c], zero before the
 *                                                                                          window;
 *                                                                                          dilation(c) =
 *                                                                                          dilation[c / (C /
 *                                                                                          groups)]
 *  CONV_GRAD       dz, x, w                                        dx, dw, dbias           conv; dz: of the
 *                                                                                          pre-activation
 *  CONV_DENSE      x[B,T,I], w[K,I,O], bias[O]                     y[B,T,O], z[B,T,O]?     conv, one group; causal:
 *                                                                                          y = act(z), z[b,t] =
 *                                                                                          bias + sum_k
 *                                                                                          x[b, t - k*dilation] w[k]
 *  CONV_DENSE_GRAD dz, x, w                                        dx, dw, dbias           conv
 *  S4              u[B,T,C], log_step[C], rate[N,C],               y[B,T,C]                s4; diagonal state space,
 *                  frequency[N,C], weight[2N,C], skip[C]                                   N complex states a channel
 *  S4_GRAD         dy, u, log_step, rate, frequency,               du, dlog_step, drate,   s4
 *                  weight, skip                                    dfrequency, dweight,
 *                                                                  dskip
 *  S4_STEP         u[B,C], state[B,2N,C], log_step, rate,          y[B,C], state           s4; one bar: in[1] before it,
 *                  frequency, weight, skip                                                 out[1] after it
 *  SCAN            a[B,T,C], x[B,T,C]                              h[B,T,C]                h(t) = a(t) h(t-1) + x(t)
 *  SCAN_GRAD       dh, a, h                                        da, dx
 *  WINDOW_NORM     bars[R,F], start i32[B]                         y[B,T,F]                window_norm; causal
 *  normalisation, see the contract
 *  LOSS            prediction[N,H*Q], target[N,H], weight[N,H]     loss[1], count[1]       loss; weighted mean
 *  over rows, horizons (and quantiles)
 *                                                                                          count = sum of weights;
 *                                                                                          loss 0 when count is 0
 *  LOSS_GRAD       dloss[1], prediction, target, weight, count     dprediction             loss
 *  PNL             weight[B,T,A], return[B,T,A], volume[B,T,A]?    net[B,T], equity[B,T],  pnl; the account of a
 *                                                                  paid[B,6]               strategy bar by bar, costs
 *                                                                                          included
 *  PNL_GRAD        dnet, dequity, weight, return, volume?          dweight, dreturn?       pnl
 *  SUM_SQUARES     x                                               y[1]                    fixed order,
 *  accumulated in double
 *  ADAMW           param[P], grad[P], m[P], v[P], sumsq[1],        param, m, v,            adamw. In place:
 *  out[0..2] alias in[0], in[2],
 *                  hyper[8]                                        stats[4]                in[3]. hyper: see the
 *                  contract. A norm that is not
 *                                                                                          finite updates nothing
 *                                                                                          and is counted in stats.
 */
#ifndef PLUSULTRA_OPS_H
#define PLUSULTRA_OPS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name in C, name in listings */
#define PU_OPS(X)                                 \
    X(GEMM, gemm)                                 \
    X(ACT, act)                                   \
    X(ACT_GRAD, act_grad)                         \
    X(ADD, add)                                   \
    X(MUL, mul)                                   \
    X(AFFINE, affine)                             \
    X(SUM_LEADING, sum_leading)                   \
    X(GLU, glu)                                   \
    X(GLU_GRAD, glu_grad)                         \
    X(LAYER_NORM, layer_norm)                     \
    X(LAYER_NORM_GRAD, layer_norm_grad)           \
    X(ADD_LAYER_NORM, add_layer_norm)             \
    X(ADD_LAYER_NORM_GRAD, add_layer_norm_grad)   \
    X(DROPOUT, dropout)                           \
    X(SOFTMAX, softmax)                           \
    X(SOFTMAX_GRAD, softmax_grad)                 \
    X(ATTENTION, attention)                       \
    X(ATTENTION_GRAD, attention_grad)             \
    X(CROSS_ATTENTION, cross_attention)           \
    X(CROSS_ATTENTION_GRAD, cross_attention_grad) \
    X(CONV, conv)                                 \
    X(CONV_GRAD, conv_grad)                       \
    X(CONV_DENSE, conv_dense)                     \
    X(CONV_DENSE_GRAD, conv_dense_grad)           \
    X(S4, s4)                                     \
    X(S4_GRAD, s4_grad)                           \
    X(S4_STEP, s4_step)                           \
    X(SCAN, scan)                                 \
    X(SCAN_GRAD, scan_grad)                       \
    X(WINDOW_NORM, window_norm)                   \
    X(LOSS, loss)                                 \
    X(LOSS_GRAD, loss_grad)                       \
    X(PNL, pnl)                                   \
    X(PNL_GRAD, pnl_grad)                         \
    X(SUM_SQUARES, sum_squares)                   \
    X(ADAMW, adamw)

typedef enum pu_op_id {
#define PU_OP_ENUM(upper, lower) PU_OP_##upper,
    PU_OPS(PU_OP_ENUM)
#undef PU_OP_ENUM
        PU_OP_COUNT
} pu_op_id;

enum { PU_MAX_RANK = 4, PU_MAX_DILATIONS = 8 };

/* rank 0 is a scalar of one element. A dimension may be 0: the op then does nothing (reductions give 0). */
typedef struct pu_shape {
    int rank;
    int64_t dim[PU_MAX_RANK];
} pu_shape;

typedef enum pu_act { PU_ACT_NONE = 0, PU_ACT_RELU, PU_ACT_GELU, PU_ACT_SILU, PU_ACT_SIGMOID, PU_ACT_TANH } pu_act;
/* GELU is the tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks & Gimpel 2016, eq. 2). */

typedef enum pu_loss { PU_LOSS_PINBALL = 0, PU_LOSS_MSE, PU_LOSS_HUBER } pu_loss;

enum { PU_MAX_QUANTILES = 16 };

typedef enum pu_s4_discretisation { PU_S4_ZERO_ORDER_HOLD = 0, PU_S4_BILINEAR } pu_s4_discretisation;
typedef enum pu_s4_form { PU_S4_AUTO = 0, PU_S4_SCAN, PU_S4_CONVOLUTION, PU_S4_BLOCKS } pu_s4_form;

/* Which keys a query sees: those up to its own bar (and, with a span, not older than it), or all. */
typedef enum pu_attention_mask { PU_ATTENTION_CAUSAL = 0, PU_ATTENTION_FULL } pu_attention_mask;

/* What the factors of matrix products are rounded to, to the nearest: f32 as they are, tf32 to 10 bits of mantissa
 * (ties away from zero), bf16 to 7 (ties to even). Sums and all else stay f32. */
typedef enum pu_precision { PU_PRECISION_F32 = 0, PU_PRECISION_TF32, PU_PRECISION_BF16 } pu_precision;

/* What an account pays in PNL; 0 switches a term off. */
typedef struct pu_pnl_rules {
    double half_spread_ratio, slippage_ratio, fee_ratio; /* of the traded notional */
    double
        impact_ratio; /* of the notional, for an order of a whole bar's volume; grows with the root of the share */
    double funding_ratio; /* of borrowed cash, per bar */
    double borrow_ratio;  /* of the value sold short, per bar */
    int latency_bars;     /* from a weight's decision to its fill, in the asset's own bars */
} pu_pnl_rules;
enum { PU_PNL_LATENCY_MAX = 1000 };

/* Columns of PNL's third output: sums over the window, in units of the starting equity. */
typedef enum pu_pnl_paid {
    PU_PNL_SPREAD = 0,
    PU_PNL_SLIPPAGE,
    PU_PNL_FEE,
    PU_PNL_IMPACT,
    PU_PNL_CARRY,  /* funding and borrowing */
    PU_PNL_TRADED, /* absolute notional */
    PU_PNL_PAID_COUNT
} pu_pnl_paid;

typedef union pu_attributes {
    struct {
        int transpose_a, transpose_b; /* a is [K,M] / b is [N,K] when set */
        pu_act act;
        pu_precision precision;
    } gemm;
    struct {
        pu_act kind;
    } act;
    struct {
        float scale, shift;
    } affine;
    struct {
        float epsilon;
    } layer_norm;
    struct {
        float epsilon;
        float rate; /* of the branch's dropout, and its tag */
        uint32_t tag;
    } add_layer_norm;
    struct {
        float rate;
        uint32_t tag; /* distinct for every dropout in a graph, below 2^24 */
    } dropout;
    struct {
        int heads;
        int span; /* bars a query sees, itself included; 0: all of the past */
        float
            rotary_base; /* pairs (2i, 2i+1) turn by t * base^(-2i/D) (RoFormer, eq. 34); 0: no rotary positions */
        pu_attention_mask mask;
        int offset; /* cross-attention: the key bar at which query 0 stands, at least 0 */
        pu_precision precision;
    } attention;
    struct {
        int kernel_bars; /* K */
        int groups;      /* C is divisible by it; 1 for CONV_DENSE */
        int dilation[PU_MAX_DILATIONS];
        pu_act act;
    } conv;
    struct {
        pu_s4_discretisation discretisation;
        pu_s4_form form; /* AUTO: what is faster for T and N, see kernels/s4/s4.h */
    } s4;
    struct {
        int window_bars; /* T */
        int warmup_bars; /* bars before the first output that only feed the statistics */
        float clip;      /* outputs lie in [-clip, clip] */
        float epsilon;
    } window_norm;
    struct {
        pu_loss kind;
        int horizons;  /* H */
        int quantiles; /* Q; 1 for MSE and Huber */
        float quantile[PU_MAX_QUANTILES];
        float huber_delta;
    } loss;
    pu_pnl_rules pnl;
    struct {
        int64_t decay_count; /* the first decay_count parameters decay, the rest (gains, biases) do not */
    } adamw;
} pu_attributes;

/* "gemm", ...; null when out of range. */
const char *pu_op_name(pu_op_id op);

#ifdef __cplusplus
}
#endif
#endif
