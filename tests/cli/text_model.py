"""A small random llama folder with a byte-level tokenizer, written here so that no reader of the program is its own judge."""
import json
import os
import random
import struct

CONTEXT, VOCABULARY, WIDTH, LAYERS = 160, 270, 24, 2
BOS, EOS = 0, 1
MERGES = ["h e", "Ġ t", "Ġt he", "i n", "a n", "e r", "o n", "r e", "Ġ a", "Ġ s", "l l", "Ġ c"]


def byte_characters():
    """GPT-2's printable stand-in for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = (256 + i for i in range(256))
    return [chr(b) if b in plain else chr(next(other)) for b in range(256)]


def vocabulary():
    pieces = ["<s>", "</s>", *byte_characters(), *(m.replace(" ", "") for m in MERGES)]
    assert len(pieces) == VOCABULARY
    return {piece: i for i, piece in enumerate(pieces)}


def tokenizer():
    def special(i, content):
        return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}

    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    sequence = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [special(BOS, "<s>"), special(EOS, "</s>")], "normalizer": None,
        "pre_tokenizer": byte_level, "decoder": byte_level,
        "post_processor": {"type": "TemplateProcessing", "single": sequence, "pair": sequence + [{"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [BOS], "tokens": ["<s>"]}}},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "vocab": vocabulary(), "merges": MERGES},
    }


def weights():
    """{name: (shape, values)}; the head prefers plain letters, so that what it generates reads as text."""
    draw = random.Random(5)
    heads, kv_heads, size, mlp = 4, 2, 6, 32

    def matrix(rows, columns, scale=0.3):
        return [rows, columns], [scale * draw.gauss(0, 1) for _ in range(rows * columns)]

    def norm():
        return [WIDTH], [1 + 0.1 * draw.gauss(0, 1) for _ in range(WIDTH)]

    tensors = {"model.embed_tokens.weight": matrix(VOCABULARY, WIDTH, 1), "model.norm.weight": norm()}
    for i in range(LAYERS):
        block = "model.layers.%d." % i
        tensors[block + "input_layernorm.weight"] = norm()
        tensors[block + "post_attention_layernorm.weight"] = norm()
        for name, rows, columns in (("self_attn.q_proj", heads * size, WIDTH), ("self_attn.k_proj", kv_heads * size, WIDTH),
                                    ("self_attn.v_proj", kv_heads * size, WIDTH), ("self_attn.o_proj", WIDTH, heads * size),
                                    ("mlp.gate_proj", mlp, WIDTH), ("mlp.up_proj", mlp, WIDTH), ("mlp.down_proj", WIDTH, mlp)):
            tensors[block + name + ".weight"] = matrix(rows, columns)
    shape, head = matrix(VOCABULARY, WIDTH)
    for piece, i in vocabulary().items():
        if not (piece.isascii() and piece.isalpha()):
            head[i * WIDTH:(i + 1) * WIDTH] = [0.0] * WIDTH
    tensors["lm_head.weight"] = shape, head
    return tensors


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, (shape, values) in tensors.items():
        data = struct.pack("<%df" % len(values), *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    packed = json.dumps(header).encode()
    packed += b" " * (-len(packed) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(packed)) + packed + body)


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f)


def write_tokenizer(folder):
    os.makedirs(folder, exist_ok=True)
    write_json(folder, "tokenizer.json", tokenizer())
    write_json(folder, "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>"})
    return folder


def make_text_model(folder, **config):
    write_tokenizer(folder)
    write_json(folder, "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 6, "intermediate_size": 32, "vocab_size": VOCABULARY, "hidden_act": "silu", "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "max_position_embeddings": CONTEXT, "tie_word_embeddings": False, "bos_token_id": BOS, "eos_token_id": EOS, **config})
    write_safetensors(os.path.join(folder, "model.safetensors"), weights())
    return folder
