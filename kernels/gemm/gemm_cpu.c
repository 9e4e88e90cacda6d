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
    ROUND_FLOATS = 8192,
    PACK_ROWS = 16, /* with fewer rows packing B costs more than it saves */
};

typedef struct product {
    const float *a, *b, *bias;
    float *y, *z, *packed, *parts, *rounded;
    int64_t m, n, k;
    int64_t a_row, a_col, b_row, b_col; /* strides */
    int64_t panels, packed_first, part_k, part_count;
    pu_act act;
    pu_precision precision;
} product;

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
    p.packed = call->workspace;
    if (p.packed) { /* none while the size is asked for */
        p.parts = p.packed + (p.panels - p.packed_first) * p.k * PANEL;
        p.rounded = p.parts + part_floats(&p);
    }
    return p;
}

size_t pu__gemm_workspace_cpu(const pu__call *call) {
    const product p = product_of(call);
    const int64_t copy = p.precision != PU_PRECISION_F32 ? p.m * p.k : 0;
    return (size_t)((p.panels - p.packed_first) * p.k * PANEL + part_floats(&p) + copy) * sizeof(float);
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

/* c[rows][n] = a[first_row ..][first_k .. end_k] b[first_k .. end_k]. */
static void multiply_block(const product *p, float *c, int64_t first_row, int64_t rows, int64_t first_k,
                           int64_t end_k) {
    for (int64_t k = first_k; k < end_k; k += BLOCK_K) {
        for (int64_t panel = 0; panel < p->panels; ++panel) {
            const int64_t first = panel * PANEL, width = p->n - first < PANEL ? p->n - first : PANEL;
            const int packed = panel >= p->packed_first;
            float edge[BLOCK_ROWS * PANEL];
            pu__tile t = {.a = p->a + first_row * p->a_row + k * p->a_col,
                          .a_row = p->a_row,
                          .a_col = p->a_col,
                          .c = c + first,
                          .c_row = p->n};
            t.b =
                packed ? p->packed + ((panel - p->packed_first) * p->k + k) * PANEL : p->b + k * p->b_row + first;
            t.b_row = packed ? PANEL : p->b_row;
            t.k = end_k - k < BLOCK_K ? end_k - k : BLOCK_K;
            if (width == PANEL) {
                multiply_panel(t, rows, 0, k > first_k);
                continue;
            }
            t.c = edge;
            t.c_row = PANEL;
            for (int64_t r = 0; r < rows && k > first_k; ++r)
                memcpy(edge + r * PANEL, c + r * p->n + first, (size_t)width * sizeof *c);
            multiply_panel(t, rows, width <= PU__LANES, k > first_k);
            for (int64_t r = 0; r < rows; ++r)
                memcpy(c + r * p->n + first, edge + r * PANEL, (size_t)width * sizeof *c);
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
    const int64_t blocks = pu__chunks(p->m, BLOCK_ROWS);
    for (int64_t task = begin; task < end; ++task) {
        const int64_t part = task / blocks, first = task % blocks * BLOCK_ROWS;
        const int64_t rows = p->m - first < BLOCK_ROWS ? p->m - first : BLOCK_ROWS;
        const int64_t k = part * p->part_k, end_k = k + p->part_k < p->k ? k + p->part_k : p->k;
        float *c = (p->part_count > 1 ? p->parts + part * p->m * p->n : p->y) + first * p->n;
        if (p->k == 0) memset(c, 0, (size_t)(rows * p->n) * sizeof *c);
        if (p->k > 0) multiply_block(p, c, first, rows, k, end_k);
        if (p->part_count == 1) finish_rows(p, first, rows);
    }
}

static void add_parts(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const product *p = context;
    float *restrict y = p->y + begin * p->n;
    const int64_t count = (end - begin) * p->n;
    memcpy(y, p->parts + begin * p->n, (size_t)count * sizeof *y);
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
    pu_parallel_for(call->pool, p.part_count * pu__chunks(p.m, BLOCK_ROWS), 1, multiply_chunk, &p);
    if (p.part_count > 1) pu_parallel_for(call->pool, p.m, pu__grain(4 * p.n * p.part_count), add_parts, &p);
    return PU_OK;
}
