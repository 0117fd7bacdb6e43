"""Strings: building, splitting, formatting, f-strings, encodings, Unicode, templates, wrapping."""
import io
import string
import textwrap
import unicodedata

prose = """It is a truth that small boxes start quickly. Whoever opens one finds Python inside, and whoever closes it
leaves nothing behind: no file, no process, no trace. Größe, naïveté and 東京 cost a few bytes more; 🎁 costs four.
""" * 12


def caesar(message, shift):
    result = ""
    for letter in message:
        if letter.isalpha() and letter.isascii():
            start = ord("a") if letter.islower() else ord("A")
            result += chr((ord(letter) - start + shift) % 26 + start)
        else:
            result += letter
    return result


def table(rows):
    lines = []
    for index, (name, amount) in enumerate(rows):
        lines.append(f"{index:>4} | {name:<12} | {amount:10.2f} | {amount / 7:8.3e} | {index:#06x} | {name!r}")
    return "\n".join(lines)


def words_of(message):
    return [word.strip(string.punctuation).lower() for word in message.split() if word.strip(string.punctuation)]


def is_palindrome(message):
    letters = [letter for letter in message.casefold() if letter.isalnum()]
    return letters == letters[::-1]


def run_lengths(message):
    output, previous, count = io.StringIO(), message[0], 0
    for letter in message:
        if letter == previous:
            count += 1
        else:
            output.write(f"{previous}{count}")
            previous, count = letter, 1
    output.write("%s%d" % (previous, count))
    return output.getvalue()


def page(title, items):
    body = "".join("<li class='{}'>{}</li>".format("odd" if i % 2 else "even", item) for i, item in enumerate(items))
    return f"<h1>{title.title()}</h1><ul>{body}</ul>".replace("'", '"')


print(len(caesar(prose, 3)), caesar("Boxes!", 13), len(table([(f"item {n}", n * 1.37) for n in range(600)])))
for _ in range(12):
    words = words_of(prose)
print(len(set(words)), " ".join(sorted(words)[:3]), is_palindrome("No lemon, no melon"), len(run_lengths("aaabccdd" * 300)))
print(len(page("contents", words)), len(textwrap.fill(prose, 60).splitlines()), prose.count("box"), prose.find("Python"))
print(string.Template("$who opens $what").substitute(who="you", what="it"), "a,b,,c".split(","), "x=1;y=2".partition(";"))
data = prose.encode()
print(len(data), data.decode() == prose, len(prose.encode("utf-16")), len("né" * 200), "é".encode("latin-1"), data[:5].hex())
print(len(unicodedata.normalize("NFD", prose)), prose.upper()[:20], prose.swapcase()[-9:-1], "ß".casefold(), "İ".lower() != "i")
for number in range(2_500):
    line = "%05d;%s;%.3f;%x" % (number, str(number) * 2, number / 3, number)
    fields = line.split(";")
    assert int(fields[0]) == number and fields[1].startswith(str(number)) and int(fields[3], 16) == number
    assert float(fields[2]) >= 0 and fields[1].endswith(repr(number)) and f"{number:,}".replace(",", "") == str(number)
translation = str.maketrans("aeiou", "12345", "xyz")
print(prose.translate(translation)[:24], prose.expandtabs().isprintable(), "abc" < "abd", "ab" * 3 in "ab" * 9, "q".join("abc"))
print(sum(ord(c) for c in prose), len([c for c in prose if c in "aeiou"]), "%(a)s-%(b)r" % {"a": 1, "b": "two"}, prose[10:30:3])
buffer = bytearray()
for number in range(3_000):
    buffer += bytes((number & 255, number >> 8))
print(len(buffer), buffer.find(b"\x07\x01"), bytes(buffer[:6]), b"-".join([b"a", b"b"]), memoryview(buffer)[4:6].tolist())
