"""Bytes to upright sRGB pixels. The only importer of Pillow; runs in the worker, never in the daemon.

A picture that cannot be shown is a value, Skipped(reason, sentence), never an exception.
Whoever changes what this gives raises formats.DECODER.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from kadrd.ingest.formats import FORMATS
from kadrd.values import Pixels, Skipped

MAX_PIXELS = 100_000_000
# Below this many pixels a side is no picture but a spacer.
MIN_SIDE = 2
# JPEG is decoded at 1/2, 1/4 or 1/8 as long as this many times the wanted side is left, so that what
# the bicubic filter sees is oversampled and the vector stays the same (cosine over 0.999 on photographs).
DRAFT_MARGIN = 3

Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow only warns above this; decode() makes that an error
# Pillow loads its plugins when they are first wanted and fails on an allow-list that names one it has not loaded.
for _plugin in ("Avif", "Bmp", "Gif", "Jpeg", "Jpeg2K", "Mpo", "Png", "Tiff", "WebP"):
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")
with contextlib.suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()

_FORMATS = [name for name in FORMATS if name in Image.OPEN]

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
_SRGB = ImageCms.createProfile("sRGB")
# A strip longer than this many times its height is cut to its middle before it is scaled: 30,000 x 2
# pixels would become gigabytes at 224 pixels height.
_LONGEST_STRIP = 16


class Fit(NamedTuple):
    """How a model wants its square: the shortest side scaled and the centre cut out (CLIP), or squashed (SigLIP)."""

    side: int
    resize: str = "shortest"


class Decoded(NamedTuple):
    """A picture: its size as a person sees it, and its pixels in each fit asked for."""

    width: int
    height: int
    format: str
    pixels: dict[Fit, Pixels]


def decode(data: bytes, fits: Iterable[Fit]) -> Decoded | Skipped:
    """The picture in *data*, made square in each of the ways *fits*."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(data, list(fits))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Skipped("too-large", f"It has more than {MAX_PIXELS // 1_000_000} million pixels.")
    except UnidentifiedImageError:
        return Skipped("not-a-picture", "Its content is no picture in a format that kadr reads.")
    except MemoryError:
        return Skipped("too-large", "It needs more memory than the worker may use.")
    except Exception as error:  # noqa: BLE001 - decoders raise whatever they like on damaged files
        return Skipped("damaged", f"It is damaged: {_brief(error)}.")


def _decode(data: bytes, fits: list[Fit]) -> Decoded | Skipped:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        format_, (width, height) = image.format or "?", image.size
        if min(width, height) < MIN_SIDE:
            return Skipped("too-small", f"It has only {width} x {height} pixels.")
        orientation = _orientation(image.info.get("exif"))
        if format_ in ("JPEG", "MPO"):
            margin = DRAFT_MARGIN * max((fit.side for fit in fits), default=0)
            image.draft(None, (margin, margin))
        image.load()
        if format_ == "TIFF":  # Pillow turns TIFF itself while it loads
            (width, height), orientation = image.size, 1
        upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        if orientation >= 5:
            width, height = height, width
        rgb = _rgb(upright, image.info.get("icc_profile"))
    return Decoded(width, height, format_, {fit: _fitted(rgb, *fit) for fit in fits})


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


def _brief(error: Exception) -> str:
    """What the decoder said, as the end of a sentence."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:160].rstrip(".")
