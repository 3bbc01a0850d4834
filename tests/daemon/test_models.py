"""A change of the model: the old one answers until the new one is complete."""

import os
import shutil

import pytest

from kadr.protocol.messages import Similar


@pytest.fixture
def two(launch, pictures, tmp_path):
    """A daemon with two models, and pictures indexed with the first."""
    daemon = launch()
    daemon.home.add_model("other", seed=1)
    pictures.many(tmp_path / "root", 70)
    daemon.add(tmp_path / "root")
    daemon.sync()
    return daemon


def use(daemon, name):
    done = daemon.home.run("model", "use", name)
    assert done.returncode == 0, done.stdout


def test_change_of_model(two):
    """After `kadrd model use` every picture gets a vector of the new model, which then answers; scores differ."""
    file = two.found()[3]
    before = two.ask(Similar(os.fsencode(file), 5)).rows
    encodes = two.status()["encodes"]
    use(two, "other")
    two.hears("model other is complete")
    two.sync()
    status = two.status()
    assert (status["model"], status["next_model"], status["encodes"] - encodes) == ("other", None, 70)
    assert two.ask(Similar(os.fsencode(file), 5)).rows[1:] != before[1:]
    body = two.check()
    assert (body["vectors"], body["pictures"]) == (70, 70)


def test_goes_on_after_a_kill(two):
    """A change of the model that is cut short by SIGKILL is finished after the next start, repeating at most a batch."""
    use(two, "other")
    while (status := two.status())["next_model"] and not status["next_model"]["done"]:
        pass
    two.kill()
    done = _vectors(two, "other")
    assert done > 0
    two.start()
    if done < 70:
        two.hears("model other is complete")
        assert two.status()["encodes"] == 70 - done
    else:
        two.sync()
    two.sync()
    assert two.status()["model"] == "other"
    two.check()


def _vectors(daemon, name):
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(f"file:{daemon.home.catalogue}?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT count(*) FROM vectors JOIN models ON models.id = model_id WHERE name = ?", (name,)
        ).fetchone()[0]


def test_back_again_costs_nothing(two):
    """Going back to the first model finds its vectors there."""
    use(two, "other")
    two.hears("model other is complete")
    encodes = two.status()["encodes"]
    use(two, "tiny")
    two.hears("model tiny is complete")
    assert two.status()["encodes"] == encodes
    two.check()


def test_new_picture_while_models_change(two, pictures, tmp_path):
    """A picture that comes during the change gets a vector of both models."""
    use(two, "other")
    new = pictures.one(tmp_path / "root" / "new.jpg")
    two.sync()
    assert new in two.found()
    two.hears("model other is complete")
    assert new in two.found()
    two.check()


def test_root_that_was_away_while_models_changed(two, pictures, tmp_path):
    """Pictures of a root that was away during the change get their vectors when it is back."""
    away = tmp_path / "elsewhere"
    root = tmp_path / "second"
    files = pictures.many(root, 5)
    two.add(root)
    two.sync()
    root.rename(away)
    two.sync()
    use(two, "other")
    two.hears("model other is complete")
    away.rename(root)
    two.rescan()
    while two.status()["vectors"] < 75:
        pass
    assert set(files) <= set(two.found())
    two.check()


def test_removed_model(two):
    """Vectors and shards of a model that was removed are gone after the next start."""
    use(two, "other")
    two.hears("model other is complete")
    two.stop()
    shutil.rmtree(two.home.top / "data" / "models" / "tiny")
    two.start()
    two.check()
    assert _vectors(two, "tiny") == 0
    assert two.home.shards.name


def test_damaged_model_is_not_taken_up(two):
    """A damaged model cannot be chosen; the daemon goes on with the one it has."""
    weights = two.home.top / "data" / "models" / "other" / "image.bin"
    weights.write_bytes(weights.read_bytes()[::-1])
    done = two.home.run("model", "use", "other")
    assert done.returncode == 4
    assert two.status()["model"] == "tiny"
    two.check()
