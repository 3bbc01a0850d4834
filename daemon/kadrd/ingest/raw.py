"""Camera RAW: which bytes are one, and what it shows. The only importer of rawpy (LibRaw); runs in the worker.

A RAW is known by its content: most are TIFF files whose first directory holds a thumbnail, which must not be taken for
the picture. What is shown is the preview that the camera stored beside its measurements: the look that the photographer
saw, for a hundredth of the work. Where none is large enough the measurements are developed at half size.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# How formats of their own begin: Fujifilm, Olympus (three), Panasonic, Minolta, Sigma.
_MAGICS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"FOVb")
# Canon before and after its TIFF years, Canon's TIFF, and Phase One's: by what stands a little further on.
_MARKS = ((6, b"HEAPCCDR"), (4, b"ftypcrx "), (8, b"CR\x02\0"), (8, b"IIII"), (8, b"MMMM"))

_COMPRESSION, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 259, 262, 330, 50706
_COLOUR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892
_OF_CAMERAS = (32767, 34713, 65535)  # compressions that only Sony, Nikon and Pentax use
_MAX_DIRECTORIES, _MAX_ENTRIES = 16, 512
_SIZES = {1: "B", 3: "H", 4: "I", 13: "I"}  # TIFF's types that a tag of ours has

# LibRaw's turns, as EXIF writes them.
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}


class RawError(Exception):
    """LibRaw cannot show it; the message ends a sentence."""


class UnknownCamera(RawError):
    """It is no RAW after all, or of a camera that LibRaw does not know."""


class TooLarge(RawError):
    """It needs more memory than LibRaw may take."""


class Photo(NamedTuple):
    """An opened RAW: its size as a person sees it, and EXIF's number for how its sensor was held."""

    width: int
    height: int
    orientation: int
    raw: Any

    def preview(self) -> bytes | NDArray[np.uint8] | None:
        """What the camera stored for its screen: a JPEG, or rows of RGB as the sensor was held. None: nothing of use."""
        import rawpy

        try:
            found = self.raw.extract_thumb()
        except rawpy.LibRawError:  # none, cut off, or HEVC
            return None
        preview: bytes | NDArray[np.uint8] = found.data
        return preview

    def developed(self) -> NDArray[np.uint8]:
        """The measurements as upright sRGB, at half size. Raises RawError."""
        with _translated():
            pixels: NDArray[np.uint8] = self.raw.postprocess(half_size=True, use_camera_wb=True)
        return pixels


def is_raw(data: bytes) -> bool:
    """Whether *data* is a camera's RAW, by what it holds."""
    if data.startswith(_MAGICS) or any(data.startswith(mark, at) for at, mark in _MARKS):
        return True
    try:
        return any(_tells(tag, values) for tag, values in _tags(data))
    except struct.error:  # cut off or damaged: whoever decodes TIFF will say so
        return False


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[Photo]:
    """The RAW in *data*. Raises RawError."""
    with _translated():
        import rawpy  # here, because most workers never meet a RAW

        raw = rawpy.imread(io.BytesIO(data))
    with contextlib.closing(raw):
        sizes = raw.sizes
        # What the camera calls its picture is a little less than what the sensor saw.
        cropped = 0 < sizes.crop_width <= sizes.width and 0 < sizes.crop_height <= sizes.height
        width, height = (sizes.crop_width, sizes.crop_height) if cropped else (sizes.width, sizes.height)
        orientation = _ORIENTATIONS.get(sizes.flip, 1)
        if orientation >= 5:
            width, height = height, width
        yield Photo(width, height, orientation, raw)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """LibRaw's errors as ours. Its messages are bytes."""
    try:
        yield
    except ImportError as error:
        raise UnknownCamera("rawpy is not installed") from error
    except Exception as error:
        words = error.args[0] if error.args else ""
        sentence = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        kinds = {"LibRawFileUnsupportedError": UnknownCamera, "LibRawTooBigError": TooLarge}
        raise kinds.get(type(error).__name__, RawError)(sentence or type(error).__name__) from error


def _tells(tag: int, values: tuple[int, ...]) -> bool:
    """Whether a tag of a TIFF file says that it is a RAW."""
    return (
        tag == _DNG_VERSION
        or (tag == _PHOTOMETRIC and values[:1] in ((_COLOUR_FILTER_ARRAY,), (_LINEAR_RAW,)))
        or (tag == _COMPRESSION and values[:1] != () and values[0] in _OF_CAMERAS)
    )


def _tags(data: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The whole numbers of every directory of a TIFF file, those below others included. Raises struct.error."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return
    (first,) = struct.unpack_from(order + "I", data, 4)
    waiting, seen = [first], set[int]()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        at = waiting.pop(0)
        if at == 0 or at in seen:
            continue
        seen.add(at)
        (count,) = struct.unpack_from(order + "H", data, at)
        for number in range(min(count, _MAX_ENTRIES)):
            tag, values = _entry(data, order, at + 2 + 12 * number)
            yield tag, values
            if tag == _SUB_IFDS:
                waiting += values
        (following,) = struct.unpack_from(order + "I", data, at + 2 + 12 * count)
        waiting.append(following)


def _entry(data: bytes, order: str, at: int) -> tuple[int, tuple[int, ...]]:
    """(tag, its first numbers); no numbers when it holds others than whole ones."""
    tag, kind, count = struct.unpack_from(order + "HHI", data, at)
    if kind not in _SIZES:
        return tag, ()
    layout = f"{order}{min(count, _MAX_DIRECTORIES)}{_SIZES[kind]}"
    place = at + 8
    if struct.calcsize(f"{order}{_SIZES[kind]}") * count > 4:
        (place,) = struct.unpack_from(order + "I", data, at + 8)
    return tag, struct.unpack_from(layout, data, place)
