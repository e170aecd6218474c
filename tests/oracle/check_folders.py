#!/usr/bin/env python3
"""Every family from a folder that transformers' save_pretrained wrote: bare and whole, three dtypes, sharded at 200 KB. The hidden states of
every layer are compared, so that a tensor that was taken for another would show.

  check_folders.py prepare WORK --reference DIR     where torch and transformers are: writes models, inputs and hidden states
  check_folders.py compare WORK --program PATH      where the program runs: needs nothing but Python
"""
import json
import os
import sys

from cases import main
from check_oracle import check_hidden

LAYERS, WIDTH, HEADS, SHARD = 2, 96, 4, "200KB"
DTYPES = ("float32", "float16", "bfloat16")
# family of hf_oracle, the bare class, the whole one
FAMILIES = [
    ("vit", "ViTModel", "ViTForImageClassification"),
    ("deit", "DeiTModel", "DeiTForImageClassificationWithTeacher"),
    ("dinov2", "Dinov2Model", "Dinov2ForImageClassification"),
    ("dinov2_with_registers", "Dinov2WithRegistersModel", "Dinov2WithRegistersForImageClassification"),
    ("clip", "CLIPVisionModel", "CLIPModel"),
    ("siglip", "SiglipVisionModel", "SiglipModel"),
    ("gpt2", "GPT2Model", "GPT2LMHeadModel"),
    ("llama", "LlamaModel", "LlamaForCausalLM"),
    ("mistral", "MistralModel", "MistralForCausalLM"),
    ("qwen2", "Qwen2Model", "Qwen2ForCausalLM"),
    ("qwen3", "Qwen3Model", "Qwen3ForCausalLM"),
    ("bert", "BertModel", "BertForMaskedLM"),
    ("bart", "BartModel", "BartForConditionalGeneration"),
    ("pegasus", "PegasusModel", "PegasusForConditionalGeneration"),
    ("t5", "T5Model", "T5ForConditionalGeneration"),
    ("flan_t5", "T5Model", "T5ForConditionalGeneration"),
]


def prepare(work, reference):
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, reference)
    import numpy as np
    import torch
    import transformers
    import hf_oracle
    import check_heads
    check_heads.torch = torch
    transformers.logging.set_verbosity_error()
    os.makedirs(work, exist_ok=True)
    cases = []

    def whole_config(family, config):
        if family not in ("clip", "siglip"):
            return config
        text = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, vocab_size=40, max_position_embeddings=8)
        return {"clip": transformers.CLIPConfig, "siglip": transformers.SiglipConfig}[family](vision_config=config.to_dict(), text_config=text)

    def add(index, family, name, whole, dtype):
        model = f"{family}-{name}-{dtype}"
        path, source = os.path.join(work, model), os.path.join(work, model, "input.npy")
        torch.manual_seed(index)
        config = hf_oracle.config(family, LAYERS, WIDTH, HEADS, img=20, patch=4)
        m = getattr(transformers, name)(whole_config(family, config) if whole else config)
        check_heads.randomize(m)
        m.to(getattr(torch, dtype)).save_pretrained(path, max_shard_size=SHARD)
        r = np.random.default_rng(index)
        text = config.model_type not in hf_oracle.VISION
        np.save(source, r.integers(3, config.vocab_size, 9) if text else r.standard_normal((3, 20, 20)).astype(np.float32))
        case = dict(model=model, input=f"{model}/input.npy", hidden=f"{model}/hidden.npy", layers=LAYERS, kind="hidden")
        if config.model_type in hf_oracle.SEQ2SEQ:
            np.save(os.path.join(path, "target.npy"), np.concatenate([[config.decoder_start_token_id], r.integers(3, config.vocab_size, 5)]))
            case["summary"] = f"{model}/target.npy"
        run = hf_oracle.Run(path, source, True)
        np.save(os.path.join(path, "hidden.npy"), np.ascontiguousarray(np.concatenate([z.detach().numpy() for z in run.z])))
        case["shards"] = sum(name.endswith(".safetensors") for name in os.listdir(path))
        cases.append(case)

    for index, (family, bare, whole) in enumerate(FAMILIES):
        for dtype in DTYPES:
            add(index, family, whole, True, dtype)
            add(index, family, bare, False, dtype)
    with open(os.path.join(work, "cases.json"), "w") as out:
        json.dump(cases, out)
    print(f"{len(cases)} cases in {work}")


def judge(program, work, case, folder):
    passed, words = check_hidden(program, work, case, os.path.join(folder, "hidden.safetensors"))
    return passed and case["shards"] > 1, f"{case['model']}, {case['shards']} files: {words}"


if __name__ == "__main__":
    sys.exit(main(__doc__, prepare, judge))
