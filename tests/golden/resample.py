"""Writes resample.csv: short bars of real files and what pandas makes of them at longer lengths.

Run with a Python that has pandas, beside the shared data:  python tests/golden/resample.py SHARED_DATA_FOLDER
Rows: case, close time (UTC seconds), open, high, low, close, adjusted, volume (empty: missing). The cases `coin` and
`stock` are the sources; `coin_3600`, `stock_week`, ... what comes out. pandas labels buckets by the last calendar day of
the rule (W-FRI, business month end); a bar closes at that day's end. A volume with a missing part is missing
(min_count is the number of bars). The last bucket is left out unless its end was reached.
"""
import pathlib
import sys

import pandas

COIN_BARS, STOCK_BARS = 700, 150
HOW = {"open": "first", "high": "max", "low": "min", "close": "last", "adjusted": "last"}


def read_coin(folder):
    names = ["t", "open", "high", "low", "close", "volume", "end"]
    frame = pandas.read_csv(folder / "real/crypto_5m/ADABTC.csv", header=None, names=names, usecols=range(7))
    frame["ts"] = (frame.end + 1) // 1000
    gaps = frame.index[frame.ts.diff() > 300]
    frame = frame.iloc[max(0, gaps[0] - 150):][:COIN_BARS].copy()
    frame["adjusted"] = frame.close
    frame.iloc[[200, 401], frame.columns.get_loc("volume")] = float("nan")
    return frame.set_index("ts")


def read_stock(folder):
    frame = pandas.read_csv(folder / "real/equities/IBM.csv").iloc[700:700 + STOCK_BARS]
    frame.columns = ["date", "open", "high", "low", "close", "adjusted", "volume"]
    frame["ts"] = (pandas.to_datetime(frame.date) - pandas.Timestamp(0)) // pandas.Timedelta(seconds=1) + 86400
    return frame.set_index("ts")


def bucket(frame, end_of):
    keys = pandas.Series([end_of(pandas.Timestamp(ts - 1, unit="s")) for ts in frame.index], index=frame.index)
    groups = frame.groupby(keys.values)
    out = groups.agg(HOW)
    out["volume"] = groups.volume.apply(lambda v: v.sum(min_count=len(v)) if v.notna().all() else float("nan"))
    return out[out.index <= frame.index[-1]]


def resample(frame, rule):
    """The same through DataFrame.resample, where a rule exists: both must agree."""
    indexed = frame.set_axis(pandas.to_datetime(frame.index - 1, unit="s"))
    out = indexed.resample(rule).agg(HOW).dropna()
    return out


def seconds(moment):
    return int(moment.timestamp())


def main():
    folder = pathlib.Path(sys.argv[1])
    coin, stock = read_coin(folder), read_stock(folder)
    day = pandas.Timedelta(days=1)
    cases = {"coin": coin, "stock": stock}
    for length in (3600, 14400, 86400):
        cases[f"coin_{length}"] = bucket(coin, lambda t, n=length: seconds(t.floor(f"{n}s")) + n)
        check = resample(coin, f"{length}s")[:len(cases[f"coin_{length}"])]
        assert (check[list(HOW)].values == cases[f"coin_{length}"][list(HOW)].values).all()
    cases["stock_604800"] = bucket(stock, lambda t: seconds((t.normalize() + pandas.offsets.Week(0, weekday=4)) + day))
    cases["stock_2592000"] = bucket(stock, lambda t: seconds((t.normalize() + pandas.offsets.BMonthEnd(0)) + day))
    for name, rule in (("stock_604800", "W-FRI"), ("stock_2592000", "BME")):
        check = resample(stock, rule)[:len(cases[name])]
        assert (check[list(HOW)].values == cases[name][list(HOW)].values).all()
        assert [seconds(t + day) for t in check.index] == list(cases[name].index)
    with open(pathlib.Path(__file__).with_suffix(".csv"), "w") as out:
        out.write("case,ts,open,high,low,close,adjusted,volume\n")
        for name, frame in cases.items():
            for ts, row in frame.iterrows():
                volume = "" if row.volume != row.volume else repr(float(row.volume))
                values = ",".join(repr(float(row[c])) for c in HOW)
                out.write(f"{name},{ts},{values},{volume}\n")


main()
