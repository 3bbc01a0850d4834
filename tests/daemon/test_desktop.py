"""GNOME Shell and KRunner ask over a real bus, and kadrd answers."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kadr.desktop.thumbnails import path_of, uri
from kadr.protocol.messages import Search

dbus_fast = pytest.importorskip("dbus_fast", reason="the extra `desktop` is not installed")
aio = pytest.importorskip("dbus_fast.aio")

NAME, PATH = "org.kadr.Search", "/org/kadr/Search"
GNOME, KRUNNER = "org.gnome.Shell.SearchProvider2", "org.kde.krunner1"

# What each method takes and gives, as GNOME Shell (data/dbus-interfaces/org.gnome.ShellSearchProvider2.xml) and KRunner
# (src/data/org.kde.krunner1.xml) document it. KRunner's file writes Config's result as {sv}, which is no D-Bus type by
# itself; it reads a map, a{sv}.
SIGNATURES = {
    GNOME: {
        "GetInitialResultSet": ("as", "as"),
        "GetSubsearchResultSet": ("asas", "as"),
        "GetResultMetas": ("as", "aa{sv}"),
        "ActivateResult": ("sasu", ""),
        "LaunchSearch": ("asu", ""),
    },
    KRUNNER: {
        "Match": ("s", "a(sssida{sv})"),
        "Actions": ("", "a(sss)"),
        "Run": ("ss", ""),
        "Config": ("", "a{sv}"),
        "Teardown": ("", ""),
    },
}


class Bus:
    """A session bus of our own, and what is started on it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.environment = environment | {
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        command = [
            "dbus-daemon",
            "--session",
            "--nofork",
            "--print-address=1",
            f"--address=unix:dir={folder}",
        ]
        self._process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self.address
        self._begun: list[subprocess.Popen[str]] = []

    def kadr(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "kadr", *words]
        process = subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)
        self._begun.append(process)
        return process

    def serve(self, *options: str) -> subprocess.Popen[str]:
        """The process that answers; back when it has its name."""
        process: list[subprocess.Popen[str]] = []

        async def begin():
            async with Caller(self.address) as caller:
                owned = caller.owner_of(NAME)
                process.append(self.kadr("desktop", "serve", *options))
                await owned

        asyncio.run(begin())
        return process[0]

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)
        for process in self._begun:
            process.terminate()
            process.communicate(timeout=30)


class Caller:
    """What a shell is on the bus."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def __aenter__(self):
        self._bus = await aio.MessageBus(self._address).connect()
        return self

    async def __aexit__(self, *_):
        self._bus.disconnect()

    async def call(self, interface: str, method: str, signature: str = "", *body):
        """What the method gives. Fails when that is an error."""
        message = dbus_fast.Message(
            destination=NAME,
            path=PATH,
            interface=interface,
            member=method,
            signature=signature,
            body=list(body),
        )
        reply = await self._bus.call(message)
        assert reply.message_type is dbus_fast.MessageType.METHOD_RETURN, reply.body
        return reply.body[0] if reply.body else None

    def ask(self, method: str, *body):
        """One of the methods of SIGNATURES."""
        interface = GNOME if method in SIGNATURES[GNOME] else KRUNNER
        return self.call(interface, method, SIGNATURES[interface][method][0], *body)

    def owner_of(self, name: str):
        """Done when somebody has *name*."""
        owned = asyncio.get_running_loop().create_future()

        def hear(message):
            if message.member == "NameOwnerChanged" and message.body[0] == name and message.body[2]:
                owned.set_result(None)

        self._bus.add_message_handler(hear)
        rule = f"type='signal',member='NameOwnerChanged',arg0='{name}'"
        message = dbus_fast.Message(
            destination="org.freedesktop.DBus", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus",
            member="AddMatch", signature="s", body=[rule],
        )  # fmt: skip

        async def wait():
            await added
            await owned

        added = asyncio.ensure_future(self._bus.call(message))
        return wait()


@pytest.fixture
def start_bus(tmp_path_factory):
    """Starts a bus whose processes have an environment."""
    if not shutil.which("dbus-daemon"):
        pytest.skip("dbus-daemon is not installed")
    begun = []

    def start(environment):
        begun.append(Bus(tmp_path_factory.mktemp("b"), environment))
        return begun[-1]

    yield start
    for bus in begun:
        bus.close()


@pytest.fixture
def bus(start_bus, daemon):
    """A bus on which a kadr that asks the daemon answers."""
    started = start_bus(daemon.home.environment())
    started.serve()
    return started


def shell(bus, scene):
    """What *scene* gives, a coroutine function that is handed a shell on the bus."""

    async def run():
        async with Caller(bus.address) as caller:
            return await scene(caller)

    return asyncio.run(run())


def called(pictures, folder, name):
    """Five pictures called *name*: they are found by it, whatever the model of the test sees on them."""
    return [pictures.one(folder / f"{name} {number}.png") for number in range(5)]


def expected(daemon, text):
    """The addresses of what the daemon finds for *text*."""
    return [uri(row["path"]) for row in daemon.ask(Search(text, 12)).rows]


def test_the_interfaces_are_those_of_the_shells(bus):
    """Each method takes and gives what GNOME and KDE document, and there is no method more."""

    async def scene(caller):
        return await caller.call("org.freedesktop.DBus.Introspectable", "Introspect")

    found = {}
    for interface in ET.fromstring(shell(bus, scene)).iter("interface"):
        methods = {
            method.get("name"): tuple(
                "".join(arg.get("type") for arg in method.iter("arg") if arg.get("direction") == way)
                for way in ("in", "out")
            )
            for method in interface.iter("method")
        }
        found[interface.get("name")] = methods
    assert {name: found[name] for name in SIGNATURES} == SIGNATURES


def test_gnome_shell(bus, daemon, root, pictures):
    """GNOME Shell is given the daemon's hits, best first, each with its name, its place and its picture."""
    files = called(pictures, root / "кот", "red bicycle in snow")
    daemon.sync()

    async def scene(caller):
        hits = await caller.ask("GetInitialResultSet", ["red", "bicycle"])
        fewer = await caller.ask("GetSubsearchResultSet", hits, ["red", "bicycle", "snow"])
        return hits, fewer, await caller.ask("GetResultMetas", hits)

    hits, fewer, metas = shell(bus, scene)
    assert hits == expected(daemon, "red bicycle")
    assert fewer == expected(daemon, "red bicycle snow")
    assert len(hits) == len(files)
    for address, meta in zip(hits, metas, strict=True):
        assert meta["id"].value == address
        assert meta["name"].value == Path(os.fsdecode(path_of(address))).name
        assert "кот" in meta["description"].value
        assert meta["icon"].signature == "(sv)"
        assert [meta["icon"].value[0], meta["icon"].value[1].value] == ["file", address]


def test_krunner(bus, daemon, root, pictures):
    """KRunner is given the daemon's hits behind kadr's word, the best the most relevant, and nothing for what is not kadr's."""
    files = called(pictures, root, "red bicycle")
    daemon.sync()

    async def scene(caller):
        hits = await caller.ask("Match", "pic red bicycle")
        others = [await caller.ask("Match", text) for text in ("red bicycle", "pic", "pic r", "")]
        actions, config = await caller.ask("Actions"), await caller.ask("Config")
        await caller.ask("Teardown")
        return hits, others, actions, config

    hits, others, actions, config = shell(bus, scene)
    assert [hit[0] for hit in hits] == expected(daemon, "red bicycle")
    assert len(hits) == len(files)
    relevance = [hit[4] for hit in hits]
    assert relevance == sorted(relevance, reverse=True)
    assert all(0 < each <= 1 for each in relevance)
    assert [hit[5]["urls"].value for hit in hits] == [[hit[0]] for hit in hits]
    assert others == [[], [], [], []]
    assert [action[0] for action in actions] == ["folder"]
    assert "pic " in config["TriggerWords"].value


def test_typing_faster_than_anybody(bus, daemon, root, pictures):
    """Every keystroke is answered, however fast they come, and the last text gets the right hits."""
    text = "red bicycle in the deep snow of a long winter night"
    files = called(pictures, root, text)
    daemon.sync()

    async def scene(caller):
        strokes = [text[:end] for end in range(1, len(text) + 1)]
        for_gnome = [caller.ask("GetInitialResultSet", stroke.split()) for stroke in strokes]
        answers = await asyncio.gather(*for_gnome)
        matches = await asyncio.gather(*(caller.ask("Match", f"pic {stroke}") for stroke in strokes))
        return answers, matches

    answers, matches = shell(bus, scene)
    assert answers[-1] == expected(daemon, text)
    assert len(answers[-1]) == len(files)
    assert [hit[0] for hit in matches[-1]] == answers[-1]


def test_no_daemon_runs(start_bus, home):
    """Where no daemon runs shells are told nothing, and a keystroke starts none."""
    bus = start_bus(home.environment())
    bus.serve()

    async def scene(caller):
        return await caller.ask("GetInitialResultSet", ["bicycle"]), await caller.ask("Match", "pic bicycle")

    assert shell(bus, scene) == ([], [])
    assert not os.path.exists(home.paths.socket)


def test_a_daemon_that_hangs(start_bus, launch, tmp_path, pictures):
    """A daemon that hangs keeps no shell waiting, and is asked again when it is back."""
    daemon = launch()
    daemon.add(tmp_path)
    called(pictures, tmp_path, "bicycle in snow")
    daemon.sync()
    bus = start_bus(daemon.home.environment())
    bus.serve()

    async def scene(caller):
        before = await caller.ask("GetInitialResultSet", ["bicycle"])
        daemon.signal(signal.SIGSTOP)
        hanging = [
            await caller.ask("GetInitialResultSet", ["winter", f"night{number}"]) for number in range(50)
        ]
        daemon.signal(signal.SIGCONT)
        while not (after := await caller.ask("GetInitialResultSet", ["snow"])):
            pass
        return before, hanging, after

    before, hanging, after = shell(bus, scene)
    assert before == expected(daemon, "bicycle")
    assert hanging == [[]] * 50
    assert after == expected(daemon, "snow")


def test_it_leaves_when_nobody_asks(start_bus, home):
    """The process ends by itself, without an error, when no shell has asked for a while."""
    bus = start_bus(home.environment())
    process = bus.serve("--timeout", "0.3")
    assert process.wait(timeout=30) == 0
    assert process.communicate()[1] == ""


def test_one_is_enough(bus):
    """A second one leaves the shells to the first."""
    second = bus.kadr("desktop", "serve")
    assert second.wait(timeout=30) == 0
    assert "already served" in second.communicate()[1]


def test_no_bus(start_bus, home):
    """Where there is no bus that is said, with what to do."""
    bus = start_bus(home.environment())
    bus.environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
    process = bus.kadr("desktop", "serve")
    assert process.wait(timeout=30) == 3
    assert "session bus" in process.communicate()[1]


def test_the_bus_starts_it(start_bus, daemon, root, pictures):
    """After `kadr desktop install` the bus starts kadr when a shell asks, and not before."""
    files = called(pictures, root, "bicycle")
    daemon.sync()
    bus = start_bus(daemon.home.environment())
    installing = bus.kadr("desktop", "install", "krunner")
    assert installing.wait(timeout=30) == 0
    reload = [
        "dbus-send",
        f"--bus={bus.address}",
        "--print-reply",
        "--dest=org.freedesktop.DBus",
        "/org/freedesktop/DBus",
    ]
    subprocess.run([*reload, "org.freedesktop.DBus.ReloadConfig"], check=True, stdout=subprocess.DEVNULL)

    async def scene(caller):
        return await caller.ask("Match", "pic bicycle")

    assert {hit[0] for hit in shell(bus, scene)} == {uri(os.fsencode(file)) for file in files}


@pytest.fixture
def opened(start_bus, daemon, tmp_path):
    """A bus whose desktop opens things by telling the test: (bus, what was opened last)."""
    programs = tmp_path / "bin"
    programs.mkdir()
    told = tmp_path / "told"
    os.mkfifo(told)
    program = programs / "xdg-open"
    program.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {told}\n')
    program.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    bus = start_bus(daemon.home.environment({"PATH": path}))
    bus.serve()
    return bus, told.read_bytes


def test_a_result_is_opened(opened, tmp_path):
    """A result that is chosen is opened in the user's program, whatever bytes are in its name; so is its folder."""
    bus, last = opened
    odd = os.fsencode(tmp_path) + b"/it's \xff a \xd0\xba.jpg"

    async def choose(caller):
        await caller.ask("ActivateResult", uri(odd), ["cat"], 0)

    async def run(caller):
        await caller.ask("Run", uri(odd), "")

    async def folder(caller):
        await caller.ask("Run", uri(odd), "folder")

    async def nonsense(caller):
        for address in ("", "https://example.org/", "file://host/a"):
            await caller.ask("ActivateResult", address, ["cat"], 0)

    shell(bus, choose)
    assert last() == odd
    shell(bus, run)
    assert last() == odd
    shell(bus, nonsense)
    shell(bus, folder)
    assert last() == os.fsencode(tmp_path)


def test_all_results_are_opened(opened, daemon, root, pictures):
    """Asking for all results opens a folder with links to them, called as the question is."""
    bus, last = opened
    files = called(pictures, root, "red bicycle")
    daemon.sync()

    async def scene(caller):
        await caller.ask("LaunchSearch", ["red", "bicycle"], 0)

    shell(bus, scene)
    folder = Path(os.fsdecode(last()))
    assert folder == Path(daemon.home.paths.cache, "found", "red bicycle")
    assert {link.resolve() for link in folder.iterdir()} == {file.resolve() for file in files}
    assert all(re.match(r"\d{4} ", link.name) for link in folder.iterdir())
