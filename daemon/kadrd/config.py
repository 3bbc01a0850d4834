"""kadr.toml as one frozen Config. The only reader of the file; unknown keys are refused with the nearest known one."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

PRIORITIES = ("idle", "low", "normal")
CARRIERS = ("xattr", "sidecar", "embedded")
"""places for tags, the one first that changes least"""
LANGUAGES = ("en", "ru", "uk")
SIDECARS = ("full", "adobe")


class ConfigError(Exception):
    """The settings cannot be used; the message says which and what to write instead."""


@dataclass(frozen=True)
class Worker:
    """The process that reads, decodes and encodes pictures."""

    priority: str = "idle"
    threads: int = 0  # 0: one for each core
    memory_mb: int = 8192
    file_seconds: float = 20.0  # of processor time on each thread; 15 times as long by the clock
    idle_seconds: float = 30.0


@dataclass(frozen=True)
class Scan:
    """How the tree is watched."""

    quiet_seconds: float = 2.0
    rescan_hours: float = 1.0  # 0: never by the clock
    gone_seconds: float = 60.0
    hang_seconds: float = 20.0
    hidden: bool = False
    ignore: tuple[str, ...] = ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found")


@dataclass(frozen=True)
class Index:
    """How vectors are kept ready."""

    seal_at: int = 8192
    shard_size: int = 65536
    keep_days: float = 30.0


@dataclass(frozen=True)
class Tags:
    """What is written on pictures as they come: nothing, until `write` names a place."""

    write: tuple[str, ...] = ()  # of CARRIERS
    threshold: float = 0.6  # the least confidence (tag/label.py, THRESHOLD)
    most: int = 5  # tags on one picture
    languages: tuple[str, ...] = ("en",)
    vocabulary: str = ""  # a file of words instead of the built-in ones
    prefix: str = ""  # before every tag, such as auto/
    fallback: bool = True  # a sidecar where a disk keeps no attributes
    sidecar: str = "full"  # IMG.jpg.xmp; adobe: IMG.xmp


@dataclass(frozen=True)
class Config:
    """Everything a user can set, with the values that stand without a file."""

    worker: Worker = field(default_factory=Worker)
    scan: Scan = field(default_factory=Scan)
    index: Index = field(default_factory=Index)
    tags: Tags = field(default_factory=Tags)


def read(path: str) -> Config:
    """The settings in *path*, or the defaults when there is no such file. Raises ConfigError."""
    if not os.path.exists(path):
        return Config()
    try:
        with open(path, "rb") as file:
            given = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Mend it or move it away.") from None
    config: Config = _filled(Config, given, path, "")
    if config.worker.priority not in PRIORITIES:
        raise ConfigError(f"{path}: worker.priority has to be one of {', '.join(PRIORITIES)}.")
    if not (config.index.seal_at and config.index.shard_size):
        raise ConfigError(f"{path}: index.seal_at and index.shard_size have to be above zero.")
    for name, values, known in (
        ("write", config.tags.write, CARRIERS),
        ("languages", config.tags.languages, LANGUAGES),
        ("sidecar", (config.tags.sidecar,), SIDECARS),
    ):
        if unknown := [value for value in values if value not in known]:
            raise ConfigError(f"{path}: tags.{name} knows {', '.join(known)}, not {unknown[0]!r}.")
    return config


def _filled(kind: Any, given: dict[str, Any], path: str, prefix: str) -> Any:
    known = {item.name: item for item in fields(kind)}
    values = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            advice = f"did you mean {prefix}{near[0]}?" if near else f"known here: {', '.join(known)}."
            raise ConfigError(f"{path}: there is no setting {prefix}{name}; {advice}")
        default = getattr(kind(), name)
        values[name] = (
            _filled(type(default), value, path, f"{name}.")
            if is_dataclass(default) and isinstance(value, dict)
            else _checked(value, default, f"{path}: {prefix}{name}")
        )
    return kind(**values)


def _checked(value: Any, default: Any, where: str) -> Any:
    if isinstance(default, tuple) and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise ConfigError(f"{where} has to be a {type(default).__name__}.")
    if isinstance(value, (int, float)) and not 0 <= value < math.inf:
        raise ConfigError(f"{where} has to be a number, and must not be negative.")
    return value
