"""Says what Python it runs in, and what that can see of a machine."""

import os
import platform
import sys

print("version:   ", platform.python_implementation(), platform.python_version())
print("platform:  ", sys.platform, platform.machine())
print("executable:", sys.executable)
print("path:      ", *sys.path)
print("modules:   ", len(sys.builtin_module_names), "built in,", len(sys.stdlib_module_names), "in the library")
print("recursion: ", sys.getrecursionlimit())
print("integers:  ", sys.maxsize.bit_length() + 1, "bit")
print("directory: ", os.getcwd())
print("variables: ", *sorted(os.environ))
