"""The two architectures as plain PyTorch functions over dictionaries of tensors, named as Hugging Face checkpoints name them.

Attention is written out, because explanations need the gradient with respect to its probabilities: every forward pass returns the
residual streams z(1)..z(L+1) and the attention probabilities of each block beside its logits.
"""
import json
import math
import os
import struct

import torch
import torch.nn.functional as F

NUMPY_NAMES = {"F16": torch.float16, "F32": torch.float32}


def save_safetensors(path, tensors):
    """Writes the tensors in half precision."""
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        blob = tensors[name].detach().half().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def load_safetensors(path):
    """Reads F16 and F32 tensors as float32."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + struct.unpack_from("<Q", data)[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        low, high = entry["data_offsets"]
        blob = bytearray(data[start + low:start + high])
        tensors[name] = torch.frombuffer(blob, dtype=NUMPY_NAMES[entry["dtype"]]).reshape(entry["shape"]).float()
    return tensors


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2) + "\n")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Net:
    """Configuration and tensors of one model."""

    def __init__(self, config, tensors=None, seed=0):
        self.config = config
        self.heads, self.layers, self.width = config["num_attention_heads"], config["num_hidden_layers"], config["hidden_size"]
        self.w = tensors or self.random_tensors(torch.Generator().manual_seed(seed))

    @classmethod
    def load(cls, folder):
        return cls(read_json(os.path.join(folder, "config.json")), load_safetensors(os.path.join(folder, "model.safetensors")))

    def save(self, folder):
        os.makedirs(folder, exist_ok=True)
        write_json(os.path.join(folder, "config.json"), self.config)
        save_safetensors(os.path.join(folder, "model.safetensors"), self.w)

    def random_tensors(self, generator):
        """Normal weights, the projections into the residual stream smaller; ones for norms and zeros for biases."""
        tensors = {}
        for name, shape in self.shapes().items():
            if len(shape) == 1:
                tensors[name] = torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
            else:
                deviation = 0.02 if "embed" in name or "classifier" in name else math.prod(shape[1:]) ** -0.5
                if name.endswith(self.RESIDUAL):
                    deviation /= (2 * self.layers) ** 0.5
                tensors[name] = torch.randn(shape, generator=generator) * deviation
        return tensors

    def parameters(self):
        for tensor in self.w.values():
            tensor.requires_grad_(True)
        return self.w

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w.get(name + ".bias"))

    def split(self, x, heads):
        """[B, n, heads * d] -> [B, heads, n, d]"""
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    def attend(self, query, key, value, mask=None):
        """Output [B, n, d] and probabilities [B, H, n, n]."""
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        if mask is not None:
            scores = scores + mask
        probabilities = scores.softmax(-1)
        return (probabilities @ value).transpose(1, 2).flatten(2), probabilities


class Vit(Net):
    """Vision Transformer with one classifier for the CLS token and for every patch."""

    RESIDUAL = ("output.dense.weight",)

    def shapes(self):
        c, d = self.config, self.width
        patches = (c["image_size"] // c["patch_size"]) ** 2
        shapes = {"vit.embeddings.cls_token": (1, 1, d), "vit.embeddings.position_embeddings": (1, patches + 1, d),
                  "vit.embeddings.patch_embeddings.projection.weight": (d, 3, c["patch_size"], c["patch_size"]),
                  "vit.embeddings.patch_embeddings.projection.bias": (d,),
                  "vit.layernorm.weight": (d,), "vit.layernorm.bias": (d,),
                  "classifier.weight": (len(c["id2label"]), d), "classifier.bias": (len(c["id2label"]),)}
        for i in range(self.layers):
            block = f"vit.encoder.layer.{i}."
            for name, rows, columns in [("attention.attention.query", d, d), ("attention.attention.key", d, d),
                                        ("attention.attention.value", d, d), ("attention.output.dense", d, d),
                                        ("intermediate.dense", c["intermediate_size"], d), ("output.dense", d, c["intermediate_size"])]:
                shapes[block + name + ".weight"], shapes[block + name + ".bias"] = (rows, columns), (rows,)
            for name in ("layernorm_before", "layernorm_after"):
                shapes[block + name + ".weight"], shapes[block + name + ".bias"] = (d,), (d,)
        return shapes

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], self.config["layer_norm_eps"])

    def forward(self, images):
        """images [B, 3, H, W] in [-1, 1] -> logits [B, 1 + patches, classes], residual streams, probabilities"""
        patches = F.conv2d(images, self.w["vit.embeddings.patch_embeddings.projection.weight"],
                           self.w["vit.embeddings.patch_embeddings.projection.bias"], stride=self.config["patch_size"])
        cls = self.w["vit.embeddings.cls_token"].expand(len(images), -1, -1)
        x = torch.cat([cls, patches.flatten(2).transpose(1, 2)], 1) + self.w["vit.embeddings.position_embeddings"]
        streams, attentions = [x], []
        for i in range(self.layers):
            block = f"vit.encoder.layer.{i}."
            y = self.norm(x, block + "layernorm_before")
            q, k, v = (self.split(self.linear(y, block + "attention.attention." + t), self.heads) for t in ("query", "key", "value"))
            out, probabilities = self.attend(q, k, v)
            x = x + self.linear(out, block + "attention.output.dense")
            y = F.gelu(self.linear(self.norm(x, block + "layernorm_after"), block + "intermediate.dense"))
            x = x + self.linear(y, block + "output.dense")
            streams.append(x)
            attentions.append(probabilities)
        return self.linear(self.norm(x, "vit.layernorm"), "classifier"), streams, attentions


class Llama(Net):
    """Decoder with RMSNorm, rotary positions, grouped queries, SwiGLU and tied embeddings."""

    RESIDUAL = ("o_proj.weight", "down_proj.weight")

    def shapes(self):
        c, d, m = self.config, self.width, self.config["intermediate_size"]
        narrow = c["num_key_value_heads"] * c["head_dim"]
        shapes = {"model.embed_tokens.weight": (c["vocab_size"], d), "model.norm.weight": (d,)}
        for i in range(self.layers):
            block = f"model.layers.{i}."
            shapes.update({block + "self_attn.q_proj.weight": (d, d), block + "self_attn.k_proj.weight": (narrow, d),
                           block + "self_attn.v_proj.weight": (narrow, d), block + "self_attn.o_proj.weight": (d, d),
                           block + "mlp.gate_proj.weight": (m, d), block + "mlp.up_proj.weight": (m, d),
                           block + "mlp.down_proj.weight": (d, m),
                           block + "input_layernorm.weight": (d,), block + "post_attention_layernorm.weight": (d,)})
        return shapes

    def random_tensors(self, generator):
        """Attention begins by copying: value and output projections undo each other (mimetic initialisation, arXiv 2305.09828), so that
        where to look is all that a summary's words have to teach."""
        tensors = super().random_tensors(generator)
        for i in range(self.layers):
            value = f"model.layers.{i}.self_attn.v_proj.weight"
            tensors[value] = torch.linalg.qr(tensors[value])[0].contiguous()
            tensors[value.replace("v_proj", "o_proj")] = 0.5 * tensors[value].t().contiguous()
        return tensors

    def norm(self, x, name):
        return F.rms_norm(x, x.shape[-1:], self.w[name + ".weight"], self.config["rms_norm_eps"])

    def rotate(self, x):
        """Rotary positions, the two halves of a head paired."""
        half = x.shape[-1] // 2
        speeds = self.config["rope_theta"] ** (-torch.arange(half, dtype=torch.float32) / half)
        angles = torch.outer(torch.arange(x.shape[2], dtype=torch.float32), speeds).to(x.dtype)
        cos, sin, a, b = angles.cos(), angles.sin(), x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def embed(self, ids):
        return self.w["model.embed_tokens.weight"][ids]

    def head(self, stream):
        return F.linear(self.norm(stream, "model.norm"), self.w["model.embed_tokens.weight"])

    def forward(self, ids, embedded=None):
        """ids [B, n] -> logits [B, n, vocabulary], residual streams, probabilities. `embedded` replaces the embeddings of ids."""
        streams, attentions = self.blocks(ids, embedded)
        return self.head(streams[-1]), streams, attentions

    def blocks(self, ids, embedded=None):
        x = self.embed(ids) if embedded is None else embedded
        mask = torch.full((x.shape[1], x.shape[1]), float("-inf"), dtype=x.dtype).triu(1)
        groups = self.heads // self.config["num_key_value_heads"]
        streams, attentions = [x], []
        for i in range(self.layers):
            block = f"model.layers.{i}."
            y = self.norm(x, block + "input_layernorm")
            q = self.rotate(self.split(self.linear(y, block + "self_attn.q_proj"), self.heads))
            k = self.rotate(self.split(self.linear(y, block + "self_attn.k_proj"), self.heads // groups))
            v = self.split(self.linear(y, block + "self_attn.v_proj"), self.heads // groups)
            out, probabilities = self.attend(q, k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1), mask)
            x = x + self.linear(out, block + "self_attn.o_proj")
            y = self.norm(x, block + "post_attention_layernorm")
            x = x + self.linear(F.silu(self.linear(y, block + "mlp.gate_proj")) * self.linear(y, block + "mlp.up_proj"), block + "mlp.down_proj")
            streams.append(x)
            attentions.append(probabilities)
        return streams, attentions
