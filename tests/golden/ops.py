"""Golden values of the model's operations: float64 PyTorch, gradients by its automatic differentiation.

    python3 tests/golden/ops.py > tests/golden/ops.txt

A case is a line `case OP key=value ...`, then a line `in RANK DIMS... VALUES...` for each input and `out ...` for each
output. Inputs are rounded to float32 first, so that a C program reads them without loss.
"""
import math

import torch
import torch.nn.functional as F

torch.manual_seed(20261123)
torch.set_default_dtype(torch.float64)


def normal(*shape, scale=1.0, shift=0.0):
    return (shift + scale * torch.randn(*shape)).float().double()


def line(kind, tensor):
    tensor = tensor.detach()
    words = [kind, str(tensor.dim())] + [str(d) for d in tensor.shape]
    digits = "%.9g" if kind == "in" else "%.15g"
    print(" ".join(words + [digits % v for v in tensor.flatten().tolist()]))


def emit(op, attributes, inputs, outputs):
    print("case", op, *(f"{k}={v}" for k, v in attributes.items()))
    for tensor in inputs:
        line("in", tensor)
    for tensor in outputs:
        line("out", tensor)


def forward_and_backward(op, attributes, function, inputs, derived=()):
    """One case of `op`, and one of `op`_grad: dy, the inputs and, as float32, the `derived` outputs come first."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    outputs = function(*leaves)
    emit(op, attributes, inputs, outputs)
    dy = normal(*outputs[0].shape)
    slopes = torch.autograd.grad(outputs[0], leaves, dy)
    emit(op + "_grad", attributes, [dy, *inputs] + [outputs[i].float().double() for i in derived], slopes)


def rotate(x, base, first=0):
    """RoFormer's rotation of the pairs (2i, 2i+1) of x[B, T, H, D], whose bar 0 stands at `first`."""
    bars, size = x.shape[1], x.shape[3]
    angle = (first + torch.arange(bars))[:, None] * base ** (-torch.arange(0, size, 2) / size)
    pair = torch.view_as_complex(x.reshape(*x.shape[:3], size // 2, 2).contiguous())
    return torch.view_as_real(pair * torch.polar(torch.ones_like(angle), angle)[None, :, None]).flatten(3)


def attend(q, k, v, span, base, full, offset):
    """q[B, Tq, H, D] over k and v[B, Tk, H, D]; query t stands at key bar t + offset."""
    queries, keys = q.shape[1], k.shape[1]
    if base > 0:
        q, k = rotate(q, base, offset), rotate(k, base)
    score = torch.einsum("bthd,bshd->bhts", q, k) / math.sqrt(q.shape[-1])
    distance = offset + torch.arange(queries)[:, None] - torch.arange(keys)[None, :]
    seen = torch.full_like(distance, bool(full), dtype=torch.bool) | (distance >= 0)
    if span > 0:
        seen &= distance < span
    score = score.masked_fill(~seen, -math.inf)
    return torch.einsum("bhts,bshd->bthd", score.softmax(-1), v).flatten(2), score.logsumexp(-1)


def attention(heads, span, base, full=0):
    def run(qkv):
        return attend(*qkv.unflatten(2, (3, heads, -1)).unbind(2), span, base, full, 0)

    return run


def cross_attention(heads, span, base, full, offset):
    def run(q, kv):
        return attend(q.unflatten(2, (heads, -1)), *kv.unflatten(2, (2, heads, -1)).unbind(2), span, base, full, offset)

    return run


def convolution(dilations):
    def run(x, w, bias):
        channels, parts = x.shape[2], []
        width = channels // len(dilations)
        for g, dilation in enumerate(dilations):
            c = slice(g * width, (g + 1) * width)
            padded = F.pad(x[:, :, c].transpose(1, 2), ((w.shape[0] - 1) * dilation, 0))
            taps = w[:, c].flip(0).T[:, None, :]
            parts.append(F.conv1d(padded, taps, bias[c], dilation=dilation, groups=width).transpose(1, 2))
        return (torch.cat(parts, 2),)

    return run


def coefficients(bilinear, log_step, rate, frequency):
    step, pole = log_step.exp(), torch.complex(-rate.exp(), frequency)
    if bilinear:
        below = 1 - step * pole / 2
        return (1 + step * pole / 2) / below, step / below
    kept = (step * pole).exp()
    return kept, (kept - 1) / pole


def s4(bilinear):
    """By the definition of the convolution: no recurrence."""

    def run(u, log_step, rate, frequency, weight, skip):
        bars, states = u.shape[1], rate.shape[0]
        kept, taken = coefficients(bilinear, log_step, rate, frequency)
        out = 2 * torch.complex(weight[:states], weight[states:]) * taken
        kernel = (out * kept ** torch.arange(bars)[:, None, None]).sum(1).real  # [T, C]
        lag = torch.arange(bars)[:, None] - torch.arange(bars)[None, :]
        square = torch.where((lag >= 0)[:, :, None], kernel[lag.clamp(min=0)], 0.0)
        return (torch.einsum("tsc,bsc->btc", square, u) + skip * u,)

    return run


def s4_step(bilinear, u, state, log_step, rate, frequency, weight, skip):
    states = rate.shape[0]
    kept, taken = coefficients(bilinear, log_step, rate, frequency)
    x = kept * torch.complex(state[:, :states], state[:, states:]) + u[:, None, :]
    y = 2 * (torch.complex(weight[:states], weight[states:]) * taken * x).sum(1).real + skip * u
    return y, torch.cat([x.real, x.imag], 1)


def scan(a, x):
    h = [x[:, 0]]
    for t in range(1, x.shape[1]):
        h.append(a[:, t] * h[-1] + x[:, t])
    return (torch.stack(h, 1),)


def layer_norm(epsilon):
    def run(x, gain, bias):
        mean = x.mean(1)
        rstd = (x.var(1, unbiased=False) + epsilon).rsqrt()
        return F.layer_norm(x, x.shape[1:], gain, bias, epsilon), mean, rstd

    return run


def add_layer_norm(epsilon):
    """Without dropout, whose masks are Philox's: tests/unit and the op cases have those."""

    def run(x, branch, gain, bias):
        y, mean, rstd = layer_norm(epsilon)(x + branch, gain, bias)
        return y, x + branch, mean, rstd

    return run


EPSILON = 2.0**-17  # a float32
ACTIVATIONS = {"relu": F.relu, "gelu": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu,
               "sigmoid": torch.sigmoid, "tanh": torch.tanh}

for b, t, h, d, span, base in ((1, 1, 1, 8, 0, 0), (2, 7, 2, 10, 0, 0), (1, 13, 1, 16, 0, 10000), (2, 9, 2, 8, 4, 100),
                               (1, 17, 1, 12, 5, 0)):
    forward_and_backward("attention", {"heads": h, "span": span, "rotary_base": base}, attention(h, span, base),
                         [normal(b, t, 3 * h * d)], derived=(0, 1))
for b, t, c, k, dilations in ((1, 1, 1, 1, (1,)), (2, 11, 3, 3, (2,)), (2, 9, 6, 2, (1, 3)), (1, 5, 4, 7, (2, 1))):
    forward_and_backward("conv", {"kernel_bars": k, "dilations": ",".join(map(str, dilations))}, convolution(dilations),
                         [normal(b, t, c), normal(k, c), normal(c)])
for b, t, c, n in ((1, 1, 1, 1), (2, 7, 3, 2), (1, 29, 2, 5)):
    for bilinear in (0, 1):
        parts = [normal(c, scale=1.0, shift=-3), normal(n, c, scale=0.3, shift=-0.7),
                 (math.pi * torch.arange(n)[:, None] + normal(n, c, scale=0.1)).float().double(), normal(2 * n, c),
                 normal(c)]
        forward_and_backward("s4", {"bilinear": bilinear}, s4(bilinear), [normal(b, t, c), *parts])
        u, state = normal(b, c), normal(b, 2 * n, c)
        emit("s4_step", {"bilinear": bilinear}, [u, state, *parts], s4_step(bilinear, u, state, *parts))
for b, t, c in ((1, 1, 1), (2, 9, 3), (1, 31, 2)):
    a, x = normal(b, t, c, scale=0.3, shift=0.6), normal(b, t, c)
    leaves = [a.clone().requires_grad_(), x.clone().requires_grad_()]
    (y,) = scan(*leaves)
    emit("scan", {}, [a, x], [y])
    dy = normal(b, t, c)
    slopes = torch.autograd.grad(y, leaves, dy, allow_unused=True)
    emit("scan_grad", {}, [dy, a, y.float().double()], [torch.zeros_like(a) if slopes[0] is None else slopes[0], slopes[1]])
for n, c in ((1, 1), (3, 7), (5, 33)):
    x, gain, bias = normal(n, c), normal(c), normal(c)
    leaves = [v.clone().requires_grad_() for v in (x, gain, bias)]
    outputs = layer_norm(EPSILON)(*leaves)
    emit("layer_norm", {"epsilon": EPSILON}, [x, gain, bias], outputs)
    dy = normal(n, c)
    emit("layer_norm_grad", {"epsilon": EPSILON}, [dy, x, gain, *(v.float().double() for v in outputs[1:])],
         torch.autograd.grad(outputs[0], leaves, dy))
    x = normal(n, c, scale=3.0)
    leaf = x.clone().requires_grad_()
    emit("softmax", {}, [x], [leaf.softmax(1)])
    dy = normal(n, c)
    emit("softmax_grad", {}, [dy, leaf.softmax(1).float().double()], torch.autograd.grad(leaf.softmax(1), leaf, dy))
for name, function in ACTIVATIONS.items():
    x = normal(3, 5, scale=2.0)
    leaf = x.clone().requires_grad_()
    emit("act", {"act": name}, [x], [function(leaf)])
    dy = normal(3, 5)
    emit("act_grad", {"act": name}, [dy, x], torch.autograd.grad(function(leaf), leaf, dy))
    x = normal(3, 10)
    leaf = x.clone().requires_grad_()
    gated = leaf[:, :5] * function(leaf[:, 5:])
    emit("glu", {"act": name}, [x], [gated])
    dy = normal(3, 5)
    emit("glu_grad", {"act": name}, [dy, x], torch.autograd.grad(gated, leaf, dy))


def activated(name, run):
    """y and the pre-activation; the gradient of a fused op starts at the latter."""
    return lambda *inputs: (ACTIVATIONS[name](run(*inputs)[0]), run(*inputs)[0])


def dense_convolution(dilation):
    def run(x, w, bias):
        padded = F.pad(x.transpose(1, 2), ((w.shape[0] - 1) * dilation, 0))
        return (F.conv1d(padded, w.flip(0).permute(2, 1, 0), bias, dilation=dilation).transpose(1, 2),)

    return run


for b, t, c, k, dilations, act in ((2, 11, 6, 3, (1, 4), "gelu"), (1, 9, 5, 2, (3,), "silu"), (1, 13, 4, 5, (2, 1), "tanh")):
    x, w, bias = normal(b, t, c), normal(k, c), normal(c)
    emit("conv", {"act": act, "kernel_bars": k, "dilations": ",".join(map(str, dilations))}, [x, w, bias],
         activated(act, convolution(dilations))(x, w, bias))
for b, t, i, o, k, dilation in ((1, 1, 1, 1, 1, 1), (2, 11, 3, 5, 3, 2), (1, 9, 4, 2, 2, 4), (1, 5, 2, 3, 7, 1)):
    x, w, bias = normal(b, t, i), normal(k, i, o), normal(o)
    forward_and_backward("conv_dense", {"kernel_bars": k, "dilations": dilation}, dense_convolution(dilation), [x, w, bias])
    emit("conv_dense", {"act": "gelu", "kernel_bars": k, "dilations": dilation}, [x, w, bias],
         activated("gelu", dense_convolution(dilation))(x, w, bias))
for b, t, h, d, base in ((2, 5, 2, 8, 100), (1, 11, 1, 12, 0)):
    forward_and_backward("attention", {"heads": h, "span": 0, "rotary_base": base, "full": 1}, attention(h, 0, base, 1),
                         [normal(b, t, 3 * h * d)], derived=(0, 1))
for b, tq, tk, h, d, span, base, full, offset in ((2, 3, 7, 2, 8, 0, 100, 0, 4), (1, 9, 5, 1, 10, 0, 0, 0, 0),
                                                  (1, 4, 13, 1, 16, 5, 10000, 0, 9), (2, 6, 11, 1, 8, 0, 50, 1, 2)):
    forward_and_backward("cross_attention",
                         {"heads": h, "span": span, "rotary_base": base, "full": full, "offset": offset},
                         cross_attention(h, span, base, full, offset), [normal(b, tq, h * d), normal(b, tk, 2 * h * d)],
                         derived=(0, 1))
for n, c in ((1, 1), (3, 7), (5, 33)):
    leaves = [v.clone().requires_grad_() for v in (normal(n, c), normal(n, c), normal(c), normal(c))]
    y, total, mean, rstd = add_layer_norm(EPSILON)(*leaves)
    emit("add_layer_norm", {"epsilon": EPSILON}, leaves, [y, total, mean, rstd])
    dy, dsum = normal(n, c), normal(n, c)
    dx, _, dgain, dbias = torch.autograd.grad([y, total], leaves, [dy, dsum])
    emit("add_layer_norm_grad", {"epsilon": EPSILON},
         [dy, dsum, total.float().double(), leaves[2], mean.float().double(), rstd.float().double()], [dx, dgain, dbias])


def profit_and_loss(rules):
    """kernels/pnl/pnl.h, an element at a time; a NaN return is no bar, a NaN weight no order."""

    def run(weight, returns, volume=None):
        batch, bars, assets = weight.shape
        nets, equities, sums = [], [], []
        for b in range(batch):
            equity, value, own = torch.tensor(1.0), [torch.tensor(0.0)] * assets, [[] for _ in range(assets)]
            paid = dict.fromkeys(("spread", "slippage", "fee", "impact", "carry", "traded"), 0.0)
            for t in range(bars):
                if equity <= 0:
                    nets.append(torch.tensor(0.0))
                    equities.append(equity)
                    continue
                before, held = equity, sum(value, torch.tensor(0.0))
                carry = rules["funding"] * F.relu(held - equity) + rules["borrow"] * sum(F.relu(-v) for v in value)
                here = [a for a in range(assets) if not torch.isnan(returns[b, t, a])]
                for a in here:
                    equity = equity + value[a] * returns[b, t, a]
                    value[a] = value[a] * (1 + returns[b, t, a])
                    own[a].append(t)
                equity = equity - carry
                paid["carry"] += carry.item()
                cost, marked = torch.tensor(0.0), equity
                for a in here if marked > 0 else []:
                    if len(own[a]) <= rules["latency"]:
                        continue
                    due = weight[b, own[a][-1 - rules["latency"]], a]
                    if torch.isnan(due):
                        continue
                    notional = (due * marked - value[a]).abs()
                    value[a] = due * marked
                    part = {k: rules[k] * notional for k in ("spread", "slippage", "fee")}
                    if volume is not None and volume[b, t, a] > 0:
                        part["impact"] = rules["impact"] * notional**1.5 / volume[b, t, a].sqrt()
                    for kind, amount in part.items():
                        cost = cost + amount
                        paid[kind] += amount.item()
                    paid["traded"] += notional.item()
                equity = marked - cost
                if equity <= 0:
                    equity, net = torch.tensor(0.0), torch.tensor(-1.0)
                else:
                    net = equity / before - 1
                nets.append(net)
                equities.append(equity)
            sums += paid.values()
        return torch.stack(nets).view(batch, bars), torch.stack(equities).view(batch, bars), torch.tensor(sums).view(batch, 6)

    return run


def thinned(x, share, fill):
    return torch.where(torch.rand(x.shape) < share, torch.tensor(fill), x)


for b, t, a, latency, rich, leverage in ((1, 2, 1, 0, 0, 0.5), (2, 9, 3, 0, 0, 0.6), (1, 23, 2, 1, 1, 0.7), (2, 12, 5, 2, 1, 0.6),
                                         (1, 19, 1, 3, 1, 1.5), (3, 8, 2, 0, 1, 9.0)):
    rules = dict(spread=5e-4, slippage=3e-4, fee=2e-4, impact=0.0, funding=0.0, borrow=0.0, latency=latency)
    if rich:
        rules.update(impact=0.02, funding=4e-3, borrow=3e-3)
    inputs = [thinned(normal(b, t, a, scale=leverage), 0.15, math.nan), thinned(normal(b, t, a, scale=0.05), 0.1, math.nan)]
    if rich:
        inputs.append(thinned((normal(b, t, a).abs() + 0.1).float().double(), 0.15, 0.0))
    leaves = [x.clone().requires_grad_() for x in inputs[:2]]
    net, equity, paid = profit_and_loss(rules)(*leaves, *inputs[2:])
    emit("pnl", rules, inputs, [net, equity, paid])
    dnet, dequity = normal(b, t), normal(b, t)
    slopes = torch.autograd.grad([net, equity], leaves, [dnet, dequity], allow_unused=True, materialize_grads=True)
    emit("pnl_grad", rules, [dnet, dequity, *inputs], slopes)

for m, k, n, act in ((1, 1, 1, "none"), (3, 7, 5, "gelu"), (5, 13, 2, "silu"), (2, 9, 6, "relu"), (4, 3, 11, "tanh"), (1, 17, 3, "sigmoid")):
    x, w, bias = leaves = [normal(m, k).requires_grad_(), normal(k, n).requires_grad_(), normal(n).requires_grad_()]
    z = x @ w + bias
    z.retain_grad()
    y = ACTIVATIONS.get(act, lambda v: v)(z)
    dy = normal(m, n)
    y.backward(dy)
    emit("gemm", {"act": act}, leaves, [y, z])
    dz = z.grad.float().double()
    emit("gemm", {"transpose_b": 1}, [dz, w], [torch.autograd.grad(x @ w, x, dz)[0]])
    emit("gemm", {"transpose_a": 1}, [x, dz], [torch.autograd.grad(x @ w, w, dz)[0]])
    emit("gemm", {"transpose_a": 1, "transpose_b": 1}, [w, x], [(x @ w).T])

HUBER_DELTA = 0.75


def loss_of(kind, quantiles):
    def run(prediction, target, weight):
        rows, horizons = target.shape
        error = target[:, :, None] - prediction.view(rows, horizons, -1)
        if kind == "pinball":
            tau = torch.tensor(quantiles).float().double()
            part = torch.maximum(tau * error, (tau - 1) * error).mean(2)
        elif kind == "mse":
            part = F.mse_loss(prediction, target, reduction="none")
        else:
            part = F.huber_loss(prediction, target, reduction="none", delta=HUBER_DELTA)
        return (weight * part).sum() / weight.sum()

    return run


for n, h, kind, quantiles in ((1, 1, "pinball", (0.5,)), (7, 3, "pinball", (0.1, 0.5, 0.75)), (5, 2, "mse", (1,)), (13, 1, "huber", (1,)),
                              (3, 2, "pinball", (0.05, 0.25, 0.5, 0.75, 0.95))):
    prediction, target = normal(n, h * len(quantiles)).requires_grad_(), normal(n, h)
    weight = thinned(torch.rand(n, h).float().double(), 0.3 if n > 1 else 0.0, 0.0)
    loss, count, dloss = loss_of(kind, quantiles)(prediction, target, weight), weight.sum(), normal(1)
    rules = {"kind": kind, "horizons": h, "quantiles": ",".join(map(str, quantiles)), "huber_delta": HUBER_DELTA}
    emit("loss", rules, [prediction, target, weight], [loss.view(1), count.view(1)])
    emit("loss_grad", rules, [dloss, prediction, target, weight, count.float().double().view(1)],
         torch.autograd.grad(loss, prediction, dloss[0]))

for n, decayed, clip in ((1, 1, 0.0), (7, 3, 0.5), (33, 33, 100.0), (13, 0, 0.25)):
    # Two steps by torch.optim.AdamW; the second is the case, from rounded moments and with its gradient clipped.
    lr, beta1, beta2, epsilon, decay = (float(torch.tensor(v)) for v in (0.0078125, 0.875, 0.96875, 2.0**-20, 0.125))
    start, first, second = normal(n), normal(n), normal(n)
    parts = [torch.nn.Parameter(start[:decayed].clone()), torch.nn.Parameter(start[decayed:].clone())]
    groups = [{"params": [parts[0]], "weight_decay": decay}, {"params": [parts[1]], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=lr, betas=(beta1, beta2), eps=epsilon)

    def step(gradient):
        parts[0].grad, parts[1].grad = gradient[:decayed].clone(), gradient[decayed:].clone()
        optimiser.step()

    def moment(name):
        return torch.cat([optimiser.state[p][name] for p in parts])

    step(first)
    with torch.no_grad():
        for p in parts:
            p.copy_(p.float())
            for name in ("exp_avg", "exp_avg_sq"):
                optimiser.state[p][name].copy_(optimiser.state[p][name].float())
    before = [torch.cat([p.detach() for p in parts]), moment("exp_avg").clone(), moment("exp_avg_sq").clone()]
    sumsq = (second**2).sum().float().double()
    norm = sumsq.sqrt().item()
    factor = clip / norm if 0 < clip < norm else 1.0
    step(factor * second)
    hyper = torch.tensor([lr, beta1, beta2, epsilon, decay, clip, 1 - beta1**2, 1 - beta2**2])
    emit("sum_squares", {}, [second], [(second**2).sum().view(1)])
    emit("adamw", {"decay_count": decayed}, [before[0], second, before[1], before[2], sumsq.view(1), hyper],
         [torch.cat([p.detach() for p in parts]), moment("exp_avg"), moment("exp_avg_sq"), torch.tensor([norm, factor, 0.0, 0.0])])
for b, t, c, n in ((2, 150, 1, 2), (1, 70, 2, 3)):  # several blocks of bars
    parts = [normal(c, scale=1.0, shift=-3), normal(n, c, scale=0.3, shift=-0.7),
             (math.pi * torch.arange(n)[:, None] + normal(n, c, scale=0.1)).float().double(), normal(2 * n, c), normal(c)]
    forward_and_backward("s4", {"bilinear": b - 1}, s4(b - 1), [normal(b, t, c), *parts])
