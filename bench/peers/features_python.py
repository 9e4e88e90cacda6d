"""The features of an asset's own bars in pandas and NumPy, timed on the bars that bench_features wrote, and compared with
its values.

Kinds: "pandas", rolling, ewm and expanding where they have the statistic. Where they have not, twice: "apply", by
rolling.apply(raw=True), which is pandas' own way; "numpy", by sliding_window_view or a convolution, as an expert would.
"loop", a Python loop where every value needs the one before in a way that none of these expresses. What several features
share, such as the log return, is computed once for an asset.

Arguments: BARS VALUES ASSETS COUNT ROUNDS NAME... BARS holds open, high, low, close, volume of each asset as float64,
closes a day apart from the second FIRST_TS on; VALUES the features NAME... of the first asset. Prints one line a group:
kind, seconds over all assets (the least of the rounds), largest difference from VALUES over the largest value, names.
"""
import math
import sys
import time
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

FIRST_TS, DAY_S = 883699200, 86400
LN2 = math.log(2)


def windows(x, n):
    return sliding_window_view(np.asarray(x), n)


def padded(values, like):
    out = np.full(len(like), np.nan)
    out[len(like) - len(values):] = values
    return out


def weighted(x, weights):
    """Sum of weights (the oldest first) times the window."""
    return padded(np.convolve(np.asarray(x), np.asarray(weights)[::-1], "valid"), x)


def slope(x, n):
    place = np.arange(n) - (n - 1) / 2
    return weighted(x, place / (place**2).sum())


class Shared:
    def __init__(self, b):
        self.o, self.h, self.l, self.c, self.v = b.open, b.high, b.low, b.close, b.volume
        self.ts = FIRST_TS + DAY_S * np.arange(len(b))

    def ema(self, n):
        return self.c.ewm(span=n, adjust=False).mean()

    @cached_property
    def r(self):
        return np.log(self.c / self.c.shift(1))

    @cached_property
    def typical(self):
        return (self.h + self.l + self.c) / 3

    @cached_property
    def true_range(self):
        last = self.c.shift(1)
        return np.maximum(self.h - self.l, np.maximum((self.h - last).abs(), (self.l - last).abs()))

    @cached_property
    def atr(self):
        return self.true_range.ewm(alpha=1 / 14, adjust=False).mean()

    @cached_property
    def gains(self):
        change = self.c.diff()
        return (change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean(),
                (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean())

    @cached_property
    def rsi(self):
        gain, loss = self.gains
        return 100 * gain / (gain + loss)

    @cached_property
    def macd(self):
        line = self.ema(12) - self.ema(26)
        return line, line.ewm(span=9, adjust=False).mean()

    @cached_property
    def direction(self):
        up, down = self.h.diff(), -self.l.diff()
        plus = pd.Series(np.where((up > 0) & (up > down), up, 0)).ewm(alpha=1 / 14, adjust=False).mean()
        minus = pd.Series(np.where((down > 0) & (down > up), down, 0)).ewm(alpha=1 / 14, adjust=False).mean()
        return 100 * plus / self.atr, 100 * minus / self.atr

    @cached_property
    def dx(self):
        plus, minus = self.direction
        return 100 * (plus - minus).abs() / (plus + minus)

    @cached_property
    def adx(self):
        return self.dx.ewm(alpha=1 / 14, adjust=False).mean()

    @cached_property
    def volatility(self):
        return (self.r**2).ewm(span=32, adjust=True).mean() ** 0.5

    @cached_property
    def line(self):
        return self.c.rolling(14).mean(), slope(self.c, 14)

    @cached_property
    def ad(self):
        return (((self.c - self.l) - (self.h - self.c)) / (self.h - self.l) * self.v).cumsum()

    @cached_property
    def log_volume(self):
        return np.log(np.maximum(self.v, 1e-3 * self.v.ewm(span=50, adjust=True).mean()))

    @cached_property
    def illiquidity(self):
        return self.c.pct_change().abs() / (self.c * self.v)

    @cached_property
    def rogers_satchell(self):
        high, low, close = np.log(self.h / self.o), np.log(self.l / self.o), np.log(self.c / self.o)
        return high * (high - close) + low * (low - close)

    @cached_property
    def spectrum(self):
        power = np.abs(np.fft.rfft(windows(self.r, 64), axis=1)[:, 1:]) ** 2
        power[:, :-1] *= 2
        return power / power.sum(axis=1, keepdims=True)

    @cached_property
    def dates(self):
        return pd.DatetimeIndex((self.ts - 1) * 1_000_000_000)


def bands(s):
    rolling = s.c.rolling(20)
    middle, deviation = rolling.mean(), rolling.std(ddof=0)
    return middle + 2 * deviation, middle, middle - 2 * deviation


def bollinger(s):
    rolling = s.c.rolling(20)
    return (s.c - rolling.mean()) / (2 * rolling.std(ddof=0))


def place(x, low, high, n):
    lowest = low.rolling(n).min()
    return 100 * (x - lowest) / (high.rolling(n).max() - lowest)


def stoch(s):
    k = place(s.c, s.l, s.h, 5).rolling(3).mean()
    return k, k.rolling(3).mean()


def stochf(s):
    k = place(s.c, s.l, s.h, 5)
    return k, k.rolling(3).mean()


def stochrsi(s):
    k = place(s.rsi, s.rsi, s.rsi, 5)
    return k, k.rolling(3).mean()


def ultosc(s):
    last = s.c.shift(1)
    pressure = s.c - np.minimum(s.l, last)
    return 100 / 7 * sum(w * pressure.rolling(n).sum() / s.true_range.rolling(n).sum() for w, n in ((4, 7), (2, 14), (1, 28)))


def since_extreme(x, n, sign):
    return padded((sign * windows(x, n))[:, ::-1].argmax(axis=1), x)


def cci(s):
    w = windows(s.typical, 14)
    mean = w.mean(axis=1)
    return padded((w[:, -1] - mean) / (0.015 * np.abs(w - mean[:, None]).mean(axis=1)), s.c)


def mfi(s):
    flow, change = s.typical * s.v, s.typical.diff()
    up, down = flow.where(change > 0, 0).rolling(14).sum(), flow.where(change < 0, 0).rolling(14).sum()
    return 100 * up / (up + down)


def t3(s):
    e = [s.c]
    for _ in range(6):
        e.append(e[-1].ewm(span=5, adjust=False).mean())
    v = 0.7
    return -v**3 * e[6] + 3 * (v**2 + v**3) * e[5] - (6 * v**2 + 3 * (v + v**3)) * e[4] + (1 + 3 * v + 3 * v**2 + v**3) * e[3]


def chain(s):
    e1 = s.ema(30)
    e2 = e1.ewm(span=30, adjust=False).mean()
    e3 = e2.ewm(span=30, adjust=False).mean()
    return 2 * e1 - e2, 3 * e1 - 3 * e2 + e3, 100 * e3.pct_change()


def kama(s):
    close = s.c.to_numpy()
    efficiency = s.c.diff(30).abs() / s.c.diff().abs().rolling(30).sum()
    factor = ((efficiency * (2 / 3 - 2 / 31) + 2 / 31) ** 2).to_numpy()
    out = np.full(len(close), np.nan)
    value = close[29]
    for t in range(30, len(close)):
        value += factor[t] * (close[t] - value)
        out[t] = value
    return out


def sar(s):
    high, low = s.h.tolist(), s.l.tolist()
    out = [math.nan]
    down = low[0] - low[1]
    rising = not (down > 0 and high[1] - high[0] < down)
    extreme, stop, factor = (high[1], low[0], 0.02) if rising else (low[1], high[0], 0.02)
    for t in range(1, len(high)):
        before = max(t - 1, 0) if t > 1 else 1
        value = stop
        if (low[t] <= stop) if rising else (high[t] >= stop):
            rising = not rising
            value = min(extreme, low[t], low[before]) if rising else max(extreme, high[t], high[before])
            extreme, factor = (high[t] if rising else low[t]), 0.02
        elif (high[t] > extreme) if rising else (low[t] < extreme):
            extreme, factor = (high[t] if rising else low[t]), min(factor + 0.02, 0.2)
        stop = value + factor * (extreme - value)
        stop = min(stop, low[t], low[before]) if rising else max(stop, high[t], high[before])
        out.append(value)
    return out


def cycle(s):
    """Ehlers' dominant cycle, all outputs in one loop."""
    price = s.c.tolist()
    n = len(price)
    smooth, det, quad = [0.0] * n, [0.0] * n, [0.0] * n
    re = im = re2 = im2 = period = smooth_period = 0.0
    phase, sine, lead, in_trend, means = 0.0, 0.0, 0.0, 0, [0.0] * 4
    out = np.full((8, n), np.nan)
    a, b = 0.0962, 0.5769
    for t in range(12, n):
        smooth[t] = (4 * price[t] + 3 * price[t - 1] + 2 * price[t - 2] + price[t - 3]) / 10
        gain = 0.075 * period + 0.54
        det[t] = (a * (smooth[t] - smooth[t - 6]) + b * (smooth[t - 2] - smooth[t - 4])) * gain
        quad[t] = (a * (det[t] - det[t - 6]) + b * (det[t - 2] - det[t - 4])) * gain
        turned = (a * (det[t - 3] - det[t - 9]) + b * (det[t - 5] - det[t - 7])) * gain
        turned_quad = (a * (quad[t] - quad[t - 6]) + b * (quad[t - 2] - quad[t - 4])) * gain
        last_re, last_im, last = re, im, period
        re, im = 0.2 * (det[t - 3] - turned_quad) + 0.8 * re, 0.2 * (quad[t] + turned) + 0.8 * im
        re2, im2 = 0.2 * (re * last_re + im * last_im) + 0.8 * re2, 0.2 * (re * last_im - im * last_re) + 0.8 * im2
        if re2 and im2:
            period = 360 / math.degrees(math.atan(im2 / re2))
        period = max(min(period, 1.5 * last), 0.67 * last)
        period = 0.2 * min(max(period, 6), 50) + 0.8 * last
        smooth_period = 0.33 * period + 0.67 * smooth_period
        bars = int(smooth_period + 0.5)
        real = imaginary = total = 0.0
        for i in range(bars):
            angle = 2 * math.pi * i / bars
            real += math.cos(angle) * smooth[t - i]
            imaginary += math.sin(angle) * smooth[t - i]
            total += price[t - i]
        last_phase, last_sine, last_lead = phase, sine, lead
        angle = math.degrees(math.atan(imaginary / real)) if real else phase + 90 * np.sign(imaginary)
        phase = angle + 90 + 360 / smooth_period + (180 if real < 0 else 0)
        phase -= 360 if phase > 315 else 0
        sine, lead = math.sin(math.radians(phase)), math.sin(math.radians(phase + 45))
        means = [total / max(bars, 1)] + means[:3]
        trend = (4 * means[0] + 3 * means[1] + 2 * means[2] + means[3]) / 10
        crossed = (sine > lead and last_sine <= last_lead) or (sine < lead and last_sine >= last_lead)
        in_trend = 1 if crossed else in_trend + 1
        mode = not crossed and in_trend >= 0.5 * smooth_period
        turn = phase - last_phase
        if 0.67 * 360 / smooth_period < turn < 1.5 * 360 / smooth_period:
            mode = False
        if trend and abs((smooth[t] - trend) / trend) >= 0.015:
            mode = True
        out[:, t] = smooth_period, det[t - 3], quad[t], phase, sine, lead, trend, mode
    return tuple(out)


def skewness(x, n):
    return x.rolling(n).skew() * (n - 2) / math.sqrt(n * (n - 1))


def kurtosis(x, n):
    return (x.rolling(n).kurt() * (n - 2) * (n - 3) / (n - 1) - 6) / (n + 1)


def autocorrelation(x, n, lags):
    w = windows(x, n)
    d = w - w.mean(axis=1, keepdims=True)
    squares = (d * d).sum(axis=1)
    return tuple(padded((d[:, lag:] * d[:, :-lag]).sum(axis=1) / squares, x) for lag in lags)


def fracdiff(s):
    price = np.log(s.c)
    out = []
    for order in (0.2, 0.4, 0.6):
        w = [1.0]
        for k in range(1, 64):
            w.append(-w[-1] * (order - k + 1) / k)
        out.append(weighted(price, w[::-1]))
    return tuple(out)


def hurst(s):
    w = windows(s.r, 64)
    x, y = [], []
    for n in (8, 16, 32, 64):
        d = w.reshape(len(w), 64 // n, n)
        d = d - d.mean(axis=2, keepdims=True)
        path = d.cumsum(axis=2)
        reach = np.maximum(path.max(axis=2), 0) - np.minimum(path.min(axis=2), 0)
        y.append(np.log((reach / d.std(axis=2)).mean(axis=1)))
        x.append(math.log(n))
    x = np.array(x) - np.mean(x)
    return padded(x @ np.array(y) / (x**2).sum(), s.c)


def variance_ratio(s):
    n, q = 60, 5
    w = windows(s.r, n)
    d = w - w.mean(axis=1, keepdims=True)
    path = np.concatenate([np.zeros((len(d), 1)), d.cumsum(axis=1)], axis=1)
    ways = path[:, q:] - path[:, :-q]
    many = (ways**2).sum(axis=1) / (q * (n - q + 1) * (1 - q / n))
    return padded(many / ((d * d).sum(axis=1) / (n - 1)) - 1, s.c)


def entropy(x, n):
    power = np.abs(np.fft.rfft(windows(x, n), axis=1)[:, 1:]) ** 2
    power[:, :-1] *= 2
    share = power / power.sum(axis=1, keepdims=True)
    return padded(-(share * np.log(share)).sum(axis=1) / math.log(n / 2), x)


def haar(s):
    rest, energies = windows(s.r, 32), []
    while rest.shape[1] > 1:
        energies.append(((rest[:, ::2] - rest[:, 1::2]) ** 2).sum(axis=1) / 2)
        rest = (rest[:, ::2] + rest[:, 1::2]) / math.sqrt(2)
    total = sum(energies)
    return tuple(padded(e / total, s.c) for e in energies[:4])


def efficiency(s, n):
    return s.c.diff(n).abs() / s.c.diff().abs().rolling(n).sum()


def yang_zhang(s):
    n = 20
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    night, day = np.log(s.o / s.c.shift(1)).rolling(n).var(), np.log(s.c / s.o).rolling(n).var()
    return (night + k * day + (1 - k) * s.rogers_satchell.rolling(n).mean()) ** 0.5


def since_peak(s):
    peak, t = s.c.cummax(), np.arange(len(s.c))
    return np.log1p(t - np.maximum.accumulate(np.where(s.c >= peak, t, 0)))


def rank(s):
    """Values in a bin of 1/16 octave are equal."""
    mantissa, exponent = np.frexp((s.r**2).rolling(20).mean() ** 0.5)
    bins = pd.Series(exponent * 16 + np.floor((2 * mantissa - 1) * 16)).where(s.r.rolling(20).count() == 20)
    share = (bins.expanding().rank(method="min") - 1) / bins.expanding().count()
    return share, (share >= 1 / 3).astype(float) + (share >= 2 / 3)


def turn_of_month(s):
    day = s.dates.values.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    so_far = np.busday_count(month.astype("datetime64[D]"), day + 1)
    ahead = np.busday_count(day + 1, (month + 1).astype("datetime64[D]"))
    return ((so_far <= 3) | (ahead < 1)).astype(float)


def volume_deviation(s, n):
    return s.log_volume - s.log_volume.ewm(span=n, adjust=True).mean()


def volume_z(s):
    rolling = s.log_volume.rolling(20)
    return (s.log_volume - rolling.mean()) / rolling.std(ddof=0)


def downside(s):
    square = s.r**2
    return square.where(s.r < 0, 0).rolling(20).sum() / square.rolling(20).sum() - 0.5


def distance(s, average, n):
    return (s.c / average - 1) / s.volatility / math.sqrt(n)


VECTOR = {
    "sma_30": lambda s: s.c.rolling(30).mean(),
    "ema_30": lambda s: s.ema(30),
    "wma_30": lambda s: weighted(s.c, np.arange(1, 31) / 465),
    "dema_30,tema_30,trix_30": chain,
    "trima_30": lambda s: s.c.rolling(15).mean().rolling(16).mean(),
    "t3_5": t3,
    "bbands_upper_20,bbands_middle_20,bbands_lower_20": bands,
    "bollinger_20": bollinger,
    "midpoint_14": lambda s: (s.c.rolling(14).max() + s.c.rolling(14).min()) / 2,
    "midprice_14": lambda s: (s.h.rolling(14).max() + s.l.rolling(14).min()) / 2,
    "trange,atr_14,natr_14,atr_14_ratio": lambda s: (s.true_range, s.atr, 100 * s.atr / s.c, s.atr / s.c),
    "bop": lambda s: (s.c - s.o) / (s.h - s.l),
    "apo": lambda s: s.ema(12) - s.ema(26),
    "ppo": lambda s: 100 * (s.ema(12) / s.ema(26) - 1),
    "macd,macd_signal,macd_hist,macd_atr": lambda s: (*s.macd, s.macd[0] - s.macd[1], (s.macd[0] - s.macd[1]) / s.atr),
    "mom_10": lambda s: s.c.diff(10),
    "roc_10": lambda s: 100 * s.c.pct_change(10),
    "rsi_14,cmo_14": lambda s: (s.rsi, 100 * (s.gains[0] - s.gains[1]) / (s.gains[0] + s.gains[1])),
    "cci_14": cci,
    "willr_14": lambda s: place(s.c, s.l, s.h, 14) - 100,
    "stoch_k,stoch_d": stoch,
    "stochf_k,stochf_d": stochf,
    "stochrsi_k,stochrsi_d": stochrsi,
    "ultosc": ultosc,
    "aroon_up_14": lambda s: 100 * (14 - since_extreme(s.h, 15, 1)) / 14,
    "aroon_down_14": lambda s: 100 * (14 - since_extreme(s.l, 15, -1)) / 14,
    "aroonosc_14": lambda s: 100 * (since_extreme(s.l, 15, -1) - since_extreme(s.h, 15, 1)) / 14,
    "plus_di_14,minus_di_14,dx_14,adx_14": lambda s: (*s.direction, s.dx, s.adx),
    "adxr_14": lambda s: (s.adx + s.adx.shift(13)) / 2,
    "linearreg_14,linearreg_slope_14,linearreg_angle_14,tsf_14": lambda s: (
        s.line[0] + 6.5 * s.line[1], s.line[1], np.degrees(np.arctan(s.line[1])), s.line[0] + 7.5 * s.line[1]),
    "var_5": lambda s: s.c.rolling(5).var(ddof=0),
    "stddev_5": lambda s: s.c.rolling(5).std(ddof=0),
    "mfi_14": mfi,
    "ad,adosc": lambda s: (s.ad, s.ad.ewm(span=3, adjust=False).mean() - s.ad.ewm(span=10, adjust=False).mean()),
    "obv": lambda s: (np.sign(s.c.diff()).fillna(1) * s.v).cumsum(),
    "log_return_1": lambda s: s.r,
    "log_return_5": lambda s: np.log(s.c / s.c.shift(5)),
    "log_return_20": lambda s: np.log(s.c / s.c.shift(20)),
    "gap": lambda s: np.log(s.o / s.c.shift(1)),
    "ewma_volatility_32": lambda s: s.volatility,
    "momentum_20": lambda s: np.log(s.c / s.c.shift(20)) / s.volatility / math.sqrt(20),
    "close_sma_10": lambda s: distance(s, s.c.rolling(10).mean(), 10),
    "close_sma_50": lambda s: distance(s, s.c.rolling(50).mean(), 50),
    "close_ema_10": lambda s: distance(s, s.ema(10), 10),
    "close_ema_50": lambda s: distance(s, s.ema(50), 50),
    "realized_volatility_20": lambda s: (s.r**2).rolling(20).mean() ** 0.5,
    "parkinson_20": lambda s: ((np.log(s.h / s.l) ** 2).rolling(20).mean() / (4 * LN2)) ** 0.5,
    "garman_klass_20": lambda s: (0.5 * np.log(s.h / s.l) ** 2 - (2 * LN2 - 1) * np.log(s.c / s.o) ** 2).rolling(20).mean() ** 0.5,
    "rogers_satchell_20": lambda s: s.rogers_satchell.rolling(20).mean() ** 0.5,
    "yang_zhang_20": yang_zhang,
    "close_location": lambda s: (2 * s.c - s.h - s.l) / (s.h - s.l),
    "drawdown_60": lambda s: s.c / s.c.rolling(60).max() - 1,
    "runup_60": lambda s: s.c / s.c.rolling(60).min() - 1,
    "drawdown_peak": lambda s: s.c / s.c.cummax() - 1,
    "bars_since_peak": since_peak,
    "bars_since_high_60": lambda s: since_extreme(s.c, 60, 1) / 59,
    "bars_since_low_60": lambda s: since_extreme(s.c, 60, -1) / 59,
    "skewness_20": lambda s: skewness(s.r, 20),
    "skewness_60": lambda s: skewness(s.r, 60),
    "skewness_120": lambda s: skewness(s.r, 120),
    "kurtosis_20": lambda s: kurtosis(s.r, 20),
    "kurtosis_60": lambda s: kurtosis(s.r, 60),
    "kurtosis_120": lambda s: kurtosis(s.r, 120),
    "downside_share_20": downside,
    "autocorrelation_20": lambda s: autocorrelation(s.r, 20, (1,)),
    "autocorrelation_60_lag_1,autocorrelation_60_lag_2,autocorrelation_60_lag_5": lambda s: autocorrelation(s.r, 60, (1, 2, 5)),
    "autocorrelation_abs_60": lambda s: autocorrelation(s.r.abs(), 60, (1,)),
    "fracdiff_02,fracdiff_04,fracdiff_06": fracdiff,
    "hurst_rs_64": hurst,
    "variance_ratio_60_5": variance_ratio,
    "efficiency_ratio_10": lambda s: efficiency(s, 10),
    "efficiency_ratio_30": lambda s: efficiency(s, 30),
    "spectral_low_64,spectral_middle_64,spectral_high_64": lambda s: tuple(
        padded(s.spectrum[:, a - 1:b].sum(axis=1), s.c) for a, b in ((1, 4), (5, 15), (16, 32))),
    "spectral_entropy_64": lambda s: padded(-(s.spectrum * np.log(s.spectrum)).sum(axis=1) / math.log(32), s.c),
    "spectral_entropy_32": lambda s: entropy(s.r, 32),
    "haar_energy_1,haar_energy_2,haar_energy_3,haar_energy_4": haar,
    "volatility_rank_20,volatility_regime_20": rank,
    "log_volume_10": lambda s: volume_deviation(s, 10),
    "log_volume_50": lambda s: volume_deviation(s, 50),
    "log_volume_z_20": volume_z,
    "volume_ratio_20": lambda s: s.v / s.v.rolling(20).mean(),
    "volume_trend_20": lambda s: slope(s.log_volume, 20),
    "volume_return_20": lambda s: s.log_volume.rolling(20).corr(s.r),
    "amihud_20": lambda s: 1e6 * s.illiquidity.rolling(20).mean(),
    "amihud_change_10_60": lambda s: np.log(s.illiquidity.rolling(10).mean() / s.illiquidity.rolling(60).mean()),
    "day_of_week_sin": lambda s: np.sin(2 * np.pi * s.dates.day_of_week / 7),
    "day_of_week_cos": lambda s: np.cos(2 * np.pi * s.dates.day_of_week / 7),
    "time_of_day_sin": lambda s: np.sin(2 * np.pi * (s.ts % DAY_S) / DAY_S),
    "time_of_day_cos": lambda s: np.cos(2 * np.pi * (s.ts % DAY_S) / DAY_S),
    "month_sin": lambda s: np.sin(2 * np.pi * (s.dates.month - 1) / 12),
    "month_cos": lambda s: np.cos(2 * np.pi * (s.dates.month - 1) / 12),
    "day_of_month": lambda s: (s.dates.day - 1) / (s.dates.days_in_month - 1),
    "turn_of_month": turn_of_month,
}
LOOP = {
    "kama_30": kama,
    "sar": sar,
    "ht_dcperiod,ht_phasor_inphase,ht_phasor_quadrature,ht_dcphase,ht_sine,ht_leadsine,ht_trendline,ht_trendmode": cycle,
}


def rolling(x, n, function):
    return pd.Series(x).rolling(n).apply(function, raw=True)


def since_last(x):
    return x[::-1].argmax()


def correlation_at(lag):
    def of(x):
        d = x - x.mean()
        return (d[lag:] * d[:-lag]).sum() / (d * d).sum()
    return of


def shares(x):
    power = np.abs(np.fft.rfft(x)[1:]) ** 2
    power[:-1] *= 2
    return power / power.sum()


def entropy_of(x):
    share = shares(x)
    return -(share * np.log(share)).sum() / math.log(len(x) / 2)


def haar_of(level):
    def of(x):
        energies = []
        while len(x) > 1:
            energies.append(((x[::2] - x[1::2]) ** 2).sum() / 2)
            x = (x[::2] + x[1::2]) / math.sqrt(2)
        return energies[level - 1] / sum(energies)
    return of


def hurst_of(x):
    y = []
    for n in (8, 16, 32, 64):
        d = x.reshape(-1, n)
        d = d - d.mean(axis=1, keepdims=True)
        path = d.cumsum(axis=1)
        y.append(math.log(((np.maximum(path.max(axis=1), 0) - np.minimum(path.min(axis=1), 0)) / d.std(axis=1)).mean()))
    return np.polyfit(np.log([8, 16, 32, 64]), y, 1)[0]


def ratio_of(x):
    n, q = len(x), 5
    path = np.concatenate([[0], (x - x.mean()).cumsum()])
    ways = path[q:] - path[:-q]
    return (ways**2).sum() / (q * (n - q + 1) * (1 - q / n)) / x.var(ddof=1) - 1


def slope_of(n):
    place = np.arange(n) - (n - 1) / 2
    place /= (place**2).sum()
    return lambda x: np.dot(place, x)


def fraction_of(order):
    w = [1.0]
    for k in range(1, 64):
        w.append(-w[-1] * (order - k + 1) / k)
    w = np.array(w[::-1])
    return lambda x: np.dot(w, x)


def lines_by_apply(s):
    mean, tilt = s.c.rolling(14).mean(), rolling(s.c, 14, slope_of(14))
    return mean + 6.5 * tilt, tilt, np.degrees(np.arctan(tilt)), mean + 7.5 * tilt


WEIGHTS = np.arange(1, 31) / 465
APPLY = {
    "wma_30": lambda s: rolling(s.c, 30, lambda x: np.dot(WEIGHTS, x)),
    "cci_14": lambda s: (s.typical - s.typical.rolling(14).mean()) / (
        0.015 * rolling(s.typical, 14, lambda x: np.abs(x - x.mean()).mean())),
    "aroon_up_14": lambda s: 100 * (14 - rolling(s.h, 15, since_last)) / 14,
    "aroon_down_14": lambda s: 100 * (14 - rolling(-s.l, 15, since_last)) / 14,
    "aroonosc_14": lambda s: 100 * (rolling(-s.l, 15, since_last) - rolling(s.h, 15, since_last)) / 14,
    "linearreg_14,linearreg_slope_14,linearreg_angle_14,tsf_14": lines_by_apply,
    "bars_since_high_60": lambda s: rolling(s.c, 60, since_last) / 59,
    "bars_since_low_60": lambda s: rolling(-s.c, 60, since_last) / 59,
    "autocorrelation_20": lambda s: rolling(s.r, 20, correlation_at(1)),
    "autocorrelation_60_lag_1,autocorrelation_60_lag_2,autocorrelation_60_lag_5": lambda s: tuple(
        rolling(s.r, 60, correlation_at(lag)) for lag in (1, 2, 5)),
    "autocorrelation_abs_60": lambda s: rolling(s.r.abs(), 60, correlation_at(1)),
    "fracdiff_02,fracdiff_04,fracdiff_06": lambda s: tuple(rolling(np.log(s.c), 64, fraction_of(d)) for d in (0.2, 0.4, 0.6)),
    "hurst_rs_64": lambda s: rolling(s.r, 64, hurst_of),
    "variance_ratio_60_5": lambda s: rolling(s.r, 60, ratio_of),
    "spectral_low_64,spectral_middle_64,spectral_high_64": lambda s: tuple(
        rolling(s.r, 64, lambda x, a=a, b=b: shares(x)[a - 1:b].sum()) for a, b in ((1, 4), (5, 15), (16, 32))),
    "spectral_entropy_64": lambda s: rolling(s.r, 64, entropy_of),
    "spectral_entropy_32": lambda s: rolling(s.r, 32, entropy_of),
    "haar_energy_1,haar_energy_2,haar_energy_3,haar_energy_4": lambda s: tuple(
        rolling(s.r, 32, haar_of(level)) for level in (1, 2, 3, 4)),
    "volume_trend_20": lambda s: rolling(s.log_volume, 20, slope_of(20)),
}


def differences(result, names, ours):
    """After the seeds of exponential means have faded; where both have a value."""
    result = result if isinstance(result, tuple) else (result,)
    worst = 0.0
    for name, values in zip(names.split(","), result, strict=True):
        got, want = np.asarray(values, float)[1500:], ours[name][1500:]
        if np.isnan(got).any():
            return math.inf
        worst = max(worst, np.abs(got - want).max() / max(np.abs(want).max(), 1e-300))
    return worst


def main():
    bars_path, values_path = sys.argv[1:3]
    assets, bars, rounds = map(int, sys.argv[3:6])
    columns = np.fromfile(bars_path).reshape(assets, 5, bars)
    ours = dict(zip(sys.argv[6:], np.fromfile(values_path).reshape(-1, bars), strict=True))
    frames = [pd.DataFrame(dict(zip(("open", "high", "low", "close", "volume"), asset))) for asset in columns]
    groups = [("numpy" if names in APPLY else "pandas", names, call) for names, call in VECTOR.items()]
    groups += [("apply", *item) for item in APPLY.items()] + [("loop", *item) for item in LOOP.items()]
    best, worst = {}, {}
    for number in range(rounds):
        seconds = dict.fromkeys(((kind, names) for kind, names, _ in groups), 0.0)
        for frame in frames:
            shared = Shared(frame)
            for kind, names, call in groups:
                if kind in ("loop", "apply") and number > 0:
                    continue
                started = time.perf_counter()
                result = call(shared)
                seconds[kind, names] += time.perf_counter() - started
                if (kind, names) not in worst:
                    worst[kind, names] = differences(result, names, ours)
        for kind, names, _ in groups:
            if kind in ("pandas", "numpy") or number == 0:
                best[kind, names] = min(best.get((kind, names), math.inf), seconds[kind, names])
    for kind, names, _ in groups:
        print(kind, best[kind, names], worst[kind, names], names)


if __name__ == "__main__":
    main()
