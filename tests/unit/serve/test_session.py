"""One connection over a real pair of sockets, with a client that is slow on purpose and limits that are short."""

import asyncio
import socket

import pytest

from kadr.protocol import messages
from kadr.protocol.frames import REPLY_LIMIT, FrameReader, encode
from kadr.protocol.messages import End, Hello, Item, Ping, Search, Welcome
from kadrd.serve.session import FREE_MISTAKES, IN_FLIGHT, LONGEST_PAUSE, Patience, Session, pause_after

WELCOME = Welcome(1, "kadrd/test", "", [], {}, {}, [])


def served(client, perform, **patience):
    """Back when the session ends; *client* gets a socket and is run in a thread."""

    async def scenario():
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        theirs.settimeout(30)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        session = Session(reader, writer, lambda: WELCOME, perform, Patience(**patience))
        with theirs:
            _, heard = await asyncio.gather(session.run(), asyncio.to_thread(client, theirs))
        assert session._tasks == {}
        return heard

    return asyncio.run(scenario())


def hello(theirs):
    theirs.sendall(encode(messages.hello(Hello([1, 1], "test"))))


def rest(theirs):
    """Everything that comes until the end."""
    frames, heard = FrameReader(REPLY_LIMIT), []
    while data := theirs.recv(65536):
        frames.feed(data)
        while (message := frames.next()) is not None:
            heard.append(message)
    return heard


async def nothing(_request, _say):
    return {}


@pytest.mark.parametrize("said", [b"", b"\0\0"])
def test_silent(said):
    """Who does not say hello in time, or not all of it, is let go without a word."""

    def client(theirs):
        theirs.sendall(said)
        return rest(theirs)

    assert served(client, nothing, hello=0.01, frame=0.01) == []


def test_frame_that_never_ends():
    """Who begins a request and does not end it in time is let go, however long the patience without one is."""

    def client(theirs):
        hello(theirs)
        theirs.sendall(b"\0\0\1\0\x80")
        return rest(theirs)

    assert len(served(client, nothing, frame=0.01)) == 1


def test_idle():
    """Who asks nothing for long is let go."""

    def client(theirs):
        hello(theirs)
        return rest(theirs)

    assert len(served(client, nothing, idle=0.01)) == 1


def test_waiting_is_not_idle():
    """Who waits for an answer is kept, however long that takes."""
    asked = 0

    async def slow(_request, say):
        nonlocal asked
        for asked in range(20):  # noqa: B007 - told at the end
            await asyncio.sleep(0.005)  # together far longer than the patience
        return {"asked": asked}

    def client(theirs):
        hello(theirs)
        theirs.sendall(encode(messages.request(1, Ping())))
        return rest(theirs)

    assert served(client, slow, idle=0.01)[-1]["asked"] == 19


def test_never_reads():
    """Who reads nothing is let go, and what was being sent to it is given up."""
    ended = asyncio.Event()

    async def endless(_request, say):
        try:
            while True:
                await say(Item([{"path": b"x" * 4000}]))
        finally:
            ended.set()

    def client(theirs):
        hello(theirs)
        theirs.sendall(encode(messages.request(1, Search("red"))))

    async def scenario():
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        session = Session(reader, writer, lambda: WELCOME, endless, Patience(stall=0.01))
        with theirs:
            client(theirs)
            await session.run()

    asyncio.run(scenario())
    assert ended.is_set()


def test_goes_in_the_middle():
    """When a client goes, all that it asked is given up."""
    begun, given_up = 0, 0

    async def forever(_request, _say):
        nonlocal begun, given_up
        begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            given_up += 1

    def client(theirs):
        hello(theirs)
        for number in range(1, IN_FLIGHT + 1):
            theirs.sendall(encode(messages.request(number, Ping())))
        theirs.shutdown(socket.SHUT_WR)
        return rest(theirs)

    served(client, forever)
    assert begun == given_up == IN_FLIGHT


def test_a_thousand_frames_at_once():
    """A client that sends much at once lets others have their turn after each frame."""
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def client(theirs):
        hello(theirs)
        theirs.sendall(b"".join(encode({"op": "ping", "id": number}) for number in range(1, 1001)))
        theirs.shutdown(socket.SHUT_WR)
        return rest(theirs)

    async def scenario():
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        theirs.settimeout(30)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        session = Session(reader, writer, lambda: WELCOME, nothing)
        counting = asyncio.create_task(count())
        with theirs:
            _, heard = await asyncio.gather(session.run(), asyncio.to_thread(client, theirs))
        counting.cancel()
        assert len(heard) == 1001

    asyncio.run(scenario())
    assert turns >= 1000


def test_answer_that_is_too_large():
    """An answer that fits in no frame ends as an error, and the connection goes on."""

    async def huge(request, _say):
        return {"x": b"x" * (REPLY_LIMIT if isinstance(request, Search) else 1)}

    def client(theirs):
        hello(theirs)
        theirs.sendall(encode(messages.request(1, Search("red"))) + encode(messages.request(2, Ping())))
        frames = FrameReader(REPLY_LIMIT)
        heard = {}
        while len(heard) < 3:
            frames.feed(theirs.recv(65536))
            while (message := frames.next()) is not None:
                heard[message["id"]] = message
        theirs.shutdown(socket.SHUT_WR)
        return heard

    heard = served(client, huge)
    assert heard[1]["code"] == "too-large"
    assert isinstance(messages.read_reply(heard[2])[1], End)


def test_mistakes_cost_time():
    """A few mistakes cost nothing; who makes them without end is read ever more slowly, up to a bound."""
    pauses = [pause_after(number) for number in range(1000)]
    assert pauses[: FREE_MISTAKES + 1] == [0.0] * (FREE_MISTAKES + 1)
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
