"""Approximations from outside: a result says that it is one, and neither --resume nor segment takes it for an exact one."""
import json

from harness import ProgramTest, main, make_model, png, read_npy, read_safetensors
from text_model import make_joint_model, make_text_model

FLAGS = {("--gradient-blocks", 1): {"gradient_blocks": 1}, ("--skip-mlp",): {"skip_mlp": True}, ("--landmarks", 3): {"landmarks": 3},
         ("--landmarks", 3, "--skip-mlp", "--gradient-blocks", 1): {"gradient_blocks": 1, "landmarks": 3, "skip_mlp": True}}
PARAMS = "SELECT json_extract(params, '$.approximation') FROM run ORDER BY id"


class Images(ProgramTest):
    """A model of 3 x 3 patches, two blocks."""

    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.write("photo.png", png(30, 20))

    def model(self, verb, *arguments):
        return self.ok(verb, "--model", "model", "photo.png", *arguments)

    def test_recorded(self):
        exact = self.model("explain", "--out", "exact.npy")
        self.assertNotIn("approximate", exact.stderr)
        for number, (flags, recorded) in enumerate(FLAGS.items()):
            out, file = f"{number}.npy", f"{number}.safetensors"
            ran = self.model("explain", "--out", out, "--db", "r.db", *flags)
            self.assertIn("ultravk: rows are approximate: ", ran.stderr)
            self.assertNotEqual(read_npy(self.path(out)), read_npy(self.path("exact.npy")))
            self.assertEqual(json.loads(self.rows("r.db", PARAMS)[-1][0]), recorded)
            self.assertEqual(json.loads(self.model("explain", "--json", *flags).stdout)["approximation"], recorded)
            self.model("explain", "--out", file, *flags)
            self.assertEqual(json.loads(read_safetensors(self.path(file))[1]["approximation"]), recorded)
        self.assertNotIn("approximation", self.model("explain", "--json").stdout)
        self.model("explain", "--db", "r.db")
        self.assertEqual(self.rows("r.db", PARAMS)[-1], (None,))
        self.assertEqual(self.rows("r.db", "SELECT count(DISTINCT key) FROM run"), [(len(FLAGS) + 1,)])

    def test_tables_say_so(self):
        self.assertIn("rollout, last 1 block, MLPs skipped, 3 landmarks\n", self.model("explain", "--gradient-blocks", 1, "--skip-mlp", "--landmarks", 3).stdout)
        self.assertIn("rollout, 3 landmarks: ", self.model("segment", "--landmarks", 3, "--clusters", 2).stdout)
        self.assertIn("sum, MLPs skipped: means", self.ok("evaluate", "sanity", "--model", "model", "photo.png", "--skip-mlp", "--tokens", "cls").stdout)

    def test_many_are_exact(self):
        """More blocks and landmarks than there are change nothing."""
        self.model("explain", "--out", "exact.npy")
        self.model("explain", "--out", "many.npy", "--gradient-blocks", 100, "--landmarks", 100)
        self.assertEqual(read_npy(self.path("many.npy")), read_npy(self.path("exact.npy")))

    def test_rows_are_not_mixed(self):
        """Each is used again by its like alone; refine knows exact ones only."""
        runs = {}
        for flags in ((), *FLAGS):
            ran = self.model("segment", "--db", "r.db", "--clusters", 2, *flags)
            self.assertNotIn("used again", ran.stderr)
            runs[flags], = self.rows("r.db", "SELECT max(id) FROM run")[0]
        for flags, run in runs.items():
            self.assertIn(f"the rows of run {run} are used again", self.model("segment", "--db", "r.db", "--clusters", 3, *flags).stderr)
        self.assertIn(f"the rows of run {runs[()]} are used again", self.model("refine", "--db", "r.db", "--clusters", 2, "--out", "w.safetensors").stderr)

    def test_resume_is_not_mixed(self):
        for flags in ((), *FLAGS):
            self.assertNotIn("done before", self.model("explain", "--db", "r.db", "--resume", *flags).stderr)
            self.assertIn("photo.png: done before, skipped", self.model("explain", "--db", "r.db", "--resume", *flags).stderr)
        self.assertEqual(self.rows("r.db", "SELECT count(*), count(DISTINCT key) FROM run"), [(len(FLAGS) + 1,) * 2])

    def test_refused(self):
        model = ("--model", "model", "photo.png")
        for flag in ("--gradient-blocks", "--landmarks"):
            self.refused(2, "explain", *model, flag, 0, says=f"{flag} 0: expected a number from 1")
        self.refused(2, "refine", *model, "--out", "w.safetensors", "--skip-mlp", says="--skip-mlp is not a flag of refine")
        self.refused(2, "evaluate", "sanity", *model, "--landmarks", 3, says="--landmarks is not a flag of evaluate")


class Texts(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("text.txt", "the cat on the mat ate the rat")
        self.write("summary.txt", "the cat ate")

    def test_attribute(self):
        make_text_model(self.path("model"))
        words = ("attribute", "--model", "model", "--context", "text.txt", "--summary", "summary.txt")
        exact = json.loads(self.ok(*words, "--json").stdout)
        for flags in (("--gradient-blocks", 1), ("--skip-mlp",)):
            near = json.loads(self.ok(*words, "--json", "--db", "r.db", *flags).stdout)
            self.assertEqual(near["approximation"], FLAGS[flags])
            self.assertLess(near["gflop"], exact["gflop"])
            self.assertEqual(json.loads(self.rows("r.db", PARAMS)[-1][0]), FLAGS[flags])
        self.assertIn("predict, MLPs skipped", self.ok(*words, "--skip-mlp").stdout)
        self.refused(2, "explain", "--model", "model", "text.txt", "--landmarks", 3, says=("--landmarks: ", "is a language model"))
        self.refused(2, *words, "--landmarks", 3, says="--landmarks is not a flag of attribute")

    def test_encoder_decoders(self):
        make_joint_model(self.path("model"), "bart")
        words = ("attribute", "--model", "model", "--context", "text.txt", "--summary", "summary.txt")
        self.refused(2, *words, "--gradient-blocks", 1, says=("--gradient-blocks: ", "is an encoder-decoder"))
        exact, near = (json.loads(self.ok(*words, "--json", *flags).stdout) for flags in ((), ("--skip-mlp",)))
        self.assertLess(near["gflop"], exact["gflop"])
        self.assertNotEqual(near["tcs"], exact["tcs"])


if __name__ == "__main__":
    main()
