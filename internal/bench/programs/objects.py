class Point:
    def __init__(self, x):
        self.x = x

    def moved(self):
        return self.x + 1


def program():
    total = 0
    for i in range(10_000):
        total += Point(i).moved()
    return total
