"""One process writes a database while eight read it; two that write the same one. $ULTRAVK_LONG: for a minute; $ULTRAVK_SECONDS: so long."""
import os
import subprocess
import threading
import time

from harness import NO_DRIVER, PROGRAM, ProgramTest, main, make_model, png

SECONDS = float(os.environ.get("ULTRAVK_SECONDS") or (60 if os.environ.get("ULTRAVK_LONG") else 5))
PAUSE = float(os.environ.get("ULTRAVK_PAUSE", 0.01)) # of a reader, between two questions
READERS = 8
INPUTS = 12


class Shared(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        for i in range(INPUTS):
            self.write("photos/%02d.png" % i, png(20, 20, lambda x, y: (i * 16, x * 12, y * 12)))

    def explain(self, label, database="r.db"):
        return subprocess.Popen([PROGRAM, "explain", "--model", "model", "photos", "--tokens", "all", "--label", label, "--db", database, "--quiet"], cwd=self.folder,
                                env=self.environment(None), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def check(self, runs):
        self.assertEqual(self.rows("r.db", "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(self.rows("r.db", "PRAGMA foreign_key_check"), [])
        self.assertEqual(self.rows("r.db", "SELECT status, count(*) FROM run GROUP BY status"), [("done", runs)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM run_input WHERE status = 'done'"), [(INPUTS * runs,)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map"), [(10 * INPUTS * runs,)])


class ReadersBesideAWriter(Shared):
    # Of each input all is there or nothing: ten maps.
    WHOLE = ("SELECT count(*) AS halves FROM (SELECT x.run_id, x.input_id, count(p.id) AS n FROM run_input AS x JOIN sequence AS q ON q.input_id = x.input_id"
             " LEFT JOIN map AS p ON p.sequence_id = q.id AND p.run_id = x.run_id GROUP BY 1, 2 HAVING n <> 10)")

    def read(self, number, problems, counts):
        commands = (["query", "r.db", self.WHOLE, "--format", "csv"], ["query", "r.db", "--named", "runs"], ["query", "r.db", "SELECT s.* FROM map, scores(map.id) AS s LIMIT 50"],
                    ["report", "r.db", "-o", "r%d.html" % number])
        while not self.stop.wait(PAUSE):
            command = commands[(number + counts[number]) % len(commands)]
            r = self.run_program(*command, env=NO_DRIVER)
            counts[number] += 1
            if r.returncode or (command[2] == self.WHOLE and r.stdout.split() != ["halves", "0"]):
                problems.append((command, r.returncode, r.stdout[-200:], r.stderr))

    def test_no_error(self):
        self.explain("first").communicate()
        self.stop, problems, counts, runs = threading.Event(), [], [0] * READERS, 1
        readers = [threading.Thread(target=self.read, args=(i, problems, counts)) for i in range(READERS)]
        for reader in readers:
            reader.start()
        end = time.monotonic() + SECONDS
        try:
            while runs == 1 or time.monotonic() < end:
                writer = self.explain("run %d" % runs)
                errors = writer.communicate()[1]
                self.assertEqual((writer.returncode, errors), (0, ""))
                runs += 1
        finally:
            self.stop.set()
            for reader in readers:
                reader.join()
        self.assertEqual(problems[:3], [])
        self.check(runs)
        print("%d runs written, %d times read, in %.0f seconds" % (runs, sum(counts), SECONDS))


class TwoWriters(Shared):
    def test_both_succeed(self):
        writers = [self.explain(label) for label in ("left", "right")]
        for writer in writers:
            errors = writer.communicate()[1]
            self.assertEqual((writer.returncode, errors), (0, ""))
        self.check(2)


if __name__ == "__main__":
    main()
