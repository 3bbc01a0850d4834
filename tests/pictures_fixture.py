"""Small pictures for tests: a colour with noise, each another one, drawn from a seed."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".gif": "GIF",
}


class Pictures:
    """Makes pictures that no other call makes."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def image(self, width: int = 40, height: int = 32) -> Image.Image:
        """A new picture in memory."""
        colour = self._random.integers(20, 236, 3)
        noise = self._random.integers(-20, 21, (height, width, 3))
        return Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8))

    def bytes(self, suffix: str = ".jpg", **options: Any) -> bytes:
        """A new picture as a file's bytes."""
        out = io.BytesIO()
        self.image().save(
            out, FORMATS[suffix], **({"lossless": True} if suffix == ".webp" else {}), **options
        )
        return out.getvalue()

    def one(self, path: Path, **options: Any) -> Path:
        """A new picture in *path*, in the format that its suffix says."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.bytes(path.suffix.lower(), **options))
        return path

    def many(
        self, folder: Path, count: int, suffixes: tuple[str, ...] = (".jpg", ".png", ".webp")
    ) -> list[Path]:
        """*count* new pictures in *folder*, in turn of these formats."""
        return [
            self.one(folder / f"{number:04}{suffixes[number % len(suffixes)]}") for number in range(count)
        ]

    @staticmethod
    def aged(files: list[Path]) -> list[Path]:
        """Files of another day: a disk is known by the sizes and times of its files."""
        for file in files:
            os.utime(file, (10**9, 10**9))
        return files


def with_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    """*jpeg* with one more segment in front."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + jpeg[2:]


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """*png* with one more chunk behind its header."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:33] + chunk + png[33:]


def exif(orientation: int = 1, *, order: str = "<", kind: int = 3, note: bytes = b"") -> bytes:
    """An EXIF block: an orientation of TIFF type *kind*, and a note that means nothing."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + {1: "Bxxx", 3: "Hxx", 4: "I"}[kind], orientation)
    return (
        mark
        + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, 1)
        + value
        + struct.pack(order + "I", 0)
        + note
    )


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    return with_segment(jpeg, 0xE1, b"Exif\0\0" + block)
