"""evaluate: how far explanations can be trusted, from the command line to the database."""
import json
import statistics
import struct
import subprocess
import zlib

from harness import NO_DRIVER, ProgramTest, chunk, contents, main, make_model, npy, png, read_npy
from text_model import LAYERS, make_text_model, write_json

METHODS = ["gradient_x_input", "leave_one_out", "random", "rollout", "ultra"]
STEPS = [k / 10 for k in range(1, 10)]
ERASED = [0.01, 0.05, 0.1, 0.2, 0.5]
PAIR = {"id": "a", "document": "The cat sat on the mat. Then it ran home.", "summary": "A cat ran.", "rationales": [[4, 7], [32, 35]],
        "paraphrase": "On the mat the cat sat; then home it ran."}


def trapezoid(curve):
    y = [0, *curve]
    return sum((a + b) / 2 * 0.1 for a, b in zip(y, y[1:])) / 0.9


def grey_png(width, height, pixel):
    rows = b"".join(b"\0" + bytes(pixel(x, y) for x in range(width)) for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


class EvaluateTest(ProgramTest):
    def evaluate(self, what, *arguments, **more):
        return self.ok("evaluate", what, "--model", "model", *arguments, "--quiet", **more)

    def metrics(self, database, name, **where):
        """{(method, target or None, k or None): value} of the inputs."""
        rows = self.rows(database, "SELECT method, target_idx, k, value FROM metric WHERE name = ? AND sequence_id IS NOT NULL", name)
        return {(m, t, k if k is None else round(k, 6)): v for m, t, k, v in rows}

    def means(self, database, name):
        rows = self.rows(database, "SELECT method, k, value FROM metric WHERE name = ? AND sequence_id IS NULL AND target_idx IS NULL", name)
        return {(m, k if k is None else round(k, 6)): v for m, k, v in rows}

    def refuse(self, status, *arguments, says=()):
        before = self.files()
        self.refused(status, *arguments, "--quiet", says=says)
        self.assertEqual(self.files(), before)


class Images(EvaluateTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"), "--layers", 2, "--image", 16, "--patch", 4)

    def input(self):
        return "model/input.npy"

    def test_faithfulness(self):
        out = self.evaluate("faithfulness", self.input(), "--tokens", "3,9", "--db", "r.db").stdout
        curves = {sign: self.metrics("r.db", "drift_" + sign) for sign in ("positive", "negative")}
        areas = {sign: self.metrics("r.db", "auc_" + sign) for sign in ("positive", "negative")}
        gaps = self.metrics("r.db", "faithfulness_gap")
        self.assertEqual(sorted(gaps), [(m, t, None) for m in METHODS for t in (3, 9)])
        for m in METHODS:
            for t in (3, 9):
                for sign in curves:
                    curve = [curves[sign].pop((m, t, k)) for k in STEPS]
                    self.assertAlmostEqual(areas[sign][m, t, None], trapezoid(curve), places=12)
                    self.assertGreater(min(curve), 0)
                self.assertAlmostEqual(gaps[m, t, None], areas["positive"][m, t, None] - areas["negative"][m, t, None], places=12)
        self.assertEqual(curves, {"positive": {}, "negative": {}})
        for m in METHODS:
            both = [gaps[m, t, None] for t in (3, 9)]
            self.assertAlmostEqual(self.means("r.db", "faithfulness_gap")[m, None], statistics.fmean(both), places=12)
            self.assertAlmostEqual(self.means("r.db", "faithfulness_share")[m, None], statistics.fmean(g > 0 for g in both), places=12)
        view = self.rows("r.db", "SELECT method, inputs, faithfulness_gap FROM v_faithfulness ORDER BY method")
        self.assertEqual([v[:2] for v in view], [(m, 1) for m in METHODS])
        for m, _, gap in view:
            self.assertAlmostEqual(gap, self.means("r.db", "faithfulness_gap")[m, None], places=12)
            self.assertIn("%.4f" % gap, next(line for line in out.splitlines() if line.startswith(m)))
        self.assertEqual(self.rows("r.db", "SELECT probe, status, (SELECT count(*) FROM map) FROM run"), [("evaluate faithfulness", "done", 0)])
        self.assertEqual(self.rows("r.db", "PRAGMA foreign_key_check"), [])

    def test_whatever_is_masked_once_all_but_ten_percent_are(self):
        """At 90 % of 15 others 14 are hidden: every order but for the last patch alike, and the same for both signs where they agree."""
        self.evaluate("faithfulness", self.input(), "--tokens", "0", "--baselines", "leave_one_out", "--db", "r.db")
        last = {(m, sign): self.metrics("r.db", "drift_" + sign)[m, 0, 0.1] for m in ("ultra", "leave_one_out") for sign in ("positive", "negative")}
        self.assertGreater(last["leave_one_out", "positive"], last["leave_one_out", "negative"])

    def test_masks_differ(self):
        for mask in ("black", "mean", "blur"):
            self.evaluate("faithfulness", self.input(), "--tokens", "5", "--mask", mask, "--baselines", "none", "--db", "r.db")
        runs = self.rows("r.db", "SELECT run_id, group_concat(value) FROM metric WHERE name = 'drift_positive' AND target_idx = 5 GROUP BY run_id")
        self.assertEqual(len({values for _, values in runs}), 3)
        self.assertEqual(self.rows("r.db", "SELECT DISTINCT method FROM metric"), [("ultra",)])

    def test_samples_are_seeded(self):
        self.write("a.png", png(20, 16))
        self.write("b.png", png(16, 20))

        def targets(database, *arguments):
            self.evaluate("faithfulness", "a.png", "b.png", "--baselines", "random", "--db", database, *arguments)
            return self.rows(database, "SELECT i.name, m.target_idx, m.method, m.value FROM metric AS m JOIN sequence AS q ON q.id = m.sequence_id"
                                       " JOIN input AS i ON i.id = q.input_id WHERE m.name = 'faithfulness_gap' ORDER BY 1, 2, 3")

        first = targets("1.db", "--sample", 3)
        self.assertEqual(len(first), 2 * 3 * 2)
        self.assertEqual(targets("2.db", "--sample", 3), first)
        other = targets("3.db", "--sample", 3, "--seed", 1)
        self.assertNotEqual([r[:2] for r in other], [r[:2] for r in first])
        self.assertNotEqual({r[1] for r in first if r[0] == "a.png"}, {r[1] for r in first if r[0] == "b.png"})

    def test_the_default_sample_is_named(self):
        r = self.ok("evaluate", "faithfulness", "--model", "model", self.input(), "--baselines", "none", "--db", "r.db")
        self.assertIn("8 targets of each image", r.stderr)
        self.assertEqual(self.rows("r.db", "SELECT count(DISTINCT target_idx) FROM metric"), [(8,)])

    def test_resume(self):
        self.write("a.png", png(16, 16))
        self.write("b.png", png(20, 16))
        some = ("--sample", 2, "--baselines", "none", "--db", "r.db", "--resume")
        self.evaluate("faithfulness", "a.png", *some)
        one = self.means("r.db", "faithfulness_gap")
        self.evaluate("faithfulness", "a.png", "b.png", *some)
        both = self.metrics("r.db", "faithfulness_gap")
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM run"), [(1,)])
        values = [v for v, in self.rows("r.db", "SELECT value FROM metric WHERE name = 'faithfulness_gap' AND sequence_id IS NOT NULL")]
        self.assertEqual(len(values), 4)
        self.assertAlmostEqual(self.means("r.db", "faithfulness_gap")["ultra", None], statistics.fmean(values), places=12)
        self.assertNotEqual(self.means("r.db", "faithfulness_gap"), one)
        self.assertTrue(both)

    def test_json(self):
        line = json.loads(self.evaluate("faithfulness", self.input(), "--tokens", "4", "--baselines", "rollout", "--json").stdout)
        found = {(m["name"], m["method"], m.get("k")): m["value"] for m in line["metrics"]}
        self.assertEqual(len(found), 2 * (9 + 9 + 3))
        self.assertEqual({m["target"] for m in line["metrics"]}, {4})

    def test_layers(self):
        out = self.evaluate("layers", self.input(), "--tokens", "2,7,11", "--db", "r.db").stdout
        scores = self.metrics("r.db", "layer_score")
        self.assertEqual(sorted(scores), sorted((m, t, k) for m in ("gradient_x_input", "rollout", "ultra") for t in (2, 7, 11) for k in (0.5, 1)))
        self.assertTrue(all(-1 <= v <= 1 for v in scores.values()))
        self.assertIn("layer_score", out)

    def test_layers_by_masks(self):
        """Left and right halves of the photo: a target's own half is what its map should find."""
        self.write("a.png", png(16, 16))
        self.write("masks/a.png", grey_png(16, 16, lambda x, y: 1 if x < 8 else 2))
        self.evaluate("layers", "a.png", "--tokens", "1,4,16", "--masks", "masks", "--db", "r.db")
        self.ok("explain", "--model", "model", "a.png", "--tokens", "1,4,16", "--out", "rows.npy", "--quiet")
        (_, n), values = read_npy(self.path("rows.npy"))
        for k, target in enumerate((1, 4, 16)):
            row = values[k * n:(k + 1) * n]
            side = (target - 1) % 4 < 2
            order = sorted((i for i in range(1, n) if i != target), key=lambda i: (-row[i], i))
            hits = [((i - 1) % 4 < 2) == side for i in order]
            precision = statistics.fmean(sum(hits[:at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit)
            self.assertAlmostEqual(self.metrics("r.db", "layer_score")["ultra", target, 1], precision, places=6)

    def test_sanity(self):
        self.evaluate("sanity", self.input(), "--tokens", "all", "--db", "r.db")
        means = self.means("r.db", "sanity")
        self.assertEqual(sorted(means), sorted((m, k) for m in ("gradient_x_input", "rollout", "ultra") for k in (0.5, 1)))
        self.assertLess(means["ultra", 1], 0.9)

    def test_the_weights_come_back(self):
        """The second input is explained by the model as it was."""
        self.write("a.npy", npy((3, 16, 16), [((i * 37) % 101) / 101 for i in range(3 * 16 * 16)]))
        self.evaluate("sanity", self.input(), "a.npy", "--tokens", "3", "--db", "1.db")
        self.evaluate("sanity", "a.npy", "--tokens", "3", "--db", "2.db")
        query = "SELECT m.method, m.k, m.value FROM metric AS m JOIN sequence AS q ON q.id = m.sequence_id JOIN input AS i ON i.id = q.input_id WHERE i.name = 'a.npy'"
        self.assertEqual(self.rows("1.db", query), self.rows("2.db", query))

    def test_one_patch(self):
        make_model(self.path("lone"), "--layers", 2, "--image", 4, "--patch", 4)
        self.ok("evaluate", "faithfulness", "--model", "lone", "lone/input.npy", "--db", "r.db", "--quiet")
        self.assertEqual(self.rows("r.db", "SELECT DISTINCT value FROM metric"), [(None,)])

    def test_refusals(self):
        run = ("evaluate", "faithfulness", "--model", "model")
        self.refuse(2, "evaluate", "--model", "model", says="faithfulness, layers")
        self.refuse(2, "evaluate", "faithfulnes", "--model", "model", "x.png", says="did you mean faithfulness?")
        self.refuse(2, *run, says="no INPUT")
        self.refuse(2, *run, self.input(), "--baselines", "rollout,magic", says='"magic"')
        self.refuse(2, *run, self.input(), "--mask", "grey", says="black, mean, blur")
        self.refuse(2, *run, self.input(), "--resume", says="--db")
        self.refuse(2, *run, self.input(), "--masks", "m", says="evaluate layers")
        self.refuse(3, "evaluate", "layers", "--model", "model", self.input(), "--masks", "m", says="m/input.png")
        self.refuse(2, "evaluate", "stability", "--model", "model", self.input(), says="vision model")
        self.refuse(3, *run, "missing.png", says="missing.png")
        self.refused(4, *run, self.input(), "--quiet", env=NO_DRIVER)


class Texts(EvaluateTest):
    def setUp(self):
        super().setUp()
        make_text_model(self.path("model"))

    def pairs(self, *lines):
        return self.write("pairs.jsonl", "".join(json.dumps(line) + "\n" for line in lines))

    def test_faithfulness(self):
        self.evaluate("faithfulness", self.pairs(PAIR, {**PAIR, "id": "b", "summary": "It ran."}), "--db", "r.db")
        for name in ("comprehensiveness", "sufficiency"):
            rows = self.rows("r.db", "SELECT sequence_id, method, k, value FROM metric WHERE name = ? AND sequence_id IS NOT NULL", name)
            self.assertEqual(len(rows), 2 * len(METHODS) * len(ERASED))
            for sequence, method, mean in self.rows("r.db", "SELECT sequence_id, method, value FROM metric WHERE name = ? AND sequence_id IS NOT NULL", "aopc_" + name):
                curve = [v for s, m, _, v in rows if (s, m) == (sequence, method)]
                self.assertAlmostEqual(mean, statistics.fmean(curve), places=12)
            over_run = self.means("r.db", name)
            self.assertEqual(sorted(over_run), [(m, k) for m in METHODS for k in ERASED])
            for (method, k), value in over_run.items():
                self.assertAlmostEqual(value, statistics.fmean(v for _, m, x, v in rows if m == method and round(x, 6) == k), places=12)
        self.assertEqual(self.rows("r.db", "SELECT i.name FROM sequence AS q JOIN input AS i ON i.id = q.input_id ORDER BY 1"), [("a",), ("b",)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map UNION ALL SELECT count(*) FROM tcs"), [(0,), (0,)])

    def test_leaving_one_out_is_what_attribute_loses(self):
        """Without its strongest token by leave_one_out, the summary loses what the text without that token says: by a second way."""
        pair = {"document": "The cat.", "summary": PAIR["summary"]}
        self.evaluate("faithfulness", self.pairs(pair), "--db", "r.db", "--baselines", "leave_one_out", "--prompt", "{text}=")
        loss = self.metrics("r.db", "comprehensiveness")["leave_one_out", None, 0.01]
        tokens = json.loads(self.ok("tokenize", "--model", "model", pair["document"] + "=", "--json").stdout)["ids"]
        summary = json.loads(self.ok("tokenize", "--model", "model", PAIR["summary"], "--json").stdout)["ids"][1:]

        def probability(ids):
            self.write("context.npy", npy((len(ids),), ids, "<i8", "q"))
            self.write("summary.npy", npy((len(summary),), summary, "<i8", "q"))
            self.ok("attribute", "--model", "model", "--context", "context.npy", "--summary", "summary.npy", "--db", "p.db", "--quiet")
            return self.rows("p.db", "SELECT exp(value) FROM metric WHERE name = 'logprob' AND target_idx IS NULL ORDER BY run_id DESC LIMIT 1")[0][0]

        full = probability(tokens)
        losses = [full - probability(tokens[:i] + tokens[i + 1:]) for i in range(1, len(tokens) - 1)]
        self.assertAlmostEqual(loss, max(losses), delta=1e-6 + 1e-4 * abs(loss))

    def test_removal_by_a_mask_token(self):
        self.pairs(PAIR)
        self.refuse(3, "evaluate", "faithfulness", "--model", "model", "pairs.jsonl", "--removal", "mask", says="pad_token")
        write_json(self.path("model"), "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"})
        self.evaluate("faithfulness", "pairs.jsonl", "--removal", "mask", "--db", "r.db")
        self.evaluate("faithfulness", "pairs.jsonl", "--db", "r.db")
        values = [v for v, in self.rows("r.db", "SELECT value FROM metric WHERE name = 'aopc_comprehensiveness' AND method = 'ultra' AND sequence_id IS NOT NULL")]
        self.assertEqual(len(set(values)), 2)

    def test_a_text_without_a_summary(self):
        self.write("doc.txt", PAIR["document"])
        self.evaluate("faithfulness", "doc.txt", "--max-new", 3, "--baselines", "none", "--db", "r.db")
        self.assertEqual(len(self.metrics("r.db", "comprehensiveness")), len(ERASED))
        self.refuse(2, "evaluate", "agreement", "--model", "model", "doc.txt", says="rationales")

    def test_agreement(self):
        self.evaluate("agreement", self.pairs(PAIR), "--db", "r.db")
        self.ok("attribute", "--model", "model", "--pairs", "pairs.jsonl", "--db", "a.db", "--quiet")
        for name in ("token_f1", "iou_f1", "auprc"):
            found = self.metrics("r.db", name)
            self.assertEqual(sorted(found), [(m, None, None) for m in METHODS])
            self.assertEqual(found["ultra", None, None], self.metrics("a.db", name)["ultra", None, None])

    def test_a_full_disk_ends_all_files(self):
        self.pairs(PAIR)
        self.write("more.jsonl", contents(self.path("pairs.jsonl")))
        with open("/dev/full", "w") as full:
            r = self.run_program("evaluate", "agreement", "--model", "model", "pairs.jsonl", "more.jsonl", "--baselines", "none", "--json", "--quiet",
                                 stdout=full, stderr=subprocess.PIPE, capture_output=False)
        self.assertEqual((r.returncode, len(r.stderr.splitlines())), (1, 1), r.stderr)

    def test_a_line_without_rationales(self):
        self.pairs(PAIR, {k: v for k, v in PAIR.items() if k != "rationales"})
        r = self.run_program("evaluate", "agreement", "--model", "model", "pairs.jsonl", "--db", "r.db", "--quiet", "--baselines", "none")
        self.assertEqual(r.returncode, 3)
        self.assertIn("pairs.jsonl:2", r.stderr)
        self.assertEqual(len(self.metrics("r.db", "auprc")), 1)

    def test_stability(self):
        same = {**PAIR, "id": "same", "paraphrase": PAIR["document"]}
        short = {**PAIR, "id": "short", "paraphrase": "Cats run home."}
        self.evaluate("stability", self.pairs(PAIR, same, short), "--db", "r.db")
        rows = self.rows("r.db", "SELECT i.name, m.method, m.value FROM metric AS m JOIN sequence AS q ON q.id = m.sequence_id"
                                 " JOIN input AS i ON i.id = q.input_id WHERE m.name = 'stability'")
        values = {(n, m): v for n, m, v in rows}
        self.assertEqual(len(values), 3 * len(METHODS))
        for m in METHODS:
            self.assertIsNone(values["short", m])
            if m != "random":
                self.assertAlmostEqual(values["same", m], 1)
        self.assertLess(values["a", "ultra"], 1)

    def test_layers_and_sanity(self):
        self.evaluate("layers", self.pairs(PAIR), "--db", "r.db")
        self.evaluate("sanity", "pairs.jsonl", "--db", "r.db")
        for name in ("layer_score", "sanity"):
            means = self.means("r.db", name)
            self.assertEqual(sorted(means), sorted((m, k) for m in ("gradient_x_input", "rollout", "ultra") for k in ((1 + i) / LAYERS for i in range(LAYERS))))

    def test_refusals(self):
        self.pairs(PAIR)
        self.refuse(2, "evaluate", "faithfulness", "--model", "model", "pairs.jsonl", "--tokens", "3", says="language model")
        self.refuse(2, "evaluate", "faithfulness", "--model", "model", "pairs.jsonl", "--scalar", "logprob", "--at", "token", says="--at predict")


if __name__ == "__main__":
    main()
