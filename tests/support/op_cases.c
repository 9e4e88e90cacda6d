/* The list of cases. Shapes are ragged: 0, 1, primes, a block or a vector width plus and minus one. */
#include "tests/support/op_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/graph.h" /* PU_SHAPE1, PU_SHAPE2, PU_SHAPE3 */

enum { CASES_MAX = 1400 };

static pu__op_case cases[CASES_MAX];
static int case_count;

#define S1 PU_SHAPE1
#define S2 PU_SHAPE2
#define S3 PU_SHAPE3
static const pu_shape scalar = {0};

static void append(char *text, size_t size, const pu_shape *shape) {
    size_t at = strlen(text);
    at += (size_t)snprintf(text + at, size - at, " [");
    for (int i = 0; i < shape->rank; ++i) {
        at += (size_t)snprintf(text + at, size - at, "%s%lld", i ? "," : "", (long long)shape->dim[i]);
    }
    snprintf(text + at, size - at, "]");
}

static pu__op_case *add(pu_op_id op, const char *note, const pu_attributes *attributes, int out_count,
                        int in_count, const pu_shape *in) {
    if (case_count == CASES_MAX) abort();
    pu__op_case *c = &cases[case_count];
    c->op = op;
    c->in_count = in_count;
    c->out_count = out_count;
    c->seed = 0x5eed0000u + (uint64_t)case_count++;
    if (attributes) c->attributes = *attributes;
    snprintf(c->name, sizeof c->name, "%s", pu_op_name(op));
    for (int i = 0; i < in_count; ++i) {
        c->in[i] = in[i];
        if (i < 3) append(c->name, sizeof c->name, &in[i]);
    }
    const size_t at = strlen(c->name);
    if (*note) snprintf(c->name + at, sizeof c->name - at, " %s", note);
    return c;
}

static void gemm_cases(void) {
    static const int64_t size[][3] = {{1, 1, 1},     {1, 7, 5},    {3, 17, 1},   {5, 1, 33},
                                      {64, 32, 48},  {65, 33, 31}, {127, 5, 17}, {2, 259, 67},
                                      {16, 16, 129}, {0, 4, 3},    {4, 0, 3},    {4, 3, 0}};
    static const char *const act_note[] = {"none",        "bias relu z",    "bias gelu z",
                                           "bias silu z", "bias sigmoid z", "bias tanh"};
    for (size_t s = 0; s < sizeof size / sizeof size[0]; ++s) {
        const int64_t m = size[s][0], k = size[s][1], n = size[s][2];
        const pu_attributes plain = {.gemm = {0, 0, PU_ACT_NONE, PU_PRECISION_F32}},
                            ta = {.gemm = {1, 0, PU_ACT_NONE, PU_PRECISION_F32}};
        const pu_attributes tb = {.gemm = {0, 1, PU_ACT_NONE, PU_PRECISION_F32}},
                            both = {.gemm = {1, 1, PU_ACT_NONE, PU_PRECISION_F32}};
        add(PU_OP_GEMM, "", &plain, 1, 2, (pu_shape[]){S2(m, k), S2(k, n)});
        add(PU_OP_GEMM, "bias", &plain, 1, 3, (pu_shape[]){S2(m, k), S2(k, n), S1(n)});
        add(PU_OP_GEMM, "ta", &ta, 1, 2, (pu_shape[]){S2(k, m), S2(k, n)});
        add(PU_OP_GEMM, "tb", &tb, 1, 2, (pu_shape[]){S2(m, k), S2(n, k)});
        if (s % 4 == 1) add(PU_OP_GEMM, "ta tb", &both, 1, 2, (pu_shape[]){S2(k, m), S2(n, k)});
        const pu_act act = (pu_act)(1 + s % 5);
        const pu_attributes fused = {.gemm = {0, 0, act, PU_PRECISION_F32}};
        add(PU_OP_GEMM, act_note[act], &fused, act == PU_ACT_TANH ? 1 : 2, 3,
            (pu_shape[]){S2(m, k), S2(k, n), S1(n)});
        /* As in prediction: nobody asks for the pre-activation, and a backend may fuse the activation. */
        const pu_attributes last = {.gemm = {0, 0, s % 2 ? PU_ACT_RELU : PU_ACT_GELU, PU_PRECISION_F32}};
        add(PU_OP_GEMM, s % 2 ? "bias relu" : "bias gelu", &last, 1, 3, (pu_shape[]){S2(m, k), S2(k, n), S1(n)});
        add(PU_OP_GEMM, s % 2 ? "relu" : "gelu", &last, 1, 2, (pu_shape[]){S2(m, k), S2(k, n)});
    }
}

static void elementwise_cases(void) {
    static const char *const act_name[] = {"none", "relu", "gelu", "silu", "sigmoid", "tanh"};
    const pu_shape shape[] = {S1(1), S1(1023), S2(3, 5), S3(2, 3, 17), S2(0, 7)};
    for (pu_op_id op = PU_OP_ACT; op <= PU_OP_ACT_GRAD; ++op) {
        for (int kind = PU_ACT_RELU; kind <= (int)PU_ACT_TANH; ++kind) {
            const pu_attributes attributes = {.act = {(pu_act)kind}};
            for (int s = 0; s < 5; ++s)
                add(op, act_name[kind], &attributes, 1, op == PU_OP_ACT ? 1 : 2, (pu_shape[]){shape[s], shape[s]});
            add(op, "extreme", &attributes, 1, op == PU_OP_ACT ? 1 : 2, (pu_shape[]){S1(37), S1(37)})->flavour =
                PU__OP_EXTREME;
        }
    }
    const pu_shape wide[] = {S1(5), S2(3, 7), S3(2, 3, 17), S3(2, 3, 17), S2(4, 33), S2(0, 7), S2(1025, 3), S1(1)};
    const pu_shape narrow[] = {S1(5), S1(7), S2(3, 17), S1(17), scalar, S1(7), S1(3), S1(1)};
    for (pu_op_id op = PU_OP_ADD; op <= PU_OP_MUL; ++op) {
        for (int s = 0; s < 8; ++s) add(op, "", NULL, 1, 2, (pu_shape[]){wide[s], narrow[s]});
    }
    const pu_attributes affine[] = {
        {.affine = {-2.5f, 0.75f}}, {.affine = {1.0f, 0.0f}}, {.affine = {0.0f, 3.0f}}};
    for (int s = 0; s < 5; ++s) add(PU_OP_AFFINE, "", &affine[s % 3], 1, 1, &shape[s]);
    const pu_shape sum_in[] = {S2(1, 1), S2(7, 5), S3(2, 3, 17), S3(2, 3, 17), S2(4099, 3),
                               S1(4099), S2(0, 5), S2(129, 257), S2(5, 0),     S2(63, 1030)};
    const pu_shape sum_out[] = {S1(1), S1(5), S1(17), S2(3, 17), S1(3), scalar, S1(5), S1(257), S1(0), S1(1030)};
    for (int s = 0; s < 10; ++s) add(PU_OP_SUM_LEADING, "", NULL, 1, 1, &sum_in[s])->sum_shape = sum_out[s];
    const pu_shape gate[] = {S2(1, 2), S2(3, 14), S2(5, 66), S2(17, 128), S2(0, 8), S2(1031, 6)};
    for (int s = 0; s < 6; ++s) {
        const pu_attributes attributes = {.act = {(pu_act)(s % 2 ? PU_ACT_SIGMOID : 1 + s)}};
        const pu_shape half = S2(gate[s].dim[0], gate[s].dim[1] / 2);
        add(PU_OP_GLU, act_name[attributes.act.kind], &attributes, 1, 1, &gate[s]);
        add(PU_OP_GLU_GRAD, act_name[attributes.act.kind], &attributes, 1, 2, (pu_shape[]){half, gate[s]});
    }
}

static void row_cases(void) {
    const pu_shape shape[] = {S2(1, 1), S2(3, 7),   S2(5, 64),  S2(2, 65),   S2(259, 32), S2(4, 1000),
                              S2(0, 8), S2(33, 31), S2(1, 513), S2(3, 1030), S2(2, 6147)};
    const pu_attributes norm = {.layer_norm = {1e-5f}};
    for (int s = 0; s < 11; ++s) {
        const pu_shape row = S1(shape[s].dim[1]), column = S1(shape[s].dim[0]);
        add(PU_OP_LAYER_NORM, "", &norm, 3, 3, (pu_shape[]){shape[s], row, row});
        add(PU_OP_LAYER_NORM_GRAD, "", &norm, 3, 5, (pu_shape[]){shape[s], shape[s], row, column, column});
        add(PU_OP_SOFTMAX, "", NULL, 1, 1, &shape[s]);
        add(PU_OP_SOFTMAX_GRAD, "", NULL, 1, 2, (pu_shape[]){shape[s], shape[s]});
    }
    /* long rows, more than one run of them */
    add(PU_OP_LAYER_NORM_GRAD, "", &norm, 3, 5,
        (pu_shape[]){S2(66, 6145), S2(66, 6145), S1(6145), S1(66), S1(66)});
    add(PU_OP_LAYER_NORM, "large mean", &norm, 3, 3, (pu_shape[]){S2(7, 96), S1(96), S1(96)})->flavour =
        PU__OP_LARGE_MEAN;
    add(PU_OP_SOFTMAX, "extreme", NULL, 1, 1, (pu_shape[]){S2(9, 13)})->flavour = PU__OP_EXTREME;
    static const float rate[] = {0.0f, 0.1f, 0.5f, 0.9f};
    const pu_shape drop[] = {S1(1), S2(3, 7), S1(1023), S3(2, 5, 129), S2(0, 4)};
    for (int s = 0; s < 5; ++s) {
        const pu_attributes attributes = {.dropout = {rate[s % 4], (uint32_t)s * 5592405u % (1u << 24)}};
        add(PU_OP_DROPOUT, "", &attributes, 1, 2, (pu_shape[]){drop[s], S1(2)});
    }
}

static void attention_cases(void) {
    static const int size[][6] = {/* B, T, H, D, span, rotary base */
                                  {1, 1, 1, 8, 0, 0},        {2, 5, 2, 8, 0, 10000},   {1, 17, 3, 10, 4, 10000},
                                  {2, 33, 1, 16, 0, 0},      {1, 64, 2, 32, 0, 10000}, {1, 65, 1, 80, 100, 500},
                                  {1, 9, 1, 128, 1, 10000},  {3, 31, 2, 22, 7, 0},     {1, 130, 1, 48, 33, 10000},
                                  {1, 197, 1, 64, 0, 10000}, {1, 70, 2, 112, 0, 300},  {2, 133, 1, 12, 131, 0},
                                  {0, 5, 1, 8, 0, 0},        {2, 0, 1, 8, 0, 0}};
    for (size_t s = 0; s < sizeof size / sizeof size[0]; ++s) {
        const int64_t b = size[s][0], t = size[s][1], h = size[s][2], width = size[s][2] * size[s][3];
        const pu_attributes attributes = {
            .attention = {.heads = size[s][2], .span = size[s][4], .rotary_base = (float)size[s][5]}};
        char note[48];
        snprintf(note, sizeof note, "heads %d span %d rotary %d", size[s][2], size[s][4], size[s][5]);
        add(PU_OP_ATTENTION, note, &attributes, 2, 1, (pu_shape[]){S3(b, t, 3 * width)});
        add(PU_OP_ATTENTION_GRAD, note, &attributes, 1, 4,
            (pu_shape[]){S3(b, t, width), S3(b, t, 3 * width), S3(b, t, width), S3(b, h, t)});
    }
}

/* One of the two ops and its gradient, for windows of q queries and k keys. */
static void add_attention(bool cross, const pu_attributes *attributes, int64_t b, int64_t q, int64_t k,
                          int64_t size) {
    static const char *const precision[] = {"f32", "tf32", "bf16"};
    const int64_t h = attributes->attention.heads, width = h * size;
    char note[80];
    snprintf(note, sizeof note, "%s heads %d span %d rotary %d offset %d %s",
             attributes->attention.mask == PU_ATTENTION_FULL ? "full" : "causal", (int)h,
             attributes->attention.span, (int)attributes->attention.rotary_base, attributes->attention.offset,
             precision[attributes->attention.precision]);
    if (cross) {
        add(PU_OP_CROSS_ATTENTION, note, attributes, 2, 2, (pu_shape[]){S3(b, q, width), S3(b, k, 2 * width)});
        add(PU_OP_CROSS_ATTENTION_GRAD, note, attributes, 2, 5,
            (pu_shape[]){S3(b, q, width), S3(b, q, width), S3(b, k, 2 * width), S3(b, q, width), S3(b, h, q)});
    } else {
        add(PU_OP_ATTENTION, note, attributes, 2, 1, (pu_shape[]){S3(b, q, 3 * width)});
        add(PU_OP_ATTENTION_GRAD, note, attributes, 1, 4,
            (pu_shape[]){S3(b, q, width), S3(b, q, 3 * width), S3(b, q, width), S3(b, h, q)});
    }
}

/* The forms beyond causal attention of one length, and the precisions of matrix units. */
static void attention_form_cases(void) {
    static const struct {
        int batch, queries, keys, heads, size, span, rotary, full, offset;
    } form[] = {{1, 1, 1, 1, 8, 0, 0, 1, 0},
                {2, 7, 7, 2, 10, 0, 10000, 1, 0},
                {1, 65, 65, 1, 32, 0, 0, 1, 0},
                {1, 131, 131, 1, 16, 0, 300, 1, 0},
                {2, 3, 9, 1, 8, 0, 10000, 0, 6},
                {1, 9, 3, 2, 12, 0, 0, 0, 0},
                {1, 5, 40, 1, 32, 7, 10000, 0, 35},
                {2, 33, 17, 1, 112, 0, 500, 1, 4},
                {1, 70, 133, 1, 24, 0, 0, 1, 0},
                {1, 66, 130, 1, 128, 60, 10000, 0, 64},
                {1, 12, 5, 1, 16, 0, 100, 0, 3},
                {1, 1, 200, 2, 32, 0, 10000, 0, 199},
                {1, 4, 6, 1, 8, 5, 0, 0, 1},
                {1, 270, 270, 1, 8, 0, 10000, 0, 0},
                {1, 129, 261, 1, 32, 140, 100, 0, 130},
                {0, 5, 3, 1, 8, 0, 0, 0, 0},
                {2, 0, 4, 1, 8, 0, 0, 0, 0}};
    for (size_t s = 0; s < sizeof form / sizeof form[0]; ++s) {
        const int64_t b = form[s].batch, q = form[s].queries, k = form[s].keys;
        const int most = q * k > 12000 ? PU_PRECISION_F32 : PU_PRECISION_BF16; /* the emulator is slow */
        for (int precision = PU_PRECISION_F32; precision <= most; ++precision) {
            const pu_attributes attributes = {.attention = {.heads = form[s].heads,
                                                            .span = form[s].span,
                                                            .rotary_base = (float)form[s].rotary,
                                                            .mask = (pu_attention_mask)form[s].full,
                                                            .offset = form[s].offset,
                                                            .precision = (pu_precision)precision}};
            add_attention(true, &attributes, b, q, k, form[s].size);
            if (q == k && form[s].offset == 0) add_attention(false, &attributes, b, q, k, form[s].size);
        }
    }
}

/* On matrix units: 16s of rows and groups of 32 plus and minus one, windows that one block holds and longer ones,
 * every head size that kernels have and some between, rows that no vector access fits. */
static void attention_unit_cases(void) {
    static const int form[][8] = {/* queries, keys, heads, size, span, rotary, full, offset */
                                  {1, 1, 2, 16, 0, 100, 0, 0},         {15, 15, 1, 40, 0, 10000, 0, 0},
                                  {16, 16, 2, 112, 5, 0, 0, 0},        {31, 31, 1, 64, 0, 300, 1, 0},
                                  {47, 47, 2, 32, 20, 10000, 0, 0},    {97, 97, 1, 48, 0, 10000, 0, 0},
                                  {64, 64, 1, 128, 0, 10000, 0, 0},    {129, 129, 1, 16, 0, 500, 0, 0},
                                  {259, 259, 1, 80, 30, 10000, 0, 0},  {17, 33, 1, 8, 0, 0, 1, 0},
                                  {49, 330, 1, 64, 100, 500, 0, 281},  {33, 130, 1, 128, 0, 500, 1, 0},
                                  {21, 540, 1, 96, 70, 100, 0, 519},   {289, 40, 1, 32, 0, 10000, 1, 7},
                                  {67, 140, 1, 112, 60, 10000, 0, 73}, {17, 577, 1, 32, 0, 10000, 0, 560},
                                  {133, 8, 1, 16, 0, 100, 1, 0}};
    for (size_t s = 0; s < 2 * sizeof form / sizeof form[0]; ++s) {
        const int *v = form[s / 2];
        const pu_precision precision = s % 2 ? PU_PRECISION_BF16 : PU_PRECISION_TF32;
        const int64_t q = v[0], k = v[1];
        const pu_attributes attributes = {.attention = {.heads = v[2],
                                                        .span = v[4],
                                                        .rotary_base = (float)v[5],
                                                        .mask = (pu_attention_mask)v[6],
                                                        .offset = v[7],
                                                        .precision = precision}};
        const int before = case_count;
        add_attention(q != k || v[7] != 0, &attributes, 1, q, k, v[3]);
        for (int i = before; i < case_count; ++i)
            cases[i].seed -= 0x10000; /* the first of their op: they are quick */
    }
}

/* Every head size that CUDA has kernels for and two between, in every form and precision: windows that one block
 * holds, and, with 530 keys, windows that none holds on any device. */
static void attention_head_cases(void) {
    static const int head_size[] = {16, 24, 32, 40, 48, 64, 80, 96, 112, 128};
    static const int form[][6] = {/* queries, keys, span, rotary, full, offset */
                                  {18, 18, 0, 10000, 0, 0},
                                  {17, 17, 0, 0, 1, 0},
                                  {35, 35, 7, 500, 0, 0},
                                  {19, 530, 20, 10000, 0, 511}};
    enum { FORMS = sizeof form / sizeof form[0], PRECISIONS = PU_PRECISION_BF16 + 1 };
    for (size_t s = 0; s < FORMS * PRECISIONS * sizeof head_size / sizeof head_size[0]; ++s) {
        const int *v = form[s % FORMS];
        const pu_attributes attributes = {.attention = {.heads = 1,
                                                        .span = v[2],
                                                        .rotary_base = (float)v[3],
                                                        .mask = (pu_attention_mask)v[4],
                                                        .offset = v[5],
                                                        .precision = (pu_precision)(s / FORMS % PRECISIONS)}};
        const int before = case_count;
        add_attention(v[0] != v[1], &attributes, 1, v[0], v[1], head_size[s / (FORMS * PRECISIONS)]);
        /* Their own seeds, wherever they stand: so few numbers leave the largest of their errors to luck. */
        for (int i = before; i < case_count; ++i)
            cases[i].seed = 0x5eed8000u + 2 * (uint64_t)s + (uint64_t)(i - before);
    }
}

static void conv_cases(void) {
    static const int size[][5] = {/* B, T, C, K, groups */
                                  {1, 1, 1, 1, 1},   {2, 7, 3, 3, 1},   {1, 33, 8, 3, 4},   {2, 65, 6, 2, 3},
                                  {3, 16, 64, 3, 8}, {1, 5, 4, 7, 2},   {5, 129, 33, 4, 1}, {0, 5, 4, 3, 1},
                                  {2, 0, 4, 3, 1},   {1, 700, 4, 3, 2}, {2, 150, 5, 18, 1}, {3, 259, 32, 3, 2},
                                  {270, 5, 3, 2, 1}};
    for (size_t s = 0; s < sizeof size / sizeof size[0]; ++s) {
        const int64_t b = size[s][0], t = size[s][1], c = size[s][2], k = size[s][3];
        pu_attributes attributes = {.conv = {.kernel_bars = size[s][3], .groups = size[s][4]}};
        for (int g = 0; g < size[s][4]; ++g)
            attributes.conv.dilation[g] = s == 5 ? 3 - g : t > 500 ? 160 << g : 1 << g;
        add(PU_OP_CONV, "", &attributes, 1, 3, (pu_shape[]){S3(b, t, c), S2(k, c), S1(c)});
        add(PU_OP_CONV_GRAD, "", &attributes, 3, 3, (pu_shape[]){S3(b, t, c), S3(b, t, c), S2(k, c)});
    }
}

static void window_cases(void) {
    static const int size[][5] = {/* rows, features, windows, T, W */
                                  {1, 1, 1, 1, 0},      {40, 3, 5, 7, 0}, {64, 17, 3, 16, 9},
                                  {300, 33, 4, 65, 31}, {20, 2, 0, 5, 1}, {290, 3, 2, 150, 121}};
    for (size_t s = 0; s < 2 * sizeof size / sizeof size[0]; ++s) {
        const int *v = size[s / 2];
        const pu_attributes attributes = {.window_norm = {v[3], v[4], s % 3 == 0 ? 1.5f : 5.0f, 1e-6f}};
        pu__op_case *c = add(PU_OP_WINDOW_NORM, s % 2 ? "large mean" : "", &attributes, 1, 2,
                             (pu_shape[]){S2(v[0], v[1]), S1(v[2])});
        c->flavour = s % 2 ? PU__OP_LARGE_MEAN : PU__OP_ORDINARY;
    }
    const pu_attributes attributes = {.window_norm = {6, 3, 4.0f, 1e-6f}};
    add(PU_OP_WINDOW_NORM, "extreme", &attributes, 1, 2, (pu_shape[]){S2(30, 3), S1(5)})->flavour = PU__OP_EXTREME;
}

static void loss_cases(void) {
    static const int size[][3] = {{1, 1, 1}, {7, 3, 5}, {33, 2, 1}, {1025, 1, 3}, {64, 4, 16}, {0, 2, 3}};
    static const char *const kind_name[] = {"pinball", "mse", "huber"};
    for (size_t s = 0; s < 3 * sizeof size / sizeof size[0] + 6; ++s) {
        const bool extreme = s >= 3 * sizeof size / sizeof size[0];
        const int *v = extreme ? size[1] : size[s / 3];
        const int kind = (int)(s % 3), quantiles = kind == PU_LOSS_PINBALL ? v[2] : 1;
        pu_attributes a = {
            .loss = {.kind = (pu_loss)kind, .horizons = v[1], .quantiles = quantiles, .huber_delta = 0.7f}};
        for (int q = 0; q < quantiles; ++q) a.loss.quantile[q] = (float)(q + 1) / (float)(quantiles + 1);
        const pu_shape prediction = S2(v[0], v[1] * quantiles), target = S2(v[0], v[1]);
        char note[32];
        snprintf(note, sizeof note, "%s%s", kind_name[kind], extreme ? s % 2 ? " all masked" : " masked NaN" : "");
        pu__op_case *forward = add(PU_OP_LOSS, note, &a, 2, 3, (pu_shape[]){prediction, target, target});
        pu__op_case *backward =
            add(PU_OP_LOSS_GRAD, note, &a, 1, 5, (pu_shape[]){S1(1), prediction, target, target, S1(1)});
        if (extreme) forward->flavour = backward->flavour = PU__OP_EXTREME;
    }
}

static void update_cases(void) {
    static const int64_t count[] = {0, 1, 7, 1023, 4097, 70001};
    for (int s = 0; s < 6; ++s) add(PU_OP_SUM_SQUARES, "", NULL, 1, 1, (pu_shape[]){S1(count[s])});
    for (int s = 0; s < 6; ++s) {
        const int64_t n = count[s] > 5000 ? 2051 : count[s];
        const pu_attributes a = {.adamw = {s % 3 == 0 ? n : s % 3 == 1 ? 0 : n / 2}};
        add(PU_OP_ADAMW, "", &a, 4, 6, (pu_shape[]){S1(n), S1(n), S1(n), S1(n), S1(1), S1(8)});
    }
    const pu_attributes a = {.adamw = {20}};
    add(PU_OP_ADAMW, "norm not finite", &a, 4, 6, (pu_shape[]){S1(37), S1(37), S1(37), S1(37), S1(1), S1(8)})
        ->flavour = PU__OP_EXTREME;
}

static void state_space_cases(void) {
    static const int size[][4] = {/* B, T, C, N */
                                  {1, 1, 1, 1},   {2, 7, 3, 2},    {1, 33, 17, 5}, {3, 64, 16, 4},
                                  {5, 65, 33, 3}, {9, 19, 4, 1},   {2, 130, 8, 9}, {0, 5, 4, 2},
                                  {2, 0, 4, 2},   {1, 300, 5, 32}, {4, 31, 64, 8}, {17, 12, 5, 3}};
    static const char *const form[] = {"auto", "scan", "convolution"};
    for (size_t s = 0; s < sizeof size / sizeof size[0]; ++s) {
        const int64_t b = size[s][0], t = size[s][1], c = size[s][2], n = size[s][3];
        const pu_shape u = S3(b, t, c), bar = S2(b, c), state = S3(b, 2 * n, c);
        for (int f = 0; f < 6; ++f) {
            const pu_attributes attributes = {.s4 = {(pu_s4_discretisation)(f / 3), (pu_s4_form)(f % 3)}};
            char note[64];
            snprintf(note, sizeof note, "%s %s", f < 3 ? "zero-order hold" : "bilinear", form[f % 3]);
            add(PU_OP_S4, note, &attributes, 1, 6,
                (pu_shape[]){u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
            add(PU_OP_S4_GRAD, note, &attributes, 6, 7,
                (pu_shape[]){u, u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
            if (f % 3 == 0 && t > 0) {
                add(PU_OP_S4_STEP, note, &attributes, 2, 7,
                    (pu_shape[]){bar, state, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
            }
        }
    }
    static const int length[][3] = {/* B, T, C */
                                    {1, 1, 1}, {2, 7, 3}, {1, 257, 5}, {3, 33, 64}, {2, 64, 129},
                                    {0, 5, 4}, {2, 0, 4}, {5, 31, 16}, {1, 9, 200}, {7, 65, 17}};
    for (size_t s = 0; s < sizeof length / sizeof length[0]; ++s) {
        const pu_shape x = S3(length[s][0], length[s][1], length[s][2]);
        add(PU_OP_SCAN, "", NULL, 1, 2, (pu_shape[]){x, x});
        add(PU_OP_SCAN_GRAD, "", NULL, 2, 3, (pu_shape[]){x, x, x});
    }
}

static void fused_conv_cases(void) {
    static const int size[][5] = {/* B, T, C, K, groups */
                                  {2, 9, 6, 3, 2},
                                  {1, 41, 37, 5, 1},
                                  {3, 72, 40, 7, 4},
                                  {33, 17, 16, 2, 1},
                                  {2, 5, 24, 9, 3}};
    static const char *const note[] = {"none", "relu", "gelu", "silu", "sigmoid", "tanh"};
    for (int s = 0; s < 5; ++s) {
        const int64_t b = size[s][0], t = size[s][1], c = size[s][2], k = size[s][3];
        for (int act = s % 2; act <= (int)PU_ACT_TANH; act += 2) {
            pu_attributes attributes = {
                .conv = {.kernel_bars = size[s][3], .groups = size[s][4], .act = (pu_act)act}};
            for (int g = 0; g < size[s][4]; ++g) attributes.conv.dilation[g] = 1 << 2 * g;
            const pu_shape in[] = {S3(b, t, c), S2(k, c), S1(c)};
            add(PU_OP_CONV, note[act], &attributes, 1 + (act + s) % 3 % 2, 3, in);
            if (act < 2)
                add(PU_OP_CONV_GRAD, "", &attributes, 3, 3, (pu_shape[]){S3(b, t, c), S3(b, t, c), S2(k, c)});
        }
    }
}

static void dense_conv_cases(void) {
    static const int size[][6] = {/* B, T, I, O, K, dilation */
                                  {1, 1, 1, 1, 1, 1},     {2, 7, 3, 5, 3, 2},    {1, 65, 17, 33, 2, 40},
                                  {3, 64, 64, 64, 3, 16}, {2, 130, 9, 70, 4, 7}, {1, 5, 4, 3, 7, 1},
                                  {2, 3, 5, 8, 2, 9},     {5, 61, 67, 31, 1, 1}, {1, 300, 6, 4, 3, 128},
                                  {0, 5, 4, 3, 2, 1},     {2, 0, 4, 3, 2, 1},    {2, 9, 0, 3, 2, 1},
                                  {17, 4, 2, 20, 3, 1},   {2, 9, 3, 0, 2, 1}};
    static const char *const note[] = {"none", "relu", "gelu", "silu", "sigmoid", "tanh"};
    for (int s = 0; s < 14; ++s) {
        const int64_t b = size[s][0], t = size[s][1], inputs = size[s][2], outputs = size[s][3], k = size[s][4];
        const pu_act act = (pu_act)(s % 6);
        pu_attributes attributes = {
            .conv = {.kernel_bars = size[s][4], .groups = 1, .dilation = {size[s][5]}, .act = act}};
        const pu_shape x = S3(b, t, inputs), w = S3(k, inputs, outputs), dz = S3(b, t, outputs);
        add(PU_OP_CONV_DENSE, note[act], &attributes, 1 + s % 2, 3, (pu_shape[]){x, w, S1(outputs)});
        add(PU_OP_CONV_DENSE_GRAD, "", &attributes, 3, 3, (pu_shape[]){dz, x, w});
    }
}

/* With and without dropout; rows of four and not, short and too long for one warp or for shared memory. */
static void residual_cases(void) {
    const pu_shape shape[] = {S2(1, 1), S2(3, 7),   S2(5, 64),  S2(2, 65),   S2(259, 32), S2(4, 1000),
                              S2(0, 8), S2(33, 31), S2(1, 513), S2(3, 1030), S2(2, 6147), S2(129, 128)};
    static const float rate[] = {0.1f, 0.5f, 0.9f};
    for (int s = 0; s < 24; ++s) {
        const pu_shape *x = &shape[s / 2];
        const pu_shape row = S1(x->dim[1]), column = S1(x->dim[0]), clock = S1(2);
        const int drops = s % 2;
        const pu_attributes a = {
            .add_layer_norm = {1e-5f, drops ? rate[s / 2 % 3] : 0.0f, (uint32_t)s * 5592405u % (1u << 24)}};
        char note[32] = "";
        if (drops) snprintf(note, sizeof note, "dropout %g", (double)a.add_layer_norm.rate);
        add(PU_OP_ADD_LAYER_NORM, note, &a, 4, 4 + drops, (pu_shape[]){*x, *x, row, row, clock});
        add(PU_OP_ADD_LAYER_NORM_GRAD, note, &a, 3 + drops, 6 + drops,
            (pu_shape[]){*x, *x, *x, row, column, column, clock});
    }
    const pu_attributes a = {.add_layer_norm = {1e-5f, 0.25f, 3}};
    add(PU_OP_ADD_LAYER_NORM, "large mean", &a, 4, 5, (pu_shape[]){S2(7, 96), S2(7, 96), S1(96), S1(96), S1(2)})
        ->flavour = PU__OP_LARGE_MEAN;
}

/* Products whose factors are rounded. */
static void precision_cases(void) {
    static const int64_t size[][3] = {{1, 7, 5},     {65, 33, 31},  {127, 5, 17}, {2, 259, 67},
                                      {16, 16, 129}, {70, 1100, 3}, {4, 0, 3},    {0, 4, 3}};
    static const char *const name[] = {"f32", "tf32", "bf16"};
    for (int s = 0; s < 16; ++s) {
        const int64_t m = size[s / 2][0], k = size[s / 2][1], n = size[s / 2][2];
        const pu_precision precision = s % 2 ? PU_PRECISION_BF16 : PU_PRECISION_TF32;
        const pu_attributes fused = {.gemm = {0, 0, PU_ACT_SILU, precision}};
        const pu_attributes ta = {.gemm = {1, 0, PU_ACT_NONE, precision}},
                            tb = {.gemm = {0, 1, PU_ACT_NONE, precision}};
        char note[48];
        snprintf(note, sizeof note, "bias silu %s", name[precision]);
        add(PU_OP_GEMM, note, &fused, 2, 3, (pu_shape[]){S2(m, k), S2(k, n), S1(n)});
        snprintf(note, sizeof note, "ta %s", name[precision]);
        add(PU_OP_GEMM, note, &ta, 1, 2, (pu_shape[]){S2(k, m), S2(k, n)});
        snprintf(note, sizeof note, "tb %s", name[precision]);
        add(PU_OP_GEMM, note, &tb, 1, 2, (pu_shape[]){S2(m, k), S2(n, k)});
    }
}

/* Windows of fewer and more assets than a warp has lanes; every term of the costs off and on; gaps, and ruin. */
static void pnl_cases(void) {
    static const int size[][4] = {/* B, T, A, latency */
                                  {1, 1, 1, 0},  {2, 7, 3, 0},   {3, 33, 1, 1}, {2, 41, 17, 2},
                                  {2, 25, 5, 3}, {1, 12, 33, 1}, {2, 9, 70, 2}, {0, 5, 3, 1},
                                  {2, 0, 3, 1},  {2, 5, 0, 1},   {70, 6, 2, 7}, {300, 3, 1, 0}};
    for (size_t s = 0; s < 2 * sizeof size / sizeof size[0]; ++s) {
        const int *v = size[s / 2];
        const bool rich = s % 2, extreme = v[1] > 5 && (s / 2) % 2 == 1;
        pu_attributes a = {.pnl = {.half_spread_ratio = 5e-4, .latency_bars = v[3]}};
        if (rich) {
            a.pnl = (pu_pnl_rules){5e-4, 3e-4, 2e-4, 0.02, 4e-4, 3e-4, v[3]};
            if (extreme) a.pnl.funding_ratio = a.pnl.borrow_ratio = 0.01;
        }
        const pu_shape x = S3(v[0], v[1], v[2]), bar = S2(v[0], v[1]);
        char note[64];
        snprintf(note, sizeof note, "latency %d%s%s", v[3], rich ? " impact carry" : "", extreme ? " ruin" : "");
        const int inputs = rich ? 3 : 2;
        pu__op_case *forward = add(PU_OP_PNL, note, &a, 3, inputs, (pu_shape[]){x, x, x});
        pu__op_case *backward =
            add(PU_OP_PNL_GRAD, note, &a, 1 + (int)(s / 2 + s) % 2, 2 + inputs, (pu_shape[]){bar, bar, x, x, x});
        if (extreme) forward->flavour = backward->flavour = PU__OP_EXTREME;
    }
}

/* Rows of a pre-activation that cuBLASLt's epilogue may store, and one that it may not. */
static void stored_activation_cases(void) {
    static const int64_t size[][3] = {{1, 3, 8}, {33, 70, 64}, {129, 5, 24}, {9, 20, 12}, {7, 0, 16}};
    static const char *const name[] = {"f32", "tf32", "bf16"};
    for (int s = 0; s < 15; ++s) {
        const int64_t m = size[s / 3][0], k = size[s / 3][1], n = size[s / 3][2];
        const pu_attributes gelu = {.gemm = {0, 0, PU_ACT_GELU, (pu_precision)(s % 3)}};
        char note[48];
        snprintf(note, sizeof note, "gelu z %s", name[s % 3]);
        add(PU_OP_GEMM, note, &gelu, 2, 2, (pu_shape[]){S2(m, k), S2(k, n)});
        snprintf(note, sizeof note, "bias gelu z %s", name[s % 3]);
        add(PU_OP_GEMM, note, &gelu, 2, 3, (pu_shape[]){S2(m, k), S2(k, n), S1(n)});
    }
}

/* The scan of windows that are too few for a GPU is cut in time: chunks that end with the window and not, more of them
 * than are carried at once, more states than lanes, more groups of sums than one thread adds up. And of windows that
 * share sums. */
static void long_window_cases(void) {
    static const int size[][4] = {/* B, T, C, N */
                                  {1, 64, 2, 2},   {1, 128, 3, 9},   {2, 193, 5, 5}, {9, 579, 3, 4},
                                  {1, 640, 3, 20}, {1, 200, 1, 257}, {70, 3, 2, 2},  {65, 2, 1025, 1}};
    for (size_t s = 0; s < sizeof size / sizeof size[0]; ++s) {
        const int64_t b = size[s][0], t = size[s][1], c = size[s][2], n = size[s][3];
        const pu_shape u = S3(b, t, c);
        const pu_attributes attributes = {.s4 = {s % 2 ? PU_S4_BILINEAR : PU_S4_ZERO_ORDER_HOLD, PU_S4_SCAN}};
        const char *note = s % 2 ? "bilinear scan" : "zero-order hold scan";
        add(PU_OP_S4, note, &attributes, 1, 6, (pu_shape[]){u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
        add(PU_OP_S4_GRAD, note, &attributes, 6, 7,
            (pu_shape[]){u, u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
    }
}

/* Blocks of 64 bars: one, whole ones, and cut ones. */
static void block_cases(void) {
    static const int size[][4] = {/* B, T, C, N */
                                  {1, 1, 1, 1},    {2, 64, 3, 2},   {5, 65, 17, 3}, {1, 129, 5, 9},
                                  {3, 191, 16, 2}, {6, 320, 3, 4},  {0, 70, 4, 2},  {1, 577, 33, 5},
                                  {9, 130, 2, 1},  {4, 100, 19, 17}};
    for (size_t s = 0; s < sizeof size / sizeof size[0]; ++s) {
        const int64_t b = size[s][0], t = size[s][1], c = size[s][2], n = size[s][3];
        const pu_shape u = S3(b, t, c);
        const pu_attributes attributes = {.s4 = {s % 2 ? PU_S4_BILINEAR : PU_S4_ZERO_ORDER_HOLD, PU_S4_BLOCKS}};
        add(PU_OP_S4, "blocks", &attributes, 1, 6,
            (pu_shape[]){u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
        add(PU_OP_S4_GRAD, "blocks", &attributes, 6, 7,
            (pu_shape[]){u, u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
    }
}

/* On the CPU: a panel of channels with some left over, and groups of more windows than a tile has. */
static void panel_cases(void) {
    static const char *const note[] = {"panel scan", "panel convolution", "panel blocks"};
    const int64_t b = 33, c = 33, n = 1;
    for (int i = 0; i < 3; ++i) {
        const pu_s4_form form = (pu_s4_form)(PU_S4_SCAN + i);
        const pu_shape u = S3(b, form == PU_S4_BLOCKS ? 65 : 9, c);
        const pu_attributes attributes = {.s4 = {PU_S4_ZERO_ORDER_HOLD, form}};
        add(PU_OP_S4, note[i], &attributes, 1, 6, (pu_shape[]){u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
        add(PU_OP_S4_GRAD, note[i], &attributes, 6, 7,
            (pu_shape[]){u, u, S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)});
    }
}

/* States that hardly decay: exp(h A) - 1 has no digits of its own. */
static void slow_cases(void) {
    const int64_t b = 2, t = 9, c = 5, n = 7;
    const pu_shape u = S3(b, t, c), parameter[] = {S1(c), S2(n, c), S2(n, c), S2(2 * n, c), S1(c)};
    for (int i = 0; i < 2; ++i) {
        const pu_attributes attributes = {.s4 = {i ? PU_S4_BILINEAR : PU_S4_ZERO_ORDER_HOLD, PU_S4_SCAN}};
        const pu_shape *const p = parameter;
        add(PU_OP_S4, "slow", &attributes, 1, 6, (pu_shape[]){u, p[0], p[1], p[2], p[3], p[4]})->flavour =
            PU__OP_EXTREME;
        add(PU_OP_S4_GRAD, "slow", &attributes, 6, 7, (pu_shape[]){u, u, p[0], p[1], p[2], p[3], p[4]})->flavour =
            PU__OP_EXTREME;
        add(PU_OP_S4_STEP, "slow", &attributes, 2, 7,
            (pu_shape[]){S2(b, c), S3(b, 2 * n, c), p[0], p[1], p[2], p[3], p[4]})
            ->flavour = PU__OP_EXTREME;
    }
}

static int by_op(const void *left, const void *right) {
    const pu__op_case *a = left, *b = right;
    if (a->op != b->op) return a->op < b->op ? -1 : 1;
    return a->seed < b->seed ? -1 : 1;
}

const pu__op_case *pu__op_cases(int *count) {
    if (case_count == 0) {
        gemm_cases();
        elementwise_cases();
        row_cases();
        attention_cases();
        conv_cases();
        window_cases();
        loss_cases();
        update_cases();
        state_space_cases();
        fused_conv_cases();
        dense_conv_cases();
        attention_form_cases();
        residual_cases();
        precision_cases();
        pnl_cases();
        attention_unit_cases();
        stored_activation_cases();
        long_window_cases();
        block_cases();
        panel_cases();
        slow_cases();
        attention_head_cases();
        qsort(cases, (size_t)case_count, sizeof *cases, by_op);
    }
    *count = case_count;
    return cases;
}
