/* The CPU matrix product. Whole numbers of small size make every sum exact, so that equality is asked for,
 * whatever the order: one missing or doubled term shows. Then what a caller relies on: rows do not depend on each
 * other, bits not on threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/isa_select.h"
#include "kernels/gemm/gemm.h"
#include "plusultra/memory.h"
#include "plusultra/pool.h"
#include "plusultra/random.h"

static const uint64_t seed = 20261123;

typedef struct product {
    int64_t m, n, k;
    int transpose_a, transpose_b, with_bias, with_z;
    pu_act act;
} product;

typedef struct arrays {
    float *a, *b, *bias, *y, *z;
    void *workspace;
} arrays;

enum { GUARD = 64 };
static const float guard = 12345.5f;

static float *guarded(int64_t elements) {
    float *out = pu_calloc((size_t)(elements + GUARD), sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < GUARD; ++i) out[elements + i] = guard;
    return out;
}

static void check_guard(const float *array, int64_t elements) {
    for (int64_t i = 0; i < GUARD; ++i) assert_true(array[elements + i] == guard);
}

static arrays arrays_for(const product *p, bool whole) {
    arrays s = {guarded(p->m * p->k), guarded(p->k * p->n), guarded(p->n),
                guarded(p->m * p->n), guarded(p->m * p->n), NULL};
    pu_random random = pu_random_at(seed, 1);
    float *const filled[] = {s.a, s.b, s.bias};
    const int64_t elements[] = {p->m * p->k, p->k * p->n, p->n};
    for (int i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < elements[i]; ++j) {
            filled[i][j] = whole ? (float)pu_random_below(&random, 9) - 4.0f
                                 : (float)(2.0 * pu_random_uniform(&random) - 1.0);
        }
    }
    for (int64_t i = 0; i < p->m * p->n; ++i) s.y[i] = s.z[i] = NAN;
    return s;
}

static void arrays_free(arrays *s) {
    float *const all[] = {s->a, s->b, s->bias, s->y, s->z};
    for (int i = 0; i < 5; ++i) pu_free(all[i]);
    pu_free(s->workspace);
}

static void run(const product *p, arrays *s, pu_pool *pool) {
    pu_attributes attributes = {.gemm = {p->transpose_a, p->transpose_b, p->act, PU_PRECISION_F32}};
    pu__call call = {.op = PU_OP_GEMM, .in_count = 3, .attributes = &attributes, .pool = pool};
    call.in[0] = (pu__view){s->a, {2, {p->transpose_a ? p->k : p->m, p->transpose_a ? p->m : p->k}}};
    call.in[1] = (pu__view){s->b, {2, {p->transpose_b ? p->n : p->k, p->transpose_b ? p->k : p->n}}};
    call.in[2] = (pu__view){p->with_bias ? s->bias : NULL, {1, {p->n}}};
    call.out[0] = (pu__view){s->y, {2, {p->m, p->n}}};
    call.out[1] = (pu__view){s->z, {2, {p->m, p->n}}};
    call.out_count = p->with_z ? 2 : 1;
    call.workspace_bytes = pu__gemm_workspace_cpu(&call);
    const int64_t floats = (int64_t)((call.workspace_bytes + 3) / 4);
    pu_free(s->workspace);
    s->workspace = guarded(floats);
    call.workspace = s->workspace;
    for (int64_t i = 0; i < floats; ++i) ((float *)call.workspace)[i] = NAN;
    assert_int_equal(pu__gemm_cpu(&call), PU_OK);
    check_guard(s->workspace, floats);
    check_guard(s->y, p->m * p->n);
    check_guard(s->z, p->m * p->n);
}

static double exact_z(const product *p, const arrays *s, int64_t row, int64_t column) {
    double sum = p->with_bias ? (double)s->bias[column] : 0.0;
    for (int64_t k = 0; k < p->k; ++k) {
        const float a = s->a[p->transpose_a ? k * p->m + row : row * p->k + k];
        sum += (double)a * (double)s->b[p->transpose_b ? column * p->k + k : k * p->n + column];
    }
    return sum;
}

static void check_exact(const product *p) {
    arrays s = arrays_for(p, true);
    run(p, &s, NULL);
    for (int64_t m = 0; m < p->m; ++m) {
        for (int64_t n = 0; n < p->n; ++n) {
            const double z = exact_z(p, &s, m, n), y = p->act == PU_ACT_RELU && z < 0.0 ? 0.0 : z;
            const bool good = (double)s.y[m * p->n + n] == y && (!p->with_z || (double)s.z[m * p->n + n] == z);
            if (!good) {
                fail_msg("%lld x %lld x %lld, transposed %d %d, %s: element (%lld, %lld) is %g, expected %g",
                         (long long)p->m, (long long)p->n, (long long)p->k, p->transpose_a, p->transpose_b,
                         pu__isa_name(pu__isa_used()), (long long)m, (long long)n, (double)s.y[m * p->n + n], y);
            }
        }
    }
    arrays_free(&s);
}

static const int64_t shapes[][3] = {{0, 3, 4},     {3, 0, 4},     {3, 4, 0},      {1, 1, 1},
                                    {5, 7, 3},     {12, 32, 16},  {13, 33, 17},   {11, 31, 15},
                                    {47, 16, 8},   {49, 15, 513}, {6, 65, 40},    {1, 96, 64},
                                    {100, 1, 128}, {3, 17, 2049}, {64, 64, 1500}, {130, 40, 7}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void every_instruction_set(void (*check)(const product *), const product *p) {
    for (int isa = PU_ISA_BASE; isa < PU_ISA_COUNT; ++isa) {
        pu__isa_limit((pu__isa)isa);
        if (pu__isa_used() == (pu__isa)isa) check(p);
    }
    pu__isa_limit(PU_ISA_AVX512);
}

static void ragged_shapes_are_exact(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; ++i) {
        for (int mode = 0; mode < 16; ++mode) {
            const product p = {
                shapes[i][0],  shapes[i][1],  shapes[i][2],  mode & 1,
                mode >> 1 & 1, mode >> 2 & 1, mode >> 3 & 1, mode >> 2 & 1 ? PU_ACT_RELU : PU_ACT_NONE};
            every_instruction_set(check_exact, &p);
        }
    }
}

static double activation(pu_act act, double z) {
    switch (act) {
    case PU_ACT_RELU: return z < 0.0 ? 0.0 : z;
    case PU_ACT_GELU: return 0.5 * z * (1.0 + tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)));
    case PU_ACT_SILU: return z / (1.0 + exp(-z));
    case PU_ACT_SIGMOID: return 1.0 / (1.0 + exp(-z));
    case PU_ACT_TANH: return tanh(z);
    default: return z;
    }
}

/* Sums of k whole numbers are exact; the activations have slopes up to 1.13 and their own few ulp. */
static void check_activation(const product *p) {
    arrays s = arrays_for(p, true);
    run(p, &s, NULL);
    for (int64_t i = 0; i < p->m * p->n; ++i) {
        const double y = activation(p->act, exact_z(p, &s, i / p->n, i % p->n));
        assert_true(fabs((double)s.y[i] - y) <= 4e-7 * fmax(1.0, fabs(y)));
    }
    arrays_free(&s);
}

static void activations_are_applied(void **state) {
    (void)state;
    for (int act = PU_ACT_NONE; act <= PU_ACT_TANH; ++act) {
        const product p = {53, 37, 11, 0, 0, 1, 1, (pu_act)act};
        every_instruction_set(check_activation, &p);
    }
}

/* Causality is tested bit for bit on models: a later bar, which is a later row here, must not change an earlier
 * one. */
static void check_rows(const product *p) {
    arrays all = arrays_for(p, false);
    run(p, &all, NULL);
    const int64_t fewer[] = {1, 2, 15, 16, 17, p->m / 2, p->m - 1};
    for (size_t i = 0; i < sizeof fewer / sizeof fewer[0]; ++i) {
        product part = *p;
        part.m = fewer[i];
        arrays some = arrays_for(&part, false);
        memcpy(some.a, all.a, (size_t)(part.m * p->k) * sizeof *all.a);
        memcpy(some.b, all.b, (size_t)(p->n * p->k) * sizeof *all.b);
        memcpy(some.bias, all.bias, (size_t)p->n * sizeof *all.bias);
        run(&part, &some, NULL);
        assert_memory_equal(some.y, all.y, (size_t)(part.m * p->n) * sizeof *all.y);
        arrays_free(&some);
    }
    arrays_free(&all);
}

static void rows_are_independent(void **state) {
    (void)state;
    const int64_t widths[][2] = {{64, 64}, {128, 384}, {9, 128}, {33, 600}, {256, 21}};
    for (int i = 0; i < 5; ++i) {
        for (int transpose = 0; transpose < 2; ++transpose) {
            const product p = {257, widths[i][0], widths[i][1], 0, transpose, 1, 1, PU_ACT_GELU};
            every_instruction_set(check_rows, &p);
        }
    }
}

static void check_threads(const product *p) {
    arrays one = arrays_for(p, false), other = arrays_for(p, false);
    run(p, &one, NULL);
    for (int threads = 2; threads <= 3; ++threads) {
        pu_pool *pool = NULL;
        assert_int_equal(pu_pool_new(threads, &pool), PU_OK);
        run(p, &other, pool);
        assert_memory_equal(one.y, other.y, (size_t)(p->m * p->n) * sizeof *one.y);
        assert_memory_equal(one.z, other.z, (size_t)(p->m * p->n) * sizeof *one.z);
        pu_pool_free(pool);
    }
    arrays_free(&one);
    arrays_free(&other);
}

static void bits_do_not_depend_on_threads(void **state) {
    (void)state;
    const int64_t sizes[][3] = {{1000, 64, 64}, {300, 130, 70}, {128, 96, 8192}, {64, 9, 5000}};
    for (int i = 0; i < 4; ++i) {
        for (int mode = 0; mode < 4; ++mode) {
            const product p = {sizes[i][0], sizes[i][1], sizes[i][2], mode & 1, mode >> 1, 1, 1, PU_ACT_SILU};
            every_instruction_set(check_threads, &p);
        }
    }
}

/* A NaN stays in its row (as it does in the row of A that holds it) and is never lost. */
static void nan_stays_in_its_row(void **state) {
    (void)state;
    const product p = {40, 50, 30, 0, 0, 1, 0, PU_ACT_RELU};
    arrays s = arrays_for(&p, true);
    s.a[17 * p.k + 29] = NAN;
    run(&p, &s, NULL);
    for (int64_t i = 0; i < p.m * p.n; ++i) assert_int_equal(isnan(s.y[i]) != 0, i / p.n == 17);
    arrays_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ragged_shapes_are_exact), cmocka_unit_test(activations_are_applied),
        cmocka_unit_test(rows_are_independent), cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(nan_stays_in_its_row)};
    printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
