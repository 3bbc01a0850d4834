"""THE PATH OF A PICTURE: one batch, from waiting files to committed rows. The spine names steps and computes nothing.

Runs on the ingest thread. Above the commit everything can be lost and redone; below it everything can be replayed.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kadrd.embed.models import Model
from kadrd.ingest.settle import TICK_SECONDS, Settle, age, racy
from kadrd.ingest.workers import Digested, Unread, Worker, WorkerLost
from kadrd.store.catalogue import MAX_TRIES, Catalogue, Known
from kadrd.store.shards import Index
from kadrd.values import Digest, Encoded, Moving, Place, Skipped, Stat, VectorRow, Waiting

BATCH_FILES = 32
BATCH_BYTES = 64 * 1024 * 1024
LOOK_AHEAD = 512
# A worker that dies with no file in hand could not even begin: its model or the machine is to blame.
TROUBLE_SECONDS = 60.0

POISON = Skipped(
    "kills-the-decoder", "It made the decoder crash or hang twice; it will be tried again after an update."
)


@dataclass(frozen=True)
class Target:
    """A model that pictures get a vector of, and the index those go to."""

    model: Model
    model_id: int
    index: Index


class Read(NamedTuple):
    """A file that was read, and its place in the worker's batch."""

    waiting: Waiting
    number: int
    digest: Digest


PlaceOf = Callable[[float | None, float | None], Place | None]
"""The place at a position in degrees north and east, where there is one."""

Outcome = Known | Encoded | Skipped | None
"""Of one content: its known picture, its new one, why it has none, or None to try again."""


class Pipeline:
    """Takes waiting files through to committed rows."""

    def __init__(
        self, catalogue: Catalogue, worker: Worker, settle: Settle, decoder: int,
        place_of: PlaceOf = lambda *_: None,
    ) -> None:  # fmt: skip
        self._catalogue, self._tree, self._worker, self._settle = catalogue, catalogue.tree, worker, settle
        self._decoder, self._place_of = decoder, place_of
        self.targets: tuple[Target, ...] = ()
        self.counts: Counter[str] = Counter()
        self.dirty_folders: list[bytes] = []
        self.trouble = ""
        self._rests_until, self._in_vain = 0.0, 0
        self._racy: list[tuple[float, bytes]] = []
        """(when to read again, path) of files that may have changed without a trace since they were read."""
        self._survived: set[bytes] = set()
        """Contents whose try ended well, though a full disk did not let that be written down."""

    def step(self) -> bool:
        """One batch; whether there was anything to do."""
        waiting = self._due()
        unknown = self._by_stat(waiting)  # a renamed folder's files are not even read
        batch = _batch(unknown)
        digests = self._read(batch)
        read = self._by_digest(batch, digests)  # copies and tag writes are not decoded
        outcomes = self._encode(read)
        rows = self._commit(read, outcomes)
        self._apply(rows)
        return bool(waiting)

    def fill(self, target: Target, batch: list[Waiting]) -> bool:
        """Give pictures that are known a vector of another model; False when the worker could not even begin.

        What that model refuses stays as it is: the files go on showing their pictures.
        """
        if time.monotonic() < self._rests_until:
            return False
        digests = self._read(batch)
        read = [
            Read(file, number, digest)
            for number, (file, digest) in enumerate(zip(batch, digests, strict=True))
            if isinstance(digest, Digest) and digest.stat == file.stat
        ]
        outcomes = self._encode(read, (target,))
        made = [one for one in read if isinstance(outcomes.get(one.digest.essence_key), Encoded)]
        self._apply(self._commit(made, outcomes, (target,)))
        return not (read and not made and self.trouble)

    def read_again(self, *, at_once: bool) -> None:
        """Doubt files whose times are too coarse to show an edit made right after the reading."""
        now = math.inf if at_once else time.monotonic()
        if self._racy and self._racy[0][0] <= now:
            due = [path for when, path in self._racy if when <= now]
            with self._catalogue.transaction():
                self._tree.doubt(due)
            self._racy = [later for later in self._racy if later[0] > now]

    def next_again(self) -> float | None:
        """When `read_again` has something to do."""
        return self._racy[0][0] if self._racy else None

    # Which files

    def _due(self) -> list[Waiting]:
        """Files whose turn it is, the longest waiting first."""
        found: list[Waiting] = []
        after, now = 0, time.monotonic()
        if now < self._rests_until:
            return found
        while not found and (waiting := self._tree.waiting(LOOK_AHEAD, after)):
            found = [w for w in waiting if self._settle.due(w.file_id, now)]
            after = waiting[-1].ticket
        return found

    def _by_stat(self, waiting: list[Waiting]) -> list[Waiting]:
        """What is left after files that only moved got their old picture back."""
        if not waiting:
            return []
        left = []
        with self._catalogue.transaction():
            for file in waiting:
                known = self._catalogue.same_file(file)
                if known is None or not self._complete(known):
                    left.append(file)
                else:
                    self._settled(file, known)
        return left

    # Reading

    def _read(self, batch: list[Waiting]) -> list[Digested]:
        if not batch:
            return []
        try:
            return self._worker.digest([file.path for file in batch])
        except WorkerLost as lost:
            # Reading does not interpret a byte, so this is a disk that hangs: whoever was in hand waits longer.
            self._rest_if_in_vain(lost)
            return [
                Moving(file.stat) if number in lost.in_hand else Unread() for number, file in enumerate(batch)
            ]

    def _by_digest(self, batch: list[Waiting], digests: list[Digested]) -> list[Read]:
        """Files whose content is new; the others are committed here."""
        new = []
        with self._catalogue.transaction():
            for number, (file, digest) in enumerate(zip(batch, digests, strict=True)):
                if isinstance(digest, Digest) and self._quiet(file, digest.stat):
                    known = self._catalogue.same_content(digest, self._decoder)
                    if known is None or not self._complete(known):
                        new.append(Read(file, number, digest))
                    else:
                        self._settled(file, known, digest)
                else:
                    self._not_read(file, digest)
        return new

    def _not_read(self, file: Waiting, digest: Digested) -> None:
        if digest is None:
            # The scanner says whether it is gone, or its disk. Until then it waits, and who waits for it does so once.
            self.dirty_folders.append(file.path.rpartition(b"/")[0] or b"/")
            if not self._settle.moving(file.file_id, time.monotonic()):
                self._tree.files_changed([(file.file_id, file.stat)])
        elif isinstance(digest, Skipped):
            self._settled(file, Known(None, digest))
        elif not isinstance(digest, Unread):
            # Somebody is writing it. The event of closing it makes it due sooner than this.
            self._tree.files_changed([(file.file_id, digest.stat)])
            self._settle.moving(file.file_id, time.monotonic())

    def _quiet(self, file: Waiting, read: Stat) -> bool:
        """Whether what was read is what the scan saw, or at least has been left alone since."""
        return read == file.stat or self._settle.quiet(file.file_id, file.ticket, age(read), time.monotonic())

    # Encoding

    def _encode(self, read: list[Read], targets: tuple[Target, ...] | None = None) -> dict[bytes, Outcome]:
        """What became of each new essence. A content that has been begun before and never ended is tried alone."""
        models = [target.model for target in self._or_all(targets)]
        first = {r.digest.essence_key: r for r in reversed(read)}
        tries = {key: self._tries(r.digest.file_key) for key, r in first.items()}
        outcomes: dict[bytes, Outcome] = {key: POISON for key in first if tries[key] >= MAX_TRIES}
        fresh = [key for key in first if tries[key] == 0]
        suspects = [[key] for key in first if 0 < tries[key] < MAX_TRIES]
        for group in ([fresh] if fresh else []) + suspects:
            outcomes |= self._encode_group({key: first[key] for key in group}, models)
            if any(outcomes[key] is None for key in group):
                break  # the worker died, and with it the bytes of this batch
        return outcomes

    def _tries(self, file_key: bytes) -> int:
        return 0 if file_key in self._survived else self._catalogue.tries(file_key, self._decoder)

    def _encode_group(self, group: dict[bytes, Read], models: list[Model]) -> dict[bytes, Outcome]:
        keys = [r.digest.file_key for r in group.values()]
        self._catalogue.begin_trials([key for key in keys if key not in self._survived], self._decoder)
        numbers = [r.number for r in group.values()]
        self.counts["decodes"] += len(numbers)
        try:
            encoded = self._worker.encode(numbers, models)
        except WorkerLost as lost:
            self._blame(lost, group)
            return dict.fromkeys(group, None)
        self.trouble, self._in_vain = "", 0
        self._survived.update(keys)
        with self._catalogue.transaction():
            # At once: were the daemon killed now, they would be blamed for it.
            self._catalogue.end_trials(list(self._survived))
        self._survived.clear()
        self.counts["encodes"] += sum(len(e.vectors) for e in encoded if isinstance(e, Encoded))
        return dict(zip(group, encoded, strict=True))

    def _blame(self, lost: WorkerLost, group: dict[bytes, Read]) -> None:
        """Only the files that were in hand keep the mark of the try that they did not survive."""
        blamed = [r.digest.file_key for r in group.values() if r.number in lost.in_hand]
        innocent = [r.digest.file_key for r in group.values() if r.number not in lost.in_hand]
        self._survived.difference_update(blamed)
        self._survived.update(innocent)
        with self._catalogue.transaction():
            self._catalogue.blame(blamed)
            self._catalogue.end_trials(innocent)
        self._rest_if_in_vain(lost)

    def _rest_if_in_vain(self, lost: WorkerLost) -> None:
        """Once may be chance; a worker that dies again and again with no file in hand will not mend by trying."""
        self._in_vain = 0 if lost.in_hand else self._in_vain + 1
        if self._in_vain > 1:
            self.trouble = f"the worker fails, {lost}"
            self._rests_until = time.monotonic() + TROUBLE_SECONDS

    # Commit

    def _commit(
        self, read: list[Read], outcomes: dict[bytes, Outcome], targets: tuple[Target, ...] | None = None
    ) -> list[tuple[Target, VectorRow]]:
        """THE COMMIT POINT: one transaction for pictures, vectors, files and failures."""
        rows: list[tuple[Target, VectorRow]] = []
        if not read:
            return rows
        tried: dict[bytes, bytes] = {}
        with self._catalogue.transaction():
            for file, _, digest in read:
                outcome = outcomes.get(digest.essence_key)
                if isinstance(outcome, Encoded):
                    picture_id = self._catalogue.add_picture(digest.essence_key, outcome)
                    rows += self._vectors(picture_id, outcome, self._or_all(targets))
                    self._settled(file, Known(picture_id, None), digest)
                elif (
                    isinstance(outcome, Skipped)
                    and tried.setdefault(digest.essence_key, digest.file_key) == digest.file_key
                ):
                    # Another file of this essence may be whole: broken metadata is not part of it. It has its own turn.
                    self._catalogue.remember_failure(digest.file_key, self._decoder, outcome)
                    self._settled(file, Known(None, outcome), digest)
            done = [d.file_key for _, _, d in read if outcomes.get(d.essence_key) is not None]
            self._catalogue.end_trials(done)
        return rows

    def _vectors(
        self, picture_id: int, encoded: Encoded, targets: Iterable[Target]
    ) -> list[tuple[Target, VectorRow]]:
        rows = []
        for target in targets:
            row = self._catalogue.add_vector(target.model_id, picture_id, encoded, target.model.fingerprint)
            if row is not None:
                rows.append((target, row))
        return rows

    def _apply(self, rows: list[tuple[Target, VectorRow]]) -> None:
        for target in {id(t): t for t, _ in rows}.values():
            target.index.apply([row for t, row in rows if t is target])

    # What all share

    def _settled(self, file: Waiting, known: Known, digest: Digest | None = None) -> None:
        """The file is dealt with; inside a transaction."""
        stat, key = (digest.stat, digest.file_key) if digest else (file.stat, known.file_key)
        if known.picture_id is not None:
            self._catalogue.indexed(file.file_id, stat, known.picture_id, key)
            self._catalogue.tags.settled(file.file_id, key, stat.inode)
            self._say(file.file_id, known, digest)
        else:
            assert known.skipped is not None
            self._catalogue.failed(file.file_id, stat, known.skipped, key)
            self.counts["failed"] += 1
        if digest is not None and racy(stat):
            self._racy.append((time.monotonic() + TICK_SECONDS, file.path))
        self._settle.done(file.file_id)
        self.counts["finished"] += 1

    def _say(self, file_id: int, known: Known, digest: Digest | None) -> None:
        """What the file says of its picture: as it was read, else as the file says from which it was moved."""
        if digest is not None:
            facts = digest.facts
            self._catalogue.facts.put(file_id, facts, self._place_of(facts.latitude, facts.longitude))
        elif known.file_id is not None:
            self._catalogue.facts.copy(known.file_id, file_id)

    def _complete(self, known: Known) -> bool:
        """Whether nothing is left to do for a known content: it failed, or has a vector of every model."""
        return known.picture_id is None or not any(
            self._catalogue.lacks(known.picture_id, target.model_id) for target in self.targets
        )

    def _or_all(self, targets: tuple[Target, ...] | None) -> tuple[Target, ...]:
        return self.targets if targets is None else targets


def _batch(files: list[Waiting]) -> list[Waiting]:
    """The first files that fit into one reading; at least one."""
    batch: list[Waiting] = []
    size = 0
    for file in files[:BATCH_FILES]:
        size += file.stat.size
        if batch and size > BATCH_BYTES:
            break
        batch.append(file)
    return batch
