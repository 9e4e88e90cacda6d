"""The hybrid model of host/model/hybrid.c in JAX, compiled by XLA, for a timing in the same run as ours.

Usage: hybrid_jax.py WIDTH LAYERS MLP_RATIO BATCH WINDOW WARMUP FEATURES THREADS
Prints one line: parameters, median seconds of one training step (forward, backward, clip, AdamW), all in one jitted
function whose state is donated.
"""
import os
import sys

THREADS = int(sys.argv[8])
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:THREADS])
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=true")

import math  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

HORIZONS, HEADS, TAPS, DROPOUT = 3, 4, 4, 0.1
DILATIONS = (1, 4, 16, 1)
TAU = jnp.array((0.1, 0.25, 0.5, 0.75, 0.9))


def dense(key, rows, columns):
    bound = math.sqrt(6 / (rows + columns))
    return {"w": jax.random.uniform(key, (rows, columns), minval=-bound, maxval=bound), "b": jnp.zeros(columns)}


def norm_parameters(width):
    return {"gain": jnp.ones(width), "bias": jnp.zeros(width)}


def initial(key, features, width, layers, hidden):
    keys = iter(jax.random.split(key, 6 * layers + 3))
    blocks = [
        {
            "norm1": norm_parameters(width), "norm2": norm_parameters(width), "norm3": norm_parameters(width),
            "taps": jax.random.normal(next(keys), (TAPS, width)) / math.sqrt(TAPS), "shift": jnp.zeros(width),
            "mix": dense(next(keys), width, 2 * width), "qkv": dense(next(keys), width, 3 * width),
            "out": dense(next(keys), width, width), "up": dense(next(keys), width, 2 * hidden),
            "down": dense(next(keys), hidden, width),
        } for _ in range(layers)
    ]
    outputs = HORIZONS * len(TAU)
    return {"input": dense(next(keys), features, width), "blocks": blocks, "norm": norm_parameters(width),
            "head": dense(next(keys), width, outputs), "highway": dense(next(keys), features, outputs)["w"]}


def linear(p, x):
    return x @ p["w"] + p["b"]


def layer_norm(p, x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * p["gain"] + p["bias"]


def glu(x):
    a, b = jnp.split(x, 2, -1)
    return a * jax.nn.silu(b)


def drop(key, x):
    return jnp.where(jax.random.bernoulli(key, 1 - DROPOUT, x.shape), x / (1 - DROPOUT), 0)


def convolve(p, x):
    """Depthwise and causal; each quarter of the channels has its dilation."""
    parts = []
    for part, taps, dilation in zip(jnp.split(x, len(DILATIONS), -1), jnp.split(p["taps"], len(DILATIONS), -1), DILATIONS):
        parts.append(sum(taps[k] * jnp.pad(part, ((0, 0), (k * dilation, 0), (0, 0)))[:, :part.shape[1]] for k in range(TAPS)))
    return jnp.concatenate(parts, -1) + p["shift"]


def rotate(x, angles):
    even, odd, cos, sin = x[..., 0::2], x[..., 1::2], jnp.cos(angles), jnp.sin(angles)
    return jnp.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(x.shape)


def attend(qkv):
    b, t, c = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.reshape(b, t, 3, HEADS, c // HEADS).transpose(2, 0, 3, 1, 4)
    angles = jnp.arange(t)[:, None] * 10000.0 ** (-jnp.arange(0, c // HEADS, 2) / (c // HEADS))
    score = jnp.einsum("bhtd,bhsd->bhts", rotate(q, angles), rotate(k, angles)) / math.sqrt(c // HEADS)
    score = jnp.where(jnp.tril(jnp.ones((t, t), bool)), score, -jnp.inf)
    return jnp.einsum("bhts,bhsd->bhtd", jax.nn.softmax(score), v).transpose(0, 2, 1, 3).reshape(b, t, c)


def forward(p, bars, key, warmup):
    counts = jnp.arange(1, bars.shape[1] + 1)[:, None]
    mean = jnp.cumsum(bars, 1) / counts
    variance = jnp.cumsum(bars * bars, 1) / counts - mean * mean
    x = jnp.clip((bars - mean) / jnp.sqrt(jnp.maximum(variance, 0) + 1e-8), -8, 8)[:, warmup:]
    h = linear(p["input"], x)
    for block in p["blocks"]:
        key, k1, k2, k3 = jax.random.split(key, 4)
        h = h + drop(k1, glu(linear(block["mix"], convolve(block, layer_norm(block["norm1"], h)))))
        h = h + drop(k2, linear(block["out"], attend(linear(block["qkv"], layer_norm(block["norm2"], h)))))
        h = h + drop(k3, linear(block["down"], glu(linear(block["up"], layer_norm(block["norm3"], h)))))
    return linear(p["head"], layer_norm(p["norm"], h)) + x @ p["highway"]


def make_step(warmup):
    def loss_of(p, bars, target, key):
        prediction = forward(p, bars, key, warmup)
        error = target - prediction.reshape(*prediction.shape[:2], HORIZONS, len(TAU))
        return jnp.maximum(TAU * error, (TAU - 1) * error).mean()

    def update(p, g, m, v, t):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        step = (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.99**t)) + 1e-8)
        return p - 1e-4 * (step + 0.01 * p), m, v

    def step(state, bars, target):
        p, m, v, t, key = state
        key, own = jax.random.split(key)
        loss, g = jax.value_and_grad(loss_of)(p, bars, target, own)
        norm = jnp.sqrt(sum(jnp.vdot(x, x) for x in jax.tree.leaves(g)))
        factor = jnp.where(norm > 1, 1 / norm, 1)
        leaves, tree = jax.tree.flatten(p)
        new = [update(a, factor * b, c, d, t) for a, b, c, d in
               zip(leaves, *(jax.tree.leaves(x) for x in (g, m, v)))]
        p, m, v = (jax.tree.unflatten(tree, part) for part in zip(*new))
        return (p, m, v, t + 1, key), loss

    return jax.jit(step, donate_argnums=0)


def main():
    width, layers, ratio = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    batch, window, warmup, features = map(int, sys.argv[4:8])
    key, bars_key, target_key = jax.random.split(jax.random.key(1), 3)
    p = initial(key, features, width, layers, int(round(ratio * width)))
    zeros = jax.tree.map(jnp.zeros_like, p)
    state = (p, zeros, jax.tree.map(jnp.zeros_like, p), jnp.float32(1), key)
    parameters = sum(x.size for x in jax.tree.leaves(p))
    bars = jax.random.normal(bars_key, (batch, window + warmup, features))
    target = jax.random.normal(target_key, (batch, window, HORIZONS, 1))
    step = make_step(warmup)
    for _ in range(2):
        state, loss = step(state, bars, target)
        assert math.isfinite(float(loss))
    seconds, started = [], time.perf_counter()
    while len(seconds) < 5 or (time.perf_counter() - started < 8 and len(seconds) < 50):
        begin = time.perf_counter()
        state, loss = step(state, bars, target)
        loss.block_until_ready()
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - begin)
    print(parameters, statistics.median(seconds))


main()
