"""The work of `plusultra bench kernels` and `plusultra bench layers` in PyTorch (eager and compiled) and, where it is
installed, JAX; on the CPU. Where there are several ways to write an operation (order of the axes, a library's kernel or
plain operations, transforms or recurrences), each system gets the one that it is fastest with here.

Reads lines from standard input. Usage: kernels.py THREADS
  NAME              a workload ("attention_grad B64 T128 H4 D32"): prints `NAME<TAB>system<TAB>seconds`, the median, for each
                    system that knows it. A gradient is the backward pass alone.
  prepare NAME      a layer ("attention B64 T128 H4 D32 no positions"): prints `ready` and, after tabs, `system=form` of each.
  run SYSTEM        one sample of the layer, forward and backward: prints the seconds of one pass.
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
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])

import torch
import torch.nn.functional as F

if threads > 0:
    torch.set_num_threads(threads)
torch.manual_seed(20261123)
DENSE_DILATION = 4
COST_RATIO = 6e-4  # of the workload "pnl": half spread and fee, a latency of one bar
RUNS = 9
SAMPLE_S = 0.02
SCAN_BARS_MAX = 128  # recurrences written operation by operation keep every state: no longer than this


def seconds_of(work, runs=1):
    begin = time.perf_counter()
    for _ in range(runs):
        work()
    return (time.perf_counter() - begin) / runs


def median_s(work):
    work()
    work()
    return statistics.median(seconds_of(work) for _ in range(RUNS))


def size(name, letter):
    found = re.search(rf"(?: |^){letter}(\d+)(?: |$)", name)
    return int(found.group(1)) if found else 0


def dilations_of(name):
    found = re.search(r"dilations? ([\d ]+)", name)
    return tuple(map(int, found.group(1).split())) if found else (1, 4, 16, 32)


# ---- PyTorch: a form is a label, a function and the shapes of its inputs (or the inputs themselves) ----

def angles(bars, size):
    angle = torch.arange(bars)[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)
    return angle.cos(), angle.sin()


def attention_forms(name):
    b, t, h, d = (size(name, letter) for letter in "BTHD")
    cosine, sine = angles(t, d)
    turn = torch.complex(cosine, sine)
    hidden = torch.full((t, t), -math.inf).triu(1)

    def pairs(x):
        x = x.unflatten(3, (d // 2, 2))
        even, odd = x[..., 0], x[..., 1]
        return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).flatten(3)

    def halves(x):  # the same rotation where the model's channels are so ordered
        first, second = x.chunk(2, -1)
        return torch.cat((first * cosine - second * sine, first * sine + second * cosine), -1)

    def complex_numbers(x):
        return torch.view_as_real(torch.view_as_complex(x.unflatten(3, (d // 2, 2))) * turn).flatten(3)

    def fused(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def plain(q, k, v):
        return torch.softmax(q @ k.transpose(2, 3) / math.sqrt(d) + hidden, -1) @ v

    def form(rotate, attend):
        def run(qkv):
            q, k, v = qkv.view(b, t, 3, h, d).permute(2, 0, 3, 1, 4)
            return attend(rotate(q).to(v.dtype), rotate(k).to(v.dtype), v).transpose(1, 2).reshape(b, t, h * d)

        return run

    def same(x):
        return x

    rotations = {"": same}
    if "no positions" not in name:
        rotations = {", pairs": pairs, ", halves": halves, ", complex": complex_numbers}
    shapes = [(b, t, 3 * h * d)]
    found = [(f"SDPA{label}", form(rotate, fused), shapes) for label, rotate in rotations.items()]
    rotate = halves if halves in rotations.values() else same
    return found + [("softmax" + (", halves" if rotate is halves else ""), form(rotate, plain), shapes)]


def convolution_forms(name):
    b, t, c, taps = (size(name, letter) for letter in "BTCK")
    dilations = dilations_of(name)
    width = c // len(dilations)

    def by_parts(run, axis):
        if len(dilations) == 1:
            return lambda x, w, bias: run(x, w, bias, dilations[0])

        def parts(x, w, bias):
            cut = [slice(g * width, (g + 1) * width) for g in range(len(dilations))]
            return torch.cat([run(x.narrow(axis, g.start, width), w[g], bias[g], dilation) for g, dilation in zip(cut, dilations)], axis)

        return parts

    def channels_first(x, w, bias, dilation):
        return F.conv1d(x, w[:, None], bias, dilation=dilation, groups=width, padding=(taps - 1) * dilation)[..., :x.shape[2]]

    def channels_last(x, w, bias, dilation):
        image = x.transpose(1, 2).unsqueeze(2)
        y = F.conv2d(image, w[:, None, None], bias, dilation=(1, dilation), groups=width, padding=(0, (taps - 1) * dilation))
        return y[:, :, 0, :x.shape[1]].transpose(1, 2)

    def sums(x, w, bias, dilation):
        padded = F.pad(x, (0, 0, (taps - 1) * dilation, 0))
        return bias + sum(w[:, k] * padded[:, k * dilation:k * dilation + x.shape[1]] for k in range(taps))

    def sums_first(x, w, bias, dilation):
        padded = F.pad(x, ((taps - 1) * dilation, 0))
        return bias[:, None] + sum(w[:, k, None] * padded[..., k * dilation:k * dilation + x.shape[2]] for k in range(taps))

    rest = [(c, taps), (c,)]
    return [("conv1d, channels first", by_parts(channels_first, 1), [(b, c, t)] + rest),
            ("conv2d, channels last", by_parts(channels_last, 2), [(b, t, c)] + rest),
            ("sum of taps, channels last", by_parts(sums, 2), [(b, t, c)] + rest),
            ("sum of taps, channels first", by_parts(sums_first, 1), [(b, c, t)] + rest)]


def dense_convolution(x, w, bias):
    padded = F.pad(x.transpose(1, 2), ((w.shape[0] - 1) * DENSE_DILATION, 0))
    return F.conv1d(padded, w.flip(0).permute(2, 1, 0), bias, dilation=DENSE_DILATION).transpose(1, 2)


def s4_forms(name):
    """S4D: the kernel by a Vandermonde product as its authors compute it; then by FFT of twice the length, or as a product
    with the kernel's Toeplitz matrix; or the recurrence."""
    b, t, c, n = (size(name, letter) for letter in "BTCN")

    def poles(log_step, rate, frequency, weight):
        pole = torch.complex(-rate.exp(), frequency) * log_step.exp()
        return pole, torch.complex(weight[:n], weight[n:]) * (pole.exp() - 1) / pole * log_step.exp()

    def kernel(*parameters):
        pole, out = poles(*parameters)
        return 2 * torch.einsum("nc,nct->ct", out, torch.exp(pole[..., None] * torch.arange(t))).real

    def transform(u, *p):
        y = torch.fft.irfft(torch.fft.rfft(u, 2 * t, dim=1) * torch.fft.rfft(kernel(*p[:-1]).T, 2 * t, dim=0), 2 * t, dim=1)
        return y[:, :t] + p[-1] * u

    def transform_first(u, *p):
        y = torch.fft.irfft(torch.fft.rfft(u, 2 * t) * torch.fft.rfft(kernel(*p[:-1]), 2 * t), 2 * t)
        return y[..., :t] + p[-1][:, None] * u

    def toeplitz(u, *p):  # u[C, B, T]
        rows = F.pad(kernel(*p[:-1]).flip(1), (0, t - 1)).unfold(1, t, 1)
        return (u @ rows.transpose(1, 2)).flip(2) + p[-1][:, None, None] * u

    def scan(u, *p):
        pole, out = poles(*p[:-1])
        kept, state, rows = pole.exp(), 0, []
        for bar in range(t):
            state = kept * state + u[:, bar, None]
            rows.append(2 * (out * state).real.sum(1))
        return torch.stack(rows, 1) + p[-1] * u

    parameters = model_parameters(c, n)
    found = [("FFT, channels first", transform_first, [(b, c, t), *parameters]),
             ("FFT, channels last", transform, [(b, t, c), *parameters]),
             ("Toeplitz product", toeplitz, [(c, b, t), *parameters])]
    return found + [("recurrence", scan, [(b, t, c), *parameters])] if t <= SCAN_BARS_MAX else found


def model_parameters(channels, states):
    return (torch.rand(channels) * math.log(100) + math.log(1e-3), torch.full((states, channels), math.log(0.5)),
            math.pi * torch.arange(states)[:, None] + torch.zeros(channels), torch.randn(2 * states, channels),
            torch.randn(channels))


def swiglu(x):
    a, b = x.chunk(2, -1)
    return a * F.silu(b)


def pnl_forms(name):
    """Net returns of weights[B, T, A], bar by bar; no gaps and no ruin, which the kernel's account also looks for."""
    b, t, a = (size(name, letter) for letter in "BTA")
    returns = 0.01 * torch.randn(b, t, a)

    def run(weight):
        equity, value, net = torch.ones(b), torch.zeros(b, a), []
        for bar in range(t):
            before = equity
            equity = equity + (value * returns[:, bar]).sum(1)
            value = value * (1 + returns[:, bar])
            if bar > 0:
                wanted = weight[:, bar - 1] * equity[:, None]
                equity = equity - COST_RATIO * (wanted - value).abs().sum(1)
                value = wanted
            net.append(equity / before - 1)
        return torch.stack(net, 1)

    return [("loop", run, [torch.randn(b, t, a) / a])]


HEAVY = {"pnl": pnl_forms, "attention": attention_forms, "conv": convolution_forms, "s4": s4_forms}


def row_forms(name):
    """Of what there is one way to write; none where PyTorch has no counterpart."""
    op = name.split()[0].removesuffix("_grad")
    b, t, c, n = (size(name, letter) for letter in "BTCN")
    one = {"act": lambda x: F.gelu(x, approximate="tanh"), "softmax": lambda x: x.softmax(-1),
           "dropout": lambda x: F.dropout(x, 0.1), "affine": lambda x: x * 1.5 + 0.25, "sum_leading": lambda x: x.sum(0)}
    two = {"mul": torch.mul, "add": torch.add}
    if op == "conv_dense":
        return [("conv1d", dense_convolution, [(b, t, c), (size(name, "K"), c, c), (c,)])]
    if op == "layer_norm":
        return [("layer_norm", lambda x, g, v: F.layer_norm(x, (c,), g, v), [(n, c), (c,), (c,)])]
    if op == "glu":
        return [("silu", swiglu, [(n, 2 * c)])]
    if op in one:
        return [(op, one[op], [(n, c)])]
    if op in two:
        return [(op, two[op], [(n, c), (n, c)])]
    if op != "gemm":
        return []
    m, k = size(name, "M"), size(name, "K")
    if "dW" in name:
        return [("product", lambda x, y: x.T @ y, [(k, m), (k, n)])]
    if "dx" in name:
        return [("product", lambda y, w: y @ w.T, [(m, k), (n, k)])]
    gelu = (lambda v, x, w: F.gelu(torch.addmm(v, x, w), approximate="tanh")) if "gelu" in name else torch.addmm
    return [("product", gelu, [(n,), (m, k), (k, n)])]


def torch_passes(function, shapes, passes):
    """One call is the forward pass, the backward pass, or both."""
    inputs = [x if torch.is_tensor(x) else torch.randn(x) for x in shapes]
    if passes == "forward":
        def forward():
            with torch.no_grad():
                return function(*inputs)

        return forward
    leaves = [x.detach().requires_grad_() for x in inputs]
    y = function(*leaves)
    dy = torch.randn_like(y)
    if passes == "backward":
        return lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True)
    return lambda: torch.autograd.grad(function(*leaves), leaves, dy)


# ---- JAX ----

def jax_forms(name):
    import jax
    import jax.numpy as jnp

    op = name.split()[0].removesuffix("_grad")
    b, t, c, n, h, d, taps = (size(name, letter) for letter in "BTCNHDK")
    dilations = dilations_of(name)

    def rotation(halves, axes):
        cosine, sine = (jnp.asarray(x.numpy()).reshape((1, 1, t, d // 2) if axes == "BHTD" else (1, t, 1, d // 2)) for x in angles(t, d))

        def turned(x):
            if "no positions" in name:
                return x
            if halves:
                first, second = jnp.split(x, 2, -1)
                return jnp.concatenate((first * cosine - second * sine, first * sine + second * cosine), -1)
            even, odd = x[..., 0::2], x[..., 1::2]
            return jnp.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).reshape(x.shape)

        return turned

    def library_attention(halves):
        turned = rotation(halves, "BTHD")

        def run(qkv):
            q, k, v = jnp.moveaxis(qkv.reshape(b, t, 3, h, d), 2, 0)
            return jax.nn.dot_product_attention(turned(q), turned(k), v, is_causal=True).reshape(b, t, h * d)

        return run

    def plain_attention(halves):
        turned = rotation(halves, "BHTD")

        def run(qkv):
            q, k, v = qkv.reshape(b, t, 3, h, d).transpose(2, 0, 3, 1, 4)
            score = jnp.einsum("bhtd,bhsd->bhts", turned(q), turned(k)) / math.sqrt(d)
            score = jnp.where(jnp.tril(jnp.ones((t, t), bool)), score, -jnp.inf)
            return jnp.einsum("bhts,bhsd->bhtd", jax.nn.softmax(score), v).transpose(0, 2, 1, 3).reshape(b, t, h * d)

        return run

    def by_parts(run, axis):
        def parts(x, w, bias):
            x, w, bias = (jnp.split(a, len(dilations), i) for a, i in ((x, axis), (w, 0), (bias, 0)))
            return jnp.concatenate([run(*part) for part in zip(x, w, bias, dilations)], axis)

        return parts

    def library_convolution(x, w, bias, dilation):
        return bias + jax.lax.conv_general_dilated(x, w.T[:, None], (1,), [((taps - 1) * dilation, 0)], rhs_dilation=(dilation,),
                                                   feature_group_count=x.shape[2], dimension_numbers=("NWC", "WIO", "NWC"))

    def library_convolution_first(x, w, bias, dilation):
        return bias[:, None] + jax.lax.conv_general_dilated(x, w[:, None], (1,), [((taps - 1) * dilation, 0)], rhs_dilation=(dilation,),
                                                            feature_group_count=x.shape[1], dimension_numbers=("NCW", "OIW", "NCW"))

    def sums(x, w, bias, dilation):
        padded = jnp.pad(x, ((0, 0), ((taps - 1) * dilation, 0), (0, 0)))
        return bias + sum(w[:, k] * padded[:, k * dilation:k * dilation + t] for k in range(taps))

    def sums_first(x, w, bias, dilation):
        padded = jnp.pad(x, ((0, 0), (0, 0), ((taps - 1) * dilation, 0)))
        return bias[:, None] + sum(w[:, k, None] * padded[..., k * dilation:k * dilation + t] for k in range(taps))

    def dense(x, w, bias):
        return bias + jax.lax.conv_general_dilated(x, w[::-1], (1,), [((taps - 1) * DENSE_DILATION, 0)],
                                                   rhs_dilation=(DENSE_DILATION,), dimension_numbers=("NWC", "WIO", "NWC"))

    def poles(log_step, rate, frequency, weight):
        pole = (-jnp.exp(rate) + 1j * frequency) * jnp.exp(log_step)
        return pole, (weight[:n] + 1j * weight[n:]) * (jnp.exp(pole) - 1) / pole * jnp.exp(log_step)

    def kernel(*parameters):
        pole, out = poles(*parameters)
        return 2 * jnp.einsum("nc,nct->ct", out, jnp.exp(pole[..., None] * jnp.arange(t))).real

    def transform(u, *p):
        y = jnp.fft.irfft(jnp.fft.rfft(u, 2 * t, axis=1) * jnp.fft.rfft(kernel(*p[:-1]).T, 2 * t, axis=0), 2 * t, axis=1)
        return y[:, :t] + p[-1] * u

    def transform_first(u, *p):
        y = jnp.fft.irfft(jnp.fft.rfft(u, 2 * t) * jnp.fft.rfft(kernel(*p[:-1]), 2 * t), 2 * t)
        return y[..., :t] + p[-1][:, None] * u

    def toeplitz(u, *p):  # u[C, B, T]
        lag = jnp.arange(t)[None, :] - jnp.arange(t)[:, None]
        matrix = jnp.where(lag >= 0, kernel(*p[:-1])[:, jnp.maximum(lag, 0)], 0)
        return jnp.einsum("cbs,cst->cbt", u, matrix) + p[-1][:, None, None] * u

    def scan(u, *p):
        pole, out = poles(*p[:-1])
        kept = jnp.exp(pole)

        def bar(state, now):
            state = kept * state + now[:, None]
            return state, 2 * jnp.sum(out * state, 1).real

        y = jax.lax.scan(bar, jnp.zeros((b, n, c), jnp.complex64), u.transpose(1, 0, 2))[1]
        return y.transpose(1, 0, 2) + p[-1] * u

    def associative(u, *p):
        pole, out = poles(*p[:-1])
        kept = jnp.broadcast_to(jnp.exp(pole), (b, t, n, c))
        state = jax.lax.associative_scan(lambda x, y: (y[0] * x[0], y[0] * x[1] + y[1]), (kept, u[:, :, None] + 0j * kept), axis=1)[1]
        return 2 * jnp.sum(out * state, 2).real + p[-1] * u

    a = size(name, "A")
    returns = jnp.asarray((0.01 * torch.randn(t, b, a)).numpy())

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

    if op == "attention":
        shapes = [(b, t, 3 * h * d)]
        return [("dot_product_attention, pairs", library_attention(False), shapes),
                ("dot_product_attention, halves", library_attention(True), shapes),
                ("softmax, pairs", plain_attention(False), shapes), ("softmax, halves", plain_attention(True), shapes)]
    if op == "conv":
        rest = [(c, taps), (c,)]
        return [("conv, channels last", by_parts(library_convolution, 2), [(b, t, c)] + rest),
                ("conv, channels first", by_parts(library_convolution_first, 1), [(b, c, t)] + rest),
                ("sum of taps, channels last", by_parts(sums, 2), [(b, t, c)] + rest),
                ("sum of taps, channels first", by_parts(sums_first, 1), [(b, c, t)] + rest)]
    if op == "conv_dense":
        return [("conv", dense, [(b, t, c), (taps, c, c), (c,)])]
    if op == "pnl":
        return [("scan", account, [torch.randn(b, t, a) / a])]
    if op != "s4":
        return []
    parameters = model_parameters(c, n)
    found = [("FFT, channels first", transform_first, [(b, c, t), *parameters]), ("FFT, channels last", transform, [(b, t, c), *parameters]),
             ("Toeplitz product", toeplitz, [(c, b, t), *parameters]), ("scan", scan, [(b, t, c), *parameters])]
    return found + [("associative_scan", associative, [(b, t, c), *parameters])] if t <= SCAN_BARS_MAX else found


def jax_passes(function, shapes, passes):
    """Jitted. XLA has no backward pass by itself: `backward` is None."""
    import jax
    import jax.numpy as jnp

    inputs = [jnp.asarray((x if torch.is_tensor(x) else torch.randn(x)).numpy()) for x in shapes]
    forward = jax.jit(function)
    if passes == "forward":
        return lambda: forward(*inputs).block_until_ready()
    dy = jnp.asarray(torch.randn(forward(*inputs).shape).numpy())

    def both(dy, *x):
        y, pull = jax.vjp(function, *x)
        return y, pull(dy)

    step = jax.jit(both)
    return lambda: jax.block_until_ready(step(dy, *inputs))


# ---- the conversation ----

def systems_of(name, has_jax):
    """(system, forms, what makes a form's passes)."""
    heavy = HEAVY.get(name.split()[0].removesuffix("_grad"))
    forms = heavy(name) if heavy else row_forms(name)
    if forms:
        yield "PyTorch", forms, torch_passes
        compiled = [f for f in forms if "complex" not in f[0] and f[0] not in ("recurrence", "loop")]  # they take minutes
        yield "PyTorch compiled", compiled, lambda function, shapes, passes: torch_passes(torch.compile(function), shapes, passes)
    if has_jax:
        yield "JAX", jax_forms(name), jax_passes


def fastest(name, system, forms, make, passes):
    """The form that is fastest, as (label, seconds, work); None where there is none."""
    best = None
    for label, function, shapes in forms:
        try:
            torch._dynamo.reset()
            work = make(function, shapes, passes)
            work()
            seconds = seconds_of(work)
            if best is None or seconds < 3 * best[1]:
                seconds = min(seconds, seconds_of(work), seconds_of(work))
        except (RuntimeError, ValueError, MemoryError) as error:
            print(f"{name}: {system}, {label}: {error}", file=sys.stderr)
            continue
        if best is None or seconds < best[1]:
            best = (label, seconds, work)
    return best


def report(name, has_jax):
    """Medians of a workload. JAX's gradient is the whole forward and backward pass less the forward pass."""
    backward = "_grad" in name.split()[0]
    for system, forms, make in systems_of(name, has_jax):
        best = fastest(name, system, forms, make, ("both" if system == "JAX" else "backward") if backward else "forward")
        if best is None:
            continue
        seconds = median_s(best[2])
        if backward and system == "JAX":
            forward = next(make(f, shapes, "forward") for label, f, shapes in forms if label == best[0])
            seconds = max(seconds - median_s(forward), 0.5 * seconds)
        print(f"{name}\t{system}\t{seconds:.9g}", flush=True)


def prepare(name, has_jax):
    """What `run SYSTEM` then calls: the fastest form of each system, and how often a sample repeats it."""
    works, ready = {}, []
    for system, forms, make in systems_of(name, has_jax):
        best = fastest(name, system, forms, make, "both")
        if best:
            works[system] = (best[2], max(1, math.ceil(SAMPLE_S / best[1])))
            ready.append(f"\t{system}={best[0]}")
    print("ready" + "".join(ready), flush=True)
    return works


def main():
    try:
        import jax  # noqa: F401
        has_jax = True
    except ImportError:
        has_jax = False
    works = {}
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "prepare":
            works = {}  # the last layer's memory goes first
            works = prepare(rest, has_jax)
        elif word == "run":
            work, runs = works[rest]
            work()
            print(f"{seconds_of(work, runs):.9g}", flush=True)
        else:
            report(line.strip(), has_jax)


if __name__ == "__main__":
    main()
