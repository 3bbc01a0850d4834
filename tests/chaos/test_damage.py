"""Shards are derived: sealed, merged, damaged, lost. The catalogue makes them up, and nothing is encoded again."""

import json
import os
import random
import shutil

import pytest

from kadr.protocol.messages import Similar

SMALL = {"index": {"seal_at": 50, "shard_size": 400}}


@pytest.fixture
def sealed(launch, pictures, tmp_path):
    """A daemon whose vectors lie in one shard and a rest, and its root."""
    root = tmp_path / "root"
    pictures.many(root, 130, (".bmp",))
    daemon = launch(**SMALL)
    daemon.add(root)
    daemon.sync()
    daemon.generation(bool)
    daemon.check()
    return daemon


def test_sealed_and_merged(launch, pictures, tmp_path):
    """Full buffers become shards, runs of small shards become one, and all survive a restart without an encode."""
    daemon = launch(**SMALL)
    root = tmp_path / "root"
    root.mkdir()
    daemon.add(root)
    files = []
    for number in range(5):
        files += pictures.many(root / str(number), 60, (".bmp",))
        daemon.sync()
        wanted = 60 * (number + 1)
        # A rest smaller than seal_at may stay behind: a batch that was committed while the shard was built.
        daemon.generation(
            lambda shards, wanted=wanted: shards[-1]["upto"] > wanted - SMALL["index"]["seal_at"]
        )
    daemon.generation(lambda shards: len(shards) < 5)
    daemon.shows(*files)
    before = daemon.status()
    daemon.restart()
    daemon.shows(*files)
    after = daemon.status()
    assert (after["encodes"], after["vectors"], after["shards"]) == (0, before["vectors"], before["shards"])


def damage(folder, how):
    manifest = folder / "manifest.json"
    shard = folder / json.loads(manifest.read_text())["shards"][0]["file"]
    header = folder / f"{shard.name}.json"
    chance = random.Random(how)
    match how:
        case "flipped":
            data = bytearray(shard.read_bytes())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            shard.write_bytes(data)
        case "truncated":
            os.truncate(shard, chance.randrange(shard.stat().st_size))
        case "emptied":
            shard.write_bytes(b"")
        case "gone":
            shard.unlink()
        case "no header":
            header.unlink()
        case "bad header":
            header.write_text('{"format": 1}')
        case "header of another model":
            header.write_text(json.dumps(json.loads(header.read_text()) | {"model": "other"}))
        case "no manifest":
            manifest.unlink()
        case "bad manifest":
            manifest.write_bytes(manifest.read_bytes()[:-9])
        case "manifest with a gap":
            text = json.loads(manifest.read_text())
            text["shards"][0]["after"] = 7
            manifest.write_text(json.dumps(text))
        case "no folder":
            shutil.rmtree(folder)
        case "strange files":
            (folder / "0-1-leftover.shard").write_bytes(b"left by a crash")
            (folder / "0-1-leftover.shard.tmp").write_bytes(b"")


@pytest.mark.parametrize(
    "how",
    [
        "flipped",
        "bad manifest",
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in ("truncated", "emptied", "gone", "no header", "bad header", "header of another model")
        ),
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in ("no manifest", "manifest with a gap", "no folder", "strange files")
        ),
    ],
)
def test_damaged_shard(sealed, how):
    """Whatever happened to shards or manifest while it was down, everything is found at once and sealed again,
    without an encode."""
    files = sealed.found()
    sealed.stop()
    (before,) = json.loads((sealed.home.shards / "manifest.json").read_text())["shards"]
    damage(sealed.home.shards, how)
    sealed.start()
    assert sealed.found() == files
    sealed.generation(
        lambda shards: bool(shards) and (how == "strange files" or shards[0]["file"] != before["file"])
    )
    sealed.check()
    status = sealed.status()
    assert (status["encodes"], status["vectors"]) == (0, 130)
    assert status["shards"] >= 1
    rows = sealed.ask(Similar(os.fsencode(files[5]), 1)).rows
    assert rows[0]["path"] == os.fsencode(files[5])


def test_restarts_find_nothing_to_mend(sealed):
    """A healthy index is taken as it is at every start."""
    before = json.loads((sealed.home.shards / "manifest.json").read_text())
    for _ in range(2):
        sealed.restart()
        sealed.check()
    assert json.loads((sealed.home.shards / "manifest.json").read_text()) == before
    assert not any("rebuilding" in line for line in sealed.log)


def test_state_that_cannot_be_written(sealed):
    """Shards that cannot be written cost nothing but speed: the rows go on being searched exactly."""
    files = sealed.found()
    sealed.stop()
    folder = sealed.home.shards
    shutil.rmtree(folder)
    folder.write_bytes(b"a file in the folder's place")
    done = sealed.home.run("run")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    folder.unlink()
    sealed.start()
    assert sealed.found() == files
