def program():
    counts = {}
    for i in range(20_000):
        counts[i % 1000] = counts.get(i % 1000, 0) + 1
    return counts
