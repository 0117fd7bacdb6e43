"""Functions: recursion, closures, default and keyword arguments, decorators, generators, built-ins with callbacks."""
import functools
import itertools
import operator


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def hanoi(disks, source="a", target="b", spare="c"):
    if disks == 0:
        return 0
    return hanoi(disks - 1, source, spare, target) + 1 + hanoi(disks - 1, spare, target, source)


def queens(size, row=0, columns=0, left=0, right=0):
    if row == size:
        return 1
    found = 0
    free = ~(columns | left | right) & ((1 << size) - 1)
    while free:
        bit = free & -free
        free ^= bit
        found += queens(size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return found


def counted(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return function(*args, **kwargs)

    wrapper.calls = 0
    return wrapper


@counted
def area(width, height=2, *, scale=1):
    return width * height * scale


@functools.lru_cache(maxsize=None)
def partitions(n, largest):
    if n == 0:
        return 1
    return sum(partitions(n - part, min(part, n - part)) for part in range(1, min(n, largest) + 1))


def accumulator(start):
    value = start

    def add(amount):
        nonlocal value
        value += amount
        return value

    return add


def walk(tree):
    if tree:
        left, value, right = tree
        yield from walk(left)
        yield value
        yield from walk(right)


def grow(low, high):
    if low >= high:
        return None
    middle = (low + high) // 2
    return grow(low, middle), middle, grow(middle + 1, high)


def running_mean():
    mean = count = 0
    while True:
        value = yield mean
        count += 1
        mean += (value - mean) / count


print(ackermann(2, 60), hanoi(12), queens(7), partitions(40, 40))
for i in range(3_000):
    area(i)
    area(i, 3)
    area(i, height=4, scale=2)
    area(*(i, 5), **{"scale": 3})
add = accumulator(10)
print(area.calls, [add(n) for n in range(5_000)][-1], sum(walk(grow(0, 3_000))))
means = running_mean()
next(means)
print(round([means.send(n % 10) for n in range(5_000)][-1], 3))
evens = filter(lambda n: n % 2 == 0, map(operator.mul, range(20_000), itertools.cycle((1, 2, 3))))
print(sum(itertools.islice(evens, 5_000)), functools.reduce(lambda a, b: a ^ b, range(5_000)))
pairs = itertools.groupby(itertools.chain.from_iterable(zip(range(2_000), range(2_000))), key=lambda n: n // 16)
print(sum(len(list(group)) for _, group in pairs), len(list(itertools.combinations(range(14), 4))))
print(max(range(3_000), key=lambda n: n * 7919 % 3001), any(n > 2_990 for n in range(3_000)), sorted("banana", key=ord))
print(len(list(itertools.permutations(range(6)))), sum(a * b for a, b in itertools.product(range(60), repeat=2)))
