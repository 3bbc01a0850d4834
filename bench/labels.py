"""How often the words that `kadr tag` would write are true, and how many pictures get some.

    python bench/labels.py [--data DIR] [--model NAME] [--names FOLDER] [--thresholds 0.5,0.6,0.7]

Each line: words, pictures, and for each threshold the precision of what is written / the share of pictures with a word / words a
picture; last, at the default threshold, the precision without the word that is written most, which a lucky word cannot carry.

Recorded vectors of CLIP ViT-B/32 (no text can be encoded, so words are nouns that were recorded): 984 photographs of Flickr8k; the
calibration of each half is made from the other one. A noun is right when it or a synonym of its list stands in a caption, by stems;
of our own words also when one below it does. Captions leave things out: by eye 22 of 74 that count as wrong were right. The constants
of tag/label.py were chosen on these photographs and lists, so other photographs may give less; without the word written
most, which is dog, less is right, as the last column shows.
NAME (mini) over Flickr8k in the same way, and over Caltech-101: right is the class, what our tree has above it, and TRUE.

FOLDER may hold oid.txt, o365.txt and coco.txt, a name a line, of the nouns whose vectors have none in DIR.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cutoff import said, shows, unit
from encoded import DATA, Labelled, Towers
from numpy.typing import NDArray

from kadrd.store.folding import stems
from kadrd.tag import label, vocabulary
from kadrd.tag.vocabulary import Vocabulary
from kadrd.values import Matrix

Right = NDArray[np.bool_]
SEED = 1
# Vectors this near are those of the same noun in two lists ("skis", "ski").
TWIN = 0.95
LISTS = {
    "coco": "coco_clip_a+cname.npy",
    "o365": "o365_clip_a+cnamefix.npy",
    "oid": "oid_clip_a+cname.npy",
}
FACES = "face portrait person man woman smile selfie hair beard mustache glasses"
# What else is to be seen on pictures of a class of Caltech-101, by our own words; a word of more than one has underscores.
TRUE = {
    "Faces": FACES,
    "Faces_easy": FACES,
    "bass": "fish",
    "bonsai": "bonsai tree houseplant",
    "brontosaurus": "dinosaur",
    "buddha": "statue",
    "car_side": "car",
    "cougar_body": "cougar",
    "cougar_face": "cougar",
    "crocodile_head": "crocodile alligator",
    "crocodile": "alligator",
    "dalmatian": "dalmatian",
    "dollar_bill": "money",
    "euphonium": "tuba trumpet",
    "ewer": "pitcher teapot vase pottery",
    "ferry": "ferry boat",
    "flamingo_head": "flamingo",
    "garfield": "cartoon cat",
    "gerenuk": "antelope deer",
    "grand_piano": "grand_piano piano",
    "hawksbill": "sea_turtle underwater",
    "ibis": "heron",
    "inline_skate": "roller_skates",
    "joshua_tree": "tree desert",
    "ketch": "sailboat yacht ship",
    "lotus": "lotus water_lily",
    "mandolin": "guitar",
    "mayfly": "insect dragonfly",
    "menorah": "candlestick candle",
    "minaret": "tower mosque",
    "Motorbikes": "motor_scooter",
    "nautilus": "seashell",
    "okapi": "animal",
    "pagoda": "temple",
    "platypus": "animal",
    "rooster": "chicken",
    "schooner": "sailboat ship yacht",
    "sea_horse": "seahorse",
    "snoopy": "cartoon dog",
    "soccer_ball": "ball football",
    "stegosaurus": "dinosaur",
    "stop_sign": "traffic_sign",
    "sunflower": "sunflower_field",
    "tick": "insect spider",
    "trilobite": "fossil",
    "watch": "wristwatch",
    "water_lilly": "lotus",
    "wild_cat": "cat",
    "windsor_chair": "chair armchair",
}
# Classes that are the same thing.
SAME = ("Faces", "cougar", "crocodile", "flamingo")


class Asked(NamedTuple):
    """A vocabulary in a model, and which of the words that may be written are right for which of the pictures."""

    words: Matrix
    right: Right
    """(pictures, the first words)"""
    parents: Sequence[int] = ()
    rivals: Matrix | None = None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--names", type=Path)
    parser.add_argument("--thresholds", default="0.5,0.6,0.7")
    args = parser.parse_args()
    limits = [float(limit) for limit in args.thresholds.split(",")]
    recorded(args.data, args.names, limits)
    measured(args.model, args.data, limits)


def recorded(data: Path, named: Path | None, limits: list[float]) -> None:
    folder = data / "recorded-clip"
    file = np.load(folder / "recorded-clip-vitb32.npz")
    pictures, nouns = unit(file["image_vec"]), unit(file["text_vec"])
    says = said([str(name) for name in file["image_file"]], folder, data / "captioned-flickr8k-224")
    with (folder / "lvis_v1_train_cat_info.json").open(encoding="utf-8") as lines:
        synonyms = {plain(one["name"]): one["synonyms"] for one in json.load(lines)}
    names = [plain(str(name)) for name in file["text_name"]]
    others = {name: unit(np.load(folder / place)) for name, place in LISTS.items()}
    others_known = {name: (named / f"{name}.txt").read_text().split("\n") for name in LISTS} if named else {}
    rivals = np.concatenate(list(others.values()))
    rivals = rivals[(rivals @ nouns.T).max(axis=1) < TWIN]

    def show(title: str, words: Matrix, called: Sequence[str], rivals: Matrix | None = None) -> None:
        right = np.stack([shows([name, *synonyms.get(name, ())], says) for name in called]).T
        print_line(title, limits, halves(pictures, Asked(words, right, rivals=rivals)))

    print("recorded CLIP, Flickr8k")
    show(f"{len(names)} nouns", nouns, names)
    show(f"the same beside {len(rivals)} rivals", nouns, names, rivals)
    every, called = nouns, list(names)
    for name, known in others_known.items():
        own = [one.strip().lower() for one in known if one.strip()]
        show(f"{len(own)} of {name}", others[name], own)
        new = [number for number, one in enumerate(own) if one not in called]
        every, called = np.concatenate([every, others[name][new]]), called + [own[number] for number in new]
    if others_known:
        show(f"all {len(called)}", every, called)
    for size in (300, 100):
        chance = np.random.default_rng(SEED)
        parts = [np.sort(chance.choice(len(nouns), size, replace=False)) for _ in range(12)]
        rest = [np.concatenate([np.delete(nouns, part, axis=0), rivals]) for part in parts]
        right = np.stack([shows([name, *synonyms.get(name, ())], says) for name in names]).T
        for title, behind in (("alone", None), ("beside rivals", rest)):
            drawn = [
                halves(pictures, Asked(nouns[part], right[:, part], rivals=behind[n] if behind else None))
                for n, part in enumerate(parts)
            ]
            print_line(f"12 x {size} of them, {title}", limits, [pair for one in drawn for pair in one])
    ours(pictures, says, every, called, limits)


def ours(pictures: Matrix, says: Sequence[str], rows: Matrix, called: list[str], limits: list[float]) -> None:
    """Our own words, those that were recorded under one of their names."""
    words = vocabulary.builtin()
    places = [
        next((called.index(name) for name in (word.name, *word.also) if name in called), -1)
        for word in words.words
    ]
    kept = [number for number, place in enumerate(places) if place >= 0]
    renumbered = {number: new for new, number in enumerate(kept)} | {-1: -1}
    parents = [renumbered[nearest(words, number, set(kept))] for number in kept]
    right = heard(words, says)[:, [number for number in kept if number < words.count]]
    asked = Asked(rows[[places[number] for number in kept]], right, parents)
    print_line(f"{right.shape[1]} of our own words", limits, halves(pictures, asked))


def nearest(words: Vocabulary, number: int, kept: set[int]) -> int:
    above = words.parents[number]
    while above >= 0 and above not in kept:
        above = words.parents[above]
    return above


def measured(model: str, data: Path, limits: list[float]) -> None:
    towers = Towers(model)
    words = vocabulary.builtin()
    flickr, caltech = towers.captioned(data), towers.labelled(data)
    texts = {"own languages": towers.model.languages, "English alone": ("en",)}
    says = [f" {' '.join(stems(' '.join(own)))} " for own in flickr.captions]
    right = {
        "Flickr8k": (flickr.pictures, heard(words, says)[:, : words.count]),
        "Caltech-101": (caltech.pictures, pictured(words, caltech)[:, : words.count]),
    }
    print(f"{model}")
    for asked, languages in texts.items():
        rows = label.together(towers.words(vocabulary.phrases(words, languages)), len(words.words))
        for title, (pictures, true) in right.items():
            pairs = halves(pictures, Asked(rows, true, words.parents), model)
            print_line(f"{title}, {words.count} words, {asked}", limits, pairs)
    classes = list(caltech.names["en"])
    rows = towers.words(list(caltech.names["en"].values()))
    same = np.array([[kind(one) == kind(own) for one in classes] for own in caltech.classes])
    print_line("Caltech-101, 101 class names", limits, halves(caltech.pictures, Asked(rows, same), model))


def pictured(words: Vocabulary, caltech: Labelled) -> Right:
    """(pictures, words): whether it is the class, something above that, or TRUE."""
    numbers = {name: number for number, word in enumerate(words.words) for name in (*word.also, word.name)}
    true = {}
    for one, name in caltech.names["en"].items():
        named = [name, *(word.replace("_", " ") for word in TRUE.get(one, "").split())]
        row = np.zeros(len(words.words), np.bool_)
        for number in [numbers[word] for word in named if word in numbers]:
            above = number
            while above >= 0:
                row[above], above = True, words.parents[above]
        true[one] = row
    return np.stack([true[one] for one in caltech.classes])


def kind(name: str) -> str:
    return next((one for one in SAME if name.startswith(one)), name)


def heard(words: Vocabulary, says: Sequence[str]) -> Right:
    """(pictures, words): whether the word, another name of it, or one below it is said."""
    right = np.stack([shows([word.name, *word.also], says) for word in words.words]).T
    for number, parent in enumerate(words.parents):
        above = parent
        while above >= 0:
            right[:, above] |= right[:, number]
            above = words.parents[above]
    return right


def plain(name: str) -> str:
    return name.partition("_(")[0].replace("_", " ").strip().lower()


def halves(pictures: Matrix, asked: Asked, model: str = "clip") -> list[tuple[NDArray[np.float32], Right]]:
    """The confidences of each half of the pictures, whose calibration comes from the other half, and what is right."""
    order = np.random.default_rng(SEED).permutation(len(pictures))
    first, second = order[::2], order[1::2]
    words = asked.words if asked.rivals is None else np.concatenate([asked.words, asked.rivals])
    found = []
    for half, other in ((first, second), (second, first)):
        calibration = label.calibrate(
            words, pictures[other], model, parents=asked.parents, count=asked.right.shape[1]
        )
        found.append((label.confidence(pictures[half], calibration), asked.right[half]))
    return found


def print_line(title: str, limits: list[float], found: Iterable[tuple[NDArray[np.float32], Right]]) -> None:
    pairs = list(found)
    cells = [f"{limit}: {' / '.join(f'{one:.2f}' for one in figures(pairs, limit))}" for limit in limits]
    print(f"  {title:42} {'   '.join(cells)}   {rest(pairs):.2f}", flush=True)


def figures(pairs: list[tuple[NDArray[np.float32], Right]], limit: float) -> tuple[float, float, float]:
    written = sum(int((sure >= limit).sum()) for sure, _ in pairs)
    right = sum(int(((sure >= limit) & true).sum()) for sure, true in pairs)
    pictures = sum(len(sure) for sure, _ in pairs)
    some = sum(int((sure >= limit).any(axis=1).sum()) for sure, _ in pairs)
    return right / max(written, 1), some / pictures, written / pictures


def rest(pairs: list[tuple[NDArray[np.float32], Right]]) -> float:
    """The precision at the default threshold without the word that is written most."""
    left = []
    for sure, true in pairs:
        counts = (sure >= label.THRESHOLD).sum(axis=0)
        keep = np.arange(len(counts)) != counts.argmax()
        left.append((sure[:, keep], true[:, keep]))
    return figures(left, label.THRESHOLD)[0]


if __name__ == "__main__":
    main()
