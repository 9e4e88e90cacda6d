"""The workloads of `gpu_check bench` in PyTorch and the libraries that are installed, on the same GPU and in the same run.

Usage: gpu_torch.py LINES
LINES is what `gpu_check bench LINES` wrote: name, hot seconds, cold seconds; steps also their sizes. Prints Markdown
tables. An op is recorded many times over as a CUDA graph, as ours is, so that the GPU's time is compared and not the
launches. Float32 throughout, without TF32. Ops that have no counterpart in PyTorch are left out.
"""
import os
import statistics
import subprocess
import sys
import time

import kernels  # the same folder's
import torch
import torch.nn.functional as F

ROUNDS = 20


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


def run_of(function, inputs, backward):
    """Makes the work: a call, or the backward pass alone of a forward pass that is made here and kept."""

    def make():
        if not backward:
            return lambda: function(*inputs)
        leaves = [x.detach().requires_grad_() for x in inputs]
        y = function(*leaves)
        dy = torch.rand_like(y)
        return lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True)

    return make


def adamw_work(count):
    parameter = torch.nn.Parameter(torch.rand(count))
    parameter.grad = torch.rand(count)
    optimiser = torch.optim.AdamW([parameter], lr=1e-6, fused=True, capturable=True)
    return optimiser.step


def attention_peers(name):
    """The same attention through one library each, in bfloat16, which they ask for: causal, without rotary positions."""
    batch, bars, heads, width = (kernels.size(name, letter) for letter in "BTHD")
    shape = (batch, heads, bars, width)
    inputs = [torch.rand(shape, dtype=torch.bfloat16) for _ in range(3)]
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def through(backend):
        def run(q, k, v):
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, k, v, is_causal=True)

        return run

    peers = {"cuDNN bf16": (through(SDPBackend.CUDNN_ATTENTION), inputs),
             "PyTorch's FlashAttention bf16": (through(SDPBackend.FLASH_ATTENTION), inputs)}
    try:
        from flash_attn import flash_attn_func

        peers["flash-attn bf16"] = (lambda q, k, v: flash_attn_func(q, k, v, causal=True),
                                    [x.transpose(1, 2).contiguous() for x in inputs])
    except ImportError:
        pass
    return peers


def scan_peers(name):
    """accelerated-scan's first-order scan over [B, C, T], where it is installed."""
    batch, bars, channels = (kernels.size(name, letter) for letter in "BTC")
    try:
        from accelerated_scan.warp import scan
    except ImportError:
        return {}
    return {"accelerated-scan": (scan, [torch.rand(batch, channels, bars) for _ in range(2)])}


def systems_of(name):
    """What to compare a line with: system -> function that makes the work."""
    op = name.split()[0]
    backward = op.endswith("_grad")
    found = kernels.torch_work(name)
    systems = {}
    if found:
        function, inputs = found
        systems["PyTorch"] = run_of(function, inputs, backward)
        if op.removesuffix("_grad") in ("attention", "conv", "conv_dense", "s4", "layer_norm", "glu"):
            systems["PyTorch compiled"] = run_of(torch.compile(function), inputs, backward)
    if op == "adamw":
        systems["PyTorch"] = lambda: adamw_work(kernels.size(name, "P"))
    more = attention_peers(name) if op.startswith("attention") else scan_peers(name) if op.startswith("scan") else {}
    for system, (function, inputs) in more.items():
        systems[system] = run_of(function, inputs, backward)
    return systems


def compare_ops(lines):
    print("| op | ours us | system | its us | its / ours |\n|---|---:|---|---:|---:|")
    for name, hot, *_ in lines:
        for system, make in systems_of(name).items():
            torch._dynamo.reset()
            try:
                seconds = seconds_of(make)
                cells = f"{1e6 * seconds:.2f} | {seconds / float(hot):.2f}"
            except (RuntimeError, ValueError) as error:
                print(f"{name}, {system}: {error}", file=sys.stderr)
                cells = "failed | "
            torch.cuda.empty_cache()
            print(f"| {name} | {1e6 * float(hot):.2f} | {system} | {cells} |", flush=True)


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
    torch.set_default_device("cuda")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, float32 without TF32.\n")
    compare_ops([line for line in lines if not line[0].startswith("step ")])
    compare_steps([line for line in lines if line[0].startswith("step ")])


main()
