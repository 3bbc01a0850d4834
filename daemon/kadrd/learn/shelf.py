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
    """Normalised pictures for the pupil: a shifted part, mirrored or not, colours a little off.

    Sizes change while pixels are still bytes laid out last-channel-first: torch does that several times faster.
    """
    sized = torch.cat([resized(s.cache.pixels[rows], px, chance) for s, rows in batch.parts if len(rows)])
    return jittered(sized.float(), chance)


def resized(raw: npt.NDArray[np.uint8], px: int, chance: np.random.Generator) -> Tensor:
    side = raw.shape[1]
    part = int(chance.integers(int(side * 0.8), side + 1))
    starts, mirrors = chance.integers(0, side - part + 1, (len(raw), 2)), chance.random(len(raw)) < 0.5
    cut = np.empty((len(raw), part, part, 3), np.uint8)
    for into, one, (y, x), mirror in zip(cut, raw, starts, mirrors, strict=True):
        shown = one[y : y + part, x : x + part]
        into[:] = shown[:, ::-1] if mirror else shown
    mode = "bicubic" if part < px else "bilinear"
    return interpolate(torch.from_numpy(cut).permute(0, 3, 1, 2), (px, px), mode=mode, antialias=True)


def jittered(pictures: Tensor, chance: np.random.Generator) -> Tensor:
    """Bytes as floats become normalised pictures of other brightness, contrast and saturation, in few passes."""
    count = len(pictures)
    light, contrast, colour = (
        torch.from_numpy(chance.uniform(low, 2 - low, (count, 1, 1, 1)).astype(np.float32))
        for low in (0.7, 0.7, 0.6)
    )
    mean, scale = torch.tensor(MEAN).view(1, 3, 1, 1), 1 / (255 * torch.tensor(STD).view(1, 3, 1, 1))
    grey = pictures.mean(1, keepdim=True)
    middle = grey.mean((2, 3), keepdim=True)
    shift = middle * (light - contrast) * scale - mean * 255 * scale
    return (
        pictures.mul_(colour * contrast * scale)
        .add_(grey * ((1 - colour) * contrast) * scale)
        .add_(shift)
        .contiguous(memory_format=torch.channels_last)
    )


def normalised(pictures: Tensor) -> Tensor:
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)
