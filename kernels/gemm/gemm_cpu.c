/* Blocked matrix product. B lies in panels of two vectors' width, packed once per call where many rows use it; a
 * tile of rows times a panel is held in registers over the whole of a K block.
 *
 * Every element of z is one chain of multiply-adds over k = 0, 1, ..., whatever tile it falls into: a row's bits
 * do not depend on the number of rows. Only where A is transposed (weight gradients: K is the batch) K is cut into
 * parts whose sums are added in order.
 *
 * Lower precisions round the factors and nothing else: B while it is packed, all of it then, A into a copy. A product
 * of two such factors is exact in f32, so that the sums are those of a matrix unit with f32 sums but for their order.
 * The dot products of bf16 pairs that some processors have are not used: they flush subnormals and round by their own
 * rule, and so would give other bits than other machines. */
#include "kernels/gemm/gemm.h"

#include "kernels/common/rounding.h"
#include "kernels/common/tile.h"
#include "plusultra/pool.h"

enum {
    TILE_ROWS = PU__TILE_ROWS,
    PANEL = PU__PANEL,
    BLOCK_ROWS = 4 * TILE_ROWS, /* of one chunk of the parallel loop */
    BLOCK_K = 512,
    PARTS_MAX = 16,
    GROUP_MAX = 8,
    ROUND_FLOATS = 8192,
    PACK_ROWS = 16, /* with fewer rows packing B costs more than it saves */
};

/* Rows of a transposed A or of B lie far apart, in the same few sets of a cache. So the parts that a task works on are
 * copied together: BLOCK_K rows of its panels for the second cache, of a tile's columns of A for the first. */
typedef struct near_parts {
    float b[GROUP_MAX * BLOCK_K * PANEL];
    float a[BLOCK_K * TILE_ROWS];
} near_parts;

typedef struct product {
    const float *a, *b, *bias;
    float *y, *z, *packed, *parts, *rounded;
    near_parts *near; /* one a thread */
    int64_t m, n, k;
    int64_t a_row, a_col, b_row, b_col; /* strides */
    int64_t panels, packed_first, part_k, part_count;
    int64_t group; /* panels of a task, where A is transposed; else 0: tasks are blocks of rows */
    pu_act act;
    pu_precision precision;
} product;

/* A task's panels share what it reads of A; more tasks than threads even out. No bit depends on it. */
static int64_t group_of(const product *p, const pu__call *call) {
    const int64_t tasks = 4 * (call->pool ? pu_pool_threads(call->pool) : 1);
    const int64_t group = p->panels * p->part_count / tasks;
    return group < 1 ? 1 : group > GROUP_MAX ? GROUP_MAX : group;
}

static int64_t near_floats(const pu__call *call) {
    const int64_t threads = call->pool ? pu_pool_threads(call->pool) : 1;
    return threads * (int64_t)(sizeof(near_parts) / sizeof(float));
}

static int64_t part_floats(const product *p) { return p->part_count > 1 ? p->part_count * p->m * p->n : 0; }

static product product_of(const pu__call *call) {
    const pu_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    const int transpose_a = call->attributes->gemm.transpose_a, transpose_b = call->attributes->gemm.transpose_b;
    product p = {.a = call->in[0].data,
                 .b = call->in[1].data,
                 .y = call->out[0].data,
                 .act = call->attributes->gemm.act,
                 .precision = call->attributes->gemm.precision};
    p.bias = call->in_count > 2 ? call->in[2].data : NULL;
    p.z = call->out_count > 1 ? call->out[1].data : NULL;
    p.m = pu__rows(y);
    p.n = pu__last(y);
    p.k = transpose_a ? pu__rows(a) : pu__last(a);
    p.a_row = transpose_a ? 1 : p.k;
    p.a_col = transpose_a ? pu__last(a) : 1;
    p.b_row = transpose_b ? 1 : pu__last(b);
    p.b_col = transpose_b ? pu__last(b) : 1;
    p.panels = pu__chunks(p.n, PANEL);
    const int pack = transpose_b || (!transpose_a && p.m >= PACK_ROWS) || p.precision != PU_PRECISION_F32;
    p.packed_first = pack ? 0 : p.n / PANEL;
    p.part_count = 1;
    if (transpose_a && p.k >= 2 * BLOCK_K) {
        const int64_t by_size = ((int64_t)1 << 19) / (p.m * p.n > 0 ? p.m * p.n : 1), by_length = p.k / BLOCK_K;
        const int64_t parts = by_size < by_length ? by_size : by_length;
        p.part_count = parts < 1 ? 1 : parts > PARTS_MAX ? PARTS_MAX : parts;
    }
    p.part_k = pu__chunks(p.k, p.part_count);
    p.part_count = p.k > 0 ? pu__chunks(p.k, p.part_k) : 1;
    p.group = transpose_a && p.k > 0 ? group_of(&p, call) : 0;
    p.packed = call->workspace;
    if (p.packed) { /* none while the size is asked for */
        p.parts = p.packed + (p.panels - p.packed_first) * p.k * PANEL;
        float *const rest = p.parts + part_floats(&p);
        p.near = (near_parts *)rest;
        p.rounded = rest + (p.group > 0 ? near_floats(call) : 0);
    }
    return p;
}

size_t pu__gemm_workspace_cpu(const pu__call *call) {
    const product p = product_of(call);
    const int64_t copy = p.precision != PU_PRECISION_F32 ? p.m * p.k : 0;
    const int64_t near = p.group > 0 ? near_floats(call) : 0;
    return (size_t)((p.panels - p.packed_first) * p.k * PANEL + part_floats(&p) + near + copy) * sizeof(float);
}

/* Panels of B, one behind the other, [k][PANEL], the last one padded with zeros. */
static void pack_panels(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const product *p = context;
    for (int64_t panel = begin; panel < end; ++panel) {
        const int64_t first = (p->packed_first + panel) * PANEL,
                      width = p->n - first < PANEL ? p->n - first : PANEL;
        float *restrict to = p->packed + panel * p->k * PANEL;
        const float *restrict from = p->b + first * p->b_col;
        for (int64_t k = 0; k < p->k; ++k, to += PANEL, from += p->b_row) {
            for (int64_t n = 0; n < width; ++n) to[n] = from[n * p->b_col];
            for (int64_t n = width; n < PANEL; ++n) to[n] = 0.0f;
            pu__round_row(to, PANEL, p->precision);
        }
    }
}

static void round_a(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const product *p = context;
    memcpy(p->rounded + begin, p->a + begin, (size_t)(end - begin) * sizeof *p->a);
    pu__round_row(p->rounded + begin, end - begin, p->precision);
}

PU__TILE_FUNCTION(rows_full, TILE_ROWS, 2, 1)
PU__TILE_FUNCTION(rows_three, 3, 2, 1)
PU__TILE_FUNCTION(rows_one, 1, 2, 1)
PU__TILE_FUNCTION(rows_full_narrow, TILE_ROWS, 1, 1)
PU__TILE_FUNCTION(rows_three_narrow, 3, 1, 1)
PU__TILE_FUNCTION(rows_one_narrow, 1, 1, 1)
PU__TILE_FUNCTION(columns_full, TILE_ROWS, 2, 0)
PU__TILE_FUNCTION(columns_three, 3, 2, 0)
PU__TILE_FUNCTION(columns_one, 1, 2, 0)
PU__TILE_FUNCTION(columns_full_narrow, TILE_ROWS, 1, 0)
PU__TILE_FUNCTION(columns_three_narrow, 3, 1, 0)
PU__TILE_FUNCTION(columns_one_narrow, 1, 1, 0)

/* All rows of a block times one panel: c[rows][width] (+)= a b. */
static void multiply_panel(pu__tile t, int64_t rows, int narrow, int add) {
    static void (*const variant[2][2][3])(const pu__tile *, int) = {
        {{columns_full, columns_three, columns_one},
         {columns_full_narrow, columns_three_narrow, columns_one_narrow}},
        {{rows_full, rows_three, rows_one}, {rows_full_narrow, rows_three_narrow, rows_one_narrow}}};
    while (rows > 0) {
        const int size = rows >= TILE_ROWS ? 0 : rows >= 3 ? 1 : 2;
        const int64_t count = size == 0 ? TILE_ROWS : size == 1 ? 3 : 1;
        variant[t.a_col == 1][narrow][size](&t, add);
        t.a += count * t.a_row;
        t.c += count * t.c_row;
        rows -= count;
    }
}

/* Rows [k, k + count) of a panel of B, and how far apart they lie. */
typedef struct panel_rows {
    const float *b;
    int64_t b_row, k, count;
} panel_rows;

static panel_rows rows_of_panel(const product *p, int64_t panel, int64_t k, int64_t end_k) {
    const int64_t count = end_k - k < BLOCK_K ? end_k - k : BLOCK_K;
    if (panel < p->packed_first) return (panel_rows){p->b + k * p->b_row + panel * PANEL, p->b_row, k, count};
    return (panel_rows){p->packed + ((panel - p->packed_first) * p->k + k) * PANEL, PANEL, k, count};
}

/* c[rows, at most BLOCK_ROWS][panel] (+)= a b over the panel's rows; a and c begin at the first of these rows. */
static void multiply_rows(const product *p, const float *a, int64_t a_row, int64_t a_col, float *c, int64_t rows,
                          int64_t panel, panel_rows b, int add) {
    const int64_t first = panel * PANEL, width = p->n - first < PANEL ? p->n - first : PANEL;
    float edge[BLOCK_ROWS * PANEL];
    pu__tile t = {.a = a,
                  .a_row = a_row,
                  .a_col = a_col,
                  .b = b.b,
                  .b_row = b.b_row,
                  .k = b.count,
                  .c = c + first,
                  .c_row = p->n};
    if (width == PANEL) {
        multiply_panel(t, rows, 0, add);
        return;
    }
    t.c = edge;
    t.c_row = PANEL;
    for (int64_t r = 0; r < rows && add; ++r)
        memcpy(edge + r * PANEL, c + r * p->n + first, (size_t)width * sizeof *c);
    multiply_panel(t, rows, width <= PU__LANES, add);
    for (int64_t r = 0; r < rows; ++r) memcpy(c + r * p->n + first, edge + r * PANEL, (size_t)width * sizeof *c);
}

/* c[rows][n] = a[first_row ..] b. */
static void multiply_block(const product *p, float *c, int64_t first_row, int64_t rows) {
    for (int64_t k = 0; k < p->k; k += BLOCK_K) {
        const float *a = p->a + first_row * p->a_row + k * p->a_col;
        for (int64_t panel = 0; panel < p->panels; ++panel)
            multiply_rows(p, a, p->a_row, p->a_col, c, rows, panel, rows_of_panel(p, panel, k, p->k), k > 0);
    }
}

static panel_rows bring_panel(const product *p, float *near, int64_t panel, int64_t k, int64_t end_k) {
    panel_rows b = rows_of_panel(p, panel, k, end_k);
    if (panel >= p->packed_first) return b;
    for (int64_t r = 0; r < b.count; ++r) memcpy(near + r * PANEL, b.b + r * b.b_row, PANEL * sizeof *near);
    return (panel_rows){near, PANEL, b.k, b.count};
}

/* near[count][rows] */
static void bring_tile(const product *p, float *near, int64_t first_row, int64_t rows, int64_t k, int64_t count) {
    const float *a = p->a + first_row + k * p->a_col;
    for (int64_t r = 0; r < count && rows == TILE_ROWS; ++r)
        memcpy(near + r * TILE_ROWS, a + r * p->a_col, TILE_ROWS * sizeof *near);
    for (int64_t r = 0; r < count && rows < TILE_ROWS; ++r) {
        for (int64_t i = 0; i < rows; ++i) near[r * rows + i] = a[r * p->a_col + i];
    }
}

/* c[m][panel .. end_panel] = a[.., first_k .. end_k] b[first_k .. end_k], for a transposed A. */
static void multiply_columns(const product *p, float *c, near_parts *near, int64_t panel, int64_t end_panel,
                             int64_t first_k, int64_t end_k) {
    panel_rows b[GROUP_MAX];
    for (int64_t k = first_k; k < end_k; k += BLOCK_K) {
        for (int64_t at = panel; at < end_panel; ++at)
            b[at - panel] = bring_panel(p, near->b + (at - panel) * BLOCK_K * PANEL, at, k, end_k);
        for (int64_t row = 0; row < p->m; row += TILE_ROWS) {
            const int64_t rows = p->m - row < TILE_ROWS ? p->m - row : TILE_ROWS;
            bring_tile(p, near->a, row, rows, k, b[0].count);
            for (int64_t at = panel; at < end_panel; ++at)
                multiply_rows(p, near->a, 1, rows, c + row * p->n, rows, at, b[at - panel], k > first_k);
        }
    }
}

/* Bias, copy to z and activation of rows that are still in cache. */
static void finish_rows(const product *p, int64_t first_row, int64_t rows) {
    for (int64_t m = first_row; m < first_row + rows; ++m) {
        float *restrict y = p->y + m * p->n;
        if (p->bias) {
            for (int64_t n = 0; n < p->n; ++n) y[n] += p->bias[n];
        }
        if (p->z) memcpy(p->z + m * p->n, y, (size_t)p->n * sizeof *y);
        if (p->act == PU_ACT_NONE) continue;
        PU__FOR_ACT(p->act, KIND, for (int64_t n = 0; n < p->n; ++n) y[n] = pu__act(KIND, y[n]))
    }
}

static void multiply_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const product *p = context;
    for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * BLOCK_ROWS, rows = p->m - first < BLOCK_ROWS ? p->m - first : BLOCK_ROWS;
        float *c = p->y + first * p->n;
        if (p->k == 0) memset(c, 0, (size_t)(rows * p->n) * sizeof *c);
        multiply_block(p, c, first, rows);
        finish_rows(p, first, rows);
    }
}

static void multiply_part(void *context, int64_t begin, int64_t end, int worker) {
    const product *p = context;
    const int64_t groups = pu__chunks(p->panels, p->group);
    for (int64_t task = begin; task < end; ++task) {
        const int64_t part = task / groups, panel = task % groups * p->group;
        const int64_t end_panel = panel + p->group < p->panels ? panel + p->group : p->panels;
        const int64_t k = part * p->part_k, end_k = k + p->part_k < p->k ? k + p->part_k : p->k;
        float *c = p->part_count > 1 ? p->parts + part * p->m * p->n : p->y;
        multiply_columns(p, c, p->near + worker, panel, end_panel, k, end_k);
    }
}

static void add_parts(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const product *p = context;
    float *restrict y = p->y + begin * p->n;
    const int64_t count = (end - begin) * p->n;
    if (p->part_count > 1) memcpy(y, p->parts + begin * p->n, (size_t)count * sizeof *y);
    for (int64_t part = 1; part < p->part_count; ++part) {
        const float *restrict from = p->parts + (part * p->m + begin) * p->n;
        for (int64_t i = 0; i < count; ++i) y[i] += from[i];
    }
    finish_rows(p, begin, end - begin);
}

pu_status pu__gemm_cpu(const pu__call *call) {
    product p = product_of(call);
    if (p.m == 0 || p.n == 0) return PU_OK;
    if (p.k > 0)
        pu_parallel_for(call->pool, p.panels - p.packed_first, pu__grain(8 * PANEL * p.k), pack_panels, &p);
    if (p.k > 0 && p.precision != PU_PRECISION_F32) {
        pu_parallel_for(call->pool, p.m * p.k, ROUND_FLOATS, round_a, &p);
        p.a = p.rounded;
    }
    if (p.group == 0) {
        pu_parallel_for(call->pool, pu__chunks(p.m, BLOCK_ROWS), 1, multiply_chunk, &p);
        return PU_OK;
    }
    pu_parallel_for(call->pool, p.part_count * pu__chunks(p.panels, p.group), 1, multiply_part, &p);
    pu_parallel_for(call->pool, p.m, pu__grain(4 * p.n * p.part_count), add_parts, &p);
    return PU_OK;
}
