"""Whose request is next: newcomers and people first, programs in turn, and nobody waits for ever."""

import random

import pytest

from kadrd.serve.turns import HAMMERS, PATIENCE, Client, Turns


def worked(turns, client, what, asked, answered):
    """*client* asked *what* and had its answer."""
    assert turns.ask(client, what, asked)
    assert turns.next() == what
    turns.done(client, answered, answered - asked)


def test_first_come_first_served():
    """Clients that are alike are served in the order in which they asked."""
    turns = Turns(1, 9)
    clients = [Client() for _ in range(3)]
    for number, client in enumerate(clients):
        turns.ask(client, number, float(number) / 100)
    served = []
    for client in clients:
        served.append(turns.next())
        turns.done(client, 1.0)
    assert served == [0, 1, 2]


def habitual(turns, client, pause, times=20):
    """*client* asked some times, with such a pause before each; gives when it had its last answer."""
    now = 0.0
    for number in range(times):
        worked(turns, client, (id(client), number), now, now + 0.003)
        now += 0.003 + pause
    return now - pause


def test_who_paused_goes_before_who_hammers():
    """Who uses to pause goes first, then who is new, then who asks again at once."""
    turns = Turns(1, 9)
    person, program, new = Client(), Client(), Client()
    now = habitual(turns, person, 0.1)
    program.answered = habitual(turns, program, 0.001) and now
    assert turns.ask(program, "g", now + 0.001)
    assert turns.ask(new, "new", now + 0.02)
    assert turns.ask(person, "p", now + 0.1)
    assert [turns.next(), turns.done(person, 1.0), turns.next(), turns.done(new, 1.0), turns.next()][::2] == [
        "p", "new", "g",
    ]  # fmt: skip


def test_a_program_that_stumbles():
    """A program that pauses once is none the less one that hammers, and a person who is quick once a person."""
    turns = Turns(1, 9)
    person, program = Client(), Client()
    later = habitual(turns, program, 0.001) + 0.05
    assert program.restless(later) > HAMMERS
    later = habitual(turns, person, 0.1) + 0.005
    assert person.restless(later) < HAMMERS


def test_nobody_waits_for_ever():
    """A program is served no later than PATIENCE behind its turn, however many newcomers there are."""
    turns = Turns(1, 10**6)
    program = Client()
    worked(turns, program, "warm", 0.0, 1.0)
    assert turns.ask(program, "mine", 1.0)
    now, newcomers = 1.0, {}
    while True:
        now += 0.01
        newcomers[now] = Client()
        assert turns.ask(newcomers[now], now, now)
        served = turns.next()
        if served == "mine":
            break
        turns.done(newcomers[served], now)
    assert now <= 1.0 + PATIENCE + 0.02


def test_at_most_so_many_run():
    """No more run than may, and of one client just one."""
    turns = Turns(2, 9)
    one, other = Client(), Client()
    for number in range(3):
        turns.ask(one, number, 0.0)
    assert (turns.next(), turns.next()) == (0, None)
    turns.ask(other, "a", 0.0)
    assert (turns.next(), turns.next()) == ("a", None)
    turns.done(one, 1.0)
    assert turns.next() == 1


def test_a_place_stays_free_of_programs():
    """However many programs hammer, one place is left for who comes back from a pause."""
    turns = Turns(2, 9)
    programs, person = [Client() for _ in range(3)], Client()
    for program in programs:
        worked(turns, program, program, 0.0, 0.1)
    for number, program in enumerate(programs):
        assert turns.ask(program, number, 0.1)
    assert (turns.next(), turns.next()) == (0, None)
    assert turns.ask(person, "person", 0.2)
    assert turns.next() == "person"
    turns.done(person, 0.3)
    turns.done(programs[0], 0.3)
    assert (turns.next(), turns.next()) == (1, None)


def test_waiting_for_us_is_no_haste():
    """A person who had to wait long for an answer is none the less one who pauses."""
    turns = Turns(1, 9)
    person = Client()
    now = 0.0
    for number in range(20):
        assert turns.ask(person, number, now)
        assert turns.next() == number
        turns.done(person, now + 5.0, 0.003)
        now += 5.1
    assert person.restless(now) < 0.25


def test_full():
    """What is over the room is refused, and nothing of it is kept."""
    turns = Turns(1, 2)
    client = Client()
    assert [turns.ask(client, number, 0.0) for number in range(3)] == [True, True, False]
    assert (client.open, turns.open) == (2, 2)


def test_withdrawn():
    """What is given up while it waits is not started; what runs already cannot be withdrawn."""
    turns = Turns(1, 9)
    client = Client()
    turns.ask(client, "a", 0.0)
    turns.ask(client, "b", 0.0)
    assert turns.withdraw(client, "a")
    assert turns.next() == "b"
    assert not turns.withdraw(client, "b")
    turns.done(client, 1.0)
    assert (turns.next(), turns.open, client.open) == (None, 0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens(seed):
    """After any mixture of asking, starting, ending and giving up, all that was asked was started once or given up."""
    chance = random.Random(seed)
    turns, clients = Turns(3, 40), [Client() for _ in range(6)]
    waiting, running, ended, accepted, now = {}, {}, set(), 0, 0.0
    for what in range(2000):
        now += chance.random() / 50
        client = chance.choice(clients)
        if chance.random() < 0.6 and turns.ask(client, what, now):
            waiting[what] = client
            accepted += 1
        while (started := turns.next()) is not None:
            running[started] = waiting.pop(started)
        # No place is free for nothing: who waits has something running, or hammers while enough of those run.
        idle = [client for client in waiting.values() if not client.running]
        hammering = sum(client.hammers for client in running.values())
        assert len(running) == 3 or (hammering == 2 and all(c.waiting[0].hammers for c in idle)) or not idle
        assert len(set(map(id, running.values()))) == len(running)
        if running and chance.random() < 0.5:
            gone = chance.choice(list(running))
            turns.done(running.pop(gone), now)
            ended.add(gone)
        if waiting and chance.random() < 0.2:
            gone = chance.choice(list(waiting))
            assert turns.withdraw(waiting.pop(gone), gone)
            ended.add(gone)
        assert turns.open == len(waiting) + len(running)
    assert accepted == len(ended) + turns.open
