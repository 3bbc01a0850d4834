"""What is asked, and whom a query may ask: the values that the steps of the path hand on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from kadrd.embed.models import Model
from kadrd.places import Places
from kadrd.query.expression import Operand, Query, World
from kadrd.query.meaning import Words
from kadrd.query.parse import parse
from kadrd.query.scores import Scores
from kadrd.store.reader import Reader
from kadrd.store.searches import Searches
from kadrd.store.shards import Index


class Asked(NamedTuple):
    """One question, as a client put it."""

    text: str
    picture: bytes | None = None
    """the file that answers shall look like, beside what `text` says"""
    limit: int = 0
    min_score: float | None = None
    by: str = "both"
    sort: str = "score"
    group: str = ""
    explain: bool = False
    cwd: bytes = b""


@dataclass(frozen=True)
class Serving:
    """The model that answers, with its index; replaced as one when the model changes."""

    model: Model
    model_id: int
    index: Index
    words: Words
    scores: Scores


@dataclass(frozen=True)
class Asks:
    """Whom a query may ask."""

    serving: Serving
    reader: Reader
    places: Places
    searches: Searches
    now: Callable[[], datetime] = datetime.now
    """the clock on the wall: what cameras and people go by"""

    def world(self, cwd: bytes) -> World:
        """What the meaning of a text depends on."""
        return World(
            now=self.now(), cwd=cwd, home=os.path.expanduser(b"~"), named=self.places.named, nearest=self.places.nearest,
            saved=lambda name: self.searches.all().get(name),
        )  # fmt: skip

    def understood(self, asked: Asked) -> Query:
        """The question as a query. Raises QueryError and EmptyQuery."""
        world = self.world(asked.cwd)
        if asked.picture is None:
            return parse(asked.text, world)
        query = parse(asked.text, world) if asked.text.strip() else Query()
        return query._replace(operands=(Operand(1.0, picture=asked.picture), *query.operands))
