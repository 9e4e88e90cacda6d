/* Forward: for every window and head, tiles of TILE_ROWS queries. A tile's scores against all keys it sees stay in
 * the level-1 cache between their product with K, the softmax and the product with V. */
#include "kernels/attention/attention_cpu.h"

typedef struct forward {
    pu__heads heads;
    float *angles, *scratch;
    int64_t scratch_count; /* floats per worker */
} forward;

/* One worker's copies of one head. */
typedef struct head {
    float *k, *k_transposed, *v; /* [key_rows][padded], [padded][key_rows], [key_rows][padded] */
    float *scores;               /* [TILE_ROWS][key_rows] */
    int64_t next;                /* elements to the head that this worker takes next; 0 if that is not known */
    int64_t finite_keys;         /* the first key whose v is not finite, else the number of keys */
} head;

static int64_t scratch_count(const pu__heads *h) {
    return pu__round_up(3 * h->key_rows * h->padded + PU__TILE_ROWS * h->key_rows, 64);
}

size_t pu__attention_workspace_cpu(const pu__call *call) {
    const pu__heads h = pu__heads_of(call, 0);
    const int64_t workers = pu_pool_threads(call->pool);
    return (size_t)(pu__angle_count(&h) + workers * scratch_count(&h)) * sizeof(float);
}

/* The first key with a value that is not finite, else the number of keys: 0 * x is 0 only for a finite x. */
static int64_t finite_keys(const float *packed, const pu__heads *h) {
    pu__vec zero = {0};
    for (int64_t i = 0; i < h->of.keys * h->padded; i += PU__LANES) zero += 0.0f * pu__load(packed + i);
    if (pu__sum_lanes(zero) == 0.0f) return h->of.keys;
    int64_t u = 0;
    while (isfinite(pu__sum(packed + u * h->padded, h->padded) * 0.0f)) u += 1;
    return u;
}

static void pack_head(const forward *f, const float *k, const float *v, head *to) {
    const pu__heads *h = &f->heads;
    for (int64_t u = 0; u < h->of.keys; ++u, k += h->of.kv_stride, v += h->of.kv_stride) {
        float *restrict row = to->v + u * h->padded;
        pu__fetch(k, h->of.kv_stride, h->of.size, to->next);
        pu__fetch(v, h->of.kv_stride, h->of.size, to->next);
        pu__turn(to->k + u * h->padded, k, f->angles, h, u, 1.0f, 1.0f);
        for (int64_t d = 0; d < h->of.size; ++d) row[d] = v[d];
        pu__round_row(to->k + u * h->padded, h->of.size, h->of.precision);
        pu__round_row(row, h->of.size, h->of.precision);
    }
    pu__transpose_head(to->k_transposed, to->k, h);
    to->finite_keys = finite_keys(to->v, h);
}

/* Scores over [begin, end) to exp(score - top) for the keys [first, last) that the query sees, 0 elsewhere. Returns
 * their sum. `begin` is a multiple of the vector width and whole vectors are worked on, up to the one that holds the
 * last key: the order of the sum does not depend on the number of bars. */
static float exponentials(float *restrict scores, int64_t begin, int64_t first, int64_t last, int64_t end,
                          float *top_out) {
    pu__vec most = pu__splat(-INFINITY), sum = {0};
    int64_t u = begin;
    for (; u < last; u += PU__LANES) {
        pu__vec score = pu__load(scores + u);
        if (u < first || u + PU__LANES > last) {
            score = pu__select(pu__lanes_within(first - u, last - u), score, pu__splat(-INFINITY));
            pu__store(scores + u, score);
        }
        most = pu__greater(score, most);
    }
    for (; u < end; u += PU__LANES) pu__store(scores + u, (pu__vec){0});
    const float top = pu__max_lanes(most);
    for (u = begin; u < last; u += PU__LANES) {
        for (int j = 0; j < PU__LANES; ++j) scores[u + j] = pu__exp(scores[u + j] - top);
        sum += pu__load(scores + u);
    }
    *top_out = top;
    return pu__sum_lanes(sum);
}

/* The product with V row by row, only over the keys [first, last) that are seen: a zero times another's NaN must not
 * reach the query. */
static void weigh_row(float *restrict y, const float *p, const float *v, int64_t padded, int64_t first,
                      int64_t last) {
    for (int64_t d = 0; d < padded; ++d) y[d] = 0.0f;
    for (int64_t u = first; u < last; ++u) {
        const pu__vec weight = pu__splat(p[u]);
        for (int64_t d = 0; d < padded; d += PU__LANES) {
            pu__store(y + d, pu__multiply_add(weight, pu__load(v + u * padded + d), pu__load(y + d)));
        }
    }
}

static void attend_tile(const forward *f, const head *s, const float *qs, float *y, float *lse, int64_t t0) {
    const pu__heads *h = &f->heads;
    const int64_t rows = h->of.queries - t0 < PU__TILE_ROWS ? h->of.queries - t0 : PU__TILE_ROWS;
    const int64_t begin = pu__first_seen(h, t0) / PU__PANEL * PU__PANEL, end = pu__end_seen(h, t0 + rows - 1);
    float q[PU__TILE_ROWS * PU__HEAD_MAX], out[PU__TILE_ROWS * PU__HEAD_MAX], scale[PU__TILE_ROWS];
    memset(q + rows * h->padded, 0, (size_t)((PU__TILE_ROWS - rows) * h->padded) * sizeof *q);
    for (int64_t r = 0; r < rows; ++r) {
        const float *row = qs + (t0 + r) * h->of.q_stride;
        pu__fetch(row, h->of.q_stride, h->of.size, s->next);
        pu__fetch_to_write(y + (t0 + r) * h->width, h->width, h->of.size, s->next);
        pu__pack_query(h, f->angles, row, t0 + r, q + r * h->padded);
    }
    pu__tile scores = {.a = q,
                       .a_row = h->padded,
                       .a_col = 1,
                       .b = s->k_transposed + begin,
                       .b_row = h->key_rows,
                       .k = h->of.size};
    scores.c = s->scores + begin;
    scores.c_row = h->key_rows;
    pu__tile_wide(scores, pu__round_up(end - begin, PU__LANES), 0);
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t t = t0 + r;
        float *row = s->scores + r * h->key_rows, top;
        const float sum = exponentials(row, begin, pu__first_seen(h, t), pu__end_seen(h, t), end, &top);
        pu__round_row(row + begin, end - begin, h->of.precision);
        scale[r] = 1.0f / sum;
        lse[t] = top + logf(sum);
    }
    pu__tile weigh = {.a = s->scores + begin,
                      .a_row = h->key_rows,
                      .a_col = 1,
                      .b = s->v + begin * h->padded,
                      .b_row = h->padded};
    weigh.k = end - begin;
    weigh.c = out;
    weigh.c_row = h->padded;
    pu__tile_wide(weigh, h->padded, 0);
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t t = t0 + r;
        float *restrict to = y + t * h->width, *restrict from = out + r * h->padded;
        if (end > s->finite_keys)
            weigh_row(from, s->scores + r * h->key_rows, s->v, h->padded, pu__first_seen(h, t),
                      pu__end_seen(h, t));
        for (int64_t d = 0; d < h->of.size; ++d) to[d] = from[d] * scale[r];
    }
}

static void attend_heads(void *context, int64_t begin, int64_t end, int worker) {
    const forward *f = context;
    const pu__heads *h = &f->heads;
    const pu__attention *of = &h->of;
    head s = {.k = f->scratch + worker * f->scratch_count};
    s.v = s.k + h->key_rows * h->padded;
    s.k_transposed = s.v + h->key_rows * h->padded;
    s.scores = s.k_transposed + h->padded * h->key_rows;
    pu__clear_padding(s.k, h, of->keys, h->key_rows);
    pu__clear_padding(s.v, h, of->keys, h->key_rows);
    for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / of->heads, first = task % of->heads * of->size;
        const int64_t kv = b * of->keys * of->kv_stride + first;
        const float *q = of->q + b * of->queries * of->q_stride + first;
        s.next = task + 1 < end ? of->size : 0;
        pu__fetch_first(of->k + kv, of->kv_stride, of->size);
        pu__fetch_first(of->v + kv, of->kv_stride, of->size);
        pu__fetch_first(q, of->q_stride, of->size);
        pack_head(f, of->k + kv, of->v + kv, &s);
        float *y = of->y_out + b * of->queries * h->width + first, *lse = of->lse_out + task * of->queries;
        for (int64_t t0 = 0; t0 < of->queries; t0 += PU__TILE_ROWS) attend_tile(f, &s, q, y, lse, t0);
    }
}

pu_status pu__attention_cpu(const pu__call *call) {
    if (pu__count(&call->out[0].shape) == 0) return PU_OK;
    forward f = {.heads = pu__heads_of(call, 0), .angles = call->workspace};
    f.scratch = f.angles + pu__angle_count(&f.heads);
    f.scratch_count = scratch_count(&f.heads);
    pu__angles_fill(&f.heads, call->pool, f.angles);
    pu_parallel_for(call->pool, f.heads.of.batch * f.heads.of.heads, pu__head_grain(&f.heads), attend_heads, &f);
    return PU_OK;
}

pu_status pu__cross_attention_cpu(const pu__call *call) { return pu__attention_cpu(call); }
