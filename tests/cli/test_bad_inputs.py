"""Bad models and inputs: exit 3, one line that names the file, nothing written."""
import json
import os
import struct
import zlib

from harness import ProgramTest, chunk, contents, main, make_model, npy, png

# The smallest baseline JPEG that decodes: 8 x 8, grey.
JPEG = bytes.fromhex(
    "ffd8ffdb004300" + "10" * 64 + "ffc0000b080008000801011100" + "ffc40014000100000000000000000000000000000000"
    "ffc40014100100000000000000000000000000000000" + "ffda0008010100003f00" + "3f" + "ffd9")


class BadTest(ProgramTest):
    """Every refusal leaves the folder as it was, whatever it was asked to write."""

    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.write("photo.png", png(30, 20))

    def bad(self, *arguments, says):
        before = self.files()
        self.refused(3, "explain", "--quiet", *arguments, "--png", "maps", "--out", "rows.safetensors", says=says)
        self.assertEqual(self.files() - before, set())


class BadModel(BadTest):
    def edit_config(self, **changes):
        config = json.loads(contents(self.path("model", "config.json")))
        config.update(changes)
        self.write("model/config.json", json.dumps(config))

    def edit_weights(self, change):
        """change(header, body) returns the new pair."""
        data = contents(self.path("model", "model.safetensors"))
        size = struct.unpack("<Q", data[:8])[0]
        header, body = change(json.loads(data[8:8 + size]), data[8 + size:])
        packed = json.dumps(header).encode()
        self.write("model/model.safetensors", struct.pack("<Q", len(packed)) + packed + body)

    def refuse_model(self, says):
        self.bad("--model", "model", "photo.png", says=says)
        self.refused(3, "info", "--model", "model", says=says)

    def test_missing_folder_and_files(self):
        self.bad("--model", "nowhere", "photo.png", says="nowhere")
        os.remove(self.path("model", "model.safetensors"))
        self.refuse_model("model")

    def test_other_families_are_refused_with_advice(self):
        for name, advice in (("roberta", "take a bert checkpoint"), ("swin", "dinov2 checkpoint"), ("mt5", "t5 checkpoint"), ("unheard-of", "supported: vit, deit,")):
            self.edit_config(model_type=name)
            self.refuse_model(f"model_type {name} is not supported")
            self.refuse_model(advice)

    def test_quantized_config(self):
        self.edit_config(quantization_config={"bits": 4})
        self.refuse_model("a quantized checkpoint")

    def test_configs_of_other_libraries(self):
        for key, advice in (("pretrained_cfg", "timm's"), ("model_cfg", "open_clip's"), ("peft_type", "merge_and_unload")):
            self.write("model/config.json", json.dumps({key: {}}))
            self.refuse_model(advice)

    def test_clip_without_its_vision_tower(self):
        self.edit_config(model_type="clip")
        self.refuse_model("no vision_config")

    def test_truncated_weights(self):
        data = contents(self.path("model", "model.safetensors"))
        for size in (0, 7, 8, 100, len(data) - 1):
            self.write("model/model.safetensors", data[:size])
            self.refuse_model("model.safetensors")

    def test_header_of_2_to_the_63(self):
        data = contents(self.path("model", "model.safetensors"))
        for size in (2**63, 2**64 - 1, 2**40):
            self.write("model/model.safetensors", struct.pack("<Q", size) + data[8:])
            self.refuse_model("model.safetensors")

    def test_lying_offsets(self):
        name = "layernorm.weight"

        def move(start, end):
            def change(header, body):
                key = next(k for k in header if k.endswith(name))
                header[key]["data_offsets"] = [start(len(body)), end(len(body))]
                return header, body
            return change

        good = contents(self.path("model", "model.safetensors"))
        for start, end in ((lambda n: n, lambda n: n + 96), (lambda n: 0, lambda n: 96), (lambda n: 96, lambda n: 0), (lambda n: 2**63, lambda n: 2**63 + 96)):
            self.edit_weights(move(start, end))
            self.refuse_model("model.safetensors")
            self.write("model/model.safetensors", good)

    def test_wrong_dtype_and_shape(self):
        good = contents(self.path("model", "model.safetensors"))

        def change(**values):
            def edit(header, body):
                key = next(k for k in header if k.endswith("query.weight"))
                header[key].update(values)
                return header, body
            return edit

        self.edit_weights(change(dtype="I32"))
        self.refuse_model("query.weight")
        self.write("model/model.safetensors", good)
        self.edit_weights(change(shape=[12, 48]))
        self.refuse_model(["query.weight", "12", "48", "24"])

    def test_missing_tensor(self):
        def change(header, body):
            key = next(k for k in header if k.endswith("query.weight"))
            header[key.replace("query", "qwery")] = header.pop(key)
            return header, body
        self.edit_weights(change)
        self.refuse_model("query.weight")

    def test_unknown_family(self):
        self.edit_config(model_type="mamba")
        self.refuse_model(["config.json", "mamba"])

    def test_config_that_is_no_json(self):
        self.write("model/config.json", "{\"model_type\": ")
        self.refuse_model("config.json")

    def test_impossible_sizes(self):
        for changes in ({"hidden_size": -1}, {"num_attention_heads": 7}, {"patch_size": 0}, {"num_hidden_layers": 10**9}, {"image_size": "big"}):
            good = contents(self.path("model", "config.json"))
            self.edit_config(**changes)
            self.refuse_model("config.json")
            self.write("model/config.json", good)

    def test_line_breaks_in_a_name_stay_one_line(self):
        self.bad("--model", "no\nwhere\x1b[2J", "photo.png", says="no?where?[2J")


class BadInput(BadTest):
    def bad_input(self, name, data=None, says=()):
        if data is not None:
            self.write(name, data)
        self.bad("--model", "model", name, says=[name, *([says] if isinstance(says, str) else says)])

    def test_missing(self):
        self.bad_input("missing.jpg")

    def test_text_named_jpg(self):
        self.bad_input("text.jpg", "this is no photo\n")

    def test_empty(self):
        self.bad_input("empty.png", b"")

    def test_truncated_jpeg(self):
        self.write("whole.jpg", JPEG)
        self.ok("explain", "--model", "model", "whole.jpg", "--tokens", "1")
        for size in (2, 20, len(JPEG) // 2, len(JPEG) - 14):
            self.bad_input("cut.jpg", JPEG[:size])

    def test_truncated_png(self):
        data = png(60, 60)
        for size in (8, 30, len(data) // 2, len(data) - 13):
            self.bad_input("cut.png", data[:size])

    def test_one_pixel(self):
        self.bad_input("dot.png", png(1, 1), says="1x1")

    def test_far_too_large(self):
        self.bad_input("huge.png", huge_png(20000), says="20000")

    def test_arrays(self):
        plane = [0.0] * 144
        self.bad_input("rank.npy", npy([12, 12], plane))
        self.bad_input("size.npy", npy([3, 12, 11], [0.0] * 396))
        self.bad_input("dtype.npy", npy([3, 12, 12], [0.0] * 432, "<f8", "d"))
        self.bad_input("order.npy", npy([3, 12, 12], [0] * 432, "<i4", "i"))
        self.bad_input("short.npy", npy([3, 12, 12], [0.0] * 400))
        self.bad_input("nan.npy", npy([3, 12, 12], [float("nan")] + [0.0] * 431))
        self.bad_input("text.npy", "no array")

    def test_folder_without_images(self):
        os.mkdir(self.path("empty"))
        self.write("papers/notes.txt", "x")
        self.write("papers/x.npy", npy([1], [0.0]))
        self.bad("--model", "model", "empty", says="empty: ")
        self.bad("--model", "model", "papers", says="papers: ")

    def test_lists_and_patterns(self):
        self.bad("--model", "model", "@missing.txt", says="missing.txt")
        self.write("empty.txt", "\n\n")
        self.bad("--model", "model", "@empty.txt", says="empty.txt")
        self.write("binary.txt", b"a\0b")
        self.bad("--model", "model", "@binary.txt", says="binary.txt")
        self.bad("--model", "model", "nothing-*.png", says="nothing-*.png")

    def test_pipe_does_not_hang(self):
        os.mkfifo(self.path("pipe.png"))
        self.bad_input("pipe.png")


def huge_png(side):
    """A black PNG of side x side pixels that packs into little."""
    packer, row = zlib.compressobj(9), b"\0" * (3 * side + 1)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


class NotFinite(BadTest):
    def put(self, ending, value, scale=None):
        """Writes value over the first element of the tensor whose name ends so; scale: that tensor's other elements are multiplied."""
        path = self.path("model", "model.safetensors")
        data = bytearray(contents(path))
        size = struct.unpack("<Q", data[:8])[0]
        start, end = next(t for k, t in json.loads(data[8:8 + size]).items() if k.endswith(ending))["data_offsets"]
        start, end = 8 + size + start, 8 + size + end
        if scale is not None:
            elements = struct.unpack(f"<{(end - start) // 4}f", data[start:end])
            data[start:end] = struct.pack(f"<{len(elements)}f", *(scale * e for e in elements))
        if value is not None:
            data[start:start + 4] = struct.pack("<f", value)
        self.write("model/model.safetensors", bytes(data))

    def expect_failure(self):
        self.refused(1, "explain", "--quiet", "--model", "model", "photo.png", "--db", "r.db", "--out", "rows.npy", "--png", "maps", says="photo.png: ")
        self.assertNotIn("rows.npy", self.files())
        self.assertEqual([f for f in self.files() if f.startswith("maps")], [])
        for table in ("map", "contribution", "sequence", "token"):
            self.assertEqual(self.rows("r.db", "SELECT count(*) FROM " + table), [(0,)], table)
        (status, error), = self.rows("r.db", "SELECT status, error FROM run_input")
        self.assertEqual(status, "failed")
        self.assertIn("photo.png: ", error)

    def test_nan_in_weights_fails_the_input_and_stores_nothing(self):
        self.put("intermediate.dense.weight", float("nan"))
        self.expect_failure()

    def test_nan_in_a_query_whose_values_are_small(self):
        # A softmax that took NaN for a large number would give zeros, and then a row that looks sound.
        self.put("0.attention.attention.value.weight", None, 1e-3)
        self.put("0.attention.attention.query.weight", float("nan"))
        self.expect_failure()

    def test_infinity_in_a_key(self):
        self.put("0.attention.attention.key.weight", float("inf"))
        self.expect_failure()

    def test_nan_before_a_relu(self):
        config = json.loads(contents(self.path("model", "config.json")))
        config["hidden_act"] = "relu"
        self.write("model/config.json", json.dumps(config).encode())
        self.put("intermediate.dense.weight", float("nan"))
        self.expect_failure()


if __name__ == "__main__":
    main()
