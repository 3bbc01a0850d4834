"""How good the answers of a model are: P@5 over class names in three languages, recall@10 from captions to pictures.

    python bench/quality.py [--data DIR]

Asks the real daemon through its socket. DIR holds labelled-caltech101 and captioned-flickr8k-224
(../shared/data beside a checkout); Caltech-101 and Flickr8k are public, their layout there is: a labels.tsv with
file, class and a name in en, ru, uk; a captions.jsonl with file and a list of captions `en`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

from instance import Instance, instance

from kadr.connection import Connection
from kadr.protocol.messages import Item, Search

LANGUAGES = ("en", "ru", "uk")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    args = parser.parse_args()
    classes(args.data / "labelled-caltech101")
    captions(args.data / "captioned-flickr8k-224")


def classes(folder: Path) -> None:
    """P@5 of each class name: how many of the first five pictures are of that class."""
    with open(folder / "labels.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    of_class = {os.fsencode((folder / row["file"]).resolve()): row["class"] for row in rows}
    names = {row["class"]: row for row in rows}
    with instance() as ours:
        indexed(ours, folder)
        with ours.connection() as connection:
            precision = {
                language: sum(
                    of_class.get(path) == name
                    for name, row in names.items()
                    for path in found(connection, row[language], 5)
                )
                / (5 * len(names))
                for language in LANGUAGES
            }
    for language, value in precision.items():
        share = "" if language == "en" else f"   {value / precision['en']:.2f} of English"
        print(f"P@5 over {len(names)} class names, {language}: {value:.3f}{share}")


def captions(folder: Path) -> None:
    """Recall@10: how often the picture that a caption was written for is among the first ten."""
    with open(folder / "captions.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    with instance() as ours:
        indexed(ours, folder / "images")
        with ours.connection() as connection:
            for language in LANGUAGES:
                asked = [row for row in rows if row.get(language)]
                hits = sum(
                    os.fsencode((folder / "images" / row["file"]).resolve())
                    in found(connection, _first(row[language]), 10)
                    for row in asked
                )
                print(
                    f"recall@10 of {len(asked)} captions among {len(rows)} pictures, {language}: {hits / len(asked):.3f}"
                )


def indexed(ours: Instance, folder: Path) -> None:
    ours.kadr("add", folder)
    status = ours.status()
    print(
        f"{folder.name}: {status['pictures']:,} pictures, {status['failures_total']:,} failures, model {status['model']}"
    )


def found(connection: Connection, text: str, limit: int) -> list[bytes]:
    """The paths of the first *limit* answers."""
    replies = connection.ask(Search(text, limit))
    return [row["path"] for reply in replies if isinstance(reply, Item) for row in reply.rows]


def _first(captions: str | Sequence[str]) -> str:
    return captions if isinstance(captions, str) else captions[0]


if __name__ == "__main__":
    main()
