"""Fibonacci numbers, by a function that calls itself far too often."""


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


for n in range(0, 25, 4):
    print(f"fib({n}) = {fib(n)}")
