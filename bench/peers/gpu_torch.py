"""The workloads of tests/gpu/gpu_bench.c and gpu_step.c in PyTorch, on the same GPU and in the same run.

Usage: gpu_torch.py LINES
LINES is what `gpu_check bench LINES` wrote: name, hot seconds, cold seconds; steps also their sizes. Prints Markdown
tables. An op is recorded many times over as a CUDA graph, as ours is, so that the GPU's time is compared and not the
launches. Float32 throughout, without TF32. Ops that have no counterpart in PyTorch are left out.
"""
import os
import re
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

ROUNDS = 20


def uniform(*shape, grad=False):
    return torch.rand(*shape, device="cuda", requires_grad=grad)


def seconds_of(make):
    """Seconds of one call of the work that `make` makes, from a recording of ROUNDS; median of seven replays.

    A backward pass runs on the stream of its forward pass, so the work is made on the stream that records."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        work = make()
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    recording = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recording, stream=side):
        for _ in range(ROUNDS):
            work()
    samples = []
    for i in range(9):
        begin = time.perf_counter()
        recording.replay()
        torch.cuda.synchronize()
        if i > 1:
            samples.append((time.perf_counter() - begin) / ROUNDS)
    return statistics.median(samples)


def backward_of(forward, *inputs):
    """Only the backward pass: the forward's graph is made here and kept."""
    y = forward(*inputs)
    dy = torch.rand_like(y)
    return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)


def swiglu(x):
    a, b = x.chunk(2, -1)
    return a * F.silu(b)


def row_works(rows, columns):
    """Functions that make the work of one op on [rows, columns]; made late, since the large ones take gigabytes."""

    def layer_norm(x, gain, bias):
        return F.layer_norm(x, (columns,), gain, bias)

    def x(grad=False):
        return uniform(rows, columns, grad=grad)

    def two(function):
        a, b = x(), x()
        return lambda: function(a, b)

    def one(function):
        a = x()
        return lambda: function(a)

    def norm_args(grad):
        return x(grad), uniform(columns, grad=grad), uniform(columns, grad=grad)

    def norm_forward():
        args = norm_args(False)
        return lambda: layer_norm(*args)

    def add_row():
        a, row = x(), uniform(columns)
        return lambda: a + row

    return {
        "act": lambda: one(lambda a: F.gelu(a, approximate="tanh")),
        "act_grad": lambda: two(lambda a, b: torch.ops.aten.gelu_backward(a, b, approximate="tanh")),
        "add": add_row,
        "mul": lambda: two(torch.mul),
        "affine": lambda: one(lambda a: a * 1.5 + 0.25),
        "sum_leading": lambda: one(lambda a: a.sum(0)),
        "glu": lambda: one(swiglu),
        "glu_grad": lambda: backward_of(swiglu, x(True)),
        "layer_norm": norm_forward,
        "layer_norm_grad": lambda: backward_of(layer_norm, *norm_args(True)),
        "dropout": lambda: one(lambda a: F.dropout(a, 0.1)),
        "softmax": lambda: one(lambda a: a.softmax(-1)),
        "softmax_grad": lambda: two(lambda a, b: torch.ops.aten._softmax_backward_data(a, b, -1, torch.float32)),
    }


def attention_works(batch, bars, heads, size):
    """Without rotary positions, which PyTorch's op does not have."""

    def qkv(grad):
        return [uniform(batch, heads, bars, size, grad=grad) for _ in range(3)]

    def attention(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def forward():
        args = qkv(False)
        return lambda: attention(*args)

    return {"attention": forward, "attention_grad": lambda: backward_of(attention, *qkv(True))}


def conv_works(batch, bars, channels, taps):
    part, dilations = channels // 4, (1, 4, 16, 1)

    def conv(x, w, bias):
        parts = []
        for i, dilation in enumerate(dilations):
            at = slice(i * part, (i + 1) * part)
            padded = F.pad(x[:, at], ((taps - 1) * dilation, 0))
            parts.append(F.conv1d(padded, w[at], bias[at], dilation=dilation, groups=part))
        return torch.cat(parts, 1)

    def args(grad):
        shapes = ((batch, channels, bars), (channels, 1, taps), (channels,))
        return [uniform(*shape, grad=grad) for shape in shapes]

    def forward():
        given = args(False)
        return lambda: conv(*given)

    return {"conv": forward, "conv_grad": lambda: backward_of(conv, *args(True))}


def gemm_work(m, k, n):
    a, b = uniform(m, k), uniform(k, n)
    return lambda: a @ b


def adamw_work(count):
    parameter = torch.nn.Parameter(uniform(count))
    parameter.grad = uniform(count)
    optimiser = torch.optim.AdamW([parameter], lr=1e-6, fused=True, capturable=True)
    return optimiser.step


def work_of(name):
    """The function that makes the work of a line, or None."""
    op, _, note = name.partition(" ")
    sizes = {key: int(value) for key, value in re.findall(r"([A-Z])(\d+)", note)}
    if op == "gemm":
        return lambda: gemm_work(sizes["M"], sizes["K"], sizes["N"])
    if op == "adamw":
        return lambda: adamw_work(sizes["P"])
    if op.startswith("attention"):
        return attention_works(sizes["B"], sizes["T"], sizes["H"], sizes["D"])[op]
    if op.startswith("conv"):
        return conv_works(sizes["B"], sizes["T"], sizes["C"], sizes["K"])[op]
    return row_works(sizes["N"], sizes["C"]).get(op) if "C" in sizes else None


def compare_ops(lines):
    print("| op | ours us | PyTorch us | PyTorch / ours |\n|---|---:|---:|---:|")
    for name, hot, *_ in lines:
        make = work_of(name)
        if make is None:
            continue
        try:
            seconds = seconds_of(make)
            cells = f"{1e6 * seconds:.2f} | {seconds / float(hot):.2f}"
        except RuntimeError as error:
            print(f"{name}: {error}", file=sys.stderr)
            cells = "failed | "
        torch.cuda.empty_cache()
        print(f"| {name} | {1e6 * float(hot):.2f} | {cells} |", flush=True)


def compare_steps(lines):
    """Each in a process of its own: hybrid_torch.py, as it is run for the CPU."""
    print("\n| training step | ours us | PyTorch eager us | PyTorch compiled, with CUDA graphs, us |")
    print("|---|---:|---:|---:|")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hybrid_torch.py")
    for name, replayed, _, width, layers, ratio, batch, window, warmup, features in lines:
        cells = []
        for mode in ([], ["compile"]):
            sizes = [width, layers, ratio, batch, window, warmup, features]
            command = [sys.executable, script, *sizes, "1", "cuda", *mode]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            cells.append(f"{1e6 * float(run.stdout.split()[1]):.1f}" if run.returncode == 0 else "failed")
        label, ours = name.removeprefix("step "), 1e6 * float(replayed)
        print(f"| {label} | {ours:.1f} | {cells[0]} | {cells[1]} |", flush=True)


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, float32 without TF32.\n")
    compare_ops([line for line in lines if not line[0].startswith("step ")])
    compare_steps([line for line in lines if line[0].startswith("step ")])


main()
