/* Philox4x32-10 for many paths at once: the words of kernels/common/philox.h, whose 32 x 32 -> 64 bit products the
 * compilers do not vectorise well by themselves. CPU only. */
#ifndef PU_KERNELS_PHYSICS_PHILOX_LANES_H
#define PU_KERNELS_PHYSICS_PHILOX_LANES_H

#include <string.h>

#include "kernels/physics/draws.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { PU__WORD_LANES = 16 };
typedef __m512i pu__words;
static inline pu__words pu__words_xor(pu__words a, pu__words b, pu__words c) {
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}
static inline pu__words pu__words_join(pu__words even, pu__words odd) {
    return _mm512_mask_blend_epi32(0xAAAA, even, odd);
}
static inline pu__words pu__words_down(pu__words a) { return _mm512_srli_epi64(a, 32); }
static inline pu__words pu__words_up(pu__words a) { return _mm512_slli_epi64(a, 32); }
static inline pu__words pu__words_product(pu__words a, pu__words b) { return _mm512_mul_epu32(a, b); }
static inline pu__words pu__words_splat(uint32_t a) { return _mm512_set1_epi32((int)a); }
#elif defined(__AVX2__)
enum { PU__WORD_LANES = 8 };
typedef __m256i pu__words;
static inline pu__words pu__words_xor(pu__words a, pu__words b, pu__words c) {
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
static inline pu__words pu__words_join(pu__words even, pu__words odd) {
    return _mm256_blend_epi32(even, odd, 0xAA);
}
static inline pu__words pu__words_down(pu__words a) { return _mm256_srli_epi64(a, 32); }
static inline pu__words pu__words_up(pu__words a) { return _mm256_slli_epi64(a, 32); }
static inline pu__words pu__words_product(pu__words a, pu__words b) { return _mm256_mul_epu32(a, b); }
static inline pu__words pu__words_splat(uint32_t a) { return _mm256_set1_epi32((int)a); }
#else
enum { PU__WORD_LANES = 1 };
#endif

#if defined(__AVX2__)
/* Low and high halves of m * a for every lane: the products of the even lanes and of the odd ones, joined. */
static inline void pu__words_multiply(pu__words m, pu__words a, pu__words *low, pu__words *high) {
    const pu__words even = pu__words_product(m, a), odd = pu__words_product(m, pu__words_down(a));
    *low = pu__words_join(even, pu__words_up(odd));
    *high = pu__words_join(pu__words_down(even), odd);
}
#endif

/* word[w][l] of the paths first_path + l, l < lanes (a multiple of PU__WORD_LANES), as pu__draw_words has them. */
static inline void pu__draw_words_lanes(uint64_t seed, uint64_t first_path, uint32_t step_block, uint32_t draw,
                                        int lanes, uint32_t *word) {
#if defined(__AVX2__)
    const pu__words m0 = pu__words_splat(0xD2511F53u), m1 = pu__words_splat(0xCD9E8D57u);
    for (int l = 0; l < lanes; l += PU__WORD_LANES) {
        uint32_t path[2][PU__WORD_LANES];
        for (int i = 0; i < PU__WORD_LANES; ++i) {
            path[0][i] = (uint32_t)(first_path + (uint64_t)(l + i));
            path[1][i] = (uint32_t)((first_path + (uint64_t)(l + i)) >> 32);
        }
        pu__words c0 = pu__words_splat(step_block), c1 = pu__words_splat(draw), c2, c3;
        memcpy(&c2, path[0], sizeof c2);
        memcpy(&c3, path[1], sizeof c3);
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma GCC unroll 10
        for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
            pu__words low0, high0, low1, high1;
            pu__words_multiply(m0, c0, &low0, &high0);
            pu__words_multiply(m1, c2, &low1, &high1);
            c0 = pu__words_xor(high1, c1, pu__words_splat(k0));
            c2 = pu__words_xor(high0, c3, pu__words_splat(k1));
            c1 = low1;
            c3 = low0;
        }
        memcpy(word + 0 * lanes + l, &c0, sizeof c0);
        memcpy(word + 1 * lanes + l, &c1, sizeof c1);
        memcpy(word + 2 * lanes + l, &c2, sizeof c2);
        memcpy(word + 3 * lanes + l, &c3, sizeof c3);
    }
#else
    for (int l = 0; l < lanes; ++l) {
        const pu__philox4 words = pu__draw_words(seed, first_path + (uint64_t)l, step_block, draw);
        for (int w = 0; w < 4; ++w) word[w * lanes + l] = words.word[w];
    }
#endif
}

#endif
