/* Attention of the reference, part of op_reference_body.h. Every score is formed by itself, over the keys that a query
 * sees by the contract's words. At REAL = float the factors of products are rounded as the case's precision says: the
 * plain version that a kernel of the same precision is measured against. At double nothing is rounded. */

static REAL NAME(rounded)(const pu__call *call, REAL x) {
    return NAME(rounded_to)(call->attributes->attention.precision, x);
}

/* The rotated query or key at a position; `sign` -1 turns back. Angles are in double: the contract asks for full
 * accuracy. */
static void NAME(rotate)(const pu__call *call, int64_t position, int64_t size, const REAL *x, REAL sign, REAL *y) {
    const double base = (double)call->attributes->attention.rotary_base;
    for (int64_t i = 0; i < size; i += 2) {
        const double angle = base > 0 ? (double)position * pow(base, -(double)i / (double)size) : 0.0;
        const REAL c = (REAL)cos(angle), s = sign * (REAL)sin(angle);
        y[i] = x[i] * c - x[i + 1] * s;
        y[i + 1] = x[i] * s + x[i + 1] * c;
    }
}

typedef struct NAME(heads) {
    int64_t batch, heads, size, queries, keys, q_row, kv_row; /* floats in a row */
    int64_t k_part, v_part;                                   /* where in a row of kv they begin */
    const float *q_in, *kv_in;
    REAL *q, *k, *v; /* one head of one window: [queries or keys, size], q and k rotated */
    REAL *score;     /* [keys] */
} NAME(heads);

/* `first`: the slot of qkv, or of q before kv. */
static NAME(heads) NAME(heads_new)(const pu__call *call, int first) {
    const bool cross = call->op == PU_OP_CROSS_ATTENTION || call->op == PU_OP_CROSS_ATTENTION_GRAD;
    const pu_shape *q = &call->in[first].shape, *kv = &call->in[first + cross].shape;
    NAME(heads) a = {.batch = q->dim[0], .heads = call->attributes->attention.heads};
    a.queries = q->dim[1];
    a.keys = kv->dim[1];
    a.q_row = q->dim[2];
    a.kv_row = kv->dim[2];
    a.k_part = cross ? 0 : a.q_row / 3;
    a.v_part = cross ? a.q_row : 2 * (a.q_row / 3);
    a.size = (cross ? a.q_row : a.q_row / 3) / a.heads;
    a.q_in = NAME(in)(call, first);
    a.kv_in = NAME(in)(call, first + cross);
    a.q = calloc((size_t)((a.queries + 2 * a.keys) * a.size + a.keys + 1), sizeof(REAL));
    if (!a.q) abort();
    a.k = a.q + a.queries * a.size;
    a.v = a.k + a.keys * a.size;
    a.score = a.v + a.keys * a.size;
    return a;
}

static void NAME(heads_load)(const pu__call *call, NAME(heads) * a, int64_t b, int64_t h) {
    REAL raw[128], *v = a->v;
    for (int64_t t = 0; t < a->queries; ++t) {
        const float *x = a->q_in + (b * a->queries + t) * a->q_row + h * a->size;
        for (int64_t d = 0; d < a->size; ++d) raw[d] = x[d];
        NAME(rotate)(call, t + call->attributes->attention.offset, a->size, raw, 1, a->q + t * a->size);
    }
    for (int64_t u = 0; u < a->keys; ++u) {
        const float *x = a->kv_in + (b * a->keys + u) * a->kv_row + h * a->size;
        for (int64_t d = 0; d < a->size; ++d) raw[d] = x[a->k_part + d];
        NAME(rotate)(call, u, a->size, raw, 1, a->k + u * a->size);
        for (int64_t d = 0; d < a->size; ++d) *v++ = NAME(rounded)(call, (REAL)x[a->v_part + d]);
    }
    for (int64_t i = 0; i < (a->queries + a->keys) * a->size; ++i) a->q[i] = NAME(rounded)(call, a->q[i]);
}

static bool NAME(sees)(const pu__call *call, int64_t t, int64_t u) {
    const int64_t span = call->attributes->attention.span, back = t + call->attributes->attention.offset - u;
    if (call->attributes->attention.mask == PU_ATTENTION_FULL) return true;
    return back >= 0 && (span == 0 || back < span);
}

static REAL NAME(score)(const NAME(heads) * a, int64_t t, int64_t u) {
    REAL sum = 0;
    for (int64_t d = 0; d < a->size; ++d) sum += a->q[t * a->size + d] * a->k[u * a->size + d];
    return sum / SQRT((REAL)a->size);
}

static void NAME(attention)(const pu__call *call, REAL *const *out) {
    NAME(heads) a = NAME(heads_new)(call, 0);
    for (int64_t bh = 0; bh < a.batch * a.heads; ++bh) {
        const int64_t b = bh / a.heads, h = bh % a.heads;
        NAME(heads_load)(call, &a, b, h);
        for (int64_t t = 0; t < a.queries; ++t) {
            REAL top = -(REAL)INFINITY, sum = 0;
            for (int64_t u = 0; u < a.keys; ++u) {
                if (!NAME(sees)(call, t, u)) continue;
                a.score[u] = NAME(score)(&a, t, u);
                top = a.score[u] > top ? a.score[u] : top;
            }
            REAL *y = out[0] + (b * a.queries + t) * a.heads * a.size + h * a.size;
            for (int64_t d = 0; d < a.size; ++d) y[d] = 0;
            for (int64_t u = 0; u < a.keys; ++u) {
                if (!NAME(sees)(call, t, u)) continue;
                const REAL weight = EXP(a.score[u] - top), p = NAME(rounded)(call, weight);
                sum += weight;
                for (int64_t d = 0; d < a.size; ++d) y[d] += p * a.v[u * a.size + d];
            }
            for (int64_t d = 0; d < a.size; ++d) y[d] /= sum;
            out[1][bh * a.queries + t] = top + LOG(sum);
        }
    }
    free(a.q);
}

static void NAME(attention_grad_head)(const pu__call *call, NAME(heads) * a, int64_t b, int64_t h, REAL *dq,
                                      REAL *dk, REAL *dv) {
    const int slot = call->in_count - 2; /* of y */
    const int64_t size = a->size, row = a->heads * size;
    REAL dy[128];
    for (int64_t i = 0; i < a->queries * size; ++i) dq[i] = 0;
    for (int64_t i = 0; i < a->keys * size; ++i) dk[i] = dv[i] = 0;
    for (int64_t t = 0; t < a->queries; ++t) {
        const int64_t at = (b * a->queries + t) * row + h * size;
        const float *y = NAME(in)(call, slot) + at;
        const REAL lse = NAME(in)(call, slot + 1)[(b * a->heads + h) * a->queries + t];
        REAL delta = 0;
        for (int64_t d = 0; d < size; ++d) {
            const REAL given = NAME(in)(call, 0)[at + d];
            delta += given * (REAL)y[d];
            dy[d] = NAME(rounded)(call, given);
        }
        for (int64_t u = 0; u < a->keys; ++u) {
            if (!NAME(sees)(call, t, u)) continue;
            const REAL p = EXP(NAME(score)(a, t, u) - lse), weight = NAME(rounded)(call, p);
            REAL dp = 0;
            for (int64_t d = 0; d < size; ++d) dp += dy[d] * a->v[u * size + d];
            const REAL ds = NAME(rounded)(call, p * (dp - delta)) / SQRT((REAL)size);
            for (int64_t d = 0; d < size; ++d) {
                dq[t * size + d] += ds * a->k[u * size + d];
                dk[u * size + d] += ds * a->q[t * size + d];
                dv[u * size + d] += weight * dy[d];
            }
        }
    }
}

static void NAME(attention_grad)(const pu__call *call, REAL *const *out) {
    NAME(heads) a = NAME(heads_new)(call, 1);
    REAL *dq = calloc((size_t)((a.queries + 2 * a.keys) * a.size + 1), sizeof(REAL));
    if (!dq) abort();
    REAL *const dk = dq + a.queries * a.size, *const dv = dk + a.keys * a.size;
    REAL *const to_q = out[0], *const to_kv = out[call->out_count - 1];
    for (int64_t bh = 0; bh < a.batch * a.heads; ++bh) {
        const int64_t b = bh / a.heads, h = bh % a.heads;
        NAME(heads_load)(call, &a, b, h);
        NAME(attention_grad_head)(call, &a, b, h, dq, dk, dv);
        for (int64_t t = 0; t < a.queries; ++t) {
            NAME(rotate)
            (call, t + call->attributes->attention.offset, a.size, dq + t * a.size, -1,
             to_q + (b * a.queries + t) * a.q_row + h * a.size);
        }
        for (int64_t u = 0; u < a.keys; ++u) {
            REAL *const to = to_kv + (b * a.keys + u) * a.kv_row + h * a.size;
            NAME(rotate)(call, u, a.size, dk + u * a.size, -1, to + a.k_part);
            memcpy(to + a.v_part, dv + u * a.size, (size_t)a.size * sizeof(REAL));
        }
    }
    free(dq);
    free(a.q);
}
