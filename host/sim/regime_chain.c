#include "host/sim/regime_chain.h"

#include <math.h>
#include <string.h>

#include "host/sim/matrix.h"
#include "plusultra/memory.h"

enum { K = PU__REGIMES_MAX };

pu_status pu__chain_new(int regimes, int assets, pu__chain *out) {
    const size_t n = (size_t)assets;
    *out = (pu__chain){.regimes = regimes, .assets = assets};
    out->mean = pu_calloc(2 * K * n + 3 * n * n, sizeof *out->mean);
    if (!out->mean) return PU_ERR_MEMORY;
    out->deviation = out->mean + K * n;
    out->correlation = out->deviation + K * n;
    out->lower = out->correlation + n * n;
    out->whiten = out->lower + n * n;
    return PU_OK;
}

void pu__chain_free(pu__chain *chain) {
    pu_free(chain->mean);
    *chain = (pu__chain){0};
}

void pu__chain_copy(const pu__chain *from, pu__chain *to) {
    const size_t n = (size_t)from->assets;
    memcpy(to->mean, from->mean, (2 * K * n + 3 * n * n) * sizeof *to->mean);
    memcpy(to->start, from->start, sizeof to->start);
    memcpy(to->transition, from->transition, sizeof to->transition);
    memcpy(to->constant, from->constant, sizeof to->constant);
}

bool pu__chain_prepare(pu__chain *chain) {
    const int64_t n = chain->assets;
    if (pu__cholesky(chain->correlation, n, chain->lower) < n) return false;
    for (int64_t c = 0; c < n; ++c) { /* column c of the inverse, forward */
        for (int64_t i = 0; i < n; ++i) {
            double sum = i == c ? 1.0 : 0.0;
            for (int64_t k = c; k < i; ++k) sum -= chain->lower[i * n + k] * chain->whiten[k * n + c];
            chain->whiten[i * n + c] = i < c ? 0.0 : sum / chain->lower[i * n + i];
        }
    }
    for (int k = 0; k < chain->regimes; ++k) {
        double sum = 0.5 * (double)n * 1.8378770664093453; /* log(2 pi) */
        for (int64_t i = 0; i < n; ++i) sum += log(chain->lower[i * n + i] * chain->deviation[k * n + i]);
        chain->constant[k] = -sum;
    }
    return true;
}

static double log_density(const pu__chain *chain, int k, const double *y, double *z) {
    const int64_t n = chain->assets;
    const double *mean = chain->mean + k * n, *deviation = chain->deviation + k * n;
    double square = 0.0;
    for (int64_t i = 0; i < n; ++i) z[i] = (y[i] - mean[i]) / deviation[i];
    for (int64_t i = 0; i < n; ++i) {
        double sum = 0.0;
        for (int64_t j = 0; j <= i; ++j) sum += chain->whiten[i * n + j] * z[j];
        square += sum * sum;
    }
    return chain->constant[k] - 0.5 * square;
}

double pu__chain_filter(const pu__chain *chain, const double *y, int64_t rows, double *filtered, double *gain,
                        double *work) {
    double now[K] = {0}, total = 0.0;
    for (int64_t t = 0; t < rows; ++t) {
        double ahead[K] = {0}, density[K], most = -(double)INFINITY, sum = 0.0;
        for (int k = 0; k < chain->regimes; ++k) {
            density[k] = log_density(chain, k, y + t * chain->assets, work);
            most = density[k] > most ? density[k] : most;
            if (t == 0) ahead[k] = chain->start[k];
            for (int i = 0; i < chain->regimes && t > 0; ++i) ahead[k] += now[i] * chain->transition[i][k];
        }
        for (int k = 0; k < chain->regimes; ++k) sum += now[k] = ahead[k] * exp(density[k] - most);
        for (int k = 0; k < chain->regimes; ++k) now[k] /= sum;
        const double added = most + log(sum);
        total += added;
        if (gain) gain[t] = added;
        if (filtered) memcpy(filtered + t * K, now, sizeof now);
    }
    return total;
}

void pu__chain_smooth(const pu__chain *chain, int64_t rows, double *filtered, double pairs[K][K]) {
    memset(pairs, 0, sizeof(double[K][K]));
    for (int64_t t = rows - 2; t >= 0; --t) {
        double *now = filtered + t * K, ratio[K] = {0}, smoothed[K] = {0};
        const double *after = now + K;
        for (int j = 0; j < chain->regimes; ++j) {
            double ahead = 0.0;
            for (int i = 0; i < chain->regimes; ++i) ahead += now[i] * chain->transition[i][j];
            ratio[j] = ahead > 0.0 ? after[j] / ahead : 0.0;
        }
        for (int i = 0; i < chain->regimes; ++i) {
            for (int j = 0; j < chain->regimes; ++j) {
                const double both = now[i] * chain->transition[i][j] * ratio[j];
                pairs[i][j] += both;
                smoothed[i] += both;
            }
        }
        memcpy(now, smoothed, sizeof smoothed);
    }
}

void pu__chain_stationary(const pu__chain *chain, double share[K]) {
    const int count = chain->regimes;
    for (int k = 0; k < K; ++k) share[k] = k < count ? 1.0 / count : 0.0;
    for (int round = 0; round < 200000; ++round) {
        double next[K] = {0}, moved = 0.0;
        for (int i = 0; i < count; ++i)
            for (int j = 0; j < count; ++j) next[j] += share[i] * chain->transition[i][j];
        for (int k = 0; k < count; ++k) {
            moved += fabs(next[k] - share[k]);
            share[k] = 0.5 * (share[k] + next[k]); /* half steps: a chain that alternates settles too */
        }
        if (moved < 1e-12) break;
    }
}
