"""A batch that is killed again and again, or has no disk left: what was finished is there, whole, and --resume makes it complete.

$ULTRAVK_LONG: 100 kills instead of a few."""
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

from harness import PROGRAM, ProgramTest, main, make_model, png

KILLS = 100 if os.environ.get("ULTRAVK_LONG") else 6
INPUTS = 16
TOKENS = 10 # of the model: CLS and 3 x 3 patches
# What differs from run to run: times, and what the device's memory happened to hold.
PASSING = ("started_at", "finished_at", "seconds_forward", "seconds_backward", "peak_bytes", "command")


class Batch(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        for i in range(INPUTS):
            self.write("photos/%02d.png" % i, png(20, 20, lambda x, y: (i * 16, x * 12, y * 12)))

    def arguments(self, database):
        return ["explain", "--model", "model", "photos", "--tokens", "all", "--quiet", "--db", database, "--resume"]

    def start(self, database, **more):
        return subprocess.Popen([PROGRAM, *self.arguments(database)], cwd=self.folder, env=self.environment(None), stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, **more)

    def dump(self, database):
        """Every row of every table but for what passes."""
        db = sqlite3.connect(self.path(database))
        tables = [name for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1")]
        rows = {}
        for table in tables:
            columns = [row[1] for row in db.execute("PRAGMA table_info(%s)" % table) if row[1] not in PASSING]
            rows[table] = sorted(db.execute("SELECT %s FROM %s" % (", ".join(columns), table)).fetchall(), key=repr)
        db.close()
        return rows

    def check_whole(self, database):
        """Sound, and each input there with all that belongs to it or not at all. Returns how many are."""
        self.assertEqual(self.rows(database, "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(self.rows(database, "PRAGMA foreign_key_check"), [])
        if not self.rows(database, "SELECT 1 FROM sqlite_master WHERE name = 'run_input'"):
            return 0 # killed before there was a schema
        parts = self.rows(database, """SELECT i.name, x.status,
            (SELECT count(*) FROM sequence AS q JOIN token AS t ON t.sequence_id = q.id WHERE q.input_id = i.id),
            (SELECT count(*) FROM sequence AS q JOIN map AS p ON p.sequence_id = q.id WHERE q.input_id = i.id),
            (SELECT count(*) FROM sequence AS q JOIN map AS p ON p.sequence_id = q.id JOIN contribution AS c ON c.map_id = p.id WHERE q.input_id = i.id)
            FROM input AS i LEFT JOIN run_input AS x ON x.input_id = i.id ORDER BY i.name""")
        self.assertEqual(parts, [("%02d.png" % i, "done", TOKENS, TOKENS, TOKENS * (TOKENS - 1)) for i in range(len(parts))])
        return len(parts)


class Killed(Batch):
    def test_at_any_moment(self):
        draw = random.Random(os.environ.get("ULTRAVK_SEED", "moments"))
        started = time.monotonic()
        self.ok(*self.arguments("whole.db"))
        length = time.monotonic() - started
        whole = self.dump("whole.db")
        done, kills, advances, number = 0, 0, 0, 0
        while kills < KILLS or number == 0:
            name = "killed%d.db" % number
            process = self.start(name)
            try:
                process.wait(draw.uniform(0, length))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode == -signal.SIGKILL:
                kills += 1
                before, done = done, self.check_whole(name) if os.path.exists(self.path(name)) else 0
                self.assertGreaterEqual(done, before)
                advances += done > before
            if process.returncode == 0 or done == INPUTS or (kills >= KILLS and number == 0):
                self.ok(*self.arguments(name))
                self.assertEqual(self.dump(name), whole)
                done, number = 0, number + 1
        print("%d kills: %d left more than was there before; %d batches went through" % (kills, advances, number))
        self.assertGreater(advances, 0)


class Stopped(Batch):
    def stop(self, number):
        process = self.start("r.db", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)) # nohup would have it ignored
        while not os.path.exists(self.path("r.db-wal")) or not os.path.getsize(self.path("r.db-wal")):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        started = time.monotonic()
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
        self.assertLess(time.monotonic() - started, 2)
        self.assertEqual(process.returncode, 5, errors)
        self.assertLess(self.check_whole("r.db"), INPUTS)

    def test_and_resumed(self):
        self.ok(*self.arguments("whole.db"))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.stop(number)
        self.ok(*self.arguments("r.db"))
        self.assertEqual(self.dump("r.db"), self.dump("whole.db"))


# A file may not grow beyond this: SQLite is told that the disk is full.
LIMIT = """import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Full(Batch):
    def test_what_was_finished_is_kept(self):
        self.ok(*self.arguments("whole.db"))
        size = os.path.getsize(self.path("whole.db"))
        # The log grows faster than the database; the pipelines are in the cache by now, so that nothing else grows.
        kept = set()
        for limit in (4096, size // 2, size * 3 // 2, size * 5 // 2):
            name = "full%d.db" % limit
            r = subprocess.run([sys.executable, "-c", LIMIT, str(limit), PROGRAM, *self.arguments(name)], cwd=self.folder, env=self.environment(None),
                               capture_output=True, text=True)
            self.assertEqual(r.returncode, 1, r.stderr)
            self.assertIn(name, r.stderr)
            self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
            if os.path.exists(self.path(name)):
                kept.add(self.check_whole(name))
                self.ok(*self.arguments(name))
                self.assertEqual(self.dump(name), self.dump("whole.db"))
        self.assertGreater(max(kept), 0)


if __name__ == "__main__":
    main()
