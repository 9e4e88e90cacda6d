"""Writes inputs.csv: seeded bars, a benchmark, a universe, alternative series, and by numpy, pandas and scipy what the features
that use them are, as well as each asset's own value under the cross-sectional ones.

Run with a Python that has numpy, pandas and scipy:  python tests/golden/input_features.py
Columns in capitals are the bars and the inputs; an empty cell is a value that is missing. Prices are adjusted by ADJUSTED / CLOSE.
"""
import pathlib

import numpy
import pandas
import scipy.stats

HERE = pathlib.Path(__file__).parent
COUNT, FLOOR_RATIO = 300, 1e-3
WINDOWS = (5, 20, 60, 120)


def make_bars(random):
    """A market factor with beta 0.8, a dividend, days without trades, a few without volume."""
    factor = random.normal(0, 0.01, COUNT) * numpy.exp(0.4 * numpy.sin(numpy.arange(COUNT) / 20.0))
    close = 40 * numpy.exp(numpy.cumsum(0.8 * factor + 0.3 * numpy.roll(factor, 1) + random.standard_t(4, COUNT) * 0.006))
    open_ = numpy.concatenate([[40.0], close[:-1]])
    high, low = numpy.maximum(open_, close) * 1.003, numpy.minimum(open_, close) * 0.996
    volume = numpy.floor(numpy.exp(random.normal(10, 0.5, COUNT) + 0.004 * numpy.arange(COUNT)))
    volume[[50, 51, 52, 200]] = 0
    volume[100:103] = numpy.nan
    adjusted = close * numpy.where(numpy.arange(COUNT) < 170, 0.98, 1.0)
    ts = 1262649600 + 86400 * numpy.arange(COUNT)
    bars = pandas.DataFrame({"TS": ts, "OPEN": open_, "HIGH": high, "LOW": low, "CLOSE": close, "ADJUSTED": adjusted, "VOLUME": volume})
    benchmark = 1000 * numpy.exp(numpy.cumsum(factor + random.normal(0, 0.002, COUNT)))
    benchmark[88] = benchmark[87]  # a day on which the benchmark rests
    benchmark[:9] = numpy.nan  # it begins later
    bars["BENCHMARK"] = benchmark
    bars["UNIVERSE"] = numpy.concatenate([[numpy.nan], (factor + random.normal(0, 0.003, COUNT))[1:]])
    return bars


def add_series(bars, random):
    """Values that begin late, hold for some bars, go stale once; their ages."""
    for name, first, hold, gap, scale in (
        ("FUNDING_RATE", 3, 1, (140, 155), 1e-4),
        ("SENTIMENT", 20, 3, (90, 97), 0.5),
        ("MACRO_SURPRISE", 40, 21, (230, 240), 1.3),
        ("ACTIVE_ADDRESSES", 0, 1, (60, 61), 2e5),
        ("REGIME", 15, 30, (0, 0), 1.0),
    ):
        bar = numpy.arange(COUNT)
        drawn = random.normal(0.2, 1, COUNT) * scale
        values = drawn[(bar - first) // hold * hold] if name != "REGIME" else ((bar - first) // hold % 3 - 1.0)
        unknown = (bar < first) | ((bar >= gap[0]) & (bar < gap[1]))
        bars[name] = numpy.where(unknown, numpy.nan, values)
        bars[name + "_AGE"] = numpy.where(unknown, 0, (bar - first) % hold * 86400 + 3600)


def cross(bars, close, change):
    out = {}
    volatility = numpy.sqrt((change**2).ewm(span=32, adjust=True).mean())
    for n in WINDOWS:
        out[f"return_{n}"] = numpy.log(close / close.shift(n))
        out[f"volatility_{n}"] = numpy.sqrt((change**2).rolling(n).mean())
        mean = bars.VOLUME.rolling(n, min_periods=1).mean()
        before = mean.shift(n)
        ratio = numpy.log(numpy.maximum(mean, FLOOR_RATIO * before) / numpy.maximum(before, FLOOR_RATIO * mean))
        out[f"volume_change_{n}"] = ratio.fillna(0).where(bars.index >= 2 * n - 1)
        out[f"reversal_{n}"] = (-numpy.log(close / close.shift(n)) / (volatility * n**0.5)).where(bars.index >= max(n, 32))
    return {f"cross_{kind}_{name}": values for kind in ("rank", "z") for name, values in out.items()}


def residual_momentum(pairs):
    fit = scipy.stats.linregress(pairs[:, 1], pairs[:, 0])
    residual = pairs[:, 0] - fit.intercept - fit.slope * pairs[:, 1]
    return residual[-20:].sum() / (residual.std() * 20**0.5)


def residual_volatility(pairs):
    fit = scipy.stats.linregress(pairs[:, 1], pairs[:, 0])
    return (pairs[:, 0] - fit.intercept - fit.slope * pairs[:, 1]).std()


def rolling_pairs(own, market, n, function):
    pairs = numpy.column_stack([own, market])
    out = numpy.full(len(pairs), numpy.nan)
    for t in range(n - 1, len(pairs)):
        window = pairs[t - n + 1 : t + 1]
        if not numpy.isnan(window).any():
            out[t] = function(window)
    return out


def against_benchmark(bars, close, change):
    benchmark = bars.BENCHMARK
    market = numpy.log(benchmark / benchmark.shift(1))
    out = {f"beta_{n}": rolling_pairs(change, market, n, lambda p: numpy.cov(p.T)[0, 1] / p[:, 1].var(ddof=1)) for n in (60, 120)}
    out |= {f"benchmark_correlation_{n}": change.rolling(n).corr(market).where(market.rolling(n).count() == n) for n in (20, 60)}
    out["residual_volatility_60"] = rolling_pairs(change, market, 60, residual_volatility)
    out["residual_momentum_20"] = rolling_pairs(change, market, 120, residual_momentum)
    for n in (20, 60):
        out[f"relative_strength_{n}"] = numpy.log(close / close.shift(n)) - numpy.log(benchmark / benchmark.shift(n))
    out["benchmark_return_lag_1"] = market.shift(1)
    return out | lead("benchmark", change, market)


def lead(name, change, market):
    out = {}
    for n in (20, 60):
        for lag in (1, 5):
            pearson = lambda pairs: scipy.stats.pearsonr(pairs[:, 0], pairs[:, 1])[0]
            out[f"{name}_lead_{n}_lag_{lag}"] = rolling_pairs(change, market.shift(lag), n, pearson)
    return out


def against_universe(bars, change):
    excess = change - bars.UNIVERSE
    out = {f"universe_excess_{n}": excess.rolling(n).sum() for n in (1, 5, 20)}
    out |= {f"universe_dispersion_{n}": excess.rolling(n).std(ddof=0) for n in (20, 60)}
    out["universe_beta_60"] = rolling_pairs(change, bars.UNIVERSE, 60, lambda p: numpy.cov(p.T)[0, 1] / p[:, 1].var(ddof=1))
    out["universe_correlation_60"] = rolling_pairs(change, bars.UNIVERSE, 60, lambda p: scipy.stats.pearsonr(p[:, 0], p[:, 1])[0])
    return out | lead("universe", change, bars.UNIVERSE)


def alternative(bars):
    def score(name):
        known = bars[name].dropna()
        return (known - known.rolling(30).mean()) / known.rolling(30).std(ddof=0)

    funding = bars.FUNDING_RATE.dropna()
    raw = {"funding_rate": funding, "funding_rate_change_5": funding.diff(5), "funding_rate_z_30": score("FUNDING_RATE")}
    raw["sentiment"], raw["macro_surprise"], raw["regime_label"] = bars.SENTIMENT, bars.MACRO_SURPRISE, bars.REGIME
    for name in ("sentiment", "macro_surprise"):
        raw[name + "_age"] = numpy.log1p(bars[name.upper() + "_AGE"] / 86400).where(bars[name.upper()].notna())
    raw["active_addresses_z_30"] = score("ACTIVE_ADDRESSES")
    out = {}
    for name, values in raw.items():
        values = values.reindex(bars.index)
        out[name], out[name + "_known"] = values.fillna(0), values.notna() * 1.0
    return out


def main():
    random = numpy.random.default_rng(20261124)
    bars = make_bars(random)
    add_series(bars, random)
    close = bars.ADJUSTED
    change = numpy.log(close / close.shift(1))
    features = cross(bars, close, change) | against_benchmark(bars, close, change) | against_universe(bars, change) | alternative(bars)
    table = pandas.concat([bars, pandas.DataFrame(features)], axis=1)
    table.to_csv(HERE / "inputs.csv", index=False, float_format="%.17g")


if __name__ == "__main__":
    main()
