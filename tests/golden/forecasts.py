"""Golden ridge coefficients (NumPy's least squares on augmented rows) and forecast scores (NumPy, scipy).

    python3 tests/golden/forecasts.py > tests/golden/forecasts.json
"""
import json

import numpy as np
from scipy import stats

rng = np.random.default_rng(3)
n, f, clip, lam = 97, 4, 1.5, 7.0
x = (rng.normal(size=(n, f)) * [1, 10, 0.1, 1] + [0, 5, -2, 0]).astype(np.float32).astype(float)
x[:, 3] = 2.5  # constant
w = rng.choice([0.0, 1.0, 0.5], size=n)
y = 0.3 + 0.5 * x[:, 0] - 0.02 * x[:, 1] + rng.normal(size=n)

mean = np.average(x, axis=0, weights=w)
sd = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w))
z = np.clip(np.divide(x - mean, sd, out=np.zeros_like(x), where=sd > 0), -clip, clip)
# sum w (y - a - zb)^2 + lam b'b is a least-squares problem with sqrt(w) on the rows and sqrt(lam) on f more rows.
rows = np.vstack([np.sqrt(w)[:, None] * np.column_stack([np.ones(n), z]), np.sqrt(lam) * np.column_stack([np.zeros(f), np.eye(f)])])
beta = np.linalg.lstsq(rows, np.concatenate([np.sqrt(w) * y, np.zeros(f)]), rcond=None)[0]
prediction = np.column_stack([np.ones(n), z]) @ beta

q = np.array([0.1, 0.5, 0.9])
v = np.sort(rng.normal(size=(n, 3)) * 0.5 + 0.2 * y[:, None], axis=1).astype(np.float32).astype(float)
u = np.quantile(y[:50], q)


def pinball(forecast):
    e = y[:, None] - forecast
    return float(np.maximum(q * e, (q - 1) * e).mean())


center = v @ np.array([0.3, 0.4, 0.3])  # trapezoidal weights of the quantiles, tails held
print(json.dumps(dict(
    clip=clip, ridge_lambda=lam, x=x.ravel().tolist(), y=y.tolist(), w=w.tolist(), features=f, beta=beta.tolist(), prediction=prediction.tolist(),
    quantile=q.tolist(), value=v.ravel().tolist(), unconditional=u.tolist(), pinball=pinball(v), pinball_unconditional=pinball(u),
    pinball_zero=pinball(np.zeros(3)), ic=float(stats.pearsonr(center, y)[0]), rank_ic=float(stats.spearmanr(center, y)[0]),
    hit_rate=float(((center > 0) == (y > 0)).mean()), below=(y[:, None] <= v).mean(axis=0).tolist())))
