/* What the forward and the backward CPU kernel share: sizes, rotary angles, and packed copies of one head.
 *
 * A head's rows are packed to `padded` floats, a multiple of the vector width; transposed copies are
 * [padded][key_rows], `key_rows` a multiple of the panel. Rows behind the last bar are zero; what stands in padding
 * columns reaches nothing that is used. */
#ifndef PU_KERNELS_ATTENTION_ATTENTION_CPU_H
#define PU_KERNELS_ATTENTION_ATTENTION_CPU_H

#include <math.h>

#include "kernels/attention/attention.h"
#include "kernels/common/rounding.h"
#include "kernels/common/tile.h"
#include "plusultra/pool.h"

enum { PU__HEAD_MAX = 128, PU__ANGLE_BARS = 32, PU__FETCH_ROWS = 16, PU__LINE_FLOATS = 16, PU__WINDOWS_MANY = 32 };

typedef struct pu__heads {
    pu__attention of;
    int64_t width;             /* H D */
    int64_t padded, key_rows;  /* D to whole vectors, the keys to whole panels */
    int64_t angle_rows, turns; /* rows of the table of angles; which of them is query 0's */
} pu__heads;

static inline int64_t pu__round_up(int64_t n, int64_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

static inline pu__heads pu__heads_of(const pu__call *call, int backward) {
    pu__heads h = {.of = pu__attention_of(call, backward)};
    h.width = h.of.heads * h.of.size;
    h.padded = pu__round_up(h.of.size, PU__LANES);
    h.key_rows = pu__round_up(h.of.keys, PU__PANEL);
    if (h.of.rotary_base > 0.0f) {
        h.turns = h.of.offset > 0 ? h.of.keys : 0;
        h.angle_rows = h.turns + h.of.queries > h.of.keys ? h.turns + h.of.queries : h.of.keys;
    }
    return h;
}

/* Heads of a chunk: a window's where there are windows enough for any number of threads. */
static inline int64_t pu__head_grain(const pu__heads *h) {
    return h->of.batch >= PU__WINDOWS_MANY ? h->of.heads : 1;
}

/* Floats of the table of angles, in whole cache lines. */
static inline int64_t pu__angle_count(const pu__heads *h) { return pu__round_up(h->angle_rows * h->of.size, 64); }

/* The keys that query t sees are [first, end). */
static inline int64_t pu__first_seen(const pu__heads *h, int64_t t) {
    const int64_t first = t + h->of.shift + 1 - h->of.span;
    return first > 0 ? first : 0;
}
static inline int64_t pu__end_seen(const pu__heads *h, int64_t t) {
    const int64_t end = t + h->of.shift + 1;
    return end < h->of.keys ? end : h->of.keys;
}

typedef struct pu__angles {
    const pu__heads *heads;
    float *out;       /* [angle_rows][cosines D/2, sines D/2] */
    int64_t position; /* of row 0 */
} pu__angles;

/* The angles of a run of bars: from the library's sine at the first one, then turned on bar by bar in double. */
static inline void pu__angles_chunk(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pu__angles *angles = context;
    const pu__attention *of = &angles->heads->of;
    const int64_t half = of->size / 2;
    double c[PU__HEAD_MAX / 2], s[PU__HEAD_MAX / 2], turn_c[PU__HEAD_MAX / 2], turn_s[PU__HEAD_MAX / 2];
    for (int64_t i = 0; i < half; ++i) {
        const double frequency = pow(of->rotary_base, -2.0 * (double)i / (double)of->size);
        c[i] = cos((double)(begin + angles->position) * frequency);
        s[i] = sin((double)(begin + angles->position) * frequency);
        turn_c[i] = cos(frequency);
        turn_s[i] = sin(frequency);
    }
    for (int64_t t = begin; t < end; ++t) {
        float *restrict out = angles->out + t * 2 * half;
        for (int64_t i = 0; i < half; ++i) {
            const double next = c[i] * turn_c[i] - s[i] * turn_s[i];
            out[i] = (float)c[i];
            out[half + i] = (float)s[i];
            s[i] = s[i] * turn_c[i] + c[i] * turn_s[i];
            c[i] = next;
        }
    }
}

static inline void pu__angles_fill(const pu__heads *h, pu_pool *pool, float *out) {
    pu__angles angles = {h, out, 0};
    const int64_t rows = h->turns > 0 ? h->turns : h->angle_rows;
    if (rows > 0) pu_parallel_for(pool, rows, PU__ANGLE_BARS, pu__angles_chunk, &angles);
    if (h->turns == 0) return;
    angles = (pu__angles){h, out + h->turns * h->of.size, h->of.offset};
    pu_parallel_for(pool, h->of.queries, PU__ANGLE_BARS, pu__angles_chunk, &angles);
}

/* Asks for the row PU__FETCH_ROWS further on, and for this row of the next head: a head's rows are too short and
 * lie too far apart for the processor's own prefetchers. `next`: elements to the next head, 0 for none. */
PU__INLINE void pu__fetch(const float *row, int64_t stride, int64_t size, int64_t next) {
    for (int64_t d = 0; d < size; d += PU__LINE_FLOATS) {
        __builtin_prefetch(row + PU__FETCH_ROWS * stride + d);
        __builtin_prefetch(row + next + d, 0, 2);
    }
}
PU__INLINE void pu__fetch_to_write(const float *row, int64_t stride, int64_t size, int64_t next) {
    for (int64_t d = 0; d < size; d += PU__LINE_FLOATS) {
        __builtin_prefetch(row + PU__FETCH_ROWS * stride + d, 1);
        __builtin_prefetch(row + next + d, 1, 2);
    }
}
/* The rows before those that pu__fetch asks for. */
static inline void pu__fetch_first(const float *rows, int64_t stride, int64_t size) {
    for (int64_t t = -PU__FETCH_ROWS; t < 0; ++t) pu__fetch(rows + t * stride, stride, size, 0);
}

/* out = scale * in, turned by row t of the angles (or back: direction -1). */
PU__INLINE void pu__turn(float *restrict out, const float *restrict in, const float *restrict angles,
                         const pu__heads *h, int64_t t, float scale, float direction) {
    if (h->of.rotary_base <= 0.0f) {
        for (int64_t d = 0; d < h->of.size; ++d) out[d] = scale * in[d];
        return;
    }
    const int64_t half = h->of.size / 2;
    const float *restrict c = angles + t * h->of.size, *restrict s = c + half;
    for (int64_t i = 0; i < half; ++i) {
        const float x = scale * in[2 * i], y = scale * in[2 * i + 1], sine = direction * s[i];
        out[2 * i] = x * c[i] - y * sine;
        out[2 * i + 1] = x * sine + y * c[i];
    }
}

/* Query t turned, rounded, then scaled. */
static inline void pu__pack_query(const pu__heads *h, const float *angles, const float *q, int64_t t, float *to) {
    if (h->of.precision == PU_PRECISION_F32) {
        pu__turn(to, q, angles, h, h->turns + t, h->of.scale, 1.0f);
        return;
    }
    pu__turn(to, q, angles, h, h->turns + t, 1.0f, 1.0f);
    pu__round_row(to, h->of.size, h->of.precision);
    for (int64_t d = 0; d < h->of.size; ++d) to[d] *= h->of.scale;
}

PU__TILE_FUNCTION(pu__tile_rows, PU__TILE_ROWS, 2, 1)
PU__TILE_FUNCTION(pu__tile_rows_narrow, PU__TILE_ROWS, 1, 1)

/* c[TILE_ROWS][columns] (+)= a b; columns is a multiple of the vector width. */
static inline void pu__tile_wide(pu__tile t, int64_t columns, int add) {
    for (int64_t n = 0; n < columns; n += PU__PANEL, t.b += PU__PANEL, t.c += PU__PANEL) {
        if (n + PU__PANEL <= columns) {
            pu__tile_rows(&t, add);
        } else {
            pu__tile_rows_narrow(&t, add);
        }
    }
}

/* Zeroes the rows [bars, rows) of a packed copy; all of it where rows have padding columns, to keep odd values out of
 * them. */
static inline void pu__clear_padding(float *packed, const pu__heads *h, int64_t bars, int64_t rows) {
    const int64_t from = h->padded > h->of.size ? 0 : bars;
    memset(packed + from * h->padded, 0, (size_t)((rows - from) * h->padded) * sizeof *packed);
}

/* All bits in the lanes j of a vector for which first <= j < end. */
PU__INLINE pu__vec_mask pu__lanes_within(int64_t first, int64_t end) {
    static const int32_t number[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    pu__vec_mask lane;
    memcpy(&lane, number, sizeof lane);
    return (lane >= (int32_t)first) & (lane < (int32_t)end);
}

PU__INLINE pu__vec pu__select(pu__vec_mask mask, pu__vec yes, pu__vec no) {
    return (pu__vec)((mask & (pu__vec_mask)yes) | (~mask & (pu__vec_mask)no));
}

/* [key_rows][padded] to [padded][key_rows], four by four. */
static inline void pu__transpose_head(float *restrict out, const float *restrict in, const pu__heads *h) {
    typedef float four __attribute__((vector_size(16)));
    for (int64_t u = 0; u < h->key_rows; u += 4) {
        for (int64_t d = 0; d < h->padded; d += 4) {
            four row[4], column[4];
            for (int i = 0; i < 4; ++i) memcpy(&row[i], in + (u + i) * h->padded + d, sizeof row[i]);
            const four low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5),
                       high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
            const four low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5),
                       high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
            column[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
            column[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
            column[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
            column[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
            for (int i = 0; i < 4; ++i) memcpy(out + (d + i) * h->key_rows + u, &column[i], sizeof column[i]);
        }
    }
}

#endif
