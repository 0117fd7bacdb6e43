"""Storage: SQLite and files: rows, joins, aggregates, full text; reading, writing, listing, temporary folders, archives."""
import os
import pathlib
import shelve
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import zipfile


def shop(path):
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    connection.executescript(
        """
        create table customer (id integer primary key, name text not null, city text);
        create table purchase (id integer primary key, customer integer references customer, amount real, day text);
        create index purchase_customer on purchase (customer, day);
        create virtual table note using fts5 (body);
        """
    )
    with connection:
        connection.executemany(
            "insert into customer (name, city) values (?, ?)",
            ((f"customer {n}", ("Rome", "Oslo", "Lima")[n % 3]) for n in range(300)),
        )
        connection.executemany(
            "insert into purchase (customer, amount, day) values (:customer, :amount, :day)",
            ({"customer": n % 300 + 1, "amount": n * 0.37, "day": f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}"} for n in range(4_000)),
        )
        connection.executemany("insert into note values (?)", ((f"note {n} about box {n % 17} and python",) for n in range(250)))
    return connection


def questions(connection):
    def one(statement, *values):
        return tuple(connection.execute(statement, values).fetchone())

    yield one("select count(*), sum(amount), avg(amount), max(day) from purchase")
    yield one("select city, sum(amount) s from purchase p join customer c on c.id = p.customer group by city order by s desc")
    yield one("select count(*) from customer where name like '%9%' and id in (select customer from purchase where amount > ?)", 900)
    yield one("select count(*) from note where note match ?", "box AND python")
    yield one("with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500) select sum(i) from n")
    yield one("select id, rank() over (partition by customer order by amount) from purchase order by 2 desc, 1")
    yield one("select json_extract('{\"a\": [1, 2]}', '$.a[1]'), upper('x'), strftime('%Y', '2026-11-21'), round(sqrt(2), 3)")
    for n in range(250):
        row = connection.execute("select name, city from customer where id = ?", (n + 1,)).fetchone()
        assert row["name"] == f"customer {n}"
    with connection:
        connection.execute("update purchase set amount = amount * 2 where customer % 5 = 0")
        connection.execute("delete from purchase where id % 9 = 0")
    yield one("select count(*), total(amount) from purchase")


def files(folder):
    for n in range(60):
        place = folder / f"part{n % 6}"
        place.mkdir(exist_ok=True)
        (place / f"{n}.txt").write_text(f"line one of {n}\nline two: größer\n" * (n % 12 + 1))
    lines = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(base, name), encoding="utf-8") as file:
                lines += sum(1 for line in file if "two" in line)
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*.txt")}
    shutil.copytree(folder / "part1", folder / "copy")
    os.rename(folder / "copy", folder / "moved")
    with open(folder / "data.bin", "wb") as file:
        for n in range(500):
            file.write(n.to_bytes(4, "big") * 8)
    with open(folder / "data.bin", "rb") as file:
        file.seek(320)
        chunk = file.read(64)
        rest = len(file.read())
    return lines, sum(sizes.values()), len(os.listdir(folder / "moved")), chunk[-4:], rest, os.path.exists(folder / "none")


def archives(folder):
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("part*/*.txt")):
            archive.write(path, path.relative_to(folder))
    with tarfile.open(folder / "all.tar.gz", "w:gz") as archive:
        archive.add(folder / "part2", "part2")
    with zipfile.ZipFile(folder / "all.zip") as archive, tarfile.open(folder / "all.tar.gz") as tar:
        return len(archive.namelist()), len(archive.read("part0/0.txt")), len(tar.getnames())


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for path in (":memory:", folder / "shop.db"):
        connection = shop(path)
        for answer in questions(connection):
            print(answer)
        connection.close()
    print(files(folder / "tree" if (folder / "tree").mkdir() else folder / "tree"), archives(folder / "tree"))
    with shelve.open(str(folder / "shelf")) as shelf:
        shelf["key"] = [1, 2, 3]
    print(sorted(os.listdir(folder))[-1], pathlib.PurePosixPath("/a/b/../c.tar.gz").suffixes)
for n in range(300):
    print("line", n, n / 7, file=sys.stderr if n % 50 == 0 else sys.stdout, sep="\t")
