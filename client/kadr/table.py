"""Every verb and option of `kadr`, once. Parser, help, README and tests read these tables.

Data only: nothing here parses, prints or connects. A verb runs as `do_<name>` in cli.py or verbs.py.
"""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """One option, the same in every verb that takes it."""

    name: str
    help: str
    short: str = ""
    value: str = ""
    """what the help calls its value; empty for a switch"""
    kind: type[int | float] = int
    """what the value is, where there is one"""


class Verb(NamedTuple):
    """One thing that `kadr` can do."""

    name: str
    operands: str
    """`FILE` is one, `FOLDER...` is one or more, `[PATH]` is one or none"""
    help: str
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """capabilities that the daemon must have"""

    @property
    def least(self) -> int:
        return 1 if self.operands and not self.operands.startswith("[") else 0

    @property
    def most(self) -> float:
        return float("inf") if self.operands.endswith("...") else bool(self.operands)


DEFAULT_LIMIT = 10

# fmt: off
OPTIONS = {option.name: option for option in (
    Option("limit", f"at most N answers ({DEFAULT_LIMIT})", "n", "N"),
    Option("min-score", "only what scores X or more", value="X", kind=float),
    Option("null", "end every path with NUL instead of a new line (for xargs -0)", "0"),
    Option("json", "print JSON, one object a line"),
    Option("sync", "wait until every change made before now is indexed"),
    Option("detach", "do not wait for the indexing"),
    Option("watch", "show it again every second"),
    Option("timeout", "give up after S seconds", "t", "S", float),
    Option("no-start", "do not start the daemon when none runs"),
    Option("help", "show this", "h"),
    Option("version", "the same as the verb version"),
)}
# fmt: on

EVERYWHERE = ("help", "version")
_ASK = ("timeout", "no-start")
_FIND = ("limit", "min-score", "null", "json", "sync", *_ASK)
_WAIT = ("detach", *_ASK)

# fmt: off
VERBS = {verb.name: verb for verb in (
    Verb("search", "TEXT...", "pictures that show what TEXT says; the verb may be left out", _FIND, ("search",)),
    Verb("similar", "FILE", "pictures that look like the one in FILE", _FIND, ("similar",)),
    Verb("add", "FOLDER...", "watch folders from now on", _WAIT, ("roots", "sync")),
    Verb("remove", "FOLDER...", "watch folders no longer; the pictures stay where they are", _ASK, ("roots",)),
    Verb("roots", "", "the watched folders", ("null", "json", *_ASK), ("roots",)),
    Verb("status", "", "how far the index is, and what could not be read", ("json", "watch", *_ASK)),
    Verb("rescan", "[PATH]", "look at PATH again, or at everything", _WAIT, ("rescan", "sync")),
    Verb("doctor", "", "what could be wrong, each with its remedy", ("json", "timeout")),
    Verb("verify", "", "compare the index with the disk, every byte of it", ("json", *_ASK), ("verify",)),
    Verb("start", "", "start the daemon"),
    Verb("stop", "", "stop the daemon; nothing is lost"),
    Verb("version", "", "the versions of client and daemon", ("no-start",)),
)}
# fmt: on
