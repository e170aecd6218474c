#!/usr/bin/env python3
"""Compares the tokenizers with the Hugging Face `tokenizers` library on random texts: ids, byte offsets, decoded text.

  check_tokenizers.py prepare WORK --data DIR [--texts N] [--seed S]
      where Python has `tokenizers`: copies DIR/{gpt2,llama,t5,bert}, trains a few more, writes texts and what the library makes of them
  check_tokenizers.py compare WORK --program TOKENIZE_LINES
      needs only the standard library; the last line is "N passed, N failed"

The library does not leave out special tokens that are matched in normalized text when it decodes without them; we do. Texts with such
tokens are compared as decoded with them only.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys

REAL = ["gpt2", "llama", "t5", "bert"]
WORDS = ("the of and a to in is you that it he was for on are as with his they I at be this have from or one had by word but not what all "
         "were we when your can said there use an each which she do how their if will up other about out many then them these so some her would "
         "Hello World GPT-2 don't we'll I'm they've NASA e-mail naïve café résumé Zürich Ærøskøbing İstanbul straße Ελληνικά σοφός Привет мир "
         "ﬁnd ½ ① ㍿ 北京 東京 日本語 こんにちは カタカナ ｶﾞ 한국어 각 שלום مرحبا नमस्ते ภาษาไทย हिन्दी தமிழ் ქართული 123 1,234.56 2023-11-23 0xFF").split()
PIECES = ["<s>", "</s>", "<unk>", "[SEP]", "[CLS]", "[UNK]", "[MASK]", "<|endoftext|>", "<pad>", "<extra_id_0>", "<0x0A>", "##ing", "Ġ", "▁", "▁▁",
          "...", "''", "``", "http://a.b/c?d=e&f", "<|im_start|>", "<special>", "'s", "'LL", " do not", " n't", "\r\n", "\t\t", "    ", "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪🇫🇷",
          "e\u0301", "\u0301", "o\u0308\u0323", "\u0323\u0307a", "각", "\u1112\u1161\u11ab", "\u0928\u093c", "\u0958", "\ufdfa", "\u2126", "\u212b", "\ufb03"]
RANGES = [(0x20, 0x7E)] * 6 + [(0, 0x1F), (0x7F, 0xFF), (0xA0, 0x24F), (0x250, 0x36F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF),
          (0xE00, 0xEFF), (0xF00, 0xFFF), (0x1100, 0x11FF), (0x1680, 0x18AF), (0x1AB0, 0x1AFF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF),
          (0x3000, 0x30FF), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFFFF),
          (0x10000, 0x10FFF), (0x11000, 0x11FFF), (0x12000, 0x16FFF), (0x1B000, 0x1BFFF), (0x1D100, 0x1D7FF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF),
          (0x20000, 0x323AF), (0xE0000, 0xE01EF), (0x10FF00, 0x10FFFF), (0, 0x10FFFF)]
SPACES = " " * 12 + "\t\n\r\x0b\x0c\x85\xa0\u1680\u180e\u2003\u200b\u2028\u202f\u3000\ufeff"


def random_character(rng):
    while True:
        c = rng.randint(*rng.choice(RANGES))
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def random_text(rng):
    parts = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 8, 13, 21])):
        kind = rng.random()
        if kind < 0.40:
            parts.append(rng.choice(WORDS))
        elif kind < 0.55:
            parts.append("".join(random_character(rng) for _ in range(rng.randint(1, 6))))
        elif kind < 0.70:
            parts.append(rng.choice(PIECES))
        elif kind < 0.80:
            parts.append("".join(rng.choice(SPACES) for _ in range(rng.randint(1, 4))))
        else:
            parts.append("".join(chr(rng.randint(0x21, 0x7E)) for _ in range(rng.randint(1, 8))))
        if rng.random() < 0.6:
            parts.append(rng.choice([" ", " ", " ", "  ", "\n", ""]))
    return "".join(parts)


# ---- Preparing: where the library is ---------------------------------------------------------------------------------------------


def corpus(rng):
    return [" ".join(rng.choice(WORDS) for _ in range(12)) for _ in range(1500)]


def train_more(work, seed):
    """Tokenizers that the real ones do not cover."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    lines = corpus(random.Random(seed))
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    byte_level = {"vocab_size": 700, "initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "show_progress": False}

    def save(name, t):
        os.makedirs(f"{work}/{name}", exist_ok=True)
        t.save(f"{work}/{name}/tokenizer.json")
        return name

    names = []
    for name, normalizer, ignore in (("llama3", None, True), ("qwen", normalizers.NFC(), False)):
        t = Tokenizer(models.BPE(ignore_merges=ignore))
        if normalizer:
            t.normalizer = normalizer
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(llama3), "isolated"), pre_tokenizers.ByteLevel(False, False, False)])
        t.post_processor = processors.ByteLevel(trim_offsets=True)
        t.decoder = decoders.ByteLevel()
        t.train_from_iterator(lines, trainers.BpeTrainer(**byte_level))
        t.add_special_tokens(["<|endoftext|>", AddedToken("<|im_start|>", rstrip=True)])
        t.add_tokens([AddedToken("  ", normalized=False), AddedToken("that", single_word=True, lstrip=True, normalized=True)])
        names.append(save(name, t))

    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    fallback = [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator(lines, trainers.UnigramTrainer(vocab_size=600, unk_token="<unk>", special_tokens=["<unk>"] + fallback, show_progress=False))
    document = json.loads(t.to_str())
    document["model"]["byte_fallback"] = True
    document["added_tokens"] = document["added_tokens"][:1]
    names.append(save("unigram_bytes", Tokenizer.from_str(json.dumps(document))))

    t = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##", end_of_word_suffix="</w>", fuse_unk=False))
    t.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
    t.decoder = decoders.BPEDecoder("</w>")
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=700, special_tokens=["[UNK]"], continuing_subword_prefix="##", end_of_word_suffix="</w>",
                                                     limit_alphabet=60, show_progress=False))
    names.append(save("bpe_prefix", t))

    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.NFKD()
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>", "<s>"] + fallback, limit_alphabet=60, show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    document = json.loads(t.to_str())
    document["added_tokens"] = document["added_tokens"][:2]
    names.append(save("bpe_bytes", Tokenizer.from_str(json.dumps(document))))

    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(lines, trainers.BpeTrainer(special_tokens=["<s>", "</s>"], **byte_level))
    t.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), True, True)
    t.add_special_tokens([AddedToken("<special>", lstrip=True)])
    names.append(save("roberta", t))

    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    t.normalizer = normalizers.BertNormalizer(lowercase=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.WhitespaceSplit(),
                                               pre_tokenizers.Split(Regex(r"\d+"), "merged_with_previous"),
                                               pre_tokenizers.Split("o", "merged_with_next", invert=False)])
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=900, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    names.append(save("wordpiece_cased", t))

    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("x"), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Replace("e", "ee"), normalizers.NFC()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.Split(Regex(r"\w+"), "removed", invert=True),
                                               pre_tokenizers.Digits(False)])
    t.train_from_iterator(lines, trainers.WordLevelTrainer(vocab_size=300, special_tokens=["<unk>"], show_progress=False))
    names.append(save("wordlevel", t))
    return names


def byte_positions(text):
    positions = [0]
    for c in text:
        positions.append(positions[-1] + len(c.encode()))
    return positions


def expectation(t, text, plain):
    e = t.encode(text, add_special_tokens=not plain)
    at = byte_positions(text)
    spans = [[i, at[min(a, len(text))], at[min(b, len(text))]] for i, (a, b) in zip(e.ids, e.offsets)]
    return {"text": text, "plain": plain, "tokens": spans, "decoded": t.decode(e.ids, skip_special_tokens=False),
            "skipped": t.decode(e.ids, skip_special_tokens=True)}


def prepare(args):
    from tokenizers import Tokenizer
    os.makedirs(args.work, exist_ok=True)
    for name in REAL:
        shutil.copytree(f"{args.data}/{name}", f"{args.work}/{name}", dirs_exist_ok=True)
    names = REAL + train_more(args.work, args.seed)
    for name in names:
        rng = random.Random(f"{args.seed} {name}")
        t = Tokenizer.from_file(f"{args.work}/{name}/tokenizer.json")
        with open(f"{args.work}/{name}/expected.jsonl", "w") as out:
            for i in range(args.texts):
                print(json.dumps(expectation(t, random_text(rng), i % 4 == 3)), file=out)
    for name in REAL:
        with open(f"{args.data}/expected/{name}.json") as source, open(f"{args.work}/{name}/listed.json", "w") as out:
            out.write(source.read())
    with open(f"{args.work}/names.json", "w") as out:
        json.dump(names, out)


# ---- Comparing: where the program is ------------------------------------------------------------------------------------------------


def run(program, folder, texts):
    data = b"".join(b"%d%s\n%s\n" % (len(t.encode()), b" plain" if plain else b"", t.encode()) for t, plain in texts)
    result = subprocess.run([program, folder], input=data, stdout=subprocess.PIPE, check=True)
    lines = result.stdout.decode().split("\n")
    return list(zip(lines[0::2], lines[1::2]))


def spans(line):
    return [[int(x) for x in token.replace(":", "-").split("-")] for token in line.split()] if not line.startswith("error") else line


def before_nul(text):
    return text.split("\0")[0].encode().hex()


def normalized_specials(folder):
    with open(f"{folder}/tokenizer.json") as source:
        return {t["id"] for t in json.load(source)["added_tokens"] if t["special"] and t["normalized"]}


def differences(folder, wanted, got):
    counts = {"ids": 0, "offsets": 0, "decoded": 0}
    specials, shown = normalized_specials(folder), 0
    for w, (line, decoded) in zip(wanted, got):
        found = spans(line)
        texts = (decoded + " ").split(" ")
        unlike = [i for s, i in zip(w["tokens"], [x[0] for x in w["tokens"]]) if i in specials]
        kind = ("ids" if isinstance(found, str) or [s[0] for s in found] != [s[0] for s in w["tokens"]] else
                "offsets" if found != w["tokens"] else
                "decoded" if texts[0] != before_nul(w["decoded"]) or (not unlike and texts[1] != before_nul(w["skipped"])) else None)
        if not kind:
            continue
        counts[kind] += 1
        shown += 1
        if shown <= 3:
            print(f"  {os.path.basename(folder)} {kind}: {w['text']!a}\n    wanted {w['tokens']} {w['decoded']!a}\n    found  {found} {texts}")
    return counts


def compare(args):
    passed = failed = 0
    with open(f"{args.work}/names.json") as source:
        names = json.load(source)
    for name in names:
        folder = f"{args.work}/{name}"
        with open(f"{folder}/expected.jsonl") as source:
            wanted = [json.loads(line) for line in source]
        got = run(args.program, folder, [(w["text"], w["plain"]) for w in wanted])
        counts = differences(folder, wanted, got)
        bad = sum(counts.values())
        print(f"{name}: {len(wanted)} texts, differences: {counts}")
        passed, failed = passed + len(wanted) - bad, failed + bad
        if os.path.exists(f"{folder}/listed.json"):
            with open(f"{folder}/listed.json") as source:
                listed = json.load(source)
            got = run(args.program, folder, [(w["text"], False) for w in listed])
            bad = sum([s[0] for s in spans(line)] != w["ids"] for w, (line, _) in zip(listed, got))
            print(f"{name}: {len(listed)} listed texts, differences: {bad}")
            passed, failed = passed + len(listed) - bad, failed + bad
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    p = modes.add_parser("prepare")
    p.add_argument("work")
    p.add_argument("--data", required=True)
    p.add_argument("--texts", type=int, default=10000)
    p.add_argument("--seed", type=int, default=1)
    p = modes.add_parser("compare")
    p.add_argument("work")
    p.add_argument("--program", required=True)
    args = parser.parse_args()
    return prepare(args) if args.mode == "prepare" else compare(args)


if __name__ == "__main__":
    sys.exit(main())
