"""Device memory, counted where it is asked for, at vkAllocateMemory: what a verb plans, reports and may take is what it takes."""
import json
import re

from harness import ProgramTest, main, make_model, png
from text_model import make_text_model

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
TEXT = "the hen and the other one are in the long grass; the cat is on the wall and sees them run in the rain"


class Memory(ProgramTest):
    def counted(self, *arguments, memory):
        r = self.ok(*arguments, "--memory", memory, env=self.mock("report=report.json"))
        with open(self.path("report.json")) as f:
            return r, json.load(f)["peak"]

    def planned(self, line):
        """The bounds of the total that a plan names: it is rounded as it is printed."""
        number, unit, budget, budget_unit = re.search(r" = (\S+) (\w+) of (\S+) (\w+)", line).groups()
        half = (0.05 if "." in number else 0.5) * UNITS[unit]
        self.assertLessEqual(float(number) * UNITS[unit] - half, float(budget) * UNITS[budget_unit])
        return float(number) * UNITS[unit] + half

    def check(self, verb, model, *arguments, memory, plans=True, stored=True):
        """What each budget made the program say."""
        lines = []
        for budget in memory:
            r, peak = self.counted(verb, "--model", model, *arguments, *(("--db", "%s-%s.db" % (verb, budget)) if stored else ()), memory=budget)
            said = (verb, model, budget, peak, r.stderr)
            bytes_allowed = int(budget[:-1]) << (10 if budget.endswith("K") else 20)
            self.assertLessEqual(peak, bytes_allowed, said)
            if plans:
                plans_printed = [line for line in r.stderr.splitlines() if "plan: " in line]
                self.assertTrue(plans_printed, said)
                self.assertLessEqual(peak, max(map(self.planned, plans_printed)), said)
            if stored:
                self.assertEqual(self.rows("%s-%s.db" % (verb, budget), "SELECT max(peak_bytes) FROM run_input"), [(peak,)], said)
            lines.append(r.stderr)
        return lines

    def test_vision(self):
        make_model(self.path("vit"), "--image", 32)
        self.write("a.png", png(40, 30))
        self.write("b.png", png(32, 32))
        for verb in ("explain", "segment"):
            self.check(verb, "vit", "a.png", "b.png", memory=("512K", "64M"))

    def test_streamed(self):
        """Weights of 2.6 MiB."""
        make_model(self.path("deep"), "--layers", 6, "--width", 96, "--heads", 4, "--mlp", 384)
        self.write("a.png", png(40, 30))
        said = self.check("explain", "deep", "a.png", memory=("2M", "64M"))
        self.assertIn(", weights streamed, per chunk 2.6 MiB", said[0])
        self.assertNotIn("streamed", said[1])
        stored = [self.rows("explain-%s.db" % budget, "SELECT target_idx, scores FROM map ORDER BY target_idx") for budget in ("2M", "64M")]
        self.assertEqual(len(stored[0]), 9)
        self.assertEqual(*stored)
        for budget, streamed in (("2M", True), ("64M", False)):
            plan = json.loads(self.ok("info", "--model", "deep", "--memory", budget, "--json").stdout)["memory"]
            self.assertEqual(plan["streamed"] > 2.5 * (1 << 20), streamed)
            self.assertLessEqual(plan["total"], plan["budget"])
        r = self.run_program("explain", "--model", "deep", "a.png", "--memory", "400K")
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertRegex(r.stderr, r"one block's weights: [0-9]+ more bytes of device memory are needed, but of the budget of 409600 bytes [0-9]+ are in use")

    def evaluate(self, what, model, *arguments):
        r, peak = self.counted("evaluate", what, "--model", model, *arguments, memory="1M")
        self.assertLessEqual(peak, 1 << 20, r.stderr)

    def test_evaluate(self):
        make_model(self.path("vit"))
        self.write("a.png", png(40, 30))
        for what in ("faithfulness", "layers", "sanity"):
            self.evaluate(what, "vit", "a.png", "--sample", "2")

    def test_refine(self):
        make_model(self.path("vit"))
        self.write("a.png", png(40, 30))
        r, peak = self.counted("refine", "--model", "vit", "a.png", "--clusters", "3", "--steps", "3", "--out", "w.safetensors", memory="1M")
        self.assertLessEqual(peak, 1 << 20, r.stderr)

    def test_text(self):
        make_text_model(self.path("llama"))
        self.write("doc.txt", TEXT)
        self.write("sum.txt", "the cat sees them")
        self.check("explain", "llama", "doc.txt", memory=("1M",))
        self.check("summarize", "llama", "doc.txt", "--max-new", "6", memory=("1M",))
        self.check("attribute", "llama", "--context", "doc.txt", "--summary", "sum.txt", memory=("1M", "64M"))
        self.check("attribute", "llama", "--context", "doc.txt", "--summary", "sum.txt", "--scalar", "logprob", memory=("1M",), stored=False)
        r, peak = self.counted("generate", "--model", "llama", TEXT, "--max-new", "6", memory="1M")
        self.assertLessEqual(peak, 1 << 20, r.stderr)


if __name__ == "__main__":
    main()
