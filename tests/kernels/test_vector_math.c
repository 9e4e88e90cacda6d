/* The float functions of kernels/common/vector_math.h against double libm: floats of every exponent, both signs,
 * zeros, denormals, infinities and NaN, under every instruction set that this processor has.
 *
 * Limits are in units of the last place of the exact value, and of the smallest normal float where the value is
 * below it. exp, tanh and sigmoid take an exact argument: a polynomial of 1e-8 and a handful of roundings. SILU
 * adds one rounding. GELU's gate is sigmoid(w), where w carries 4 roundings and e^w makes |w| times as much of
 * them.
 * Derivatives pass through zero: their error is measured against the terms that go into the sum, and below 1e-32,
 * where the gate is clamped, against that. */
#include <float.h>
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
#include "kernels/common/vector_math.h"
#include "kernels/elementwise/elementwise.h"

enum { VALUES_MAX = 1 << 20 };
static float values[VALUES_MAX], ones[VALUES_MAX], results[VALUES_MAX];
static int64_t count;

/* Every 8191st float of either sign, and the odd ones. 8191 is prime: mantissas vary from exponent to exponent. */
static int fill_values(void **state) {
    (void)state;
    const float special[] = {0.0f,        -0.0f,    INFINITY,     -INFINITY, NAN,       FLT_MIN,
                             FLT_MAX,     -FLT_MAX, FLT_TRUE_MIN, 88.72283f, 88.72284f, -87.33654f,
                             -103.97208f, -104.0f,  9.01f,        1.0f,      -1.0f,     0.34657359f};
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 8191) {
        const uint32_t word = (uint32_t)bits;
        memcpy(&values[count++], &word, sizeof word);
    }
    for (size_t i = 0; i < sizeof special / sizeof special[0]; ++i) values[count++] = special[i];
    /* evenly over the range where the functions bend */
    for (int i = -120000; i <= 120000; ++i) values[count++] = (float)i * 1e-3f;
    for (int64_t i = 0; i < count; ++i) ones[i] = 1.0f;
    return count <= VALUES_MAX ? 0 : 1;
}

static double ulp(double exact) {
    const double size = fmax(fabs(exact), (double)FLT_MIN);
    return size > (double)FLT_MAX ? ldexp(1.0, 104) : ldexp(1.0, ilogb(size) - 23);
}

/* Checks one result; returns the error in units of `unit`. */
static double error_of(float x, float got, double exact, double unit) {
    if (isnan(exact)) {
        if (!isnan(got)) fail_msg("at %a: %a, expected NaN", (double)x, (double)got);
        return 0.0;
    }
    if (isinf((float)exact) || isinf(got)) {
        /* the last value before infinity may round either way */
        const bool edge =
            fabs(exact) > (double)FLT_MAX * (1.0 - 1e-6) && fabs(exact) < (double)FLT_MAX * (1.0 + 1e-6);
        if (got != (float)exact && !edge) fail_msg("at %a: %a, expected %a", (double)x, (double)got, exact);
        return 0.0;
    }
    return fabs((double)got - exact) / unit;
}

static void check_worst(const char *name, const char *isa, double worst, float at, double most) {
    printf("%-14s %-7s worst %.2f of %.1f at %a\n", name, isa, worst, most, (double)at);
    if (!(worst <= most))
        fail_msg("%s (%s): error %.3g at %a (%g), at most %.3g", name, isa, worst, (double)at, (double)at, most);
}

static void exp_is_accurate(void **state) {
    (void)state;
    double worst = 0.0;
    float at = 0.0f;
    for (int64_t i = 0; i < count; ++i) {
        const double exact = exp((double)values[i]),
                     e = error_of(values[i], pu__exp(values[i]), exact, ulp(exact));
        if (e > worst) {
            worst = e;
            at = values[i];
        }
    }
    check_worst("exp", "header", worst, at, 2.0);
}

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

typedef struct exact_value {
    double value, unit;
} exact_value;

static double gate(double x) { return 1.5957691216057308 * x * (1.0 + 0.044715 * x * x); }

static exact_value exact_act(pu_act kind, double x) {
    exact_value out = {x, 1.0};
    double looser = 1.0;
    if (kind == PU_ACT_RELU) out.value = x < 0.0 ? 0.0 : x;
    if (kind == PU_ACT_SIGMOID) out.value = sigmoid(x);
    if (kind == PU_ACT_TANH) out.value = tanh(x);
    if (kind == PU_ACT_SILU) out.value = x * sigmoid(x);
    if (kind == PU_ACT_GELU) {
        out.value = x * sigmoid(gate(x));
        looser = 1.0 + fmin(fabs(gate(x)), 90.0);
    }
    /* below -87 the gate is denormal or flushed to 0, which the product with x carries on */
    const bool gated = kind == PU_ACT_SIGMOID || kind == PU_ACT_SILU || kind == PU_ACT_GELU;
    const double least = gated ? fmax(1.0, fmin(fabs(x), 100.0)) * (double)FLT_MIN : 0.0;
    out.unit = fmax(ulp(out.value), least) * looser;
    return out;
}

static exact_value exact_act_grad(pu_act kind, double x) {
    exact_value out = {1.0, 0x1p-24};
    if (kind == PU_ACT_RELU) out.value = isnan(x) ? x : x > 0.0;
    if (kind == PU_ACT_SIGMOID) out.value = sigmoid(x) * sigmoid(-x);
    if (kind == PU_ACT_TANH) out.value = pow(1.0 / cosh(fmin(fabs(x), 700.0)), 2.0);
    if (kind == PU_ACT_SIGMOID || kind == PU_ACT_TANH) out.unit = fmax(ulp(out.value), 1e-34);
    if (kind == PU_ACT_SILU || kind == PU_ACT_GELU) {
        const bool gelu = kind == PU_ACT_GELU;
        const double c = fmax(-200.0, fmin(200.0, x)), w = gelu ? gate(c) : c,
                     slope = gelu ? 1.5957691216057308 * (1.0 + 0.134145 * c * c) : 1.0;
        const double first = sigmoid(w), second = c * slope * sigmoid(w) * sigmoid(-w);
        out.value = first + second;
        out.unit =
            fmax(0x1p-23 * (fabs(first) + fabs(second)) * (1.0 + (gelu ? fmin(fabs(w), 90.0) : 0.0)), 1e-32);
    }
    if (isnan(x)) out.value = kind == PU_ACT_NONE ? 1.0 : x;
    return out;
}

static void run_op(pu_act kind, bool gradient) {
    pu_attributes attributes = {.act = {kind}};
    const pu_shape shape = {1, {count}};
    pu__call call = {.op = gradient ? PU_OP_ACT_GRAD : PU_OP_ACT, .out_count = 1, .attributes = &attributes};
    call.in_count = gradient ? 2 : 1;
    call.in[0] = (pu__view){gradient ? ones : values, shape};
    call.in[1] = (pu__view){values, shape};
    call.out[0] = (pu__view){results, shape};
    assert_int_equal(gradient ? pu__act_grad_cpu(&call) : pu__act_cpu(&call), PU_OK);
}

static void check_kind(pu_act kind, bool gradient, double most) {
    static const char *const name[] = {"none", "relu", "gelu", "silu", "sigmoid", "tanh"};
    run_op(kind, gradient);
    double worst = 0.0;
    float at = 0.0f;
    for (int64_t i = 0; i < count; ++i) {
        const exact_value exact =
            gradient ? exact_act_grad(kind, (double)values[i]) : exact_act(kind, (double)values[i]);
        /* x sigmoid(x) at -infinity is -infinity times 0, as everywhere else */
        if (isinf(values[i]) && values[i] < 0.0f && !gradient && (kind == PU_ACT_GELU || kind == PU_ACT_SILU)) {
            assert_true(isnan(results[i]));
            continue;
        }
        const double e = error_of(values[i], results[i], exact.value, exact.unit);
        if (e > worst) {
            worst = e;
            at = values[i];
        }
    }
    char label[32];
    snprintf(label, sizeof label, "%s%s", name[kind], gradient ? "'" : "");
    check_worst(label, pu__isa_name(pu__isa_used()), worst, at, most);
}

static void activations_are_accurate(void **state) {
    (void)state;
    for (int isa = PU_ISA_BASE; isa < PU_ISA_COUNT; ++isa) {
        pu__isa_limit((pu__isa)isa);
        if (pu__isa_used() != (pu__isa)isa) continue;
        check_kind(PU_ACT_NONE, false, 0.0);
        check_kind(PU_ACT_RELU, false, 0.0);
        check_kind(PU_ACT_SIGMOID, false, 3.0);
        check_kind(PU_ACT_TANH, false, 3.0);
        check_kind(PU_ACT_SILU, false, 4.0);
        check_kind(PU_ACT_GELU, false, 4.0);
        check_kind(PU_ACT_NONE, true, 0.0);
        check_kind(PU_ACT_RELU, true, 0.0);
        check_kind(PU_ACT_SIGMOID, true, 6.0);
        check_kind(PU_ACT_TANH, true, 6.0);
        check_kind(PU_ACT_SILU, true, 4.0);
        check_kind(PU_ACT_GELU, true, 4.0);
    }
    pu__isa_limit(PU_ISA_AVX512);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exp_is_accurate),
                                       cmocka_unit_test(activations_are_accurate)};
    return cmocka_run_group_tests(tests, fill_values, NULL);
}
