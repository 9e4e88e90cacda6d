"""The workloads of `gpu_check bench` in PyTorch and the libraries that are installed, on the same GPU and in the same run.

Usage: gpu_torch.py LINES
LINES is what `gpu_check bench LINES` wrote: name, hot seconds, cold seconds; of a training step, its seconds in three
ways and its sizes. Prints Markdown tables. An op is recorded many times over as a CUDA graph, as ours is, so that the GPU's time is compared and not the
launches. Float32 without TF32, but where a name ends in tf32 or bf16: there PyTorch works in that precision, bf16 from tensors
of half the bytes of ours. Ops that have no counterpart are left out, libraries that are not installed named.
"""
import importlib.util
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


def precision_of(name):
    """The last word of a name where it is a precision, else f32."""
    last = name.split()[-1]
    return last if last in ("f32", "tf32", "bf16") else "f32"


def attention_peers(name):
    """The same attention through one library each, causal, without rotary positions, from tensors in the name's precision: in
    bfloat16, which reads and writes half of our bytes, those made for it; else what PyTorch has for float32."""
    batch, bars, heads, width = (kernels.size(name, letter) for letter in "BTHD")
    half = precision_of(name) == "bf16"
    shape = (batch, heads, bars, width)
    inputs = [torch.rand(shape, dtype=torch.bfloat16 if half else torch.float32) for _ in range(3)]
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def through(backend):
        def run(q, k, v):
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, k, v, is_causal=True)

        return run

    backends = {"SDPA, cuDNN": SDPBackend.CUDNN_ATTENTION, "SDPA, FlashAttention": SDPBackend.FLASH_ATTENTION} if half else {
        "SDPA, memory-efficient": SDPBackend.EFFICIENT_ATTENTION}
    peers = {system: (through(backend), inputs) for system, backend in backends.items()}
    if half and installed("flash_attn"):
        from flash_attn import flash_attn_func

        peers["flash-attn"] = (lambda q, k, v: flash_attn_func(q, k, v, causal=True),
                               [x.transpose(1, 2).contiguous() for x in inputs])
    return peers


def scan_peers(name):
    """accelerated-scan's first-order scan over [B, C, T], where it is installed."""
    batch, bars, channels = (kernels.size(name, letter) for letter in "BTC")
    if not installed("accelerated_scan"):
        return {}
    from accelerated_scan.warp import scan

    return {"accelerated-scan": (scan, [torch.rand(batch, channels, bars) for _ in range(2)])}


def state_space_peers(name):
    """Mamba's selective scan with the parameters of S4D (complex states, the same at every bar), where it is installed."""
    batch, bars, channels, states = (kernels.size(name, letter) for letter in "BTCN")
    if not installed("mamba_ssm"):
        return {}
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    def run(u, step, pole, into, out, skip):
        return selective_scan_fn(u, step, pole, into, out, skip)

    def complex_of():
        return torch.complex(-torch.rand(channels, states), torch.rand(channels, states))

    u, step = torch.rand(batch, channels, bars), torch.rand(batch, channels, bars) * 0.1
    return {"Mamba's selective scan": (run, [u, step, complex_of(), complex_of(), complex_of(), torch.rand(channels)])}


def installed(package):
    return importlib.util.find_spec(package) is not None


MORE = {"attention": attention_peers, "scan": scan_peers, "s4": state_space_peers}


def systems_of(name):
    """What to compare a line with: system -> functions that make the work, one for each form of it."""
    op = name.split()[0]
    backward = op.endswith("_grad")
    base = op.removesuffix("_grad")
    heavy = kernels.HEAVY.get(base)
    kind = torch.bfloat16 if precision_of(name) == "bf16" else torch.float32
    systems = {}
    for label, function, shapes in heavy(name) if heavy else kernels.row_forms(name):
        if label in ("recurrence", "loop"):  # a launch for each bar
            continue
        inputs = [(x if torch.is_tensor(x) else torch.randn(x)).to(kind) for x in shapes]
        systems.setdefault("PyTorch", []).append(run_of(function, inputs, backward))
        if "complex" not in label:
            systems.setdefault("PyTorch compiled", []).append(run_of(torch.compile(function), inputs, backward))
    if op == "adamw":
        systems["PyTorch"] = [lambda: adamw_work(kernels.size(name, "P"))]
    try:
        more = MORE.get(base, lambda _: {})(name)
    except Exception as error:  # a library that is installed and cannot be used here is one system less
        print(f"{name}: {error}", file=sys.stderr)
        more = {}
    for system, (function, inputs) in more.items():
        systems[system] = [run_of(function, inputs, backward)]
    return systems


def fastest_s(name, system, makes):
    """Of the forms that this system can do; None where it can do none."""
    best = None
    for make in makes:
        torch._dynamo.reset()
        try:
            seconds = seconds_of(make)
            best = seconds if best is None else min(best, seconds)
        except Exception as error:  # of any library's kind: the other systems are still to be measured
            print(f"{name}, {system}: {error}", file=sys.stderr)
        torch.cuda.empty_cache()
    return best


def compare_ops(lines):
    print("| op | ours us | system | its us | its / ours |\n|---|---:|---|---:|---:|")
    for name, hot, *_ in lines:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision_of(name) == "tf32"
        for system, makes in systems_of(name).items():
            seconds = fastest_s(name, system, makes)
            cells = f"{1e6 * seconds:.2f} | {seconds / float(hot):.2f}" if seconds else "failed | "
            print(f"| {name} | {1e6 * float(hot):.2f} | {system} | {cells} |", flush=True)


def compare_steps(lines):
    """Each in a process of its own: hybrid_torch.py, as it is run for the CPU."""
    print("\n| training step | ours, 1 step a launch, us | ours, several steps a launch, us | PyTorch eager us "
          "| PyTorch compiled, with CUDA graphs, us |")
    print("|---|---:|---:|---:|---:|")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hybrid_torch.py")
    for name, single, several, _, width, layers, ratio, batch, window, warmup, features in lines:
        cells = []
        for mode in ([], ["compile"]):
            sizes = [width, layers, ratio, batch, window, warmup, features]
            command = [sys.executable, script, *sizes, "1", "cuda", *mode]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            cells.append(f"{1e6 * float(run.stdout.split()[1]):.1f}" if run.returncode == 0 else "failed")
        ours = f"{1e6 * float(single):.1f} | {1e6 * float(several):.1f}"
        print(f"| {name.removeprefix('step ')} | {ours} | {cells[0]} | {cells[1]} |", flush=True)


def main():
    if not torch.cuda.is_available():
        sys.exit("gpu_torch.py: this PyTorch finds no CUDA device")
    torch.set_default_device("cuda")
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}. Float32 without TF32, but for names that end in tf32 or bf16.")
    missing = [package for package in ("flash_attn", "mamba_ssm", "accelerated_scan") if not installed(package)]
    print(f"Not installed, so not compared: {', '.join(missing) or 'none'}.\n")
    compare_ops([line for line in lines if not line[0].startswith("step ")])
    compare_steps([line for line in lines if line[0].startswith("step ")])


main()
