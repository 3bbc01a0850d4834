"""Vectors as they lie in the catalogue: little-endian float16, and back to unit float32. Knows no table and no model."""

from __future__ import annotations

import zlib

import numpy as np

from kadrd.values import Matrix, Vector


def packed(vector: Vector) -> bytes:
    """*vector* as bytes; half precision changes a cosine by less than 0.0005."""
    return vector.astype("<f2").tobytes()


def unpacked(blob: bytes) -> Vector:
    """The unit vector in *blob*."""
    vector: Vector = stacked([blob])[0]
    return vector


def stacked(blobs: list[bytes]) -> Matrix:
    """The unit vectors in *blobs*, one a row. Rounding to half precision moved their norm, so it is mended here."""
    rows = np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), -1).astype(np.float32)
    rows[~np.isfinite(rows).all(axis=1)] = 0  # damaged: one NaN would spoil the order of all hits
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Matrix = rows / np.maximum(norms, np.float32(1e-12))
    return unit


def proof(
    seq: int, picture_id: int, fingerprint: str, picture: tuple[bytes, int, int, str], blob: bytes
) -> int:
    """The checksum that ties a vector's bytes to its numbers, its model and all that is known of its picture.

    A catalogue that is damaged is taken apart row by row (store/salvage.py); this tells which rows are true.
    """
    essence_key, width, height, form = picture
    text = f"{seq} {picture_id} {fingerprint} {width} {height} {form} ".encode()
    return zlib.crc32(blob, zlib.crc32(text + essence_key))
