"""Help, wrong usage and what works on a machine without Vulkan."""
import json
import os
import re

from harness import NO_DRIVER, ProgramTest, main

VERBS = ["devices", "info", "explain", "segment", "refine", "summarize", "attribute", "evaluate", "generate", "tokenize", "query", "report", "merge", "prune", "demo"]


class Help(ProgramTest):
    def test_overall(self):
        r = self.ok("--help", env=NO_DRIVER)
        self.assertEqual(r.stderr, "")
        for verb in VERBS:
            self.assertRegex(r.stdout, r"(?m)^  %s +\w" % verb)
        self.assertEqual(self.ok("-h").stdout, r.stdout)
        self.assertEqual(self.ok("help").stdout, r.stdout)

    def test_every_verb(self):
        for verb in VERBS:
            r = self.ok(verb, "--help", env=NO_DRIVER)
            self.assertIn("Usage: ultravk " + verb, r.stdout)
            self.assertIn("Examples:\n  ultravk " + verb, r.stdout)
            self.assertIn("--quiet", r.stdout)
            self.assertEqual(self.ok("help", verb).stdout, r.stdout)

    def test_help_wins_over_missing_arguments(self):
        self.ok("explain", "--model", "x", "--help")

    def test_every_flag_of_explain_has_a_line(self):
        text = self.ok("explain", "--help").stdout
        for flag in ("model tokens at-pixel at-word layer first-block scalar order normalize own-token out png dump-hidden db device precision memory seed "
                     "resume shard top label quiet json help version").split():
            self.assertRegex(text, r"(?m)^  --%s( .*)?$" % flag)
        for default in ("[patches; of a text all]", "[sum]", "[rollout]", "[norm]", "[max; of a text zero]", "[f32]", "[1]"):
            self.assertIn(default, text)

    def test_version(self):
        self.assertRegex(self.ok("--version").stdout, r"^ultravk \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ok("explain", "--version").stdout, self.ok("--version").stdout)


class WrongUsage(ProgramTest):
    def test_no_verb(self):
        self.refused(2, says="--help")

    def test_suggestions(self):
        self.refused(2, "explian", says="did you mean explain?")
        self.refused(2, "qeury", says="did you mean query?")
        self.refused(2, "sumarize", says="did you mean summarize?")
        self.refused(2, "tokenise", says="did you mean tokenize?")
        self.refused(2, "attribute", "--model", "m", "--pair", "x", says="did you mean --pairs?")
        self.refused(2, "segmentation", says="unknown verb")
        self.refused(2, "explain", "--modle", "x", says="did you mean --model?")
        self.refused(2, "explain", "--at-pixels=3,4", says="did you mean --at-pixel?")
        self.refused(2, "explain", "--zzzzzz", says="ultravk explain --help")
        self.refused(2, "explain", "--model", "m", "x.jpg", "--scalar", "enrgy", says=["sum, energy, logprob", "did you mean energy?"])

    def test_verb_comes_first(self):
        self.refused(2, "--quiet", "explain", says="the verb comes first")

    def test_flag_of_another_verb(self):
        self.refused(2, "query", "--layer", "3", says="--layer is not a flag of query")

    def test_missing_pieces(self):
        self.refused(2, "explain", "x.jpg", says="--model DIR")
        self.refused(2, "explain", "--model", "m", says="INPUT")
        self.refused(2, "info", says="--model DIR")
        self.refused(2, "prune", "x.db", says="--run N")
        self.refused(2, "query", says="no database given")
        self.refused(2, "query", "x.db", says="no SQL")
        self.refused(2, "explain", "--model", says="needs a value")
        self.refused(2, "explain", "--model", "--json", says="needs a value")
        self.refused(2, "explain", "--model=", "x.jpg", says="empty")

    def test_too_much(self):
        self.refused(2, "devices", "x", says="unexpected argument x")
        self.refused(2, "query", "x.db", "SELECT", "1", says="in quotes")
        self.refused(2, "explain", "--quiet=yes", says="takes no value")

    def test_values(self):
        for flag, value in [("--layer", "two"), ("--layer", "1"), ("--layer", "-3"), ("--layer", "99999999999999999999"), ("--memory", "0"),
                            ("--memory", "-1"), ("--memory", "2X"), ("--memory", "2GB"), ("--memory", "99999999999999999999"), ("--at-pixel", "3"),
                            ("--at-pixel", "3,x"), ("--top", "0"), ("--seed", "1.5"), ("--order", "rolout"), ("--first-block", "0")]:
            self.refused(2, "explain", "--model", "m", "x.jpg", flag, value, says=flag)
            self.refused(2, "explain", "--model", "m", "x.jpg", "%s=%s" % (flag, value), says=flag)

    def test_values_of_other_verbs(self):
        for value in ("x", "7", "nan"):
            self.refused(2, "segment", "--model", "m", "x.jpg", "--zeta", value, says="--zeta " + value)
        for span in ("5:3", "5", "-1:3"):
            self.refused(2, "attribute", "--model", "m", "--pairs", "p.jsonl", "--span=" + span, says="START:END")

    def test_prompt_of_a_file(self):
        self.write("prompt", b"a\0b {text}")
        self.refused(2, "summarize", "--model", "m", says="TEXT")
        self.refused(3, "summarize", "--model", "m", "x.txt", "--prompt", "@prompt", says=["prompt", "NUL"])

    def test_flags_end(self):
        self.refused(3, "info", "--model", "missing", "--", says="missing")
        self.refused(2, "info", "--model", "missing", "--", "--json", says="unexpected argument --json")

    def test_negative_numbers_are_values(self):
        for seed in (["--seed", "-5"], ["--seed=-5"]):
            self.refused(3, "explain", "--model", "missing", "x.jpg", *seed, says="missing")

    def test_what_excludes_what(self):
        explain = ["explain", "--model", "m", "x.jpg"]
        self.refused(2, *explain, "--tokens", "1", "--at-pixel", "1,1", says="--at-pixel")
        self.refused(2, *explain, "--at-word", "1", "--at-pixel", "1,1", says="--at-word")
        self.refused(2, *explain, "--resume", says="--db")
        self.refused(2, *explain, "--resume", "--db", "x.db", "--out", "x.safetensors", says="--out")
        self.refused(2, *explain, "--resume", "--db", "x.db", "--dump-hidden", "x.safetensors", says="--dump-hidden")
        self.refused(2, "query", "--list", "--named", "runs", says="exclude")
        self.refused(2, "query", "x.db", "--list", "more", says="more")
        attribute = ["attribute", "--model", "m"]
        self.refused(2, *attribute, "--pairs", "p.jsonl", "--context", "a.txt", says="one of them")
        self.refused(2, *attribute, "--context", "a.txt", says="no --summary")
        self.refused(2, *attribute, "--summary", "a.txt", says="no --context")
        self.refused(2, *attribute, "--context", "-", "--summary", "-", says="standard input")
        self.refused(2, "segment", "--model", "m", "x.jpg", "--classes", "c.json", says=["--classes", "--masks"])
        self.refused(2, "segment", "--model", "m", "x.jpg", "--layer", "auto", "--weights", "w.safetensors", says="--weights")
        self.refused(2, *explain, "--out", "x.txt", says=".safetensors")
        self.refused(2, *explain, "--dump-hidden", "x.npy", says=".safetensors")
        self.refused(2, *explain, "y.jpg", "--out", "x.npy", says="one input")
        self.refused(2, *explain, "y.jpg", "--dump-hidden", "x.safetensors", says="one input")
        self.refused(2, *explain, "other/x.png", "--png", "out", says="overwrite")
        self.assertEqual(self.files(), set())


class WithoutVulkan(ProgramTest):
    def test_devices(self):
        self.refused(4, "devices", env=NO_DRIVER)
        self.refused(4, "devices", "--json", env=NO_DRIVER)

    def test_named_queries(self):
        text = self.ok("query", "--list", env=NO_DRIVER).stdout
        names = re.findall(r"(?m)^([\w-]+) ", text)
        self.assertIn("top-sources", names)
        listed = json.loads(self.ok("query", "--list", "--json", env=NO_DRIVER).stdout)
        self.assertEqual([q["name"] for q in listed], names)
        self.refused(3, "query", "missing.db", "SELECT 1", env=NO_DRIVER, says="missing.db")
        self.assertEqual(self.files(), set())

    def test_prune_makes_no_database(self):
        self.refused(3, "prune", "missing.db", "--run", "1", env=NO_DRIVER, says="missing.db")
        self.assertEqual(self.files(), set())
        self.write("empty.db", b"")
        self.refused(3, "prune", "empty.db", "--run", "1", env=NO_DRIVER, says="empty")
        self.assertEqual(os.path.getsize(self.path("empty.db")), 0)


if __name__ == "__main__":
    main()
