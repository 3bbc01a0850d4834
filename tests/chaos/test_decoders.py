"""Pictures that are made to hurt, through the real daemon: it goes on, its worker stays small, and no bad file is tried
without end.

A decoder that misbehaves is the real worker with a `sitecustomize` in its path: a file that ends with a marker does
what the marker says, inside the cage, where a decoder that was taken over would do it.
"""

import contextlib
import csv
import json
import os
import random
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from kadrd.ingest import digest
from kadrd.ingest.formats import EXTENSIONS, FORMATS

SLOW = pytest.mark.slow
LINUX = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks /proc")

# A file that ends with "KADR-" and one of these does it while it is decoded.
HOSTILE = """
import ctypes, os, sys, threading

def spin():
    while True:
        pass

def leak():
    kept = []
    while True:
        kept.append(bytearray(b"x") * (64 << 20))

def fork():
    while True:
        os.fork()

DEEDS = {
    b"SPIN": spin,
    b"HANG": lambda: threading.Event().wait(),
    b"SEGV": lambda: ctypes.string_at(0),
    b"ABRT": os.abort,
    b"EXIT": lambda: os._exit(0),
    b"LEAK": leak,
    b"FORK": fork,
    b"DEAF": lambda: os.closerange(3, 256),
    b"LIES": lambda: os.write(int(sys.argv[1]), (12).to_bytes(4, "big") + b"\\x81\\xa3out\\x91\\x91\\xa1x\\xc0\\xc0\\xc0"),
    b"NOISE": lambda: os.write(int(sys.argv[1]), b"\\xff" * 1000),
}

if "kadrd.ingest.worker" in sys.orig_argv:
    from kadrd.ingest import decode
    whole = decode._decode

    def hostile(data, fits):
        mark = data[-12:].rpartition(b"KADR-")[2]
        if mark in DEEDS:
            DEEDS[mark]()
        return whole(data, fits)

    decode._decode = hostile
"""


@pytest.fixture
def hostile(tmp_path):
    """The environment of a daemon whose decoder does what files say."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOSTILE)
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


def rows(daemon, sql):
    place = f"file:{daemon.home.catalogue}?mode=ro"
    with contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
        return connection.execute(sql).fetchall()


def outcomes(daemon):
    """By file name: why it has no vector, or (width, height, format)."""
    found = rows(
        daemon,
        "SELECT CAST(name AS BLOB), reason, width, height, format FROM files "
        "LEFT JOIN pictures ON pictures.id = picture_id",
    )
    return {os.fsdecode(name): reason or tuple(shape) for name, reason, *shape in found}


def lost_workers(daemon):
    return sum("the worker was lost" in line for line in daemon.log)


def peak_mb(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def no_zombies(daemon):
    states = [
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in daemon.children()
    ]
    return "Z" not in states


# Every odd file there is

SIDES = 2  # a picture with fewer pixels a side is a spacer

# Where kadr gives no vector of a file that Pillow shows, it is for one of these reasons.
ALLOWED = {
    "not-a-picture": "its format is not read: programs, games and instruments wrote it, nobody's camera did",
    "too-small": "it is one pixel wide or high",
    "damaged": "its data is cut off, and whether zlib notices depends on the build: the Pillow at hand refuses it too",
}


def may_be_skipped(reason, row, path):
    """Whether the table allows that a file is skipped which Pillow showed when the table of outcomes was made."""
    if reason == "not-a-picture":
        return row["format"] not in FORMATS
    if reason == "too-small":
        return min(json.loads(row["size"])) < SIDES
    if reason == "damaged":
        with contextlib.suppress(Exception), Image.open(path) as image:
            image.load()
            return False
        return True
    return False


def may_have_size(shape, row):
    """A picture's size is what Pillow says, turned where the file says so; a RAW's is not its thumbnail's."""
    width, height = json.loads(row["size"])
    turned = row["orientation"] in ("5", "6", "7", "8") and shape[:2] == (height, width)
    return shape[:2] == (width, height) or turned or shape[2] == "RAW"


@LINUX
@pytest.mark.data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [40, pytest.param(None, marks=SLOW)])
def test_every_odd_file(launch, data, tmp_path, count, record_property):
    """No odd file stops the daemon; each is shown if Pillow shows it, is tried once, and never again after a restart."""
    with (data / "pillow-outcome.tsv").open(encoding="utf-8") as file:
        table = {row["file"]: row for row in csv.DictReader(file, delimiter="\t")}
    names = sorted(name for name in table if (data / name).is_file())
    if count:
        names = random.Random(3).sample(names, count)
    root, copies = tmp_path / "root", {}
    root.mkdir()
    for number, name in enumerate(names):
        # What a scan would pass over by its name is offered as a JPEG: the content decides.
        known = os.path.splitext(name)[1].lower().encode() in EXTENSIONS
        copy = root / f"{number:04}-{os.path.basename(name)}{'' if known else '.jpg'}"
        copy.write_bytes((data / name).read_bytes())
        copies[copy.name] = name
    daemon = launch(worker={"memory_mb": 3072})
    daemon.add(root)
    daemon.check()

    found = outcomes(daemon)
    assert found.keys() == copies.keys()
    worse = []
    for name, outcome in found.items():
        row = table[copies[name]]
        if isinstance(outcome, str):
            good = row["status"] != "ok" or may_be_skipped(outcome, row, data / copies[name])
        else:
            good = row["status"] != "ok" or may_have_size(outcome, row)
        if not good:
            worse.append((copies[name], row["status"], row["format"], row["size"], outcome))
    assert worse == []
    contents = {digest.keys((root / name).read_bytes())[0] for name in found}
    assert daemon.status()["decodes"] <= len(contents)
    assert (lost_workers(daemon), rows(daemon, "SELECT count(*) FROM trials")) == (0, [(0,)])
    assert peak_mb(daemon.worker()) < 3072
    assert no_zombies(daemon)
    record_property("peak_mb", peak_mb(daemon.worker()))
    print(f"worker's peak: {peak_mb(daemon.worker())} MB, decodes: {daemon.status()['decodes']}")

    daemon.restart()
    daemon.sync()
    status = daemon.status()
    assert (status["decodes"], status["encodes"]) == (0, 0)
    assert outcomes(daemon) == found


# A decoder that misbehaves

KILLS, BEARS = "kills-the-decoder", {"LEAK": "too-large", "FORK": "damaged"}
QUICK = ["SEGV", "FORK"]
ALONE = ["SPIN", "HANG", "SEGV", "ABRT", "EXIT", "LEAK", "FORK", "DEAF", "LIES", "NOISE"]


def among_neighbours(root, pictures, *marks):
    """Good pictures, and in their midst one for each mark that does what it says. Gives the good ones."""
    good = pictures.many(root, 31)
    for place, mark in enumerate(marks):
        (root / f"{7 * place + 3:04}-{mark}.jpg").write_bytes(pictures.bytes() + b"KADR-" + mark.encode())
    return good


@LINUX
@pytest.mark.timeout(120)
@pytest.mark.parametrize("marks", [QUICK, *(pytest.param([mark], marks=SLOW) for mark in ALONE)])
def test_decoder_that_misbehaves(launch, hostile, pictures, tmp_path, marks):
    """A picture that crashes, hangs, leaks, forks or lies costs two tries at most, and its neighbours nothing."""
    root = tmp_path / "root"
    good = among_neighbours(root, pictures, *marks)
    seconds = 0.4 if marks[0] in ("SPIN", "HANG") else 10.0
    daemon = launch(environment=hostile, worker={"memory_mb": 2048, "file_seconds": seconds})
    daemon.add(root)
    while daemon.sync()["pending"]:
        pass
    daemon.shows(*good)
    expected = {mark: BEARS.get(mark, KILLS) for mark in marks}
    assert {Path(name).stem[5:]: why for name, why in daemon.failures().items()} == expected
    kills = [mark for mark, why in expected.items() if why == KILLS]
    assert lost_workers(daemon) <= 2 * len(kills)
    assert daemon.status()["warnings"] == []
    assert daemon.status()["encodes"] <= len(good) * (1 + len(kills))
    assert no_zombies(daemon)

    daemon.stop()
    daemon.start(hostile)
    daemon.shows(*good)
    assert daemon.status()["decodes"] == 0
    assert lost_workers(daemon) == 0


@SLOW
@LINUX
@pytest.mark.timeout(120)
def test_newer_decoder_tries_again(launch, hostile, pictures, tmp_path):
    """What killed the decoder or failed in it gets another try when kadr comes with a newer decoder, and only then."""
    root = tmp_path / "root"
    good = among_neighbours(root, pictures, "SEGV")
    (root / "text.jpg").write_bytes(b"no picture")
    daemon = launch(environment=hostile, worker={"file_seconds": 5.0})
    daemon.add(root)
    daemon.shows(*good)
    assert daemon.failures() == {"0003-SEGV.jpg": KILLS, "text.jpg": "not-a-picture"}
    daemon.stop()

    mended = tmp_path / "mended"
    mended.mkdir()
    newer = "from kadrd.ingest import formats\nformats.DECODER += 1\n"
    (mended / "sitecustomize.py").write_text(newer)
    for decodes in (2, 0):
        daemon.start({"PYTHONPATH": str(mended)})
        daemon.shows(*good, root / "0003-SEGV.jpg")
        assert daemon.failures() == {"text.jpg": "not-a-picture"}
        assert daemon.status()["decodes"] == decodes
        daemon.stop()


@SLOW
@LINUX
@pytest.mark.timeout(120)
def test_crash_loop_ends(launch, hostile, pictures, tmp_path):
    """A picture that takes the daemon along each time it is begun is left alone after four lives, and the rest is found."""
    root = tmp_path / "root"
    good = among_neighbours(root, pictures, "HANG")
    key = digest.keys((root / "0003-HANG.jpg").read_bytes())[0]
    daemon = launch(environment=hostile)
    daemon.add(root)
    lives = 0
    while KILLS not in daemon.failures().values():
        assert lives < 5
        while (key.hex(), lives + 1) not in rows(daemon, "SELECT lower(hex(file_key)), tries FROM trials"):
            if KILLS in daemon.failures().values():
                break
        else:
            daemon.kill()
            lives += 1
            daemon.start(hostile)
    assert lives == 4
    daemon.shows(*good)
    assert daemon.failures() == {"0003-HANG.jpg": KILLS}
    daemon.stop()
    daemon.start(hostile)
    daemon.shows(*good)
    assert daemon.status()["decodes"] == 0


@LINUX
@pytest.mark.timeout(120)
def test_bombs(launch, pictures, bombs, tmp_path):
    """A small file that says it is huge is refused before it is unpacked, and so is what is no picture by another name."""
    root = tmp_path / "root"
    good = pictures.many(root, 5)
    made = bombs.bombs()
    for name, data in (made | bombs.REFUSED).items():
        assert len(data) < 1_000_000
        (root / name).write_bytes(data)
    frames = [Image.new("L", (8, 8), number % 256) for number in range(10_000)]
    frames[0].save(root / "long.gif", save_all=True, append_images=frames[1:])
    (root / "icon.ico").write_bytes(bombs.REFUSED["icon.png"])
    daemon = launch(worker={"memory_mb": 3072})
    daemon.add(root)
    daemon.shows(*good, root / "long.gif")
    reasons = daemon.failures()
    assert reasons.keys() == made.keys() | bombs.REFUSED.keys()
    assert {reasons[name] for name in bombs.REFUSED} == {"not-a-picture"}
    assert {reasons[name] for name in made} == {"too-large"}
    assert lost_workers(daemon) == 0
    assert peak_mb(daemon.worker()) < 1024


@SLOW
@LINUX
@pytest.mark.timeout(180)
def test_big_pictures_side_by_side(launch, tmp_path):
    """Pictures that just fit are shown however many a worker has in hand: none is blamed for the room another takes."""
    root = tmp_path / "root"
    root.mkdir()
    for number in range(4):
        Image.new("L", (10_000, 10_000), 40 * number).save(root / f"{number}.png", compress_level=1)
    daemon = launch(worker={"memory_mb": 2048, "threads": 4})
    daemon.add(root)
    daemon.shows(*root.iterdir())
    assert daemon.failures() == {}
    assert lost_workers(daemon) == 0
    print(f"worker's peak: {peak_mb(daemon.worker())} MB")
