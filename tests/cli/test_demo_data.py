"""The generators of the demo's data: a seed fixes what they write, and what they say of it is true."""
import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest
import zlib

from harness import ProgramTest, contents, main

DEMO = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "models", "demo"))


class Generators(ProgramTest):
    def make(self, what, seed, count, out):
        subprocess.run([sys.executable, "-B", os.path.join(DEMO, what), "--seed", str(seed), "--count", str(count), self.path(out)], check=True)
        return self.path(out)

    def reports(self, seed, count):
        return [json.loads(line) for line in contents(self.make("make_reports", seed, count, "reports.jsonl")).splitlines()]

    def test_reports_are_those_shipped(self):
        self.assertEqual(contents(self.make("make_reports", 900001, 32, "again.jsonl")), contents(os.path.join(DEMO, "reports.jsonl")))

    def test_reports_differ_by_seed_and_not_by_count(self):
        few, many, others = self.reports(1, 3), self.reports(1, 9), self.reports(2, 9)
        self.assertEqual(few, many[:3])
        self.assertFalse({r["document"] for r in many} & {r["document"] for r in others})

    def test_spans_are_exact_and_facts_stated_once(self):
        for report in self.reports(7, 200):
            for text, spans in (("document", "rationales"), ("paraphrase", "paraphrase_rationales"), ("summary", "summary_rationales")):
                self.assertEqual(set(report[spans]), set(report["slots"]))
                for slot, value in report["slots"].items():
                    (start, end), = report[spans][slot]
                    self.assertEqual(report[text][start:end], value)
            for value in report["slots"].values():
                self.assertEqual(len(re.findall(r"\b%s\b" % value, report["document"])), 1, report)
            self.assertNotEqual(report["document"], report["paraphrase"])

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "drawing scenes needs numpy")
    def test_scenes_are_those_shipped(self):
        made, shipped = self.make("make_scenes", 900001, 4, "scenes"), os.path.join(DEMO, "scenes")
        self.assertEqual(contents(os.path.join(made, "classes.json")), contents(os.path.join(shipped, "classes.json")))
        self.assertEqual(json.load(open(os.path.join(made, "scenes.json"))), json.load(open(os.path.join(shipped, "scenes.json")))[:4])
        for index in range(4): # the same zlib gives the same bytes; another one the same pixels
            for kind in ("images", "masks"):
                name = os.path.join(kind, "%04d.png" % index)
                self.assertEqual(pixels(os.path.join(made, name)), pixels(os.path.join(shipped, name)))


def pixels(path):
    """The chunks of a PNG, the data unpacked."""
    data, place, packed, header = contents(path), 8, b"", b""
    while place < len(data):
        size, kind = int.from_bytes(data[place:place + 4], "big"), data[place + 4:place + 8]
        body = data[place + 8:place + 8 + size]
        header, packed = (body if kind == b"IHDR" else header), packed + (body if kind == b"IDAT" else b"")
        place += 12 + size
    return header, zlib.decompress(packed)


if __name__ == "__main__":
    main()
