"""The library exports what its header declares, and nothing else. $ULTRAVK_BUILD is the build."""
import os
import re
import shutil
import subprocess
import unittest

from harness import ProgramTest, contents, main

LIBRARY = os.path.join(os.environ.get("ULTRAVK_BUILD", ""), "libultravk.so")
HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "include", "ultravk.h")


class Exports(ProgramTest):
    @unittest.skipUnless(shutil.which("nm"), "there is no nm here")
    def test_what_is_exported_is_declared(self):
        declared = re.findall(r"^UVK_API [^;]*?\b(uvk_\w+)\(", contents(HEADER).decode(), re.M)
        found = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True).stdout
        self.assertGreater(len(declared), 30)
        # A sanitizer brings symbols of its own; they begin with two underscores.
        self.assertEqual(sorted(name for name in (line.split()[-1] for line in found.splitlines()) if not name.startswith("__")), sorted(declared))


if __name__ == "__main__":
    main()
