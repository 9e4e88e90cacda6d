/* What the CPU files of S4 share. Work is cut into blocks of PU__LANES channels; of a block the tables, and a window's
 * inputs and outputs, lie packed as [..][PU__LANES], padded with zeros. */
#ifndef PU_KERNELS_S4_S4_CPU_H
#define PU_KERNELS_S4_S4_CPU_H

#include <stdbool.h>

#include "kernels/common/vector.h"
#include "kernels/s4/s4.h"
#include "kernels/s4/s4_held.h"
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

/* The blocks form: bars of a block; bins, and floats, of a block's spectrum [BLOCK + 1][2][LANES]; points of the
 * circle. */
enum { PU__S4_BLOCK = 64, PU__S4_SPECTRUM = (PU__S4_BLOCK + 1) * 2 * PU__LANES, PU__S4_CIRCLE = 2 * PU__S4_BLOCK };

/* In the gradient at most this many groups of windows leave partial sums, which are added in order. */
enum { PU__S4_GROUPS_MAX = 8 };

typedef struct pu__s4 {
    const float *u, *log_step, *rate, *frequency, *weight, *skip;
    int64_t windows, bars, channels, states;
    int64_t blocks, padded_states; /* of channels; states rounded up to whole carries */
    int64_t lags, taps;            /* K's lags: bars, or whole blocks; and with a tile's overhang */
    int64_t spectra;               /* blocks of bars; blocks form, otherwise 0 */
    int64_t tile, row_stride;      /* windows computed at once; floats from one's packed rows to the next's */
    int64_t panel, panels;         /* blocks of channels packed at once */
    int64_t group_windows, groups;
    bool bilinear;
    pu_s4_form form;       /* never AUTO */
    float *tables;         /* [blocks][padded_states][PU__S4_ROWS][LANES] */
    float *kernel;         /* [blocks][taps][LANES]; not of the scan */
    float *circle;         /* [2][PU__S4_CIRCLE]; blocks form */
    float *kernel_spectra; /* [blocks][spectra][PU__S4_SPECTRUM]; blocks form */
    float *parts;          /* [groups][blocks][part_rows][LANES]; gradient */
    float *scratch;        /* [threads][scratch_count] */
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

/* A window's rows [bars][LANES] of `blocks` neighbouring blocks of channels, tile row_stride floats apart, from or to
 * memory of `channels` a row. */
void pu__s4_pack(const pu__s4 *s, int64_t window, int64_t block, int64_t blocks, const float *from, float *to);
void pu__s4_unpack(const pu__s4 *s, int64_t window, int64_t block, int64_t blocks, const float *from, float *to);

/* skip of a block's channels, zero beyond them. */
pu__vec pu__s4_skip(const pu__s4 *s, int64_t block);

/* The recurrence over `bars` packed rows. */
void pu__s4_scan(const pu__s4 *s, int64_t block, const float *u, float *y);

/* y of `windows` packed windows, `stride` floats apart and of `bars` rows, by K. */
void pu__s4_convolve(const pu__s4 *s, int64_t block, const float *u, float *y, int64_t stride, int64_t bars,
                     int windows);

/* ---- the blocks form (s4_blocks_cpu.c) ---- */

void pu__s4_fill_circle(float circle[2 * PU__S4_CIRCLE]);

/* Fills kernel_spectra of a block of channels from its K. */
void pu__s4_kernel_spectra(const pu__s4 *s, int64_t block);

/* As pu__s4_convolve over all bars. `spectra` is scratch of [windows][s->spectra][PU__S4_SPECTRUM]. */
void pu__s4_convolve_blocks(const pu__s4 *s, int64_t block, const float *u, float *y, int64_t stride, int windows,
                            float *spectra);

/* du of as many windows from their dy; adds to slopes[s->spectra][PU__S4_SPECTRUM] what u and dy give to the slope of
 * K. `scratch` holds [2 TILE_WINDOWS] times [s->spectra][PU__S4_SPECTRUM] and [BLOCK][LANES]. */
void pu__s4_blocks_backward(const pu__s4 *s, int64_t block, const float *u, const float *dy, float *du,
                            int64_t stride, int windows, float *scratch, float *slopes);

/* The slope of K [lags][LANES] from `slopes`. */
void pu__s4_kernel_slope(const pu__s4 *s, const float *slopes, float *dkernel);

#endif
