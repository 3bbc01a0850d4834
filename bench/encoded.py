"""Vectors for measurements without a daemon: pictures and texts through a model of this machine, with what is known of them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kadr.protocol import paths
from kadrd.embed.models import BUILTIN, Model, Shelf
from kadrd.embed.runtime import Encoder
from kadrd.ingest.decode import Fit, decode
from kadrd.values import Matrix, Skipped

DATA = Path(__file__).parents[2] / "shared" / "data"
LANGUAGES = ("en", "ru", "uk")
BATCH = 64


class Captioned(NamedTuple):
    """Flickr8k: each picture with its five English captions."""

    captions: list[list[str]]
    pictures: Matrix


class Labelled(NamedTuple):
    """Caltech-101: each picture with its class, each class with its name in each language."""

    classes: list[str]
    names: dict[str, dict[str, str]]
    pictures: Matrix


class Towers:
    """A model by its name."""

    def __init__(self, name: str) -> None:
        shelf = Shelf(BUILTIN, Path(os.fsdecode(paths.current().data)) / "models")
        self.model: Model = shelf.find(name)
        self._encoder = Encoder(self.model, threads=os.cpu_count() or 1)

    def words(self, texts: Sequence[str]) -> Matrix:
        return np.concatenate([self._encoder.words(part) for part in _batches(texts)])

    def pictures(self, files: Sequence[Path]) -> Matrix:
        with ThreadPoolExecutor() as threads:
            return np.concatenate(
                [
                    self._encoder.pictures(np.stack(list(threads.map(self._pixels, part))))
                    for part in _batches(files)
                ]
            )

    def _pixels(self, file: Path) -> Any:
        fit = Fit(self.model.size, self.model.resize)
        decoded = decode(file.read_bytes(), [fit])
        if isinstance(decoded, Skipped):
            raise SystemExit(f"{file}: {decoded.sentence}")
        return decoded.pixels[fit]

    def captioned(self, data: Path) -> Captioned:
        folder = data / "captioned-flickr8k-224"
        with (folder / "captions.jsonl").open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return Captioned(
            [row["en"] for row in rows], self.pictures([folder / "images" / row["file"] for row in rows])
        )

    def labelled(self, data: Path) -> Labelled:
        folder = data / "labelled-caltech101"
        with (folder / "labels.tsv").open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        names = {language: {row["class"]: row[language] for row in rows} for language in LANGUAGES}
        return Labelled(
            [row["class"] for row in rows], names, self.pictures([folder / row["file"] for row in rows])
        )


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), BATCH):
        yield items[first : first + BATCH]
