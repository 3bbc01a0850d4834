"""How good the answers of a model are: P@5 over class names in three languages, recall@10 from captions to pictures.

    python bench/quality.py [--data DIR] [--model NAME]

Asks the real daemon through its socket; then the model itself, with words as they are and in sentences (query/prompts.py), and how
long that takes. With --model only the latter, of the installed model NAME. DIR holds labelled-caltech101 and captioned-flickr8k-224
(../shared/data beside a checkout); Caltech-101 and Flickr8k are public, their layout there is: a labels.tsv with
file, class and a name in en, ru, uk; a captions.jsonl with file and a list of captions `en`.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from encoded import DATA, LANGUAGES, Captioned, Towers
from instance import Instance, instance

from kadr.connection import Connection
from kadr.protocol.messages import Item, Search
from kadrd.learn.texts import WORDS, read_forms
from kadrd.query import prompts
from kadrd.store.folding import stems, words
from kadrd.values import Matrix

RESAMPLED, OFTEN = 2000, 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", help="an installed model; no daemon is asked")
    args = parser.parse_args()
    if not args.model:
        classes(args.data / "labelled-caltech101")
        captions(args.data / "captioned-flickr8k-224")
    sentences(Towers(args.model or "mini"), args.data)


def classes(folder: Path) -> None:
    """P@5 of each class name: how many of the first five pictures are of that class."""
    with open(folder / "labels.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    of_class = {os.fsencode((folder / row["file"]).resolve()): row["class"] for row in rows}
    names = {row["class"]: row for row in rows}
    with instance() as ours:
        indexed(ours, folder)
        with ours.connection() as connection:
            precision = {
                language: sum(
                    of_class.get(path) == name
                    for name, row in names.items()
                    for path in found(connection, row[language], 5)
                )
                / (5 * len(names))
                for language in LANGUAGES
            }
    for language, value in precision.items():
        share = "" if language == "en" else f"   {value / precision['en']:.2f} of English"
        print(f"P@5 over {len(names)} class names, {language}: {value:.3f}{share}")


def captions(folder: Path) -> None:
    """Recall@10: how often the picture that a caption was written for is among the first ten."""
    with open(folder / "captions.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    with instance() as ours:
        indexed(ours, folder / "images")
        with ours.connection() as connection:
            for language in LANGUAGES:
                asked = [row for row in rows if row.get(language)]
                hits = sum(
                    os.fsencode((folder / "images" / row["file"]).resolve())
                    in found(connection, _first(row[language]), 10)
                    for row in asked
                )
                print(
                    f"recall@10 of {len(asked)} captions among {len(rows)} pictures, {language}: {hits / len(asked):.3f}"
                )


def sentences(towers: Towers, data: Path) -> None:
    """The same with words as they are, in each sentence, and in the mean of all; with what chance could make of the difference."""
    labelled, captioned = towers.labelled(data), towers.captioned(data)
    belongs = np.array([[own == one for own in labelled.classes] for one in labelled.names["en"]])
    for language in LANGUAGES:
        ways = framed(towers, list(labelled.names[language].values()), language)
        hits = {
            name: best(vectors @ labelled.pictures.T, belongs, 5).mean(axis=1)
            for name, vectors in ways.items()
        }
        compared(f"P@5 over class names, {language}", hits)
    ways = framed(towers, [own[0] for own in captioned.captions], "en")
    own_picture = np.eye(len(captioned.captions), dtype=bool)
    compared(
        "recall@10 of captions, en",
        {
            name: best(vectors @ captioned.pictures.T, own_picture, 10).any(axis=1)
            for name, vectors in ways.items()
        },
    )
    single_words(towers, captioned)
    for count in (1, 3):
        times = []
        for number in range(30):
            started = time.perf_counter()
            towers.words([f"a photo of dog number {number} {one}" for one in range(count)])
            times.append((time.perf_counter() - started) * 1000)
        print(f"{count} text{'s' * (count > 1)} at once: median {statistics.median(times):.1f} ms")


def single_words(towers: Towers, captioned: Captioned) -> None:
    """P@10 of words that stand in the captions of twenty pictures or more, in Russian and Ukrainian word by word."""
    said = [set(stems(" ".join(own))) for own in captioned.captions]
    found_in = Counter(itertools.chain.from_iterable(said))
    lexicon = read_forms(WORDS / "lexicon.tsv")
    texts = sorted({word for own in captioned.captions for word in words(" ".join(own)) if len(word) > 2})
    texts = [
        word
        for word in texts
        if found_in[stems(word)[0]] >= OFTEN and all(lexicon.get(word, {"": ()}).values())
    ]
    belongs = np.array([[stems(word)[0] in own for own in said] for word in texts])
    for language in LANGUAGES:
        ways = framed(towers, [lexicon[word][language][0] for word in texts], language)
        hits = {
            name: best(vectors @ captioned.pictures.T, belongs, 10).mean(axis=1)
            for name, vectors in ways.items()
        }
        compared(f"P@10 of {len(texts)} words of captions, {language}", hits)


def framed(towers: Towers, texts: list[str], language: str) -> dict[str, Matrix]:
    """Vectors of *texts* in each sentence, and their mean."""
    rows = [prompts.framed(text, language) for text in texts]
    each = [towers.words(column) for column in zip(*rows, strict=True)]
    ways = dict(zip(prompts.TEMPLATES[language], each, strict=True))
    return ways | {"mean of all": np.sum(each, axis=0)}


def best(cosines: Matrix, right: np.ndarray, count: int) -> np.ndarray:
    """Which of the first *count* pictures of each question are right."""
    return np.take_along_axis(right, np.argsort(-cosines, axis=1, kind="stable")[:, :count], axis=1)


def compared(what: str, hits: dict[str, np.ndarray]) -> None:
    """Each way beside the first, with the 95 % interval of the difference over other draws of the questions."""
    plain = next(iter(hits.values()))
    drawn = np.random.default_rng(1).integers(0, len(plain), (RESAMPLED, len(plain)))
    for name, found_ in hits.items():
        apart = found_.astype(float) - plain
        low, high = np.percentile(apart[drawn].mean(axis=1), [2.5, 97.5])
        print(f"{what}, {name:18} {found_.mean():.3f}   {apart.mean():+.3f} ({low:+.3f} to {high:+.3f})")


def indexed(ours: Instance, folder: Path) -> None:
    ours.kadr("add", folder)
    status = ours.status()
    print(
        f"{folder.name}: {status['pictures']:,} pictures, {status['failures_total']:,} failures, model {status['model']}"
    )


def found(connection: Connection, text: str, limit: int) -> list[bytes]:
    """The paths of the first *limit* answers."""
    replies = connection.ask(Search(text, limit))
    return [row["path"] for reply in replies if isinstance(reply, Item) for row in reply.rows]


def _first(captions: str | Sequence[str]) -> str:
    return captions if isinstance(captions, str) else captions[0]


if __name__ == "__main__":
    main()
