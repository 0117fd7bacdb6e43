def program():
    return sum(n for n in (i * 2 for i in range(20_000)) if n % 3)
