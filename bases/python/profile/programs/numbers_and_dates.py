"""Exact numbers, time and chance: decimal, fractions, statistics, datetime, calendar, random."""
import calendar
import datetime
import decimal
import fractions
import math
import random
import statistics
import time
import zoneinfo
from decimal import Decimal

decimal.getcontext().prec = 40


def euler(terms):
    total = term = Decimal(1)
    for n in range(1, terms):
        term /= n
        total += term
    return total


def invoice(lines):
    total = Decimal(0)
    for amount, price in lines:
        total += (Decimal(amount) * Decimal(price)).quantize(Decimal("0.01"), decimal.ROUND_HALF_UP)
    return total * Decimal("1.19")


def harmonic(n):
    return sum((fractions.Fraction(1, k) for k in range(1, n)), fractions.Fraction(0))


def paydays(year):
    for month in range(1, 13):
        day = datetime.date(year, month, calendar.monthrange(year, month)[1])
        while day.weekday() > 4:
            day -= datetime.timedelta(days=1)
        yield day


print(euler(120), invoice([(n % 9 + 1, f"{n}.{n % 100:02}") for n in range(1_500)]), Decimal(2).sqrt(), Decimal("1e-7").exp())
print(sum(Decimal(n) ** 2 / 7 for n in range(800)), Decimal("3.14159").quantize(Decimal("0.001")), f"{Decimal('1234567.891'):,.2f}")
print(harmonic(120), fractions.Fraction("3/7") + fractions.Fraction(0.25), round(fractions.Fraction(22, 7), 3))
random.seed(11)
sample = [random.gauss(50, 12) for _ in range(2_500)]
print(*(round(f(sample), 3) for f in (statistics.fmean, statistics.median, statistics.stdev, math.fsum)), statistics.mode([1, 2, 2]))
print(random.choice("abc"), random.sample(range(900), 3), random.uniform(0, 1) < 1, [random.randint(1, 6) for _ in range(3_000)].count(6))
deck = list(range(500))
for _ in range(8):
    random.shuffle(deck)
inside = sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(8_000))
print(deck[0] in range(500), inside > 0, math.hypot(3, 4), round(math.sin(1) + math.log(10, 2) + math.exp(0.5), 6))

start = datetime.datetime(2026, 1, 1, 9, 30, tzinfo=datetime.timezone.utc)
moments = [start + datetime.timedelta(hours=7 * n, seconds=n) for n in range(1_200)]
texts = [moment.isoformat() for moment in moments]
assert [datetime.datetime.fromisoformat(text) for text in texts] == moments
print(max(moments).strftime("%A %d %B %Y %H:%M:%S %z"), len({moment.date() for moment in moments}), moments[9] - moments[2])
for n in range(150):
    parsed = datetime.datetime.strptime(f"{n % 28 + 1:02}/0{n % 9 + 1}/2026 1{n % 10}:05", "%d/%m/%Y %H:%M")
print(parsed, [str(day) for day in paydays(2026)][-1], calendar.month_name[2], start.astimezone(zoneinfo.ZoneInfo("Asia/Tokyo")))
print(time.strftime("%Y", time.gmtime(0)), time.mktime(time.localtime(10**9)) > 0, datetime.date(2026, 11, 21).isocalendar().week)
print([f"{x:.3f}" for x in (1 / 3, 1e10, 5e-7)], float("2.5e-3"), repr(0.1 + 0.2), (0.1).hex(), int(1e15), round(2.675, 2), 7.0 % 3)
