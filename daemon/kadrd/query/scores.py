"""The background that scores are measured against, kept for as long as the library stays about what it was."""

from __future__ import annotations

import threading
from pathlib import Path

from kadrd.embed.kept import KeptRows
from kadrd.embed.models import Model
from kadrd.query import calibrate
from kadrd.query.calibrate import SAMPLE, Background
from kadrd.query.meaning import Words
from kadrd.store.shards import Index

# A background of half as many pictures gives nearly the same scores, and making one takes 70 ms.
GROWN = 1.25
SEED = 7


class Scores:
    """Makes backgrounds of one model's index when they are wanted. Thread-safe; nobody waits for one that is being made."""

    def __init__(self, model: Model, words: Words, index: Index, folder: Path) -> None:
        """*folder* is where the vectors of the phrases are kept."""
        self._model, self._index = model, index
        self._phrases = KeptRows(model, calibrate.phrases(model.languages), words.rows, folder)
        self._making = threading.Lock()
        self._kept: Background | None = None

    def more(self) -> bool:
        """Make a part of what the first question would wait for; whether there is more. Raises ModelFailed."""
        return self._phrases.more()

    def background(self) -> Background:
        """What a cosine is compared with now. Raises ModelFailed."""
        kept = self._kept
        if kept is not None and (self._fits(kept) or not self._making.acquire(blocking=False)):
            return kept
        if kept is None:
            self._making.acquire()
        try:
            if self._kept is None or not self._fits(self._kept):
                self._kept = self._made()
            return self._kept
        finally:
            self._making.release()

    def _fits(self, kept: Background) -> bool:
        few, many = sorted((kept.count, self._index.count))
        return many <= max(few * GROWN, few + 1)

    def _made(self) -> Background:
        phrases = self._phrases.rows()
        pictures = self._index.sample(SAMPLE, SEED)
        return calibrate.background(pictures, phrases, self._index.count, self._model.name)
