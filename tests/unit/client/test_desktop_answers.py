"""Typing into a shell: only the newest text is asked, nobody waits for an older one, and no keystroke starts a daemon."""

from __future__ import annotations

import asyncio

import pytest

from kadr.desktop.answers import KEPT, Newest
from kadr.protocol import messages, paths
from kadr.protocol.errors import Busy, Cancelled, QueryError
from kadr.protocol.frames import encode
from kadr.protocol.messages import Cancel, End, Err, Item, Search

# Longer than any test takes: what waits for this hangs, and the test's own limit says so.
FOR_EVER = 600.0


def typing(scene, patience=FOR_EVER):
    """Run *scene*, a coroutine function, with a Newest that asks the daemon of the test."""

    async def run():
        newest = Newest(paths.current().socket, patience)
        try:
            return await scene(newest)
        finally:
            newest.close()

    return asyncio.run(run())


def ended(id_, error):
    return encode(messages.reply(id_, Err(error)))


def heard(daemon):
    """Back when the daemon has a question that it does not answer."""
    return asyncio.to_thread(daemon.heard.wait, 30)


def test_hits_come(answered):
    """A text is answered with the daemon's hits, in its order."""
    daemon = answered("search", b"/p/a.jpg", b"/p/b.jpg")

    async def scene(newest):
        return await newest.hits("cat")

    assert [hit.path for hit in typing(scene)] == [b"/p/a.jpg", b"/p/b.jpg"]
    assert daemon.requests == [Search("cat", 12)]


def test_a_newer_text_ends_the_wait(daemon, seam, hit):
    """Who waits for an older text is answered at once when a newer one comes, the older one is cancelled, and what was typed
    in between is never asked."""
    daemon.on("search", seam.SILENCE)
    daemon.on("search", Item([hit(b"/p/cat.jpg")]), End({"complete": True}))
    daemon.on("cancel", ended(1, Cancelled()), End({}))

    async def scene(newest):
        old = asyncio.create_task(newest.hits("c at"))
        await heard(daemon)
        between = asyncio.create_task(newest.hits("c ats"))
        await asyncio.sleep(0)
        new = await newest.hits("c ats!")
        return await old, await between, new

    old, between, new = typing(scene)
    assert old is None
    assert between is None
    assert [found.path for found in new] == [b"/p/cat.jpg"]
    assert [request for request in daemon.requests if isinstance(request, Cancel)] == [Cancel(1)]
    assert [request.text for request in daemon.requests if isinstance(request, Search)] == ["c at", "c ats!"]


def test_a_thousand_keystrokes_are_few_questions(answered):
    """However fast somebody types, at most one question is under way, and the last text is answered."""
    daemon = answered("search", b"/p/a.jpg")
    daemon.on("cancel", End({}))

    async def scene(newest):
        return await asyncio.gather(*(newest.hits(f"cat {number}") for number in range(1000)))

    *older, last = typing(scene)
    assert [found.path for found in last] == [b"/p/a.jpg"]
    assert set(map(type, older)) == {type(None)}
    assert len([request for request in daemon.requests if isinstance(request, Search)]) <= 3


def test_back_to_an_answer(answered):
    """Who deletes a letter is answered without a question, and the answers that are kept are few."""
    daemon = answered("search", b"/p/a.jpg")

    async def scene(newest):
        for number in range(KEPT + 1):
            await newest.hits(f"cat {number}")
        asked = len(daemon.requests)
        again = await newest.hits(f"cat {KEPT}")
        kept = len(daemon.requests)
        await newest.hits("cat 0")  # the oldest had to go
        return asked, again, kept, len(daemon.requests)

    asked, again, kept, after = typing(scene)
    assert again
    assert asked == kept == KEPT + 1
    assert after == kept + 1


def test_no_daemon(home):
    """Where no daemon runs the answer is nothing, at once, and none is started."""

    async def scene(newest):
        return [await newest.hits("cat"), await newest.hits("dog")]

    assert typing(scene) == [None, None]


def test_slow_daemon(daemon, seam, hit):
    """A daemon that has let one text wait too long lets no further one wait, until it answers again."""
    daemon.on("search", seam.SILENCE)
    daemon.on("search", Item([hit(b"/p/dog.jpg")]), End({"complete": True}))
    late = encode(messages.reply(1, Item([hit(b"/p/late.jpg")]))) + encode(messages.reply(1, End({})))
    daemon.on("cancel", late)

    async def scene(newest):
        first = await newest.hits("cat")
        newest._patience = FOR_EVER  # whoever waits now hangs
        second = await newest.hits("dog")
        await newest._asking
        return first, second, await newest.hits("dog")

    first, second, third = typing(scene, patience=0.01)
    assert first is None
    assert second is None
    assert [found.path for found in third] == [b"/p/dog.jpg"]


@pytest.mark.parametrize("error", [QueryError(why="taken: wants a date", text="taken:", column=0, length=6)])
def test_an_unfinished_question(daemon, error):
    """A text that is no query yet finds nothing, and the line is kept."""
    daemon.on("search", Err(error))
    daemon.on("search", End({"complete": True}))

    async def scene(newest):
        return [await newest.hits("taken:"), await newest.hits("taken:summer")]

    assert typing(scene) == [[], []]
    assert len(daemon.hellos) == 1


def test_a_busy_daemon_is_asked_again(daemon, hit):
    """A daemon that is busy costs one answer and not the next one of the same text."""
    daemon.on("search", Err(Busy(retry_ms=50)))
    daemon.on("search", Item([hit(b"/p/a.jpg")]), End({"complete": True}))

    async def scene(newest):
        return await newest.hits("cat"), await newest.hits("cat")

    busy, then = typing(scene)
    assert busy is None
    assert [found.path for found in then] == [b"/p/a.jpg"]


@pytest.mark.parametrize("step", ["hang up", b"\xff\xff\xff\xff"], ids=["goes away", "talks nonsense"])
def test_a_daemon_that_goes(daemon, hit, step):
    """A daemon that goes away, or says what nobody understands, is greeted anew for the next text."""
    daemon.on("search", step)
    daemon.on("search", Item([hit(b"/p/a.jpg")]), End({"complete": True}))

    async def scene(newest):
        return await newest.hits("cat"), await newest.hits("cats")

    lost, then = typing(scene)
    assert lost is None
    assert [found.path for found in then] == [b"/p/a.jpg"]
    assert len(daemon.hellos) == 2


def test_forgetting(answered):
    """When the typing is over nothing of it is kept."""
    answered("search", b"/p/a.jpg")

    async def scene(newest):
        await newest.hits("cat")
        known = newest.found(b"/p/a.jpg")
        newest.forget()
        return known, newest.found(b"/p/a.jpg")

    known, after = typing(scene)
    assert known.path == b"/p/a.jpg"
    assert after is None
