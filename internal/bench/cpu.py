"""Programs whose speed boxer measures. Standard input names one a line; the answer is how many nanoseconds it took.

They are chosen to be unlike each other for a compiler: calls, plain arithmetic, attributes, and the interpreter's
libraries in C, whose loops are short and many.
"""

import json
import re
import sys
import time


def fib(n=20):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def integers():
    total = 0
    for i in range(30_000):
        total += i * i & 3
    return total


DOCUMENT = {"rows": [{"id": i, "name": str(i), "rest": [1.5, None, True]} for i in range(60)]}


def json_round_trip():
    for _ in range(8):
        json.loads(json.dumps(DOCUMENT))


def sorting():
    numbers = [i * 7919 % 100_003 for i in range(6_000)]
    numbers.sort()
    return sorted(numbers, key=lambda n: -n)


ADDRESS = re.compile(r"(\w+)@(\w+)\.com")
TEXT = "one two three@four.com five " * 200


def regular_expressions():
    for _ in range(5):
        ADDRESS.findall(TEXT)


def strings():
    for _ in range(8):
        " ".join(str(i) for i in range(1000)).split()


def dictionaries():
    counts = {}
    for i in range(20_000):
        counts[i % 1000] = counts.get(i % 1000, 0) + 1
    return counts


class Point:
    def __init__(self, x):
        self.x = x

    def moved(self):
        return self.x + 1


def objects():
    total = 0
    for i in range(10_000):
        total += Point(i).moved()
    return total


def generators():
    return sum(n for n in (i * 2 for i in range(20_000)) if n % 3)


def big_integers():
    big, modulus = 3**2000, 7**1500
    for _ in range(60):
        big * big % modulus


def queens(n=7, row=0, columns=0, left=0, right=0):
    if row == n:
        return 1
    found = 0
    for i in range(n):
        if not (columns >> i & 1 or left >> (row + i) & 1 or right >> (row - i + n) & 1):
            found += queens(n, row + 1, columns | 1 << i, left | 1 << (row + i), right | 1 << (row - i + n))
    return found


def main():
    for line in sys.stdin:
        program = globals()[line.strip()]
        start = time.process_time_ns()
        program()
        print(time.process_time_ns() - start, flush=True)


main()
