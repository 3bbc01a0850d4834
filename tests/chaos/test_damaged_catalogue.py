"""A damaged catalogue never stops the daemon: it is mended or made anew, and only what is lost is encoded again."""

import concurrent.futures
import contextlib
import importlib.util
import os
import random
import shutil
import signal
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from kadr.protocol import paths
from kadr.protocol.errors import KadrError
from kadrd.store.schema import APPLICATION_ID

SLOW = pytest.mark.slow
PICTURES = 60
ROUNDS = 4


@pytest.fixture(scope="module")
def helper():
    spec = importlib.util.spec_from_file_location(
        "daemon_fixture", Path(__file__).parents[1] / "daemon_fixture.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def healthy(helper, tmp_path_factory, make_tiny_model):
    """A home whose daemon was stopped, with some shards, and its pictures; every case has a copy of it."""
    from PIL import Image

    chance = random.Random(7)
    root = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        folder = root / f"folder {number % 4}"
        folder.mkdir(exist_ok=True)
        Image.frombytes("RGB", (8, 8), chance.randbytes(192)).save(folder / f"{number:02}.png")
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    home = helper.Home(
        tmp_path_factory.mktemp("h"), make_tiny_model, {"index": {"seal_at": 20, "shard_size": 400}}
    )
    daemon = helper.Daemon(home)
    daemon.start()
    daemon.add(root)
    daemon.check()
    daemon.generation(bool)
    daemon.stop()
    return home, root


class Case:
    """A copy of the healthy home, damaged."""

    def __init__(self, helper, healthy, top):
        shutil.copytree(healthy[0].top, top, ignore=shutil.ignore_patterns("*.sock", "kadr.sock*"))
        self.home = helper.Home.__new__(helper.Home)
        self.home.__dict__.update(healthy[0].__dict__, top=top, paths=paths.current({"KADR_HOME": str(top)}))
        self.daemon, self.top = helper.Daemon(self.home), top
        self.before = self.content()

    def content(self):
        """Vectors under their numbers, by the picture they belong to."""
        sql = "SELECT seq, picture_id, essence_key, vector FROM vectors JOIN pictures ON pictures.id = picture_id"
        with contextlib.closing(
            sqlite3.connect(f"file:{self.home.catalogue}?mode=ro", uri=True)
        ) as connection:
            return set(connection.execute(sql))

    def settled(self, ask):
        """What *ask* gives, by a daemon that is not about to begin anew; None when it was."""
        daemon = self.daemon

        def ready():
            lines = "".join(daemon.log)
            return lines.rfind("answers at") > lines.rfind("will be made anew")

        with daemon._heard:
            assert daemon._heard.wait_for(lambda: ready() or daemon._ended, 45), "".join(daemon.log)
            assert ready(), f"the daemon ended: {''.join(daemon.log)}"
        try:
            return ask()
        except (KadrError, OSError):
            assert daemon.alive, "".join(daemon.log)
            return None

    def outcome(self):
        """Start, and let verify mend until it finds nothing more. Gives how it was mended.

        What is found in the end, and what it cost, is checked on the way.
        """
        daemon, named = self.daemon, set()
        daemon.start()
        for _ in range(ROUNDS):
            self.settled(daemon.sync)
            body = self.settled(daemon.verify)
            if body and body["ok"]:
                break
            named |= {problem["kind"] for problem in body["problems"]} if body else {"no answer"}
        else:
            pytest.fail(f"verify still finds {named}: {body}\n{''.join(daemon.log)}")
        status = daemon.status()
        lost = len(self.before - self.content())
        files = len(daemon.found())
        daemon.stop()  # no traceback, no error in its log, and a clean end
        log = "".join(daemon.log)
        assert files == PICTURES, log
        assert status["failures_total"] == 1
        assert status["encodes"] <= lost, (status["encodes"], lost, log)
        if "will be made anew" in log:
            return "salvaged"
        return "named by verify" if named else "repaired by scan" if status["decodes"] else "harmless"

    def close(self):
        with contextlib.suppress(AssertionError):
            self.daemon.stop()
        shutil.rmtree(self.top, ignore_errors=True)


@pytest.fixture
def case(helper, healthy, tmp_path_factory):
    """Makes damaged copies; each is stopped and deleted."""
    made = []

    def make():
        made.append(Case(helper, healthy, tmp_path_factory.mktemp("h") / "c"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def flip(file, at, bits):
    with open(file, "r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ bits]))


def run_seeds(case, seeds, damage):
    """The outcomes of damage with each seed."""
    outcomes = Counter()
    for seed in seeds:
        one = case()
        said = damage(one, random.Random(seed))
        try:
            outcomes[one.outcome()] += 1
        except BaseException:
            print(f"seed {seed}: {said}")
            raise
        finally:
            one.close()
    print(f"seeds {seeds}: {dict(outcomes)}")


def flipped(one, chance):
    at, bits = chance.randrange(one.home.catalogue.stat().st_size), chance.randrange(1, 256)
    flip(one.home.catalogue, at, bits)
    return f"byte {at} xor {bits}"


def truncated(one, chance):
    size = chance.randrange(one.home.catalogue.stat().st_size)
    os.truncate(one.home.catalogue, size)
    return f"{size} bytes left"


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    "seeds",
    [range(3), *(pytest.param(range(n, n + 25), marks=SLOW) for n in range(0, 500, 25))],
    ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}",
)
def test_flipped_byte(case, seeds):
    """One changed byte anywhere: the daemon starts, everything is found, verify is content in the end, and nothing
    is encoded whose vector is left."""
    run_seeds(case, seeds, flipped)


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    "seeds",
    [range(1), *(pytest.param(range(n, n + 25), marks=SLOW) for n in (0, 25))],
    ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}",
)
def test_truncated(case, seeds):
    """A file that ends early: the daemon starts, everything is found, and nothing is encoded whose vector is left."""
    run_seeds(case, seeds, truncated)


HEADER = {
    "magic": (3, 0x20),
    "page size": (16, 0x40),
    "write version": (18, 0x07),
    "read version": (19, 0x40),
    "schema format": (47, 0x80),
    "vacuum": (55, 0x08),
    "encoding": (59, 0x02),
    "version up": (63, 0x80),
    "version down": (63, 0x03),
    "application": (70, 0x01),
    "first page": (103, 0xFF),
}


@pytest.mark.parametrize(
    "field", [pytest.param(f, marks=() if f in ("magic", "version up") else SLOW) for f in HEADER]
)
def test_header(case, field):
    """A flipped bit in the file's header costs no vector, and is not taken for a newer kadr or another program."""
    one = case()
    flip(one.home.catalogue, *HEADER[field])
    one.outcome()
    assert one.daemon.log
    assert len(one.before - one.content()) == 0


def test_damaged_text_of_the_schema(case):
    """A byte in the text of a table's definition that is no letter any more is damage like any other."""
    one = case()
    data = bytearray(one.home.catalogue.read_bytes())
    data[data.index(b"CREATE TABLE files") + 7] = 0x8A
    one.home.catalogue.write_bytes(data)
    assert one.outcome() == "salvaged"


def test_replaced(case):
    """A file that was overwritten is made anew: the watched folders are known and their pictures found."""
    one = case()
    one.home.catalogue.write_bytes(b"shopping list\n" * 500)
    assert one.outcome() == "salvaged"


@pytest.mark.parametrize("how", ["emptied", pytest.param("moved away", marks=SLOW)])
def test_begun_anew(case, how):
    """A catalogue that is gone leaves the watched folders known: everything in them is found again."""
    one = case()
    one.home.catalogue.write_bytes(b"") if how == "emptied" else one.home.catalogue.unlink()
    one.daemon.start()
    one.daemon.check()
    assert len(one.daemon.found()) == PICTURES


@pytest.mark.parametrize(
    "how", ["gone", *(pytest.param(how, marks=SLOW) for how in ("shm", "garbage", "truncated", "flipped"))]
)
def test_side_files(case, pictures, tmp_path, how):
    """After a kill, with the WAL gone or damaged, it starts; what only the WAL held is encoded again."""
    one = case()
    daemon = one.daemon
    daemon.start()
    daemon.add(tmp_path)
    pictures.many(tmp_path, 30, (".png",))
    daemon.sync()
    daemon.kill()
    daemon._process = None
    chance = random.Random(3)
    wal, shm = (Path(f"{one.home.catalogue}{part}") for part in ("-wal", "-shm"))
    match how:
        case "gone":
            wal.unlink()
        case "shm":
            shm.write_bytes(chance.randbytes(32768))
        case "garbage":
            wal.write_bytes(chance.randbytes(wal.stat().st_size))
        case "truncated":
            os.truncate(wal, wal.stat().st_size // 2)
        case "flipped":
            flip(wal, wal.stat().st_size // 2, 0x10)
    daemon.start()
    if tmp_path not in map(Path, map(os.fsdecode, daemon.roots())):
        daemon.add(tmp_path)
    for _ in range(ROUNDS):
        one.settled(daemon.sync)
        body = one.settled(daemon.verify)
        if body and body["ok"]:
            break
    assert body is not None
    assert body["ok"], body
    assert len(daemon.found()) == PICTURES + 30
    assert daemon.status()["encodes"] <= 30


def test_noticed_while_running(case):
    """Damage that is met in the middle of its work is mended at once, in the same process, without an encode."""
    one = case()
    daemon = one.daemon
    daemon.start()
    daemon.sync()
    pid = daemon.pid
    with contextlib.closing(sqlite3.connect(one.home.catalogue)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'files_by_key'"
        ).fetchone()
    flip(one.home.catalogue, (page - 1) * 4096, 0xFF)
    for _ in range(ROUNDS):
        one.settled(lambda: (daemon.rescan(), daemon.sync()))
        body = one.settled(daemon.verify)
        if body and body["ok"]:
            break
    assert body is not None
    assert body["ok"], body
    assert (daemon.pid, daemon.alive) == (pid, True)
    assert any("will be made anew" in line for line in daemon.log)
    assert len(daemon.found()) == PICTURES
    assert daemon.status()["encodes"] == 0


def test_checked_after_a_kill(case):
    """After a life that was not ended well the whole file is read, and damage found that nobody has met yet."""
    one = case()
    daemon = one.daemon
    daemon.start()
    daemon.kill()
    daemon._process = None
    with contextlib.closing(sqlite3.connect(one.home.catalogue)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials'").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    flip(one.home.catalogue, (page - 1) * 4096, 0xFF)
    daemon.start()
    daemon.hears("will be made anew")
    assert one.settled(daemon.sync)["files"] == PICTURES + 1
    body = one.settled(daemon.verify)
    assert body["ok"], (body, "".join(daemon.log))
    assert daemon.status()["encodes"] == 0


def test_not_for_ever(case):
    """A file that is damaged again within the hour is not made anew again: the daemon stays and says what is wrong."""
    one = case()
    daemon = one.daemon
    flip(one.home.catalogue, 3, 0x20)
    daemon.start()
    daemon.sync()
    with contextlib.closing(sqlite3.connect(one.home.catalogue)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials'").fetchone()
    flip(one.home.catalogue, (page - 1) * 4096, 0xFF)
    body = daemon.verify()
    assert [p["kind"] for p in body["problems"]] == ["catalogue-damaged"]
    assert daemon.alive
    assert sum("will be made anew" in line for line in daemon.log) == 1
    assert len(daemon.found()) == PICTURES


@pytest.mark.parametrize("point", ["publish-before-rename:1", "publish-renamed:1", "publish-renamed:2"])
def test_killed_while_mending(case, point):
    """Killed on the way to the new catalogue, before or behind the point where it is complete, the next start goes on."""
    one = case()
    flip(one.home.catalogue, 3, 0x20)
    with pytest.raises(AssertionError, match="the daemon ended"):
        one.daemon.start({"KADR_CRASH": point})
    assert one.daemon.wait() == -signal.SIGKILL
    one.daemon._process = None
    one.outcome()
    assert one.before == one.content()


def test_another_programs(case):
    """A file with another program's tables is refused with 78 and left as it is."""
    one = case()
    one.home.catalogue.unlink()
    with contextlib.closing(sqlite3.connect(one.home.catalogue)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID + 1}")
    before = one.home.catalogue.read_bytes()
    assert one.home.run("run").returncode == 78
    assert one.home.catalogue.read_bytes() == before


def test_model_that_cannot_be_read_for_once(launch, pictures, tmp_path):
    """A model whose folder cannot be read at one start keeps its vectors: taken up again, it encodes nothing."""
    daemon = launch()
    home = daemon.home
    home.add_model("other", seed=1)
    pictures.many(tmp_path / "root", 12)
    daemon.add(tmp_path / "root")
    daemon.sync()
    assert home.run("model", "use", "other").returncode == 0
    daemon.hears("model other is complete")
    daemon.stop()
    described = home.top / "data" / "models" / "tiny" / "model.json"
    before = described.read_bytes()
    described.write_bytes(b"{")
    daemon.start()
    daemon.sync()
    daemon.stop()
    described.write_bytes(before)
    daemon.start()
    assert home.run("model", "use", "tiny").returncode == 0
    daemon.hears("model tiny is complete")
    daemon.sync()
    assert daemon.status()["encodes"] == 0
    daemon.check()


def test_change_of_model_while_it_starts(helper, home):
    """SIGHUP, which `kadrd model use` sends, ends no daemon that has just taken the lock."""
    lock = Path(home.paths.state, "lock")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        daemon = helper.Daemon(home)
        starting = threads.submit(daemon.start)
        while not (lock.exists() and lock.read_bytes().endswith(b"\n")) and not starting.done():
            pass
        os.kill(int(lock.read_bytes()), signal.SIGHUP)
        starting.result()
    daemon.stop()
