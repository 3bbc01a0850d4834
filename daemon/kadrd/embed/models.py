"""Model folders: what a model is, where models lie, which one is chosen.

A folder is read here and nowhere else.  Must not import a third-party library: the daemon reads models
before it has loaded any.
"""

import contextlib
import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

from kadrd.embed.clean import CLEANERS
from kadrd.embed.errors import ModelError

FORMAT = 1
FILES = ("image.xml", "image.bin", "text.xml", "text.bin", "tokenizer.json")
RESIZES = ("shortest", "squash")
BUILTIN = Path(__file__).parents[1] / "models"
DEFAULT = "mini"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_AGAIN = "Add it again with `kadrd model add`, or choose another with `kadrd model use`."


@dataclass(frozen=True)
class Model:
    """One model, as its `model.json` describes it."""

    folder: Path
    name: str
    source: str
    licence: str
    dimension: int
    size: int
    """Side of the square picture, in pixels."""
    resize: str
    """How a picture becomes square: `shortest` side to `size` and centre crop, or `squash`."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    context: int
    """Longest text, in tokens."""
    causal: bool
    """Padding cannot change the answer (measured at conversion), so only the tokens present are run."""
    pad: int
    clean: str
    """How text is cleaned before the tokenizer: a name in `clean.CLEANERS`."""
    logit_scale: float
    """What a cosine was multiplied by in training."""
    logit_bias: float
    languages: tuple[str, ...]
    precision: Mapping[str, str]
    """Per tower: `fp32`, `fp16` (weights only) or `int8`."""
    parity: Mapping[str, float]
    """How closely the towers follow the original, as measured at conversion."""
    checksums: Mapping[str, str]
    fingerprint: str
    """Changes with any weight or setting: vectors of two fingerprints are never compared."""


def read(folder: Path) -> Model:
    """The model in `folder`.  Raises ModelError where it is missing, foreign, newer or has bad values."""
    raw = _bytes(folder)
    facts = _facts(folder, raw)
    try:
        model = _model(folder, facts, blake2b(raw, digest_size=16).hexdigest())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{folder / 'model.json'} does not describe a model ({error!r}).", _AGAIN) from error
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"The model in {folder} lacks {', '.join(missing)}.", _AGAIN)
    return model


def check(model: Model) -> None:
    """Reads every file of the model and compares checksums.  Raises ModelError at the first that differs."""
    for name, expected in model.checksums.items():
        if checksum(model.folder / name) != expected:
            raise ModelError(f"{model.folder / name} is damaged: its checksum differs.", _AGAIN)


def seal(folder: Path, facts: Mapping[str, Any]) -> Model:
    """Writes `model.json` last, over the files that `folder` holds, and reads the model back.

    `facts` is what `model.json` says besides `format` and `files`.  Raises ModelError on bad values.
    """
    described = {"format": FORMAT, **facts, "files": {name: checksum(folder / name) for name in FILES}}
    replace(folder / "model.json", json.dumps(described, indent=2, ensure_ascii=False) + "\n")
    return read(folder)


def checksum(path: Path) -> str:
    """blake2b-256 of a file, as hex."""
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=32)).hexdigest()


def replace(path: Path, text: str) -> None:
    """Writes `path` whole: a reader sees the old text or the new, also after a power cut."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Makes the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def good_name(name: str) -> str:
    """`name`, if a model may be called so.  Raises ModelError otherwise."""
    if _NAME.fullmatch(name):
        return name
    raise ModelError(
        f"A model cannot be called {name!r}.", "Use lower-case letters, digits, dots, dashes and underscores."
    )


class Shelf:
    """The models of this machine: the built-in ones, read-only, and those the user installed.

    Only `kadrd model` commands write; the daemon reads.
    """

    def __init__(self, builtin: Path, installed: Path) -> None:
        """Both are folders that hold one folder per model; `installed` need not exist yet."""
        self.builtin, self.installed = builtin, installed

    def names(self) -> tuple[str, ...]:
        """Every model that is in place, damaged ones too, sorted."""
        return tuple(sorted({*_listed(self.builtin), *_listed(self.installed)}))

    def find(self, name: str) -> Model:
        """The model called `name`.  Raises ModelError where there is none or it cannot be read."""
        if not _NAME.fullmatch(name) or name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise ModelError(
                f"No model is called {name!r} (installed: {known}).", "Add it with `kadrd model add`."
            )
        model = read(self._folder(name))
        if model.name != name:
            raise ModelError(
                f"The folder {model.folder} holds the model {model.name!r}.", "Rename the folder so."
            )
        return model

    def readable(self) -> list[Model]:
        """Every model that can be read; the others are left out."""
        found = []
        for name in self.names():
            with contextlib.suppress(ModelError):
                found.append(self.find(name))
        return found

    def serving(self, fingerprint: str | None) -> Model:
        """The model with this fingerprint, else the chosen one.  Raises ModelError where that is gone or damaged."""
        return next((m for m in self.readable() if m.fingerprint == fingerprint), None) or self.chosen()

    def chosen_name(self) -> str:
        """The name of the model that vectors are made with; `mini` until the user chooses."""
        try:
            return (self.installed / "current").read_text(encoding="utf-8").strip() or DEFAULT
        except FileNotFoundError:
            return DEFAULT
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{self.installed / 'current'} cannot be read ({error}).", _CHOOSE) from error

    def chosen(self) -> Model:
        """The model that vectors are made with.  Raises ModelError where it is gone or damaged."""
        return self.find(self.chosen_name())

    def choose(self, name: str) -> Model:
        """Makes `name` the chosen model, durably.  Raises ModelError where it is not whole."""
        model = self.find(name)
        check(model)
        self.installed.mkdir(parents=True, exist_ok=True)
        replace(self.installed / "current", name + "\n")
        return model

    def remove(self, name: str) -> None:
        """Deletes an installed model, damaged or not.  Refuses the chosen and the built-in ones."""
        if name in _listed(self.builtin):
            raise ModelError(f"{name} is built in and stays.", _CHOOSE)
        if name not in _listed(self.installed):
            raise ModelError(f"No model is called {name!r}.", "`kadrd model list` shows what there is.")
        if name == self.chosen_name():
            raise ModelError(f"{name} is in use.", "Choose another first: `kadrd model use mini`.")
        # Renamed first: a removal that is cut short leaves no half model under a name.
        doomed = self.installed / f".removed-{name}.{os.getpid()}"
        (self.installed / name).rename(doomed)
        shutil.rmtree(doomed)

    def _folder(self, name: str) -> Path:
        return (self.builtin if name in _listed(self.builtin) else self.installed) / name


_CHOOSE = "`kadrd model use NAME` chooses another model."


def _listed(shelf: Path) -> list[str]:
    """Folders with a model's name and a `model.json`: temporary ones begin with a dot and never match."""
    try:
        inside = list(shelf.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path.name for path in inside if _NAME.fullmatch(path.name) and (path / "model.json").is_file()]


def _bytes(folder: Path) -> bytes:
    try:
        return (folder / "model.json").read_bytes()
    except OSError as error:
        raise ModelError(f"There is no model in {folder} ({error.strerror}).", _AGAIN) from error


def _facts(folder: Path, raw: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(raw)
        version = facts["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder / 'model.json'} was not written by kadr.", _AGAIN) from error
    if not isinstance(version, int) or version < 1:
        raise ModelError(f"{folder / 'model.json'} was not written by kadr.", _AGAIN)
    if version > FORMAT:
        raise ModelError(
            f"The model in {folder} is of format {version}, this kadr reads {FORMAT}.",
            "Install a newer kadr, or choose another model with `kadrd model use`.",
        )
    return dict(facts)


def _model(folder: Path, facts: dict[str, Any], fingerprint: str) -> Model:
    image, text = facts["image"], facts["text"]
    return Model(
        folder=folder,
        name=good_name(_text(facts["name"])),
        source=_text(facts["source"]),
        licence=_text(facts["licence"]),
        dimension=_whole(facts["dimension"], 1, 65_536),
        size=_whole(image["size"], 8, 4_096),
        resize=_one_of(image.get("resize", "shortest"), RESIZES),
        mean=_triple(image["mean"]),
        std=_positive(_triple(image["std"])),
        context=_whole(text["context"], 3, 65_536),
        causal=_truth(text["causal"]),
        pad=_whole(text["pad"], 0, 2**31),
        clean=_one_of(text.get("clean", "lower"), tuple(CLEANERS)),
        logit_scale=_number(facts["logit_scale"]),
        logit_bias=_number(facts.get("logit_bias", 0.0)),
        languages=tuple(_text(language) for language in facts["languages"]),
        precision={_text(tower): _text(kind) for tower, kind in facts["precision"].items()},
        parity={_text(what): _number(figure) for what, figure in facts["parity"].items()},
        checksums={name: _text(facts["files"][name]) for name in FILES},
        fingerprint=fingerprint,
    )


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is not text")


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is neither true nor false")


def _whole(value: object, low: int, high: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise ValueError(f"{value!r} is not between {low} and {high}")


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(f"{value!r} is not a number")


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = (_number(value) for value in values)
    return red, green, blue


def _positive(values: tuple[float, float, float]) -> tuple[float, float, float]:
    if min(values) > 0:
        return values
    raise ValueError(f"{values} must be above zero")


def _one_of(value: object, known: tuple[str, ...]) -> str:
    if value in known:
        return str(value)
    raise ValueError(f"{value!r} is none of {', '.join(known)}")
