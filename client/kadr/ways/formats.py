"""--as: hits as launchers and pickers read them, each by its own rules. docs/desktop.md has a line to use for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from kadr.connection import Connection
from kadr.desktop.places import places
from kadr.desktop.thumbnails import thumbnail
from kadr.output import json_line, talk, visible, write
from kadr.protocol.errors import FOUND
from kadr.protocol.messages import Hit
from kadr.protocol.paths import environment
from kadr.ways.way import Gathered


class Written(Gathered):
    """All hits for one of table.PROGRAMS."""

    def __init__(self, format_: str) -> None:
        super().__init__()
        self._form = _FORMS[format_]

    def finish(self, connection: Connection) -> int:  # noqa: ARG002 - other ways ask more
        for line in self._form(self.hits):
            write(line)
        return FOUND


def alfred(hits: list[Hit]) -> Iterable[bytes]:
    """One object (alfredapp.com, Script Filter JSON Format). Without `uid`, by which Alfred would sort in an order of its own."""
    yield json_line({"items": [_item(hit) for hit in hits]})


def _item(hit: Hit) -> dict[str, object]:
    path = os.fsdecode(hit.path)
    known = " · ".join(visible(word) for word in (hit.taken[:10], hit.place, os.path.dirname(path)) if word)
    icon = {"type": "fileicon", "path": path}
    title = visible(os.path.basename(path))
    return {
        "type": "file",
        "title": title,
        "subtitle": known,
        "arg": path,
        "icon": icon,
        "quicklookurl": path,
    }


def rofi(hits: list[Hit]) -> Iterable[bytes]:
    """A row each (rofi-script(5), rofi-dmenu(5)): its text, and so what rofi prints, is the path; its icon the picture.

    `display` is what is shown instead since rofi 1.7.5, and `info` what a script gets as ROFI_INFO.
    """
    cache = places(environment()).cache
    for hit in hits:
        if b"\n" in hit.path or b"\x1f" in hit.path:  # marks of rofi's own
            talk(f"rofi cannot be given {visible(hit.path)}")
            continue
        icon = os.fsencode(thumbnail(hit.path, cache)) or hit.path
        folder, name = os.path.split(hit.path)
        options = {
            b"icon": icon,
            b"info": hit.path,
            b"display": f"{visible(name)}   {visible(folder)}".encode(),
        }
        yield hit.path + b"\0" + b"\x1f".join(b"\x1f".join(pair) for pair in options.items()) + b"\n"


def fzf(hits: list[Hit]) -> Iterable[bytes]:
    """What is shown, a tab, the path, and NUL, so that no name is misread."""
    for hit in hits:
        folder, name = os.path.split(hit.path)
        score = f"{hit.score:.2f}  " if hit.score else ""
        yield f"{score}{visible(name)}   {visible(folder)}".encode() + b"\t" + hit.path + b"\0"


_FORMS: dict[str, Callable[[list[Hit]], Iterable[bytes]]] = {
    form.__name__: form for form in (alfred, rofi, fzf)
}
