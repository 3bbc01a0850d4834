"""`kadr desktop serve`: the search providers of GNOME Shell and KRunner, in a process of their own. The only file that knows D-Bus.

The bus starts it when a shell asks (files/org.kadr.Search.service) and it leaves when nobody has for a while. It opens
files and folders by other programs and does nothing else that lasts. Interfaces and their signatures:
org.gnome.Shell.SearchProvider2 (gnome-shell, data/dbus-interfaces) and org.kde.krunner1 (krunner, src/data).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from dbus_fast import BusType, NameFlag, RequestNameReply, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method

from kadr.desktop import words
from kadr.desktop.answers import Newest
from kadr.desktop.places import places
from kadr.desktop.thumbnails import path_of, thumbnail, uri
from kadr.output import talk
from kadr.protocol.errors import Unreachable
from kadr.protocol.messages import Hit
from kadr.protocol.paths import current, environment

NAME, PATH = "org.kadr.Search", "/org/kadr/Search"
# What is still on its way when the name is given back arrives within this.
LAST_CALLS_SECONDS = 0.2

Strings = Annotated[list[str], DBusSignature("as")]
Metas = Annotated[list[dict[str, Variant]], DBusSignature("aa{sv}")]
Matches = Annotated[list[list[Any]], DBusSignature("a(sssida{sv})")]
Actions = Annotated[list[list[str]], DBusSignature("a(sss)")]
Config = Annotated[dict[str, Variant], DBusSignature("a{sv}")]
Nothing = Annotated[None, DBusSignature("")]  # the library does not read a plain None

# KRunner's QueryMatch::Type: a possible match, for what is near in meaning is not exact.
_POSSIBLE = 30
_FOLDER_ACTION = ["folder", "Show in its folder", "folder-open"]


def serve(idle_seconds: float) -> None:
    """Answer the shells until none has asked for *idle_seconds*. Raises Unreachable where there is no session bus."""
    asyncio.run(_serve(idle_seconds))


async def _serve(idle_seconds: float) -> None:
    try:
        bus = await MessageBus(bus_type=BusType.SESSION).connect()
    except Exception as error:  # noqa: BLE001 - the library raises half a dozen types where no bus is
        raise Unreachable(
            socket="the session bus",
            why=str(error) or type(error).__name__,
            act="Log in to a desktop, or use dbus-run-session.",
        ) from None
    desk = Desk(idle_seconds)
    for interface in (Gnome(desk), KRunner(desk)):
        bus.export(PATH, interface)
    taken = await bus.request_name(NAME, NameFlag.DO_NOT_QUEUE)
    if taken not in {RequestNameReply.PRIMARY_OWNER, RequestNameReply.ALREADY_OWNER}:
        talk("the shells are already served by another one")
    else:
        gone = asyncio.create_task(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        await asyncio.wait({gone, asyncio.create_task(desk.idle.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if not gone.done():
            await bus.release_name(NAME)  # who calls from now on has a new one started
            await asyncio.sleep(LAST_CALLS_SECONDS)
    desk.newest.close()
    bus.disconnect()


class Desk:
    """What both interfaces share: the answers, the clock, and the programs that open things."""

    def __init__(self, idle_seconds: float) -> None:
        self.newest = Newest(current().socket)
        environ = environment()
        self._home, self._cache = environ.get("HOME", ""), places(environ).cache
        self.idle = asyncio.Event()
        self._idle_seconds = idle_seconds
        self._timer: asyncio.TimerHandle | None = None
        self.called()

    async def hits(self, text: str) -> list[Hit] | None:
        self.called()
        return await self.newest.hits(text) if text else []

    def called(self) -> None:
        """Somebody is there."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle_seconds, self.idle.set)

    def shown(self, path: bytes) -> words.Shown:
        return words.shown(path, self.newest.found(path), self._home)

    def icon(self, path: bytes) -> bytes:
        """A file that shows what *path* shows; empty where there is none that a shell could draw."""
        if small := thumbnail(path, self._cache):
            return os.fsencode(small)
        try:
            return path if words.drawn(path, os.stat(path).st_size) else b""
        except OSError:
            return b""

    async def open(self, address: str) -> None:
        """The picture, in the program that the desktop has for it."""
        self.called()
        if path := path_of(address):
            await _begun(["xdg-open", os.fsdecode(path)])

    async def show(self, *operands: str) -> None:
        """`kadr desktop show`, which opens a folder of all that is found."""
        self.called()
        await _begun([sys.executable, "-P", "-m", "kadr", "desktop", *operands])


async def _begun(command: Sequence[str]) -> None:
    """*command*, which outlives us. The loop reaps it if it does not."""
    quiet = asyncio.subprocess.DEVNULL
    try:
        await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, start_new_session=True)
    except OSError as error:
        talk(f"{command[0]} cannot be run: {error.strerror}")


class Gnome(ServiceInterface):
    """GNOME Shell. A result is known by the address of its file, so that it can still be opened by a process that was started anew."""

    def __init__(self, desk: Desk) -> None:
        super().__init__("org.gnome.Shell.SearchProvider2")
        self._desk = desk

    @dbus_method(name="GetInitialResultSet")
    async def initial(self, terms: Strings) -> Strings:
        return _addresses(await self._desk.hits(words.query(" ".join(terms))) or [])

    @dbus_method(name="GetSubsearchResultSet")
    async def subsearch(self, previous_results: Strings, terms: Strings) -> Strings:
        """Asked anew: one more word means something else, and no part of what was found without it."""
        hits = await self._desk.hits(words.query(" ".join(terms)))
        return previous_results if hits is None else _addresses(hits)

    @dbus_method(name="GetResultMetas")
    async def metas(self, identifiers: Strings) -> Metas:
        self._desk.called()
        return [self._meta(address, path) for address in identifiers if (path := path_of(address))]

    @dbus_method(name="ActivateResult")
    async def activate(self, identifier: DBusStr, terms: Strings, timestamp: DBusUInt32) -> Nothing:  # noqa: ARG002
        await self._desk.open(identifier)

    @dbus_method(name="LaunchSearch")
    async def launch(self, terms: Strings, timestamp: DBusUInt32) -> Nothing:  # noqa: ARG002
        await self._desk.show("show", "--", *terms)

    def _meta(self, address: str, path: bytes) -> dict[str, Variant]:
        name, about = self._desk.shown(path)
        file = self._desk.icon(path)
        # As g_icon_serialize writes a GFileIcon and a GThemedIcon; `gicon`, a text, is deprecated.
        icon = ["file", Variant("s", uri(file))] if file else ["themed", Variant("as", [words.PLAIN_ICON])]
        texts = {"id": address, "name": name, "description": about}
        return {key: Variant("s", text) for key, text in texts.items()} | {"icon": Variant("(sv)", icon)}


class KRunner(ServiceInterface):
    """Plasma's launcher."""

    def __init__(self, desk: Desk) -> None:
        super().__init__("org.kde.krunner1")
        self._desk = desk

    @dbus_method(name="Match")
    async def match(self, query: DBusStr) -> Matches:
        hits = await self._desk.hits(words.called(query)) or []
        return [self._match(hit, 1 - number / 100) for number, hit in enumerate(hits)]

    @dbus_method(name="Actions")
    async def actions(self) -> Actions:
        self._desk.called()
        return [_FOLDER_ACTION]

    @dbus_method(name="Run")
    async def run(self, match_id: DBusStr, action_id: DBusStr) -> Nothing:
        if action_id != _FOLDER_ACTION[0]:
            await self._desk.open(match_id)
        elif path := path_of(match_id):
            await self._desk.open(uri(os.path.dirname(path)))

    @dbus_method(name="Config")
    async def config(self) -> Config:
        self._desk.called()
        least = min(map(len, words.TRIGGERS)) + words.LEAST_LETTERS
        return {"MinLetterCount": Variant("i", least), "TriggerWords": Variant("as", list(words.TRIGGERS))}

    @dbus_method(name="Teardown")
    async def teardown(self) -> Nothing:
        self._desk.newest.forget()

    def _match(self, hit: Hit, relevance: float) -> list[Any]:
        name, about = self._desk.shown(hit.path)
        address, icon = uri(hit.path), self._desk.icon(hit.path)
        more = {
            "urls": Variant("as", [address]),
            "category": Variant("s", "Pictures"),
            "subtext": Variant("s", about),
        }
        return [
            address,
            name,
            os.fsdecode(icon) if _is_text(icon) else words.PLAIN_ICON,
            _POSSIBLE,
            relevance,
            more,
        ]


def _addresses(hits: list[Hit]) -> list[str]:
    return [uri(hit.path) for hit in hits]


def _is_text(path: bytes) -> bool:
    """Whether *path* can travel as a D-Bus string, which is UTF-8."""
    try:
        return bool(path.decode())
    except UnicodeDecodeError:
        return False
