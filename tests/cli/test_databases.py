"""Results databases from outside: shards and their merge, hostile text in every format, and the README's way to read a map."""
import csv
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from harness import NO_DRIVER, PROGRAM, ProgramTest, contents, main, make_model, png
from text_model import make_text_model

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
README = os.path.join(REPOSITORY, "README.md")
HOSTILE = "=cmd|' /C calc'!A1 \"a\",b\t\x1b[31m\x1b]0;title\x07 <script>alert(1)</script> \u202eevil\u2066 \u00e4\U0001f600"
TEXT = HOSTILE + "\nThe cat sat.\r\n"


class Hostile(ProgramTest):
    """One run over a text, under a name and a label that try everything."""

    def setUp(self):
        super().setUp()
        make_text_model(self.path("model"))
        self.name = HOSTILE.replace("/", "|") + ".txt"
        self.write(self.name, TEXT)
        self.ok("explain", "--model", "model", "./" + self.name, "--tokens", "3", "--label", HOSTILE, "--db", "r.db", "--quiet")

    def query(self, sql, *arguments):
        return self.ok("query", "r.db", sql, *arguments, env=NO_DRIVER).stdout

    def assert_harmless(self, text):
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

    def test_every_format(self):
        sql = "SELECT i.name, i.text, r.label FROM input AS i, run AS r"
        expected = [self.name, TEXT, HOSTILE]
        self.assertEqual([tuple(expected)], self.rows("r.db", sql))
        self.assertEqual(list(json.loads(self.query(sql, "--json"))[0].values()), expected)
        for_lines = self.query(sql, "--format", "jsonl")
        self.assertEqual(list(json.loads(for_lines).values()), expected)
        self.assertEqual(len(for_lines.splitlines()), 1)
        self.assert_harmless(for_lines)
        raw = subprocess.run([PROGRAM, "query", "r.db", sql, "--format", "csv"], cwd=self.folder, stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(list(csv.reader(io.StringIO(raw.decode(), newline="")))[1], expected)
        table = self.query(sql)
        self.assertEqual(len(table.split("\n")), 4, "a header, a rule, a row")
        self.assert_harmless(table)
        for named in ("runs", "inputs", "cost"):
            self.assert_harmless(self.ok("query", "r.db", "--named", named).stdout)

    def test_csv_on_a_terminal(self):
        seen = self.on_terminal("query", "r.db", "SELECT name, text FROM input", "--format", "csv", stdout=True)
        self.assert_harmless(seen.replace("\r", ""))
        self.assertIn("\\x1b[31m", seen)

    def test_parameters_and_messages(self):
        found = json.loads(self.ok("query", "r.db", "--named", "top-sources", "input=" + self.name, "--json").stdout)
        self.assertTrue(found)
        self.assertEqual(json.loads(self.ok("query", "r.db", "--named", "top-sources", "input=x' OR 1 --", "--json").stdout), [])
        for line in (self.refused(3, "query", "no\x1b[31m\n.db", "SELECT 1"), self.refused(2, "query", "r.db", "--named", "\x1b[2J\u202e"),
                     self.refused(3, "merge", "all.db", "no\x1b[31m\n.db"), self.refused(2, "query", "r.db", "--named", "cost", "run=\x1b[2J")):
            self.assert_harmless(line.stderr)
        self.ok("merge", "all.db", "r.db", "--quiet")
        self.assertEqual(self.rows("all.db", "SELECT name, text FROM input"), [(self.name, TEXT)])


class Shards(ProgramTest):
    def answers(self, database):
        """What every named query that needs no parameter says, but for times."""
        found = {}
        for query in json.loads(self.ok("query", "--list", "--json", env=NO_DRIVER).stdout):
            if re.match(r"(\[|$)", query["parameters"]):
                rows = json.loads(self.ok("query", database, "--named", query["name"], "--json", env=NO_DRIVER).stdout)
                found[query["name"]] = [{k: v for k, v in row.items() if not re.search("second|ms_|_at$|_id$|peak", k)} for row in rows]
        return found

    def test_shards_joined_are_one_run(self):
        make_text_model(self.path("model"))
        for i in range(5):
            self.write("texts/%d.txt" % i, "The cat sat on mat %d." % i)
        explain = ["explain", "--model", "model", "texts", "--tokens", "4,5", "--quiet", "--db"]
        self.ok(*explain, "whole.db")
        for i in (1, 2):
            self.ok(*explain, "shard%d.db" % i, "--shard", "%d/2" % i)
        self.assertEqual(self.rows("shard1.db", "SELECT name FROM input ORDER BY 1"), [("0.txt",), ("2.txt",), ("4.txt",)])
        self.assertEqual(self.rows("shard2.db", "SELECT name FROM input ORDER BY 1"), [("1.txt",), ("3.txt",)])
        self.write("bad.db", "no database")
        r = self.run_program("merge", "all.db", "shard2.db", "bad.db", "shard1.db", env=NO_DRIVER)
        self.assertEqual(r.returncode, 3)
        self.assertIn("ultravk: bad.db: ", r.stderr)
        self.assertRegex(r.stderr, r"shard1.db: 0 new runs, 3 inputs taken over, 0 known")
        self.assertEqual(self.answers("all.db"), self.answers("whole.db"))
        self.assertEqual(self.rows("all.db", "SELECT count(*) FROM run"), [(1,)])
        scores = "SELECT i.name, p.target_idx, p.scores FROM map p JOIN sequence q ON q.id = p.sequence_id JOIN input i ON i.id = q.input_id ORDER BY 1, 2"
        self.assertEqual(self.rows("all.db", scores), self.rows("whole.db", scores))
        again = self.ok("merge", "all.db", "shard1.db", "shard2.db", env=NO_DRIVER)
        self.assertIn("0 new runs, 0 inputs taken over, 2 known", again.stderr)
        self.assertEqual(self.ok("explain", "--model", "model", "texts/0.txt", "--shard", "2/2", "--db", "none.db").stderr.count("no inputs"), 1)

    @unittest.skipUnless(shutil.which("parallel"), "GNU parallel is not installed")
    def test_the_example_with_gnu_parallel(self):
        """The commands of docs/many-machines.md, as they stand there."""
        with open(os.path.join(REPOSITORY, "docs", "many-machines.md")) as f:
            part = f.read().split("## GNU parallel")[1].split("## ")[0]
        commands = [line.strip() for line in part.splitlines() if line.startswith("    ")]
        self.assertEqual([c.split()[0] for c in commands], ["parallel", "ultravk"])
        make_model(self.path("vit"))
        for i in range(6):
            self.write("photos/%d.png" % i, png(20 + i, 30))
        environment = {**self.environment(None), "PATH": os.path.dirname(PROGRAM) + ":" + os.environ["PATH"], "HOME": self.folder}
        for command in commands:
            subprocess.run(["sh", "-c", command], cwd=self.folder, env=environment, check=True, capture_output=True)
        self.ok("explain", "--model", "vit", "photos", "--db", "whole.db", "--quiet")
        self.assertEqual(self.answers("all.db"), self.answers("whole.db"))
        self.assertEqual(self.rows("all.db", "SELECT count(*) FROM run"), [(1,)])

    def test_usage(self):
        for shard in ("0/2", "3/2", "1", "a/b", "1/0", "-1/2"):
            self.refused(2, "explain", "--model", "m", "x", "--shard", shard, says="--shard")
        self.refused(2, "attribute", "--model", "m", "--context", "a", "--summary", "b", "--shard", "1/2", says="--pairs")
        self.refused(2, "merge", "a.db", says="IN.db")
        self.refused(3, "merge", "a.db", "b.db", says="b.db")
        self.assertEqual(self.files(), set())


# What the README's example asks of numpy, for machines without it.
STAND_IN = """
import struct

class Row(list):
    def copy(self):
        return Row(self)
    def __setitem__(self, places, value):
        for place in places:
            list.__setitem__(self, place, value)
    def __getitem__(self, places):
        return Row(list.__getitem__(self, places))
    def argsort(self):
        values = list(self)
        return Row(sorted(range(len(values)), key=values.__getitem__))

def frombuffer(data, dtype):
    assert dtype == "<f4", dtype
    return Row(struct.unpack("<%df" % (len(data) // 4), data))
"""


class ReadMe(ProgramTest):
    def test_the_python_example(self):
        environment = dict(os.environ)
        if not importlib.util.find_spec("numpy"):
            self.write("stand-in/numpy.py", STAND_IN)
            environment["PYTHONPATH"] = self.path("stand-in")
        make_model(self.path("model"))
        self.write("photo.png", png(64, 64))
        self.ok("explain", "--model", "model", "photo.png", "--db", "balls.db", "--quiet")
        example, = re.findall(r"```python\n(.*?)```", contents(README).decode(), re.S)
        self.assertLessEqual(len(example.strip().splitlines()), 10)
        r = subprocess.run([sys.executable, "-c", example], cwd=self.folder, env=environment, capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        best = self.rows("balls.db", "SELECT source_idx FROM contribution AS c JOIN map AS p ON p.id = c.map_id WHERE p.target_idx = ("
                                     "SELECT min(target_idx) FROM map) AND source_idx <> target_idx ORDER BY score DESC LIMIT 1")
        first = r.stdout.splitlines()[0]
        self.assertEqual(int(re.search(r"\[ *(\d+)", first).group(1)), best[0][0], first)


if __name__ == "__main__":
    main()
