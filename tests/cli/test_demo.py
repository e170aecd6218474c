"""ultravk demo: what it prints against what its database and the shipped truth say, computed here in another way."""
import json
import os
import re
import shlex
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import unittest
import zlib

from harness import PROGRAM, ProgramTest, contents, main

DATA = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "models", "demo"))
SCENES = REPORTS = 8
RUN = "(SELECT id FROM run WHERE probe = '%s')"
FORM = re.compile(r"(?P<what>[\w ]+?) along (?P<street>[\w ]+?) in (?P<town>[\w ]+?), (?P<day>[\w ]+?) (?P<time>[\w ]+?); "
                  r"(?P<hurt>[\w ]+?) hurt by (?P<cause>[\w ]+?) says (?P<who>[\w ]+)")


def mask(index):
    """Rows of class indices of a mask: an 8-bit grey PNG whose rows are not filtered."""
    data, place, packed = contents(os.path.join(DATA, "scenes", "masks", "%04d.png" % index)), 8, b""
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place:place + 8])
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", data[place + 8:place + 18])
            assert (depth, colour) == (8, 0)
        elif kind == b"IDAT":
            packed += data[place + 8:place + 8 + size]
        place += 12 + size
    raw = zlib.decompress(packed)
    rows = [raw[y * (width + 1):(y + 1) * (width + 1)] for y in range(height)]
    assert all(row[0] == 0 for row in rows)
    return [row[1:] for row in rows]


def cover(pixels, kinds, box):
    """The share of a box that these classes cover."""
    x0, y0, x1, y1 = map(int, box)
    inside = sum(value in kinds for row in pixels[y0:y1] for value in row[x0:x1])
    return inside / ((x1 - x0) * (y1 - y0))


def average_precision(scores, truth):
    """Mean, over the true items, of the precision at the score of each."""
    return sum(sum(truth[k] for k, s in enumerate(scores) if s >= scores[i]) / sum(s >= scores[i] for s in scores)
               for i in range(len(scores)) if truth[i]) / sum(truth)


class Demo(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.home = os.path.realpath(tempfile.mkdtemp(prefix="ultravk-demo-"))
        cls.addClassCleanup(shutil.rmtree, cls.home, ignore_errors=True)
        cls.result = subprocess.run([PROGRAM, "demo", "--dir", "out"], cwd=cls.home, env=ProgramTest.environment(cls, None), text=True,
                                    capture_output=True, stdin=subprocess.DEVNULL, timeout=900)
        cls.out = cls.result.stdout

    def setUp(self):
        super().setUp()
        self.assertEqual(self.result.returncode, 0, self.result.stderr)
        self.db = sqlite3.connect(os.path.join(self.home, "out", "results.db"))
        self.addCleanup(self.db.close)

    def ask(self, sql, *values):
        return self.db.execute(sql, values).fetchall()

    def numbers(self, pattern):
        found = re.search(pattern, self.out)
        self.assertTrue(found, self.out)
        return [float(n) for n in found.groups()]

    def scene_shares(self):
        """Sums of (share inside, chance) and their number, for patches inside objects and for CLS."""
        sums = {"patch": [0, 0, 0], "cls": [0, 0, 0]}
        for index in range(SCENES):
            pixels, name = mask(index), "%04d.png" % index
            boxes = dict((row[0], row[1:]) for row in self.ask(
                "SELECT DISTINCT t.idx, t.x0, t.y0, t.x1, t.y1 FROM token t JOIN sequence q ON q.id = t.sequence_id JOIN input i ON i.id = q.input_id "
                "WHERE i.name = ? AND t.kind = 'patch'", name))
            for target, blob in self.ask("SELECT m.target_idx, m.scores FROM map m JOIN sequence q ON q.id = m.sequence_id "
                                         "JOIN input i ON i.id = q.input_id WHERE i.name = ?", name):
                row = list(struct.unpack("<%df" % (len(blob) // 4), blob))
                kinds = set(range(1, 9))
                if target in boxes:
                    kinds = {k for k in kinds if cover(pixels, {k}, boxes[target]) > 0.9}
                    row[target] = max(v for k, v in enumerate(row) if k in boxes and k != target)
                if not kinds:
                    continue
                total = sum(row[k] for k in boxes)
                chance = cover(pixels, kinds, (0, 0, len(pixels[0]), len(pixels)))
                own = sums["patch" if target in boxes else "cls"]
                own[0] += sum(row[k] * cover(pixels, kinds, boxes[k]) for k in boxes) / total
                own[1] += chance
                own[2] += 1
        return sums

    def test_tables(self):
        done = {"explain": SCENES, "segment": SCENES, "evaluate faithfulness": SCENES // 2, "summarize": REPORTS, "attribute": REPORTS,
                "evaluate agreement": REPORTS}
        self.assertEqual(self.ask("SELECT probe, label, status FROM run ORDER BY id"), [(probe, "demo", "done") for probe in done])
        self.assertEqual(self.ask("SELECT probe, count(*) FROM run_input i JOIN run r ON r.id = i.run_id WHERE i.status = 'done' GROUP BY run_id ORDER BY run_id"),
                         list(done.items()))
        self.assertEqual(self.ask("SELECT count(*) FROM map WHERE run_id = " + RUN % "explain"), [(SCENES * 65,)])
        self.assertEqual(self.ask("SELECT count(DISTINCT sequence_id) FROM tcs WHERE run_id = " + RUN % "summarize"), [(REPORTS,)])
        self.assertEqual(self.ask("SELECT count(*) FROM model"), [(2,)])

    def test_scenes(self):
        sums = self.scene_shares()
        inside, chance, ratio, count = self.numbers(r"(\d+) % of a patch's explanation lies .*?chance (\d+) %: ([\d.]+) times; (\d+) patches")
        own = sums["patch"]
        self.assertEqual(count, own[2])
        self.assertAlmostEqual(inside, 100 * own[0] / own[2], delta=0.6)
        self.assertAlmostEqual(chance, 100 * own[1] / own[2], delta=0.6)
        self.assertAlmostEqual(ratio, own[0] / own[1], delta=0.06)
        self.assertGreaterEqual(ratio, 2)
        inside, chance, ratio = self.numbers(r"(\d+) % of the explanation of CLS .*?chance (\d+) %: ([\d.]+) times")
        self.assertAlmostEqual(inside, 100 * sums["cls"][0] / SCENES, delta=0.6)
        self.assertAlmostEqual(ratio, sums["cls"][0] / sums["cls"][1], delta=0.06)

    def test_facts(self):
        reports = [json.loads(line) for line in contents(os.path.join(DATA, "reports.jsonl")).splitlines()[:REPORTS]]
        right = 0
        for report in reports:
            (text, stored), = self.ask("SELECT DISTINCT q.text_out, i.text FROM input i JOIN sequence q ON q.input_id = i.id JOIN map m ON m.sequence_id = q.id "
                                       "WHERE i.name = ? AND m.run_id = " + RUN % "summarize", report["id"] + ".txt")
            self.assertEqual(stored, report["document"])
            found = FORM.fullmatch(text.strip())
            right += sum(found.group(slot) == value for slot, value in report["slots"].items()) if found else 0
        self.assertEqual(self.numbers(r"(\d+) of (\d+) facts right"), [right, 8 * REPORTS])
        self.assertGreaterEqual(right, 0.9 * 8 * REPORTS)

    def test_agreement(self):
        values = []
        for report in (json.loads(line) for line in contents(os.path.join(DATA, "reports.jsonl")).splitlines()[:REPORTS]):
            rows = self.ask("SELECT t.char_start, t.char_end, c.score FROM tcs c JOIN token t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx "
                            "JOIN sequence q ON q.id = c.sequence_id JOIN input i ON i.id = q.input_id WHERE c.run_id = " + RUN % "attribute" + " AND i.name = ?", report["id"])
            spans = [span for own in report["rationales"].values() for span in own]
            truth = [any(start < stop and end > begin for begin, stop in spans) for start, end, _ in rows]
            values.append(average_precision([score for _, _, score in rows], truth))
        printed, rollout, gradient, random, count = self.numbers(r"average precision ([\d.]+)\n +\(raw attention rollout ([\d.]+), gradient x input ([\d.]+), "
                                                                 r"random ([\d.]+); (\d+) reports\)")
        self.assertEqual(count, REPORTS)
        self.assertGreater(printed, max(rollout, gradient, random))
        self.assertAlmostEqual(printed, sum(values) / REPORTS, delta=0.006)
        self.assertGreaterEqual(printed, 0.5)

    def test_segments_and_faithfulness(self):
        ours, whole = self.numbers(r"mIoU ([\d.]+) with the masks \(one segment: ([\d.]+)\)")
        self.assertGreater(ours, whole)
        gap, positive, count = self.numbers(r"gap (-?[\d.]+), above 0 for (\d+) of (\d+) patches")
        curves = self.ask("SELECT name, value FROM metric WHERE method = 'ultra' AND name IN ('auc_positive', 'auc_negative') AND target_idx IS NOT NULL")
        sums = {name: sum(v for n, v in curves if n == name) for name, _ in curves}
        self.assertEqual(count, SCENES)
        self.assertAlmostEqual(gap, (sums["auc_positive"] - sums["auc_negative"]) / count, delta=0.0006)
        self.assertGreater(positive, count / 2)

    def test_report(self):
        page = contents(os.path.join(self.home, "out", "report.html")).decode()
        self.assertIn("0000.png", page)
        self.assertIn("out/report.html", self.out)

    def test_what_it_prints(self):
        self.assertLessEqual(len(self.out.splitlines()), 12, self.out)
        self.assertIn("out/results.db", self.out)
        self.assertIn("out/report.html", self.out)
        self.assertIn(b"900001-00000", contents(os.path.join(self.home, "out", "report.html")))
        (device,), = self.ask("SELECT DISTINCT device FROM run")
        self.assertIn(device, self.out)
        queries = re.findall(r"^ +%s (query .*)$" % re.escape(PROGRAM), self.out, re.M)
        self.assertEqual(len(queries), 2)
        for query in queries:
            r = subprocess.run([PROGRAM, *shlex.split(query)], cwd=self.home, text=True, capture_output=True)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertGreater(len(r.stdout.splitlines()), 5, r.stdout)


class Refused(ProgramTest):
    def test_no_data(self):
        self.refused(3, "demo", env={"ULTRAVK_DEMO": self.folder}, says=[self.folder, "ULTRAVK_DEMO"])
        self.assertEqual(self.files(), set())

    def test_a_file_in_the_way(self):
        self.write("taken", "")
        self.refused(1, "demo", "--dir", "taken/here", says="taken/here")

    def test_too_few_reports(self):
        self.write("data/reports.jsonl", json.dumps({"id": "1", "document": "a", "summary": "b"}) + "\n")
        self.refused(3, "demo", env={"ULTRAVK_DEMO": self.path("data")}, says=["reports.jsonl", "expected 8"])

    def test_arguments(self):
        self.refused(2, "demo", "somewhere", says="somewhere")


if __name__ == "__main__":
    main()
