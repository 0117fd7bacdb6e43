"""Loops over floats: planets, integrals, matrices, roots, filters, random walks, a small neural network."""
import array
import cmath
import math
import random


class Body:
    def __init__(self, position, velocity, mass):
        self.position = position
        self.velocity = velocity
        self.mass = mass


def attract(bodies, step):
    for index, one in enumerate(bodies):
        for other in bodies[index + 1 :]:
            dx = one.position[0] - other.position[0]
            dy = one.position[1] - other.position[1]
            pull = step / ((dx * dx + dy * dy + 0.01) ** 1.5)
            one.velocity[0] -= dx * other.mass * pull
            one.velocity[1] -= dy * other.mass * pull
            other.velocity[0] += dx * one.mass * pull
            other.velocity[1] += dy * one.mass * pull
    for body in bodies:
        body.position[0] += body.velocity[0] * step
        body.position[1] += body.velocity[1] * step


def integral(function, low, high, slices):
    width = (high - low) / slices
    total = 0.5 * (function(low) + function(high))
    for n in range(1, slices):
        total += function(low + n * width)
    return total * width


def newton(value):
    guess = value / 2.0
    while abs(guess * guess - value) > 1e-9:
        guess = 0.5 * (guess + value / guess)
    return guess


def mandelbrot(width, height, depth):
    inside = 0
    for row in range(height):
        for column in range(width):
            x0, y0 = 3.0 * column / width - 2.0, 2.0 * row / height - 1.0
            x = y = 0.0
            for _ in range(depth):
                x, y = x * x - y * y + x0, 2.0 * x * y + y0
                if x * x + y * y > 4.0:
                    break
            else:
                inside += 1
    return inside


def smooth(samples, weight):
    level, output = samples[0], []
    for sample in samples:
        level = weight * sample + (1.0 - weight) * level
        output.append(level)
    return output


def falling(height, step=0.01, gravity=9.81):
    time = speed = 0.0
    while height > 0.0:
        speed += gravity * step - 0.02 * speed
        height -= speed * step
        time += step
    return time


def solve(matrix, vector):
    size = len(matrix)
    for pivot in range(size):
        for row in range(pivot + 1, size):
            factor = matrix[row][pivot] / matrix[pivot][pivot]
            for column in range(pivot, size):
                matrix[row][column] -= factor * matrix[pivot][column]
            vector[row] -= factor * vector[pivot]
    solution = [0.0] * size
    for row in reversed(range(size)):
        known = sum(matrix[row][column] * solution[column] for column in range(row + 1, size))
        solution[row] = (vector[row] - known) / matrix[row][row]
    return solution


def layer(inputs, weights):
    return [math.tanh(sum(i * w for i, w in zip(inputs, row))) for row in weights]


random.seed(9)
bodies = [Body([math.cos(n), math.sin(n)], [0.0, n / 9], 1.0 + n / 3) for n in range(6)]
for _ in range(250):
    attract(bodies, 0.001)
print([round(coordinate, 6) for coordinate in bodies[2].position], mandelbrot(60, 40, 40))
print(round(integral(lambda x: x * x + 2.0 * x - 1.0, 0.0, 3.0, 6_000), 6), round(integral(math.sin, 0.0, math.pi, 4_000), 6))
print(round(sum(newton(float(n)) for n in range(1, 800)), 6), round(falling(900.0), 2))
samples = [random.uniform(-1.0, 1.0) for _ in range(6_000)]
print(len(smooth(samples, 0.2)), round(math.dist(samples[:3], samples[3:6]), 3) > 0, max(samples) > min(samples))
print(solve([[float((r * 7 + c * 3) % 11) + (9.0 if r == c else 0.0) for c in range(22)] for r in range(22)], [1.0] * 22)[0] != 0.0)
weights = [[random.gauss(0.0, 0.3) for _ in range(16)] for _ in range(16)]
signal = [n / 16 for n in range(16)]
for _ in range(60):
    signal = layer(signal, weights)
print(len(signal), abs(cmath.exp(1j * math.pi) + 1.0) < 1e-9, sorted(samples)[0] == min(samples))
position = 0.0
for _ in range(8_000):
    position += 1.0 if random.random() < 0.5 else -1.0
    if position > 50.0 or position < -50.0:
        position = -position * 0.5
numbers = array.array("d", samples)
print(abs(position) <= 51.0, len(numbers), round(math.fsum(numbers) - sum(numbers), 9), float(f"{math.pi:.4f}"))
total = 0.0
for n in range(3_000):
    celsius = n * 0.1 - 40.0
    fahrenheit = celsius * 9.0 / 5.0 + 32.0
    total += max(0.0, min(100.0, round(fahrenheit, 1))) + math.floor(celsius) - float(str(celsius)) % 1.0 + divmod(n, 2.5)[1]
print(round(total, 3), 1e6 // 7.0, 2.0**0.5, -7.5 % 2.0, float("inf") > 1e308, math.isclose(0.1 + 0.2, 0.3))
