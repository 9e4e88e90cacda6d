/* The cases that every backend's kernels are tested with: ragged shapes, special values, all attributes.
 *
 * A case runs on a pu_device, so the CPU, an emulated GPU and a real one are tested by the same code. Every buffer
 * lies between guard zones filled with a NaN pattern (and poisoned under AddressSanitizer on host devices);
 * outputs and the workspace start as that NaN as well, so that a read out of bounds, a value left unwritten and a
 * write out of bounds each show. */
#ifndef PU_TESTS_OP_CASES_H
#define PU_TESTS_OP_CASES_H

#include "host/device/backend.h"

/* gcc says it with a macro, clang with a feature. */
#if defined(__SANITIZE_ADDRESS__)
#define PU__ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PU__ADDRESS_SANITIZER 1
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu__op_flavour {
    PU__OP_ORDINARY = 0, /* values of order 1 */
    PU__OP_EXTREME,   /* NaN, infinities, large arguments, masked rows, starts out of range: what the op's contract
                         promises for them */
    PU__OP_LARGE_MEAN /* values about 1000 with a deviation of 1 */
} pu__op_flavour;

typedef struct pu__op_case {
    pu_op_id op;
    char name[112]; /* "gemm [3,17] [17,5] bias gelu" */
    int in_count, out_count;
    pu_shape in[PU_MAX_IN];
    pu_shape sum_shape; /* SUM_LEADING: the wanted shape */
    pu_attributes attributes;
    pu__op_flavour flavour;
    uint64_t seed;
} pu__op_case;

/* All cases, in the order of pu_op_id; built on the first call, kept for the life of the process. */
const pu__op_case *pu__op_cases(int *count);

/* Host inputs of a case and the shapes of its outputs. Free with pu__op_data_free. */
typedef struct pu__op_data {
    pu_op_id op;
    int in_count, out_count;
    void *in[PU_MAX_IN];
    size_t in_bytes[PU_MAX_IN];
    pu_shape out_shape[PU_MAX_OUT];
} pu__op_data;
pu_status pu__op_data_new(const pu__op_case *op_case, pu__op_data *out);
pu_status pu__op_data_empty(const pu__op_case *op_case, pu__op_data *out); /* inputs of zeros */
void pu__op_data_free(pu__op_data *data);

/* What a kernel gave. Free with pu__op_result_free. */
typedef struct pu__op_result {
    int out_count;
    float *out[PU_MAX_OUT];
    int64_t count[PU_MAX_OUT];
} pu__op_result;
void pu__op_result_free(pu__op_result *result);

/* Told about every guard zone of a device buffer, when it is put up (`on`) and taken down. Null: nobody is; an
 * emulator sets it to catch accesses that a pattern of bytes cannot show. */
extern void (*pu__op_poison)(void *memory, size_t bytes, bool on);

/* Runs one kernel on a case. `entry` null: the device's own kernel for the op. PU_ERR_CORRUPT with a message when
 * a guard zone or an input was written to. */
pu_status pu__op_case_run(const pu__op_case *op_case, pu_device *device, const pu__kernel_entry *entry,
                          pu__op_result *result);

/* The same on these inputs. */
pu_status pu__op_data_run(const pu__op_case *op_case, const pu__op_data *data, pu_device *device,
                          const pu__kernel_entry *entry, pu__op_result *result);

/* Whether the case's inputs are windows [B,T,...], its op promises that a bar's outputs depend on the bars up to it,
 * and there are bars enough to see it. */
bool pu__op_case_promises_causality(const pu__op_case *op_case);
/* Of such a case: the outputs keep their bits up to a bar when later bars become NaN (other numbers, where a NaN says
 * that there is no bar), and when the window ends there. PU_ERR_DATA with the place where they do not. */
pu_status pu__op_case_causal(const pu__op_case *op_case, pu_device *device);

/* Compares with the double reference. Allowed per element: twice the largest error of the naive float evaluation in
 * the same precision, plus 4 u max(|reference|, 1), u = 2^-24: the naive one may be right by luck, but inputs are of
 * order 1, and so are terms that cancel. NaN must meet NaN and infinity the same infinity. PU_ERR_DATA with the worst
 * element's place. */
pu_status pu__op_case_judge(const pu__op_case *op_case, const pu__op_result *result);

/* The same of what a real GPU gave: its matrix units may cut off the digits of a tf32 factor where the naive evaluation
 * rounds (docs/precision.md), which doubles the largest error of a factor. */
pu_status pu__op_case_judge_gpu(const pu__op_case *op_case, const pu__op_result *result);

/* Run and judge; `result` may be null. */
pu_status pu__op_case_test(const pu__op_case *op_case, pu_device *device, const pu__kernel_entry *entry);

#ifdef __cplusplus
}
#endif
#endif
