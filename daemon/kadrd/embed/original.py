"""Loads a network as open_clip made it, with the settings it was trained with: from the hub or from files.

Must not convert or judge anything.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from kadrd.embed import hub
from kadrd.embed.errors import DownloadError, ModelError
from kadrd.embed.imports import open_clip
from kadrd.embed.models import RESIZES


@dataclass(frozen=True)
class Source:
    """Where a model comes from: an open_clip architecture and its weights."""

    arch: str
    pretrained: str = ""
    """A tag of open_clip for `arch`: names the download, and the picture settings it was trained with."""
    weights: Path | None = None
    """A local file instead of the download."""
    config: Path | None = None
    """An open_clip configuration, for an architecture that open_clip does not know."""
    tokenizer: Path | None = None
    """A `tokenizer.json` instead of open_clip's own tokenizer."""

    def __str__(self) -> str:
        return f"open_clip:{self.arch}/{self.weights.name if self.weights else self.pretrained}"


@dataclass(frozen=True)
class Original:
    """The network as open_clip made it, and the settings that go with it."""

    network: Any
    dimension: int
    text: dict[str, Any]
    """open_clip's settings of the text tower."""
    size: int
    resize: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    tokenizer: Any
    """open_clip's tokenizer, or None where the user gave one."""


def load(source: Source) -> Original:
    """The network of `source` in fp32, ready to run.  Raises ModelError, DownloadError where the net fails."""
    given = _registered(source)
    described = open_clip.get_model_config(source.arch)
    if described is None:
        raise ModelError(
            f"open_clip has no architecture called {source.arch!r}.",
            "Give its configuration with `--config FILE`, or another `--arch`.",
        )
    parts = _parts_on_hub(source, described["text_cfg"])
    if parts:
        _need_transformers()
    if source.weights is None or any(not Path(part).is_dir() for part in parts):
        hub.offline_unless_reachable()
    weights = source.weights or _downloaded(source)
    tokenizer = None if source.tokenizer else _tokenizer(source)
    network = _network(source, weights, _picture_settings(source) | given).eval().float()
    prepared = open_clip.get_model_preprocess_cfg(network)
    return Original(
        network=network,
        dimension=int(described["embed_dim"]),
        text=described["text_cfg"],
        size=_side(prepared["size"]),
        resize=_resize(prepared),
        mean=_triple(prepared["mean"]),
        std=_triple(prepared["std"]),
        tokenizer=tokenizer,
    )


def first_line(error: BaseException) -> str:
    """The beginning of what went wrong at the root of `error`, for one line of text."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _registered(source: Source) -> dict[str, Any]:
    """Makes `--config` known to open_clip under the architecture's name; its picture settings come back."""
    if source.config is None:
        return {}
    try:
        described = json.loads(source.config.read_text(encoding="utf-8"))
        network = described.get("model_cfg", described)
        network["embed_dim"], network["vision_cfg"], network["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{source.config} is no open_clip configuration ({error!r}).",
            "It needs embed_dim, vision_cfg and text_cfg.",
        ) from error
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / f"{source.arch}.json"
        copy.write_text(json.dumps(network), encoding="utf-8")
        open_clip.add_model_config(copy)
    return dict(described.get("preprocess_cfg", {}))


def _picture_settings(source: Source) -> dict[str, Any]:
    """How pictures were prepared in training: of the tag, else what all tags of the architecture agree on."""
    wanted = (
        [source.pretrained] if source.pretrained else open_clip.list_pretrained_tags_by_model(source.arch)
    )
    known = [open_clip.get_pretrained_cfg(source.arch, tag) for tag in wanted]
    keys = ("mean", "std", "interpolation", "resize_mode")
    return {
        key: known[0][key]
        for key in keys
        if known and key in known[0] and all(one.get(key) == known[0][key] for one in known)
    }


def _parts_on_hub(source: Source, text: dict[str, Any]) -> list[str]:
    """Names of what open_clip leaves to transformers: the plan of the text tower, and the tokenizer."""
    tower, tokenizer = text.get("hf_model_name"), text.get("hf_tokenizer_name")
    return [str(name) for name in (tower, None if source.tokenizer else tokenizer) if name]


def _need_transformers() -> None:
    """Raises ModelError now, and not after a long download."""
    try:
        import_module("transformers")
    except ImportError as error:
        raise ModelError(
            "This model needs the library transformers.", "Install it with `pip install transformers`."
        ) from error


def _downloaded(source: Source) -> Path:
    tag = open_clip.get_pretrained_cfg(source.arch, source.pretrained)
    if not tag:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(source.arch)) or "none"
        raise ModelError(
            f"open_clip has no weights called {source.pretrained!r} for {source.arch} (it has: {tags}).",
            "Choose one of these, or give a local file with `--weights FILE`.",
        )
    place = f"{hub.place()}/{tag['hf_hub'].strip('/')}" if tag.get("hf_hub") else str(tag.get("url"))
    found = _fetched(
        lambda: open_clip.download_pretrained(tag), f"weights of {source}", place, "--weights FILE"
    )
    return Path(found)


def _tokenizer(source: Source) -> Any:
    def fetch() -> Any:
        return open_clip.get_tokenizer(source.arch)

    return _fetched(fetch, f"tokenizer of {source.arch}", hub.place(), "--tokenizer FILE")


def _fetched(fetch: Callable[[], Any], what: str, place: str, option: str) -> Any:
    """What `fetch` brings.  Every failure of it is one of the network or of the place at its other end."""
    try:
        return fetch()
    except Exception as error:
        why = "no answer, or downloads are turned off" if hub.offline() else first_line(error)
        raise DownloadError(
            f"The {what} could not be downloaded from {place} ({why}).",
            f"Try again later, or download them on another computer and give them with `{option}`.",
        ) from error


def _network(source: Source, weights: Path, settings: dict[str, Any]) -> Any:
    if not weights.is_file():
        raise ModelError(f"{weights} is not a file.", "Give the file of the weights: `--weights FILE`.")
    try:
        return open_clip.create_model(
            source.arch,
            pretrained=str(weights),
            force_preprocess_cfg=settings,
            pretrained_text=False,
            require_pretrained=True,
            weights_only=True,
        )
    except OSError as error:
        # The weights are here: what is missing is the plan of a text tower that is kept on the hub.
        raise DownloadError(
            f"The plan of the text tower could not be downloaded from {hub.place()} ({first_line(error)}).",
            "Try again later, or copy the hub's cache folder from another computer.",
        ) from error
    except Exception as error:
        raise ModelError(
            f"{weights} does not fit the architecture {source.arch} ({first_line(error)}).",
            "Give the `--arch` that the weights were trained with, or another file.",
        ) from error


def _side(size: Any) -> int:
    sides = set(size) if isinstance(size, list | tuple) else {size}
    if len(sides) != 1:
        raise ModelError(f"This model reads pictures of {size}, not squares.", "Choose another model.")
    return int(sides.pop())


def _resize(prepared: dict[str, Any]) -> str:
    kind = str(prepared.get("resize_mode", "shortest"))
    if kind not in RESIZES:
        raise ModelError(f"This model pads its pictures ({kind}).", "Choose another model.")
    return kind


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
