"""What was found, as a folder of links that the file manager opens: `kadr desktop show TEXT`, `kadr desktop similar FILE`.

Menus and launchers run this, where no terminal shows what went wrong: that is said in a notification. Here the daemon may be
started, for somebody clicked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress

from kadr import output
from kadr.arguments import Asked
from kadr.asking import absolute, connect, here, seconds
from kadr.connection import row_as
from kadr.export import EVERYTHING
from kadr.protocol.errors import NOTHING, KadrError, Usage
from kadr.protocol.messages import Hit, Item, Search, Similar
from kadr.protocol.paths import current
from kadr.ways.album import Album, links_in

# As many as somebody looks through; a terminal gives the rest.
MOST = 200
# So many folders of links are kept, the newest.
FOLDERS = 20
_NAME_BYTES = 120


def show(asked: Asked, words: list[str]) -> int:
    """The pictures that *words* ask for; without a word the newest ones."""
    text = " ".join(words)
    return _opened(asked, Search(text or EVERYTHING, limit=MOST, cwd=here()), text or "newest pictures")


def similar(asked: Asked, words: list[str]) -> int:
    """The pictures that look like the file that is the first of *words*; a menu may hand over several."""
    if not words:
        raise Usage(why="similar wants a picture file", act="kadr desktop similar FILE")
    path = absolute(words[0])
    name = f"like {output.visible(os.path.basename(path))}"
    return _opened(asked, Similar(path, limit=MOST, cwd=here()), name)


def _opened(asked: Asked, request: Search | Similar, name: str) -> int:
    """Never back where something was found: the process becomes the program that opens the folder."""
    try:
        folder = os.path.join(current().cache, "found", folder_name(name))
        album = Album(folder)
        with connect(asked) as connection:
            for reply in connection.ask(request, seconds(asked)):
                if isinstance(reply, Item):
                    album.take([row_as(Hit, row) for row in reply.rows])
            if album.hits:
                album.finish(connection)
    except KadrError as error:
        _notify(f"{error.sentence} {error.act}")
        raise
    if not album.hits:
        _notify(f"Nothing was found for {name!r}.")
        return NOTHING
    _make_room(os.path.dirname(folder), folder)
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    sys.stderr.flush()
    try:
        os.execvp(opener, [opener, folder])  # noqa: S606 - no shell is wanted
    except OSError:
        raise Usage(why=f"{opener} is not installed", act=f"The pictures are linked in {folder}") from None


def folder_name(name: str) -> str:
    """*name* as the name of a folder, which the window of a file manager shows.

    >>> folder_name("../Kyiv  2024/06"), folder_name("")
    ('Kyiv 2024 06', 'pictures')
    """
    plain = re.sub(r"[\s/\x00-\x1f]+", " ", name).strip(" .")
    return plain.encode("utf-8", "replace")[:_NAME_BYTES].decode("utf-8", "ignore").strip() or "pictures"


def _make_room(top: str, newest: str) -> None:
    """Take away what is older than FOLDERS other folders of links, and nothing that is something else."""
    folders = [
        entry for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False) and entry.path != newest
    ]
    for entry in sorted(folders, key=_age)[FOLDERS:]:
        with suppress(OSError, Usage):  # somebody put something there, or was faster
            for name in links_in(os.fsencode(entry.path)):
                os.unlink(os.path.join(os.fsencode(entry.path), name))
            os.rmdir(entry.path)


def _age(entry: os.DirEntry[str]) -> float:
    return -entry.stat(follow_symlinks=False).st_mtime


def _notify(sentence: str) -> None:
    """Say it where a person without a terminal sees it."""
    if not sys.stderr.isatty():
        with suppress(OSError):
            subprocess.run(["notify-send", "--app-name=kadr", "kadr", sentence], check=False, timeout=5)
