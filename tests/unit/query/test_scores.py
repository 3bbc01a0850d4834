"""The background of scores: made when it is wanted, kept while the library is about what it was, and nobody waits for a new one."""

import contextlib
import threading

import numpy as np
import pytest

from kadr.protocol.errors import ModelFailed
from kadrd.embed.errors import EncodeError
from kadrd.embed.runtime import Encoder
from kadrd.query import calibrate
from kadrd.query.meaning import Words
from kadrd.query.scores import SEED, Scores
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.store.shards import Index
from kadrd.values import Encoded

PATIENCE = 45


class Tower:
    """A real text tower that counts what it is given, and may fail or be held up."""

    def __init__(self, encoder):
        self.model, self._encoder = encoder.model, encoder
        self.texts, self.fails, self.held = [], False, None

    def words(self, texts):
        if self.fails:
            raise EncodeError("The text tower is broken.", "Mend it.")
        if self.held:
            self.held.wait(PATIENCE)
        self.texts += texts
        return self._encoder.words(texts)


class Library:
    """A catalogue with random vectors, its index and the scores over it."""

    def __init__(self, folder, model):
        path = str(folder / "catalogue.sqlite")
        self._model, self._folder = model, folder
        self.catalogue, self.reader = Catalogue(path), Reader(path)
        self._model_id = self.catalogue.model_id(model.fingerprint, model.name)
        self.index = Index(
            folder=str(folder / "shards"), catalogue=path, reader=self.reader, model_id=self._model_id,
            fingerprint=model.fingerprint, dimension=model.dimension, seal_at=10**6, shard_size=10**6,
        )  # fmt: skip
        self._random = np.random.default_rng(5)
        self.restart()

    def restart(self):
        self.tower = Tower(Encoder(self._model, ("text",)))
        self.scores = Scores(self._model, Words(self.tower), self.index, self._folder / "phrases")

    def grow(self, count):
        rows = []
        with self.catalogue.transaction():
            for _ in range(count):
                vector = self._random.normal(size=self._model.dimension).astype(np.float32)
                encoded = Encoded(4, 4, "PNG", {self._model.fingerprint: vector / np.linalg.norm(vector)})
                picture = self.catalogue.add_picture(self._random.bytes(33), encoded)
                rows.append(
                    self.catalogue.add_vector(self._model_id, picture, encoded, self._model.fingerprint)
                )
        self.index.apply(rows)


@pytest.fixture
def library(tmp_path, make_tiny_model):
    made = Library(tmp_path, make_tiny_model(tmp_path / "tiny"))
    with contextlib.closing(made.catalogue), contextlib.closing(made.reader), contextlib.closing(made.index):
        yield made


def test_an_empty_library_has_scores(library):
    """From no picture on there is a background, and it grows with the first pictures."""
    assert library.scores.background().count == 0
    library.grow(2)
    assert library.scores.background().count == 2


def test_what_it_is_made_of(library):
    """The background is that of the phrases in the model's languages over a sample of the library."""
    library.grow(30)
    found = library.scores.background()
    phrases = Encoder(library.tower.model, ("text",)).words(calibrate.phrases(["en", "ru", "uk"]))
    made = calibrate.background(library.index.sample(calibrate.SAMPLE, SEED), phrases, 30, "tiny")
    assert found.mean == pytest.approx(made.mean, abs=1e-5)
    assert found.deviation == pytest.approx(made.deviation, abs=1e-5)
    assert (found.likeness, found.count) == (made.likeness, 30)


def test_it_stays_while_the_library_is_about_what_it_was(library):
    """A quarter more pictures change nothing; with more the background is another one. Phrases are encoded once."""
    library.grow(100)
    first = library.scores.background()
    library.grow(25)
    assert library.scores.background() is first
    library.grow(1)
    second = library.scores.background()
    assert (second.count, library.scores.background()) == (126, second)
    assert library.tower.texts == calibrate.phrases(["en", "ru", "uk"])


def test_made_before_anybody_asks(library):
    """Little by little all is made that the first question would wait for, and each time the text tower is free in between."""
    steps = 1
    while library.scores.more():
        steps += 1
    encoded = len(library.tower.texts)
    library.scores.background()
    assert steps > 5
    assert len(library.tower.texts) == encoded == len(calibrate.phrases(["en"]))


def test_once_in_a_models_life(library):
    """After a restart no phrase is encoded again, and the background is the same."""
    library.grow(10)
    before = library.scores.background()
    library.restart()
    after = library.scores.background()
    assert library.tower.texts == []
    assert (after.mean, after.deviation) == (before.mean, before.deviation)


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_what_was_kept_may_be_damaged(library, damage):
    """A damaged file of phrases is made anew, as if there were none."""
    library.grow(10)
    before = library.scores.background()
    (file,) = (library._folder / "phrases").iterdir()
    file.write_bytes(file.read_bytes()[:-100] + b"\x3f" * 100 if damage is None else damage)
    library.restart()
    assert library.scores.background().mean == before.mean
    assert len(library.tower.texts) == len(calibrate.phrases(["en"]))


def test_nobody_waits_for_another_one(library):
    """While a new background is being made, questions are answered with the one before."""
    library.grow(10)
    first = library.scores.background()
    library.grow(90)
    inside, go = threading.Event(), threading.Event()
    sample = library.index.sample

    def slowly(count, seed):
        inside.set()
        go.wait(PATIENCE)
        return sample(count, seed)

    library.index.sample = slowly
    made = []
    thread = threading.Thread(target=lambda: made.append(library.scores.background()))
    thread.start()
    assert inside.wait(PATIENCE)
    assert library.scores.background() is first
    go.set()
    thread.join(PATIENCE)
    assert [one.count for one in made] == [100]
    assert library.scores.background() is made[0]


def test_the_first_is_waited_for(library):
    """Two who ask before there is any background get the same one, and its phrases are encoded once."""
    library.grow(10)
    library.tower.held = threading.Event()
    made = []
    threads = [threading.Thread(target=lambda: made.append(library.scores.background())) for _ in range(2)]
    for thread in threads:
        thread.start()
    library.tower.held.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert made[0] is made[1]
    assert len(library.tower.texts) == len(calibrate.phrases(["en"]))


def test_a_model_that_fails_may_work_later(library):
    """A text tower that fails is told of, holds nobody up, and is asked again the next time."""
    library.grow(10)
    library.tower.fails = True
    for ask in (library.scores.more, library.scores.background, library.scores.background):
        with pytest.raises(ModelFailed):
            ask()
    library.tower.fails = False
    assert library.scores.background().count == 10
