/* A vector of channels at a time runs through the bars with its state in a register; neighbouring vectors of one bar
 * are taken together, so that their chains of multiply-adds overlap. */
#include "kernels/scan/scan.h"

#include "kernels/common/vector.h"
#include "plusultra/pool.h"

enum { WIDE = 4 };

typedef struct scan {
    const float *a, *x, *dh, *h;
    float *out, *da;
    int64_t windows, bars, channels, strips; /* strips of WIDE vectors a window has */
} scan;

static scan scan_of(const pu_shape *shape) {
    scan s = {.windows = shape->dim[0], .bars = shape->dim[1], .channels = shape->dim[2]};
    s.strips = pu__chunks(s.channels, (int64_t)WIDE * PU__LANES);
    return s;
}

PU__INLINE void forward_vectors(const scan *s, int64_t at, int vectors) {
    pu__vec state[WIDE] = {{0}};
    for (int64_t t = 0; t < s->bars; ++t, at += s->channels) {
        for (int v = 0; v < vectors; ++v) {
            const int64_t i = at + v * PU__LANES;
            state[v] = pu__multiply_add(pu__load(s->a + i), state[v], pu__load(s->x + i));
            pu__store(s->out + i, state[v]);
        }
    }
}

PU__INLINE void backward_vectors(const scan *s, int64_t at, int vectors) {
    pu__vec carried[WIDE] = {{0}}; /* a(t+1) g(t+1) */
    for (int64_t t = s->bars - 1; t >= 0; --t) {
        for (int v = 0; v < vectors; ++v) {
            const int64_t i = at + t * s->channels + v * PU__LANES;
            const pu__vec slope = pu__load(s->dh + i) + carried[v];
            pu__store(s->out + i, slope);
            pu__store(s->da + i, t > 0 ? slope * pu__load(s->h + i - s->channels) : (pu__vec){0});
            carried[v] = slope * pu__load(s->a + i);
        }
    }
}

static void forward_channel(const scan *s, int64_t at) {
    float state = 0.0f;
    for (int64_t t = 0; t < s->bars; ++t, at += s->channels) s->out[at] = state = s->a[at] * state + s->x[at];
}

static void backward_channel(const scan *s, int64_t at) {
    float carried = 0.0f;
    for (int64_t t = s->bars - 1; t >= 0; --t) {
        const int64_t i = at + t * s->channels;
        const float slope = s->dh[i] + carried;
        s->out[i] = slope;
        s->da[i] = t > 0 ? slope * s->h[i - s->channels] : 0.0f;
        carried = slope * s->a[i];
    }
}

static void run_strips(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const scan *s = context;
    for (int64_t strip = begin; strip < end; ++strip) {
        const int64_t window = strip / s->strips, first = strip % s->strips * WIDE * PU__LANES;
        const int64_t at = window * s->bars * s->channels + first;
        const int64_t left = s->channels - first < WIDE * PU__LANES ? s->channels - first : WIDE * PU__LANES;
        int64_t c = 0;
        if (left == WIDE * PU__LANES) {
            if (s->dh) backward_vectors(s, at, WIDE);
            else forward_vectors(s, at, WIDE);
            continue;
        }
        for (; c + PU__LANES <= left; c += PU__LANES) {
            if (s->dh) backward_vectors(s, at + c, 1);
            else forward_vectors(s, at + c, 1);
        }
        for (; c < left; ++c) {
            if (s->dh) backward_channel(s, at + c);
            else forward_channel(s, at + c);
        }
    }
}

pu_status pu__scan_cpu(const pu__call *call) {
    scan s = scan_of(&call->in[0].shape);
    s.a = call->in[0].data;
    s.x = call->in[1].data;
    s.out = call->out[0].data;
    pu_parallel_for(call->pool, s.windows * s.strips, pu__grain(12 * s.bars * WIDE * PU__LANES), run_strips, &s);
    return PU_OK;
}

pu_status pu__scan_grad_cpu(const pu__call *call) {
    scan s = scan_of(&call->in[0].shape);
    s.dh = call->in[0].data;
    s.a = call->in[1].data;
    s.h = call->in[2].data;
    s.da = call->out[0].data;
    s.out = call->out[1].data;
    pu_parallel_for(call->pool, s.windows * s.strips, pu__grain(20 * s.bars * WIDE * PU__LANES), run_strips, &s);
    return PU_OK;
}
