"""The checksum of a derived file: BLAKE2b of all bytes. It guards against damage, not against people."""

from __future__ import annotations

import hashlib


def checksum(path: str) -> str:
    """Hex digest of the file. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
