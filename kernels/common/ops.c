#include "plusultra/ops.h"

const char *pu_op_name(pu_op_id op) {
    static const char *const name[] = {
#define PU_OP_NAME(upper, lower) #lower,
        PU_OPS(PU_OP_NAME)
#undef PU_OP_NAME
    };
    return (unsigned)op < PU_OP_COUNT ? name[op] : 0;
}
