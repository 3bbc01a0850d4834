"""A damaged catalogue is made anew once, not for ever: what happens around store/salvage.py when that is cut short."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from kadrd import mending
from kadrd.mending import Mending
from kadrd.store import generation, salvage
from kadrd.store.catalogue import Catalogue
from kadrd.store.generation import Range

PATIENCE = 45


@pytest.fixture
def state(tmp_path):
    """The folder of a catalogue with one root."""
    path = str(tmp_path / "state" / "catalogue.sqlite")
    with contextlib.closing(Catalogue(path)) as catalogue, catalogue.transaction():
        catalogue.tree.add_root(b"/r", 1, 2)
    return tmp_path / "state"


def watching(state, models=dict):
    return Mending(str(state), str(state.parent / "shards"), models)


POINTS = ["publish-before-rename@catalogue.sqlite", "publish-renamed@catalogue.sqlite", "publish-synced@catalogue.sqlite"]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_killed_behind_the_point_of_no_return(state, point):
    """A new catalogue that was complete when the daemon was killed is taken as it is, and not made anew once more."""
    (state / "damaged").touch()
    program = f"from kadrd.mending import Mending; Mending({str(state)!r}, '', dict).opened()"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "KADR_CRASH": point}, timeout=45, check=False
    )
    assert done.returncode == -signal.SIGKILL
    again = watching(state)
    with contextlib.closing(again.opened()) as catalogue:
        assert [root.path for root in catalogue.tree.roots()] == [b"/r"]
    assert again.salvaged is None
    assert not os.path.exists(salvage.marker(again.path))


def test_error_that_nobody_expects(state):
    """When making it anew fails for a reason of its own, the daemon ends and says so; the next start tries again."""

    def no_memory():
        raise MemoryError

    (state / "damaged").touch()
    mended = watching(state, no_memory)
    with pytest.raises(sqlite3.Error, match="could not be made anew: MemoryError") as caught:
        mended.opened()
    assert (mended.heard(caught.value), mended.wanted) == (False, False)
    assert (state / "damaged").exists()
    again = watching(state)
    with contextlib.closing(again.opened()):
        assert again.salvaged.roots == 1
    assert not (state / "damaged").exists()


def test_shards_of_every_model_are_trimmed(state):
    """Shards that know rows which the catalogue has lost are let go, also those of a model that is not in use now."""
    old = (Range("0-0.shard", 0, 40),)
    for model in ("used", "unused"):
        (state.parent / "shards" / model).mkdir(parents=True)
        generation.publish(str(state.parent / "shards" / model), old)
    with contextlib.closing(watching(state).opened()):
        for model in ("used", "unused"):
            assert generation.read(str(state.parent / "shards" / model)) == ()


def test_check_ends_between_two_statements(state):
    """The check after a kill ends when it is told to, also in the moment between two statements."""
    stopping, statements = threading.Event(), []

    def heard(statement):
        statements.append(statement)
        stopping.set()

    with contextlib.closing(sqlite3.connect(state / "catalogue.sqlite")) as connection:
        connection.set_trace_callback(heard)
        assert mending._asked(connection, "quick_check", stopping.is_set) == ""
    assert len(statements) == 1


def test_check_that_hangs_is_left_alone(state, monkeypatch):
    """The daemon ends although the check hangs, as it does on a disk that gives no answer."""
    monkeypatch.setattr(mending, "CLOSE_SECONDS", 0.1)
    begun, healthy = threading.Event(), threading.Event()

    def hang(*_):
        begun.set()
        healthy.wait(PATIENCE)

    open_for_reading = mending.schema.open_for_reading

    def opened(path):
        connection = open_for_reading(path)
        connection.set_trace_callback(hang)
        return connection

    monkeypatch.setattr(mending.schema, "open_for_reading", opened)
    (state / "running").touch()
    mended = watching(state)
    mended.opened().close()
    with mended.begin(lambda: None):
        assert begun.wait(PATIENCE)
    (check,) = (thread for thread in threading.enumerate() if thread.name == "check")
    assert check.is_alive()
    healthy.set()
    check.join(PATIENCE)
    assert not check.is_alive()
