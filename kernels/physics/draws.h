/* Random draws of the simulator: which Philox counter a draw has, and floats made of its words.
 *
 * A draw is named by (seed, path, step, draw): key = seed; counter = (step / 4, draw, path), 32 + 32 + 64 bits. One
 * call gives four words, those of the steps 4k .. 4k + 3, so a path is the same whatever the batch, the threads and
 * the block size, and any step can be had at once.
 *
 * Normals: Box and Muller (1958) on pairs of words: sqrt(-2 ln u) times a point of the unit circle, u of 32 bits in
 * (0, 1], so |z| <= 6.77, where a true normal lies once in 8e10 draws. Logarithm, sine, cosine and exponential are
 * polynomials of this file (Chebyshev interpolants on the reduced interval) in +, *, / and fused multiply-adds, all of
 * which IEEE 754 rounds correctly: the same floats on every instruction set and on a GPU, if no compiler fuses more
 * (-ffp-contract=off, --fmad=false). Errors against double, by tests/unit/test_draws.c: logarithm and exponential
 * 2 ulp, sine and cosine 1e-7, normals 6e-7 absolute. No branches: loops over paths vectorise. */
#ifndef PU_KERNELS_PHYSICS_DRAWS_H
#define PU_KERNELS_PHYSICS_DRAWS_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/common/philox.h"

enum { PU_DRAW_STEPS = 4 }; /* of one counter */

/* Draws of an asset are 4 * asset + kind; those that all assets share have an asset number of their own. */
typedef enum pu__draw_kind { PU_DRAW_PRICE = 0, PU_DRAW_SECOND, PU_DRAW_UNIFORM } pu__draw_kind;
#define PU_DRAW_SHARED_ASSET 0x3fffffffu

PU_HOST_DEVICE static inline uint32_t pu__draw_of(uint32_t asset, pu__draw_kind kind) {
    return 4u * asset + (uint32_t)kind;
}

PU_HOST_DEVICE static inline pu__philox4 pu__draw_words(uint64_t seed, uint64_t path, uint32_t step_block,
                                                        uint32_t draw) {
    return pu__philox(seed, (uint64_t)step_block | (uint64_t)draw << 32, path);
}

PU_HOST_DEVICE static inline float pu__float_of_bits(uint32_t bits) {
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

PU_HOST_DEVICE static inline uint32_t pu__bits_of_float(float x) {
    uint32_t out;
    memcpy(&out, &x, sizeof out);
    return out;
}

/* In (0, 1]. A word of 32 bits keeps the small values apart that the tails are made of. */
PU_HOST_DEVICE static inline float pu__draw_uniform(uint32_t word) {
    return fmaf((float)word, 2.3283064e-10f, 1.1641532e-10f);
}

/* ln x for normal x > 0: x = 2^e m with m in [sqrt(1/2), sqrt(2)); ln m = f - f^2/2 + f^3 q(f) with f = m - 1. */
PU_HOST_DEVICE static inline float pu__sim_log(float x) {
    const uint32_t shifted = pu__bits_of_float(x) - 0x3f3504f3u; /* bits of sqrt(1/2) */
    const int32_t exponent = (int32_t)shifted >> 23;
    const float f = pu__float_of_bits((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float q = 0.069716118f;
    q = fmaf(q, f, -0.11479734f);
    q = fmaf(q, f, 0.1168542f);
    q = fmaf(q, f, -0.12425687f);
    q = fmaf(q, f, 0.14249058f);
    q = fmaf(q, f, -0.16667803f);
    q = fmaf(q, f, 0.20000716f);
    q = fmaf(q, f, -0.24999997f);
    q = fmaf(q, f, 0.33333331f);
    const float square = f * f;
    const float tail = fmaf(f * square, q, -0.5f * square);
    return fmaf((float)exponent, 0.69314718f, f + tail);
}

/* e^x - 1 without cancellation about 0; x in [-87, 87], beyond it the value of the bound. With x = n ln 2 + r:
 * (e^r - 1) 2^n + (2^n - 1), e^r by a polynomial. ln 2 in two parts keeps n ln 2 exact (Cody & Waite 1980). */
PU_HOST_DEVICE static inline float pu__sim_expm1(float x) {
    x = x < 87.0f ? x : 87.0f;
    x = x > -87.0f ? x : -87.0f;
    const float shifted = fmaf(x, 1.44269504f, 12583039.0f); /* 1.5 * 2^23 + 127: rounds to n, in the low bits */
    const float whole = shifted - 12583039.0f;
    const float r = fmaf(whole, 2.12194440e-4f, fmaf(whole, -0.693359375f, x));
    float p = 1.3926176e-3f;
    p = fmaf(p, r, 8.3631733e-3f);
    p = fmaf(p, r, 4.1666556e-2f);
    p = fmaf(p, r, 0.16666578f);
    p = fmaf(p, r, 0.5f);
    const float grown = fmaf(p * r, r, r);
    const float scale = pu__float_of_bits(pu__bits_of_float(shifted) << 23); /* 2^n: n + 127 is its exponent */
    return fmaf(grown, scale, scale - 1.0f);
}

/* A point of the unit circle, evenly spread: the lower 30 bits are an angle in [-pi/4, pi/4); bit 31 mirrors the
 * cosine, bit 30 swaps cosine and sine. */
PU_HOST_DEVICE static inline void pu__draw_circle(uint32_t word, float *cosine, float *sine) {
    const float x = (float)(int32_t)(word << 2) * 3.6572952e-10f; /* (pi / 2) / 2^32 */
    const float z = x * x;
    const float s = fmaf(x * z, fmaf(z, fmaf(z, -1.9588e-4f, 8.33275e-3f), -0.16666665f), x);
    const float c =
        fmaf(z * z, fmaf(z, fmaf(z, 2.4547942e-5f, -1.3888303e-3f), 4.1666665e-2f), fmaf(z, -0.5f, 1.0f));
    const float mirrored = pu__float_of_bits(pu__bits_of_float(c) ^ (word & 0x80000000u));
    const bool swap = (word & 0x40000000u) != 0;
    *cosine = swap ? s : mirrored;
    *sine = swap ? mirrored : s;
}

/* sqrt(-2 ln u); the logarithm is at most 0, and 0 at u = 1. */
PU_HOST_DEVICE static inline float pu__draw_radius(uint32_t word) {
    return sqrtf(-2.0f * pu__sim_log(pu__draw_uniform(word)));
}

/* The normals of four steps. */
PU_HOST_DEVICE static inline void pu__draw_normals(pu__philox4 words, float z[PU_DRAW_STEPS]) {
    float cosine, sine;
    const float first = pu__draw_radius(words.word[0]), second = pu__draw_radius(words.word[2]);
    pu__draw_circle(words.word[1], &cosine, &sine);
    z[0] = first * cosine;
    z[1] = first * sine;
    pu__draw_circle(words.word[3], &cosine, &sine);
    z[2] = second * cosine;
    z[3] = second * sine;
}

/* Student-t of unit variance, dof > 2 (inverse_dof = 1 / dof): Bailey (1994), "Polar generation of random variates
 * with the t-distribution": sqrt(dof (u^(-2/dof) - 1)) times the cosine. Two words a draw: the sine would depend
 * on it. */
PU_HOST_DEVICE static inline float pu__draw_student(uint32_t u, uint32_t v, float inverse_dof) {
    float cosine, sine;
    const float power = pu__sim_expm1(-2.0f * inverse_dof * pu__sim_log(pu__draw_uniform(u)));
    const float square = fmaf(-2.0f, inverse_dof, 1.0f) * power / inverse_dof; /* (dof - 2) / dof: unit variance */
    pu__draw_circle(v, &cosine, &sine);
    return sqrtf(square > 0.0f ? square : 0.0f) * cosine;
}

#endif
