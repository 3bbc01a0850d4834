"""Which words are written for a picture, and how sure that is."""

import csv
import json

import numpy as np
import pytest

from kadrd.store.folding import stems
from kadrd.tag import vocabulary
from kadrd.tag.label import AT_MOST, THRESHOLD, calibrate, confidence, label, together

DIMENSION = 64
HORSE, PONY, FOAL, CAR = range(4)


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def directions(count, seed=5):
    """Vectors that have nothing to do with each other."""
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSION)))


@pytest.fixture
def words():
    """Forty words: a pony and a foal, which look much the same, and a horse are the first of them."""
    rows = directions(40)
    rows[FOAL] = unit(rows[PONY] + 0.1 * rows[FOAL])
    return rows


def pictures_of(words, numbers, seed=6):
    """A picture of each of these words, as far from it as mini's are."""
    noise = directions(len(numbers), seed)
    return unit(words[numbers] + 0.9 * noise)


def library(words):
    return pictures_of(words, np.arange(len(words)), seed=7)


def test_what_a_picture_shows_is_written(words):
    """A picture of a thing gets its word, surely, and no other."""
    found = label(pictures_of(words, [CAR, 20, HORSE]), calibrate(words, library(words), "mini"))
    assert [[one.word for one in own] for own in found] == [[CAR], [20], [HORSE]]
    assert all(THRESHOLD <= one.confidence <= 1 for own in found for one in own)


def test_nothing_is_written_for_what_nothing_is_like(words):
    """A picture of what no word names gets none."""
    assert label(directions(50, seed=8), calibrate(words, library(words), "mini")) == [[]] * 50


def test_of_two_words_for_the_same_neither_is_guessed(words):
    """Where a pony cannot be told from a foal neither is written, and a horse, which both are, is."""
    between = unit((words[PONY] + words[FOAL])[None])
    parents = [-1, HORSE, HORSE] + [-1] * 37
    assert label(between, calibrate(words, library(words), "mini")) == [[]]
    (found,) = label(between, calibrate(words, library(words), "mini", parents=parents))
    assert [one.word for one in found] == [HORSE]


def test_a_word_is_at_least_as_sure_as_those_below_it(words):
    """Nobody is surer of a pony than of a horse."""
    parents = [-1, HORSE, PONY] + [-1] * 37
    sure = confidence(directions(200, seed=9), calibrate(words, library(words), "mini", parents=parents))
    assert (sure[:, HORSE] >= sure[:, PONY]).all()
    assert (sure[:, PONY] >= sure[:, FOAL]).all()


def test_rivals_are_never_written(words):
    """A word that may not be written takes its pictures away from the others, which therefore stay without."""
    picture = pictures_of(words, [PONY])
    order = [FOAL, *range(4, 40), HORSE, PONY, CAR]
    assert label(picture, calibrate(words[order], library(words), "mini", count=37)) == [[]]


def test_words_below_count_for_one_above_even_when_never_written(words):
    """A user's `horse` is written for a foal, which only our own words know."""
    picture = pictures_of(words, [CAR])
    found = label(
        picture, calibrate(words, library(words), "mini", parents=[-1, -1, -1, HORSE, *[-1] * 36], count=1)
    )
    assert [one.word for one in found[0]] == [HORSE]


def test_the_threshold_is_the_users(words):
    """A lower threshold adds words and takes none away; the surest come first, and no more than asked for."""
    measure = calibrate(words, library(words), "mini")
    pictures = unit(words[np.arange(20)] + words[np.arange(20, 40)] + 0.3 * directions(20, seed=10))
    some, more = label(pictures, measure, threshold=0.5), label(pictures, measure, threshold=0.001)
    assert sum(map(len, some)) < sum(map(len, more))
    for few, many in zip(some, more, strict=True):
        assert few == many[: len(few)]
        assert [one.confidence for one in many] == sorted((one.confidence for one in many), reverse=True)
        assert len(many) <= AT_MOST
    assert label(pictures, measure, threshold=0.001, at_most=1) == [own[:1] for own in more]


def test_the_order_of_pictures_does_not_matter(words):
    """A picture gets the same words whichever others it is asked with, and in whatever order."""
    measure, pictures = calibrate(words, library(words), "mini"), pictures_of(words, np.arange(40))
    order = np.random.default_rng(3).permutation(40)
    together_ = confidence(pictures, measure)
    assert np.allclose(confidence(pictures[order], measure), together_[order], atol=1e-5)
    assert np.allclose(
        np.concatenate([confidence(one[None], measure) for one in pictures]), together_, atol=1e-5
    )


def test_many_pictures_are_taken_in_parts(words):
    """More pictures than are looked at together get the same as one by one."""
    measure, pictures = calibrate(words, library(words), "mini"), pictures_of(words, np.arange(5000) % 40)
    many = label(pictures, measure)
    assert len(many) == 5000
    for number in (0, 4095, 4096, 4999):
        (alone,) = label(pictures[number : number + 1], measure)
        assert [one.word for one in alone] == [one.word for one in many[number]]


@pytest.mark.parametrize("model", ["mini", "clip"])
@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_library_is_labelled(words, count, model):
    """The first picture of a library gets words or none, and no error or number that is none."""
    own = pictures_of(words, [CAR])
    sure = confidence(own, calibrate(words, own[:count], model))
    assert np.isfinite(sure).all()
    assert label(own[:0], calibrate(words, own[:0], model)) == []


def test_one_word_alone_is_doubted(words):
    """A list of a single word is not written for everything: what it lacks counts as nothing of these."""
    measure = calibrate(np.repeat(words[:1], 1, axis=0), library(words), "mini")
    assert label(directions(50, seed=8), measure) == [[]] * 50


def test_languages_are_joined(words):
    """A word asked in several languages counts once, by the mean of its vectors."""
    rows = np.concatenate([words, words[::-1]])
    assert np.allclose(together(rows, 40), unit(words + words[::-1]), atol=1e-6)
    assert np.allclose(together(words, 40), words, atol=1e-6)


def captioned(data):
    """What five people said of each of Flickr8k's photographs, as stems."""
    with (data / "captioned-flickr8k-224" / "captions.jsonl").open(encoding="utf-8") as lines:
        rows = map(json.loads, lines)
        return {row["file"]: f" {' '.join(stems(' '.join(row['en'])))} " for row in rows}


def plain(name):
    return name.split("_(")[0].replace("_", " ").lower()


@pytest.fixture(scope="module")
def recorded(data):
    """(pictures, nouns, right): CLIP's vectors, and whether a noun or a synonym stands in a caption."""
    file = np.load(data / "recorded-clip" / "recorded-clip-vitb32.npz")
    says = captioned(data)
    kept = [number for number, name in enumerate(file["image_file"]) if str(name) in says]
    with (data / "recorded-clip" / "lvis_v1_train_cat_info.json").open(encoding="utf-8") as lines:
        names = {one["name"]: [plain(text) for text in one["synonyms"]] for one in json.load(lines)}
    spoken = [[f" {' '.join(stems(text))} " for text in names[str(name)]] for name in file["text_name"]]
    texts = [says[str(file["image_file"][number])] for number in kept]
    right = np.array([[any(one in text for one in own) for own in spoken] for text in texts])
    return unit(file["image_vec"][kept]), unit(file["text_vec"]), right


def test_recorded_clip(recorded):
    """Of the nouns written for photographs at the default threshold, four of five are in what people say of them."""
    pictures, nouns, right = recorded
    for half in (0, 1):
        sure = confidence(pictures[half::2], calibrate(nouns, pictures[1 - half :: 2], "clip"))
        written = sure >= THRESHOLD
        assert right[half::2][written].mean() >= 0.8
        assert written.any(axis=1).mean() >= 0.1


@pytest.mark.parametrize("seed", range(3))
def test_a_few_recorded_nouns_beside_others(recorded, seed):
    """A short list of nouns is as right, while the others are rivals."""
    pictures, nouns, right = recorded
    order = np.random.default_rng(seed).permutation(len(nouns))
    written = confidence(pictures, calibrate(nouns[order], pictures, "clip", count=300)) >= THRESHOLD
    assert written.sum() >= 10
    assert right[:, order[:300]][written].mean() >= 0.75


def test_mini(data):
    """Of the words that the built-in model gives to pictures of a hundred kinds of things most are true."""
    pytest.importorskip("openvino")
    from kadrd.embed.models import BUILTIN, read
    from kadrd.embed.runtime import Encoder
    from kadrd.ingest.decode import Fit, decode

    model, words = read(BUILTIN / "mini"), vocabulary.builtin()
    encoder, fit = Encoder(model), Fit(model.size, model.resize)
    with (data / "labelled-caltech101" / "labels.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))[::8]
    pixels = [
        decode((data / "labelled-caltech101" / row["file"]).read_bytes(), [fit]).pixels[fit] for row in rows
    ]
    pictures = np.concatenate(
        [encoder.pictures(np.stack(pixels[n : n + 32])) for n in range(0, len(rows), 32)]
    )
    texts = vocabulary.phrases(words, ["en"])
    asked = together(
        np.concatenate([encoder.words(texts[n : n + 64]) for n in range(0, len(texts), 64)]), len(words.words)
    )
    found = label(pictures, calibrate(asked, pictures, "mini", parents=words.parents, count=words.count))

    numbers = {name: number for number, word in enumerate(words.words) for name in (*word.also, word.name)}
    right = []
    for row, own in zip(rows, found, strict=True):
        number = numbers.get(row["en"], -1)
        true = {number}
        while number >= 0:
            number = words.parents[number]
            true.add(number)
        right += [one.word in true for one in own if true != {-1}]
    assert len(right) >= 40
    assert np.mean(right) >= 0.85
