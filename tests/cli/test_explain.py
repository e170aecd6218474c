"""ultravk explain from end to end: what lands in the database and on stdout."""
import json
import os
import struct

from harness import NO_DRIVER, ProgramTest, contents, main, make_model, png, read_npy


class ExplainTest(ProgramTest):
    """A model of 3 x 3 patches of 4 pixels, two blocks; a photo of 30 x 20 pixels."""

    def setUp(self):
        super().setUp()
        self.model = make_model(self.path("model"))
        self.write("photo.png", png(30, 20))

    def explain(self, *arguments, **more):
        return self.ok("explain", "--model", "model", *arguments, **more)


class Database(ExplainTest):
    def test_rows_of_all_tables(self):
        self.explain("photo.png", "--db", "r.db", "--label", "first", "--seed", "-7", "--out", "rows.npy")
        info = json.loads(self.ok("info", "--model", "model", "--json").stdout)
        device = json.loads(self.ok("devices", "--json").stdout)[0]

        self.assertEqual(self.rows("r.db", "SELECT name, family, modality, sha256, layers, heads, width, path FROM model"),
                         [("model", "vit", "vision", info["sha256"], 2, 3, 24, "model")])
        self.assertEqual(self.rows("r.db", "SELECT kind, name, path, width, height, length(sha256) FROM input"),
                         [("image", "photo.png", "photo.png", 30, 20, 64)])
        run = self.rows("r.db", "SELECT label, probe, layer, first_block, scalar, product_order, normalize, own_token, precision, seed, status, length(key) "
                                "FROM run")
        self.assertEqual(run, [("first", "explain", 3, 1, "sum", "rollout", "norm", "max", "f32", -7, "done", 64)])
        params, command, driver = self.rows("r.db", "SELECT params, command, driver FROM run")[0]
        self.assertEqual(params, json.dumps(json.loads(params), sort_keys=True, separators=(",", ":")))
        files = {"files": json.loads(params)["files"]}
        self.assertEqual(json.loads(params), {**files, "first_block": 1, "layer": 3, "normalize": "norm", "order": "rollout", "own_token": "max",
                                              "precision": "f32", "scalar": "sum", "tokens": "patches", "top": 0})
        self.assertEqual(command, "ultravk explain --model model photo.png --db r.db --label first --seed -7 --out rows.npy")
        self.assertTrue(driver)
        (status, error, used, forward, backward, gflop, peak), = self.rows(
            "r.db", "SELECT status, error, device, seconds_forward, seconds_backward, gflop, peak_bytes FROM run_input")
        self.assertEqual((status, error), ("done", None))
        self.assertTrue(forward > 0 and backward > 0 and gflop > 0 and peak > 0)
        if "ULTRAVK_DEVICE" not in os.environ:
            self.assertTrue(used)
            self.assertIsInstance(device["name"], str)

    def test_tokens_and_boxes(self):
        self.explain("photo.png", "--db", "r.db")
        tokens = self.rows("r.db", "SELECT idx, side, kind, role, text, grid_row, grid_col, x0, y0, x1, y1, word_idx, char_start FROM token ORDER BY idx")
        self.assertEqual(tokens[0], (0, "single", "special", "special", "[CLS]") + (None,) * 8)
        self.assertEqual(len(tokens), 10)
        for i, (idx, side, kind, role, text, row, column, *box, word, char) in enumerate(tokens[1:]):
            self.assertEqual((idx, side, kind, role, text, row, column, word, char), (i + 1, "single", "patch", "image", None, i // 3, i % 3, None, None))
            for found, expected in zip(box, (column * 10, row * 20 / 3, column * 10 + 10, row * 20 / 3 + 20 / 3)):
                self.assertAlmostEqual(found, expected, places=4)

    def test_image_size(self):
        self.explain("photo.png", "--db", "r.db", "--image-size", "8x20", "--tokens", "cls", "--out", "rows.npy")
        self.assertEqual(read_npy(self.path("rows.npy"))[0], (1, 11))
        self.assertEqual(self.rows("r.db", "SELECT max(grid_row), max(grid_col), max(x1), max(y1) FROM token"), [(1, 4, 30, 20)])
        self.assertIn('"image_size":[8,20]', self.rows("r.db", "SELECT params FROM run")[0][0])
        for size, says in (("3", "not possible"), ("8x", "HEIGHTxWIDTH"), ("0x8", "HEIGHTxWIDTH"), ("99999", "not possible")):
            self.refused(2, "explain", "--model", "model", "photo.png", "--image-size", size, says=says)

    def test_maps(self):
        self.explain("photo.png", "--db", "r.db", "--out", "rows.npy")
        shape, values = read_npy(self.path("rows.npy"))
        self.assertEqual(shape, (9, 10))
        maps = self.rows("r.db", "SELECT id, target_idx, n_sources, n_visible, score_max, self_score, scores FROM map ORDER BY target_idx")
        self.assertEqual([m[1] for m in maps], list(range(1, 10)))
        for k, (map_id, target, sources, visible, score_max, self_score, blob) in enumerate(maps):
            row = values[10 * k:10 * k + 10]
            self.assertEqual(blob, struct.pack("<10f", *row))
            self.assertEqual((sources, visible), (9, 9))
            self.assertEqual(self_score, row[target])
            others = [v for j, v in enumerate(row) if j not in (0, target)]
            scores = dict(self.rows("r.db", "SELECT source_idx, score FROM contribution WHERE map_id = ?", map_id))
            self.assertEqual(scores, {j: max(others) if j == target else row[j] for j in range(1, 10)})
            self.assertEqual(score_max, max(others))

    def test_ten_strongest_sources_by_sql_alone(self):
        self.explain("photo.png", "--db", "r.db")
        r = self.ok("query", "r.db", "SELECT source_idx FROM contribution JOIN map ON map.id = map_id WHERE target_idx = 5 ORDER BY score DESC LIMIT 10",
                    "--format", "csv", env=NO_DRIVER)
        self.assertEqual(len(r.stdout.split()), 10)
        named = json.loads(self.ok("query", "r.db", "--named", "top-sources", "input=photo.png", "token=5", "--json", env=NO_DRIVER).stdout)
        self.assertTrue(named)

    def test_own_token_and_top(self):
        self.explain("photo.png", "--db", "r.db", "--own-token", "zero", "--top", "2")
        self.explain("photo.png", "--db", "r.db", "--own-token", "zero", "--top", "all")
        counts = self.rows("r.db", "SELECT run_id, count(*), sum(score = 0) FROM contribution JOIN map ON map.id = map_id GROUP BY run_id ORDER BY run_id")
        self.assertEqual(counts, [(1, 18, 0), (2, 81, 9)])

    def test_choices_reach_the_rows(self):
        choices = [[], ["--layer", "2"], ["--first-block", "2"], ["--scalar", "energy"], ["--order", "formula"], ["--normalize", "none"]]
        for choice in choices:
            self.explain("photo.png", "--tokens", "5", "--db", "r.db", *choice)
        blobs = [b for b, in self.rows("r.db", "SELECT scores FROM map ORDER BY run_id")]
        self.assertEqual(len(blobs), len(choices))
        self.assertEqual(len(set(blobs)), len(choices))
        self.assertEqual(len(self.rows("r.db", "SELECT DISTINCT key FROM run")), len(choices))
        self.assertEqual(len(self.rows("r.db", "SELECT id FROM sequence")), 1)

    def test_same_run_again_gets_a_key_of_its_own(self):
        self.explain("photo.png", "--db", "r.db")
        self.explain("photo.png", "--db", "r.db")
        keys = [k for k, in self.rows("r.db", "SELECT key FROM run ORDER BY id")]
        self.assertEqual(keys[1], keys[0] + "#2")

    def test_array_has_no_boxes(self):
        self.explain("model/input.npy", "--db", "r.db")
        self.assertEqual(self.rows("r.db", "SELECT kind, name, width, height FROM input"), [("array", "input.npy", None, None)])
        self.assertEqual(self.rows("r.db", "SELECT count(*), count(x0), count(grid_row) FROM token"), [(10, 0, 9)])

    def test_prune(self):
        self.explain("photo.png", "--db", "r.db")
        self.explain("photo.png", "--db", "r.db", "--layer", "2")
        self.ok("prune", "r.db", "--run", "1", env=NO_DRIVER)
        self.assertEqual(self.rows("r.db", "SELECT DISTINCT run_id FROM map"), [(2,)])
        self.refused(3, "prune", "r.db", "--run", "1", says="1")
        self.ok("prune", "r.db", "--run", "2")
        for table in ("model", "input", "run", "sequence", "token", "map", "contribution"):
            self.assertEqual(self.rows("r.db", "SELECT count(*) FROM " + table), [(0,)], table)


class Crop(ExplainTest):
    """Shorter side to 12 pixels, then the middle 12 x 12: of a photo of 30 x 20 the model sees x from 5 to 25."""

    def setUp(self):
        super().setUp()
        config = json.loads(contents(self.path("model", "preprocessor_config.json")))
        config.update(size={"shortest_edge": 12}, do_center_crop=True, crop_size={"height": 12, "width": 12}, image_processor_type="CLIPImageProcessor")
        self.write("model/preprocessor_config.json", json.dumps(config))

    def test_boxes(self):
        self.explain("photo.png", "--db", "r.db", "--tokens", "1")
        boxes = self.rows("r.db", "SELECT grid_col, x0, x1 FROM token WHERE kind = 'patch' AND grid_row = 0 ORDER BY idx")
        for column, x0, x1 in boxes:
            self.assertAlmostEqual(x0, 5 + 20 / 3 * column, places=4)
            self.assertAlmostEqual(x1, 5 + 20 / 3 * (column + 1), places=4)

    def test_at_pixel(self):
        for pixel, token in (("5,0", 1), ("11,6", 1), ("12,6", 2), ("24,19", 9), ("15,10", 5)):
            self.explain("photo.png", "--db", "r.db", "--at-pixel", pixel)
            self.assertEqual(self.rows("r.db", "SELECT target_idx FROM map ORDER BY id DESC LIMIT 1"), [(token,)], pixel)
        self.assertEqual(json.loads(self.rows("r.db", "SELECT params FROM run WHERE id = 1")[0][0])["at_pixel"], [5, 0])
        for pixel, why in (("4,10", "what the model sees"), ("25,10", "what the model sees"), ("30,0", "outside the photo"), ("-1,0", "outside the photo")):
            self.refused(2, "explain", "--model", "model", "photo.png", "--quiet", "--at-pixel", pixel, says=["photo.png", why])


class Targets(ExplainTest):
    def targets(self, spec):
        self.explain("photo.png", "--db", "r.db", "--tokens", spec)
        return [t for t, in self.rows("r.db", "SELECT target_idx FROM map WHERE run_id = (SELECT max(id) FROM run) ORDER BY id")]

    def test_specs(self):
        self.assertEqual(self.targets("patches"), list(range(1, 10)))
        self.assertEqual(sorted(self.targets("all")), list(range(10)))
        self.assertEqual(self.targets("cls"), [0])
        self.assertEqual(self.targets("7,2-4,cls"), [7, 2, 3, 4, 0])

    def test_refused(self):
        for spec, why in [("10", "0 to 9"), ("3-12", "0 to 9"), ("5-3", "backwards"), ("2,2", "twice"), ("all,cls", "twice"), ("x", "no token"),
                          ("1,,2", "no token"), ("-1", "no token"), ("99999999999999999999", "0 to 9")]:
            self.refused(2, "explain", "--model", "model", "photo.png", "--tokens", spec, says=["--tokens", why])

    def test_what_the_model_does_not_have(self):
        self.refused(2, "explain", "--model", "model", "photo.png", "--layer", "4", says="2 to 3")
        self.refused(2, "explain", "--model", "model", "photo.png", "--layer", "2", "--first-block", "2", says="1 to 1")


class Inputs(ExplainTest):
    def names(self):
        return [n for n, in self.rows("r.db", "SELECT name FROM input JOIN run_input ON input_id = id ORDER BY input.id")]

    def setUp(self):
        super().setUp()
        for i, name in enumerate(("b.png", "a.PNG", "c.jpg.txt", ".hidden.png", "x.npy")):
            self.write("photos/" + name, png(8 + i, 9))

    def run_on(self, *inputs):
        self.explain(*inputs, "--tokens", "5", "--db", "r.db", "--quiet")

    def test_folder(self):
        self.run_on("photos")
        self.assertEqual(sorted(self.names()), ["a.PNG", "b.png"])

    def test_pattern(self):
        self.run_on("photos/[ab].*")
        self.assertEqual(sorted(self.names()), ["a.PNG", "b.png"])

    def test_list(self):
        self.write("list.txt", "photo.png\r\n\nphotos/b.png")
        self.run_on("@list.txt")
        self.assertEqual(sorted(self.names()), ["b.png", "photo.png"])

    def test_a_name_that_looks_like_a_pattern_or_a_flag(self):
        for name in ("what[1]?.png", "--x.png"):
            self.write(name, png(9, 9))
        self.explain("--tokens", "5", "--db", "r.db", "what[1]?.png", "--", "--x.png")
        self.assertEqual(sorted(self.names()), ["--x.png", "what[1]?.png"])

    def test_name_that_is_not_utf8(self):
        name = b"caf\xe9.png"
        with open(os.path.join(os.fsencode(self.folder), name), "wb") as f:
            f.write(png(9, 9))
        r = self.explain(os.fsdecode(name), "--tokens", "5", "--db", "r.db", "--json", "--quiet")
        self.assertEqual(json.loads(r.stdout)["path"], "caf\ufffd.png")
        self.assertEqual(self.names(), ["caf\ufffd.png"])

    def test_batch_goes_on(self):
        self.write("bad.png", b"\x89PNG\r\n\x1a\n and then nothing")
        r = self.run_program("explain", "--model", "model", "missing.png", "bad.png", "photo.png", "nothing*.png", "--tokens", "5", "--db", "r.db", "--quiet")
        self.assertEqual(r.returncode, 3)
        lines = sorted(r.stderr.splitlines())
        self.assertEqual([line.split(":")[1].strip() for line in lines], ["bad.png", "missing.png", "nothing*.png"], r.stderr)
        self.assertEqual(dict(self.rows("r.db", "SELECT name, run_input.status FROM run_input JOIN input ON input.id = input_id")),
                         {"missing.png": "failed", "bad.png": "failed", "photo.png": "done"})
        errors = dict(self.rows("r.db", "SELECT name, error FROM run_input JOIN input ON input.id = input_id"))
        self.assertIn("missing.png: ", errors["missing.png"])
        self.assertIsNone(errors["photo.png"])
        self.assertEqual(self.rows("r.db", "SELECT status FROM run"), [("failed",)])

    def test_resume(self):
        self.write("bad.png", b"no image")
        arguments = ["--tokens", "5", "--db", "r.db", "--quiet"]
        self.run_program("explain", "--model", "model", "photo.png", "bad.png", *arguments)
        before = self.rows("r.db", "SELECT id, scores FROM map")
        self.write("bad.png", png(10, 10))
        r = self.explain("photo.png", "bad.png", "photos", "--tokens", "5", "--db", "r.db", "--resume")
        self.assertIn("photo.png: done before, skipped", r.stderr)
        self.assertEqual(r.stderr.count("skipped"), 1)
        self.assertEqual(self.rows("r.db", "SELECT id, status FROM run"), [(1, "done")])
        self.assertEqual(self.rows("r.db", "SELECT id, scores FROM map ORDER BY id")[:1], before)
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map"), [(4,)])
        lines = self.explain("photo.png", "--resume", "--json", *arguments).stdout
        self.assertEqual(json.loads(lines)["status"], "skipped")

    def test_resume_sees_another_preparation_of_photos(self):
        arguments = ["photo.png", "--tokens", "5", "--db", "r.db", "--resume"]
        self.explain(*arguments)
        config = json.loads(contents(self.path("model", "preprocessor_config.json")))
        self.write("model/preprocessor_config.json", json.dumps({**config, "image_mean": [0.1, 0.2, 0.3]}))
        self.assertNotIn("done before", self.explain(*arguments).stderr)
        self.assertNotIn("used again", self.ok("segment", "--model", "model", "photo.png", "--clusters", "2", "--db", "r.db").stderr)
        (first,), (second,) = self.rows("r.db", "SELECT scores FROM map WHERE run_id < 3 ORDER BY run_id")
        self.assertNotEqual(first, second)


class Stdout(ExplainTest):
    def test_table(self):
        r = self.explain("photo.png")
        self.assertRegex(r.stdout, r"photo.png +layer 3 of model, sum, rollout\n")
        self.assertRegex(r.stdout, r"\n +5 \( 1, 1\) +\d+ \( \d, \d\) \d\.\d{4} ")
        self.assertRegex(r.stderr, r"(?m)^ultravk: plan: weights .* \+ forward .* \+ 9 targets x .* = .* of ")
        self.assertEqual(len(self.explain("photo.png", "--tokens", "3", "--top", "1").stdout.splitlines()[2].split("(")), 1 + 2)

    def test_quiet(self):
        self.assertEqual(self.explain("photo.png", "--quiet").stderr, "")

    def test_nothing_on_stdout_when_results_go_elsewhere(self):
        self.assertEqual(self.explain("photo.png", "--db", "r.db").stdout, "")
        self.assertEqual(self.explain("photo.png", "--out", "x.npy").stdout, "")

    def test_large_model_shows_a_part(self):
        make_model(self.path("fine"), "--image", "20", "--patch", "4")
        r = self.ok("explain", "--model", "fine", "photo.png")
        self.assertIn("9 of 25 targets", r.stderr)
        self.assertEqual(len(r.stdout.splitlines()), 12)

    def test_json(self):
        r = self.run_program("explain", "--model", "model", "photo.png", "missing.png", "--json", "--db", "r.db")
        self.assertEqual(r.returncode, 3)
        good, bad = map(json.loads, r.stdout.splitlines())
        self.assertEqual({k: good[k] for k in ("path", "model", "layer", "targets", "n", "status", "error", "run")},
                         {"path": "photo.png", "model": "model", "layer": 3, "targets": 9, "n": 10, "status": "done", "error": None, "run": 1})
        for key in ("seconds_load", "seconds_forward", "seconds_backward", "seconds_total", "gflop", "peak_bytes", "chunk"):
            self.assertGreater(good[key], 0, key)
        self.assertTrue(good["device"] and good["driver"])
        self.assertEqual((bad["status"], bad["path"]), ("failed", "missing.png"))
        self.assertIn("missing.png: ", bad["error"])

    def test_info(self):
        info = json.loads(self.ok("info", "--model", "model", "--json").stdout)
        expected = {"name": "model", "family": "vit", "modality": "vision", "layers": 2, "heads": 3, "width": 24, "head_dim": 8, "mlp_width": 40, "tokens": 10,
                    "special": 1, "grid_rows": 3, "grid_cols": 3, "patch": 4, "image_height": 12, "image_width": 12}
        self.assertEqual({k: info[k] for k in expected}, expected)
        self.assertEqual(info["unused_count"], len(info["unused"]))
        self.assertGreaterEqual(info["memory"]["budget"], info["memory"]["total"])
        self.assertIn("sha256       " + info["sha256"], self.ok("info", "--model", "model").stdout)
        blind = json.loads(self.ok("info", "--model", "model", "--json", env=NO_DRIVER).stdout)
        self.assertEqual(blind["tokens"], 10)
        self.assertIn("error", blind["memory"])
        self.assertIn("memory       " + blind["memory"]["error"], self.ok("info", "--model", "model", env=NO_DRIVER).stdout)


if __name__ == "__main__":
    main()
