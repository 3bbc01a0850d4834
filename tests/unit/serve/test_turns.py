"""Whose request is next: people first, programs in turn and with rests, and nobody waits for ever."""

import random

import pytest

from kadrd.serve.turns import AROUND, HAMMERS, PATIENCE, PAUSES, REST, TRIAL_EVERY, Client, Line, Turns

TAKES = 0.003


def worked(turns, client, what, asked, answered):
    """*client* asked *what* and had its answer."""
    assert turns.ask(client, what, asked)
    assert turns.next(asked) == what
    turns.done(client, answered, answered - asked)


def with_habit(pause, times=20):
    """A client that paused so long before each request; it had its last answer at 0."""
    client = Client()
    now = -times * (TAKES + pause)
    for number in range(times):
        worked(Turns(1, 1), client, number, now, now + TAKES)
        now += TAKES + pause
    client.answered = 0.0
    return client


def person():
    return with_habit(0.1)


def program():
    return with_habit(0.0005)


def test_first_come_first_served():
    """Clients that are alike are served in the order in which they asked."""
    turns = Turns(1, 9)
    clients = [Client() for _ in range(3)]
    for number, client in enumerate(clients):
        turns.ask(client, number, number / 100)
    served = []
    for client in clients:
        served.append(turns.next(0.1))
        turns.done(client, 0.1)
    assert served == [0, 1, 2]


def test_who_paused_goes_before_who_hammers():
    """Who uses to pause goes first, then who is new, then who asks again at once, whoever asked first."""
    turns = Turns(1, 9)
    clients = {"program": program(), "new": Client(), "person": person()}
    for number, (what, client) in enumerate(clients.items()):
        assert turns.ask(client, what, 0.001 + number * 0.05)
    served = []
    for _ in clients:
        served.append(turns.next(0.2))
        turns.done(clients[served[-1]], 0.2)
    assert served == ["person", "new", "program"]


def test_a_person_goes_before_a_burst_of_newcomers():
    """Somebody who is known to pause has the very next turn, though 64 newcomers asked before."""
    turns, someone = Turns(2, 99), person()
    newcomers = [Client() for _ in range(64)]
    for number, newcomer in enumerate(newcomers):
        assert turns.ask(newcomer, number, 0.0)
    assert [turns.next(0.0), turns.next(0.0)] == [0, 1]
    assert turns.ask(someone, "person", 0.15)
    turns.done(newcomers[0], 0.2)
    assert turns.next(0.2) == "person"


def test_a_newcomer_is_soon_known():
    """A program is known by its second answer, so that newcomers who come after it go before it."""
    turns, client = Turns(1, 9), Client()
    worked(turns, client, 1, 0.0, TAKES)
    worked(turns, client, 2, TAKES, 2 * TAKES)
    assert client.line(2 * TAKES) is Line.HAMMERS


def test_a_program_that_stumbles():
    """A program that pauses once is none the less one that hammers, and a person who is quick once a person."""
    once, someone = program(), person()
    once.line(0.05)
    someone.line(0.005)
    assert once.habit > HAMMERS
    assert someone.habit < HAMMERS


def test_waiting_for_us_is_no_haste():
    """Who had to wait long for an answer, and then pauses, is none the less one who pauses."""
    turns, someone = Turns(1, 9), person()
    now = 0.0
    for number in range(20):
        assert turns.ask(someone, number, now)
        assert turns.next(now) == number
        turns.done(someone, now + 5.0, TAKES)
        now += 5.1
    assert someone.habit < 0.25


def test_a_late_answer_makes_nobody_a_program():
    """Who asks at a pace, and so at once after an answer that came late, is not said to hammer for it."""
    turns, someone = Turns(1, 9), with_habit(0.05)
    now = 0.05
    for number in range(3):
        assert turns.ask(someone, number, now)
        assert turns.next(now) == number
        now += 0.2
        turns.done(someone, now, TAKES)
    assert not someone.line(now).hammers


def test_who_was_taken_for_a_program_is_cleared():
    """Who asks at a pace and was taken for a program, with 64 of those around, is cleared before a hundred requests."""
    turns, someone, programs = Turns(1, 99), program(), [program() for _ in range(64)]
    owners = dict(enumerate([someone, *programs]))
    for number, client in owners.items():
        assert turns.ask(client, number, 0.0)
    now, due, asked = 0.0, {}, 0
    while someone.habit > PAUSES and asked < 100:
        while (what := turns.next(now)) is None:
            now = min([*due.values(), turns.again_at or now + 1.0])
            for back in [number for number, at in due.items() if at <= now]:
                del due[back]
                assert turns.ask(owners[back], back, now)
                asked += back == 0
        started, now = now, now + TAKES
        turns.done(owners[what], now, TAKES)
        due[what] = max(now, started + 0.05) if what == 0 else now + 0.0005
    assert asked < 100


def test_programs_are_tried_in_turn():
    """One in so many answers comes soon to each program, and no more."""
    client = program()
    client.asked = 0
    lines = [client.line(0.0005) for _ in range(4 * TRIAL_EVERY + 1)]
    assert lines[1:].count(Line.TRIAL) == 4
    assert lines[1:].count(Line.HAMMERS) == 4 * TRIAL_EVERY - 4


def test_programs_have_turns_among_themselves():
    """Of programs that hammer nobody has more than its share, not even one that sends many requests at once."""
    turns, programs = Turns(1, 99), [program() for _ in range(4)]
    for number in range(16):
        assert turns.ask(programs[0], (0, number), 0.001)
    for number in (1, 2, 3):
        assert turns.ask(programs[number], (number, 0), 0.001)
    now, count = AROUND + 1, dict.fromkeys(range(4), 0)
    for number in range(40):
        which, _ = turns.next(now)
        count[which] += 1
        now += TAKES
        turns.done(programs[which], now, TAKES)
        if which:
            assert turns.ask(programs[which], (which, number + 1), now)
    assert max(count.values()) - min(count.values()) <= 4  # the trials


def test_nobody_waits_for_ever():
    """A program is served no later than PATIENCE behind its turn, however many newcomers there are."""
    turns, late = Turns(1, 10**6), program()
    assert turns.ask(late, "mine", 0.001)
    now, newcomers = 0.001, {}
    while True:
        now += 0.01
        newcomers[now] = Client()
        assert turns.ask(newcomers[now], now, now)
        served = turns.next(now)
        if served == "mine":
            break
        turns.done(newcomers[served], now)
    assert now <= PATIENCE + 0.03


def test_who_is_late_has_every_second_turn():
    """When many have waited for too long, a person still waits for no more than one of them, and they for no more people."""
    turns, programs, someone = Turns(1, 999), [program() for _ in range(20)], person()
    for number, client in enumerate(programs):
        assert turns.ask(client, number, 0.001)
    now, served = AROUND + 2 * PATIENCE, []
    assert turns.ask(someone, "person", now)
    for _ in range(40):
        served.append(turns.next(now))
        now += 0.1
        if served[-1] == "person":
            turns.done(someone, now, TAKES)
            someone = person()
            assert turns.ask(someone, "person", now)
        else:
            turns.done(programs[served[-1]], now - 0.09, TAKES)
    assert served[::2] == list(range(20))
    assert set(served[1::2]) == {"person"}


def test_at_most_so_many_run():
    """No more run than may, and of one client just one."""
    turns = Turns(2, 9)
    one, other = Client(), Client()
    for number in range(3):
        turns.ask(one, number, 0.0)
    assert (turns.next(0.0), turns.next(0.0)) == (0, None)
    turns.ask(other, "a", 0.0)
    assert (turns.next(0.0), turns.next(0.0)) == ("a", None)
    turns.done(one, 1.0)
    assert turns.next(1.0) == 1


def test_a_place_stays_free_of_programs():
    """However many programs hammer, one place is left for who comes back from a pause."""
    turns, programs, someone = Turns(2, 9), [program() for _ in range(3)], person()
    for number, client in enumerate(programs):
        assert turns.ask(client, number, 0.001)
    assert (turns.next(0.001), turns.next(0.001)) == (0, None)
    assert turns.ask(someone, "person", 0.1)
    assert turns.next(0.1) == "person"
    turns.done(someone, 0.2)
    turns.done(programs[0], 0.2)
    assert (turns.next(0.2 + REST), turns.next(0.2 + REST)) == (1, None)


def test_programs_rest_while_a_person_is_around():
    """After a program's request none of theirs runs for as long as it ran, when somebody else asked of late."""
    turns, programs, someone = Turns(2, 9), [program(), program()], person()
    worked(turns, someone, "person", 0.1, 0.103)
    for number, client in enumerate(programs):
        assert turns.ask(client, number, 0.2)
    assert turns.next(0.2) == 0
    turns.done(programs[0], 0.3, TAKES)
    assert turns.next(0.3) is None
    assert turns.again_at == pytest.approx(0.3 + REST * 0.1)
    assert turns.ask(someone, "again", 0.31)
    assert (turns.next(0.31), turns.next(turns.again_at or 9)) == ("again", 1)


def test_programs_alone_have_everything():
    """When nobody else asked of late, a program's request follows upon the last one's end."""
    turns, programs, someone = Turns(2, 9), [program(), program()], person()
    worked(turns, someone, "person", 0.1, 0.103)
    now = 0.11 + AROUND
    for number, client in enumerate(programs):
        assert turns.ask(client, number, now)
    assert turns.next(now) == 0
    turns.done(programs[0], now + 0.1, TAKES)
    assert (turns.next(now + 0.1), turns.again_at) == (1, None)


def test_a_program_alone_does_not_rest_for_itself():
    """A program that was new a moment ago is not taken for somebody to whom it has to leave room."""
    turns, client, now = Turns(2, 9), Client(), 0.0
    for number in range(20):
        worked(turns, client, number, now, now + TAKES)
        now += TAKES


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
    assert turns.withdraw(client, "a", 0.0)
    assert turns.next(0.0) == "b"
    assert not turns.withdraw(client, "b", 0.0)
    turns.done(client, 1.0)
    assert (turns.next(1.0), turns.open, client.open) == (None, 0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens(seed):
    """After any mixture of asking, starting, ending and giving up, all that was asked was started once or given up, and no
    place is free while somebody may have it.
    """
    chance = random.Random(seed)
    turns, clients = Turns(3, 40), [Client() for _ in range(6)]
    waiting, running, ended, accepted, now = {}, {}, set(), 0, 0.0
    for what in range(2000):
        now += chance.random() / 50 * (100 if chance.random() < 0.01 else 1)
        client = chance.choice(clients)
        if chance.random() < 0.6 and turns.ask(client, what, now):
            waiting[what] = client
            accepted += 1
        while (started := turns.next(now)) is not None:
            running[started] = waiting.pop(started)
        idle = [client for client in waiting.values() if client.running is None]
        hammering = sum(client.running.line.hammers for client in running.values())
        full = hammering == 2 or turns.again_at is not None
        assert len(running) == 3 or (full and all(c.waiting[0].line.hammers for c in idle)) or not idle
        assert len(set(map(id, running.values()))) == len(running)
        if running and chance.random() < 0.5:
            gone = chance.choice(list(running))
            turns.done(running.pop(gone), now, chance.random() / 100)
            ended.add(gone)
        if waiting and chance.random() < 0.2:
            gone = chance.choice(list(waiting))
            assert turns.withdraw(waiting.pop(gone), gone, now)
            ended.add(gone)
        assert turns.open == len(waiting) + len(running)
    assert accepted == len(ended) + turns.open
