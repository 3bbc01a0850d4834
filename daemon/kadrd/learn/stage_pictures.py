"""Stage two: the picture tower learns to say what the projected teacher says, and what labels and captions say.

The text tower stays as it is. The schedule follows the clock, not a number of steps, because the machine is shared:
``minutes`` is what training may take, and a resumed run goes on from the minutes already used.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import kl_div, normalize

from kadrd.learn.corpus import LANGUAGES
from kadrd.learn.pupil import Average, Pupil, encode_image, encode_text
from kadrd.learn.shelf import Batch, Shelf, pixels_of
from kadrd.learn.stage_texts import Names, Space, contrast, ids_of
from kadrd.learn.team import Team, all_cores
from kadrd.learn.texts import Words

RATE, DECAY, WARM = 2e-3, 0.05, 0.02
COSINE, BANK, LABELS, CONTRAST, CAPTIONS = 2.0, 1.0, 0.5, 0.3, 0.3
BANK_SCALE, CONTRAST_SCALE = 25.0, 25.0
CAPTION_PROBES = 1024
Report = Callable[[Any, float], None]


@dataclass(frozen=True)
class Plan:
    """How long, how large, and at what picture sizes: ``sizes`` are (size, share of the time at which it ends)."""

    minutes: float
    size: int
    sizes: Sequence[tuple[int, float]]
    checkpoint: Path
    compile: bool = True
    team: Team = field(default_factory=Team)
    save_minutes: float = 5.0
    report_minutes: float = 12.0

    def px(self, progress: float) -> int:
        return next((px for px, until in self.sizes if progress < until), self.sizes[-1][0])


class Bank:
    """Text vectors computed once: names of all concepts, and the captions of each picture."""

    def __init__(self, pupil: Pupil, shelf: Shelf, words: Words, space: Space) -> None:
        self.space = space
        self.names = Names(words)
        self.keys = list(words.names)
        first = [words.forms(key, lang)[0] for lang in LANGUAGES for key in self.keys]
        by_language = vectors(pupil, first).view(len(LANGUAGES), len(self.keys), -1)
        self.concepts = normalize(by_language.mean(0), dim=-1)
        self.fits = self.names.positives([words.forms(key, "en")[0] for key in self.keys], self.keys)
        self.captions: dict[Path, Tensor] = {}
        for source in shelf.sources:
            captioned = [one for one in source.examples if one.captions.get("en")]
            said = vectors(pupil, [text for one in captioned for text in one.captions["en"]])
            parts = torch.split(said, [len(one.captions["en"]) for one in captioned]) if captioned else ()
            self.captions |= dict(zip([one.path for one in captioned], parts, strict=True))
        every = torch.cat([*self.captions.values(), self.concepts[:0]])
        self.probes = torch.cat([self.concepts, every[torch.randperm(len(every))[:CAPTION_PROBES]]])

    def caption(self, path: Path, chance: np.random.Generator) -> Tensor:
        mine = self.captions[path]
        return mine[int(chance.integers(len(mine)))]


@torch.no_grad()
def vectors(pupil: Pupil, texts: Sequence[str]) -> Tensor:
    clip, tokenizer = pupil.clip, pupil.tokenizer
    parts = [encode_text(clip, ids_of(tokenizer, texts[at : at + 256])) for at in range(0, len(texts), 256)]
    return torch.cat(parts) if parts else torch.zeros(0, clip.text_projection.shape[1])


def teach_pictures(visual: Any, bank: Bank, shelf: Shelf, plan: Plan, report: Report) -> Average:
    """Trains the picture tower in place and returns its average; ``report`` gets the average and the progress."""
    state = Progress(visual.to(memory_format=torch.channels_last), plan)
    state.load()
    run = torch.compile(visual, dynamic=False) if plan.compile else visual
    chance = shelf.chance = np.random.default_rng([plan.team.rank, state.step])
    clock, last = state.used, time.monotonic()
    saved = reported = clock
    while state.used < plan.minutes:
        state.settle(plan.px(state.share))
        losses = advance(state, run, bank, draw(shelf, state, chance), clock)
        now = time.monotonic()
        clock, last = clock + (now - last) / 60, now
        if not plan.team.first:
            continue
        if state.step % 50 == 0:
            told = " ".join(f"{name} {value.item():.3f}" for name, value in losses.items())
            print(f"pictures step {state.step} {clock:.1f} min px {state.px} {told}", flush=True)
        if clock - saved > plan.save_minutes:
            state.save()
            saved = clock
        if clock - reported > plan.report_minutes:
            with all_cores(plan.team):
                report(state.average.module, state.share)
            reported = clock
    if plan.team.first:
        state.save()
    return state.average


@dataclass(frozen=True)
class Drawn:
    """A batch and what the pupil sees of it."""

    batch: Batch
    pixels: Tensor
    chance: np.random.Generator


def draw(shelf: Shelf, state: Progress, chance: np.random.Generator) -> Drawn:
    batch = shelf.draw(state.plan.size // state.plan.team.size)
    return Drawn(batch, pixels_of(batch, state.px, chance), chance)


def advance(state: Progress, run: Any, bank: Bank, drawn: Drawn, clock: float) -> dict[str, Tensor]:
    """One step of the whole team."""
    for group in state.optimiser.param_groups:
        group["lr"] = RATE * rate(state.share)
    state.visual.train()
    losses = losses_of(encode_image(run, drawn.pixels), drawn.batch, bank, drawn.chance)
    state.optimiser.zero_grad()
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    parameters = list(state.visual.parameters())
    state.used = state.plan.team.agree(parameters, clock)
    torch.nn.utils.clip_grad_norm_(parameters, 5.0)
    state.optimiser.step()
    if state.plan.team.first:
        state.average.update(state.visual)
    state.step += 1
    return losses


def losses_of(seen: Tensor, batch: Batch, bank: Bank, chance: np.random.Generator) -> dict[str, Tensor]:
    with torch.no_grad():
        told = bank.space.vectors(batch.features())
        wanted = (BANK_SCALE * told @ bank.probes.T).softmax(1)
    examples = batch.examples()
    labelled = [at for at, (_, key) in enumerate(examples) if key]
    captioned = [at for at, (one, _) in enumerate(examples) if one.path in bank.captions]
    similar = BANK_SCALE * seen @ bank.probes.T
    found = {
        "cosine": COSINE * (1 - (seen * told).sum(1)).mean(),
        "bank": BANK * kl_div(similar.log_softmax(1), wanted, reduction="batchmean"),
        "contrast": CONTRAST * contrast(CONTRAST_SCALE * seen @ told.T, torch.eye(len(seen)).bool()),
    }
    if labelled:
        at = [bank.names.keys[examples[one][1]] for one in labelled]
        right = bank.fits[at] / bank.fits[at].sum(1, keepdim=True)
        scores = similar[labelled, : len(bank.concepts)].log_softmax(1)
        found["labels"] = LABELS * -(scores * right).sum(1).mean()
    if captioned:
        said = torch.stack([bank.caption(examples[one][0].path, chance) for one in captioned])
        owners = np.asarray([str(examples[one][0].path) for one in captioned])
        same = torch.from_numpy(owners[:, None] == owners[None, :])
        found["captions"] = CAPTIONS * contrast(CONTRAST_SCALE * seen[captioned] @ said.T, same)
    return found


def rate(progress: float) -> float:
    """Warm-up, then half a cosine down to one percent."""
    if progress < WARM:
        return max(progress / WARM, 0.01)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - WARM) / (1 - WARM)))


def optimiser_for(visual: Any) -> torch.optim.Optimizer:
    """Decay for weights only: biases and batch norms keep their scale."""
    matrices = [p for p in visual.parameters() if p.ndim > 1]
    others = [p for p in visual.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE)


class Progress:
    """What a run has come to; a checkpoint holds all of it."""

    def __init__(self, visual: Any, plan: Plan) -> None:
        self.visual, self.plan = visual, plan
        self.average = Average(visual)
        self.optimiser = optimiser_for(visual)
        self.used = 0.0
        self.step = 0
        self.px = 0

    def settle(self, px: int) -> None:
        """A new picture size begins a new average: batch statistics of two sizes do not mix."""
        if px != self.px:
            self.px, self.average = px, Average(self.visual)

    @property
    def share(self) -> float:
        return self.used / self.plan.minutes

    def save(self) -> None:
        """Written beside and renamed: an interrupted write leaves the checkpoint before."""
        modules = {"visual": self.visual.state_dict(), "average": self.average.module.state_dict()}
        counts = {"steps": self.average.steps, "used": self.used, "step": self.step, "px": self.px}
        beside = self.plan.checkpoint.with_suffix(".new")
        torch.save({**modules, **counts, "optimiser": self.optimiser.state_dict()}, beside)
        beside.replace(self.plan.checkpoint)

    def load(self) -> None:
        if not self.plan.checkpoint.exists():
            return
        state = torch.load(self.plan.checkpoint, weights_only=True)
        self.visual.load_state_dict(state["visual"])
        self.average.module.load_state_dict(state["average"])
        self.average.steps = state["steps"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.used, self.step, self.px = state["used"], state["step"], state.get("px", 0)
