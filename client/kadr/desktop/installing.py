"""Puts the pieces of hooks.py where their programs look, and takes exactly those away again.

A manifest in the state folder says what was written, by hash. What is somebody else's, or was changed since, is left alone
and said. Asks no daemon.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import sha256
from typing import NamedTuple

from kadr.desktop import thunar
from kadr.desktop.hooks import HOOKS, THUNAR, Hook, Piece, rendered
from kadr.desktop.places import Places
from kadr.placing import CannotWrite, place, told

# History of the manifest
#   1  {"version": 1, "files": {path: sha256 of what was written}}
VERSION = 1
MANIFEST = "desktop.json"
BACKUP = ".before-kadr"
# In the manifest, behind the name of Thunar's file: what our action in it says.
ACTION = "#action"


class Done(NamedTuple):
    """What became of one file."""

    path: str
    what: str
    """`written`, `unchanged`, `removed`, `absent`; `kept`: left alone, and `why`"""
    why: str = ""


class Desktop:
    """The user's desktop: the only one who writes what hooks.py lists, and the manifest."""

    def __init__(self, places: Places, state: str, kadr: list[str]) -> None:
        """*state* is the folder of the manifest, *kadr* the command that runs kadr."""
        self._places, self._kadr = places, kadr
        self._manifest = os.path.join(state, MANIFEST)
        self._written = _read_manifest(self._manifest)

    def install(self, hook: Hook) -> list[Done]:
        """Write the files of *hook*. Raises CannotWrite or NotUnderstood."""
        return [self._add_action() if piece is THUNAR else self._put(piece) for piece in hook.pieces]

    def uninstall(self, hook: Hook) -> list[Done]:
        """Take away what was written for *hook* and no other installed one needs. Raises CannotWrite or NotUnderstood."""
        shared = {
            self.path(piece)
            for other in HOOKS.values()
            if other != hook and self.installed(other)
            for piece in other.pieces
        }
        own = [piece for piece in hook.pieces if self.path(piece) not in shared]
        return [self._take_action() if piece is THUNAR else self._remove(self.path(piece)) for piece in own]

    def installed(self, hook: Hook) -> bool:
        """Whether anything of *hook* that belongs to it alone was written and is still there."""
        others = [piece for other in HOOKS.values() if other != hook for piece in other.pieces]
        own = (piece for piece in hook.pieces if piece not in others)
        return any(self.path(piece) in self._written and os.path.lexists(self.path(piece)) for piece in own)

    def changed(self, hook: Hook) -> list[str]:
        """The files of *hook* that somebody changed since."""
        return [self.path(piece) for piece in hook.pieces if self._is_changed(piece)]

    def path(self, piece: Piece) -> str:
        return os.path.join(getattr(self._places, piece.place), piece.target)

    def _is_changed(self, piece: Piece) -> bool:
        path = self.path(piece)
        now = _content(path)
        if now is None or path not in self._written:
            return False
        if piece is not THUNAR:
            return _hash(now) != self._written[path]
        said = thunar.said(_text(path, now), rendered(THUNAR, self._kadr).decode(), path)
        return _hash(said.encode()) != self._written.get(path + ACTION)

    def _put(self, piece: Piece) -> Done:
        path, wanted = self.path(piece), rendered(piece, self._kadr)
        now = _content(path)
        if now == wanted:
            self._note(path, wanted)
            return Done(path, "unchanged")
        if now is not None and _hash(now) != self._written.get(path):
            return Done(path, "kept", "you changed it" if path in self._written else "it is not kadr's")
        place(path, wanted, piece.mode)
        self._note(path, wanted)
        return Done(path, "written")

    def _remove(self, path: str) -> Done:
        now = _content(path)
        if path not in self._written:
            return Done(path, "kept", "it is not kadr's") if now is not None else Done(path, "absent")
        if now is not None and _hash(now) != self._written[path]:
            return Done(path, "kept", "you changed it")
        with told(path), suppress(FileNotFoundError):
            os.unlink(path)
        self._note(path, None)
        return Done(path, "removed")

    # Thunar's file is the user's, with an action of ours in it.

    def _add_action(self) -> Done:
        path, action = self.path(THUNAR), rendered(THUNAR, self._kadr).decode()
        now = _content(path)
        before = _text(path, self._systems_actions() if now is None else now)
        said = thunar.said(before, action, path)
        wanted = thunar.said(f"<actions>{action}</actions>", action, path)
        if said == wanted:
            if path not in self._written:  # a run that was killed here, or a manifest that was lost
                self._note(path + ACTION, wanted.encode())
                self._note(path, b"")
            return Done(path, "unchanged")
        if said and _hash(said.encode()) != self._written.get(path + ACTION):
            return Done(path, "kept", "you changed the action")
        after = thunar.with_action(before, action, path).encode()
        if now is not None and path not in self._written and not os.path.lexists(path + BACKUP):
            place(path + BACKUP, now, 0o600)
            self._note(path + BACKUP, now)
        whole = now is None or self._written.get(path) == _hash(now)
        place(path, after, _mode(path))
        self._note(path + ACTION, wanted.encode())
        self._note(path, after if whole else b"")  # a file that was not there before goes with the action
        return Done(path, "written", "" if whole else "one action was added to yours")

    def _take_action(self) -> Done:
        path, action = self.path(THUNAR), rendered(THUNAR, self._kadr).decode()
        now = _content(path)
        if path not in self._written:
            return Done(path, "absent")
        done = Done(path, "removed", "the action; yours are all there")
        if now is None or _hash(now) == self._written[path]:
            done = self._remove(path)
        elif said := thunar.said(_text(path, now), action, path):
            if _hash(said.encode()) != self._written.get(path + ACTION):
                return Done(path, "kept", "you changed the action")
            place(path, thunar.without_action(_text(path, now), action, path).encode(), _mode(path))
        for name in (path, path + ACTION):
            self._note(name, None)
        if path + BACKUP in self._written:
            self._remove(path + BACKUP)
        return done

    def _systems_actions(self) -> bytes:
        """What Thunar shows who has no file: it would hide behind a new one."""
        files = (_content(os.path.join(folder, THUNAR.target)) for folder in self._places.system_config)
        return next((found for found in files if found is not None), thunar.EMPTY.encode())

    def _note(self, path: str, content: bytes | None) -> None:
        """Write down that *path* is ours with this content, or no longer ours."""
        before = dict(self._written)
        if content is None:
            self._written.pop(path, None)
        else:
            self._written[path] = _hash(content)
        if self._written != before:
            text = json.dumps({"version": VERSION, "files": self._written}, indent=1, sort_keys=True)
            place(self._manifest, text.encode("utf-8", "surrogateescape"), 0o600)


def _read_manifest(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            said = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CannotWrite(path=path, why=f"it cannot be read ({error})") from None
    return {str(name): str(value) for name, value in said.get("files", {}).items()}


def _content(path: str) -> bytes | None:
    with told(path), suppress(FileNotFoundError), open(path, "rb") as file:
        return file.read()
    return None


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise thunar.NotUnderstood(file=path, why="it is not UTF-8") from None


def _mode(path: str) -> int:
    with suppress(OSError):
        return os.stat(path).st_mode & 0o777
    return 0o644


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
