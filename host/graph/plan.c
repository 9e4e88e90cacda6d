#include "host/graph/plan.h"

#include <stdlib.h>

#include "plusultra/memory.h"

static int64_t align_up(int64_t bytes) {
    return (bytes + PU__PLAN_ALIGNMENT - 1) / PU__PLAN_ALIGNMENT * PU__PLAN_ALIGNMENT;
}

static int larger_first(const void *left, const void *right) {
    const pu__interval *a = *(pu__interval *const *)left, *b = *(pu__interval *const *)right;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* `placed` is kept in order of offset, so that one pass meets the gaps from the bottom up. */
static int64_t best_offset(pu__interval *const *placed, int placed_count, const pu__interval *value) {
    int64_t floor = 0, best = -1, best_gap = INT64_MAX;
    for (int i = 0; i < placed_count; ++i) {
        const pu__interval *other = placed[i];
        if (other->last < value->first || value->last < other->first) continue;
        const int64_t gap = other->offset - floor;
        if (gap >= value->bytes && gap < best_gap) {
            best = floor;
            best_gap = gap;
        }
        const int64_t end = align_up(other->offset + other->bytes);
        if (end > floor) floor = end;
    }
    return best >= 0 ? best : floor;
}

pu_status pu__plan(pu__interval *interval, int count, int64_t *total_bytes) {
    *total_bytes = 0;
    if (count == 0) return PU_OK;
    pu__interval **order = pu_calloc((size_t)count * 2, sizeof *order);
    if (!order) return PU_ERR_MEMORY;
    pu__interval **placed = order + count;
    for (int i = 0; i < count; ++i) order[i] = &interval[i];
    qsort(order, (size_t)count, sizeof *order, larger_first);
    int placed_count = 0;
    for (int i = 0; i < count; ++i) {
        pu__interval *value = order[i];
        value->offset = 0;
        if (value->bytes == 0) continue;
        value->offset = best_offset(placed, placed_count, value);
        int at = placed_count++;
        for (; at > 0 && placed[at - 1]->offset > value->offset; --at) placed[at] = placed[at - 1];
        placed[at] = value;
        const int64_t end = align_up(value->offset + value->bytes);
        if (end > *total_bytes) *total_bytes = end;
    }
    pu_free(order);
    return PU_OK;
}
