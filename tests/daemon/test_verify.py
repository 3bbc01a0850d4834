"""verify, as a user meets it: what it names, what is made good afterwards, and that it works without a daemon."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "catalogue"


@pytest.fixture
def stopped(launch, pictures, tmp_path):
    """A daemon that has indexed a folder and does not run now, and its files."""
    root = tmp_path / "root"
    files = pictures.many(root, 12)
    daemon = launch()
    daemon.add(root)
    daemon.check()
    daemon.stop()
    return daemon, files


def change(daemon, sql, *values):
    """Do to the catalogue what a disk does that lies."""
    with contextlib.closing(sqlite3.connect(daemon.home.catalogue)) as connection, connection:
        connection.execute(sql, values)


def named(daemon):
    """What verify finds, by kind."""
    return {problem["kind"] for problem in daemon.verify()["problems"]}


def test_without_a_daemon(stopped):
    """`kadrd verify` compares everything while no daemon runs, names what differs, and changes nothing."""
    daemon, files = stopped
    done = daemon.home.run("verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "12 files, 12 pictures, 12 vectors compared: everything is as it should be\n"
    files[3].write_bytes(files[4].read_bytes())
    for _ in range(2):
        done = daemon.home.run("verify")
        assert done.returncode == 4
        assert f"other-content  {files[3]}: The file holds something else" in done.stdout
        assert done.stdout.endswith("1 problems\n")


def test_beside_a_daemon(stopped):
    """`kadrd verify` leaves a daemon that runs alone, and says whom to ask."""
    daemon, _ = stopped
    daemon.start()
    done = daemon.home.run("verify")
    assert done.returncode == 75
    assert "kadr status" in done.stderr


def test_before_anything_is_indexed(home):
    """`kadrd verify` of a new home says that there is nothing yet, and what to do."""
    done = home.run("verify")
    assert (done.returncode, "kadr add" in done.stdout) == (0, True)


def test_damaged_catalogue_without_a_daemon(stopped):
    """`kadrd verify` of a catalogue that cannot be read says so, and that the daemon mends it."""
    daemon, _ = stopped
    data = bytearray(daemon.home.catalogue.read_bytes())
    data[4096 : 4096 * 20] = os.urandom(4096 * 19)
    daemon.home.catalogue.write_bytes(data)
    done = daemon.home.run("verify")
    assert done.returncode == 4
    assert "catalogue-damaged" in done.stdout
    assert "Traceback" not in done.stderr


def test_older_catalogue_without_a_daemon(home):
    """`kadrd verify` of a catalogue that an older kadr wrote calls nothing damaged, and says what to do."""
    home.catalogue.parent.mkdir()
    shutil.copy(GOLDEN / "v1.sqlite", home.catalogue)
    before = home.catalogue.read_bytes()
    done = home.run("verify")
    assert (done.returncode, done.stderr) == (4, "")
    assert "older kadr" in done.stdout
    assert "kadr start" in done.stdout
    assert "catalogue-damaged" not in done.stdout
    assert home.catalogue.read_bytes() == before


def test_newer_catalogue_without_a_daemon(stopped):
    """`kadrd verify` of a catalogue that a newer kadr wrote calls nothing damaged, and says which to install."""
    daemon, _ = stopped
    change(daemon, "UPDATE settings SET value = 99 WHERE name = 'schema'")
    change(daemon, "PRAGMA user_version = 99")
    done = daemon.home.run("verify")
    assert (done.returncode, done.stdout) == (78, "")
    assert "newer kadr" in done.stderr


def test_locked_catalogue_without_a_daemon(stopped):
    """`kadrd verify` of a catalogue that another program holds locked says just that."""
    daemon, _ = stopped
    with contextlib.closing(sqlite3.connect(daemon.home.catalogue, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        done = daemon.home.run("verify")
    assert (done.returncode, done.stdout) == (4, "")
    assert "locked" in done.stderr
    assert "Traceback" not in done.stderr


def test_beside_a_broken_model(stopped):
    """`kadrd verify` is not kept from its work by another model that cannot be read."""
    daemon, _ = stopped
    daemon.home.add_model("broken", seed=1)
    (daemon.home.top / "data" / "models" / "broken" / "model.json").write_text("{")
    done = daemon.home.run("verify")
    assert done.returncode == 0, done.stderr
    assert "everything is as it should be" in done.stdout


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (
            "UPDATE files SET file_key = CAST(x'00' || substr(file_key, 2) AS BLOB) WHERE id = 5",
            "other-content",
        ),
        ("UPDATE files SET picture_id = 3 WHERE id = 5", "other-picture"),
    ],
)
def test_wrong_row_is_made_good(stopped, sql, kind):
    """A row that does not say what the file holds is named once; then the file is read again, and nothing encoded."""
    daemon, files = stopped
    change(daemon, sql)
    daemon.start()
    daemon.sync()
    assert named(daemon) == {kind}
    daemon.shows(*files)
    assert daemon.status()["encodes"] == 0


def test_wrong_vector_is_made_good(stopped):
    """A vector that is not the one that was written is named once; then it is made anew, and found once."""
    daemon, files = stopped
    change(
        daemon, "UPDATE vectors SET vector = CAST(x'0001' || substr(vector, 3) AS BLOB) WHERE picture_id = 4"
    )
    daemon.start()
    daemon.sync()
    assert "vector-damaged" in named(daemon)
    daemon.shows(*files)
    assert daemon.status()["encodes"] == 1


def test_left_over_file(stopped):
    """A temporary file that nobody has touched for a while is named."""
    daemon, _ = stopped
    daemon.start()
    for place, age in (
        (daemon.home.top / "cache" / "old.tmp", 120),
        (daemon.home.top / "cache" / "new.tmp", 0),
    ):
        place.touch()
        os.utime(place, (place.stat().st_atime, place.stat().st_mtime - age))
    body = daemon.verify()
    assert [(p["kind"], os.path.basename(p["path"])) for p in body["problems"]] == [("left-over", b"old.tmp")]
    assert body["mended"] == 0
