"""What the fuzz targets begin with: {target: [bytes]}, made of this repository's own models, images and tests."""
import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
import text_model  # noqa: E402
from harness import npy  # noqa: E402


def contents(*path):
    with open(os.path.join(ROOT, *path), "rb") as f:
        return f.read()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def safetensors(tensors, metadata=None):
    """tensors: {name: (dtype, shape, bytes)}"""
    header, body = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    head = compact(header)
    return struct.pack("<Q", len(head)) + head + body


def of_safetensors():
    return [safetensors({"w": ("F32", [2, 2], bytes(16)), "h": ("F16", [3], b"\0\x3c\0\xfc\1\0"), "b": ("BF16", [1, 2], b"\x80\x3f\xc0\x7f")}, {"format": "pt"}),
            safetensors({"a": ("I64", [1], bytes(8)), "empty": ("F32", [0, 4], b""), "scalar": ("F64", [], bytes(8)), "u": ("U8", [3], b"abc")}),
            safetensors({})]


def of_index():
    def index(weights, **more):
        return compact({"metadata": {"total_size": 96}, "weight_map": weights, **more})

    whole = {"w": "a.safetensors", "x": "a.safetensors", "y": "b.safetensors", "z": "b.safetensors"}
    return [index(whole), index({"w": "a.safetensors"}), index({**whole, "v": "../a.safetensors"}), index({**whole, "w": "b.safetensors"})]


# The families of models/family_*.c, in a few lines each.
SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
TEXT = {**SMALL, "vocab_size": 29, "max_position_embeddings": 64}
CONFIGS = [
    {"model_type": "vit", **SMALL, "image_size": 12, "patch_size": 4, "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "qkv_bias": True},
    {"model_type": "dinov2_with_registers", **SMALL, "image_size": 12, "patch_size": 4, "num_register_tokens": 4, "mlp_ratio": 4, "use_swiglu_ffn": True},
    {"model_type": "clip", "vision_config": {**SMALL, "image_size": 12, "patch_size": 4}, "text_config": {}},
    {"model_type": "siglip_vision_model", **SMALL, "image_size": 12, "patch_size": 4},
    {"model_type": "gpt2", "n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 29, "scale_attn_by_inverse_layer_idx": True},
    {"model_type": "llama", **TEXT, "num_key_value_heads": 2, "head_dim": 6, "rope_theta": 10000.0, "tie_word_embeddings": True,
     "rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 40}},
    {"model_type": "mistral", **TEXT, "sliding_window": 5, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    {"model_type": "qwen3", **TEXT, "head_dim": 6, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1,
     "layer_types": ["full_attention", "sliding_attention"], "rope_scaling": {"type": "linear", "factor": 2.0}},
    {"model_type": "bert", **TEXT, "type_vocab_size": 2, "hidden_act": "gelu"},
    {"model_type": "bart", "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "vocab_size": 29,
     "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "scale_embedding": True, "decoder_start_token_id": 2},
    {"model_type": "pegasus", "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "vocab_size": 29,
     "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "num_beams": 8},
    {"model_type": "t5", "d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 4, "vocab_size": 29, "relative_attention_num_buckets": 32,
     "relative_attention_max_distance": 128, "feed_forward_proj": "gated-gelu", "decoder_start_token_id": 0, "tie_word_embeddings": False},
    {"model_type": "llama", **TEXT, "quantization_config": {"bits": 4}},
]


def of_config():
    ends = [{"eos_token_id": 1}, {"eos_token_id": [1, 2]}]
    prompts = [{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}"},
               {"chat_template": [{"name": "default", "template": "[INST] {{ content }} [/INST]"}, {"name": "tool", "template": "<|start_header_id|>"}]},
               {"chat_template": "<start_of_turn>user"}, {"chat_template": "<|user|>\n"}]
    demo = b"\0".join(contents("models", "demo", "lm", n) for n in ("config.json", "generation_config.json", "tokenizer_config.json"))
    return [demo, contents("models", "demo", "vit", "config.json"),
            *(b"\0".join((compact(c), compact(ends[i % 2]), compact(prompts[i % 4]))) for i, c in enumerate(CONFIGS))]


WORDS = '{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"a":1,"b":2,"ab":3,"c":4,"1":5,".":6,"12":7}}'
PIECES = ('{"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["b",-2],["ab",-2.5],["▁",-3],["▁a",-3.5],["fi",-4],["<0xC3>",-5],["<0xA9>",-5]],"byte_fallback":true}')
WORDPIECE = '{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##","max_input_chars_per_word":20,"vocab":{"?":0,"a":1,"##b":2,"ab":3,"c":4}}'
BPE = '{"type":"BPE","unk_token":"?","fuse_unk":true,"byte_fallback":true,"vocab":{"?":0,"a":1,"b":2,"ab":3,"abab":4,"<0xC3>":5,"Ġ":6},"merges":["a b",["ab","ab"]]}'
# Each component that the pipeline knows, once.
PARTS = [
    '"normalizer":{"type":"NFKC"}', '"normalizer":{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}',
    '"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}',
    '"normalizer":{"type":"Replace","pattern":{"Regex":"(a|b)+"},"content":"c"}', '"normalizer":{"type":"Prepend","prepend":"▁"}',
    '"normalizer":{"type":"Strip","strip_left":true,"strip_right":true}', '"normalizer":{"type":"Nmt"}', '"normalizer":{"type":"ByteLevel"}',
    '"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAP////8="}',
    '"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}', '"pre_tokenizer":{"type":"Whitespace"}', '"pre_tokenizer":{"type":"WhitespaceSplit"}',
    '"pre_tokenizer":{"type":"BertPreTokenizer"}', '"pre_tokenizer":{"type":"Digits","individual_digits":true}', '"pre_tokenizer":{"type":"Punctuation","behavior":"Isolated"}',
    '"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\\\p{L}+|\\\\s+(?!\\\\S)|[^a-c]"},"behavior":"MergedWithNext","invert":false}',
    '"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}',
    '"pre_tokenizer":{"type":"CharDelimiterSplit","delimiter":"b"}', '"pre_tokenizer":{"type":"UnicodeScripts"}',
    '"added_tokens":[{"id":9,"content":"<x>","special":true,"normalized":false,"lstrip":true,"rstrip":true,"single_word":false},'
    '{"id":10,"content":"ab","special":false,"normalized":true,"single_word":true}]',
    '"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":{"type":"BertProcessing","cls":["a",1],"sep":["b",2]}',
    '"post_processor":{"type":"RobertaProcessing","trim_offsets":true,"add_prefix_space":false,"cls":["a",0],"sep":["a",0]}',
    '"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"X","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],'
    '"special_tokens":{"X":{"id":"X","ids":[3,4],"tokens":["ab","c"]}}}',
    '"post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel","trim_offsets":true}]}',
    '"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},'
    '{"type":"Strip","content":" ","start":1,"stop":0}]}',
    '"decoder":{"type":"WordPiece","prefix":"##","cleanup":true}', '"decoder":{"type":"BPEDecoder","suffix":"</w>"}', '"decoder":{"type":"ByteLevel"}',
]
SAMPLE = "ab <x>  a1b.12 Ábé ﬁ 漢字\tc\r\n".encode()


def of_tokenizer():
    models = (WORDS, PIECES, WORDPIECE, BPE)
    found = ['{"version":"1.0",%s,"model":%s}' % (part, models[i % 4]) for i, part in enumerate(PARTS)]
    found += ['{"version":"1.0","model":%s}' % model for model in models]
    return [text.encode() + b"\0" + SAMPLE for text in found] + [compact(text_model.tokenizer()) + b"\0<s>The cat in the hat"]


def of_vocabulary():
    vocabulary = compact({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġa": 4, "<|endoftext|>": 5})
    words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nab\n.\n".encode()
    return [vocabulary + b"\0#version: 0.2\na b\n" + "Ġ a\n".encode() + b"\0\0ab a", b"\0\0" + words + b"\0ab A.", b"\0\0" + words.replace(b"\n", b"\r\n") + b"\0a"]


def of_preprocessor():
    forms = [{"size": 32}, {"size": [32, 24]}, {"size": {"height": 24, "width": 32}, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.2, 0.2, 0.2]},
             {"size": {"shortest_edge": 30, "longest_edge": 64}, "do_center_crop": True, "crop_size": {"height": 24, "width": 24}, "image_processor_type": "CLIPImageProcessor"},
             {"do_resize": False, "do_rescale": False, "do_normalize": False, "crop_size": 16, "feature_extractor_type": "DeiTFeatureExtractor"},
             {"image_processor_type": "BitImageProcessor", "resample": 1, "rescale_factor": 0.5}, {"image_processor_type": "SiglipImageProcessor"}]
    return [contents("models", "demo", "vit", "preprocessor_config.json"), *(compact(form) for form in forms),
            b"{}\0" + compact({"image_processor": forms[2]})]


def of_npy():
    return [npy((3, 2, 2), range(12)), npy((4,), (1, 2, 3, 28), "<i8", "q"), npy((2,), (5, 6), "<i4", "i"), npy((), (1,), "<f8", "d"), npy((0, 3), ()),
            npy((3,), (1, 2, 3), "|u1", "B")]


def of_image():
    images = [contents("tests", "data", os.path.basename(path)) for path in sorted(glob.glob(os.path.join(ROOT, "tests", "data", "*.*g"))
                                                                                   + glob.glob(os.path.join(ROOT, "tests", "data", "*.webp")))]
    return [image for image in images if len(image) < 6000] + [b"GIF89a", b"BM", b"plain text"]


def of_pairs():
    lines = [{"document": "The cat sat.", "summary": "Cat."},
             {"id": "one", "document": "Äb c", "summary": "d e", "rationales": [[0, 2], [3, 4]], "paraphrase": "f", "summary_spans": [[0, 1]], "context_spans": [[0, 4]]},
             {"id": 7, "document": "ab", "summary": "c", "rationales": {"who": [[0, 1]], "when": []}}, {"document": 1}, {"document": "", "summary": None}]
    return [b"\n".join(compact(line) for line in lines), *(compact(line) + b"\r\n" for line in lines), b'\n \n{"document": "\\u0000", "summary": ""}\n{']


def of_list():
    return [b"a.png\nb.jpg\r\nc.txt\n", b"*.txt\n", b"[[]d].txt\n?.png\nno\n", b"[!a-b]*\n", b"\\*.npy\n\n", b"*\n*\n*"]


def of_database(tools):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.db")
        subprocess.run([os.path.join(tools, "make_database"), path], check=True)
        with open(path, "rb") as f:
            data = f.read()
    return [bytes([which]) + data for which in (0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28)]


def of_values():
    # what is done, then table, column, row, kind, value
    return [bytes([which + 4 * table, table, column, 0, kind]) + b"\x80\xff\0\x01\x7f\xf0\0\0"
            for table in range(14) for which, column, kind in ((0, table % 5, 0), (1, 1, 1), (2, 2, 5 + 48), (3, 3, 4 + 30))]


def make(target, tools):
    of = globals()["of_" + target]
    return of(tools) if target == "database" else of()
