"""Bytes to upright sRGB pixels: every way a picture can be stored gives the same look, and no bytes raise."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from kadrd.ingest import decode as decoding
from kadrd.ingest.decode import Decoded, Fit, decode
from kadrd.values import Skipped

FIT = Fit(32)


def scene(width=64, height=48):
    """Four coloured quarters on a slope: no two of its eight orientations are equal."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red = np.where((x < 0.5) & (y < 0.5), 220, 60)
    return Image.fromarray(np.stack([red, x * 200, y * 200], axis=2).astype(np.uint8))


def saved(image, format_="PNG", **options):
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def pixels(data, fit=FIT):
    picture = decode(data, [fit])
    assert isinstance(picture, Decoded), picture
    return picture.pixels[fit].astype(int)


def near(one, two, most=3.0):
    return np.abs(one - two).mean() <= most


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(format_, orientation):
    """A picture that was turned and says so looks like the upright one, and has its size."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = scene().transpose(TURNS[orientation]) if orientation in TURNS else scene()
    lossless = (
        {"quality": 95, "subsampling": 0}
        if format_ == "JPEG"
        else {"lossless": True}
        if format_ == "WEBP"
        else {}
    )
    data = saved(turned, format_, exif=exif, **lossless)
    picture = decode(data, [FIT])
    assert (picture.width, picture.height, picture.format) == (64, 48, format_)
    assert near(picture.pixels[FIT].astype(int), pixels(saved(scene())))


def test_modes():
    """Grey, palette, alpha, CMYK, 16-bit and float pictures look like their 8-bit RGB equals."""
    colour, grey = scene(), scene().convert("L")
    wide = Image.fromarray((np.asarray(grey).astype(np.uint16) << 8) | 255)
    real = Image.fromarray(np.asarray(grey).astype(np.float32))
    assert near(pixels(saved(colour.convert("RGBA"))), pixels(saved(colour)))
    assert near(pixels(saved(grey.convert("LA"))), pixels(saved(grey)))
    assert near(pixels(saved(colour.quantize(255))), pixels(saved(colour)), 6)
    assert near(pixels(saved(wide)), pixels(saved(grey)))
    assert near(pixels(saved(real, "TIFF")), pixels(saved(grey)))
    assert near(pixels(saved(colour.convert("CMYK"), "TIFF")), pixels(saved(colour)), 12)
    assert near(pixels(saved(colour.convert("CMYK"), "JPEG", quality=95)), pixels(saved(colour)), 12)
    assert near(pixels(saved(colour.quantize(255), transparency=255)), pixels(saved(colour)), 6)
    assert near(pixels(saved(colour, "AVIF", quality=95)), pixels(saved(colour)))
    assert near(pixels(saved(colour, "JPEG2000")), pixels(saved(colour)))
    assert near(pixels(saved(grey.convert("1"), "TIFF"), Fit(8)), pixels(saved(grey), Fit(8)), 25)


def test_lab():
    """A LAB picture is shown in its colours."""
    profile = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(scene(), profile)
    assert near(pixels(saved(lab, "TIFF")), pixels(saved(scene())), 20)


def test_transparent_is_white():
    """What is transparent is white, by alpha, by palette and by a transparent colour."""
    clear = Image.new("RGBA", (20, 20), (10, 20, 30, 0))
    assert (pixels(saved(clear)) == 255).all()
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert (pixels(saved(palette, transparency=0)) == 255).all()
    assert (pixels(saved(Image.new("RGB", (20, 20), (1, 2, 3)), transparency=(1, 2, 3))) == 255).all()


def test_embedded_profile():
    """An embedded profile is obeyed, and one that is broken is passed over."""
    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (good, b"no profile", good[:60]):
        assert near(pixels(saved(scene(), icc_profile=profile)), pixels(saved(scene())))


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame(format_):
    """Of several frames the first is the picture."""
    others = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    data = saved(scene(), format_, save_all=True, append_images=others)
    assert near(pixels(data), pixels(saved(scene())), 8)


@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize("size", [(2, 2), (2, 4000), (4000, 2), (31, 33), (1000, 32), (32, 1000)])
def test_any_shape(size, resize):
    """Whatever a picture's shape, its square has the side that was asked for."""
    fit = Fit(32, resize)
    assert pixels(saved(Image.new("RGB", size, "red")), fit).shape == (32, 32, 3)


def test_several_fits_at_once():
    """Each model gets its own square."""
    picture = decode(saved(scene()), [Fit(16), Fit(24, "squash")])
    assert {fit: part.shape for fit, part in picture.pixels.items()} == {
        Fit(16): (16, 16, 3),
        Fit(24, "squash"): (24, 24, 3),
    }


def test_spacer():
    """A picture one pixel high is none."""
    assert decode(saved(Image.new("RGB", (50, 1))), [FIT]).reason == "too-small"


def bomb(*size):
    """A PNG of a few hundred bytes that says it is so large."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(10_000, 10_001), (20_000, 20_000), (60_000, 60_000)])
def test_bomb(size):
    """A small file that says it holds a huge picture is refused before it is unpacked."""
    assert decode(bomb(*size), [FIT]).reason == "too-large"


@pytest.mark.parametrize("big", [decoding.BIG_PIXELS, 0])
def test_many_at_once(big, monkeypatch):
    """However many pictures are decoded at once, each is judged as if it were alone, and the big ones take turns."""
    monkeypatch.setattr(decoding, "BIG_PIXELS", big)
    files = [bomb(10_000, 12_000), saved(scene()), saved(scene(), "JPEG"), b"no picture"] * 40
    alone = [getattr(decode(data, [FIT]), "reason", "shown") for data in files[:4]]
    assert alone == ["too-large", "shown", "shown", "not-a-picture"]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: getattr(decode(data, [FIT]), "reason", "shown"), files))
    assert together == alone * 40


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
def test_bomb_in_boxes(format_):
    """A HEIC or AVIF that says it is huge is too large, in the words that every format has."""
    pytest.importorskip("pillow_heif")
    data = saved(scene(), format_)
    at = data.index(b"ispe\0\0\0\0") + 8
    huge = data[:at] + struct.pack(">II", 50_000, 50_000) + data[at + 8 :]
    assert isinstance(decode(data, [FIT]), Decoded)
    assert decode(huge, [FIT]).reason == "too-large"


@pytest.mark.parametrize(
    "data", [b"%!PS-Adobe-3.0\n", b"%PDF-1.7\n", b"<svg/>", b"P6 2 2 255 ", b"", b"\0" * 100]
)
def test_formats_that_are_refused(data):
    """Formats that run programs, and what is none, are no pictures."""
    assert decode(data, [FIT]).reason == "not-a-picture"


@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]), st.data())
@settings(max_examples=250, deadline=None)
def test_damage(format_, data):
    """A damaged picture is decoded or skipped with a reason and a sentence, and never raises."""
    whole = bytearray(saved(scene(24, 16), format_))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    outcome = decode(bytes(whole), [Fit(8)])
    assert isinstance(outcome, (Decoded, Skipped))
    if isinstance(outcome, Skipped):
        assert outcome.sentence.endswith(".")
