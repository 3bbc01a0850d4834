"""A model appears whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kadrd.embed.errors import ModelError
from kadrd.embed.install import draft


def test_a_finished_draft_is_in_place(tmp_path: Path) -> None:
    """What was written is there, and nothing else."""
    with draft(tmp_path / "shelf" / "new") as folder:
        (folder / "file").write_text("x", encoding="utf-8")
        assert not (tmp_path / "shelf" / "new").exists()
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["new"]
    assert (tmp_path / "shelf" / "new" / "file").read_text(encoding="utf-8") == "x"


def _failing(into: Path, failure: BaseException) -> None:
    with draft(into) as folder:
        (folder / "file").write_text("x", encoding="utf-8")
        raise failure


@pytest.mark.parametrize("failure", [ModelError("no", "do"), KeyboardInterrupt(), OSError("full")], ids=repr)
def test_a_failed_draft_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    """Errors and Ctrl-C pass through and sweep up."""
    with pytest.raises(type(failure)):
        _failing(tmp_path / "new", failure)
    assert list(tmp_path.iterdir()) == []


def test_an_installed_model_is_not_overwritten(tmp_path: Path) -> None:
    """A second model of the same name is refused, the first stays."""
    (tmp_path / "old").mkdir()
    with pytest.raises(ModelError, match="installed already"), draft(tmp_path / "old"):
        pass
    assert (tmp_path / "old").is_dir()


_KILLED = """
import os, signal, sys
from pathlib import Path
from kadrd.embed.install import draft
with draft(Path(sys.argv[1])) as folder:
    (folder / "model.json").write_text("{}")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_draft_is_swept_up_by_the_next(tmp_path: Path) -> None:
    """A conversion that is killed shows no model, and its folder goes with the next conversion."""
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "new")]
    done = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name.startswith(".adding-new.") for path in tmp_path.iterdir()] == [True]
    with draft(tmp_path / "other"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_draft_of_a_running_process_is_left_alone(tmp_path: Path) -> None:
    """Two conversions at a time do not sweep each other."""
    running = tmp_path / f".adding-slow.{os.getppid()}"
    running.mkdir()
    with draft(tmp_path / "new"):
        pass
    assert running.is_dir()
