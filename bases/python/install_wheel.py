"""Installs one pure-Python wheel, unpacked, as `pip install` would.

install_wheel.py WHEEL ROOT SITE-PACKAGES PYTHON NO-PYC

ROOT is where the box's file system is being laid out; the other paths are as the box sees them. Modules whose path
matches the regular expression NO-PYC are not compiled. The format is PyPA's "Binary distribution format"; RECORD and
INSTALLER are those of "Recording installed projects".
"""

import base64
import configparser
import csv
import hashlib
import io
import os
import py_compile
import re
import sys

SCRIPT = """\
#!{python}
import sys
from {module} import {function}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({function}())
"""


def record_line(path, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [path, f"sha256={digest}", str(len(data))]


def below(root, path):
    return os.path.join(root, path.lstrip("/"))


def write(root, path, data, mode=0o644):
    path = below(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def read(root, path):
    with open(below(root, path), "rb") as file:
        return file.read()


def files(folder):
    """Lists the files below a folder, by their paths in it."""
    paths = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted(os.path.relpath(path, folder) for path in paths)


def scripts(wheel, info, python):
    """Yields the name and the text of every console script."""
    points = configparser.ConfigParser()
    points.optionxform = str
    points.read_string(read(wheel, f"{info}/entry_points.txt").decode())
    for name, target in points["console_scripts"].items():
        module, function = target.split(":")
        yield name, SCRIPT.format(python=python, module=module, function=function).encode()


def compile_module(root, path):
    """Compiles the module that a box sees at path and returns the .pyc's path."""
    folder, name = os.path.split(path)
    target = f"{folder}/__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(
        below(root, path), below(root, target), path, doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    return target


def install(wheel, root, site, python, no_pyc):
    """Installs an unpacked wheel below root."""
    names = files(wheel)
    info = next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
    record = []

    def add(path, data, mode=0o644):
        write(root, os.path.normpath(os.path.join(site, path)), data, mode)
        record.append(record_line(path, data))

    for name in names:
        if name != f"{info}/RECORD" and not name.endswith(".exe"):
            add(name, read(wheel, name))
    add(f"{info}/INSTALLER", b"pip\n")
    add(f"{info}/REQUESTED", b"")
    for name, text in scripts(wheel, info, python):
        bin_folder = os.path.relpath(os.path.dirname(python), site)
        add(f"{bin_folder}/{name}", text, 0o755)
    for name in names:
        if name.endswith(".py") and not re.search(no_pyc, name):
            record.append([os.path.relpath(compile_module(root, f"{site}/{name}"), site), "", ""])
    record.append([f"{info}/RECORD", "", ""])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(record))
    write(root, f"{site}/{info}/RECORD", text.getvalue().encode())


def main():
    install(*sys.argv[1:])


if __name__ == "__main__":
    main()
