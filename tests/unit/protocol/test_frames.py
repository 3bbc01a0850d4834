"""Frames: whatever way the bytes arrive the maps are the same, and whatever arrives nothing else is raised."""

from __future__ import annotations

import contextlib
import os
import runpy
import tracemalloc

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadr.protocol import frames
from kadr.protocol.errors import BadFrame, TooLarge
from kadr.protocol.frames import (
    DEPTH_LIMIT,
    HELLO_LIMIT,
    REPLY_LIMIT,
    REQUEST_LIMIT,
    FrameReader,
    decode,
    encode,
)

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "frames")
SAMPLES = runpy.run_path(os.path.join(GOLDEN, "samples.py"))["SAMPLES"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
maps = st.dictionaries(st.text(max_size=8), values, max_size=5).filter(
    lambda m: frames._depth(m) <= DEPTH_LIMIT
)
patient = settings(deadline=None)


@pytest.mark.parametrize("name", SAMPLES)
def test_golden_frames(name):
    """A message looks on the wire as it always has; a missing golden is a failure (run samples.py)."""
    with open(os.path.join(GOLDEN, f"{name}.hex"), encoding="ascii") as file:
        golden = bytes.fromhex(file.read())
    assert encode(SAMPLES[name]) == golden
    reader = FrameReader(REPLY_LIMIT)
    reader.feed(golden)
    assert reader.next() == SAMPLES[name]
    assert not reader.partial


def test_no_golden_is_left_over():
    """A message that was dropped does not leave its golden behind."""
    assert {name.removesuffix(".hex") for name in os.listdir(GOLDEN) if name.endswith(".hex")} == set(SAMPLES)


@patient
@given(st.lists(maps, min_size=1, max_size=4), st.lists(st.integers(1, 30), min_size=1))
def test_any_cutting_gives_the_same_maps(sent, cuts):
    """Whole, byte by byte or in pieces of any size: the same maps in the same order."""
    stream, reader, got = b"".join(map(encode, sent)), FrameReader(REPLY_LIMIT), []
    at = turn = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
        while (message := reader.next()) is not None:
            got.append(message)
    assert got == sent
    assert not reader.partial


@patient
@given(maps, st.binary(max_size=3))
def test_what_follows_a_frame_waits(sent, junk):
    """A whole frame is given even when the beginning of another one is behind it."""
    reader = FrameReader(REPLY_LIMIT)
    reader.feed(encode(sent) + junk)
    assert reader.next() == sent
    assert reader.next() is None
    assert reader.partial == bool(junk)


@patient
@given(maps, st.binary(min_size=1, max_size=20))
def test_junk_inside_a_frame_is_refused(sent, junk):
    """Bytes behind the map, within the length, are a bad frame."""
    payload = encode(sent)[4:] + junk
    with pytest.raises(BadFrame):
        decode(payload)


@patient
@given(st.binary(max_size=300))
def test_random_payloads(payload):
    """No payload raises anything but BadFrame."""
    with contextlib.suppress(BadFrame):
        assert isinstance(decode(payload), dict)


@patient
@given(st.binary(max_size=300))
def test_random_streams(stream):
    """No stream raises anything but BadFrame and TooLarge."""
    reader = FrameReader(HELLO_LIMIT)
    reader.feed(stream)
    try:
        while reader.next() is not None:
            pass
    except (BadFrame, TooLarge):
        pass


@patient
@given(maps, st.data())
def test_flipped_bits(sent, data):
    """A damaged frame is a map, an incomplete frame, BadFrame or TooLarge."""
    frame = bytearray(encode(sent))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    reader = FrameReader(REQUEST_LIMIT)
    reader.feed(bytes(frame))
    with contextlib.suppress(BadFrame, TooLarge):
        reader.next()


@pytest.mark.parametrize(
    "payload", [b"", b"\xc0", b"\x90", b"\xa1x", b"\x81\x01\x02", b"\x81\xa1k\xa1\xff", b"\x82\xa1k\x01"]
)
def test_what_is_no_map(payload):
    """Empty payloads, other types, keys that are numbers, broken text and broken ends are bad frames."""
    with pytest.raises(BadFrame):
        decode(payload)


def test_sizes():
    """The limit is on the payload, exactly, for who writes and for who reads."""
    fits = {"k": b"x" * (HELLO_LIMIT - 6)}
    frame = encode(fits, HELLO_LIMIT)
    assert len(frame) == HELLO_LIMIT + 4
    reader = FrameReader(HELLO_LIMIT)
    reader.feed(frame)
    assert reader.next() == fits
    too_much = {"k": b"x" * (HELLO_LIMIT - 5)}
    with pytest.raises(TooLarge):
        encode(too_much, HELLO_LIMIT)
    reader.feed(encode(too_much)[:4])
    with pytest.raises(TooLarge):
        reader.next()


def nested(depth: int, kind: str) -> dict[str, object]:
    value: object = 1
    for _ in range(depth - 1):
        value = [value] if kind == "list" else {"k": value}
    return {"k": value}


@pytest.mark.parametrize("kind", ["list", "map"])
def test_depth(kind):
    """Sixteen levels pass, seventeen do not, and ten thousand do not hurt."""
    assert decode(encode(nested(DEPTH_LIMIT, kind))[4:])
    with pytest.raises(BadFrame):
        decode(encode(nested(DEPTH_LIMIT + 1, kind))[4:])
    with pytest.raises(BadFrame):
        decode(b"\x81\xa1k" + b"\x91" * 10_000 + b"\x01")


@pytest.mark.parametrize("filler", [b"\x80", b"\x90", b"\xa1x", b"\xc4\x00", b"\xcb" + bytes(8)])
def test_what_a_stranger_can_make_us_allocate(filler):
    """Before hello no frame, however it is made, costs more than 1 MiB."""
    many = (HELLO_LIMIT - 10) // len(filler)
    payload = b"\x81\xa1k\xdc" + many.to_bytes(2, "big") + filler * many
    tracemalloc.start()
    try:
        decode(payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    "head", [b"\xdf\xff\xff\xff\xff", b"\x81\xa1k\xdd\xff\xff\xff\xff", b"\x81\xa1k\xc6\xff\xff\xff\xff"]
)
def test_a_claimed_size_is_not_believed(head):
    """A map, a list or bytes that claim billions of entries are refused for what is there."""
    with pytest.raises(BadFrame):
        decode(head + b"\x00" * 100)


def test_a_sentence_about_a_broken_name_is_sent():
    """Text with bytes that are no UTF-8, as os.fsdecode gives it, arrives with them escaped."""
    assert decode(encode({"msg": os.fsdecode(b"caf\xe9 is gone")})[4:]) == {"msg": "caf\\udce9 is gone"}


def test_bytes_stay_bytes():
    """Paths travel as bin and come back as bytes, whatever is in them."""
    message = {"path": bytes(range(256))}
    assert decode(encode(message)[4:]) == message
    assert msgpack.unpackb(encode(message)[4:], raw=True)[b"path"] == bytes(range(256))
