"""What can go wrong around a good run: no device, no disk, no reader, an impatient user."""
import os
import signal
import stat
import subprocess
import time

from harness import NO_DRIVER, PROGRAM, ProgramTest, as_nobody, main, make_model, png


class FailureTest(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.write("photo.png", png(30, 20))
        self.arguments = ["explain", "--model", "model", "photo.png", "--quiet"]


class NoDevice(FailureTest):
    def test_explain_ends_with_4(self):
        self.refused(4, *self.arguments, "--db", "r.db", "--out", "rows.npy", "--png", "maps", env=NO_DRIVER)
        self.assertEqual({f for f in self.files() if not f.startswith("model/")}, {"photo.png"})

    def test_a_device_that_is_not_there(self):
        self.refused(2, *self.arguments, "--device", "no such device", says="no such device")
        self.refused(2, *self.arguments, "--device", "99", says="99")

    def test_bad_input_is_found_first(self):
        self.refused(3, "explain", "--model", "nowhere", "photo.png", env=NO_DRIVER, says="nowhere")


class FullDisk(FailureTest):
    def full(self, *arguments):
        with open("/dev/full", "w") as full:
            r = self.run_program(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
        self.assertTrue(r.stderr.startswith("ultravk: "), r.stderr)

    def test_stdout(self):
        self.full(*self.arguments)
        self.full(*self.arguments, "--json")
        self.full("--help")
        self.full("--version")
        self.full("devices")
        self.full("info", "--model", "model")
        self.full("query", "--list")
        self.ok(*self.arguments, "--db", "r.db")
        self.full("query", "r.db", "SELECT * FROM contribution")

    def test_earlier_inputs_are_kept(self):
        self.write("second.png", png(9, 9))
        self.full(*self.arguments, "second.png", "--json", "--db", "r.db")
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM run_input WHERE status = 'done'"), [(1,)])
        self.assertEqual(self.rows("r.db", "SELECT status FROM run"), [("failed",)])

    def test_files(self):
        os.symlink("/dev/full", self.path("rows.npy"))
        self.refused(1, *self.arguments, "--out", "rows.npy", says="rows.npy")
        os.symlink("/dev/full", self.path("z.safetensors"))
        self.refused(1, *self.arguments, "--dump-hidden", "z.safetensors", "--tokens", "1", says="z.safetensors")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))

    def test_closed_pipe(self):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            r = self.run_program(*self.arguments, stdout=writer, stderr=subprocess.PIPE, capture_output=False)
        finally:
            os.close(writer)
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)


class ReadOnly(FailureTest):
    def setUp(self):
        super().setUp()
        self.quiet = self.nobodys_environment()

    def test_database(self):
        self.ok(*self.arguments, "--db", "r.db")
        before = self.rows("r.db", "SELECT count(*) FROM run")
        os.chmod(self.path("r.db"), 0o444)
        self.refused(1, *self.arguments, "--db", "r.db", says="r.db", env=self.quiet, preexec_fn=as_nobody)
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM run"), before)

    def test_folder(self):
        os.chmod(self.folder, 0o555)
        for flag, name in (("--db", "r.db"), ("--out", "rows.npy"), ("--png", "maps"), ("--dump-hidden", "z.safetensors")):
            self.refused(1, *self.arguments, flag, name, says=name, env=self.quiet, preexec_fn=as_nobody)

    def test_no_such_folder(self):
        for flag, name in (("--db", "no/r.db"), ("--out", "no/rows.npy"), ("--dump-hidden", "no/z.safetensors")):
            self.refused(1, *self.arguments, flag, name, says=name)
        self.refused(1, *self.arguments, "--db", "model", says="model")

    def test_not_a_database(self):
        self.write("r.db", "this is a text and no database, whatever its name says\n" * 40)
        self.refused(1, *self.arguments, "--db", "r.db", says="r.db")
        self.refused(3, "query", "r.db", "SELECT 1", says="r.db")


class Interrupted(FailureTest):
    """A batch that takes minutes, stopped when the first inputs are through."""

    def start(self, **more):
        make_model(self.path("slow"), "--width", 48, "--patch", 4, "--image", 32)
        for i in range(200):
            self.write("photos/%03d.png" % i, png(20, 20, lambda x, y: (i, x, y)))
        command = [PROGRAM, "explain", "--model", "slow", "photos", "--db", "r.db", "--tokens", "1-16", "--json"]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def check(self, number):
        process = self.start()
        for _ in range(2):
            self.assertIn('"status":"done"', process.stdout.readline())
        started = time.monotonic()
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - started, 2)
        self.assertEqual(process.returncode, 5, errors)
        self.assertIn("ultravk: interrupted", errors.splitlines()[-1])
        done = 2 + len(output.splitlines())
        self.assertLess(done, 200)
        self.assertEqual(self.rows("r.db", "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(self.rows("r.db", "SELECT status, count(*) FROM run_input GROUP BY status"), [("done", done)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map"), [(16 * done,)])
        return done

    def test_ctrl_c(self):
        done = self.check(signal.SIGINT)
        self.assertEqual(self.rows("r.db", "SELECT status FROM run"), [("interrupted",)])
        r = self.ok("explain", "--model", "slow", "photos/00[0-9].png", "--db", "r.db", "--tokens", "1-16", "--resume")
        self.assertEqual(r.stderr.count("skipped"), min(done, 10))
        self.assertEqual(self.rows("r.db", "SELECT id, status FROM run"), [(1, "done")])

    def test_terminated(self):
        self.check(signal.SIGTERM)

    def test_pruned(self):
        process = self.start()
        process.stdout.readline()
        self.ok("prune", "r.db", "--run", "1")
        errors = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 1, errors)
        self.assertEqual(errors.count("ultravk: r.db: run 1 was removed while it was written\n"), 1, errors)
        self.assertEqual(self.rows("r.db", "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM input), (SELECT count(*) FROM map)"), [(0, 0, 0)])


class Terminal(FailureTest):
    def test_bar(self):
        self.assertIn("targets/s", self.on_terminal("explain", "--model", "model", "photo.png"))

    def test_quiet(self):
        self.assertEqual(self.on_terminal("explain", "--model", "model", "photo.png", "--quiet"), "")

    def test_no_bar_when_piped(self):
        self.assertNotIn("\r", self.ok("explain", "--model", "model", "photo.png").stderr)


if __name__ == "__main__":
    main()
