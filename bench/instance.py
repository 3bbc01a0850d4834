"""A private daemon for measurements: its own KADR_HOME under a temporary folder, gone when the measurement is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kadr.connection import Connection
from kadr.protocol import paths


class Instance:
    """A daemon of our own, and the client for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = os.environ | {"KADR_HOME": str(home)}
        self.paths = paths.current(self.environment)

    def kadr(self, *words: str | Path, check: bool = True) -> str:
        """What `kadr WORDS` prints."""
        done = subprocess.run(
            [self.client, *map(str, words)],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if check and done.returncode > 1:
            raise SystemExit(f"kadr {' '.join(map(str, words))} ended with {done.returncode}")
        return done.stdout

    @property
    def client(self) -> str:
        return str(Path(sys.executable).with_name("kadr"))

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.kadr("status", "--json"))
        return answer

    def connection(self) -> Connection:
        return Connection(self.paths.socket)

    def pid(self) -> int:
        return int(Path(self.paths.state, "lock").read_text())


@contextlib.contextmanager
def instance(settings: Sequence[str] = ()) -> Iterator[Instance]:
    """A daemon with these lines as its kadr.toml."""
    home = Path(tempfile.mkdtemp(prefix="kadr-"))
    ours = Instance(home)
    config = Path(ours.paths.config)
    config.parent.mkdir(parents=True)
    config.write_text("\n".join(settings) + "\n")
    try:
        ours.kadr("start")
        yield ours
    finally:
        ours.kadr("stop", check=False)
        shutil.rmtree(home)
