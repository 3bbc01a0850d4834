"""How good vectors are at finding pictures: precision by class name and recall by caption.

Pure functions on unit vectors (rows) and labels; nothing here reads a picture, a clock or a model, except the small
command at the end, which reads arrays. Both functions rank by dot product, ties by the lower index.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.floating[Any]]


def precision_at(
    queries: Vectors, pictures: Vectors, wanted: Sequence[str], picture_classes: Sequence[str], k: int
) -> float:
    """The mean share of the first ``k`` pictures that are of the wanted class."""
    classes = np.asarray(picture_classes)
    hits = classes[first(queries, pictures, k)] == np.asarray(wanted)[:, None]
    return float(hits.mean())


def recall_at(queries: Vectors, pictures: Vectors, wanted_index: Sequence[int], k: int) -> float:
    """The share of queries whose one wanted picture is among the first ``k``."""
    hits = first(queries, pictures, k) == np.asarray(wanted_index)[:, None]
    return float(hits.any(axis=1).mean())


def first(queries: Vectors, pictures: Vectors, k: int) -> npt.NDArray[np.intp]:
    """The indices of the best ``k`` pictures for each query, best first."""
    return np.argsort(-(queries @ pictures.T), axis=1, kind="stable")[:, :k]


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m kadrd.learn.evaluate QUERIES.npy PICTURES.npy WANTED.txt [CLASSES.txt]``: prints P@5 or recall@10."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("queries", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("wanted", type=Path, help="one class, or one picture index, a line for each query")
    parser.add_argument("classes", type=Path, nargs="?", help="one class a line for each picture")
    args = parser.parse_args(argv)
    queries, pictures = np.load(args.queries), np.load(args.pictures)
    wanted = args.wanted.read_text(encoding="utf-8").splitlines()
    if args.classes:
        classes = args.classes.read_text(encoding="utf-8").splitlines()
        print(f"P@5 {precision_at(queries, pictures, wanted, classes, 5):.4f}")
    else:
        print(f"recall@10 {recall_at(queries, pictures, [int(w) for w in wanted], 10):.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
