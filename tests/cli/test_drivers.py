"""Drivers that fail, and devices that are lost: every Vulkan call fails once in turn, under a loader that can (support/mock_vulkan.c)."""
import json
import os
import unittest

from harness import ProgramTest, main, make_model, png, read_npy

OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY, INITIALIZATION_FAILED, DEVICE_LOST = -1, -2, -3, -4
# Without these the program goes on, or another way.
FORGIVEN = {"vkEnumerateInstanceExtensionProperties", "vkEnumerateDeviceExtensionProperties", "vkGetPipelineCacheData", "vkGetQueryPoolResults",
            "vkCreatePipelineCache", "vkDeviceWaitIdle", "vkResetCommandBuffer"}


class DriverTest(ProgramTest):
    model, memory = (), ()

    def setUp(self):
        super().setUp()
        make_model(self.path("model"), *self.model)
        for i in range(3):
            self.write("photos/%d.png" % i, png(20 + i, 30))
        self.explain() # the self-check is behind all that follows

    def explain(self, *items, arguments=(), inputs="photos", report="report.json"):
        """What a run over the photos came to, and what it asked of Vulkan."""
        for name in ("r.db", "r.db-wal", "r.db-shm", report):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        r = self.run_program("explain", "--model", "model", inputs, "--quiet", "--tokens", "1-3", "--db", "r.db", *self.memory, *arguments,
                             env=self.mock(*items, "report=" + report))
        with open(self.path(report)) as f:
            seen = json.load(f)
        self.assertEqual({kind: n for kind, n in seen["live"].items() if n}, {}, (items, "not destroyed"))
        lines = [line for line in r.stderr.splitlines() if line]
        self.assertTrue(all(line.startswith("ultravk: ") for line in lines), r.stderr)
        return r, lines, seen

    def inputs(self):
        return self.rows("r.db", "SELECT status, error, device IS NOT NULL FROM run_input JOIN input ON input_id = input.id ORDER BY name")

    def stored(self):
        return self.rows("r.db", "SELECT name, target_idx, scores FROM map JOIN sequence ON sequence_id = sequence.id JOIN input ON input_id = input.id"
                                 " ORDER BY name, target_idx")


class FaultTable(DriverTest):
    def fail_once(self, fault, expected):
        r, lines, _ = self.explain("fail=" + fault, inputs="photos/0.png")
        said = (fault, r.returncode, r.stderr)
        forgiven = fault.split(":")[0] in FORGIVEN
        if r.returncode == 0: # gone around, or done again: nothing is missing, and nothing is said but that
            self.assertEqual(len(lines), not forgiven, said)
            self.assertEqual(self.stored(), expected, said)
        else:
            self.assertFalse(forgiven, said)
            self.assertIn(r.returncode, (1, 4), said)
            self.assertEqual(len(lines), 1, said)
        return r.returncode

    def test_every_call_fails_once(self):
        _, _, seen = self.explain(inputs="photos/0.png")
        expected = self.stored()
        self.assertEqual(len(expected), 3)
        calls = {call: n for call, n in seen["calls"].items() if n and not call.startswith(("vkDestroy", "vkFree"))}
        self.assertGreaterEqual(len(calls), 27)
        for call, n in calls.items():
            result = OUT_OF_DEVICE_MEMORY if call == "vkAllocateMemory" else INITIALIZATION_FAILED if call == "vkCreateDevice" else OUT_OF_HOST_MEMORY
            first = self.fail_once("%s:1:%d" % (call, result), expected)
            if call == "vkCreateDevice":
                self.assertEqual(first, 4)
            if n > 20: # in the midst of the input, too, where there is a second try
                self.assertEqual(self.fail_once("%s:1:%d:vkAllocateMemory:%d" % (call, result, calls["vkAllocateMemory"]), expected), 0, call)
            elif n > 1:
                self.fail_once("%s:%d:%d" % (call, n, result), expected)


@unittest.skipIf("lsan" in os.environ.get("LSAN_OPTIONS", "") and not os.environ.get("ULTRAVK_LONG"), "takes ten minutes with sanitizers")
class FaultTableOfStreamedWeights(FaultTable):
    model, memory = ("--layers", 6, "--width", 96, "--heads", 4, "--mlp", 384), ("--memory", "1800K")


class Lost(DriverTest):
    """The last allocations of a run are those of its inputs, one each."""

    def plain(self):
        """How many allocations a run makes, and what it stores."""
        _, _, seen = self.explain()
        return seen["calls"]["vkAllocateMemory"], self.stored()

    def fault(self, call, result, allocation):
        return "fail=%s:2:%d:vkAllocateMemory:%d" % (call, result, allocation)

    def test_once(self):
        n, expected = self.plain()
        for call, result in (("vkQueueSubmit", DEVICE_LOST), ("vkWaitForFences", DEVICE_LOST), ("vkQueueSubmit", OUT_OF_DEVICE_MEMORY)):
            r, lines, seen = self.explain(self.fault(call, result, n))
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertEqual(len(lines), 1, lines)
            self.assertIn("2.png", lines[0])
            self.assertIn("once more", lines[0])
            self.assertEqual(seen["calls"]["vkCreateDevice"], 2)
            self.assertEqual(self.inputs(), [("done", None, 1)] * 3)
            self.assertEqual(self.stored(), expected)

    def test_no_memory(self):
        n, expected = self.plain()
        r, lines, seen = self.explain("fail=vkAllocateMemory:%d:%d" % (n - 1, OUT_OF_DEVICE_MEMORY), arguments=("--memory", "4M"))
        self.assertEqual((r.returncode, len(lines)), (0, 1), r.stderr)
        self.assertIn("1.png", lines[0])
        self.assertIn("device memory", lines[0])
        self.assertEqual(self.stored(), expected)
        self.assertLess(self.rows("r.db", "SELECT max(peak_bytes) FROM run_input WHERE input_id > 1")[0][0],
                        self.rows("r.db", "SELECT peak_bytes FROM run_input WHERE input_id = 1")[0][0]) # half the budget is half the staging

    def test_one_input_twice(self):
        n, expected = self.plain()
        # The second photo loses the device, and once more on the one opened anew, which made n - 3 allocations before.
        r, lines, seen = self.explain(self.fault("vkQueueSubmit", DEVICE_LOST, n - 1), self.fault("vkQueueSubmit", DEVICE_LOST, 2 * n - 3))
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertEqual(seen["calls"]["vkCreateDevice"], 3)
        self.assertEqual([i[0] for i in self.inputs()], ["done", "failed", "done"])
        self.assertIn("the device was lost", self.inputs()[1][1])
        self.assertEqual(self.inputs()[1][2], 1)
        self.assertEqual(self.rows("r.db", "SELECT status FROM run"), [("failed",)])
        self.assertEqual(self.stored(), [row for row in expected if row[0] != "1.png"])
        self.ok("explain", "--model", "model", "photos", "--quiet", "--tokens", "1-3", "--db", "r.db", "--resume")
        self.assertEqual(self.stored(), expected)

    def test_for_good(self):
        n, _ = self.plain()
        r, lines, _ = self.explain(self.fault("vkQueueSubmit", DEVICE_LOST, n), "fail=vkCreateDevice:2+:%d" % INITIALIZATION_FAILED)
        self.assertEqual(r.returncode, 4, r.stderr)
        self.assertEqual(len(lines), 2, lines)
        self.assertEqual([i[0] for i in self.inputs()], ["done", "done", "failed"])
        self.assertEqual(self.rows("r.db", "SELECT status FROM run"), [("failed",)])

    def test_again_and_again(self):
        for i in range(3, 8):
            self.write("photos/%d.png" % i, png(20 + i, 30))
        n, _ = self.plain()
        r, lines, seen = self.explain("fail=vkQueueSubmit:2+:%d:vkAllocateMemory:%d" % (DEVICE_LOST, n - 5))
        self.assertEqual(r.returncode, 4, r.stderr)
        self.assertEqual([i[0] for i in self.inputs()], ["done"] * 2 + ["failed"] * 3) # three in a row, and no more is tried


class TinyDevice(DriverTest):
    def test_weights_and_allocations_are_cut(self):
        """Matrices of 17 MB where a binding sees 16 MiB, a model of 107 MB where an allocation has 64 MiB."""
        make_model(self.path("large"), "--width", 1024, "--mlp", 4200, "--heads", 16, "--dtype", "BF16")
        arguments = ["explain", "--model", "large", "photos/0.png", "--tokens", "all", "--quiet", "--out"]
        self.ok(*arguments, "plain.npy")
        (targets, n), plain = read_npy(self.path("plain.npy"))
        largest = max(abs(plain[k * n + j]) for k in range(targets) for j in range(n) if j != k)
        for limits in ("tiny", "wide"):
            self.ok(*arguments, limits + ".npy", env=self.mock("limits=" + limits))
            rows = read_npy(self.path(limits + ".npy"))[1]
            self.assertLess(max(abs(a - b) for a, b in zip(rows, plain)), 2e-5 * largest)

    def test_it_looks_small(self):
        device = json.loads(self.ok("devices", "--json", env=self.mock("limits=tiny")).stdout)[0]
        self.assertEqual((device["max_storage_range"], device["max_allocation"], device["max_workgroups"], device["shared_memory"], device["subgroup_size"]),
                         (16 << 20, 64 << 20, [65535] * 3, 16 << 10, 4))


if __name__ == "__main__":
    main()
