"""The two keys: metadata never changes the essence, pixels always do, and nothing that is read can raise."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kadrd.ingest import digest
from kadrd.ingest.decode import Decoded, Fit, decode

SOI = b"\xff\xd8"
GOLDEN = {
    b"": "01af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
}


def made(format_, **options):
    out = io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(out, format_, **options)
    return out.getvalue()


def essence(data):
    return digest.keys(data)[1]


def test_file_key_never_changes():
    """The file key is BLAKE3 behind one byte that names it, for ever."""
    assert {data: digest.keys(data)[0].hex() for data in GOLDEN} == GOLDEN


def test_essence_of_a_golden_file():
    """The essence of a given JPEG, PNG and WebP structure never changes: it would cost everybody an encode."""
    jpeg = SOI + b"\xff\xdb\0\x03Q" + b"\xff\xda\0\x02" + b"scan\xff\xd9"
    png = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x01IDATx\0\0\0\0" + b"\0\0\0\0IEND\0\0\0\0"
    webp = b"RIFF\x0e\0\0\0WEBPVP8 \x02\0\0\0xy"
    assert [essence(data).hex()[:18] for data in (jpeg, png, webp)] == [
        "0251a6fe0a476d61a5",
        "020e1244283640cdd0",
        "02f7a62b14d71477b5",
    ]


@pytest.mark.parametrize("marker", [*range(0xE0, 0xF0), 0xFE])
def test_segments_of_metadata(edit, marker):
    """No application segment or comment changes the essence of a JPEG."""
    plain = made("JPEG")
    for body in (
        b"",
        b"anything",
        b"Exif\0\0",
        b"Exif\0\0" + b"MM\0*" + bytes(9),
        b"http://ns.adobe.com/xap/1.0/\0x",
    ):
        assert essence(edit.with_segment(plain, marker, body)) == essence(plain)


def test_profile_and_colour_transform_count(edit):
    """An ICC profile or Adobe's colour transform in a JPEG is part of the picture."""
    plain = made("JPEG")
    assert essence(edit.with_segment(plain, 0xE2, b"ICC_PROFILE\0\x01\x01x")) != essence(plain)
    assert essence(edit.with_segment(plain, 0xEE, b"Adobe\0\x64\0\0\0\0\0")) != essence(plain)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf", b"prVt", b"pHYs", b"bKGD"])
def test_chunks_of_metadata(edit, kind):
    """No text, time or private chunk changes the essence of a PNG."""
    plain = made("PNG")
    assert essence(edit.with_chunk(plain, kind, b"whatever")) == essence(plain)


@pytest.mark.parametrize("kind", [b"gAMA", b"iCCP", b"tRNS", b"PLTE"])
def test_chunks_that_are_seen(edit, kind):
    """A chunk that changes colours changes the essence of a PNG."""
    plain = made("PNG")
    assert essence(edit.with_chunk(plain, kind, b"whatever")) != essence(plain)


def test_metadata_of_webp():
    """EXIF and XMP in a WebP do not change its essence."""
    plain = made("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    assert essence(plain) == essence(
        made("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", xmp=b"<x:xmpmeta/>")
    )


@given(st.binary(max_size=400))
def test_garbage(data):
    """Any bytes have two keys."""
    file_key, essence_key = digest.keys(data)
    assert len(file_key) == len(essence_key) == 33


@given(st.sampled_from(["JPEG", "PNG", "WEBP"]), st.data())
@settings(max_examples=200)
def test_damage(format_, data):
    """A picture with any byte changed, cut or added still has two keys, and another file key."""
    whole = bytearray(made(format_))
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if how == "flip":
        whole[at] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del whole[at:]
    else:
        whole[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    keys = digest.keys(bytes(whole))
    assert keys[0] != digest.keys(made(format_))[0]


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_cut_off(format_):
    """A PNG or WebP that ends early is known by its file key alone."""
    whole = made(format_)
    for length in range(12, len(whole) - 12, 7):
        file_key, essence_key = digest.keys(whole[:length])
        assert essence_key == file_key


@given(st.lists(st.tuples(st.sampled_from([0xE0, 0xE1, 0xED, 0xFE]), st.binary(max_size=60)), max_size=6))
def test_any_metadata(segments):
    """However much metadata of whatever content is put into a JPEG, its essence stays, while no EXIF turns it."""
    plain = made("JPEG")
    block = b"".join(b"\xff" + bytes((m,)) + (len(b) + 2).to_bytes(2, "big") + b for m, b in segments)
    assert essence(SOI + block + plain[2:]) == essence(plain)


BLOCK = st.tuples(st.integers(0, 9), st.sampled_from("<>"), st.sampled_from([1, 3, 4]))
BLOCKS = st.lists(BLOCK, max_size=2)


@given(BLOCKS, BLOCKS)
@settings(max_examples=150, deadline=None)
def test_equal_essence_is_equal_to_look_at(edit, one, two):
    """Two JPEGs of equal essence decode to equal pixels, whatever their EXIF blocks say of orientation."""
    shown = []
    for blocks in (one, two):
        data = made("JPEG")
        for value, order, kind in blocks:
            data = edit.with_exif(data, edit.exif(value, order=order, kind=kind))
        picture = decode(data, [Fit(16)])
        assert isinstance(picture, Decoded)
        shown.append((essence(data), picture.pixels[Fit(16)].tobytes()))
    assert shown[0][0] != shown[1][0] or shown[0][1] == shown[1][1]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_is_another_picture(format_):
    """Each of the eight orientations has an essence of its own, the first that of no orientation at all."""
    plain = made(format_)
    keys = []
    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        keys.append(essence(made(format_, exif=exif.tobytes())))
    assert len(set(keys)) == 8
    if format_ != "WEBP":  # its header tells that EXIF follows by another kind of file
        assert keys[0] == essence(plain)
