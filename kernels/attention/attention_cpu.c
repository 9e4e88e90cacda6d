/* Forward: for every window and head, tiles of TILE_ROWS queries. A tile's scores against all keys it sees stay in
 * the level-1 cache between their product with K, the softmax and the product with V. */
#include "kernels/attention/attention_cpu.h"

typedef struct forward {
    const pu__call *call;
    pu__heads heads;
    float *angles, *scratch;
    int64_t scratch_count; /* floats per worker */
} forward;

/* One worker's copies of one head. */
typedef struct head {
    float *k, *k_transposed, *v; /* [keys][padded], [padded][keys], [keys][padded] */
    float *scores;               /* [TILE_ROWS][keys] */
    int64_t finite_bars;         /* the first bar whose v is not finite, else the number of bars */
} head;

static int64_t scratch_count(const pu__heads *h) {
    return pu__round_up(3 * h->keys * h->padded + PU__TILE_ROWS * h->keys, 64);
}

size_t pu__attention_workspace_cpu(const pu__call *call) {
    const pu__heads h = pu__heads_of(call, &call->in[0].shape);
    const int64_t workers = pu_pool_threads(call->pool);
    return (size_t)(pu__round_up(pu__heads_angle_count(&h), 64) + workers * scratch_count(&h)) * sizeof(float);
}

/* The first bar with a value that is not finite, else the number of bars: 0 * x is 0 only for a finite x. */
static int64_t finite_bars(const float *packed, const pu__heads *h) {
    pu__vec zero = {0};
    for (int64_t i = 0; i < h->bars * h->padded; i += PU__LANES) zero += 0.0f * pu__load(packed + i);
    if (pu__sum_lanes(zero) == 0.0f) return h->bars;
    int64_t u = 0;
    while (isfinite(pu__sum(packed + u * h->padded, h->padded) * 0.0f)) u += 1;
    return u;
}

static void pack_head(const forward *f, const float *qkv, head *to) {
    const pu__heads *h = &f->heads;
    for (int64_t u = 0; u < h->bars; ++u) {
        const float *k = qkv + u * 3 * h->width + h->width, *restrict v = k + h->width;
        float *restrict row = to->v + u * h->padded;
        pu__turn(to->k + u * h->padded, k, f->angles, h, u, 1.0f, 1.0f);
        for (int64_t d = 0; d < h->size; ++d) row[d] = v[d];
    }
    pu__transpose_head(to->k_transposed, to->k, h);
    to->finite_bars = finite_bars(to->v, h);
}

/* Scores of query t over [begin, end) to exp(score - top), 0 where t does not see. Returns their sum. `begin` is a
 * multiple of the vector width and whole vectors are worked on, up to the one that holds t: the order of the sum
 * does not depend on the number of bars. */
static float exponentials(float *restrict scores, int64_t begin, int64_t first, int64_t t, int64_t end,
                          float *top_out) {
    const int64_t stop = pu__round_up(t + 1, PU__LANES);
    for (int64_t u = begin; u < first; ++u) scores[u] = -INFINITY;
    for (int64_t u = t + 1; u < stop; ++u) scores[u] = -INFINITY;
    const float top = pu__max(scores + begin, stop - begin);
    pu__vec sum = {0};
    for (int64_t u = begin; u < stop; u += PU__LANES) {
        for (int j = 0; j < PU__LANES; ++j) scores[u + j] = pu__exp(scores[u + j] - top);
        sum += pu__load(scores + u);
    }
    for (int64_t u = stop; u < end; ++u) scores[u] = 0.0f;
    *top_out = top;
    return pu__sum_lanes(sum);
}

/* The product with V row by row, only over what t sees: a zero times a later bar's NaN must not reach t. */
static void weigh_row(float *restrict y, const float *p, const float *v, int64_t padded, int64_t first,
                      int64_t t) {
    for (int64_t d = 0; d < padded; ++d) y[d] = 0.0f;
    for (int64_t u = first; u <= t; ++u) {
        const pu__vec weight = pu__splat(p[u]);
        for (int64_t d = 0; d < padded; d += PU__LANES) {
            pu__store(y + d, pu__multiply_add(weight, pu__load(v + u * padded + d), pu__load(y + d)));
        }
    }
}

static void attend_tile(const forward *f, const head *s, const float *qkv, float *y, float *lse, int64_t t0) {
    const pu__heads *h = &f->heads;
    const int64_t rows = h->bars - t0 < PU__TILE_ROWS ? h->bars - t0 : PU__TILE_ROWS;
    const int64_t begin = pu__first_seen(h, t0) / PU__PANEL * PU__PANEL, end = t0 + rows;
    float q[PU__TILE_ROWS * PU__HEAD_MAX], out[PU__TILE_ROWS * PU__HEAD_MAX], scale[PU__TILE_ROWS];
    memset(q + rows * h->padded, 0, (size_t)((PU__TILE_ROWS - rows) * h->padded) * sizeof *q);
    for (int64_t r = 0; r < rows; ++r) {
        pu__turn(q + r * h->padded, qkv + (t0 + r) * 3 * h->width, f->angles, h, t0 + r, h->scale, 1.0f);
    }
    pu__tile scores = {
        .a = q, .a_row = h->padded, .a_col = 1, .b = s->k_transposed + begin, .b_row = h->keys, .k = h->size};
    scores.c = s->scores + begin;
    scores.c_row = h->keys;
    pu__tile_wide(scores, pu__round_up(end - begin, PU__LANES), 0);
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t t = t0 + r;
        float *row = s->scores + r * h->keys, top;
        const float sum = exponentials(row, begin, pu__first_seen(h, t), t, end, &top);
        scale[r] = 1.0f / sum;
        lse[t] = top + logf(sum);
    }
    pu__tile weigh = {
        .a = s->scores + begin, .a_row = h->keys, .a_col = 1, .b = s->v + begin * h->padded, .b_row = h->padded};
    weigh.k = end - begin;
    weigh.c = out;
    weigh.c_row = h->padded;
    pu__tile_wide(weigh, h->padded, 0);
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t t = t0 + r;
        float *restrict to = y + t * h->width, *restrict from = out + r * h->padded;
        if (end > s->finite_bars)
            weigh_row(from, s->scores + r * h->keys, s->v, h->padded, pu__first_seen(h, t), t);
        for (int64_t d = 0; d < h->size; ++d) to[d] = from[d] * scale[r];
    }
}

static void attend_heads(void *context, int64_t begin, int64_t end, int worker) {
    const forward *f = context;
    const pu__heads *h = &f->heads;
    head s = {.k = f->scratch + worker * f->scratch_count};
    s.v = s.k + h->keys * h->padded;
    s.k_transposed = s.v + h->keys * h->padded;
    s.scores = s.k_transposed + h->padded * h->keys;
    pu__clear_padding(s.k, h, h->keys);
    pu__clear_padding(s.v, h, h->keys);
    for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / h->count, first = task % h->count * h->size;
        const float *qkv = (const float *)f->call->in[0].data + b * h->bars * 3 * h->width + first;
        float *y = (float *)f->call->out[0].data + b * h->bars * h->width + first, *lse = f->call->out[1].data;
        pack_head(f, qkv, &s);
        for (int64_t t0 = 0; t0 < h->bars; t0 += PU__TILE_ROWS)
            attend_tile(f, &s, qkv, y, lse + task * h->bars, t0);
    }
}

pu_status pu__attention_cpu(const pu__call *call) {
    forward f = {.call = call, .heads = pu__heads_of(call, &call->in[0].shape), .angles = call->workspace};
    if (!call->workspace) return PU_OK; /* nothing to attend to: a dimension is 0 */
    f.scratch = f.angles + pu__round_up(pu__heads_angle_count(&f.heads), 64);
    f.scratch_count = scratch_count(&f.heads);
    pu__angles_fill(&f.heads, call->pool, f.angles);
    pu_parallel_for(call->pool, f.heads.batch * f.heads.count, 1, attend_heads, &f);
    return PU_OK;
}
