"""The work of bench_paths in NumPy and PyTorch on the CPU: paths of geometric Brownian motion, a constant weight restored at
every bar, spread and fee on what is traded, drawdown, time under water and turnover; the mean of each at the end.

Vectorised over paths, in chunks that stay in the cache: the fastest of several sizes counts. Costs by kind are split at the
end, as the kernel does. NumPy works in place, in one process, and again on THREADS threads with a generator each (ufuncs and
generators release the interpreter's lock). PyTorch runs eagerly and compiled, normals drawn for several bars at a time.
Usage: paths.py PATHS STEPS THREADS; prints `system<TAB>seconds` for each.
"""
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

paths, steps, threads = (int(a) for a in sys.argv[1:4])
os.environ["OMP_NUM_THREADS"] = str(threads)
import numpy as np

DRIFT, VOLATILITY, WEIGHT, SPREAD, FEE = -0.5 * 0.04 / 252, 0.2 / 252 ** 0.5, 0.6, 5e-4, 1e-4


def with_numpy(count, rng, accounts):
    equity, peak = np.ones(count, accounts), np.ones(count, accounts)
    value, drawdown, turnover, traded, under, work = (np.zeros(count, accounts) for _ in range(6))
    z, simple, below = np.empty(count, np.float32), np.zeros(count, accounts), np.empty(count, bool)
    for bar in range(steps + 1):
        if bar > 0:
            rng.standard_normal(out=z, dtype=np.float32)
            z *= np.float32(VOLATILITY)
            z += np.float32(DRIFT)
            np.expm1(z, out=z)
            simple[:] = z
            simple *= value
            value += simple
            equity += simple
        np.multiply(equity, WEIGHT, out=work)
        value -= work
        np.abs(value, out=value)
        traded += value
        np.divide(value, equity, out=simple)
        turnover += simple
        value *= SPREAD + FEE
        equity -= value
        value, work = work, value
        np.maximum(peak, equity, out=peak)
        np.divide(equity, peak, out=simple)
        np.subtract(1.0, simple, out=simple)
        np.maximum(drawdown, simple, out=drawdown)
        np.greater(simple, 0.0, out=below)
        under += below
    return [float(x.mean()) for x in (equity, drawdown, turnover, traded * SPREAD, traded * FEE, under)]


def bars(z, equity, peak, value, drawdown, turnover, traded, under):
    for i in range(z.shape[0]):
        gain = value * z[i].expm1()
        value, equity = value + gain, equity + gain
        target = equity * WEIGHT
        trade = (target - value).abs()
        value = target
        traded = traded + trade
        turnover = turnover + trade / equity
        equity = equity - trade * (SPREAD + FEE)
        peak = peak.maximum(equity)
        loss = 1.0 - equity / peak
        drawdown = drawdown.maximum(loss)
        under = under + (loss > 0)
    return equity, peak, value, drawdown, turnover, traded, under


def with_torch(torch, count, step, generator=None):
    state = [torch.ones(count), torch.ones(count)] + [torch.zeros(count) for _ in range(5)]
    z = torch.zeros(1, count)
    state = bars(z, *state)
    z = torch.empty(12, count)
    for bar in range(0, steps, 12):
        z.normal_(DRIFT, VOLATILITY, generator=generator)
        state = step(z[: min(12, steps - bar)], *state)
    equity, _, _, drawdown, turnover, traded, under = state
    return [float(x.mean()) for x in (equity, drawdown, turnover, traded * SPREAD, traded * FEE, under)]


def best_s(run, chunks):
    best = float("inf")
    for chunk in chunks:
        rounds = max(1, paths // chunk)
        begin = time.perf_counter()
        run(chunk, rounds)
        best = min(best, (time.perf_counter() - begin) * paths / (rounds * chunk))
    return best


def on_threads(work):
    """work(chunk, thread) once a round, rounds shared by threads."""
    def run(chunk, rounds):
        share = [rounds // threads + (t < rounds % threads) for t in range(threads)]
        list(pool.map(lambda t: [work(chunk, t) for _ in range(share[t])], range(threads)))
    return run


def report(name, seconds):
    print(f"{name}\t{seconds:.6g}", flush=True)


pool = ThreadPoolExecutor(threads)
generators = [np.random.Generator(np.random.SFC64(t)) for t in range(threads)]
for accounts in (np.float64, np.float32):
    name = f"NumPy {np.__version__}, {np.dtype(accounts).name} accounts"
    report(name, best_s(lambda n, rounds: [with_numpy(n, generators[0], accounts) for _ in range(rounds)], (4096, 16384)))
    report(f"{name}, {threads} threads", best_s(on_threads(lambda n, t: with_numpy(n, generators[t], accounts)), (4096, 16384)))
try:
    import torch

    torch.set_num_threads(threads)
    name = f"PyTorch {torch.__version__}, float32"
    with torch.inference_mode():
        report(f"{name}, eager", best_s(lambda n, rounds: [with_torch(torch, n, bars) for _ in range(rounds)], (16384, 65536)))
        compiled = torch.compile(bars, dynamic=False)
        for n in (16384, 65536):
            with_torch(torch, n, compiled)
        report(f"{name}, compiled",
               best_s(lambda n, rounds: [with_torch(torch, n, compiled) for _ in range(rounds)], (16384, 65536)))
except ImportError:
    pass
