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

enum { RUN_LANES = 32 };

/* One pass of four rounds over values below 4^half. */
static void mix(uint64_t seed, uint64_t stream, int half, int count, uint64_t *value) {
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    uint64_t left[RUN_LANES], right[RUN_LANES];
    for (int i = 0; i < count; ++i) {
        left[i] = value[i] >> half;
        right[i] = value[i] & mask;
    }
    for (uint64_t round = 0; round < 4; ++round) {
        for (int i = 0; i < count; ++i) {
            const pu__philox4 mixed = pu__philox(seed, right[i], stream * 4 + round);
            const uint64_t next = left[i] ^ (mixed.word[0] & mask);
            left[i] = right[i];
            right[i] = next;
        }
    }
    for (int i = 0; i < count; ++i) value[i] = left[i] << half | right[i];
}

/* At most four times n values in the domain: few walks. Those that are still outside go on together. */
static void walk(uint64_t seed, uint64_t stream, uint64_t n, int half, int count, uint64_t *out) {
    uint64_t value[RUN_LANES];
    int place[RUN_LANES];
    for (int i = 0; i < count; ++i) {
        value[i] = out[i];
        place[i] = i;
    }
    while (count > 0) {
        mix(seed, stream, half, count, value);
        int outside = 0;
        for (int i = 0; i < count; ++i) {
            if (value[i] < n) {
                out[place[i]] = value[i];
            } else {
                value[outside] = value[i];
                place[outside++] = place[i];
            }
        }
        count = outside;
    }
}

void pu_random_permute_run(uint64_t seed, uint64_t stream, uint64_t n, uint64_t first, int count, uint64_t *out) {
    int half = 1;
    while (half < 32 && n > 0 && (n - 1) >> (2 * half)) ++half;
    for (int done = 0; done < count; done += RUN_LANES) {
        const int lanes = count - done < RUN_LANES ? count - done : RUN_LANES;
        for (int i = 0; i < lanes; ++i) out[done + i] = n < 2 ? 0 : first + (uint64_t)(done + i);
        if (n >= 2) walk(seed, stream, n, half, lanes, out + done);
    }
}

uint64_t pu_random_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t index) {
    uint64_t image = 0;
    pu_random_permute_run(seed, stream, n, index, 1, &image);
    return image;
}
