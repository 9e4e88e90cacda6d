/* Dropout of a run of elements on the CPU: the mask that kernels/elementwise/elementwise.h defines, for kernels that
 * apply it on their way.
 *
 * A word is kept where its upper 24 bits, as a fraction, reach the rate: word >= ceil(rate 2^24) 2^8, an integer
 * comparison. Philox multiplies 32 bits into 64, so that its four words lie in lanes of 64 bits, upper halves
 * ignored: no shuffles between the rounds. Which counter lies in which lane is chosen so that the two interleavings at
 * the end give the words in the order of the elements. */
#ifndef PU_KERNELS_COMMON_DROPOUT_H
#define PU_KERNELS_COMMON_DROPOUT_H

#include <math.h>

#include "kernels/common/philox.h"
#include "kernels/common/vector.h"

enum { PU__PHILOX_ROUNDS = 10, PU__DROPOUT_BLOCK = 32 };

typedef struct pu__dropout {
    uint64_t key, high; /* Philox key; upper half of the counter */
    uint32_t least;     /* the least word that is kept */
    float scale;
    uint64_t round_key[PU__PHILOX_ROUNDS][2];
} pu__dropout;

/* clock = {seed, step} */
static inline pu__dropout pu__dropout_of(const uint64_t *clock, float rate, uint32_t tag) {
    pu__dropout d = {.key = clock[0],
                     .high = (uint64_t)tag << 40 | clock[1],
                     .least = (uint32_t)ceilf(rate * 16777216.0f) << 8,
                     .scale = 1.0f / (1.0f - rate)};
    for (uint32_t round = 0; round < PU__PHILOX_ROUNDS; ++round) {
        d.round_key[round][0] = (uint32_t)d.key + round * 0x9E3779B9u;
        d.round_key[round][1] = (uint32_t)(d.key >> 32) + round * 0xBB67AE85u;
    }
    return d;
}

#if defined(__AVX512F__)

/* The block of eight counters from `counter` on. */
PU__INLINE void pu__dropout_block(const pu__dropout *d, const float *x, float *y, uint64_t counter) {
    const __m512i a = _mm512_set1_epi64(0xD2511F53), b = _mm512_set1_epi64(0xCD9E8D57);
    __m512i c0 =
        _mm512_add_epi64(_mm512_set1_epi64((long long)counter), _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7));
    __m512i c1 = _mm512_srli_epi64(c0, 32), c2 = _mm512_set1_epi64((long long)d->high);
    __m512i c3 = _mm512_srli_epi64(c2, 32);
#pragma GCC unroll 10
    for (int round = 0; round < PU__PHILOX_ROUNDS; ++round) {
        const __m512i p0 = _mm512_mul_epu32(a, c0), p1 = _mm512_mul_epu32(b, c2);
        c0 = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), c1,
                                       _mm512_set1_epi64((long long)d->round_key[round][0]), 0x96);
        c2 = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), c3,
                                       _mm512_set1_epi64((long long)d->round_key[round][1]), 0x96);
        c1 = p1;
        c3 = p0;
    }
    const __m512i low = _mm512_mask_blend_epi32(0xAAAA, c0, _mm512_slli_epi64(c1, 32));
    const __m512i upper = _mm512_mask_blend_epi32(0xAAAA, c2, _mm512_slli_epi64(c3, 32));
    const __m512i word[2] = {_mm512_unpacklo_epi64(low, upper), _mm512_unpackhi_epi64(low, upper)};
    for (int v = 0; v < 2; ++v) {
        const __mmask16 kept = _mm512_cmpge_epu32_mask(word[v], _mm512_set1_epi32((int)d->least));
        _mm512_storeu_ps(y + 16 * v,
                         _mm512_maskz_mul_ps(kept, _mm512_loadu_ps(x + 16 * v), _mm512_set1_ps(d->scale)));
    }
}

#elif defined(__AVX2__)

PU__INLINE void pu__dropout_half(const pu__dropout *d, const float *x, float *y, uint64_t counter) {
    const __m256i a = _mm256_set1_epi64x(0xD2511F53), b = _mm256_set1_epi64x(0xCD9E8D57);
    const __m256i least = _mm256_set1_epi32((int)d->least);
    __m256i c0 = _mm256_add_epi64(_mm256_set1_epi64x((long long)counter), _mm256_setr_epi64x(0, 2, 1, 3));
    __m256i c1 = _mm256_srli_epi64(c0, 32), c2 = _mm256_set1_epi64x((long long)d->high);
    __m256i c3 = _mm256_srli_epi64(c2, 32);
#pragma GCC unroll 10
    for (int round = 0; round < PU__PHILOX_ROUNDS; ++round) {
        const __m256i p0 = _mm256_mul_epu32(a, c0), p1 = _mm256_mul_epu32(b, c2);
        const __m256i k0 = _mm256_set1_epi64x((long long)d->round_key[round][0]);
        const __m256i k1 = _mm256_set1_epi64x((long long)d->round_key[round][1]);
        c0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1), k0);
        c2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3), k1);
        c1 = p1;
        c3 = p0;
    }
    const __m256i low = _mm256_blend_epi32(c0, _mm256_slli_epi64(c1, 32), 0xAA);
    const __m256i upper = _mm256_blend_epi32(c2, _mm256_slli_epi64(c3, 32), 0xAA);
    const __m256i word[2] = {_mm256_unpacklo_epi64(low, upper), _mm256_unpackhi_epi64(low, upper)};
    for (int v = 0; v < 2; ++v) {
        const __m256i kept = _mm256_cmpeq_epi32(_mm256_max_epu32(word[v], least), word[v]);
        const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * v), _mm256_set1_ps(d->scale));
        _mm256_storeu_ps(y + 8 * v, _mm256_and_ps(scaled, _mm256_castsi256_ps(kept)));
    }
}

PU__INLINE void pu__dropout_block(const pu__dropout *d, const float *x, float *y, uint64_t counter) {
    pu__dropout_half(d, x, y, counter);
    pu__dropout_half(d, x + PU__DROPOUT_BLOCK / 2, y + PU__DROPOUT_BLOCK / 2, counter + PU__DROPOUT_BLOCK / 8);
}

#else

PU__INLINE void pu__dropout_block(const pu__dropout *d, const float *x, float *y, uint64_t counter) {
    uint32_t word[PU__DROPOUT_BLOCK];
    for (int j = 0; j < PU__DROPOUT_BLOCK / 4; ++j) {
        const pu__philox4 random = pu__philox(d->key, counter + (uint64_t)j, d->high);
        for (int k = 0; k < 4; ++k) word[4 * j + k] = random.word[k];
    }
    for (int j = 0; j < PU__DROPOUT_BLOCK; ++j) y[j] = word[j] >= d->least ? x[j] * d->scale : 0.0f;
}

#endif

/* Up to the end of the four elements of a counter. Returns how many they were. */
static inline int64_t pu__dropout_part(const pu__dropout *d, const float *x, float *y, int64_t first,
                                       int64_t count) {
    const pu__philox4 random = pu__philox(d->key, (uint64_t)first / 4, d->high);
    const int64_t left = 4 - first % 4, own = left < count ? left : count;
    for (int64_t j = 0; j < own; ++j) y[j] = random.word[first % 4 + j] >= d->least ? x[j] * d->scale : 0.0f;
    return own;
}

/* y = dropout of x, both of `count` elements, which are the elements first, first + 1, ... of the tensor. Not inlined:
 * a product that is then added somewhere stays a rounded product. */
static __attribute__((noinline, unused)) void pu__dropout_run(const pu__dropout *d, const float *x, float *y,
                                                              int64_t first, int64_t count) {
    int64_t i = 0;
    if (first % 4 != 0) i = pu__dropout_part(d, x, y, first, count);
    for (; i + PU__DROPOUT_BLOCK <= count; i += PU__DROPOUT_BLOCK)
        pu__dropout_block(d, x + i, y + i, (uint64_t)(first + i) / 4);
    while (i < count) i += pu__dropout_part(d, x + i, y + i, first + i, count - i);
}

#endif
