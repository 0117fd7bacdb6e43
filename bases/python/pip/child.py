"""Runs Python's command lines for pip, which starts a process for each: to install what a build needs, and to build.

A box cannot start processes. An interpreter of its own in this process stands in for one: with modules, paths, arguments
and exit functions that nobody shares. What it does share, which are the working directory, the environment and the standard
streams, is lent to it. It has come to its end when Popen returns.
"""

import _interpreters
import io
import os
import subprocess
import sys
import tempfile

# What Python does with a command line, and with the variables that it has read by the time that an interpreter is made.
START = """\
import os, runpy, site, sys

def add_paths():
    if os.environ.get('PYTHONNOUSERSITE') and site.USER_SITE in sys.path:
        sys.path.remove(site.USER_SITE)
    sys.path[:0] = filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))
    site.execsitecustomize()

def run():
    arguments = [argument for argument in command if argument != '-u']
    if arguments[0] == '-c':
        sys.argv = ['-c', *arguments[2:]]
        sys.path.insert(0, '')
        exec(arguments[1], {'__name__': '__main__', '__builtins__': __builtins__})
    else:
        sys.argv = arguments
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        runpy.run_path(arguments[0], run_name='__main__')

def status():
    try:
        add_paths()
        run()
    except SystemExit as exit:
        if exit.code is None or isinstance(exit.code, int):
            return exit.code or 0
        print(exit.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0

ended = status()
sys.stdout.flush()
sys.stderr.flush()
sys.exit(ended)
"""


def execute(arguments):
    """Runs Python with arguments and returns its exit status."""
    interpreter = _interpreters.create("legacy")
    try:
        end = _interpreters.exec(interpreter, START, {"command": tuple(arguments)})
        return int(end.msg)
    finally:
        _interpreters.destroy(interpreter)


class Lent:
    """What the process has one of, as the child is to see it. When the block ends, all is as it was before."""

    def __init__(self, cwd, env, streams):
        self.cwd, self.env, self.streams = cwd, env, streams

    def __enter__(self):
        sys.stdout.flush()
        sys.stderr.flush()
        self.had = os.getcwd(), dict(os.environ), [os.dup(fd) for fd in range(3)]
        self.change(self.cwd, self.env, self.streams)

    def __exit__(self, *exception):
        self.change(*self.had)
        for fd in self.had[2]:
            os.close(fd)

    @staticmethod
    def change(cwd, env, streams):
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        for fd, stream in enumerate(streams):
            os.dup2(stream, fd)


class Popen:
    """A Python that has run to its end. What pip uses of subprocess.Popen."""

    def __init__(self, args, stdin, stdout, stderr, cwd, env, errors):
        if args[0] != sys.executable:
            raise FileNotFoundError(f"{args[0]}: a box runs no other programs than Python while it runs pip")
        out = tempfile.TemporaryFile()
        err = out if stderr == subprocess.STDOUT else tempfile.TemporaryFile()
        with open(os.devnull, "rb") as nothing, Lent(cwd or os.getcwd(), env, [f.fileno() for f in (nothing, out, err)]):
            self.returncode = execute(args[1:])
        out.seek(0)
        err.seek(0)
        self.stdin = io.BytesIO()
        self.stdout = io.TextIOWrapper(out, errors=errors)
        self.stderr = None if err is out else io.TextIOWrapper(err, errors=errors)

    def wait(self):
        return self.returncode

    def communicate(self):
        return self.stdout.read(), self.stderr.read() if self.stderr else None
