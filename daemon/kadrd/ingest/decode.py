"""Bytes to upright sRGB pixels. Nothing else decodes with Pillow; runs in the worker, never in the daemon.

A picture that cannot be shown is a value, Skipped(reason, sentence), never an exception.
Whoever changes what this gives raises formats.DECODER.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import struct
import threading
import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from kadrd.ingest import raw
from kadrd.ingest.formats import FORMATS
from kadrd.values import Pixels, Skipped

MAX_PIXELS = 100_000_000
# Below this many pixels a side is no picture but a spacer.
MIN_SIDE = 2
# JPEG is decoded at 1/2, 1/4 or 1/8 as long as this many times the wanted side is left, so that what
# the bicubic filter sees is oversampled and the vector stays the same (cosine over 0.999 on photographs).
DRAFT_MARGIN = 3
# For what only people look at, twice is enough: a fraction of a JPEG is itself well filtered.
DRAFT_MARGIN_TO_SHOW = 2

# A RAW's preview is taken when its shorter side has as much as this and as the model wants. Below lie thumbnails, some
# with black bars, made for a screen of the size of a stamp.
MIN_PREVIEW = 240
# Pictures with more pixels than this are decoded one at a time. A thread for each core, all with 100 million pixels in
# hand, would reach the worker's limit of memory, and a good picture would be blamed for its neighbours.
BIG_PIXELS = 24_000_000
_BIG = threading.RLock()

# Pillow warns above this and refuses above twice as much. Making its warning an error instead would have to be done for
# each call, and the filters of warnings belong to all threads.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
# Pillow loads its plugins when they are first wanted and fails on an allow-list that names one it has not loaded.
for _plugin in ("Avif", "Bmp", "Gif", "Jpeg", "Jpeg2K", "Mpo", "Png", "Tiff", "WebP"):
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")
with contextlib.suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()

_FORMATS = tuple(name for name in FORMATS if name in Image.OPEN)

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The box with an item's size, and where boxes are looked for: they stand in front of the pixels.
_ITEM_SIZE = re.compile(rb"ispe\0\0\0\0(.{8})", re.DOTALL)
_BOXES_WITHIN = 1 << 18
_SRGB = ImageCms.createProfile("sRGB")
# A strip longer than this many times its height is cut to its middle before it is scaled: 30,000 x 2
# pixels would become gigabytes at 224 pixels height.
_LONGEST_STRIP = 16


class Fit(NamedTuple):
    """How a model wants its square: the shortest side scaled and the centre cut out (CLIP), or squashed (SigLIP).

    "within" is for people: the whole picture, its longer side at most `side`, never enlarged; so the pixels are no square.
    """

    side: int
    resize: str = "shortest"


class Decoded(NamedTuple):
    """A picture: its size as a person sees it, and its pixels in each fit asked for."""

    width: int
    height: int
    format: str
    pixels: dict[Fit, Pixels]


def decode(data: bytes, fits: Iterable[Fit]) -> Decoded | Skipped:
    """The picture in *data*, in each of the ways *fits*."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, list(fits))
    except (Image.DecompressionBombError, raw.TooLarge):
        return Skipped("too-large", f"It has more than {MAX_PIXELS // 1_000_000} million pixels.")
    except (UnidentifiedImageError, raw.UnknownCamera):
        return Skipped("not-a-picture", "Its content is no picture in a format that kadr reads.")
    except MemoryError:
        return Skipped("too-large", "It needs more memory than the worker may use.")
    except Exception as error:  # noqa: BLE001 - decoders raise whatever they like on damaged files
        return Skipped("damaged", f"It is damaged: {_brief(error)}.")


def _decode(data: bytes, fits: list[Fit]) -> Decoded | Skipped:
    if _boxed_pixels(data) > MAX_PIXELS:
        raise Image.DecompressionBombError
    with contextlib.ExitStack() as held:  # until the square is made, for a big picture
        shown = _raw(data, fits, held) if raw.is_raw(data) else _shown(data, _FORMATS, fits, held)
        if isinstance(shown, Skipped):
            return shown
        pixels = {fit: _fitted(shown.rgb, *fit) for fit in fits}
        return Decoded(shown.width, shown.height, shown.format, pixels)


class _Shown(NamedTuple):
    """A picture before it is made square. Its pixels may be fewer than its size says."""

    width: int
    height: int
    format: str
    rgb: Image.Image


def _shown(
    data: bytes, formats: tuple[str, ...], fits: list[Fit], held: contextlib.ExitStack
) -> _Shown | Skipped:
    with Image.open(io.BytesIO(data), formats=formats) as image:
        format_, (width, height) = image.format or "?", image.size
        if min(width, height) < MIN_SIDE:
            return Skipped("too-small", f"It has only {width} x {height} pixels.")
        orientation = _orientation(image.info.get("exif"))
        if format_ in ("JPEG", "MPO"):
            image.draft(None, _enough(image.size, fits))
        _alone(image.size, held)
        image.load()
        if format_ == "TIFF":  # Pillow turns TIFF itself while it loads
            (width, height), orientation = image.size, 1
        if orientation >= 5:
            width, height = height, width
        return _Shown(
            width, height, format_, _rgb(_turned(image, orientation), image.info.get("icc_profile"))
        )


def _enough(size: tuple[int, int], fits: list[Fit]) -> tuple[int, int]:
    """The least width and height that a picture of *size* may be decoded at."""
    least = (0, 0)
    for fit in fits:
        if fit.resize == "within":
            part = min(1.0, DRAFT_MARGIN_TO_SHOW * fit.side / max(size))
            wanted = int(size[0] * part), int(size[1] * part)
        else:
            wanted = DRAFT_MARGIN * fit.side, DRAFT_MARGIN * fit.side
        least = max(least[0], wanted[0]), max(least[1], wanted[1])
    return least


def _boxed_pixels(data: bytes) -> int:
    """How many pixels the largest item of a HEIC or AVIF says it has. Their decoders refuse too many with other words,
    some only when they have taken the memory.
    """
    if data[4:8] != b"ftyp":
        return 0
    boxes = _ITEM_SIZE.finditer(data, 0, _BOXES_WITHIN)
    sizes = (struct.unpack(">II", box[1]) for box in boxes)
    return max((width * height for width, height in sizes), default=0)


def _raw(data: bytes, fits: list[Fit], held: contextlib.ExitStack) -> _Shown:
    with raw.opened(data) as photo:
        try:
            rgb = _preview(photo, fits, held)
        except Exception:  # noqa: BLE001 - a preview that cannot be shown is no reason to lose the picture
            rgb = None
        if rgb is None:
            if photo.width * photo.height > MAX_PIXELS:
                raise raw.TooLarge
            _alone((photo.width, photo.height), held)
            rgb = Image.fromarray(photo.developed())
        return _Shown(photo.width, photo.height, "RAW", rgb)


def _preview(photo: raw.Photo, fits: list[Fit], held: contextlib.ExitStack) -> Image.Image | None:
    """The preview that the camera stored, upright, if it is large enough. Raises what decoders raise."""
    stored = photo.preview()
    if stored is None:
        return None
    if isinstance(stored, bytes):
        shown = _shown(stored, ("JPEG",), fits, held)
        if isinstance(shown, Skipped):
            return None
        side, rgb = min(shown.width, shown.height), shown.rgb
        # LibRaw writes the camera's turn into a preview that says none. One that lies across all the same said wrong.
        if (rgb.width > rgb.height) != (photo.width > photo.height) and photo.orientation >= 5:
            rgb = _turned(rgb, photo.orientation)
    else:
        rgb = _turned(Image.fromarray(stored), photo.orientation).convert("RGB")
        side = min(rgb.size)
    # `side` is the shorter one, and what is shown to people wants its longer one.
    wanted = max((fit.side for fit in fits if fit.resize != "within"), default=0)
    return rgb if side >= max(wanted, MIN_PREVIEW) else None


def _alone(size: tuple[int, int], held: contextlib.ExitStack) -> None:
    """Wait for the turn of a big picture."""
    if size[0] * size[1] > BIG_PIXELS:
        held.enter_context(_BIG)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """*image* as EXIF's *orientation* wants it seen."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _orientation(exif: bytes | None) -> int:
    """EXIF's orientation alone: Pillow would also take one out of XMP, which the essence key leaves out."""
    if not exif:
        return 1
    try:
        block = Image.Exif()
        block.load(exif)
        value = block.get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged metadata is no reason to lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """*image* as sRGB, transparent parts white."""
    image = _eight_bit(image)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "La", "RGBa"):
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return _srgb(image, profile).convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """A picture with more than eight bits a channel, scaled to eight."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        top = values.max(initial=0.0)
        # 32-bit files hold 8-bit, 16-bit or 0..1 values; the largest one tells which.
        scale = 255.0 if top <= 1 else 1.0 if top <= 255 else 255.0 / max(top, 65535.0)
        return Image.fromarray(np.clip(values * scale, 0, 255).astype(np.uint8))
    return image


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """*image* converted from its embedded profile; as it is when it has none or a broken one."""
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        source = image.convert("RGB") if image.mode == "RGBA" else image
        converted = ImageCms.profileToProfile(source, theirs, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


def _fitted(image: Image.Image, side: int, resize: str) -> Pixels:
    """*image* as a square. The rounding is torchvision's, so that the pixels are those the models were trained on."""
    if resize == "within":
        return _within(image, side)
    if resize == "squash":
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.uint8)
    width, height = image.size
    longest = _LONGEST_STRIP * min(width, height)
    if max(width, height) > longest:
        image = ImageOps.fit(image, (min(width, longest), min(height, longest)))
        width, height = image.size
    if width <= height:
        size = (side, max(side, int(side * height / width)))
    else:
        size = (max(side, int(side * width / height)), side)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.uint8)


def _within(image: Image.Image, side: int) -> Pixels:
    part = side / max(image.size)
    if part < 1:
        size = max(1, round(image.width * part)), max(1, round(image.height * part))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8)


def _brief(error: Exception) -> str:
    """What the decoder said, as the end of a sentence."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:160].rstrip(".")
