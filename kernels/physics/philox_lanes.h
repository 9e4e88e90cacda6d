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
    return _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
}
static inline pu__words pu__words_down(pu__words a) { return _mm512_srli_epi64(a, 32); }
static inline pu__words pu__words_product(pu__words a, pu__words b) { return _mm512_mul_epu32(a, b); }
static inline pu__words pu__words_sum(pu__words a, pu__words b) { return _mm512_add_epi64(a, b); }
static inline pu__words pu__words_splat(uint64_t a) { return _mm512_set1_epi64((long long)a); }
#elif defined(__AVX2__)
enum { PU__WORD_LANES = 8 };
typedef __m256i pu__words;
static inline pu__words pu__words_xor(pu__words a, pu__words b, pu__words c) {
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
static inline pu__words pu__words_join(pu__words even, pu__words odd) {
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}
static inline pu__words pu__words_down(pu__words a) { return _mm256_srli_epi64(a, 32); }
static inline pu__words pu__words_product(pu__words a, pu__words b) { return _mm256_mul_epu32(a, b); }
static inline pu__words pu__words_sum(pu__words a, pu__words b) { return _mm256_add_epi64(a, b); }
static inline pu__words pu__words_splat(uint64_t a) { return _mm256_set1_epi64x((long long)a); }
#else
enum { PU__WORD_LANES = 1 };
#endif

#if defined(__AVX2__)
/* The counters of every second path, one word to 64 bits. The instruction that multiplies reads the lower 32 alone, so
 * what gathers in the upper ones does not matter and a whole product serves as its own low word. */
typedef struct pu__counters {
    pu__words c0, c1, c2, c3;
} pu__counters;

static inline void pu__counters_round(pu__counters *c, pu__words key0, pu__words key1) {
    const pu__words p0 = pu__words_product(pu__words_splat(0xD2511F53u), c->c0);
    const pu__words p1 = pu__words_product(pu__words_splat(0xCD9E8D57u), c->c2);
    c->c0 = pu__words_xor(pu__words_down(p1), c->c1, key0);
    c->c2 = pu__words_xor(pu__words_down(p0), c->c3, key1);
    c->c1 = p1;
    c->c3 = p0;
}
#endif

/* word[w][l] of the paths first_path + l, l < lanes (a multiple of PU__WORD_LANES), as pu__draw_words has them. */
static inline void pu__draw_words_lanes(uint64_t seed, uint64_t first_path, uint32_t step_block, uint32_t draw,
                                        int lanes, uint32_t *word) {
#if defined(__AVX2__)
    static const uint64_t evens[8] = {0, 2, 4, 6, 8, 10, 12, 14};
    pu__words ramp;
    memcpy(&ramp, evens, sizeof ramp);
    for (int l = 0; l < lanes; l += PU__WORD_LANES) {
        pu__counters even = {pu__words_splat(step_block), pu__words_splat(draw), ramp, ramp}, odd;
        even.c2 = pu__words_sum(ramp, pu__words_splat(first_path + (uint64_t)l));
        even.c3 = pu__words_down(even.c2);
        odd = even;
        odd.c2 = pu__words_sum(even.c2, pu__words_splat(1));
        odd.c3 = pu__words_down(odd.c2);
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma GCC unroll 10
        for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
            pu__counters_round(&even, pu__words_splat(k0), pu__words_splat(k1));
            pu__counters_round(&odd, pu__words_splat(k0), pu__words_splat(k1));
        }
        const pu__words joined[4] = {pu__words_join(even.c0, odd.c0), pu__words_join(even.c1, odd.c1),
                                     pu__words_join(even.c2, odd.c2), pu__words_join(even.c3, odd.c3)};
        for (int w = 0; w < 4; ++w) memcpy(word + w * lanes + l, &joined[w], sizeof joined[w]);
    }
#else
    for (int l = 0; l < lanes; ++l) {
        const pu__philox4 words = pu__draw_words(seed, first_path + (uint64_t)l, step_block, draw);
        for (int w = 0; w < 4; ++w) word[w * lanes + l] = words.word[w];
    }
#endif
}

#endif
