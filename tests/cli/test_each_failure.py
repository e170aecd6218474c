"""Every allocation and every write to a file fails once, in a run of its own: the program says so in one line, ends with the status for it,
leaves no partial result, and never passes off a result as whole.

A place is told from another by the calls that lead to it (support/fail_once.c). Among the tests a sample of the places fails; with
$ULTRAVK_LONG a larger one, with $ULTRAVK_LONG=every all of them. In a build with sanitizers a leak is a failure as well."""
import concurrent.futures
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess

from harness import NO_DRIVER, PROGRAM, TOOLS, ProgramTest, contents, main, make_model, png
from text_model import make_text_model

LONG = os.environ.get("ULTRAVK_LONG", "")
SANITIZED = "lsan" in os.environ.get("LSAN_OPTIONS", "") # every run takes its time then
SHIM = os.path.join(TOOLS, "libfail_once.so")
# What differs from run to run, or, as a plan that found less memory takes smaller chunks, in cost alone.
PASSING = ("started_at", "finished_at", "seconds_forward", "seconds_backward", "gflop", "peak_bytes", "command")
STDOUT = "standard output"


def share(places, few, more):
    """A sample that is the same every time, or all."""
    most = few // 4 if SANITIZED else few if not LONG else len(places) if LONG == "every" else more
    return sorted(places, key=lambda place: hashlib.sha256(place.encode()).digest())[:most]


def rows_of(path):
    """Every row of every table but for what passes, and that the file is sound."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = {}
        for table, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1").fetchall():
            columns = [row[1] for row in db.execute("PRAGMA table_info(%s)" % table) if row[1] not in PASSING]
            rows[table] = sorted(db.execute("SELECT %s FROM %s" % (", ".join(columns), table)).fetchall(), key=repr)
        return rows
    finally:
        db.close()


class EachFailure(ProgramTest):
    maxDiff = 300

    """prepare() makes what the commands read, in self.folder; a run stands in a folder of its own below it."""

    def setUp(self):
        super().setUp()
        make_model(self.path("vision"))
        make_text_model(self.path("text"))
        self.write("photo.png", png(20, 20))
        self.write("text.txt", "The cat sat on the hat.")
        self.write("summary.txt", "The cat sat.")

    def run_at(self, folder, arguments, env, **failing):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for name in self.given:
            shutil.copy(self.path(name), folder)
        preload = ":".join(filter(None, (os.environ.get("LD_PRELOAD"), SHIM)))
        environment = {**self.environment(env), "LD_PRELOAD": preload, **failing}
        return subprocess.run([PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, timeout=300)

    def places(self, arguments, env, kind):
        record = self.path("places")
        whole = self.run_at(self.path("whole"), arguments, env, FAIL_KIND=kind, FAIL_RECORD=record)
        self.assertEqual(whole.returncode, 0, whole.stderr)
        return whole, contents(record).decode().split()

    def files_in(self, folder):
        """{name: bytes, or the rows of a database}"""
        found = {}
        for at, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(at, name)
                if not name.endswith(("-wal", "-shm", "-journal")):
                    found[os.path.relpath(path, folder)] = (rows_of(path) if name.endswith(".db") and os.path.getsize(path) else
                                                            re.sub(rb'"made":"[^"]*"', b"", contents(path))) # the minute a report was made
        return found

    def check_database(self, name, rows, whole, before):
        """As before, or with whole inputs only."""
        if not rows or rows == before:
            return
        done = [row for row in rows.get("run_input", []) if "done" in row]
        for table in ("map", "token", "contribution", "tcs", "segment", "segment_token", "merge_step", "sequence"):
            if table in rows:
                self.assertIn(rows[table], (whole[table], (before or {}).get(table, [])), (name, table))
        self.assertEqual(bool(rows.get("map")), bool(done or (before or {}).get("map")), name)

    def check(self, r, at, folder, whole, expected, before):
        errors = r.stderr.decode(errors="replace")
        what = "%s: status %d: %s" % (at, r.returncode, errors)
        # A source that cannot be read is a bad input, also when it is the index beside it that has no room.
        full_source = r.returncode == 3 and "../other.db: disk I/O error" in errors
        self.assertTrue(r.returncode in (0, 1) or full_source, what)
        found = self.files_in(folder)
        self.assertEqual([name for name in found if name.endswith(".tmp")], [], what)
        if b"out of memory" in r.stdout or b'"no_photo"' in found.get("r.html", b""): # said where the result would stand
            return
        if r.returncode == 0: # nobody needed it
            self.assertEqual(*(re.sub(rb'"(seconds|gflop|peak|chunk)[^,}]*', b"", output) for output in (r.stdout, whole.stdout)), what)
            self.assertEqual(found, expected, what)
            return
        lines = errors.splitlines()
        self.assertTrue(lines and all(line.startswith("ultravk: ") for line in lines), what)
        for name, content in found.items():
            if name.endswith(".db"):
                self.check_database(name, content, expected[name], before.get(name))
            else:
                self.assertEqual(content, expected[name], (name, what))

    def each(self, arguments, env=None, given=(), few=12, more=30, changes=()):
        """changes: databases that the command writes to."""
        self.given = given
        before = {name: rows_of(self.path(name)) for name in given if name.endswith(".db")}
        for kind in ("memory", "files"):
            whole, places = self.places(arguments, env, kind)
            expected = self.files_in(self.path("whole"))

            def run(place):
                folder = self.path(place)
                r = self.run_at(folder, arguments, env, FAIL_KIND=kind, FAIL_AT=place)
                try:
                    self.check(r, "%s failed at FAIL_KIND=%s FAIL_AT=%s" % (arguments[0], kind, place), folder, whole, expected, before)
                    return None
                except AssertionError as problem:
                    return str(problem)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)

            chosen = share(places, few, more)
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as workers:
                problems = [problem for problem in workers.map(run, chosen) if problem]
            print("%s: %d of %d places of %s" % (" ".join(arguments[:2]), len(chosen), len(places), kind), flush=True)
            self.assertEqual(problems, [], "\n\n".join(problem[-1500:] for problem in problems))

    def database(self):
        for layer in ("2", "3"):
            self.ok("explain", "--model", "vision", "photo.png", "--tokens", "1,2", "--layer", layer, "--db", "r.db", "--quiet")


class WithoutDevice(EachFailure):
    def test_tokenize(self):
        self.each(["tokenize", "--model", "../text", "The cat", "--json"], NO_DRIVER, few=40, more=300)

    def test_info(self):
        self.each(["info", "--model", "../vision", "--json"], NO_DRIVER, few=40, more=300)

    def test_query(self):
        self.database()
        self.each(["query", "../r.db", "SELECT name, scores FROM input, map", "--format", "csv"], NO_DRIVER, few=40, more=300)
        self.each(["query", "../r.db", "--named", "runs", "--json"], NO_DRIVER, few=20, more=200)

    def test_report(self):
        self.database()
        self.each(["report", "../r.db", "-o", "r.html"], {**NO_DRIVER, "TZ": "UTC"}, few=40, more=300)

    def test_merge_and_prune(self):
        self.database()
        shutil.copy(self.path("r.db"), self.path("other.db"))
        self.ok("explain", "--model", "vision", "photo.png", "--tokens", "3", "--db", "other.db", "--quiet")
        self.each(["merge", "r.db", "../other.db"], NO_DRIVER, given=["r.db"], few=40, more=300)
        self.each(["prune", "r.db", "--run", "1"], NO_DRIVER, given=["r.db"], few=40, more=300)


class WithDevice(EachFailure):
    def test_explain(self):
        self.each(["explain", "--model", "../vision", "../photo.png", "--tokens", "1,2", "--db", "r.db", "--out", "rows.npy", "--png", "maps", "--json", "--quiet"])

    def test_attribute(self):
        self.each(["attribute", "--model", "../text", "--context", "../text.txt", "--summary", "../summary.txt", "--db", "r.db", "--out", "rows.npy", "--quiet"])

    def test_segment(self):
        self.each(["segment", "--model", "../vision", "../photo.png", "--clusters", "2", "--db", "r.db", "--out-dir", "segments", "--quiet"])


if __name__ == "__main__":
    main()
