#!/usr/bin/env python3
"""What ultravk generate writes, compared with transformers' greedy generate, under what generation_config.json may ask for.

  check_generation.py prepare WORK --reference DIR     where torch and transformers are: writes models, texts and what they generate
  check_generation.py compare WORK --program PATH      where the program runs: needs nothing but Python
"""
import json
import os
import subprocess
import sys

from cases import main

NEW = 24
# family of hf_oracle, what its generation_config.json says
CASES = [
    ("bart", {}),
    ("bart", {"forced_bos_token_id": 0, "forced_eos_token_id": 1, "min_length": 12, "no_repeat_ngram_size": 3}),  # as bart-large-cnn
    ("bart", {"forced_bos_token_id": 0, "begin_suppress_tokens": [17, 30], "suppress_tokens": [5, 9, 200]}),
    ("pegasus", {"forced_eos_token_id": 1, "min_new_tokens": 20}),
    ("pegasus", {"encoder_no_repeat_ngram_size": 2, "repetition_penalty": 1.3}),
    ("t5", {"no_repeat_ngram_size": 2, "decoder_start_token_id": 4}),
    ("flan_t5", {"repetition_penalty": 1.7, "begin_suppress_tokens": [60]}),
    ("gpt2", {"min_length": 30, "no_repeat_ngram_size": 1}),
    ("llama", {"repetition_penalty": 1.2, "suppress_tokens": [8]}),
    ("qwen2", {}),
]


def bad_words(ids):
    """Of a text that was generated freely: a token, and a pair of others."""
    return [[ids[1]], [ids[4], ids[5]]]


def prepare(work, reference):
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, reference)
    import numpy as np
    import torch
    import hf_oracle
    from transformers import GenerationConfig

    def add(name, path, rules):
        """Writes the rules beside a model, and what comes of them."""
        source = np.load(os.path.join(path, "input.npy"))
        config = GenerationConfig.from_pretrained(path)
        config.update(**rules)
        config.save_pretrained(path)
        kind = hf_oracle.head(json.load(open(os.path.join(path, "config.json")))["model_type"])
        model = kind.from_pretrained(path, dtype=torch.float64).eval()
        out = model.generate(torch.from_numpy(source)[None], attention_mask=torch.ones(1, len(source), dtype=torch.long), max_new_tokens=NEW, num_beams=1, do_sample=False)[0].tolist()
        out = out[1:] if model.config.is_encoder_decoder else out[len(source):]
        stop = model.generation_config.eos_token_id
        ids = out[:out.index(stop)] if stop in out else out
        cases.append({"name": name, "rules": rules, "model": os.path.basename(path), "ids": ids})
        return ids

    cases = []
    for index, (family, rules) in enumerate(CASES):
        path = os.path.join(work, f"generation{index}")
        subprocess.run([sys.executable, os.path.join(reference, "hf_oracle.py"), "make", family, path, "--layers", "2", "--dim", "36", "--heads", "3", "--kv", "3", "--tokens", "15",
                        "--seed", str(index), *(["--extra", json.dumps({"tie_word_embeddings": False})] if family == "gpt2" else [])],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ids = add(family, path, rules)
        if not rules and len(ids) > 6:
            words = path + "w"
            subprocess.run(["cp", "-r", path, words], check=True)
            add(family, words, {"bad_words_ids": bad_words(ids)})
    with open(os.path.join(work, "cases.json"), "w") as out:
        json.dump(cases, out)
    print(f"{len(cases)} cases in {work}")


def judge(program, work, case, _):
    folder = os.path.join(work, case["model"])
    ran = subprocess.run([program, "generate", "--model", folder, os.path.join(folder, "input.npy"), "--max-new", str(NEW), "--json", "--quiet"], capture_output=True, text=True)
    found = json.loads(ran.stdout)["ids"] if ran.returncode == 0 else ran.stderr.strip()
    same = found == case["ids"]
    return same, f"{case['name']} {case['rules']}: {len(case['ids'])} tokens" + ("" if same else f": {found}, {case['ids']} expected")


if __name__ == "__main__":
    sys.exit(main(__doc__, prepare, judge))
