"""Loops over integers: primes, chains, matrices, checksums, bits, numbers of many digits."""
import math


def primes(limit):
    sieve = bytearray([1]) * (limit + 1)
    sieve[0:2] = b"\0\0"
    for n in range(2, math.isqrt(limit) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n, is_prime in enumerate(sieve) if is_prime]


def collatz(start):
    steps = 0
    while start != 1:
        if start % 2:
            start = 3 * start + 1
        else:
            start //= 2
        steps += 1
    return steps


def multiply(a, b):
    columns = list(zip(*b))
    return [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in a]


def checksum(data):
    low, high = 1, 0
    for byte in data:
        low = (low + byte) % 65521
        high = (high + low) % 65521
    return high << 16 | low


def bits(n):
    count = 0
    while n:
        n &= n - 1
        count += 1
    return count


def total(steps):
    value = i = 0
    while i < steps:
        value = value + i * 3 - (value >> 2) & 0xFFFF
        i += 1
    return value


print(len(primes(60_000)), max(collatz(n) for n in range(1, 2_000)))
matrix = [[(i * j) % 7 for j in range(24)] for i in range(24)]
print(multiply(matrix, multiply(matrix, matrix))[3][5], checksum(bytes(range(256)) * 60))
print(sum(bits(n) for n in range(4_000)), total(60_000), sum(range(100_000)), sum(n * n for n in range(20_000)))
print(len(str(3**4_000)), pow(7, 10**30, 10**20 + 39), math.factorial(300) % 1_000_003, math.comb(200, 70) % 9_973)
print(divmod(-(10**40), 7**11), (1 << 200) ^ 12345, int("9" * 60) * int("8" * 70) % 97, -17 // 5)
