"""The vectors of texts that are always the same: made a few at a time, and kept for the next start.

A large text tower takes seconds for a hundred of them and a minute for a vocabulary. So a model makes them once in its life, in parts,
so that no question waits for more than one; the file in the cache holds them. It is disposable, and believed only as long as it
holds unit vectors of the right number and size.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from kadrd.embed.models import Model
from kadrd.values import Matrix

# A question waits for no more than these: they hold the text tower. In eights they also take a quarter of the time that all at once
# take (60 ms instead of 245 for 86, mini), since the short ones are not padded to the longest.
AT_ONCE = 8


class KeptRows:
    """A unit row for each text, in one model. Thread-safe."""

    def __init__(
        self, model: Model, texts: Sequence[str], encode: Callable[[Sequence[str]], Matrix], folder: Path
    ) -> None:
        """*encode* gives unit rows for some texts; *folder* is where the rows are kept."""
        self._texts, self._encode, self._dimension = texts, encode, model.dimension
        version = blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()
        self._path = folder / f"{model.fingerprint}-{version}.npy"
        self._lock = threading.Lock()
        self._rows: list[Matrix] = []
        self._made = 0

    def more(self) -> bool:
        """Make some of those that are missing; whether others still are. Raises what *encode* raises."""
        with self._lock:
            if not self._made and (kept := self._kept()) is not None:
                self._rows, self._made = [kept], len(kept)
            if texts := self._texts[self._made : self._made + AT_ONCE]:
                self._rows.append(self._encode(texts))
                self._made += len(texts)
                if self._made == len(self._texts):
                    self._keep()
            return self._made < len(self._texts)

    def rows(self) -> Matrix:
        """All of them; waits for those that are missing. Raises what *encode* raises."""
        while self.more():
            pass
        with self._lock:
            self._rows = (
                [np.concatenate(self._rows)] if self._rows else [np.empty((0, self._dimension), np.float32)]
            )
            return self._rows[0]

    def _kept(self) -> Matrix | None:
        """What an earlier daemon made, if it can be believed."""
        rows = _read(self._path, self._dimension)
        return rows if rows is not None and len(rows) == len(self._texts) else None

    def _keep(self) -> None:
        _write(self._path, np.concatenate(self._rows))


def kept_or_made(path: Path, dimension: int, make: Callable[[], Matrix], enough: int) -> Matrix:
    """The unit rows in *path*, else those that *make* gives, which are kept from *enough* on."""
    rows = _read(path, dimension)
    if rows is None:
        rows = make()
        if len(rows) >= enough:
            _write(path, rows)
    return rows


def _read(path: Path, dimension: int) -> Matrix | None:
    try:
        rows: Matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != dimension:
        return None
    return rows if np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3) else None


def _write(path: Path, rows: Matrix) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    with contextlib.suppress(OSError):  # a full disk: they are made again after the next start
        path.parent.mkdir(mode=0o700, exist_ok=True)
        written = io.BytesIO()  # into a file numpy writes past what the tests that cut the power can see
        np.save(written, rows, allow_pickle=False)
        Path(temporary).write_bytes(written.getvalue())
        os.replace(temporary, path)
