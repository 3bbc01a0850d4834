"""A disk that can be cut off at any moment: reads the log that power_cut.c wrote, and says what a power cut leaves.

It knows files, names and syncs, and nothing of kadr. What each rule promises is what POSIX and the common journalling
file systems promise, and no more:

  killed   everything written so far is there: the process ended, the machine did not.
  synced   a file holds what it held at its last fsync, or nothing. A folder holds the names of its own last fsync.
           (A folder itself is never lost once made: losing it is the loss of all, and no state to speak of.)
  named    names are there at once, the bytes of a file only as of its last fsync: a rename is seen before its data.
  sized    as `named`, and a file has its newest length too; what was appended and not synced reads as zeros.
  torn     names up to a random change since the folder's last fsync, and of each file a random choice of the sectors
           written since its last fsync: old and new ones mixed, in no order.

A file's data and its name are apart: a name that was synced may lead to a file that was not.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RULES = ("killed", "synced", "named", "sized", "torn")
SECTOR = 512
_HEAD = struct.Struct("=IIIIQq")


class Operation(NamedTuple):
    """One line of the log."""

    kind: str
    path: str
    other: str
    inode: int
    offset: int
    data: bytes


def read(log: Path) -> Iterator[Operation]:
    """What was done, in order. The last record may be cut off by a kill and is then left out."""
    text = log.read_bytes()
    at = 0
    while at + _HEAD.size <= len(text):
        kind, path, other, length, inode, offset = _HEAD.unpack_from(text, at)
        parts, at = [], at + _HEAD.size
        for size in (path, other, length):
            parts.append(text[at : at + size])
            at += size
        if at <= len(text):
            yield Operation(chr(kind), os.fsdecode(parts[0]), os.fsdecode(parts[1]), inode, offset, parts[2])


class File:
    """The bytes of one inode: now, as of its last fsync, and the writes since."""

    def __init__(self) -> None:
        self.now = bytearray()
        self.synced = b""
        self.since: list[tuple[int, bytes | None]] = []
        """(offset, data), or (length, None) for a truncation."""

    def write(self, offset: int, data: bytes) -> None:
        _write(self.now, offset, data)
        self.since.append((offset, data))

    def truncate(self, length: int) -> None:
        _truncate(self.now, length)
        self.since.append((length, None))

    def sync(self) -> None:
        self.synced = bytes(self.now)
        self.since.clear()

    def sized(self) -> bytes:
        """The synced bytes in the newest length."""
        return self.synced[: len(self.now)].ljust(len(self.now), b"\0")

    def torn(self, chance: random.Random) -> bytes:
        """The synced bytes with some of the sectors written since."""
        data = bytearray(self.synced)
        for offset, written in self.since:
            if written is None:
                if chance.random() < 0.5:
                    _truncate(data, offset)
                continue
            for start, piece in _sectors(offset, written):
                if chance.random() < 0.5:
                    _write(data, start, piece)
        return bytes(data)


class Disk:
    """What the operations so far have made of an empty folder."""

    def __init__(self) -> None:
        self._files: dict[int, File] = {}
        self.folders: list[str] = []
        self._names: dict[str, dict[str, File]] = {}
        self._synced: dict[str, dict[str, File]] = {}
        self._since: dict[str, list[dict[str, File]]] = {}
        """Each folder's names: now, as of its last fsync, and after each change since."""

    def apply(self, step: Operation) -> None:
        """Take up one operation. Raises KeyError for a file whose beginning the log has not seen."""
        match step.kind:
            case "O":
                self._open(step)
            case "W":
                self._files[step.inode].write(step.offset, step.data)
            case "T":
                self._files[step.inode].truncate(step.offset)
            case "S":
                self._files[step.inode].sync()
            case "F":
                folder = self._folder(step.path)
                self._synced[step.path], self._since[step.path] = dict(folder), []
            case "R" | "L":
                file = self._folder(os.path.dirname(step.path)).get(os.path.basename(step.path))
                if file is None:  # a socket: bound, never opened
                    return
                if step.kind == "R":
                    inside = os.path.dirname(step.path) == os.path.dirname(step.other)
                    self._name(step.path, None, keep=not inside)
                self._name(step.other, file)
            case "U":
                self._name(step.path, None)
            case "M":
                self._folder(step.path)
            case "D":
                self.folders.remove(step.path)
                self._names[step.path].clear()

    def _open(self, step: Operation) -> None:
        known = self._folder(os.path.dirname(step.path)).get(os.path.basename(step.path))
        if known is None or self._files.get(step.inode) is not known:
            self._files[step.inode] = File()  # an inode's number is given again when its file is gone
            self._name(step.path, self._files[step.inode])
        elif step.offset:
            known.truncate(0)

    def _folder(self, path: str) -> dict[str, File]:
        if path not in self._names:
            self._names[path], self._synced[path], self._since[path] = {}, {}, []
        if path not in self.folders:
            self.folders.append(path)
        return self._names[path]

    def _name(self, path: str, file: File | None, *, keep: bool = True) -> None:
        """Let *path* lead to *file*, or to nothing. A rename in one folder is one change: *keep* marks its end."""
        folder = self._folder(os.path.dirname(path))
        if file is None:
            folder.pop(os.path.basename(path), None)
        else:
            folder[os.path.basename(path)] = file
        if keep:
            self._since[os.path.dirname(path)].append(dict(folder))

    def left(self, rule: str, chance: random.Random) -> dict[str, bytes]:
        """Every file, by path, that a cut at this moment leaves under the *rule*."""
        found = {}
        for folder in self.folders:
            names = self._names[folder]
            if rule == "synced":
                names = self._synced[folder]
            elif rule == "torn":
                names = chance.choice([self._synced[folder], *self._since[folder]])
            for name, file in names.items():
                found[f"{folder}/{name}"] = self._bytes(file, rule, chance)
        return found

    @staticmethod
    def _bytes(file: File, rule: str, chance: random.Random) -> bytes:
        if rule == "killed":
            return bytes(file.now)
        if rule == "sized":
            return file.sized()
        return file.torn(chance) if rule == "torn" else file.synced


def _write(data: bytearray, offset: int, new: bytes) -> None:
    data.extend(bytes(max(0, offset - len(data))))
    data[offset : offset + len(new)] = new


def _truncate(data: bytearray, length: int) -> None:
    del data[length:]
    data.extend(bytes(length - len(data)))


def _sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    start = offset
    while start < offset + len(data):
        end = min((start // SECTOR + 1) * SECTOR, offset + len(data))
        yield start, data[start - offset : end - offset]
        start = end
