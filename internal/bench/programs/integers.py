def program():
    total = 0
    for i in range(30_000):
        total += i * i & 3
    return total
