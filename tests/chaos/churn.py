"""Changes to a tree of pictures as people and programs make them: seeded, so that a run can be made again.

It keeps a model of its own of what has to be on the disk, and of every content that it ever wrote. It asks the daemon
nothing, and looks at the disk only to compare it with the model.
"""

import ctypes
import errno
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kadrd.ingest import digest

WEIGHTS = {
    "create": 20,
    "overwrite": 10,
    "save": 8,
    "rename": 15,
    "rename_over": 4,
    "rename_folder": 6,
    "swap": 5,
    "swap_folders": 3,
    "copy": 8,
    "link": 5,
    "delete": 8,
    "touch": 4,
    "tag": 6,
    "new_folders": 4,
    "move_out": 2,
    "move_in": 2,
    "copy_folder": 1,
    "delete_folder": 1,
}
LEAST_IN_FOLDER = 12
RENAME_EXCHANGE = 2


class Churn:
    """Changes files below *root*; folders that are moved out of it go to *outside*."""

    def __init__(self, root: Path, outside: Path, new: Callable[[], bytes], edit: Any, seed: int) -> None:
        self._root, self._outside, self._new, self._edit = str(root), str(outside), new, edit
        self._chance = random.Random(seed)
        self._number = 0
        self._wanted = 0
        self._away: list[tuple[str, dict[str, list[bytes]]]] = []
        self.files: dict[str, list[bytes]] = {}
        """Content by path. Names of one file share a list of one element."""
        self.essences: set[bytes] = set()
        """Of every content that was ever written."""
        for folder in (root, outside):
            folder.mkdir(parents=True, exist_ok=True)

    def fill(self, count: int, folders: int) -> None:
        """Make *count* pictures in a tree of *folders* folders; later changes keep about this number."""
        made = [self._root]
        for number in range(folders):
            path = os.path.join(self._chance.choice(made[-20:]), f"d{number}")
            os.mkdir(path)
            made.append(path)
        for _ in range(count):
            self._write(self._name(self._chance.choice(made)), self._fresh())
        self._wanted = count

    def step(self) -> str:
        """One change; its name."""
        kind = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if len(self.files) > 1.1 * self._wanted:
            kind = self._chance.choice(("delete", "delete", "delete_folder", "move_out"))
        elif len(self.files) < 0.9 * self._wanted:
            kind = self._chance.choice(("create", "copy", "link", "move_in"))
        getattr(self, f"_{kind}")()
        return kind

    def disk(self) -> dict[str, bytes]:
        """What is on the disk: content by path, found by a walk of its own."""
        return {
            os.path.join(folder, name): Path(folder, name).read_bytes()
            for folder, _, names in os.walk(self._root)
            for name in names
        }

    def model(self) -> dict[str, bytes]:
        """What has to be on the disk."""
        return {path: content for path, (content,) in self.files.items()}

    # Changes of a file

    def _create(self) -> None:
        self._write(self._name(self._folder()), self._fresh())

    def _overwrite(self) -> None:
        """In place: every name of the file shows the new content."""
        path = self._any()
        content = self._fresh()
        Path(path).write_bytes(content)
        self.files[path][0] = content

    def _save(self) -> None:
        """As editors do: a temporary name, then a rename over the old file."""
        path = self._any()
        content = self._fresh()
        temporary = f"{path}.tmp"
        Path(temporary).write_bytes(content)
        os.rename(temporary, path)
        self.files[path] = [content]

    def _rename(self) -> None:
        path = self._any()
        new = self._name(self._folder())
        os.rename(path, new)
        self.files[new] = self.files.pop(path)

    def _rename_over(self) -> None:
        one, two = self._any(), self._any()
        if self.files[one] is not self.files[two]:  # two names of one file: rename does nothing
            os.rename(one, two)
            self.files[two] = self.files.pop(one)

    def _swap(self) -> None:
        one, two = self._any(), self._any()
        exchange(one, two)
        self.files[one], self.files[two] = self.files[two], self.files[one]

    def _copy(self) -> None:
        path = self._any()
        new = self._name(self._folder())
        shutil.copy2(path, new)
        self.files[new] = [self.files[path][0]]

    def _link(self) -> None:
        path = self._any()
        new = self._name(self._folder())
        os.link(path, new)
        self.files[new] = self.files[path]

    def _delete(self) -> None:
        path = self._any()
        os.unlink(path)
        del self.files[path]

    def _touch(self) -> None:
        os.utime(self._any(), ns=(0, self._chance.randrange(2**61)))

    def _tag(self) -> None:
        """Metadata: another file, the same picture."""
        path = self._any()
        content = self._edit.with_chunk(self.files[path][0], b"tEXt", b"Comment\0%d" % self._next())
        Path(path).write_bytes(content)
        self._remember(content)
        self.files[path][0] = content

    # Changes of a folder

    def _new_folders(self) -> None:
        path = self._folder()
        for _ in range(3):
            path = os.path.join(path, f"n{self._next()}")
        os.makedirs(path)
        for folder in (path, os.path.dirname(path)):
            self._write(self._name(folder), self._fresh())

    def _rename_folder(self) -> None:
        old = self._inner()
        into = self._folder()
        if old and not _inside(into, old):
            new = os.path.join(into, f"r{self._next()}")
            os.rename(old, new)
            self._moved(old, new)

    def _swap_folders(self) -> None:
        one, two = self._inner(), self._inner()
        if one and two and not _inside(one, two) and not _inside(two, one):
            exchange(one, two)
            ones, twos = self._taken(one), self._taken(two)
            self.files |= {_swapped(path, one, two): content for path, content in ones.items()}
            self.files |= {_swapped(path, two, one): content for path, content in twos.items()}

    def _move_out(self) -> None:
        old = self._inner()
        if old and self._few(old):
            away = os.path.join(self._outside, f"o{self._next()}")
            os.rename(old, away)
            self._away.append(
                (away, {_swapped(path, old, away): content for path, content in self._taken(old).items()})
            )

    def _move_in(self) -> None:
        """A folder that was moved out comes back at another place, with what was written there meanwhile."""
        if not self._away:
            return self._create()
        away, inside = self._away.pop(self._chance.randrange(len(self._away)))
        for path in inside:  # one of its files changed while nobody watched it
            content = self._fresh()
            os.unlink(path)
            Path(path).write_bytes(content)
            inside[path] = [content]
            break
        new = os.path.join(self._folder(), f"i{self._next()}")
        os.rename(away, new)
        self.files |= {_swapped(path, away, new): content for path, content in inside.items()}
        return None

    def _copy_folder(self) -> None:
        old = self._inner()
        into = self._folder()
        if old and self._few(old) and not _inside(into, old):
            new = os.path.join(into, f"c{self._next()}")
            shutil.copytree(old, new)
            for path in [path for path in self.files if _inside(path, old)]:
                self.files[_swapped(path, old, new)] = [self.files[path][0]]

    def _delete_folder(self) -> None:
        old = self._inner()
        if old and self._few(old):
            shutil.rmtree(old)
            self._taken(old)

    # What all share

    def _fresh(self) -> bytes:
        content = self._new()
        self._remember(content)
        return content

    def _remember(self, content: bytes) -> None:
        self.essences.add(digest.keys(content)[1])

    def _write(self, path: str, content: bytes) -> None:
        Path(path).write_bytes(content)
        self.files[path] = [content]

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _name(self, folder: str) -> str:
        return os.path.join(folder, f"{self._next()}.png")

    def _any(self) -> str:
        if not self.files:
            self._create()
        return self._chance.choice(list(self.files))

    def _folder(self) -> str:
        """A folder that holds a file, or the root."""
        if not self.files or not self._chance.randrange(10):
            return self._root
        return os.path.dirname(self._any())

    def _inner(self) -> str:
        """A folder below the root with a file in or below it; empty when there is none."""
        parts = os.path.relpath(os.path.dirname(self._any()), self._root).split(os.sep)
        if parts == ["."]:
            return ""
        return os.path.join(self._root, *parts[: self._chance.randint(1, len(parts))])

    def _few(self, folder: str) -> bool:
        """Whether no great part of the tree is in *folder*."""
        inside = sum(_inside(path, folder) for path in self.files)
        return inside <= max(LEAST_IN_FOLDER, self._wanted // 50)

    def _taken(self, folder: str) -> dict[str, list[bytes]]:
        """What was in or below *folder*, which is there no more."""
        paths = [path for path in self.files if _inside(path, folder)]
        return {path: self.files.pop(path) for path in paths}

    def _moved(self, old: str, new: str) -> None:
        self.files |= {_swapped(path, old, new): content for path, content in self._taken(old).items()}


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _swapped(path: str, old: str, new: str) -> str:
    return new + path[len(old) :]


def exchange(one: str | Path, two: str | Path) -> None:
    """Let two files or folders change names: at once where the system can, else by a third name."""
    if os.fspath(one) == os.fspath(two):
        return
    if sys.platform == "linux":
        here = -100  # AT_FDCWD
        if (
            ctypes.CDLL(None, use_errno=True).renameat2(
                here, os.fsencode(one), here, os.fsencode(two), RENAME_EXCHANGE
            )
            == 0
        ):
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), os.fspath(one))
    between = f"{os.fspath(one)}.between"
    os.rename(one, between)
    os.rename(two, one)
    os.rename(between, two)


def cycle(paths: Iterable[str | Path]) -> None:
    """Every path gets the name of the next one, the last one that of the first."""
    first, *rest = paths
    for path in rest:
        exchange(first, path)
