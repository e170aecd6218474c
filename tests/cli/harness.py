"""What the tests of the program share. Python's standard library only; $ULTRAVK is the program, $ULTRAVK_TOOLS has make_model."""
import ast
import json
import os
import pty
import select
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

PROGRAM = os.environ.get("ULTRAVK", "ultravk")
TOOLS = os.environ.get("ULTRAVK_TOOLS", "")
# Compiling pipelines takes seconds with a software driver: once for all tests of a build, not once a test.
CACHE = os.path.join(TOOLS or tempfile.gettempdir(), "test-cache")
MOCK = os.environ.get("ULTRAVK_MOCK", "") # the folder of a Vulkan loader that fails, counts and plays other devices: support/mock_vulkan.c
NO_DRIVER = {"VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}


def make_model(folder, *options):
    subprocess.run([os.path.join(TOOLS, "make_model"), folder, *map(str, options)], check=True)
    return folder


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, pixel=None):
    """An RGB PNG whose pixel at x, y is pixel(x, y); a smooth pattern by default."""
    pixel = pixel or (lambda x, y: (x * 7 % 256, y * 5 % 256, (x + y) * 3 % 256))
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def read_png(path):
    """(width, height, rows of RGB bytes) of an 8-bit RGB PNG."""
    data = contents(path)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, packed = 8, b""
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place:place + 8])
        body = data[place + 8:place + 8 + size]
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", body[:10])
            assert (depth, color) == (8, 2)
        elif kind == b"IDAT":
            packed += body
        place += 12 + size
    return width, height, unfilter(zlib.decompress(packed), 3 * width, height)


def unfilter(data, stride, height):
    def paeth(a, b, c):
        p = a + b - c
        return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]

    rows, above = [], bytearray(stride)
    for y in range(height):
        kind, row = data[y * (stride + 1)], bytearray(data[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left, up, corner = row[i - 3] if i > 2 else 0, above[i], above[i - 3] if i > 2 else 0
            row[i] = row[i] + (0, left, up, (left + up) // 2, paeth(left, up, corner))[kind] & 255
        rows.append(bytes(row))
        above = row
    return rows


def read_npy(path):
    """(shape, flat tuple of floats) of a float32 .npy."""
    data = contents(path)
    assert data[:6] == b"\x93NUMPY"
    wide = data[6] > 1
    size = struct.unpack("<I" if wide else "<H", data[8:12 if wide else 10])[0]
    start = (12 if wide else 10) + size
    header = ast.literal_eval(data[start - size:start].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"], header
    return header["shape"], struct.unpack("<%df" % ((len(data) - start) // 4), data[start:])


def npy(shape, values, descr="<f4", code="f"):
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack("<%d%s" % (len(values), code), *values)


def read_safetensors(path):
    """({name: (dtype, shape, values)}, metadata)"""
    data = contents(path)
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, t in header.items():
        start, end = t["data_offsets"]
        tensors[name] = t["dtype"], t["shape"], struct.unpack("<%d%s" % ((end - start) // 4, {"F32": "f", "I32": "i"}[t["dtype"]]), body[start:end])
    return tensors, metadata


def as_nobody():
    """Before a program starts: permission bits do not stop root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


class ProgramTest(unittest.TestCase):
    """Each test has a folder of its own, self.folder, and stands in it."""

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="ultravk-cli-"))
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return name

    def environment(self, extra):
        return {**os.environ, "XDG_CACHE_HOME": CACHE, **(extra or {})}

    def nobodys_environment(self):
        """Others complain on stderr, too: Mesa where it cannot write its cache, gcov where it cannot write its counts."""
        counts = self.path("counts")
        os.makedirs(counts, exist_ok=True)
        os.chmod(counts, 0o777)
        return {"MESA_SHADER_CACHE_DISABLE": "true", "GCOV_PREFIX": counts}

    def run_program(self, *arguments, env=None, **more):
        source = {} if "input" in more else {"stdin": subprocess.DEVNULL}
        return subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, env=self.environment(env), text=True, errors="surrogateescape",
                              timeout=900, **{"capture_output": True, **source, **more})

    def on_terminal(self, *arguments, stdout=False):
        """What the program writes to a terminal that is its stderr, and stdout as well where that is wanted."""
        master, slave = pty.openpty()
        process = subprocess.Popen([PROGRAM, *arguments], cwd=self.folder, env={**self.environment(None), "TERM": "xterm"},
                                   stdout=slave if stdout else subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        seen = b""
        while select.select([master], [], [], 60)[0]:
            try:
                part = os.read(master, 4096)
            except OSError: # Linux says so when the other side is closed
                break
            if not part:
                break
            seen += part
        os.close(master)
        self.assertEqual(process.wait(), 0, seen)
        return seen.decode()

    def ok(self, *arguments, **more):
        r = self.run_program(*arguments, **more)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r

    def refused(self, status, *arguments, says=(), **more):
        """Ends with that status, nothing on stdout, and one line on stderr that holds each of says."""
        r = self.run_program(*arguments, **more)
        self.assertEqual(r.returncode, status, (arguments, r.stdout, r.stderr))
        self.assertEqual(r.stdout or "", "")
        self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
        self.assertTrue(r.stderr.startswith("ultravk: "), r.stderr)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, r.stderr)
        return r

    def mock(self, *items):
        """The environment in which the loader of support/mock_vulkan.c does as the items say."""
        inherited = os.environ.get("LD_LIBRARY_PATH")
        return {"LD_LIBRARY_PATH": MOCK + (":" + inherited if inherited else ""), "MOCK_VULKAN": ",".join(items)}

    def rows(self, database, sql, *values):
        connection = sqlite3.connect(self.path(database))
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def files(self):
        """All files below the test's folder."""
        found = set()
        for folder, _, names in os.walk(self.folder):
            found.update(os.path.relpath(os.path.join(folder, name), self.folder) for name in names)
        return found


def main():
    sys.exit(not unittest.main(exit=False, verbosity=1).result.wasSuccessful())
