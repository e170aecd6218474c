"""Several devices at once: the inputs are shared out, and each comes out as it does on the device that did it. Where there is one
device only, it plays two."""
import json
import signal
import subprocess

from harness import PROGRAM, ProgramTest, main, make_model, png
from text_model import make_text_model

INPUTS = 12
ROWS = ("SELECT input.name, target_idx, scores FROM map JOIN sequence ON sequence_id = sequence.id JOIN input ON input_id = input.id"
        " ORDER BY input.name, target_idx")


class DevicesTest(ProgramTest):
    def setUp(self):
        super().setUp()
        devices = json.loads(self.ok("devices", "--json").stdout)
        self.names = [d["name"] for d in devices if d["usable"]]
        self.list = "0,1" if len(self.names) > 1 else "0,0"

    def images(self):
        make_model(self.path("model"))
        for i in range(INPUTS):
            self.write("photos/%02d.png" % i, png(20 + i, 30))

    def explain(self, *arguments, **more):
        return self.ok("explain", "--model", "model", "photos", "--tokens", "1-3", "--quiet", *arguments, **more)


class SharedOut(DevicesTest):
    def check_devices(self, database, run):
        """Every input's rows are those of a run on the device that it says."""
        did = dict(self.rows(database, "SELECT name, device FROM run_input JOIN input ON input_id = input.id WHERE status = 'done'"))
        if len(set(self.names)) > 1:
            self.assertEqual(set(did.values()), set(self.names[:2]))
        found = self.rows(database, ROWS)
        for index in sorted(set(self.list.split(","))):
            run("alone-%s.db" % index, index)
            alone = [row for row in self.rows("alone-%s.db" % index, ROWS) if did[row[0]] == self.names[int(index)]]
            self.assertEqual([row for row in found if did[row[0]] == self.names[int(index)]], alone)
        return did

    def test_photos(self):
        self.images()
        self.explain("--device", self.list, "--db", "r.db")
        did = self.check_devices("r.db", lambda name, device: self.explain("--device", device, "--db", name))
        self.assertEqual(len(did), INPUTS)
        device, status = self.rows("r.db", "SELECT device, status FROM run")[0]
        self.assertEqual((device, status), (" + ".join(self.names[int(i)] for i in self.list.split(",")), "done"))

    def test_one_device_twice_shares_its_memory(self):
        self.images()

        def budgets(device, *flags):
            lines = self.run_program("explain", "--model", "model", "photos", "--tokens", "1", "--layer", "2", "--device", device, *flags).stderr.splitlines()
            return {line.split(" = ")[1].split(" of ")[1] for line in lines if "plan:" in line}

        self.assertEqual(budgets("0", "--memory", "40M"), {"40 MiB"})
        self.assertEqual(budgets("0,0", "--memory", "80M"), {"40 MiB"})
        in_gib = lambda words: float(words.split()[0]) / {"MiB": 1024, "GiB": 1}[words.split()[1]]
        whole, shared = (in_gib(max(budgets(device))) for device in ("0", "0,0,0,0"))
        self.assertLess(abs(4 * shared / whole - 1), 0.3) # what is free changes by the moment

    def test_segments_files_and_lines(self):
        self.images()
        arguments = ["--model", "model", "photos", "--quiet", "--json"]
        for verb, more in (("segment", ["--clusters", "3"]), ("explain", ["--tokens", "2", "--out", "rows.safetensors"])):
            lines = self.ok(verb, *arguments, *more, "--device", self.list).stdout.splitlines()
            self.assertEqual(sorted(json.loads(line)["path"] for line in lines), ["photos/%02d.png" % i for i in range(INPUTS)])
            self.assertTrue({json.loads(line)["device"] for line in lines} <= set(self.names))

    def test_pairs(self):
        make_text_model(self.path("model"))
        with open(self.path("pairs.jsonl"), "w") as f:
            for i in range(INPUTS):
                print(json.dumps({"id": "pair-%02d" % i, "document": "the hen is in the long grass %d" % i, "summary": "the hen"}), file=f)
            print("this is no pair", file=f)

        def attribute(database, devices):
            r = self.run_program("attribute", "--model", "model", "--pairs", "pairs.jsonl", "--quiet", "--db", database, "--device", devices)
            self.assertEqual((r.returncode, len(r.stderr.splitlines())), (3, 1), r.stderr)

        attribute("r.db", self.list)
        self.assertEqual(len(self.check_devices("r.db", attribute)), INPUTS)

    def test_bad_devices(self):
        self.images()
        self.refused(2, "explain", "--model", "model", "photos", "--device", "0,99", "--quiet", says="99")
        self.refused(2, "evaluate", "faithfulness", "--model", "model", "photos", "--device", self.list, "--quiet", says=self.list)


class Unequal(DevicesTest):
    def test_a_slow_device_does_not_hold_up_the_rest(self):
        self.images()
        self.explain("--db", "plain.db")
        self.explain("--device", "0,0", "--db", "r.db", env=self.mock("delay=200", "report=report.json"))
        with open(self.path("report.json")) as f:
            seen = json.load(f)
        self.assertLess(seen["slow"], seen["calls"]["vkQueueSubmit"] / 3) # of the work; the weights are half each's
        self.assertEqual(self.rows("r.db", ROWS), self.rows("plain.db", ROWS))

    def test_one_is_lost(self):
        self.images()
        self.explain("--db", "plain.db")
        r = self.run_program("explain", "--model", "model", "photos", "--tokens", "1-3", "--quiet", "--device", "0,0", "--db", "r.db",
                             env=self.mock("fail=vkQueueSubmit:100:-4", "fail=vkCreateDevice:3+:-3"))
        self.assertEqual(r.returncode, 4, r.stderr)
        status = dict(self.rows("r.db", "SELECT status, count(*) FROM run_input GROUP BY status"))
        self.assertTrue(1 <= status["failed"] <= 2 and sum(status.values()) >= 2, status)
        self.explain("--device", "0,0", "--db", "r.db", "--resume")
        self.assertEqual(self.rows("r.db", ROWS), self.rows("plain.db", ROWS))

    def test_ctrl_c(self):
        make_model(self.path("model"), "--width", 48, "--patch", 4, "--image", 32)
        for i in range(200):
            self.write("photos/%03d.png" % i, png(20, 20, lambda x, y: (i, x, y)))
        process = subprocess.Popen([PROGRAM, "explain", "--model", "model", "photos", "--db", "r.db", "--tokens", "1-16", "--json", "--device", self.list],
                                   cwd=self.folder, env=self.environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3):
            self.assertIn('"status":"done"', process.stdout.readline())
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 5, errors)
        self.assertEqual(self.rows("r.db", "SELECT status, count(*) FROM run_input GROUP BY status"), [("done", 3 + len(output.splitlines()))])
        self.assertEqual(self.rows("r.db", "SELECT status FROM run"), [("interrupted",)])


if __name__ == "__main__":
    main()
