/* Rows of one window times the weights of a tap are a matrix product whose rows are moved by the tap's lag: no copy of
 * the windows is made. Weights lie in panels, packed once per call. A tap's product adds to what the taps before it
 * left, so an element of y or dx is one chain over taps and channels, whatever tile it falls into.
 *
 * dw sums windows in order; the windows are cut into parts, each with sums of its own, which are added in order. */
#include "kernels/conv/conv_dense.h"

#include "kernels/common/tile.h"
#include "kernels/conv/conv_cpu.h"
#include "plusultra/pool.h"

enum {
    TILE_ROWS = PU__TILE_ROWS,
    PANEL = PU__PANEL,
    BLOCK_ROWS = 4 * TILE_ROWS, /* of one task */
    PARTS_MAX = 16,
};

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- tiles ---- */

PU__TILE_FUNCTION(rows_full, TILE_ROWS, 2, 1)
PU__TILE_FUNCTION(rows_four, 4, 2, 1)
PU__TILE_FUNCTION(rows_one, 1, 2, 1)
PU__TILE_FUNCTION(rows_full_narrow, TILE_ROWS, 1, 1)
PU__TILE_FUNCTION(rows_four_narrow, 4, 1, 1)
PU__TILE_FUNCTION(rows_one_narrow, 1, 1, 1)
PU__TILE_FUNCTION(columns_full, TILE_ROWS, 2, 0)
PU__TILE_FUNCTION(columns_four, 4, 2, 0)
PU__TILE_FUNCTION(columns_one, 1, 2, 0)
PU__TILE_FUNCTION(columns_full_narrow, TILE_ROWS, 1, 0)
PU__TILE_FUNCTION(columns_four_narrow, 4, 1, 0)
PU__TILE_FUNCTION(columns_one_narrow, 1, 1, 0)

static void multiply_rows(pu__tile t, int64_t rows, int narrow, int add) {
    static void (*const variant[2][2][3])(const pu__tile *, int) = {
        {{columns_full, columns_four, columns_one},
         {columns_full_narrow, columns_four_narrow, columns_one_narrow}},
        {{rows_full, rows_four, rows_one}, {rows_full_narrow, rows_four_narrow, rows_one_narrow}}};
    while (rows > 0) {
        const int size = rows >= TILE_ROWS ? 0 : rows >= 4 ? 1 : 2;
        const int64_t count = size == 0 ? TILE_ROWS : size == 1 ? 4 : 1;
        variant[t.a_col == 1][narrow][size](&t, add);
        t.a += count * t.a_row;
        t.c += count * t.c_row;
        rows -= count;
    }
}

/* ---- y and dx: sums over taps ---- */

/* out[t] = sum_k from[t - k lag] W_k over the bars of a window; lag is negative for dx. */
typedef struct sums {
    const float *from, *w, *bias; /* bias null: none */
    float *out, *z, *packed;
    int64_t windows, bars, inner, width, taps, lag;
    int64_t w_row,
        w_col; /* strides of W_k: from one inner channel to the next, from one of the width to the next */
    int64_t panels, blocks;
    pu_act act;
} sums;

static sums forward_of(const pu__call *call) {
    const pu_shape *x = &call->in[0].shape, *w = &call->in[1].shape;
    sums p = {.windows = x->dim[0], .bars = x->dim[1], .inner = w->dim[1], .width = w->dim[2]};
    p.taps = w->dim[0];
    p.lag = call->attributes->conv.dilation[0];
    p.w_row = p.width;
    p.w_col = 1;
    p.panels = pu__chunks(p.width, PANEL);
    p.blocks = pu__chunks(p.bars, BLOCK_ROWS);
    p.act = call->attributes->conv.act;
    return p;
}

static sums backward_of(const pu__call *call) {
    const pu_shape *dz = &call->in[0].shape, *w = &call->in[2].shape;
    sums p = {.windows = dz->dim[0], .bars = dz->dim[1], .inner = w->dim[2], .width = w->dim[1]};
    p.taps = w->dim[0];
    p.lag = -(int64_t)call->attributes->conv.dilation[0];
    p.w_row = 1;
    p.w_col = p.inner;
    p.panels = pu__chunks(p.width, PANEL);
    p.blocks = pu__chunks(p.bars, BLOCK_ROWS);
    return p;
}

static float nothing[1]; /* where packed weights of no input channel lie */

static int64_t packed_count(const sums *p) { return p->panels * p->taps * p->inner * PANEL; }

/* [panel][tap][inner][PANEL], the last panel padded with zeros. */
static void pack_panels(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const sums *p = context;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t first = item / p->taps * PANEL, width = lesser(p->width - first, PANEL);
        const float *restrict from = p->w + item % p->taps * p->inner * p->width + first * p->w_col;
        float *restrict to = p->packed + item * p->inner * PANEL;
        for (int64_t k = 0; k < p->inner; ++k, to += PANEL, from += p->w_row) {
            for (int64_t n = 0; n < width; ++n) to[n] = from[n * p->w_col];
            for (int64_t n = width; n < PANEL; ++n) to[n] = 0.0f;
        }
    }
}

/* Bars [t, end) of a window, one panel of columns, into c. */
static void sum_taps(const sums *p, int64_t window, int64_t t, int64_t end, int64_t panel, float *c,
                     int64_t c_row) {
    const int narrow = p->width - panel * PANEL <= PU__LANES;
    for (int64_t k = 0; k < p->taps; ++k) {
        const int64_t lag = k * p->lag;
        const int64_t first = greater(t, lag), last = lesser(end, p->bars + lag);
        if (first >= last) break; /* and so for the taps behind */
        const pu__tile tile = {.a = p->from + (window * p->bars + first - lag) * p->inner,
                               .a_row = p->inner,
                               .a_col = 1,
                               .b = p->packed + (panel * p->taps + k) * p->inner * PANEL,
                               .b_row = PANEL,
                               .k = p->inner,
                               .c = c + (first - t) * c_row,
                               .c_row = c_row};
        multiply_rows(tile, last - first, narrow, k > 0);
    }
}

static void sum_blocks(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const sums *p = context;
    float edge[BLOCK_ROWS * PANEL];
    for (int64_t block = begin; block < end; ++block) {
        const int64_t window = block / p->blocks, t = block % p->blocks * BLOCK_ROWS;
        const int64_t rows = lesser(BLOCK_ROWS, p->bars - t), at = (window * p->bars + t) * p->width;
        float *const out = (p->z ? p->z : p->out) + at;
        for (int64_t panel = 0; panel < p->panels; ++panel) {
            const int64_t first = panel * PANEL, width = lesser(p->width - first, PANEL);
            const int whole = width == PANEL;
            sum_taps(p, window, t, t + rows, panel, whole ? out + first : edge, whole ? p->width : PANEL);
            for (int64_t r = 0; r < rows && !whole; ++r)
                memcpy(out + r * p->width + first, edge + r * PANEL, (size_t)width * sizeof *out);
        }
        for (int64_t r = 0; r < rows; ++r) {
            float *restrict row = out + r * p->width;
            for (int64_t n = 0; n < p->width && p->bias; ++n) row[n] += p->bias[n];
            pu__conv_finish(p->act, p->z ? row : NULL, p->out + at + r * p->width, p->width);
        }
    }
}

static void run_sums(const pu__call *call, sums *p) {
    if (p->width == 0) return;
    pu_parallel_for(call->pool, p->panels * p->taps, pu__grain(8 * PANEL * p->inner), pack_panels, p);
    pu_parallel_for(call->pool, p->windows * p->blocks, 1, sum_blocks, p);
}

pu_status pu__conv_dense_cpu(const pu__call *call) {
    sums p = forward_of(call);
    p.from = call->in[0].data;
    p.w = call->in[1].data;
    p.bias = call->in[2].data;
    p.out = call->out[0].data;
    p.z = call->out_count > 1 ? call->out[1].data : NULL;
    p.packed = call->workspace ? call->workspace : nothing;
    run_sums(call, &p);
    return PU_OK;
}

size_t pu__conv_dense_workspace_cpu(const pu__call *call) {
    const sums p = forward_of(call);
    return (size_t)packed_count(&p) * sizeof(float);
}

/* ---- dw and dbias: sums over bars ---- */

typedef struct weights {
    const float *x, *dz;
    float *dw, *dbias;
    float *edge;  /* what dz has beside whole panels, [B,T][PANEL], padded with zeros */
    float *parts; /* [part]{[K,I,O], [O]} */
    int64_t windows, bars, inputs, outputs, taps, dilation;
    int64_t blocks, part_windows, part_count, part_size;
} weights;

static weights weights_of(const pu__call *call) {
    const pu_shape *x = &call->in[1].shape, *w = &call->in[2].shape;
    weights p = {.windows = x->dim[0], .bars = x->dim[1], .inputs = w->dim[1], .outputs = w->dim[2]};
    p.taps = w->dim[0];
    p.dilation = call->attributes->conv.dilation[0];
    p.blocks = greater(pu__chunks(p.inputs, BLOCK_ROWS), 1);
    p.part_size = p.taps * p.inputs * p.outputs + p.outputs;
    const int64_t by_size = ((int64_t)1 << 20) / greater(p.part_size, 1);
    const int64_t parts = greater(lesser(lesser(by_size, PARTS_MAX), p.windows), 1);
    p.part_windows = greater(pu__chunks(p.windows, parts), 1);
    p.part_count = greater(pu__chunks(p.windows, p.part_windows), 1);
    return p;
}

static int64_t edge_count(const weights *p) { return p->outputs % PANEL ? p->windows * p->bars * PANEL : 0; }

static void copy_edge(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const weights *p = context;
    const int64_t first = p->outputs / PANEL * PANEL, width = p->outputs - first;
    for (int64_t row = begin; row < end; ++row) {
        float *restrict to = p->edge + row * PANEL;
        const float *restrict from = p->dz + row * p->outputs + first;
        for (int64_t n = 0; n < PANEL; ++n) to[n] = n < width ? from[n] : 0.0f;
    }
}

/* sum += the window's share of dw[tap][first_input ...][...]. */
static void add_window(const weights *p, int64_t window, int64_t tap, int64_t first_input, int64_t inputs,
                       float *sum) {
    const int64_t lag = tap * p->dilation, bar = window * p->bars;
    for (int64_t first = 0; first < p->outputs; first += PANEL) {
        const int64_t width = lesser(p->outputs - first, PANEL);
        const int whole = width == PANEL;
        float edge[BLOCK_ROWS * PANEL];
        pu__tile t = {.a = p->x + bar * p->inputs + first_input, .a_row = 1, .a_col = p->inputs};
        t.b = whole ? p->dz + (bar + lag) * p->outputs + first : p->edge + (bar + lag) * PANEL;
        t.b_row = whole ? p->outputs : PANEL;
        t.k = p->bars - lag;
        t.c = whole ? sum + first : edge;
        t.c_row = whole ? p->outputs : PANEL;
        for (int64_t r = 0; r < inputs && !whole; ++r) {
            for (int64_t n = 0; n < PANEL; ++n)
                edge[r * PANEL + n] = n < width ? sum[r * p->outputs + first + n] : 0.0f;
        }
        multiply_rows(t, inputs, width <= PU__LANES, 1);
        for (int64_t r = 0; r < inputs && !whole; ++r)
            memcpy(sum + r * p->outputs + first, edge + r * PANEL, (size_t)width * sizeof *sum);
    }
}

static void add_rows(const weights *p, int64_t window, float *restrict sum) {
    for (int64_t row = window * p->bars; row < (window + 1) * p->bars; ++row) {
        const float *restrict dz = p->dz + row * p->outputs;
        for (int64_t n = 0; n < p->outputs; ++n) sum[n] += dz[n];
    }
}

/* A task is a part, a tap and a block of inputs; the first of a part sums dbias too. */
static void sum_weights(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const weights *p = context;
    for (int64_t task = begin; task < end; ++task) {
        const int64_t block = task % p->blocks, tap = task / p->blocks % p->taps,
                      part = task / p->blocks / p->taps;
        const int64_t first = block * BLOCK_ROWS, inputs = lesser(BLOCK_ROWS, p->inputs - first);
        const int64_t window = part * p->part_windows, last = lesser(window + p->part_windows, p->windows);
        float *const sum = p->parts + part * p->part_size + (tap * p->inputs + first) * p->outputs;
        float *const bias = p->parts + (part + 1) * p->part_size - p->outputs;
        memset(sum, 0, (size_t)(inputs * p->outputs) * sizeof *sum);
        for (int64_t w = window; w < last && tap * p->dilation < p->bars; ++w)
            add_window(p, w, tap, first, inputs, sum);
        if (tap > 0 || block > 0) continue;
        memset(bias, 0, (size_t)p->outputs * sizeof *bias);
        for (int64_t w = window; w < last; ++w) add_rows(p, w, bias);
    }
}

static void add_parts(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const weights *p = context;
    const int64_t split = p->part_size - p->outputs;
    for (int64_t i = begin; i < end; ++i) {
        float sum = p->parts[i];
        for (int64_t part = 1; part < p->part_count; ++part) sum += p->parts[part * p->part_size + i];
        *(i < split ? p->dw + i : p->dbias + (i - split)) = sum;
    }
}

pu_status pu__conv_dense_grad_cpu(const pu__call *call) {
    sums back = backward_of(call);
    weights p = weights_of(call);
    if (p.outputs == 0) {
        const size_t bytes = (size_t)pu__count(&call->out[0].shape) * sizeof(float);
        if (bytes > 0) memset(call->out[0].data, 0, bytes);
        return PU_OK;
    }
    back.from = p.dz = call->in[0].data;
    p.x = call->in[1].data;
    back.w = call->in[2].data;
    back.out = call->out[0].data;
    p.dw = call->out[1].data;
    p.dbias = call->out[2].data;
    p.parts = call->workspace;
    p.edge = p.parts + p.part_count * p.part_size;
    back.packed = p.edge + edge_count(&p);
    run_sums(call, &back);
    if (edge_count(&p) > 0) pu_parallel_for(call->pool, p.windows * p.bars, pu__grain(8 * PANEL), copy_edge, &p);
    pu_parallel_for(call->pool, p.part_count * p.taps * p.blocks, 1, sum_weights, &p);
    pu_parallel_for(call->pool, p.part_size, pu__grain(4 * p.part_count), add_parts, &p);
    return PU_OK;
}

size_t pu__conv_dense_grad_workspace_cpu(const pu__call *call) {
    const sums back = backward_of(call);
    const weights p = weights_of(call);
    return (size_t)(p.part_count * p.part_size + edge_count(&p) + packed_count(&back)) * sizeof(float);
}
