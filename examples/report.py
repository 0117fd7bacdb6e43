"""Print a report on a climate database: a line of weather per city, then what stands out."""

import calendar
import sqlite3
import statistics
import sys

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values, low, high):
    """Draw values as bars on a scale from low to high, all cities alike."""
    step = (high - low) / (len(BARS) - 1)
    return "".join(BARS[round((value - low) / step)] for value in values)


def table(db):
    low, high, wettest = db.execute(
        "SELECT min(temperature), max(temperature), max(precipitation) FROM month"
    ).fetchone()
    yield f"{'city':<10} {'lat.':>6}  {'temperature':<12} {'mean':>7}  {'rain':<12} {'year':>8}"
    for name, latitude in db.execute("SELECT name, latitude FROM city ORDER BY latitude DESC"):
        months = db.execute(
            "SELECT temperature, precipitation FROM month WHERE city = ? ORDER BY number", (name,)
        ).fetchall()
        warmth, rain = zip(*months)
        yield (
            f"{name:<10} {latitude:>5.1f}°  {sparkline(warmth, low, high)} "
            f"{statistics.fmean(warmth):>5.1f}°C  {sparkline(rain, 0, wettest)} {sum(rain):>5.0f} mm"
        )


def findings(db):
    city, number, rain = db.execute(
        "SELECT city, number, max(precipitation) FROM month"
    ).fetchone()
    yield f"Wettest month: {calendar.month_name[number]} in {city}, {rain:.0f} mm."
    city, swing = db.execute(
        "SELECT city, max(temperature) - min(temperature) AS swing "
        "FROM month GROUP BY city ORDER BY swing DESC LIMIT 1"
    ).fetchone()
    yield f"Widest swing: {city}, {swing:.1f} °C between its coldest and its warmest month."
    number, leap, city = db.execute(
        "SELECT number, temperature - lag(temperature) OVER (PARTITION BY city ORDER BY number) "
        "AS leap, city FROM month ORDER BY leap DESC LIMIT 1"
    ).fetchone()
    yield f"Fastest spring: {city}, {leap:.1f} °C warmer in {calendar.month_name[number]} than the month before."


if __name__ == "__main__":
    with sqlite3.connect(sys.argv[1]) as db:
        print(*table(db), "", *findings(db), sep="\n")
