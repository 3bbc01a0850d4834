"""Who gets in, what happens when socket or state are taken away, which signals end it, and strange homes."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kadr.protocol import errors, messages
from kadr.protocol.frames import encode
from kadr.protocol.messages import Ping


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
