"""The README's example against the installed library, found by pkg-config and by find_package; $ULTRAVK_BUILD is the build."""
import os
import shutil
import subprocess
import sys
import unittest

from harness import ProgramTest, contents, main, make_model, png, read_npy

BUILD = os.environ.get("ULTRAVK_BUILD", "")
SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
EXAMPLE = os.path.join(SOURCE, "docs", "example.c")
CMAKE = """cmake_minimum_required(VERSION 3.22)
project(example C)
find_package(ultravk REQUIRED)
add_executable(example %s)
target_link_libraries(example PRIVATE ultravk::ultravk)
"""


class Installed(ProgramTest):
    def setUp(self):
        super().setUp()
        self.call("cmake", "--install", BUILD, "--prefix", self.path("usr"))
        self.libraries = os.path.dirname(self.find("libultravk.so"))

    def call(self, *command, **more):
        r = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, **more)
        self.assertEqual(r.returncode, 0, (command, r.stdout, r.stderr))
        return r.stdout

    def find(self, name):
        found = [path for path in self.files() if os.path.basename(path) == name]
        self.assertTrue(found, name)
        return self.path(found[0])

    def expect_rows(self, example):
        make_model(self.path("model"))
        self.write("photo.png", png(20, 20))
        self.ok("explain", "--model", "model", "photo.png", "--tokens", "3", "--out", "rows.npy", "--quiet")
        printed = self.call(example, "model", "photo.png", "3", env=self.environment({"LD_LIBRARY_PATH": self.libraries}))
        rows = [line.split() for line in printed.splitlines()]
        self.assertEqual([int(i) for i, _ in rows], list(range(len(rows))))
        for (_, value), expected in zip(rows, read_npy(self.path("rows.npy"))[1], strict=True):
            self.assertAlmostEqual(float(value), expected, delta=1e-7 * abs(expected))
        r = subprocess.run([example, "nowhere", "photo.png", "3"], cwd=self.folder, capture_output=True, text=True, env=self.environment({"LD_LIBRARY_PATH": self.libraries}))
        self.assertEqual((r.returncode, r.stdout), (3, ""))
        self.assertIn("nowhere", r.stderr)

    def test_readme_shows_the_example(self):
        self.assertIn(contents(EXAMPLE).decode(), contents(os.path.join(SOURCE, "README.md")).decode())

    def test_pkg_config(self):
        environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(self.find("ultravk.pc"))}
        flags = self.call("pkg-config", "--cflags", "--libs", "ultravk", env=environment).split()
        self.call("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-o", "example", EXAMPLE, *flags)
        self.expect_rows(self.path("example"))

    def test_find_package(self):
        self.write("project/CMakeLists.txt", CMAKE % EXAMPLE)
        self.call("cmake", "-S", "project", "-B", "build", "-DCMAKE_PREFIX_PATH=" + self.path("usr"))
        self.call("cmake", "--build", "build")
        self.expect_rows(self.path("build", "example"))

    def test_program(self):
        self.assertIn("ultravk", self.call(self.path("usr", "bin", "ultravk"), "--version"))


if __name__ == "__main__":
    if not os.path.exists(os.path.join(BUILD, "libultravk.so")) or not shutil.which("pkg-config"):
        print("skipped: no build of the shared library, or no pkg-config")
        sys.exit(77)
    main()
