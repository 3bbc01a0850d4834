"""All training rows of all sources together: which picture, which concept, its pixels, the teacher's features.

It turns teacher caches into batches of arrays and must not know what is learned from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kadrd.learn.corpus import Example
from kadrd.learn.pupil import MEAN, STD
from kadrd.learn.teacher import Cache
from kadrd.learn.texts import Words

Ints = npt.NDArray[np.int64]
FEATURE_STEP = (
    0.0235  # what one unit of the teacher's quantised features is worth; only the ratio to STD_FLOOR counts
)
STD_FLOOR = 0.05


@dataclass(frozen=True)
class Source:
    """One source: its examples, the concept of each (empty where unknown) and its cache."""

    name: str
    examples: Sequence[Example]
    keys: Sequence[str]
    cache: Cache


@dataclass(frozen=True)
class Batch:
    """Row numbers by source, in the order of the arrays made from them."""

    parts: Sequence[tuple[Source, Ints]]

    def examples(self) -> list[tuple[Example, str]]:
        return [(s.examples[e], s.keys[e]) for s, rows in self.parts for e in s.cache.example[rows]]

    def features(self) -> Tensor:
        return torch.from_numpy(np.concatenate([s.cache.features[rows] for s, rows in self.parts])).float()

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.parts)


class Shelf:
    """Draws batches: fixed shares by source, rare concepts of a source more often than their number."""

    def __init__(self, sources: Sequence[Source], shares: Mapping[str, float], seed: int) -> None:
        self.sources = sources
        self.shares = shares
        self.chance = np.random.default_rng(seed)
        self.weights = {s.name: row_weights(s) for s in sources}

    def draw(self, size: int) -> Batch:
        total = sum(self.shares[s.name] for s in self.sources)
        parts = []
        for s in self.sources:
            count = round(size * self.shares[s.name] / total)
            at = np.searchsorted(self.weights[s.name], self.chance.random(count))
            parts.append((s, at.astype(np.int64)))
        return Batch(parts)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the teacher's features, each source counted alike."""
        picked = self.draw(8192).features() * FEATURE_STEP
        return picked.mean(0), picked.std(0) + STD_FLOOR


def row_weights(source: Source) -> npt.NDArray[np.float64]:
    """Running sums of the chance of each row: one over the root of how often its concept occurs."""
    keys = [source.keys[e] for e in source.cache.example]
    names, index, counts = np.unique(np.asarray(keys), return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[index]) if len(names) > 1 else np.ones(len(keys))
    sums = np.cumsum(weights)
    return np.minimum(sums / sums[-1], 1 - 1e-12) if len(sums) else sums


def concept_of(example: Example, words: Words) -> str:
    return words.key(example.label) if example.label else ""


def standard(features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    return (features * FEATURE_STEP - mean) / deviation


def pixels_of(batch: Batch, px: int, chance: np.random.Generator) -> Tensor:
    """Normalised pictures for the pupil: a shifted part, mirrored or not, colours a little off."""
    sized = [resized(s.cache.pixels[rows], px, chance) for s, rows in batch.parts if len(rows)]
    return normalised(jittered(torch.cat(sized), chance))


def resized(raw: npt.NDArray[np.uint8], px: int, chance: np.random.Generator) -> Tensor:
    side = raw.shape[1]
    part = int(chance.integers(int(side * 0.8), side + 1))
    starts = chance.integers(0, side - part + 1, (len(raw), 2))
    cut = np.stack([one[y : y + part, x : x + part] for one, (y, x) in zip(raw, starts, strict=True)])
    tensor = torch.from_numpy(cut).permute(0, 3, 1, 2).float() / 255
    mode = "bicubic" if part < px else "bilinear"
    return interpolate(tensor, (px, px), mode=mode, antialias=part > px, align_corners=False)


def jittered(pictures: Tensor, chance: np.random.Generator) -> Tensor:
    count = len(pictures)
    mirror = torch.from_numpy(chance.random(count) < 0.5)
    pictures[mirror] = pictures[mirror].flip(-1)
    light, contrast, colour = (
        torch.from_numpy(chance.uniform(low, 2 - low, (count, 1, 1, 1)).astype(np.float32))
        for low in (0.7, 0.7, 0.6)
    )
    grey = pictures.mean(1, keepdim=True)
    pictures = grey + (pictures - grey) * colour
    middle = grey.mean((2, 3), keepdim=True)
    return ((pictures - middle) * contrast + middle * light).clamp_(0, 1)


def normalised(pictures: Tensor) -> Tensor:
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)
