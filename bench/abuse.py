"""What a good client notices of bad ones: its times when all is quiet, and beside slow, hostile and greedy clients.

    python bench/abuse.py FOLDER MORE [--queries 200] [--only NAME ...]

FOLDER is indexed first and stays as it is. Pictures made of those in MORE, each another one, are indexed while it
measures. The good client is a person: a query every 50 ms over one connection, and another that connects anew each
time. The bad ones run in processes of their own, so that the daemon is measured and not they; they share its cores
all the same. Every answer, of the good and of the greedy, is compared with the quiet one: the pictures of FOLDER in
it have to be the same, in the same order. A greedy client may hear `busy`; then it waits as long as it is told.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from abusers import LIMIT, TEXTS, Answer, abusers, ask_of, fuzz, greedy, loris
from instance import Instance, instance

from kadr.connection import Connection
from kadr.protocol import messages
from kadr.protocol.errors import KadrError
from kadr.protocol.messages import Item, Status

PACE_SECONDS = 0.05
# Every search is exact, so that an answer that differs is wrong and not merely approximate.
SETTINGS = ("[index]", "seal_at = 100000")
LORIS, FUZZERS, GREEDY = 100, 8, 64
SAME_SCORE = (
    2e-4  # cosines come with four digits, and a sum of floats depends on how many rows are multiplied at once
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="pictures to search")
    parser.add_argument("more", type=Path, help="pictures of which new ones are made meanwhile")
    parser.add_argument("--queries", type=int, default=200, help="of each greedy client")
    parser.add_argument("--samples", type=int, default=300, help="queries of the good client in each phase")
    parser.add_argument("--client", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument(
        "--only", nargs="+", choices=("loris", "fuzz", "greedy"), default=("loris", "fuzz", "greedy")
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kadr-more-") as top, instance(SETTINGS) as ours:
        ours.kadr("add", args.folder)
        print(f"{ours.status()['pictures']:,} pictures, {os.cpu_count()} cores")
        truth = Truth(ours, os.fsencode(args.folder.resolve()))
        bench = Bench(ours, truth, samples=args.samples, queries=args.queries, more=args.more, top=Path(top))
        bench.run(args.only, args.client)


class Truth:
    """What the daemon answers when nobody disturbs it."""

    def __init__(self, ours: Instance, folder: bytes) -> None:
        self._under = folder + b"/"
        with ours.connection() as connection:
            self.answers = [rows_of(connection, text) for text in TEXTS]

    def agrees(self, number: int, answer: Answer) -> bool:
        """Whether *answer* to the text *number* shows what it has to show of the folder that does not change."""
        known, given = self.answers[number], {p: s for p, s in answer.items() if p.startswith(self._under)}
        last = min(known.values())  # one that is as good may be there instead of the last
        if len(answer) != LIMIT or any(abs(known.get(p, last) - s) > SAME_SCORE for p, s in given.items()):
            return False
        least = min(answer.values()) + SAME_SCORE
        return all(path in given for path, score in known.items() if score > least)


class Times(NamedTuple):
    """Milliseconds of one client in one phase, and how often it was answered wrongly or refused."""

    taken: list[float]
    wrong: int
    errors: Counter[str]

    def __str__(self) -> str:
        p50, p99 = statistics.median(self.taken), sorted(self.taken)[int(len(self.taken) * 0.99)]
        return f"{p50:7.1f} {p99:7.1f} {max(self.taken):7.1f}  {len(self.taken):5} {self.wrong:3} {dict(self.errors) or ''}"


class Bench:
    """The phases, one after the other, against one daemon."""

    def __init__(
        self, ours: Instance, truth: Truth, *, samples: int, queries: int, more: Path, top: Path
    ) -> None:
        self._ours, self._truth, self._samples, self._queries = ours, truth, samples, queries
        self._more, self._top, self._round = more, top, 0

    def run(self, only: Sequence[str], clients: Sequence[str]) -> None:
        print(f"{'ms':34}    p50     p99    most      n  wrong  errors")
        self._base: dict[str, float] = {}
        ours, samples = self._ours, self._samples
        for name in clients:
            times = CLIENTS[name](ours, self._truth, samples, lambda: False)
            self._base[name] = statistics.median(times.taken)
            print(f"{'quiet: ' + name:34} {times}")
        for phase in only:
            for name in clients:
                getattr(self, f"_beside_{phase}")(name)
        if "greedy" in only:
            self._quiet_again(clients)
        print(f"daemon alive: {Path(f'/proc/{ours.pid()}').exists() if os.path.isdir('/proc') else '?'}")

    def _beside_loris(self, name: str) -> None:
        with abusers([(loris, (self._ours.paths.socket, LORIS))]):
            self._measure(f"{LORIS} slow-loris", name, lambda: False)

    def _beside_fuzz(self, name: str) -> None:
        with abusers([(fuzz, (self._ours.paths.socket, FUZZERS))]) as results:
            self._measure("fuzzed frames", name, lambda: False)
        print(f"    {results()[0]:,} fuzzed frames")

    def _beside_greedy(self, name: str) -> None:
        self._arrive()
        before = self._ours_status()
        with abusers([(greedy, (self._ours.paths.socket, GREEDY, self._queries))]) as results:
            started = time.monotonic()
            self._measure(
                f"{GREEDY} greedy, indexing", name, lambda: bool(results(wait=False)), samples=10**6
            )
            done = results()[0]
            seconds = time.monotonic() - started
        after = self._ours_status()
        wrong = sum(not self._truth.agrees(number, answer) for number, answer in done["answers"])
        taken = sorted(done["taken"])
        print(
            f"    they: {len(taken):,} answers in {seconds:.0f} s, p50 {taken[len(taken) // 2]:.0f} ms, "
            f"p99 {taken[int(len(taken) * 0.99)]:.0f} ms, of the slowest client p50 {done['slowest']:.0f} ms, "
            f"wrong {wrong}, errors {dict(done['errors'])}, own processor {done['cpu']:.0f} s; "
            f"{after['encodes'] - before['encodes']:,} pictures encoded meanwhile, {after['pending']:,} wait"
        )

    def _quiet_again(self, clients: Sequence[str]) -> None:
        """What a query takes with all the pictures that have come: part of what it took beside the greedy is their number."""
        while self._ours_status()["pending"]:
            time.sleep(0.1)
        count = self._ours_status()["pictures"]
        for name in clients:
            times = CLIENTS[name](self._ours, self._truth, self._samples, lambda: False)
            print(f"{f'quiet, {count:,} pictures: {name}':34} {times}")

    def _ours_status(self) -> dict[str, Any]:
        with self._ours.connection() as connection:
            return connection.end(Status())

    def _measure(self, what: str, name: str, over: Callable[[], bool], samples: int = 0) -> None:
        pid = self._ours.pid()
        before = rss(pid)
        times = CLIENTS[name](self._ours, self._truth, samples or self._samples, over)
        p50, p99 = statistics.median(times.taken), sorted(times.taken)[int(len(times.taken) * 0.99)]
        base = self._base[name]
        print(f"{what + ': ' + name:34} {times}")
        print(
            f"    {p50 / base:.1f} and {p99 / base:.1f} times the quiet median; RSS {before:.0f} -> {rss(pid):.0f} MB"
        )

    def _arrive(self) -> None:
        """Make new pictures and let them be found, and be back when some are being encoded."""
        root = self._top / "arriving"
        if not root.exists():
            root.mkdir()
            with self._ours.connection() as connection:
                connection.end(messages.Add(os.fsencode(root)))
        self._round += 1
        staged = self._top / f"staged-{self._round}"
        staged.mkdir()
        for number, (turn, path) in enumerate(itertools.product(range(4), sorted(self._more.rglob("*.jpg")))):
            (staged / f"{number}.jpg").write_bytes(altered(path.read_bytes(), turn + 4 * self._round))
        begun = self._ours_status()["encodes"]
        shutil.move(staged, root / f"{self._round}")
        while self._ours_status()["encodes"] == begun:
            time.sleep(0.1)


def altered(jpeg: bytes, turn: int) -> bytes:
    """Another picture that looks nearly the same: some bits near the end of its scan are others."""
    data = bytearray(jpeg)
    at = len(data) * 7 // 8
    while {0xFF, 0x00} & set(data[at - 1 : at + 4]):
        at += 1
    data[at : at + 2] = bytes((1 + turn % 200, 1 + turn // 200))
    return bytes(data)


# The good client


def paced(ours: Instance, truth: Truth, samples: int, over: Callable[[], bool]) -> Times:
    """One connection, a query every 50 ms."""
    with ours.connection() as connection:
        return times_of(lambda text: rows_of(connection, text), truth, samples, over, PACE_SECONDS)


def anew(ours: Instance, truth: Truth, samples: int, over: Callable[[], bool]) -> Times:
    """A new connection for every query, as the command `kadr` does."""

    def ask(text: str) -> Answer:
        with ours.connection() as connection:
            return rows_of(connection, text)

    return times_of(ask, truth, samples, over, PACE_SECONDS)


def closed_loop(ours: Instance, truth: Truth, samples: int, over: Callable[[], bool]) -> Times:
    """One connection without a pause: a greedy client itself."""
    with ours.connection() as connection:
        return times_of(lambda text: rows_of(connection, text), truth, samples, over, 0)


CLIENTS = {"paced": paced, "anew": anew, "closed": closed_loop}


def times_of(
    ask: Callable[[str], Answer], truth: Truth, samples: int, over: Callable[[], bool], pause: float
) -> Times:
    taken, wrong, errors = [], 0, Counter[str]()
    chance = random.Random(3)
    while len(taken) < samples and not (taken and over()):
        number = chance.randrange(len(TEXTS))
        started = time.perf_counter()
        try:
            answer = ask(TEXTS[number])
        except KadrError as error:
            errors[error.code] += 1
            time.sleep(max(pause, error.retry_ms / 1000))
            continue
        took = time.perf_counter() - started
        taken.append(took * 1000)
        wrong += not truth.agrees(number, answer)
        time.sleep(max(0, pause - took))
    return Times(taken, wrong, errors)


def rows_of(connection: Connection, text: str) -> Answer:
    replies = connection.ask(ask_of(text))
    return {
        row["path"]: row["why"]["cosine"]
        for reply in replies
        if isinstance(reply, Item)
        for row in reply.rows
    }


def rss(pid: int) -> float:
    """Resident megabytes; 0 where there is no /proc."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


if __name__ == "__main__":
    main()
