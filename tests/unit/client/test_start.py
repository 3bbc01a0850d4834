"""Starting and stopping the daemon, with a small program in the place of kadrd."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from kadr import start
from kadr.protocol import paths
from kadr.protocol.errors import CannotStart

# Answers hello and stop, and says where and how it was started.
PROGRAM = """
import os, socket, sys
from kadr.protocol import messages, paths
from kadr.protocol.frames import REQUEST_LIMIT, FrameReader, encode

path = paths.current().socket
os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
print("started", sys.argv[1:], os.getcwd(), os.getsid(0) == os.getpid(), flush=True)
welcome = messages.Welcome(1, "kadrd/9", str(os.getpid()), list(messages.CAPABILITIES), {}, {"name": "tiny"}, [])
listener = socket.socket(socket.AF_UNIX)
listener.settimeout(30)
listener.bind(path)
listener.listen()
stopping = False
while not stopping:
    connection, _ = listener.accept()
    connection.settimeout(30)
    reader = FrameReader(REQUEST_LIMIT)
    while data := connection.recv(4096):
        reader.feed(data)
        while message := reader.next():
            stopping = message["op"] == "stop"
            body = welcome._asdict() if message["op"] == "hello" else {"pictures": 1}
            connection.sendall(encode(messages.reply(message["id"], messages.End(body))))
        if stopping:
            break
    connection.close()
os.unlink(path)
"""


@pytest.fixture
def program(home, tmp_path, monkeypatch):
    """Puts a text in the place of kadrd's __main__."""
    folder = tmp_path / "modules" / "kadrd"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder.parent), *filter(None, sys.path)]))

    def write(text: str) -> None:
        (folder / "__main__.py").write_text(text)

    return write


def log() -> str:
    with open(paths.current().log) as file:
        return file.read()


def test_the_client_starts_what_it_needs(program, kadr, home):
    """A verb starts the daemon: detached, in /, its words in the log file; stop ends it."""
    program(PROGRAM)
    assert kadr("status", "--json") == (0, b'{"pictures": 1}\n', "")
    assert log() == "started ['run'] / True\n"
    assert stat.S_IMODE(os.stat(paths.current().log).st_mode) == 0o600
    assert kadr("start").err == "kadr: kadrd/9 already runs\n"
    assert kadr("stop").err == "kadr: stopped\n"
    assert not os.path.exists(paths.current().socket)


def test_start_says_what_runs(program, kadr):
    """`kadr start` names the daemon and its model."""
    program(PROGRAM)
    assert kadr("start").err == "kadr: kadrd/9 runs, with the model tiny\n"
    assert kadr("stop").code == 0


def test_a_relative_home_means_the_same_to_both(program, kadr, home, monkeypatch):
    """KADR_HOME relative to the caller's folder reaches the daemon, which runs in /, as the same place."""
    program(PROGRAM)
    monkeypatch.chdir(home)
    monkeypatch.setenv("KADR_HOME", "here")
    assert kadr("start").code == 0
    assert kadr("stop").code == 0
    assert os.path.exists(os.path.join(home, "here", "state", "kadrd.log"))


def test_it_does_not_start(program, kadr):
    """A daemon that ends at once is exit code 3, with what it said last and how to see more."""
    program("import sys\nprint('old words')\nsys.exit('kadrd: the catalogue is newer than this program')")
    for _ in range(2):
        code, out, err = kadr("cat")
        assert (code, out) == (3, b"")
        assert "the catalogue is newer than this program" in err
        assert "kadrd run" in err
        assert err.count("the catalogue is newer") == 1


def test_it_says_nothing(program, kadr):
    """A daemon that dies in silence is reported by its exit code."""
    program("raise SystemExit(78)")
    assert "exit code 78 and said nothing" in kadr("start").err


def test_somebody_else_was_quicker(program, kadr, tmp_path, monkeypatch):
    """A daemon that finds the lock taken is tried again until one answers."""
    marker = tmp_path / "once"
    program(
        f"import os\nif not os.path.exists({str(marker)!r}):\n    open({str(marker)!r}, 'w').close()\n    raise SystemExit({start.TRY_AGAIN})\n"
        + PROGRAM
    )
    assert kadr("start").code == 0
    assert kadr("stop").code == 0
    assert marker.exists()


def test_the_one_that_is_there_takes_long(program, monkeypatch):
    """While another daemon holds the lock and does not answer yet, hardly any are started beside it."""
    program(f"print('tried', flush=True)\nraise SystemExit({start.TRY_AGAIN})")
    monkeypatch.setattr(start, "START_SECONDS", 1.5)
    with pytest.raises(CannotStart, match="not answered"):
        start.start(paths.current())
    assert 1 <= log().count("tried") <= 5


def test_it_never_answers(program, monkeypatch, capsys):
    """A daemon that runs but does not answer in time is reported with its log; a slow one is announced."""
    program("import sys\nsys.stdin.read()\nimport signal\nsignal.alarm(30)\nsignal.pause()")
    spawned = []
    spawn = start._spawn

    def remembering(places):
        spawned.append(spawn(places))
        return spawned[0]

    monkeypatch.setattr(start, "_spawn", remembering)
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(start.time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(CannotStart, match="not answered") as caught:
        start.start(paths.current())
    os.kill(spawned[0].pid, 9)
    os.waitpid(spawned[0].pid, 0)
    assert paths.current().log in caught.value.act
    assert capsys.readouterr().err.count("starting the daemon ...") == 1


def test_a_log_that_cannot_be_written(program, kadr, home):
    """A state folder that is no folder is a sentence with a remedy."""
    with open(os.path.join(home, "state"), "w"):
        pass
    code, _, err = kadr("start")
    assert code == 3
    assert "cannot be written" in err


def test_a_grown_log_begins_anew(program, kadr, monkeypatch):
    """The log does not grow for ever: at a start a large one is put aside, and what is said is in the new one."""
    program("raise SystemExit('no room')")
    kadr("start")
    monkeypatch.setattr(start, "LOG_BYTES", 3)
    assert "no room" in kadr("start").err
    assert log() == "no room\n"
    assert os.path.exists(paths.current().log + ".old")


def test_no_start(program, kadr):
    """--no-start leaves things as they are."""
    program(PROGRAM)
    assert kadr("status", "--no-start").code == 3
    assert not os.path.exists(paths.current().log)


def test_another_one_took_over(daemon, kadr, seam):
    """A service manager that starts the daemon again does not make stop wait for ever."""
    daemon.on("stop", seam.End({}))
    daemon.on("hello", seam.End(seam.WELCOME._asdict()))
    daemon.on("hello", seam.End(seam.WELCOME._replace(instance="instance-2")._asdict()))
    daemon.stops = False
    assert "another one has been started" in kadr("stop").err


def test_the_module_is_run_by_this_python(program, monkeypatch):
    """The daemon runs in the Python that runs the client; when that is gone, the user reads so."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CannotStart, match="does not run"):
        start.start(paths.current())
