/* Attention's CUDA kernels, emulated, beyond their values (test_cuda_ops): no later bar reaches an earlier one,
 * not as a bit, not as a NaN; windows that one block holds and longer ones give the same bits, and so do devices
 * whose blocks hold more or less; scores depend on the offset alone. In every precision. */
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
#include "tests/support/op_cases.h"

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
                                   {2, 97, 1, 48, 0, 10000.0f, PU_PRECISION_F32},
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

/* Devices by the shared memory that a block may have: sm_86, sm_89 and sm_120; sm_80; sm_90. */
enum { DEVICES = 3, HEAD_STEP = 16, HEAD_MOST = 128 };
static const size_t block_shared_bytes[DEVICES] = {99 * 1024, 163 * 1024, 227 * 1024};

static void reopen_with(size_t bytes) {
    pu_device_close(device);
    pu__emulator_set_shared(bytes);
    assert_int_equal(pu_device_open("cuda", 0, &device), PU_OK);
}

/* Causal attention of one head and window, every query of which sees 9 keys at most, or its gradient. */
static pu__op_case case_of(int64_t bars, int64_t size, pu_precision precision, bool backward) {
    const pu_shape dy = {3, {1, bars, size}}, qkv = {3, {1, bars, 3 * size}}, lse = {3, {1, 1, bars}};
    pu__op_case c = {
        .op = backward ? PU_OP_ATTENTION_GRAD : PU_OP_ATTENTION,
        .in_count = backward ? 4 : 1,
        .out_count = backward ? 1 : 2,
        .attributes = {.attention = {.heads = 1, .span = 9, .rotary_base = 10000.0f, .precision = precision}},
        .seed = seed};
    snprintf(c.name, sizeof c.name, "%s of %d bars, head size %d, precision %d", pu_op_name(c.op), (int)bars,
             (int)size, (int)precision);
    if (!backward) c.in[0] = qkv;
    else c.in[0] = dy, c.in[1] = qkv, c.in[2] = dy, c.in[3] = lse;
    return c;
}

/* On each device, under another order of threads: within tolerance, the same bits, and one block a window where
 * `resident` says so. */
static void check_residency(const pu__op_case *op_case, const bool resident[DEVICES]) {
    pu__op_result first = {0}, other;
    for (int d = 0; d < DEVICES; ++d) {
        reopen_with(block_shared_bytes[d]);
        pu__emulator_set_order((pu__order)d, seed);
        const pu_status status = pu__op_case_run(op_case, device, NULL, d ? &other : &first);
        if (pu__emulator_faults()) fail_msg("%s: %s", op_case->name, pu__emulator_fault(0)->text);
        if (status != PU_OK) fail_msg("%s: %s", op_case->name, pu_error_message());
        if ((strstr(pu__emulator_last_kernel(), "resident") != NULL) != resident[d])
            fail_msg("%s, %zu bytes of shared memory: %s", op_case->name, block_shared_bytes[d],
                     pu__emulator_last_kernel());
        if (d == 0 && pu__op_case_judge(op_case, &first) != PU_OK) fail_msg("%s", pu_error_message());
        for (int k = 0; d > 0 && k < first.out_count; ++k)
            assert_memory_equal(first.out[k], other.out[k], (size_t)first.count[k] * sizeof(float));
        if (d > 0) pu__op_result_free(&other);
    }
    pu__op_result_free(&first);
}

/* The tables in attention_rows_launch.cuh and attention_mma_launch.cuh: of windows of 256 bars with positions those
 * of heads up to this are resident. */
static void blocks_hold_what_the_device_allows(void **state) {
    (void)state;
    static const int head_most[PU_PRECISION_BF16 + 1][2][DEVICES] = {
        {{32, 64, 96}, {32, 64, 96}}, {{32, 48, 80}, {32, 48, 64}}, {{64, 96, 128}, {64, 96, 128}}};
    for (int size = HEAD_STEP; size <= HEAD_MOST; size += HEAD_STEP)
        for (int i = 0; i < 2 * (PU_PRECISION_BF16 + 1); ++i) {
            bool resident[DEVICES];
            for (int d = 0; d < DEVICES; ++d) resident[d] = size <= head_most[i / 2][i % 2][d];
            const pu__op_case c = case_of(256, size, (pu_precision)(i / 2), i % 2);
            check_residency(&c, resident);
        }
    reopen_with(block_shared_bytes[DEVICES - 1]);
}

/* Nor does more memory keep the windows too long for it, or the tiles too large. */
static void long_windows_are_tiled(void **state) {
    (void)state;
    static const struct {
        int bars, size;
        pu_precision precision;
        bool resident;
    } window[] = {{257, 16, PU_PRECISION_F32, false},  {512, 16, PU_PRECISION_TF32, true},
                  {513, 16, PU_PRECISION_TF32, false}, {257, 64, PU_PRECISION_TF32, false},
                  {512, 32, PU_PRECISION_BF16, true},  {513, 32, PU_PRECISION_BF16, false}};
    for (size_t i = 0; i < 2 * sizeof window / sizeof window[0]; ++i) {
        const bool is = window[i / 2].resident, resident[DEVICES] = {is, is, is};
        const pu__op_case c = case_of(window[i / 2].bars, window[i / 2].size, window[i / 2].precision, i % 2 != 0);
        check_residency(&c, resident);
    }
    reopen_with(block_shared_bytes[DEVICES - 1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_bars_do_not_matter), cmocka_unit_test(scores_depend_on_the_offset),
        cmocka_unit_test(blocks_hold_what_the_device_allows), cmocka_unit_test(long_windows_are_tiled)};
    printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, open_device, close_device);
}
