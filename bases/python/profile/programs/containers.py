"""Lists, dicts, sets, tuples: comprehensions, sorting, slicing, counting, graphs, caches."""
import bisect
import collections
import heapq
import operator
import random

random.seed(4)
numbers = [random.randrange(10_000) for _ in range(6_000)]
words = ["".join(random.choices("abcdefghij", k=random.randint(2, 7))) for _ in range(4_000)]


def histogram(items):
    counts = {}
    for item in items:
        if item in counts:
            counts[item] += 1
        else:
            counts[item] = 1
    return counts


def by_letter(items):
    groups = {}
    for item in items:
        groups.setdefault(item[0], []).append(item)
    return {letter: sorted(group) for letter, group in groups.items()}


def shortest(graph, start):
    distance = {start: 0}
    queue = [(0, start)]
    while queue:
        far, node = heapq.heappop(queue)
        if far > distance.get(node, float("inf")):
            continue
        for neighbour, length in graph[node].items():
            if far + length < distance.get(neighbour, float("inf")):
                distance[neighbour] = far + length
                heapq.heappush(queue, (far + length, neighbour))
    return distance


def reachable(graph, start):
    seen, queue = {start}, collections.deque([start])
    while queue:
        for neighbour in graph[queue.popleft()]:
            if neighbour not in seen:
                seen.add(neighbour)
                queue.append(neighbour)
    return seen


def quicksort(items):
    if len(items) < 2:
        return items
    pivot, *rest = items
    return quicksort([i for i in rest if i < pivot]) + [pivot] + quicksort([i for i in rest if i >= pivot])


def knapsack(weights, room):
    best = [0] * (room + 1)
    for index, weight in enumerate(weights):
        for left in range(room, weight - 1, -1):
            best[left] = max(best[left], best[left - weight] + index % 9 + 1)
    return best[room]


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


print(max(histogram(words).values()), {k: len(v) for k, v in sorted(by_letter(words).items())}["a"])
print(collections.Counter(words).most_common(2), sorted(numbers)[10], sorted(words, key=len, reverse=True)[0])
print(sorted(zip(words, numbers), key=operator.itemgetter(1))[0], sorted(words, key=lambda w: (len(w), w))[5])
print(quicksort(numbers[:800])[3], numbers == sorted(numbers), sorted(map(float, numbers))[7], sorted(map(str, numbers))[-1])
graph = {n: {random.randrange(400): random.randint(1, 20) for _ in range(5)} for n in range(400)}
print(len(shortest(graph, 0)), len(reachable(graph, 1)), knapsack([n % 23 + 1 for n in numbers[:60]], 200))
print(distance("the quick brown fox jumps"[:24], "a lazy dog that was quick"), numbers[::-7][:3], numbers[5:9] * 2)
squares = {n: n * n for n in numbers}
evens = {n for n in numbers if not n & 1}
print(len(squares), len(evens & set(range(5_000))), len(evens | {1, 3}), len(evens - set(numbers[:50])), sum(squares.values()))
table = [[row * column for column in range(60)] for row in range(60)]
print(sum(map(sum, table)), list(map(list, zip(*table)))[3][4], sum(row[i] for i, row in enumerate(table)))
queue = collections.deque(maxlen=50)
for n in numbers:
    queue.append(n)
    if n % 3 == 0:
        queue.popleft()
ordered = []
for n in numbers[:1_500]:
    bisect.insort(ordered, n)
print(len(queue), ordered[700], ordered.index(ordered[-1]), numbers.count(7), min(numbers), (1, 2) + (3,))
stack = []
for n in numbers:
    stack.append(n)
    while len(stack) > 1 and stack[-1] < stack[-2]:
        top = stack.pop()
        stack[-1] = top
default = collections.defaultdict(list)
for n, word in enumerate(words):
    default[word[:2]].append(n)
merged = {**squares, **{word: n for n, word in enumerate(words)}}
for key in list(merged)[::3]:
    del merged[key]
first, *_, last = numbers
print(len(stack), len(default), len(merged), first, last, merged.pop("nothing", None), list(reversed(ordered))[0])
