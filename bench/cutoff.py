"""Whether scores tell questions with an answer from nonsense: AUROC, and what `nothing close` cuts off.

    python bench/cutoff.py [--data DIR] [--model NAME]

Two models. Recorded vectors of CLIP ViT-B/32: 984 photographs of Flickr8k, 1,203 nouns of LVIS as questions; the phrases of the
background are names of other lists, since no text can be encoded. And NAME (mini) over Flickr8k and Caltech-101.

True are questions with a right answer among the first ten: a picture of the class, the captioned picture, three pictures whose
captions have the word (and twice as many as among all). Nonsense is
  invented, keys     letters that look like words, and that do not
  abstract           words for what no picture shows
  absent             nouns that stand in no caption; some of the things are in the pictures all the same
  removed            class names, with the pictures of their class taken out
  cone               random vectors with the mean and covariance of true ones; marginals: with their marginal distributions
  mean of 2, 3 to 5  of true ones: half of what it says is there
  noise              true ones with as much noise again; permuted: their numbers in another order; sphere: any direction
Three ways to judge the best answer: its cosine, its deviation from the question's other cosines, and its score.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from encoded import DATA, LANGUAGES, Towers
from numpy.typing import NDArray

from kadrd.query import calibrate
from kadrd.query.calibrate import CLOSE, SAMPLE, Background
from kadrd.store.folding import stems
from kadrd.values import Matrix

Numbers = NDArray[np.float64]
SEED, MANY = 1, 500
ABSTRACT = [
    "tax law",
    "democracy",
    "honesty",
    "theorem",
    "philosophy",
    "inflation rate",
    "quantum field theory",
    "interest",
    "why",
    "because of",
    "monday",
    "grammar",
    "next year",
    "forgiveness",
    "annual report",
    "syntax error",
    "monetary policy",
    "налог",
    "совесть",
    "вчера",
    "уравнение",
    "смысл жизни",
    "справедливость",
    "завтра",
    "потому что",
    "грамматика",
    "податок",
    "сумління",
    "учора",
    "рівняння",
    "зміст життя",
    "через те що",
    "граматика",
]
FEW = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", default="mini")
    args = parser.parse_args()
    recorded(args.data / "recorded-clip", args.data / "captioned-flickr8k-224")
    measured(args.model, args.data)


def recorded(folder: Path, captioned: Path) -> None:
    file = np.load(folder / "recorded-clip-vitb32.npz")
    pictures, nouns = unit(file["image_vec"]), unit(file["text_vec"])
    others = ("coco_clip_a+cname.npy", "o365_clip_a+cnamefix.npy", "oid_clip_a+cname.npy")
    phrases = unit(np.concatenate([np.load(folder / name) for name in others]))
    says = said([str(name) for name in file["image_file"]], folder, captioned)
    with (folder / "lvis_v1_train_cat_info.json").open(encoding="utf-8") as lines:
        synonyms = {one["name"]: one["synonyms"] for one in json.load(lines)}
    names = [str(name) for name in file["text_name"]]
    has = np.stack([shows([name, *synonyms.get(name, ())], says) for name in names])
    twice, right = has.sum(axis=1) > 1, found(has, nouns @ pictures.T) > 0
    background = calibrate.background(pictures, phrases, len(pictures), "clip")
    nonsense = {"absent": nouns[~has.any(axis=1)], **made_up(nouns)}
    print(
        f"recorded CLIP: {len(pictures)} photographs, {twice.sum()} nouns in two captions or more, {right.sum()} answered"
    )
    table(background, pictures, {"in captions": nouns[twice], "answered": nouns[right]}, nonsense)


def measured(model: str, data: Path) -> None:
    towers = Towers(model)
    flickr, caltech = towers.captioned(data), towers.labelled(data)
    phrases = towers.words(calibrate.phrases(towers.model.languages))
    letters = {"invented": invented(), "keys": keys(), "abstract": ABSTRACT}
    nonsense = {name: towers.words(texts) for name, texts in letters.items()}

    captions = towers.words([own[0] for own in flickr.captions])
    ranks = np.argsort(-(captions @ flickr.pictures.T), axis=1)[:, :FEW]
    answered = (ranks == np.arange(len(captions))[:, None]).any(axis=1)
    says = [" " + " ".join(stems(" ".join(own))) + " " for own in flickr.captions]
    words = sorted(
        {word for own in flickr.captions for word in re.findall(r"[a-z]{3,}", " ".join(own).lower())}
    )
    has = np.stack([shows([word], says) for word in words])
    often = has.sum(axis=1) >= FEW
    single = towers.words([word for word, enough in zip(words, often, strict=True) if enough])
    good = found(has[often], single @ flickr.pictures.T) >= np.maximum(3, 2 * FEW * has[often].mean(axis=1))
    true = {"captions": captions[answered], "words": single[good]}
    names = {one: towers.words(list(caltech.names[one].values())) for one in LANGUAGES}
    classes = list(caltech.names["en"])
    print(f"{model} over Flickr8k: {answered.sum()} captions and {good.sum()} words answered")
    absent = {"classes of Caltech": names["en"], **made_up(true["captions"])}
    table(over(flickr.pictures, phrases, model), flickr.pictures, true, nonsense | absent)

    belongs = np.array([[own == one for own in caltech.classes] for one in classes])
    right = {one: vectors[found(belongs, vectors @ caltech.pictures.T) > 0] for one, vectors in names.items()}
    print(
        f"{model} over Caltech-101: {', '.join(f'{len(vectors)} {one}' for one, vectors in right.items())} class names answered"
    )
    background = over(caltech.pictures, phrases, model)
    table(background, caltech.pictures, right, nonsense | made_up(names["en"]))
    removed(caltech.pictures, belongs, names["en"], phrases, model)


def removed(pictures: Matrix, belongs: NDArray[np.bool_], names: Matrix, phrases: Matrix, model: str) -> None:
    """The best score of each class while its pictures are there, and when they are not."""
    there = best(over(pictures, phrases, model), pictures)(names)
    gone = [
        best(over(pictures[~own], phrases, model), pictures[~own])(name[None])[0]
        for own, name in zip(belongs, names, strict=True)
    ]
    print(f"  removed: AUROC {auroc(there, np.array(gone)):.3f}, cut {np.mean(np.array(gone) < CLOSE):.0%}\n")


def table(
    background: Background, pictures: Matrix, true: dict[str, Matrix], nonsense: dict[str, Matrix]
) -> None:
    def deviation(questions: Matrix) -> Numbers:
        cosines = questions @ pictures.T
        return (cosines.max(axis=1) - cosines.mean(axis=1)) / cosines.std(axis=1)

    ways = (lambda questions: (questions @ pictures.T).max(axis=1), deviation, best(background, pictures))
    for name, questions in true.items():
        print(
            f"  true, {name:16} cut {np.mean(ways[2](questions) < CLOSE):6.1%}   median score {np.median(ways[2](questions)):.2f}"
        )
    heads = " ".join(f"{name[:14]:>23}" for name in true)
    print(f"  {'AUROC: cosine, deviation, score':32}{heads}   cut")
    for name, questions in nonsense.items():
        judged = [way(questions) for way in ways]
        cells = " ".join(
            "   "
            + "".join(
                f"{auroc(way(right), worth):7.3f}" for way, worth in zip(ways, judged, strict=True)
            ).rjust(20)
            for right in true.values()
        )
        print(f"  {name:32}{cells}  {np.mean(judged[2] < CLOSE):5.0%}")
    print()


def over(pictures: Matrix, phrases: Matrix, model: str) -> Background:
    sample = np.random.default_rng(SEED).permutation(len(pictures))[:SAMPLE]
    return calibrate.background(pictures[sample], phrases, len(pictures), model)


def best(background: Background, pictures: Matrix) -> Callable[[Matrix], Numbers]:
    """The score of the best answer to each question."""
    return lambda questions: np.array(
        [background.score((pictures @ one).max()[None], one)[0] for one in questions]
    )


def made_up(true: Matrix) -> dict[str, Matrix]:
    """Vectors that nobody would ask with."""
    chance, (count, width) = np.random.default_rng(SEED), true.shape
    spread = np.linalg.cholesky(np.cov(true.T) + 1e-6 * np.eye(width))
    some = true[chance.integers(0, count, MANY)]

    def mean(low: int, high: int) -> Matrix:
        sizes = chance.integers(low, high + 1, MANY)
        return np.stack([true[chance.choice(count, size, replace=False)].mean(axis=0) for size in sizes])

    made = {
        "cone": true.mean(axis=0) + chance.standard_normal((MANY, width)) @ spread.T,
        "marginals": np.stack(
            [true[chance.integers(0, count, width), np.arange(width)] for _ in range(MANY)]
        ),
        "mean of 2": mean(2, 2),
        "mean of 3 to 5": mean(3, 5),
        "noise": some + chance.standard_normal((MANY, width)) * true.std(axis=0),
        "twice the noise": some + 2 * chance.standard_normal((MANY, width)) * true.std(axis=0),
        "permuted": chance.permuted(some, axis=1),
        "sphere": chance.standard_normal((MANY, width)),
    }
    return {name: unit(vectors) for name, vectors in made.items()}


def invented() -> list[str]:
    chance, made = random.Random(SEED), []
    for consonants, vowels in (("bcdfghjklmnpqrstvwxz", "aeiouy"), ("бвгджзклмнпрстфхцчш", "аеиоуыя")):
        for _ in range(MANY // 2):
            sizes = [chance.randint(2, 4) for _ in range(chance.randint(1, 3))]
            made.append(
                " ".join(
                    "".join(chance.choice(consonants) + chance.choice(vowels) for _ in range(size))
                    for size in sizes
                )
            )
    return made


def keys() -> list[str]:
    chance = random.Random(SEED)
    return [
        "".join(chance.choices("qwertyuiopasdfghjklzxcvbnm", k=chance.randint(4, 10))) for _ in range(MANY)
    ]


def said(files: Iterable[str], folder: Path, captioned: Path) -> list[str]:
    """The stems of all captions of each picture."""
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
        one = {row["flickr8k_file"]: row["caption"] for row in csv.DictReader(lines, delimiter="\t")}
    with (captioned / "captions.jsonl").open(encoding="utf-8") as lines:
        five = {row["file"]: " ".join(row["en"]) for row in map(json.loads, lines)}
    return [" " + " ".join(stems(f"{one.get(file, '')} {five.get(file, '')}")) + " " for file in files]


def shows(names: Sequence[str], says: Sequence[str]) -> NDArray[np.bool_]:
    """Of which pictures any of *names* is said."""
    parts = {f" {' '.join(stems(re.sub(r'[(].*?[)]', '', name).replace('_', ' ')))} " for name in names} - {
        "  "
    }
    return np.array([any(part in text for part in parts) for text in says])


def found(has: NDArray[np.bool_], cosines: Matrix) -> NDArray[np.intp]:
    """How many of the first FEW pictures of each question have it."""
    return np.take_along_axis(has, np.argsort(-cosines, axis=1)[:, :FEW], axis=1).sum(axis=1)


def auroc(true: Numbers, nonsense: Numbers) -> float:
    """How often a true question is worth more than nonsense; ties count half."""
    ordered = np.sort(nonsense)
    below, upto = np.searchsorted(ordered, true, "left"), np.searchsorted(ordered, true, "right")
    return float((below + upto).mean() / (2 * len(nonsense)))


def unit(rows: NDArray[np.floating]) -> Matrix:  # type: ignore[type-arg]
    rows = rows.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
