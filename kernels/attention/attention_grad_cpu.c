/* Backward: for every window and head, blocks of queries against blocks of keys. Scores and probabilities are
 * recomputed from lse; the five products of a block read them from cache. Sums over queries (dk, dv) and over keys
 * (dq) run in ascending order. */
#include "kernels/attention/attention_cpu.h"

/* Multiples of the tile's rows and of the panel for every width of vector. */
enum { QUERIES = 48, KEYS = 192 };

typedef struct backward {
    const pu__call *call;
    pu__heads heads;
    int64_t rows; /* bars rounded up so that every tile of rows and of keys lies inside */
    float *angles, *scratch;
    int64_t scratch_count;
} backward;

/* One worker's copies of one head: [rows][padded], transposed [padded][keys], [rows], and a block of scores. q is
 * turned and scaled, k turned. */
typedef struct head {
    float *q, *k, *v, *dy, *dq, *dk, *dv;
    float *k_transposed, *v_transposed, *delta;
    float *p, *ds; /* [QUERIES][KEYS] */
    const float *lse;
} head;

static int64_t padded_rows(const pu__heads *h) { return pu__round_up(h->bars, QUERIES) + PU__PANEL; }

static int64_t scratch_count(const pu__heads *h) {
    const int64_t rows = padded_rows(h);
    return pu__round_up(7 * rows * h->padded + 2 * h->padded * h->keys + rows + 2 * QUERIES * KEYS, 64);
}

size_t pu__attention_grad_workspace_cpu(const pu__call *call) {
    const pu__heads h = pu__heads_of(call, &call->in[1].shape);
    const int64_t workers = pu_pool_threads(call->pool);
    return (size_t)(pu__round_up(pu__heads_angle_count(&h), 64) + workers * scratch_count(&h)) * sizeof(float);
}

static head head_in(const backward *f, float *scratch) {
    const int64_t block = f->rows * f->heads.padded, transposed = f->heads.padded * f->heads.keys;
    head s = {.q = scratch,
              .k = scratch + block,
              .v = scratch + 2 * block,
              .dy = scratch + 3 * block,
              .dq = scratch + 4 * block};
    s.dk = scratch + 5 * block;
    s.dv = scratch + 6 * block;
    s.k_transposed = scratch + 7 * block;
    s.v_transposed = s.k_transposed + transposed;
    s.delta = s.v_transposed + transposed;
    s.p = s.delta + f->rows;
    s.ds = s.p + QUERIES * KEYS;
    return s;
}

/* Short rows: a loop in place beats a call of memcpy. */
static inline void copy(float *restrict to, const float *restrict from, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

static void pack_head(const backward *f, int64_t b, int64_t first, head *s) {
    const pu__heads *h = &f->heads;
    const float *qkv = (const float *)f->call->in[1].data + b * h->bars * 3 * h->width + first;
    const int64_t at = b * h->bars * h->width + first;
    const float *dy = (const float *)f->call->in[0].data + at, *y = (const float *)f->call->in[2].data + at;
    for (int64_t t = 0; t < h->bars; ++t, qkv += 3 * h->width, dy += h->width, y += h->width) {
        const int64_t row = t * h->padded;
        pu__turn(s->q + row, qkv, f->angles, h, t, h->scale, 1.0f);
        pu__turn(s->k + row, qkv + h->width, f->angles, h, t, 1.0f, 1.0f);
        copy(s->v + row, qkv + 2 * h->width, h->size);
        copy(s->dy + row, dy, h->size);
        s->delta[t] = pu__dot(dy, y, h->size);
    }
    pu__transpose_head(s->k_transposed, s->k, h);
    pu__transpose_head(s->v_transposed, s->v, h);
    memset(s->dq, 0, (size_t)(3 * f->rows * h->padded) * sizeof *s->dq);
}

/* p = exp(score - lse) and ds = p (dp - delta) over the keys of [k0, k0 + width) that t sees, 0 elsewhere. */
static void probabilities(const backward *f, const head *s, int64_t t, int64_t k0, int64_t width,
                          float *restrict p, float *restrict ds) {
    const int64_t seen = pu__first_seen(&f->heads, t) - k0, begin = seen < 0 ? 0 : seen < width ? seen : width;
    const int64_t last = t < f->heads.bars ? t + 1 - k0 : 0,
                  stop = last < 0       ? 0
                         : last < width ? last
                                        : width,
                  end = stop > begin ? stop : begin;
    const float lse = s->lse[t < f->heads.bars ? t : 0], delta = s->delta[t];
    for (int64_t u = begin / PU__LANES * PU__LANES; u < end; u += PU__LANES) {
        for (int j = 0; j < PU__LANES; ++j) {
            p[u + j] = pu__exp(p[u + j] - lse);
            ds[u + j] = p[u + j] * (ds[u + j] - delta);
        }
    }
    for (int64_t u = 0; u < begin; ++u) p[u] = ds[u] = 0.0f;
    for (int64_t u = end; u < width; ++u) p[u] = ds[u] = 0.0f;
}

PU__TILE_FUNCTION(tile_columns, PU__TILE_ROWS, 2, 0)
PU__TILE_FUNCTION(tile_columns_narrow, PU__TILE_ROWS, 1, 0)

/* out[u0 ..][padded] += transposed(weights[.., u0 - k0 ..]) in, over `rows` queries. */
static void add_transposed(const pu__heads *h, float *out, const float *weights, const float *in, int64_t rows) {
    pu__tile t = {.a = weights,
                  .a_row = 1,
                  .a_col = KEYS,
                  .b = in,
                  .b_row = h->padded,
                  .k = rows,
                  .c = out,
                  .c_row = h->padded};
    for (int64_t n = 0; n < h->padded; n += PU__PANEL, t.b += PU__PANEL, t.c += PU__PANEL) {
        if (n + PU__PANEL <= h->padded) {
            tile_columns(&t, 1);
        } else {
            tile_columns_narrow(&t, 1);
        }
    }
}

/* Queries t0 .. t0 + QUERIES against keys k0 .. k0 + KEYS, as far as they are seen. */
static void block(const backward *f, const head *s, int64_t t0, int64_t k0) {
    const pu__heads *h = &f->heads;
    const int64_t queries = h->bars - t0 < QUERIES ? h->bars - t0 : QUERIES;
    const int64_t seen = t0 + queries - k0 < KEYS ? t0 + queries - k0 : KEYS,
                  width = pu__round_up(seen, PU__TILE_ROWS);
    for (int64_t r = 0; r < queries; r += PU__TILE_ROWS) {
        const int64_t t = t0 + r, reach = t + PU__TILE_ROWS - k0,
                      keys = reach < 0      ? 0
                             : reach < seen ? reach
                                            : seen;
        float *p = s->p + r * KEYS, *ds = s->ds + r * KEYS;
        pu__tile tile = {.a = s->q + t * h->padded,
                         .a_row = h->padded,
                         .a_col = 1,
                         .b = s->k_transposed + k0,
                         .b_row = h->keys};
        tile.k = h->size;
        tile.c = p;
        tile.c_row = KEYS;
        pu__tile_wide(tile, pu__round_up(keys, PU__LANES), 0);
        tile.a = s->dy + t * h->padded;
        tile.b = s->v_transposed + k0;
        tile.c = ds;
        pu__tile_wide(tile, pu__round_up(keys, PU__LANES), 0);
        for (int64_t i = 0; i < PU__TILE_ROWS; ++i)
            probabilities(f, s, t + i, k0, width, p + i * KEYS, ds + i * KEYS);
        pu__tile dq = {
            .a = ds, .a_row = KEYS, .a_col = 1, .b = s->k + k0 * h->padded, .b_row = h->padded, .k = keys};
        dq.c = s->dq + t * h->padded;
        dq.c_row = h->padded;
        pu__tile_wide(dq, h->padded, 1);
    }
    const int64_t rows = pu__round_up(queries, PU__TILE_ROWS);
    for (int64_t u = 0; u < width; u += PU__TILE_ROWS) {
        const int64_t late = k0 + u - t0,
                      skip = late > 0 ? late / PU__TILE_ROWS * PU__TILE_ROWS : 0; /* queries before key u */
        const int64_t from = (t0 + skip) * h->padded, to = (k0 + u) * h->padded, at = skip * KEYS + u;
        add_transposed(h, s->dv + to, s->p + at, s->dy + from, rows - skip);
        add_transposed(h, s->dk + to, s->ds + at, s->q + from, rows - skip);
    }
}

static void write_head(const backward *f, const head *s, float *dqkv) {
    const pu__heads *h = &f->heads;
    for (int64_t t = 0; t < h->bars; ++t, dqkv += 3 * h->width) {
        const int64_t row = t * h->padded;
        pu__turn(dqkv, s->dq + row, f->angles, h, t, h->scale, -1.0f);
        pu__turn(dqkv + h->width, s->dk + row, f->angles, h, t, 1.0f, -1.0f);
        copy(dqkv + 2 * h->width, s->dv + row, h->size);
    }
}

static void grad_heads(void *context, int64_t begin, int64_t end, int worker) {
    const backward *f = context;
    const pu__heads *h = &f->heads;
    head s = head_in(f, f->scratch + worker * f->scratch_count);
    float *const packed[] = {s.q, s.k, s.v, s.dy};
    for (int i = 0; i < 4; ++i) pu__clear_padding(packed[i], h, f->rows);
    for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / h->count, first = task % h->count * h->size;
        s.lse = (const float *)f->call->in[3].data + task * h->bars;
        pack_head(f, b, first, &s);
        for (int64_t t0 = 0; t0 < h->bars; t0 += QUERIES) {
            for (int64_t k0 = pu__first_seen(h, t0) / KEYS * KEYS; k0 < t0 + QUERIES && k0 < h->bars; k0 += KEYS)
                block(f, &s, t0, k0);
        }
        write_head(f, &s, (float *)f->call->out[0].data + b * h->bars * 3 * h->width + first);
    }
}

pu_status pu__attention_grad_cpu(const pu__call *call) {
    backward f = {.call = call, .heads = pu__heads_of(call, &call->in[1].shape), .angles = call->workspace};
    f.rows = padded_rows(&f.heads);
    f.scratch = f.angles + pu__round_up(pu__heads_angle_count(&f.heads), 64);
    f.scratch_count = scratch_count(&f.heads);
    pu__angles_fill(&f.heads, call->pool, f.angles);
    pu_parallel_for(call->pool, f.heads.batch * f.heads.count, 1, grad_heads, &f);
    return PU_OK;
}
