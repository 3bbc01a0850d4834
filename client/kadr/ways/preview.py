"""-p: under each hit its picture, in a terminal that shows pictures, or as chafa draws it where that is installed."""

from __future__ import annotations

import subprocess
import sys
from shutil import get_terminal_size, which

from kadr.connection import Connection
from kadr.output import Lines, talk, visible, write
from kadr.protocol.errors import FOUND, Usage
from kadr.protocol.messages import Hit, Item, Thumbnails
from kadr.protocol.paths import environment
from kadr.ways.terminals import FORMS, iterm, kitty, protocol
from kadr.ways.way import Gathered

# Few at once, so that the first is seen while the others are drawn.
AT_ONCE = 10
SMALLEST, LARGEST = 16, 1024
# About what a line of text is high; a terminal that tells would have to be asked.
LINE_PIXELS = 20


class Preview(Gathered):
    """Lines with pictures between them; lines alone where nobody would see a picture."""

    def __init__(self, lines: Lines, side: int) -> None:
        """*side*: how high a picture may be, in pixels. Raises Usage where the daemon does not draw that."""
        super().__init__()
        if not SMALLEST <= side <= LARGEST:
            raise Usage(
                why=f"--preview-height is from {SMALLEST} to {LARGEST} pixels, not {side}",
                act="Write --preview-height 400",
            )
        self._lines, self._side = lines, side

    def finish(self, connection: Connection) -> int:
        spoken = _spoken() if sys.stdout.isatty() else ""
        if not spoken:
            self._lines.take(self.hits)
        for start in range(0, len(self.hits) if spoken else 0, AT_ONCE):
            some = self.hits[start : start + AT_ONCE]
            drawn = self._drawn(connection, some, FORMS[spoken])
            for hit in some:
                self._lines.take([hit])
                write(_shown(drawn.get(hit.path, "it could not be drawn"), spoken, self._side) + b"\n")
            sys.stdout.flush()
        return FOUND

    def _drawn(self, connection: Connection, hits: list[Hit], form: str) -> dict[bytes, bytes | str]:
        """The picture of each path, or the sentence that says why there is none."""
        drawn: dict[bytes, bytes | str] = {}
        request = Thumbnails([hit.path for hit in hits], self._side, form)
        rows = (row for reply in connection.ask(request) if isinstance(reply, Item) for row in reply.rows)
        more: bytes | str = b""
        for row in rows:  # a large one comes in pieces
            data = row.get("data", row.get("sentence", ""))
            more = more + data if isinstance(more, bytes) and isinstance(data, bytes) else data
            drawn[row["path"]] = more
            more = more if row.get("more") else b""
        return drawn


def _spoken() -> str:
    spoken = protocol(environment()) or ("chafa" if which("chafa") else "")
    if not spoken:
        talk(
            "this terminal is not known to show pictures: use kitty, WezTerm, iTerm2 or foot, or install chafa"
        )
    return spoken


def _shown(data: bytes | str, spoken: str, side: int) -> bytes:
    """The bytes that show a picture, or say why there is none."""
    if isinstance(data, str):
        return f"      {visible(data)}".encode()
    if spoken == "chafa":
        return _chafa(data, side)
    return {"kitty": kitty, "iterm": iterm, "sixel": bytes}[spoken](data)


def _chafa(png: bytes, side: int) -> bytes:
    columns, lines = get_terminal_size()
    size = f"--size={columns}x{min(lines, max(1, side // LINE_PIXELS))}"
    done = subprocess.run(
        ["chafa", "--format=symbols", size, "-"],
        input=png,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.stdout.rstrip(b"\n")
