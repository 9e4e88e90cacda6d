/* What the CUDA files of S4 share. */
#ifndef PU_KERNELS_S4_S4_CUH
#define PU_KERNELS_S4_S4_CUH

#include "kernels/common/device.cuh"
#include "kernels/s4/s4.h"

/* Rows of one state in the table [N][PU__S4_ROWS][C]: a and 2 C b; and in the sums over windows: the slopes by 2 C b
 * and by a, the latter without its factor 2 C b. */
enum { PU__S4_RE = 0, PU__S4_IM, PU__S4_OUT_RE, PU__S4_OUT_IM, PU__S4_ROWS };
/* Rows 2 and 3 of the powers [N][PU__S4_ROWS][C] of a chunk of L bars: a^L, and L a^(L-1). */
enum { PU__S4_SLOPE_RE = 2, PU__S4_SLOPE_IM };
/* Rows of one state's value at a chunk's boundary: x forward; backward as many of m, then of q. */
enum { PU__S4_STATE_ROWS = 2 };

/* Sequences that one launch works on: windows of packed [bars][channels] rows. A group is a chunk of bars of some
 * windows. */
typedef struct pu__s4_args {
    const float *u, *dy;       /* dy null in the forward pass */
    const float *table, *skip; /* skip [C] */
    float *out;                /* y, or du */
    float *parts;              /* gradient: [groups][N * PU__S4_ROWS + 1][C]; the last row is of skip */
    const float *power;        /* of a chunk */
    float *boundary;           /* [windows][chunks][N][rows][C]: states where a chunk ends, then where it starts */
    int64_t windows, channels, group_windows, groups, chunks;
    int bars, states, chunk_bars;
} pu__s4_args;

#endif
