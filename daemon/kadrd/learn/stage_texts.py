"""Stage one: the text tower and a linear projection of the teacher's features learn one space.

Both move at once unless a projection is given, which then stays as it is, so that texts can be taught again (a wider
vocabulary) without disturbing a picture tower that has learned the same projection. Pictures are not read here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from kadrd.learn.corpus import LANGUAGES
from kadrd.learn.pupil import WIDTH, Pupil, encode_text, text_state
from kadrd.learn.shelf import Batch, Shelf, standard
from kadrd.learn.texts import Words, say, say_name

LANGUAGE_SHARES = (0.44, 0.28, 0.28)
ALIGNED = 256  # concepts a step whose names in two languages are pulled together
RATE, PROJECTION_RATE = 1e-3, 2e-3


@dataclass(frozen=True)
class TextPlan:
    """How many batches of which size; ``space`` is a projection to keep."""

    steps: int
    size: int
    seed: int
    space: Space | None = None


@dataclass(frozen=True)
class Space:
    """What stage one hands on: how a teacher's feature becomes a unit vector beside the texts."""

    mean: Tensor
    deviation: Tensor
    projection: Tensor

    def vectors(self, features: Tensor) -> Tensor:
        return normalize(standard(features, self.mean, self.deviation) @ self.projection.T, dim=-1)


class Names:
    """Which concepts may be called by which name: two concepts sharing a name are not each other's negatives."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.keys = {key: at for at, key in enumerate(words.names)}
        forms = {form for names in words.names.values() for lang in LANGUAGES for form in names[lang]}
        self.forms = {form: at for at, form in enumerate(sorted(forms))}
        self.fits = np.zeros(
            (len(self.forms) + 1, len(self.keys) + 1), dtype=bool
        )  # the last of each: unknown
        for key, names in words.names.items():
            for lang in LANGUAGES:
                for form in names[lang]:
                    self.fits[self.forms[form], self.keys[key]] = True

    def positives(self, forms: Sequence[str], keys: Sequence[str]) -> Tensor:
        rows = [self.forms.get(form, len(self.forms)) for form in forms]
        columns = [self.keys.get(key, len(self.keys)) for key in keys]
        return torch.from_numpy(self.fits[np.ix_(rows, columns)])


def teach_texts(pupil: Pupil, shelf: Shelf, words: Words, plan: TextPlan) -> Space:
    """Trains the pupil's text tower in place and returns the space."""
    chance, names, began = random.Random(plan.seed), Names(words), time.monotonic()
    clip, space, steps = pupil.clip, plan.space, plan.steps
    mean, deviation = (space.mean, space.deviation) if space else shelf.statistics()
    projection = nn.Linear(len(mean), WIDTH, bias=False)
    if space:
        projection.weight.data.copy_(space.projection)
        projection.requires_grad_(False)
    optimiser, schedule = optimiser_for(clip, projection, steps)
    clip.train()
    for step in range(1, steps + 1):
        batch = shelf.draw(plan.size)
        texts, forms, keys, owners = spoken(batch, words, chance)
        features = standard(batch.features(), mean, deviation)
        features = features + 0.1 * torch.randn_like(features)
        said = encoded(pupil, texts)
        seen = normalize(projection(features), dim=-1)
        scale = clip.logit_scale.exp().clamp(max=60)
        positives = names.positives(forms, keys) | (owners[:, None] == owners[None, :])
        loss = contrast(scale * said @ seen.T, positives) + 0.5 * alignment(pupil, names, scale, chance)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 25 == 0 or step == steps:
            took = time.monotonic() - began
            print(
                f"texts {step}/{steps} loss {loss.item():.3f} scale {scale.item():.1f} {took:.0f} s",
                flush=True,
            )
    clip.eval()
    return Space(mean, deviation, projection.weight.detach().clone())


def optimiser_for(clip: Any, projection: nn.Linear, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    tower = [value for name, value in clip.named_parameters() if name in text_state(clip)]
    groups: list[dict[str, Any]] = [{"params": tower, "lr": RATE}]
    if projection.weight.requires_grad:
        groups.append({"params": [projection.weight], "lr": PROJECTION_RATE})
    optimiser = torch.optim.AdamW(groups, weight_decay=0.05, betas=(0.9, 0.98))
    peaks = [group["lr"] for group in groups]
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peaks, total_steps=steps + 1, pct_start=0.08
    )


def spoken(
    batch: Batch, words: Words, chance: random.Random
) -> tuple[list[str], list[str], list[str], Tensor]:
    """A text for each row, the name in it (or nothing), the concept of the row, and who owns it."""
    texts, forms, keys, owners = [], [], [], []
    for example, key in batch.examples():
        lang = chance.choices(LANGUAGES, LANGUAGE_SHARES)[0]
        text, form = say(example, key, words, lang, chance)
        if not text:
            text, form = say(example, key, words, "en", chance)
        texts.append(text)
        forms.append(form)
        keys.append(key)
        owners.append(hash(example.path))
    return texts, forms, keys, torch.tensor(owners)


def alignment(pupil: Pupil, names: Names, scale: Tensor, chance: random.Random) -> Tensor:
    """Names of the same concept in two languages belong together, whether or not a picture shows it."""
    words = names.words
    keys = chance.sample(list(words.names), min(ALIGNED, len(words.names)))
    pair = chance.sample(LANGUAGES, 2)
    one, other = ([say_name(words.forms(key, lang), lang, chance) for key in keys] for lang in pair)
    vectors = encoded(pupil, [text for text, _ in [*one, *other]])
    positives = names.positives([form for _, form in one], keys)
    return contrast(
        scale * vectors[: len(keys)] @ vectors[len(keys) :].T, positives | torch.eye(len(keys)).bool()
    )


def encoded(pupil: Pupil, texts: Sequence[str], parts: int = 4) -> Tensor:
    """Vectors in the order of the texts; texts of like length go together, since padding costs as much as words."""
    lengths = np.asarray([len(one.ids) for one in pupil.tokenizer.encode_batch(list(texts))])
    order = np.argsort(lengths, kind="stable")
    groups = [[texts[at] for at in part] for part in np.array_split(order, parts)]
    with torch.autocast("cpu", torch.bfloat16):
        found = [encode_text(pupil.clip, ids_of(pupil.tokenizer, group)) for group in groups]
    return torch.cat(found)[torch.from_numpy(np.argsort(order, kind="stable"))]


def contrast(logits: Tensor, positives: Tensor) -> Tensor:
    """InfoNCE both ways where a row may have several right answers, all equally right."""
    return (one_way(logits, positives) + one_way(logits.T, positives.T)) / 2


def one_way(logits: Tensor, positives: Tensor) -> Tensor:
    wanted = positives.float()
    counts = wanted.sum(1)
    losses = -(logits.log_softmax(1) * wanted).sum(1) / counts.clamp(min=1)
    return losses.sum() / (counts > 0).sum().clamp(min=1)


def ids_of(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    encoded = [one.ids for one in tokenizer.encode_batch(list(texts))]
    longest = max(map(len, encoded))
    return torch.tensor([ids + [0] * (longest - len(ids)) for ids in encoded])
