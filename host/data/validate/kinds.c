#include "host/data/validate/kinds.h"

#include <string.h>

extern const pu__check_kind pu__check_kind_finite, pu__check_kind_range, pu__check_kind_ohlc_order,
    pu__check_kind_time_order, pu__check_kind_gap, pu__check_kind_missing_bars, pu__check_kind_unaligned,
    pu__check_kind_closed_market, pu__check_kind_ticker_reused, pu__check_kind_jump,
    pu__check_kind_split_suspected, pu__check_kind_adjustment_jump, pu__check_kind_adjustment_mismatch,
    pu__check_kind_spike, pu__check_kind_stale, pu__check_kind_zero_volume, pu__check_kind_partial_volume,
    pu__check_kind_no_bars, pu__check_kind_short_history, pu__check_kind_benchmark_alignment,
    pu__check_kind_orphans, pu__check_kind_feature_blocks;

/* The order of the reference. */
static const pu__check_kind *const kinds[] = {&pu__check_kind_finite,
                                              &pu__check_kind_range,
                                              &pu__check_kind_ohlc_order,
                                              &pu__check_kind_time_order,
                                              &pu__check_kind_gap,
                                              &pu__check_kind_missing_bars,
                                              &pu__check_kind_unaligned,
                                              &pu__check_kind_closed_market,
                                              &pu__check_kind_ticker_reused,
                                              &pu__check_kind_jump,
                                              &pu__check_kind_split_suspected,
                                              &pu__check_kind_adjustment_jump,
                                              &pu__check_kind_adjustment_mismatch,
                                              &pu__check_kind_spike,
                                              &pu__check_kind_stale,
                                              &pu__check_kind_zero_volume,
                                              &pu__check_kind_partial_volume,
                                              &pu__check_kind_no_bars,
                                              &pu__check_kind_short_history,
                                              &pu__check_kind_benchmark_alignment,
                                              &pu__check_kind_orphans,
                                              &pu__check_kind_feature_blocks};

int pu__check_kind_count(void) { return (int)(sizeof kinds / sizeof *kinds); }

const pu__check_kind *pu__check_kind_at(int index) { return kinds[index]; }

const pu__check_kind *pu__check_kind_find(const char *name) {
    for (int i = 0; i < pu__check_kind_count(); ++i) {
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    }
    return NULL;
}

const char *pu__unit_name(pu__unit unit) {
    static const char *const names[] = {"bars", "assets", "references", "blocks"};
    return names[unit];
}
