"""Classes: attributes, properties, inheritance, operators, slots, dataclasses, enums, named tuples, context managers."""
import abc
import collections
import contextlib
import copy
import dataclasses
import enum
import heapq
import typing
import weakref


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    def __eq__(self, other):
        return isinstance(other, Vector) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

    def __repr__(self):
        return f"Vector({self.x!r}, {self.y!r})"


class Account(abc.ABC):
    opened = 0

    def __init__(self, owner, balance=0):
        self.owner = owner
        self._balance = balance
        self.history = []
        Account.opened += 1

    @property
    def balance(self):
        return self._balance

    @balance.setter
    def balance(self, value):
        if value < self.limit():
            raise ValueError(f"{self.owner} cannot go below {self.limit()}")
        self.history.append(value - self._balance)
        self._balance = value

    @abc.abstractmethod
    def limit(self): ...

    @classmethod
    def named(cls, *names):
        return [cls(name, 100) for name in names]

    @staticmethod
    def interest(amount, rate):
        return amount * rate // 100


class Savings(Account):
    def limit(self):
        return 0


class Current(Savings):
    def limit(self):
        return super().limit() - 500


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"
    BLUE = "b"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2
    RUN = 4


@dataclasses.dataclass(order=True)
class Task:
    priority: int
    name: str = dataclasses.field(compare=False)
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0


class Pixel(typing.NamedTuple):
    x: int
    y: int
    colour: Colour = Colour.RED


class Tree(dict):
    def __missing__(self, key):
        child = self[key] = Tree()
        return child


class Lazy:
    def __getattr__(self, name):
        value = len(name)
        setattr(self, name, value)
        return value


class Countdown:
    def __init__(self, start):
        self.left = start

    def __iter__(self):
        return self

    def __next__(self):
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return self.left


@contextlib.contextmanager
def journal(entries, name):
    entries.append(f"enter {name}")
    try:
        yield entries
    finally:
        entries.append(f"leave {name}")


position = Vector(0, 0)
for step in range(6_000):
    position = position + Vector(step % 3, 1) * 2
print(position, len({Vector(n % 50, n % 7) for n in range(2_000)}))

accounts = Savings.named("ann", "bob") + Current.named("cy", "dee")
refused = 0
for turn in range(4_000):
    account = accounts[turn % len(accounts)]
    try:
        account.balance += 60 if turn % 3 else -170
    except ValueError:
        refused += 1
print([a.balance for a in accounts], refused, Account.opened, Account.interest(1_000, 5))

tasks = [Task(n * 37 % 101, f"task {n}") for n in range(800)]
heapq.heapify(tasks)
print([heapq.heappop(tasks).name for _ in range(len(tasks))][-1])
points = {Point(n / 4, -n): n for n in range(600)}
print(points[Point(2.5, -10)], dataclasses.replace(Point(1.0), y=2.0), dataclasses.asdict(Task(1, "x", ["a"])))
print([Colour(letter).name for letter in "rgb" * 50][-1], Access.READ | Access.RUN, Pixel(1, 2)._replace(x=5).colour.value)
forest = Tree()
for n in range(1_500):
    forest[n % 5][n % 11][n] = n
print(len(copy.deepcopy(forest[1])), sum(Countdown(2_000)), Lazy().some_name)
entries = []
for n in range(500):
    with journal(entries, n), contextlib.suppress(KeyError):
        {}[n]
print(len(entries), weakref.ref(accounts[0])().owner, collections.ChainMap({"a": 1}, {"b": 2})["b"])
for n in range(3_000):
    thing = accounts[n % 4]
    if isinstance(thing, Current) and hasattr(thing, "history") and callable(getattr(thing, "limit", None)):
        thing.note = n
print(accounts[3].note, vars(accounts[2])["owner"], issubclass(Current, Account), type("Made", (Lazy,), {"y": 1})().y)
