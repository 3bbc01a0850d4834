"""How long an answer takes: `kadr "..."` as a whole process, and a search alone, with the daemon warm.

    python bench/query.py FOLDER [--runs N]

Medians over N runs. `python -c pass` is timed in the same loop, turn by turn: it is the part of a command that no
client written in Python can save, and the yardstick on a noisy machine.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instance import Instance, instance

from kadr.protocol.messages import Item, Search

QUERIES = (
    "red bicycle in snow",
    "кот на диване",
    "човен на озері",
    "a crowd at night",
    "чашка кофе",
    "стара вежа",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="pictures to search")
    parser.add_argument("--runs", type=int, default=30)
    args = parser.parse_args()
    with instance() as ours:
        ours.kadr("add", args.folder)
        print(f"{ours.status()['pictures']:,} pictures")
        whole_process(ours, args.runs)
        through_the_socket(ours, args.runs)


def whole_process(ours: Instance, runs: int) -> None:
    ours.kadr(QUERIES[0])
    empty, asked = [], []
    for query in itertools.islice(itertools.cycle(QUERIES), runs):
        empty.append(timed(subprocess.run, [sys.executable, "-c", "pass"]))
        asked.append(timed(ours.kadr, query))
    report("python -c pass, whole process", empty)
    report('kadr "...", whole process', asked)


def through_the_socket(ours: Instance, runs: int) -> None:
    with ours.connection() as connection:

        def search(text: str) -> int:
            return sum(len(reply.rows) for reply in connection.ask(Search(text)) if isinstance(reply, Item))

        new = [timed(search, f"{QUERIES[0]} {number}") for number in range(runs)]
        known = [timed(search, QUERIES[0]) for _ in range(runs)]
    report("search through the socket, new words", new)
    report("search through the socket, words asked before", known)


def timed(do: Callable[[Any], object], what: Any) -> float:
    """Milliseconds that do(what) takes."""
    started = time.perf_counter()
    do(what)
    return (time.perf_counter() - started) * 1000


def report(what: str, times: list[float]) -> None:
    print(f"{what}: median {statistics.median(times):.1f} ms (least {min(times):.1f}, most {max(times):.1f})")


if __name__ == "__main__":
    main()
