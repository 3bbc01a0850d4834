"""THE PATH OF A TAG: some files of one disk, from what is wanted to what they carry. The spine names steps and computes nothing.

want       the words for each picture, or those it carries already
plan       what each place would carry then, beside everybody else's tags
remember   the bytes of before, in the catalogue, before anything is written
write      the places
commit     what is written, what is remembered, and that the files wait no more

Runs on a thread of its own, since it waits for disks; the catalogue is written by the ingest thread for it. A kill between
two steps loses nothing: whoever wrote keeps a record beside the tags, and the files still wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from kadrd.store.facts import Kind
from kadrd.store.tags import Now, Taggable, TagsReader, TagsTable
from kadrd.tag.carrier import Carrier, Done, Memory, Refused
from kadrd.tag.rules import FALLBACK, FALLS_BACK, Rules

# What another program reads of a file when we wrote there (ingest/facts.py); an embedded write has the file read again.
_KINDS = {"xattr": Kind.TAG, "sidecar": Kind.KEYWORD}

_MOVING = Refused("moving", "It changes just now.")


class Want(NamedTuple):
    """One place of one file, and the tags it shall carry; None: none of ours."""

    file: Taggable
    carrier: str
    tags: tuple[str, ...] | None
    memory: Memory | None


class Outcome(NamedTuple):
    """What became of a Want, or in a trial would."""

    want: Want
    result: Done | Refused
    now: Now | None = None
    """what the file is like since, where the catalogue may take that over"""

    @property
    def ours(self) -> tuple[str, ...]:
        """Tags of ours that it carries."""
        memory = self.result.memory if isinstance(self.result, Done) else self.want.memory
        return memory.ours if memory else ()

    @property
    def added(self) -> tuple[str, ...]:
        before = self.want.memory.ours if self.want.memory else ()
        return tuple(tag for tag in self.ours if tag not in before)

    @property
    def removed(self) -> tuple[str, ...]:
        before = self.want.memory.ours if self.want.memory else ()
        return tuple(tag for tag in before if tag not in self.ours)


class Tagging:
    """Writes tags. One thread at a time for each root."""

    def __init__(
        self, reader: TagsReader, carriers: Mapping[str, Carrier], look: Callable[[bytes], Now | None],
        change: Callable[[Callable[[TagsTable], None]], Any],
    ) -> None:  # fmt: skip
        self._reader, self._carriers = reader, carriers
        self._look = look
        """what a file is like on the disk; None: it is not there"""
        self._change = change
        """has the ingest thread change the catalogue, and waits for it"""

    def tag(self, files: Sequence[Taggable], rules: Rules | None) -> list[Outcome]:
        """Have *files* carry what *rules* want; without rules, what they carry already. Raises OSError and KadrErrors."""
        return self._written(files, self._wanted(files, rules), rules)

    def trial(self, files: Sequence[Taggable], rules: Rules) -> list[Outcome]:
        """What `tag` would do. Changes nothing."""
        return list(self._planned(self._wanted(files, rules), rules))

    def untag(self, files: Sequence[Taggable], *, trial: bool = False) -> list[Outcome]:
        """Take away what is ours, and put back the bytes of before where nobody changed them since."""
        wants = self._ours(files)
        return (
            [Outcome(want, _without(want)) for want in wants] if trial else self._written(files, wants, None)
        )

    def _written(
        self, files: Sequence[Taggable], wants: Iterable[Want], rules: Rules | None
    ) -> list[Outcome]:
        planned = list(self._planned(wants, rules))
        self._remember(planned)
        done: list[Outcome] = []
        with self._committed(files, done):
            for one in planned:
                done.append(self._write(one))
                if isinstance(one.result, Done):
                    done.extend(map(self._write, self._instead(done[-1], rules)))
        return done

    # Want

    def _wanted(self, files: Sequence[Taggable], rules: Rules | None) -> Iterator[Want]:
        memories = self._reader.memories([file.file_id for file in files])
        labels = rules.labels.of([file.picture_id for file in files]) if rules else {}
        for file in files:
            remembered = memories.get(file.file_id, {})
            # A place that is not among the rules' any more keeps what it carries.
            kept = [name for name in remembered if not (rules and name in rules.carriers)]
            yield from (Want(file, name, remembered[name].ours, remembered[name]) for name in kept)
            if rules and not file.settled:
                yield from (Want(file, name, (), remembered.get(name)) for name in rules.carriers)
            elif rules and file.picture_id in labels:
                words = tuple(word for word, _ in labels[file.picture_id])
                for name in rules.carriers:
                    yield Want(file, name, words, remembered.get(name))

    def _ours(self, files: Sequence[Taggable]) -> Iterator[Want]:
        """Every place that carries anything of ours: by our memory, or by the record in the place itself. Sidecars and files are
        looked into only where there are keywords at all: that is much to read.
        """
        ids = [file.file_id for file in files]
        memories, worded = self._reader.memories(ids), self._reader.with_keywords(ids)
        for file in files:
            remembered = memories.get(file.file_id, {})
            for name, carrier in self._carriers.items():
                if name in remembered or (
                    (name == "xattr" or file.file_id in worded) and _carries(carrier, file)
                ):
                    yield Want(file, name, None, remembered.get(name))

    # Plan

    def _planned(self, wants: Iterable[Want], rules: Rules | None) -> Iterator[Outcome]:
        for want in wants:
            outcome = Outcome(want, self._trial(want))
            yield outcome
            yield from self._instead(outcome, rules)

    def _instead(self, outcome: Outcome, rules: Rules | None) -> Iterator[Outcome]:
        """The same in another place, where this one has no room for it: only a write shows that a file's attributes are full."""
        want, result = outcome.want, outcome.result
        other = FALLBACK.get(want.carrier) if rules and rules.fallback else None
        full = isinstance(result, Refused) and result.reason in FALLS_BACK
        if rules and other and full and other not in rules.carriers:
            memory = self._reader.memories([want.file.file_id]).get(want.file.file_id, {}).get(other)
            again = want._replace(carrier=other, memory=memory)
            yield Outcome(again, self._trial(again))

    def _trial(self, want: Want) -> Done | Refused:
        if want.tags is None:
            return _without(want)
        now = self._look(want.file.path)
        if now is None or not _same(now, want.file):
            return _MOVING
        return self._carriers[want.carrier].write(want.file.path, want.tags, want.memory, trial=True)

    # Remember

    def _remember(self, planned: Sequence[Outcome]) -> None:
        """Only what is needed to put the bytes of before back. What is ours is known when it is written, and which inode it was
        stays: else a kill after an editor's save would look as if somebody had taken every tag away by hand.
        """
        ahead = [
            (one.want, _ahead(one.want.memory, one.result.memory))
            for one in planned
            if isinstance(one.result, Done) and one.result.changed and one.result.memory and one.want.tags is not None
        ]  # fmt: skip

        def remember(table: TagsTable) -> None:
            for want, memory in ahead:
                table.remember(want.file.file_id, want.carrier, memory)

        if ahead:
            self._change(remember)

    # Write

    def _write(self, planned: Outcome) -> Outcome:
        want, result = planned.want, planned.result
        if isinstance(result, Refused) or not (result.changed or want.tags is None):
            return planned
        carrier = self._carriers[want.carrier]
        if want.tags is None:
            return Outcome(want, carrier.remove(want.file.path, want.memory), self._seen(want))
        before = self._look(want.file.path)
        if before is None or not _same(before, want.file):
            return Outcome(want, _MOVING)
        return Outcome(want, carrier.write(want.file.path, want.tags, want.memory), self._seen(want))

    def _seen(self, want: Want) -> Now | None:
        """What the file is like since, when it is certain that the change is ours alone."""
        if want.carrier not in _KINDS:
            return None
        now = self._look(want.file.path)
        return now if now and _same(now, want.file) else None

    # Commit

    @contextmanager
    def _committed(self, files: Sequence[Taggable], done: list[Outcome]) -> Iterator[None]:
        """Write down what was done, also when a disk ended it in the middle: then the files go on waiting."""
        ended = False
        try:
            yield
            ended = True
        finally:
            self._change(lambda table: _commit(table, files if ended else (), done))


def _carries(carrier: Carrier, file: Taggable) -> bool:
    carried = carrier.look(file.path)
    return not isinstance(carried, Refused) and bool(carried.ours)


def _commit(table: TagsTable, files: Sequence[Taggable], done: Iterable[Outcome]) -> None:
    moving = [one for one in done if isinstance(one.result, Refused) and one.result.reason == _MOVING.reason]
    waits = {one.want.file.file_id for one in moving}
    for one in done:
        if isinstance(one.result, Refused):
            continue
        table.remember(one.want.file.file_id, one.want.carrier, one.result.memory)
        if one.result.memory and one.want.carrier == "embedded":
            table.replaced(one.want.file.file_id, one.result.memory.inode)
        if one.now and one.result.changed:
            table.carries(one.want.file, one.now, _KINDS[one.want.carrier], one.added, one.removed)
    # One that moves comes again by its own change.
    table.looked_at([file for file in files if file.file_id not in waits])


def _same(now: Now, file: Taggable) -> bool:
    """Whether the file holds what the catalogue knows of it. Attributes may be others."""
    return file.settled and now.stat._replace(ctime_ns=0) == file.stat._replace(ctime_ns=0)


def _without(want: Want) -> Done:
    """What untagging is expected to leave; what is there is looked at by whoever writes."""
    return Done(want.memory.theirs if want.memory else (), None, changed=True)


def _ahead(memory: Memory | None, coming: Memory) -> Memory:
    known = memory or Memory(inode=coming.inode)
    return known._replace(before=coming.before, after=coming.after)
