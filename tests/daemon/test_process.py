"""The daemon as a process: how it starts, what it refuses, what it holds open, how it ends."""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kadr.protocol import errors, messages
from kadr.protocol.frames import encode
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


def _as_nobody(do):
    """The exit code of *do* in a process of another user."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        code = do()
    finally:
        os._exit(code)


NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@NEEDS_ROOT
def test_another_user_cannot_reach_the_socket(daemon):
    """Another user cannot connect: the folder and the socket are closed to them."""

    def connects():
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(daemon.home.paths.socket)
            except PermissionError:
                return 13
        return 0

    assert _as_nobody(connects) == 13


@NEEDS_ROOT
def test_another_user_is_refused(launch):
    """Another user who reaches the socket all the same, because somebody opened the doors, hears nothing and is let go."""
    daemon = launch()
    path = Path(daemon.home.paths.socket)
    opened = [path, *path.parents][: len(path.parents)]
    before = [(place, stat.S_IMODE(place.stat().st_mode)) for place in opened]

    def asks():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(path))
            try:
                client.sendall(encode(messages.hello(messages.Hello([1, 1]))))
                return len(client.recv(100))
            except (BrokenPipeError, ConnectionResetError):
                return 0

    try:
        for place, mode in before:
            place.chmod(mode | 0o777)
        assert _as_nobody(asks) == 0
    finally:
        for place, mode in before:
            place.chmod(mode)
    assert daemon.ask(Ping()).body == {}


def test_link_at_the_socket(home, launch, tmp_path):
    """A link at the socket's place is replaced; where it leads to is left alone."""
    target = tmp_path / "target"
    target.write_text("mine")
    path = Path(home.paths.socket)
    path.parent.mkdir()
    path.symlink_to(target)
    assert launch(home).ask(Ping()).body == {}
    assert not path.is_symlink()
    assert target.read_text() == "mine"


@pytest.mark.parametrize("by", ["nothing", "a file", "another socket", "nothing, with its folder"])
def test_socket_taken_away(launch, by):
    """A socket that is deleted or replaced while the daemon runs is made again, private, and who is connected stays so."""
    daemon = launch()
    path = Path(daemon.home.paths.socket)
    with daemon.connect() as before, socket.socket(socket.AF_UNIX) as other:
        path.unlink()
        if by == "a file":
            path.write_text("what is this?")
        elif by == "another socket":
            other.bind(str(path))
        elif by == "nothing, with its folder":
            path.parent.rmdir()
        daemon.signal(signal.SIGHUP)  # it looks by the clock too
        daemon.hears("made again")
        before.end(Ping())
        while not _leads_to(daemon, path):
            before.end(Ping())
        assert daemon.ask(Ping()).body == {}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def _leads_to(daemon, path):
    try:
        with daemon.connect():
            return True
    except errors.KadrError:
        return False


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_state_taken_away(launch, how):
    """A daemon whose state is deleted or replaced while it runs ends with 4 and a sentence, and the next one starts."""
    daemon = launch()
    state = Path(daemon.home.paths.state)
    if how == "deleted":
        shutil.rmtree(state)
    else:
        state.rename(state.with_name("old"))
        state.mkdir(mode=0o700)
        (state / "lock").write_text("")
    daemon.signal(signal.SIGHUP)  # it looks by the clock too
    assert daemon.wait() == 4
    assert "Start it again" in "".join(daemon.log)
    daemon.start()
    assert daemon.ask(Ping()).body == {}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPIPE])
def test_signals_that_end_nothing(daemon, number):
    """SIGHUP and SIGPIPE do not end it."""
    for _ in range(20):
        daemon.signal(number)
    assert daemon.ask(Ping()).body == {}


def test_stopped_while_it_verifies(launch, pictures, tmp_path):
    """SIGTERM in the middle of `verify` ends it with 0."""
    daemon = launch()
    daemon.add(tmp_path)
    pictures.many(tmp_path, 100, (".bmp",))
    daemon.sync()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(daemon.home.paths.socket)
        client.sendall(encode(messages.hello(messages.Hello([1, 1]))))
        client.sendall(encode(messages.request(1, messages.Verify())))
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_stopped_while_it_seals(launch, pictures, tmp_path):
    """SIGTERM while a shard is being sealed ends it with 0, and the next life seals what was left."""
    daemon = launch(index={"seal_at": 40, "shard_size": 400})
    daemon.add(tmp_path)
    files = pictures.many(tmp_path, 120)
    sealing = False
    while not sealing and daemon.status()["shards"] == 0:
        sealing = any(b"sealer" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in daemon.children())
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    daemon.start()
    daemon.shows(*files)


@pytest.mark.parametrize("runtime", ["", "relative/path", None])
def test_without_a_runtime_folder(home, launch, tmp_path, runtime):
    """Without XDG_RUNTIME_DIR, as over ssh and under cron, or with nonsense in it, the socket lies in the cache folder."""
    (tmp_path / ".local/share/kadr").mkdir(parents=True)
    shutil.copytree(home.top / "data/models", tmp_path / ".local/share/kadr/models")
    environment = _plain(HOME=str(tmp_path), **({} if runtime is None else {"XDG_RUNTIME_DIR": runtime}))
    with _running(environment) as (process, said):
        assert f"{tmp_path}/.cache/kadr/run/kadr.sock" in said
        process.send_signal(signal.SIGTERM)
        assert process.wait(45) == 0


def test_without_a_home():
    """Without HOME it takes that of the user database: it runs there, or ends with a sentence, and never with a traceback."""
    import pwd

    from kadr.protocol import paths

    assert paths.current({}).state.startswith(pwd.getpwuid(os.getuid()).pw_dir)


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/home"])
def test_home_that_cannot_be_written(place):
    """Where nothing can be written it ends with 4 and a sentence that names the place."""
    done = subprocess.run(
        [sys.executable, "-m", "kadrd", "run"], env=_plain(HOME=place), capture_output=True, text=True, timeout=45,
        check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert place in done.stderr
    assert "Traceback" not in done.stderr


def _plain(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "KADR_", "HOME"))}
    return kept | more


@contextlib.contextmanager
def _running(environment):
    process = subprocess.Popen(
        [sys.executable, "-m", "kadrd", "run"], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with process:
        try:
            yield process, next(line for line in process.stderr if "answers at" in line)
        finally:
            process.kill()
