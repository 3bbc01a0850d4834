"""Whose request is next: newcomers and people first, programs in turn, and nobody waits for ever."""

import random

import pytest

from kadrd.serve.turns import PATIENCE, Client, Turns


def worked(turns, client, what, asked, answered):
    """*client* asked *what* and had its answer."""
    assert turns.ask(client, what, asked)
    assert turns.next() == what
    turns.done(client, answered)


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


def test_who_paused_goes_before_who_hammers():
    """A client that comes back from a pause goes before one that asks again at once, and so does a new one."""
    turns = Turns(1, 9)
    person, program, new = Client(), Client(), Client()
    worked(turns, person, "p1", 0.0, 0.01)
    worked(turns, program, "g1", 0.0, 0.1)
    assert turns.ask(program, "g2", 0.1)
    assert turns.ask(person, "p2", 0.11)
    assert turns.ask(new, "new", 0.1)
    assert turns.next() == "new"
    turns.done(new, 0.13)
    assert turns.next() == "p2"


def test_nobody_waits_for_ever():
    """A program is served no later than PATIENCE behind its turn, however many newcomers there are."""
    turns = Turns(1, 10**6)
    program = Client()
    worked(turns, program, "warm", 0.0, 1.0)
    assert turns.ask(program, "mine", 1.0)
    now = 1.0
    while True:
        now += 0.01
        newcomer = Client()
        assert turns.ask(newcomer, now, now)
        if turns.next() == "mine":
            break
        turns.done(newcomer, now)
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
        assert len(running) == 3 or set(waiting.values()) <= set(
            running.values()
        )  # no place is free for nothing
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
