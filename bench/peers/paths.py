"""The work of bench_paths in NumPy and PyTorch on the CPU: paths of geometric Brownian motion, a constant weight restored at
every bar, spread and fee on what is traded, drawdown, time under water and turnover.

Vectorised over paths, a loop over bars, in place, in chunks that stay in the cache: the fastest of several sizes counts.
Usage: paths.py PATHS STEPS THREADS; prints `system<TAB>seconds` for each.
"""
import os
import sys
import time

paths, steps, threads = (int(a) for a in sys.argv[1:4])
os.environ["OMP_NUM_THREADS"] = str(threads)
import numpy as np

DRIFT, VOLATILITY, WEIGHT, SPREAD, FEE = -0.5 * 0.04 / 252, 0.2 / 252 ** 0.5, 0.6, 5e-4, 1e-4


def with_numpy(count, rng):
    equity, peak = np.ones(count), np.ones(count)
    value, drawdown, turnover = np.zeros(count), np.zeros(count), np.zeros(count)
    spread, fee, under = np.zeros(count), np.zeros(count), np.zeros(count, np.int32)
    z, trade, work = np.empty(count, np.float32), np.empty(count), np.empty(count)
    for bar in range(steps + 1):
        if bar > 0:
            rng.standard_normal(out=z, dtype=np.float32)
            z *= np.float32(VOLATILITY)
            z += np.float32(DRIFT)
            np.expm1(z, out=z)
            np.multiply(value, z, out=work)
            value += work
            equity += work
        np.multiply(equity, WEIGHT, out=work)
        np.subtract(work, value, out=trade)
        value[:] = work
        np.abs(trade, out=trade)
        np.divide(trade, equity, out=work)
        turnover += work
        np.multiply(trade, SPREAD, out=work)
        spread += work
        equity -= work
        np.multiply(trade, FEE, out=work)
        fee += work
        equity -= work
        np.maximum(peak, equity, out=peak)
        np.divide(equity, peak, out=work)
        np.subtract(1.0, work, out=work)
        np.maximum(drawdown, work, out=drawdown)
        under += work > 0
    return equity.mean(), drawdown.mean(), turnover.mean(), spread.mean(), fee.mean(), under.mean()


def with_torch(torch, count):
    equity, peak = torch.ones(count), torch.ones(count)
    value, drawdown, turnover = torch.zeros(count), torch.zeros(count), torch.zeros(count)
    spread, fee, under = torch.zeros(count), torch.zeros(count), torch.zeros(count)
    z, trade, work = torch.empty(count), torch.empty(count), torch.empty(count)
    for bar in range(steps + 1):
        if bar > 0:
            z.normal_(DRIFT, VOLATILITY)
            torch.expm1(z, out=z)
            torch.mul(value, z, out=work)
            value += work
            equity += work
        torch.mul(equity, WEIGHT, out=work)
        torch.sub(work, value, out=trade)
        value.copy_(work)
        trade.abs_()
        torch.div(trade, equity, out=work)
        turnover += work
        torch.mul(trade, SPREAD, out=work)
        spread += work
        equity -= work
        torch.mul(trade, FEE, out=work)
        fee += work
        equity -= work
        torch.maximum(peak, equity, out=peak)
        torch.div(equity, peak, out=work)
        work.neg_().add_(1.0)
        torch.maximum(drawdown, work, out=drawdown)
        under += work > 0
    return equity.mean(), drawdown.mean(), turnover.mean(), spread.mean(), fee.mean(), under.mean()


def best_s(run, chunks):
    best = float("inf")
    for chunk in chunks:
        begin = time.perf_counter()
        for _ in range(max(1, paths // chunk)):
            run(chunk)
        best = min(best, (time.perf_counter() - begin) * paths / (max(1, paths // chunk) * chunk))
    return best


rng = np.random.Generator(np.random.SFC64(1))
print(f"NumPy {np.__version__}, float64 accounts\t{best_s(lambda n: with_numpy(n, rng), (4096, 16384)):.6g}", flush=True)
try:
    import torch

    torch.set_num_threads(threads)
    with torch.inference_mode():
        print(f"PyTorch {torch.__version__}, float32\t{best_s(lambda n: with_torch(torch, n), (16384, 131072)):.6g}", flush=True)
except ImportError:
    pass
