/* Draws for many paths at once: the words of kernels/common/philox.h, whose 32 x 32 -> 64 bit products the compilers do
 * not vectorise well by themselves, and what draws.h makes of them. CPU only. */
#ifndef PU_KERNELS_PHYSICS_PHILOX_LANES_H
#define PU_KERNELS_PHYSICS_PHILOX_LANES_H

#include <string.h>

#include "kernels/physics/draw_quads.h"

#ifdef PU__QUADS
enum { PU__WORD_LANES = 32 };
#elif defined(__AVX2__)
#include <immintrin.h>
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

#if defined(__AVX2__) && !defined(PU__QUADS)
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

/* Lanes do not touch each other's values. */
#if defined(__GNUC__) && !defined(__clang__)
#define PU__LANES_APART _Pragma("GCC ivdep")
#else
#define PU__LANES_APART
#endif

static inline void pu__draw_words_apart(uint64_t seed, uint64_t first_path, uint32_t step_block, uint32_t draw,
                                        int lanes, uint32_t *word, int64_t stride) {
    for (int l = 0; l < lanes; ++l) {
        const pu__philox4 words = pu__draw_words(seed, first_path + (uint64_t)l, step_block, draw);
        for (int w = 0; w < 4; ++w) word[w * stride + l] = words.word[w];
    }
}

#ifdef PU__QUADS
/* The words of 32 paths; one by one where their numbers pass a multiple of 2^32. */
static inline void pu__quad_words_any(uint64_t seed, const pu__quad_keys *keys, uint64_t path, uint32_t step_block,
                                      uint32_t draw, pu__quad_draw *out) {
    if ((uint32_t)path <= UINT32_MAX - (PU__QUAD_PATHS - 1)) {
        pu__quad_words_of(keys, path, step_block, draw, out);
        return;
    }
    uint32_t word[4][PU__QUAD_PATHS];
    pu__draw_words_apart(seed, path, step_block, draw, PU__QUAD_PATHS, word[0], PU__QUAD_PATHS);
    for (int i = 0; i < PU__QUAD_VECTORS; ++i) {
        out->first.v[i] = _mm512_loadu_si512(word[i % 2 * 2] + i / 2 * 16);
        out->second.v[i] = _mm512_loadu_si512(word[i % 2 * 2 + 1] + i / 2 * 16);
    }
}
#endif

/* word[w][l] of the paths first_path + l, l < lanes (a multiple of PU__WORD_LANES), as pu__draw_words has them. */
static inline void pu__draw_words_lanes(uint64_t seed, uint64_t first_path, uint32_t step_block, uint32_t draw,
                                        int lanes, uint32_t *word) {
#if defined(PU__QUADS)
    const pu__quad_keys keys = pu__quad_keys_of(seed);
    for (int l = 0; l < lanes; l += PU__WORD_LANES) {
        pu__quad_draw words;
        pu__quad_words_any(seed, &keys, first_path + (uint64_t)l, step_block, draw, &words);
        for (int i = 0; i < PU__QUAD_VECTORS; ++i) {
            uint32_t *to = word + i % 2 * 2 * lanes + l + i / 2 * 16;
            _mm512_storeu_si512(to, words.first.v[i]);
            _mm512_storeu_si512(to + lanes, words.second.v[i]);
        }
    }
#elif defined(__AVX2__)
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
    pu__draw_words_apart(seed, first_path, step_block, draw, lanes, word, lanes);
#endif
}

/* z[step * stride + l]: their normals; `lanes` at most PU__NORMAL_LANES_MAX. */
enum { PU__NORMAL_LANES_MAX = 64 };
static inline void pu__draw_normals_lanes(uint64_t seed, uint64_t first_path, uint32_t step_block, uint32_t draw,
                                          int lanes, float *z, int64_t stride) {
#ifdef PU__QUADS
    const pu__quad_keys keys = pu__quad_keys_of(seed);
    for (int l = 0; l < lanes; l += PU__WORD_LANES) {
        pu__quad_draw words;
        pu__quad_words_any(seed, &keys, first_path + (uint64_t)l, step_block, draw, &words);
        pu__quad_normals(&words, z + l, stride);
    }
#else
    uint32_t word[4 * PU__NORMAL_LANES_MAX];
    pu__draw_words_lanes(seed, first_path, step_block, draw, lanes, word);
    PU__LANES_APART for (int l = 0; l < lanes; ++l) {
        const pu__philox4 words = {{word[l], word[lanes + l], word[2 * lanes + l], word[3 * lanes + l]}};
        float out[PU_DRAW_STEPS];
        pu__draw_normals(words, out);
        for (int i = 0; i < PU_DRAW_STEPS; ++i) z[i * stride + l] = out[i];
    }
#endif
}

/* x = e^x - 1 of lanes, a multiple of 64. */
static inline void pu__expm1_lanes(int lanes, float *x) {
#ifdef PU__QUADS
    for (int l = 0; l < lanes; l += PU__QUAD_FLOATS) pu__quad_store(x + l, pu__quad_expm1(pu__quad_load(x + l)));
#else
    PU__LANES_APART for (int l = 0; l < lanes; ++l) x[l] = pu__sim_expm1(x[l]);
#endif
}

#endif
