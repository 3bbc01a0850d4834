"""What becomes of hits that are not just printed: commands, windows, an album, a contact sheet, pictures in the terminal, what
launchers read.

Each is a `Way`. Loaded late; plain lines are in output.py.
"""

from __future__ import annotations

from typing import cast

from kadr.arguments import Asked
from kadr.output import Lines
from kadr.ways.album import Album
from kadr.ways.commands import Batch, Each, Open
from kadr.ways.formats import Written
from kadr.ways.preview import Preview
from kadr.ways.sheet import ContactSheet
from kadr.ways.way import Way

DEFAULT_HEIGHT = 400


def chosen(asked: Asked, text: str) -> Way:  # noqa: PLR0911 - a line for each way
    """The way that the options ask for; *text* is the query. Raises Usage where it cannot be gone."""
    options = asked.options
    if "exec" in options:
        return Each(cast("list[str]", options["exec"]))
    if "exec-batch" in options:
        return Batch(cast("list[str]", options["exec-batch"]))
    if "link-to" in options:
        return Album(str(options["link-to"]))
    if "sheet" in options:
        return ContactSheet(str(options["sheet"]), title=text or " ".join(asked.operands))
    if "open" in options:
        return Open()
    if "as" in options:
        return Written(str(options["as"]))
    return Preview(Lines(options), side=int(cast("int", options.get("preview-height", DEFAULT_HEIGHT))))
