"""Golden values of host/sim's fits: GARCH-t and block lengths by arch, Markov regimes by statsmodels and SciPy, jumps by SciPy's
optimiser over a density of this script, stylised facts by NumPy and SciPy.

    pip install numpy scipy arch statsmodels; python3 tests/golden/calibration.py > tests/golden/calibration.json
"""

import json

import numpy as np
from arch import arch_model
from arch.bootstrap import optimal_block_length
from scipy import optimize, stats
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

ROWS = 900
rng = np.random.default_rng(7)


def garch_returns():
    mean, omega, alpha, beta, dof = 4e-4, 5e-6, 0.1, 0.86, 5.0
    variance, out = omega / (1 - alpha - beta), []
    for _ in range(ROWS):
        shock = np.sqrt(variance) * rng.standard_t(dof) * np.sqrt((dof - 2) / dof)
        variance = omega + alpha * shock**2 + beta * variance
        out.append(mean + shock)
    return np.array(out)


def regime_returns():
    state, out = 0, []
    for _ in range(ROWS):
        state = int(rng.random() < (0.03, 0.92)[state])
        out.append((8e-4, -1e-3)[state] + (0.007, 0.02)[state] * rng.standard_normal())
    return np.array(out)


def jump_returns():
    jumps = rng.poisson(0.06, ROWS)
    return 6e-4 + 0.009 * rng.standard_normal(ROWS) + -0.01 * jumps + 0.025 * np.sqrt(jumps) * rng.standard_normal(ROWS)


def rounded(x):
    return np.array([float(f"{v:.9g}") for v in x])


def garch(x):
    scale = 100.0
    model = arch_model(scale * x, mean="Constant", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    result = model.fit(disp="off", backcast=float(np.var(scale * x)), cov_type="classic", tol=1e-14,
                       options={"maxiter": 2000, "ftol": 1e-14})
    unit = [1 / scale, 1 / scale**2, 1.0, 1.0, 1.0]
    return {
        "value": [float(v * u) for v, u in zip(result.params, unit)],
        "error": [float(v * u) for v, u in zip(result.std_err, unit)],
        "log_likelihood": float(result.loglikelihood + ROWS * np.log(scale)),
    }


def regime_likelihood(p, y, start):
    """Forward recursion; p as statsmodels orders it: stay in 0, from 1 to 0, means, variances."""
    transition = np.array([[p[0], 1 - p[0]], [p[1], 1 - p[1]]])
    density = stats.norm.pdf(y[:, None], p[2:4], np.sqrt(p[4:6]))
    now, total = np.array(start), 0.0
    for t in range(ROWS):
        joint = (now if t == 0 else now @ transition) * density[t]
        total += np.log(joint.sum())
        now = joint / joint.sum()
    return total


def regimes(x):
    """In units of the deviation, about the mean, as the fit has them. The optimum is that of the recursion above with the
    first bar's regime free, one of the two for certain: statsmodels knows no free one."""
    y = (x - x.mean()) / x.std()
    model = MarkovRegression(y, k_regimes=2, trend="c", switching_variance=True)
    at = [0.97, 0.08, 0.05, -0.1, 0.36, 2.5]
    log_likelihood_at = float(model.loglike(np.array(at)))
    stationary = at[1] / (1 - at[0] + at[1])
    if abs(regime_likelihood(np.array(at), y, [stationary, 1 - stationary]) - log_likelihood_at) > 1e-8:
        raise SystemExit("the recursion is not that of statsmodels")
    smoothed_at = [float(v) for v in model.smooth(at).smoothed_marginal_probabilities[::90, 1]]
    found = model.fit(maxiter=1000, search_reps=0, disp=False).params
    best = None
    for start in ([1.0, 0.0], [0.0, 1.0]):

        def cost(q):
            p = np.concatenate([1 / (1 + np.exp(-q[:2])), q[2:4], np.exp(q[4:])])
            return -regime_likelihood(p, y, start)

        q = np.concatenate([np.log(found[:2] / (1 - found[:2])), found[2:4], np.log(found[4:])])
        options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 20000, "maxfev": 20000}
        for _ in range(3):
            result = optimize.minimize(cost, q, method="Nelder-Mead", options=options)
            q = result.x
        if best is None or result.fun < best.fun:
            best = result
    value = np.concatenate([1 / (1 + np.exp(-best.x[:2])), best.x[2:4], np.exp(best.x[4:])])
    return {
        "at": at,
        "log_likelihood_at": log_likelihood_at,
        "smoothed_at": smoothed_at,
        "value": value.tolist(),
        "log_likelihood": float(-best.fun),
    }


def merton_density(p, x):
    drift, sigma, rate, mean, deviation = p
    k = np.arange(9)
    weight = stats.poisson.pmf(k, rate)
    return (weight * stats.norm.pdf(x[:, None], drift + k * mean, np.sqrt(sigma**2 + k * deviation**2))).sum(axis=1)


def merton(x):
    """drift, sigma, jumps, mean and deviation of a step."""

    def cost(p):
        return -np.log(merton_density([p[0], np.exp(p[1]), np.exp(p[2]), p[3], np.exp(p[4])], x)).sum()

    start = [x.mean(), np.log(0.8 * x.std()), np.log(0.05), 0.0, np.log(2.5 * x.std())]
    simplex = np.array([start] + [[s + (0.3 if i in (1, 2, 4) else 2e-3) * (i == k) for i, s in enumerate(start)] for k in range(5)])
    found = None
    for _ in range(20):
        options = {"initial_simplex": simplex, "xatol": 1e-10, "fatol": 1e-12, "maxiter": 20000, "maxfev": 20000}
        found = optimize.minimize(cost, start, method="Nelder-Mead", options=options)
        simplex = np.array([found.x] + [found.x + 0.05 * np.eye(5)[k] * (1.0 if k in (1, 2, 4) else 0.01) for k in range(5)])
        start = found.x
    p = found.x
    return {"value": [float(p[0]), *np.exp(p[1:3]).tolist(), float(p[3]), float(np.exp(p[4]))], "log_likelihood": float(-found.fun)}


def facts(x):
    y = x - x.mean()
    square = y**2

    def autocorrelation(lag):
        z = square - square.mean()
        return float((z[lag:] * z[:-lag]).sum() / (z**2).sum())

    later = np.array([square[t + 1 : t + 6].mean() for t in range(ROWS - 5)])
    price = np.exp(np.concatenate([[0.0], np.cumsum(x)]))
    size = np.sort(np.abs(y))
    tail = ROWS // 20
    return [
        autocorrelation(1),
        autocorrelation(5),
        autocorrelation(20),
        float(stats.kurtosis(x, fisher=False)),
        float(np.quantile(x, 0.01)),
        float(np.quantile(x, 0.99)),
        float(1.0 / np.log(size[-tail:] / size[-tail - 1]).mean()),
        float(stats.skew(x)),
        float(np.corrcoef(y[: ROWS - 5], later)[0, 1]),
        float((1 - price / np.maximum.accumulate(price)).max()),
        float(x.mean()),
    ]


def blocks(x):
    return float(optimal_block_length(x)["stationary"].iloc[0])


series = {"garch": rounded(garch_returns()), "regimes": rounded(regime_returns()), "jumps": rounded(jump_returns())}
golden = json.dumps(
    {
        "series": {name: x.tolist() for name, x in series.items()},
        "garch": garch(series["garch"]),
        "regimes": regimes(series["regimes"]),
        "merton": merton(series["jumps"]),
        "facts": {name: facts(x) for name, x in series.items()},
        "blocks": {name: [blocks(x), blocks((x - x.mean()) ** 2)] for name, x in series.items()},
    }
)
print(golden)
