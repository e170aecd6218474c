"""ultravk query only reads, whatever the SQL says, and says where SQL is wrong."""
import os
import sqlite3
import subprocess
import sys

from harness import NO_DRIVER, PROGRAM, ProgramTest, as_nobody, contents, main, make_model, png

# Ways to write, to reach other files, to load code or to change the connection.
REFUSED = [
    "DELETE FROM map", "INSERT INTO model(name, sha256) VALUES ('a', 'b')", "UPDATE input SET name = 'a'", "REPLACE INTO input(id, name, sha256) VALUES (1, 'a', 'b')",
    "DROP TABLE map", "DROP VIEW v_map", "CREATE TABLE t(a)", "CREATE TEMP TABLE t(a)", "CREATE TEMP TABLE t AS SELECT * FROM map", "CREATE TEMP VIEW t AS SELECT 1",
    "CREATE TEMP TRIGGER t AFTER INSERT ON map BEGIN SELECT 1; END", "CREATE VIRTUAL TABLE t USING fts5(a)", "CREATE INDEX t ON map(entropy)", "ALTER TABLE map RENAME TO t",
    "WITH x AS (SELECT 1 AS id) DELETE FROM map WHERE id IN (SELECT id FROM x)", "WITH x AS (SELECT 1) INSERT INTO model(name, sha256) SELECT 'a', 'b' FROM x",
    "WITH RECURSIVE x(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM x WHERE i < 3) UPDATE map SET entropy = 0 WHERE id IN x", "DELETE FROM map RETURNING id",
    "EXPLAIN DELETE FROM map; DELETE FROM map", "SELECT 1; DELETE FROM map", "/* harmless */ DELETE FROM map -- really",
    "ATTACH 'other.db' AS other", "ATTACH ':memory:' AS other", "ATTACH 'file:other.db?mode=rwc' AS other", "DETACH main", "VACUUM", "VACUUM INTO 'copy.db'", "REINDEX", "ANALYZE",
    "SELECT load_extension('./evil')", "SELECT writefile('copy', scores) FROM map", "SELECT readfile('/etc/passwd')", "SELECT edit('a')", "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT * FROM fsdir('.')", "SELECT eval('DELETE FROM map')", "SELECT zipfile('a', 'b')", "UPDATE sqlite_dbpage SET data = x'00'",
    "PRAGMA writable_schema = ON", "PRAGMA query_only = OFF", "PRAGMA journal_mode = DELETE", "PRAGMA user_version = 7", "PRAGMA application_id = 7", "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA temp_store_directory = '.'", "PRAGMA data_store_directory = '.'", "PRAGMA mmap_size = 1000000", "PRAGMA trusted_schema = ON", "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA optimize", "PRAGMA incremental_vacuum", "PRAGMA schema_version = 1", "PRAGMA key = 'a'", "PRAGMA main.synchronous = OFF", "BEGIN IMMEDIATE", "SAVEPOINT a", "COMMIT",
    "SELECT * FROM pragma_wal_checkpoint", "SELECT * FROM pragma_journal_mode('delete')",
]


class Reads(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.write("photo.png", png(20, 20))
        self.ok("explain", "--model", "model", "photo.png", "--tokens", "1", "--db", "r.db", "--quiet")
        self.quiet = {**NO_DRIVER, **self.nobodys_environment()}

    def test_nothing_else(self):
        before, files = contents(self.path("r.db")), self.files()
        for sql in REFUSED:
            r = self.run_program("query", "r.db", sql, env=NO_DRIVER)
            self.assertEqual(r.returncode, 2, (sql, r.stdout, r.stderr))
            self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
            self.assertRegex(r.stderr, r"^ultravk: r\.db: SQL error", sql)
            self.assertEqual(self.files(), files, sql)
        self.assertEqual(contents(self.path("r.db")), before)

    def test_positions(self):
        for sql, place in (("SELECT absent FROM map", "line 1, column 8"), ("SELECT 1;\n  SELECT FROM map", "line 2, column 10"), ("SELEKT 1", "line 1, column 1"),
                           ("SELECT * FROM mapp", "line 1, column 15"), ("SELECT 'mapp', mapp -- mapp\n FROM map JOIN \"mapp\"", "line 2, column 16"),
                           ("SELECT 1; -- ä\n  SELECT (SELECT 1, 2)", "line 2, column 3"), ("SELECT 1 FROM", "line 1, column 14"), ("SELECT 1;; /* ; */ DROP TABLE map", "line 1, column 20"),
                           ("\vSELECT 1", "line 1, column 1"), ("SELECT 1;\v", "line 1, column 10")):
            r = self.run_program("query", "r.db", sql, env=NO_DRIVER)
            self.assertEqual(r.returncode, 2, r.stderr)
            self.assertIn(place, r.stderr)

    def ask_as_nobody(self, *arguments):
        return subprocess.Popen([PROGRAM, *arguments], cwd=self.folder, env=self.environment(self.quiet), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, preexec_fn=as_nobody)

    def test_somebody_else_writes_all_the_time(self):
        """Told in one way, whenever it is noticed: it is nobody's file's fault."""
        told, moment, noticed = set(), 0, ("ultravk: r.db: was written to while it was read", 1)
        os.chmod(self.folder, 0o555)
        for _ in range(10):
            reader = self.ask_as_nobody("query", "r.db", "SELECT entropy FROM map")
            while reader.poll() is None:
                moment += 1
                os.utime(self.path("r.db"), (moment, moment))
            told.add((reader.communicate()[1].partition(": ask")[0], reader.returncode))
        os.chmod(self.folder, 0o755)
        self.assertIn(noticed, told)
        self.assertLessEqual(told, {("", 0), noticed})

    # More than a pipe holds, so that the reader waits in the middle of it.
    LONG = "WITH RECURSIVE x(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM x WHERE i < 40000) SELECT i, entropy FROM x, map"

    def test_where_it_may_not_write_and_somebody_does(self):
        os.chmod(self.folder, 0o555)
        reader = self.ask_as_nobody("query", "r.db", self.LONG)
        self.assertEqual((reader.communicate()[1], reader.returncode), ("", 0))
        reader = self.ask_as_nobody("query", "r.db", self.LONG)
        reader.stdout.readline()
        os.chmod(self.folder, 0o755)
        db = sqlite3.connect(self.path("r.db"))
        db.execute("UPDATE map SET entropy = 7")
        db.commit()
        db.close()
        self.assertIn("r.db: was written to while it was read", reader.communicate()[1])
        self.assertEqual(reader.returncode, 1)

    def test_a_writer_that_was_killed_half_way(self):
        before = self.rows("r.db", "SELECT entropy FROM map")
        db = sqlite3.connect(self.path("r.db"))
        db.execute("PRAGMA journal_mode = DELETE")
        db.close()
        killed = ("import os, sqlite3; db = sqlite3.connect('r.db', isolation_level=None); db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN IMMEDIATE');"
                  "db.execute('UPDATE map SET entropy = 7'); db.execute('CREATE TABLE t AS SELECT zeroblob(100000)'); os.kill(os.getpid(), 9)")
        subprocess.run([sys.executable, "-c", killed], cwd=self.folder)
        self.assertGreater(os.path.getsize(self.path("r.db-journal")), 0)
        for arguments in (["query", "r.db", "SELECT entropy FROM map"], ["report", "r.db", "-o", "r.html"]):
            self.refused(1, *arguments, says="killed", env=NO_DRIVER)
        self.ok("explain", "--model", "model", "photo.png", "--tokens", "1", "--db", "r.db", "--resume", "--quiet")
        self.assertEqual(self.rows("r.db", "SELECT entropy FROM map"), before)

    def test_a_pipe(self):
        os.mkfifo(self.path("pipe"))
        for arguments in (["query", "pipe", "SELECT 1"], ["report", "pipe", "-o", "r.html"], ["merge", "r.db", "pipe"]):
            self.refused(3, *arguments, says="regular file", env=NO_DRIVER)


if __name__ == "__main__":
    main()
