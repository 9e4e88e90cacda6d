/* Attention's CUDA kernels, emulated, beyond their values (test_cuda_ops): no later bar reaches an earlier one,
 * not as a bit, not as a NaN; windows that one block holds and longer ones give the same bits; scores depend on
 * the offset alone. In every precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "emulator.h"
#include "host/device/backend.h"
#include "kernels/attention/attention.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

static const uint64_t seed = 20261128;
static pu_device *device;

typedef struct heads {
    int64_t windows, bars, count, size;
    int span;
    float rotary_base;
    pu_precision precision;
} heads;

typedef struct result {
    float *y, *lse;
} result;

static int open_device(void **state) {
    (void)state;
    pu__emulator_reset();
    return pu_device_open("cuda", 0, &device) == PU_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    pu_device_close(device);
    return pu__emulator_live() == 0 ? 0 : -1;
}

static float *floats(int64_t count) {
    float *out = pu_calloc((size_t)count, sizeof *out);
    assert_non_null(out);
    return out;
}

static pu__view view(const float *host, pu_shape shape) {
    const size_t bytes = (size_t)pu__count(&shape) * sizeof(float);
    void *memory = NULL;
    assert_int_equal(pu_device_alloc(device, bytes, &memory), PU_OK);
    if (host) assert_int_equal(pu_device_upload(device, PU_STREAM_COMPUTE, memory, host, bytes), PU_OK);
    return (pu__view){memory, shape};
}

static float *taken(pu__view *from) {
    float *host = floats(pu__count(&from->shape));
    const size_t bytes = (size_t)pu__count(&from->shape) * sizeof(float);
    assert_int_equal(pu_device_download(device, PU_STREAM_COMPUTE, host, from->data, bytes), PU_OK);
    assert_int_equal(pu_device_sync(device), PU_OK);
    pu_device_free(device, from->data);
    return host;
}

/* Under another order of threads each time. */
static result run(const heads *h, const float *qkv) {
    static int runs;
    pu__emulator_set_order((pu__order)(runs % 3), (uint64_t)runs);
    runs += 1;
    const int64_t width = h->count * h->size;
    const pu_attributes attributes = {
        .attention = {
            .heads = (int)h->count, .span = h->span, .rotary_base = h->rotary_base, .precision = h->precision}};
    pu__call call = {.op = PU_OP_ATTENTION, .in_count = 1, .out_count = 2, .attributes = &attributes};
    device->backend->bind(device->state, &call);
    call.in[0] = view(qkv, (pu_shape){3, {h->windows, h->bars, 3 * width}});
    call.out[0] = view(NULL, (pu_shape){3, {h->windows, h->bars, width}});
    call.out[1] = view(NULL, (pu_shape){3, {h->windows, h->count, h->bars}});
    assert_int_equal(pu__attention_cuda(&call), PU_OK);
    const result out = {taken(&call.out[0]), taken(&call.out[1])};
    pu_device_free(device, call.in[0].data);
    if (pu__emulator_faults()) fail_msg("%s", pu__emulator_fault(0)->text);
    return out;
}

static void result_free(result *r) {
    pu_free(r->y);
    pu_free(r->lse);
}

static void assert_same_prefix(const heads *h, const result *whole, const result *other, int64_t other_bars,
                               int64_t bars) {
    const int64_t w = h->count * h->size;
    for (int64_t b = 0; b < h->windows; ++b)
        assert_memory_equal(whole->y + b * h->bars * w, other->y + b * other_bars * w,
                            (size_t)(bars * w) * sizeof(float));
    for (int64_t row = 0; row < h->windows * h->count; ++row)
        assert_memory_equal(whole->lse + row * h->bars, other->lse + row * other_bars,
                            (size_t)bars * sizeof(float));
}

static void check_cut(const heads *h, const float *qkv, const result *whole, int64_t cut) {
    const int64_t wide = 3 * h->count * h->size, rows = h->windows * h->bars;
    heads shorter = *h;
    shorter.bars = cut;
    float *start = floats(h->windows * cut * wide), *spoilt = floats(rows * wide);
    for (int64_t b = 0; b < h->windows; ++b)
        memcpy(start + b * cut * wide, qkv + b * h->bars * wide, (size_t)(cut * wide) * sizeof *start);
    result other = run(&shorter, start);
    assert_same_prefix(h, whole, &other, cut, cut);
    result_free(&other);
    static const float odd[] = {NAN, INFINITY, 3e38f};
    memcpy(spoilt, qkv, (size_t)(rows * wide) * sizeof *spoilt);
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < wide && row % h->bars >= cut; ++c) spoilt[row * wide + c] = odd[(row + c) % 3];
    other = run(h, spoilt);
    assert_same_prefix(h, whole, &other, h->bars, cut);
    assert_true(isnan(other.y[(h->bars - 1) * h->count * h->size]));
    result_free(&other);
    pu_free(start);
    pu_free(spoilt);
}

static void later_bars_do_not_matter(void **state) {
    (void)state;
    static const heads shapes[] = {{2, 13, 2, 16, 0, 10000.0f, PU_PRECISION_F32},
                                   {1, 49, 2, 10, 5, 0.0f, PU_PRECISION_F32},
                                   {2, 97, 1, 32, 0, 10000.0f, PU_PRECISION_F32},
                                   {1, 300, 1, 64, 0, 10000.0f, PU_PRECISION_F32},
                                   {1, 70, 1, 128, 33, 500.0f, PU_PRECISION_F32}};
    for (size_t i = 0; i < 3 * sizeof shapes / sizeof shapes[0]; ++i) {
        heads h = shapes[i / 3];
        h.precision = (pu_precision)(i % 3);
        const int64_t count = h.windows * h.bars * 3 * h.count * h.size;
        float *qkv = floats(count);
        pu_random random = pu_random_at(seed, i);
        for (int64_t k = 0; k < count; ++k) qkv[k] = (float)pu_random_normal(&random);
        result whole = run(&h, qkv), again = run(&h, qkv);
        assert_same_prefix(&h, &whole, &again, h.bars, h.bars);
        check_cut(&h, qkv, &whole, 1);
        check_cut(&h, qkv, &whole, h.bars / 3);
        check_cut(&h, qkv, &whole, h.bars - 1);
        result_free(&whole);
        result_free(&again);
        pu_free(qkv);
    }
}

/* With the same q, k and v at every bar, a query with a span of n bars sees the offsets 0 .. n-1, wherever it
 * stands: its log-sum-exp does not depend on the place, but for rounding. A rounded factor is wrong by a share u
 * of itself, so a score by 2 u |q| |k| / sqrt(D), and a log-sum-exp by no more than its scores; two places differ
 * by twice that. */
static void scores_depend_on_the_offset(void **state) {
    (void)state;
    static const double share[] = {0x1p-24, 0x1p-12, 0x1p-9};
    for (int precision = PU_PRECISION_F32; precision <= (int)PU_PRECISION_BF16; ++precision) {
        const heads h = {1, 300, 1, 32, 40, 10000.0f, (pu_precision)precision};
        float *qkv = floats(h.bars * 3 * h.size);
        pu_random random = pu_random_at(seed, 100);
        double q = 0, k = 0;
        for (int64_t i = 0; i < 3 * h.size; ++i) {
            qkv[i] = (float)pu_random_normal(&random);
            if (i < h.size) q += (double)qkv[i] * (double)qkv[i];
            else if (i < 2 * h.size) k += (double)qkv[i] * (double)qkv[i];
        }
        for (int64_t r = 1; r < h.bars; ++r) memcpy(qkv + r * 3 * h.size, qkv, (size_t)(3 * h.size) * sizeof *qkv);
        result out = run(&h, qkv);
        float low = INFINITY, high = -INFINITY;
        for (int64_t t = h.span; t < h.bars; ++t) {
            low = fminf(low, out.lse[t]);
            high = fmaxf(high, out.lse[t]);
        }
        assert_true((double)(high - low) <= 4 * share[precision] * sqrt(q * k / (double)h.size) + 2e-5);
        assert_true(fabsf(out.lse[0] + logf((float)h.span) - low) > 0.1f); /* the first bar sees itself only */
        result_free(&out);
        pu_free(qkv);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(later_bars_do_not_matter),
                                       cmocka_unit_test(scores_depend_on_the_offset)};
    printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, open_device, close_device);
}
