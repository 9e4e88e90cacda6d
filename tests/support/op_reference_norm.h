/* Part of op_reference_body.h: the layer norm of a sum with a branch, and its gradient. */

/* Element i of the branch's dropout; 0 or 1 / (1 - rate); 1 without a clock. */
static REAL NAME(branch_factor)(const pu__call *call, int clock_slot, int64_t i) {
    if (call->in_count <= clock_slot) return 1;
    const uint64_t *clock = call->in[clock_slot].data;
    const float rate = call->attributes->add_layer_norm.rate;
    const uint64_t high = (uint64_t)call->attributes->add_layer_norm.tag << 40 | clock[1];
    const uint32_t word = pu__philox(clock[0], (uint64_t)i / 4, high).word[i % 4];
    return pu__uniform24(word) >= rate ? 1 / (1 - (REAL)rate) : 0;
}

static void NAME(add_layer_norm)(const pu__call *call, REAL *const *out) {
    const float *gain = NAME(in)(call, 2), *bias = NAME(in)(call, 3);
    const int64_t rows = NAME(dim)(call, 0, 0), c = NAME(dim)(call, 0, 1);
    for (int64_t r = 0; r < rows; ++r) {
        REAL *sum = out[1] + r * c, mean = 0, variance = 0;
        for (int64_t i = r * c; i < (r + 1) * c; ++i) {
            const REAL factor = NAME(branch_factor)(call, 4, i);
            out[1][i] = (REAL)NAME(in)(call, 0)[i] + (factor == 0 ? 0 : factor * (REAL)NAME(in)(call, 1)[i]);
        }
        for (int64_t i = 0; i < c; ++i) mean += sum[i];
        mean /= (REAL)c;
        for (int64_t i = 0; i < c; ++i) variance += (sum[i] - mean) * (sum[i] - mean);
        const REAL rstd = 1 / SQRT(variance / (REAL)c + (REAL)call->attributes->add_layer_norm.epsilon);
        out[2][r] = mean;
        out[3][r] = rstd;
        for (int64_t i = 0; i < c; ++i)
            out[0][r * c + i] = (REAL)gain[i] * ((sum[i] - mean) * rstd) + (REAL)bias[i];
    }
}

static void NAME(add_layer_norm_grad)(const pu__call *call, REAL *const *out) {
    pu__call norm = *call;
    norm.in[1] = call->in[2];
    norm.in[2] = call->in[3];
    norm.in[3] = call->in[4];
    norm.in[4] = call->in[5];
    NAME(layer_norm_grad)(&norm, out);
    for (int64_t i = 0; i < pu__count(&call->in[0].shape); ++i) {
        out[0][i] += (REAL)NAME(in)(call, 1)[i];
        if (call->out_count > 3) out[3][i] = NAME(branch_factor)(call, 6, i) * out[0][i];
    }
}
