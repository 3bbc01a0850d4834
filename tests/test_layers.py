"""Who may import whom, read from the source; and what the client loads, measured.

The rules are tables. A rule that has to change is changed here, with its reason in ARCHITECTURE.md.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kadr.protocol import messages, paths
from kadr.protocol.frames import REQUEST_LIMIT, FrameReader, encode

TOP = Path(__file__).parent.parent
CLIENT, DAEMON = TOP / "client" / "kadr", TOP / "daemon" / "kadrd"

# One file per third-party library, so that each can be replaced by editing one file.
HOMES = {
    "hnswlib": ("store/shard.py",),
    # learn/ trains in a process of its own and reads pictures, tokenizers and towers as it likes.
    "PIL": ("ingest/decode.py", "ingest/draw.py", "ingest/letters.py", "learn/"),
    "pillow_heif": ("ingest/decode.py",),
    "rawpy": ("ingest/raw.py",),
    "watchdog": ("ingest/watch.py",),
    "blake3": ("ingest/digest.py",),
    "tokenizers": ("embed/tokenizer.py", "learn/tokens.py"),
    "openvino": ("embed/runtime.py",),
    "torch": ("embed/imports.py", "learn/"),
    "torchvision": ("embed/imports.py", "learn/"),
    "open_clip": ("embed/imports.py", "learn/"),
    "nncf": ("embed/quantise.py",),
    "huggingface_hub": ("embed/hub.py",),
    "safetensors": ("learn/",),
    "ai_edge_litert": ("learn/",),
    "snowballstemmer": ("store/folding.py",),
    "sqlite3": ("store/", "places/"),
    "numpy": ("",),
}

# Folders of the daemon that must not know each other.
STRANGERS = [("ingest", "query"), ("query", "tag"), ("embed", "store")]

# What a search may load of our own. Everything else waits until a verb needs it.
SEARCH_LOADS = {
    "kadr",
    "kadr.arguments",
    "kadr.asking",
    "kadr.cli",
    "kadr.connection",
    "kadr.output",
    "kadr.protocol",
    "kadr.protocol.errors",
    "kadr.protocol.frames",
    "kadr.protocol.messages",
    "kadr.protocol.paths",
    "kadr.start",
    "kadr.table",
}
HELP_LOADS = SEARCH_LOADS | {"kadr.manual"}

# Each costs milliseconds that a search has no use for.
NEVER_LOADED = {
    "PIL",
    "argparse",
    "asyncio",
    "dataclasses",
    "difflib",
    "importlib.metadata",
    "json",
    "kadrd",
    "logging",
    "numpy",
    "pathlib",
    "shutil",
    "subprocess",
    "tempfile",
    "tomllib",
    "torch",
}


def imports(file: Path) -> Iterator[str]:
    """The absolute names that *file* imports, late and type-checking imports included."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import hides where it points"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(top: Path) -> list[Path]:
    return sorted(top.rglob("*.py"))


def named(file: Path) -> str:
    return str(file.relative_to(TOP))


def root(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("file", sources(CLIENT), ids=named)
def test_the_client_is_thin(file):
    """The client imports itself, the standard library and msgpack, and msgpack in one file; for desktops dbus_fast in another."""
    found = {root(name) for name in imports(file)}
    allowed = {"kadr", *sys.stdlib_module_names}
    if file == CLIENT / "protocol" / "frames.py":
        allowed.add("msgpack")
    if file == CLIENT / "desktop" / "bus.py":
        allowed.add("dbus_fast")
    assert found <= allowed


@pytest.mark.parametrize("file", sources(CLIENT / "protocol"), ids=named)
def test_the_protocol_stands_alone(file):
    """The protocol imports nothing of the client but itself, so that the daemon can have it alone."""
    own = {name for name in imports(file) if root(name) == "kadr"}
    assert all(name.startswith("kadr.protocol") for name in own)


@pytest.mark.parametrize("file", sources(DAEMON), ids=named)
def test_the_daemon_knows_only_the_protocol(file):
    """Of the client the daemon imports kadr.protocol and the version."""
    for name in imports(file):
        if root(name) == "kadr":
            assert name in {"kadr", "kadr.__version__"} or name.startswith("kadr.protocol")


@pytest.mark.parametrize("file", sources(DAEMON), ids=named)
def test_one_home_for_each_library(file):
    """A third-party library is imported where HOMES says, and one that is not listed nowhere."""
    place = file.relative_to(DAEMON).as_posix()
    for library in {root(name) for name in imports(file)} - {"kadr", "kadrd"}:
        if library in HOMES:
            assert place.startswith(HOMES[library]), f"{library} lives in {HOMES[library]}"
        else:
            assert library in sys.stdlib_module_names, f"{library} has no home yet"


@pytest.mark.parametrize("file", sources(DAEMON), ids=named)
def test_strangers_do_not_meet(file):
    """The path of a picture and the path of a query share nothing but store and embed, which do not know each other."""
    folder = file.relative_to(DAEMON).parts[0]
    for group in STRANGERS:
        if folder in group:
            others = {f"kadrd.{name}" for name in group if name != folder}
            met = {name for name in imports(file) if ".".join(name.split(".")[:2]) in others}
            assert not met


@pytest.mark.parametrize("file", sources(DAEMON), ids=named)
def test_nobody_learns_in_the_daemon(file):
    """learn/ and its torch are commands: only the command line knows them."""
    place = file.relative_to(DAEMON)
    if place.parts[0] != "learn" and place.name != "__main__.py":
        assert not [name for name in imports(file) if name.startswith("kadrd.learn")]


@pytest.mark.parametrize("file", [*sources(CLIENT), *sources(DAEMON)], ids=named)
def test_modules_are_short(file):
    """No module is over 400 lines, and its first line says what it is for."""
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text)) or not text.strip()


def test_source_roots_are_no_packages():
    """client/ and daemon/ are on the path themselves; nobody imports them by that name."""
    assert not (TOP / "client" / "__init__.py").exists()
    assert not (TOP / "daemon" / "__init__.py").exists()
    for file in [*sources(CLIENT), *sources(DAEMON)]:
        assert not {root(name) for name in imports(file)} & {"client", "daemon"}


def loaded(*argv: str) -> set[str]:
    """The modules that `kadr ARGV` imports."""
    command = [sys.executable, "-X", "importtime", "-m", "kadr", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE))


@pytest.fixture
def greeting(monkeypatch):
    """A socket where every search finds one picture."""
    home = tempfile.mkdtemp(prefix="kadr-", dir="/tmp")  # pytest's own folder can be too long for a socket
    monkeypatch.setenv("KADR_HOME", home)
    path = paths.current().socket
    os.makedirs(os.path.dirname(path), mode=0o700)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    thread = threading.Thread(target=answer_once, args=(listener,))
    thread.start()
    yield
    thread.join(30)
    listener.close()
    shutil.rmtree(home)


def answer_once(listener: socket.socket) -> None:
    row = {"path": b"/a", "score": 0.5, "picture": "ab", "width": 1, "height": 1}
    welcome = messages.Welcome(1, "kadrd/0", "x", list(messages.CAPABILITIES), {}, {}, [])
    connection, _ = listener.accept()
    with connection:
        reader = FrameReader(REQUEST_LIMIT)
        while data := connection.recv(4096):
            reader.feed(data)
            while message := reader.next():
                body = welcome._asdict() if message["op"] == "hello" else {"complete": True}
                if message["op"] == "search":
                    connection.sendall(encode(messages.reply(message["id"], messages.Item([row]))))
                connection.sendall(encode(messages.reply(message["id"], messages.End(body))))


def test_a_search_loads_little(greeting):
    """A whole search loads the short list of our modules and none that costs time."""
    modules = loaded("red bicycle")
    assert {name for name in modules if root(name) == "kadr"} - {"kadr.__main__"} == SEARCH_LOADS
    assert not modules & NEVER_LOADED


def test_the_help_loads_little():
    """--help asks no daemon and loads one module more."""
    modules = loaded("--help")
    assert {name for name in modules if root(name) == "kadr"} - {"kadr.__main__"} == HELP_LOADS
    assert not modules & NEVER_LOADED
