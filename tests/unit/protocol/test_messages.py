"""Messages: every value survives the wire, newer keys do no harm, wrong ones are named."""

from __future__ import annotations

import pytest

from kadr.protocol import messages
from kadr.protocol.errors import (
    BY_CODE,
    BadParameter,
    Busy,
    KadrError,
    NotAFolder,
    UnknownOp,
    from_wire,
    to_wire,
)
from kadr.protocol.frames import decode, encode
from kadr.protocol.messages import (
    REQUESTS,
    Cancel,
    End,
    Err,
    Hello,
    Hit,
    Item,
    Progress,
    Rescan,
    Search,
    Similar,
    Welcome,
    fields,
    read_reply,
    read_request,
    reply,
    request,
)

EXAMPLES: dict[str, dict[str, object]] = {
    "search": {"text": "cat", "limit": 3, "min_score": 0.5, "sync": True},
    "similar": {"path": b"/a\xff"},
    "dups": {"text": "ext:jpg", "near": 0.9},
    "thumbnails": {"paths": [b"/a\xff"], "side": 64, "form": "sixel"},
    "sheet": {"paths": [b"/a\xff"], "captions": ["a"], "title": "t"},
    "save": {"name": "n", "text": "t"},
    "unsave": {"name": "n"},
    "tag": {"paths": [b"/a\xff"], "write": ["xattr"], "vocabulary": b"/v", "threshold": 0.7, "trial": True},
    "untag": {"all": True},
    "tags": {"path": b"/a"},
    "add": {"path": b"/a"},
    "remove": {"path": b"/a"},
    "rescan": {"path": b"/a"},
    "cancel": {"target": 3},
}


@pytest.mark.parametrize("op", REQUESTS)
def test_requests_survive_the_wire(op):
    """A request read from its frame is the request that was sent."""
    value = REQUESTS[op](**EXAMPLES.get(op, {}))
    assert read_request(decode(encode(request(5, value, 250))[4:])) == (5, value, 250)


@pytest.mark.parametrize(
    "value",
    [Item([{"path": b"/a", "score": 0.5}]), Progress("scan", 1, 0), End({"count": 1, "ids": [1]}), End({})],
)
def test_replies_survive_the_wire(value):
    """A reply read from its frame is the reply that was sent."""
    assert read_reply(decode(encode(reply(5, value))[4:])) == (5, value)


def test_hello_survives_the_wire():
    """hello and its answer are read as they were meant."""
    sent = decode(encode(messages.hello(Hello([1, 2], "kadr/1", ["search"])))[4:])
    assert (sent["op"], sent["id"]) == ("hello", 0)
    assert fields(Hello, sent) == Hello([1, 2], "kadr/1", ["search"], [])
    welcome = Welcome(1, "kadrd/1", "x", ["search"], {"request": 1}, {"name": "mini"}, [])
    assert fields(Welcome, decode(encode(reply(0, End(welcome._asdict())))[4:])) == welcome


def test_defaults_are_filled_in():
    """What a client leaves out has its documented default."""
    assert read_request({"id": 1, "op": "search", "p": {"text": "cat"}})[1] == Search(
        "cat", 0, None, sync=False, by="both", sort="score", group="", explain=False, follow=False, cwd=b""
    )
    assert read_request({"id": 1, "op": "rescan"}) == (1, Rescan(b""), 0)


def test_unknown_keys_are_ignored():
    """What a newer client or daemon adds does no harm, anywhere."""
    asked = {"id": 1, "op": "search", "p": {"text": "cat", "colour": "red"}, "trace": "x"}
    assert read_request(asked) == (1, Search("cat"), 0)
    told = {"id": 1, "k": "progress", "stage": "scan", "done": 1, "total": 2, "speed": 9}
    assert read_reply(told) == (1, Progress("scan", 1, 2))
    row = {"path": b"/a", "score": 1, "picture": "x", "width": 1, "height": 2, "aura": "y"}
    assert fields(Hit, row) == Hit(b"/a", 1, "x", 1, 2)


@pytest.mark.parametrize(
    ("op", "given", "name"),
    [
        ("search", {}, "text is missing"),
        ("search", {"text": b"cat"}, "text has to be str"),
        ("search", {"text": "cat", "limit": "3"}, "limit has to be int"),
        ("search", {"text": "cat", "limit": True}, "limit has to be int"),
        ("search", {"text": "cat", "min_score": "x"}, "min_score has to be"),
        ("search", {"text": "cat", "sync": 1}, "sync has to be bool"),
        ("similar", {"path": "/a"}, "path has to be bytes"),
        ("cancel", {"target": 1.5}, "target has to be int"),
        ("cancel", [], "not a map"),
    ],
)
def test_wrong_parameters_are_named(op, given, name):
    """A wrong type is refused with the name of the parameter, as a usage error."""
    with pytest.raises(BadParameter, match=name):
        read_request({"id": 1, "op": op, "p": given})


@pytest.mark.parametrize("id_", [None, "1", 0, -1, 1.0, True, 2**63])
def test_wrong_ids(id_):
    """An id is a positive whole number of 63 bits."""
    with pytest.raises(BadParameter, match="id"):
        read_request({"id": id_, "op": "ping"})


@pytest.mark.parametrize("deadline", [-1, "1", True, None])
def test_wrong_deadlines(deadline):
    """A deadline is a number of milliseconds."""
    with pytest.raises(BadParameter, match="deadline_ms"):
        read_request({"id": 1, "op": "ping", "deadline_ms": deadline})


@pytest.mark.parametrize("op", [None, 1, "dance", "hello", "x" * 10_000])
def test_unknown_ops(op):
    """An op of another time is answered with its name, shortened."""
    with pytest.raises(UnknownOp) as caught:
        read_request({"id": 1, "op": op})
    assert len(caught.value.sentence) < 100


@pytest.mark.parametrize(
    "message",
    [
        {"k": "end"},
        {"id": "1", "k": "end"},
        {"id": 1},
        {"id": 1, "k": "what"},
        {"id": 1, "k": ["end"]},
        {"id": 1, "k": "item"},
        {"id": 1, "k": "item", "rows": [1]},
        {"id": 1, "k": "progress", "stage": "scan"},
    ],
)
def test_wrong_replies(message):
    """What is no reply is refused, not guessed at."""
    with pytest.raises(BadParameter):
        read_reply(message)


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE)
def test_errors_survive_the_wire(kind):
    """Every error arrives as the same type with the same sentence, act and pause."""
    detail = dict.fromkeys(
        ("why", "path", "what", "op", "size", "limit", "ours", "theirs", "missing", "socket"), "x"
    )
    error = kind(retry_ms=7, **detail)
    given = read_reply(decode(encode(reply(3, Err(error)))[4:]))[1]
    assert isinstance(given, Err)
    assert type(given.error) is kind
    assert (given.error.sentence, given.error.act, given.error.retry_ms) == (error.sentence, error.act, 7)


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE)
def test_every_error_has_sentence_act_and_exit_code(kind):
    """An error says what happened, what to do next, and which exit code it is."""
    assert kind.__doc__
    assert kind.act
    assert kind.exit_code in {2, 3, 4, 130}


def test_codes_are_unique():
    """No two errors share a code."""

    def family(kind: type[KadrError]) -> list[type[KadrError]]:
        return [kind, *(grandchild for child in kind.__subclasses__() for grandchild in family(child))]

    protocol = [kind for kind in family(KadrError) if kind.__module__ == "kadr.protocol.errors"]
    assert len({kind.code for kind in protocol}) == len(protocol) == len(BY_CODE)


def test_braces_in_names():
    """A path with braces in it is no template."""
    error = NotAFolder(path="/p/{x}", act="Look at /p/{x}.")
    assert error.sentence == "/p/{x} is not a folder."
    assert error.act == "Look at /p/{x}."


def test_retry_only_where_there_is_one():
    """retry_ms travels only when the daemon means it."""
    assert "retry_ms" not in to_wire(NotAFolder(path="/p"))
    assert to_wire(Busy(retry_ms=5))["retry_ms"] == 5
    assert from_wire({"code": "busy", "retry_ms": "soon"}).retry_ms == 0


def test_cancel_names_its_target():
    """cancel carries the id of the request that it means, beside its own."""
    assert request(9, Cancel(7)) == {"id": 9, "op": "cancel", "p": {"target": 7}}
    assert request(9, Similar(b"/a"), 5)["deadline_ms"] == 5
