/* Matrix product by cuBLASLt in float32 (TF32 and bfloat16 where asked for), bias in its epilogue, and GELU with it:
 * alone in prediction, with the pre-activation stored beside it (GELU_AUX) where a gradient reads that. The rest is
 * `activate`, a launch of our own: SiLU, sigmoid and tanh, which cuBLASLt has not; ReLU, where it does not say what
 * becomes of a NaN, which here has to stay one; GELU that is to leave rows of other than a multiple of 8, which
 * cuBLASLt does not store; and GELU where its heuristic knows no algorithm for the epilogue, once for each shape.
 *
 * cuBLASLt is column-major. The row-major y[M,N] is its y^T[N,M] = op(b)^T op(a)^T: b goes in as its first
 * operand, a as the second, and a row-major [R,C] is a column-major [C,R] with leading dimension C. So an operand
 * that the contract transposes is transposed here too, and the bias of y's columns is the bias of cuBLASLt's
 * rows.
 *
 * bf16: one launch makes copies of a and b in the workspace, from which cuBLASLt multiplies with f32 sums, bias and
 * result. The parameters themselves stay f32: no copy of them is kept that could be out of date. */
#include <cublasLt.h>

#include "kernels/common/activation.cuh"
#include "kernels/common/device.cuh"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_plans.h"
#include "kernels/common/rounding.h"
#include "plusultra/memory.h"

/* What the leading dimension of a stored pre-activation has to be a multiple of (cuBLASLt's reference,
 * CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD). */
enum { STORED_ROWS = 8 };

struct shape {
    int64_t m, n, k;
    int transpose_a, transpose_b;
    uint32_t align_a, align_b, align_y; /* bytes; algorithms differ in what they need */
    uint32_t align_bias;                /* 0: no bias */
    uint32_t align_z;                   /* 0: no pre-activation beside y */
    int gelu;                           /* in the epilogue */
    pu_precision precision;
};

/* What a product reads and writes. */
struct operands {
    const void *a, *b, *bias; /* bias may be null */
    float *y, *z;             /* the same place where no pre-activation is kept */
};

struct plan {
    shape wanted, made; /* they differ where there is no algorithm with GELU: the product is then z */
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t a, b, y;
    cublasLtMatmulAlgo_t algorithm;
};

struct pu__gemm_plans {
    plan *entry;
    size_t count, room;
};

static pu_status blas_failed(cublasStatus_t error, const char *what) {
    return pu_fail(PU_ERR_DEVICE, "cuBLASLt: %s failed: %s", what, cublasLtGetStatusString(error));
}
#define BLAS_TRY(expression, what)                                                       \
    do {                                                                                 \
        const cublasStatus_t blas_error_ = (expression);                                 \
        if (blas_error_ != CUBLAS_STATUS_SUCCESS) return blas_failed(blas_error_, what); \
    } while (0)

/* ---- plans ---- */

static void plan_release(plan *p) {
    if (p->product) cublasLtMatmulDescDestroy(p->product);
    if (p->a) cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) cublasLtMatrixLayoutDestroy(p->b);
    if (p->y) cublasLtMatrixLayoutDestroy(p->y);
}

pu_status pu__gemm_plans_new(pu__gemm_plans **out) {
    *out = static_cast<pu__gemm_plans *>(pu_calloc(1, sizeof **out));
    return *out ? PU_OK : PU_ERR_MEMORY;
}

void pu__gemm_plans_free(pu__gemm_plans *plans) {
    if (!plans) return;
    for (size_t i = 0; i < plans->count; ++i) plan_release(&plans->entry[i]);
    pu_free(plans->entry);
    pu_free(plans);
}

static bool same(const shape *a, const shape *b) {
    return a->m == b->m && a->n == b->n && a->k == b->k && a->transpose_a == b->transpose_a &&
           a->transpose_b == b->transpose_b && a->precision == b->precision && a->align_bias == b->align_bias &&
           a->align_z == b->align_z && a->gelu == b->gelu && a->align_a == b->align_a &&
           a->align_b == b->align_b && a->align_y == b->align_y;
}

static pu_status describe(const shape *s, plan *p) {
    const cublasOperation_t first = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t second = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    static const cublasLtEpilogue_t epilogues[3][2] = {
        {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS},
        {CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS},
        {CUBLASLT_EPILOGUE_GELU_AUX, CUBLASLT_EPILOGUE_GELU_AUX_BIAS}};
    const cublasLtEpilogue_t epilogue = epilogues[s->gelu + (s->align_z != 0)][s->align_bias != 0];
    const cublasComputeType_t compute =
        s->precision == PU_PRECISION_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const cudaDataType_t factor = s->precision == PU_PRECISION_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    BLAS_TRY(cublasLtMatmulDescCreate(&p->product, compute, CUDA_R_32F), "making a descriptor");
    BLAS_TRY(cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first),
             "setting transa");
    BLAS_TRY(cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second),
             "setting transb");
    BLAS_TRY(cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue),
             "setting the epilogue");
    if (s->align_z)
        BLAS_TRY(
            cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &s->n, sizeof s->n),
            "setting the rows of the pre-activation");
    const int64_t b_columns = s->transpose_b ? s->k : s->n, b_rows = s->transpose_b ? s->n : s->k;
    const int64_t a_columns = s->transpose_a ? s->m : s->k, a_rows = s->transpose_a ? s->k : s->m;
    BLAS_TRY(cublasLtMatrixLayoutCreate(&p->b, factor, b_columns, b_rows, b_columns), "making a layout");
    BLAS_TRY(cublasLtMatrixLayoutCreate(&p->a, factor, a_columns, a_rows, a_columns), "making a layout");
    BLAS_TRY(cublasLtMatrixLayoutCreate(&p->y, CUDA_R_32F, s->n, s->m, s->n), "making a layout");
    return PU_OK;
}

/* The heuristic looks at the alignment of these as well. */
static pu_status point(const plan *p, const operands *o) {
    const void *z = o->z;
    if (p->made.align_bias)
        BLAS_TRY(cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &o->bias,
                                                sizeof o->bias),
                 "setting the bias");
    if (p->made.align_z)
        BLAS_TRY(
            cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &z, sizeof z),
            "setting the pre-activation");
    return PU_OK;
}

/* Split sums are allowed only through the workspace, where their order is fixed. */
static pu_status choose_with(cublasLtMatmulPreference_t preference, cublasLtHandle_t blas, size_t workspace_bytes,
                             plan *p, bool *found) {
    const shape *s = &p->made;
    const uint64_t bytes = workspace_bytes;
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t size;
    } wanted[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &s->align_b, sizeof s->align_b},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &s->align_a, sizeof s->align_a},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &s->align_y, sizeof s->align_y},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &s->align_y, sizeof s->align_y},
    };
    for (const auto &w : wanted)
        BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(preference, w.name, w.value, w.size),
                 "setting a preference");
    cublasLtMatmulHeuristicResult_t result = {};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(blas, p->product, p->b, p->a, p->y, p->y, preference, 1, &result, &count);
    if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED)
        return blas_failed(status, "choosing an algorithm");
    *found = status == CUBLAS_STATUS_SUCCESS && count > 0 && result.state == CUBLAS_STATUS_SUCCESS;
    p->algorithm = result.algo;
    return PU_OK;
}

static pu_status plan_make(cublasLtHandle_t blas, const shape *s, const operands *o, size_t workspace_bytes,
                           plan *p, bool *found) {
    *p = {};
    p->wanted = p->made = *s;
    PU_TRY(describe(s, p));
    PU_TRY(point(p, o));
    cublasLtMatmulPreference_t preference = nullptr;
    BLAS_TRY(cublasLtMatmulPreferenceCreate(&preference), "making a preference");
    const pu_status status = choose_with(preference, blas, workspace_bytes, p, found);
    cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

/* With GELU in the epilogue if there is an algorithm for that. */
static pu_status plan_make_any(cublasLtHandle_t blas, const shape *s, const operands *o, size_t workspace_bytes,
                               plan *p) {
    bool found = false;
    PU_TRY(plan_make(blas, s, o, workspace_bytes, p, &found));
    if (found) return PU_OK;
    if (s->gelu) {
        plan_release(p);
        shape product = *s;
        product.gelu = 0;
        if (s->align_z) product.align_y = s->align_z;
        product.align_z = 0;
        PU_TRY(plan_make(blas, &product, o, workspace_bytes, p, &found));
        p->wanted = *s;
        if (found) return PU_OK;
    }
    return pu_fail(PU_ERR_DEVICE, "cuBLASLt has no algorithm for a product of %lld x %lld x %lld",
                   static_cast<long long>(s->m), static_cast<long long>(s->n), static_cast<long long>(s->k));
}

static pu_status plan_for(const pu__cuda_exec *exec, const shape *s, const operands *o, size_t workspace_bytes,
                          plan **out) {
    pu__gemm_plans *plans = exec->gemm_plans;
    for (size_t i = 0; i < plans->count; ++i) {
        if (!same(&plans->entry[i].wanted, s)) continue;
        *out = &plans->entry[i];
        return PU_OK;
    }
    if (plans->count == plans->room) {
        const size_t room = plans->room ? 2 * plans->room : 32;
        void *grown = pu_regrow(plans->entry, plans->room * sizeof(plan), room * sizeof(plan));
        if (!grown) return PU_ERR_MEMORY;
        plans->entry = static_cast<plan *>(grown);
        plans->room = room;
    }
    plan *p = &plans->entry[plans->count];
    *p = {};
    const pu_status status = plan_make_any(exec->blas, s, o, workspace_bytes, p);
    if (status != PU_OK) {
        plan_release(p);
        return status;
    }
    ++plans->count;
    *out = p;
    return PU_OK;
}

/* ---- the rest of the op ---- */

/* z = bias or 0: the product over an empty K. */
static __global__ void __launch_bounds__(PU_BLOCK)
    fill_rows(float *z, const float *bias, int64_t n, int64_t count) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * PU_BLOCK + threadIdx.x;
    if (i < count) z[i] = bias ? bias[i % n] : 0.0f;
}

/* y = act(z); y may be z. */
static __global__ void __launch_bounds__(PU_BLOCK)
    activate(const float *z, float *y, int64_t count, pu_act kind, bool vector) {
    const int64_t i = pu__first4();
    if (i >= count) return;
    float v[4];
    pu__load4(v, z, i, count, vector);
    for (int j = 0; j < 4; ++j) v[j] = pu__act_at(kind, v[j]);
    pu__store4(y, v, i, count, vector);
}

/* to = the upper halves of a rounded, then of b, each from a multiple of 256 bytes on. */
static __global__ void __launch_bounds__(PU_BLOCK)
    copy_bf16(const float *a, const float *b, uint16_t *a_to, uint16_t *b_to, int64_t a_count, int64_t b_count) {
    int64_t i = static_cast<int64_t>(blockIdx.x) * PU_BLOCK + threadIdx.x;
    if (i >= a_count + b_count) return;
    const bool second = i >= a_count;
    if (second) i -= a_count;
    const float x = second ? b[i] : a[i];
    uint16_t half = 0x7fff; /* a NaN, whatever its digits */
    if (x == x) {
        const float rounded = pu__round_bf16(x);
        uint32_t bits;
        memcpy(&bits, &rounded, sizeof bits);
        half = static_cast<uint16_t>(bits >> 16);
    }
    (second ? b_to : a_to)[i] = half;
}

/* The largest power of two that divides an address, 256 at most. */
static uint32_t alignment_of(const void *pointer) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(pointer) | 256u;
    return static_cast<uint32_t>(address & (~address + 1));
}

static size_t copy_bytes(int64_t count) { return (2 * static_cast<size_t>(count) + 255) / 256 * 256; }

/* The part of the workspace that is left to cuBLASLt. */
struct room {
    unsigned char *at;
    size_t bytes;
};

/* The factors as cuBLASLt takes them. */
static pu_status prepare_factors(const pu__call *call, const shape *s, operands *o, room *left) {
    *left = {static_cast<unsigned char *>(call->workspace), call->workspace_bytes};
    o->a = call->in[0].data;
    o->b = call->in[1].data;
    if (s->precision != PU_PRECISION_BF16) return PU_OK;
    const int64_t a_count = s->m * s->k, b_count = s->k * s->n;
    const size_t used = copy_bytes(a_count) + copy_bytes(b_count);
    unsigned char *a_copy = left->at, *b_copy = left->at + copy_bytes(a_count);
    const unsigned blocks = static_cast<unsigned>(pu__ceil_div(a_count + b_count, PU_BLOCK));
    PU_LAUNCH(copy_bf16, blocks, PU_BLOCK, 0, call->cuda->stream, static_cast<const float *>(o->a),
              static_cast<const float *>(o->b), reinterpret_cast<uint16_t *>(a_copy),
              reinterpret_cast<uint16_t *>(b_copy), a_count, b_count);
    PU_TRY(pu__launched("gemm: copy_bf16"));
    o->a = a_copy;
    o->b = b_copy;
    *left = {left->at + used, left->bytes - used};
    return PU_OK;
}

/* Gives y where the epilogue activates, which it then says, and else z. */
static pu_status multiply(const pu__call *call, shape *s, operands *o, bool *activated) {
    const pu__cuda_exec *exec = call->cuda;
    room left;
    PU_TRY(prepare_factors(call, s, o, &left));
    s->align_a = alignment_of(o->a);
    s->align_b = alignment_of(o->b);
    s->align_bias = o->bias ? alignment_of(o->bias) : 0;
    s->align_z = s->gelu && o->z != o->y ? alignment_of(o->z) : 0;
    s->align_y = alignment_of(s->gelu ? o->y : o->z);
    plan *p = nullptr;
    PU_TRY(plan_for(exec, s, o, left.bytes, &p));
    PU_TRY(point(p, o));
    *activated = p->made.gelu;
    float *out = *activated ? o->y : o->z;
    const float one = 1.0f, zero = 0.0f;
    BLAS_TRY(cublasLtMatmul(exec->blas, p->product, &one, o->b, p->b, o->a, p->a, &zero, out, p->y, out, p->y,
                            &p->algorithm, left.at, left.bytes, exec->stream),
             "a matrix product");
    return PU_OK;
}

static shape shape_of(const pu__call *call) {
    const auto &attributes = call->attributes->gemm;
    shape s = {};
    s.n = pu__last(&call->out[0].shape);
    s.m = s.n > 0 ? pu__count(&call->out[0].shape) / s.n : 0;
    const pu_shape *b = &call->in[1].shape;
    s.k = b->dim[attributes.transpose_b ? 1 : 0];
    s.transpose_a = attributes.transpose_a;
    s.transpose_b = attributes.transpose_b;
    s.precision = attributes.precision;
    return s;
}

size_t pu__gemm_workspace_cuda(const pu__call *call) {
    const size_t split_bytes = 16 * sizeof(float) * static_cast<size_t>(pu__count(&call->out[0].shape));
    const size_t least = size_t(1) << 20, most = size_t(32) << 20; /* what NVIDIA advises for cuBLAS on Hopper */
    const size_t bytes = (split_bytes + 255) / 256 * 256;
    const shape s = shape_of(call);
    const size_t copies = s.precision == PU_PRECISION_BF16 ? copy_bytes(s.m * s.k) + copy_bytes(s.k * s.n) : 0;
    return copies + (bytes < least ? least : bytes > most ? most : bytes);
}

pu_status pu__gemm_cuda(const pu__call *call) {
    shape s = shape_of(call);
    const int64_t count = s.m * s.n;
    if (count == 0) return PU_OK;
    const pu_act act = call->attributes->gemm.act;
    operands o = {};
    o.y = static_cast<float *>(call->out[0].data);
    o.z = call->out_count > 1 ? static_cast<float *>(call->out[1].data) : o.y;
    o.bias = call->in_count > 2 ? call->in[2].data : nullptr;
    bool activated = false;
    if (s.k > 0) {
        s.gelu = act == PU_ACT_GELU && (o.z == o.y || s.n % STORED_ROWS == 0);
        PU_TRY(multiply(call, &s, &o, &activated));
    } else {
        const unsigned blocks = static_cast<unsigned>(pu__ceil_div(count, PU_BLOCK));
        PU_LAUNCH(fill_rows, blocks, PU_BLOCK, 0, call->cuda->stream, o.z, static_cast<const float *>(o.bias), s.n,
                  count);
        PU_TRY(pu__launched("gemm: fill_rows"));
    }
    if ((act == PU_ACT_NONE && o.z == o.y) || activated) return PU_OK;
    const bool vector = pu__aligned16(o.z) && pu__aligned16(o.y);
    PU_LAUNCH(activate, pu__grid4(count), PU_BLOCK, 0, call->cuda->stream, o.z, o.y, count, act, vector);
    return pu__launched("gemm: activate");
}
