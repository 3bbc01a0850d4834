"""Whose request is next: newcomers and people first, programs in turn, and nobody waits for ever."""

import random

import pytest

from kadrd.serve.turns import AROUND, HAMMERS, PATIENCE, PAUSES, REST, TRIAL_EVERY, Client, Line, Turns


def worked(turns, client, what, asked, answered):
    """*client* asked *what* and had its answer."""
    assert turns.ask(client, what, asked)
    assert (turns.next(asked) or turns.next(turns.again_at)) == what  # it may have to rest first
    turns.done(client, answered, answered - asked)


def test_first_come_first_served():
    """Clients that are alike are served in the order in which they asked."""
    turns = Turns(1, 9)
    clients = [Client() for _ in range(3)]
    for number, client in enumerate(clients):
        turns.ask(client, number, float(number) / 100)
    served = []
    for client in clients:
        served.append(turns.next(0.1))
        turns.done(client, 0.1)
    assert served == [0, 1, 2]


def habitual(turns, client, pause, times=20, now=0.0):
    """*client* asked some times, with such a pause before each; gives when it had its last answer."""
    for number in range(times):
        worked(turns, client, (id(client), number), now, now + 0.003)
        now += 0.003 + pause
    return now - pause


def served(turns, now, count):
    """The next *count*, each ended in the moment it was begun."""
    found = []
    for _ in range(count):
        what = turns.next(now)
        found.append(what)
        if what is not None:
            turns.done(what[0], now)
    return found


def test_who_paused_goes_before_who_hammers():
    """Who uses to pause goes first, then who is new, then who asks again at once."""
    turns = Turns(1, 9)
    program, person, new = Client(), Client(), Client()
    now = habitual(turns, program, 0.001)
    now = habitual(turns, person, 0.1, now=now)
    program.answered = now
    assert turns.ask(program, (program, "g"), now + 0.001)
    assert turns.ask(new, (new, "new"), now + 0.02)
    assert turns.ask(person, (person, "p"), now + 0.1)
    assert [what[1] for what in served(turns, now + 0.1, 3)] == ["p", "new", "g"]


def test_a_person_goes_before_a_crowd_of_newcomers():
    """Who is known to pause does not wait behind 64 who come at once, however long before they came."""
    turns = Turns(1, 99)
    person = Client()
    now = habitual(turns, person, 0.1)
    for number in range(64):
        client = Client()
        assert turns.ask(client, (client, number), now)
    assert turns.ask(person, (person, "p"), now + 0.5)
    assert served(turns, now + 0.5, 1) == [(person, "p")]


def test_a_program_that_stumbles():
    """A program that pauses once is none the less one that hammers, and a person who is quick once a person."""
    turns = Turns(1, 9)
    person, program = Client(), Client()
    later = habitual(turns, program, 0.001) + 0.05
    assert program.line(later).hammers
    later = habitual(turns, person, 0.1, now=later) + 0.005
    person.line(later)
    assert person.habit < HAMMERS


def test_nobody_waits_for_ever():
    """A program is served no later than a turn behind PATIENCE, however many newcomers there are."""
    turns = Turns(1, 10**6)
    program = Client()
    now = habitual(turns, program, 0.001)
    begun, found = now, None
    assert turns.ask(program, (program, "mine"), now)
    while found != (program, "mine"):
        now += 0.01
        new = Client()
        assert turns.ask(new, (new, now), now)
        (found,) = served(turns, now, 1)
        assert now <= begun + PATIENCE + 0.05


def test_programs_rest_while_somebody_is_around():
    """Beside a person a program rests after each request, for as long as that took; alone it has everything."""
    turns = Turns(1, 9)
    program, person = Client(), Client()
    now = habitual(turns, program, 0.001)
    assert turns.again_at is None  # alone it never waited
    habitual(turns, person, 0.1, now=now)
    now += 20 * 0.103
    assert turns.ask(program, "a", now)
    assert turns.next(now) == "a"
    turns.done(program, now + 0.004)
    assert turns.ask(program, "b", now + 0.004)
    assert turns.next(now + 0.004) is None
    assert turns.again_at == pytest.approx(now + 0.004 + REST * 0.004)
    assert turns.next(turns.again_at) == "b"


def test_a_fast_asker_at_a_pace_is_told_from_a_program():
    """A program gets a turn on trial now and then: who asks at a pace that we do not keep would else stay one for ever."""
    program, lines = Client(habit=1.0), []
    for number in range(1, 4 * TRIAL_EVERY):
        program.answered = float(number)
        lines.append(program.line(number + 0.001))
    assert set(lines[1:]) == {Line.TRIAL, Line.HAMMERS}
    assert lines.count(Line.TRIAL) == 3


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
    turns = Turns(2, 9)
    programs, person = [Client(habit=1.0, asked=1) for _ in range(3)], Client()
    for number, program in enumerate(programs):
        assert turns.ask(program, number, 0.1)
    assert (turns.next(0.1), turns.next(0.1)) == (0, None)
    assert turns.ask(person, "person", 0.2)
    assert turns.next(0.2) == "person"
    turns.done(person, 0.3)
    turns.done(programs[0], 0.3)
    assert turns.next(0.3 + AROUND + 1) == 1
    assert turns.next(0.3 + AROUND + 1) is None


def test_waiting_for_us_is_no_haste():
    """A person who had to wait long for an answer is none the less one who pauses."""
    turns = Turns(1, 9)
    person = Client()
    now = 0.0
    for number in range(20):
        assert turns.ask(person, number, now)
        assert turns.next(now) == number
        turns.done(person, now + 5.0, 0.003)
        now += 5.1
    assert person.habit < PAUSES


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
        while (started := turns.next(now)) is not None:
            running[started] = waiting.pop(started)
        # No place is free for nothing: who waits has something running, or hammers while enough of those run or rest.
        idle = [client for client in waiting.values() if not client.running]
        hammering = sum(client.running.line.hammers for client in running.values())
        held = hammering == 2 or turns.again_at is not None
        assert len(running) == 3 or (held and all(c.waiting[0].line.hammers for c in idle)) or not idle
        assert len(set(map(id, running.values()))) == len(running)
        if running and chance.random() < 0.5:
            gone = chance.choice(list(running))
            turns.done(running.pop(gone), now)
            ended.add(gone)
        if waiting and chance.random() < 0.2:
            gone = chance.choice(list(waiting))
            assert turns.withdraw(waiting.pop(gone), gone, now)
            ended.add(gone)
        assert turns.open == len(waiting) + len(running)
    assert accepted == len(ended) + turns.open
