"""Read a climate file (JSON) and write it as a database (SQLite)."""

import json
import sqlite3
import sys


def load(source, target):
    with open(source, encoding="utf-8") as file:
        cities = json.load(file)["cities"]
    with sqlite3.connect(target) as db:
        db.execute("CREATE TABLE city (name TEXT PRIMARY KEY, latitude REAL) STRICT")
        db.execute(
            "CREATE TABLE month (city TEXT REFERENCES city, number INTEGER, "
            "temperature REAL, precipitation REAL, PRIMARY KEY (city, number)) STRICT"
        )
        for name, city in cities.items():
            db.execute("INSERT INTO city VALUES (?, ?)", (name, city["latitude"]))
            months = zip(city["temperature"], city["precipitation"], strict=True)
            db.executemany(
                "INSERT INTO month VALUES (?, ?, ?, ?)",
                [(name, number, *values) for number, values in enumerate(months, 1)],
            )
    print(f"{target}: {len(cities)} cities")


if __name__ == "__main__":
    load(*sys.argv[1:])
