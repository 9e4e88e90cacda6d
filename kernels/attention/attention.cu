/* Attention on CUDA: which kernels a call goes to. */
#include "kernels/attention/attention.h"
#include "kernels/common/cuda.cuh"

static const struct head {
    int size;
    pu__kernel rows, units;
} heads[] = {
#define HEAD(size) {size, pu__attention_rows_##size##_cuda, pu__attention_units_##size##_cuda},
    PU__ATTENTION_HEADS(HEAD)
#undef HEAD
};

static pu_status attend(const pu__call *call) {
    const int backward = pu__is_attention_grad(call->op);
    const pu__view *last = &call->out[backward ? call->out_count - 1 : 0];
    if (pu__count(&last->shape) == 0) return PU_OK;
    const int64_t size = pu__attention_of(call, backward).size;
    const bool f32 = call->attributes->attention.precision == PU_PRECISION_F32;
    for (const head &each : heads)
        if (size <= each.size && size % 2 == 0) return f32 ? each.rows(call) : each.units(call);
    return pu_fail(PU_ERR_UNSUPPORTED, "attention with a head size of %lld: it must be even, and 128 at most",
                   (long long)size);
}

extern "C" size_t pu__attention_grad_workspace_cuda(const pu__call *call) {
    return (size_t)pu__count(&call->in[call->in_count - 1].shape) * sizeof(float); /* delta[B,H,Tq] */
}
extern "C" size_t pu__cross_attention_grad_workspace_cuda(const pu__call *call) {
    return pu__attention_grad_workspace_cuda(call);
}
extern "C" pu_status pu__attention_cuda(const pu__call *call) { return attend(call); }
extern "C" pu_status pu__attention_grad_cuda(const pu__call *call) { return attend(call); }
extern "C" pu_status pu__cross_attention_cuda(const pu__call *call) { return attend(call); }
extern "C" pu_status pu__cross_attention_grad_cuda(const pu__call *call) { return attend(call); }
