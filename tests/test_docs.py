"""The documents say what the code does: every example is read, every name is looked for."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kadr import manual, table
from kadr.protocol import errors, frames, messages
from kadr.protocol.errors import BY_CODE
from kadr.protocol.facts import Facts
from kadr.protocol.messages import REQUESTS, End, Err, Hello, Hit, Item, Progress, Welcome
from kadrd.config import Config
from kadrd.tag.carrier import REASONS

TOP = Path(__file__).parent.parent
PROTOCOL = (TOP / "docs" / "protocol.md").read_text(encoding="utf-8")
RELIABILITY = (TOP / "docs" / "reliability.md").read_text(encoding="utf-8")
README = TOP / "README.md"


class Example(NamedTuple):
    arrow: str
    words: list[str]
    message: dict[str, Any]


def example(block: str) -> Example:
    first, _, body = block.partition("\n")
    arrow, *words = first.split()
    return Example(arrow, words, json.loads(body, object_hook=with_bytes))


def with_bytes(value: dict[str, Any]) -> Any:
    return value["$bytes"].encode("utf-8", "surrogateescape") if value.keys() == {"$bytes"} else value


EXAMPLES = [
    example(block) for block in re.findall(r"^```json\n(.*?)^```$", PROTOCOL, re.MULTILINE | re.DOTALL)
]
ASKED = [shown for shown in EXAMPLES if shown.arrow == "->"]
TOLD = [shown for shown in EXAMPLES if shown.arrow == "<-"]


def titled(shown: Example) -> str:
    return " ".join([shown.arrow, *shown.words])


def test_the_examples_are_found():
    """Every fenced example says which way it goes."""
    assert len(ASKED) + len(TOLD) == len(EXAMPLES) >= 2 * (len(REQUESTS) + 1)


@pytest.mark.parametrize("shown", ASKED, ids=titled)
def test_examples_of_requests(shown):
    """The daemon understands each documented request, and no parameter in it is made up."""
    frame = frames.encode(shown.message, frames.REQUEST_LIMIT)
    message = frames.decode(frame[4:])
    (op,) = shown.words
    assert message["op"] == op
    if op == "hello":
        assert len(frame) - 4 <= frames.HELLO_LIMIT
        assert messages.hello(messages.fields(Hello, message)) == message
        return
    id_, request, deadline = messages.read_request(message)
    sent = messages.request(id_, request, deadline)
    assert message.keys() <= sent.keys()
    assert message.get("p", {}).items() <= sent["p"].items()


@pytest.mark.parametrize("shown", TOLD, ids=titled)
def test_examples_of_replies(shown):
    """A client understands each documented reply, and its kind is the one that is announced."""
    message = frames.decode(frames.encode(shown.message)[4:])
    kind, op = shown.words
    assert op in {*REQUESTS, "hello"}
    assert message["k"] == kind
    id_, reply = messages.read_reply(message)
    assert isinstance(reply, {"item": Item, "progress": Progress, "end": End, "err": Err}[kind])
    assert messages.reply(id_, reply) == message
    if isinstance(reply, Item) and op in ("search", "similar"):
        assert [messages.fields(Hit, row)._asdict() for row in reply.rows] == reply.rows
    if isinstance(reply, Err):
        assert type(reply.error) is BY_CODE[message["code"]]
        assert message["act"] == type(reply.error).act
    if isinstance(reply, End) and op == "hello":
        assert messages.fields(Welcome, reply.body)._asdict() == reply.body
        assert set(reply.body["caps"]) == set(messages.CAPABILITIES)


@pytest.mark.parametrize("op", REQUESTS)
def test_every_request_is_documented(op):
    """A request has a section, an example and an example of its end."""
    assert f"\n### {op}\n" in PROTOCOL
    assert [op] in [shown.words for shown in ASKED]
    assert ["end", op] in [shown.words for shown in TOLD]


@pytest.mark.parametrize("kind", REQUESTS.values(), ids=REQUESTS)
def test_every_parameter_is_documented(kind):
    """The sections name every parameter."""
    section = PROTOCOL.split(f"\n### {kind.__name__.lower()}\n")[1].split("\n### ")[0]
    if kind is messages.Similar:
        section += PROTOCOL.split("\n### search\n")[1].split("\n### ")[0]
    for name in kind._fields:
        assert f'"{name}"' in section or f"`{name}`" in section


@pytest.mark.parametrize(
    "op",
    [
        "search",
        "dups",
        "thumbnails",
        "sheet",
        "save",
        "saved",
        "unsave",
        "status",
        "verify",
        "sync",
        "roots",
        "add",
        "remove",
        "rescan",
        "pause",
        "resume",
        "doctor",
    ],
)
def test_the_golden_ends_are_the_documented_ones(op):
    """The keys of the documented end are the keys of the golden frame."""
    golden = (TOP / "tests" / "golden" / "frames" / f"reply-end-{op}.hex").read_text(encoding="ascii")
    documented = next(shown.message for shown in TOLD if shown.words == ["end", op])
    assert frames.decode(bytes.fromhex(golden)[4:]).keys() == documented.keys()


def test_the_bytes_of_a_frame():
    """The frame that is shown byte for byte is the one that the code writes."""
    (shown,) = re.findall(r"^```hex\n(.*?)^```$", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert bytes.fromhex(shown) == frames.encode(messages.request(1, messages.Ping()))


@pytest.mark.parametrize("code", BY_CODE)
def test_every_error_code_is_documented(code):
    """The table has every code, with the exit code that it becomes."""
    assert re.search(rf"^\| `{code}` \|[^|]+\| {BY_CODE[code].exit_code} \|$", PROTOCOL, re.MULTILINE)


def test_no_error_code_is_invented():
    """The table has no code that the programs do not know."""
    assert set(re.findall(r"^\| `([a-z-]+)` \|[^|]+\| \d+ \|$", PROTOCOL, re.MULTILINE)) == set(BY_CODE)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("before hello", f"{frames.HELLO_LIMIT // 1024} KiB"),
        ("payload of a request", f"{frames.REQUEST_LIMIT // 1024} KiB"),
        ("payload of a reply", f"{frames.REPLY_LIMIT // 2**20} MiB"),
        ("nesting", str(frames.DEPTH_LIMIT)),
    ],
)
def test_limits_are_documented(words, value):
    """The limits of the table are those of the code."""
    assert re.search(rf"^\| [^|]*{words}[^|]* \| {value} \|$", PROTOCOL, re.MULTILINE)


def test_the_limits_of_a_session_are_documented():
    """What the daemon's sessions enforce is what the table says."""
    session = pytest.importorskip("kadrd.serve.session", reason="needs the daemon")
    for words, value in (
        ("requests under way", f"{session.IN_FLIGHT}"),
        ("time for hello", f"{session.HELLO_SECONDS:.0f} s"),
        ("time for a frame", f"{session.FRAME_SECONDS:.0f} s"),
        ("time without a request", f"{session.IDLE_SECONDS / 60:.0f} min"),
        ("leave a reply unread", f"{session.STALL_SECONDS:.0f} s"),
    ):
        assert re.search(rf"^\| [^|]*{words}[^|]* \| {value} \|$", PROTOCOL, re.MULTILINE), words


@pytest.mark.skipif(not README.exists(), reason="there is no README yet")
@pytest.mark.parametrize("verb", table.VERBS)
def test_the_readme_names_every_verb(verb):
    """A user finds every verb in the README."""
    assert f"kadr {verb}" in README.read_text(encoding="utf-8")


@pytest.mark.skipif(not README.exists(), reason="there is no README yet")
@pytest.mark.parametrize("code", manual.EXIT_CODES)
def test_the_readme_has_every_exit_code(code):
    """The README's table has every exit code."""
    assert re.search(rf"^\| `?{code}`? +\|", README.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_help_has_every_exit_code():
    """The exit codes of the help are those that errors and verbs can end with."""
    used = {kind.exit_code for kind in BY_CODE.values()}
    named = {
        errors.FOUND,
        errors.NOTHING,
        errors.USAGE,
        errors.UNREACHABLE,
        errors.FAILED,
        errors.INTERRUPTED,
    }
    assert used <= named == set(manual.EXIT_CODES)


def with_examples():
    """Every module of the client and the daemon whose docstrings show examples, by name."""
    for top in (TOP / "client", TOP / "daemon"):
        for file in sorted(top.rglob("*.py")):
            if ">>>" in file.read_text(encoding="utf-8"):
                yield ".".join(file.relative_to(top).with_suffix("").parts)


@pytest.mark.parametrize("name", list(with_examples()))
def test_docstrings_are_true(name):
    """Examples in docstrings give what they show, wherever there are any."""
    found = doctest.testmod(pytest.importorskip(name))
    assert found.failed == 0
    assert found.attempted


def test_every_fact_is_documented():
    """The section of search names all that a row has beside a hit's own fields."""
    section = PROTOCOL.split("\n### search\n")[1].split("\n### ")[0]
    assert [name for name in Facts._fields if f"`{name}`" not in section] == []


def test_every_setting_is_documented():
    """docs/settings.md names every setting with its default, and no other."""
    rows = dict(
        re.findall(
            r"^\| `([a-z_]+\.[a-z_]+)` \| `(.+?)` \|", (TOP / "docs/settings.md").read_text(), re.MULTILINE
        )
    )
    config = Config()
    expected = {
        f"{part.name}.{item.name}": json.dumps(getattr(getattr(config, part.name), item.name))
        for part in dataclasses.fields(config)
        for item in dataclasses.fields(getattr(config, part.name))
    }

    assert rows == expected


def functions(file):
    """The names of the functions at the top of *file*."""
    return {
        node.name
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def shown_by():
    """What docs/reliability.md names as proof, by promise: the column under `test`, or under `asserted`."""
    rows, column = {}, 0
    for line in RELIABILITY.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| "):
            continue
        if cells[0] in {"promise", "found"}:
            column = cells.index("test") if "test" in cells else cells.index("asserted")
        else:
            assert len(cells) == 3, line
            rows[cells[0]] = cells[column]
    return rows


def test_every_named_test_exists():
    """A test or a measurement that docs/reliability.md names is there, in that file and under that name."""
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", RELIABILITY)
    assert len(tests) == RELIABILITY.count("::") > 100
    for file, name in tests:
        assert name.startswith("test_"), name
        assert (TOP / file).exists(), file
        assert name in functions(TOP / file), f"{file}::{name}"
    for file in re.findall(r"`((?:tests|bench)/\w+\.py)`", RELIABILITY):
        assert (TOP / file).exists(), file


@pytest.mark.parametrize(("promise", "shown"), shown_by().items(), ids=lambda cell: cell[:50])
def test_every_promise_has_its_test(promise, shown):
    """Nothing is promised that no test shows; what is measured and not asserted says so."""
    tests, rest = re.findall(r"`tests/[^`]+::test_\w+`", shown), re.findall(r"`bench/\w+\.py`", shown)
    assert tests or (rest and "measured, not asserted" in promise)


def test_every_slow_test_is_run_by_make():
    """The long form of a test, wherever it is, belongs to `make chaos`, or to `make test-models` when it needs torch."""
    recipes = dict(re.findall(r"^([\w-]+):.*\n\t(.+)$", (TOP / "Makefile").read_text(), re.MULTILINE))
    assert re.fullmatch(r'\S+/pytest -m "slow and not torch"( --durations=\d+)?', recipes["chaos"])
    assert re.fullmatch(r"\S+/pytest -m torch", recipes["test-models"])
    settings = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    assert settings["ini_options"]["testpaths"] == ["tests"]  # no recipe names a folder
    slow = [file for file in (TOP / "tests").rglob("*.py") if "mark.slow" in file.read_text(encoding="utf-8")]
    assert len(slow) > 10
    assert [file for file in slow if not file.name.startswith("test_")] == []  # pytest collects no other


def test_every_reason_to_leave_a_file_alone_is_documented():
    """docs/tags.md has each reason of the code with its meaning, and no other."""
    rows = re.findall(r"^\| `([a-z]+)` \| ([^|]+) \|$", (TOP / "docs/tags.md").read_text(), re.MULTILINE)
    assert {reason: means for reason, means in rows if reason in REASONS} == REASONS
    assert len(rows) == len(REASONS)
