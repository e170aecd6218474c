"""ultravk query only reads, whatever the SQL says, and says where SQL is wrong."""
from harness import NO_DRIVER, ProgramTest, contents, main, make_model, png

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
        for sql, place in (("SELECT absent FROM map", "line 1, column 8"), ("SELECT 1;\n  SELECT FROM map", "line 2, column 10"), ("SELEKT 1", "line 1, column 1")):
            r = self.run_program("query", "r.db", sql, env=NO_DRIVER)
            self.assertEqual(r.returncode, 2, r.stderr)
            self.assertIn(place, r.stderr)


if __name__ == "__main__":
    main()
