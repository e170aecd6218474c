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


def joint_weights(family):
    """{name: (shape, values)} of a T5 or a BART, encoder and decoder of two blocks; what is likely reads as text here too."""
    draw = random.Random(7)
    t5, mlp = family == "t5", 32
    tensors = {}

    def linear(name, rows, columns, scale=0.3):
        tensors[name + ".weight"] = [rows, columns], [scale * draw.gauss(0, 1) for _ in range(rows * columns)]
        if not t5:
            tensors[name + ".bias"] = [rows], [0.1 * draw.gauss(0, 1) for _ in range(rows)]

    def norm(name):
        tensors[name + ".weight"] = [WIDTH], [1 + 0.1 * draw.gauss(0, 1) for _ in range(WIDTH)]
        if not t5:
            tensors[name + ".bias"] = [WIDTH], [0.1 * draw.gauss(0, 1) for _ in range(WIDTH)]

    def table(name, rows, columns, scale):
        tensors[name] = [rows, columns], [scale * draw.gauss(0, 1) for _ in range(rows * columns)]

    def attention(name, norm_name):
        for part in ("q", "k", "v", "o"):
            linear(name + (part if t5 else {"o": "out"}.get(part, part) + "_proj"), WIDTH, WIDTH)
        norm(norm_name)

    prefix = "" if t5 else "model."
    table(prefix + "shared.weight", VOCABULARY, WIDTH, 1)
    for side in ("encoder", "decoder"):
        for i in range(LAYERS):
            block = side + ".block.%d.layer." % i if t5 else prefix + side + ".layers.%d." % i
            last = 2 if side == "decoder" else 1
            attention(block + ("0.SelfAttention." if t5 else "self_attn."), block + ("0.layer_norm" if t5 else "self_attn_layer_norm"))
            if side == "decoder":
                attention(block + ("1.EncDecAttention." if t5 else "encoder_attn."), block + ("1.layer_norm" if t5 else "encoder_attn_layer_norm"))
            linear(block + ("%d.DenseReluDense.wi" % last if t5 else "fc1"), mlp, WIDTH)
            linear(block + ("%d.DenseReluDense.wo" % last if t5 else "fc2"), WIDTH, mlp)
            norm(block + ("%d.layer_norm" % last if t5 else "final_layer_norm"))
        if t5:
            table(side + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight", 8, 4, 0.5)
            norm(side + ".final_layer_norm")
        else:
            table(prefix + side + ".embed_positions.weight", CONTEXT + 2, WIDTH, 0.5)
            norm(prefix + side + ".layernorm_embedding")
    letters = [piece.isascii() and piece.isalpha() for piece in vocabulary()]
    if t5:
        table("lm_head.weight", VOCABULARY, WIDTH, 0.3)
        head = tensors["lm_head.weight"][1]
        for i in (i for i, letter in enumerate(letters) if not letter):
            head[i * WIDTH:(i + 1) * WIDTH] = [0.0] * WIDTH
    else:
        tensors["final_logits_bias"] = [1, VOCABULARY], [0.0 if letter else -40.0 for letter in letters]
    return tensors


def make_joint_model(folder, family):
    write_tokenizer(folder)
    shape = {"t5": {"d_kv": 6, "d_ff": 32, "num_layers": LAYERS, "num_heads": 4, "feed_forward_proj": "relu", "relative_attention_num_buckets": 8,
                    "relative_attention_max_distance": 16, "n_positions": CONTEXT, "tie_word_embeddings": False, "decoder_start_token_id": 0},
             "bart": {"encoder_layers": LAYERS, "decoder_layers": LAYERS, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 32,
                      "decoder_ffn_dim": 32, "activation_function": "gelu", "max_position_embeddings": CONTEXT, "decoder_start_token_id": 1}}[family]
    write_json(folder, "config.json", {"model_type": family, "d_model": WIDTH, "vocab_size": VOCABULARY, "bos_token_id": BOS, "eos_token_id": EOS, **shape})
    write_safetensors(os.path.join(folder, "model.safetensors"), joint_weights(family))
    return folder
