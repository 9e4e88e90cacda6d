/* A block of ROWS neighbouring bars goes over all channels, so that memory is read and written in order, row by row:
 * what the taps reach back to (or, for dx, forward to) is in a cache still. Along one vector of channels a block
 * loads each tap's weights, or the sums of their gradients, once. Its rows are as many streams of a kilobyte or less
 * each, which the processor's own prefetchers do not follow: rows that come from memory are asked for FETCH_ROWS ahead.
 *
 * How many taps reach a bar of the window is a matter of the bar: where it is not the same for all bars of a block,
 * at the window's ends, they go one by one. Each element of y, dx, dw and dbias is one chain of multiply-adds, over
 * the taps or over the bars, whichever way its bar went. */
#include "kernels/conv/conv.h"

#include "kernels/common/vector.h"
#include "kernels/conv/conv_cpu.h"
#include "plusultra/pool.h"

enum { ROWS = 8, FETCH_ROWS = 2 * ROWS, WINDOWS_MANY = 32 };

typedef struct conv {
    const float *x, *w, *bias, *dy;
    float *y, *z, *dx, *parts;
    const int *dilation;
    pu_act act;
    int64_t windows, bars, channels, group_channels, taps;
    int64_t blocks; /* of one window */
    int64_t grain;  /* blocks of a chunk of the backward pass */
} conv;

static conv conv_of(const pu__call *call, const pu_shape *x) {
    conv p = {.windows = x->dim[0],
              .bars = x->dim[1],
              .channels = x->dim[2],
              .dilation = call->attributes->conv.dilation,
              .act = call->attributes->conv.act};
    p.taps = call->attributes->conv.kernel_bars;
    p.group_channels = p.channels / call->attributes->conv.groups;
    p.blocks = pu__chunks(p.bars, ROWS);
    p.grain = pu__reduction_grain(p.windows * p.blocks, 12 * ROWS * p.channels);
    return p;
}

/* One group's channels over some bars. Pointers stand at the first of both; y is dx in the backward pass. */
typedef struct strip {
    const float *x, *w, *bias, *dy;
    float *y, *dw, *dbias;
    int64_t stride, width; /* from bar to bar and from tap to tap; channels */
    int64_t reach;         /* elements from one tap's bar to the next one's */
    int64_t past, ahead;   /* taps that find a bar: x in the past, dy ahead */
} strip;

PU__INLINE pu__vec get(const float *from, int64_t lanes, int whole) {
    return whole ? pu__load(from) : pu__load_part(from, lanes);
}

PU__INLINE void put(float *to, pu__vec value, int64_t lanes, int whole) {
    if (whole) {
        pu__store(to, value);
    } else {
        pu__store_part(to, value, lanes);
    }
}

/* y = bias + sum of w x for a vector of channels from c on. `rows` and `whole` are constants where this is used. */
PU__INLINE void forward_vector(const strip *s, int64_t c, int64_t lanes, int rows, int whole) {
    pu__vec sum[ROWS];
    const int64_t stride = s->stride, reach = s->reach;
    const float *x = s->x + c, *w = s->w + c;
    for (int i = 0; i < rows; ++i) sum[i] = get(s->bias + c, lanes, whole);
    for (int i = 0; i < rows && whole; ++i) __builtin_prefetch(x + (FETCH_ROWS + i) * stride);
    for (int64_t k = 0; k < s->past; ++k, x -= reach, w += stride) {
        const pu__vec factor = get(w, lanes, whole);
        for (int i = 0; i < rows; ++i)
            sum[i] = pu__multiply_add(factor, get(x + i * stride, lanes, whole), sum[i]);
    }
    for (int i = 0; i < rows; ++i) put(s->y + c + i * stride, sum[i], lanes, whole);
}

/* dx = sum of w dy from later bars; dw += dy x from earlier bars; dbias += dy. */
PU__INLINE void backward_vector(const strip *s, int64_t c, int64_t lanes, int rows, int whole) {
    pu__vec slope[ROWS], sum[ROWS], dbias = get(s->dbias + c, lanes, whole);
    const int64_t stride = s->stride, reach = s->reach;
    const float *x = s->x + c, *dy = s->dy + c, *w = s->w + c;
    float *dw = s->dw + c;
    for (int i = 0; i < rows && whole; ++i) {
        __builtin_prefetch(x + (FETCH_ROWS + i) * stride);
        __builtin_prefetch(dy + (s->ahead - 1) * reach + (FETCH_ROWS + i) * stride);
    }
    for (int i = 0; i < rows; ++i) {
        slope[i] = get(dy + i * stride, lanes, whole);
        dbias += slope[i];
        sum[i] = (pu__vec){0};
    }
    put(s->dbias + c, dbias, lanes, whole);
    for (int64_t k = 0; k < s->past; ++k, x -= reach, dw += stride) {
        pu__vec total = get(dw, lanes, whole);
        for (int i = 0; i < rows; ++i)
            total = pu__multiply_add(slope[i], get(x + i * stride, lanes, whole), total);
        put(dw, total, lanes, whole);
    }
    for (int64_t k = 0; k < s->ahead; ++k, dy += reach, w += stride) {
        const pu__vec factor = get(w, lanes, whole);
        for (int i = 0; i < rows; ++i)
            sum[i] = pu__multiply_add(factor, get(dy + i * stride, lanes, whole), sum[i]);
    }
    for (int i = 0; i < rows; ++i) put(s->y + c + i * stride, sum[i], lanes, whole);
}

#define STRIP_FUNCTION(name, vector, rows)                                          \
    static __attribute__((noinline)) void name(const strip *s) {                    \
        int64_t c = 0;                                                              \
        for (; c + PU__LANES <= s->width; c += PU__LANES) vector(s, c, 0, rows, 1); \
        if (c < s->width) vector(s, c, s->width - c, rows, 0);                      \
    }
STRIP_FUNCTION(forward_block, forward_vector, ROWS)
STRIP_FUNCTION(forward_bar, forward_vector, 1)
STRIP_FUNCTION(backward_block, backward_vector, ROWS)
STRIP_FUNCTION(backward_bar, backward_vector, 1)

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* The bars [t, end) of one group; `s` stands at bar t and is moved along. */
static void run_strip(const conv *p, strip *s, int64_t dilation, int64_t t, int64_t end) {
    const int64_t last = p->bars - 1;
    s->past = lesser(p->taps, t / dilation + 1);
    s->ahead = lesser(p->taps, (last - t) / dilation + 1);
    const int64_t past_end = lesser(p->taps, (end - 1) / dilation + 1);
    const int64_t ahead_end = lesser(p->taps, (last - end + 1) / dilation + 1);
    if (end - t == ROWS && s->past == past_end && (!s->dw || s->ahead == ahead_end)) {
        if (s->dw) {
            backward_block(s);
        } else {
            forward_block(s);
        }
        return;
    }
    for (; t < end; ++t, s->x += s->stride, s->y += s->stride) {
        s->past = lesser(p->taps, t / dilation + 1);
        if (!s->dw) {
            forward_bar(s);
            continue;
        }
        s->ahead = lesser(p->taps, (last - t) / dilation + 1);
        backward_bar(s);
        s->dy += s->stride;
    }
}

static void forward_blocks(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const conv *p = context;
    for (int64_t block = begin; block < end; ++block) {
        const int64_t t = block % p->blocks * ROWS, t_end = lesser(t + ROWS, p->bars);
        const int64_t at = (block / p->blocks * p->bars + t) * p->channels;
        float *const out = p->z ? p->z : p->y;
        for (int64_t c = 0, g = 0; c < p->channels; c += p->group_channels, ++g) {
            strip s = {.x = p->x + at + c,
                       .w = p->w + c,
                       .bias = p->bias + c,
                       .y = out + at + c,
                       .stride = p->channels,
                       .width = p->group_channels,
                       .reach = p->dilation[g] * p->channels};
            run_strip(p, &s, p->dilation[g], t, t_end);
        }
        for (int64_t row = at; row < at + (t_end - t) * p->channels; row += p->channels)
            pu__conv_finish(p->act, p->z ? p->z + row : NULL, p->y + row, p->channels);
    }
}

pu_status pu__conv_cpu(const pu__call *call) {
    conv p = conv_of(call, &call->in[0].shape);
    p.x = call->in[0].data;
    p.w = call->in[1].data;
    p.bias = call->in[2].data;
    p.y = call->out[0].data;
    p.z = call->out_count > 1 ? call->out[1].data : NULL;
    const int64_t grain = p.windows >= WINDOWS_MANY ? p.blocks : pu__grain(8 * ROWS * p.channels);
    if (p.channels > 0) pu_parallel_for(call->pool, p.windows * p.blocks, grain, forward_blocks, &p);
    return PU_OK;
}

static void backward_blocks(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const conv *p = context;
    const int64_t count = (p->taps + 1) * p->channels;
    float *part = p->parts + begin / p->grain * count;
    memset(part, 0, (size_t)count * sizeof *part);
    for (int64_t block = begin; block < end; ++block) {
        const int64_t t = block % p->blocks * ROWS, t_end = lesser(t + ROWS, p->bars);
        const int64_t at = (block / p->blocks * p->bars + t) * p->channels;
        for (int64_t c = 0, g = 0; c < p->channels; c += p->group_channels, ++g) {
            strip s = {.x = p->x + at + c,
                       .w = p->w + c,
                       .dy = p->dy + at + c,
                       .y = p->dx + at + c,
                       .dw = part + c,
                       .dbias = part + p->taps * p->channels + c,
                       .stride = p->channels,
                       .width = p->group_channels,
                       .reach = p->dilation[g] * p->channels};
            run_strip(p, &s, p->dilation[g], t, t_end);
        }
    }
}

pu_status pu__conv_grad_cpu(const pu__call *call) {
    conv p = conv_of(call, &call->in[1].shape);
    p.dy = call->in[0].data;
    p.x = call->in[1].data;
    p.w = call->in[2].data;
    p.dx = call->out[0].data;
    p.parts = call->workspace;
    if (p.channels == 0) return PU_OK;
    const int64_t blocks = p.windows * p.blocks, count = p.taps * p.channels;
    pu_parallel_for(call->pool, blocks, p.grain, backward_blocks, &p);
    float *restrict dw = call->out[1].data, *restrict dbias = call->out[2].data;
    memset(dw, 0, (size_t)count * sizeof *dw);
    memset(dbias, 0, (size_t)p.channels * sizeof *dbias);
    for (int64_t chunk = 0; chunk < pu__chunks(blocks, p.grain); ++chunk) {
        const float *restrict part = p.parts + chunk * (count + p.channels);
        for (int64_t i = 0; i < count; ++i) dw[i] += part[i];
        for (int64_t c = 0; c < p.channels; ++c) dbias[c] += part[count + c];
    }
    return PU_OK;
}

size_t pu__conv_grad_workspace_cpu(const pu__call *call) {
    const conv p = conv_of(call, &call->in[1].shape);
    return (size_t)(pu__chunks(p.windows * p.blocks, p.grain) * (p.taps + 1) * p.channels) * sizeof(float);
}
