"""ultravk segment and refine from outside: files, tables, scores, what is used again, and what is refused."""
import json
import struct
import zlib

from harness import ProgramTest, chunk, contents, main, make_model, npy, png, read_safetensors, unfilter


def grey_png(width, height, label, depth=8, kind=0):
    rows = b"".join(b"\0" + bytes(label(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3 * 256)) if kind == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def read_grey(path):
    """(width, height, labels) of an 8-bit grey PNG; filters work on single bytes, as with the harness's three."""
    data = contents(path)
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (depth, kind) == (8, 0), (depth, kind)
    packed, place = b"", 8
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place:place + 8])
        packed += data[place + 8:place + 8 + size] if name == b"IDAT" else b""
        place += 12 + size
    raw = zlib.decompress(packed)
    # spread to three channels, so that the distance between neighbours is what unfilter expects
    spread = b"".join(raw[y * (width + 1):y * (width + 1) + 1] + bytes(v for b in raw[y * (width + 1) + 1:(y + 1) * (width + 1)] for v in (b, b, b)) for y in range(height))
    return width, height, [row[::3] for row in unfilter(spread, 3 * width, height)]


class SegmentTest(ProgramTest):
    """A model of 3 x 3 patches of 4 pixels, two blocks; a photo of 30 x 20 pixels; its mask: left 3, right 7, a corner ignored."""

    def setUp(self):
        super().setUp()
        self.model = make_model(self.path("model"))
        self.write("photo.png", png(30, 20))
        self.write("masks/photo.png", grey_png(30, 20, self.label))

    @staticmethod
    def label(x, y):
        return 255 if x < 5 and y < 5 else 3 if x < 15 else 7

    def segment(self, *arguments, **more):
        return self.ok("segment", "--model", "model", *arguments, **more)


class Results(SegmentTest):
    def test_files(self):
        self.segment("photo.png", "--clusters", 3, "--out-dir", "out/deep")
        self.assertEqual({f for f in self.files() if f.startswith("out")}, {f"out/deep/photo.{kind}.png" for kind in ("labels", "overlay", "original")})
        width, height, labels = read_grey(self.path("out/deep/photo.labels.png"))
        self.assertEqual((width, height), (12, 12))
        self.assertLessEqual({v for row in labels for v in row}, {0, 1, 2})
        width, height, original = read_grey(self.path("out/deep/photo.original.png"))
        self.assertEqual((width, height), (30, 20))
        for y in range(20):
            for x in range(30):
                self.assertEqual(original[y][x], labels[int((y + 0.5) * 12 / 20)][int((x + 0.5) * 12 / 30)])
        self.assertEqual(struct.unpack(">II", contents(self.path("out/deep/photo.overlay.png"))[16:24]), (30, 20))
        self.segment("photo.png", "--clusters", 3, "--out-dir", "out", "--res", 50)
        self.assertEqual(read_grey(self.path("out/photo.labels.png"))[:2], (50, 50))

    def test_background_and_edges(self):
        def labels(name, *flags):
            self.segment("photo.png", *flags, "--out-dir", name)
            return read_grey(self.path(f"{name}/photo.labels.png"))[2]
        # of 3 x 3 patches only the middle one is not at the border
        self.assertLessEqual(len({v for row in labels("all", "--zeta", 0, "--background") for v in row}), 2)
        self.assertEqual({v for row in labels("one", "--clusters", 1, "--background") for v in row}, {0})
        self.assertEqual(len({v for row in labels("plain", "--zeta", 0) for v in row}), 9)
        self.assertNotEqual(labels("edges", "--zeta", 0, "--edges"), labels("plain", "--zeta", 0))
        line = json.loads(self.segment("photo.png", "--zeta", 0, "--background", "--json").stdout)
        self.assertEqual(sorted(s["patches"] for s in line["segments"]), [1, 8])
        self.segment("photo.png", "--clusters", 2, "--background", "--edges", "--db", "r.db")
        (params,), = self.rows("r.db", "SELECT params FROM run")
        self.assertLessEqual({"background": True, "edges": True}.items(), json.loads(params).items())
        self.refused(2, "segment", "--model", "model", "photo.png", "--edges", "--res", 50, says="--res")

    def test_tables(self):
        self.segment("photo.png", "--clusters", 3, "--masks", "masks", "--baselines", "--db", "r.db", "--classes", self.write("names.json", '{"3": "left", "7": {"id": 9, "name": "right"}}'))
        segments = self.rows("r.db", "SELECT cluster, n_tokens, area, class_id, class_name, iou FROM segment ORDER BY cluster")
        self.assertEqual([s[0] for s in segments], list(range(len(segments))))
        self.assertEqual(sum(s[1] for s in segments), 9)
        self.assertEqual(sum(s[2] for s in segments), 144)
        self.assertLessEqual({s[3:5] for s in segments}, {(3, "left"), (9, "right"), (None, None)})
        self.assertTrue(all(0 <= s[5] <= 1 for s in segments))
        self.assertEqual(self.rows("r.db", "SELECT count(*), min(token_idx), max(token_idx) FROM segment_token"), [(9, 1, 9)])
        steps = self.rows("r.db", "SELECT step, a, b, height, size FROM merge_step ORDER BY step")
        self.assertEqual([s[0] for s in steps], list(range(8)))
        self.assertEqual(sorted(s[3] for s in steps), [s[3] for s in steps])
        self.assertEqual(sorted(v for s in steps for v in s[1:3]), list(range(16)))
        self.assertEqual(steps[-1][4], 9)
        methods = {"ultra", "latent", "rollout", "colour", "one_segment"}
        per_image = self.rows("r.db", "SELECT method, name, value FROM metric WHERE sequence_id IS NOT NULL AND name LIKE 'u_%'")
        self.assertEqual({(m, n) for m, n, _ in per_image}, {(m, n) for m in methods for n in ("u_acc", "u_miou")})
        run = self.rows("r.db", "SELECT method, name, value FROM metric WHERE sequence_id IS NULL")
        self.assertEqual({(m, n) for m, n, _ in run}, {(m, n) for m in methods for n in ("u_acc", "u_miou", "pooled_acc", "pooled_miou")})
        self.assertEqual(set(per_image) - set(run), set())
        one = dict(((m, n), v) for m, n, v in run)
        left = sum(self.label(int((x + 0.5) * 2.5), int((y + 0.5) * 20 / 12)) == 3 for y in range(12) for x in range(12))
        right = sum(self.label(int((x + 0.5) * 2.5), int((y + 0.5) * 20 / 12)) == 7 for y in range(12) for x in range(12))
        self.assertAlmostEqual(one["one_segment", "u_acc"], max(left, right) / (left + right))
        self.assertAlmostEqual(one["one_segment", "u_miou"], max(left, right) / (left + right) / 2)

    def test_scores_are_those_of_the_label_image(self):
        out = self.segment("photo.png", "--clusters", "labels", "--masks", "masks", "--out-dir", "out", "--json")
        line = json.loads(out.stdout)
        _, _, labels = read_grey(self.path("out/photo.labels.png"))
        counts = {}
        for y in range(12):
            for x in range(12):
                value = self.label(int((x + 0.5) * 2.5), int((y + 0.5) * 20 / 12))
                if value != 255:
                    counts[labels[y][x], value] = counts.get((labels[y][x], value), 0) + 1
        area = lambda k, v: sum(n for pair, n in counts.items() if pair[k] == v)
        pairs = [((0, 3), (1, 7)), ((0, 7), (1, 3))] if len(line["segments"]) > 1 else [((0, 3),), ((0, 7),)]
        best = max(pairs, key=lambda ps: sum(counts.get(p, 0) for p in ps))
        ious = [counts.get(p, 0) / (area(0, p[0]) + area(1, p[1]) - counts.get(p, 0)) for p in best]
        acc, miou = line["scores"]["ultra"]
        self.assertAlmostEqual(acc, sum(counts.get(p, 0) for p in best) / sum(counts.values()))
        self.assertAlmostEqual(miou, sum(ious) / 2)

    def test_a_mask_may_be_a_palette_and_labels_can_be_ignored(self):
        self.write("masks/photo.png", grey_png(30, 20, self.label, kind=3))
        both = json.loads(self.segment("photo.png", "--clusters", 2, "--masks", "masks", "--json").stdout)
        one = json.loads(self.segment("photo.png", "--clusters", 2, "--masks", "masks", "--ignore", "0,3", "--json").stdout)
        self.assertLessEqual({s["class"] for s in both["segments"]}, {3, 7, None})
        self.assertLessEqual({s["class"] for s in one["segments"]}, {7, None})
        null = json.loads(self.segment("photo.png", "--clusters", 2, "--masks", "masks", "--classes", self.write("m.json", '{"3": null}'), "--json").stdout)
        self.assertEqual(one["scores"], null["scores"])
        everything = json.loads(self.segment("photo.png", "--clusters", 2, "--masks", "masks", "--ignore", "3,7", "--json").stdout)
        self.assertEqual(everything["scores"], {})
        self.assertEqual({s["iou"] for s in everything["segments"]}, {None})

    def test_table_on_stdout(self):
        out = self.segment("photo.png", "--masks", "masks").stdout
        self.assertIn("photo.png  layer 3 of model, sum, rollout: ", out)
        self.assertIn("U.mIoU", out)

    def test_an_array_has_a_mask_of_the_models_size(self):
        values = [((k * 37) % 101) / 50 - 1 for k in range(3 * 144)]
        self.write("a.npy", npy((3, 12, 12), values))
        self.write("masks/a.png", grey_png(12, 12, lambda x, y: x // 6))
        self.assertIn("U.Acc", self.segment("a.npy", "--masks", "masks", "--clusters", 2).stdout)


# The clusters of a run at another zeta, as the README has it: from each leaf up while merges stay at or below it.
CUT = """WITH RECURSIVE steps AS (SELECT * FROM merge_step WHERE run_id = 1), n AS (SELECT count(*) + 1 AS n FROM steps),
  node AS (SELECT a AS id FROM steps UNION ALL SELECT b FROM steps),
  up (leaf, node) AS (SELECT id, id FROM node, n WHERE id < n
    UNION ALL SELECT leaf, n + step FROM up, n JOIN steps ON node IN (a, b) WHERE height <= :zeta)
SELECT leaf AS patch, max(node) AS cluster FROM up GROUP BY leaf ORDER BY leaf"""


class Cuts(SegmentTest):
    def clusters(self, *arguments):
        return len(json.loads(self.segment("photo.png", "--json", "--quiet", "--db", "r.db", *arguments).stdout)["segments"])

    def test_any_cut_is_a_query(self):
        before = 10
        for zeta in (0, 0.05, 2):
            count = self.clusters("--zeta", zeta)
            self.assertEqual(count, 9 - self.rows("r.db", f"SELECT count(*) FROM merge_step WHERE run_id = (SELECT max(id) FROM run) AND height <= {zeta}")[0][0])
            self.assertLessEqual(count, before)
            before = count
        self.assertEqual(before, 1)
        self.assertEqual([self.clusters("--clusters", k) for k in (4, 200)], [4, 9])

    def test_so_are_the_members_of_a_cut(self):
        self.clusters("--clusters", 2)
        for zeta in (0.05,):
            self.clusters("--zeta", zeta)
            stored = self.rows("r.db", "SELECT cluster FROM segment_token WHERE run_id = (SELECT max(id) FROM run) ORDER BY token_idx")
            asked = json.loads(self.ok("query", "r.db", CUT.replace(":zeta", str(zeta)), "--format", "json").stdout)
            self.assertEqual(len({(a[0], b["cluster"]) for a, b in zip(stored, asked)}), len(set(stored)))
            self.assertEqual(len(set(stored)), len({b["cluster"] for b in asked}))
            self.assertEqual(len(asked), 9)

    def test_rows_are_used_again(self):
        self.ok("explain", "--model", "model", "photo.png", "--db", "r.db")
        alone = self.segment("photo.png", "--clusters", 4, "--json")
        again = self.segment("photo.png", "--clusters", 4, "--json", "--db", "r.db")
        self.assertIn("the rows of run 1 are used again", again.stderr)
        self.assertEqual(json.loads(alone.stdout)["segments"], json.loads(again.stdout)["segments"])
        self.assertEqual(self.rows("r.db", "SELECT run_id, count(*) FROM map GROUP BY 1"), [(1, 9)])
        for other in (["--layer", 2], ["--scalar", "energy"]):
            self.assertNotIn("used again", self.segment("photo.png", "--db", "r.db", *other).stderr, other)
        self.write("photo.png", png(30, 20, lambda x, y: (x, y, 9)))
        self.assertNotIn("used again", self.segment("photo.png", "--db", "r.db").stderr)

    def test_a_run_that_is_resumed_keeps_its_rows_and_all_its_images(self):
        self.write("more.png", png(20, 20))
        self.write("masks/more.png", grey_png(20, 20, lambda x, y: y // 10))
        self.segment("photo.png", "more.png", "--masks", "masks", "--db", "r.db")
        whole = self.rows("r.db", "SELECT name, value FROM metric WHERE sequence_id IS NULL ORDER BY name")
        self.segment("photo.png", "more.png", "--masks", "masks", "--db", "r.db", "--resume")
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM run"), [(1,)])
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map"), [(18,)])
        self.assertEqual(self.rows("r.db", "SELECT name, value FROM metric WHERE sequence_id IS NULL ORDER BY name"), whole)

    def test_what_is_done_is_skipped(self):
        self.write("more.png", png(20, 20))
        kept = "SELECT id, run_id, sequence_id, target_idx, scores FROM map", "SELECT gflop, seconds_forward FROM run_input WHERE input_id = 1"
        self.segment("photo.png", "--clusters", 2, "--db", "r.db")
        before = [self.rows("r.db", sql) for sql in kept]
        r = self.segment("photo.png", "more.png", "--clusters", 2, "--db", "r.db", "--resume", "--json")
        self.assertEqual([json.loads(line)["status"] for line in r.stdout.splitlines()], ["skipped", "done"])
        self.assertEqual([self.rows("r.db", kept[0])[:len(before[0])], self.rows("r.db", kept[1])], before)

    def test_presets_and_switches_are_recorded(self):
        self.segment("photo.png", "--preset", "demo", "--clusters", 2, "--db", "r.db")
        params, = self.rows("r.db", "SELECT params FROM run")[0]
        self.assertEqual(params, json.dumps(json.loads(params), sort_keys=True, separators=(",", ":")))
        self.assertEqual({k: json.loads(params)[k] for k in ("aggregate", "cluster_at", "cluster_scale", "clusters", "res")},
                         {"aggregate": "raw", "cluster_at": "image", "cluster_scale": "minmax", "clusters": "2", "res": [12, 12]})

    def test_the_layer_is_chosen(self):
        r = self.segment("photo.png", "--layer", "auto", "--db", "r.db")
        self.assertIn("--layer auto: layer ", r.stderr)
        self.assertIn(self.rows("r.db", "SELECT layer FROM run")[0][0], (2, 3))


class Refinement(SegmentTest):
    def refine(self, *arguments):
        return self.ok("refine", "--model", "model", "photo.png", "--clusters", 3, *arguments)

    def test_the_projection_is_used(self):
        report = json.loads(self.refine("--out", "w.safetensors", "--solver", "closed", "--json").stdout)
        self.assertEqual((report["layer"], report["images"], report["differences"]), (3, 1, 9))
        self.assertLess(report["loss_after"], report["loss_before"])
        tensors, metadata = read_safetensors(self.path("w.safetensors"))
        self.assertEqual(tensors["weights"][:2], ("F32", [9, 24]))
        for i in range(9):
            self.assertAlmostEqual(sum(v * v for v in tensors["weights"][2][24 * i:24 * i + 24]), 24, places=4)
        self.assertEqual((metadata["layer"], metadata["grid"]), ("3", "3x3"))
        self.segment("photo.png", "--scalar", "learned", "--weights", "w.safetensors", "--db", "r.db")
        again = self.segment("photo.png", "--scalar", "learned", "--weights", "w.safetensors", "--db", "r.db", "--zeta", 0.1)
        self.assertIn("used again", again.stderr)
        self.refine("--out", "v.safetensors", "--solver", "closed", "--seed", 1)
        self.assertNotIn("used again", self.segment("photo.png", "--scalar", "learned", "--weights", "v.safetensors", "--db", "r.db").stderr)
        self.ok("explain", "--model", "model", "photo.png", "--scalar", "learned", "--weights", "w.safetensors", "--tokens", "4")

    def test_the_same_seed_gives_the_same_bytes(self):
        self.refine("--out", "a.safetensors", "--perturb", "shuffle", "--seed", 5)
        first = contents(self.path("a.safetensors"))
        self.refine("--out", "a.safetensors", "--perturb", "shuffle", "--seed", 5)
        self.assertEqual(first, contents(self.path("a.safetensors")))
        self.refine("--out", "a.safetensors", "--init", "random")
        self.refine("--out", "b.safetensors", "--init", "layer:2")
        self.assertNotEqual(contents(self.path("a.safetensors")), contents(self.path("b.safetensors")))

    def test_the_solvers_agree(self):
        reports = [json.loads(self.refine("--out", "a.safetensors", "--json", *more).stdout) for more in (["--solver", "closed"], ["--steps", 3000])]
        self.assertLess(abs(reports[1]["objective"] / reports[0]["objective"] - 1), 1e-4)

    def test_a_projection_of_another_model_is_refused(self):
        self.refine("--out", "w.safetensors")
        learned = ["--scalar", "learned", "--weights", "w.safetensors"]
        make_model(self.path("other"), "--seed", 9)
        self.refused(3, "segment", "--model", "other", "photo.png", *learned, says=["w.safetensors", "another model"])
        self.refused(2, "segment", "--model", "model", "photo.png", *learned, "--layer", 2, says=["layer 3", "--layer 2"])
        self.refused(2, "explain", "--model", "model", "photo.png", *learned, "--tokens", "cls,4", "--quiet", says="special")
        self.refused(2, "segment", "--model", "model", "photo.png", "--scalar", "learned", says="--weights")
        self.refused(2, "segment", "--model", "model", "photo.png", "--weights", "w.safetensors", says="--scalar learned")
        self.refused(3, "segment", "--model", "model", "photo.png", "--scalar", "learned", "--weights", "model/model.safetensors", says="no learned projection")
        data = contents(self.path("w.safetensors"))
        self.write("cut.safetensors", data[:-4])
        self.refused(3, "segment", "--model", "model", "photo.png", "--scalar", "learned", "--weights", "cut.safetensors", says="cut.safetensors")

    def test_flags(self):
        self.refused(2, "refine", "--model", "model", "photo.png", says="--out")
        self.refused(2, "refine", "--model", "model", "photo.png", "--out", "w.npy", says=".safetensors")
        self.refused(1, "refine", "--model", "model", "photo.png", "--out", "no/w.safetensors", says="no/w.safetensors")
        self.refused(2, "refine", "--model", "model", "photo.png", "--out", "w.safetensors", "--init", "layer:9", says="layer:9")
        self.refused(2, "refine", "--model", "model", "photo.png", "--out", "w.safetensors", "--clusters", "labels", says="labels")


class Refusals(SegmentTest):
    def test_masks(self):
        self.write("small/photo.png", grey_png(29, 20, self.label))
        self.refused(3, "segment", "--model", "model", "photo.png", "--masks", "small", "--quiet", says=["29x20", "30x20"])
        self.write("colour/photo.png", png(30, 20))
        self.refused(3, "segment", "--model", "model", "photo.png", "--masks", "colour", "--quiet", says="not a mask")
        self.refused(3, "segment", "--model", "model", "photo.png", "--masks", "nowhere", "--quiet", says="nowhere/photo.png")

    def test_flags(self):
        for flags, says in ((["--zeta", 3], "0 to 2"), (["--zeta", "nan"], "--zeta"), (["--zeta", 0.5, "--clusters", 2], "--zeta and --clusters"), (["--clusters", 0], "--clusters 0"),
                            (["--clusters", "many"], "many"), (["--clusters", "labels"], "--masks"), (["--ignore", "0"], "--masks"), (["--baselines"], "--masks"),
                            (["--ignore", "x", "--masks", "masks"], "--ignore x"), (["--linkage", "ward"], "average"), (["--layer", 9], "2 to 3"), (["--res", 0], "--res 0")):
            self.refused(2, "segment", "--model", "model", "photo.png", *flags, says=says)
        for text in ("[1]", '{"3": -1}', '{"x": "name"}', '{"3": {"name": "no id"}}', "{"):
            self.refused(3, "segment", "--model", "model", "photo.png", "--masks", "masks", "--classes", self.write("bad.json", text), says="bad.json")


if __name__ == "__main__":
    main()
