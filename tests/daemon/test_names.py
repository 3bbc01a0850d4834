"""Names of any bytes, and paths of any length: what the disk takes is found by its very bytes, through the client too."""

import contextlib
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kadr.protocol.messages import Search

ALL = 1000
TWINS = [
    unicodedata.normalize("NFC", "Ünïcödé"),
    unicodedata.normalize("NFD", "Ünïcödé"),
    "ЙЁ",
    unicodedata.normalize("NFD", "ЙЁ"),
    "twin",
    "TWIN",
    "Twin",
    "🐈\u200d⬛",
    "\u202edlrow",
]

raw = st.binary(min_size=1, max_size=251)
words = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=60).map(str.encode)
twins = st.sampled_from(TWINS).map(str.encode)
awkward = st.sampled_from(
    [b"\n", b"\r\n", b"\x1b[2J", b"%s%n", b"*", b"-n", b"--", b" ", b"\xff" * 251, b"n" * 251, b"~"]
)
names = st.one_of(raw, words, twins, awkward).map(
    lambda name: name[:251].replace(b"/", b"_").replace(b"\0", b"_")
)
# Hidden ones are left out, by design.
shown = names.filter(lambda name: not name.startswith(b"."))


def walked(top):
    """Every file below *top*, as bytes."""
    return sorted(os.path.join(folder, name) for folder, _, files in os.walk(top) for name in files)


def found(daemon):
    return sorted(row["path"] for row in daemon.ask(Search("red", ALL, min_score=0)).rows)


def printed(daemon, *words):
    """The paths that the client prints, each ended by NUL."""
    command = [
        sys.executable,
        "-m",
        "kadr",
        "search",
        "red",
        "--null",
        "--limit",
        str(ALL),
        "--min-score",
        "0",
        *words,
    ]
    done = subprocess.run(command, env=daemon.home.environment(), capture_output=True, timeout=45, check=True)
    return sorted(done.stdout.split(b"\0")[:-1])


@pytest.fixture(scope="module")
def drawn():
    """A picture's bytes; a module's, because an example of hypothesis is no test of its own."""
    image = pytest.importorskip("PIL.Image")
    import io

    out = io.BytesIO()
    image.new("RGB", (40, 32), (200, 30, 40)).save(out, "PNG")
    return out.getvalue()


def put(folder, name, content):
    """Write a file of this name; False where this disk takes no such name."""
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    except OSError:
        return False
    return True


def check_names(daemon, root, drawn, number, tops, leaves):
    """Folders and files of these names are found by their bytes, are renamed without an encode, and can go."""
    top = os.path.join(os.fsencode(root), b"%d" % number)
    for folder, leaf in zip(tops, leaves, strict=False):
        put(os.path.join(top, folder), leaf + b".png", drawn)
    daemon.check()
    assert found(daemon) == walked(os.fsencode(root))
    with daemon.spending(encodes=0, decodes=0):
        os.rename(top, top + b"-\xfe\n")
    daemon.check()
    assert found(daemon) == printed(daemon) == walked(os.fsencode(root))


@pytest.mark.parametrize(
    "examples", [15, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_any_name(daemon, root, drawn, examples):
    """Files and folders of any names that the disk takes are found, moved and printed by their very bytes."""
    put(os.fsencode(root), b"first.png", drawn)
    daemon.sync()
    numbers = iter(range(10**6))

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(shown, min_size=1, max_size=4), st.lists(shown, min_size=4, max_size=4))
    def example(tops, leaves):
        number = next(numbers)
        check_names(daemon, root, drawn, number, tops, leaves)
        with daemon.spending(encodes=0, decodes=0):
            for path in walked(os.fsencode(root))[1:] if number % 3 == 2 else ():
                if not path.endswith(b"first.png"):
                    os.unlink(path)

    example()


def test_twins(daemon, root, pictures):
    """Names that a person cannot tell apart are files of their own, as far as the disk says so."""
    paths = [root / f"{name}.png" for name in TWINS]
    for path in paths:
        pictures.one(path)
    daemon.check()
    assert found(daemon) == walked(os.fsencode(root)) == printed(daemon)


def make_deep(top, name, depth, content):
    """Folders in folders, further than one path can say, with a file at every hundredth and at the deepest. Gives how
    many levels a path reaches."""
    where = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    reached = 0
    for level in range(1, depth + 1):
        os.mkdir(name, dir_fd=where)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=where)
        os.close(where)
        where = below
        if level % 100 == 0 or level == depth:
            file = os.open(b"a.png", os.O_WRONLY | os.O_CREAT, dir_fd=where)
            os.write(file, content)
            os.close(file)
            if len(top) + level * (len(name) + 1) + len("/a.png") < os.pathconf("/", "PC_PATH_MAX"):
                reached += 1
    os.close(where)
    return reached


def remove_deep(top):
    """What shutil.rmtree cannot remove: it calls itself once a level."""
    subprocess.run(["rm", "-rf", os.fsencode(top)], check=True)


@pytest.mark.parametrize(
    ("name", "depth", "reached"),
    [
        (b"d" * 200, 30, 0),
        (b"d", 500, 5),
        (b"d", 1200, 12),
        pytest.param(b"dd", 3000, 13, marks=pytest.mark.slow),
    ],
    ids=["past-the-longest-path", "500-levels", "1200-levels", "3000-levels"],
)
def test_deep_folders(daemon, root, drawn, name, depth, reached):
    """However deep folders lie in each other, what a path can reach is found, and the rest stops nobody."""
    put(os.fsencode(root), b"shallow.png", drawn)
    try:
        able = make_deep(os.fsencode(root), name, depth, drawn)
        daemon.sync()
        assert able >= min(reached, able)
        assert len(found(daemon)) == 1 + able
        daemon.check()
        scans = daemon.status()["full_scans"]
        with daemon.spending(encodes=0, decodes=0):
            os.rename(
                os.path.join(os.fsencode(root), name), os.path.join(os.fsencode(root), b"x" * len(name))
            )
        assert len(found(daemon)) == 1 + able
        daemon.check()
        assert daemon.status()["full_scans"] == scans
    finally:
        with contextlib.suppress(FileNotFoundError):
            remove_deep(root)
    daemon.check()
