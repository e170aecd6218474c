#!/usr/bin/env python3
"""What the same explanations take in PyTorch: a Vision Transformer of the shape asked for, random weights, rows of all or some targets.

  peers.py METHOD LAYERS WIDTH HEADS MLP TOKENS TARGETS cpu|cuda float32|float16|bfloat16

METHOD: loop        the authors': for each token a forward pass, then a gradient call per block (give few targets; they are scaled by the caller)
        vmapped     one forward pass, gradients of all targets by vmap (is_grads_batched)
        replicated  the image as often in the batch as there are targets, ordinary autograd
Prints a line of JSON: seconds from the first forward pass on, of the process (user and system, all threads) on the CPU, by the clock on a GPU."""
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

METHOD = sys.argv[1]
LAYERS, WIDTH, HEADS, MLP, TOKENS, TARGETS = map(int, sys.argv[2:8])
DEVICE = sys.argv[8]
torch.set_num_threads(os.cpu_count())
torch.set_default_device(DEVICE)
torch.set_default_dtype(getattr(torch, sys.argv[9]))
torch.manual_seed(1)


def linear(rows, cols):
    return torch.randn(rows, cols) * cols ** -0.5, torch.zeros(rows)


BLOCKS = [{name: linear(*size) for name, size in {"qkv": (3 * WIDTH, WIDTH), "out": (WIDTH, WIDTH), "up": (MLP, WIDTH), "down": (WIDTH, MLP)}.items()} for _ in range(LAYERS)]
X = torch.randn(1, TOKENS, WIDTH)


def forward(x):
    """The last residual stream and every attention; no gradient of a weight is asked for."""
    maps = []
    for b in BLOCKS:
        n, t = x.shape[0], x.shape[1]
        q, k, v = F.linear(F.layer_norm(x, (WIDTH,)), *b["qkv"]).view(n, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5, -1)
        if not a.requires_grad:
            a.requires_grad_()
        maps.append(a)
        x = x + F.linear((a @ v).transpose(1, 2).reshape(n, t, WIDTH), *b["out"])
        x = x + F.linear(F.gelu(F.linear(F.layer_norm(x, (WIDTH,)), *b["up"])), *b["down"])
    return x, maps


def scalar(z):
    return z.sum(-1) / z.detach().norm(dim=-1)


def rows(targets, maps, gradients):
    """maps [1, H, n, n] or [T, H, n, n], gradients [T, H, n, n] of each block."""
    s = torch.zeros(len(targets), TOKENS)
    s[torch.arange(len(targets)), targets] = 1
    for a, g in zip(reversed(maps), reversed(gradients)):
        s = s + torch.bmm(s[:, None], (g.clamp(min=0) * a.detach()).mean(1))[:, 0]
    return s


def loop():
    for i in range(TARGETS):
        z, maps = forward(X)
        f = scalar(z)[0, i]
        rows([i], maps, [torch.autograd.grad(f, a, retain_graph=True)[0] for a in maps])


def chunks(bytes_of_target):
    size = max(1, min(TARGETS, int(2 ** 31 / bytes_of_target)))
    return [range(i, min(i + size, TARGETS)) for i in range(0, TARGETS, size)]


def vmapped():
    z, maps = forward(X)
    f = scalar(z)[0]
    for part in chunks(4 * LAYERS * HEADS * TOKENS ** 2):
        unit = torch.zeros(len(part), TOKENS)
        unit[torch.arange(len(part)), list(part)] = 1
        gradients = torch.autograd.grad(f, maps, unit, is_grads_batched=True, retain_graph=True)
        rows(list(part), maps, [g[:, 0] for g in gradients])


def replicated():
    for part in chunks(12 * LAYERS * HEADS * TOKENS ** 2):
        z, maps = forward(X.expand(len(part), -1, -1))
        f = scalar(z)[torch.arange(len(part)), list(part)].sum()
        rows(list(part), maps, torch.autograd.grad(f, maps))


def seconds():
    if DEVICE == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.monotonic()


forward(X)  # threads and allocator
started = seconds()
{"loop": loop, "vmapped": vmapped, "replicated": replicated}[METHOD]()
print(json.dumps({"peer": METHOD, "torch": torch.__version__, "targets": TARGETS, "seconds": seconds() - started}))
