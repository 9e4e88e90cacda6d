#include "host/data/store/digest.h"

#include <stdatomic.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

enum { BLOCK_BYTES = 64 };

/* FIPS 180-4, section 4.2.2. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The processor's SHA instructions want the state as (a, b, e, f) and (c, d, g, h). A group is four rounds; its
 * message words are made from the four groups before. */
__attribute__((target("sha,sse4.1"))) static void compress(uint32_t state[8], const unsigned char *data,
                                                           size_t blocks) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
    for (; blocks > 0; --blocks, data += BLOCK_BYTES) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; ++i)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), big_endian);
#pragma GCC unroll 16
        for (int g = 0; g < 16; ++g) {
            const __m128i words =
                _mm_add_epi32(w[g & 3], _mm_loadu_si128((const __m128i *)(constants + 4 * (size_t)g)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(words, 0x0e));
            if (g >= 12) continue;
            const __m128i seven_before = _mm_alignr_epi8(w[(g + 3) & 3], w[(g + 2) & 3], 4);
            const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[g & 3], w[(g + 1) & 3]), seven_before);
            w[g & 3] = _mm_sha256msg2_epu32(sum, w[(g + 3) & 3]);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static bool has_instructions(void) {
    static atomic_int known; /* 0: not asked yet */
    int now = atomic_load_explicit(&known, memory_order_relaxed);
    if (now == 0) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        const bool sse41 = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) != 0;
        const bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29)) != 0;
        now = sse41 && sha ? 1 : -1;
        atomic_store_explicit(&known, now, memory_order_relaxed);
    }
    return now > 0;
}

/* libsodium's state holds the bits taken so far and a block that is not full. */
void pu__digest_add(crypto_hash_sha256_state *state, const void *data, size_t bytes) {
    const unsigned char *at = data;
    const size_t used = (size_t)(state->count / 8) % BLOCK_BYTES;
    if (bytes >= BLOCK_BYTES && has_instructions()) {
        const size_t head = (BLOCK_BYTES - used) % BLOCK_BYTES;
        if (head > 0) crypto_hash_sha256_update(state, at, head);
        const size_t blocks = (bytes - head) / BLOCK_BYTES;
        compress(state->state, at + head, blocks);
        state->count += 8 * (uint64_t)(blocks * BLOCK_BYTES);
        at += head + blocks * BLOCK_BYTES;
        bytes -= head + blocks * BLOCK_BYTES;
    }
    if (bytes > 0) crypto_hash_sha256_update(state, at, bytes);
}
#else
void pu__digest_add(crypto_hash_sha256_state *state, const void *data, size_t bytes) {
    if (bytes > 0) crypto_hash_sha256_update(state, data, bytes);
}
#endif

void pu__digest_end(crypto_hash_sha256_state *state, char out[65]) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(state, hash);
    sodium_bin2hex(out, 65, hash, sizeof hash);
}

void pu__digest(const void *data, size_t bytes, char out[65]) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    pu__digest_add(&state, data, bytes);
    pu__digest_end(&state, out);
}
