"""Looks at a model on pictures it has never seen, for information while it trains: numbers only, no decisions.

Nothing here may be used to choose what is trained on.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from kadrd.learn.corpus import LANGUAGES
from kadrd.learn.evaluate import precision_at, recall_at
from kadrd.learn.pupil import Pupil, encode_image, encode_text
from kadrd.learn.shelf import normalised
from kadrd.learn.stage_texts import ids_of
from kadrd.learn.views import centre


@dataclass(frozen=True)
class Labelled:
    """Pictures of known classes; one query a class and language."""

    files: list[Path]
    classes: list[str]
    queries: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Captioned:
    """Pictures with one caption each."""

    files: list[Path]
    captions: list[str]


def read_labelled(folder: Path) -> Labelled:
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    queries = {lang: {row["class"]: row[lang] for row in rows} for lang in LANGUAGES}
    return Labelled([folder / row["file"] for row in rows], [row["class"] for row in rows], queries)


def read_captioned(folder: Path) -> Captioned:
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    return Captioned([folder / "images" / row["file"] for row in rows], [row["en"][0] for row in rows])


class Check:
    """Keeps the pictures in memory at one size; ``figures`` gives P@5 by language and recall@10."""

    def __init__(self, labelled: Path | None, captioned: Path | None, px: int) -> None:
        self.labelled = read_labelled(labelled) if labelled else None
        self.captioned = read_captioned(captioned) if captioned else None
        self.px = px
        self.pixels = {
            name: np.stack([square(path, px) for path in one.files])
            for name, one in (("labelled", self.labelled), ("captioned", self.captioned))
            if one
        }

    def figures(self, pupil: Pupil, visual: nn.Module | None = None) -> dict[str, float]:
        visual, found = visual or pupil.clip.visual, {}
        visual.eval()
        if self.labelled:
            pictures, classes = self.vectors(visual, "labelled"), self.labelled.classes
            for lang, query in self.labelled.queries.items():
                said = texts(pupil, list(query.values()))
                found[f"P@5 {lang}"] = precision_at(said, pictures, list(query), classes, 5)
        if self.captioned:
            pictures = self.vectors(visual, "captioned")
            said = texts(pupil, self.captioned.captions)
            found["recall@10"] = recall_at(said, pictures, range(len(said)), 10)
        return {name: round(value, 4) for name, value in found.items()}

    @torch.no_grad()
    def vectors(self, visual: nn.Module, name: str) -> Any:
        raw = torch.from_numpy(self.pixels[name])
        parts = [normalised(part.permute(0, 3, 1, 2).float() / 255) for part in torch.split(raw, 128)]
        return torch.cat([encode_image(visual, part) for part in parts]).numpy()


def square(path: Path, px: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        return np.asarray(centre(picture.convert("RGB"), px))


@torch.no_grad()
def texts(pupil: Pupil, said: list[str]) -> Any:
    """Vectors of the texts. The network's mode is left alone: the picture tower in it may be in use."""
    groups = [said[at : at + 256] for at in range(0, len(said), 256)]
    return torch.cat([encode_text(pupil.clip, ids_of(pupil.tokenizer, group)) for group in groups]).numpy()
