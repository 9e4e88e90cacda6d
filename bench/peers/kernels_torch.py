"""The shapes of bench/kernels/bench_kernels.c in PyTorch: median and best milliseconds per op.

Usage: kernels_torch.py [THREADS [RUNS [BARS]]]
"""
import statistics
import sys
import time

import torch
import torch.nn.functional as F

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
runs = int(sys.argv[2]) if len(sys.argv) > 2 else 21
lengths = [int(sys.argv[3])] if len(sys.argv) > 3 else [64, 128, 256]
windows, channels, heads, taps = 64, 128, 4, 3
torch.set_num_threads(threads)
torch.manual_seed(20261123)


def report(label, work):
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(f"{label:34s} {1e3 * statistics.median(seconds):9.3f} {1e3 * min(seconds):9.3f}", flush=True)


def forward_and_backward(label, function, *inputs):
    """Times function(*inputs) without a graph, then the gradient of every input alone."""
    with torch.no_grad():
        report(label, lambda: function(*inputs))
    leaves = [x.detach().requires_grad_() for x in inputs]
    y = function(*leaves)
    dy = torch.randn_like(y)
    report(label.split()[0] + "_grad", lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True))


def dilated(x, w, b):
    """Depthwise causal convolution with a dilation per group of channels; x [B, C, T], w [C, 1, K]."""
    width = channels // 4
    parts = []
    for g, dilation in enumerate((1, 4, 16, 32)):
        c = slice(g * width, (g + 1) * width)
        padded = F.pad(x[:, c], ((taps - 1) * dilation, 0))
        parts.append(F.conv1d(padded, w[c], b[c], dilation=dilation, groups=width))
    return torch.cat(parts, 1)


for bars in lengths:
    rows = windows * bars
    print(f"{windows} windows of {bars} bars, {channels} channels, {heads} heads; {threads} threads, torch {torch.__version__}")
    print(f"{'op':34s} {'median ms':>9s} {'best ms':>9s}")
    x = torch.randn(rows, channels)
    with torch.no_grad():
        for width in (channels, 3 * channels, 4 * channels):
            w, bias, dy = torch.randn(channels, width), torch.randn(width), torch.randn(rows, width)
            if width == 4 * channels:
                report(f"gemm y=xW {rows}x{channels}x{width} gelu", lambda: F.gelu(torch.addmm(bias, x, w), approximate="tanh"))
            else:
                report(f"gemm y=xW {rows}x{channels}x{width}", lambda: torch.addmm(bias, x, w))
            report(f"gemm dx=dyW' {rows}x{width}x{channels}", lambda: dy @ w.T)
            report(f"gemm dW=x'dy {channels}x{rows}x{width}", lambda: x.T @ dy)
    q, k, v = (torch.randn(windows, heads, bars, channels // heads) for _ in range(3))
    forward_and_backward("attention (no rotary)", lambda *a: F.scaled_dot_product_attention(*a, is_causal=True), q, k, v)
    forward_and_backward("conv 3 taps, dilation 1 4 16 32", dilated, torch.randn(windows, channels, bars),
                         torch.randn(channels, 1, taps), torch.randn(channels))
    forward_and_backward("layer_norm", lambda a, g, b: F.layer_norm(a, (channels,), g, b), x, torch.randn(channels), torch.randn(channels))
    forward_and_backward("act gelu", lambda a: F.gelu(a, approximate="tanh"), x)
    forward_and_backward("glu sigmoid", F.glu, torch.randn(rows, 2 * channels))
    with torch.no_grad():
        report("dropout", lambda: F.dropout(x, 0.1))
        report("softmax", lambda: F.softmax(x, -1))
        other = torch.randn_like(x)
        report("add", lambda: x + other)
        report("sum_leading", lambda: x.sum(0))
    parameter = torch.nn.Parameter(torch.randn(1000000))
    parameter.grad = torch.randn(1000000)
    optimizer = torch.optim.AdamW([parameter], fused=True)
    report("adamw 1M", optimizer.step)
    print()
