#include <stdio.h>
#include <string.h>

#include "host/graph/op_bench.h"

enum { WARMUP_BARS = 64, HORIZONS = 3, QUANTILES = 5, PER_SIZE = 64 };

#define S1 PU_SHAPE1
#define S2 PU_SHAPE2
#define S3 PU_SHAPE3

static pu__workload workload(pu_op_id op, const char *sizes, const pu_attributes *attributes, int out_count,
                             int in_count, const pu_shape *in) {
    pu__workload w = {.op = op, .in_count = in_count, .out_count = out_count};
    if (attributes) w.attributes = *attributes;
    for (int i = 0; i < in_count; ++i) w.in[i] = in[i];
    snprintf(w.name, sizeof w.name, "%s %s", pu_op_name(op), sizes);
    return w;
}

static pu__workload *add(pu__workloads *list, pu_op_id op, const char *sizes, const pu_attributes *attributes,
                         int out_count, int in_count, const pu_shape *in) {
    pu__workload *w = &list->entry[list->count++];
    *w = workload(op, sizes, attributes, out_count, in_count, in);
    return w;
}

static void add_matrix(pu__workloads *list, const pu__workload_sizes *s) {
    const int64_t rows = s->windows * s->bars, c = s->channels, wide[] = {c, 3 * c, 4 * c};
    char note[64];
    for (int i = 0; i < 3; ++i) {
        const pu_attributes forward = {.gemm = {0, 0, i == 2 ? PU_ACT_GELU : PU_ACT_NONE, PU_PRECISION_F32}},
                            input = {.gemm = {0, 1, PU_ACT_NONE, PU_PRECISION_F32}},
                            weight = {.gemm = {1, 0, PU_ACT_NONE, PU_PRECISION_F32}};
        snprintf(note, sizeof note, "y=xW M%lld K%lld N%lld%s", (long long)rows, (long long)c, (long long)wide[i],
                 i == 2 ? " gelu" : "");
        add(list, PU_OP_GEMM, note, &forward, i == 2 ? 2 : 1, 3,
            (pu_shape[]){S2(rows, c), S2(c, wide[i]), S1(wide[i])});
        snprintf(note, sizeof note, "dx=dyW' M%lld K%lld N%lld", (long long)rows, (long long)wide[i],
                 (long long)c);
        add(list, PU_OP_GEMM, note, &input, 1, 2, (pu_shape[]){S2(rows, wide[i]), S2(c, wide[i])});
        snprintf(note, sizeof note, "dW=x'dy M%lld K%lld N%lld", (long long)c, (long long)rows,
                 (long long)wide[i]);
        add(list, PU_OP_GEMM, note, &weight, 1, 2, (pu_shape[]){S2(rows, c), S2(rows, wide[i])});
    }
}

/* One pass over rows of channels. */
static void add_rows(pu__workloads *list, const pu__workload_sizes *s) {
    const int64_t rows = s->windows * s->bars, c = s->channels;
    const pu_attributes act = {.act = {PU_ACT_GELU}}, gate = {.act = {PU_ACT_SILU}},
                        affine = {.affine = {1.5f, 0.25f}}, norm = {.layer_norm = {1e-5f}},
                        drop = {.dropout = {0.1f, 1}}, residual = {.add_layer_norm = {1e-5f, 0.1f, 1}};
    const pu_shape x = S2(rows, c), pair = S2(rows, 2 * c), row = S1(c), column = S1(rows);
    char note[64];
    snprintf(note, sizeof note, "N%lld C%lld", (long long)rows, (long long)c);
    add(list, PU_OP_ACT, note, &act, 1, 1, &x);
    add(list, PU_OP_ACT_GRAD, note, &act, 1, 2, (pu_shape[]){x, x});
    add(list, PU_OP_ADD, note, NULL, 1, 2, (pu_shape[]){x, x});
    add(list, PU_OP_MUL, note, NULL, 1, 2, (pu_shape[]){x, x});
    add(list, PU_OP_AFFINE, note, &affine, 1, 1, &x);
    add(list, PU_OP_SUM_LEADING, note, NULL, 1, 1, &x)->wanted = row;
    add(list, PU_OP_GLU, note, &gate, 1, 1, &pair);
    add(list, PU_OP_GLU_GRAD, note, &gate, 1, 2, (pu_shape[]){x, pair});
    add(list, PU_OP_LAYER_NORM, note, &norm, 3, 3, (pu_shape[]){x, row, row});
    add(list, PU_OP_LAYER_NORM_GRAD, note, &norm, 3, 5, (pu_shape[]){x, x, row, column, column});
    add(list, PU_OP_ADD_LAYER_NORM, note, &residual, 4, 5, (pu_shape[]){x, x, row, row, S1(2)});
    add(list, PU_OP_ADD_LAYER_NORM_GRAD, note, &residual, 4, 7, (pu_shape[]){x, x, x, row, column, column, S1(2)});
    add(list, PU_OP_DROPOUT, note, &drop, 1, 2, (pu_shape[]){x, S1(2)});
    add(list, PU_OP_SOFTMAX, note, NULL, 1, 1, &x);
    add(list, PU_OP_SOFTMAX_GRAD, note, NULL, 1, 2, (pu_shape[]){x, x});
}

/* Depthwise at the model's width and at twice that (rows of 1 KiB lie on few cache sets), dense at the model's. */
static void add_convolutions(pu__workloads *list, const pu__workload_sizes *s) {
    static const int taps[] = {3, 7};
    char note[64];
    for (int i = 0; i < 4; ++i) {
        const int64_t c = s->channels << i / 2, k = taps[i % 2];
        const pu_attributes conv = {.conv = {.kernel_bars = taps[i % 2], .groups = 4, .dilation = {1, 4, 16, 32}}};
        const pu_shape x = S3(s->windows, s->bars, c), w = S2(k, c), row = S1(c);
        snprintf(note, sizeof note, "B%lld T%lld C%lld K%lld", (long long)s->windows, (long long)s->bars,
                 (long long)c, (long long)k);
        add(list, PU_OP_CONV, note, &conv, 1, 3, (pu_shape[]){x, w, row});
        add(list, PU_OP_CONV_GRAD, note, &conv, 3, 3, (pu_shape[]){x, x, w});
    }
    const pu_attributes dense = {.conv = {.kernel_bars = 3, .groups = 1, .dilation = {4}}};
    const int64_t c = s->channels;
    const pu_shape x = S3(s->windows, s->bars, c), w = S3(3, c, c);
    snprintf(note, sizeof note, "B%lld T%lld C%lld K3", (long long)s->windows, (long long)s->bars, (long long)c);
    add(list, PU_OP_CONV_DENSE, note, &dense, 1, 3, (pu_shape[]){x, w, S1(c)});
    add(list, PU_OP_CONV_DENSE_GRAD, note, &dense, 3, 3, (pu_shape[]){x, x, w});
}

/* A quarter of the window's bars ask the whole of it. */
static void add_cross_attention(pu__workloads *list, const pu__workload_sizes *s) {
    const int64_t c = s->channels, queries = (s->bars + 3) / 4;
    const pu_attributes attention = {
        .attention = {.heads = s->heads, .rotary_base = 10000.0f, .offset = (int)(s->bars - queries)}};
    const pu_shape q = S3(s->windows, queries, c), kv = S3(s->windows, s->bars, 2 * c);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld of %lld H%d D%lld", (long long)s->windows, (long long)queries,
             (long long)s->bars, s->heads, (long long)(c / s->heads));
    add(list, PU_OP_CROSS_ATTENTION, note, &attention, 2, 2, (pu_shape[]){q, kv});
    add(list, PU_OP_CROSS_ATTENTION_GRAD, note, &attention, 2, 5,
        (pu_shape[]){q, q, kv, q, S3(s->windows, s->heads, queries)});
}

static void add_sequence(pu__workloads *list, const pu__workload_sizes *s) {
    const int64_t c = s->channels, n = s->states;
    const pu_attributes attention = {.attention = {.heads = s->heads, .rotary_base = 10000.0f}}, s4 = {.s4 = {0}};
    const pu_shape x = S3(s->windows, s->bars, c), qkv = S3(s->windows, s->bars, 3 * c), channel = S1(c),
                   state = S2(n, c), weight = S2(2 * n, c);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld H%d D%lld", (long long)s->windows, (long long)s->bars, s->heads,
             (long long)(c / s->heads));
    add(list, PU_OP_ATTENTION, note, &attention, 2, 1, &qkv);
    add(list, PU_OP_ATTENTION_GRAD, note, &attention, 1, 4,
        (pu_shape[]){x, qkv, x, S3(s->windows, s->heads, s->bars)});
    add_convolutions(list, s);
    add_cross_attention(list, s);
    snprintf(note, sizeof note, "B%lld T%lld C%lld N%lld", (long long)s->windows, (long long)s->bars, (long long)c,
             (long long)n);
    add(list, PU_OP_S4, note, &s4, 1, 6, (pu_shape[]){x, channel, state, state, weight, channel});
    add(list, PU_OP_S4_GRAD, note, &s4, 6, 7, (pu_shape[]){x, x, channel, state, state, weight, channel});
    add(list, PU_OP_S4_STEP, note, &s4, 2, 7,
        (pu_shape[]){S2(s->windows, c), S3(s->windows, 2 * n, c), channel, state, state, weight, channel});
    snprintf(note, sizeof note, "B%lld T%lld C%lld", (long long)s->windows, (long long)s->bars, (long long)c);
    add(list, PU_OP_SCAN, note, NULL, 1, 2, (pu_shape[]){x, x});
    add(list, PU_OP_SCAN_GRAD, note, NULL, 2, 3, (pu_shape[]){x, x, x});
}

static void add_ends(pu__workloads *list, const pu__workload_sizes *s) {
    const int64_t rows = s->windows * s->bars;
    const pu_attributes window = {.window_norm = {(int)s->bars, WARMUP_BARS, 8.0f, 1e-8f}},
                        update = {.adamw = {s->parameters}},
                        loss = {.loss = {
                                    PU_LOSS_PINBALL, HORIZONS, QUANTILES, {0.1f, 0.25f, 0.5f, 0.75f, 0.9f}, 1.0f}};
    const pu_shape prediction = S2(rows, HORIZONS * QUANTILES), target = S2(rows, HORIZONS),
                   block = S1(s->parameters);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld F%lld", (long long)s->windows, (long long)s->bars,
             (long long)s->features);
    add(list, PU_OP_WINDOW_NORM, note, &window, 1, 2,
        (pu_shape[]){S2(s->windows * (s->bars + WARMUP_BARS), s->features), S1(s->windows)});
    snprintf(note, sizeof note, "N%lld H%d Q%d", (long long)rows, HORIZONS, QUANTILES);
    add(list, PU_OP_LOSS, note, &loss, 2, 3, (pu_shape[]){prediction, target, target});
    add(list, PU_OP_LOSS_GRAD, note, &loss, 1, 5, (pu_shape[]){S1(1), prediction, target, target, S1(1)});
    snprintf(note, sizeof note, "P%lld", (long long)s->parameters);
    add(list, PU_OP_SUM_SQUARES, note, NULL, 1, 1, &block);
    add(list, PU_OP_ADAMW, note, &update, 4, 6, (pu_shape[]){block, block, block, block, S1(1), S1(8)});
}

/* A dozen assets: what a portfolio holds. */
static void add_pnl(pu__workloads *list, const pu__workload_sizes *s) {
    enum { ASSETS = 12 };
    const pu_attributes rules = {.pnl = {.half_spread_ratio = 5e-4, .fee_ratio = 1e-4, .latency_bars = 1}};
    const pu_shape x = S3(s->windows, s->bars, ASSETS), bar = S2(s->windows, s->bars);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld A%d", (long long)s->windows, (long long)s->bars, ASSETS);
    add(list, PU_OP_PNL, note, &rules, 3, 2, (pu_shape[]){x, x});
    add(list, PU_OP_PNL_GRAD, note, &rules, 1, 4, (pu_shape[]){bar, bar, x, x});
}

pu_status pu__workloads_add(pu__workloads *list, const pu__workload_sizes *sizes) {
    if (list->count + PER_SIZE > PU__WORKLOADS_MAX) {
        return pu_fail(PU_ERR_ARGUMENT, "a list of workloads has room for %d: ask for fewer sizes",
                       (int)PU__WORKLOADS_MAX);
    }
    add_matrix(list, sizes);
    add_sequence(list, sizes);
    add_rows(list, sizes);
    add_ends(list, sizes);
    add_pnl(list, sizes);
    return PU_OK;
}

static void name_layer(pu__layer *layer, const char *note) {
    snprintf(layer->name, sizeof layer->name, "%s %s", pu_op_name(layer->forward.op), note);
}

static void layer_of_attention(pu__layer *out, const pu__workload_sizes *s, float rotary_base) {
    const int64_t c = s->channels;
    const pu_attributes attributes = {.attention = {.heads = s->heads, .rotary_base = rotary_base}};
    const pu_shape x = S3(s->windows, s->bars, c), qkv = S3(s->windows, s->bars, 3 * c);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld H%d D%lld%s", (long long)s->windows, (long long)s->bars, s->heads,
             (long long)(c / s->heads), rotary_base > 0 ? "" : " no positions");
    out->forward = workload(PU_OP_ATTENTION, note, &attributes, 2, 1, &qkv);
    out->gradient = workload(PU_OP_ATTENTION_GRAD, note, &attributes, 1, 4,
                             (pu_shape[]){x, qkv, x, S3(s->windows, s->heads, s->bars)});
    name_layer(out, note);
}

static void layer_of_convolution(pu__layer *out, const pu__workload_sizes *s, int taps, int groups,
                                 const int *dilation) {
    const int64_t c = s->channels;
    const pu_shape x = S3(s->windows, s->bars, c), w = S2(taps, c);
    pu_attributes attributes = {.conv = {.kernel_bars = taps, .groups = groups}};
    char note[64];
    int used = snprintf(note, sizeof note, "B%lld T%lld C%lld K%d dilation%s", (long long)s->windows,
                        (long long)s->bars, (long long)c, taps, groups > 1 ? "s" : "");
    for (int g = 0; g < groups; ++g) {
        attributes.conv.dilation[g] = dilation[g];
        used += snprintf(note + used, sizeof note - (size_t)used, " %d", dilation[g]);
    }
    out->forward = workload(PU_OP_CONV, note, &attributes, 1, 3, (pu_shape[]){x, w, S1(c)});
    out->gradient = workload(PU_OP_CONV_GRAD, note, &attributes, 3, 3, (pu_shape[]){x, x, w});
    name_layer(out, note);
}

static void layer_of_s4(pu__layer *out, const pu__workload_sizes *s) {
    const int64_t c = s->channels, n = s->states;
    const pu_attributes attributes = {.s4 = {0}};
    const pu_shape x = S3(s->windows, s->bars, c), channel = S1(c), state = S2(n, c), weight = S2(2 * n, c);
    char note[64];
    snprintf(note, sizeof note, "B%lld T%lld C%lld N%lld", (long long)s->windows, (long long)s->bars, (long long)c,
             (long long)n);
    out->forward =
        workload(PU_OP_S4, note, &attributes, 1, 6, (pu_shape[]){x, channel, state, state, weight, channel});
    out->gradient = workload(PU_OP_S4_GRAD, note, &attributes, 6, 7,
                             (pu_shape[]){x, x, channel, state, state, weight, channel});
    name_layer(out, note);
}

int pu__layers_of(const pu__workload_sizes *s, pu__layer out[PU__LAYERS_PER_SIZE]) {
    layer_of_attention(&out[0], s, 0.0f);
    layer_of_attention(&out[1], s, 10000.0f);
    layer_of_convolution(&out[2], s, 3, 1, (const int[]){4});
    layer_of_convolution(&out[3], s, 7, 1, (const int[]){4});
    layer_of_convolution(&out[4], s, 4, 4, (const int[]){1, 4, 16, 1});
    layer_of_s4(&out[5], s);
    return PU__LAYERS_PER_SIZE;
}
