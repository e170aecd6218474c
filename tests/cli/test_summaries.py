"""summarize and attribute: texts and their summaries, from the command line to the database."""
import json
import re
import signal
import subprocess

from harness import PROGRAM, NO_DRIVER, ProgramTest, contents, main, make_model, npy, read_npy, read_safetensors
from text_model import CONTEXT, LAYERS, VOCABULARY, make_text_model

DOCUMENT = "The cat sat on the mat. Then it ran\naway from the h\u00e9ron."
SUMMARY = "A cat ran away."


class SummaryTest(ProgramTest):
    def setUp(self):
        super().setUp()
        make_text_model(self.path("model"))
        self.write("doc.txt", DOCUMENT)
        self.write("sum.txt", SUMMARY)

    def run_verb(self, verb, *arguments, **more):
        return self.ok(verb, "--model", "model", *arguments, "--quiet", **more)

    def attribute(self, *arguments, **more):
        return self.run_verb("attribute", *arguments, **more)

    def files_pair(self, *arguments, **more):
        return self.attribute("--context", "doc.txt", "--summary", "sum.txt", *arguments, **more)

    def pairs(self, *lines):
        return self.write("pairs.jsonl", "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))

    def refuse(self, status, *arguments, says=()):
        before = self.files()
        self.refused(status, *arguments, "--quiet", says=says)
        self.assertEqual(self.files(), before)


def scale(row):
    low, high = min(row), max(row)
    return [(v - low) / (high - low) if high > low else 0 for v in row]


class Attribute(SummaryTest):
    def test_database(self):
        self.files_pair("--db", "r.db", "--out", "rows.npy")
        for pragma in ("foreign_key_check", "integrity_check"):
            self.assertIn(self.rows("r.db", "PRAGMA " + pragma), ([], [("ok",)]))
        self.assertEqual(self.rows("r.db", "SELECT probe, own_token, layer, status FROM run"), [("attribute", "zero", LAYERS + 1, "done")])
        self.assertEqual(self.rows("r.db", "SELECT kind, name, path, text FROM input"), [("text", "doc.txt", "doc.txt", DOCUMENT)])
        self.assertEqual(self.rows("r.db", "SELECT text_out FROM sequence"), [(SUMMARY,)])
        tokens = self.rows("r.db", "SELECT idx, role, kind, text, char_start, char_end FROM token ORDER BY idx")
        roles = [t[1] for t in tokens]
        self.assertEqual([r for i, r in enumerate(roles) if i == 0 or roles[i - 1] != r], ["special", "context", "prompt", "summary", "special"])
        self.assertEqual("".join(t[3] for t in tokens if t[1] == "prompt"), "\nTL;DR:")
        self.assertEqual(tokens[-1][2:4], ("special", "</s>"))
        for _, role, _, text, start, end in tokens:
            if role in ("context", "summary"):
                self.assertEqual(text, (DOCUMENT if role == "context" else SUMMARY)[start:end])

        summary = [t[0] for t in tokens if t[1] == "summary"]
        context = [t[0] for t in tokens if t[1] == "context"]
        self.assertEqual(self.rows("r.db", "SELECT target_idx FROM map ORDER BY target_idx"), [(i - 1,) for i in summary])
        self.assertEqual(self.rows("r.db", "SELECT text, role FROM word WHERE role = 'summary' ORDER BY idx"),
                         [(w, "summary") for w in ("A", "cat", "ran", "away")])
        shape, values = read_npy(self.path("rows.npy"))
        self.assertEqual(shape, (len(summary), len(tokens)))
        scaled = [scale(values[k * len(tokens) + context[0]:k * len(tokens) + context[-1] + 1]) for k in range(len(summary))]
        mean = [sum(column) / len(summary) for column in zip(*scaled)]
        stored = self.rows("r.db", "SELECT source_idx, score, share FROM tcs ORDER BY source_idx")
        self.assertEqual([s[0] for s in stored], context)
        for expected, (_, score, share) in zip(mean, stored):
            self.assertAlmostEqual(score, expected, places=5)
            self.assertAlmostEqual(share, expected / sum(mean), places=5)

        metrics = dict(self.rows("r.db", "SELECT target_idx, value FROM metric WHERE name = 'logprob' AND method = 'ultra' AND k IS NULL"))
        whole = metrics.pop(None)
        self.assertEqual(sorted(metrics), [i - 1 for i in summary])
        self.assertLess(max(metrics.values()), 0)
        self.assertAlmostEqual(whole, sum(metrics.values()) / len(metrics), places=9)

    def test_at_token_and_scalars(self):
        for choice in ([], ["--at", "token"], ["--scalar", "energy"], ["--scalar", "logprob"], ["--layer", "2"], ["--prompt", "{text} =\\n"]):
            self.files_pair("--db", "r.db", *choice)
        self.assertEqual(len(set(self.rows("r.db", "SELECT scores FROM map GROUP BY run_id"))), 6)
        first = self.rows("r.db", "SELECT run_id, min(target_idx) FROM map GROUP BY run_id")
        self.assertEqual(first[1][1], first[0][1] + 1)
        logprobs = self.rows("r.db", "SELECT value FROM metric WHERE name = 'logprob' AND run_id < 5 AND target_idx IS NULL")
        self.assertEqual(len(logprobs), 4)
        self.assertEqual(len(set(logprobs)), 1)
        prompt = self.rows("r.db", "SELECT group_concat(text, '') FROM token WHERE role = 'prompt' AND sequence_id = (SELECT max(id) FROM sequence)")
        self.assertEqual(prompt, [(" =\n",)])

    def test_errors_name_the_file_of_the_summary(self):
        arguments = ["attribute", "--model", "model", "--context", "doc.txt", "--summary"]
        self.write("bad.txt", b"ab\xff")
        self.refuse(3, *arguments, "bad.txt", says=["ultravk: bad.txt: the summary is not text"])
        self.write("empty.txt", "")
        self.refuse(3, *arguments, "empty.txt", says=["ultravk: empty.txt: the summary is empty"])
        self.write("c.npy", npy([2], [3, 4], "<i4", "i"))
        self.write("s.npy", npy([2], [3, VOCABULARY], "<i4", "i"))
        self.refuse(3, "attribute", "--model", "model", "--context", "c.npy", "--summary", "s.npy", says=["ultravk: s.npy: token 1", str(VOCABULARY)])

    def test_the_plan_counts_the_output_head(self):
        planned = self.ok("attribute", "--model", "model", "--context", "doc.txt", "--summary", "sum.txt", "--json").stderr
        explained = self.ok("explain", "--model", "model", "doc.txt", "--json").stderr
        weights = [re.search(r"plan: weights (\S+ \w+)", text).group(1) for text in (planned, explained)]
        self.assertNotEqual(*weights)

    def test_table(self):
        lines = self.files_pair("--top", "2").stdout.splitlines()
        self.assertRegex(lines[0], r"^doc.txt +layer 3 of model, sum, rollout, predict, log p -\d")
        self.assertRegex(lines[2], r'^\(all of it\) +("\S+" 0\.\d{4} *){2}$')
        self.assertEqual([line.split()[0] for line in lines[3:7]], ['"A"', '"cat"', '"ran"', '"away"'])
        self.assertEqual(self.files_pair("--db", "r.db").stdout, "")

    def test_json(self):
        out = json.loads(self.files_pair("--json").stdout)
        self.assertEqual((out["status"], out["summary"], out["id"], out["truncated"]), ("done", SUMMARY, "doc.txt", 0))
        self.assertAlmostEqual(sum(out["share"]), 1, places=5)
        self.assertEqual(len(out["tcs"]), len(out["tokens"]))
        self.assertLess(out["summary_logprob"], 0)
        for word in out["context"]:
            self.assertEqual(DOCUMENT[word["start"]:word["end"]], word["text"])
            inside = [t for t, (s, e) in zip(out["tcs"], out["tokens"]) if s < word["end"] and e > word["start"]]
            self.assertAlmostEqual(sum(inside), word["score"], places=5)

    def test_span(self):
        spanned = json.loads(self.files_pair("--json", "--span", "2:5").stdout)
        whole = json.loads(self.files_pair("--json").stdout)
        self.assertLess(spanned["targets"], whole["targets"])
        self.assertEqual(spanned["summary_logprob"], whole["summary_logprob"])
        self.assertNotEqual(spanned["tcs"], whole["tcs"])
        stored = json.loads(self.files_pair("--json", "--span", "2:5", "--db", "r.db").stdout)
        self.assertEqual(stored["tcs"], spanned["tcs"])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map"), [(whole["targets"],)])
        self.refuse(2, "attribute", "--model", "model", "--context", "doc.txt", "--summary", "sum.txt", "--span", "40:50", says=["40:50", str(len(SUMMARY))])

    def test_context_span(self):
        def both(*arguments):
            return json.loads(self.files_pair("--json", *arguments).stdout)

        def share(out, start, end):
            return sum(t for t, (s, e) in zip(out["tcs"], out["tokens"]) if s < end and e > start) / sum(out["tcs"])

        out = both("--context-span", "4:11", "--span", "2:5")
        self.assertEqual(out["tcs"], both("--span", "2:5")["tcs"])
        span, = out["spans"]
        self.assertEqual((span["summary"], span["context"]), ([2, 5], [4, 11]))
        self.assertAlmostEqual(span["share"], share(out, 4, 11), places=5)
        self.assertAlmostEqual(span["score"], span["share"] * sum(out["tcs"]), places=5)
        self.assertEqual(span["share"], out["contribution"])
        everything = both("--context-span", "0:%d" % len(DOCUMENT))
        self.assertAlmostEqual(everything["contribution"], 1, places=9)
        self.assertIsNone(everything["spans"][0]["summary"])
        self.assertNotIn("spans", both("--span", "2:5"))
        self.refuse(2, "attribute", "--model", "model", "--context", "doc.txt", "--summary", "sum.txt", "--context-span", "400:500", says=["400:500", str(len(DOCUMENT))])

    def test_ids(self):
        def ids_of(text):
            return json.loads(self.ok("tokenize", "--model", "model", "--json", text).stdout)["ids"]

        context, summary = ids_of(DOCUMENT), ids_of(SUMMARY)[1:]
        self.write("c.npy", npy([len(context)], context, "<i8", "q"))
        self.write("s.npy", npy([len(summary)], summary, "<i4", "i"))
        self.attribute("--context", "c.npy", "--summary", "s.npy", "--out", "rows.npy", "--db", "r.db")
        self.assertEqual(read_npy(self.path("rows.npy"))[0], (len(summary), len(context) + len(summary)))
        self.assertEqual(self.rows("r.db", "SELECT kind FROM input"), [("array",)])
        self.assertEqual(self.rows("r.db", "SELECT text_out FROM sequence"), [(SUMMARY,)])
        self.refuse(3, "attribute", "--model", "model", "--context", "c.npy", "--summary", "sum.txt", says="two of a kind")

    def test_stdin(self):
        out = self.attribute("--context", "-", "--summary", "sum.txt", "--json", input=DOCUMENT).stdout
        self.assertEqual(json.loads(out)["tcs"], json.loads(self.files_pair("--json").stdout)["tcs"])

    def test_usage(self):
        attribute = ["attribute", "--model", "model"]
        self.refuse(2, *attribute, says="--pairs FILE.jsonl")
        self.refuse(2, *attribute, "--context", "doc.txt", says="no --summary")
        self.refuse(2, *attribute, "--context", "doc.txt", "--summary", "sum.txt", "--pairs", "x.jsonl", says="give one of them")
        self.refuse(2, *attribute, "--context", "-", "--summary", "-", says="standard input")
        pair = [*attribute, "--context", "doc.txt", "--summary", "sum.txt"]
        self.refuse(2, *pair, "--scalar", "logprob", "--at", "token", says="--at predict")
        self.refuse(2, *pair, "--scalar", "logprob", "--layer", "2", says="layer 3")
        self.refuse(2, *pair, "--prompt", "no place", says="{text}")
        self.refuse(2, *pair, "--png", "maps", says="--png is not a flag of attribute")
        self.refuse(2, *pair, "--max-new", "3", says="--max-new is not a flag of attribute")
        for span in ("3", "5:5", "-1:4", "a:b", "4:2"):
            self.refuse(2, *pair, "--span", span, says="--span")
        self.refuse(2, *pair, "--truncate", "0", says="--truncate")
        self.refuse(2, *pair, "--resume", says="--db")

    def test_bad_input(self):
        self.write("empty.txt", "")
        self.write("bytes.txt", b"\xc3(")
        for context, summary, says in (("missing.txt", "sum.txt", "missing.txt"), ("doc.txt", "missing.txt", "missing.txt"), ("empty.txt", "sum.txt", "empty"),
                                       ("doc.txt", "empty.txt", "summary is empty"), ("bytes.txt", "sum.txt", "byte 0"), ("doc.txt", "bytes.txt", "byte 0")):
            self.refuse(3, "attribute", "--model", "model", "--context", context, "--summary", summary, says=says)
        make_model(self.path("vit"))
        self.refuse(3, "attribute", "--model", "vit", "--context", "doc.txt", "--summary", "sum.txt", says="language models")
        self.refuse(3, "attribute", "--model", "model", "--pairs", "missing.jsonl", says="missing.jsonl")
        self.refuse(3, "attribute", "--model", "model", "--context", "doc.txt", "--summary", "sum.txt", "--prompt", "@missing", says="missing")
        self.refused(4, "attribute", "--model", "model", "--context", "doc.txt", "--summary", "sum.txt", "--db", "r.db", env=NO_DRIVER)
        self.assertNotIn("r.db", self.files())

    def test_prompt_from_a_file(self):
        self.write("template", "Text: {text}\nShort:")
        self.files_pair("--prompt", "@template", "--db", "r.db")
        self.files_pair("--prompt", "Text: {text}\\nShort:", "--db", "r.db")
        self.assertEqual(self.rows("r.db", "SELECT count(*), count(DISTINCT scores) FROM map WHERE target_idx = (SELECT min(target_idx) FROM map)"), [(2, 1)])


class Pairs(SummaryTest):
    def good(self, **more):
        return {"document": DOCUMENT, "summary": SUMMARY, **more}

    def test_names_and_what_is_bad(self):
        self.pairs(self.good(), self.good(id="second"), "", "{not json", json.dumps([1]), {"document": DOCUMENT}, {"document": 5, "summary": "x"},
                   self.good(id=[1]), self.good(rationales=[[0, 3], [5]]), self.good(rationales=[[3, len(DOCUMENT) + 1]]), self.good(rationales="x"),
                   self.good(paraphrase=3), '{"document": "a\\u0000b", "summary": "c"}', self.good(summary="\u2026"), self.good(id=17))
        r = self.run_program("attribute", "--model", "model", "--pairs", "pairs.jsonl", "--db", "r.db", "--quiet")
        self.assertEqual(r.returncode, 3, r.stderr)
        self.assertEqual([int(line.split(":")[2]) for line in r.stderr.splitlines()], [4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
        for words in ('has no "summary"', '"document" is a number', '"id" is a list', "outside the text", "NUL", '"paraphrase" is a number'):
            self.assertIn(words, r.stderr)
        done = self.rows("r.db", "SELECT name FROM input JOIN run_input ON input.id = input_id WHERE status = 'done' ORDER BY name")
        self.assertEqual(done, [("17",), ("pairs.jsonl:1",), ("pairs.jsonl:14",), ("second",)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM run_input WHERE status = 'failed'"), [(10,)])
        self.assertEqual(self.rows("r.db", "SELECT status FROM run"), [("failed",)])

    def test_too_long_and_truncate(self):
        self.pairs(self.good(), {"id": "long", "document": "word " * CONTEXT, "summary": SUMMARY})
        r = self.run_program("attribute", "--model", "model", "--pairs", "pairs.jsonl", "--db", "r.db")
        self.assertEqual(r.returncode, 3)
        self.assertRegex(r.stderr, r"(?m)^ultravk: pairs.jsonl:2: .*found \d+ tokens, expected at most %d" % CONTEXT)
        r = self.ok("attribute", "--model", "model", "--pairs", "pairs.jsonl", "--db", "r.db", "--truncate", "40")
        self.assertRegex(r.stderr, r"(?m)^ultravk: pairs.jsonl:2: --truncate 40 left out the last \d+ of \d+ context tokens$")
        counts = dict(self.rows("r.db", "SELECT name, count(*) FROM tcs JOIN sequence s ON s.id = sequence_id JOIN input i ON i.id = input_id "
                                        "WHERE run_id = 2 GROUP BY name"))
        self.assertEqual(counts["long"], 40)
        of_long = "FROM %s JOIN sequence s ON s.id = sequence_id JOIN input i ON i.id = input_id WHERE name = 'long' AND role = 'context'"
        (begins, ends), = self.rows("r.db", "SELECT max(char_start), max(char_end) " + of_long % "word")
        reached, = self.rows("r.db", "SELECT max(char_end) " + of_long % "token")[0]
        self.assertTrue(begins < reached <= ends + 1, "words end where the tokens do")

    def test_rationales(self):
        self.pairs(self.good(id="a", rationales=[[0, 11]]), self.good(id="b", rationales={"one": [[0, 11]], "two": [[0, 11], [4, 7]]}), self.good(id="c"),
                   self.good(id="all", rationales=[[0, len(DOCUMENT)]]))
        self.attribute("--pairs", "pairs.jsonl", "--db", "r.db")
        found = {}
        for name, metric, value in self.rows("r.db", "SELECT i.name, m.name, value FROM metric m JOIN sequence s ON s.id = sequence_id "
                                                     "JOIN input i ON i.id = input_id WHERE m.name <> 'logprob' AND method = 'ultra' AND target_idx IS NULL"):
            found.setdefault(name, {})[metric] = value
        self.assertEqual(set(found), {"a", "b", "all"})
        self.assertEqual(found["all"], {"token_f1": 1, "iou_f1": 1, "auprc": 1})
        self.assertEqual((found["a"]["token_f1"], found["a"]["auprc"]), (found["b"]["token_f1"], found["b"]["auprc"]))
        tokens = self.rows("r.db", "SELECT score, char_start < 11 FROM tcs JOIN token t ON t.sequence_id = tcs.sequence_id AND t.idx = source_idx "
                                   "WHERE tcs.sequence_id = (SELECT s.id FROM sequence s JOIN input i ON i.id = input_id WHERE i.name = 'a') ORDER BY t.idx")
        order = sorted(range(len(tokens)), key=lambda i: (-tokens[i][0], i))
        marked = sum(m for _, m in tokens)
        self.assertAlmostEqual(found["a"]["token_f1"], sum(tokens[i][1] for i in order[:marked]) / marked, places=9)
        precision, hits = 0, 0
        for place, i in enumerate(order): # no two of these scores are equal but zeros, which come last
            hits += tokens[i][1]
            precision += tokens[i][1] * hits / (place + 1)
        self.assertAlmostEqual(found["a"]["auprc"], precision / marked, places=2)

    def test_json_lines(self):
        self.pairs(self.good(id="x"), "oops", self.good())
        r = self.run_program("attribute", "--model", "model", "--pairs", "pairs.jsonl", "--json", "--span", "0:5", "--quiet")
        self.assertEqual(r.returncode, 3)
        lines = [json.loads(line) for line in r.stdout.splitlines()]
        self.assertEqual([(l["id"], l["status"]) for l in lines], [("x", "done"), ("pairs.jsonl:2", "failed"), ("pairs.jsonl:3", "done")])
        self.assertEqual(lines[0]["tcs"], lines[2]["tcs"])
        self.assertIn("pairs.jsonl:2", lines[1]["error"])
        self.assertNotIn("tcs", lines[1])

    def test_spans_of_each_line(self):
        spans = {"summary_spans": [[0, 1], [2, 9]], "context_spans": [[4, 7], [0, 11]]}
        self.pairs(self.good(id="chosen", **spans), self.good(id="by flag"), self.good(id="beyond", context_spans=[[5, 500]]), self.good(id="odd", summary_spans=[5]),
                   self.good(id="cut", context_spans=[[50, 53]]))
        r = self.run_program("attribute", "--model", "model", "--pairs", "pairs.jsonl", "--json", "--context-span", "4:7", "--truncate", "20", "--quiet")
        self.assertEqual(r.returncode, 3)
        lines = {line["id"]: line for line in map(json.loads, r.stdout.splitlines())}
        chosen = lines["chosen"]
        self.assertEqual([(s["summary"], s["context"]) for s in chosen["spans"]], [([0, 1], [4, 7]), ([0, 1], [0, 11]), ([2, 9], [4, 7]), ([2, 9], [0, 11])])
        one = [self.attribute("--context", "doc.txt", "--summary", "sum.txt", "--truncate", "20", "--json", "--span", span, "--context-span", "0:11") for span in ("0:1", "2:9")]
        for alone, place in zip(one, (1, 3)):
            self.assertAlmostEqual(json.loads(alone.stdout)["contribution"], chosen["spans"][place]["share"], places=6)
        self.assertLess(chosen["spans"][0]["share"], chosen["spans"][1]["share"], "[4, 7] is a part of [0, 11]")
        self.assertEqual([s["context"] for s in lines["by flag"]["spans"]], [[4, 7]])
        for name, says in (("beyond", "[5, 500] of \"context_spans\" lies outside"), ("odd", "\"summary_spans\" holds a number"), ("cut", "--truncate cuts it short")):
            line = lines.get(name) or next(l for l in lines.values() if says in l.get("error", ""))
            self.assertEqual(line["status"], "failed")
            self.assertIn(says, line["error"])

    def test_out(self):
        self.pairs(self.good(id="x"), self.good(document="the mat"))
        self.attribute("--pairs", "pairs.jsonl", "--out", "rows.safetensors")
        tensors, metadata = read_safetensors(self.path("rows.safetensors"))
        self.assertEqual((metadata["input_0"], metadata["input_1"]), ("x", "pairs.jsonl:2"))
        self.assertGreater(tensors["input_0.rows"][1][1], tensors["input_1.rows"][1][1])
        self.refused(2, "attribute", "--model", "model", "--pairs", "pairs.jsonl", "--out", "rows.npy", says="one input")
        self.pairs(self.good())
        self.attribute("--pairs", "pairs.jsonl", "--out", "rows.npy")
        self.assertEqual(read_npy(self.path("rows.npy"))[1], tensors["input_0.rows"][2])

    def test_resume(self):
        self.pairs(self.good(), "oops", self.good(id="b"))
        arguments = ["attribute", "--model", "model", "--pairs", "pairs.jsonl", "--db", "r.db"]
        self.assertEqual(self.run_program(*arguments, "--quiet").returncode, 3)
        before = self.rows("r.db", "SELECT id, scores FROM map ORDER BY id")
        self.pairs(self.good(), self.good(summary="The end."), self.good(id="b"))
        r = self.ok(*arguments, "--resume")
        self.assertEqual(r.stderr.count("done before, skipped"), 2)
        self.assertEqual(self.rows("r.db", "SELECT id, scores FROM map ORDER BY id")[:len(before)], before)
        self.assertEqual(self.rows("r.db", "SELECT id, status FROM run"), [(1, "done")])
        self.assertEqual(self.rows("r.db", "SELECT status, count(*) FROM run_input GROUP BY status"), [("done", 3)])

    def test_resume_sees_other_text_files(self):
        self.pairs(self.good())
        arguments = ["attribute", "--model", "model", "--pairs", "pairs.jsonl", "--db", "r.db", "--resume"]
        self.ok(*arguments)
        config = contents(self.path("model", "tokenizer_config.json"))
        self.write("model/tokenizer_config.json", config + b"\n")
        self.assertNotIn("done before", self.ok(*arguments).stderr)
        self.write("model/tokenizer_config.json", config)
        self.assertIn("done before", self.ok(*arguments).stderr)
        self.assertEqual(self.rows("r.db", "SELECT count(*), count(DISTINCT key) FROM run"), [(2, 2)])

    def test_empty_file(self):
        self.pairs("", "  ")
        self.refused(3, "attribute", "--model", "model", "--pairs", "pairs.jsonl", "--quiet", says="no pairs")

    def test_ctrl_c(self):
        self.pairs(*(self.good(id=str(i)) for i in range(300)))
        process = subprocess.Popen([PROGRAM, "attribute", "--model", "model", "--pairs", "pairs.jsonl", "--db", "r.db", "--json"], cwd=self.folder,
                                   env=self.environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2):
            self.assertIn('"status":"done"', process.stdout.readline())
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 5, errors)
        self.assertIn("ultravk: interrupted", errors.splitlines()[-1])
        done = 2 + len(output.splitlines())
        self.assertEqual(self.rows("r.db", "SELECT status, count(*) FROM run_input GROUP BY status"), [("done", done)])
        self.assertEqual(self.rows("r.db", "PRAGMA integrity_check"), [("ok",)])


class Summarize(SummaryTest):
    def summarize(self, *arguments, **more):
        return self.run_verb("summarize", *arguments, "--max-new", "6", **more)

    def test_stdout(self):
        out = self.summarize("doc.txt").stdout.splitlines()
        self.assertTrue(out[0])
        self.assertEqual(out[1], "")
        self.assertRegex(out[2], r"^doc.txt +layer 3 of model")
        self.assertIn("(all of it)", out[4])
        self.assertEqual(self.summarize("doc.txt", "--db", "r.db").stdout, out[0] + "\n")
        self.assertEqual(self.summarize("-", "--db", "r.db", input=DOCUMENT).stdout, out[0] + "\n")
        self.assertEqual(json.loads(self.summarize("doc.txt", "--json").stdout)["summary"], out[0])

    def test_is_generate_and_then_attribute(self):
        prompt = DOCUMENT + "\nTL;DR:"
        ids = json.loads(self.ok("generate", "--model", "model", "--quiet", "--json", "--max-new", "6", prompt).stdout)["ids"]
        context = json.loads(self.ok("tokenize", "--model", "model", "--json", prompt).stdout)["ids"]
        self.write("c.npy", npy([len(context)], context, "<i4", "i"))
        self.write("s.npy", npy([len(ids)], ids, "<i4", "i"))
        self.attribute("--context", "c.npy", "--summary", "s.npy", "--out", "a.npy")
        self.summarize("doc.txt", "--out", "b.npy")
        (m, n), given = read_npy(self.path("a.npy"))
        (m_too, with_end), written = read_npy(self.path("b.npy"))
        self.assertEqual((m_too, with_end), (m, n + 1))
        for k in range(m):
            self.assertEqual(written[k * with_end:k * with_end + n], given[k * n:(k + 1) * n])

    def test_database_and_resume(self):
        self.write("texts/b.txt", "It is there.")
        self.write("list.txt", "doc.txt\ntexts\n")
        self.summarize("@list.txt", "--db", "r.db")
        self.assertEqual(self.rows("r.db", "SELECT probe, status FROM run"), [("summarize", "done")])
        self.assertEqual(json.loads(self.rows("r.db", "SELECT params FROM run")[0][0])["max_new"], 6)
        self.assertEqual(self.rows("r.db", "SELECT name, count(*) FROM map JOIN sequence s ON s.id = sequence_id JOIN input i ON i.id = input_id GROUP BY name"),
                         [("b.txt", 6), ("doc.txt", 6)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM sequence WHERE text_out IS NULL"), [(0,)])
        self.assertEqual(self.rows("r.db", "PRAGMA foreign_key_check"), [])
        self.write("texts/c.txt", "on the mat")
        r = self.ok("summarize", "--model", "model", "@list.txt", "--max-new", "6", "--db", "r.db", "--resume")
        self.assertEqual(r.stderr.count("done before, skipped"), 2)
        self.assertEqual(len(r.stdout.splitlines()), 1)
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map"), [(18,)])

    def test_batch_goes_on(self):
        self.write("long.txt", "word " * CONTEXT)
        r = self.run_program("summarize", "--model", "model", "missing.txt", "long.txt", "doc.txt", "--max-new", "6", "--quiet", "--json")
        self.assertEqual(r.returncode, 3)
        self.assertEqual([json.loads(line)["status"] for line in r.stdout.splitlines()], ["failed", "failed", "done"])
        self.assertRegex(r.stderr.splitlines()[1], r"^ultravk: long.txt: .*found \d+ tokens and 6 to be generated, expected at most %d" % CONTEXT)
        self.summarize("long.txt", "--truncate", "30")

    def test_a_model_that_ends_at_once(self):
        ids = json.loads(self.ok("generate", "--model", "model", "--quiet", "--json", "--max-new", "1", DOCUMENT + "\nTL;DR:").stdout)["ids"]
        self.write("model/generation_config.json", json.dumps({"eos_token_id": ids[0]}))
        self.refuse(1, "summarize", "--model", "model", "doc.txt", says=["doc.txt", "no summary"])

    def test_usage(self):
        self.refuse(2, "summarize", "--model", "model", says="no TEXT given")
        self.refuse(2, "summarize", "--model", "model", "doc.txt", "--max-new", "0", says="--max-new")
        self.refuse(2, "summarize", "--model", "model", "doc.txt", "sum.txt", "--out", "x.npy", says="one input")
        self.refuse(2, "summarize", "--model", "model", "doc.txt", "--span", "1:2", says="--span is not a flag of summarize")
        self.refuse(3, "summarize", "--model", "model", "nothing-*.txt", says="nothing-*.txt")


if __name__ == "__main__":
    main()
