#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "kernels/common/philox.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { DRAWS = 200000, SEED = 20261123 };

/* Known answers for philox4x32-10 from Random123's tests/kat_vectors. */
static void philox_matches_the_published_vectors(void **state) {
    (void)state;
    static const struct {
        uint64_t key, low, high;
        uint32_t word[4];
    } rows[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x85a308d3243f6a88,
         0x0370734413198a2e,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        const pu__philox4 got = pu__philox(rows[i].key, rows[i].low, rows[i].high);
        assert_memory_equal(got.word, rows[i].word, sizeof got.word);
    }
}

static void a_stream_is_a_position(void **state) {
    (void)state;
    pu_random whole = pu_random_at(SEED, 3);
    uint32_t words[37];
    for (int i = 0; i < 37; ++i) words[i] = pu_random_u32(&whole);
    for (int start = 0; start < 37; ++start) {
        pu_random part = pu_random_at(SEED, 3);
        part.position = (uint64_t)start;
        for (int i = start; i < 37; ++i) assert_int_equal(pu_random_u32(&part), words[i]);
    }
    pu_random other = pu_random_at(SEED, 4);
    int same = 0;
    for (int i = 0; i < 37; ++i) same += pu_random_u32(&other) == words[i];
    assert_int_equal(same, 0);
}

/* Mean and variance within 5 standard errors, and a chi-square over 64 bins below its 1 - 1e-6 quantile (63
 * degrees of freedom: 127). */
static void uniform_is_uniform(void **state) {
    (void)state;
    pu_random random = pu_random_at(SEED, 0);
    double sum = 0, squares = 0, chi = 0;
    int bins[64] = {0};
    for (int i = 0; i < DRAWS; ++i) {
        const double u = pu_random_uniform(&random);
        assert_true(u > 0 && u < 1);
        sum += u;
        squares += (u - 0.5) * (u - 0.5);
        bins[(int)(u * 64)] += 1;
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0 / 12) <
                5 * sqrt(1.0 / 180 / DRAWS)); /* Var((u - 1/2)^2) = 1/80 - 1/144 = 1/180 */
    for (int i = 0; i < 64; ++i) chi += pow(bins[i] - DRAWS / 64.0, 2) / (DRAWS / 64.0);
    assert_true(chi < 127);
}

/* Moments of the standard normal: 0, 1, 0, 3 with variances 1, 2, 15, 96 per draw; and the share beyond two
 * standard deviations. */
static void normal_is_normal(void **state) {
    (void)state;
    pu_random random = pu_random_at(SEED, 1);
    double moment[4] = {0};
    int beyond = 0;
    for (int i = 0; i < DRAWS; ++i) {
        const double z = pu_random_normal(&random);
        assert_true(isfinite(z));
        double power = 1;
        for (int m = 0; m < 4; ++m) moment[m] += (power *= z);
        beyond += fabs(z) > 2;
    }
    static const double expected[4] = {0, 1, 0, 3}, variance[4] = {1, 2, 15, 96};
    for (int m = 0; m < 4; ++m) assert_true(fabs(moment[m] / DRAWS - expected[m]) < 5 * sqrt(variance[m] / DRAWS));
    const double p = erfc(sqrt(2.0));
    assert_true(fabs((double)beyond / DRAWS - p) < 5 * sqrt(p * (1 - p) / DRAWS));
}

static void below_is_bounded_and_even(void **state) {
    (void)state;
    pu_random random = pu_random_at(SEED, 2);
    static const uint64_t bounds[] = {1, 2, 3, 7, 10, 97};
    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; ++b) {
        int counts[97] = {0};
        for (int i = 0; i < DRAWS; ++i) {
            const uint64_t value = pu_random_below(&random, bounds[b]);
            assert_true(value < bounds[b]);
            counts[value] += 1;
        }
        const double p = 1.0 / (double)bounds[b];
        for (uint64_t v = 0; v < bounds[b]; ++v)
            assert_true(fabs(counts[v] - DRAWS * p) <= 5 * sqrt(DRAWS * p * (1 - p)));
    }
    assert_int_equal(pu_random_below(&random, 0), 0);
    /* 3 * 2^62: without rejection the lowest quarter would be hit twice as often as the others. */
    const uint64_t bound = (uint64_t)3 << 62;
    int low = 0;
    for (int i = 0; i < DRAWS; ++i) low += pu_random_below(&random, bound) < bound / 3;
    assert_true(fabs(low / (double)DRAWS - 1.0 / 3) < 5 * sqrt(2.0 / 9 / DRAWS));
}

static void permutation_is_a_bijection(void **state) {
    (void)state;
    static const uint64_t sizes[] = {1,  2,  3,  4,   5,   7,   8,    15,   16,    17,   63,
                                     64, 65, 97, 255, 256, 257, 1000, 4099, 65536, 65537};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
        unsigned char *seen = pu_calloc(sizes[s], 1);
        assert_non_null(seen);
        for (uint64_t i = 0; i < sizes[s]; ++i) {
            const uint64_t image = pu_random_permute(SEED, 5, sizes[s], i);
            assert_true(image < sizes[s]);
            assert_int_equal(seen[image], 0);
            seen[image] = 1;
        }
        pu_free(seen);
    }
}

/* Every index should land everywhere: over many seeds the image of an index has the mean of a uniform draw. */
static void permutation_mixes(void **state) {
    (void)state;
    enum { N = 101, SEEDS = 20000 };
    for (uint64_t index = 0; index < N; index += 25) {
        double sum = 0;
        int fixed = 0;
        for (uint64_t seed = 0; seed < SEEDS; ++seed) {
            const uint64_t image = pu_random_permute(seed, 0, N, index);
            sum += (double)image;
            fixed += image == index;
        }
        const double variance = (N * N - 1) / 12.0, p = 1.0 / N;
        assert_true(fabs(sum / SEEDS - (N - 1) / 2.0) < 5 * sqrt(variance / SEEDS));
        assert_true(fabs(fixed - SEEDS * p) < 5 * sqrt(SEEDS * p * (1 - p)));
    }
    assert_int_not_equal(pu_random_permute(1, 0, 1 << 20, 12345), pu_random_permute(1, 1, 1 << 20, 12345));
}

/* Together as one by one: over sizes that walk, ends of the lanes, an index that begins anywhere. */
static void a_run_of_images_is_the_images(void **state) {
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 65, 1000, 4097, 1000003, (uint64_t)1 << 40};
    static const int counts[] = {0, 1, 31, 32, 33, 100};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; ++c) {
            uint64_t image[100];
            if ((uint64_t)counts[c] > sizes[s]) continue;
            const uint64_t first = (sizes[s] - (uint64_t)counts[c]) / 2;
            pu_random_permute_run(SEED, 9, sizes[s], first, counts[c], image);
            for (int i = 0; i < counts[c]; ++i)
                assert_true(image[i] == pu_random_permute(SEED, 9, sizes[s], first + (uint64_t)i));
        }
    }
}

/* The shuffles that earlier versions gave: an order that changed would change every trained bit. */
static void the_order_is_the_published_one(void **state) {
    (void)state;
    static const uint64_t want[] = {794, 678, 235, 121, 752, 871, 205, 186};
    for (uint64_t i = 0; i < sizeof want / sizeof *want; ++i)
        assert_true(pu_random_permute(7, 3, 1000, i) == want[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_matches_the_published_vectors),
        cmocka_unit_test(a_stream_is_a_position),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(normal_is_normal),
        cmocka_unit_test(below_is_bounded_and_even),
        cmocka_unit_test(permutation_is_a_bijection),
        cmocka_unit_test(permutation_mixes),
        cmocka_unit_test(a_run_of_images_is_the_images),
        cmocka_unit_test(the_order_is_the_published_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
