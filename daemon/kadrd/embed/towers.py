"""The two towers of an open_clip network, each alone, and how they become OpenVINO files.

Must not judge the result: `convert` compares it with the original.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadrd.embed.errors import ModelError
from kadrd.embed.imports import torch
from kadrd.embed.original import Original, first_line
from kadrd.embed.parity import cosines
from kadrd.embed.runtime import openvino

SAME = 0.99999
"""Least cosine at which a text without its padding counts as the same text."""


def write_image(original: Original, path: Path, *, halved: bool) -> None:
    """Writes the picture tower for any number of pictures; `halved`: weights in half precision."""
    example = torch.zeros(2, 3, original.size, original.size)
    _write(_Pictures(original.network), example, [-1, *example.shape[1:]], path, halved=halved)


def write_text(original: Original, context: int, path: Path, *, short: bool, halved: bool) -> None:
    """Writes the text tower for any number of texts; `short`: of any length up to `context`."""
    tower = _Words(original.network) if short else _Text(original.network)
    example = torch.ones(2, min(context, 9) if short else context, dtype=torch.int64)
    _write(tower, example, [-1, -1 if short else context], path, halved=halved)


def padding_is_idle(original: Original, padded: NDArray[np.int64], pad: int) -> bool:
    """Whether texts can be run without their padding: the architecture allows it and the vectors agree."""
    if not _padding_may_be_idle(original.text):
        return False
    whole, tower = _Text(original.network), _Words(original.network)
    lengths = [int(np.flatnonzero(row != pad).max()) + 1 for row in padded]
    rows = [torch.from_numpy(row[None]) for row in padded]
    short = [tower(row[:, :length]).numpy()[0] for row, length in zip(rows, lengths, strict=True)]
    return bool(cosines(whole(torch.cat(rows)).numpy(), np.stack(short)).min() >= SAME)


def _padding_may_be_idle(text: dict[str, Any]) -> bool:
    """Causal towers read at the end token, and towers from the hub, which mask their padding."""
    if text.get("hf_model_name"):
        return True
    read_at_end = text.get("pool_type", "argmax") in ("argmax", "eos")
    return read_at_end and not text.get("no_causal_mask") and not text.get("embed_cls")


def _write(module: Any, example: Any, shape: Sequence[int], path: Path, *, halved: bool) -> None:
    try:
        graph = openvino.convert_model(
            module, example_input=example, input=openvino.PartialShape(list(shape))
        )
    except Exception as error:
        raise ModelError(
            f"The architecture of this model cannot be converted ({first_line(error)}).",
            "Choose another model.",
        ) from error
    openvino.save_model(graph, path, compress_to_fp16=halved)


class _Pictures(torch.nn.Module):
    """open_clip's picture tower alone."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Any) -> Any:
        return self.network.encode_image(planes)


class _Text(torch.nn.Module):
    """open_clip's text tower alone."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Any) -> Any:
        return self.network.encode_text(ids)


class _Words(torch.nn.Module):
    """open_clip's text tower for rows of any length: its position table and causal mask are cut to fit.

    The tower reads both as attributes of itself, so they are taken out of a shallow twin of it, which shares
    every weight with the original, and set to the right length in each call.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = own = _twin(network)
        if hasattr(network, "text"):
            self.network.text = own = _twin(network.text)
        self.table = own._parameters.pop("positional_embedding", None)  # noqa: SLF001 - torch has no other way
        self.mask = own._buffers.pop("attn_mask", None)  # noqa: SLF001 - torch has no other way

    def forward(self, ids: Any) -> Any:
        length = ids.shape[1]
        own = getattr(self.network, "text", self.network)
        if self.table is not None:
            own.positional_embedding = self.table[:length]
        if self.mask is not None:
            own.attn_mask = self.mask[:length, :length]
        return self.network.encode_text(ids)


def _twin(module: Any) -> Any:
    twin = copy.copy(module)
    for registry in ("_parameters", "_buffers", "_modules"):
        setattr(twin, registry, dict(getattr(module, registry)))
    return twin
