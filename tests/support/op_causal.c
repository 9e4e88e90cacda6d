/* Causality of an op's kernel, by perturbation: see op_cases.h. */
#include <math.h>
#include <string.h>

#include "tests/support/op_cases.h"

/* Inputs 0 .. n-1 are windows, the others parameters. */
static int window_inputs(const pu__op_case *c) {
    switch (c->op) {
    case PU_OP_ATTENTION: return c->attributes.attention.mask == PU_ATTENTION_CAUSAL ? 1 : 0;
    case PU_OP_CONV:
    case PU_OP_CONV_DENSE:
    case PU_OP_S4: return 1;
    case PU_OP_SCAN: return 2;
    case PU_OP_PNL: return c->in_count;
    default: return 0;
    }
}

bool pu__op_case_promises_causality(const pu__op_case *op_case) {
    return window_inputs(op_case) > 0 && op_case->in[0].dim[1] > 1 && pu__count(&op_case->in[0]) > 0;
}

/* Numbers of one bar; 0 for an output that is not bar by bar in its second dimension. */
static int64_t row_of(const pu_shape *shape, const pu__op_case *c) {
    if (shape->rank < 2 || shape->dim[0] != c->in[0].dim[0] || shape->dim[1] != c->in[0].dim[1]) return 0;
    return shape->rank > 2 ? shape->dim[2] : 1;
}

/* A bar's rows of the log-sum-exp [B,H,T] lie apart, those of y tell as much. */
static int row_outputs(const pu__op_case *c) { return c->op == PU_OP_ATTENTION ? 1 : c->out_count; }

static pu_status compare(const pu__op_case *c, const pu__op_data *data, const pu__op_result *whole,
                         const pu__op_result *other, int64_t other_bars, int64_t cut, const char *how) {
    for (int i = 0; i < row_outputs(c); ++i) {
        const int64_t row = row_of(&data->out_shape[i], c), bars = c->in[0].dim[1];
        for (int64_t b = 0; b < c->in[0].dim[0]; ++b) {
            if (memcmp(whole->out[i] + b * bars * row, other->out[i] + b * other_bars * row,
                       (size_t)(cut * row) * sizeof(float)) == 0)
                continue;
            return pu_fail(PU_ERR_DATA, "%s: output %d of window %lld, before bar %lld, changes with %s", c->name,
                           i, (long long)b, (long long)cut, how);
        }
    }
    return PU_OK;
}

/* Bars from `cut` on are others; those must show, or nothing would (but for an account that holds nothing). */
static pu_status with_another_future(const pu__op_case *c, const pu__op_data *data, pu_device *device,
                                     const pu__op_result *whole, int64_t cut) {
    pu__op_data spoilt;
    PU_TRY(pu__op_data_empty(c, &spoilt));
    for (int i = 0; i < c->in_count; ++i) memcpy(spoilt.in[i], data->in[i], data->in_bytes[i]);
    const int64_t bars = c->in[0].dim[1];
    for (int i = 0; i < window_inputs(c); ++i) {
        const int64_t row = row_of(&c->in[i], c);
        for (int64_t k = 0; k < pu__count(&c->in[i]); ++k)
            if (k / row % bars >= cut) ((float *)spoilt.in[i])[k] = c->op == PU_OP_PNL ? 0.01f : NAN;
    }
    pu__op_result other;
    pu_status status = pu__op_data_run(c, &spoilt, device, NULL, &other);
    if (status == PU_OK) {
        status = compare(c, data, whole, &other, bars, cut, "later bars");
        if (status == PU_OK && c->op != PU_OP_PNL && whole->count[0] > 0 &&
            memcmp(whole->out[0], other.out[0], (size_t)whole->count[0] * sizeof(float)) == 0)
            status = pu_fail(PU_ERR_DATA, "%s: bars from %lld on change nothing", c->name, (long long)cut);
        pu__op_result_free(&other);
    }
    pu__op_data_free(&spoilt);
    return status;
}

/* The window ends at `cut`. */
static pu_status without_a_future(const pu__op_case *c, const pu__op_data *data, pu_device *device,
                                  const pu__op_result *whole, int64_t cut) {
    pu__op_case shorter = *c;
    pu__op_data start;
    const int64_t bars = c->in[0].dim[1];
    for (int i = 0; i < window_inputs(c); ++i) shorter.in[i].dim[1] = cut;
    PU_TRY(pu__op_data_empty(&shorter, &start));
    for (int i = 0; i < c->in_count; ++i) {
        if (i >= window_inputs(c)) {
            memcpy(start.in[i], data->in[i], data->in_bytes[i]);
            continue;
        }
        const int64_t row = row_of(&c->in[i], c);
        for (int64_t b = 0; b < c->in[i].dim[0]; ++b)
            memcpy((float *)start.in[i] + b * cut * row, (const float *)data->in[i] + b * bars * row,
                   (size_t)(cut * row) * sizeof(float));
    }
    pu__op_result other;
    pu_status status = pu__op_data_run(&shorter, &start, device, NULL, &other);
    if (status == PU_OK) {
        status = compare(c, data, whole, &other, cut, cut, "the window's length");
        pu__op_result_free(&other);
    }
    pu__op_data_free(&start);
    return status;
}

pu_status pu__op_case_causal(const pu__op_case *op_case, pu_device *device) {
    pu__op_data data;
    pu__op_result whole;
    PU_TRY(pu__op_data_new(op_case, &data));
    pu_status status = pu__op_data_run(op_case, &data, device, NULL, &whole);
    const int64_t bars = op_case->in[0].dim[1], cuts[] = {1, bars / 3, bars - 1};
    const bool one_form = op_case->op != PU_OP_S4 || op_case->attributes.s4.form != PU_S4_AUTO;
    for (int i = 0; i < 3 && status == PU_OK; ++i) {
        if (cuts[i] < 1) continue;
        status = with_another_future(op_case, &data, device, &whole, cuts[i]);
        if (status == PU_OK && one_form) status = without_a_future(op_case, &data, device, &whole, cuts[i]);
    }
    if (whole.out_count > 0) pu__op_result_free(&whole);
    pu__op_data_free(&data);
    return status;
}
