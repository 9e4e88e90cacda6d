"""The hybrid model of host/model/hybrid.c in PyTorch, for a timing in the same run as ours.

Usage: hybrid_torch.py WIDTH LAYERS MLP_RATIO BATCH WINDOW WARMUP FEATURES THREADS [cuda] [compile]
Prints one line: parameters, median seconds of one training step (forward, backward, clip, AdamW).
"""
import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

HORIZONS, HEADS, TAPS = 3, 4, 4
DILATIONS = (1, 4, 16, 1)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def rotate(x, angles):
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, width, hidden, dropout):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        part = width // len(DILATIONS)
        self.convs = nn.ModuleList(nn.Conv1d(part, part, TAPS, dilation=d, groups=part) for d in DILATIONS)
        self.mix = nn.Linear(width, 2 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, 2 * hidden)
        self.down = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    @staticmethod
    def glu(x):
        a, b = x.chunk(2, -1)
        return a * F.silu(b)

    def forward(self, h, angles):
        u = self.norm1(h).transpose(1, 2)
        parts = [c(F.pad(p, ((TAPS - 1) * d, 0))) for c, p, d in zip(self.convs, u.chunk(len(DILATIONS), 1), DILATIONS)]
        h = h + self.dropout(self.glu(self.mix(torch.cat(parts, 1).transpose(1, 2))))
        b, t, c = h.shape
        q, k, v = self.qkv(self.norm2(h)).view(b, t, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(rotate(q, angles), rotate(k, angles), v, is_causal=True)
        h = h + self.dropout(self.out(a.transpose(1, 2).reshape(b, t, c)))
        return h + self.dropout(self.down(self.glu(self.up(self.norm3(h)))))


class Hybrid(nn.Module):
    def __init__(self, features, width, layers, ratio, window, warmup, dropout=0.1):
        super().__init__()
        self.window, self.warmup = window, warmup
        self.input = nn.Linear(features, width)
        self.blocks = nn.ModuleList(Block(width, int(round(ratio * width)), dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, HORIZONS * len(QUANTILES))
        self.highway = nn.Linear(features, HORIZONS * len(QUANTILES), bias=False)
        size = width // HEADS
        rates = 10000.0 ** (-torch.arange(0, size, 2) / size)
        self.register_buffer("angles", torch.arange(window)[:, None] * rates)
        self.register_buffer("counts", torch.arange(1, window + warmup + 1)[:, None].float())

    def forward(self, bars):
        mean = bars.cumsum(1) / self.counts
        var = (bars * bars).cumsum(1) / self.counts - mean * mean
        x = ((bars - mean) / (var.clamp_min(0) + 1e-8).sqrt()).clamp(-8, 8)[:, self.warmup:]
        h = self.input(x)
        for block in self.blocks:
            h = block(h, self.angles)
        return self.head(self.norm(h)) + self.highway(x)


def main():
    width, layers = int(sys.argv[1]), int(sys.argv[2])
    ratio = float(sys.argv[3])
    batch, window, warmup, features, threads = map(int, sys.argv[4:9])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    on_gpu, compiled = "cuda" in sys.argv[9:], "compile" in sys.argv[9:]
    torch.set_default_device("cuda" if on_gpu else "cpu")
    model = Hybrid(features, width, layers, ratio, window, warmup)
    parameters = sum(p.numel() for p in model.parameters())
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    tau = torch.tensor(QUANTILES)
    bars = torch.randn(batch, window + warmup, features)
    target = torch.randn(batch, window, HORIZONS, 1)
    run = torch.compile(model, mode="reduce-overhead" if on_gpu else None) if compiled else model

    def step():
        optimiser.zero_grad(set_to_none=True)
        error = target - run(bars).view(batch, window, HORIZONS, len(QUANTILES))
        loss = torch.maximum(tau * error, (tau - 1) * error).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return loss.detach()

    rounds = 20 if on_gpu else 1  # nothing there waits for a step but the end of a sample, as in ours

    def sample():
        begin = time.perf_counter()
        for _ in range(rounds):
            loss = step()
        assert math.isfinite(float(loss))
        return (time.perf_counter() - begin) / rounds

    sample()
    sample()
    seconds = []
    started = time.perf_counter()
    while len(seconds) < 5 or (time.perf_counter() - started < 8 and len(seconds) < 50):
        seconds.append(sample())
    print(parameters, statistics.median(seconds))


main()
