"""The daemon as a process: how it starts, what it refuses, what it holds open, how it ends."""

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kadr.protocol.messages import Ping, Stop, Sync
from kadrd.store.schema import APPLICATION_ID, MIGRATIONS


def test_second_daemon(daemon):
    """A second daemon in the same home ends with 75 and disturbs nobody."""
    done = daemon.home.run("run")
    assert done.returncode == 75
    assert "kadr status" in done.stderr
    assert daemon.ask(Ping()).body == {}


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(180)])])
def test_many_started_at_once(home, count):
    """Of several daemons started at once just one runs; when it is killed the next start works."""
    command = [sys.executable, "-m", "kadrd", "run"]
    started = [
        subprocess.Popen(command, env=home.environment(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for _ in range(count)
    ]
    codes, survivors = [], []
    for process in started:
        for line in process.stderr:
            if b"answers at" in line:
                survivors.append(process)
                break
        else:
            codes.append(process.wait(45))
    assert codes == [75] * (count - 1)
    (survivor,) = survivors
    survivor.kill()
    survivor.wait(45)
    for process in started:
        process.stderr.close()


def test_newer_catalogue(home):
    """A catalogue of a newer kadr is refused with 78, and not a byte of it is changed."""
    home.catalogue.parent.mkdir()
    with sqlite3.connect(home.catalogue) as connection:
        connection.execute("CREATE TABLE settings (name)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = home.catalogue.read_bytes()
    done = home.run("run")
    assert done.returncode == 78
    assert "newer" in done.stderr
    assert home.catalogue.read_bytes() == before


def test_not_a_catalogue(home):
    """Another program's database is refused with 78 and left as it is."""
    home.catalogue.parent.mkdir()
    with sqlite3.connect(home.catalogue) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = home.catalogue.read_bytes()
    done = home.run("run")
    assert done.returncode == 78
    assert "Traceback" not in done.stderr
    assert home.catalogue.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[scan]\nquite_seconds = 1\n", "scan.quiet_seconds"),
        ("[scna]\n", "scan"),
        ("[scan]\nquiet_seconds = 'long'\n", "float"),
        ("[worker]\npriority = 'highest'\n", "idle, low, normal"),
        ("[scan\n", "cannot be read"),
    ],
)
def test_bad_settings(home, text, said):
    """Settings that make no sense end it with 78, and a sentence that says what to write."""
    home.write_config(text)
    done = home.run("run")
    assert done.returncode == 78
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_model(home):
    """A chosen model that is not there ends the first start with 78 and says how to choose another."""
    (home.top / "data" / "models" / "current").write_text("gone\n")
    done = home.run("run")
    assert done.returncode == 78
    assert "kadrd model" in done.stderr


def test_socket_path_that_is_too_long(make_home, tmp_path, make_tiny_model):
    """A socket whose path the system cannot take is refused with 78 and a remedy."""
    home = make_home()
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "kadrd", "run"], env={**home.environment(), "KADR_HOME": str(deep)},
        capture_output=True, text=True, timeout=45, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert "KADR_HOME" in done.stderr


def test_only_its_user_gets_in(launch):
    """The socket's folder is 0700 and the socket 0600, whatever the umask; the catalogue is private too."""
    before = os.umask(0)
    try:
        daemon = launch()
    finally:
        os.umask(before)
    path = Path(daemon.home.paths.socket)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.home.catalogue.stat().st_mode) & 0o077 == 0
    assert [name for name in os.listdir(path.parent) if name != path.name] == []


def test_open_socket_folder_is_closed(home, launch):
    """A socket folder that others could enter is made private first."""
    folder = Path(home.paths.socket).parent
    folder.mkdir()
    folder.chmod(0o777)
    launch(home)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_socket_folder_that_is_a_link(home, tmp_path):
    """A socket folder that is a link to elsewhere is refused."""
    (tmp_path / "elsewhere").mkdir()
    Path(home.paths.socket).parent.symlink_to(tmp_path / "elsewhere")
    assert home.run("run").returncode == 78


@pytest.mark.parametrize("left", ["socket", "file"])
def test_stale_socket(home, launch, left):
    """What an earlier daemon left at the socket's place does not keep the next one from starting."""
    path = Path(home.paths.socket)
    path.parent.mkdir()
    if left == "socket":
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(path))
    else:
        path.write_text("what is this?")
    assert launch(home).ask(Ping()).body == {}


def test_started_again_after_a_kill(launch):
    """After SIGKILL the next start works at once."""
    daemon = launch()
    daemon.kill()
    daemon.start()
    assert daemon.ask(Ping()).body == {}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "stop"])
def test_ends_well(launch, pictures, tmp_path, how):
    """SIGTERM, Ctrl-C and `stop` end it with 0, in the middle of indexing too, and nothing is left behind."""
    daemon = launch()
    files = pictures.many(tmp_path, 150, (".bmp",))
    daemon.add(tmp_path)
    replies = daemon.replies(Sync())
    next(replies)
    worker = [pid for pid in daemon.children() if pid]
    if how == "stop":
        daemon.ask(Stop())
    else:
        daemon.signal(how)
    replies.close()
    assert daemon.wait() == 0
    assert not [pid for pid in worker if Path(f"/proc/{pid}").exists()]
    daemon.start()
    daemon.shows(*files)


def _sockets(pid):
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _inet():
    rows = [
        line.split() for name in ("tcp", "tcp6", "udp", "udp6", "raw") for line in _lines(f"/proc/net/{name}")
    ]
    return {row[9] for row in rows}


def _lines(path):
    return Path(path).read_text().splitlines()[1:] if Path(path).exists() else []


def test_speaks_to_nobody_else(daemon, root, pictures):
    """Neither the daemon nor its worker has a network socket, after indexing and searching."""
    pictures.one(root / "a.jpg")
    daemon.check()
    with socket.socket() as ours:  # the probe sees what is there to be seen
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        assert _sockets(os.getpid()) & _inet()
        assert not (_sockets(daemon.pid) | _sockets(daemon.worker())) & _inet()


def test_holds_no_decoder(daemon, root, pictures):
    """The daemon's process has neither Pillow nor torch in memory; the worker has Pillow and not torch."""
    pictures.one(root / "a.jpg")
    daemon.check()
    ours = Path(f"/proc/{daemon.pid}/maps").read_text()
    theirs = Path(f"/proc/{daemon.worker()}/maps").read_text()
    assert "/PIL/" in theirs
    for library in ("/PIL/", "pillow", "/torch/", "libtorch"):
        assert library not in ours
    assert "/torch/" not in theirs


def test_worker_leaves_when_idle(launch, pictures, tmp_path):
    """The worker ends when there is nothing to do, and comes back for the next picture."""
    daemon = launch(worker={"idle_seconds": 0.0})
    daemon.add(tmp_path)
    first = pictures.one(tmp_path / "a.jpg")
    daemon.shows(first)
    daemon.rescan()
    daemon.sync()
    daemon.sync()
    assert daemon.children() == []
    daemon.shows(first, pictures.one(tmp_path / "b.jpg"))


def test_status_is_complete(daemon, root, pictures):
    """Status has every field that users and tests read progress from."""
    pictures.one(root / "a.jpg")
    daemon.sync()
    status = daemon.status()
    assert status.keys() >= {
        "version", "model", "roots", "files", "pictures", "pending", "failures", "encodes", "decodes", "overflows",
        "recoveries", "full_scans", "shards", "rss_bytes", "uptime_s",
    }  # fmt: skip
    assert status["roots"] == [{"path": os.fsencode(root), "online": True, "files": 1}]


def test_doctor_is_content(daemon, root, pictures):
    """Doctor finds nothing wrong with a healthy daemon, and says where a bad file is listed."""
    from kadr.protocol.messages import Doctor

    pictures.one(root / "a.jpg")
    daemon.sync()
    checks = {check["name"]: check for check in daemon.ask(Doctor()).body["checks"]}
    assert [name for name, check in checks.items() if not check["ok"]] in ([], ["space"])
    (root / "bad.jpg").write_bytes(b"no picture")
    daemon.sync()
    checks = {check["name"]: check for check in daemon.ask(Doctor()).body["checks"]}
    assert "kadr status" in checks["pictures"]["says"]
