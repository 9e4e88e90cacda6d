"""Golden performance metrics: empyrical-reloaded and scipy where they define the figure, float64 formulas elsewhere.

    python3 tests/golden/metrics.py > tests/golden/metrics.json
"""
import json
import warnings

import empyrical as em
import numpy as np
from scipy import stats

warnings.filterwarnings("ignore")


def finite(x):
    return float(x) if np.isfinite(x) else None


def under_water(r):
    equity = np.concatenate([[1.0], np.cumprod(1 + r)])
    below = (equity < np.maximum.accumulate(equity))[1:]
    longest = run = 0
    for b in below:
        run = run + 1 if b else 0
        longest = max(longest, run)
    return longest, below.mean()


def figures(r, b, a, annual_rf, trials):
    n, rf = len(r), (1 + annual_rf) ** (1 / a) - 1
    s = (r - rf).mean() / (r - rf).std(ddof=1)
    g3, g4 = stats.skew(r), stats.kurtosis(r, fisher=False)
    v = 1 - g3 * s + (g4 - 1) / 4 * s * s
    e = np.euler_gamma
    best = 0.0
    if trials > 1:
        best = ((1 - e) * stats.norm.ppf(1 - 1 / trials) + e * stats.norm.ppf(1 - 1 / (trials * np.e))) / np.sqrt(n - 1)
    longest, share = under_water(r)
    traded = r[r != 0]
    return dict(
        total_return=em.cum_returns_final(r), cagr=em.cagr(r, annualization=a), volatility=em.annual_volatility(r, annualization=a),
        sharpe=em.sharpe_ratio(r, rf, annualization=a), downside_deviation=em.downside_risk(r, rf, annualization=a),
        sortino=em.sortino_ratio(r, rf, annualization=a), max_drawdown=em.max_drawdown(r), calmar=em.calmar_ratio(r, annualization=a),
        var_5=em.value_at_risk(r, 0.05), var_1=em.value_at_risk(r, 0.01), cvar_5=em.conditional_value_at_risk(r, 0.05),
        cvar_1=em.conditional_value_at_risk(r, 0.01), omega=em.omega_ratio(r, rf), tail_ratio=em.tail_ratio(r),
        hit_rate=(traded > 0).mean(), profit_factor=r[r > 0].sum() / -r[r < 0].sum(), skewness=g3, kurtosis=g4,
        best_period=r.max(), worst_period=r.min(), under_water_periods=longest, under_water_ratio=share,
        beta=em.beta(r, b, rf), alpha=em.alpha(r, b, rf, annualization=a), information_ratio=em.excess_sharpe(r, b) * np.sqrt(a),
        probabilistic_sharpe=stats.norm.cdf(s * np.sqrt(n - 1) / np.sqrt(v)),
        deflated_sharpe=stats.norm.cdf((s - best) * np.sqrt(n - 1) / np.sqrt(v)),
        track_record_min=1 + v * (stats.norm.ppf(0.95) / s) ** 2 if s > 0 else np.nan,
    )


def block_length(x):
    """Politis and White (2004) as corrected in 2009, stationary bootstrap."""
    n = len(x)
    x = x - x.mean()
    cov = np.array([x[: n - k] @ x[k:] / n for k in range(n)])
    run = int(max(5, np.ceil(np.log10(n))))
    most = int(np.ceil(np.sqrt(n))) + run
    significant = np.abs(cov / cov[0]) > 2 * np.sqrt(np.log10(n) / n)
    m = None
    for candidate in range(0, most + 1):
        if not significant[candidate + 1 : candidate + 1 + run].any():
            m = candidate
            break
    if m is None:
        m = max(k for k in range(1, most + 1) if significant[k])
    width = min(2 * max(m, 1), most)
    k = np.arange(-width, width + 1)
    t = np.abs(k) / width
    window = np.where(t <= 0.5, 1.0, 2 * (1 - t))
    c = cov[np.abs(k)]
    g, d = (window * np.abs(k) * c).sum(), 2 * (window * c).sum() ** 2
    return float(np.clip((2 * g * g / d * n) ** (1 / 3), 1, np.ceil(min(3 * np.sqrt(n), n / 3))))


rng = np.random.default_rng(7)
ar = np.zeros(240)
for i in range(1, len(ar)):
    ar[i] = 0.4 * ar[i - 1] + rng.normal(0, 0.01)
series = [
    ("daily", rng.normal(5e-4, 0.01, 130), 252, 0.0, 1),
    ("fat tails, idle days, a rate", np.where(rng.random(119) < 0.2, 0, rng.standard_t(3, 119) * 0.01), 365, 0.03, 20),
    ("weekly and losing", rng.normal(-3e-3, 0.02, 53), 52, 0.01, 5),
    ("autocorrelated", ar, 12, 0.0, 100),
    ("three", np.array([0.01, -0.02, 0.015]), 252, 0.0, 1),
]
cases = []
for name, r, a, rf, trials in series:
    b = 0.6 * r + rng.normal(2e-4, 0.01, len(r))
    cases.append(dict(name=name, periods_per_year=a, risk_free=rf, trials=trials, returns=r.tolist(), benchmark=b.tolist(),
                      block=block_length(r) if len(r) >= 8 else 1.0,
                      metrics={k: finite(v) for k, v in figures(r, b, a, rf, trials).items()}))
x, y = np.round(rng.normal(size=41), 1), np.round(rng.normal(size=41), 1)
p = [1e-300, 1e-12, 1e-4, 0.02425, 0.3, 0.5, 0.77, 0.975, 1 - 1e-9]
print(json.dumps(dict(cases=cases, x=x.tolist(), y=y.tolist(), rank_x=stats.rankdata(x).tolist(), pearson=float(stats.pearsonr(x, y)[0]),
                      spearman=float(stats.spearmanr(x, y)[0]), probability=p, normal_quantile=stats.norm.ppf(p).tolist())))
