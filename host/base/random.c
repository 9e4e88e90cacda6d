#include "plusultra/random.h"

#include <math.h>

#include "kernels/common/philox.h"

pu_random pu_random_at(uint64_t seed, uint64_t stream) { return (pu_random){seed, stream, 0}; }

uint32_t pu_random_u32(pu_random *random) {
    const pu__philox4 block = pu__philox(random->seed, random->position >> 2, random->stream);
    return block.word[random->position++ & 3];
}

uint64_t pu_random_u64(pu_random *random) {
    const uint64_t low = pu_random_u32(random);
    return low | (uint64_t)pu_random_u32(random) << 32;
}

/* Rejection below the largest multiple of bound, so that every result is equally likely. */
uint64_t pu_random_below(pu_random *random, uint64_t bound) {
    if (bound == 0) return 0;
    const uint64_t skip = (0 - bound) % bound;
    for (;;) {
        const uint64_t value = pu_random_u64(random);
        if (value >= skip) return value % bound;
    }
}

double pu_random_uniform(pu_random *random) { return ((double)(pu_random_u64(random) >> 11) + 0.5) * 0x1p-53; }

double pu_random_normal(pu_random *random) {
    const double radius = sqrt(-2.0 * log(pu_random_uniform(random)));
    return radius * cos(6.283185307179586476925 * pu_random_uniform(random));
}

uint64_t pu_random_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t index) {
    if (n < 2) return 0;
    int half = 1;
    while (half < 32 && (n - 1) >> (2 * half)) ++half;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    uint64_t value = index;
    do { /* at most four times n values in the domain: few walks */
        uint64_t left = value >> half, right = value & mask;
        for (uint64_t round = 0; round < 4; ++round) {
            const pu__philox4 mixed = pu__philox(seed, right, stream * 4 + round);
            const uint64_t next = left ^ (mixed.word[0] & mask);
            left = right;
            right = next;
        }
        value = left << half | right;
    } while (value >= n);
    return value;
}
