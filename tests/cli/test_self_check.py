"""The check that a device computes what it should: kept, shown, and not fooled by a wrong kernel."""
import json
import os
import shutil

from harness import CACHE, ProgramTest, main, make_model, png, read_npy

KERNELS = 7 # that the check of a tier loads: two products, norm, attention forward, and three of its gradient


class SelfCheck(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.write("photo.png", png(20, 30))

    def environment(self, extra):
        """No verdicts yet, but what the driver itself keeps of compiled kernels."""
        return super().environment({"XDG_CACHE_HOME": self.path("cache"), "MESA_SHADER_CACHE_DIR": CACHE, **(extra or {})})

    def explain(self, *items, **more):
        os.makedirs(self.path("cache"), exist_ok=True)
        return self.run_program("explain", "--model", "model", "photo.png", "--tokens", "1-3", "--out", "rows.npy", "--quiet",
                                env=self.mock(*items, "report=report.json"), **more)

    def forget(self):
        shutil.rmtree(self.path("cache", "ultravk"))
        if os.path.exists(self.path("rows.npy")):
            os.remove(self.path("rows.npy"))

    def verdicts(self):
        return json.loads(self.ok("devices", "--json").stdout)[0]["self_check"]

    def pipelines(self):
        with open(self.path("report.json")) as f:
            return json.load(f)["calls"]["vkCreateComputePipelines"]

    def test_passes_and_is_kept(self):
        self.assertEqual(self.verdicts(), "")
        self.assertIn("kernels: not checked yet", self.ok("devices").stdout)
        r = self.explain()
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        first = self.pipelines()
        self.assertIn(self.verdicts(), ("wide passed", "direct passed", "tiled passed"))
        self.assertIn("kernels: " + self.verdicts(), self.ok("devices").stdout)
        self.explain()
        self.assertLess(self.pipelines(), first)

    def test_a_damaged_file_is_a_miss(self):
        self.explain()
        first = self.pipelines()
        passed = self.verdicts()
        for text in (b"", b"direct\ntiled\n", b"direct perhaps\ntiled perhaps\n", b"\0" * 9000):
            for name in os.listdir(self.path("cache", "ultravk")):
                if name.startswith("self-check"):
                    self.write("cache/ultravk/" + name, text)
            self.assertEqual(self.explain().returncode, 0)
            self.assertEqual(self.pipelines(), first)
        self.assertIn(passed, self.verdicts())

    def test_wrong_kernels(self):
        self.explain()
        rows = read_npy(self.path("rows.npy"))[1]
        others = {"tiled": 0, "direct": 1, "wide": 2}[self.verdicts().split()[0]] # tiers to fall back on
        dropped = refused = 0
        for k in range(1, KERNELS + 1):
            self.forget()
            r = self.explain("wrong=%d" % k)
            lines = r.stderr.splitlines()
            if r.returncode == 0: # this tier has that kernel alone, and there is another
                dropped += 1
                self.assertIn(len(lines), range(1, others + 1), r.stderr)
                for line in lines:
                    self.assertRegex(line, "^ultravk: warning: .*the self-check of the (wide|direct) kernels failed: .* off by .*; others are used$")
                self.assertRegex(self.verdicts(), "^(wide|direct) failed .*, (direct|tiled) passed$")
                size = max(map(abs, rows))
                for found, expected in zip(read_npy(self.path("rows.npy"))[1], rows):
                    self.assertAlmostEqual(found, expected, delta=2e-5 * size)
                again = self.explain() # remembered, whatever the kernels are now
                self.assertEqual((again.returncode, again.stderr), (0, r.stderr))
            else:
                refused += 1
                self.assertEqual(r.returncode, 4, r.stderr)
                self.assertEqual(len(lines), 1 + others, r.stderr)
                self.assertIn("computes wrong results (self-check: ", lines[-1])
                self.assertFalse(os.path.exists(self.path("rows.npy")))
                self.assertNotIn("passed", self.verdicts())
        self.assertEqual((dropped, refused), (5, 2) if others else (0, KERNELS))

    def explain_in_half(self, *items):
        """Into r.db and rows.npy, with half-precision products where they pass."""
        os.makedirs(self.path("cache"), exist_ok=True)
        environment = {**self.mock(*items, "report=report.json"), "ULTRAVK_LIMITS": "products=half"}
        return self.run_program("explain", "--model", "model", "photo.png", "--tokens", "1-3", "--precision", "auto", "--out", "rows.npy", "--db", "r.db", "--json", "--quiet",
                                env=environment)

    def test_wrong_products(self):
        self.explain()
        exact = read_npy(self.path("rows.npy"))[1]
        size, others = max(map(abs, exact)), self.verdicts()
        r = self.explain_in_half()
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertRegex(self.verdicts(), "^" + others + r", half (passed|slow) \([\d.e-]+ times as fast as float32\)$")
        self.assertEqual(json.loads(r.stdout)["precision"], "auto")
        rows = read_npy(self.path("rows.npy"))[1]
        self.assertNotEqual(rows, exact)
        for found, expected in zip(rows, exact):
            self.assertAlmostEqual(found, expected, delta=1e-3 * size)
        self.forget()
        self.explain() # so that the next kernel to be loaded is the one for products
        r = self.explain_in_half("wrong=1")
        self.assertEqual(r.returncode, 0)
        self.assertRegex(r.stderr, "^ultravk: warning: .*the self-check of the half kernels failed: matrix product off by .*; others are used\n$")
        self.assertRegex(self.verdicts(), others + ", half failed matrix product off by")
        self.assertEqual(json.loads(r.stdout)["precision"], "f32")
        self.assertEqual(read_npy(self.path("rows.npy"))[1], exact)
        self.assertEqual(self.rows("r.db", "SELECT precision, json_extract(params, '$.precision') FROM run ORDER BY id"), [("auto", "auto"), ("f32", "f32")])

    def test_a_cpu_stays_with_float32(self):
        self.explain()
        exact = read_npy(self.path("rows.npy"))[1]
        r = self.run_program("explain", "--model", "model", "photo.png", "--tokens", "1-3", "--precision", "auto", "--out", "rows.npy", "--json", "--quiet")
        self.assertEqual((r.returncode, r.stderr, json.loads(r.stdout)["precision"]), (0, "", "f32"))
        self.assertEqual(read_npy(self.path("rows.npy"))[1], exact)


if __name__ == "__main__":
    main()
