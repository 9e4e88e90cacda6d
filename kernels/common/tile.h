/* The register tile of a matrix product: TILE_ROWS rows of A against one panel of B, two vectors wide. The sums
 * stay in registers over the whole of k, each element one chain of multiply-adds in the order of k. */
#ifndef PU_KERNELS_COMMON_TILE_H
#define PU_KERNELS_COMMON_TILE_H

#include "kernels/common/vector.h"

#if defined(__AVX512F__)
enum { PU__TILE_ROWS = 12 }; /* 24 of 32 registers hold sums */
#else
enum { PU__TILE_ROWS = 6 }; /* 12 of 16 */
#endif
enum { PU__PANEL = 2 * PU__LANES };

typedef struct pu__tile {
    const float *a; /* a[row * a_row + k * a_col]; one of the two strides is 1 */
    int64_t a_row, a_col;
    const float *b; /* b[k * b_row + column] */
    int64_t b_row, k;
    float *c; /* c[row * c_row + column] */
    int64_t c_row;
} pu__tile;

/* c (+)= a b over `rows` rows and `vectors` vectors. All but `t` are constants where this is used. by_row: a_col
 * is 1, else a_row is 1. */
PU__INLINE void pu__tile_multiply(const pu__tile *t, int rows, int vectors, int by_row, int add) {
    pu__vec sum[PU__TILE_ROWS][2];
    const int64_t a_row = by_row ? t->a_row : 1, a_col = by_row ? 1 : t->a_col, b_row = t->b_row;
    for (int r = 0; r < rows; ++r) {
        for (int v = 0; v < vectors; ++v)
            sum[r][v] = add ? pu__load(t->c + r * t->c_row + v * PU__LANES) : (pu__vec){0};
    }
    const float *restrict a = t->a, *restrict b = t->b;
    for (int64_t k = 0; k < t->k; ++k, a += a_col, b += b_row) {
        pu__vec value[2];
        for (int v = 0; v < vectors; ++v) value[v] = pu__load(b + v * PU__LANES);
        for (int r = 0; r < rows; ++r) {
            const pu__vec factor = pu__splat(a[r * a_row]);
            for (int v = 0; v < vectors; ++v) sum[r][v] = pu__multiply_add(factor, value[v], sum[r][v]);
        }
    }
    for (int r = 0; r < rows; ++r) {
        for (int v = 0; v < vectors; ++v) pu__store(t->c + r * t->c_row + v * PU__LANES, sum[r][v]);
    }
}

#define PU__TILE_FUNCTION(name, rows, vectors, by_row)                       \
    static __attribute__((noinline)) void name(const pu__tile *t, int add) { \
        if (add) {                                                           \
            pu__tile_multiply(t, rows, vectors, by_row, 1);                  \
        } else {                                                             \
            pu__tile_multiply(t, rows, vectors, by_row, 0);                  \
        }                                                                    \
    }

#endif
