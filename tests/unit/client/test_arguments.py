"""argv: what it means, and what is said about what it cannot mean."""

from __future__ import annotations

import pytest

from kadr.arguments import Asked, parse
from kadr.protocol.errors import Usage
from kadr.protocol.prefixes import PREFIXES
from kadr.table import OPTIONS, VERBS


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["red car"], Asked("search", ["red car"], {})),
        (
            ["red", "car", "-n", "5", "at", "night"],
            Asked("search", ["red", "car", "at", "night"], {"limit": 5}),
        ),
        (["-n5", "cat"], Asked("search", ["cat"], {"limit": 5})),
        (["-0n", "5", "cat"], Asked("search", ["cat"], {"null": True, "limit": 5})),
        (["--limit=5", "--json", "cat"], Asked("search", ["cat"], {"limit": 5, "json": True})),
        (["search", "status"], Asked("search", ["status"], {})),
        (["--json", "status"], Asked("status", [], {"json": True})),
        (["red", "status"], Asked("search", ["red", "status"], {})),
        (["--", "status"], Asked("search", ["status"], {})),
        (["--", "-n"], Asked("search", ["-n"], {})),
        (["bicycle", "-", "snow"], Asked("search", ["bicycle", "-", "snow"], {})),
        (["- snow"], Asked("search", ["- snow"], {})),
        (["-camera:nikon", "cat"], Asked("search", ["-camera:nikon", "cat"], {})),
        (["--min-score", "-0.5", "cat"], Asked("search", ["cat"], {"min-score": -0.5})),
        (["add", "a", "b"], Asked("add", ["a", "b"], {})),
        (["rescan"], Asked("rescan", [], {})),
        (["--version"], Asked("version", [], {"version": True})),
        (["add", "--help"], Asked("add", [], {"help": True})),
        ([], Asked("", [], {})),
        (["--help"], Asked("", [], {"help": True})),
        (["search", "--help"], Asked("search", [], {"help": True})),
        (["-t5", "--top=6", "cat"], Asked("search", ["cat"], {"limit": 6})),
        (["cat", "--print0"], Asked("search", ["cat"], {"null": True})),
        (["cat", "--sort", "date"], Asked("search", ["cat"], {"sort": "date"})),
        (
            ["-e", "jpg", "-E*.tmp", "cat"],
            Asked("search", ["cat"], {}, [("extension", "jpg"), ("exclude", "*.tmp")]),
        ),
        (
            ["-fS", "-1M", "--camera=Canon"],
            Asked("search", [], {"filepath-only": True}, [("size", "-1M"), ("camera", "Canon")]),
        ),
        (["beach", "+", "sun", "-", "people"], Asked("search", ["beach", "+", "sun", "-", "people"], {})),
        (["-a", "sun", "-s", "people"], Asked("search", [], {}, [("add", "sun"), ("subtract", "people")])),
        (["cat", "--near", "Kyiv"], Asked("search", ["cat"], {}, [("near", "Kyiv")])),
        (["dups", "--near", "0.9", "--tags", "a"], Asked("dups", [], {"near": 0.9}, [("tag", "a")])),
        (["cat", "-x", "ls", "-n", "{}"], Asked("search", ["cat"], {"exec": ["ls", "-n", "{}"]})),
        (["-x", "ls", ";", "cat", "-n5"], Asked("search", ["cat"], {"exec": ["ls"], "limit": 5})),
        (["--exec-batch=du", "-c", ";", "cat"], Asked("search", ["cat"], {"exec-batch": ["du", "-c"]})),
        (["-(tag:a OR tag:b)", "cat"], Asked("search", ["-(tag:a OR tag:b)", "cat"], {})),
        (['-"red car"', "cat"], Asked("search", ['-"red car"', "cat"], {})),
        ([""], Asked("search", [""], {})),
    ],
)
def test_what_is_meant(argv, asked):
    """Verbs, words and options, wherever they stand."""
    assert parse(argv) == asked


@pytest.mark.parametrize(
    ("argv", "why", "act"),
    [
        (["--jsn", "cat"], "no option --jsn", "Did you mean --json?"),
        (["--verson"], "no option --verson", "Did you mean --version?"),
        (["-zebra"], "no option -zebra", "goes behind --"),
        (["cat", "-n"], "no value", "--limit N"),
        (["-n", "many", "cat"], "whole number above 0, not 'many'", "--limit 20"),
        (["-n", "0", "cat"], "whole number above 0, not '0'", "--limit 20"),
        (["cat", "--sort", "size"], "--sort wants score, date or name, not 'size'", "--sort score"),
        (["cat", "--cmera", "x"], "no option --cmera", "Did you mean --camera?"),
        (["cat", "--json", "-0"], "--json and --null do not go together", "Leave one of them out"),
        (["cat", "--follow", "-x", "ls"], "--follow and --exec do not go together", "Leave one"),
        (["cat", "-x", ";"], "--exec has no value", "--exec CMD..."),
        (["status", "--camera", "x"], "status has no option --camera", "kadr status --help"),
        (["similar", "a", "--add", "x"], "similar has no option --add", "kadr similar --help"),
        (["similar", "--camera", "x"], "similar needs FILE", "kadr similar FILE"),
        (["save", "x"], "save needs NAME TEXT...", "kadr save NAME TEXT..."),
        (["--min-score", "nan", "cat"], "a number, not 'nan'", "--min-score 0.25"),
        (["--json=yes", "cat"], "takes no value", "Leave =yes out"),
        (["stop", "sign"], "'sign'", 'kadr search "stop sign"'),
        (["status", "-n", "5"], "status has no option --limit", "kadr status --help"),
        (["similar", "a", "b"], "'b'", "search"),
        (["add"], "add needs FOLDER...", "kadr add FOLDER..."),
        (["search"], "search needs TEXT...", "kadr search TEXT..."),
        (["--json"], "search needs TEXT...", "kadr search TEXT..."),
    ],
)
def test_what_cannot_be_meant(argv, why, act):
    """A wrong command line is one sentence and what to do next; above all it is never half obeyed."""
    with pytest.raises(Usage) as caught:
        parse(argv)
    assert why in caught.value.sentence
    assert act in caught.value.act
    assert caught.value.exit_code == 2


def test_usage_errors_reach_the_user(kadr):
    """The command prints sentence and act on stderr, ends with 2, and prints nothing else."""
    code, out, err = kadr("--jsn", "cat")
    assert (code, out) == (2, b"")
    assert err.splitlines()[0] == "kadr: There is no option --jsn."
    assert err.splitlines()[1].startswith("kadr: Did you mean --json?")


@pytest.mark.parametrize("timeout", ["0", "-1"])
def test_no_patience_at_all(daemon, kadr, timeout):
    """A time limit has to be positive."""
    assert kadr("status", "--timeout", timeout).code == 2


def test_an_empty_path_is_not_the_current_folder(daemon, kadr):
    """`kadr add ""`, an unset variable of a script, watches nothing."""
    assert kadr("add", "").code == 2
    assert daemon.requests == []


def test_nothing_typed_shows_the_help(kadr):
    """`kadr` alone explains itself on stderr and ends with 2."""
    code, out, err = kadr()
    assert (code, out) == (2, b"")
    assert 'kadr "red bicycle in snow"' in err


def test_the_help_names_everything(kadr):
    """The help lists every verb, every option and every exit code, on one page."""
    page = kadr("--help").out.decode()
    for verb in VERBS.values():
        assert verb.help in page
    for option in OPTIONS.values():
        assert f"--{option.name}" in page
    for code in (0, 1, 2, 3, 4, 130):
        assert f"\n  {code} " in page
    assert len(page.splitlines()) <= 80


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_every_verb_explains_itself(kadr, verb):
    """kadr VERB --help lists the options that the verb takes, and no others."""
    code, out, _ = kadr(verb.name, "--help")
    page = out.decode()
    assert code == 0
    shown = {name for name in OPTIONS if f"  --{name} " in page or f", --{name} " in page}
    assert shown == {*verb.options, "help", "version"}
    assert all((row.example in page) is verb.asks for row in PREFIXES)


def test_no_two_options_share_a_letter():
    """Short letters are unique, and every option of a verb exists."""
    letters = "".join(option.shorts for option in OPTIONS.values())
    assert len(letters) == len(set(letters))
    names = [name for option in OPTIONS.values() for name in (option.name, *option.also)]
    assert len(names) == len(set(names))
    assert {name for verb in VERBS.values() for name in verb.options} <= set(OPTIONS)
