"""mmap by copies, and interpreters within the process."""

import _interpreters
import gc
import mmap
import operator
import os
import site
import tempfile
import unittest

PAGE = 4096


class Mappings(unittest.TestCase):
    def setUp(self):
        file, self.path = tempfile.mkstemp()
        os.close(file)
        self.addCleanup(os.remove, self.path)
        self.data = bytes(range(256)) * 1000
        self.write(self.data)

    def write(self, data):
        with open(self.path, "wb") as file:
            file.write(data)

    def read(self):
        with open(self.path, "rb") as file:
            return file.read()

    def map(self, mode="r+b", length=0, **kwargs):
        with open(self.path, mode) as file:
            return mmap.mmap(file.fileno(), length, **kwargs)

    def test_anonymous(self):
        with mmap.mmap(-1, 100_000) as mapping:
            self.assertEqual(mapping[:], bytes(100_000))
            mapping[99_999] = 7
            mapping.resize(200_000)
            self.assertEqual((mapping[99_999], mapping[199_999]), (7, 0))

    def test_read(self):
        with self.map("rb", access=mmap.ACCESS_READ) as mapping:
            self.assertEqual(mapping[:], self.data)
            self.assertEqual(mapping.find(b"\xff\x00"), 255)
        with self.map("rb", length=100, offset=mmap.ALLOCATIONGRANULARITY, access=mmap.ACCESS_READ) as mapping:
            self.assertEqual(mapping[:], self.data[mmap.ALLOCATIONGRANULARITY:][:100])

    def test_written_back(self):
        with self.map() as mapping:
            mapping[5] = 0
            self.assertEqual(self.read(), self.data)
            mapping.flush()
            self.assertEqual(self.read()[5], 0)
            mapping[-1] = 0
        self.assertEqual(self.read(), self.data[:5] + b"\0" + self.data[6:-1] + b"\0")

    def test_pages_of_others_stay(self):
        with self.map() as mapping:
            with open(self.path, "r+b") as file:
                file.seek(3 * PAGE)
                file.write(b"other")
            mapping[0:4] = b"mine"
        self.assertEqual(self.read()[:4], b"mine")
        self.assertEqual(self.read()[3 * PAGE:][:5], b"other")

    def test_never_grows_the_file(self):
        with self.map() as mapping:
            mapping[-1] = 0
            os.truncate(self.path, PAGE + 1)
            mapping[PAGE] = 77
        self.assertEqual(self.read(), self.data[:PAGE] + b"M")

    def test_resized(self):
        with self.map() as mapping:
            mapping[0] = 1
            mapping.resize(len(self.data) + 2)
            mapping[-1] = 9
        self.assertEqual(self.read(), b"\1" + self.data[1:] + b"\0\x09")

    def test_copy(self):
        with self.map("rb", access=mmap.ACCESS_COPY) as mapping:
            mapping[0:3] = b"own"
            self.assertEqual(mapping[:3], b"own")
        self.assertEqual(self.read(), self.data)

    def test_refused(self):
        for error, mode, kwargs in [
            (PermissionError, "rb", {}),
            (PermissionError, "ab", {"access": mmap.ACCESS_READ}),
            (OSError, "r+b", {"length": 10, "offset": 1}),
            (OSError, "r+b", {"length": 10, "flags": mmap.MAP_PRIVATE | 0x10}),  # MAP_FIXED
        ]:
            with self.subTest(mode=mode, **kwargs), self.assertRaises(error):
                self.map(mode, **kwargs)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        with self.assertRaises(OSError):
            mmap.mmap(reader, 10)


class Interpreters(unittest.TestCase):
    def run_in_another(self, code):
        interpreter = _interpreters.create("legacy")
        try:
            return _interpreters.exec(interpreter, code)
        finally:
            _interpreters.destroy(interpreter)

    def test_modules_of_their_own(self):
        self.assertIsNone(self.run_in_another("import sys, json\njson.mine = True\nassert 'unittest' not in sys.modules"))
        import json
        self.assertFalse(hasattr(json, "mine"))

    def test_exception(self):
        self.assertEqual(self.run_in_another("raise SystemExit(3)").msg, "3")

    # The collector called a function of another type than it has: a trap.
    def test_methodcaller_in_a_cycle(self):
        self.assertIsNone(self.run_in_another("import operator\nx = [operator.methodcaller('y')]\nx.append(x)"))
        cycle = []
        cycle.append(operator.methodcaller("name", cycle))
        del cycle
        gc.collect()


class Users(unittest.TestCase):
    def test_site_packages(self):
        self.assertEqual(site.getusersitepackages(), os.path.expanduser("~/.local/lib/python3.13/site-packages"))
        self.assertEqual(site.USER_SITE, site.getusersitepackages())


if __name__ == "__main__":
    unittest.main()
