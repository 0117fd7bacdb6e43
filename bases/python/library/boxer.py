"""What the program that runs this box lends it: functions, called by name.

Arguments and results are what JSON can express. call(name, 1, 2) passes the
array [1, 2], and call(name, x=1) the object {"x": 1}; with both, the object is
the last element of the array.
"""

import json as _json
import os as _os
from errno import E2BIG as _E2BIG, EAGAIN as _EAGAIN, ENOENT as _ENOENT

import _boxer

__all__ = ["CallError", "UnknownFunctionError", "acall", "call", "functions"]

_REASONS = {
    _E2BIG: "the arguments are too large",
    _EAGAIN: "too many calls have not been answered yet",
}


class CallError(Exception):
    """A function of the host has failed, or was not started."""


class UnknownFunctionError(CallError, LookupError):
    """The host lends no function of that name."""


def functions():
    """Return the names of the functions that can be called, sorted."""
    return [name.decode() for name in _boxer.functions().split(b"\0")[:-1]]


def call(name, /, *args, **kwargs):
    """Call a function of the host and return its result."""
    fd = _start(name, args, kwargs)
    try:
        return _result(name, fd)
    finally:
        _os.close(fd)


async def acall(name, /, *args, **kwargs):
    """Call a function of the host while other tasks of the event loop go on.

    A task that is cancelled cancels the call.
    """
    from asyncio import get_running_loop

    loop = get_running_loop()
    fd = _start(name, args, kwargs)
    try:
        done = loop.create_future()
        loop.add_reader(fd, _finish, done)
        try:
            await done
        finally:
            loop.remove_reader(fd)
        return _result(name, fd)
    finally:
        _os.close(fd)


def _finish(done):
    if not done.done():
        done.set_result(None)


def _start(name, args, kwargs):
    if kwargs:
        args = [*args, kwargs] if args else kwargs
    try:
        text = _json.dumps(args, allow_nan=False)
    except ValueError as error:  # a cycle, or a number that JSON does not have
        raise TypeError(f"{name}: {error}") from None
    try:
        return _boxer.start(name, text)
    except OSError as error:
        if error.errno is None:  # not the call's: a signal has become a TimeoutError
            raise
        raise _refusal(name, error) from None


def _refusal(name, error):
    if error.errno == _ENOENT:
        return UnknownFunctionError(f"the host lends no function {name!r}")
    reason = _REASONS.get(error.errno, error.strerror)
    return CallError(f"{name}: {reason}")


def _result(name, fd):
    parts = []
    while part := _os.read(fd, 1 << 14):
        parts.append(part)
    answer = _json.loads(b"".join(parts))
    if "error" in answer:
        raise CallError(f"{name}: {answer['error']}")
    return answer["result"]
