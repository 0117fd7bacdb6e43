"""Formats: JSON, pickle, CSV, XML, base64, struct, TOML, INI, compression, digests, marshal, e-mail and URLs."""
import base64
import binascii
import bz2
import configparser
import csv
import email.message
import email.parser
import gzip
import hashlib
import hmac
import html
import io
import json
import lzma
import pickle
import struct
import tomllib
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
import zlib

records = [
    {
        "id": n,
        "name": f"person {n}",
        "balance": n * 1.25 - 100,
        "active": n % 3 == 0,
        "tags": ["new", "gift", "größer"][: n % 4],
        "address": {"street": f"{n} Main Street", "zip": f"{n:05}", "geo": [n / 7, -n / 3], "note": None},
    }
    for n in range(250)
]


class Order:
    def __init__(self, number, lines):
        self.number = number
        self.lines = lines


for _ in range(8):
    encoded = json.dumps(records)
    assert json.loads(encoded) == records
print(len(json.dumps(records, indent=2, sort_keys=True)), len(json.dumps(records, ensure_ascii=False, separators=(",", ":"))))
print(json.loads('{"a": [1, 2.5e3, true, null, "\\u00e9\\n"], "b": {}}'), json.dumps({1: (2, 3), "x": "\x07\"é"}))
stream = io.StringIO()
json.dump(records[:50], stream)
stream.seek(0)
print(len(json.load(stream)), json.loads("[]", object_hook=dict), json.loads("[1.5]", parse_float=str))

orders = [Order(n, [(f"sku{n}{i}", i, i * 0.5) for i in range(5)]) for n in range(120)]
for protocol in (2, 4, 5, pickle.HIGHEST_PROTOCOL):
    copies = pickle.loads(pickle.dumps(orders, protocol))
    assert pickle.loads(pickle.dumps(records, protocol)) == records
print(copies[7].lines[2], len(pickle.dumps({frozenset({n}): bytes(n) for n in range(90)})))

stream = io.StringIO()
writer = csv.DictWriter(stream, ["id", "name", "balance", "active"], extrasaction="ignore")
writer.writeheader()
for _ in range(4):
    writer.writerows(records)
stream.seek(0)
print(sum(float(row["balance"]) for row in csv.DictReader(stream)), next(csv.reader(['a,"b ""c""",d\n'])))

root = ElementTree.Element("people")
for record in records:
    person = ElementTree.SubElement(root, "person", id=str(record["id"]))
    ElementTree.SubElement(person, "name").text = record["name"] + " & co"
parsed = ElementTree.fromstring(ElementTree.tostring(root))
print(len(parsed.findall("person/name")), parsed.find("./person[@id='17']/name").text, html.unescape(html.escape("<a & b>")))

blob = encoded.encode() * 2
print(base64.b64decode(base64.b64encode(blob)) == blob, binascii.crc32(blob), zlib.adler32(blob), len(base64.urlsafe_b64encode(blob)))
print([len(m.compress(blob)) for m in (zlib, gzip, bz2)], zlib.decompress(zlib.compress(blob, 9)) == blob)
print(bz2.decompress(bz2.compress(blob)) == blob, lzma.decompress(lzma.compress(blob[:40_000], preset=1)) == blob[:40_000])
for name in ("sha256", "sha1", "md5", "sha512", "blake2b", "sha3_256"):
    print(name, hashlib.new(name, blob).hexdigest()[:8])
print(hmac.new(b"key", blob, "sha256").hexdigest()[:8], uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org").hex[:8])
rows = b"".join(struct.pack("<IhdB3s", n, -n, n / 3, n & 255, b"abc") for n in range(1_500))
print(sum(first for first, *_ in struct.iter_unpack("<IhdB3s", rows)), struct.calcsize("!QH"), int.from_bytes(rows[:4], "little"))
print(tomllib.loads('[tool]\nname = "x"\nlist = [1, 2, {a = 1.5}]\nwhen = 2026-11-21T10:00:00Z\n' + "".join(f"k{n} = {n}\n" for n in range(60)))["tool"]["k9"])
settings = configparser.ConfigParser()
settings.read_string("[main]\nhome = /srv\ndata = %(home)s/data\n" + "".join(f"[s{n}]\nvalue = {n}\n" for n in range(40)))
print(settings["main"]["data"], settings.getint("s7", "value"))
url = urllib.parse.urlsplit("https://user@example.org:8080/a%20b/c?q=1&r=%C3%A9&r=2#top")
print(url.port, urllib.parse.parse_qs(url.query), urllib.parse.urljoin(url.geturl(), "../d"), urllib.parse.quote("é/ü &"))
message = email.message.EmailMessage()
message["Subject"], message["To"] = "Größe", "ann@example.org"
message.set_content("Hello\n" * 20)
print(email.parser.BytesParser().parsebytes(message.as_bytes())["To"])
