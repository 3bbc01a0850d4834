"""THE PATH OF A QUERY. The spine names steps and computes nothing; it never waits for indexing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from kadr.protocol.errors import ModelFailed
from kadr.protocol.messages import Hit
from kadrd.embed.errors import EncodeError, ModelError
from kadrd.embed.models import Model
from kadrd.embed.runtime import Encoder
from kadrd.query.parse import parse
from kadrd.query.rank import rank
from kadrd.store.reader import Reader, Shown
from kadrd.store.shards import Index
from kadrd.values import Near, Vector

WORDS_KEPT = 512
# Pictures whose files are gone still sit in the index for a while, so a few more are asked for than wanted.
SPARE = 16
WIDEN = 4


@dataclass(frozen=True)
class Serving:
    """The model that answers, with its index; replaced as one when the model changes."""

    model: Model
    model_id: int
    index: Index
    words: Words


def answer(text: str, limit: int, min_score: float | None, serving: Serving, reader: Reader) -> list[Hit]:
    """The files that show what *text* says, best first. Raises EmptyQuery or ModelFailed."""
    query = parse(text)
    vector = serving.words.vector(query.words)
    near, files = search(vector, limit, serving.index, reader)
    return rank(near, files, limit, min_score)


def similar(
    vector: Vector, limit: int, min_score: float | None, serving: Serving, reader: Reader
) -> list[Hit]:
    """The files that look like the picture with this vector, best first."""
    near, files = search(vector, limit, serving.index, reader)
    return rank(near, files, limit, min_score)


def search(
    vector: Vector, limit: int, index: Index, reader: Reader
) -> tuple[list[Near], dict[int, list[Shown]]]:
    """The nearest pictures that show in at least *limit* files, or all that there are, with their files."""
    wanted = limit + SPARE
    while True:
        near = index.search(vector, wanted)
        files = reader.files_of(picture.picture_id for picture in near)
        if sum(map(len, files.values())) >= limit or len(near) < wanted:
            return near, files
        wanted *= WIDEN


class Words:
    """The text tower with a memory for what was asked before. Thread-safe."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Vector] = OrderedDict()

    def vector(self, words: str) -> Vector:
        """The unit vector of *words*. Raises ModelFailed."""
        with self._lock:
            if words in self._kept:
                self._kept.move_to_end(words)
                return self._kept[words]
        vector: Vector = _told(lambda: self._encoder.words([words])[0])
        with self._lock:
            self._kept[words] = vector
            if len(self._kept) > WORDS_KEPT:
                self._kept.popitem(last=False)
        return vector


def _told(encode: Callable[[], Vector]) -> Vector:
    try:
        return encode()
    except (EncodeError, ModelError) as error:
        raise ModelFailed(why=error.sentence.rstrip("."), act=error.act) from error
