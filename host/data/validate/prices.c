#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/data/store/write.h"
#include "host/data/validate/faults.h"

enum { TRAILING = 60, TRAILING_MIN = 20, STALE_WARNING = 20, STALE_ERROR = 250 };

/* A jump is beyond both limits: the asset's own habit, and a size that matters. */
static const double jump_deviations = 8, jump_warning = 0.30 /* log: 35 % */,
                    jump_error = 1.6094379124341003 /* log 5 */, spike_factor = 2;

void pu__check_prices(pu__inspection *at) {
    const pu_bars *b = at->bars;
    for (int64_t i = 0; i < b->count; ++i) {
        const pu__bar bar = {b->ts[i],    b->open[i],     b->high[i],  b->low[i],
                             b->close[i], b->adjusted[i], b->volume[i]};
        if (!pu__bar_valid(&bar)) {
            pu__fault_add(at, PU_FAULT_ERROR, "range", b->ts[i],
                          "open %.6g high %.6g low %.6g close %.6g: not positive, or not within low and high",
                          bar.open, bar.high, bar.low, bar.close);
            continue;
        }
        const double top = fmax(bar.open, bar.close), bottom = fmin(bar.open, bar.close);
        if (bar.high > spike_factor * top || bar.low * spike_factor < bottom) {
            pu__fault_add(at, PU_FAULT_WARNING, "spike", b->ts[i],
                          "high %.6g, low %.6g beside open %.6g and close %.6g: a bad tick?", bar.high, bar.low,
                          bar.open, bar.close);
        }
    }
}

/* Absolute returns of the last bars, sorted beside their order of arrival. */
typedef struct trailing {
    double sorted[TRAILING], arrived[TRAILING];
    int count, oldest;
} trailing;

static void trailing_push(trailing *window, double value) {
    int count = window->count;
    if (count == TRAILING) {
        const double old = window->arrived[window->oldest];
        int at = 0;
        while (window->sorted[at] != old) ++at;
        memmove(window->sorted + at, window->sorted + at + 1, (size_t)(count - 1 - at) * sizeof(double));
        --count;
    }
    window->arrived[window->oldest] = value;
    window->oldest = (window->oldest + 1) % TRAILING;
    int at = count;
    for (; at > 0 && window->sorted[at - 1] > value; --at) window->sorted[at] = window->sorted[at - 1];
    window->sorted[at] = value;
    window->count = count + 1;
}

/* "like 4 to 1": the plain ratios of splits. */
static const char *split_hint(double factor) {
    static const double plain[] = {2, 3, 4, 5, 7, 8, 10, 20, 25, 50, 100};
    const double ratio = factor < 1 ? 1 / factor : factor;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; ++i) {
        if (fabs(ratio / plain[i] - 1) < 0.02) return "; the ratio is that of a split";
    }
    return "";
}

void pu__check_jumps(pu__inspection *at) {
    const pu_bars *b = at->bars;
    trailing window = {.count = 0};
    for (int64_t i = 1; i < b->count; ++i) {
        if (!(b->adjusted[i] > 0 && b->adjusted[i - 1] > 0)) continue;
        const double size = fabs(log(b->adjusted[i] / b->adjusted[i - 1]));
        /* 1.4826 times the median absolute deviation is a normal's standard deviation; without a history the size
         * alone decides. */
        const double habit = window.count >= TRAILING_MIN ? 1.4826 * window.sorted[window.count / 2] : 0;
        if (size > jump_warning && size > jump_deviations * habit) {
            const double factor = b->adjusted[i] / b->adjusted[i - 1];
            pu__fault_add(at, size > jump_error ? PU_FAULT_ERROR : PU_FAULT_WARNING, "jump", b->ts[i],
                          "the close is %.4g times the one before (%.6g to %.6g)%s", factor, b->close[i - 1],
                          b->close[i], split_hint(factor));
        }
        trailing_push(&window, size);
    }
}

static void report_stale(pu__inspection *at, int64_t first, int64_t end) {
    if (end - first < STALE_WARNING) return;
    pu__fault_add(at, end - first < STALE_ERROR ? PU_FAULT_WARNING : PU_FAULT_ERROR, "stale", at->bars->ts[first],
                  "%" PRId64 " bars from here stand at %.6g without any range", end - first,
                  at->bars->close[first]);
}

void pu__check_stale(pu__inspection *at) {
    const pu_bars *b = at->bars;
    int64_t first = 0;
    for (int64_t i = 0; i < b->count; ++i) {
        const bool flat = b->high[i] == b->low[i];
        if (flat && i > first && b->close[i] == b->close[i - 1]) continue;
        report_stale(at, first, i);
        first = flat ? i : i + 1;
    }
    report_stale(at, first, b->count);
}

void pu__check_volume(pu__inspection *at) {
    const pu_bars *b = at->bars;
    int64_t zero = 0, missing = 0, unaligned = 0, first = -1;
    for (int64_t i = 0; i < b->count; ++i) {
        zero += b->volume[i] == 0;
        missing += isnan(b->volume[i]);
        const bool odd = at->asset->bar_s <= 86400 && (b->ts[i] - b->ts[0]) % at->asset->bar_s != 0;
        if (odd && unaligned++ == 0) first = i;
    }
    const double share = b->count > 0 ? (double)zero / (double)b->count : 0;
    if (share > 0.005) {
        pu__fault_add(at, share > 0.2 ? PU_FAULT_WARNING : PU_FAULT_INFO, "zero_volume", 0,
                      "%" PRId64 " of %" PRId64 " bars have zero volume", zero, b->count);
    }
    if (missing > 0 && missing < b->count) {
        pu__fault_add(at, PU_FAULT_WARNING, "partial_volume", 0, "%" PRId64 " of %" PRId64 " bars have no volume",
                      missing, b->count);
    }
    if (unaligned > 0) {
        pu__fault_add(at, PU_FAULT_WARNING, "unaligned", b->ts[first],
                      "%" PRId64 " bars do not close at multiples of %" PRId64 " s from the first", unaligned,
                      at->asset->bar_s);
    }
}
