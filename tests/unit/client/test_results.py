"""What people are told of an answer beside its paths; and the verbs dups, export, save, saved, unsave."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import datetime

import pytest

from kadr.export import EVERYTHING
from kadr.protocol.errors import QueryError
from kadr.protocol.facts import Facts
from kadr.protocol.messages import MAX_LIMIT, Dups, End, Err, Hit, Item, Progress, Save, Search, Unsave


def test_a_mistake_in_the_query(daemon, kadr):
    """A query that cannot be read is shown with carets under the mistake, between what is wrong and what to do."""
    error = QueryError(
        why="near: wants a place",
        act="Did you mean near:Kyiv?",
        text="пляж near:Kyvi,20km",
        column=5,
        length=14,
    )
    daemon.on("search", Err(error))
    assert kadr("пляж", "near:Kyvi,20km") == (
        2,
        b"",
        "kadr: near: wants a place.\n"  # noqa: ISC004 - four lines
        "  пляж near:Kyvi,20km\n"
        "       ^^^^^^^^^^^^^^\n"
        "kadr: Did you mean near:Kyiv?\n",
    )  # fmt: skip


def test_nothing_close(daemon, kadr):
    """Where everything is far the nearest score is told, and the command that shows it."""
    daemon.on("search", End({"close": False, "best": 0.2134}))
    code, out, err = kadr("unicorn")
    assert (code, out) == (1, b"")
    assert (
        err
        == 'kadr: nothing close to "unicorn" (the nearest scores 0.21); kadr "unicorn" --min-score 0 shows it\n'
    )
    daemon.on("similar", End({"close": False, "best": 0.1}))
    assert 'kadr similar "/x.jpg" --min-score 0' in kadr("similar", "/x.jpg").err


def test_nothing_close_by_a_hair(daemon, kadr):
    """A score just below the limit of 0.2 is not shown as the limit."""
    daemon.on("search", End({"close": False, "best": 0.1998}))
    assert "(the nearest scores 0.199)" in kadr("unicorn").err


def test_nothing_that_the_filters_let_through(daemon, kadr):
    """Where the filters leave nothing no nearest one is made up."""
    daemon.on("search", End({"close": False, "best": 0.0}))
    daemon.on("roots", End({"roots": [{"path": b"/p", "online": True, "files": 3}]}))
    assert kadr("cat", "tag:none").err == "kadr: nothing found. `kadr status` says what is indexed.\n"


def test_groups_on_a_terminal(daemon, hit, terminal, kadr):
    """People see a heading before each group; programs have it in JSON, and a pipe has the paths alone."""
    rows = [hit(b"/a", group="2024-06-01"), hit(b"/b", group="2024-06-01"), hit(b"/c", group="2024-05-30")]
    daemon.on("search", Item(rows), End({}))
    shown = terminal("cat", "--group", "day").out
    assert shown == b"2024-06-01\n0.25  /a\n0.25  /b\n2024-05-30\n0.25  /c\n"
    assert kadr("cat", "--group", "day").out == b"/a\n/b\n/c\n"
    assert [json.loads(line)["group"][-2:] for line in kadr("cat", "--json").out.splitlines()] == [
        "01",
        "01",
        "30",
    ]


def test_without_scores(daemon, hit, terminal):
    """-f shows paths alone; so does an answer that nothing ranked. A name cannot write on the terminal."""
    daemon.on("search", Item([hit(b"/a\x1b[2J", 0.5), hit(b"/b", 0.0)]), End({}))
    assert terminal("-f", "cat").out == b"/a\\x1b[2J\n/b\n"
    assert terminal("ext:jpg").out == b"0.50  /a\\x1b[2J\n/b\n"


def test_how_an_answer_came_about(daemon, hit, terminal, kadr):
    """--explain tells the plan on stderr, and on a terminal why each hit is one."""
    plan = {"way": "exact", "matches": 1200, "rounds": None, "ms": {"parse": 0.0612, "search": 12.51}}
    daemon.on(
        "search", Item([hit(b"/a", why={"meaning": 0.3127, "words": ["sea", "sun"]})]), End({"plan": plan})
    )
    ran = terminal("cat", "--explain")
    assert ran.out == b"0.25  /a\n      meaning 0.313, words sea + sun\n"
    assert ran.err == "kadr: way exact, matches 1,200\nkadr: ms: parse 0.0612, search 12.5\n"
    assert kadr("cat", "--explain").out == b"/a\n"
    assert json.loads(kadr("cat", "--explain", "--json").out)["why"]["words"] == ["sea", "sun"]


TWINS = [
    {"kind": "near", "group": 3, "path": b"/n/1", "score": 0.97, "size": 5},
    {"kind": "near", "group": 3, "path": b"/n/2", "score": 0.97, "size": 5},
    {"kind": "file", "group": 1, "path": b"/f/1", "score": 1.0, "size": 2_000_000},
    {"kind": "file", "group": 1, "path": b"/f/2\xff", "score": 1.0, "size": 2_000_000},
    {"kind": "picture", "group": 2, "path": b"/p/1", "score": 1.0, "size": 7},
    {"kind": "picture", "group": 2, "path": b"/p/2", "score": 1.0, "size": 8},
]


def test_dups(daemon, kadr, terminal):
    """The three kinds stand apart, the surest first: in paragraphs for a pipe, with a heading for people."""
    daemon.on("dups", Progress("compare", 1, 9), Item(TWINS[:3]), Item(TWINS[3:]), End({"groups": 3}))
    ran = kadr("dups", "in:/f", "--near", "0.95", "-e", "jpg")
    assert (ran.code, ran.out) == (0, b"/f/1\n/f/2\xff\n\n/p/1\n/p/2\n\n/n/1\n/n/2\n")
    assert daemon.requests == [Dups('in:/f ext:"jpg"', 0.95, cwd=os.getcwdb())]
    assert ran.err.splitlines() == [
        "kadr: the same bytes: 2 files in 1 group; all but one of each take 2.0 MB",
        "kadr: the same picture, other metadata: 2 files in 1 group",
        "kadr: nearly the same: 2 files in 1 group",
    ]
    shown = terminal("dups").out.decode()
    assert shown.startswith(
        "the same bytes\n      2,000,000  /f/1\n      2,000,000  /f/2\\xff\n\nthe same picture,"
    )
    assert "nearly the same\n  0.97              5  /n/1\n" in shown
    assert [json.loads(line)["kind"] for line in kadr("dups", "--json").out.splitlines()] == [
        "file", "file", "picture", "picture", "near", "near",
    ]  # fmt: skip


def test_no_dups(daemon, kadr):
    """Nothing twice is said, and is exit code 1."""
    daemon.on("dups", End({"groups": 0}))
    assert kadr("dups") == (1, b"", "kadr: no two files show the same\n")


def test_export(daemon, hit, kadr):
    """Every match is an object with all that is known, also what a newer daemon adds; without words it is everything."""
    daemon.on("search", Item([hit(b"/a", 0.123456789, tags=["x"], iso=800)]), Item([hit(b"/b\xff")]), End({}))
    code, out, _ = kadr("export")
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert (first["path"], first["score"], first["tags"], first["iso"]) == ("/a", 0.123457, ["x"], 800)
    assert second["path_hex"] == "2f62ff"
    assert "group" not in first
    assert "why" not in first
    assert daemon.requests == [Search(EVERYTHING, MAX_LIMIT, cwd=os.getcwdb(), facts=True)]
    kadr("export", "cat", "-e", "jpg", "--sort", "date", "-n5")
    assert daemon.requests[-1] == Search('cat ext:"jpg"', 5, sort="date", cwd=os.getcwdb(), facts=True)


def test_everything_is_a_query():
    """The daemon understands what stands for every file."""
    from kadrd.query.expression import World
    from kadrd.query.parse import parse

    query = parse(EVERYTHING, World(datetime(2026, 1, 1)))  # noqa: DTZ001 - the clock on the wall
    assert not query.operands
    assert (query.filters.name, query.filters.value) == ("name", "*")


def test_export_as_a_table(daemon, hit, kadr):
    """--csv has the names on its first line, and quotes what needs it; names stay exact."""
    odd = 'a, "b"\nc'
    daemon.on("search", Item([hit(b"/a", place=odd, tags=["x", "y"])]), Item([hit(b"/b\xff")]), End({}))
    out = kadr("export", "--csv", "tag:x").out
    rows = list(csv.DictReader(io.StringIO(out.decode("utf-8", "surrogateescape"))))
    of_a_hit = [name for name in Hit._fields if name not in ("group", "why")]
    assert list(rows[0]) == [*of_a_hit, *Facts._fields]
    assert (rows[0]["place"], rows[0]["tags"], rows[1]["path"]) == (odd, "x; y", "/b\udcff")
    assert b"/b\xff," in out


def test_nothing_to_export(daemon, kadr):
    """An empty export is said, and is exit code 1."""
    daemon.on("search", End({}))
    assert kadr("export", "tag:none", "--csv") == (1, b"", "kadr: nothing to export\n")


def test_saved_searches(daemon, kadr, terminal):
    """A search is kept under a name with its filters, listed, and forgotten."""
    daemon.on("save", End({}))
    daemon.on("saved", End({"searches": [{"name": "best", "text": 'beach rating:">=4"'}]}))
    daemon.on("unsave", End({}))
    assert kadr("save", "best", "beach", "--rating", ">=4").code == 0
    assert daemon.requests[-1] == Save("best", 'beach rating:">=4"', os.getcwdb())
    assert kadr("saved").out == b'best\tbeach rating:">=4"\n'
    assert terminal("saved").out == b'best  beach rating:">=4"\n'
    assert json.loads(kadr("saved", "--json").out)["name"] == "best"
    assert kadr("unsave", "best") == (0, b"", "kadr: forgotten: best\n")
    assert daemon.requests[-1] == Unsave("best")


def test_a_saved_folder_stays_where_it_is(daemon, kadr, monkeypatch, tmp_path):
    """A relative folder of --in is saved as the folder that it was when the search was saved."""
    daemon.on("save", End({}))
    monkeypatch.chdir(tmp_path)
    kadr("save", "here", "--in", "x", "--in", "~/y")
    assert daemon.requests == [Save("here", f'(in:"{tmp_path}/x" OR in:"~/y")', os.fsencode(tmp_path))]


def test_what_was_saved_is_shown(daemon, kadr):
    """Where the daemon keeps whole paths instead of those that were typed, people see what is kept."""
    daemon.on("save", End({"name": "here", "text": 'in:"/p"'}))
    assert kadr("save", "here", "in:.").err == 'kadr: saved: kadr saved:here asks for in:"/p"\n'


def test_filters_alone_can_be_saved(daemon, kadr):
    """`kadr save raw --format raw` needs no words."""
    daemon.on("save", End({}))
    assert kadr("save", "raw", "--format", "raw").code == 0
    assert daemon.requests == [Save("raw", 'format:"raw"', os.getcwdb())]


def test_no_saved_search_yet(daemon, kadr):
    """Without a saved search saved says how to keep one."""
    daemon.on("saved", End({"searches": []}))
    assert "kadr save NAME TEXT" in kadr("saved").err


@pytest.mark.parametrize("verb", ["save", "dups", "export"])
def test_new_verbs_need_a_new_daemon(daemon, kadr, verb):
    """A daemon of before is told from one that found nothing."""
    daemon.on("search", End({}))
    kadr(verb, "a", "b")
    assert {"save": "saved", "dups": "dups", "export": "filters"}[verb] in daemon.hellos[0]["require"]
