"""JPEG, PNG and WebP with another XMP packet: the same picture, whatever else lies in it or behind it."""

from __future__ import annotations

import collections
import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kadrd.ingest import digest
from kadrd.tag import containers, packet
from kadrd.tag.nodes import Unreadable
from kadrd.tag.packet import EMPTY, Change

TAGS = ("sea", "summer night")
XMP, MORE = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"


def tagged(data):
    found = containers.layout(data)
    held = EMPTY if found.packet is None else found.packet
    return containers.with_segment(data, containers.segment(data, packet.changed(held, Change(TAGS))))


def restored(data, before):
    return containers.with_segment(data, containers.layout(before).segment(before))


def pixels(data):
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGBA"))


def with_index(jpeg, second, order=">"):
    """A JPEG with a second picture behind it, and the index that leads there."""
    body = struct.pack(order + "4sI", b"MM\0*" if order == ">" else b"II*\0", 8)
    body += struct.pack(order + "HHHI4s", 3, 0xB000, 7, 4, b"0100")
    body += struct.pack(order + "HHII", 0xB001, 4, 1, 2) + struct.pack(order + "HHIII", 0xB002, 7, 32, 50, 0)
    size = 4 + len(body) + 32
    end = len(jpeg) + size + 4
    entries = [(0x20030000, end, 0, 0), (0x20002, len(second), end - (2 + 4 + 4), 0)]
    body += b"".join(struct.pack(order + "IIII", *entry) for entry in entries)
    return jpeg[:2] + struct.pack(">BBH", 0xFF, 0xE2, size + 2) + b"MPF\0" + body + jpeg[2:] + second


def second_by_index(data, order=">"):
    """(size of the first, the second picture) as the index says."""
    at = data.index(b"MPF\0") + 4
    size = struct.unpack_from(order + "I", data, at + 50 + 4)[0]
    length, offset = struct.unpack_from(order + "II", data, at + 50 + 16 + 4)
    return size, data[at + offset : at + offset + length]


def webp(image, **options):
    out = io.BytesIO()
    image.save(out, "WEBP", exif=Image.Exif().tobytes() or b"Exif\0\0II*\0\x08\0\0\0\0\0", **options)
    return out.getvalue()


@pytest.fixture
def made(pictures, edit):
    """Pictures of every kind that can be tagged, by what is special about them."""
    jpeg, png = pictures.bytes(".jpg"), pictures.bytes(".png")
    held = packet.changed(EMPTY, Change(("mine",)))
    lines = EMPTY.replace(b"<?xpacket end", b"\n" + (b" " * 100 + b"\n") * 20 + b"<?xpacket end")
    return {
        "jpeg": jpeg,
        "jpeg, progressive": pictures.bytes(".jpg", progressive=True),
        "jpeg, with a packet": edit.with_segment(jpeg, 0xE1, XMP + held),
        "jpeg, with room": edit.with_segment(jpeg, 0xE1, XMP + lines),
        "jpeg, with exif": edit.with_segment(jpeg, 0xE1, b"Exif\0\0" + edit.exif(6)),
        "jpeg, with a film behind": jpeg + b"\0\0\0\x18ftypmp42" + b"\xff\xd8\xff\xe1film" * 9,
        "jpeg, two pictures": with_index(jpeg, pictures.bytes(".jpg")),
        "jpeg, two, little": with_index(jpeg, pictures.bytes(".jpg"), "<"),
        "png": png,
        "png, with a packet": edit.with_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + held),
        "png, packed": edit.with_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(held)),
        "png, with a tail": png + b"tail",
        "webp": webp(pictures.image()),
        "webp, with a packet": webp(pictures.image(), xmp=held),
        "webp, with an odd packet": webp(pictures.image(), xmp=held + b" "),
    }


def test_tagged_pictures_are_the_same(made):
    """Every kind of picture shows the same pixels, is the same picture to the index, and carries the tags."""
    for name, before in made.items():
        after = tagged(before)
        assert containers.same(before, after), name
        assert digest.keys(before)[1] == digest.keys(after)[1] != digest.keys(after)[0], name
        assert np.array_equal(pixels(before), pixels(after)), name
        assert set(TAGS) < {*packet.read(containers.layout(after).packet).tags, ""}, name


def test_restored_pictures_are_byte_identical(made):
    """With the old segment put back every byte is as before."""
    for name, before in made.items():
        assert restored(tagged(before), before) == before, name


@pytest.mark.parametrize("order", ["<", ">"])
def test_index_of_pictures_stays_true(pictures, order):
    """Where a phone puts a second picture behind the first it is still found, and the first one's size is right."""
    first, second = pictures.bytes(".jpg"), pictures.bytes(".jpg")
    before = with_index(first, second, order)
    assert second_by_index(before, order) == (len(before) - len(second), second)
    after = tagged(before)
    assert second_by_index(after, order) == (len(after) - len(second), second)


def test_packet_behind_an_index_does_not_grow(pictures, edit):
    """A packet that an index counts across is changed only where its length stays."""
    first, second = pictures.bytes(".jpg"), pictures.bytes(".jpg")
    room = packet.EMPTY.replace(b"<?xpacket end", b" " * 3_000 + b"<?xpacket end")
    for held, grows in ((room, False), (EMPTY, True)):
        index = with_index(first, second)
        at = 2 + 2 + struct.unpack_from(">H", index, 4)[0]
        segment = struct.pack(">BBH", 0xFF, 0xE1, len(XMP) + len(held) + 2) + XMP + held
        before = index[:at] + segment + index[at:]
        if grows:
            with pytest.raises(Unreadable, match="index"):
                tagged(before)
        else:
            assert containers.same(before, tagged(before))
            assert len(tagged(before)) == len(before)


@pytest.mark.parametrize("order", ["<", ">"])
def test_preview_that_notes_point_at_stays_in_its_place(pictures, edit, order):
    """A picture is left alone when its camera's notes say by number where a preview lies behind it."""
    jpeg, preview = pictures.bytes(".jpg"), pictures.bytes(".jpg")
    block = b"Exif\0\0" + edit.exif(1, order=order)
    end = len(edit.with_segment(jpeg, 0xE1, block + b"\0\0\0\0"))
    pointing = edit.with_segment(jpeg, 0xE1, block + struct.pack(order + "I", end - 12)) + preview
    with pytest.raises(Unreadable, match="point at"):
        tagged(pointing)
    assert containers.same(pointing[: -len(preview)], tagged(pointing[: -len(preview)]))


def test_refused_pictures(pictures, edit):
    """What is signed, damaged, of two minds or without a place for XMP is refused with a sentence."""
    jpeg, png = pictures.bytes(".jpg"), pictures.bytes(".png")
    twice = edit.with_segment(edit.with_segment(jpeg, 0xE1, XMP + EMPTY), 0xE1, XMP + EMPTY)
    cases = {
        "signed jpeg": (edit.with_segment(jpeg, 0xEB, b"JP\0\1jumbc2pa"), "foreign"),
        "signed png": (edit.with_chunk(png, b"caBX", b"x"), "foreign"),
        "two packets": (twice, "damaged"),
        "cut jpeg": (jpeg[:200], "damaged"),
        "cut png": (png[:-9], "damaged"),
        "simple webp": (pictures.bytes(".webp"), "unsupported"),
        "gif": (pictures.bytes(".gif"), "unsupported"),
        "tiff": (pictures.bytes(".tif"), "unsupported"),
        "long": (edit.with_segment(jpeg, 0xE1, XMP + EMPTY + b" " * (65_500 - len(EMPTY))), "full"),
        "keywords in the second part": (edit.with_segment(jpeg, 0xE1, MORE + b"0" * 40 + b"<dc:subject>"), "unsupported"),
        "nothing": (b"", "unsupported"),
    }  # fmt: skip
    for name, (data, reason) in cases.items():
        with pytest.raises(Unreadable, match=r"\.$") as refused:
            tagged(data)
        assert refused.value.refused.reason == reason, name


def test_difference_elsewhere_is_noticed(made):
    """The check before a picture takes its place finds any byte that changed outside of its packet."""
    for name, before in made.items():
        after = tagged(before)
        found = containers.layout(after)
        for at in {3, found.start - 1, max(len(after) - 3, found.end) % len(after)}:
            spoilt = bytearray(after)
            spoilt[at] ^= 1
            assert not containers.same(before, bytes(spoilt)), (name, at)


def test_real_pictures(data):
    """Hundreds of pictures of all makes are tagged and restored byte for byte, or refused."""
    tried = 0
    for file in sorted(file for top in ("exif", "odd") for file in (data / top).rglob("*") if file.is_file()):
        before = file.read_bytes()
        try:
            after = tagged(before)
        except Unreadable:
            continue
        assert containers.same(before, after), file
        assert restored(after, before) == before, file
        tried += 1
    assert tried > 200


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))])
def test_damage_of_any_kind(made, seed):
    """Whatever bytes are damaged a picture is tagged so that it can be restored, or refused; never anything else."""
    chance, outcomes = random.Random(seed), collections.Counter()
    for before in made.values():
        for _ in range(60):
            spoilt = bytearray(before)
            for _ in range(chance.randrange(1, 4)):
                spoilt[chance.randrange(min(len(spoilt), 1_500))] = chance.choice(
                    (0, 1, 0xFF, chance.randrange(256))
                )
            data = bytes(spoilt[: chance.choice((len(spoilt), chance.randrange(len(spoilt))))])
            try:
                after = tagged(data)
            except Unreadable:
                outcomes["refused"] += 1
                continue
            if containers.same(data, after):
                assert containers.same(data, restored(after, data))
                outcomes["tagged"] += 1
    assert min(outcomes.values()) > 50
