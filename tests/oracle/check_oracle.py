#!/usr/bin/env python3
"""Compares the program's rows with those of a float64 autograd oracle and of transformers.

  check_oracle.py prepare WORK --reference DIR --data DIR    where torch and transformers are: writes models, inputs and rows
  check_oracle.py compare WORK --program PATH [--precision auto]    where the program runs: needs nothing but Python

Two steps, since the oracle and the driver under test may live on different systems. One line a case with what was
measured; the last line is "N passed, N failed". With --precision auto the rows are those that the program computes with
products in half precision, and have bounds of their own; logits and hidden states, which have no such products, are left out.
"""
import argparse
import array
import ast
import concurrent.futures
import json
import math
import os
import subprocess
import sys
import tempfile

# layers, width, heads, patch, image, dtype: numbers of tokens and widths that are multiples of nothing useful.
RANDOM_MODELS = [
    (1, 15, 3, 4, 12, "F32"),
    (2, 33, 3, 4, 16, "F16"),
    (3, 40, 5, 3, 15, "F32"),
    (4, 69, 3, 5, 30, "F32"),
    (6, 85, 5, 2, 14, "F32"),
    (9, 70, 5, 4, 40, "F32"),
    (12, 51, 3, 3, 33, "F32"),
]
# family, layers, width, heads, key/value heads, tokens, dtype, and what its config.json says beside that. transformers writes the files.
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
TEXT_MODELS = [
    ("gpt2", 3, 55, 5, 5, 33, "float32", {}),
    ("gpt2", 2, 36, 3, 3, 65, "float16", {"scale_attn_by_inverse_layer_idx": True, "activation_function": "relu"}),
    ("llama", 4, 48, 4, 4, 37, "float32", {"tie_word_embeddings": True}),
    ("llama", 3, 72, 6, 3, 40, "float16", {"attention_bias": True, "mlp_bias": True}),
    ("llama", 5, 80, 8, 2, 70, "bfloat16", {"rope_parameters": LLAMA3}),
    ("mistral", 4, 60, 6, 2, 45, "float32", {"sliding_window": 7}),
    ("qwen2", 4, 56, 4, 1, 35, "bfloat16", {"tie_word_embeddings": True}),
    ("qwen2", 4, 40, 4, 2, 41, "float32", {"use_sliding_window": True, "sliding_window": 5,
                                          "layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]}),
    ("qwen3", 3, 44, 4, 2, 50, "bfloat16", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}),
]
# family, layers, width, heads, tokens or trained image size, patch, input size (None: the trained one), dtype, and what its config.json says
# beside that. The whole model of CLIP and SigLIP is made around the vision tower.
FAMILY_MODELS = [
    ("deit", 3, 30, 3, 20, 4, None, "float16", {}),
    ("deit", 2, 24, 3, 12, 4, (20, 16), "float32", {}),
    ("vit", 2, 28, 4, 12, 4, (9, 21), "float32", {}),
    ("dinov2", 3, 36, 3, 20, 4, None, "bfloat16", {}),
    ("dinov2", 4, 33, 3, 16, 4, (24, 24), "float32", {"use_swiglu_ffn": True}),
    ("dinov2", 3, 40, 5, 16, 4, (12, 29), "float16", {"use_swiglu_ffn": True}),
    ("dinov2_with_registers", 3, 36, 4, 16, 4, None, "float32", {"use_swiglu_ffn": True}),
    ("dinov2_with_registers", 3, 30, 3, 20, 4, (12, 30), "bfloat16", {}),
    ("clip", 4, 45, 5, 20, 5, None, "float32", {}),
    ("clip", 2, 32, 4, 12, 4, (16, 10), "bfloat16", {"whole": True}),
    ("siglip", 3, 34, 2, 21, 5, None, "float16", {}),
    ("siglip", 2, 32, 4, 12, 4, (16, 24), "float32", {"whole": True}),
    ("bert", 4, 42, 3, 29, 0, None, "float32", {}),
    ("bert", 3, 40, 5, 41, 0, None, "bfloat16", {"hidden_act": "gelu_new", "type_vocab_size": 3}),
]
# family, layers, width, heads, tokens, dtype, what config.json says beside that
JOINT_MODELS = [
    ("bart", 3, 36, 3, 21, "float32", {}),
    ("pegasus", 2, 42, 3, 33, "float16", {"activation_function": "relu"}),
    ("pegasus", 3, 36, 4, 23, "float32", {"scale_embedding": True}),
    ("t5", 3, 40, 4, 45, "bfloat16", {"relative_attention_max_distance": 20}),
    ("flan_t5", 2, 33, 3, 19, "float32", {}),
]
SCALARS, TEXT_SCALARS, ORDERS = ("sum", "energy"), ("sum", "energy", "logprob"), ("rollout", "formula")
TRAINED = "models/vit-tiny-patch16-224"
TRAINED_TOKENS = [0, 1, 50, 98, 141, 196]
PHOTOS, PHOTO_TOKENS = 3, list(range(0, 197, 14))


# ---- prepare: runs where torch is -----------------------------------------------------------------------------------------

def some_layers(count):
    """All of 2..L+1 up to four blocks, then the lowest, the middle and the highest."""
    return list(range(2, count + 2)) if count <= 4 else [2, 3, count // 2 + 2, count, count + 1]


def some_tokens(count):
    """All of up to forty, then every fifth, CLS and the last."""
    return list(range(count)) if count <= 40 else sorted({*range(0, count, 5), count - 1})


class Preparation:
    def __init__(self, work, reference, data):
        global np, torch, ultra_ref, hf_oracle
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        os.environ["TQDM_DISABLE"] = "1"
        os.environ["OMP_NUM_THREADS"] = "1"  # matrices this small are slower on more, tenfold where others want the cores too
        sys.path.insert(0, reference)
        import numpy as np
        import torch
        import ultra_ref
        import hf_oracle
        self.work, self.reference, self.data, self.cases = work, reference, data, []

    def reference_tool(self, tool, *arguments):
        subprocess.run([sys.executable, os.path.join(self.reference, tool), *map(str, arguments)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def add(self, rows, **case):
        case["rows"] = f"rows{len(self.cases)}.npy"
        np.save(os.path.join(self.work, case["rows"]), np.asarray(rows, dtype=np.float64))
        self.cases.append(case)

    def rows(self, model, source, double, layer, tokens, scalar, order):
        pixels = torch.from_numpy(np.load(source))
        m = ultra_ref.Model(model, double)
        return ultra_ref.explain(m, pixels.double() if double else pixels, layer, tokens, scalar, order).numpy()

    def random_model(self, index, layers, width, heads, patch, image, dtype):
        model = f"random{index}"
        path = os.path.join(self.work, model)
        self.reference_tool("make_random_model.py", "vit", path, "--layers", layers, "--dim", width, "--heads", heads,
                            "--patch", patch, "--image", image, "--ffn", 2 + index % 3, "--seed", index, "--dtype", dtype)
        source, tokens = os.path.join(path, "input.npy"), some_tokens((image // patch) ** 2 + 1)
        for layer in some_layers(layers):
            for scalar in SCALARS:
                for order in ORDERS if layer > 2 else ORDERS[:1]:  # one block has one order
                    self.add(self.rows(path, source, True, layer, tokens, scalar, order), kind="random", model=model,
                             input=f"{model}/input.npy", layer=layer, tokens=tokens, scalar=scalar, order=order)

    def text_rows(self, run, layer, tokens, scalar, order, ids):
        """As hf_oracle.explain, and for log p of the next token (of the likeliest at the end)."""
        z, attention = run.z[layer - 1], list(run.out.attentions)[:layer - 1]
        n, rows = z.shape[0], []
        for t in tokens:
            following = int(ids[t + 1]) if t + 1 < n else int(run.logits[t].argmax())
            f = torch.log_softmax(run.logits[t], -1)[following] if scalar == "logprob" else hf_oracle.scalar_of(z[t], scalar)
            gradients = torch.autograd.grad(f, attention, retain_graph=True, allow_unused=True)
            maps = [(g * a.detach()).clamp(min=0)[0].mean(0) if g is not None else torch.zeros(n, n, dtype=z.dtype) for g, a in zip(gradients, attention)]
            row = torch.zeros(n, dtype=z.dtype)
            row[t] = 1
            for m in (reversed(maps) if order == "rollout" else maps):
                row = row + row @ m
            rows.append(row)
        return torch.stack(rows).numpy()

    def text_model(self, index, family, layers, width, heads, kv, tokens, dtype, extra):
        model = f"text{index}"
        path = os.path.join(self.work, model)
        self.reference_tool("hf_oracle.py", "make", family, path, "--layers", layers, "--dim", width, "--heads", heads, "--kv", kv,
                            "--tokens", tokens, "--seed", index, "--dtype", dtype, "--extra", json.dumps(extra), *(["--shard", "60KB"] if dtype == "bfloat16" else []))
        source = os.path.join(path, "input.npy")
        ids, wanted = np.load(source), some_tokens(tokens)
        exact, single = hf_oracle.Run(path, source, True), hf_oracle.Run(path, source, False)
        for name, rows in (("hidden", torch.cat(exact.z)), ("logits", exact.logits)):
            np.save(os.path.join(path, name + ".npy"), np.ascontiguousarray(rows.detach().numpy()))
            self.cases.append({"kind": name, name: f"{model}/{name}.npy", "layers": layers, "model": model, "input": f"{model}/input.npy", "family": family})
        for layer in some_layers(layers):
            for scalar in TEXT_SCALARS if layer == layers + 1 else SCALARS:
                for order in ORDERS if layer > 2 else ORDERS[:1]:
                    rows = self.text_rows(exact, layer, wanted, scalar, order, ids)
                    rough = self.text_rows(single, layer, wanted, scalar, order, ids)
                    self.add(rows, kind="text", model=model, family=family, input=f"{model}/input.npy", layer=layer, tokens=wanted, scalar=scalar, order=order,
                             torch_error=relative_error(rows.tolist(), rough.tolist(), wanted))

    def make_family(self, path, index, family, layers, width, heads, size, patch, dtype, extra):
        shape = ["--layers", layers, "--dim", width, "--heads", heads, "--seed", index, "--dtype", dtype, *(["--shard", "60KB"] if dtype == "bfloat16" else [])]
        shape += ["--image", size, "--patch", patch] if patch else ["--tokens", size]
        whole = extra.pop("whole", False)
        self.reference_tool("hf_oracle.py", "make", family, path, *shape, "--extra", json.dumps(extra))
        if whole:
            self.make_whole(path, family, dtype)

    def make_whole(self, path, family, dtype):
        """Puts the vision tower in `path` into a whole model with a text tower, in its place."""
        import transformers
        tower = transformers.AutoModel.from_pretrained(path, dtype=torch.float32)
        text = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, vocab_size=40, max_position_embeddings=8)
        kind = {"clip": transformers.CLIPModel, "siglip": transformers.SiglipModel}[family]
        whole = kind(kind.config_class(text_config=text, vision_config=tower.config.to_dict()))
        weights = tower.state_dict()
        for name, tensor in whole.vision_model.state_dict().items():
            tensor.copy_(weights[name if name in weights else "vision_model." + name])
        os.remove(os.path.join(path, "model.safetensors")) if os.path.exists(os.path.join(path, "model.safetensors")) else None
        whole.to(getattr(torch, dtype)).save_pretrained(path)

    def run_family(self, path, source, double, interpolate):
        """hf_oracle.Run, which knows nothing of interpolated positions."""
        head = hf_oracle.head
        class Interpolating:
            def __init__(self, kind):
                self.kind = kind
            def from_pretrained(self, *arguments, **keywords):
                model = head(self.kind).from_pretrained(*arguments, **keywords)
                forward = model.forward
                model.forward = lambda **inputs: forward(interpolate_pos_encoding=True, **inputs)
                return model
        hf_oracle.head = Interpolating if interpolate else head
        try:
            return hf_oracle.Run(path, source, double)
        finally:
            hf_oracle.head = head

    def family_model(self, index, family, layers, width, heads, size, patch, shape, dtype, extra):
        model = f"family{index}"
        path, source = os.path.join(self.work, model), os.path.join(self.work, model, "input.npy")
        self.make_family(path, index, family, layers, width, heads, size, patch, dtype, dict(extra))
        if shape:
            np.save(source, np.random.default_rng(index).standard_normal((3, *shape)).astype(np.float32))
        exact, single = (self.run_family(path, source, double, shape and not family.startswith("dinov2")) for double in (True, False))
        about = dict(model=model, family=family, input=f"{model}/input.npy", flags=["--image-size", "%dx%d" % shape] if shape else [])
        np.save(os.path.join(path, "hidden.npy"), np.ascontiguousarray(np.concatenate([z.detach().numpy() for z in exact.z])))
        self.cases.append(dict(kind="hidden", hidden=f"{model}/hidden.npy", layers=layers, **about))
        wanted = some_tokens(exact.z[0].shape[0])
        for layer in sorted({2, layers // 2 + 2, layers + 1}):
            for scalar in SCALARS:
                rows, rough = (hf_oracle.explain(run, layer, scalar)[wanted].numpy() for run in (exact, single))
                self.add(rows, kind="family", layer=layer, tokens=wanted, scalar=scalar, order="rollout", torch_error=relative_error(rows.tolist(), rough.tolist(), wanted), **about)

    def joint_model(self, index, family, layers, width, heads, tokens, dtype, extra):
        """Encoder-decoders: rows over both sides for every token of the decoder."""
        model = f"joint{index}"
        path = os.path.join(self.work, model)
        self.reference_tool("hf_oracle.py", "make", family, path, "--layers", layers, "--dim", width, "--heads", heads, "--tokens", tokens, "--seed", index,
                            "--dtype", dtype, "--extra", json.dumps(extra), *(["--shard", "60KB"] if dtype == "bfloat16" else []))
        source = os.path.join(path, "input.npy")
        exact, single = hf_oracle.Run(path, source, True), hf_oracle.Run(path, source, False)
        about = dict(model=model, family=family, input=f"{model}/input.npy", summary=f"{model}/target.npy")
        for name, rows in (("hidden", torch.cat(exact.z)), ("logits", exact.logits)):
            np.save(os.path.join(path, name + ".npy"), np.ascontiguousarray(rows.detach().numpy()))
            self.cases.append({"kind": name, name: f"{model}/{name}.npy", "layers": layers, **about})
        own = [tokens + i for i in range(exact.z[0].shape[0])]
        for layer in sorted({2, layers // 2 + 2, layers + 1}):
            for scalar in SCALARS:
                rows, rough = (hf_oracle.explain(run, layer, scalar).numpy() for run in (exact, single))
                self.add(rows, kind="family", layer=layer, tokens=own, scalar=scalar, order="rollout", torch_error=relative_error(rows.tolist(), rough.tolist(), own), **about)

    def trained(self, photo, source):
        model = os.path.join(self.data, TRAINED)
        for layer in (2, 7, 13):
            for scalar in SCALARS:
                exact, single = (self.rows(model, source, double, layer, TRAINED_TOKENS, scalar, "rollout") for double in (True, False))
                self.add(exact, kind="trained", model=os.path.abspath(model), input=os.path.relpath(source, self.work), layer=layer,
                         tokens=TRAINED_TOKENS, scalar=scalar, order="rollout", torch_error=relative_error(exact.tolist(), single.tolist(), TRAINED_TOKENS))

    def photo(self, photo):
        model = os.path.join(self.data, TRAINED)
        out = os.path.join(self.work, os.path.basename(photo) + ".npy")
        self.reference_tool("hf_oracle.py", "explain", model, out, "--image", photo)
        self.add(np.load(out)[PHOTO_TOKENS], kind="photo", model=os.path.abspath(model), input=os.path.abspath(photo), layer=13,
                 tokens=PHOTO_TOKENS, scalar="sum", order="rollout")
        return out + ".input.npy"  # what its image processor made of the photo


def prepare(work, reference, data):
    os.makedirs(work, exist_ok=True)
    p = Preparation(work, reference, data)
    for index, spec in enumerate(RANDOM_MODELS):
        p.random_model(index, *spec)
    for index, spec in enumerate(TEXT_MODELS):
        p.text_model(index, *spec)
    for index, spec in enumerate(FAMILY_MODELS):
        p.family_model(index, *spec)
    for index, spec in enumerate(JOINT_MODELS):
        p.joint_model(index, *spec)
    folder = os.path.join(data, "images")
    photos = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".jpg"))[:PHOTOS]
    sources = [p.photo(photo) for photo in photos]
    p.trained(photos[0], sources[0])
    with open(os.path.join(work, "cases.json"), "w") as out:
        json.dump(p.cases, out)
    print(f"{len(p.cases)} cases in {work}")


# ---- compare: standard library only ---------------------------------------------------------------------------------------

def read_npy(path):
    """A two-dimensional array of float32 or float64 as a list of rows."""
    with open(path, "rb") as file:
        content = file.read()
    assert content[:8] == b"\x93NUMPY\x01\x00", f"{path}: not version 1.0 of .npy"
    end = 10 + int.from_bytes(content[8:10], "little")
    header = ast.literal_eval(content[10:end].decode())
    assert not header["fortran_order"]
    values = array.array({"<f4": "f", "<f8": "d"}[header["descr"]], content[end:])
    count, width = header["shape"]
    assert len(values) == count * width
    return [list(values[i * width:(i + 1) * width]) for i in range(count)]


def off_diagonal_largest(row, token):
    return max((abs(x) for j, x in enumerate(row) if j != token), default=0)


def differences(expected, found, tokens):
    """Of each row: the largest difference, one float32 step forgiven on the own entry, and the largest entry off the diagonal; the own
    entry where there is no other, as for the first token of a text."""
    step = 2.0 ** -23
    for e, f, token in zip(expected, found, tokens):
        own = abs(e[token])
        yield (max(abs(x - y) - step * max(own, 1) * (j == token) for j, (x, y) in enumerate(zip(e, f))), off_diagonal_largest(e, token) or own)


def relative_error(expected, found, tokens):
    """The largest difference over the largest entry off the diagonal."""
    pairs = list(zip(differences(expected, found, tokens), expected, tokens))
    worst, largest = max(pair[0] for pair, _, _ in pairs), max(off_diagonal_largest(row, token) for _, row, token in pairs)
    return max(worst, 0) / largest


def ranks(values):
    """1-based, ties sharing their mean rank."""
    order, result, i = sorted(range(len(values)), key=values.__getitem__), [0.0] * len(values), 0
    while i < len(order):
        k = i
        while k + 1 < len(order) and values[order[k + 1]] == values[order[i]]:
            k += 1
        for j in order[i:k + 1]:
            result[j] = (i + k) / 2 + 1
        i = k + 1
    return result


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    mean = (len(a) + 1) / 2
    dot = lambda x, y: sum((u - mean) * (v - mean) for u, v in zip(x, y))
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def check_random(case, expected, found):
    pairs = list(differences(expected, found, case["tokens"]))
    whole = relative_error(expected, found, case["tokens"])
    row = max(max(difference, 0) / largest if largest else (0 if difference <= 0 else math.inf) for difference, largest in pairs)
    return whole <= 2e-5 and row <= 2e-4, f"off by {whole:.1e} of the largest (2e-5 allowed), {row:.1e} of a row's own (2e-4)"


def check_text(case, expected, found):
    passed, words = check_random(case, expected, found)
    return passed, f"{words}; torch float32 is off by {case['torch_error']:.1e}"


def check_family(case, expected, found):
    """Post-norm blocks make gradients of the sum that nearly vanish: there torch's own error is the measure."""
    error, bound = relative_error(expected, found, case["tokens"]), max(2e-5, 4 * case["torch_error"])
    return error <= bound, f"off by {error:.1e} of the largest ({bound:.1e} allowed); torch float32 is off by {case['torch_error']:.1e}"


def check_trained(case, expected, found):
    error, torch_error = relative_error(expected, found, case["tokens"]), case["torch_error"]
    return error <= 4 * torch_error, f"off by {error:.1e} of the largest, torch float32 by {torch_error:.1e} (4 times that allowed)"


def check_photo(case, expected, found):
    without_own = lambda row, token: row[:token] + row[token + 1:]
    values = [spearman(without_own(e, t), without_own(f, t)) for e, f, t in zip(expected, found, case["tokens"])]
    mean = sum(values) / len(values)
    return mean >= 0.999, f"Spearman {mean:.5f} in the mean (0.999 wanted), {min(values):.5f} at least"


def check_half(case, expected, found):
    """A target that nothing but itself explains has no ranks."""
    values = [spearman(e, f) for e, f in zip(expected, found) if len(set(e)) > 2]
    worst = max(max(abs(x - y) for x, y in zip(e, f)) / max(map(abs, e)) for e, f in zip(expected, found))
    mean = sum(values) / len(values) if values else 1
    return mean >= 0.999 and worst <= 0.01, f"Spearman {mean:.5f} in the mean (0.999 wanted), off by {worst:.1e} of a row's largest (1e-2 allowed)"


def run_program(program, work, case, *flags):
    verb, inputs = "explain", [os.path.join(work, case["input"])]
    if "summary" in case:
        verb, inputs = "attribute", ["--context", *inputs, "--summary", os.path.join(work, case["summary"])]
    command = [program, verb, "--model", os.path.join(work, case["model"]), *inputs, *case.get("flags", []), *flags, "--quiet"]
    ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ran.returncode:
        raise RuntimeError(f"exit {ran.returncode}: {ran.stderr.strip()}")


def program_rows(program, work, case, out, precision):
    tokens = [] if "summary" in case else ["--tokens", ",".join(map(str, case["tokens"]))]
    run_program(program, work, case, "--layer", str(case["layer"]), *tokens, "--scalar", case["scalar"], "--order", case["order"], "--precision", precision, "--out", out)
    return read_npy(out)


def read_safetensor(path, name):
    """A two-dimensional float32 tensor as a list of rows."""
    with open(path, "rb") as file:
        content = file.read()
    end = 8 + int.from_bytes(content[:8], "little")
    entry = json.loads(content[8:end])[name]
    assert entry["dtype"] == "F32"
    first, last = entry["data_offsets"]
    values, width = array.array("f", content[end + first:end + last]), entry["shape"][1]
    return [list(values[i:i + width]) for i in range(0, len(values), width)]


def check_logits(program, work, case, out):
    expected = read_npy(os.path.join(work, case["logits"]))
    try:
        run_program(program, work, case, *([] if "summary" in case else ["--tokens", "0"]), "--dump-hidden", out)
    except RuntimeError as problem:
        return False, str(problem)
    found = read_safetensor(out, "logits")
    if [len(row) for row in found] != [len(row) for row in expected]:
        return False, "logits of another shape"
    worst = max(abs(x - y) for e, f in zip(expected, found) for x, y in zip(e, f))
    return worst <= 1e-4, f"logits off by {worst:.1e} (1e-4 allowed), the largest is {max(abs(x) for row in expected for x in row):.1f}"


def check_hidden(program, work, case, out):
    expected = read_npy(os.path.join(work, case["hidden"]))
    try:
        run_program(program, work, case, *([] if "summary" in case else ["--tokens", "0"]), "--dump-hidden", out)
    except RuntimeError as problem:
        return False, str(problem)
    found = [row for layer in range(1, case["layers"] + 2) for row in read_safetensor(out, f"z{layer}")]
    if [len(row) for row in found] != [len(row) for row in expected]:
        return False, "hidden states of another shape"
    worst = max(max(abs(x - y) for x, y in zip(e, f)) / max(map(abs, e)) for e, f in zip(expected, found))
    return worst <= 1e-4, f"hidden states off by {worst:.1e} of a token's largest (1e-4 allowed)"


def check(program, work, case, out, precision):
    if case["kind"] in ("logits", "hidden"):
        return {"logits": check_logits, "hidden": check_hidden}[case["kind"]](program, work, case, out + ".safetensors")
    expected = read_npy(os.path.join(work, case["rows"]))
    try:
        found = program_rows(program, work, case, out, precision)
    except RuntimeError as problem:
        return False, str(problem)
    if [len(row) for row in found] != [len(row) for row in expected]:
        return False, f"{len(found)} rows, {len(expected)} expected, or of another length"
    if not all(math.isfinite(x) for row in found for x in row):
        return False, "a row is not finite"
    if precision == "auto":
        return check_half(case, expected, found)
    return {"random": check_random, "text": check_text, "family": check_family, "trained": check_trained, "photo": check_photo}[case["kind"]](case, expected, found)


def describe(case):
    name = f"{os.path.basename(case['model'])} {case.get('family', os.path.basename(case['input']))}"
    return name if case["kind"] in ("logits", "hidden") else f"{name} layer {case['layer']} {case['scalar']} {case['order']}, {len(case['tokens'])} targets"


def compare(work, program, precision):
    with open(os.path.join(work, "cases.json")) as file:
        cases = [case for case in json.load(file) if precision == "f32" or case["kind"] not in ("logits", "hidden")]
    failed = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outs = [os.path.join(folder, f"rows{i}.npy") for i in range(len(cases))]
        for case, (passed, words) in zip(cases, pool.map(lambda case, out: check(program, work, case, out, precision), cases, outs)):
            failed += not passed
            print(f"{'ok' if passed else 'FAILED'}: {describe(case)}: {words}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    p = verbs.add_parser("prepare")
    p.add_argument("work"), p.add_argument("--reference", required=True), p.add_argument("--data", required=True)
    p = verbs.add_parser("compare")
    p.add_argument("work"), p.add_argument("--program", required=True), p.add_argument("--precision", choices=("f32", "auto"), default="f32")
    a = parser.parse_args()
    return prepare(a.work, a.reference, a.data) if a.verb == "prepare" else compare(a.work, a.program, a.precision)


if __name__ == "__main__":
    sys.exit(main())
