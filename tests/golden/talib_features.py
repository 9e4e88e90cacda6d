"""Writes talib_features.csv: seeded bars and what TA-Lib, pandas, scipy and numpy say the features of those bars are.

Run with a Python that has numpy, pandas, scipy and TA-Lib:  python tests/golden/talib_features.py
Columns in capitals are the bars; an empty cell is a value before the lookback. Prices are adjusted by ADJUSTED / CLOSE.
"""
import pathlib

import numpy
import pandas
import scipy.stats
import talib

COUNT = 190
FLOOR_RATIO = 1e-3


def make_bars():
    """Clustered volatility, a dividend that moves the adjustment factor, days without trades, a few bars without a range."""
    random = numpy.random.default_rng(20261123)
    scale = 0.01 * numpy.exp(0.5 * numpy.sin(numpy.arange(COUNT) / 15.0))
    close = 80 * numpy.exp(numpy.cumsum(random.standard_t(4, COUNT) * scale))
    open_ = numpy.concatenate([[80.0], close[:-1]]) * numpy.exp(random.normal(0, 0.003, COUNT))
    high = numpy.maximum(open_, close) * numpy.exp(numpy.abs(random.normal(0, 0.004, COUNT)))
    low = numpy.minimum(open_, close) * numpy.exp(-numpy.abs(random.normal(0, 0.004, COUNT)))
    for i in (70, 71, 130):
        open_[i] = high[i] = low[i] = close[i]
    volume = numpy.floor(numpy.exp(random.normal(11, 0.6, COUNT)))
    volume[[40, 41, 100, 160]] = 0
    factor = numpy.where(numpy.arange(COUNT) < 120, 0.97, 1.0)
    ts = 1262649600 + 86400 * numpy.arange(COUNT) + 3600 * (numpy.arange(COUNT) % 5)
    bars = {"TS": ts, "OPEN": open_, "HIGH": high, "LOW": low, "CLOSE": close, "ADJUSTED": close * factor, "VOLUME": volume}
    return pandas.DataFrame(bars)


def price_features(bars):
    factor = bars.ADJUSTED / bars.CLOSE
    open_, high, low, close = (bars[name] * factor for name in ("OPEN", "HIGH", "LOW", "CLOSE"))
    change = numpy.log(close / close.shift(1))
    volatility = numpy.sqrt((change**2).ewm(span=32, adjust=True).mean())
    atr = talib.ATR(high, low, close, 14)
    upper, middle, _ = talib.BBANDS(close, 20, 2, 2)
    slow_k, slow_d = talib.STOCH(high, low, close, 5, 3, 0, 3, 0)
    span, body = numpy.log(high / low), numpy.log(close / open_)
    out = {f"log_return_{n}": numpy.log(close / close.shift(n)) for n in (1, 5, 20)}
    out["gap"] = numpy.log(open_ / close.shift(1))
    out["momentum_20"] = (out["log_return_20"] / (volatility * 20**0.5)).where(bars.index >= 32)
    out["ewma_volatility_32"] = volatility.where(bars.index >= 32)
    out["realized_volatility_20"] = numpy.sqrt((change**2).rolling(20).mean())
    out["parkinson_20"] = numpy.sqrt((span**2).rolling(20).mean() / (4 * numpy.log(2)))
    out["garman_klass_20"] = numpy.sqrt((span**2 / 2 - (2 * numpy.log(2) - 1) * body**2).rolling(20).mean())
    out["rsi_14"] = talib.RSI(close, 14)
    out["stoch_k"], out["stoch_d"] = slow_k, slow_d
    out["adx_14"] = talib.ADX(high, low, close, 14)
    out["atr_14_ratio"] = talib.NATR(high, low, close, 14) / 100
    out["macd_atr"] = talib.MACD(close, 12, 26, 9)[2] / atr
    for name, average, n in (("sma", talib.SMA, 10), ("sma", talib.SMA, 50), ("ema", talib.EMA, 10), ("ema", talib.EMA, 50)):
        distance = (close / average(close, n) - 1) / (volatility * n**0.5)
        out[f"close_{name}_{n}"] = distance.where(bars.index >= max(n - 1, 32))
    out["bollinger_20"] = (close - middle) / (upper - middle)
    out["close_location"] = ((2 * close - high - low) / (high - low)).where(high > low, 0.0)
    out["drawdown_60"] = close / close.rolling(60).max() - 1
    out["skewness_20"] = change.rolling(20).apply(lambda r: scipy.stats.skew(r, bias=True), raw=True)
    out["autocorrelation_20"] = change.rolling(20).apply(autocorrelation, raw=True)
    return out


def autocorrelation(returns):
    centred = returns - returns.mean()
    return (centred[1:] * centred[:-1]).sum() / (centred**2).sum()


def volume_features(bars):
    level = bars.VOLUME.ewm(span=50, adjust=True).mean()
    log_volume = numpy.log(numpy.maximum(bars.VOLUME, FLOOR_RATIO * level))
    rolling = log_volume.rolling(20)
    out = {"log_volume_z_20": (log_volume - rolling.mean()) / rolling.std(ddof=0)}
    for n in (10, 50):
        out[f"log_volume_{n}"] = (log_volume - log_volume.ewm(span=n, adjust=True).mean()).where(bars.index >= n)
    out["volume_ratio_20"] = bars.VOLUME / talib.SMA(bars.VOLUME, 20)
    return out


def calendar_features(bars):
    closed = pandas.to_datetime(bars.TS - 1, unit="s", utc=True)
    week = 2 * numpy.pi * closed.dt.day_of_week / 7
    day = 2 * numpy.pi * (bars.TS % 86400) / 86400
    return {
        "day_of_week_sin": numpy.sin(week),
        "day_of_week_cos": numpy.cos(week),
        "time_of_day_sin": numpy.sin(day),
        "time_of_day_cos": numpy.cos(day),
    }


def main():
    bars = make_bars()
    columns = {**price_features(bars), **volume_features(bars), **calendar_features(bars)}
    table = pandas.concat([bars, pandas.DataFrame(columns)], axis=1)
    table.to_csv(pathlib.Path(__file__).with_name("talib_features.csv"), index=False, float_format="%.17g")


if __name__ == "__main__":
    main()
