"""-x, -X and --open: programs of the user, run for hits. Arguments go as bytes and through no shell.

The signs are fd's: {} the path, {/} its name, {//} its folder, {.} and {/.} the two without the ending.
One after the other, best first, where fd runs several at once: people watch what happens to which picture.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

from kadr.connection import Connection
from kadr.output import talk, visible
from kadr.protocol.errors import FOUND, Usage
from kadr.ways.way import Gathered

# What fd ends with when a command does.
COMMAND_FAILED = 1
# As xargs: far below what any system takes, and still thousands of paths.
BATCH_BYTES = 128 * 1024

_SIGN = re.compile(rb"\{(?://|/\.|/|\.)?\}")


class Each(Gathered):
    """The command once for each hit."""

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        self._command = [os.fsencode(word) for word in command]

    def finish(self, connection: Connection) -> int:
        connection.close()  # who knows how long the commands take
        return _run(filled(self._command, hit.path) for hit in self.hits)


class Batch(Gathered):
    """The command once for all hits, or as few times as they fit."""

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        self._command = [os.fsencode(word) for word in command]
        if _SIGN.search(self._command[0]):
            raise Usage(why="-X runs one command, so its name holds no {}", act="Write -X COMMAND {}")

    def finish(self, connection: Connection) -> int:
        connection.close()
        return _run(batches(self._command, [hit.path for hit in self.hits]))


class Open(Gathered):
    """The program that the desktop has for each hit; kadr does not wait for it."""

    def finish(self, connection: Connection) -> int:
        connection.close()
        opener = "open" if sys.platform == "darwin" else "xdg-open"
        for hit in self.hits:
            try:
                process = subprocess.Popen(
                    [opener, hit.path],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:
                raise Usage(why=f"{opener} is not installed", act="Name a program: -X PROGRAM {}") from None
            process.returncode = 0  # it outlives us on purpose; subprocess would warn about it
        return FOUND


def filled(command: list[bytes], path: bytes) -> list[bytes]:
    """*command* for *path*, which goes to the end where no sign says otherwise.

    >>> filled([b"cp", b"{}", b"/copy/{/.}.bak"], b"/p/a.jpg"), filled([b"ls"], b"/p/a.jpg")
    ([b'cp', b'/p/a.jpg', b'/copy/a.bak'], [b'ls', b'/p/a.jpg'])
    """
    if not any(_SIGN.search(word) for word in command):
        return [*command, path]
    return [_SIGN.sub(lambda found: _part(found[0], path), word) for word in command]


def _part(sign: bytes, path: bytes) -> bytes:
    folder, name = os.path.split(path)
    return {
        b"{}": path,
        b"{/}": name,
        b"{//}": folder,
        b"{.}": os.path.splitext(path)[0],
        b"{/.}": os.path.splitext(name)[0],
    }[sign]


def batches(command: list[bytes], paths: list[bytes], most: int = BATCH_BYTES) -> Iterator[list[bytes]]:
    """*command* for all of *paths*: a word with a sign is there once for each. Each line of at most about *most* bytes."""
    words = command if any(_SIGN.search(word) for word in command) else [*command, b"{}"]
    signed = [word for word in words if _SIGN.search(word)]
    batch: list[bytes] = []
    size = 0
    for path in paths:
        adds = sum(len(filled([word], path)[0]) + 1 for word in signed)
        if batch and size + adds > most:
            yield _spread(words, batch)
            batch, size = [], 0
        batch.append(path)
        size += adds
    if batch:
        yield _spread(words, batch)


def _spread(words: list[bytes], paths: list[bytes]) -> list[bytes]:
    return [
        one
        for word in words
        for one in ([filled([word], path)[0] for path in paths] if _SIGN.search(word) else [word])
    ]


def _run(lines: Iterator[list[bytes]]) -> int:
    """Run every line; a command that fails does not keep the others from running."""
    code = FOUND
    for line in lines:
        try:
            done = subprocess.run(line, check=False)
        except OSError as error:
            talk(f"{visible(line[0])} cannot be run: {error.strerror}")
            return COMMAND_FAILED
        if done.returncode:
            code = COMMAND_FAILED
    return code
