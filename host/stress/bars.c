#include "host/stress/bars.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/store/calendar.h"
#include "plusultra/memory.h"

/* ---- rows of a history ---- */

/* As the path kernel draws them (kernels/paths/paths.h). */
static int32_t next_row(const pu__path_scenario *s, uint64_t path, int32_t step, int32_t row) {
    if (s->process == PU_PROCESS_REPLAY) return pu__replay_row(s->history_first, step, s->history_rows);
    const uint32_t block = (uint32_t)(step / PU_DRAW_STEPS);
    const int place = step % PU_DRAW_STEPS;
    const pu__philox4 u = pu__draw_words(s->seed, path, block, pu__draw_of(PU_DRAW_SHARED_ASSET, PU_DRAW_UNIFORM));
    const pu__philox4 start =
        pu__draw_words(s->seed, path, block, pu__draw_of(PU_DRAW_SHARED_ASSET, PU_DRAW_SECOND));
    return pu__bootstrap_next(row, s->history_rows, step == 0 ? 1.0f : s->restart, pu__draw_uniform(u.word[place]),
                              start.word[place]);
}

void pu__path_rows(const pu__path_scenario *scenario, int64_t first, int64_t count, int32_t *out) {
    for (int64_t p = 0; p < count; ++p) {
        int32_t row = 0;
        for (int32_t step = 0; step < scenario->steps; ++step)
            out[p * scenario->steps + step] = row = next_row(scenario, (uint64_t)(first + p), step, row);
    }
}

/* ---- closing times ---- */

/* SESSION_ROWS: the last ones, whose times of the day are those of a session. */
enum { DAY_S = 86400, MONTH_DAYS_MIN = 28, MONTH_DAYS_MAX = 31, YEAR_DAYS = 366, SESSION_ROWS = 2048 };

static int64_t floor_day(int64_t ts) { return (ts >= 0 ? ts : ts - (DAY_S - 1)) / DAY_S; }

static int64_t next_month(int64_t ts) {
    int year, month, day;
    const int64_t days = floor_day(ts);
    pu__date_of_days(days, &year, &month, &day);
    year += month == 12;
    month = month % 12 + 1;
    while (!pu__date_valid(year, month, day)) --day;
    return pu__days_of_date(year, month, day) * DAY_S + (ts - days * DAY_S);
}

static bool trades(const pu__market *market, int64_t day) {
    for (int a = 0; a < market->assets; ++a) {
        const pu_calendar *calendar = pu_calendar_of(market->asset[a].asset_class);
        if (calendar && !pu_calendar_trades(calendar, market->asset[a].bar_s, day)) return false;
    }
    return true;
}

static bool closed_at(const pu__market *market, int64_t of_day) {
    const int64_t begin = market->rows > SESSION_ROWS ? market->rows - SESSION_ROWS : 0;
    for (int64_t r = market->rows - 1; r >= begin; --r) {
        if (market->ts[r] - floor_day(market->ts[r]) * DAY_S == of_day) return true;
    }
    return false;
}

/* The next close after ts; INT64_MIN where the calendars have none within a year. */
static int64_t next_close(const pu__market *market, int64_t ts) {
    const int64_t bar_s = market->asset[0].bar_s;
    if (bar_s >= MONTH_DAYS_MIN * DAY_S && bar_s <= MONTH_DAYS_MAX * DAY_S) return next_month(ts);
    if (bar_s > DAY_S) return ts + bar_s;
    for (int64_t next = ts + bar_s; next < ts + YEAR_DAYS * (int64_t)DAY_S; next += bar_s) {
        const bool in_session = bar_s == DAY_S || closed_at(market, next - floor_day(next) * DAY_S);
        if (in_session && trades(market, floor_day(next - 1))) return next;
    }
    return INT64_MIN;
}

pu_status pu__bar_times(const pu__market *market, int64_t steps, int64_t *ts) {
    int64_t last = market->ts[market->rows - 1];
    for (int64_t t = 0; t < steps; ++t) {
        const int64_t next = next_close(market, last);
        if (next == INT64_MIN)
            return pu_fail(PU_ERR_DATA, "the calendars of the assets have no common close: choose assets of one "
                                        "calendar (data.symbols)");
        ts[t] = last = next;
    }
    return PU_OK;
}

/* ---- shapes ---- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of up to PU__BARS_VOLUME volumes before bar `end`; NaN where none is known. */
static double recent_volume(const pu_bars *bars, int64_t end) {
    double value[PU__BARS_VOLUME];
    int known = 0;
    for (int64_t i = end > PU__BARS_VOLUME ? end - PU__BARS_VOLUME : 0; i < end; ++i) {
        if (isfinite(bars->volume[i])) value[known++] = bars->volume[i];
    }
    if (known == 0) return (double)NAN;
    qsort(value, (size_t)known, sizeof *value, ascending);
    return 0.5 * (value[(known - 1) / 2] + value[known / 2]);
}

/* The gap stands in `rest` until the slope is known. */
static pu__bar_shape shape_of(const pu_bars *bars, int64_t i) {
    const double factor = bars->adjusted[i] / bars->close[i];
    const double open = log(bars->open[i] * factor), close = log(bars->adjusted[i]);
    const double high = log(bars->high[i] * factor), low = log(bars->low[i] * factor);
    const double usual = recent_volume(bars, i), volume = bars->volume[i] / usual;
    return (pu__bar_shape){
        .rest = i > 0 ? (float)(open - log(bars->adjusted[i - 1])) : 0.0f,
        .upper = (float)fmax(0.0, high - fmax(open, close)),
        .lower = (float)fmax(0.0, fmin(open, close) - low),
        .volume = isfinite(volume) ? (float)volume : 1.0f,
    };
}

/* Takes what the returns explain out of the gaps. */
static void fit_gaps(const pu__market *market, pu__bar_shapes *s, int asset) {
    double gap = 0, change = 0, both = 0, square = 0;
    for (int64_t r = 0; r < s->rows; ++r) {
        gap += (double)s->shape[r * s->assets + asset].rest;
        change += (double)market->log_return[r * s->assets + asset];
    }
    gap /= (double)s->rows;
    change /= (double)s->rows;
    for (int64_t r = 0; r < s->rows; ++r) {
        const double x = (double)market->log_return[r * s->assets + asset] - change;
        both += x * ((double)s->shape[r * s->assets + asset].rest - gap);
        square += x * x;
    }
    s->slope[asset] = square > 0 ? fmax(0.0, fmin(both / square, 1.0)) : 0.0;
    for (int64_t r = 0; r < s->rows; ++r) {
        pu__bar_shape *shape = &s->shape[r * s->assets + asset];
        shape->rest -= (float)(s->slope[asset] * (double)market->log_return[r * s->assets + asset]);
    }
}

static pu_status take_asset(const pu__market *market, const pu_bars *bars, int asset, pu__bar_shapes *s) {
    int64_t i = 0;
    for (int64_t r = 0; r < market->rows; ++r) {
        while (i < bars->count && bars->ts[i] < market->ts[r]) ++i;
        if (i == bars->count || bars->ts[i] != market->ts[r])
            return pu_fail(PU_ERR_STORE, "%s: its bars changed while they were read; run again",
                           market->asset[asset].symbol);
        if (r > 0) s->shape[(r - 1) * s->assets + asset] = shape_of(bars, i);
    }
    s->close[asset] = bars->adjusted[i];
    s->volume[asset] = recent_volume(bars, i + 1);
    fit_gaps(market, s, asset);
    return PU_OK;
}

static pu_status open_shapes(pu_store *store, const pu__market *market, pu__bar_shapes *s) {
    const size_t assets = (size_t)market->assets;
    *s = (pu__bar_shapes){.assets = market->assets, .rows = market->rows - 1};
    s->shape = pu_calloc((size_t)s->rows * assets, sizeof *s->shape);
    s->slope = pu_calloc(assets, sizeof *s->slope);
    s->volume = pu_calloc(assets, sizeof *s->volume);
    s->close = pu_calloc(assets, sizeof *s->close);
    if (!s->shape || !s->slope || !s->volume || !s->close) return PU_ERR_MEMORY;
    for (int a = 0; a < market->assets; ++a) {
        pu_bars bars;
        PU_TRY(pu_store_bars(store, market->asset[a].id, INT64_MIN, market->ts[market->rows - 1] + 1, &bars));
        const pu_status status = take_asset(market, &bars, a, s);
        pu_bars_free(&bars);
        PU_TRY(status);
    }
    return PU_OK;
}

pu_status pu__bar_shapes_open(const pu_config *config, const pu__market *market, pu__bar_shapes *out) {
    *out = (pu__bar_shapes){0};
    pu_store *store = NULL;
    PU_TRY(pu_store_open(config->data.store, PU_STORE_READ, &store));
    const pu_status status = open_shapes(store, market, out);
    pu_store_close(store);
    return status;
}

void pu__bar_shapes_free(pu__bar_shapes *shapes) {
    pu_free(shapes->shape);
    pu_free(shapes->slope);
    pu_free(shapes->volume);
    pu_free(shapes->close);
    *shapes = (pu__bar_shapes){0};
}

/* ---- bars ---- */

static double reach(double x) { return fmax(-PU__BARS_REACH, fmin(x, PU__BARS_REACH)); }

/* A counter that no draw of a price has: another asset number. */
static int64_t drawn_row(const pu__bar_shapes *s, const pu__simulated *paths, int64_t index, int64_t step) {
    const uint32_t draw = pu__draw_of(PU_DRAW_SHARED_ASSET - 1u, PU_DRAW_PRICE);
    const pu__philox4 words =
        pu__draw_words(paths->seed, (uint64_t)(paths->first + index), (uint32_t)(step / PU_DRAW_STEPS), draw);
    return (int64_t)((uint64_t)words.word[step % PU_DRAW_STEPS] * (uint64_t)s->rows >> 32);
}

static void make_bar(const pu__bar_shapes *s, int asset, const pu__bar_shape *shape, const pu__path_shock *shock,
                     double before, double close, pu_bars *bars, int64_t t) {
    const double scale = shock ? (double)shock->volatility_scale : 1.0;
    const double gap = s->slope[asset] * log(close / before) + reach(scale * (double)shape->rest);
    const double open = before * exp(gap);
    bars->open[t] = open;
    bars->high[t] = fmax(open, close) * exp(reach(scale * (double)shape->upper));
    bars->low[t] = fmin(open, close) * exp(-reach(scale * (double)shape->lower));
    bars->close[t] = bars->adjusted[t] = close;
    bars->volume[t] =
        s->volume[asset] * (double)shape->volume * (shock ? fmax(0.0, (double)shock->volume_scale) : 1.0);
}

void pu__bars_make(const pu__bar_shapes *shapes, const pu__simulated *paths, int64_t index, const int64_t *ts,
                   pu_bars *bars) {
    const int assets = shapes->assets;
    const double *price = paths->price + index * (paths->steps + 1) * assets;
    for (int64_t t = 0; t < paths->steps; ++t) {
        const int64_t row = paths->row ? paths->row[index * paths->steps + t] : drawn_row(shapes, paths, index, t);
        for (int a = 0; a < assets; ++a) {
            const pu__path_shock *shock = paths->shock ? &paths->shock[t * assets + a] : NULL;
            bars[a].ts[t] = ts[t];
            make_bar(shapes, a, &shapes->shape[row * assets + a], shock, shapes->close[a] * price[t * assets + a],
                     shapes->close[a] * price[(t + 1) * assets + a], &bars[a], t);
        }
    }
    for (int a = 0; a < assets; ++a) bars[a].count = paths->steps;
}
