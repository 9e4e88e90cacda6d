#include "tests/support/op_reference.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/common/philox.h"

#define REAL double
#define NAME(name) name##_double
#define EXP exp
#define LOG log
#define SQRT sqrt
#define TANH tanh
#define FABS fabs
#define COS cos
#define SIN sin
#include "tests/support/op_reference_body.h"
#undef REAL
#undef NAME
#undef EXP
#undef LOG
#undef SQRT
#undef TANH
#undef FABS
#undef COS
#undef SIN

#define REAL float
#define NAME(name) name##_float
#define EXP expf
#define LOG logf
#define SQRT sqrtf
#define TANH tanhf
#define FABS fabsf
#define COS cosf
#define SIN sinf
#include "tests/support/op_reference_body.h"

void pu__op_reference(const pu__call *call, double *const *out) { evaluate_double(call, out); }
void pu__op_naive(const pu__call *call, float *const *out) { evaluate_float(call, out); }
