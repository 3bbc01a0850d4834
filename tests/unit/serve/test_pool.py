"""Threads for requests: turns are kept, what is given up frees its place, and what hangs stops nobody."""

import asyncio
import threading

import pytest

from kadr.protocol.errors import Busy
from kadrd.serve.pool import Aside, Pool
from kadrd.serve.turns import Client


@pytest.fixture
def gate():
    """Lets nobody through until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def pool():
    pool = Pool(1, 3)
    yield pool
    pool.close()


async def _settled(ready):
    while not ready():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)


def test_gives_and_raises(pool):
    """What a request gives or raises comes to who asked, and nothing stays open."""

    async def scenario():
        assert await pool.run(Client(), lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await pool.run(Client(), lambda: 1 // 0)
        assert pool.open == 0

    asyncio.run(scenario())


def test_busy_when_full(pool, gate):
    """One request runs, three wait, the next is refused as busy; later all four are answered."""

    async def scenario():
        asked = [asyncio.create_task(pool.run(Client(), gate.wait)) for _ in range(4)]
        await _settled(lambda: pool.open == 4)
        with pytest.raises(Busy) as refused:
            await pool.run(Client(), lambda: 1)
        assert refused.value.retry_ms > 0
        gate.set()
        assert await asyncio.gather(*asked) == [True] * 4
        assert pool.open == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [0, 1])
def test_given_up(pool, gate, number):
    """A request that is given up, running or waiting, leaves no place taken once its thread is back."""

    async def scenario():
        asked = [asyncio.create_task(pool.run(Client(), gate.wait)) for _ in range(2)]
        await _settled(lambda: pool.open == 2)
        asked[number].cancel()
        await asyncio.gather(asked[number], return_exceptions=True)
        gate.set()
        await _settled(lambda: pool.open == 0)
        assert await pool.run(Client(), lambda: 3) == 3
        await asked[1 - number]

    asyncio.run(scenario())


def test_turn_that_comes_to_what_was_given_up(pool, gate):
    """A turn that comes to a request in the moment in which it was given up is passed on."""

    async def scenario():
        first = asyncio.create_task(pool.run(Client(), gate.wait))
        second = asyncio.create_task(pool.run(Client(), lambda: 2))
        third = asyncio.create_task(pool.run(Client(), lambda: 3))
        await _settled(lambda: pool.open == 3)
        await asyncio.sleep(0)
        second.cancel()  # it has not heard of it yet
        pool._turns._at_once += 1
        pool._start()
        gate.set()
        assert await third == 3
        assert await first
        await asyncio.gather(second, return_exceptions=True)
        await _settled(lambda: pool.open == 0)

    asyncio.run(scenario())


def test_given_up_when_its_turn_comes(pool, gate):
    """A request that is given up in the moment in which its turn comes passes the turn on."""

    async def scenario():
        first = asyncio.create_task(pool.run(Client(), gate.wait))
        second = asyncio.create_task(pool.run(Client(), lambda: 2))
        third = asyncio.create_task(pool.run(Client(), lambda: 3))
        await _settled(lambda: pool.open == 3)
        gate.set()
        await first  # its end has called the second, which has not run yet
        second.cancel()
        assert await third == 3
        assert pool.open == 0

    asyncio.run(scenario())


def test_a_rest_ends_by_itself(pool):
    """A program that rests because a person is around is answered after that, though nobody asks or ends meanwhile."""

    async def scenario():
        assert await pool.run(Client(), lambda: 1) == 1
        program = Client(habit=1.0, asked=1)
        asked = [asyncio.create_task(pool.run(program, lambda: 2)) for _ in range(2)]
        assert await asyncio.gather(*asked) == [2, 2]
        assert pool.open == 0

    asyncio.run(scenario())


def test_others_stand_still_for_a_person_alone(pool):
    """Indexing lets go of the processor while a person is answered, goes on after that, and does not stop for a program."""
    told = []
    pool.stand_still = told.append

    async def scenario():
        await pool.run(Client(), lambda: told.append("answered"))
        await pool.run(Client(habit=1.0, asked=1), lambda: told.append("program"))

    asyncio.run(scenario())
    assert told == [True, "answered", False, "program"]


def test_nobody_stands_still_after_the_end(pool, gate):
    """A pool that is closed in the middle of an answer lets the others go on."""
    told = []
    pool.stand_still = told.append

    async def scenario():
        asked = asyncio.create_task(pool.run(Client(), gate.wait))
        await _settled(lambda: told)
        gate.set()
        pool.close()  # before the loop hears of the answer
        assert told == [True, False]
        await asked

    asyncio.run(scenario())


def test_aside_is_bounded(gate):
    """Calls that hang are refused as busy when they are too many, and their places come back."""

    async def scenario():
        aside = Aside(2)
        asked = [asyncio.create_task(aside.run(gate.wait)) for _ in range(2)]
        await _settled(lambda: aside.open == 2)
        with pytest.raises(Busy):
            await aside.run(lambda: 1)
        asked[0].cancel()
        await asyncio.gather(asked[0], return_exceptions=True)
        assert aside.open == 2  # the thread still hangs
        gate.set()
        assert await asked[1]
        await _settled(lambda: aside.open == 0)
        with pytest.raises(ZeroDivisionError):
            await aside.run(lambda: 1 // 0)

    asyncio.run(scenario())


def test_aside_does_not_keep_the_process(gate):
    """A call that never returns does not keep the daemon from ending."""

    async def scenario():
        aside = Aside(2)
        asked = asyncio.create_task(aside.run(gate.wait))
        await _settled(lambda: aside.open == 1)
        aside.close(0)
        (thread,) = aside._threads
        assert thread.daemon
        asked.cancel()

    asyncio.run(scenario())
