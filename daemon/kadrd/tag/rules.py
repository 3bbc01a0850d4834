"""What shall be written on files, and where: what the user set, or asked for once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

# Where extended attributes cannot be kept, the same tags are laid beside the picture.
FALLBACK = {"xattr": "sidecar"}
FALLS_BACK = frozenset({"unsupported", "full"})


class Labels(Protocol):
    """What a picture shows, in words of a vocabulary."""

    @property
    def stamp(self) -> str:
        """Another one when the same pictures may get other words."""

    def of(self, picture_ids: Sequence[int]) -> Mapping[int, Sequence[tuple[str, float]]]:
        """(label, confidence from 0 to 1) of each picture that has a vector, the surest first. Raises ModelFailed."""


class Rules(NamedTuple):
    """Words, and places for them."""

    labels: Labels
    carriers: tuple[str, ...]
    fallback: bool = True
    """whether FALLBACK is used"""

    @property
    def stamp(self) -> str:
        """Another one when files may have to carry something else."""
        return "|".join((self.labels.stamp, *self.carriers, str(self.fallback)))
