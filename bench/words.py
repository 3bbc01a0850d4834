"""How to join what pictures show with what is written of them: recall@10, mean reciprocal rank, precision by a tag.

    python bench/words.py [--data DIR] [--model NAME] [--asked N]

Flickr8k, where half of the pictures get words of their own, in the full-text table of the catalogue (store/schema.py's tokenizer,
query/wording.py's questions): another caption as description, or three words of it as tags. A question is the first caption, or two
words of it; its one right answer is its picture. And two trials apart:
  common words   the words say nothing (`the day in the park of them`): nothing may get worse than by meaning alone
  names          one of ten names as a tag, on 10 to 400 pictures; asked alone, and with two words of a caption: of the first ten,
                 how many have it
"""

from __future__ import annotations

import argparse
import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from encoded import DATA, Captioned, Towers

from kadrd.query import calibrate, fuse, wording
from kadrd.query.calibrate import Background
from kadrd.query.expression import Operand, Query
from kadrd.store.folding import forms, stems, words
from kadrd.values import Matrix, Vector

SEED, DEPTH, FEW = 5, 50, 10
WEIGHTS = "1.0, 4.0, 1.0, 4.0, 1.0, 1.0"  # store/selection.py
COMMON = [
    "a",
    "picture",
    "of",
    "the",
    "day",
    "in",
    "the",
    "park",
    "with",
    "some",
    "of",
    "them",
    "and",
    "it",
    "is",
    "on",
    "the",
    "way",
    "to",
    "that",
    "which",
    "was",
    "here",
]
NAMES = {
    "anna": 400,
    "oleksii": 200,
    "maria": 200,
    "holiday": 200,
    "bob": 100,
    "grandma": 40,
    "киев": 40,
    "lviv": 20,
    "work": 20,
    "birthday": 10,
}

Pairs = list[tuple[int, float]]
Way = Callable[[Pairs, Pairs, int], dict[int, float]]


class Asked(NamedTuple):
    text: str
    vector: Vector
    right: set[int]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--asked", type=int, default=400)
    args = parser.parse_args()
    towers, chance = Towers(args.model), random.Random(SEED)
    flickr = towers.captioned(args.data)
    phrases = towers.words(calibrate.phrases(towers.model.languages))
    count = len(flickr.captions)
    library = Library(
        flickr.pictures, calibrate.background(flickr.pictures[: calibrate.SAMPLE], phrases, count, args.model)
    )
    columns: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in WAYS}

    asked = chance.sample(range(count), args.asked)
    short = [" ".join(chance.sample(content(own[0]), 2)) for own in flickr.captions]
    for trial in ("description", "tags", "common words"):
        library.write(told(trial, flickr, chance))
        for kind, texts in (("caption", [own[0] for own in flickr.captions]), ("2 words", short)):
            vectors = towers.words([texts[one] for one in asked])
            report(
                f"{trial} / {kind}",
                columns,
                library,
                [Asked(texts[one], vector, {one}) for one, vector in zip(asked, vectors, strict=True)],
            )

    tagged = {name: set(chance.sample(range(count), many)) for name, many in NAMES.items()}
    library.write(("", " ".join(name for name in NAMES if one in tagged[name])) for one in range(count))
    both = [
        (name, f"{name} {short[one]}") for name in NAMES for one in chance.sample(sorted(tagged[name]), 10)
    ]
    for kind, texts in (("name", [(name, name) for name in NAMES]), ("name + 2 words", both)):
        vectors = towers.words([text for _, text in texts])
        report(
            kind,
            columns,
            library,
            [Asked(text, vector, tagged[name]) for (name, text), vector in zip(texts, vectors, strict=True)],
        )
    print(f"\n{'':18}" + "".join(f"{trial:>26}" for trial in columns["fuse"]))
    for name, cells in columns.items():
        print(f"{name:18}" + "".join(f"{' '.join(cell):>26}" for cell in cells.values()))
    print(
        "\nrecall@10 and mean reciprocal rank; recall@10 of pictures without words in brackets; for names, precision@10"
    )


class Library:
    """Pictures, and the words of each in a full-text table."""

    def __init__(self, pictures: Matrix, background: Background) -> None:
        self._pictures, self._background = pictures, background
        self.silent: set[int] = set()

    def write(self, told: Iterable[tuple[str, str]]) -> None:
        """Description and tags of each picture."""
        self._table = sqlite3.connect(":memory:")
        self._table.execute(
            "CREATE VIRTUAL TABLE texts USING fts5 (name, title, description, labels, place, forms, "
            'tokenize = "unicode61 remove_diacritics 0")'
        )
        rows = list(told)
        self.silent = {number for number, said in enumerate(rows) if not any(said)}
        self._table.executemany(
            "INSERT INTO texts (rowid, name, description, labels, forms) VALUES (?, ?, ?, ?, ?)",
            (
                (
                    number,
                    f"img {number}",
                    " ".join(stems(about)),
                    " ".join(stems(tags)),
                    " ".join(forms(f"{about} {tags}")),
                )
                for number, (about, tags) in enumerate(rows)
            ),
        )

    def worded(self, text: str) -> Pairs:
        rows = self._table.execute(
            f"SELECT rowid, -bm25(texts, {WEIGHTS}) AS well FROM texts WHERE texts MATCH ? ORDER BY well DESC, rowid LIMIT ?",
            (wording.match(Query((Operand(1.0, text),))), DEPTH),
        )
        return [(int(number), float(well)) for number, well in rows]

    def meant(self, vector: Vector, more: Iterable[int]) -> tuple[Pairs, Pairs]:
        """The nearest with their scores; and the same with those of *more* pictures."""
        cosines = self._pictures @ vector
        scores = self._background.score(cosines, vector)
        nearest = [int(number) for number in np.argsort(-cosines, kind="stable")[:DEPTH]]
        also = [number for number in more if number not in nearest]
        return [(one, float(scores[one])) for one in nearest], [
            (one, float(scores[one])) for one in (*nearest, *also)
        ]


def report(
    trial: str, columns: dict[str, dict[str, list[str]]], library: Library, asked: Sequence[Asked]
) -> None:
    ranks: dict[str, list[int]] = {name: [] for name in WAYS}
    shares: dict[str, list[float]] = {name: [] for name in WAYS}
    for one in asked:
        matching = library.worded(one.text)
        near, all_of_them = library.meant(one.vector, [number for number, _ in matching])
        for name, way in WAYS.items():
            scores = way(
                all_of_them if name.startswith("fuse") else near, matching, len(set(words(one.text)))
            )
            order = sorted(scores, key=lambda number: (-scores[number], number))
            ranks[name].append(
                next((rank for rank, number in enumerate(order) if number in one.right), 10**6)
            )
            shares[name].append(sum(number in one.right for number in order[:FEW]) / FEW)
    single = len(asked[0].right) == 1
    silent = np.array([bool(one.right & library.silent) for one in asked])
    for name, cells in columns.items():
        place = np.array(ranks[name])
        within = f"{(place < FEW).mean():.3f} {(1 / (1 + place)).mean():.3f} ({(place[silent] < FEW).mean() if silent.any() else 0:.3f})"
        cells[trial] = [within if single else f"{np.mean(shares[name]):.3f}"]


def told(trial: str, flickr: Captioned, chance: random.Random) -> Iterable[tuple[str, str]]:
    speaking = set(chance.sample(range(len(flickr.captions)), len(flickr.captions) // 2))
    for number, own in enumerate(flickr.captions):
        about = chance.choice(own[1:3])
        said = {
            "description": (about, ""),
            "tags": ("", " ".join(chance.sample(content(about), 3))),
            "common words": (" ".join(chance.sample(COMMON, 8)), ""),
        }
        yield said[trial] if number in speaking else ("", "")


def content(caption: str) -> list[str]:
    """The words that say something; at least three."""
    found = [word for word in words(caption) if len(word) > 3]
    return found if len(found) > 2 else [*found, "one", "two", "three"]


def reciprocal(k: int) -> Way:
    def way(near: Pairs, matching: Pairs, _asked: int) -> dict[int, float]:
        total: dict[int, float] = defaultdict(float)
        for ranking in (near, matching):
            for rank, (number, _) in enumerate(ranking):
                total[number] += 1 / (k + rank + 1)
        return total

    return way


def scaled(weight: float) -> Way:
    def way(near: Pairs, matching: Pairs, _asked: int) -> dict[int, float]:
        total: dict[int, float] = defaultdict(float)
        for ranking, counts in ((near, 1.0), (matching, weight)):
            values = np.array([value for _, value in ranking])
            for number, value in ranking:
                total[number] += counts * (value - values.mean()) / (values.std() or 1)
        return total

    return way


WAYS: dict[str, Way] = {
    "meaning": lambda near, _matching, _asked: dict(near),
    "words": lambda _near, matching, _asked: dict(matching),
    **{f"reciprocal {k}": reciprocal(k) for k in (10, 60, 100)},
    **{f"z-scores 1 : {weight}": scaled(weight) for weight in (0.5, 1, 2)},
    "fuse": lambda near, matching, asked: dict(fuse.fuse(near, matching, "both", asked)),
    "fuse, asked = 1": lambda near, matching, _asked: dict(fuse.fuse(near, matching, "both")),
}


if __name__ == "__main__":
    main()
