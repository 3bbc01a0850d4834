"""What the frozen teacher says of every view, kept in memory-mapped files so that training never waits for it.

The cache of one source is a folder: ``pixels.u8`` (N, px, px, 3), ``features.u8`` (N, 1024), ``rows.tsv`` (the picture
and view of each row) and ``done`` (how many rows hold, so that an interrupted run goes on). Only ``fill`` writes it.
The teacher is a quantised TFLite file; it is never part of a model folder.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kadrd.learn.corpus import Example
from kadrd.learn.views import TEACHER_SIZE, cut

WIDTH = 1024
__all__ = ["TEACHER_SIZE", "Cache", "Kind", "fill", "said", "start"]
CHUNK = 256
PROCESSES = 2
Bytes = npt.NDArray[np.uint8]
Job = tuple[Path, int, int]


@dataclass(frozen=True)
class Kind:
    """How many views of a picture, and their size in pixels."""

    views: int
    px: int


@dataclass(frozen=True)
class Cache:
    """Rows of one source: which example, its pixels and the teacher's features."""

    example: npt.NDArray[np.int64]
    pixels: Bytes
    features: Bytes


def fill(folder: Path, examples: Sequence[Example], teacher: Path, kind: Kind) -> Cache:
    """Computes what is missing, prints progress, and opens the cache."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = len(examples) * kind.views
    pixels = open_rows(folder / "pixels.u8", (rows, kind.px, kind.px, 3))
    features = open_rows(folder / "features.u8", (rows, WIDTH))
    done_file = folder / "done"
    done = int(done_file.read_text()) if done_file.exists() else 0
    jobs = [(one.path, kind.views, kind.px) for one in examples[done:]]
    for small, features_said in looked(jobs, teacher):
        at = done * kind.views
        pixels[at : at + kind.views], features[at : at + kind.views] = small, features_said
        done += 1
        if done % CHUNK == 0 or done == len(examples):
            done_file.write_text(str(done))
            print(f"teacher {folder.name} {done}/{len(examples)}", flush=True)
    return Cache(np.repeat(np.arange(len(examples)), kind.views), pixels, features)


def looked(jobs: Sequence[Job], teacher: Path) -> Iterator[tuple[Bytes, Bytes]]:
    """The results in the order of the jobs; where there is nothing to do no process is started."""
    if jobs:
        with multiprocessing.get_context("spawn").Pool(PROCESSES, start, (str(teacher),)) as pool:
            yield from pool.imap(look, jobs, chunksize=16)


def open_rows(path: Path, shape: tuple[int, ...]) -> Bytes:
    known = path.exists() and path.stat().st_size == int(np.prod(shape))
    return np.memmap(path, np.uint8, "r+" if known else "w+", shape=shape)


_interpreter: list[Any] = []


def start(teacher: str) -> None:
    """Each process keeps its own interpreter: two of one thread are faster than one of two."""
    from ai_edge_litert.interpreter import Interpreter

    _interpreter.append(Interpreter(teacher, num_threads=1))
    _interpreter[0].allocate_tensors()


def look(job: Job) -> tuple[Bytes, Bytes]:
    path, views, px = job
    pictures = cut(path, views)
    small = np.stack(
        [np.asarray(p.resize((px, px), Image.Resampling.BICUBIC, reducing_gap=None)) for p in pictures]
    )
    return small.astype(np.uint8), np.stack(list(said(pictures)))


def said(pictures: Sequence[Image.Image]) -> Iterator[Bytes]:
    runs = _interpreter[0]
    into, out = runs.get_input_details()[0]["index"], runs.get_output_details()[0]["index"]
    for picture in pictures:
        runs.set_tensor(into, np.asarray(picture, np.uint8)[None])
        runs.invoke()
        yield runs.get_tensor(out).reshape(-1).copy()
