"""ultravk explain of a whole image: the class that a classifier tells, and what is refused."""
import json
import math
import struct

from harness import ProgramTest, contents, main, make_model, png, read_safetensors

LABELS = {0: "tabby, tabby cat", 1: "cat", 2: "red ball", 3: "blue ball", 4: "ball, sphere"}
WIDTH = 24


def add_tensors(path, tensors):
    """Puts float32 tensors, {name: (shape, values)}, into a .safetensors file."""
    data = contents(path)
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + 4 * len(values)]}
        body += struct.pack("<%df" % len(values), *values)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


class WholeImage(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"), "--prefix", "vit.")
        self.weight = [math.sin(1 + i * i % 97) for i in range(len(LABELS) * WIDTH)]
        add_tensors(self.path("model", "model.safetensors"), {"classifier.weight": ([len(LABELS), WIDTH], self.weight), "classifier.bias": ([len(LABELS)], [0.1, 0, 0, -0.2, 0])})
        config = json.loads(contents(self.path("model", "config.json")))
        config["id2label"] = LABELS
        self.write("model/config.json", json.dumps(config))
        self.write("photo.png", png(30, 20))

    def explain(self, *arguments):
        return self.ok("explain", "--model", "model", "photo.png", *arguments)

    def log_probabilities(self):
        """From the last layer, the norm and the classifier as they lie in the files."""
        self.explain("--dump-hidden", "z.safetensors", "--db", "z.db")
        shape, values = read_safetensors(self.path("z.safetensors"))[0]["z3"][1:]
        norm = read_safetensors(self.path("model", "model.safetensors"))[0]
        z, gain, shift = values[:shape[1]], norm["vit.layernorm.weight"][2], norm["vit.layernorm.bias"][2]
        mean = sum(z) / WIDTH
        std = math.sqrt(sum((x - mean) ** 2 for x in z) / WIDTH + 1e-12)
        y = [(x - mean) / std * g + b for x, g, b in zip(z, gain, shift)]
        logits = [sum(w * x for w, x in zip(self.weight[c * WIDTH:], y)) + bias for c, bias in enumerate([0.1, 0, 0, -0.2, 0])]
        return [x - math.log(sum(map(math.exp, logits))) for x in logits]

    def test_the_likeliest_class(self):
        expected = self.log_probabilities()
        best = max(range(len(LABELS)), key=expected.__getitem__)
        line = json.loads(self.explain("--scalar", "logprob", "--json", "--db", "r.db").stdout)
        self.assertEqual((line["class"], line["label"], line["targets"]), (best, LABELS[best], 1))
        self.assertAlmostEqual(line["logprob"], expected[best], places=5)
        self.assertEqual(self.rows("r.db", "SELECT target_idx FROM map"), [(0,)])
        self.assertEqual(self.rows("r.db", "SELECT scalar, normalize, json_extract(params, '$.tokens') FROM run"), [("logprob", "none", "cls")])
        found = dict(self.rows("r.db", "SELECT name, value FROM metric"))
        self.assertEqual(found["class"], best)
        self.assertAlmostEqual(found["class_logprob"], expected[best], places=5)
        self.assertIn('class %d "%s", log p ' % (best, LABELS[best]), self.explain("--scalar", "logprob").stdout)

    def test_a_class_by_number_and_by_label(self):
        expected = self.log_probabilities()
        for given, found in (("3", 3), ("Tabby Cat", 0), ("sphere", 4), ("cat", 1), ("tabby, tabby cat", 0)):
            line = json.loads(self.explain("--scalar", "logprob", "--tokens", "cls", "--class", given, "--json").stdout)
            self.assertEqual(line["class"], found)
            self.assertAlmostEqual(line["logprob"], expected[found], places=5)

    def test_two_classes_are_two_runs(self):
        for given in ("1", "2", "1"):
            self.explain("--scalar", "logprob", "--class", given, "--db", "r.db", "--resume")
        self.assertEqual(self.rows("r.db", "SELECT json_extract(params, '$.class') FROM run ORDER BY id"), [(1,), (2,)])

    def test_info(self):
        info = json.loads(self.ok("info", "--model", "model", "--json").stdout)
        self.assertEqual((info["classes"], info["embedding"], info["unused_count"]), (5, 0, 0))

    def test_refusals(self):
        refused = lambda status, says, *arguments: self.refused(status, *arguments, says=says)
        explain = ("explain", "--model", "model", "photo.png")
        refused(2, ["--class dog", "id2label"], *explain, "--scalar", "logprob", "--class", "dog")
        refused(2, ["--class 5", "0 to 4"], *explain, "--scalar", "logprob", "--class", "5")
        refused(2, ["--class", "energy"], *explain, "--scalar", "energy", "--class", "1")
        refused(2, ["layer 3", "--layer 2"], *explain, "--scalar", "logprob", "--layer", "2")
        refused(2, ["token 4", "CLS"], *explain, "--scalar", "logprob", "--tokens", "4", "--quiet")
        refused(2, ["whole CLIP"], *explain, "--similar-to", "a cat")
        refused(2, ["--similar-to", "energy"], *explain, "--similar-to", "a cat", "--scalar", "energy")
        refused(2, ["--similar-to TEXT"], *explain, "--scalar", "similarity")
        refused(2, ["--landmarks", "whole image"], *explain, "--scalar", "logprob", "--landmarks", 3)
        refused(2, ["whole image", "explain"], "segment", "--model", "model", "photo.png", "--scalar", "logprob")
        refused(2, ["whole image", "explain"], "evaluate", "faithfulness", "--model", "model", "photo.png", "--scalar", "logprob")
        make_model(self.path("plain"))
        refused(2, ["neither a language model nor an image classifier"], "explain", "--model", "plain", "photo.png", "--scalar", "logprob")

    def test_bad_labels(self):
        config = json.loads(contents(self.path("model", "config.json")))
        for labels, says in (({"0": "a", "1": "b"}, "wrong shape"), ({str(i + 1): "x" for i in range(5)}, "class 5"), ({str(i): i for i in range(5)}, "no text")):
            config["id2label"] = labels
            self.write("model/config.json", json.dumps(config))
            self.refused(3, "explain", "--model", "model", "photo.png", says=says)


if __name__ == "__main__":
    main()
