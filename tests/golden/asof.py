"""Samples of alternative series in configs/samples, and what pandas.merge_asof makes of two of them.

The samples are drawn, not recorded: synthetic figures in the shape of the real sources. Run with the Python that has
numpy and pandas:  python tests/golden/asof.py
"""
import json
import pathlib

import numpy
import pandas

here = pathlib.Path(__file__).parent
samples = here.parent.parent / "configs" / "samples"
samples.mkdir(exist_ok=True)
draw = numpy.random.default_rng(20261123)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def funding():
    """Eight-hourly rates in the columns of Binance's monthly files: milliseconds, a little after the full hour."""
    times = pandas.date_range("2023-01-01", periods=3 * 60, freq="8h", tz="UTC")
    rate, rows = 1e-4, []
    for t in times:
        rate = 1e-4 + 0.85 * (rate - 1e-4) + draw.normal(0, 4e-5)
        late_ms = int(draw.integers(0, 2)) * int(draw.integers(1, 30))
        rows.append((int(t.timestamp()) * 1000 + late_ms, 8, f"{rate:.8f}"))
    text = "calc_time,funding_interval_hours,last_funding_rate\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    (samples / "funding_BTCUSDT.csv").write_text(text)
    known = [(ms + 999) // 1000 for ms, _, _ in rows]
    return pandas.DataFrame({"published": known, "value": [float(c) for _, _, c in rows]})


def sentiment():
    """A daily index from 0 to 100 as JSON lines, published at 00:15 of the next day; a week of it is missing."""
    days = pandas.date_range("2023-01-01", periods=60, freq="D", tz="UTC")
    level, rows = 50.0, []
    for t in days:
        level = min(95.0, max(5.0, level + draw.normal(0, 6)))
        if 30 <= t.day_of_year < 37:
            continue
        published = t + pandas.Timedelta(days=1, minutes=15)
        rows.append((t.strftime("%Y-%m-%d"), published, round(level, 1)))
    lines = [json.dumps({"date": d, "published": stamp(p), "score": v}) for d, p, v in rows]
    (samples / "sentiment.jsonl").write_text("\n".join(lines) + "\n")
    return pandas.DataFrame({"published": [int(p.timestamp()) for _, p, _ in rows], "value": [v for _, _, v in rows]})


def onchain():
    """Active addresses a day. A first figure comes six hours after the day, a corrected one five days later."""
    days = pandas.date_range("2023-01-01", periods=45, freq="D", tz="UTC")
    rows = []
    for t in days:
        final = int(draw.normal(900_000, 40_000))
        first = int(final * (1 - abs(draw.normal(0, 0.01))))
        end = t + pandas.Timedelta(days=1)
        rows.append((end + pandas.Timedelta(hours=6), t, first))
        rows.append((end + pandas.Timedelta(days=5), t, final))
    rows.sort()
    text = "date,active_addresses,published_at\n"
    text += "".join(f"{t:%Y-%m-%d},{v},{stamp(p)}\n" for p, t, v in rows)
    (samples / "onchain.csv").write_text(text)


def macro():
    """A calendar of two monthly figures: entries announced ahead, released, and one of them revised a month later."""
    text = "event,scheduled,announced_at,released_at,actual,forecast,previous\n"
    events = (("Consumer prices y/y", 4.0, 0.15, "%", 30), ("Payrolls", 210.0, 45.0, "K", 45))
    for event, level, step, unit, minute in events:
        previous = level
        for month in range(1, 7):
            due = pandas.Timestamp(2023, month, 10 + month % 3, 13, minute, tz="UTC")
            announced = due - pandas.Timedelta(days=7)
            forecast = round(previous + draw.normal(0, step / 2), 1)
            actual = round(forecast + draw.normal(0, step), 1)
            head = f"{event},{stamp(due)},{stamp(announced)}"
            text += f"{head},,,{forecast}{unit},{previous}{unit}\n"
            text += f"{head},{stamp(due)},{actual}{unit},{forecast}{unit},{previous}{unit}\n"
            if month % 2 == 0:
                revised = round(actual + draw.normal(0, step / 2), 1)
                later = due + pandas.Timedelta(days=28)
                text += f"{head},{stamp(later)},{revised}{unit},{forecast}{unit},{previous}{unit}\n"
                actual = revised
            previous = actual
    (samples / "macro_calendar.csv").write_text(text)


def regimes():
    """Phases of a market, each named two weeks after it began."""
    text = "from,label,published\n"
    for begin, label in (("2023-01-01", 0), ("2023-02-13", 1), ("2023-04-03", 2), ("2023-05-22", 0)):
        known = pandas.Timestamp(begin, tz="UTC") + pandas.Timedelta(days=14, hours=9)
        text += f"{begin},{label},{stamp(known)}\n"
    (samples / "regimes.csv").write_text(text)


def golden(name, series, stale_after_s, times):
    left = pandas.DataFrame({"T": times})
    joined = pandas.merge_asof(left, series.assign(seen=series["published"]), left_on="T", right_on="published",
                               tolerance=stale_after_s)
    return [
        f"{name},{row.T_},{'' if pandas.isna(row.value) else repr(float(row.value))},"
        f"{0 if pandas.isna(row.value) else int(row.T_ - row.seen)}"
        for row in joined.rename(columns={"T": "T_"}).itertuples()
    ]


begin = int(pandas.Timestamp("2022-12-31", tz="UTC").timestamp())
bars = numpy.unique(begin + numpy.cumsum(draw.choice([60, 3600, 4 * 3600, 86400], size=300)))
lines = ["series,T,value,age_s"]
rates, moods = funding(), sentiment()
onchain()
macro()
regimes()


def edges(series, limit_s):
    seen = series["published"]
    return numpy.unique(numpy.concatenate([bars, seen, seen - 1, seen + limit_s, seen + limit_s + 1]))


lines += golden("funding_rate", rates, 86400, edges(rates, 86400))
lines += golden("sentiment", moods, 3 * 86400, edges(moods, 3 * 86400))
(here / "asof.csv").write_text("\n".join(lines) + "\n")
