"""Several processes that train one network, one thread each: on a shared machine they wait for each other once a
step instead of at every operation. The first process keeps the clock and the average, and alone writes and reports.

It must not know what is trained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Team:
    """Who this process is among how many."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def agree(self, parameters: list[Tensor], clock: float) -> float:
        """Makes the gradients of all processes their mean, and returns the first process's clock."""
        if self.size == 1:
            return clock
        grads = [one.grad for one in parameters if one.grad is not None]
        told = torch.tensor([clock * self.size if self.first else 0.0])
        flat = torch.cat([*(grad.reshape(-1) for grad in grads), told])
        distributed.all_reduce(flat)
        flat /= self.size
        at = 0
        for grad in grads:
            grad.copy_(flat[at : at + grad.numel()].view_as(grad))
            at += grad.numel()
        return float(flat[-1])


@contextlib.contextmanager
def joined(rank: int, size: int, meet: Path) -> Iterator[Team]:
    """A member of the team for as long as the block runs; ``meet`` is a file that did not exist before."""
    if size > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=size)
    try:
        yield Team(rank, size)
    finally:
        if size > 1:
            distributed.destroy_process_group()


@contextlib.contextmanager
def all_cores(team: Team) -> Iterator[None]:
    """While the others wait, the first process may use their cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(threads * team.size)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
