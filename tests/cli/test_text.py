"""Language models: tokenize, generate, and explain on texts."""
import json
import os
import struct

from harness import NO_DRIVER, ProgramTest, contents, main, make_model, npy, png, read_npy, read_safetensors
from text_model import BOS, CONTEXT, LAYERS, VOCABULARY, WIDTH, make_text_model, vocabulary, write_tokenizer

TEXT = "The cat can't see\nthe h\u00e9ron. It is there."
IDS = vocabulary()


def pieces(*names):
    return [IDS[name] for name in names]


class Tokenize(ProgramTest):
    """A folder with a tokenizer and nothing else, on a machine without Vulkan."""

    def setUp(self):
        super().setUp()
        write_tokenizer(self.path("model"))

    def tokenize(self, *arguments, **more):
        return self.ok("tokenize", "--model", "model", *arguments, env=NO_DRIVER, **more).stdout

    def test_json(self):
        out = json.loads(self.tokenize("a the h\u00e9", "--json"))
        self.assertEqual(out, {"ids": [BOS] + pieces("a", "\u0120the", "\u0120", "h", "\u00c3", "\u00a9"),
                               "pieces": ["<s>", "a", "\u0120the", "\u0120", "h", "\u00c3", "\u00a9"],
                               "offsets": [[0, 0], [0, 1], [1, 5], [5, 6], [6, 7], [7, 9], [7, 9]]})

    def test_lines(self):
        lines = self.tokenize("a the\n").splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(lines[2].split(), ["2", str(IDS["\u0120the"]), "1-5", "\u0120the", '"', 'the"'])
        self.assertTrue(lines[3].endswith('"\\n"'), lines[3])

    def test_stdin(self):
        expected = self.tokenize("in the\n", "--json")
        self.assertEqual(self.tokenize("-", "--json", input="in the\n"), expected)
        self.assertEqual(self.tokenize("--json", input="in the\n"), expected)

    def test_refused(self):
        self.refused(2, "tokenize", "x", says="--model DIR")
        self.refused(2, "tokenize", "--model", "model", "a", "b", says="unexpected argument b")
        self.refused(3, "tokenize", "--model", "nowhere", "x", says="nowhere")
        self.write("bytes.txt", b"ab\xff")
        with open(self.path("bytes.txt"), "rb") as f:
            self.refused(3, "tokenize", "--model", "model", stdin=f, says="2")
        data = contents(self.path("model", "tokenizer.json"))
        self.write("model/tokenizer.json", data[:len(data) // 2])
        self.refused(3, "tokenize", "--model", "model", "x", says="tokenizer.json")


class TextTest(ProgramTest):
    def setUp(self):
        super().setUp()
        make_text_model(self.path("model"))
        self.write("a.txt", TEXT)

    def explain(self, *arguments, **more):
        return self.ok("explain", "--model", "model", *arguments, "--quiet", **more)


class Generate(TextTest):
    def generate(self, *arguments, **more):
        return self.ok("generate", "--model", "model", "--quiet", *arguments, **more).stdout

    def test_argument_stdin_and_ids_agree(self):
        text = self.generate("the cat", "--max-new", "7")
        self.assertRegex(text, r"^[A-Za-z]{7,}\n$")
        self.assertEqual(self.generate("--max-new", "7", input="the cat"), text)
        self.assertEqual(self.generate("--max-new", "7", "-", input="the cat"), text)
        ids = json.loads(self.ok("tokenize", "--model", "model", "--json", "the cat").stdout)["ids"]
        self.write("ids.npy", npy([len(ids)], ids, "<i8", "q"))
        self.assertEqual(self.generate("ids.npy", "--max-new", "7"), text)
        both = json.loads(self.generate("the cat", "--max-new", "7", "--json"))
        self.assertEqual(both["text"] + "\n", text)
        self.assertEqual(len(both["ids"]), 7)
        self.assertEqual(json.loads(self.generate("the cat", "--max-new", "3", "--json"))["ids"], both["ids"][:3])

    def test_stop_token(self):
        ids = json.loads(self.generate("the cat", "--max-new", "5", "--json"))["ids"]
        self.write("model/generation_config.json", json.dumps({"eos_token_id": [ids[2], 1]}))
        self.assertEqual(json.loads(self.generate("the cat", "--max-new", "5", "--json"))["ids"], ids[:ids.index(ids[2])])

    def test_refused(self):
        self.refused(2, "generate", "--model", "model", "x", "--max-new", "0", says="--max-new")
        self.refused(2, "generate", "--model", "model", "x", "--db", "r.db", says="--db is not a flag of generate")
        self.refused(3, "generate", "--model", "model", "x y" * 60, "--max-new", "100", "--quiet", says=["100", str(CONTEXT)])
        self.refused(3, "generate", "--model", "model", "missing.npy", says="missing.npy")
        self.write("ids.npy", npy([1], [VOCABULARY], "<i4", "i"))
        self.refused(3, "generate", "--model", "model", "ids.npy", says=[str(VOCABULARY)])
        make_model(self.path("vit"))
        self.refused(3, "generate", "--model", "vit", "x", says="language models")
        self.refused(4, "generate", "--model", "model", "x", env=NO_DRIVER)


class Explain(TextTest):
    def test_database(self):
        self.explain("a.txt", "--db", "r.db")
        self.assertEqual(self.rows("r.db", "SELECT modality, family FROM model"), [("text", "llama")])
        self.assertEqual(self.rows("r.db", "SELECT kind, name, path, text, n_chars, width FROM input"), [("text", "a.txt", "a.txt", TEXT, len(TEXT), None)])
        self.assertEqual(self.rows("r.db", "SELECT own_token, layer, scalar FROM run"), [("zero", LAYERS + 1, "sum")])
        self.assertEqual(json.loads(self.rows("r.db", "SELECT params FROM run")[0][0])["tokens"], "all")
        tokens = self.rows("r.db", "SELECT idx, side, kind, role, text, char_start, char_end, word_idx, grid_row, x0 FROM token ORDER BY idx")
        self.assertEqual(tokens[0], (0, "single", "special", "special", "<s>") + (None,) * 5)
        words = self.rows("r.db", "SELECT idx, sentence, char_start, char_end, text, role FROM word ORDER BY idx")
        self.assertEqual([w[4] for w in words], ["The", "cat", "can't", "see", "the", "h\u00e9ron", "It", "is", "there"])
        self.assertEqual({w[5] for w in words}, {"context"})
        self.assertEqual([w[1] - words[5][1] for w in words][-4:], [0, 1, 1, 1])
        for _, side, kind, role, text, start, end, word, row, x0 in tokens[1:]:
            self.assertEqual((side, kind, role, row, x0), ("single", "text", "context", None, None))
            self.assertEqual(text, TEXT[start:end])
            if word is not None:
                self.assertTrue(words[word][2] < end and start < words[word][3], (text, words[word]))
        n = len(tokens)
        self.assertEqual(self.rows("r.db", "SELECT count(*), min(target_idx), max(target_idx), min(length(scores)), max(length(scores)) FROM map"),
                         [(n, 0, n - 1, 4 * n, 4 * n)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM contribution WHERE source_idx = 0"), [(0,)])
        own, = self.rows("r.db", "SELECT score, self_score FROM contribution JOIN map ON map.id = map_id WHERE source_idx = 5 AND target_idx = 5")
        self.assertEqual(own[0], 0)
        self.assertGreaterEqual(own[1], 1)
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM contribution JOIN map ON map.id = map_id WHERE source_idx > target_idx AND score <> 0"), [(0,)])
        for pragma in ("foreign_key_check", "integrity_check"):
            self.assertIn(self.rows("r.db", "PRAGMA " + pragma), ([], [("ok",)]))

    def test_rows_and_targets(self):
        self.explain("a.txt", "--tokens", "3,5-7", "--out", "rows.npy")
        self.explain("a.txt", "--out", "all.safetensors")
        shape, values = read_npy(self.path("rows.npy"))
        tensors, _ = read_safetensors(self.path("all.safetensors"))
        _, (n, columns), everything = tensors["input_0.rows"]
        self.assertEqual((shape, columns), ((4, n), n))
        self.assertEqual(tensors["input_0.targets"][2], tuple(range(n)))
        for k, target in enumerate((3, 5, 6, 7)):
            row = values[k * n:(k + 1) * n]
            self.assertEqual(row, everything[target * n:(target + 1) * n])
            self.assertEqual(set(row[target + 1:]), {0.0}, "what comes after a token does not explain it")

    def test_at_word(self):
        self.explain("a.txt", "--at-word", "5", "--db", "r.db")
        rows = self.rows("r.db", "SELECT DISTINCT w.text FROM map JOIN token t USING (sequence_id) JOIN word w USING (sequence_id) "
                                 "WHERE t.idx = target_idx AND w.idx = word_idx")
        self.assertEqual(rows, [("h\u00e9ron",)])
        self.refused(2, "explain", "--model", "model", "a.txt", "--at-word", "9", "--quiet", says=["a.txt", "--at-word 9"])

    def test_ids_give_the_same_rows(self):
        ids = json.loads(self.ok("tokenize", "--model", "model", "--json", TEXT).stdout)["ids"]
        self.write("ids.npy", npy([len(ids)], ids, "<i4", "i"))
        self.explain("a.txt", "--out", "a.npy")
        self.explain("ids.npy", "--out", "b.npy")
        self.assertEqual(contents(self.path("a.npy")), contents(self.path("b.npy")))

    def test_dump_hidden(self):
        self.explain("a.txt", "--tokens", "1", "--dump-hidden", "z.safetensors")
        tensors, _ = read_safetensors(self.path("z.safetensors"))
        self.assertEqual(sorted(tensors), ["logits"] + ["z%d" % l for l in range(1, LAYERS + 2)])
        n = tensors["z1"][1][0]
        self.assertEqual(tensors["z1"][:2], ("F32", [n, WIDTH]))
        self.assertEqual(tensors["logits"][:2], ("F32", [n, VOCABULARY]))
        embedding = contents(self.path("model", "model.safetensors"))
        size = struct.unpack("<Q", embedding[:8])[0]
        start = 8 + size + json.loads(embedding[8:8 + size])["model.embed_tokens.weight"]["data_offsets"][0] + 4 * WIDTH * BOS
        self.assertEqual(tensors["z1"][2][:WIDTH], struct.unpack("<%df" % WIDTH, embedding[start:start + 4 * WIDTH]))

    def test_table(self):
        r = self.ok("explain", "--model", "model", "a.txt")
        self.assertRegex(r.stdout, r"a.txt +layer 3 of model, sum, rollout\n")
        self.assertIn("16 of ", r.stderr)
        self.assertEqual(len(r.stdout.splitlines()), 16 + 3)
        out = self.explain("a.txt", "--at-word", "3").stdout
        self.assertIn('"\\n"' if '"\\n"' in out else '" s', out)
        self.assertRegex(out, r'\n +\d+ "[^"]+"   +\d+ "[^"]+" \d\.\d{4}')

    def test_plan_is_printed_when_it_grows(self):
        self.write("b.txt", "a" * 20)
        self.write("c.txt", "a" * 90)
        r = self.ok("explain", "--model", "model", "a.txt", "b.txt", "c.txt", "--tokens", "1", "--out", "x.safetensors")
        self.assertEqual(r.stderr.count("plan: "), 2)
        tensors, metadata = read_safetensors(self.path("x.safetensors"))
        self.assertEqual(metadata["input_2"], "c.txt")
        self.assertLess(tensors["input_1.rows"][1][1], tensors["input_2.rows"][1][1])

    def test_folder_list_and_resume(self):
        for name in ("b.txt", "notes.md", "c.TXT", "p.png"):
            self.write("texts/" + name, png(9, 9) if name == "p.png" else TEXT + name)
        self.write("list.txt", "a.txt\ntexts\n")
        self.explain("@list.txt", "--tokens", "2", "--db", "r.db")
        self.assertEqual(self.rows("r.db", "SELECT name FROM input ORDER BY name"), [("a.txt",), ("b.txt",), ("c.TXT",)])
        r = self.ok("explain", "--model", "model", "texts", "--tokens", "2", "--db", "r.db", "--resume")
        self.assertEqual(r.stderr.count("skipped"), 2)

    def test_logprob(self):
        self.explain("a.txt", "--scalar", "logprob", "--tokens", "4", "--db", "r.db")
        self.assertEqual(self.rows("r.db", "SELECT scalar, normalize, status FROM run"), [("logprob", "none", "done")])
        self.refused(2, "explain", "--model", "model", "a.txt", "--scalar", "logprob", "--layer", "2", says="layer 3")
        make_model(self.path("vit"))
        self.write("p.png", png(20, 20))
        self.refused(2, "explain", "--model", "vit", "p.png", "--scalar", "logprob", says="language model")

    def test_what_texts_do_not_have(self):
        for arguments, says in ((["--tokens", "patches"], "a text has no patches"), (["--tokens", "1,cls"], "no CLS"), (["--png", "maps"], "--png"),
                                (["--at-pixel", "1,1"], "--at-word")):
            self.refused(2, "explain", "--model", "model", "a.txt", *arguments, says=says)
        self.refused(2, "explain", "--model", "model", "a.txt", "--tokens", "150", "--quiet", says=["a.txt", "out of range"])
        n = len(json.loads(self.ok("tokenize", "--model", "model", TEXT, "--json").stdout)["ids"])
        self.write("long.txt", TEXT + " a")
        r = self.run_program("explain", "--model", "model", "a.txt", "long.txt", "--tokens", n, "--quiet", "--json")
        self.assertEqual((r.returncode, [json.loads(line)["status"] for line in r.stdout.splitlines()]), (3, ["failed", "done"]))
        make_model(self.path("vit"))
        self.refused(2, "explain", "--model", "vit", "a.txt", "--at-word", "1", says="--at-pixel")

    def test_bad_texts(self):
        self.write("empty.txt", "")
        self.write("bytes.txt", b"abc\xff\xfe")
        self.write("long.txt", "x y " * CONTEXT)
        self.write("photo.png", png(9, 9))
        self.write("ids.npy", npy([2], [1, VOCABULARY], "<i8", "q"))
        for name, says in (("empty.txt", "empty"), ("bytes.txt", "byte 3"), ("long.txt", str(CONTEXT)), ("photo.png", "an image"), ("ids.npy", str(VOCABULARY)),
                           ("missing.txt", "missing.txt")):
            self.refused(3, "explain", "--model", "model", name, "--quiet", "--out", "x.npy", says=[name, says])
        self.assertNotIn("x.npy", self.files())

    def test_no_tokenizer(self):
        os.remove(self.path("model", "tokenizer.json"))
        self.refused(3, "explain", "--model", "model", "a.txt", "--quiet", says="tokenizer")
        self.write("ids.npy", npy([3], [5, 6, 7], "<i4", "i"))
        self.assertIn("(id 6)", self.explain("ids.npy").stdout)


if __name__ == "__main__":
    main()
