/* Backward: for every window and head, blocks of queries against blocks of keys. Scores and probabilities are
 * recomputed from lse; the five products of a block read them from cache. Sums over queries (dk, dv) and over keys
 * (dq) run in ascending order. */
#include "kernels/attention/attention_cpu.h"

/* Multiples of the tile's rows and of the panel for every width of vector. */
enum { QUERIES = 48, KEYS = 192 };

typedef struct backward {
    pu__heads heads;
    int64_t q_rows, k_rows; /* queries and keys rounded up so that every tile of rows lies inside */
    float *angles, *scratch;
    int64_t scratch_count;
} backward;

/* One worker's copies of one head: [q_rows][padded] of q, dy and dq, [k_rows][padded] of the others, transposed
 * [padded][key_rows], [q_rows], and a block of scores. q is turned and scaled, k turned. */
typedef struct head {
    float *q, *dy, *dq, *k, *v, *dk, *dv;
    float *k_transposed, *v_transposed, *delta;
    float *p, *ds; /* [QUERIES][KEYS] */
    const float *lse;
    int64_t next; /* elements to the head that this worker takes next; 0 if that is not known */
} head;

static int64_t padded_rows(int64_t bars) { return pu__round_up(bars, QUERIES) + PU__PANEL; }

static backward backward_of(const pu__call *call) {
    backward f = {.heads = pu__heads_of(call, 1), .angles = call->workspace};
    const pu__heads *h = &f.heads;
    f.q_rows = padded_rows(h->of.queries);
    f.k_rows = padded_rows(h->of.keys);
    f.scratch_count = (3 * f.q_rows + 4 * f.k_rows) * h->padded + 2 * h->padded * h->key_rows + f.q_rows;
    f.scratch_count = pu__round_up(f.scratch_count + 2 * QUERIES * KEYS, 64);
    return f;
}

size_t pu__attention_grad_workspace_cpu(const pu__call *call) {
    const backward f = backward_of(call);
    const int64_t workers = pu_pool_threads(call->pool);
    return (size_t)(pu__angle_count(&f.heads) + workers * f.scratch_count) * sizeof(float);
}

static head head_in(const backward *f, float *scratch) {
    const int64_t queries = f->q_rows * f->heads.padded, keys = f->k_rows * f->heads.padded,
                  transposed = f->heads.padded * f->heads.key_rows;
    head s = {.q = scratch, .dy = scratch + queries, .dq = scratch + 2 * queries, .k = scratch + 3 * queries};
    s.v = s.k + keys;
    s.dk = s.v + keys;
    s.dv = s.dk + keys;
    s.k_transposed = s.dv + keys;
    s.v_transposed = s.k_transposed + transposed;
    s.delta = s.v_transposed + transposed;
    s.p = s.delta + f->q_rows;
    s.ds = s.p + QUERIES * KEYS;
    return s;
}

/* Short rows: a loop in place beats a call of memcpy. */
static inline void copy(float *restrict to, const float *restrict from, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

static void pack_queries(const backward *f, int64_t b, int64_t first, head *s) {
    const pu__heads *h = &f->heads;
    const float *q = h->of.q + b * h->of.queries * h->of.q_stride + first;
    const int64_t at = b * h->of.queries * h->width + first;
    const float *dy = h->of.dy + at, *y = h->of.y + at;
    pu__fetch_first(q, h->of.q_stride, h->of.size);
    pu__fetch_first(dy, h->width, h->of.size);
    pu__fetch_first(y, h->width, h->of.size);
    for (int64_t t = 0; t < h->of.queries; ++t, q += h->of.q_stride, dy += h->width, y += h->width) {
        const int64_t row = t * h->padded;
        pu__fetch(q, h->of.q_stride, h->of.size, s->next);
        pu__fetch(dy, h->width, h->of.size, s->next);
        pu__fetch(y, h->width, h->of.size, s->next);
        pu__pack_query(h, f->angles, q, t, s->q + row);
        copy(s->dy + row, dy, h->of.size);
        pu__round_row(s->dy + row, h->of.size, h->of.precision);
        s->delta[t] = pu__dot(dy, y, h->of.size);
    }
}

static void pack_keys(const backward *f, int64_t b, int64_t first, head *s) {
    const pu__heads *h = &f->heads;
    const int64_t at = b * h->of.keys * h->of.kv_stride + first;
    const float *k = h->of.k + at, *v = h->of.v + at;
    pu__fetch_first(k, h->of.kv_stride, h->of.size);
    pu__fetch_first(v, h->of.kv_stride, h->of.size);
    for (int64_t u = 0; u < h->of.keys; ++u, k += h->of.kv_stride, v += h->of.kv_stride) {
        const int64_t row = u * h->padded;
        pu__fetch(k, h->of.kv_stride, h->of.size, s->next);
        pu__fetch(v, h->of.kv_stride, h->of.size, s->next);
        pu__turn(s->k + row, k, f->angles, h, u, 1.0f, 1.0f);
        copy(s->v + row, v, h->of.size);
        pu__round_row(s->k + row, h->of.size, h->of.precision);
        pu__round_row(s->v + row, h->of.size, h->of.precision);
    }
    pu__transpose_head(s->k_transposed, s->k, h);
    pu__transpose_head(s->v_transposed, s->v, h);
    const size_t sums = (size_t)(pu__round_up(h->of.keys, PU__TILE_ROWS) * h->padded) * sizeof(float);
    memset(s->dk, 0, sums);
    memset(s->dv, 0, sums);
}

static inline int64_t within(int64_t x, int64_t low, int64_t high) { return x < low ? low : x < high ? x : high; }

/* p = exp(score - lse) and ds = p (dp - delta) over the keys of [k0, k0 + width) that t sees, 0 elsewhere. */
static void probabilities(const backward *f, const head *s, int64_t t, int64_t k0, int64_t width,
                          float *restrict p, float *restrict ds) {
    const int64_t queries = f->heads.of.queries;
    const int64_t begin = within(pu__first_seen(&f->heads, t) - k0, 0, width);
    const int64_t end = t < queries ? within(pu__end_seen(&f->heads, t) - k0, begin, width) : begin;
    const float lse = s->lse[t < queries ? t : 0], delta = s->delta[t];
    int64_t u = 0;
    for (; u + PU__LANES <= begin; u += PU__LANES) {
        pu__store(p + u, (pu__vec){0});
        pu__store(ds + u, (pu__vec){0});
    }
    for (; u < end; u += PU__LANES) {
        for (int j = 0; j < PU__LANES; ++j) {
            p[u + j] = pu__exp(p[u + j] - lse);
            ds[u + j] = p[u + j] * (ds[u + j] - delta);
        }
        if (u < begin || u + PU__LANES > end) {
            const pu__vec_mask seen = pu__lanes_within(begin - u, end - u);
            pu__store(p + u, pu__select(seen, pu__load(p + u), (pu__vec){0}));
            pu__store(ds + u, pu__select(seen, pu__load(ds + u), (pu__vec){0}));
        }
    }
    for (; u < width; u += PU__LANES) {
        pu__store(p + u, (pu__vec){0});
        pu__store(ds + u, (pu__vec){0});
    }
    pu__round_row(p + begin, end - begin, f->heads.of.precision);
    pu__round_row(ds + begin, end - begin, f->heads.of.precision);
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

/* Scores and slopes of the queries t .. t + TILE_ROWS over `keys` keys from k0 on, and what they are to dq; `more`: add
 * to what earlier keys were. */
static void block_rows(const backward *f, const head *s, int64_t t, int64_t k0, int64_t keys, int64_t width,
                       int more, float *p, float *ds) {
    const pu__heads *h = &f->heads;
    pu__tile tile = {.a = s->q + t * h->padded,
                     .a_row = h->padded,
                     .a_col = 1,
                     .b = s->k_transposed + k0,
                     .b_row = h->key_rows};
    tile.k = h->of.size;
    tile.c = p;
    tile.c_row = KEYS;
    pu__tile_wide(tile, pu__round_up(keys, PU__LANES), 0);
    tile.a = s->dy + t * h->padded;
    tile.b = s->v_transposed + k0;
    tile.c = ds;
    pu__tile_wide(tile, pu__round_up(keys, PU__LANES), 0);
    for (int64_t i = 0; i < PU__TILE_ROWS; ++i) probabilities(f, s, t + i, k0, width, p + i * KEYS, ds + i * KEYS);
    pu__tile dq = {.a = ds, .a_row = KEYS, .a_col = 1, .b = s->k + k0 * h->padded, .b_row = h->padded, .k = keys};
    dq.c = s->dq + t * h->padded;
    dq.c_row = h->padded;
    pu__tile_wide(dq, h->padded, more);
}

/* Queries t0 .. t0 + QUERIES against keys k0 .. k0 + KEYS, as far as they are seen. */
static void block(const backward *f, const head *s, int64_t t0, int64_t k0, int more) {
    const pu__heads *h = &f->heads;
    const int64_t queries = h->of.queries - t0 < QUERIES ? h->of.queries - t0 : QUERIES;
    const int64_t seen = within(pu__end_seen(h, t0 + queries - 1) - k0, 0, KEYS),
                  width = pu__round_up(seen, PU__TILE_ROWS);
    for (int64_t r = 0; r < queries; r += PU__TILE_ROWS) {
        const int64_t t = t0 + r, keys = within(pu__end_seen(h, t + PU__TILE_ROWS - 1) - k0, 0, seen);
        block_rows(f, s, t, k0, keys, width, more, s->p + r * KEYS, s->ds + r * KEYS);
    }
    const int64_t rows = pu__round_up(queries, PU__TILE_ROWS);
    for (int64_t u = 0; u < width; u += PU__TILE_ROWS) {
        const int64_t late = k0 + u - h->of.shift - t0; /* the first query that sees key u */
        const int64_t skip = late > 0 ? late / PU__TILE_ROWS * PU__TILE_ROWS : 0;
        if (skip >= rows) continue;
        const int64_t from = (t0 + skip) * h->padded, to = (k0 + u) * h->padded, at = skip * KEYS + u;
        add_transposed(h, s->dv + to, s->p + at, s->dy + from, rows - skip);
        add_transposed(h, s->dk + to, s->ds + at, s->q + from, rows - skip);
    }
}

static void write_head(const backward *f, const head *s, int64_t b, int64_t first) {
    const pu__heads *h = &f->heads;
    const int64_t at = b * h->of.keys * h->of.kv_stride + first;
    float *dq = h->of.dq + b * h->of.queries * h->of.q_stride + first, *dk = h->of.dk + at, *dv = h->of.dv + at;
    for (int64_t t = 0; t < h->of.queries; ++t, dq += h->of.q_stride) {
        pu__fetch_to_write(dq, h->of.q_stride, h->of.size, s->next);
        pu__turn(dq, s->dq + t * h->padded, f->angles, h, h->turns + t, h->of.scale, -1.0f);
    }
    for (int64_t u = 0; u < h->of.keys; ++u, dk += h->of.kv_stride, dv += h->of.kv_stride) {
        pu__fetch_to_write(dk, h->of.kv_stride, h->of.size, s->next);
        pu__fetch_to_write(dv, h->of.kv_stride, h->of.size, s->next);
        pu__turn(dk, s->dk + u * h->padded, f->angles, h, u, 1.0f, -1.0f);
        copy(dv, s->dv + u * h->padded, h->of.size);
    }
}

static void grad_heads(void *context, int64_t begin, int64_t end, int worker) {
    const backward *f = context;
    const pu__heads *h = &f->heads;
    head s = head_in(f, f->scratch + worker * f->scratch_count);
    const int64_t tile_rows = pu__round_up(h->of.queries, PU__TILE_ROWS);
    pu__clear_padding(s.q, h, h->of.queries, tile_rows);
    pu__clear_padding(s.dy, h, h->of.queries, tile_rows);
    pu__clear_padding(s.k, h, h->of.keys, h->key_rows);
    pu__clear_padding(s.v, h, h->of.keys, h->key_rows);
    for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / h->of.heads, first = task % h->of.heads * h->of.size;
        s.next = task + 1 < end ? h->of.size : 0;
        s.lse = h->of.lse + task * h->of.queries;
        pack_queries(f, b, first, &s);
        pack_keys(f, b, first, &s);
        for (int64_t t0 = 0; t0 < h->of.queries; t0 += QUERIES) {
            const int64_t last = t0 + QUERIES < h->of.queries ? t0 + QUERIES - 1 : h->of.queries - 1;
            const int64_t first_keys = pu__first_seen(h, t0) / KEYS * KEYS;
            for (int64_t k0 = first_keys; k0 < pu__end_seen(h, last); k0 += KEYS)
                block(f, &s, t0, k0, k0 > first_keys);
        }
        write_head(f, &s, b, first);
    }
}

pu_status pu__attention_grad_cpu(const pu__call *call) {
    backward f = backward_of(call);
    if (f.heads.of.batch == 0 || !call->workspace) return PU_OK;
    f.scratch = f.angles + pu__angle_count(&f.heads);
    pu__angles_fill(&f.heads, call->pool, f.angles);
    pu_parallel_for(call->pool, f.heads.of.batch * f.heads.of.heads, pu__head_grain(&f.heads), grad_heads, &f);
    return PU_OK;
}

pu_status pu__cross_attention_grad_cpu(const pu__call *call) { return pu__attention_grad_cpu(call); }
