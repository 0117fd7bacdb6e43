"""Where Python finds itself, and what is there with it."""

import importlib.util
import os
import pathlib
import platform
import site
import sys
import sysconfig
import unittest
import zoneinfo

LIBRARY = f"/usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}"


class Places(unittest.TestCase):
    def test_executable(self):
        self.assertEqual(sys.executable, "/usr/local/bin/python3")
        self.assertEqual((sys.prefix, sys.exec_prefix, sys.base_prefix), ("/usr/local",) * 3)
        self.assertTrue(os.access(sys.executable, os.X_OK))

    def test_site(self):
        self.assertEqual(site.getsitepackages(), [f"{LIBRARY}/site-packages"])
        self.assertIn(f"{LIBRARY}/site-packages", sys.path)

    def test_sysconfig(self):
        paths = sysconfig.get_paths()
        self.assertEqual(paths["stdlib"], LIBRARY)
        self.assertEqual(paths["purelib"], f"{LIBRARY}/site-packages")
        self.assertEqual(paths["scripts"], "/usr/local/bin")
        self.assertEqual(sysconfig.get_platform(), "wasi-0.0.0-wasm32")
        self.assertEqual(sysconfig.get_config_var("prefix"), "/usr/local")
        self.assertTrue(os.path.exists(sysconfig.get_config_h_filename()))

    def test_platform(self):
        self.assertEqual(sys.platform, "wasi")
        self.assertEqual(platform.machine(), "wasm32")
        self.assertEqual(platform.python_version(), ".".join(map(str, sys.version_info[:3])))
        self.assertTrue(platform.platform())
        self.assertTrue(platform.freedesktop_os_release()["NAME"])

    def test_nothing_of_the_build_shows(self):
        for value in map(str, sysconfig.get_config_vars().values()):
            self.assertNotIn("/tmp/", value)
            self.assertNotIn("/work/", value)
            self.assertNotIn(".cache", value)


class Text(unittest.TestCase):
    def test_utf8(self):
        self.assertEqual(sys.flags.utf8_mode, 1)
        self.assertEqual(sys.getfilesystemencoding(), "utf-8")
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            self.assertEqual(stream.encoding, "utf-8")


class Modules(unittest.TestCase):
    def test_compiled_ones(self):
        for name in (
            "_asyncio", "_blake2", "_bz2", "_csv", "_datetime", "_decimal", "_elementtree", "_json", "_lzma", "_md5",
            "_pickle", "_queue", "_random", "_sha1", "_sha2", "_sha3", "_socket",
            "_sqlite3", "_statistics", "_struct", "_zoneinfo", "array", "binascii", "fcntl", "grp", "pwd", "pyexpat",
            "select", "unicodedata", "zlib",
        ):
            importlib.import_module(name)

    def test_every_source_is_compiled(self):
        root = pathlib.Path(LIBRARY)
        for source in root.rglob("*.py"):
            if "site-packages" in source.parts:
                continue
            compiled = pathlib.Path(importlib.util.cache_from_source(source))
            self.assertTrue(compiled.exists(), source)
            # PEP 552: hash-based, not checked against the source.
            self.assertEqual(compiled.read_bytes()[4:8], b"\x01\0\0\0", source)

    def test_pip(self):
        from importlib.metadata import distribution
        pip = distribution("pip")
        self.assertEqual(pip.read_text("INSTALLER"), "pip\n")
        for file in pip.files:
            self.assertTrue(file.locate().exists(), file)

    def test_sqlite(self):
        import sqlite3
        db = sqlite3.connect(":memory:")
        db.execute("create virtual table t using fts5(body)")
        db.execute("insert into t values ('the quick brown fox')")
        self.assertEqual(db.execute("select count(*) from t where t match 'quick'").fetchone(), (1,))
        self.assertEqual(db.execute("select sqrt(16.0)").fetchone(), (4.0,))


class Data(unittest.TestCase):
    def test_certificates(self):
        text = pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_text()
        self.assertGreater(text.count("-----BEGIN CERTIFICATE-----"), 100)
        for line in text.splitlines():
            self.assertLess(line.count("-----"), 3)

    def test_zones(self):
        self.assertGreater(len(zoneinfo.available_timezones()), 400)
        self.assertEqual(zoneinfo.ZoneInfo("Asia/Tokyo").key, "Asia/Tokyo")

    def test_tmp(self):
        self.assertEqual(os.stat("/tmp").st_mode & 0o7777, 0o1777)
        self.assertEqual(os.stat("/root").st_mode & 0o7777, 0o700)


if __name__ == "__main__":
    unittest.main()
