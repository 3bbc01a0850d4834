"""What pictures show, in words of a vocabulary: its vectors in the model that answers, made once, and the pictures' from the index.

Which word fits is decided in label.py. On the disk stand the vectors of words, and the sample of pictures that others are compared
with: both are disposable, but with another sample a few pictures get other words, so the first that is large enough is kept.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from kadr.protocol.errors import BadParameter
from kadrd.config import Tags
from kadrd.embed.kept import KeptRows, kept_or_made
from kadrd.embed.models import Model
from kadrd.store.shards import Index
from kadrd.tag import label, vocabulary
from kadrd.tag.label import Calibration
from kadrd.tag.rules import Rules
from kadrd.tag.vocabulary import BadVocabulary, Vocabulary
from kadrd.values import Matrix

# From so many pictures on a sample says the same as a larger one (label.py), and is kept.
ENOUGH = 128
# Until then it is taken anew when so many more have come.
GROWN = 1.25
SEED = 7


class Words(Protocol):
    """The text tower."""

    def rows(self, texts: Sequence[str]) -> Matrix:
        """A unit row for each text."""


class Serving(Protocol):
    """The model that answers."""

    @property
    def model(self) -> Model: ...
    @property
    def index(self) -> Index: ...
    @property
    def words(self) -> Words: ...


class Wanted(NamedTuple):
    """What somebody asked for instead of what the settings say."""

    write: tuple[str, ...] = ()
    vocabulary: str = ""
    threshold: float | None = None


class Labelling:
    """Makes rules of settings and wishes. Thread-safe."""

    def __init__(self, serving: Callable[[], Serving], settings: Tags, folder: str) -> None:
        """*folder* is where the vectors of vocabularies are kept."""
        self._serving, self._settings, self._folder = serving, settings, Path(folder)
        self._lock = threading.Lock()
        self._kept: tuple[tuple[str, str], Labeller] | None = None

    def rules(self, wanted: Wanted) -> Rules:
        """Raises BadParameter for a vocabulary that cannot be read, and ModelFailed."""
        settings = self._settings
        labels = Labels(
            self._labeller(wanted.vocabulary or settings.vocabulary),
            settings.threshold if wanted.threshold is None else wanted.threshold,
            settings.most, settings.languages, settings.prefix,
        )  # fmt: skip
        return Rules(labels, wanted.write or settings.write, settings.fallback)

    def _labeller(self, path: str) -> Labeller:
        """The one of this vocabulary and the model that answers; the last one is kept."""
        try:
            words = _own(os.path.expanduser(path)) if path else _everyday()
        except BadVocabulary as error:
            raise BadParameter(why=str(error)) from None
        serving = self._serving()
        name = (serving.model.fingerprint, words.digest)
        with self._lock:
            if self._kept is None or self._kept[0] != name:
                self._kept = (name, Labeller(serving, words, self._folder))
            return self._kept[1]


class Labeller:
    """One vocabulary in one model. Thread-safe."""

    def __init__(self, serving: Serving, words: Vocabulary, folder: Path) -> None:
        self.words, self._index, self._model = words, serving.index, serving.model
        self._texts = vocabulary.phrases(words, serving.model.languages)
        everyday = vocabulary.phrases(_everyday(), serving.model.languages)
        own = sorted(set(self._texts) - set(everyday))
        # Ours stand beside every list of the user's, and are not made again for each.
        self._kept = tuple(
            (texts, KeptRows(serving.model, texts, serving.words.rows, folder)) for texts in (everyday, own)
        )
        self._sample = folder / f"{serving.model.fingerprint}-sample.npy"
        self._lock = threading.Lock()
        self._calibrated: tuple[int, Calibration] | None = None
        self.stamp = f"{serving.model.fingerprint} {words.digest} {label.VERSION}"

    def labels(self, picture_ids: Sequence[int], threshold: float, most: int) -> dict[int, list[label.Label]]:
        """The words for each picture that has a vector. Raises ModelFailed."""
        ids, vectors = self._index.vectors_of(np.unique(np.array(picture_ids, np.int64)))
        found = label.label(vectors, self._calibration(), threshold=threshold, at_most=most)
        return dict(zip(ids.tolist(), found, strict=True))

    def _calibration(self) -> Calibration:
        with self._lock:
            count = self._index.count
            if self._calibrated is None or (
                self._calibrated[0] < ENOUGH and count > GROWN * self._calibrated[0]
            ):
                self._calibrated = (count, self._made())
            return self._calibrated[1]

    def _made(self) -> Calibration:
        rows = {text: row for texts, kept in self._kept for text, row in zip(texts, kept.rows(), strict=True)}
        words = label.together(np.stack([rows[text] for text in self._texts]), len(self.words.words))
        pictures = kept_or_made(
            self._sample, self._model.dimension, lambda: self._index.sample(label.SAMPLE, SEED), ENOUGH
        )
        return label.calibrate(
            words, pictures, self._model.name, parents=self.words.parents, count=self.words.count
        )


@functools.cache
def _everyday() -> Vocabulary:
    return vocabulary.builtin()


def _own(path: str) -> Vocabulary:
    """The user's words; the file is read again when it is another one, not for every batch of pictures."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise BadVocabulary(f"{path} cannot be read: {error.strerror}") from None
    return _read(path, found.st_mtime_ns, found.st_size, found.st_ino)


@functools.lru_cache(maxsize=2)
def _read(path: str, *_stat: int) -> Vocabulary:
    return vocabulary.beside(vocabulary.read(path), _everyday())


class Labels(NamedTuple):
    """`rules.Labels`: a labeller's words as they are to be written."""

    labeller: Labeller
    threshold: float
    most: int
    languages: tuple[str, ...]
    prefix: str

    @property
    def stamp(self) -> str:
        return f"{self.labeller.stamp} {self.threshold} {self.most} {','.join(self.languages)} {self.prefix}"

    def of(self, picture_ids: Sequence[int]) -> Mapping[int, Sequence[tuple[str, float]]]:
        words = self.labeller.words.words
        return {
            picture: [
                (self.prefix + name, one.confidence)
                for one in found
                for name in words[one.word].names(self.languages)
            ]
            for picture, found in self.labeller.labels(picture_ids, self.threshold, self.most).items()
        }
