"""Writes three fixtures of the features that talib_features.py does not have.

talib_core.csv     TA-Lib's core set on the bars of talib_features.csv, row by row
statistics.csv     moments, spectra, memory, drawdown, regimes, liquidity by numpy, pandas and scipy, same bars
real_features.json TA-Lib's core set on one real file, at a few of its bars; the file is named by its SHA-256

Run with a Python that has numpy, pandas, scipy and TA-Lib:
    python tests/golden/more_features.py [FOLDER WITH USO.csv]
"""
import hashlib
import json
import pathlib
import sys

import numpy
import pandas
import scipy.signal
import scipy.stats
import talib

from talib_features import FLOOR_RATIO, make_bars

HERE = pathlib.Path(__file__).parent
REAL_FILE, REAL_SAMPLES = "USO.csv", 24
UNCHANGED = 2005  # within 14 bars of one whose typical price changed by rounding alone


def adjusted(bars):
    factor = bars.ADJUSTED / bars.CLOSE
    columns = [(bars[name] * factor).where(factor != 1, bars[name]) for name in ("OPEN", "HIGH", "LOW")]
    return [column.to_numpy() for column in columns] + [bars.ADJUSTED.to_numpy(), bars.VOLUME.to_numpy(dtype=float)]


def talib_core(open_, high, low, close, volume):
    out = {}
    for name in ("SMA", "EMA", "WMA", "DEMA", "TEMA", "TRIMA", "KAMA", "TRIX"):
        out[f"{name.lower()}_30"] = getattr(talib, name)(close)
    out["t3_5"] = talib.T3(close)
    out["midpoint_14"], out["midprice_14"] = talib.MIDPOINT(close), talib.MIDPRICE(high, low)
    out["bbands_upper_20"], out["bbands_middle_20"], out["bbands_lower_20"] = talib.BBANDS(close)
    out["sar"] = talib.SAR(high, low)
    for name in ("ADX", "ADXR", "DX", "PLUS_DI", "MINUS_DI", "ATR", "NATR", "CCI", "WILLR"):
        out[f"{name.lower()}_14"] = getattr(talib, name)(high, low, close)
    out["trange"], out["bop"] = talib.TRANGE(high, low, close), talib.BOP(open_, high, low, close)
    out["apo"], out["ppo"] = talib.APO(close), talib.PPO(close)
    out["macd"], out["macd_signal"], out["macd_hist"] = talib.MACD(close)
    out["mom_10"], out["roc_10"] = talib.MOM(close), talib.ROC(close)
    for name in ("CMO", "RSI", "LINEARREG", "LINEARREG_SLOPE", "LINEARREG_ANGLE", "TSF"):
        out[f"{name.lower()}_14"] = getattr(talib, name)(close)
    out["stddev_5"], out["var_5"] = talib.STDDEV(close), talib.VAR(close)
    out["stoch_k"], out["stoch_d"] = talib.STOCH(high, low, close)
    out["stochf_k"], out["stochf_d"] = talib.STOCHF(high, low, close)
    out["stochrsi_k"], out["stochrsi_d"] = talib.STOCHRSI(close)
    out["ultosc"] = talib.ULTOSC(high, low, close)
    out["aroon_down_14"], out["aroon_up_14"] = talib.AROON(high, low)
    out["aroonosc_14"] = talib.AROONOSC(high, low)
    out["mfi_14"] = talib.MFI(high, low, close, volume)
    out["ad"], out["adosc"] = talib.AD(high, low, close, volume), talib.ADOSC(high, low, close, volume)
    out["obv"] = talib.OBV(close, volume)
    for name in ("HT_DCPERIOD", "HT_DCPHASE", "HT_TRENDLINE", "HT_TRENDMODE"):
        out[name.lower()] = getattr(talib, name)(close).astype(float)
    out["ht_trendmode"][:63] = numpy.nan  # the wheel fills whole numbers with 0
    out["ht_phasor_inphase"], out["ht_phasor_quadrature"] = talib.HT_PHASOR(close)
    out["ht_sine"], out["ht_leadsine"] = talib.HT_SINE(close)
    return out


# ---- statistics of the last n log returns ----


def autocorrelation(x, lag):
    x = x - x.mean()
    return (x[lag:] * x[:-lag]).sum() / (x**2).sum()


def band_share(x, first, last):
    power = scipy.signal.periodogram(x)[1]
    return power[first : last + 1].sum() / power[1:].sum()


def spectral_entropy(x):
    power = scipy.signal.periodogram(x)[1][1:]
    return scipy.stats.entropy(power) / numpy.log(len(power))


def haar_share(x, level):
    energies = []
    while len(x) > 1:
        pairs = x.reshape(-1, 2)
        energies.append(((pairs[:, 0] - pairs[:, 1]) ** 2 / 2).sum())
        x = pairs.sum(axis=1) / numpy.sqrt(2)
    return energies[level - 1] / sum(energies)


def hurst(x):
    sizes, ratios = [], []
    for n in (8, 16, 32, 64):
        parts = x.reshape(-1, n)
        walks = numpy.cumsum(parts - parts.mean(axis=1, keepdims=True), axis=1)
        walks = numpy.concatenate([numpy.zeros((len(parts), 1)), walks], axis=1)
        sizes.append(n)
        ratios.append(numpy.mean((walks.max(axis=1) - walks.min(axis=1)) / parts.std(axis=1)))
    return numpy.polyfit(numpy.log(sizes), numpy.log(ratios), 1)[0]


def variance_ratio(x, q):
    n, mean = len(x), x.mean()
    ways = numpy.convolve(x, numpy.ones(q), "valid") - q * mean
    return (ways**2).sum() / (q * (n - q + 1) * (1 - q / n)) / x.var(ddof=1) - 1


def return_statistics(change):
    def rolling(n, function, *arguments):
        return change.rolling(n).apply(lambda x: function(x, *arguments), raw=True)

    out = {f"skewness_{n}": rolling(n, scipy.stats.skew) for n in (60, 120)}
    out |= {f"kurtosis_{n}": rolling(n, scipy.stats.kurtosis) for n in (20, 60, 120)}
    out["downside_share_20"] = rolling(20, lambda x: (x[x < 0] ** 2).sum() / (x**2).sum() - 0.5)
    out |= {f"autocorrelation_60_lag_{lag}": rolling(60, autocorrelation, lag) for lag in (1, 2, 5)}
    out["autocorrelation_abs_60"] = rolling(60, lambda x: autocorrelation(numpy.abs(x), 1))
    for name, first, last in (("low", 1, 4), ("middle", 5, 15), ("high", 16, 32)):
        out[f"spectral_{name}_64"] = rolling(64, band_share, first, last)
    out |= {f"spectral_entropy_{n}": rolling(n, spectral_entropy) for n in (32, 64)}
    out |= {f"haar_energy_{level}": rolling(32, haar_share, level) for level in (1, 2, 3, 4)}
    out["hurst_rs_64"] = rolling(64, hurst)
    out["variance_ratio_60_5"] = rolling(60, variance_ratio, 5)
    return out


# ---- statistics of prices ----


def fraction(close, order):
    weights = [1.0]
    for k in range(1, 64):
        weights.append(-weights[-1] * (order - k + 1) / k)
    return numpy.log(close).rolling(64).apply(lambda x: numpy.dot(weights[::-1], x), raw=True)


def bars_since(close, function):
    return close.rolling(60).apply(lambda x: function(x[::-1]) / 59, raw=True)


def volatility_rank(change):
    """Counted as the feature counts: values within the same 1/16 of an octave are equal."""
    mantissa, exponent = numpy.frexp(numpy.sqrt((change**2).rolling(20).mean()).to_numpy())
    bins = exponent * 16.0 + numpy.floor((2 * mantissa - 1) * 16)
    out = numpy.full(len(bins), numpy.nan)
    for t in range(80, len(bins)):
        known = bins[20 : t + 1]
        out[t] = (known < bins[t]).mean()
    return out


def price_statistics(open_, high, low, close, change):
    gap, body = numpy.log(open_ / close.shift(1)), numpy.log(close / open_)
    up, down = numpy.log(high / open_), numpy.log(low / open_)
    inside = up * (up - body) + down * (down - body)
    k = 0.34 / (1.34 + 21 / 19)
    total = gap.rolling(20).var() + k * body.rolling(20).var() + (1 - k) * inside.rolling(20).mean()
    out = {"rogers_satchell_20": numpy.sqrt(inside.rolling(20).mean()), "yang_zhang_20": numpy.sqrt(total)}
    out |= {f"fracdiff_0{round(10 * order)}": fraction(close, order) for order in (0.2, 0.4, 0.6)}
    for n in (10, 30):
        out[f"efficiency_ratio_{n}"] = (close - close.shift(n)).abs() / close.diff().abs().rolling(n).sum()
    out["drawdown_peak"] = close / close.cummax() - 1
    last_peak = pandas.Series(numpy.where(close == close.cummax(), close.index, 0)).cummax()
    out["bars_since_peak"] = numpy.log1p(close.index - last_peak)
    out["bars_since_high_60"], out["bars_since_low_60"] = bars_since(close, numpy.argmax), bars_since(close, numpy.argmin)
    out["runup_60"] = close / close.rolling(60).min() - 1
    rank = volatility_rank(change)
    out["volatility_rank_20"] = rank
    out["volatility_regime_20"] = numpy.where(numpy.isnan(rank), numpy.nan, (rank >= 1 / 3) * 1.0 + (rank >= 2 / 3))
    return out


def volume_statistics(close, volume, change):
    level = volume.ewm(span=50, adjust=True).mean()
    log_volume = numpy.log(numpy.maximum(volume, FLOOR_RATIO * level))
    slope = log_volume.rolling(20).apply(lambda y: scipy.stats.linregress(numpy.arange(20), y).slope, raw=True)
    illiquidity = ((close / close.shift(1) - 1).abs() / (close * volume)).where(volume > 0)
    mean = {n: illiquidity.rolling(n, min_periods=1).mean().where(close.index >= n) for n in (10, 20, 60)}
    return {
        "volume_trend_20": slope,
        "volume_return_20": log_volume.rolling(20).corr(change),
        "amihud_20": 1e6 * mean[20],
        "amihud_change_10_60": numpy.log(mean[10] / mean[60]),
    }


def calendar(ts):
    day = pandas.to_datetime(ts - 1, unit="s", utc=True)
    date = day.dt.tz_localize(None).dt.normalize().to_numpy().astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    first, following = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
    so_far = numpy.busday_count(first, date + 1)
    ahead = numpy.busday_count(date + 1, following)
    angle = 2 * numpy.pi * (day.dt.month - 1) / 12
    return {
        "month_sin": numpy.sin(angle),
        "month_cos": numpy.cos(angle),
        "day_of_month": (day.dt.day - 1) / (day.dt.days_in_month - 1),
        "turn_of_month": ((so_far <= 3) | (ahead < 1)) * 1.0,
    }


def write_real(folder):
    path = pathlib.Path(folder) / REAL_FILE
    table = pandas.read_csv(path)
    table.columns = ["DATE", "OPEN", "HIGH", "LOW", "CLOSE", "ADJUSTED", "VOLUME"]
    features = talib_core(*adjusted(table))
    rows = numpy.union1d(numpy.linspace(100, len(table) - 1, REAL_SAMPLES).astype(int), UNCHANGED)
    out = {"file": REAL_FILE, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bars": len(table), "rows": rows.tolist()}
    out["features"] = {
        name: {"lookback": int(numpy.argmax(~numpy.isnan(values))), "largest": float(numpy.nanmax(numpy.abs(values))), "values": values[rows].tolist()}
        for name, values in features.items()
    }
    (HERE / "real_features.json").write_text(json.dumps(out, indent=0) + "\n")


def main():
    bars = make_bars()
    core = talib_core(*adjusted(bars))
    for known in ("rsi_14", "adx_14", "stoch_k", "stoch_d"):
        del core[known]
    open_, high, low, close, volume = map(pandas.Series, adjusted(bars))
    change = numpy.log(close / close.shift(1))
    statistics = return_statistics(change) | price_statistics(open_, high, low, close, change)
    statistics |= volume_statistics(close, volume, change) | calendar(bars.TS)
    for name, columns in (("talib_core", core), ("statistics", statistics)):
        pandas.DataFrame(columns).to_csv(HERE / f"{name}.csv", index=False, float_format="%.17g")
    if len(sys.argv) > 1:
        write_real(sys.argv[1])


if __name__ == "__main__":
    main()
