"""kadr as a service: what is written where, what a manager is told, and what is left alone."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kadr import connection, service, start, units
from kadr.protocol import paths
from kadr.protocol.messages import End, Stop
from kadr.service import Ran

TOP = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the verb speaks to systemd here, to launchd on a Mac"
)
# Writes what it is asked to a file; fails where the file `refuses` lies; starts nothing more where `gave-up` lies, until it is
# forgiven; says that a unit is active where `active` lies.
SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/asked"
[ -e "$here/refuses" ] && { echo "Failed to connect to bus: No medium found" >&2; exit 1; }
case "$*" in *reset-failed*) rm -f "$here/gave-up"; exit;; *start*|*--now*) [ -e "$here/gave-up" ] && exit 1;; esac
case "$*" in *is-active*) [ -e "$here/active" ]; exit;; *enable\\ --now*|*start*) [ -e "$here/dies" ] || touch "$here/active";; *disable*|*stop*) rm -f "$here/active";; esac
exit 0
"""


class Machine:
    """A user's home, and a service manager in it that remembers what it was asked."""

    def __init__(self, top: Path) -> None:
        self.units = top / "config" / "systemd" / "user"
        self.programs = top / "programs"
        self.programs.mkdir()
        (self.programs / "systemctl").write_text(SYSTEMCTL)
        (self.programs / "systemctl").chmod(0o755)

    def asked(self) -> list[str]:
        """What it was asked since the last time."""
        file = self.programs / "asked"
        words = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [
            line.removeprefix("--user ") for line in words if not re.search("is-active|reset-failed", line)
        ]

    def set(self, state: str) -> None:
        (self.programs / state).touch()


@pytest.fixture
def machine(home, tmp_path, monkeypatch) -> Machine:
    """A home that every program finds, with a service manager."""
    monkeypatch.delenv("KADR_HOME")
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("XDG_RUNTIME_DIR", home)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:/usr/bin:/bin")
    return made


def test_install_and_uninstall(machine, kadr):
    """Install writes both units and starts them; a second one changes nothing; uninstall takes away both and nothing else."""
    (machine.units).mkdir(parents=True)
    (machine.units / "other.service").write_text("[Unit]\n")
    code, out, err = kadr("service", "install")
    assert code == 0, err
    assert [line.rpartition("/")[2] for line in out.decode().splitlines()] == [
        "kadrd.service",
        "kadrd.socket",
    ]
    assert machine.asked() == ["daemon-reload", "enable --now kadrd.socket kadrd.service"]
    assert "kadrd" in (machine.units / units.SERVICE).read_text()

    before = {file: file.stat().st_mtime_ns for file in machine.units.iterdir()}
    assert kadr("service", "install")[:2] == (0, b"")
    assert {file: file.stat().st_mtime_ns for file in machine.units.iterdir()} == before
    machine.asked()

    code, out, _ = kadr("service", "uninstall")
    assert (code, out.count(b"removed: ")) == (0, 2)
    assert machine.asked() == ["disable --now kadrd.socket kadrd.service", "daemon-reload"]
    assert os.listdir(machine.units) == ["other.service"]
    assert "no service is installed" in kadr("service", "uninstall").err


def test_what_is_not_ours_is_left_alone(machine, kadr):
    """A unit that the user wrote or changed stays as it is, and both verbs say so."""
    kadr("service", "install")
    changed = machine.units / units.SERVICE
    changed.write_text(changed.read_text().replace("Nice=5", "Nice=19"))
    code, _, err = kadr("service", "install")
    assert (code, "you changed it" in err) == (4, True)
    assert "you changed it" in kadr("service", "status").out.decode()
    (machine.units / units.SOCKET).write_text("[Socket]\nListenStream=/run/mine\n")
    code, out, err = kadr("service", "uninstall")
    assert (code, out) == (4, b"")
    assert "it is not kadr's" in err
    assert "Nice=19" in changed.read_text()


def test_another_version_is_replaced(machine, kadr, monkeypatch):
    """Files of an older kadr are written anew, and a service that runs is started again with them."""
    monkeypatch.setattr(service, "command", lambda: ["/opt/old/kadrd", "run"])
    kadr("service", "install")
    machine.asked()
    monkeypatch.setattr(service, "command", lambda: ["/opt/new/kadrd", "run"])
    assert "another version" in kadr("service", "status").out.decode()
    machine.asked()
    code, out, _ = kadr("service", "install")
    assert (code, out.count(b"written: ")) == (0, 1)
    assert machine.asked() == ["daemon-reload", "enable kadrd.socket kadrd.service", "restart kadrd.service"]


def test_a_service_that_gave_up(machine, kadr):
    """After five starts in vain the manager starts no more; once the reason is mended, install and any client have it try again."""
    for again in (lambda: kadr("service", "install").code == 0, service.begin):
        kadr("service", "install")
        (machine.programs / "active").unlink()
        machine.set("gave-up")
        assert again()
        assert (machine.programs / "active").exists()


def test_no_manager_answers(machine, kadr):
    """Where no manager answers the files are written, and the user reads why nothing runs and what to type later."""
    machine.set("refuses")
    code, out, err = kadr("service", "install")
    assert (code, out.count(b"written: ")) == (4, 2)
    assert "No medium found" in err
    assert "systemctl --user enable --now kadrd.socket kadrd.service" in err
    code, out, _ = kadr("service", "status")
    assert (code, b"no service manager answers" in out) == (4, True)


def test_it_does_not_run(machine, kadr):
    """A manager that takes the order and whose service does not run is no success: the user reads where to look."""
    machine.set("dies")
    code, _, err = kadr("service", "install")
    assert (code, "does not run" in err, "the service runs" in err) == (4, True, False)


def test_a_home_of_its_own_is_no_service(kadr):
    """With KADR_HOME set nothing is installed: the service would serve another home."""
    code, out, err = kadr("service", "install")
    assert (code, out) == (2, b"")
    assert "KADR_HOME" in err


def test_a_folder_that_cannot_be_written(machine, kadr):
    """A file in the way is a sentence with a remedy."""
    machine.units.parent.parent.mkdir()
    machine.units.parent.write_text("")
    code, _, err = kadr("service", "install")
    assert code == 4
    assert "cannot be written" in err


def test_a_daemon_that_runs_hands_over(machine, kadr, seam):
    """A daemon that was started by hand is stopped before the service starts."""
    daemon = seam.ScriptedDaemon(paths.current().socket)
    daemon.on("stop", End({}))
    try:
        code, _, err = kadr("service", "install")
    finally:
        daemon.close()
    assert code == 0, err
    assert daemon.requests == [Stop()]
    assert "has stopped, to be started as a service" in err


def test_clients_start_the_service(machine, kadr, seam):
    """Where the service is installed a client has the manager start it, and `kadr stop` has it stopped: its door would open it again."""
    kadr("service", "install")
    (machine.programs / "active").unlink()
    machine.asked()
    daemon = seam.ScriptedDaemon(paths.current().socket)
    try:
        start.start(paths.current()).close()
        assert machine.asked() == ["start kadrd.socket kadrd.service"]
        daemon.on("stop", End({}))
        code, _, err = kadr("stop")
        assert (code, "with its service" in err) == (0, True)
        assert machine.asked() == ["stop kadrd.socket kadrd.service"]
    finally:
        daemon.close()


def test_a_door_before_its_daemon(machine, kadr, monkeypatch):
    """Where a manager holds the socket a client waits while the daemon behind it starts; elsewhere silence is an error at once."""
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.05)
    os.makedirs(os.path.dirname(paths.current().socket), mode=0o700)
    silent = socket.socket(socket.AF_UNIX)
    with silent:
        silent.bind(paths.current().socket)
        silent.listen()
        code, _, err = kadr("roots")
        assert (code, "waiting" in err) == (4, False)
        monkeypatch.setattr(service, "_handed_over", lambda: True)
        kadr("service", "install")
        monkeypatch.setattr(start, "START_SECONDS", 0.1)
        code, _, err = kadr("roots")
    assert (code, "waiting for the daemon" in err, "not ready in time" in err) == (4, True, True)


def test_logs(machine, kadr):
    """The log is the manager's where there is one, else the file that the daemon writes."""
    journal = machine.programs / "journalctl"
    journal.write_text('#!/bin/sh\necho said "$*"\n')
    journal.chmod(0o755)
    code, _, err = kadr("service", "logs")
    assert (code, "no log yet" in err) == (4, True)
    os.makedirs(os.path.dirname(paths.current().log))
    Path(paths.current().log).write_text("said by hand\n")
    assert kadr("service", "logs") == (0, b"said by hand\n", "")
    kadr("service", "install")
    assert b"said --user --unit=kadrd.service" in kadr("service", "logs").out


def test_unknown_words(kadr):
    """A word that service does not know is answered with those that it knows."""
    code, _, err = kadr("service", "destroy")
    assert code == 2
    assert "install | uninstall | status | logs | print" in err


# The texts


def test_the_files_of_the_repository():
    """systemd/ and launchd/ hold what `kadr service print` gives for a packaged kadr."""
    texts = {f"systemd/{name}": text for name, text in units.systemd(units.PACKAGED, {}).items()}
    texts |= {f"launchd/{name}": text for name, text in units.launchd(units.PACKAGED, None).items()}
    assert {name: (TOP / name).read_text(encoding="utf-8") for name in texts} == texts


def test_print(kadr):
    """`kadr service print` shows each file under its name."""
    code, out, _ = kadr("service", "print")
    assert code == 0
    for name, text in units.systemd(units.PACKAGED, {}).items():
        assert f"# {name}\n{text}" in out.decode()


@pytest.fixture
def analyze(tmp_path, monkeypatch):
    """Runs systemd-analyze over units; skips where it is not installed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))

    def run(*words: str) -> Ran:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=45, check=False)
        return Ran(done.returncode == 0, done.stdout + done.stderr)

    return run


def written(folder: Path, command: list[str], environment: dict[str, str]) -> list[str]:
    """The paths of the units for *command*, in *folder*."""
    for name, text in units.systemd(command, environment).items():
        (folder / name).write_text(text)
    return [str(folder / units.SERVICE), str(folder / units.SOCKET)]


@pytest.mark.parametrize("folder", ["plain", "a b 100% $HOME \"q\" \\ 'x'", "фото"])
def test_systemd_reads_the_units(analyze, tmp_path, folder):
    """systemd finds nothing wrong with the units, whatever the folder of kadrd is called."""
    place = tmp_path / folder
    place.mkdir()
    (place / "kadrd").write_text("#!/bin/sh\n")
    (place / "kadrd").chmod(0o755)
    ran = analyze(
        "verify",
        "--user",
        "--man=no",
        *written(tmp_path, [str(place / "kadrd"), "run"], {"XDG_DATA_HOME": str(place)}),
    )
    assert ran == Ran(ok=True, said="")


def test_a_wrong_unit_is_found(analyze, tmp_path):
    """The check above would find a program that is not there."""
    assert not analyze("verify", "--user", "--man=no", *written(tmp_path, ["/nowhere/kadrd", "run"], {})).ok


def test_the_service_is_confined(analyze, tmp_path):
    """What systemd says the service is exposed to is no more than what is documented in units.py."""
    service_file, _ = written(tmp_path, ["/bin/true"], {})
    assert analyze("security", "--user", "--offline=yes", "--threshold=62", service_file).ok


def test_launchd_reads_the_agent():
    """The agent is a property list with absolute places, whatever they are called."""
    own = units.Own("/Users/a & b/kadr.sock", "/Users/a & b/<log>")
    (text,) = units.launchd(["/opt/a&b/kadrd", "run"], own).values()
    agent = plistlib.loads(text.encode())
    assert agent["Label"] == "org.kadr.kadrd"
    assert agent["ProgramArguments"] == ["/opt/a&b/kadrd", "run"]
    assert agent["StandardErrorPath"] == own.log
    listener = agent["Sockets"]["Listener"]
    assert (listener["SockPathName"], listener["SockPathMode"], agent["Umask"]) == (own.socket, 0o600, 0o077)
