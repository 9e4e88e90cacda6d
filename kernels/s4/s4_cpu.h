/* What the CPU files of S4 share. Work is cut into blocks of PU__LANES channels; of a block the tables, and a window's
 * inputs and outputs, lie packed as [..][PU__LANES], padded with zeros. */
#ifndef PU_KERNELS_S4_S4_CPU_H
#define PU_KERNELS_S4_S4_CPU_H

#include <stdbool.h>

#include "kernels/common/vector.h"
#include "kernels/s4/s4.h"
#include "plusultra/pool.h"

/* States that are carried at once: their coefficients, states and sums fill the registers. */
#if defined(__AVX512F__)
enum { PU__S4_FORWARD_STATES = 4, PU__S4_BACKWARD_STATES = 2 };
#else
enum { PU__S4_FORWARD_STATES = 2, PU__S4_BACKWARD_STATES = 1 };
#endif

/* Rows of one state in a block's table: a, and 2 C b. */
enum { PU__S4_A_RE = 0, PU__S4_A_IM, PU__S4_W_RE, PU__S4_W_IM, PU__S4_ROWS };

/* Windows and bars of a tile of the convolution form. */
enum { PU__S4_TILE_WINDOWS = 4, PU__S4_TILE_BARS = 4, PU__S4_TILE_LAGS = 8 };

/* In the gradient at most this many groups of windows leave partial sums, which are added in order. */
enum { PU__S4_GROUPS_MAX = 8 };

typedef struct pu__s4 {
    const float *u, *log_step, *rate, *frequency, *weight, *skip;
    int64_t windows, bars, channels, states;
    int64_t blocks, padded_states; /* of channels; states rounded up to whole carries */
    int64_t taps;                  /* rows of K in a table: bars and a tile's overhang */
    int64_t group_windows, groups;
    bool bilinear, convolution;
    float *tables;  /* [blocks][padded_states][PU__S4_ROWS][LANES] */
    float *kernel;  /* [blocks][taps][LANES]; convolution form */
    float *parts;   /* [groups][blocks][part_rows][LANES]; gradient */
    float *scratch; /* [threads][scratch_count] */
    int64_t part_rows, scratch_count;
} pu__s4;

/* Sizes and inputs of a call whose u is in slot `first`; places in the workspace for a pool of `threads`. Returns
 * the floats of workspace. */
size_t pu__s4_of(const pu__call *call, int first, pu__s4 *out);

/* Fills the tables, and K where the form needs it. */
void pu__s4_prepare(const pu__call *call, pu__s4 *s);

static inline const float *pu__s4_table(const pu__s4 *s, int64_t block) {
    return s->tables + block * s->padded_states * PU__S4_ROWS * PU__LANES;
}

/* One block's rows [bars][LANES] from or to memory of `channels` a row; `reversed` turns time around. */
void pu__s4_pack(const pu__s4 *s, int64_t window, int64_t block, const float *from, bool reversed, float *to);
void pu__s4_unpack(const pu__s4 *s, int64_t window, int64_t block, const float *from, bool reversed, float *to);

/* skip of a block's channels, zero beyond them. */
pu__vec pu__s4_skip(const pu__s4 *s, int64_t block);

/* The recurrence over `bars` packed rows. */
void pu__s4_scan(const pu__s4 *s, int64_t block, const float *u, float *y);

/* y of `windows` packed windows, `stride` floats apart, by K. */
void pu__s4_convolve(const pu__s4 *s, int64_t block, const float *u, float *y, int64_t stride, int windows);

#endif
