def program():
    numbers = [i * 7919 % 100_003 for i in range(6_000)]
    numbers.sort()
    return sorted(numbers, key=lambda n: -n)
