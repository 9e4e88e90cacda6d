"""The work of `plusultra bench kernels` in PyTorch (eager and compiled) and, where it is installed, JAX; on the CPU.

Reads workload names from standard input, one a line ("attention B64 T128 H4 D32"), and prints for each that it knows
`name<TAB>system<TAB>seconds`, the median. A gradient is the backward pass alone. Usage: kernels.py THREADS
"""
import math
import os
import re
import statistics
import sys
import time

threads = int(sys.argv[1]) if __name__ == "__main__" and len(sys.argv) > 1 else 0
if threads > 0:
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}"

import torch
import torch.nn.functional as F

if threads > 0:
    torch.set_num_threads(threads)
torch.manual_seed(20261123)
DILATIONS = (1, 4, 16, 32)
DENSE_DILATION = 4
COST_RATIO = 6e-4  # of the workload "pnl": half spread and fee, a latency of one bar
RUNS = 9


def median_s(work):
    work()
    work()
    samples = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        samples.append(time.perf_counter() - begin)
    return statistics.median(samples)


def rotate(x):
    """Rotary positions, pairs (2i, 2i+1), of x[B, H, T, D]."""
    bars, size = x.shape[2], x.shape[3]
    angle = torch.arange(bars)[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)
    pair = x.unflatten(3, (size // 2, 2))
    a, b, c, s = pair[..., 0], pair[..., 1], angle.cos(), angle.sin()
    return torch.stack((a * c - b * s, a * s + b * c), -1).flatten(3)


def attention(heads):
    def run(qkv):
        batch, bars, width = qkv.shape
        q, k, v = qkv.view(batch, bars, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
        return y.transpose(1, 2).reshape(batch, bars, width // 3)

    return run


def convolution(x, w, bias):
    channels, parts = x.shape[2], []
    width = channels // len(DILATIONS)
    for g, dilation in enumerate(DILATIONS):
        c = slice(g * width, (g + 1) * width)
        padded = F.pad(x[:, :, c].transpose(1, 2), ((w.shape[0] - 1) * dilation, 0))
        parts.append(F.conv1d(padded, w[:, c].flip(0).T[:, None, :], bias[c], dilation=dilation, groups=width))
    return torch.cat(parts, 1).transpose(1, 2)


def dense_convolution(x, w, bias):
    padded = F.pad(x.transpose(1, 2), ((w.shape[0] - 1) * DENSE_DILATION, 0))
    return F.conv1d(padded, w.flip(0).permute(2, 1, 0), bias, dilation=DENSE_DILATION).transpose(1, 2)


def s4(u, log_step, rate, frequency, weight, skip):
    """S4D as its authors compute it: the kernel by a Vandermonde product, the convolution by FFT of twice the length."""
    bars, states = u.shape[1], rate.shape[0]
    pole = torch.complex(-rate.exp(), frequency) * log_step.exp()
    out = torch.complex(weight[:states], weight[states:]) * (pole.exp() - 1) / pole * log_step.exp()
    kernel = 2 * torch.einsum("nc,nct->tc", out, torch.exp(pole[..., None] * torch.arange(bars))).real
    y = torch.fft.irfft(torch.fft.rfft(u, 2 * bars, dim=1) * torch.fft.rfft(kernel, 2 * bars, dim=0), 2 * bars, dim=1)
    return y[:, :bars] + skip * u


def swiglu(x):
    a, b = x.chunk(2, -1)
    return a * F.silu(b)


def profit_and_loss(returns):
    """Net returns of weights[B, T, A], bar by bar; no gaps and no ruin, which the kernel's account also looks for."""

    def run(weight):
        batch, bars, assets = weight.shape
        equity, value, net = torch.ones(batch), torch.zeros(batch, assets), []
        for t in range(bars):
            before = equity
            equity = equity + (value * returns[:, t]).sum(1)
            value = value * (1 + returns[:, t])
            if t > 0:
                wanted = weight[:, t - 1] * equity[:, None]
                equity = equity - COST_RATIO * (wanted - value).abs().sum(1)
                value = wanted
            net.append(equity / before - 1)
        return torch.stack(net, 1)

    return run


def model_parameters(channels, states):
    return (torch.rand(channels) * math.log(100) + math.log(1e-3), torch.full((states, channels), math.log(0.5)),
            math.pi * torch.arange(states)[:, None] + torch.zeros(channels), torch.randn(2 * states, channels),
            torch.randn(channels))


def size(name, letter):
    found = re.search(rf"(?: |^){letter}(\d+)(?: |$)", name)
    return int(found.group(1)) if found else 0


def torch_work(name):
    """The function and its inputs, or None where PyTorch has no counterpart."""
    op = name.split()[0].removesuffix("_grad")
    b, t, c, n, h, d = (size(name, letter) for letter in "BTCNHD")
    if op == "attention":
        return attention(h), (torch.randn(b, t, 3 * h * d),)
    if op == "conv":
        return convolution, (torch.randn(b, t, c), torch.randn(size(name, "K"), c), torch.randn(c))
    if op == "conv_dense":
        return dense_convolution, (torch.randn(b, t, c), torch.randn(size(name, "K"), c, c), torch.randn(c))
    if op == "s4":
        return s4, (torch.randn(b, t, c), *model_parameters(c, n))
    if op == "pnl":
        a = size(name, "A")
        return profit_and_loss(0.01 * torch.randn(b, t, a)), (torch.randn(b, t, a) / a,)
    if op == "layer_norm":
        return (lambda x, g, v: F.layer_norm(x, (c,), g, v)), (torch.randn(n, c), torch.randn(c), torch.randn(c))
    rows = {"act": lambda x: F.gelu(x, approximate="tanh"), "softmax": lambda x: x.softmax(-1)}
    if op in rows:
        return rows[op], (torch.randn(n, c),)
    if op == "glu":
        return swiglu, (torch.randn(n, 2 * c),)
    if op == "dropout":
        return (lambda x: F.dropout(x, 0.1)), (torch.randn(n, c),)
    if op == "affine":
        return (lambda x: x * 1.5 + 0.25), (torch.randn(n, c),)
    if op == "mul":
        return torch.mul, (torch.randn(n, c), torch.randn(n, c))
    if op == "add":
        return torch.add, (torch.randn(n, c), torch.randn(n, c))
    if op == "sum_leading":
        return (lambda x: x.sum(0)), (torch.randn(n, c),)
    if op == "gemm":
        m, k = size(name, "M"), size(name, "K")
        if "dW" in name:
            return (lambda x, y: x.T @ y), (torch.randn(k, m), torch.randn(k, n))
        if "dx" in name:
            return (lambda y, w: y @ w.T), (torch.randn(m, k), torch.randn(n, k))
        product = (torch.randn(n), torch.randn(m, k), torch.randn(k, n))
        return ((lambda v, x, w: F.gelu(torch.addmm(v, x, w), approximate="tanh")) if "gelu" in name else torch.addmm), product
    return None


def report(name, system, seconds):
    print(f"{name}\t{system}\t{seconds:.9g}", flush=True)


def time_torch(name, function, inputs):
    backward = "_grad" in name.split()[0]
    torch._dynamo.reset()
    systems = [("PyTorch", function), ("PyTorch compiled", torch.compile(function))]
    for system, run in systems[:1] if name.startswith("pnl") else systems:  # a loop over bars takes minutes to compile
        if not backward:
            with torch.no_grad():
                report(name, system, median_s(lambda: run(*inputs)))
            continue
        leaves = [x.detach().requires_grad_() for x in inputs]
        y = run(*leaves)
        dy = torch.randn_like(y)
        report(name, system, median_s(lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True)))


def time_jax(name):
    """The heavy ops in JAX: jitted; a gradient is the whole forward and backward pass less the forward pass."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    op = name.split()[0]
    b, t, c, n, h, d = (size(name, letter) for letter in "BTCNHD")

    def attend(qkv):
        q, k, v = jnp.moveaxis(qkv.reshape(b, t, 3, h, d), 2, 0)
        angle = jnp.arange(t)[:, None] * 10000.0 ** (-jnp.arange(0, d, 2) / d)

        def turned(x):
            x = x.reshape(b, t, h, d // 2, 2)
            co, si = jnp.cos(angle)[None, :, None], jnp.sin(angle)[None, :, None]
            return jnp.stack((x[..., 0] * co - x[..., 1] * si, x[..., 0] * si + x[..., 1] * co), -1).reshape(b, t, h, d)

        return jax.nn.dot_product_attention(turned(q), turned(k), v, is_causal=True)

    def convolve(x, w, bias):
        width, parts = c // len(DILATIONS), []
        for g, dilation in enumerate(DILATIONS):
            cut = slice(g * width, (g + 1) * width)
            parts.append(jax.lax.conv_general_dilated(x[:, :, cut], w[::-1, None, cut], (1,), [((w.shape[0] - 1) * dilation, 0)],
                                                      rhs_dilation=(dilation,), feature_group_count=width,
                                                      dimension_numbers=("NWC", "WIO", "NWC")))
        return jnp.concatenate(parts, -1) + bias

    def convolve_densely(x, w, bias):
        return bias + jax.lax.conv_general_dilated(x, w[::-1], (1,), [((w.shape[0] - 1) * DENSE_DILATION, 0)],
                                                   rhs_dilation=(DENSE_DILATION,), dimension_numbers=("NWC", "WIO", "NWC"))

    def state_space(u, log_step, rate, frequency, weight, skip):
        pole = (-jnp.exp(rate) + 1j * frequency) * jnp.exp(log_step)
        out = (weight[:n] + 1j * weight[n:]) * (jnp.exp(pole) - 1) / pole * jnp.exp(log_step)
        kernel = 2 * jnp.einsum("nc,nct->tc", out, jnp.exp(pole[..., None] * jnp.arange(t))).real
        y = jnp.fft.irfft(jnp.fft.rfft(u, 2 * t, axis=1) * jnp.fft.rfft(kernel, 2 * t, axis=0), 2 * t, axis=1)
        return y[:, :t] + skip * u

    normal = np.random.default_rng(1).standard_normal
    a = size(name, "A")
    returns = jnp.asarray(0.01 * normal((t, b, a)), jnp.float32)

    def account(weight):
        def step(state, bar):
            equity, value = state
            due, r = bar
            marked, value = equity + (value * r).sum(1), value * (1 + r)
            after = marked - COST_RATIO * jnp.abs(due * marked[:, None] - value).sum(1)
            return (after, due * marked[:, None]), after / equity - 1

        due = jnp.concatenate([jnp.zeros((1, b, a), jnp.float32), jnp.moveaxis(weight, 1, 0)[:-1]])
        start = jnp.ones(b, jnp.float32), jnp.zeros((b, a), jnp.float32)
        return jnp.moveaxis(jax.lax.scan(step, start, (due, returns))[1], 0, 1)

    shapes = {"attention": (attend, [(b, t, 3 * h * d)]), "conv": (convolve, [(b, t, c), (size(name, "K"), c), (c,)]),
              "conv_dense": (convolve_densely, [(b, t, c), (size(name, "K"), c, c), (c,)]),
              "s4": (state_space, [(b, t, c)]), "pnl": (account, [(b, t, a)])}
    base = op.removesuffix("_grad")
    if base not in shapes:
        return
    function, wanted = shapes[base]
    inputs = [jnp.asarray(normal(s), jnp.float32) for s in wanted]
    if base == "s4":
        inputs += [jnp.asarray(p.numpy()) for p in model_parameters(c, n)]
    forward = jax.jit(function)
    forward_s = median_s(lambda: forward(*inputs).block_until_ready())
    if not op.endswith("_grad"):
        report(name, "JAX", forward_s)
        return
    dy = jnp.asarray(normal(forward(*inputs).shape), jnp.float32)
    both = jax.jit(lambda *a: jax.vjp(function, *a)[1](dy))
    both_s = median_s(lambda: jax.block_until_ready(both(*inputs)))
    report(name, "JAX", max(both_s - forward_s, 0.5 * both_s))


def main():
    try:
        import jax  # noqa: F401
        has_jax = True
    except ImportError:
        has_jax = False
    for line in sys.stdin:
        name = line.strip()
        work = torch_work(name)
        if work:
            time_torch(name, *work)
        if has_jax:
            time_jax(name)


if __name__ == "__main__":
    main()
