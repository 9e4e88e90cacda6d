#include "kernels/common/isa_select.h"

#include <stdatomic.h>

#include "kernels/common/call.h"

static _Atomic int limit = PU_ISA_AVX512;

void pu__isa_limit(pu__isa most) { atomic_store(&limit, (int)most); }

const char *pu__isa_name(pu__isa isa) {
    static const char *const name[] = {"base", "avx2", "avx512"};
    return (unsigned)isa < PU_ISA_COUNT ? name[isa] : "";
}

#ifndef PU__ISA_VARIANTS
pu__isa pu__isa_used(void) { return PU_ISA_BASE; }
#else

/* The features that cmake/library.cmake compiles for. The compiler's query also asks whether the system saves the
 * registers. */
static pu__isa detect(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return PU_ISA_BASE;
    const int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return wide ? PU_ISA_AVX512 : PU_ISA_AVX2;
}

pu__isa pu__isa_used(void) {
    static _Atomic int detected = -1;
    int isa = atomic_load_explicit(&detected, memory_order_relaxed);
    if (isa < 0) {
        isa = (int)detect();
        atomic_store_explicit(&detected, isa, memory_order_relaxed);
    }
    const int most = atomic_load_explicit(&limit, memory_order_relaxed);
    return (pu__isa)(isa < most ? isa : most);
}

#define PU__DISPATCH(type, function)                        \
    type function##_base(const pu__call *call);             \
    type function##_avx2(const pu__call *call);             \
    type function##_avx512(const pu__call *call);           \
    type function(const pu__call *call);                    \
    type function(const pu__call *call) {                   \
        switch (pu__isa_used()) {                           \
        case PU_ISA_AVX512: return function##_avx512(call); \
        case PU_ISA_AVX2: return function##_avx2(call);     \
        default: return function##_base(call);              \
        }                                                   \
    }
#define PU__DISPATCH_OP(upper, lower) PU__DISPATCH(pu_status, pu__##lower##_cpu)

PU_OPS(PU__DISPATCH_OP)
PU__DISPATCH(size_t, pu__gemm_workspace_cpu)
PU__DISPATCH(size_t, pu__sum_leading_workspace_cpu)
PU__DISPATCH(size_t, pu__layer_norm_grad_workspace_cpu)
PU__DISPATCH(size_t, pu__add_layer_norm_grad_workspace_cpu)
PU__DISPATCH(size_t, pu__attention_workspace_cpu)
PU__DISPATCH(size_t, pu__attention_grad_workspace_cpu)
PU__DISPATCH(size_t, pu__conv_grad_workspace_cpu)
PU__DISPATCH(size_t, pu__conv_dense_workspace_cpu)
PU__DISPATCH(size_t, pu__conv_dense_grad_workspace_cpu)
PU__DISPATCH(size_t, pu__s4_workspace_cpu)
PU__DISPATCH(size_t, pu__s4_grad_workspace_cpu)
PU__DISPATCH(size_t, pu__loss_workspace_cpu)
PU__DISPATCH(size_t, pu__pnl_workspace_cpu)
PU__DISPATCH(size_t, pu__pnl_grad_workspace_cpu)
PU__DISPATCH(size_t, pu__sum_squares_workspace_cpu)

#endif
