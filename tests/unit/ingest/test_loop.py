"""The ingest thread's own decisions: a machine that slept, calls that nobody will answer, what verify found."""

import contextlib
import os
from collections import Counter

import numpy as np
import pytest

from kadrd.config import Config
from kadrd.ingest.loop import Ingest
from kadrd.ingest.pausing import Pauses
from kadrd.ingest.pipeline import Pipeline
from kadrd.ingest.settle import Settle
from kadrd.ingest.suspended import SLEEP_SECONDS, Suspended, asleep
from kadrd.ingest.workers import Worker
from kadrd.store.schema import CatalogueError
from kadrd.values import Encoded, Problem, State


class Clock:
    """How long the machine was suspended."""

    slept = 0.0

    def __call__(self):
        return self.slept


@pytest.fixture
def ingest(scanned, tmp_path):
    """The ingest thread, not begun, over a scanner, a watch and a catalogue."""
    config, settle = Config(), Settle(0.0)
    worker = Worker(config.worker)
    with contextlib.closing(worker):
        yield Ingest(
            catalogue=scanned.catalogue, config=config, backlog=scanned.backlog, watcher=scanned.watcher,
            worker=worker, settle=settle, scanner=scanned.scanner,
            pipeline=Pipeline(scanned.catalogue, worker, settle, 1), switch=pytest.fail,
            pauses=Pauses(str(tmp_path / "pause.json")),
        )  # fmt: skip


def test_suspended():
    """A sleep of half a minute is noticed once; a shorter one, and the passing of time, is not."""
    clock = Clock()
    suspended = Suspended(clock)
    noticed = []
    for slept in (0.0, 3.0, SLEEP_SECONDS, 0.0, 8 * 3600.0, 0.0):
        clock.slept += slept
        noticed.append(suspended.was())
    assert noticed == [False, False, False, False, True, False]


def test_awake():
    """By the machine's own clocks it is not asleep while this runs."""
    assert not Suspended(asleep).was()


def test_everything_is_looked_at_after_a_sleep(ingest, scanned):
    """When the machine wakes, every folder is looked at once: other disks may be there, and other machines wrote to them."""
    ingest._suspended = Suspended(clock := Clock())
    before = scanned.scanner.full_scans
    ingest._keep_watch()
    assert scanned.scanner.full_scans == before
    clock.slept += 3600
    ingest._keep_watch()
    ingest._keep_watch()
    assert scanned.scanner.full_scans == before + 1


def test_calls_at_the_end(ingest):
    """Whoever asks for something while the thread ends is told that nothing comes, and waits for nothing."""
    ingest.stop()
    calls = [ingest.call(list) for _ in range(3)]
    ingest.run()
    assert all(call.cancelled() for call in calls)
    assert not ingest._calls


@pytest.mark.parametrize(
    "kind", ["not-on-disk", "unreadable", "not-in-catalogue", "other-content", "other-picture"]
)
def test_what_verify_found(ingest, scanned, kind):
    """Only a file that holds something else is read again; of any other its folder is looked at, and it keeps its picture."""
    (file,) = scanned.files(1)
    ((id_,),) = scanned.catalogue._run("SELECT id FROM files").fetchall()
    scanned.catalogue._run("UPDATE files SET state = 1 WHERE id = ?", (id_,))
    ingest.mend([Problem(kind, "", os.fsencode(file))])
    ((state,),) = scanned.catalogue._run("SELECT state FROM files").fetchall()
    assert (State(state) is State.PENDING) is kind.startswith("other")
    assert len(scanned.backlog) == 1
    assert ingest.counts == Counter()


def test_pictures_are_forgotten_whole(ingest, scanned):
    """When the catalogue fails while long unseen pictures are forgotten, their vectors are still there."""
    catalogue = scanned.catalogue
    model = catalogue.model_id("f" * 32, "tiny")
    with catalogue.transaction():
        encoded = Encoded(4, 4, "PNG", {"f" * 32: np.array([1, 0], np.float32)})
        catalogue.add_vector(model, catalogue.add_picture(b"essence", encoded), encoded, "f" * 32)
    ingest._forget_pictures()  # marked: no file shows it
    catalogue._run("CREATE TRIGGER broken BEFORE DELETE ON pictures BEGIN SELECT RAISE(ABORT, 'broken'); END")
    scanned.now += 31 * 86400.0
    with pytest.raises(CatalogueError, match="broken"):
        ingest._forget_pictures()
    assert catalogue._run("SELECT count(*) FROM vectors").fetchone() == (1,)
    catalogue._run("DROP TRIGGER broken")
    ingest._forget_pictures()
    assert catalogue._run("SELECT count(*) FROM vectors").fetchone() == (0,)
