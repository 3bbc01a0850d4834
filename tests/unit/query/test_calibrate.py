"""A score means the same whatever was asked, by whatever model, in a library of whatever size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.query import calibrate
from kadrd.query.calibrate import CLIP, CLOSE, SCALES, USUAL, background, luck

DIMENSION = 256


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def drawn(seed, count):
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSION)))


PHRASES = drawn(1, 86)


def squeezed(rows, share):
    """The same vectors in a narrow cone: every cosine c becomes share * c + 1 - share."""
    return np.hstack(
        [np.sqrt(share) * rows, np.full((len(rows), 1), np.sqrt(1 - share))],
        dtype=np.float32,
        casting="same_kind",
    )


def mumbled(seed, count):
    """Questions that hardly mean anything: most of each is in a direction where no picture lies."""
    return np.sqrt(0.3) * drawn(seed, count)


def best(measure, pictures, question):
    return float(measure.score((pictures @ question).max()[None], question)[0])


@given(st.integers(0, 400), st.booleans(), st.sampled_from(["mini", "clip"]))
def test_a_score_keeps_the_order(count, composed, model):
    """From 0 pictures on, scores lie between 0 and 1 and grow with the cosine."""
    pictures = drawn(2, count)
    measure = background(pictures, PHRASES, count, model)
    scores = measure.score(np.linspace(-1, 1, 41), PHRASES[0], composed=composed)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores) >= 0).all()


def test_models_agree():
    """A model whose vectors lie in a narrow cone gives the same scores as one whose vectors lie all around."""
    pictures, question = drawn(2, 500), drawn(3, 1)
    wide = background(pictures, PHRASES, 500, "clip")
    narrow = background(squeezed(pictures, 0.2), squeezed(PHRASES, 0.2), 500, "clip")
    cosines = pictures @ question[0]
    for composed in (False, True):
        there = wide.score(cosines, question[0], composed=composed)
        here = narrow.score(0.2 * cosines + 0.8, squeezed(question, 0.2)[0], composed=composed)
        assert here == pytest.approx(there, abs=1e-3)
    assert narrow.alike(0.2 * cosines + 0.8) == pytest.approx(wide.alike(cosines), abs=1e-3)


def test_a_large_library_is_no_better():
    """What chance finds is worth as much among 300 pictures as among 30,000, though its cosine is higher."""
    questions, worth, cosines = drawn(3, 60), {}, {}
    for count in (300, 30_000):
        pictures = drawn(4, count)
        measure = background(pictures[:2048], PHRASES, count, "mini")
        worth[count] = np.mean([best(measure, pictures, one) for one in questions])
        cosines[count] = np.mean((questions @ pictures.T).max(axis=1))
    assert cosines[30_000] > cosines[300] * 1.3
    assert abs(worth[30_000] - worth[300]) < 0.05


@pytest.mark.parametrize("count", [1, 10, 1_000, 100_000])
def test_luck_is_what_chance_gives(count):
    """The best of so many normal numbers is, on average, as far up as `luck` says."""
    chance = np.random.default_rng(5)
    repeats = max(20, min(4_000, 2_000_000 // count))
    highest = np.mean([chance.standard_normal(count).max() for _ in range(repeats)])
    thousand = np.mean([chance.standard_normal(1_000).max() for _ in range(2_000)])
    assert luck(count) == pytest.approx(highest - thousand, abs=0.15)
    assert luck(0) == luck(1)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_small_library(count):
    """With one picture already, a question that it answers scores best, and most that mean nothing score low."""
    pictures = drawn(6, count)
    measure = background(pictures, PHRASES, count, "mini")
    near = unit(pictures[:1] + 0.8 * drawn(7, 1))[0]
    nonsense = [best(measure, pictures, one) for one in mumbled(8, 100)]
    assert best(measure, pictures, near) > max(USUAL, *nonsense)
    assert np.median(nonsense) < 0.3


def test_a_difference_is_measured_by_itself():
    """`a - b` lies where no phrase does, and still the picture that shows it scores well and others do not."""
    pictures = squeezed(drawn(9, 1000), 0.2)
    measure = background(pictures, squeezed(PHRASES, 0.2), 1000, "clip")
    difference = unit(pictures[0] - pictures[1])
    plain, composed = (
        measure.score(pictures @ difference, difference, composed=way) for way in (False, True)
    )
    assert plain[0] < CLOSE
    assert composed[0] > USUAL
    assert np.median(composed) < 0.01


def test_pictures_are_measured_among_pictures():
    """Asked with a picture, the same one scores 1, and two that have nothing in common about 0."""
    pictures = squeezed(drawn(10, 400), 0.3)
    measure = background(pictures, squeezed(PHRASES, 0.3), 400, "mini")
    scores = measure.alike(pictures @ pictures[0])
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert np.median(scores[1:]) < 0.1
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_library_of_one_picture_again_and_again():
    """Pictures that are all the same are no reason to fail."""
    pictures = np.repeat(drawn(11, 1), 50, axis=0)
    measure = background(pictures, PHRASES, 50, "clip")
    assert measure.score(np.array([0.3]), PHRASES[0]).shape == (1,)
    assert np.isfinite(measure.alike(np.array([1.0]))).all()


def test_scales():
    """mini has a scale of its own; models that are added have CLIP's."""
    assert background(PHRASES, PHRASES, 1, "mini").scale == SCALES["mini"]
    assert background(PHRASES, PHRASES, 1, "multilingual").scale == CLIP


@pytest.mark.parametrize(
    ("languages", "alphabets"),
    [
        (("en",), "l"),
        (("ru",), "c"),
        (("de",), "l"),
        ((), "l"),
        (("en", "ru", "uk"), "lcc"),
        (("en", "mul"), "lcc"),
    ],
)
def test_phrases_in_the_languages_of_the_model(languages, alphabets):
    """Everyday phrases are said in the languages that the model speaks, in turn, as many for each model."""
    said = calibrate.phrases(languages)
    assert len(said) == len(set(said)) == 86
    for number, phrase in enumerate(said):
        assert phrase.isascii() == (alphabets[number % len(alphabets)] == "l"), phrase


def test_recorded_clip(data):
    """Over photographs of Flickr8k, CLIP's vectors of nouns that captions have are told from vectors that mean nothing."""
    folder = data / "recorded-clip"
    recorded = np.load(folder / "recorded-clip-vitb32.npz")
    pictures, nouns = unit(recorded["image_vec"].astype(float)), unit(recorded["text_vec"].astype(float))
    phrases = unit(np.load(folder / "oid_clip_a+cname.npy").astype(float))
    captions = (folder / "manifest.tsv").read_text(encoding="utf-8").lower()
    names = [str(name).lower().replace("_", " ") for name in recorded["text_name"]]
    said = np.array([captions.count(f" {name} ") >= 2 for name in names])
    measure = background(pictures, phrases, len(pictures), "clip")
    true = np.array([best(measure, pictures, one) for one in nouns[said]])
    assert (true < CLOSE).mean() <= 0.03

    chance = np.random.default_rng(12)
    spread = np.linalg.cholesky(np.cov(nouns.T) + 1e-6 * np.eye(nouns.shape[1]))
    cone = unit(nouns.mean(axis=0) + chance.standard_normal((300, len(spread))) @ spread.T)
    for nonsense in (
        cone,
        chance.permuted(nouns[:300], axis=1),
        unit(chance.standard_normal((300, len(spread)))),
    ):
        worth = np.array([best(measure, pictures, one) for one in nonsense])
        assert (true[:, None] > worth).mean() >= 0.9


def test_mini(data):
    """Over photographs of a hundred kinds of things, the built-in model finds their names close, and keys hit at random not."""
    pytest.importorskip("openvino")
    from kadrd.embed.models import BUILTIN, read
    from kadrd.embed.runtime import Encoder
    from kadrd.ingest.decode import Fit, decode

    model = read(BUILTIN / "mini")
    encoder, fit = Encoder(model), Fit(model.size, model.resize)
    files = sorted((data / "labelled-caltech101").glob("*/*.jpg"))[::10]
    pixels = [decode(file.read_bytes(), [fit]).pixels[fit] for file in files]
    pictures = np.concatenate(
        [encoder.pictures(np.stack(pixels[n : n + 32])) for n in range(0, len(pixels), 32)]
    )
    measure = background(pictures, encoder.words(calibrate.phrases(model.languages)), len(pictures), "mini")
    questions = encoder.words(
        ["elephant", "пицца", "літак", "panda", "стул", "піаніно", "sunflower", "мотоцикл"]
    )
    keys = encoder.words(["sdfkjh", "qpwoeiru", "zmxncb", "asdfgh", "vbnmvb", "wertyu", "kjhgkj", "xcvbxc"])
    true, nonsense = ([best(measure, pictures, one) for one in some] for some in (questions, keys))
    assert min(true) > CLOSE
    assert max(nonsense) < min(true)
