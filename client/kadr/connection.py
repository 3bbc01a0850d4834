"""The client's only socket: connect, hello, one request at a time, its replies.

Starts no daemon (start.py) and prints nothing. Values of messages.py go in and come out; what goes wrong
is a KadrError.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from math import ceil
from types import TracebackType
from typing import Any, Self, TypeVar

from kadr import __version__
from kadr.protocol import messages
from kadr.protocol.errors import BadFrame, BadParameter, Busy, DeadlinePassed, KadrError, Unreachable
from kadr.protocol.frames import REPLY_LIMIT, REQUEST_LIMIT, FrameReader, encode
from kadr.protocol.messages import PROTOCOL, Cancel, End, Err, Hello, Reply, Welcome
from kadr.protocol.paths import SOCKET_PATH_LIMIT

HELLO_SECONDS = 5.0
# The daemon keeps the deadline; this much later the client no longer believes that it does.
GRACE_SECONDS = 2.0
# However long a busy daemon asks to be left alone, people wait in front of a terminal.
LONGEST_RETRY_MS = 2_000

_T = TypeVar("_T")


class NotRunning(Unreachable):
    """No daemon runs ({why}: {socket})."""


class Connection:
    """One greeted connection. Only one request is under way at a time."""

    def __init__(self, path: str, require: tuple[str, ...] = ()) -> None:
        """Connect and greet. Raises NotRunning, Unreachable or what the daemon answers to hello."""
        self.path = path
        self._last_id = 0
        self._under_way = False
        self._give_up: float | None = None
        self.welcome = _politely(lambda: self._greet(require))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, request: tuple[Any, ...], seconds: float = 0) -> Iterator[Reply]:
        """The replies to *request*: any number of Item and Progress, then one End.

        Raises the error that the daemon answers, DeadlinePassed after *seconds* (0: never), Unreachable when
        the daemon goes away. Whoever stops listening, by Ctrl-C too, cancels the request.
        """
        self._give_up = time.monotonic() + seconds + GRACE_SECONDS if seconds else None
        try:
            reply = _politely(lambda: self._first(request, seconds))
            yield reply
            while not isinstance(reply, End):
                reply = self._reply_to(self._last_id)
                yield reply
        finally:
            if self._under_way:
                self._cancel(self._last_id)

    def end(self, request: tuple[Any, ...], seconds: float = 0) -> dict[str, Any]:
        """The body of the End of *request*, whatever came before it."""
        body: dict[str, Any] = {}
        for reply in self.ask(request, seconds):
            if isinstance(reply, End):
                body = reply.body
        return body

    def _greet(self, require: tuple[str, ...]) -> Welcome:
        self._socket, self._reader = _dial(self.path), FrameReader(REPLY_LIMIT)
        self._give_up = time.monotonic() + HELLO_SECONDS
        try:
            self._send(encode(messages.hello(Hello([PROTOCOL] * 2, f"kadr/{__version__}", list(require)))))
            reply = self._reply_to(0)
            return row_as(Welcome, reply.body if isinstance(reply, End) else {})
        except BaseException:
            self._socket.close()
            raise

    def _first(self, request: tuple[Any, ...], seconds: float) -> Reply:
        self._last_id += 1
        frame = encode(messages.request(self._last_id, request, ceil(seconds * 1000)), REQUEST_LIMIT)
        self._under_way = True  # before it is sent: Ctrl-C may come right behind it
        self._send(frame)
        return self._reply_to(self._last_id)

    def _reply_to(self, id_: int) -> Reply:
        """The next reply that belongs to the request *id_*; an Err is raised."""
        while True:
            given, reply = _understood(partial(messages.read_reply, self._receive()))
            if isinstance(reply, Err) and given in {id_, 0}:  # 0: the daemon speaks of the whole connection
                self._under_way = False
                raise reply.error
            if given == id_:
                self._under_way = not isinstance(reply, End)
                return reply

    def _receive(self) -> dict[str, Any]:
        while (message := self._reader.next()) is None:
            self._socket.settimeout(self._seconds_left())
            try:
                data = self._socket.recv(64 * 1024)
            except TimeoutError:
                raise DeadlinePassed from None
            except OSError as error:
                raise Unreachable(socket=self.path, why=_reason(error)) from None
            if not data:
                raise Unreachable(
                    socket=self.path, why="it went away in the middle of the answer", act=_WENT_AWAY
                )
            self._reader.feed(data)
        return message

    def _send(self, frame: bytes) -> None:
        self._socket.settimeout(self._seconds_left())
        try:
            self._socket.sendall(frame)
        except TimeoutError:
            raise DeadlinePassed from None
        except OSError as error:
            # A daemon that turns a connection away has said why before it closed it.
            if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
                raise Unreachable(socket=self.path, why=_reason(error)) from None

    def _seconds_left(self) -> float | None:
        if self._give_up is None:
            return None
        left = self._give_up - time.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return left

    def _cancel(self, target: int) -> None:
        """Tell the daemon that nobody listens any more, if it still hears; closing would tell it as well."""
        self._last_id += 1
        try:
            self._socket.settimeout(0.2)
            self._socket.sendall(encode(messages.request(self._last_id, Cancel(target))))
        except OSError:
            pass


def row_as(kind: type[_T], row: object) -> _T:
    """One row of an Item as a *kind*."""
    return _understood(partial(messages.fields, kind, row))


def _understood(read: Callable[[], _T]) -> _T:
    """What *read* makes of the daemon's words. What is wrong with them is no mistake of the user."""
    try:
        return read()
    except BadParameter as error:
        raise BadFrame(why=error.sentence) from None


_WENT_AWAY = "Ask again: the client starts a new one. `kadr doctor` says where its log is."


def _politely(attempt: Callable[[], _T]) -> _T:
    """*attempt*, and once more after the pause that a busy daemon asks for."""
    try:
        return attempt()
    except Busy as busy:
        if not busy.retry_ms:
            raise
        time.sleep(min(busy.retry_ms, LONGEST_RETRY_MS) / 1000)
    return attempt()


def _dial(path: str) -> socket.socket:
    """A connected socket. Raises NotRunning where a daemon may be started, else Unreachable."""
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise Unreachable(
            socket=path,
            why=f"the path is longer than the {SOCKET_PATH_LIMIT} bytes a socket may have",
            act="Set KADR_HOME or XDG_RUNTIME_DIR to a shorter folder.",
        )
    check_owner(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(HELLO_SECONDS)
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise _why_not(path, error) from None
    return connection


def _why_not(path: str, error: OSError) -> KadrError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NotRunning(socket=path, why="there is no socket")
    if isinstance(error, ConnectionRefusedError):
        return NotRunning(socket=path, why="nobody listens")
    if isinstance(error, BlockingIOError):  # more callers are waiting at the door than it holds
        return Busy(retry_ms=200)
    return Unreachable(socket=path, why=_reason(error))


def check_owner(path: str) -> None:
    """Refuse a socket in somebody else's folder: who listens there would learn every query."""
    folder = os.path.dirname(path)
    try:
        owner = os.stat(folder).st_uid
    except OSError:
        return  # connecting says it better
    if owner != os.geteuid():
        raise Unreachable(
            socket=path,
            why=f"the folder {folder} belongs to another user",
            act="Run kadr as the user whose pictures they are, or set KADR_HOME to a folder of your own.",
        )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()
