"""Golden equity curves for kernels/physics, by another way of accounting: cash and units held, NumPy over all assets at once.

    python3 tests/golden/physics.py > tests/golden/physics.json
"""
import json

import numpy as np


def account_by_units(price, weight, latency, cost_ratio, band):
    times, assets = price.shape
    cash, units, last = 1.0, np.zeros(assets), np.zeros(assets)
    own = [np.flatnonzero(~np.isnan(price[:, i])) for i in range(assets)]
    due = np.full(price.shape, np.nan)  # a weight decided at an asset's bar j is due at its bar j + latency
    for i, at in enumerate(own):
        if latency < len(at):
            due[at[latency:], i] = weight[at[: len(at) - latency], i]
    equity, paid = [], 0.0
    for t in range(times):
        last = np.where(np.isnan(price[t]), last, price[t])
        wealth = cash + units @ last
        if wealth <= 0 or (equity and equity[-1] == 0):
            cash, units = 0.0, units * 0
            equity.append(0.0)
            continue
        change = np.where(np.isnan(due[t]), 0.0, due[t] * wealth - units * last)
        change[np.abs(change) <= band * wealth] = 0.0
        units = units + np.divide(change, last, out=np.zeros(assets), where=last > 0)
        cost = cost_ratio * np.abs(change).sum()
        paid += cost
        cash -= change.sum() + cost
        equity.append(cash + units @ last)
    return equity, paid


def nullable(table):
    return [[None if np.isnan(x) else float(x) for x in row] for row in table]


rng = np.random.default_rng(20261123)
times, assets = 61, 3
price = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (times, assets)), axis=0))
price[rng.random(price.shape) < 0.1] = np.nan
price[:7, 2] = np.nan
weight = rng.normal(0, 0.6, (times, assets))
weight[rng.random(weight.shape) < 0.15] = np.nan
cases = []
for latency, spread, slippage, fee, band in [(0, 0, 0, 0, 0), (1, 2e-4, 1e-4, 1e-4, 0), (3, 1e-3, 0, 5e-4, 0.1), (70, 1e-3, 1e-3, 1e-3, 0)]:
    equity, paid = account_by_units(price, weight, latency, spread / 2 + slippage + fee, band)
    cases.append(dict(latency=latency, half_spread=spread / 2, slippage=slippage, fee=fee, band=band, equity=equity, paid=paid))
print(json.dumps(dict(price=nullable(price), weight=nullable(weight), cases=cases)))
