/* Attention on the CPU, beyond its values (test_ops_cpu): no later bar reaches an earlier one, not as a bit, not
 * as a NaN; scores depend on the offset alone under rotary positions; bits do not depend on threads. Under every
 * instruction set of this processor. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/attention/attention.h"
#include "kernels/common/isa_select.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"

static const uint64_t seed = 20261123;

typedef struct heads {
    int64_t windows, bars, count, size;
    int span;
    float rotary_base;
} heads;

typedef struct result {
    float *y, *lse, *dqkv;
} result;

static int64_t width_of(const heads *h) { return h->count * h->size; }

static float *floats(int64_t count) {
    float *out = pu_calloc((size_t)count, sizeof *out);
    assert_non_null(out);
    return out;
}

static float *random_floats(uint64_t stream, int64_t count) {
    float *out = floats(count);
    pu_random random = pu_random_at(seed, stream);
    for (int64_t i = 0; i < count; ++i) out[i] = (float)pu_random_normal(&random);
    return out;
}

static void run(const heads *h, float *qkv, float *dy, int threads, result *out) {
    pu_attributes attributes = {
        .attention = {.heads = (int)h->count, .span = h->span, .rotary_base = h->rotary_base}};
    pu_pool *pool = NULL;
    assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
    const int64_t rows = h->windows * h->bars;
    *out = (result){floats(rows * width_of(h)), floats(rows * h->count), floats(rows * 3 * width_of(h))};
    const pu_shape of_qkv = {3, {h->windows, h->bars, 3 * width_of(h)}},
                   of_y = {3, {h->windows, h->bars, width_of(h)}};
    pu__call forward = {
        .op = PU_OP_ATTENTION, .in_count = 1, .out_count = 2, .attributes = &attributes, .pool = pool};
    forward.in[0] = (pu__view){qkv, of_qkv};
    forward.out[0] = (pu__view){out->y, of_y};
    forward.out[1] = (pu__view){out->lse, {3, {h->windows, h->count, h->bars}}};
    forward.workspace_bytes = pu__attention_workspace_cpu(&forward);
    forward.workspace = floats((int64_t)(forward.workspace_bytes / sizeof(float)));
    assert_int_equal(pu__attention_cpu(&forward), PU_OK);
    pu__call backward = {
        .op = PU_OP_ATTENTION_GRAD, .in_count = 4, .out_count = 1, .attributes = &attributes, .pool = pool};
    backward.in[0] = (pu__view){dy, of_y};
    backward.in[1] = forward.in[0];
    backward.in[2] = forward.out[0];
    backward.in[3] = forward.out[1];
    backward.out[0] = (pu__view){out->dqkv, of_qkv};
    backward.workspace_bytes = pu__attention_grad_workspace_cpu(&backward);
    backward.workspace = floats((int64_t)(backward.workspace_bytes / sizeof(float)));
    assert_int_equal(pu__attention_grad_cpu(&backward), PU_OK);
    pu_free(forward.workspace);
    pu_free(backward.workspace);
    pu_pool_free(pool);
}

static void result_free(result *r) {
    pu_free(r->y);
    pu_free(r->lse);
    pu_free(r->dqkv);
}

static void every_instruction_set(void (*check)(const heads *), const heads *h) {
    for (int isa = PU_ISA_BASE; isa < PU_ISA_COUNT; ++isa) {
        pu__isa_limit((pu__isa)isa);
        if (pu__isa_used() == (pu__isa)isa) check(h);
    }
    pu__isa_limit(PU_ISA_AVX512);
}

/* Tiles are 6 or 12 queries and 4 to 32 keys, blocks of the backward pass 48 and 192. */
static const heads shapes[] = {{1, 1, 1, 8, 0, 10000.0f},    {2, 13, 2, 16, 0, 10000.0f},
                               {1, 49, 3, 10, 5, 0.0f},      {2, 128, 2, 32, 0, 10000.0f},
                               {1, 193, 1, 64, 0, 10000.0f}, {1, 100, 1, 128, 33, 500.0f},
                               {1, 250, 2, 24, 60, 10000.0f}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* The first `bars` bars of every window. */
static float *prefix(const float *from, const heads *h, int64_t bars, int64_t width) {
    float *out = floats(h->windows * bars * width);
    for (int64_t b = 0; b < h->windows; ++b) {
        memcpy(out + b * bars * width, from + b * h->bars * width, (size_t)(bars * width) * sizeof *out);
    }
    return out;
}

static void assert_same_prefix(const heads *h, const result *whole, const result *other, int64_t other_bars,
                               int64_t bars) {
    const int64_t w = width_of(h);
    for (int64_t b = 0; b < h->windows; ++b) {
        assert_memory_equal(whole->y + b * h->bars * w, other->y + b * other_bars * w,
                            (size_t)(bars * w) * sizeof(float));
        for (int64_t i = 0; i < h->count; ++i) {
            const int64_t row = b * h->count + i;
            assert_memory_equal(whole->lse + row * h->bars, other->lse + row * other_bars,
                                (size_t)bars * sizeof(float));
        }
    }
}

static void check_causal(const heads *h) {
    const int64_t w = width_of(h), rows = h->windows * h->bars;
    float *qkv = random_floats(1, rows * 3 * w), *dy = random_floats(2, rows * w);
    result whole, other;
    run(h, qkv, dy, 1, &whole);
    const int64_t cuts[] = {1, h->bars / 2, h->bars - 1};
    for (int i = 0; i < 3; ++i) {
        if (cuts[i] < 1 || cuts[i] >= h->bars) continue;
        heads shorter = *h;
        shorter.bars = cuts[i];
        float *start = prefix(qkv, h, cuts[i], 3 * w), *start_dy = prefix(dy, h, cuts[i], w);
        run(&shorter, start, start_dy, 1, &other);
        assert_same_prefix(h, &whole, &other, cuts[i], cuts[i]);
        result_free(&other);
        pu_free(start);
        pu_free(start_dy);

        /* later bars are NaN, infinite or huge */
        float *spoilt = floats(rows * 3 * w);
        memcpy(spoilt, qkv, (size_t)(rows * 3 * w) * sizeof *spoilt);
        const float odd[] = {NAN, INFINITY, 3e38f};
        for (int64_t row = 0; row < rows; ++row) {
            for (int64_t c = 0; c < 3 * w && row % h->bars >= cuts[i]; ++c)
                spoilt[row * 3 * w + c] = odd[(row + c) % 3];
        }
        run(h, spoilt, dy, 1, &other);
        assert_same_prefix(h, &whole, &other, h->bars, cuts[i]);
        assert_true(isnan(other.y[(h->bars - 1) * w]));
        result_free(&other);
        pu_free(spoilt);
    }
    result_free(&whole);
    pu_free(qkv);
    pu_free(dy);
}

static void later_bars_do_not_matter(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; ++i) every_instruction_set(check_causal, &shapes[i]);
}

static void check_threads(const heads *h) {
    const int64_t w = width_of(h), rows = h->windows * h->bars;
    float *qkv = random_floats(3, rows * 3 * w), *dy = random_floats(4, rows * w);
    result one, other;
    run(h, qkv, dy, 1, &one);
    for (int threads = 2; threads <= 3; ++threads) {
        run(h, qkv, dy, threads, &other);
        assert_memory_equal(one.y, other.y, (size_t)(rows * w) * sizeof(float));
        assert_memory_equal(one.lse, other.lse, (size_t)(rows * h->count) * sizeof(float));
        assert_memory_equal(one.dqkv, other.dqkv, (size_t)(rows * 3 * w) * sizeof(float));
        result_free(&other);
    }
    result_free(&one);
    pu_free(qkv);
    pu_free(dy);
}

static void bits_do_not_depend_on_threads(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; ++i) every_instruction_set(check_threads, &shapes[i]);
}

/* With the same q, k and v at every bar, all scores of a query would be equal without positions. With a span of n
 * bars, query t sees offsets 0 .. n-1, whatever t is: its log-sum-exp must not depend on t. 64 turns of float
 * angles cost about 64 * 2^-24 per score. */
static void check_offsets(const heads *h) {
    const int64_t w = width_of(h), rows = h->windows * h->bars;
    float *row = random_floats(5, 3 * w), *qkv = floats(rows * 3 * w), *dy = random_floats(6, rows * w);
    for (int64_t r = 0; r < rows; ++r) memcpy(qkv + r * 3 * w, row, (size_t)(3 * w) * sizeof *qkv);
    result out;
    run(h, qkv, dy, 2, &out);
    float low = INFINITY, high = -INFINITY;
    for (int64_t t = h->span; t < h->bars; ++t) {
        low = fminf(low, out.lse[t]);
        high = fmaxf(high, out.lse[t]);
    }
    assert_true(high - low <= 2e-5f);
    /* and positions do matter: the first bar sees itself only */
    assert_true(fabsf(out.lse[0] + logf((float)h->span) - low) > 1e-3f);
    result_free(&out);
    pu_free(row);
    pu_free(qkv);
    pu_free(dy);
}

static void scores_depend_on_the_offset(void **state) {
    (void)state;
    const heads h = {1, 500, 1, 32, 40, 10000.0f};
    every_instruction_set(check_offsets, &h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(later_bars_do_not_matter),
                                       cmocka_unit_test(bits_do_not_depend_on_threads),
                                       cmocka_unit_test(scores_depend_on_the_offset)};
    printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
