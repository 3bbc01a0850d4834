"""Who asks: the way to send replies, a turn on the threads for searches, and questions to a disk that may hang."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from kadr.protocol.errors import BadParameter
from kadrd.serve.parts import Parts
from kadrd.serve.pool import Pool
from kadrd.serve.session import Say
from kadrd.serve.turns import Client

_T = TypeVar("_T")


class Caller(NamedTuple):
    """Who asks."""

    say: Say
    client: Client
    pool: Pool
    unsent: asyncio.Lock
    """Held from a search until its rows are sent: who does not read makes us keep one answer, not sixteen."""

    async def turn(self, do: Callable[[], _T]) -> _T:
        """*do* on a thread for searches, in turn with the other clients'."""
        return await self.pool.run(self.client, do)


def absolute(path: bytes) -> None:
    """Raises BadParameter for a path that means nothing to a daemon in another folder."""
    if not path.startswith(b"/") or b"\0" in path:
        raise BadParameter(why="The path has to be absolute")


async def on_disk(parts: Parts, path: bytes, do: Callable[[], _T]) -> _T:
    """What *do* finds on the disk with *path*, unless that disk does not answer."""
    try:
        async with asyncio.timeout(parts.config.scan.hang_seconds):
            return await parts.disks.run(do)
    except TimeoutError:
        raise BadParameter(why=f"The disk with {os.fsdecode(path)} does not answer") from None
