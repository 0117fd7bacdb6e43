def queens(n, row, columns, left, right):
    if row == n:
        return 1
    found = 0
    for i in range(n):
        if not (columns >> i & 1 or left >> (row + i) & 1 or right >> (row - i + n) & 1):
            found += queens(n, row + 1, columns | 1 << i, left | 1 << (row + i), right | 1 << (row - i + n))
    return found


def program():
    return queens(7, 0, 0, 0, 0)
