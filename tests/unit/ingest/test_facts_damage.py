"""Metadata that is damaged or made to harm: reading it never raises, and takes neither long nor much memory.

The bounds are processor time and memory of Python's own, so that neither a busy machine nor a small one decides.
"""

from __future__ import annotations

import os
import random
import resource
import struct
import sys
import time
import tracemalloc
import zlib

import pytest

from kadrd.ingest import facts
from kadrd.values import Facts

SECONDS, BYTES = 1.0, 200 << 20
PICTURES = (".jpg", ".jpeg", ".heic", ".heif", ".avif", ".png", ".webp", ".tif", ".tiff", ".dng", ".jxl")
XMP = b"http://ns.adobe.com/xap/1.0/\0"
PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/">{}</rdf:RDF></x:xmpmeta>'
)


def read_in_time(data, *sidecars):
    """The facts of *data*, found in little time."""
    began = time.thread_time()
    found = facts.read(data, sidecars, [])
    assert time.thread_time() - began < SECONDS
    check(found)


def read_in_room(data, *sidecars):
    """The facts of *data*, found in little memory; apart, because counting makes everything slower."""
    tracemalloc.start()
    facts.read(data, sidecars, [])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BYTES


def largest():
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def check(found):
    """What a catalogue may hold: numbers that are some, strings within bounds and free of controls."""
    assert isinstance(found, Facts)
    for text in (
        found.make,
        found.model,
        found.lens,
        found.software,
        found.title,
        *found.keywords,
        *found.people,
    ):
        assert len(text) <= 2_000
        assert not any(ord(letter) < 32 for letter in text)
        text.encode()  # no half of a pair of surrogates
    assert len(found.description.encode()) <= 4 * 8_000
    assert found.orientation in range(1, 9)
    assert found.latitude is None or -90 <= found.latitude <= 90
    assert found.longitude is None or -180 <= found.longitude <= 180
    assert (found.latitude is None) == (found.longitude is None)
    assert found.taken is None or -5e9 < found.taken < 5e9
    for number in (found.aperture, found.exposure, found.focal):
        assert number is None or 0 < number < 1e6
    assert found.iso is None or 0 < found.iso < 2**31


@pytest.fixture
def pictures(data):
    """The shared pictures with metadata, and their sidecars."""
    found = sorted(
        os.path.join(folder, file) for folder, _, files in os.walk(data / "exif") for file in files
    )
    contents = {}
    for path in found:
        if path.lower().endswith((*PICTURES, ".xmp")):
            with open(path, "rb") as file:
                contents[path] = file.read()
    return contents


def mutated(content, chance, others):
    """*content* with bytes flipped, cut off, left out or taken from another file; mostly where metadata is."""
    out = bytearray(content)
    end = len(out) if chance.random() < 0.2 else min(len(out), 8_192)
    for _ in range(chance.choice((1, 1, 3, 20))):
        if not out:
            break
        at = chance.randrange(min(end, len(out)))
        match chance.choice(("flip", "flip", "flip", "ones", "cut", "drop", "splice")):
            case "flip":
                out[at] ^= 1 << chance.randrange(8)
            case "ones":
                out[at : at + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1")
                )
            case "cut" if chance.random() < 0.3:
                del out[at:]
            case "drop":
                del out[at : at + chance.randrange(64)]
            case "splice":
                other = chance.choice(others)
                start = chance.randrange(max(1, min(len(other), 8_192)))
                out[at : at + 256] = other[start : start + 256]
    return bytes(out)


def mutations(pictures, seeds):
    contents = list(pictures.values())
    paths = list(pictures)
    for seed in seeds:
        chance = random.Random(seed)
        path = chance.choice(paths)
        content = pictures[path]
        if len(content) > 4 << 20:  # copies of the largest would be most of the time
            content = content[: 4 << 20]
        yield path, mutated(content, chance, contents)


@pytest.mark.data
@pytest.mark.parametrize(
    "seeds", [range(500), pytest.param(range(500, 2_500), marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_damaged_pictures(pictures, seeds):
    """Pictures and sidecars that are damaged by chance never raise, nor take long, nor much memory."""
    before = largest()
    for path, content in mutations(pictures, seeds):
        read_in_time(content, *([content] if path.endswith(".xmp") else []))
    assert largest() - before < BYTES


@pytest.mark.data
def test_pictures_cut_off(pictures):
    """A picture that ends anywhere in its head gives the facts before the end."""
    smallest = sorted(pictures.values(), key=len)[:25]
    for content in smallest:
        for length in range(0, min(len(content), 4_096), 97):
            check(facts.read(content[:length], [content[:length]], []))


def packet(inner):
    return PACKET.format(inner).encode()


def segment(marker, body):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + bytes(4)


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


PNG = b"\x89PNG\r\n\x1a\n"
BOMB = zlib.compress(b"A" * (64 << 20))


def item_locations(version, widths, items):
    infe = box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", 1, 0, b"Exif"))
    iinf = box(b"iinf", bytes(4) + struct.pack(">H", 4_000) + infe * 4_000)
    iloc = box(b"iloc", bytes((version, 0, 0, 0)) + struct.pack(">H", widths) + items)
    return box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4) + iinf + iloc)


HOSTILE = {
    "packet that is too long": lambda: jpeg_of(XMP + packet("x" * 60_000)) + bytes(5 << 20),
    "sidecar that is too long": lambda: packet(" " * (5 << 20)),
    "deep packet that is not too long": lambda: packet("<a>" * 24_000 + "</a>" * 24_000),
    "deep packet": lambda: packet("<a>" * 500_000 + "</a>" * 500_000),
    "wide packet": lambda: packet("<rdf:Description><dc:subject><rdf:Bag>" + "<rdf:li/>" * 400_000 + "</rdf:Bag></dc:subject></rdf:Description>"),
    "packet of attributes": lambda: packet("<rdf:Description " + " ".join(f'a{n}="1"' for n in range(200_000)) + "/>"),
    "packet of labels": lambda: packet("<rdf:Description><dc:subject><rdf:Bag>" + "<rdf:li>x</rdf:li>" * 200_000 + "</rdf:Bag></dc:subject></rdf:Description>"),
    "entities": lambda: b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + packet("&b;"),
    "a file of the machine": lambda: b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + packet("<rdf:Description>&a;</rdf:Description>"),
    "jpeg of packets": lambda: b"\xff\xd8" + segment(0xE1, XMP + packet("<a/>" * 10_000)) * 400,
    "jpeg of resources": lambda: b"\xff\xd8" + segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\5\0\0\0\0\0\0" * 5_000) * 400,
    "jpeg of fill bytes": lambda: b"\xff\xd8" + b"\xff" * (8 << 20),
    "png of chunks": lambda: PNG + chunk(b"tEXt", b"") * 700_000,
    "png of bombs": lambda: PNG + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB) * 100,
    "png of profiles": lambda: PNG + chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB) * 100,
    "directory of itself": lambda: b"II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 0x8769, 4, 1, 8, 0x8825, 4, 1, 8, 8),
    "directory of everything": lambda: b"II*\0" + struct.pack("<IH", 8, 65_535) + struct.pack("<HHII", 0x010E, 2, 2**32 - 1, 8) * 65_535,
    "tags without end": lambda: b"MM\0*" + struct.pack(">IHHHII", 8, 1, 700, 7, 2**32 - 1, 0) + bytes(6 << 20),
    "boxes of nothing": lambda: box(b"ftyp", b"heic") + box(b"free", b"") * 500_000,
    "items of no width": lambda: item_locations(2, 0, struct.pack(">I", 2**32 - 1) + struct.pack(">IHHH", 1, 0, 0, 65_535) * 300_000),
    "items of everything": lambda: item_locations(1, 0x4400, struct.pack(">H", 65_535) + (struct.pack(">HHHH", 1, 0, 0, 16) + struct.pack(">II", 0, 2**32 - 1) * 16) * 20_000),
    "minolta of nothing": lambda: b"\0MRM\x7f\xff\xff\xff" + bytes(8 << 20),
    "sigma of nothing": lambda: b"FOVb" + bytes(8 << 20),
    "fuji beyond its end": lambda: b"FUJIFILMCCD-RAW".ljust(84) + b"\xff\xff\xff\xff",
    "sets without end": lambda: b"\xff\xd8" + segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\xff\xff" + b"\x1c\2\x19\xff\xff\xff\xff\xff\xff" * 5_000),
}  # fmt: skip


def jpeg_of(body):
    return b"\xff\xd8" + segment(0xE1, body[:65_000])


@pytest.mark.parametrize("name", HOSTILE)
def test_made_to_harm(name):
    """What is built to take time or memory takes little, as a picture and as a sidecar."""
    content = HOSTILE[name]()
    for read in (read_in_time, read_in_room):
        read(content)
        read(b"", content)


def test_entities_are_not_opened():
    """A packet cannot name a file of the machine, and no entity of its own grows."""
    for name in ("entities", "a file of the machine"):
        assert facts.read(b"", [HOSTILE[name]()], []) == Facts()


def test_nothing_at_all():
    """No bytes, and bytes of no format, say nothing."""
    for content in (b"", b"\0", b"\xff\xd8", b"II*\0", b"RIFF", bytes(100), b"<x:xmpmeta>" * 10):
        assert facts.read(content, [content], []) == Facts()


def test_damage_costs_no_neighbour():
    """A block that is damaged leaves the others readable."""
    good = packet('<rdf:Description dc:title="Harbour"/>')
    data = b"\xff\xd8" + segment(0xE1, b"Exif\0\0MM\0*\xff\xff") + segment(0xE1, XMP + good) + b"\xff"
    assert facts.read(data, [b"<x:xmpmeta><broken"], []).title == "Harbour"
