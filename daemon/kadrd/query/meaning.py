"""Operands to one vector: words through the text tower, pictures by the vector that they have, weighed and added.

Adding and subtracting unit vectors is how rclip composes questions; the sum is brought back to unit length, so that its
scores are cosines all the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kadr.protocol.errors import BadParameter, ModelFailed
from kadrd.embed.errors import EncodeError, ModelError
from kadrd.embed.runtime import Encoder
from kadrd.query import prompts
from kadrd.query.expression import Operand
from kadrd.store.reader import Reader
from kadrd.values import Matrix, Vector

WORDS_KEPT = 512
# Below this length a sum of unit vectors is what rounding left over.
NOTHING = 1e-4


def known(
    operands: Sequence[Operand], given: Mapping[bytes, Vector], reader: Reader, model_id: int
) -> dict[bytes, Vector | None]:
    """The vector of each picture that is asked with: the one given, else the catalogue's, else None."""
    paths = dict.fromkeys(one.picture for one in operands if one.picture is not None)
    return {path: given[path] if path in given else reader.vector_of_file(path, model_id) for path in paths}


def meaning(operands: Sequence[Operand], words: Words, pictures: Mapping[bytes, Vector | None]) -> Vector:
    """The unit vector of what *operands* say together. Raises ModelFailed, and BadParameter when nothing is left."""
    total: Vector = np.sum(
        [one.weight * _vector(one, words, pictures) for one in operands], axis=0, dtype=np.float32
    )
    length = float(np.linalg.norm(total))
    if length < NOTHING:
        raise BadParameter(
            why="What is added and what is taken away are the same, so nothing is left to look for"
        )
    unit: Vector = total / length
    return unit


def _vector(operand: Operand, words: Words, pictures: Mapping[bytes, Vector | None]) -> Vector:
    if operand.picture is None:
        return words.vector(operand.text or "")
    vector = pictures[operand.picture]
    assert vector is not None  # the spine asks for those that are missing first
    return vector


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
        rows = self.rows(prompts.ensemble(words, self._encoder.model))
        mean = rows.mean(axis=0)
        vector: Vector = mean / np.linalg.norm(mean)
        with self._lock:
            self._kept[words] = vector
            if len(self._kept) > WORDS_KEPT:
                self._kept.popitem(last=False)
        return vector

    def rows(self, texts: Sequence[str]) -> Matrix:
        """A unit row for each of *texts*. Raises ModelFailed."""
        return _told(lambda: self._encoder.words(texts))


def _told(encode: Callable[[], Matrix]) -> Matrix:
    try:
        return encode()
    except (EncodeError, ModelError) as error:
        raise ModelFailed(why=error.sentence.rstrip("."), act=error.act) from error
