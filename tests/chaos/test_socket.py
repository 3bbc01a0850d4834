"""Whatever comes through the socket costs whoever sent it: the daemon lives, answers others rightly, and grows by nothing."""

import contextlib
import os
import random
import socket
from pathlib import Path

import msgpack
import pytest

from kadr.connection import Connection
from kadr.protocol import messages
from kadr.protocol.frames import REPLY_LIMIT, FrameReader, encode
from kadr.protocol.messages import Cancel, Hello, Ping, Search, Similar, Status, Sync

SLOW = pytest.mark.slow
GROWTH = 32 << 20
HELLO = encode(messages.hello(Hello([1, 1], "chaos")))


def framed(payload):
    return len(payload).to_bytes(4, "big") + payload


class Fuzz:
    """Draws what no client would say, from a seed."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        requests = (Search("red bicycle", 3), Similar(b"/a"), Ping(), Status(), Cancel(3))
        self._valid = [encode(messages.request(n + 1, request)) for n, request in enumerate(requests)]
        self._kinds = (
            self.noise, self.flipped, self.flipped, self.wrong_shape, self.deep, self.cut, self.trailing, self.long,
            self.hello_again, self.raw_noise,
        )  # fmt: skip

    def next(self):
        return self.chance.choice(self._kinds)()

    def noise(self):
        return framed(self.chance.randbytes(self.chance.randrange(80)))

    def raw_noise(self):
        return self.chance.randbytes(self.chance.randrange(1, 80))

    def flipped(self):
        data = bytearray(self.chance.choice(self._valid))
        for _ in range(self.chance.randrange(1, 4)):
            data[self.chance.randrange(4, len(data))] ^= 1 << self.chance.randrange(8)
        return bytes(data)

    def wrong_shape(self):
        message = {
            "id": self._value(2), "op": self.chance.choice((*messages.REQUESTS, "fly", "hello")), "p": self._value(3),
            "deadline_ms": self._value(1),
        }  # fmt: skip
        if message["op"] in ("stop", "add", "remove", "rescan", "sync", "verify", "doctor"):
            message["id"] = -1  # well formed, these would do something
        return encode(message)

    def _value(self, depth):
        kind = self.chance.randrange(9 if depth else 6)
        simple = (None, True, self.chance.randrange(-9, 99), 2**63, 0.5, "text")
        if kind < 6:
            return simple[kind]
        if kind == 6:
            return {self.chance.choice(("text", "limit", "path", "target")): self._value(depth - 1)}
        return [self._value(depth - 1)] * 3 if kind == 7 else self.chance.randbytes(9)

    def deep(self):
        return framed(b"\x81\xa1p" + b"\x91" * self.chance.randrange(10, 5000) + b"\xc0")

    def cut(self):
        data = self.chance.choice(self._valid)
        return data[: self.chance.randrange(1, len(data))]

    def trailing(self):
        return framed(self.chance.choice(self._valid)[4:] + msgpack.packb({"a": 1}))

    def long(self):
        return self.chance.randrange(1 << 16, 1 << 32).to_bytes(4, "big") + b"\x80" * 9

    def hello_again(self):
        return HELLO


class Bad:
    """A connection that says anything, reads what there is to read, and comes again when it is closed."""

    def __init__(self, path):
        self._path, self._socket, self._said = path, None, 0

    def say(self, data):
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.connect(self._path)
                self._socket.sendall(HELLO)
                self._socket.setblocking(False)
            self._socket.sendall(data)
            while self._socket.recv(1 << 16):
                pass
            self.close()
        except BlockingIOError:
            self._said += 1
            if self._said % 50 == 0:  # a frame that is not finished would swallow all the others
                self.close()
        except OSError:
            self.close()

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def rss(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def unharmed(daemon):
    """After what happens inside the daemon is the same, has no more in memory and open than before, and can rest."""
    pid = daemon.pid
    with daemon.connect():
        open_before = descriptors(pid)
    before = rss(pid)
    yield
    assert daemon.alive
    assert daemon.pid == pid
    while descriptors(pid) > open_before:  # it is still closing; a leak ends in the test's own time limit
        daemon.status()
    assert rss(pid) - before < GROWTH


class Good:
    """A client that knows what the right answers are."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._right = {text: self._rows(text) for text in ("red", "green", "blue sky")}
        assert all(self._right.values())

    def _rows(self, text):
        return self._daemon.ask(Search(text, 5, min_score=0)).rows

    def asks(self):
        for text, rows in self._right.items():
            assert self._rows(text) == rows


@pytest.fixture
def good(daemon, root, pictures):
    pictures.many(root, 150)  # an answer with all of them fills a socket soon
    daemon.sync()
    return Good(daemon)


@pytest.mark.parametrize(
    ("seed", "frames"), [(1, 2_000), pytest.param(2, 100_000, marks=[SLOW, pytest.mark.timeout(900)])]
)
def test_fuzzed_frames(daemon, good, seed, frames):
    """Fuzzed frames end in a reply or a closed connection; a good client gets right answers all along."""
    fuzz = Fuzz(seed)
    clients = [Bad(daemon.home.paths.socket) for _ in range(4)]
    for number in range(frames // 10):  # what is kept for good, such as words asked before, is there then
        clients[number % 4].say(fuzz.next())
    with unharmed(daemon):
        for number in range(frames - frames // 10):
            clients[number % 4].say(fuzz.next())
            if number % 1000 == 0:
                good.asks()
        for client in clients:
            client.close()
    good.asks()
    daemon.check()


def connected(daemon, greet=HELLO):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(daemon.home.paths.socket)
    client.sendall(greet)
    return client


def silent(daemon):
    return connected(daemon, b"")


def begins_a_frame(daemon):
    client = connected(daemon)
    client.sendall(b"\0\0\xff\0\x80")
    return client


def never_reads(daemon):
    client = connected(daemon)
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for number in range(1, 2000):
            client.sendall(encode(messages.request(number, Search("red", 1000, min_score=0))))
    return client


def half_closed(daemon):
    client = connected(daemon)
    client.sendall(encode(messages.request(1, Search("red", 1000, min_score=0))))
    client.shutdown(socket.SHUT_WR)
    return client


@pytest.mark.parametrize("kind", [silent, begins_a_frame, never_reads, half_closed])
def test_a_hundred_slow_ones(daemon, good, kind):
    """A hundred clients of one slow kind at once do not keep a good one from right answers, and leave nothing behind."""
    with unharmed(daemon), contextlib.ExitStack() as held:
        for _ in range(100):
            held.enter_context(kind(daemon))
            if _ % 10 == 0:
                good.asks()
        for _ in range(20):
            good.asks()


def test_byte_by_byte_from_a_hundred(daemon, good):
    """A hundred clients that send their request in single bytes are all answered, and so is a good one meanwhile."""
    with unharmed(daemon), contextlib.ExitStack() as held:
        clients = [held.enter_context(connected(daemon)) for _ in range(100)]
        for number, byte in enumerate(encode(messages.request(3, Ping()))):
            for client in clients:
                client.sendall(bytes((byte,)))
            if number % 4 == 0:
                good.asks()
        for client in clients:
            frames = FrameReader(REPLY_LIMIT)
            heard = []
            while len(heard) < 2:
                frames.feed(client.recv(65536))
                while (message := frames.next()) is not None:
                    heard.append(message)
            assert (heard[1]["id"], heard[1]["k"]) == (3, "end")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in range(1, 10))])
def test_clients_that_die(daemon, good, seed):
    """Clients that die at any byte of what they say or hear leave no request under way."""
    chance = random.Random(seed)
    said = HELLO + b"".join(
        encode(messages.request(number, request))
        for number, request in enumerate(
            (Search("red", 100, min_score=0), Sync(), Status(), Similar(b"/nowhere")), 1
        )
    )
    with unharmed(daemon):
        for _ in range(200):
            with connected(daemon, b"") as client:
                client.sendall(said[: chance.randrange(len(said) + 1)])
                if chance.random() < 0.5:
                    client.settimeout(0.02)
                    with contextlib.suppress(TimeoutError):
                        client.recv(chance.randrange(1, 5000))
        while daemon.status()["requests"] > 1:  # its own; a leak ends in the test's own time limit
            pass
    good.asks()


def test_two_thousand_in_a_row(daemon, good):
    """2,000 connections one after the other, greeted or not, leave nothing behind."""
    with unharmed(daemon):
        for number in range(2000):
            if number % 2:
                connected(daemon, b"").close()
            else:
                Connection(daemon.home.paths.socket).close()
    good.asks()


def test_no_more_than_128(daemon, good):
    """Over 128 connections each further one hears `busy`, and when they go the next is served."""
    with unharmed(daemon):
        with contextlib.ExitStack() as held:
            for _ in range(128):
                held.enter_context(daemon.connect())
            for _ in range(20):
                with connected(daemon) as refused:
                    assert msgpack.unpackb(refused.recv(65536)[4:])["code"] == "busy"
        good.asks()
