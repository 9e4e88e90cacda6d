/* Plain evaluations of every op, written from the formulas of the kernel contracts: one in double, the judge; one
 * in float, whose error says what a simple float32 implementation costs. */
#ifndef PU_TESTS_OP_REFERENCE_H
#define PU_TESTS_OP_REFERENCE_H

#include "kernels/common/call.h"

/* Reads the host addresses of call->in; out[i] receives output i (call->out[i].shape), null to skip an optional
 * one. */
void pu__op_reference(const pu__call *call, double *const *out);
void pu__op_naive(const pu__call *call, float *const *out);

#endif
