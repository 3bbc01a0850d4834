"""Bad clients, each in a process of its own: slow ones, hostile ones, greedy ones. For abuse.py."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import resource
import selectors
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from typing import Any

from kadr.protocol import messages
from kadr.protocol.frames import REPLY_LIMIT, FrameReader, encode
from kadr.protocol.messages import Hello, Ping, Search, Status

LIMIT = 20
THINGS = (
    "dog", "cat", "tree", "car", "boat", "chair", "cup", "piano", "airplane", "butterfly", "lamp", "watch", "violin",
    "helicopter", "pizza",
)  # fmt: skip
KINDS = (
    "red", "a small", "two of the", "an old", "black and white", "a drawing of a", "a photo of a", "at night, a",
    "in the snow, a", "beside the sea, a", "a shiny", "a blue", "a broken", "a child with a", "a big", "маленький",
    "старый", "белый", "дві", "зелена", "чорний", "velho", "ein kleiner", "un petit", "un grande", "a toy", "a wooden",
    "a flying", "a sleeping", "a green", "a cheap", "a dark", "a bright", "my", "a row of", "someone's", "the only",
    "half a", "a heavy", "a round",
)  # fmt: skip
# More than the daemon remembers words of (512), so that some are known and some are not.
TEXTS = [f"{kind} {thing}" for kind in KINDS for thing in THINGS]

Answer = dict[bytes, float]
"""Score by path."""


def ask_of(text: str) -> Search:
    """A question whose rows tell their cosines: a score is measured against the library, which grows meanwhile."""
    return Search(text, LIMIT, min_score=0, by="meaning", explain=True)


@contextlib.contextmanager
def abusers(jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]]) -> Iterator[Any]:
    """Each job in a process of its own, until the block ends."""
    context = multiprocessing.get_context("spawn")
    ending = context.Event()
    pipes, processes, done = [], [], []
    for do, arguments in jobs:
        mine, theirs = context.Pipe()
        process = context.Process(target=abuse, args=(do, arguments, ending, theirs), daemon=True)
        process.start()
        assert mine.recv() == "ready"
        pipes.append(mine)
        processes.append(process)
    listeners = [threading.Thread(target=lambda pipe=pipe: done.append(pipe.recv())) for pipe in pipes]
    for listener in listeners:
        listener.start()

    def results(*, wait: bool = True) -> list[Any]:
        for listener in listeners if wait else ():
            listener.join()
        return done

    try:
        yield results
    finally:
        ending.set()
        for process in processes:
            process.join()


def abuse(do: Callable[..., Any], arguments: tuple[Any, ...], ending: Event, pipe: Any) -> None:
    pipe.send("ready")
    pipe.send(do(*arguments, ending))


def dial(path: str, *, greet: bool = True) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    with contextlib.suppress(OSError):
        connection.connect(path)
        if greet:
            connection.sendall(encode(messages.hello(Hello([1, 1], "abuse"))))
        return connection
    connection.close()
    return None


def loris(path: str, count: int, ending: Event) -> int:
    """A quarter each: one byte a second, never a word, never reading, half closed. Who is dropped comes again."""
    held: list[socket.socket | None] = [None] * count
    turns = 0
    while not ending.wait(1.0):
        for number in range(count):
            held[number] = one_loris(path, number % 4, held[number])
        turns += 1
    return turns


def one_loris(path: str, kind: int, connection: socket.socket | None) -> socket.socket | None:
    connection = connection or dial_loris(path, kind)
    if connection is None:
        return None
    try:
        if kind == 0:
            connection.sendall(b"\x80")
        if kind != 2 and not connection.recv(1 << 16):
            raise ConnectionResetError
        for number in range(1, 200 if kind == 2 else 0):
            connection.sendall(encode(messages.request(number, Search(TEXTS[0], 1000))))
    except BlockingIOError:
        pass
    except OSError:
        connection.close()
        return None
    return connection


def dial_loris(path: str, kind: int) -> socket.socket | None:
    connection = dial(path, greet=kind != 1)
    with contextlib.suppress(OSError):
        if connection and kind == 0:
            connection.sendall((60_000).to_bytes(4, "big"))
        if connection and kind == 3:
            connection.sendall(encode(messages.request(1, Search(TEXTS[0], 1000))))
            connection.shutdown(socket.SHUT_WR)
    return connection


def fuzz(path: str, count: int, ending: Event) -> int:
    """Frames that are no requests, as fast as they are taken."""
    chance = random.Random(5)
    valid = [encode(messages.request(7, request)) for request in (Search("red", 5), Ping(), Status())]
    held: list[socket.socket | None] = [None] * count
    sent = 0
    while not ending.is_set():
        idle = True
        for number in range(count):
            connection = held[number] = held[number] or dial(path)
            try:
                if connection is None:
                    continue
                sent += 1
                connection.sendall(damaged(chance, valid))
                idle = False
                with contextlib.suppress(BlockingIOError):
                    if not connection.recv(1 << 16):
                        raise ConnectionResetError
            except BlockingIOError:
                with contextlib.suppress(OSError):
                    connection.recv(1 << 20)
            except OSError:
                connection.close()
                held[number] = None
        if idle:
            time.sleep(0.001)
    return sent


def damaged(chance: random.Random, valid: list[bytes]) -> bytes:
    data = bytearray(chance.choice(valid))
    if chance.random() < 0.7:
        data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
        return bytes(data)
    body = chance.randbytes(chance.randrange(1, 60))
    return len(body).to_bytes(4, "big") + body


def greedy(path: str, count: int, queries: int, _ending: Event) -> dict[str, Any]:
    """*count* clients in closed loops, *queries* each."""
    selector = selectors.DefaultSelector()
    clients = [Greedy(path, number, queries) for number in range(count)]
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    left = count
    while left:
        now = time.monotonic()
        waiting = [client.again_at for client in clients if client.again_at]
        for client in clients:
            if client.again_at and client.again_at <= now:
                client.ask()
        for key, _ in selector.select(max(0.0, min(waiting) - now) if waiting else None):
            key.data.read()
            if key.data.done == queries:
                selector.unregister(key.fileobj)
                key.data.done = -1
                left -= 1
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "answers": [pair for client in clients for pair in client.answers],
        "taken": [took for client in clients for took in client.taken],
        "slowest": max(statistics.median(client.taken) for client in clients),
        "errors": sum((client.errors for client in clients), Counter[str]()),
        "cpu": usage.ru_utime + usage.ru_stime,
    }


class Greedy:
    """A client that asks the next as soon as it has the answer."""

    def __init__(self, path: str, number: int, queries: int) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self._frames = FrameReader(REPLY_LIMIT)
        self._queries, self.done, self.again_at = queries, 0, 0.0
        self._chance = random.Random(number)
        self.answers: list[tuple[int, Answer]] = []
        self.taken: list[float] = []
        self.errors: Counter[str] = Counter()
        self.socket.sendall(encode(messages.hello(Hello([1, 1], "greedy"))))
        self._rows: Answer = {}
        self._id = 0
        self._choose()

    def _choose(self) -> None:
        self._text = self._chance.randrange(len(TEXTS))
        self._started = time.perf_counter()

    def ask(self) -> None:
        self._id += 1
        self.again_at = 0.0
        self._rows = {}
        self.socket.sendall(encode(messages.request(self._id, ask_of(TEXTS[self._text]))))

    def read(self) -> None:
        self._frames.feed(self.socket.recv(1 << 18))
        while (message := self._frames.next()) is not None:
            if message["k"] == "item":
                self._rows |= {row["path"]: row["why"]["cosine"] for row in message["rows"]}
            elif message["k"] == "err":
                self.errors[message["code"]] += 1
                self.again_at = time.monotonic() + message.get("retry_ms", 500) / 1000
            elif message["id"] == 0:
                self.ask()
            else:
                self._answered()

    def _answered(self) -> None:
        self.taken.append((time.perf_counter() - self._started) * 1000)
        self.answers.append((self._text, self._rows))
        self.done += 1
        if self.done < self._queries:
            self._choose()
            self.ask()
