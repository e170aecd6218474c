#!/usr/bin/env python3
"""Compares what `evaluate` stores with the same numbers by float64 autograd and SciPy, on small random models.

  check_evaluation.py prepare WORK --reference DIR            where torch and SciPy are: writes models, inputs and numbers
  check_evaluation.py compare WORK --program PATH             where the program runs: needs nothing but Python

An image: drift curves, their areas and gaps, and layer scores. A text, of a decoder and of encoder-decoders: comprehensiveness and
sufficiency of a summary that the model generates. Every method but the random one, whose orders are drawn. The last line is "N passed, N failed".
"""
import argparse
import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile

TARGETS = [1, 7, 17]
ERASED = (1, 5, 10, 20, 50)
METHODS = ("ultra", "rollout", "gradient_x_input", "leave_one_out")
NEW = 5  # tokens of the summary


# ---- prepare: runs where torch is -----------------------------------------------------------------------------------------------------


def gradients_reach_the_input(model, name):
    """z(1) is computed from that weight: with it in the graph, gradients with respect to z(1) exist."""
    model.p(name).requires_grad_(True)
    return model


def rows_of(method, model, source, layer, targets):
    zs, attention, _ = model.forward(source)
    if method == "ultra":
        return ultra_ref.explain(model, source, layer, targets).detach().numpy()
    if method == "rollout":
        product = torch.eye(len(zs[0]), dtype=torch.float64)
        for a in attention[:layer - 1]:
            product = (a.detach().mean(0) + torch.eye(len(product))) / 2 @ product
        return product[targets].numpy()
    z, out = zs[layer - 1], []
    for t in targets:
        gradient, = torch.autograd.grad(ultra_ref.scalar_of(z[t], "sum"), zs[0], retain_graph=True)
        out.append((gradient * zs[0].detach()).sum(1).abs().numpy())
    return np.stack(out)


class Image:
    def __init__(self, folder, patch):
        self.model = gradients_reach_the_input(ultra_ref.Model(folder, True), "embeddings.position_embeddings")
        self.pixels = torch.from_numpy(np.load(os.path.join(folder, "input.npy"))).double()
        with open(os.path.join(folder, "preprocessor_config.json")) as file:
            config = json.load(file)
        self.black = [-m / s for m, s in zip(config["image_mean"], config["image_std"])]
        self.patch, self.across = patch, self.pixels.shape[2] // patch
        self.z = self.latents([])
        self.n = len(self.z[0])

    def latents(self, hidden):
        x, p = self.pixels.clone(), self.patch
        for token in hidden:
            row, col = divmod(token - 1, self.across)
            for c in range(3):
                x[c, row * p:(row + 1) * p, col * p:(col + 1) * p] = self.black[c]
        return [z.detach().numpy() for z in self.model.forward(x)[0]]

    def drift(self, latents, layer, target):
        z = self.z[layer - 1][target]
        return np.linalg.norm(latents[layer - 1][target] - z) / np.linalg.norm(z)

    def single_drifts(self):
        """[layer][target][patch]"""
        table = np.zeros((len(self.z) + 1, self.n, self.n))
        for j in range(1, self.n):
            moved = self.latents([j])
            for layer in range(2, len(self.z) + 1):
                for t in range(self.n):
                    table[layer, t, j] = self.drift(moved, layer, t)
        return table

    def curve(self, layer, target, order):
        counts = [max(1, round(len(order) * step / 10)) for step in range(1, 10)]
        return [self.drift(self.latents(order[:count]), layer, target) for count in counts]


def prepare_image(work):
    folder = os.path.join(work, "image")
    subprocess.run([sys.executable, os.path.join(reference, "make_random_model.py"), "vit", folder, "--layers", "3", "--dim", "36", "--heads", "3", "--patch", "4",
                    "--image", "20", "--ffn", "2", "--seed", "3", "--dtype", "F32"], check=True, stdout=subprocess.DEVNULL)
    if not os.path.exists(os.path.join(folder, "preprocessor_config.json")):
        with open(os.path.join(folder, "preprocessor_config.json"), "w") as file:
            json.dump({"image_processor_type": "ViTImageProcessor", "size": {"height": 20, "width": 20}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.6, 0.7]}, file)
    image, expected = Image(folder, 4), []
    singles, top = image.single_drifts(), len(image.z)
    for layer in range(2, top + 1):
        for method in METHODS:
            rows = singles[layer, TARGETS] if method == "leave_one_out" else rows_of(method, image.model, image.pixels, layer, TARGETS)
            for target, row in zip(TARGETS, rows):
                others = [i for i in range(1, image.n) if i != target]
                if method != "leave_one_out":
                    score = scipy.stats.spearmanr(row[others], singles[layer, target][others]).statistic
                    # one block up, another token's gradient passed one norm and nothing else: x . df/dx is 0, and its ranks are rounding
                    rounding = method == "gradient_x_input" and layer == 2
                    expected.append(["layer_score", method, target, (layer - 1) / (top - 1), None if rounding else score])
                if layer < top:
                    continue
                areas = {}
                for sign, factor in (("positive", -1), ("negative", 1)):
                    curve = image.curve(layer, target, sorted(others, key=lambda i: (factor * row[i], i)))
                    expected += [["drift_" + sign, method, target, (step + 1) / 10, value] for step, value in enumerate(curve)]
                    areas[sign] = np.trapezoid([0, *curve], dx=0.1) / 0.9
                    expected.append(["auc_" + sign, method, target, None, areas[sign]])
                expected.append(["faithfulness_gap", method, target, None, areas["positive"] - areas["negative"]])
    return {"name": "an image", "model": "image", "input": "image/input.npy", "flags": ["--tokens", ",".join(map(str, TARGETS))], "verbs": ["faithfulness", "layers"],
            "expected": expected}


def probability(model, context, summary):
    with torch.no_grad():
        logits, start = model.forward(torch.cat([context, summary]))[2], len(context) - 1
        return math.exp(float(torch.log_softmax(logits[start:start + len(summary)], -1).gather(1, summary[:, None]).mean()))


def contribution(model, ids, n, rows):
    """TCS: rows of the positions that predict the summary, own entry dropped, each scaled to 0..1 over the context."""
    scaled = []
    for k, row in enumerate(rows):
        own = n - 1 + k
        kept = np.array([0 if i == own else row[i] for i in range(n)])
        low, high = kept.min(), kept.max()
        scaled.append((kept - low) / (high - low) if high > low else 0 * kept)
    return np.mean(scaled, 0)


def generate(model, ids):
    for _ in range(NEW):
        with torch.no_grad():
            ids = torch.cat([ids, model.forward(ids)[2][-1].argmax()[None]])
    return ids


def erasures(n, full, without, scores_of):
    """What evaluate faithfulness stores, of scores over n context tokens by every method."""
    expected = []
    for method in METHODS:
        scores = np.array([full - without({i}) for i in range(n)]) if method == "leave_one_out" else scores_of(method)
        order, sums = sorted(range(n), key=lambda i: (-scores[i], i)), {"comprehensiveness": [], "sufficiency": []}
        for k in ERASED:
            top = set(order[:max(1, math.ceil(n * k / 100))])
            for name, hidden in (("comprehensiveness", top), ("sufficiency", set(range(n)) - top)):
                sums[name].append(full - without(hidden))
                expected.append([name, method, None, k / 100, sums[name][-1]])
        expected += [["aopc_" + name, method, None, None, float(np.mean(values))] for name, values in sums.items()]
    return expected


class Joint:
    """An encoder-decoder of transformers in float64: what its blocks hand on, and every attention."""

    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as file:
            self.t5 = json.load(file)["model_type"] == "t5"
        self.model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()
        base = self.model if self.t5 else self.model.model
        blocks = [side.block if self.t5 else side.layers for side in (base.encoder, base.decoder)]
        self.seen = {}
        take = lambda key, values: self.seen.__setitem__(key, values[0] if isinstance(values, tuple) else values)
        for key, side in zip(("encoder", "decoder"), blocks):
            side[0].register_forward_pre_hook(lambda m, args, kw, key=key: take(key, args or kw["hidden_states"]), with_kwargs=True)
        blocks[1][-1].register_forward_hook(lambda m, args, out: take("z", out))

    def run(self, context, decoder):
        return self.model(input_ids=context[None], decoder_input_ids=decoder[None], output_attentions=True)

    def probability(self, context, decoder, summary):
        with torch.no_grad():
            logits = self.run(context, decoder).logits[0][:len(summary)]
        return math.exp(float(torch.log_softmax(logits, -1).gather(1, summary[:, None]).mean()))

    def rows(self, method, context, decoder, targets):
        """Over the encoder's tokens, of decoder positions."""
        out, z, n = self.run(context, decoder), self.seen["z"][0], len(context)
        sides = [list(getattr(out, name)) for name in ("decoder_attentions", "cross_attentions", "encoder_attentions")]
        rows = []
        for t in targets:
            f = ultra_ref.scalar_of(z[t], "sum")
            if method == "gradient_x_input":
                x = self.seen["encoder"]
                rows.append((torch.autograd.grad(f, x, retain_graph=True)[0] * x.detach())[0].sum(1).abs().numpy())
                continue
            gradients = iter(torch.autograd.grad(f, sum(sides, []), retain_graph=True, allow_unused=True))
            maps = [[self.factor(method, a[0].detach(), next(gradients)) for a in side] for side in sides]
            rd, re = torch.eye(len(z), dtype=z.dtype)[t], torch.zeros(n, dtype=z.dtype)
            half = 0.5 if method == "rollout" else 1
            for own, cross in zip(reversed(maps[0]), reversed(maps[1])):
                re, rd = re + rd @ cross, half * rd
                rd = half * rd + rd @ own
            for own in reversed(maps[2]):
                re = half * re + re @ own
            rows.append(re.numpy())
        return rows

    def factor(self, method, attention, gradient):
        """What an attention adds to a row; rollout keeps half of what was there."""
        if method == "rollout":
            return attention.mean(0) / 2
        return torch.zeros_like(attention[0]) if gradient is None else (gradient[0] * attention).clamp(min=0).mean(0)


def prepare_joint(work, family, seed):
    folder = os.path.join(work, family)
    subprocess.run([sys.executable, os.path.join(reference, "hf_oracle.py"), "make", family, folder, "--layers", "2", "--dim", "36", "--heads", "3", "--tokens", "21",
                    "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    joint, context = Joint(folder), torch.from_numpy(np.load(os.path.join(folder, "input.npy"))).long()
    ids = joint.model.generate(context[None], max_new_tokens=NEW, num_beams=1, do_sample=False)[0]
    ids = ids[:-1] if int(ids[-1]) == 1 else ids
    assert 1 not in ids[1:].tolist() and len(ids) > 3, "the model ends its summary early: another seed"
    summary, n = ids[1:], len(context)
    full = joint.probability(context, ids, summary)
    without = lambda hidden: joint.probability(context[[i for i in range(n) if i not in hidden]], ids, summary)

    def scores_of(method):
        rows = [(row - row.min()) / (row.max() - row.min()) for row in joint.rows(method, context, ids, range(len(summary)))]
        return np.mean(rows, 0)

    return {"name": family, "model": family, "input": f"{family}/input.npy", "flags": ["--max-new", str(NEW)], "verbs": ["faithfulness"],
            "expected": erasures(n, full, without, scores_of)}


def prepare_text(work):
    folder = os.path.join(work, "text")
    subprocess.run([sys.executable, os.path.join(reference, "hf_oracle.py"), "make", "llama", folder, "--layers", "3", "--dim", "48", "--heads", "4", "--kv", "2", "--tokens", "30",
                    "--seed", "2"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    model = gradients_reach_the_input(ultra_ref.Model(folder, True), "embed_tokens.weight")
    context = torch.from_numpy(np.load(os.path.join(folder, "input.npy"))).long()
    ids, n = generate(model, context), len(context)
    summary = ids[n:]
    assert 1 not in summary.tolist(), "the model ends its summary early: another seed"
    full = probability(model, context, summary)
    without = lambda hidden: probability(model, context[[i for i in range(n) if i not in hidden]], summary)
    targets = list(range(n - 1, n - 1 + NEW))
    scores_of = lambda method: contribution(model, ids, n, rows_of(method, model, ids, len(model.forward(ids)[1]) + 1, targets))
    return {"name": "a text", "model": "text", "input": "text/input.npy", "flags": ["--max-new", str(NEW)], "verbs": ["faithfulness"],
            "expected": erasures(n, full, without, scores_of)}


def prepare(work, folder):
    global np, torch, scipy, transformers, ultra_ref, reference
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, folder)
    import numpy as np
    import scipy.stats
    import torch
    import transformers
    import ultra_ref
    reference = folder
    os.makedirs(work, exist_ok=True)
    with open(os.path.join(work, "cases.json"), "w") as file:
        json.dump([prepare_image(work), prepare_text(work), prepare_joint(work, "t5", 3), prepare_joint(work, "bart", 4)], file)


# ---- compare: standard library only ------------------------------------------------------------------------------------------------------


def stored(database):
    rows = sqlite3.connect(database).execute("SELECT name, method, target_idx, k, value FROM metric WHERE sequence_id IS NOT NULL").fetchall()
    return {(name, method, target, k if k is None else round(k, 6)): value for name, method, target, k, value in rows}


def compare_case(work, program, case, database):
    for verb in case["verbs"]:
        subprocess.run([program, "evaluate", verb, "--model", os.path.join(work, case["model"]), os.path.join(work, case["input"]), *case["flags"], "--baselines",
                        ",".join(METHODS[1:]), "--db", database, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    found, failed = stored(database), 0
    if len(found) != len(case["expected"]):
        print(f"FAILED: {case['name']}: {len(found)} numbers, {len(case['expected'])} expected")
        return 0, 1
    groups = {}
    for name, method, target, k, value in case["expected"]:
        if value is None:
            continue
        key = name, method, target, k if k is None else round(k, 6)
        groups.setdefault((name, method), []).append((abs(found[key] - value) if key in found else math.inf, abs(value)))
    for (name, method), pairs in groups.items():
        worst, largest = max(p[0] for p in pairs), max(p[1] for p in pairs)
        passed = worst <= 1e-4 * max(largest, 1e-3)
        failed += not passed
        print(f"{'ok' if passed else 'FAILED'}: {case['name']}, {name} of {method}: {len(pairs)} numbers, off by {worst:.1e}, the largest is {largest:.3g}")
    return len(groups) - failed, failed


def compare(work, program):
    with open(os.path.join(work, "cases.json")) as file:
        cases = json.load(file)
    counts = [0, 0]
    with tempfile.TemporaryDirectory() as folder:
        for i, case in enumerate(cases):
            for k, count in enumerate(compare_case(work, program, case, os.path.join(folder, f"{i}.db"))):
                counts[k] += count
    print(f"{counts[0]} passed, {counts[1]} failed")
    return 1 if counts[1] or not counts[0] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    p = verbs.add_parser("prepare")
    p.add_argument("work"), p.add_argument("--reference", required=True)
    p = verbs.add_parser("compare")
    p.add_argument("work"), p.add_argument("--program", required=True)
    a = parser.parse_args()
    return prepare(a.work, a.reference) if a.verb == "prepare" else compare(a.work, a.program)


if __name__ == "__main__":
    sys.exit(main())
