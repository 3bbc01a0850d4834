"""Puts a finished model folder in place, whole or not at all.  Must not know how a folder is filled."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kadrd.embed.errors import ModelError
from kadrd.embed.models import sync


@contextmanager
def draft(into: Path) -> Iterator[Path]:
    """A folder beside `into` to fill; it becomes `into` at the end, and is gone after any failure.

    One rename puts it in place, so no reader ever sees a half-written model.  A process that is killed
    leaves a folder whose name begins with a dot, which no reader looks at and the next draft sweeps away.
    """
    if into.exists():
        raise ModelError(
            f"{into.name} is installed already.",
            f"Give another `--name`, or remove it first: `kadrd model remove {into.name}`.",
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    _sweep(into.parent)
    folder = into.parent / f".adding-{into.name}.{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
        _durable(folder)
        folder.rename(into)
        sync(into.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(shelf: Path) -> None:
    for left in (*shelf.glob(".adding-*"), *shelf.glob(".removed-*")):
        if not _runs(left.name.rpartition(".")[2]):
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, OSError):
        return False
    # A folder of this very process is from an earlier draft that ended.
    return int(process) != os.getpid()


def _durable(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync(folder)
