"""Encoder-decoders from end to end: what explain, summarize, attribute, generate and evaluate make of them."""
import json

from harness import ProgramTest, main, npy, read_npy
from text_model import LAYERS, make_joint_model, write_json

TEXT = "the red cat on the mat ate the rat"
PAIR = {"id": "a", "document": TEXT, "summary": "the cat ate it", "rationales": [[4, 11]], "paraphrase": "the red cat that was on a mat ate the old rat"}


class Joint:
    """Of one family; a class of its own below is one each."""
    family = None

    def setUp(self):
        super().setUp()
        make_joint_model(self.path("model"), self.family)
        self.write("doc.txt", TEXT)
        self.write("pairs.jsonl", json.dumps(PAIR) + "\n")

    def model(self, verb, *arguments):
        return self.ok(*verb.split(), "--model", "model", *arguments, "--quiet")

    def test_generate_and_summarize(self):
        generated = json.loads(self.model("generate", TEXT, "--max-new", 6, "--json").stdout)
        self.assertTrue(0 < len(generated["ids"]) <= 6)
        line = json.loads(self.model("summarize", "doc.txt", "--max-new", 6, "--json", "--db", "r.db").stdout)
        self.assertEqual(line["summary"], generated["text"])
        sides = dict(self.rows("r.db", "SELECT side, count(*) FROM token GROUP BY side"))
        targets = self.rows("r.db", "SELECT m.target_idx, m.locality, t.side FROM map m JOIN token t ON t.sequence_id = m.sequence_id AND t.idx = m.target_idx")
        self.assertEqual(len(targets), len(generated["ids"]))
        self.assertTrue(all(locality is None and side == "decoder" and target >= sides["encoder"] for target, locality, side in targets))
        total, = self.rows("r.db", "SELECT sum(share) FROM tcs")[0]
        self.assertAlmostEqual(total, 1, places=5)
        self.assertEqual(self.rows("r.db", "SELECT DISTINCT t.side FROM tcs c JOIN token t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx WHERE c.score > 0"), [("encoder",)])

    def test_attribute(self):
        self.write("context.npy", npy((5,), [5, 60, 61, 62, 63], "<i8", "q"))
        self.write("summary.npy", npy((3,), [0 if self.family == "t5" else 1, 70, 71], "<i8", "q"))
        self.model("attribute", "--context", "context.npy", "--summary", "summary.npy", "--out", "rows.npy")
        shape, rows = read_npy(self.path("rows.npy"))
        self.assertEqual(shape, (3, 8))
        self.assertEqual([rows[k * 8 + 5 + k] >= 1 for k in range(3)], [True] * 3)
        self.assertEqual([rows[k * 8 + j] for k in range(3) for j in range(6 + k, 8)], [0] * 3)  # what comes later is not seen
        self.assertTrue(all(rows[k * 8 + j] >= 0 for k in range(3) for j in range(5)))
        self.assertTrue(any(rows[k * 8 + j] > 0 for k in range(3) for j in range(5)))
        span = json.loads(self.model("attribute", "--pairs", "pairs.jsonl", "--json", "--span", "4:7", "--context-span", "8:11").stdout)
        self.assertTrue(0 < span["spans"][0]["share"] < 1)

    def test_explain(self):
        self.model("explain", "doc.txt", "--db", "r.db", "--layer", LAYERS)
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map"), [(1,)])  # the decoder's start
        self.refused(2, "explain", "--model", "model", "doc.txt", "--order", "formula", "--quiet", says=["formula", "encoder-decoder"])
        self.refused(2, "explain", "--model", "model", "doc.txt", "--tokens", "2", "--quiet", says=["token 2", "encoder"])

    def test_evaluate(self):
        for subject, metrics in (("faithfulness", ["comprehensiveness", "sufficiency"]), ("layers", ["layer_score"]), ("agreement", ["auprc"]), ("stability", ["stability"]),
                                 ("sanity", ["sanity"])):
            self.model("evaluate " + subject, "pairs.jsonl", "--db", subject + ".db")
            for name in metrics:
                methods = {m for m, in self.rows(subject + ".db", "SELECT DISTINCT method FROM metric WHERE name = ? AND sequence_id IS NOT NULL AND value IS NOT NULL", name)}
                self.assertTrue({"ultra", "rollout", "gradient_x_input"} <= methods, (subject, methods))
        steps = [k for k, in self.rows("sanity.db", "SELECT DISTINCT k FROM metric WHERE name = 'sanity' ORDER BY k")]
        self.assertEqual(len(steps), 2 * LAYERS)  # the encoder's blocks lie below the decoder's

    def test_removal_by_a_token(self):
        write_json(self.path("model"), "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"})
        values = []
        for removal in ("mask", "delete"):
            self.model("evaluate faithfulness", "pairs.jsonl", "--removal", removal, "--db", removal + ".db", "--baselines", "none")
            values += self.rows(removal + ".db", "SELECT value FROM metric WHERE name = 'aopc_comprehensiveness' AND sequence_id IS NOT NULL")
        self.assertNotEqual(*values)

    def test_rules_of_generation(self):
        free = json.loads(self.model("generate", TEXT, "--max-new", 8, "--json").stdout)["ids"]
        write_json(self.path("model"), "generation_config.json", {"forced_bos_token_id": 40, "no_repeat_ngram_size": 1, "suppress_tokens": [free[0]], "eos_token_id": 1, "num_beams": 4})
        bound = self.ok("generate", "--model", "model", TEXT, "--max-new", 8, "--json")
        self.assertIn("num_beams 4", bound.stderr)
        ids = json.loads(bound.stdout)["ids"]
        self.assertEqual(ids[0], 40)
        self.assertEqual(len(set(ids)), len(ids))
        self.assertNotIn(free[0], ids)
        self.assertEqual(json.loads(self.model("info", "--json").stdout)["ignored"], "num_beams 4")
        write_json(self.path("model"), "generation_config.json", {"repetition_penalty": 0})
        self.refused(3, "generate", "--model", "model", TEXT, says="repetition_penalty 0")


class T5(Joint, ProgramTest):
    family = "t5"


class Bart(Joint, ProgramTest):
    family = "bart"


if __name__ == "__main__":
    main()
