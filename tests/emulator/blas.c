/* The emulated cuBLASLt: plain loops over column-major matrices, float32 or bfloat16 with float32 sums, with the
 * checks that the library's documentation asks for. An algorithm carries the epilogue, the alignments and the
 * workspace it was chosen for; they are checked when it is used, and the workspace is written to. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cublasLt.h"
#include "kernels/common/rounding.h"

struct cublasLtContext {
    int alive;
};
struct cublasLtMatmulDescOpaque_t {
    cublasOperation_t transpose_a, transpose_b;
    cublasLtEpilogue_t epilogue;
    const float *bias;
    float *aux;
    int64_t aux_leading;
    bool tf32;
};
struct cublasLtMatrixLayoutOpaque_t {
    int64_t rows, columns, leading;
    cudaDataType_t type;
};
struct cublasLtMatmulPreferenceOpaque_t {
    uint64_t workspace_bytes;
    uint32_t reductions;
    uint32_t align_a, align_b, align_c, align_d;
};

/* Of an epilogue's value, as the reference composes them. */
enum { WITH_BIAS = 4, WITH_GELU = 32, WITH_AUX = 128, AUX_LEADING_MULTIPLE = 8 };
enum { ALGORITHM_MARK = 0x616c676f, ALGORITHM_WORKSPACE_BYTES = 4096 };

static bool activations = true;
void pu__set_activations(bool on) { activations = on; }
void pu__emulator_set_activations(bool on) {
    pu__lock();
    pu__set_activations(on);
    pu__unlock();
}

/* Ends a call: its count and its lock are those of the runtime. */
static cublasStatus_t begin(cublasStatus_t injected) {
    pu__lock();
    return pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown) == cudaSuccess ? CUBLAS_STATUS_SUCCESS : injected;
}
static cublasStatus_t end(cublasStatus_t status) {
    pu__unlock();
    return status;
}

static cublasStatus_t make(void **out, size_t bytes) {
    const cublasStatus_t status = begin(CUBLAS_STATUS_ALLOC_FAILED);
    if (status != CUBLAS_STATUS_SUCCESS) return end(status);
    *out = calloc(1, bytes);
    if (!*out) return end(CUBLAS_STATUS_ALLOC_FAILED);
    pu__live_add(1);
    return end(CUBLAS_STATUS_SUCCESS);
}

static cublasStatus_t release(void *object) {
    const cublasStatus_t status = begin(CUBLAS_STATUS_EXECUTION_FAILED);
    free(object);
    pu__live_add(-1);
    return end(status);
}

const char *cublasLtGetStatusString(cublasStatus_t status) {
    switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "CUBLAS_STATUS_UNKNOWN";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) { return make((void **)handle, sizeof **handle); }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return release(handle); }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *descriptor, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
    if ((compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32) || scale != CUDA_R_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    const cublasStatus_t status = make((void **)descriptor, sizeof **descriptor);
    if (status == CUBLAS_STATUS_SUCCESS) {
        (*descriptor)->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
        (*descriptor)->tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    }
    return status;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t descriptor) { return release(descriptor); }

static cublasStatus_t set(void *field, size_t field_bytes, const void *value, size_t bytes) {
    if (bytes != field_bytes) return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t descriptor,
                                              cublasLtMatmulDescAttributes_t attribute, const void *value,
                                              size_t bytes) {
    cublasStatus_t status = begin(CUBLAS_STATUS_INVALID_VALUE);
    if (status != CUBLAS_STATUS_SUCCESS) return end(status);
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return end(set(&descriptor->transpose_a, sizeof(int), value, bytes));
    case CUBLASLT_MATMUL_DESC_TRANSB: return end(set(&descriptor->transpose_b, sizeof(int), value, bytes));
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return end(set(&descriptor->epilogue, sizeof(int), value, bytes));
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return end(set(&descriptor->bias, sizeof(void *), value, bytes));
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
        return end(set(&descriptor->aux, sizeof(void *), value, bytes));
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return end(set(&descriptor->aux_leading, 8, value, bytes));
    }
    return end(CUBLAS_STATUS_NOT_SUPPORTED);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows,
                                          uint64_t columns, int64_t leading_dimension) {
    if ((type != CUDA_R_32F && type != CUDA_R_16BF) || rows == 0 || columns == 0 ||
        leading_dimension < (int64_t)rows)
        return CUBLAS_STATUS_INVALID_VALUE;
    const cublasStatus_t status = make((void **)layout, sizeof **layout);
    if (status == CUBLAS_STATUS_SUCCESS)
        **layout = (struct cublasLtMatrixLayoutOpaque_t){(int64_t)rows, (int64_t)columns, leading_dimension, type};
    return status;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return release(layout); }

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
    const cublasStatus_t status = make((void **)preference, sizeof **preference);
    if (status == CUBLAS_STATUS_SUCCESS)
        **preference = (struct cublasLtMatmulPreferenceOpaque_t){
            .reductions = 7, .align_a = 256, .align_b = 256, .align_c = 256, .align_d = 256};
    return status;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    return release(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *value, size_t bytes) {
    const cublasStatus_t status = begin(CUBLAS_STATUS_INVALID_VALUE);
    if (status != CUBLAS_STATUS_SUCCESS) return end(status);
    switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return end(set(&preference->workspace_bytes, 8, value, bytes));
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return end(set(&preference->reductions, 4, value, bytes));
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return end(set(&preference->align_a, 4, value, bytes));
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return end(set(&preference->align_b, 4, value, bytes));
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return end(set(&preference->align_c, 4, value, bytes));
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return end(set(&preference->align_d, 4, value, bytes));
    }
    return end(CUBLAS_STATUS_NOT_SUPPORTED);
}

/* op(a) is rows x inner, op(b) inner x columns, c and d rows x columns. */
static bool shapes_agree(const struct cublasLtMatmulDescOpaque_t *p, cublasLtMatrixLayout_t a,
                         cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
    const int64_t rows = p->transpose_a ? a->columns : a->rows, inner = p->transpose_a ? a->rows : a->columns;
    const int64_t columns = p->transpose_b ? b->rows : b->columns;
    return inner == (p->transpose_b ? b->columns : b->rows) && d->rows == rows && d->columns == columns &&
           c->rows == rows && c->columns == columns;
}

/* The largest power of two that divides an address, 256 at most. */
static uint64_t alignment_of(const void *pointer) {
    const uintptr_t address = (uintptr_t)pointer | 256u;
    return address & (~address + 1);
}

/* What the reference asks of an epilogue's attributes. cuBLASLt may find no algorithm, or do as it likes; either would
 * go unseen, so here it is a fault. */
static bool epilogue_valid(const struct cublasLtMatmulDescOpaque_t *p, int64_t rows) {
    switch (p->epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_GELU:
    case CUBLASLT_EPILOGUE_GELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU_AUX:
    case CUBLASLT_EPILOGUE_GELU_AUX_BIAS: break;
    default:
        pu__fault_record(PU__FAULT_API, "cublasLt: epilogue %d is not known here", (int)p->epilogue);
        return false;
    }
    const bool bias = p->epilogue & WITH_BIAS, aux = p->epilogue & WITH_AUX;
    if (bias && (!p->bias || (uintptr_t)p->bias % sizeof(float) != 0)) {
        pu__fault_record(PU__FAULT_API, "cublasLt: the bias is not set or no address of a float");
        return false;
    }
    if (aux && (!p->aux || (uintptr_t)p->aux % sizeof(float) != 0)) {
        pu__fault_record(PU__FAULT_API, "cublasLt: the auxiliary matrix is not set or no address of a float");
        return false;
    }
    if (aux && (p->aux_leading % AUX_LEADING_MULTIPLE != 0 || p->aux_leading < rows)) {
        pu__fault_record(PU__FAULT_API,
                         "cublasLt: the auxiliary matrix of %lld rows has a leading dimension of %lld",
                         (long long)rows, (long long)p->aux_leading);
        return false;
    }
    return true;
}

/* The algorithm stands for: a mark, the product, and the epilogue, alignments and workspace it relies on; data[7] is of
 * the epilogue. */
static uint64_t of_epilogue(const struct cublasLtMatmulDescOpaque_t *p) {
    const uint64_t bias = p->epilogue & WITH_BIAS ? alignment_of(p->bias) : 1,
                   aux = p->epilogue & WITH_AUX ? alignment_of(p->aux) : 1;
    return (uint64_t)p->epilogue << 32 | bias << 16 | aux;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t *results, int *found) {
    const cublasStatus_t status = begin(CUBLAS_STATUS_NOT_SUPPORTED);
    *found = 0;
    if (status != CUBLAS_STATUS_SUCCESS) return end(status);
    if (!handle || wanted < 1 || !shapes_agree(descriptor, a, b, c, d) || !epilogue_valid(descriptor, d->rows))
        return end(CUBLAS_STATUS_INVALID_VALUE);
    if (!activations && descriptor->epilogue & WITH_GELU) return end(CUBLAS_STATUS_NOT_SUPPORTED);
    const bool split = preference->workspace_bytes >= ALGORITHM_WORKSPACE_BYTES &&
                       preference->reductions & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    results[0] = (cublasLtMatmulHeuristicResult_t){
        .algo = {{ALGORITHM_MARK, (uint64_t)d->rows, (uint64_t)d->columns, preference->align_a,
                  preference->align_b, preference->align_d, split ? ALGORITHM_WORKSPACE_BYTES : 0,
                  of_epilogue(descriptor)}},
        .workspaceSize = split ? ALGORITHM_WORKSPACE_BYTES : 0,
        .state = CUBLAS_STATUS_SUCCESS};
    *found = 1;
    return end(CUBLAS_STATUS_SUCCESS);
}

/* ---- the product ---- */

typedef struct product {
    struct cublasLtMatmulDescOpaque_t descriptor;
    struct cublasLtMatrixLayoutOpaque_t a_layout, b_layout, c_layout, d_layout;
    float alpha, beta;
    const void *a, *b;
    const float *c;
    float *d;
    unsigned char *workspace;
    size_t workspace_bytes;
} product;

static size_t extent(const struct cublasLtMatrixLayoutOpaque_t *l) {
    return (size_t)((l->columns - 1) * l->leading + l->rows) * (l->type == CUDA_R_16BF ? 2 : sizeof(float));
}

static size_t aux_extent(const product *p) {
    const int64_t count = (p->d_layout.columns - 1) * p->descriptor.aux_leading + p->d_layout.rows;
    return (size_t)count * sizeof(float);
}

static float factor(const product *p, const void *matrix, cudaDataType_t type, int64_t at) {
    if (type == CUDA_R_16BF) {
        const uint32_t bits = (uint32_t)((const uint16_t *)matrix)[at] << 16;
        float x;
        memcpy(&x, &bits, sizeof x);
        return x;
    }
    const float x = ((const float *)matrix)[at];
    return p->descriptor.tf32 ? pu__round_tf32(x) : x;
}

static bool product_run(void *state) {
    const product *p = state;
    const struct cublasLtMatmulDescOpaque_t *t = &p->descriptor;
    pu__count_launch();
    const bool bias = t->epilogue & WITH_BIAS, gelu = t->epilogue & WITH_GELU, aux = t->epilogue & WITH_AUX;
    if (!pu__device_holds(p->a, extent(&p->a_layout)) || !pu__device_holds(p->b, extent(&p->b_layout)) ||
        !pu__device_holds(p->d, extent(&p->d_layout)) ||
        (p->beta != 0 && !pu__device_holds(p->c, extent(&p->c_layout))) ||
        (bias && !pu__device_holds(t->bias, (size_t)p->d_layout.rows * sizeof(float))) ||
        (aux && !pu__device_holds(t->aux, aux_extent(p)))) {
        pu__fault_record(PU__FAULT_BOUNDS,
                         "cublasLtMatmul: an operand of a %lld x %lld product leaves its allocation",
                         (long long)p->d_layout.rows, (long long)p->d_layout.columns);
        return false;
    }
    memset(p->workspace, 0xff, p->workspace_bytes);
    const int64_t inner = t->transpose_a ? p->a_layout.rows : p->a_layout.columns;
    const int64_t a_row = t->transpose_a ? p->a_layout.leading : 1,
                  a_inner = t->transpose_a ? 1 : p->a_layout.leading;
    const int64_t b_inner = t->transpose_b ? p->b_layout.leading : 1,
                  b_column = t->transpose_b ? 1 : p->b_layout.leading;
    for (int64_t column = 0; column < p->d_layout.columns; ++column)
        for (int64_t row = 0; row < p->d_layout.rows; ++row) {
            float sum = 0.0f;
            for (int64_t i = 0; i < inner; ++i)
                sum += factor(p, p->a, p->a_layout.type, row * a_row + i * a_inner) *
                       factor(p, p->b, p->b_layout.type, i * b_inner + column * b_column);
            sum *= p->alpha;
            if (p->beta != 0) sum += p->beta * p->c[column * p->c_layout.leading + row];
            if (bias) sum += t->bias[row];
            if (aux) t->aux[column * t->aux_leading + row] = sum;
            if (gelu) sum = 0.5f * sum * (1.0f + tanhf(0.7978845608f * (sum + 0.044715f * sum * sum * sum)));
            p->d[column * p->d_layout.leading + row] = sum;
        }
    return true;
}

static bool epilogue_fits(uint64_t chosen, const struct cublasLtMatmulDescOpaque_t *p) {
    return chosen >> 32 == (uint64_t)p->epilogue && (uintptr_t)p->bias % (chosen >> 16 & 0xffff) == 0 &&
           (uintptr_t)p->aux % (chosen & 0xffff) == 0;
}

static bool algorithm_fits(const cublasLtMatmulAlgo_t *algorithm, const product *p) {
    const uint64_t *x = algorithm->data;
    return x[0] == ALGORITHM_MARK && x[1] == (uint64_t)p->d_layout.rows && x[2] == (uint64_t)p->d_layout.columns &&
           (uintptr_t)p->a % x[3] == 0 && (uintptr_t)p->b % x[4] == 0 && (uintptr_t)p->d % x[5] == 0 &&
           epilogue_fits(x[7], &p->descriptor) && p->workspace_bytes >= x[6] &&
           (!x[6] || (uintptr_t)p->workspace % 16 == 0);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algorithm, void *workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
    const cublasStatus_t status = begin(CUBLAS_STATUS_EXECUTION_FAILED);
    if (status != CUBLAS_STATUS_SUCCESS) return end(status);
    if (!handle || !algorithm || !shapes_agree(descriptor, a_layout, b_layout, c_layout, d_layout) ||
        !epilogue_valid(descriptor, d_layout->rows))
        return end(CUBLAS_STATUS_INVALID_VALUE);
    product p = {*descriptor, *a_layout, *b_layout, *c_layout, *d_layout,      0, 0, a,
                 b,           c,         d,         workspace, workspace_bytes};
    memcpy(&p.alpha, alpha, sizeof p.alpha);
    memcpy(&p.beta, beta, sizeof p.beta);
    if (!algorithm_fits(algorithm, &p)) return end(CUBLAS_STATUS_INVALID_VALUE);
    p.workspace_bytes = (size_t)algorithm->data[6];
    product *kept = malloc(sizeof *kept);
    if (!kept) return end(CUBLAS_STATUS_ALLOC_FAILED);
    *kept = p;
    const cudaError_t error = pu__enqueue(stream, (pu__work){product_run, free, kept});
    return end(error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED);
}
