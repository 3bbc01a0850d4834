"""Clients of every kind: many at once, slow, silent, greedy, hostile. Each costs itself, and never the daemon."""

import contextlib
import os
import random
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from kadr.protocol import errors, messages
from kadr.protocol.frames import HELLO_LIMIT, REPLY_LIMIT, REQUEST_LIMIT, FrameReader, encode
from kadr.protocol.messages import Cancel, End, Err, Hello, Ping, Progress, Search, Sync


class Raw:
    """A socket to the daemon, on which anything can be said."""

    def __init__(self, path, *, greet=True):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(path)
        self._frames = FrameReader(REPLY_LIMIT)
        if greet:
            self.send(messages.hello(Hello([1, 1], "test")))
            assert self.next()["k"] == "end"

    def send(self, message):
        self._socket.sendall(encode(message))

    def raw(self, data):
        self._socket.sendall(data)

    def ask(self, number, request, deadline_ms=0):
        self.send(messages.request(number, request, deadline_ms))

    def next(self):
        """The next reply; None when the daemon has closed."""
        while (frame := self._frames.next()) is None:
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._frames.feed(data)
        return frame

    def last(self, number):
        """The last reply to the request *number*."""
        while True:
            id_, reply = messages.read_reply(self.next())
            if id_ == number and isinstance(reply, (End, Err)):
                return reply

    def half_close(self):
        self._socket.shutdown(socket.SHUT_WR)

    def close(self):
        self._socket.close()


@pytest.fixture
def dial(daemon):
    """Opens raw connections."""
    with contextlib.ExitStack() as stack:

        def connect(**options):
            return stack.enter_context(contextlib.closing(Raw(daemon.home.paths.socket, **options)))

        yield connect


@pytest.fixture
def held(daemon, root, pictures):
    """The daemon in the middle of indexing, for as long as a test wants: its worker is stopped."""
    pictures.one(root / "a.jpg")
    daemon.sync()
    worker = daemon.worker()
    os.kill(worker, signal.SIGSTOP)
    pictures.one(root / "b.jpg")
    yield root
    os.kill(worker, signal.SIGCONT)
    daemon.check()


def test_many_at_once_while_indexing(daemon, root, pictures):
    """32 clients with 20 searches each are all answered while pictures are indexed."""
    pictures.many(root, 200, (".bmp",))

    def search(client):
        with daemon.connect() as connection:
            return [connection.end(Search(f"red {client % 7} {number}", 5))["count"] for number in range(20)]

    with ThreadPoolExecutor(32) as pool:
        counts = [count for answers in pool.map(search, range(32)) for count in answers]
    assert len(counts) == 640
    assert all(0 <= count <= 5 for count in counts)
    daemon.check()


def test_search_does_not_wait_for_indexing(daemon, held):
    """While indexing stands still a search is answered at once, and says that it is not complete."""
    body = daemon.ask(Search("red", min_score=0)).body
    assert body["count"] == 1


def test_cancel(held, dial):
    """A cancelled request ends with `cancelled`; the others of the connection go on."""
    client = dial()
    client.ask(1, Sync())
    client.ask(2, Sync())
    client.ask(3, Cancel(1))
    assert isinstance(client.last(1), Err)
    client.ask(4, Ping())
    assert isinstance(client.last(4), End)
    client.ask(5, Cancel(99))
    assert isinstance(client.last(5), End)


def test_cancelled_says_so(held, dial):
    """The code of a cancelled request is `cancelled`."""
    client = dial()
    client.ask(1, Sync())
    client.ask(2, Cancel(1))
    assert client.last(1).error.code == "cancelled"


def test_deadline(held, dial):
    """A request that is not answered in time ends with `deadline`."""
    client = dial()
    client.ask(1, Sync(), 30)
    assert client.last(1).error.code == "deadline"


def test_sync_tells_how_far_it_is(held, dial):
    """A sync that takes a while sends progress."""
    client = dial()
    client.ask(1, Sync())
    _, reply = messages.read_reply(client.next())
    assert isinstance(reply, Progress)


def test_seventeenth_request(held, dial):
    """The 17th request under way on one connection is refused as busy, and may be asked again."""
    client = dial()
    for number in range(1, 18):
        client.ask(number, Sync())
    reply = client.last(17)
    assert (reply.error.code, reply.error.retry_ms > 0) == ("busy", True)
    client.ask(18, Cancel(1))
    client.last(1)
    client.ask(19, Ping())
    assert isinstance(client.last(19), End)


def test_id_in_use(held, dial):
    """A second request with the id of one that is under way is refused."""
    client = dial()
    client.ask(1, Sync())
    client.ask(1, Ping())
    assert client.last(1).error.code == "bad-param"


def test_client_that_goes_while_it_waits(daemon, held, dial):
    """Clients that go in the middle of a request leave nothing behind: indexing and sync go on."""
    for _ in range(20):
        client = dial()
        client.ask(1, Sync())
        client.close()


def test_half_closed(daemon, dial):
    """A client that will say no more is let go."""
    client = dial()
    client.half_close()
    assert client.next() is None
    assert daemon.alive


def test_never_says_hello(daemon, dial):
    """A client that says nothing is let go after a while, and others are served meanwhile."""
    silent = dial(greet=False)
    daemon.status()
    assert silent.next() is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xff\xff\xff", "too-large"),
        ((HELLO_LIMIT + 1).to_bytes(4, "big"), "too-large"),
        (b"\0\0\0\0", "bad-frame"),
        (b"\0\0\0\1\x90", "bad-frame"),
        (b"\0\0\0\2\x81\xa1", "bad-frame"),
        (encode({"op": "ping", "id": 1}), "not-initialized"),
        (encode({"op": "hello", "id": 0, "proto": [7, 9]}), "unsupported-proto"),
        (encode({"op": "hello", "id": 0, "proto": []}), "unsupported-proto"),
        (encode({"op": "hello", "id": 0, "proto": "1"}), "bad-param"),
        (
            encode({"op": "hello", "id": 0, "proto": [1, 1], "require": ["mind-reading"]}),
            "missing-capability",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", "too-large"),
    ],
)
def test_bad_hello(daemon, dial, data, code):
    """What is no hello is answered with its code, and the connection ends."""
    client = dial(greet=False)
    client.raw(data)
    assert client.next()["code"] == code
    assert client.next() is None
    assert daemon.alive


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ((REQUEST_LIMIT + 1).to_bytes(4, "big"), "too-large"),
        (b"\0\0\0\1\xc1", "bad-frame"),
    ],
)
def test_frame_that_breaks_the_stream(daemon, dial, data, code):
    """A frame behind which nothing can be read is answered with its code, and the connection ends."""
    client = dial()
    client.raw(data)
    assert client.next()["code"] == code
    assert client.next() is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"id": 7, "op": "fly"}, "unknown-op"),
        ({"id": 7, "op": 5}, "unknown-op"),
        ({"id": 7, "op": "search"}, "bad-param"),
        ({"id": 7, "op": "search", "p": []}, "bad-param"),
        ({"id": 7, "op": "search", "p": {"text": 5}}, "bad-param"),
        ({"id": 7, "op": "search", "p": {"text": "red", "limit": True}}, "bad-param"),
        ({"id": 7, "op": "search", "p": {"text": "red", "limit": 10**12}}, "bad-param"),
        ({"id": 7, "op": "search", "p": {"text": "  \n "}}, "empty-query"),
        ({"id": 7, "op": "similar", "p": {"path": "text"}}, "bad-param"),
        ({"id": 7, "op": "similar", "p": {"path": b"/a\0b"}}, "bad-param"),
        ({"id": 7, "op": "add", "p": {"path": b"/a\0b"}}, "bad-param"),
        ({"id": 7, "op": "add", "p": {"path": b"/" + b"x" * 5000}}, "bad-param"),
        ({"id": 7, "op": "remove", "p": {"path": b"/a\0b"}}, "bad-param"),
        ({"id": 7, "op": "remove", "p": {"path": b""}}, "bad-param"),
        ({"id": 7, "op": "rescan", "p": {"path": b"/a\0b"}}, "bad-param"),
        ({"id": 7, "op": "ping", "deadline_ms": -1}, "bad-param"),
        ({"id": 7, "op": "hello", "proto": [1]}, "unknown-op"),
    ],
)
def test_bad_request(daemon, dial, message, code):
    """A request that makes no sense is refused with its code, and the connection goes on."""
    client = dial()
    client.send(message)
    assert client.last(7).error.code == code
    client.ask(8, Ping())
    assert isinstance(client.last(8), End)


@pytest.mark.parametrize("number", [0, -1, 2**63, 1.5, "1", None, True])
def test_bad_id(daemon, dial, number):
    """A request whose id is no positive whole number is refused under the id 0."""
    client = dial()
    client.send({"id": number, "op": "ping"})
    assert client.last(0).error.code == "bad-param"


def test_garbage(daemon, dial):
    """2,000 pieces of garbage, half of them bit-flipped requests, end in a reply or a closed connection."""
    chance = random.Random(11)
    valid = encode(messages.request(1, Search("red bicycle", 3)))
    client = dial()
    for _ in range(2000):
        data = bytearray(valid)
        if chance.random() < 0.5:
            data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
        else:
            body = chance.randbytes(chance.randrange(0, 60))
            data = bytearray(len(body).to_bytes(4, "big") + body)
        try:
            client.raw(bytes(data))
            closed = client.next() is None
        except (BrokenPipeError, ConnectionResetError):
            closed = True
        if closed:
            client.close()
            client = dial()
    client.close()
    assert daemon.alive
    client = dial()
    client.ask(1, Search("red"))
    assert isinstance(client.last(1), End)


def test_byte_by_byte(daemon, dial):
    """A request that comes in single bytes is answered."""
    client = dial()
    for byte in encode(messages.request(3, Ping())):
        client.raw(bytes((byte,)))
    assert isinstance(client.last(3), End)


def test_client_that_does_not_read(daemon, dial, root, pictures):
    """A client that sends and never reads does not keep others from their answers."""
    pictures.one(root / "a.jpg")
    daemon.sync()
    greedy = dial()
    greedy._socket.setblocking(False)
    number = 0
    with contextlib.suppress(BlockingIOError):
        while number < 20_000:
            number += 1
            greedy.ask(number, messages.Status())
    for _ in range(20):
        assert daemon.ask(Search("red", min_score=0)).body["count"] == 1


def test_129th_connection(daemon, dial):
    """The connection over the limit is turned away as busy; when one goes, the next is served."""
    clients = [dial() for _ in range(128)]
    refused = dial(greet=False)
    refused.send(messages.hello(Hello([1, 1])))
    reply = refused.next()
    assert (reply["code"], reply["retry_ms"] > 0) == ("busy", True)
    for client in clients:
        client.half_close()
        assert client.next() is None
    assert daemon.status()["version"]


def test_stop_while_somebody_waits(launch, pictures, tmp_path):
    """At SIGTERM a request that waits ends with `shutting-down`, and the daemon ends with 0."""
    daemon = launch()
    daemon.add(tmp_path)
    pictures.one(tmp_path / "a.jpg")
    daemon.sync()
    worker = daemon.worker()
    os.kill(worker, signal.SIGSTOP)
    pictures.one(tmp_path / "b.jpg")
    replies = daemon.replies(Sync())
    assert isinstance(next(replies), Progress)
    daemon.signal(signal.SIGTERM)
    with pytest.raises(errors.ShuttingDown):
        list(replies)
    os.kill(worker, signal.SIGCONT)
    assert daemon.wait() == 0
