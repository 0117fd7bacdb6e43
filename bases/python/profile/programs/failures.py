"""Exceptions: raising, catching, chaining, groups, tracebacks, logging, warnings, unit tests."""
import io
import logging
import traceback
import unittest
import warnings


class Refused(Exception):
    def __init__(self, reason, code=1):
        super().__init__(reason)
        self.code = code


def check(value):
    if value % 4 == 0:
        raise Refused(f"{value} is a multiple of four", code=value)
    if value % 5 == 0:
        raise ValueError(value)
    return value


def careful(value):
    try:
        return check(value)
    except Refused as refusal:
        return -refusal.code
    except (ValueError, TypeError):
        return 0
    else:
        return 1
    finally:
        careful.calls += 1


def deep(levels):
    if levels == 0:
        raise KeyError("bottom")
    try:
        deep(levels - 1)
    except KeyError as error:
        if levels % 7 == 0:
            raise RuntimeError(f"level {levels}") from error
        raise


def convert(text):
    for kind in (int, float, complex):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


careful.calls = 0
print(sum(careful(n) for n in range(6_000)), careful.calls)
print([type(convert(text)).__name__ for text in ["1", "2.5", "3j", "four"] * 200][-4:])
for _ in range(30):
    try:
        deep(20)
    except RuntimeError as error:
        text = traceback.format_exc()
print(len(text.splitlines()), repr(error) if "error" in dir() else "gone")
caught = 0
for n in range(1_000):
    try:
        ([][n], {}[n], None.missing, 1 / 0)[n % 4]
    except LookupError:
        caught += 1
    try:
        1 / (n % 2)
    except ZeroDivisionError:
        caught += 1
    try:
        "x" + n
    except TypeError:
        caught += 1
    try:
        object().missing
    except AttributeError:
        caught += 1
try:
    raise ExceptionGroup("several", [ValueError(1), TypeError(2)])
except* ValueError as group:
    print(caught, group.exceptions)
except* TypeError:
    pass

stream = io.StringIO()
logger = logging.getLogger("work")
handler = logging.StreamHandler(stream)
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-8s %(name)s:%(lineno)d %(message)s"))
logger.addHandler(handler)
logger.setLevel(logging.INFO)
for n in range(400):
    logger.info("item %d of %s", n, "many")
    logger.debug("unseen %d", n)
print(len(stream.getvalue().splitlines()))


class Sums(unittest.TestCase):
    def setUp(self):
        self.numbers = list(range(10))

    def test_sum(self):
        self.assertEqual(sum(self.numbers), 45)

    def test_error(self):
        with self.assertRaises(Refused):
            check(8)

    def test_parts(self):
        for n in self.numbers:
            with self.subTest(n=n):
                self.assertIn(n, self.numbers)


with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    for n in range(50):
        warnings.warn(f"old {n}", DeprecationWarning)
result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Sums))
print(len(seen), result.wasSuccessful())
