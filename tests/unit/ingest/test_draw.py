"""What the worker draws: small pictures in every form, contact sheets, and captions in any script."""

import contextlib
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from kadr.protocol.messages import FORMS
from kadrd.config import Worker as Settings
from kadrd.ingest import draw, letters, sixel
from kadrd.ingest.decode import Decoded, Fit, decode
from kadrd.ingest.grid import MARGIN, MOST_PICTURES, grid
from kadrd.ingest.workers import Worker
from kadrd.values import Skipped


def scene(width=64, height=48):
    """Four coloured quarters on a slope."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red = np.where((x < 0.5) & (y < 0.5), 220, 60)
    return Image.fromarray(np.stack([red, x * 200, y * 200], axis=2).astype(np.uint8))


def saved(image, format_="PNG", **options):
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def small(data, side):
    fit = Fit(side, "within")
    picture = decode(data, [fit])
    assert isinstance(picture, Decoded), picture
    return picture.pixels[fit]


def opened(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def apart(one, two):
    return np.abs(np.asarray(one).astype(int) - np.asarray(two).astype(int)).mean()


# Small pictures


@pytest.mark.parametrize(
    ("size", "side", "wanted"),
    [
        ((400, 300), 100, (100, 75)),
        ((300, 400), 100, (75, 100)),
        ((40, 30), 100, (40, 30)),  # never enlarged
        ((3000, 4), 100, (100, 1)),  # a strip keeps a pixel
        ((101, 100), 100, (100, 99)),
    ],
)
def test_whole_picture_within_a_side(size, side, wanted):
    """A small picture shows the whole of the large one, in its shape, and is never larger than it."""
    pixels = small(saved(scene(*size)), side)
    assert (pixels.shape[1], pixels.shape[0]) == wanted
    if wanted[1] > 1:
        assert apart(pixels, scene(*size).resize(wanted, Image.Resampling.LANCZOS)) < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_small_picture_is_upright(orientation):
    """However a camera was held, what is shown stands upright."""
    turns = [None, 0, 3, 1, 5, 2, 6, 4]  # what undoes each orientation
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = turns[orientation - 1]
    turned = scene(800, 600) if turn is None else scene(800, 600).transpose(Image.Transpose(turn))
    pixels = small(saved(turned, "JPEG", quality=95, exif=exif), 80)
    assert pixels.shape == (60, 80, 3)
    assert apart(pixels, scene(80, 60)) < 4


def test_fraction_of_a_jpeg_looks_the_same():
    """A JPEG that is decoded at a fraction looks like one that is decoded whole and scaled."""
    noise = np.random.default_rng(5).integers(0, 60, (1200, 1600, 3))
    image = Image.fromarray((np.asarray(scene(1600, 1200)) // 2 + noise).astype(np.uint8))
    data = saved(image, "JPEG", quality=90)
    whole = opened(data).resize((128, 96), Image.Resampling.LANCZOS)
    assert apart(small(data, 128), whole) < 1.5


def test_models_still_get_their_square():
    """What people are shown does not change what a model sees, even of the same decoding."""
    data, square = saved(scene(1600, 1200), "JPEG"), Fit(32)
    both = decode(data, [square, Fit(300, "within")])
    assert both.pixels[square].shape == (32, 32, 3)
    assert apart(both.pixels[square], decode(data, [square]).pixels[square]) < 1


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form):
    """A small picture is written in the form asked for, and shows what it showed."""
    pixels = small(saved(scene(160, 120)), 80)
    data = draw.picture(pixels, form)
    shown = shown_by_terminal(data) if form == "sixel" else opened(data)
    assert shown.size == (80, 60)
    assert apart(shown, pixels) < (0.01 if form == "png" else 3)


# Sixels


def shown_by_terminal(data):
    """What a terminal makes of sixels, read by the rules of the VT340."""
    head, body = re.fullmatch(rb'\x1bP0;1;0q"1;1;(\d+;\d+)(.*)\x1b\\', data, re.DOTALL).groups()
    width, height = map(int, head.split(b";"))
    canvas = np.full((-(-height // 6) * 6, width, 3), -1)
    colours, colour, x, y, times = {}, None, 0, 0, 1
    for token in re.findall(rb"#\d+(?:;\d+){4}|#\d+|!\d+|[$-]|[?-~]", body):
        mark, rest = token[:1], token[1:]
        if mark == b"#" and b";" in rest:
            number, kind, *rgb = map(int, rest.split(b";"))
            assert kind == 2
            colours[number] = [round(part * 2.55) for part in rgb]
        elif mark == b"#":
            colour = colours[int(rest)]
        elif mark == b"!":
            times = int(rest)
        elif mark in b"$-":
            x, y = 0, y + 6 * (mark == b"-")
        else:
            for bit in range(6):
                if (token[0] - 63) >> bit & 1:
                    canvas[y + bit, x : x + times] = colour
            x, times = x + times, 1
    assert (canvas[height:] == -1).all()  # nothing below the picture
    assert (canvas[:height] >= 0).all()  # and no hole in it
    return Image.fromarray(canvas[:height].astype(np.uint8))


@given(
    st.integers(1, 40).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, 9), min_size=width, max_size=width), min_size=1, max_size=20
        )
    )
)
def test_sixels_are_exact(rows):
    """A terminal that reads sixels by the book shows every pixel in its colour, whatever the picture."""
    numbers = np.array(rows, np.uint8)
    palette = (
        np.array([[n * 25.5, 255 - n * 25.5, (n * 51) % 255] for n in range(10)]).round().astype(np.uint8)
    )
    assert apart(shown_by_terminal(sixel.encoded(numbers, palette)), palette[numbers]) < 2


def test_sixels_of_a_plain_picture_are_short():
    """What is the same along a line is said once: a plain picture of 100,000 pixels is under 500 bytes."""
    assert len(draw.picture(np.full((250, 400, 3), 90, np.uint8), "sixel")) < 500


# Sheets


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 20, 31, 100, 199, MOST_PICTURES])
@pytest.mark.parametrize("titled", [True, False])
def test_tiles_lie_beside_each_other(count, titled):
    """Any number of tiles lies on the sheet in rows, within its margins, none over another."""
    plan = grid(count, titled=titled)
    width, height = plan.size
    corners = [plan.corner(number) for number in range(count)]
    assert len({*corners}) == count
    assert plan.columns * (plan.rows - 1) < count <= plan.columns * plan.rows
    for x, y in corners:
        assert MARGIN <= x <= width - MARGIN - plan.side
        assert plan.top <= y <= height - MARGIN - plan.side - plan.line
    xs, ys = ({corner[axis] for corner in corners} for axis in (0, 1))
    assert all(later - one >= plan.side for one, later in zip(sorted(xs), sorted(xs)[1:], strict=False))
    assert all(
        later - one >= plan.side + plan.line for one, later in zip(sorted(ys), sorted(ys)[1:], strict=False)
    )


def tile(colour, size):
    return saved(Image.new("RGB", size, colour))


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_sheet_shows_its_pictures_in_order(form):
    """Each picture stands in the middle of its own tile, in the order asked for."""
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    plan = grid(3, titled=True)
    sheet = opened(draw.sheet([tile(c, (plan.side, 100)) for c in colours], ["a", "b", "c"], "title", form))
    assert sheet.size == plan.size
    for number, colour in enumerate(colours):
        x, y = plan.corner(number)
        assert apart(sheet.getpixel((x + plan.side // 2, y + plan.side // 2)), colour) < 5
        assert apart(sheet.getpixel((x + plan.side // 2, y + 5)), draw.TILE) < 5


def ink(sheet, box):
    """How many dark dots lie in *box*."""
    return int((np.asarray(sheet.crop(box).convert("L")) < 128).sum())


def test_caption_title_and_reason_are_written():
    """Title, captions and the reason of a picture that cannot be shown are on the sheet; where there are none it is bare."""
    plan = grid(2, titled=True)
    tiles = [tile((255, 255, 255), (50, 50)), Skipped("damaged", "It is damaged: a stream ends early.")]
    sheet = opened(draw.sheet(tiles, ["0.71  закат.jpg", ""], "закат на озере", "png"))
    (x, y), (x2, y2) = plan.corner(0), plan.corner(1)
    below = plan.side + plan.line
    assert ink(sheet, (MARGIN, MARGIN, sheet.width - MARGIN, plan.top)) > 100
    assert ink(sheet, (x, y + plan.side, x + plan.side, y + below)) > 50
    assert ink(sheet, (x2, y2 + plan.side, x2 + plan.side, y2 + below)) == 0
    said = np.asarray(sheet.crop((x2, y2, x2 + plan.side, y2 + plan.side)).convert("L")) < 200
    assert said.sum() > 100


def test_captions_stay_below_their_pictures():
    """However long a caption or a title is, it ends where its tile or the sheet ends."""
    plan = grid(4, titled=True)
    tiles = [tile((255, 255, 255), (9, 9))] * 4
    sheet = opened(draw.sheet(tiles, ["0.5  " + "Ш" * 5000 + ".jpg"] * 4, "Щ" * 5000, "png"))
    (x, y), (x2, _) = plan.corner(0), plan.corner(1)
    assert ink(sheet, (x + plan.side + 1, y, x2, y + plan.side + plan.line)) == 0
    assert ink(sheet, (sheet.width - MARGIN + 1, 0, sheet.width, sheet.height)) == 0


def test_a_hundred_photographs_are_modest():
    """A sheet of 100 tiles as busy as photographs is under 3 MB."""
    side = grid(100, titled=True).side
    rough = np.random.default_rng(1).integers(0, 256, (100, side // 4, side // 4, 3), np.uint8)
    pictures = [Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC) for one in rough]
    data = draw.sheet([saved(one, compress_level=1) for one in pictures], ["0.5  name.jpg"] * 100, "", "jpeg")
    assert 200_000 < len(data) < 3_000_000


# Letters


@pytest.fixture
def plain():
    """The letters of a machine without a single font."""
    return letters.Letters([ImageFont.load_default(16)])


@pytest.fixture
def rich():
    """The letters of this machine, if it has Cyrillic ones."""
    made = letters.letters(16)
    if not any(letters.has(font, "ж") for font in made._fonts):
        pytest.skip("this machine has no font with Cyrillic letters")
    return made


def written(pen, text):
    image = Image.new("RGB", (600, 40), "white")
    pen.write(ImageDraw.Draw(image), (5, 28), text, (0, 0, 0))
    return np.asarray(image)


def test_cyrillic_is_written_as_it_is(rich):
    """With a font that has them, Russian and Ukrainian letters are written themselves, each in a shape of its own."""
    shapes = {letter: written(rich, letter).tobytes() for letter in "жщюяїєґі№ёЙ"}
    assert len({*shapes.values()}) == len(shapes)
    assert not np.array_equal(written(rich, "жук"), written(rich, "zhuk"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Закат.jpg", "Zakat.jpg"),
        ("їжак і ґава", "yizhak i gava"),
        ("Щука № 5", "Shchuka No 5"),
        ("café", "cafe"),
        ("中文.jpg", "??.jpg"),
    ],
)
def test_names_can_be_read_without_fonts(plain, text, read):
    """On a machine without fonts a name is spelled in Latin letters, and what cannot be is a question mark."""
    assert np.array_equal(written(plain, text), written(plain, read))


def test_line_runs_to_the_right(rich):
    """A score before an Arabic or Hebrew name stands at the line's begin, where all scores stand."""
    score = written(rich, "0.74")[:, :40]
    assert np.array_equal(written(rich, "0.74 שלום.jpg")[:, :40], score)


@pytest.mark.parametrize("width", [40, 90, 200, 2000])
@pytest.mark.parametrize(
    "text", ["0.31  IMG_20240612_173001_0412.jpg", "Очень длинное имя файла из архива 0412.jpg", "a", ""]
)
def test_long_names_keep_both_ends(rich, text, width):
    """A name that is too long loses its middle: how it begins and how it ends is still there."""
    short = rich.shortened(text, width)
    assert rich.width(short) <= width
    if short != text:
        head, _, tail = short.partition("…")
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(tail) + 1 >= len(head)
    else:
        assert rich.width(text) <= width


@given(st.text(st.characters(), max_size=60))
def test_any_text_can_be_a_caption(text):
    """Any text, however odd, is one line that nothing in it breaks, turns or overflows."""
    pen = letters.letters(13)
    short = pen.shortened(text, 120)
    assert pen.width(short) <= 120
    assert not {"\n", "\r", "\0", "\u2028", "\u202e", "\u200f"} & set(short)
    written(pen, short)
    for line in pen.wrapped(text, 120, 3):
        assert pen.width(line) <= 120


def test_names_are_shown_as_they_are():
    """What would hide or turn part of a name is left out, and bytes that are no text become question marks."""
    assert letters.shown("photo\u202egpj.exe") == "photogpj.exe"
    assert letters.shown(os.fsdecode(b"caf\xe9\n.jpg")) == "caf??.jpg"
    assert letters.shown("и\u0306") == "й"


def test_sentence_is_wrapped(plain):
    """A long sentence is broken between words; what is too much for its lines ends in an ellipsis."""
    sentence = "Its content is no picture in a format that kadr reads."
    lines = plain.wrapped(sentence, 150, 9)
    assert " ".join(lines) == sentence
    assert len(lines) > 2
    few = plain.wrapped(sentence, 150, 2)
    assert len(few) == 2
    assert "…" in few[1]


def test_fonts_are_found_by_name(tmp_path):
    """Fonts are found wherever below the known folders they lie, the best first; other files are left alone."""
    for name in ("a/DejaVuSans.ttf", "b/c/NotoSans-Regular.ttf", "b/Evil.ttf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = letters.found((str(tmp_path), str(tmp_path / "missing")))
    assert [Path(path).name for path in found] == ["NotoSans-Regular.ttf", "DejaVuSans.ttf"]


def test_damaged_font_is_passed_over(tmp_path, monkeypatch):
    """A font file that is damaged costs nothing: the next one is taken."""
    (tmp_path / "NotoSans-Regular.ttf").write_bytes(b"no font")
    monkeypatch.setattr(letters, "found", lambda: [str(tmp_path / "NotoSans-Regular.ttf")])
    letters.letters.cache_clear()
    try:
        assert letters.letters(13).width("name.jpg") > 20
    finally:
        letters.letters.cache_clear()


# The worker


@pytest.fixture(scope="module")
def worker():
    with contextlib.closing(Worker(Settings(priority="normal", threads=2))) as made:
        yield made


@pytest.mark.parametrize("form", FORMS)
def test_worker_draws_thumbnails(worker, pictures, tmp_path, form):
    """The caged worker draws each file, and says of each that it cannot draw why."""
    files = pictures.many(tmp_path, 3)
    (tmp_path / "text.jpg").write_text("no picture")
    paths = [*files, tmp_path / "text.jpg", tmp_path / "missing.jpg"]
    *good, text, missing = worker.thumbnails([os.fsencode(path) for path in paths], 16, form)
    for data in good:
        shown = shown_by_terminal(data) if form == "sixel" else opened(data)
        assert shown.size == (16, 13)
    assert text == Skipped("not-a-picture", "Its content is no picture in a format that kadr reads.")
    assert missing.reason == "unreadable"


def test_worker_draws_a_sheet(worker, pictures, tmp_path):
    """The caged worker draws a sheet of thumbnails, with the letters that it finds from inside its cage."""
    tiles = worker.thumbnails([os.fsencode(path) for path in pictures.many(tmp_path, 3)], 400, "png")
    tiles.append(Skipped("gone", "It is gone."))
    made = worker.sheet(tiles, ["Бабуся.jpg", "b", "c", "d"], "Бабуся", "png")
    assert made == draw.sheet(tiles, ["Бабуся.jpg", "b", "c", "d"], "Бабуся", "png")


def test_what_is_indexed_can_be_shown(data):
    """Of odd pictures just those are shown that are indexed; of the others a sheet says the same as `kadr status`."""
    square, fit = Fit(32), Fit(64, "within")
    files = sorted(path for path in (data / "odd" / "pillow-tests").rglob("*") if path.is_file())[::3]
    for path in files:
        indexed, shown = (decode(path.read_bytes(), [kind]) for kind in (square, fit))
        if isinstance(shown, Skipped):
            assert shown == indexed
        else:
            assert shown[:3] == indexed[:3]
            assert 1 <= min(shown.pixels[fit].shape[:2]) <= max(shown.pixels[fit].shape[:2]) <= 64
