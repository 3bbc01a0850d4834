"""--sheet: one picture of all hits with their scores, drawn by the daemon's worker and written here."""

from __future__ import annotations

import os
from contextlib import suppress

from kadr.asking import absolute
from kadr.connection import Connection
from kadr.output import count, talk, visible
from kadr.progress import shown
from kadr.protocol.errors import FOUND, KadrError, Usage
from kadr.protocol.messages import Hit, Item, Sheet
from kadr.ways.way import Gathered

FORMS = {b".jpg": "jpeg", b".jpeg": "jpeg", b".png": "png"}
# What the daemon draws on one sheet.
MOST = 200


class ContactSheet(Gathered):
    """Writes one file, whole or not at all."""

    def __init__(self, file: str, title: str) -> None:
        """Raises Usage where the ending of *file* is no form of picture, before anything is asked."""
        super().__init__()
        self._file, self._title = absolute(file), title
        form = FORMS.get(os.path.splitext(self._file)[1].lower())
        if form is None:
            raise Usage(
                why=f"A contact sheet is a JPEG or a PNG, not {visible(file)!r}", act="Write --sheet FILE.jpg"
            )
        self._form = form

    def finish(self, connection: Connection) -> int:
        hits = self.hits[:MOST]
        if not hits:
            return FOUND
        request = Sheet([hit.path for hit in hits], list(map(caption, hits)), self._title, self._form)
        replies = shown(connection.ask(request))
        data = b"".join(row["data"] for reply in replies if isinstance(reply, Item) for row in reply.rows)
        if not data:
            raise KadrError(why="the daemon sent no contact sheet")
        _write(self._file, data)
        left = len(self.hits) - len(hits)
        more = f"; {left:,} more do not fit on one" if left else ""
        talk(f"{count(len(hits), 'picture')} on {visible(self._file)}{more}")
        return FOUND


def caption(hit: Hit) -> str:
    """What stands below a hit: its score, where something ranked, and its name."""
    name = visible(os.path.basename(hit.path))
    return f"{hit.score:.2f}  {name}" if hit.score else name


def _write(file: bytes, data: bytes) -> None:
    coming = file + b".kadr-coming"
    try:
        with open(coming, "wb") as out:
            out.write(data)
        os.replace(coming, file)
    except OSError as error:
        raise Usage(
            why=f"{visible(file)} cannot be written: {error.strerror}", act="Name another file."
        ) from None
    finally:
        with suppress(OSError):  # it bears its name, or never was
            os.unlink(coming)
