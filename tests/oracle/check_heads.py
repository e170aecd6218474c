#!/usr/bin/env python3
"""What is explained of a whole image, a class or the similarity with a text, compared with transformers and autograd in float64.

  check_heads.py prepare WORK --reference DIR     where torch and transformers are: writes models, inputs and rows
  check_heads.py compare WORK --program PATH      where the program runs: needs nothing but Python
"""
import json
import os
import subprocess
import sys

from cases import main
from check_oracle import read_npy, relative_error

# class, family of hf_oracle, layers, width, heads, image, patch, dtype, what its config.json says beside that, targets (None: CLS), class (None: the likeliest)
CLASSIFIERS = [
    ("ViTForImageClassification", "vit", 3, 36, 3, 20, 4, "float32", {}, None, None),
    ("ViTForImageClassification", "vit", 2, 33, 3, 12, 4, "bfloat16", {}, None, "tree frog"),
    ("DeiTForImageClassification", "deit", 2, 30, 3, 16, 4, "float32", {}, None, "3"),
    ("DeiTForImageClassificationWithTeacher", "deit", 3, 32, 4, 16, 4, "float16", {}, [0, 1], None),
    ("Dinov2ForImageClassification", "dinov2", 3, 36, 3, 16, 4, "float32", {"use_swiglu_ffn": True}, None, None),
    ("Dinov2WithRegistersForImageClassification", "dinov2_with_registers", 2, 30, 3, 16, 4, "float32", {}, [0, 7], "hen"),
    ("CLIPForImageClassification", "clip", 3, 32, 4, 15, 5, "float32", {}, [1, 5, 9], None),
    ("SiglipForImageClassification", "siglip", 2, 30, 3, 15, 5, "bfloat16", {}, [0, 4], "4"),
]
LABELS = ["tench, Tinca tinca", "hen", "tree frog, tree-frog", "loggerhead", "cock", "ostrich, Struthio camelus", "junco"]
# family, layers, width, heads, image, patch, dtype, targets (None: CLS), text
PAIRS = [
    ("clip", 3, 36, 3, 20, 5, "float32", None, "A photo of two red balls."),
    ("clip", 2, 32, 4, 12, 4, "bfloat16", None, "nothing at all"),
    ("siglip", 3, 36, 3, 15, 5, "float32", [0, 3, 8], "a red ball"),
    ("siglip", 2, 30, 2, 12, 4, "float16", [4], "two balls of blue"),
]
WORDS = "a photo of the two red blue balls ball nothing at all and frog hen tree ."
ORDERS = ("rollout", "formula")


# ---- prepare: runs where torch is -----------------------------------------------------------------------------------------

def randomize(model):
    """Weights that make attention matter, as hf_oracle has them."""
    for name, p in model.named_parameters():
        if p.dim() >= 2:
            p.data.normal_(std=0.5 if "embed" in name or "token" in name or "probe" in name else 1.4 * p[0].numel() ** -0.5)
        elif "lambda" in name:
            p.data.normal_().abs_()
        elif name.endswith("bias"):
            p.data.normal_(std=0.1)
        elif p.dim() == 1:
            p.data.copy_(1 + 0.2 * torch.randn_like(p))


def rows_of(f, attentions, targets, order):
    gradients = torch.autograd.grad(f, attentions, retain_graph=True)
    maps = [(g * a.detach()).clamp(min=0)[0].mean(0) for g, a in zip(gradients, attentions)]
    rows = []
    for t in targets:
        row = torch.zeros(maps[0].shape[0], dtype=f.dtype)
        row[t] = 1
        for m in (reversed(maps) if order == "rollout" else maps):
            row = row + row @ m
        rows.append(row)
    return torch.stack(rows).numpy()


def clip_tokenizer(path):
    """As CLIP's: lower case, words cut out by a pattern, byte-level BPE with an end-of-word mark."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    t = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix="", fuse_unk=False))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>", show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator([WORDS] * 3, trainer)
    t.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), trim_offsets=False, add_prefix_space=False)
    t.save(os.path.join(path, "tokenizer.json"))
    return t


def siglip_tokenizer(path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [("▁" + w, -1.0 - i / 10) for i, w in enumerate(WORDS.split()[:-1])] + [(c, -9.0) for c in "▁abcdefghijklmnopqrstuvwxyz"]
    t = Tokenizer(models.Unigram(pieces, unk_id=2))
    t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    t.save(os.path.join(path, "tokenizer.json"))
    return t


class Preparation:
    def __init__(self, work, reference):
        global np, torch, transformers, hf_oracle
        os.environ["TQDM_DISABLE"] = "1"
        os.environ["OMP_NUM_THREADS"] = "1"
        sys.path.insert(0, reference)
        import numpy as np
        import torch
        import transformers
        import hf_oracle
        transformers.logging.set_verbosity_error()
        self.work, self.cases = work, []

    def add(self, rows, rough, targets, **case):
        case.update(rows=f"rows{len(self.cases)}.npy", tokens=targets, torch_error=relative_error(rows.tolist(), rough.tolist(), targets))
        np.save(os.path.join(self.work, case["rows"]), rows.astype(np.float64))
        self.cases.append(case)

    def folder(self, name, image, seed):
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        np.save(os.path.join(path, "input.npy"), np.random.default_rng(seed).standard_normal((3, image, image)).astype(np.float32))
        return path, torch.from_numpy(np.load(os.path.join(path, "input.npy")))[None]

    def both(self, kind, path, run):
        """What run makes of the model in float64 and in float32."""
        models = (kind.from_pretrained(path, attn_implementation="eager", dtype=dtype).eval() for dtype in (torch.float64, torch.float32))
        return [run(m) for m in models]

    def classifier(self, index, name, family, layers, width, heads, image, patch, dtype, extra, targets, wanted):
        path, pixels = self.folder(f"classifier{index}", image, index)
        torch.manual_seed(index)
        config = hf_oracle.config(family, layers, width, heads, img=image, patch=patch, extra=json.dumps(extra))
        if family in ("clip", "siglip"):
            text = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, vocab_size=40, max_position_embeddings=8)
            whole = {"clip": transformers.CLIPConfig, "siglip": transformers.SiglipConfig}[family]
            config = whole(vision_config=config.to_dict(), text_config=text)
        config.id2label = dict(enumerate(LABELS))
        config.label2id = {label: i for i, label in config.id2label.items()}
        kind = getattr(transformers, name)
        model = kind(config)
        randomize(model)
        model.to(getattr(torch, dtype)).save_pretrained(path)
        targets = targets or [0]

        def run(m):
            out = m(pixel_values=pixels.to(next(m.parameters()).dtype), output_attentions=True)
            logits = out.logits[0]
            y = int(logits.argmax()) if wanted is None else int(wanted) if wanted.isdigit() else next(i for i, label in enumerate(LABELS) if wanted in label)
            f = torch.log_softmax(logits, -1)[y]
            return {order: rows_of(f, list(out.attentions), targets, order) for order in ORDERS}, y, float(f)

        (exact, y, f), (rough, _, _) = self.both(kind, path, run)
        for order in ORDERS:
            self.add(exact[order], rough[order], targets, what=name, model=os.path.basename(path), order=order, said={"class": y, "logprob": f, "label": LABELS[y]},
                     flags=["--scalar", "logprob", *(["--class", wanted] if wanted else [])])

    def pair(self, index, family, layers, width, heads, image, patch, dtype, targets, text):
        path, pixels = self.folder(f"pair{index}", image, 50 + index)
        torch.manual_seed(index)
        vision = hf_oracle.config(family, layers, width, heads, img=image, patch=patch).to_dict()
        tokenizer = clip_tokenizer(path) if family == "clip" else siglip_tokenizer(path)
        side = dict(hidden_size=24, intermediate_size=50, num_hidden_layers=2, num_attention_heads=3, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=32)
        side.update(dict(bos_token_id=0, eos_token_id=1) if family == "clip" else dict(pad_token_id=1, projection_size=width))
        kind = {"clip": transformers.CLIPModel, "siglip": transformers.SiglipModel}[family]
        model = kind(kind.config_class(vision_config=vision, text_config=side, **({"projection_dim": 18} if family == "clip" else {})))
        randomize(model)
        model.to(getattr(torch, dtype)).save_pretrained(path)
        targets = targets or [0]
        ids = tokenizer.encode(text).ids
        ids = torch.tensor([ids + [1] * (32 - len(ids)) if family == "siglip" else ids])

        def run(m):
            image = m.vision_model(pixel_values=pixels.to(next(m.parameters()).dtype), output_attentions=True)
            towards = m.text_model(input_ids=ids).pooler_output
            if family == "clip":
                a, b = m.visual_projection(image.pooler_output), m.text_projection(towards)
            else:
                a, b = image.pooler_output, towards
            f = torch.nn.functional.cosine_similarity(a, b)[0]
            return {order: rows_of(f, list(image.attentions), targets, order) for order in ORDERS}, float(f)

        (exact, f), (rough, _) = self.both(kind, path, run)
        for order in ORDERS:
            self.add(exact[order], rough[order], targets, what=kind.__name__, model=os.path.basename(path), order=order, said={"similarity": f}, flags=["--similar-to", text])


def prepare(work, reference):
    os.makedirs(work, exist_ok=True)
    p = Preparation(work, reference)
    for index, spec in enumerate(CLASSIFIERS):
        p.classifier(index, *spec)
    for index, spec in enumerate(PAIRS):
        p.pair(index, *spec)
    with open(os.path.join(work, "cases.json"), "w") as out:
        json.dump(p.cases, out)
    print(f"{len(p.cases)} cases in {work}")


# ---- compare: standard library only ---------------------------------------------------------------------------------------

def check(program, work, case, out):
    tokens = [] if case["tokens"] == [0] and "Siglip" not in case["what"] else ["--tokens", ",".join(map(str, case["tokens"]))]  # CLS is the default
    command = [program, "explain", "--model", os.path.join(work, case["model"]), os.path.join(work, case["model"], "input.npy"), *case["flags"], *tokens,
               "--order", case["order"], "--out", out, "--json", "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        return False, f"exit {ran.returncode}: {ran.stderr.strip()}"
    line, expected, found = json.loads(ran.stdout), read_npy(os.path.join(work, case["rows"])), read_npy(out)
    for key, value in case["said"].items():
        if not (abs(line[key] - value) <= 1e-4 if isinstance(value, float) else line[key] == value):
            return False, f"{key} {line[key]}, {value} expected"
    error, bound = relative_error(expected, found, case["tokens"]), max(2e-5, 4 * case["torch_error"])
    return error <= bound, f"off by {error:.1e} of the largest ({bound:.1e} allowed); torch float32 is off by {case['torch_error']:.1e}"


def judge(program, work, case, folder):
    passed, words = check(program, work, case, os.path.join(folder, "rows.npy"))
    return passed, f"{case['what']} {case['order']} {case['said']}: {words}"


if __name__ == "__main__":
    sys.exit(main(__doc__, prepare, judge))
