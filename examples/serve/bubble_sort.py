"""Sorts numbers as nobody should, and shows how many steps it took."""

import random


def bubble_sort(items):
    swaps = 0
    for end in range(len(items) - 1, 0, -1):
        for i in range(end):
            if items[i] > items[i + 1]:
                items[i], items[i + 1] = items[i + 1], items[i]
                swaps += 1
    return swaps


numbers = random.sample(range(1000), 20)
print("before:", *numbers)
swaps = bubble_sort(numbers)
print("after: ", *numbers)
print(swaps, "swaps")
assert numbers == sorted(numbers)
