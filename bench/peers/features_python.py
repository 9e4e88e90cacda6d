"""Times TA-Lib's C through its Python wheel, and pandas, on bars that bench_features wrote.

Arguments: FILE ASSETS BARS ROUNDS. The file holds open, high, low, close, volume of each asset as float64. Prints one
line per computation: library, seconds for all assets (the least of the rounds), the features it gives, by comma.
"""
import sys
import time

import numpy
import pandas


def talib_calls():
    import talib

    def of(name, *columns):
        function = getattr(talib, name)
        return lambda bars: function(*(bars[column] for column in columns))

    prices = ("high", "low", "close")
    calls = {f"{name.lower()}_30": of(name, "close") for name in ("SMA", "EMA", "WMA", "DEMA", "TEMA", "TRIMA", "KAMA", "TRIX")}
    calls |= {f"{name.lower()}_14": of(name, *prices) for name in ("ADX", "ADXR", "DX", "PLUS_DI", "MINUS_DI", "ATR", "NATR", "CCI", "WILLR")}
    calls |= {f"{name.lower()}_14": of(name, "close") for name in ("RSI", "CMO", "MIDPOINT", "LINEARREG", "LINEARREG_SLOPE", "LINEARREG_ANGLE", "TSF")}
    calls |= {
        "t3_5": of("T3", "close"),
        "midprice_14": of("MIDPRICE", "high", "low"),
        "bbands_upper_20,bbands_middle_20,bbands_lower_20": of("BBANDS", "close"),
        "sar": of("SAR", "high", "low"),
        "trange": of("TRANGE", *prices),
        "bop": of("BOP", "open", *prices),
        "apo": of("APO", "close"),
        "ppo": of("PPO", "close"),
        "macd,macd_signal,macd_hist": of("MACD", "close"),
        "mom_10": of("MOM", "close"),
        "roc_10": of("ROC", "close"),
        "stddev_5": of("STDDEV", "close"),
        "var_5": of("VAR", "close"),
        "stoch_k,stoch_d": of("STOCH", *prices),
        "stochf_k,stochf_d": of("STOCHF", *prices),
        "stochrsi_k,stochrsi_d": of("STOCHRSI", "close"),
        "ultosc": of("ULTOSC", *prices),
        "aroon_down_14,aroon_up_14": of("AROON", "high", "low"),
        "aroonosc_14": of("AROONOSC", "high", "low"),
        "mfi_14": of("MFI", *prices, "volume"),
        "ad": of("AD", *prices, "volume"),
        "adosc": of("ADOSC", *prices, "volume"),
        "obv": of("OBV", "close", "volume"),
    }
    return calls


def true_range(b):
    last = b.close.shift(1)
    return pandas.concat([b.high - b.low, (b.high - last).abs(), (b.low - last).abs()], axis=1).max(axis=1)


def rsi(b):
    change = b.close.diff()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    return 100 * gain / (gain + loss)


def macd(b):
    line = b.close.ewm(span=12, adjust=False).mean() - b.close.ewm(span=26, adjust=False).mean()
    signal = line.ewm(span=9, adjust=False).mean()
    return line, signal, line - signal


def bands(b):
    rolling = b.close.rolling(20)
    middle, deviation = rolling.mean(), rolling.std(ddof=0)
    return middle + 2 * deviation, middle, middle - 2 * deviation


def stochf(b):
    lowest = b.low.rolling(5).min()
    k = 100 * (b.close - lowest) / (b.high.rolling(5).max() - lowest)
    return k, k.rolling(3).mean()


def mfi(b):
    typical = (b.high + b.low + b.close) / 3
    flow, change = typical * b.volume, typical.diff()
    up, down = flow.where(change > 0, 0).rolling(14).sum(), flow.where(change < 0, 0).rolling(14).sum()
    return 100 * up / (up + down)


def autocorrelation(x):
    x = x - x.mean()
    return (x[1:] * x[:-1]).sum() / (x**2).sum()


def entropy(x):
    power = numpy.abs(numpy.fft.rfft(x))[1:] ** 2
    share = power / power.sum()
    return -(share * numpy.log(share)).sum()


def log_return(b):
    return numpy.log(b.close / b.close.shift(1))


PANDAS = {
    "sma_30": lambda b: b.close.rolling(30).mean(),
    "ema_30": lambda b: b.close.ewm(span=30, adjust=False).mean(),
    "bbands_upper_20,bbands_middle_20,bbands_lower_20": bands,
    "stddev_5": lambda b: b.close.rolling(5).std(ddof=0),
    "macd,macd_signal,macd_hist": macd,
    "mom_10": lambda b: b.close.diff(10),
    "roc_10": lambda b: 100 * b.close.pct_change(10),
    "rsi_14": rsi,
    "atr_14": lambda b: true_range(b).ewm(alpha=1 / 14, adjust=False).mean(),
    "stochf_k,stochf_d": stochf,
    "mfi_14": mfi,
    "obv": lambda b: (numpy.sign(b.close.diff()) * b.volume).cumsum(),
    "log_return_5": lambda b: numpy.log(b.close / b.close.shift(5)),
    "realized_volatility_20": lambda b: (log_return(b) ** 2).rolling(20).mean() ** 0.5,
    "parkinson_20": lambda b: ((numpy.log(b.high / b.low) ** 2).rolling(20).mean() / (4 * numpy.log(2))) ** 0.5,
    "skewness_60": lambda b: log_return(b).rolling(60).skew(),
    "kurtosis_60": lambda b: log_return(b).rolling(60).kurt(),
    "drawdown_60": lambda b: b.close / b.close.rolling(60).max() - 1,
    "drawdown_peak": lambda b: b.close / b.close.cummax() - 1,
    "efficiency_ratio_10": lambda b: b.close.diff(10).abs() / b.close.diff().abs().rolling(10).sum(),
    "volume_ratio_20": lambda b: b.volume / b.volume.rolling(20).mean(),
}
# What pandas has no window function for.
PANDAS_APPLY = {
    "aroon_up_14": lambda b: b.high.rolling(15).apply(numpy.argmax, raw=True),
    "autocorrelation_20": lambda b: log_return(b).rolling(20).apply(autocorrelation, raw=True),
    "spectral_entropy_64": lambda b: log_return(b).rolling(64).apply(entropy, raw=True),
}


def report(library, calls, assets, rounds):
    for features, call in calls.items():
        best = numpy.inf
        for _ in range(rounds):
            started = time.perf_counter()
            for bars in assets:
                call(bars)
            best = min(best, time.perf_counter() - started)
        print(library, best, features)


def main():
    path, assets, bars, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    names = ("open", "high", "low", "close", "volume")
    values = numpy.fromfile(path).reshape(assets, len(names), bars)
    plain = [dict(zip(names, asset)) for asset in values]
    try:
        report("TA-Lib", talib_calls(), plain, rounds)
    except ImportError:
        print("TA-Lib is not installed here", file=sys.stderr)
    frames = [pandas.DataFrame(asset) for asset in plain]
    report("pandas", PANDAS, frames, rounds)
    report("pandas.apply", PANDAS_APPLY, frames, 1)


if __name__ == "__main__":
    main()
