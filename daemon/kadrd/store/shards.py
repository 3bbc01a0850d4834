"""The index of one model: sealed shards, and a segment for what came after them.

`apply(rows)`, `search(vector, k)`, `search_exactly(vector, k, allowed)`, `vectors_of(pictures)`, `sample(count)`, `count`,
`checkpoint()`: that is all that the rest knows of it. One thread
applies and checkpoints; any number search. A search takes the tuple of parts once and so sees one generation,
whatever is published meanwhile. Nothing that a search sees is ever changed in place, so hnswlib's races between
adding, resizing, deleting and querying cannot happen.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import secrets
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kadrd.store import generation, schema, sealer
from kadrd.store.generation import Range
from kadrd.store.reader import Reader
from kadrd.store.segment import Ids, Segment, exactly
from kadrd.store.shard import EF_SEARCH, Damaged, Shard, header_path
from kadrd.values import Matrix, Near, Vector, VectorRow

log = logging.getLogger(__name__)

# Twice a shard's share: a graph is less sure of the last ones that it gives.
MARGIN, WIDEN = 2, 4
MERGE_RUN = 4
# A shard of which less than this part still belongs to a picture is built anew: the rest costs every search.
LIVE_SHARE = 0.8
# A full disk is the likely reason that sealing fails, so it is tried again, ever less often.
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0


class Part(NamedTuple):
    """A range of sequence numbers and what answers for it; `file` is empty for rows that were never sealed."""

    file: str
    rows: Shard | Segment


class Job(NamedTuple):
    """A range to be sealed into one shard."""

    after: int
    upto: int


class Index:
    """All vectors of one model, searchable."""

    def __init__(
        self, *, folder: str, catalogue: str, reader: Reader, model_id: int, fingerprint: str, dimension: int,
        seal_at: int, shard_size: int, tidy: bool = True,
    ) -> None:  # fmt: skip
        self.folder, self._catalogue, self._reader = folder, catalogue, reader
        self._model_id, self._fingerprint, self._dimension = model_id, fingerprint, dimension
        self._seal_at, self._shard_size = seal_at, shard_size
        self._sealing: tuple[Job, str, subprocess.Popen[bytes]] | None = None
        self._pause, self._seal_after = FIRST_PAUSE, 0.0
        self._wasteful: set[str] = set()
        if tidy:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        self._parts = self._opened(tidy)

    # Asked from any thread

    @property
    def count(self) -> int:
        return sum(part.rows.count for part in self._parts)

    @property
    def shards(self) -> int:
        return sum(isinstance(part.rows, Shard) for part in self._parts)

    @property
    def damaged(self) -> int:
        """Shards that were found damaged or missing and are searched exactly until they are built again."""
        return sum(
            isinstance(part.rows, Segment) and bool(part.file and part.rows.count) for part in self._parts
        )

    @property
    def clock(self) -> int:
        """The sequence number of the last row that queries see."""
        return self._parts[-1].rows.upto

    @property
    def files(self) -> set[str]:
        """The names in its folder that mean something."""
        shards = {part.file for part in self._parts if part.file}
        return {generation.MANIFEST, *shards, *map(header_path, shards)}

    def search(self, vector: Vector, k: int) -> list[Near]:
        """The *k* nearest pictures, best first; all of them when there are fewer.

        A shard is asked for its share and a margin, and for more only while its last one could still be among the best.
        Asked for *k* each, 16 shards would look at 16 times as many.
        """
        parts = [part.rows for part in self._parts]
        total = sum(part.count for part in parts)
        asked = [_share(part, k, total) for part in parts]
        found = [part.search(vector, n) for part, n in zip(parts, asked, strict=True)]
        while True:
            best = sorted(itertools.chain(*found), key=lambda near: -near.score)[:k]
            short = [n for n, near in enumerate(found) if asked[n] < k and _hides(near, asked[n], best, k)]
            if not short:
                return best
            for n in short:
                asked[n] = min(k, WIDEN * asked[n])
                found[n] = parts[n].search(vector, asked[n])

    def search_exactly(self, vector: Vector, k: int, allowed: Ids | None) -> list[Near]:
        """The *k* nearest of the pictures in *allowed* (sorted ids; all without it), by looking at each, best first."""
        return exactly(self._vectors(allowed), vector, k)

    def vectors_of(self, picture_ids: Ids) -> tuple[Ids, Matrix]:
        """(ids, vectors) of these pictures by id; those that are not in it are left out."""
        rows = list(self._vectors(np.unique(picture_ids)))
        ids = np.concatenate([np.empty(0, np.int64), *(some for some, _ in rows)])
        vectors = np.concatenate(
            [np.empty((0, self._dimension), np.float32), *(vectors for _, vectors in rows)]
        )
        order = np.argsort(ids, kind="stable")
        return ids[order], vectors[order]

    def sample(self, count: int, seed: int) -> Matrix:
        """The vectors of *count* pictures drawn from all parts; all when there are fewer. 2,048 take 70 ms."""
        ids = np.concatenate([part.rows.ids for part in self._parts])
        chance = np.random.default_rng(seed)
        return self.vectors_of(chance.choice(ids, min(count, len(ids)), replace=False))[1]

    def _vectors(self, allowed: Ids | None) -> Iterator[tuple[Ids, Matrix]]:
        return itertools.chain.from_iterable(part.rows.vectors(allowed) for part in self._parts)

    # Asked from the ingest thread alone

    @property
    def sealing(self) -> bool:
        """Whether a child is at work, so that `checkpoint` wants to be called soon."""
        return self._sealing is not None

    def apply(self, rows: Sequence[VectorRow]) -> None:
        """Make committed rows findable."""
        buffer = self._parts[-1].rows
        assert isinstance(buffer, Segment)
        buffer.add_rows(list(rows))

    def checkpoint(self) -> None:
        """What can be done about sealing without waiting: publish the job that ended, begin the next."""
        if self._sealing is not None and self._sealing[2].poll() is not None:
            self._finish(*self._sealing)
        if self._sealing is None and time.monotonic() >= self._seal_after:
            wasteful = [part.rows for part in self._parts if part.file in self._wasteful]
            job = plan([part.rows for part in self._parts], self._seal_at, self._shard_size, wasteful)
            if job is not None:
                self._begin(job)

    def recount(self) -> None:
        """Find shards that hold many rows of pictures that are forgotten; `checkpoint` builds them anew."""
        for part in self._parts[:-1]:
            rows = part.rows
            live = self._reader.count_vectors(self._model_id, rows.after, rows.upto)
            if isinstance(rows, Shard) and live < LIVE_SHARE * rows.count:
                self._wasteful.add(part.file)

    def doubt(self, seqs: Iterable[int]) -> None:
        """Search the parts that hold these rows exactly, out of the catalogue, until they are sealed anew."""
        doubtful = {self._part_of(seq) for seq in seqs} - {-1}
        if not doubtful:
            return
        self.close()
        self._parts = tuple(
            self._stand_in(part, last=number == len(self._parts) - 1) if number in doubtful else part
            for number, part in enumerate(self._parts)
        )

    def _part_of(self, seq: int) -> int:
        return next((n for n, part in enumerate(self._parts) if part.rows.after < seq <= part.rows.upto), -1)

    def close(self) -> None:
        """Stop a child that is sealing; what it made is swept at the next start."""
        if self._sealing is not None:
            self._sealing[2].kill()
            self._sealing[2].wait()
            self._sealing = None

    # Opening

    def _opened(self, tidy: bool) -> tuple[Part, ...]:
        ranges = generation.read(self.folder)
        if tidy:
            generation.sweep(self.folder, ranges)
        parts = [Part(r.file, self._shard_or_stand_in(r)) for r in ranges]
        start = ranges[-1].upto if ranges else 0
        return (*parts, *self._never_sealed(start))

    def _never_sealed(self, after: int) -> Iterator[Part]:
        """The rest, in segments of a shard's size: when the cache was lost it is all there is, and one graph of it would
        be built in one go, and copied whole by whoever looks at many of its rows.
        """
        segment = Segment(self._dimension, after)
        for seqs, ids, rows in self._reader.vectors(self._model_id, after, 2**62):
            if segment.count >= self._shard_size:
                yield Part("", segment)
                segment = Segment(self._dimension, segment.upto)
            segment.add(ids, rows, seqs[-1])
        yield Part("", segment)

    def _shard_or_stand_in(self, r: Range) -> Shard | Segment:
        try:
            shard = Shard(os.path.join(self.folder, r.file), self._fingerprint, self._dimension)
            if (shard.after, shard.upto) == (r.after, r.upto):
                return shard
            log.warning("shard %s covers other rows than its manifest says", r.file)
        except Damaged as error:
            log.warning("rebuilding a shard from the catalogue: %s", error)
        return self._stand_in_rows(r.after, r.upto)

    def _stand_in(self, part: Part, *, last: bool) -> Part:
        after, upto = part.rows.after, part.rows.upto
        return (
            Part("", self._segment(after, 2**62))
            if last
            else Part(part.file, self._stand_in_rows(after, upto))
        )

    def _stand_in_rows(self, after: int, upto: int) -> Segment:
        segment = self._segment(after, upto)
        segment.upto = upto
        return segment

    def _segment(self, after: int, upto: int) -> Segment:
        segment = Segment(self._dimension, after)
        for seqs, ids, rows in self._reader.vectors(self._model_id, after, upto):
            segment.add(ids, rows, seqs[-1])
        return segment

    # Sealing

    def _begin(self, job: Job) -> None:
        name = f"{job.after}-{job.upto}-{secrets.token_hex(4)}.shard"
        path = os.path.join(self.folder, name)
        try:
            child = sealer.start(
                catalogue=self._catalogue, model_id=self._model_id, fingerprint=self._fingerprint,
                dimension=self._dimension, after=job.after, upto=job.upto, path=path,
            )  # fmt: skip
        except OSError as error:
            self._rest(error)
            return
        self._sealing = (job, name, child)

    def _finish(self, job: Job, name: str, child: subprocess.Popen[bytes]) -> None:
        self._sealing = None
        try:
            _check(child)
            sealed = Part(name, Shard(os.path.join(self.folder, name), self._fingerprint, self._dimension))
            parts = self._with(sealed, job)
            ranges = tuple(
                Range(p.file, p.rows.after, p.rows.upto) for p in itertools.takewhile(lambda p: p.file, parts)
            )
            generation.publish(self.folder, ranges)
        except Exception as error:  # hnswlib's errors are of any kind
            self._rest(error)
            self._discard(name)
            if isinstance(error, schema.CatalogueError):
                raise  # the ingest thread asks whether the catalogue is damaged
            return
        self._pause = FIRST_PAUSE
        self._wasteful &= {part.file for part in parts}
        self._parts = parts
        with contextlib.suppress(OSError):
            generation.sweep(self.folder, ranges)

    def _rest(self, error: Exception) -> None:
        self._seal_after = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        log.warning("sealing failed, the rows go on being searched exactly: %s", error)

    def _discard(self, name: str) -> None:
        """Delete the shard *name* and what lies around it, unless it was published before the error."""
        if name in {r.file for r in generation.read(self.folder)}:
            return
        with contextlib.suppress(OSError):
            for left in os.listdir(self.folder):
                if left.startswith(name):
                    os.unlink(os.path.join(self.folder, left))

    def _with(self, sealed: Part, job: Job) -> tuple[Part, ...]:
        """The parts with *sealed* in the place of those it covers."""
        before = [p for p in self._parts[:-1] if p.rows.upto <= job.after]
        behind = [p for p in self._parts[:-1] if p.rows.after >= job.upto]
        buffer = self._parts[-1]
        if buffer.rows.after < job.upto:
            buffer = Part("", self._segment(job.upto, 2**62))
        return (*before, sealed, *behind, buffer)


def _share(part: Shard | Segment, k: int, total: int) -> int:
    """How many of the *k* nearest of *total* to ask *part* for at first. A segment looks at every row anyway."""
    if isinstance(part, Segment):
        return k
    return min(k, max(EF_SEARCH, math.ceil(MARGIN * k * part.count / max(total, 1))))


def _hides(near: list[Near], asked: int, best: list[Near], k: int) -> bool:
    """Whether a part that gave *near* when *asked* for so many may hold more that belong to the *best*."""
    return len(near) == asked and (len(best) < k or near[-1].score > best[-1].score)


def _check(child: subprocess.Popen[bytes]) -> None:
    if child.returncode != 0:
        raise Damaged(f"the sealer ended with {child.returncode}")


def plan(
    parts: Sequence[Shard | Segment], seal_at: int, shard_size: int, wasteful: Sequence[Shard | Segment] = ()
) -> Job | None:
    """What to seal next: a stand-in, a shard with many dead rows, the last segment when it is full, or a run of small
    shards into one.
    """
    *sealed, buffer = parts
    for part in sealed:
        if (isinstance(part, Segment) and part.count) or part in wasteful:
            return Job(part.after, part.upto)
    if buffer.count >= seal_at:
        return Job(buffer.after, buffer.upto)
    run: list[Shard | Segment] = []
    for part in reversed(sealed):
        if sum(p.count for p in run) + part.count > shard_size:
            break
        run.insert(0, part)
    return Job(run[0].after, run[-1].upto) if len(run) >= MERGE_RUN else None
