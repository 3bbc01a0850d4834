"""--link-to: a folder of links to the hits, numbered, which any file manager shows. Touches nothing but its links.

The folder is known as an album by holding nothing else: links called `0001 name.jpg`. Files that begin with a dot are the
system's (.DS_Store) and let be. Each link is replaced by a rename, so a viewer that looks meanwhile sees the old one or the new.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from kadr.asking import absolute
from kadr.connection import Connection
from kadr.output import count, talk, visible
from kadr.protocol.errors import FOUND, Usage
from kadr.protocol.messages import Hit
from kadr.ways.way import Gathered

NAME_BYTES = 255
_LINK = re.compile(rb"(\d{4,}) .", re.DOTALL)
_COMING = b".kadr-coming"


class Album(Gathered):
    """Keeps one folder of links as the answer is; with --follow, as it becomes."""

    def __init__(self, folder: str) -> None:
        """Raises Usage where *folder* is something else than an album, before anything is asked."""
        super().__init__()
        self._folder = absolute(folder)
        self._links = links_in(self._folder)

    def finish(self, connection: Connection) -> int:  # noqa: ARG002 - other ways ask more
        wanted = {link_name(number, hit.path): hit.path for number, hit in enumerate(self.hits, 1)}
        old = self._links
        try:
            os.makedirs(self._folder, exist_ok=True)
            for name, path in wanted.items():
                if old.get(name) != path:
                    self._link(name, path)
            for name in old.keys() - wanted.keys():
                self._unlink(name)
        except OSError as error:
            raise self._refused(error) from None
        self._links = wanted
        talk(f"{count(len(wanted), 'link')} in {visible(self._folder)}")
        return FOUND

    def event(self, kind: str, hit: Hit) -> None:
        """What comes gets the next number, and nothing is numbered anew: names stay while people look at them."""
        known = [name for name, path in self._links.items() if path == hit.path]
        try:
            if kind == "gone":
                for name in known:
                    self._unlink(name)
                    del self._links[name]
            elif not known:
                name = link_name(1 + max(map(_number, self._links), default=0), hit.path)
                self._link(name, hit.path)
                self._links[name] = hit.path
        except OSError as error:
            raise self._refused(error) from None

    def _link(self, name: bytes, path: bytes) -> None:
        coming = os.path.join(self._folder, _COMING)
        try:
            os.symlink(path, coming)
        except FileExistsError:  # of a run that was killed here
            os.unlink(coming)
            os.symlink(path, coming)
        os.replace(coming, os.path.join(self._folder, name))

    def _unlink(self, name: bytes) -> None:
        with suppress(FileNotFoundError):  # somebody was faster
            os.unlink(os.path.join(self._folder, name))

    def _refused(self, error: OSError) -> Usage:
        return Usage(
            why=f"{visible(self._folder)} cannot be written: {error.strerror}",
            act="Name a folder of your own, on a disk that has symbolic links.",
        )


def links_in(folder: bytes) -> dict[bytes, bytes]:
    """The links of the album *folder* by name; none where it does not exist yet. Raises Usage where it is no album."""
    links: dict[bytes, bytes] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    continue
                if not (entry.is_symlink() and _LINK.match(entry.name)):
                    raise Usage(
                        why=f"{visible(folder)} is no album of kadr: {visible(entry.name)} lies in it",
                        act="Name a new folder, or an empty one.",
                    )
                links[entry.name] = os.readlink(entry.path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Usage(
            why=f"{visible(folder)} cannot be an album: {error.strerror}", act="Name a new folder."
        ) from None
    return links


def link_name(number: int, path: bytes) -> bytes:
    """What the link to *path* is called: sorts by number, ends as the file does, fits into a file system.

    >>> link_name(7, b"/p/cat.jpg")
    b'0007 cat.jpg'
    """
    stem, ending = os.path.splitext(os.path.basename(path))
    head = b"%04d " % number
    room = NAME_BYTES - len(head) - len(ending)
    kept = stem if len(stem) <= room else stem[:room].decode("utf-8", "ignore").encode()
    return head + kept + ending


def _number(name: bytes) -> int:
    found = _LINK.match(name)
    return int(found[1]) if found else 0
