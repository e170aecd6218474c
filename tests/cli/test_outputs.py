"""Files that explain writes: rows, hidden states, pictures."""
import os

from harness import ProgramTest, contents, main, make_model, png, read_npy, read_png, read_safetensors


class OutputTest(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.write("photo.png", png(30, 20))

    def explain(self, *arguments, **more):
        return self.ok("explain", "--model", "model", *arguments, "--quiet", **more)


class Rows(OutputTest):
    def test_npy(self):
        self.explain("photo.png", "--tokens", "7,0,3", "--out", "rows.npy")
        shape, values = read_npy(self.path("rows.npy"))
        self.assertEqual(shape, (3, 10))
        self.explain("photo.png", "--tokens", "all", "--own-token", "zero", "--out", "all.npy")
        everything = read_npy(self.path("all.npy"))[1]
        for k, token in enumerate((7, 0, 3)):
            row = values[10 * k:10 * k + 10]
            self.assertEqual(row, everything[10 * token:10 * token + 10])
            self.assertGreaterEqual(row[token], 1, "the own entry is there as it is")

    def test_safetensors(self):
        self.write("b.png", png(9, 9))
        self.explain("photo.png", "b.png", "--tokens", "4,cls", "--layer", "2", "--out", "rows.safetensors")
        tensors, metadata = read_safetensors(self.path("rows.safetensors"))
        self.assertEqual(set(tensors), {"input_0.rows", "input_0.targets", "input_1.rows", "input_1.targets"})
        for k, name in enumerate(("photo.png", "b.png")):
            self.assertEqual(metadata["input_%d" % k], name)
            self.assertEqual(tensors["input_%d.targets" % k], ("I32", [2], (4, 0)))
            self.explain(name, "--tokens", "4,0", "--layer", "2", "--out", "one.npy")
            self.assertEqual(tensors["input_%d.rows" % k], ("F32", [2, 10], read_npy(self.path("one.npy"))[1]))
        self.assertEqual({k: metadata[k] for k in ("layer", "scalar", "order", "normalize", "first_block")},
                         {"layer": "2", "scalar": "sum", "order": "rollout", "normalize": "norm", "first_block": "1"})
        self.assertEqual(len(metadata["model_sha256"]), 64)

    def test_a_bad_input_leaves_the_others_their_numbers(self):
        r = self.run_program("explain", "--model", "model", "missing.png", "photo.png", "--tokens", "4", "--out", "rows.safetensors", "--quiet")
        self.assertEqual(r.returncode, 3)
        tensors, metadata = read_safetensors(self.path("rows.safetensors"))
        self.assertEqual(set(tensors), {"input_1.rows", "input_1.targets"})
        self.assertNotIn("input_0", metadata)

    def test_old_file_is_replaced_whole(self):
        self.write("rows.npy", "something old")
        self.explain("photo.png", "--out", "rows.npy")
        self.assertEqual(read_npy(self.path("rows.npy"))[0], (9, 10))
        self.assertEqual({f for f in self.files() if "rows.npy" in f}, {"rows.npy"})

    def test_same_bytes_for_every_memory_budget_and_again(self):
        make_model(self.path("larger"), "--layers", 3, "--width", 20, "--heads", 5, "--patch", 3, "--image", 24)
        written = []
        for i, memory in enumerate(("9M", "9200K", "16M", "1G", None)):
            name = "rows%d.npy" % i
            limit = ["--memory", memory] if memory else []
            self.ok("explain", "--model", "larger", "photo.png", "--out", name, *limit)
            written.append(contents(self.path(name)))
        self.ok("explain", "--model", "larger", "photo.png", "--out", "again.npy")
        self.assertEqual(set(written), {contents(self.path("again.npy"))})

    def test_too_little_memory_says_how_much(self):
        r = self.refused(1, "explain", "--model", "model", "photo.png", "--memory", "1K", "--quiet", "--out", "rows.npy")
        self.assertRegex(r.stderr, r"\d+.*\d+")
        self.assertNotIn("rows.npy", self.files())

    def test_dump_hidden(self):
        self.explain("photo.png", "--tokens", "1", "--dump-hidden", "z.safetensors")
        tensors, metadata = read_safetensors(self.path("z.safetensors"))
        self.assertEqual(sorted(tensors), ["z1", "z2", "z3"])
        for dtype, shape, values in tensors.values():
            self.assertEqual((dtype, shape), ("F32", [10, 24]))
            self.assertGreater(len(set(values)), 100)
        self.assertNotEqual(tensors["z1"], tensors["z3"])


def brightness(pixel):
    return sum(pixel)


class Pictures(OutputTest):
    def pictures(self):
        return sorted(os.listdir(self.path("maps")))

    def test_overlays_of_named_tokens(self):
        self.explain("photo.png", "--tokens", "5,cls", "--png", "maps")
        self.assertEqual(self.pictures(), ["photo.tok0.png", "photo.tok5.png"])
        for name in self.pictures():
            self.assertEqual(read_png(self.path("maps", name))[:2], (30, 20))

    def test_target_is_outlined(self):
        self.write("black.png", png(120, 120, lambda x, y: (0, 0, 0)))
        self.explain("black.png", "--tokens", "5", "--png", "maps")
        rows = read_png(self.path("maps", "black.tok5.png"))[2]
        for x, y in ((40, 40), (79, 40), (40, 79), (79, 79), (60, 40), (40, 60)):
            self.assertEqual(tuple(rows[y][3 * x:3 * x + 3]), (255, 255, 255), (x, y))
        whites = sum(row[3 * x:3 * x + 3] == b"\xff\xff\xff" for row in rows for x in range(120))
        self.assertLess(whites, 4 * 40 * 3)

    def test_many_targets_give_a_sheet_and_sixteen_overlays(self):
        make_model(self.path("fine"), "--image", "24", "--patch", "4")
        r = self.ok("explain", "--model", "fine", "photo.png", "--png", "maps/of/photo")
        self.assertIn("16 of 36 targets get a picture", r.stderr)
        names = os.listdir(self.path("maps", "of", "photo"))
        self.assertIn("photo.sheet.png", names)
        self.assertEqual(len(names), 17)
        width, height, rows = read_png(self.path("maps", "of", "photo", "photo.sheet.png"))
        self.assertGreater(width, 2 * height * 0.9)
        self.assertGreater(len({row[3 * x:3 * x + 3] for row in rows for x in range(width // 2, width)}), 50)

    def test_listed_tokens_all_get_an_overlay(self):
        make_model(self.path("fine"), "--image", "24", "--patch", "4")
        r = self.ok("explain", "--model", "fine", "photo.png", "--tokens", "1-18", "--png", "maps")
        self.assertNotIn("get a picture", r.stderr)
        self.assertEqual(len(self.pictures()), 19)

    def test_array_and_folder_that_exists(self):
        os.mkdir(self.path("maps"))
        self.explain("model/input.npy", "--tokens", "5", "--png", "maps/")
        self.assertEqual(self.pictures(), ["input.tok5.png"])
        self.assertEqual(read_png(self.path("maps", "input.tok5.png"))[:2], (12, 12))

    def test_tiny_and_thin_photos(self):
        for width, height in ((2, 2), (200, 3), (3, 200)):
            self.write("p.png", png(width, height))
            self.explain("p.png", "--png", "maps")
            self.assertEqual(read_png(self.path("maps", "p.tok9.png"))[:2], (width, height))

    def test_not_a_folder(self):
        self.write("maps", "a file")
        self.refused(1, "explain", "--model", "model", "photo.png", "--png", "maps", says="maps: ")


if __name__ == "__main__":
    main()
