/* Tiles of BARS bars: within a tile a vector of channels is carried over the bars with up to TAPS weights, or sums
 * of their gradients, in registers. A tile is short enough that memory is still read nearly in order, and its
 * taps' bars are in cache. */
#include "kernels/conv/conv.h"

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

enum { BARS = 16, TAPS = 4 };

typedef struct conv {
    const float *x, *w, *bias, *dy;
    float *y, *dx, *parts;
    const int *dilation;
    int64_t windows, bars, channels, group_channels, taps;
    int64_t tiles, grain; /* tiles of one window; tiles of a chunk of the backward pass */
} conv;

static conv conv_of(const pu__call *call, const pu_shape *x) {
    conv p = {.windows = x->dim[0],
              .bars = x->dim[1],
              .channels = x->dim[2],
              .dilation = call->attributes->conv.dilation};
    p.taps = call->attributes->conv.kernel_bars;
    p.group_channels = p.channels / call->attributes->conv.groups;
    p.tiles = pu__chunks(p.bars, BARS);
    p.grain = pu__reduction_grain(p.windows * p.tiles, 12 * BARS * p.channels);
    return p;
}

/* Some taps of a vector of channels, or of one channel, over the bars [t, end) of one window. Pointers stand at
 * the window's first bar and at the first of the taps. */
typedef struct strip {
    const float *x, *w, *bias, *dy;
    float *y, *dw, *dbias; /* y is dx in the backward pass; dw null: forward */
    int64_t t, end, bars;
    int64_t stride;         /* channels: from bar to bar and from tap to tap */
    int64_t dilation, past; /* past: bars between the present one and that of the first tap */
} strip;

/* y = bias + sum of w x, or y += for taps behind the first ones. `taps` is a constant where this is used. */
PU__INLINE void forward_taps(const strip *s, int taps) {
    pu__vec w[TAPS];
    for (int k = 0; k < taps; ++k) w[k] = pu__load(s->w + k * s->stride);
    for (int64_t t = s->t; t < s->end; ++t) {
        float *y = s->y + t * s->stride;
        pu__vec sum = pu__load(s->past == 0 ? s->bias : y);
        for (int k = 0; k < taps; ++k) {
            const int64_t from = t - s->past - k * s->dilation;
            if (from >= 0) sum = pu__multiply_add(w[k], pu__load(s->x + from * s->stride), sum);
        }
        pu__store(y, sum);
    }
}

/* dx = sum of w dy from later bars, or dx += for taps behind the first ones; dw += dy x from earlier bars; dbias
 * += dy once. */
PU__INLINE void backward_taps(const strip *s, int taps) {
    pu__vec w[TAPS], dw[TAPS], dbias = pu__load(s->dbias);
    for (int k = 0; k < taps; ++k) {
        w[k] = pu__load(s->w + k * s->stride);
        dw[k] = pu__load(s->dw + k * s->stride);
    }
    for (int64_t t = s->t; t < s->end; ++t) {
        float *dx = s->y + t * s->stride;
        const pu__vec slope = pu__load(s->dy + t * s->stride);
        pu__vec sum = s->past == 0 ? (pu__vec){0} : pu__load(dx);
        if (s->past == 0) dbias += slope;
        for (int k = 0; k < taps; ++k) {
            const int64_t from = t - s->past - k * s->dilation, to = t + s->past + k * s->dilation;
            if (from >= 0) dw[k] = pu__multiply_add(slope, pu__load(s->x + from * s->stride), dw[k]);
            if (to < s->bars) sum = pu__multiply_add(w[k], pu__load(s->dy + to * s->stride), sum);
        }
        pu__store(dx, sum);
    }
    for (int k = 0; k < taps; ++k) pu__store(s->dw + k * s->stride, dw[k]);
    pu__store(s->dbias, dbias);
}

static void run_vector(const strip *s, int64_t taps) {
    switch (taps + (s->dw ? TAPS : 0)) {
    case 1: forward_taps(s, 1); break;
    case 2: forward_taps(s, 2); break;
    case 3: forward_taps(s, 3); break;
    case 4: forward_taps(s, 4); break;
    case TAPS + 1: backward_taps(s, 1); break;
    case TAPS + 2: backward_taps(s, 2); break;
    case TAPS + 3: backward_taps(s, 3); break;
    default: backward_taps(s, 4); break;
    }
}

/* The same for one channel: what a group has beside whole vectors. */
static void run_channel(const strip *s, int64_t taps) {
    for (int64_t t = s->t; t < s->end; ++t) {
        float *y = s->y + t * s->stride, sum = s->past > 0 ? *y : s->dw ? 0.0f : *s->bias;
        if (s->dw && s->past == 0) *s->dbias += s->dy[t * s->stride];
        for (int64_t k = 0; k < taps; ++k) {
            const int64_t from = t - s->past - k * s->dilation, to = t + s->past + k * s->dilation;
            if (!s->dw) {
                if (from >= 0) sum += s->w[k * s->stride] * s->x[from * s->stride];
                continue;
            }
            if (from >= 0) s->dw[k * s->stride] += s->dy[t * s->stride] * s->x[from * s->stride];
            if (to < s->bars) sum += s->w[k * s->stride] * s->dy[to * s->stride];
        }
        *y = sum;
    }
}

/* One tile, all channels and taps; `part` is where dw and dbias are summed, null in the forward pass. */
static void run_tile(const conv *p, int64_t tile, float *part) {
    const int64_t window = tile / p->tiles, t = tile % p->tiles * BARS, at = window * p->bars * p->channels;
    for (int64_t c = 0, step; c < p->channels; c += step) {
        const int64_t group = c / p->group_channels, dilation = p->dilation[group];
        step = (group + 1) * p->group_channels - c >= PU__LANES ? PU__LANES : 1;
        for (int64_t first = 0; first < p->taps; first += TAPS) {
            const int64_t taps = p->taps - first < TAPS ? p->taps - first : TAPS;
            strip s = {.x = p->x + at + c,
                       .w = p->w + first * p->channels + c,
                       .t = t,
                       .end = t + BARS < p->bars ? t + BARS : p->bars};
            s.bars = p->bars;
            s.stride = p->channels;
            s.dilation = dilation;
            s.past = first * dilation;
            if (part) {
                s.dy = p->dy + at + c;
                s.y = p->dx + at + c;
                s.dw = part + first * p->channels + c;
                s.dbias = part + p->taps * p->channels + c;
            } else {
                s.bias = p->bias + c;
                s.y = p->y + at + c;
            }
            if (step > 1) {
                run_vector(&s, taps);
            } else {
                run_channel(&s, taps);
            }
        }
    }
}

static void conv_tiles(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    for (int64_t tile = begin; tile < end; ++tile) run_tile(context, tile, NULL);
}

pu_status pu__conv_cpu(const pu__call *call) {
    conv p = conv_of(call, &call->in[0].shape);
    p.x = call->in[0].data;
    p.w = call->in[1].data;
    p.bias = call->in[2].data;
    p.y = call->out[0].data;
    pu_parallel_for(call->pool, p.windows * p.tiles, pu__grain(8 * BARS * p.channels), conv_tiles, &p);
    return PU_OK;
}

static void conv_grad_tiles(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const conv *p = context;
    const int64_t count = (p->taps + 1) * p->channels;
    float *part = p->parts + begin / p->grain * count;
    memset(part, 0, (size_t)count * sizeof *part);
    for (int64_t tile = begin; tile < end; ++tile) run_tile(p, tile, part);
}

pu_status pu__conv_grad_cpu(const pu__call *call) {
    conv p = conv_of(call, &call->in[1].shape);
    p.dy = call->in[0].data;
    p.x = call->in[1].data;
    p.w = call->in[2].data;
    p.dx = call->out[0].data;
    p.parts = call->workspace;
    const int64_t tiles = p.windows * p.tiles, count = p.taps * p.channels;
    pu_parallel_for(call->pool, tiles, p.grain, conv_grad_tiles, &p);
    float *restrict dw = call->out[1].data, *restrict dbias = call->out[2].data;
    memset(dw, 0, (size_t)count * sizeof *dw);
    memset(dbias, 0, (size_t)p.channels * sizeof *dbias);
    for (int64_t chunk = 0; chunk < pu__chunks(tiles, p.grain); ++chunk) {
        const float *restrict part = p.parts + chunk * (count + p.channels);
        for (int64_t i = 0; i < count; ++i) dw[i] += part[i];
        for (int64_t c = 0; c < p.channels; ++c) dbias[c] += part[count + c];
    }
    return PU_OK;
}

size_t pu__conv_grad_workspace_cpu(const pu__call *call) {
    const conv p = conv_of(call, &call->in[1].shape);
    return (size_t)(pu__chunks(p.windows * p.tiles, p.grain) * (p.taps + 1) * p.channels) * sizeof(float);
}
