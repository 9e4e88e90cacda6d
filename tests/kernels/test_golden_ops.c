/* The reference that judges every kernel, against float64 PyTorch (tests/golden/ops.py, gradients by its automatic
 * differentiation); and the CPU kernels on the same cases, under every instruction set of this processor. The
 * reference computes in double from the same float32 inputs: 1e-11 of the largest value. Where an input is itself a
 * rounded output (a log-sum-exp, a mean), PyTorch had it unrounded: 1e-6. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/device/backend.h"
#include "kernels/common/isa_select.h"
#include "plusultra/memory.h"
#include "tests/support/op_reference.h"

enum { WORD_BYTES = 512 };

typedef struct golden {
    char head[WORD_BYTES]; /* "case OP key=value ..." */
    pu__call call;
    pu_attributes attributes;
    double *wanted[PU_MAX_OUT];
} golden;

/* ---- the fixture ---- */

static void attribute(const char *head, const char *key, char out[64]) {
    const char *at = strstr(head, key);
    snprintf(out, 64, "%.*s", at ? (int)strcspn(at + strlen(key), " \n") : 0, at ? at + strlen(key) : "");
}

static int number(const char *head, const char *key) {
    char text[64];
    attribute(head, key, text);
    return (int)strtol(text, NULL, 10);
}

static double real(const char *head, const char *key) {
    char text[64];
    attribute(head, key, text);
    return strtod(text, NULL);
}

static pu_act act_of(const char *head) {
    static const char *const name[] = {"none", "relu", "gelu", "silu", "sigmoid", "tanh"};
    char text[64];
    attribute(head, "act=", text);
    for (int i = 0; i < 6; ++i) {
        if (strcmp(text, name[i]) == 0) return (pu_act)i;
    }
    fail_msg("activation %s is not known", text);
    return PU_ACT_NONE;
}

static pu_op_id op_of(const char *head) {
    char name[64] = "";
    assert_int_equal(sscanf(head, "case %63s", name), 1);
    for (int op = 0; op < PU_OP_COUNT; ++op) {
        if (strcmp(pu_op_name((pu_op_id)op), name) == 0) return (pu_op_id)op;
    }
    fail_msg("op %s is not known", name);
    return PU_OP_COUNT;
}

static void read_loss(golden *g) {
    static const char *const kind[] = {"pinball", "mse", "huber"};
    char text[64];
    attribute(g->head, "kind=", text);
    int found = 0;
    while (found < 3 && strcmp(text, kind[found]) != 0) ++found;
    if (found == 3) fail_msg("loss %s is not known", text);
    g->attributes.loss.kind = (pu_loss)found;
    g->attributes.loss.horizons = number(g->head, "horizons=");
    g->attributes.loss.huber_delta = (float)real(g->head, "huber_delta=");
    attribute(g->head, "quantiles=", text);
    for (char *at = text; *at; at += *at == ',')
        g->attributes.loss.quantile[g->attributes.loss.quantiles++] = strtof(at, &at);
}

static void read_attributes(golden *g) {
    const char *head = g->head;
    char text[64];
    switch (g->call.op) {
    case PU_OP_ATTENTION:
    case PU_OP_ATTENTION_GRAD:
    case PU_OP_CROSS_ATTENTION:
    case PU_OP_CROSS_ATTENTION_GRAD:
        g->attributes.attention.heads = number(head, "heads=");
        g->attributes.attention.span = number(head, "span=");
        g->attributes.attention.rotary_base = (float)number(head, "rotary_base=");
        g->attributes.attention.mask = number(head, "full=") ? PU_ATTENTION_FULL : PU_ATTENTION_CAUSAL;
        g->attributes.attention.offset = number(head, "offset=");
        break;
    case PU_OP_CONV:
    case PU_OP_CONV_GRAD:
    case PU_OP_CONV_DENSE:
    case PU_OP_CONV_DENSE_GRAD:
        if (strstr(head, "act=")) g->attributes.conv.act = act_of(head);
        g->attributes.conv.kernel_bars = number(head, "kernel_bars=");
        attribute(head, "dilations=", text);
        for (char *at = text; *at; at += *at == ',')
            g->attributes.conv.dilation[g->attributes.conv.groups++] = (int)strtol(at, &at, 10);
        break;
    case PU_OP_S4:
    case PU_OP_S4_GRAD:
    case PU_OP_S4_STEP:
        g->attributes.s4.discretisation = number(head, "bilinear=") ? PU_S4_BILINEAR : PU_S4_ZERO_ORDER_HOLD;
        break;
    case PU_OP_LAYER_NORM:
    case PU_OP_LAYER_NORM_GRAD:
        attribute(head, "epsilon=", text);
        g->attributes.layer_norm.epsilon = strtof(text, NULL);
        break;
    case PU_OP_ADD_LAYER_NORM:
    case PU_OP_ADD_LAYER_NORM_GRAD:
        attribute(head, "epsilon=", text);
        g->attributes.add_layer_norm.epsilon = strtof(text, NULL);
        break;
    case PU_OP_ACT:
    case PU_OP_ACT_GRAD:
    case PU_OP_GLU:
    case PU_OP_GLU_GRAD: g->attributes.act.kind = act_of(head); break;
    case PU_OP_GEMM:
        if (strstr(head, "act=")) g->attributes.gemm.act = act_of(head);
        g->attributes.gemm.transpose_a = number(head, "transpose_a=");
        g->attributes.gemm.transpose_b = number(head, "transpose_b=");
        break;
    case PU_OP_LOSS:
    case PU_OP_LOSS_GRAD: read_loss(g); break;
    case PU_OP_ADAMW: g->attributes.adamw.decay_count = number(head, "decay_count="); break;
    case PU_OP_PNL:
    case PU_OP_PNL_GRAD:
        g->attributes.pnl = (pu_pnl_rules){real(head, "spread="),   real(head, "slippage="), real(head, "fee="),
                                           real(head, "impact="),   real(head, "funding="),  real(head, "borrow="),
                                           number(head, "latency=")};
        break;
    default: break;
    }
}

/* Rank, dimensions and values of a line after its first word. */
static void read_tensor(FILE *file, bool output, golden *g) {
    pu_shape shape = {0};
    assert_int_equal(fscanf(file, "%d", &shape.rank), 1);
    assert_in_range(shape.rank, 1, PU_MAX_RANK);
    for (int i = 0; i < shape.rank; ++i) {
        long long size = 0;
        assert_int_equal(fscanf(file, "%lld", &size), 1);
        shape.dim[i] = size;
    }
    const int64_t count = pu__count(&shape);
    double *exact = pu_calloc((size_t)count, sizeof *exact);
    float *single = pu_calloc((size_t)count, sizeof *single);
    assert_non_null(exact);
    assert_non_null(single);
    for (int64_t i = 0; i < count; ++i) {
        assert_int_equal(fscanf(file, "%lf", &exact[i]), 1);
        single[i] = (float)exact[i];
    }
    if (output) {
        g->wanted[g->call.out_count] = exact;
        g->call.out[g->call.out_count++] = (pu__view){single, shape};
    } else {
        pu_free(exact);
        g->call.in[g->call.in_count++] = (pu__view){single, shape};
    }
}

/* The next case, or false at the end. `word` holds the word that was read ahead. */
static bool read_case(FILE *file, char *word, golden *g) {
    *g = (golden){.call = {.op = PU_OP_COUNT}};
    if (strcmp(word, "case") != 0) return false;
    assert_non_null(fgets(g->head + 4, WORD_BYTES - 4, file));
    memcpy(g->head, "case", 4);
    g->head[strcspn(g->head, "\n")] = 0;
    g->call.op = op_of(g->head);
    g->call.attributes = &g->attributes;
    read_attributes(g);
    while (fscanf(file, "%15s", word) == 1 && strcmp(word, "case") != 0) read_tensor(file, word[0] == 'o', g);
    if (feof(file)) word[0] = 0;
    return true;
}

static void free_case(golden *g) {
    for (int i = 0; i < g->call.in_count; ++i) pu_free(g->call.in[i].data);
    for (int i = 0; i < g->call.out_count; ++i) {
        pu_free(g->call.out[i].data);
        pu_free(g->wanted[i]);
    }
}

/* ---- the comparison ---- */

static bool has_rounded_input(pu_op_id op) {
    return op == PU_OP_ATTENTION_GRAD || op == PU_OP_CROSS_ATTENTION_GRAD || op == PU_OP_SCAN_GRAD ||
           op == PU_OP_LAYER_NORM_GRAD || op == PU_OP_ADD_LAYER_NORM_GRAD || op == PU_OP_SOFTMAX_GRAD ||
           op == PU_OP_LOSS_GRAD; /* the sum of weights */
}

static void compare(const golden *g, const char *what, int slot, const double *value, double share) {
    const int64_t count = pu__count(&g->call.out[slot].shape);
    double largest = 1;
    for (int64_t i = 0; i < count; ++i) largest = fmax(largest, fabs(g->wanted[slot][i]));
    for (int64_t i = 0; i < count; ++i) {
        if (!(fabs(value[i] - g->wanted[slot][i]) <= share * largest)) {
            fail_msg("%s, output %d, element %lld: %s gives %.17g, PyTorch %.17g", g->head, slot, (long long)i,
                     what, value[i], g->wanted[slot][i]);
        }
    }
}

static void check_reference(golden *g) {
    double *out[PU_MAX_OUT] = {0};
    for (int i = 0; i < g->call.out_count; ++i) {
        out[i] = pu_calloc((size_t)pu__count(&g->call.out[i].shape), sizeof(double));
        assert_non_null(out[i]);
    }
    pu__op_reference(&g->call, out);
    for (int i = 0; i < g->call.out_count; ++i) {
        compare(g, "the reference", i, out[i], has_rounded_input(g->call.op) ? 1e-6 : 1e-11);
        pu_free(out[i]);
    }
}

/* Sums here have fewer than 64 terms of order 1: 64 u of the largest value, u = 2^-24, with room for the depth of a
 * gradient. */
static void check_kernel(golden *g) {
    const pu__kernel_entry *entry = &pu__cpu_backend()->kernels[g->call.op];
    const size_t bytes = entry->workspace ? entry->workspace(&g->call) : 0;
    void *memory = pu_calloc(1, bytes + 256);
    assert_non_null(memory);
    g->call.workspace = (void *)(((uintptr_t)memory + 255) / 256 * 256);
    g->call.workspace_bytes = bytes;
    for (int i = 0; g->call.op == PU_OP_ADAMW && i < 3; ++i) { /* in place */
        const pu__view *const from = &g->call.in[i == 0 ? 0 : i + 1];
        memcpy(g->call.out[i].data, from->data, (size_t)pu__count(&from->shape) * sizeof(float));
    }
    assert_int_equal(entry->kernel(&g->call), PU_OK);
    pu_free(memory);
    for (int i = 0; i < g->call.out_count; ++i) {
        const int64_t count = pu__count(&g->call.out[i].shape);
        double *value = pu_calloc((size_t)count, sizeof *value);
        assert_non_null(value);
        for (int64_t j = 0; j < count; ++j) value[j] = ((const float *)g->call.out[i].data)[j];
        compare(g, "the CPU kernel", i, value, 2e-5);
        pu_free(value);
    }
}

static void everything_agrees_with_pytorch(void **state) {
    (void)state;
    const char *source = getenv("PU_SOURCE");
    char path[4096], word[16] = "";
    snprintf(path, sizeof path, "%s/tests/golden/ops.txt", source ? source : ".");
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("cannot open %s", path);
    int cases = 0;
    bool seen[PU_OP_COUNT] = {0};
    assert_int_equal(fscanf(file, "%15s", word), 1);
    for (golden g; read_case(file, word, &g); ++cases) {
        seen[g.call.op] = true;
        check_reference(&g);
        for (int isa = PU_ISA_BASE; isa < PU_ISA_COUNT; ++isa) {
            pu__isa_limit((pu__isa)isa);
            const bool forms = g.call.op == PU_OP_S4 || g.call.op == PU_OP_S4_GRAD;
            for (int form = PU_S4_AUTO; form <= (forms ? PU_S4_BLOCKS : PU_S4_AUTO); ++form) {
                if (forms) g.attributes.s4.form = (pu_s4_form)form;
                check_kernel(&g);
            }
        }
        free_case(&g);
    }
    assert_int_equal(fclose(file), 0);
    print_message("%d cases\n", cases);
    /* The others have no gradient of their own, are random, or take integers: tests/kernels/test_ops_cpu.c. */
    static const pu_op_id without[] = {PU_OP_ADD,         PU_OP_MUL,     PU_OP_AFFINE,
                                       PU_OP_SUM_LEADING, PU_OP_DROPOUT, PU_OP_WINDOW_NORM};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; ++i) seen[without[i]] = true;
    for (int op = 0; op < PU_OP_COUNT; ++op)
        if (!seen[op]) fail_msg("%s has no golden value", pu_op_name((pu_op_id)op));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_agrees_with_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
