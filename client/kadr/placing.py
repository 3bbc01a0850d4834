"""Files that kadr puts where other programs look: the whole of one or none of it, or a sentence why not. Knows nothing of what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kadr.protocol.errors import KadrError


class CannotWrite(KadrError):
    """{path} cannot be written: {why}."""

    act = "Give yourself the right to write there, then do it again. What was done stays done."


def place(path: str, content: bytes, mode: int = 0o644) -> None:
    """Have *path* hold *content*, through a link if that is what stands there. Raises CannotWrite."""
    path = os.path.realpath(path)
    coming = f"{path}.kadr-coming"
    with told(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with open(os.open(coming, flags, mode), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
            os.replace(coming, path)
        finally:
            with suppress(OSError):  # it bears its name, or never was
                os.unlink(coming)


@contextmanager
def told(path: str) -> Iterator[None]:
    """What the system refuses with the file *path* becomes a CannotWrite."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(path=path, why=(error.strerror or str(error)).lower()) from None
