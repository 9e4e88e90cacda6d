/* The functions of draws.h on four vectors at once (quads.h): the same operations, so the same bits, which
 * tests/unit/test_paths.c compares. 32 paths take a quad for each pair of a counter's words. */
#ifndef PU_KERNELS_PHYSICS_DRAW_QUADS_H
#define PU_KERNELS_PHYSICS_DRAW_QUADS_H

#include <string.h>

#include "kernels/physics/draws.h"
#include "kernels/physics/quads.h"

#ifdef PU__QUADS

enum { PU__QUAD_PATHS = 32 };

/* Words 0 and 2 (`first`), 1 and 3 (`second`) of paths 0 .. 15, then of paths 16 .. 31. */
typedef struct pu__quad_draw {
    pu__quad_words first, second;
} pu__quad_draw;

/* Vectors of a quad hold a word of 8 paths each, in the lower half of 64 bits: 0 1 4 5 8 9 12 13, and 2 3 6 7 10 11 14
 * 15, of paths 0 .. 15 and of 16 .. 31. In this order one shuffle joins the lower, or the upper, halves of two. */
PU__QUAD_INLINE __m512i pu__quad_low(const pu__quad_words *a, int pair) {
    const __m512 even = _mm512_castsi512_ps(a->v[2 * pair]), odd = _mm512_castsi512_ps(a->v[2 * pair + 1]);
    return _mm512_castps_si512(_mm512_shuffle_ps(even, odd, 0x88));
}
PU__QUAD_INLINE __m512i pu__quad_high(const pu__quad_words *a, int pair) {
    const __m512 even = _mm512_castsi512_ps(a->v[2 * pair]), odd = _mm512_castsi512_ps(a->v[2 * pair + 1]);
    return _mm512_castps_si512(_mm512_shuffle_ps(even, odd, 0xDD));
}
PU__QUAD_INLINE __m512i pu__quad_mixed(const pu__quad_words *product, const pu__quad_words *word, int pair,
                                       uint32_t key) {
    return _mm512_ternarylogic_epi32(pu__quad_high(product, pair), pu__quad_low(word, pair),
                                     _mm512_set1_epi32((int)key), 0x96);
}

/* Keys of the ten rounds. They lie in memory, from where an operation takes one to all lanes at no cost; from registers
 * it would be an operation more. */
typedef struct pu__quad_keys {
    uint32_t k0[10], k1[10];
} pu__quad_keys;

static inline pu__quad_keys pu__quad_keys_of(uint64_t seed) {
    pu__quad_keys keys;
    for (uint32_t round = 0; round < 10; ++round) {
        keys.k0[round] = (uint32_t)seed + round * 0x9E3779B9u;
        keys.k1[round] = (uint32_t)(seed >> 32) + round * 0xBB67AE85u;
    }
    return keys;
}

/* Philox of the paths path .. path + 31, whose upper words are the same. The instruction that multiplies reads the
 * lower 32 bits alone, so a whole product serves as its own low word. Of the first two rounds, half is the same for
 * all. */
static __attribute__((noinline)) void pu__quad_words_of(const pu__quad_keys *keys, uint64_t path,
                                                        uint32_t step_block, uint32_t draw, pu__quad_draw *out) {
    static const uint64_t ramp[32] = {0,  1,  4,  5,  8,  9,  12, 13, 2,  3,  6,  7,  10, 11, 14, 15,
                                      16, 17, 20, 21, 24, 25, 28, 29, 18, 19, 22, 23, 26, 27, 30, 31};
    const uint32_t m0 = 0xD2511F53u, m1 = 0xCD9E8D57u;
    const uint64_t shared0 = (uint64_t)m0 * step_block;
    const uint32_t shared_c2 = (uint32_t)(shared0 >> 32) ^ (uint32_t)(path >> 32) ^ keys->k1[0];
    const uint64_t shared1 = (uint64_t)m1 * shared_c2;
    pu__quad_words c0, c1, c2, c3;
    memcpy(&c2, ramp, sizeof c2);
    c2 = pu__quad_plus(c2, (uint32_t)path);
    const pu__quad_words first = pu__quad_product(c2, m1);
    c0 = pu__quad_xor(pu__quad_down(first), draw ^ keys->k0[0]);
    c3 = pu__quad_product(c0, m0);
    c0 = pu__quad_xor(first, (uint32_t)(shared1 >> 32) ^ keys->k0[1]);
    c2 = pu__quad_xor(pu__quad_down(c3), (uint32_t)shared0 ^ keys->k1[1]);
    for (int i = 0; i < PU__QUAD_VECTORS; ++i) c1.v[i] = _mm512_set1_epi32((int)(uint32_t)shared1);
#pragma GCC unroll 7
    for (int round = 2; round < 9; ++round) {
        const pu__quad_words p0 = pu__quad_product(c0, m0), p1 = pu__quad_product(c2, m1);
        c0 = pu__quad_xor3(pu__quad_down(p1), c1, keys->k0[round]);
        c2 = pu__quad_xor3(pu__quad_down(p0), c3, keys->k1[round]);
        c1 = p1;
        c3 = p0;
    }
    const pu__quad_words p0 = pu__quad_product(c0, m0), p1 = pu__quad_product(c2, m1);
    for (int pair = 0; pair < 2; ++pair) {
        out->first.v[2 * pair] = pu__quad_mixed(&p1, &c1, pair, keys->k0[9]);
        out->first.v[2 * pair + 1] = pu__quad_mixed(&p0, &c3, pair, keys->k1[9]);
        out->second.v[2 * pair] = pu__quad_low(&p1, pair);
        out->second.v[2 * pair + 1] = pu__quad_low(&p0, pair);
    }
}

/* The polynomial of pu__sim_expm1: e^r - 1. */
PU__QUAD_INLINE pu__quad_floats pu__quad_grown(pu__quad_floats r) {
    pu__quad_floats p = pu__quad_fma_by_to(r, 1.3926176e-3f, 8.3631733e-3f);
    p = pu__quad_fma_to(p, r, 4.1666556e-2f);
    p = pu__quad_fma_to(p, r, 0.16666578f);
    p = pu__quad_fma_to(p, r, 0.5f);
    return pu__quad_fma(pu__quad_mul(p, r), r, r);
}

/* pu__sim_expm1. Where every x is next to the power 2^0, as returns of a bar mostly are, reducing it and undoing that
 * change nothing. */
PU__QUAD_INLINE pu__quad_floats pu__quad_expm1(pu__quad_floats x) {
    if (pu__quad_within(x, 0.3465f)) return pu__quad_grown(x);
    x = pu__quad_clamp(x, 87.0f);
    const pu__quad_floats shifted = pu__quad_fma_by_to(x, 1.44269504f, 12583039.0f);
    const pu__quad_floats whole = pu__quad_add_to(shifted, -12583039.0f);
    const pu__quad_floats r = pu__quad_fma_by(whole, 2.12194440e-4f, pu__quad_fma_by(whole, -0.693359375f, x));
    const pu__quad_floats scale = pu__quad_of_bits(pu__quad_left(pu__quad_bits(shifted), 23));
    return pu__quad_fma(pu__quad_grown(r), scale, pu__quad_add_to(scale, -1.0f));
}

/* An angle's sine and cosine by pu__draw_circle, before they are mirrored and swapped. */
PU__QUAD_INLINE void pu__quad_turn(pu__quad_words word, pu__quad_floats cosine, pu__quad_floats sine,
                                   pu__quad_floats *first, pu__quad_floats *second) {
    const __m512i sign = _mm512_set1_epi32((int)0x80000000u);
    for (int i = 0; i < PU__QUAD_VECTORS; ++i) {
        const __m512 mirrored = _mm512_castsi512_ps(/* cosine ^ (word & sign) */
                                                    _mm512_ternarylogic_epi32(_mm512_castps_si512(cosine.v[i]),
                                                                              word.v[i], sign, 0x78));
        const __mmask16 swap = _mm512_test_epi32_mask(word.v[i], _mm512_set1_epi32(0x40000000));
        first->v[i] = _mm512_mask_blend_ps(swap, mirrored, sine.v[i]);
        second->v[i] = _mm512_mask_blend_ps(swap, sine.v[i], mirrored);
    }
}

/* z[step * stride + l] for 32 paths. The radius is pu__draw_radius, its logarithm's terms times the -2 under the root,
 * which rounds nothing (a radius of 0 may have the other sign, of which no return keeps anything); the lines of
 * pu__draw_circle stand between its own, so that eight chains are under way. */
PU__QUAD_INLINE void pu__quad_normals(const pu__quad_draw *words, float *z, int64_t stride) {
    const pu__quad_words bits =
        pu__quad_bits(pu__quad_fma_by_to(pu__quad_of_unsigned(words->first), 2.3283064e-10f, 1.1641532e-10f));
    const pu__quad_words shifted = pu__quad_plus(bits, 0u - 0x3f3504f3u);
    const pu__quad_floats f =
        pu__quad_add_to(pu__quad_of_bits(pu__quad_plus(pu__quad_and(shifted, 0x007fffffu), 0x3f3504f3u)), -1.0f);
    const pu__quad_floats x = pu__quad_mul_by(pu__quad_of_signed(pu__quad_left(words->second, 2)), 3.6572952e-10f);
    pu__quad_floats q = pu__quad_fma_by_to(f, -2.0f * 0.069716118f, -2.0f * -0.11479734f);
    const pu__quad_floats square = pu__quad_mul(x, x);
    q = pu__quad_fma_to(q, f, -2.0f * 0.1168542f);
    pu__quad_floats s = pu__quad_fma_by_to(square, -1.9588e-4f, 8.33275e-3f);
    q = pu__quad_fma_to(q, f, -2.0f * -0.12425687f);
    pu__quad_floats c = pu__quad_fma_by_to(square, 2.4547942e-5f, -1.3888303e-3f);
    q = pu__quad_fma_to(q, f, -2.0f * 0.14249058f);
    s = pu__quad_fma_to(square, s, -0.16666665f);
    q = pu__quad_fma_to(q, f, -2.0f * -0.16667803f);
    c = pu__quad_fma_to(square, c, 4.1666665e-2f);
    q = pu__quad_fma_to(q, f, -2.0f * 0.20000716f);
    s = pu__quad_fma(pu__quad_mul(x, square), s, x);
    q = pu__quad_fma_to(q, f, -2.0f * -0.24999997f);
    c = pu__quad_fma(pu__quad_mul(square, square), c, pu__quad_fma_by_to(square, -0.5f, 1.0f));
    q = pu__quad_fma_to(q, f, -2.0f * 0.33333331f);
    const pu__quad_floats f_square = pu__quad_mul(f, f);
    q = pu__quad_fma_by(f, -2.0f, pu__quad_fma(pu__quad_mul(f, f_square), q, f_square));
    q = pu__quad_fma_by(pu__quad_of_signed(pu__quad_exponent(shifted)), -2.0f * 0.69314718f, q);
    const pu__quad_floats radius = pu__quad_sqrt(q);
    pu__quad_turn(words->second, c, s, &c, &s);
    const pu__quad_floats even = pu__quad_mul(radius, c), odd = pu__quad_mul(radius, s);
    for (int half = 0; half < 2; ++half) {
        _mm512_storeu_ps(z + 16 * half, even.v[2 * half]);
        _mm512_storeu_ps(z + stride + 16 * half, odd.v[2 * half]);
        _mm512_storeu_ps(z + 2 * stride + 16 * half, even.v[2 * half + 1]);
        _mm512_storeu_ps(z + 3 * stride + 16 * half, odd.v[2 * half + 1]);
    }
}

#endif
#endif
