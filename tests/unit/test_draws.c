/* Philox by the published vectors; the simulator's elementary functions against double; ten million normals and
 * Student-t draws by Kolmogorov-Smirnov and Anderson-Darling. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "kernels/physics/draws.h"
#include "plusultra/memory.h"

enum { DRAWS = 10000000 };
static const double pi = 3.14159265358979323846;

/* Random123's kat_vectors, philox4x32 10. */
static void philox_gives_the_published_words(void **state) {
    (void)state;
    const struct {
        uint64_t key, low, high;
        uint32_t word[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {UINT64_C(0x299f31d0a4093822),
         UINT64_C(0x85a308d3243f6a88),
         UINT64_C(0x0370734413198a2e),
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
        const pu__philox4 words = pu__philox(known[i].key, known[i].low, known[i].high);
        assert_memory_equal(words.word, known[i].word, sizeof words.word);
    }
}

/* Roundings of a handful of operations: 2^-24 each, relative. */
static void functions_are_near_those_of_double(void **state) {
    (void)state;
    double log_worst = 0, exp_worst = 0, angle_worst = 0;
    for (int64_t i = 0; i < 2000000; ++i) {
        const float u = pu__draw_uniform((uint32_t)(i * 2147 + 1)), x = (float)(i - 1000000) * 2e-5f;
        const double exact = log((double)u), grown = expm1((double)x);
        if (exact != 0.0) log_worst = fmax(log_worst, fabs((double)pu__sim_log(u) - exact) / fabs(exact));
        if (x != 0.0f) exp_worst = fmax(exp_worst, fabs((double)pu__sim_expm1(x) - grown) / fabs(grown));
        const uint32_t word = (uint32_t)(i * 2147483 + 5);
        const double angle = pi / 2.0 * (int32_t)(word << 2) / 4294967296.0;
        const double c = word >> 31 ? -cos(angle) : cos(angle), s = sin(angle);
        const bool swap = word >> 30 & 1;
        float cosine, sine;
        pu__draw_circle(word, &cosine, &sine);
        angle_worst = fmax(angle_worst, fabs((double)cosine - (swap ? s : c)));
        angle_worst = fmax(angle_worst, fabs((double)sine - (swap ? c : s)));
    }
    print_message("worst: log %.2g, exp %.2g (relative), angle %.2g\n", log_worst, exp_worst, angle_worst);
    assert_true(log_worst < 1.5e-7 && exp_worst < 1.5e-7 && angle_worst < 1.5e-7);
    assert_true(pu__sim_expm1(0.0f) == 0.0f && pu__sim_expm1(-1000.0f) == -1.0f &&
                isfinite(pu__sim_expm1(1000.0f)));
}

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Sorts by counting on the leading bits, then within the few of a bin. */
static void sort_floats(float *values, int64_t n) {
    enum { BINS = 1 << 20 };
    int64_t *start = pu_calloc(BINS + 1, sizeof *start);
    float *sorted = pu_calloc((size_t)n, sizeof *sorted);
    assert_true(start && sorted);
    for (int64_t i = 0; i < n; ++i)
        ++start[1 + (int)((fmin(fmax((double)values[i], -8.0), 7.99999) + 8.0) * (BINS / 16))];
    for (int b = 0; b < BINS; ++b) start[b + 1] += start[b];
    int64_t *end = pu_calloc(BINS + 1, sizeof *end);
    assert_non_null(end);
    memcpy(end, start, (BINS + 1) * sizeof *end);
    for (int64_t i = 0; i < n; ++i)
        sorted[end[(int)((fmin(fmax((double)values[i], -8.0), 7.99999) + 8.0) * (BINS / 16))]++] = values[i];
    for (int b = 0; b < BINS; ++b)
        if (start[b + 1] - start[b] > 1)
            qsort(sorted + start[b], (size_t)(start[b + 1] - start[b]), sizeof *sorted, by_value);
    memcpy(values, sorted, (size_t)n * sizeof *values);
    pu_free(end);
    pu_free(sorted);
    pu_free(start);
}

static double normal_below(double x) { return 0.5 * erfc(-x * sqrt(0.5)); }

/* The t distribution of 4 degrees of freedom at unit variance, in closed form. */
static double student4_below(double x) {
    const double t = x * sqrt(2.0), s = t / sqrt(4.0 + t * t);
    return 0.5 + 0.75 * (s - s * s * s / 3.0);
}

/* Kolmogorov's sqrt(n) D and Anderson and Darling's A^2, whose 0.1% points for a given distribution are 1.95 and
 * 6.0. The seed is fixed: a failure is a fault, not bad luck. */
static void judge(const char *name, float *values, int64_t n, double (*below)(double)) {
    sort_floats(values, n);
    double distance = 0.0, sum = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        const double p = below((double)values[i]), above = below(-(double)values[n - 1 - i]);
        distance = fmax(distance, fmax(p - (double)i / (double)n, (double)(i + 1) / (double)n - p));
        sum += (2.0 * (double)i + 1.0) * (log(p) + log(above));
    }
    const double ks = distance * sqrt((double)n), ad = -(double)n - sum / (double)n;
    print_message("%s: %lld draws, sqrt(n) D = %.3f, A^2 = %.3f\n", name, (long long)n, ks, ad);
    assert_true(ks < 1.95 && ad < 6.0);
}

static void ten_million_draws_are_normal(void **state) {
    (void)state;
    float *z = pu_calloc(DRAWS, sizeof *z);
    assert_non_null(z);
    for (int64_t i = 0; i < DRAWS / 4; ++i)
        pu__draw_normals(pu__draw_words(20261123, (uint64_t)(i / 63), (uint32_t)(i % 63), 0), z + 4 * i);
    judge("normal", z, DRAWS, normal_below);
    pu_free(z);
}

static void student_draws_are_student(void **state) {
    (void)state;
    enum { N = 2000000 };
    float *t = pu_calloc(N, sizeof *t);
    assert_non_null(t);
    for (int64_t i = 0; i < N / 4; ++i) {
        const pu__philox4 u = pu__draw_words(7, (uint64_t)i, 0, 0), v = pu__draw_words(7, (uint64_t)i, 0, 1);
        for (int w = 0; w < 4; ++w) t[4 * i + w] = pu__draw_student(u.word[w], v.word[w], 0.25f);
    }
    judge("Student-t, 4 degrees of freedom", t, N, student4_below);
    pu_free(t);
}

/* Steps, draws and paths that differ in one bit have words that differ in half of theirs. */
static void draws_of_neighbours_are_unlike(void **state) {
    (void)state;
    double product[3] = {0};
    enum { N = 400000 };
    for (int64_t i = 0; i < N; ++i) {
        float here[4], path[4], draw[4], block[4];
        pu__draw_normals(pu__draw_words(1, (uint64_t)i, 5, 8), here);
        pu__draw_normals(pu__draw_words(1, (uint64_t)i + 1, 5, 8), path);
        pu__draw_normals(pu__draw_words(1, (uint64_t)i, 5, 12), draw);
        pu__draw_normals(pu__draw_words(1, (uint64_t)i, 6, 8), block);
        product[0] += (double)(here[0] * path[0]);
        product[1] += (double)(here[0] * draw[0]);
        product[2] += (double)(here[3] * block[0]);
    }
    for (int k = 0; k < 3; ++k) assert_true(fabs(product[k]) / sqrt((double)N) < 4.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_words), cmocka_unit_test(functions_are_near_those_of_double),
        cmocka_unit_test(ten_million_draws_are_normal),     cmocka_unit_test(student_draws_are_student),
        cmocka_unit_test(draws_of_neighbours_are_unlike),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
