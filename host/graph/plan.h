/* Offsets for values whose lives are known: the memory plan of a program. */
#ifndef PU_HOST_GRAPH_PLAN_H
#define PU_HOST_GRAPH_PLAN_H

#include <stdint.h>

#include "plusultra/status.h"

enum { PU__PLAN_ALIGNMENT = 256 };

typedef struct pu__interval {
    int first, last; /* positions of the launches that write it first and touch it last, both included */
    int64_t bytes;
    int64_t offset; /* found by the plan, a multiple of PU__PLAN_ALIGNMENT */
} pu__interval;

/* Greedy by size (Pisarchyk & Lee 2020, arXiv 2001.03288, section 5.2): the largest value first, each into the
 * smallest gap that holds it among the values placed before it that live at the same time, else behind them.
 * `*total_bytes` is the size of the block. */
pu_status pu__plan(pu__interval *interval, int count, int64_t *total_bytes);

#endif
