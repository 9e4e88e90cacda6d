/* Four vectors side by side, on which draws and accounts work at once: an operation has a latency of some 4 cycles and
 * two are begun a cycle, so that eight must be under way, of which a chain of dependent ones has but one.
 *
 * Every function here is one IEEE operation on each element, so what is written with them has the bits of the same text
 * in floats. AVX-512 only; elsewhere loops over lanes are the compiler's. */
#ifndef PU_KERNELS_PHYSICS_QUADS_H
#define PU_KERNELS_PHYSICS_QUADS_H

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define PU__QUADS 1
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

enum { PU__QUAD_VECTORS = 4, PU__QUAD_FLOATS = 64, PU__QUAD_DOUBLES = 32 };

typedef struct pu__quad_words {
    __m512i v[PU__QUAD_VECTORS];
} pu__quad_words;
typedef struct pu__quad_floats {
    __m512 v[PU__QUAD_VECTORS];
} pu__quad_floats;

#define PU__QUAD_INLINE static inline __attribute__((always_inline))
#define PU__QUAD_FUNCTION(type, name, arguments, expression)                                      \
    PU__QUAD_INLINE type name arguments {                                                         \
        type out;                                                                                 \
        _Pragma("GCC unroll 4") for (int i = 0; i < PU__QUAD_VECTORS; ++i) out.v[i] = expression; \
        return out;                                                                               \
    }

/* Words. */
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_product, (pu__quad_words a, uint32_t b),
                  _mm512_mul_epu32(a.v[i], _mm512_set1_epi64((long long)b)))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_down, (pu__quad_words a), _mm512_srli_epi64(a.v[i], 32))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_xor, (pu__quad_words a, uint32_t b),
                  _mm512_xor_si512(a.v[i], _mm512_set1_epi32((int)b)))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_xor3, (pu__quad_words a, pu__quad_words b, uint32_t c),
                  _mm512_ternarylogic_epi32(a.v[i], b.v[i], _mm512_set1_epi32((int)c), 0x96))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_plus, (pu__quad_words a, uint32_t b),
                  _mm512_add_epi32(a.v[i], _mm512_set1_epi32((int)b)))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_and, (pu__quad_words a, uint32_t b),
                  _mm512_and_si512(a.v[i], _mm512_set1_epi32((int)b)))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_left, (pu__quad_words a, unsigned bits),
                  _mm512_slli_epi32(a.v[i], bits))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_exponent, (pu__quad_words a), _mm512_srai_epi32(a.v[i], 23))

/* Floats. */
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_load, (const float *from), _mm512_loadu_ps(from + 16 * i))
PU__QUAD_INLINE void pu__quad_store(float *to, pu__quad_floats a) {
    for (int i = 0; i < PU__QUAD_VECTORS; ++i) _mm512_storeu_ps(to + 16 * i, a.v[i]);
}
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_mul, (pu__quad_floats a, pu__quad_floats b),
                  _mm512_mul_ps(a.v[i], b.v[i]))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_mul_by, (pu__quad_floats a, float b),
                  _mm512_mul_ps(a.v[i], _mm512_set1_ps(b)))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_add_to, (pu__quad_floats a, float b),
                  _mm512_add_ps(a.v[i], _mm512_set1_ps(b)))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_fma, (pu__quad_floats a, pu__quad_floats b, pu__quad_floats c),
                  _mm512_fmadd_ps(a.v[i], b.v[i], c.v[i]))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_fma_by, (pu__quad_floats a, float b, pu__quad_floats c),
                  _mm512_fmadd_ps(a.v[i], _mm512_set1_ps(b), c.v[i]))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_fma_to, (pu__quad_floats a, pu__quad_floats b, float c),
                  _mm512_fmadd_ps(a.v[i], b.v[i], _mm512_set1_ps(c)))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_fma_by_to, (pu__quad_floats a, float b, float c),
                  _mm512_fmadd_ps(a.v[i], _mm512_set1_ps(b), _mm512_set1_ps(c)))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_sqrt, (pu__quad_floats a), _mm512_sqrt_ps(a.v[i]))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_clamp, (pu__quad_floats a, float most),
                  _mm512_max_ps(_mm512_min_ps(a.v[i], _mm512_set1_ps(most)), _mm512_set1_ps(-most)))

/* Conversions. */
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_of_bits, (pu__quad_words a), _mm512_castsi512_ps(a.v[i]))
PU__QUAD_FUNCTION(pu__quad_words, pu__quad_bits, (pu__quad_floats a), _mm512_castps_si512(a.v[i]))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_of_signed, (pu__quad_words a), _mm512_cvtepi32_ps(a.v[i]))
PU__QUAD_FUNCTION(pu__quad_floats, pu__quad_of_unsigned, (pu__quad_words a), _mm512_cvtepu32_ps(a.v[i]))

/* Whether every |a| < most; not of a NaN. */
PU__QUAD_INLINE bool pu__quad_within(pu__quad_floats a, float most) {
    __mmask16 inside = 0xffff;
    for (int i = 0; i < PU__QUAD_VECTORS; ++i)
        inside = _mm512_mask_cmp_ps_mask(inside, _mm512_abs_ps(a.v[i]), _mm512_set1_ps(most), _CMP_LT_OQ);
    return inside == 0xffff;
}

#endif
#endif
