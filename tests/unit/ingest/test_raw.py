"""Camera RAW: known by its content, shown by its preview or else developed, upright, with the sensor's size."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from kadrd.ingest import digest, raw
from kadrd.ingest.decode import Decoded, Fit, decode
from kadrd.values import Skipped

FIT = Fit(32)
BYTE, ASCII, SHORT, LONG = 1, 2, 3, 4
SIZES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I"}
# What a file says of how the camera was held, and what that does to the scene.
TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def scene(width=400, height=300):
    """A red corner on a slope: no two of its eight orientations are equal."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red = np.where((x < 0.5) & (y < 0.5), 220, 60)
    return Image.fromarray(np.stack([red, x * 200, y * 200], axis=2).astype(np.uint8))


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, **options)
    return out.getvalue()


def tiff(*directories, order="<"):
    """A TIFF file: the first directory, and the others below it. `data` in one is what its strip holds."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    sizes = [2 + 12 * (len(d) + (2 if "data" in d else 0) - ("data" in d)) + 4 for d in directories]
    starts = [8 + sum(sizes[:number]) for number in range(len(directories))]
    rest, end = bytearray(), 8 + sum(sizes)
    out = bytearray(mark + struct.pack(order + "I", 8))
    for directory in directories:
        tags = {tag: value for tag, value in directory.items() if tag != "data"}
        if "data" in directory:
            tags |= {273: (LONG, [end + len(rest)]), 279: (LONG, [len(directory["data"])])}
            rest += directory["data"] + b"\0" * (len(directory["data"]) % 2)
        if 330 in tags:
            tags[330] = (LONG, starts[1:])
        out += struct.pack(order + "H", len(tags))
        for tag in sorted(tags):
            kind, values = tags[tag]
            body = struct.pack(f"{order}{len(values)}{SIZES[kind]}", *values)
            if len(body) > 4:
                place = struct.pack(order + "I", end + len(rest))
                rest += body + b"\0" * (len(body) % 2)
                body = place
            out += struct.pack(order + "HHI", tag, kind, len(values)) + body.ljust(4, b"\0")
        out += bytes(4)
    return bytes(out + rest)


def dng(image, orientation=1, preview=None, order="<", samples=b""):
    """A DNG as cameras write them: a thumbnail first, then the sensor's values, then perhaps a preview."""
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    pixels = np.asarray(image).astype(np.uint16) << 8
    mosaic = pixels[:, :, 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = pixels[0::2, 0::2, 0], pixels[1::2, 1::2, 2]
    first = {
        254: (LONG, [1]), 256: (SHORT, [16]), 257: (SHORT, [12]), 258: (SHORT, [8, 8, 8]), 259: (SHORT, [1]),
        262: (SHORT, [2]), 271: (ASCII, b"Kadr\0"), 272: (ASCII, b"Test\0"), 274: (SHORT, [orientation]),
        277: (SHORT, [3]), 278: (LONG, [12]), 330: (LONG, [0]), 50706: (BYTE, [1, 4, 0, 0]),
        50708: (ASCII, b"Kadr Test\0"), "data": bytes(16 * 12 * 3),
    }  # fmt: skip
    sensor = {
        254: (LONG, [0]), 256: (LONG, [image.width]), 257: (LONG, [image.height]), 258: (SHORT, [16]),
        259: (SHORT, [1]), 262: (SHORT, [32803]), 277: (SHORT, [1]), 278: (LONG, [image.height]),
        33421: (SHORT, [2, 2]), 33422: (BYTE, [0, 1, 1, 2]), 50717: (LONG, [65535]),
        "data": samples or mosaic.astype(order + "u2").tobytes(),
    }  # fmt: skip
    if preview is None:
        return tiff({**first, 330: (LONG, [0])}, sensor, order=order)
    width, height = Image.open(io.BytesIO(preview)).size
    screen = {
        254: (LONG, [1]), 256: (LONG, [width]), 257: (LONG, [height]), 258: (SHORT, [8, 8, 8]), 259: (SHORT, [7]),
        262: (SHORT, [6]), 277: (SHORT, [3]), 278: (LONG, [height]), "data": preview,
    }  # fmt: skip
    return tiff({**first, 330: (LONG, [0, 0])}, sensor, screen, order=order)


def shown(data, fit=FIT):
    picture = decode(data, [fit])
    assert isinstance(picture, Decoded), picture
    return picture


def upright(pixels, look=None):
    """Whether *pixels* look like the scene as it is, more than like any of its other seven orientations."""
    if look is None:
        look = np.asarray(scene().resize((60, 45)).crop((7, 0, 52, 45)).resize((32, 32)))
    turned = [np.rot90(part, turns) for part in (look, look[:, ::-1]) for turns in range(4)]
    likeness = [np.corrcoef(pixels.ravel(), one.ravel())[0, 1] for one in turned]
    return int(np.argmax(likeness)) == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_developed(order, orientation):
    """A RAW without a preview is developed, upright, and has the size a person sees."""
    picture = shown(dng(scene(), orientation, order=order))
    assert (picture.width, picture.height, picture.format) == (400, 300, "RAW")
    assert upright(picture.pixels[FIT])


@pytest.mark.parametrize("exif", [False, True])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_preview(orientation, exif):
    """A preview that is large enough is shown, upright, whether or not it says itself how the camera was held."""
    turned = scene().transpose(TURNS[orientation]) if orientation in TURNS else scene()
    options = {}
    if exif:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    black = bytes(400 * 300 * 2)  # so that nobody can take the one for the other
    picture = shown(dng(scene(), orientation, jpeg(turned, **options), samples=black))
    assert (picture.width, picture.height, picture.format) == (400, 300, "RAW")
    assert upright(picture.pixels[FIT])


@pytest.mark.parametrize("preview", ["small", "cut"])
def test_preview_that_is_no_use(preview):
    """A preview the size of a stamp, or one that is cut off, is passed over: the RAW is developed."""
    bad = jpeg(Image.new("RGB", (160, 120))) if preview == "small" else jpeg(scene())[:1500]
    assert upright(shown(dng(scene(), 1, bad)).pixels[FIT])


@pytest.mark.parametrize("side", [32, 512])
def test_wanted_side(side):
    """A preview serves a model that wants no more than it holds; for another the RAW is developed."""
    grey = jpeg(Image.new("RGB", (400, 300), (128, 128, 128)))
    pixels = shown(dng(scene(), 1, grey), Fit(side)).pixels[Fit(side)]
    assert (pixels.std() < 2) == (side == 32)


def test_thumbnail_is_never_the_picture():
    """Of a RAW that cannot be developed not even its first directory's thumbnail is taken for the picture."""
    data = dng(scene())
    assert Image.open(io.BytesIO(data)).size == (16, 12)
    for length in (len(data) - 1000, 1500):
        outcome = decode(data[:length], [FIT])
        assert isinstance(outcome, Skipped), outcome
        assert outcome.reason == "damaged"
        assert outcome.sentence.endswith(".")


def test_sensor_that_claims_too_much():
    """A RAW that says it has billions of pixels is refused before they are given room."""
    data = bytearray(dng(scene()))
    for tag in (256, 257):
        at = data.rindex(struct.pack("<HHI", tag, LONG, 1))
        data[at + 8 : at + 12] = struct.pack("<I", 60_000)
    outcome = decode(bytes(data), [FIT])
    assert isinstance(outcome, Skipped), outcome
    assert outcome.reason in ("too-large", "damaged", "not-a-picture")


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (b"FUJIFILMCCD-RAW 0201", True),
        (b"IIRO\x08\0\0\0", True),
        (b"IIU\0\x18\0\0\0", True),
        (b"\0MRM\0\0", True),
        (b"FOVb\0\0", True),
        (b"II\x1a\0\0\0HEAPCCDR", True),
        (b"II*\0\x10\0\0\0CR\x02\0", True),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01", True),
        (tiff({254: (LONG, [0]), 262: (SHORT, [32803])}), True),
        (tiff({262: (SHORT, [34892])}, order=">"), True),
        (tiff({262: (SHORT, [2]), 330: (LONG, [0])}, {259: (SHORT, [34713])}), True),
        (tiff({259: (SHORT, [32767])}), True),
        (tiff({50706: (BYTE, [1, 1, 0, 0])}), True),
        (tiff({254: (LONG, [0]), 262: (SHORT, [2])}), False),
        (tiff({262: (SHORT, [2]), 271: (ASCII, b"Nikon\0")}), False),
        (b"\0\0\0\x18ftypheic\0\0\0\0", False),
        (b"II*\0\xff\xff\xff\xff", False),
        (b"II*\0\x08\0\0\0\xff\xff", False),
        (b"", False),
    ],
)
def test_known_by_its_content(data, known):
    """Every maker's RAW is told by its content, and no TIFF or HEIC is taken for one."""
    assert raw.is_raw(data) is known


def test_directories_in_a_circle():
    """A TIFF whose directories point at each other, or at thousands of others, is looked through in no time."""
    circle = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 330, LONG, 1, 8, 8)
    many = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 330, LONG, 100_000, 26, 0)
    many += struct.pack("<I", 8) * 100_000
    assert not raw.is_raw(circle)
    assert not raw.is_raw(many)


@pytest.mark.parametrize("seed", range(30))
def test_damage(seed):
    """A damaged RAW is shown or skipped with a reason and a sentence, and never raises."""
    data, random = bytearray(dng(scene(80, 60), 6, jpeg(scene(80, 60)))), np.random.default_rng(seed)
    for at in random.integers(0, 700, 5):
        data[at] = random.integers(0, 256)
    outcome = decode(bytes(data), [Fit(8)])
    assert isinstance(outcome, (Decoded, Skipped))


def test_essence_is_all_of_it():
    """A RAW is known by all its bytes: none of it is understood well enough to call two of them equal."""
    data = dng(scene(80, 60))
    for one in (data, b"FUJIFILMCCD-RAW " + bytes(50), b"\0\0\0\x18ftypcrx " + bytes(50)):
        file_key, essence_key = digest.keys(one)
        assert essence_key == file_key


@pytest.mark.data
def test_photograph(data):
    """A camera's DNG is shown by its preview, at the sensor's size, and lies as it does developed."""
    file = data / "exif" / "photoprism" / "assets" / "examples" / "canon_eos_6d.dng"
    by_preview, developed = shown(file.read_bytes()), shown(file.read_bytes(), Fit(700)).pixels[Fit(700)]
    assert (by_preview.width, by_preview.height, by_preview.format) == (1224, 816, "RAW")
    assert upright(by_preview.pixels[FIT], np.asarray(Image.fromarray(developed).resize((32, 32))))
