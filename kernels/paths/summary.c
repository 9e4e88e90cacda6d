/* Distribution summaries: see pu__path_summary. */
#include "kernels/paths/fixed_point.h"
#include "kernels/paths/paths.h"

void pu__path_summary_reset(pu__path_summary *summary) {
    *summary = (pu__path_summary){0};
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) {
        summary->sum[m].least = (double)INFINITY;
        summary->sum[m].most = -(double)INFINITY;
    }
}

void pu__path_summary_add(pu__path_summary *to, const pu__path_summary *other) {
    to->paths += other->paths;
    to->ruined += other->ruined;
    to->margin_called += other->margin_called;
    to->stopped += other->stopped;
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) {
        pu__path_sum *a = &to->sum[m];
        const pu__path_sum *b = &other->sum[m];
        a->low += b->low;
        a->high += b->high;
        a->square_low += b->square_low;
        a->square_high += b->square_high;
        a->least = b->least < a->least ? b->least : a->least;
        a->most = b->most > a->most ? b->most : a->most;
    }
    for (int i = 0; i < PU_WEALTH_BINS; ++i) to->wealth_bin[i] += other->wealth_bin[i];
    for (int i = 0; i < PU_DRAWDOWN_BINS; ++i) to->drawdown_bin[i] += other->drawdown_bin[i];
}

void pu__path_summary_take(pu__path_summary *to, const double metric[PU_PATH_METRIC_COUNT]) {
    ++to->paths;
    to->ruined += metric[PU_PATH_RUIN_BAR] >= 0.0;
    to->margin_called += metric[PU_PATH_MARGIN_BAR] >= 0.0;
    to->stopped += metric[PU_PATH_STOP_BAR] >= 0.0;
    for (int m = 0; m < PU_PATH_METRIC_COUNT; ++m) {
        pu__path_sum *sum = &to->sum[m];
        const int64_t value = pu__fixed_value(metric[m]), square = pu__fixed_square(metric[m]);
        sum->low += pu__fixed_low(value);
        sum->high += pu__fixed_high(value);
        sum->square_low += pu__fixed_low(square);
        sum->square_high += pu__fixed_high(square);
        sum->least = metric[m] < sum->least ? metric[m] : sum->least;
        sum->most = metric[m] > sum->most ? metric[m] : sum->most;
    }
    ++to->wealth_bin[pu__wealth_bin(metric[PU_PATH_WEALTH])];
    ++to->drawdown_bin[pu__drawdown_bin(metric[PU_PATH_DRAWDOWN])];
}

static double joined(int64_t low, int64_t high, double unit) {
    return ((double)high * 4294967296.0 + (double)low) * unit;
}

double pu__path_mean(const pu__path_summary *summary, pu__path_metric metric) {
    const pu__path_sum *sum = &summary->sum[metric];
    return joined(sum->low, sum->high, PU_FIXED_UNIT) / (double)summary->paths;
}

double pu__path_deviation(const pu__path_summary *summary, pu__path_metric metric) {
    const pu__path_sum *sum = &summary->sum[metric];
    const double n = (double)summary->paths, mean = pu__path_mean(summary, metric);
    const double square = joined(sum->square_low, sum->square_high, PU_FIXED_SQUARE_UNIT) / n;
    const double variance = (square - mean * mean) * n / (n - 1.0);
    return sqrt(variance > 0.0 ? variance : 0.0);
}

/* The value below which a share of the paths lies; bin i spans edge(i) .. edge(i + 1), evenly filled. */
static double quantile(const int64_t *bin, int bins, int64_t paths, double share, double (*edge)(int)) {
    if (paths == 0) return (double)NAN;
    const double rank = share * (double)paths;
    double below = 0.0;
    for (int i = 0; i < bins; ++i) {
        const double count = (double)bin[i];
        if (count > 0.0 && below + count >= rank)
            return edge(i) + (edge(i + 1) - edge(i)) * (rank > below ? (rank - below) / count : 0.0);
        below += count;
    }
    return edge(bins);
}

static double drawdown_edge(int i) { return (double)i / PU_DRAWDOWN_BINS; }

static double between_extremes(const pu__path_summary *summary, double wealth) {
    const pu__path_sum *sum = &summary->sum[PU_PATH_WEALTH];
    wealth = wealth < sum->least ? sum->least : wealth;
    return wealth > sum->most ? sum->most : wealth;
}

double pu__path_wealth_quantile(const pu__path_summary *summary, double share) {
    if (summary->paths > 0 && share * (double)summary->paths <= (double)summary->ruined)
        return summary->sum[PU_PATH_WEALTH].least;
    return between_extremes(summary,
                            quantile(summary->wealth_bin, PU_WEALTH_BINS, summary->paths, share, pu__wealth_edge));
}

double pu__path_wealth_tail_mean(const pu__path_summary *summary, double share) {
    if (summary->paths == 0) return (double)NAN;
    const double wanted = share * (double)summary->paths;
    double taken = (double)summary->ruined, sum = 0.0;
    for (int i = 0; i < PU_WEALTH_BINS && taken < wanted; ++i) {
        const double count = (double)(summary->wealth_bin[i] - (i == 0 ? summary->ruined : 0));
        const double part = count < wanted - taken ? count : wanted - taken;
        const double low = between_extremes(summary, pu__wealth_edge(i));
        const double width = between_extremes(summary, pu__wealth_edge(i + 1)) - low;
        if (part > 0.0) sum += part * (low + 0.5 * width * (part / count));
        taken += part;
    }
    return sum / wanted;
}

double pu__path_drawdown_quantile(const pu__path_summary *summary, double share) {
    return quantile(summary->drawdown_bin, PU_DRAWDOWN_BINS, summary->paths, share, drawdown_edge);
}
