"""Regular expressions: tokens, log lines, substitution, groups, look-around, splitting; also tokenize, shlex, fnmatch."""
import fnmatch
import glob
import io
import re
import shlex
import tokenize

TOKEN = re.compile(
    r"""
    (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?) |
    (?P<name>[A-Za-z_]\w*) |
    (?P<string>"(?:[^"\\]|\\.)*") |
    (?P<operator>[-+*/=<>!]=?|[(){}\[\],.;:]) |
    (?P<space>\s+)
    """,
    re.VERBOSE,
)
LOG = re.compile(r'^(\S+) \S+ \S+ \[([^\]]+)\] "(GET|POST|PUT) ([^ "]+)[^"]*" (\d{3}) (\d+|-)$', re.MULTILINE)
MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")

program = 'if (count >= 10.5e3) { total = total + price * rate(3, "a \\"b\\" c"); done == 1; }\n' * 60
log = "\n".join(
    f'10.0.{n % 7}.{n % 251} - - [{n % 28 + 1:02}/Nov/2026:10:{n % 60:02}:00 +0000] '
    f'"{("GET", "POST", "PUT")[n % 3]} /item/{n}?q={n * 7} HTTP/1.1" {(200, 301, 404)[n % 3]} {n * 13}'
    for n in range(700)
)
letter = "Write to ann.lee@example.org, bob@mail.example.com or nobody@; never to @home. " * 40

kinds = {}
for match in TOKEN.finditer(program):
    kinds[match.lastgroup] = kinds.get(match.lastgroup, 0) + 1
print(kinds)
hits = LOG.findall(log)
print(len(hits), sum(int(size) for *_, size in hits), len({host for host, *_ in hits}))
print(len(MAIL.findall(letter)), MAIL.sub(lambda m: m[0].upper(), letter)[9:28], re.sub(r"(\w+) (\w+)", r"\2 \1", letter)[:12])
print(len(re.split(r"[\s,;]+", letter)), bool(re.fullmatch(r"(a|b)*c", "ab" * 200 + "c")), re.match(r"(?i)WRITE", letter).end())
for n in range(400):
    assert re.search(r"(\d+)\s*(kB|MB|GB)\b", f"layer {n}: {n * 3} MB of {n} files").groups() == (str(n * 3), "MB")
    assert re.match(r"^(?=.*\d)(?=.*[a-z]).{6,}$", f"secret{n}") and not re.match(r"\d{4}-\d\d-\d\d", f"{n:04}/01/01")
for n in range(40):
    re.compile(rf"(?P<a>x{{{n}}})|[a-f{n}]+?(?:foo|bar|ba[zr])*\b{n}$")
print(len(re.findall(r"<(\w+)[^>]*>(.*?)</\1>", "<b>x</b><i class='y'>z</i>" * 150)), re.escape("a.b*c"))
print(len(re.findall(rb"[\x00-\x1f]", bytes(range(256)) * 40)), re.sub("[äöüß]", "_", "Größe über Äpfel " * 100)[:9])
print(fnmatch.filter([f"part{n}.py" for n in range(900)], "part*7.p?")[:2], shlex.split("run -v 'a b' \"c d\" e\\ f"))
source = "def f(a, *, b=1):\n    return [a + b for _ in range(3)]  # comment\n" * 25
print(sum(1 for _ in tokenize.generate_tokens(io.StringIO(source).readline)), len(glob.glob("/usr/local/lib/python3*/j*")))
