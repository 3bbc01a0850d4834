"""The help, made from table.py. Nothing about a verb or an option is written here."""

from __future__ import annotations

import sys

from kadr.arguments import Asked
from kadr.protocol.errors import FOUND, USAGE
from kadr.table import EVERYWHERE, OPTIONS, VERBS, Option, Verb

HEAD = """\
kadr finds pictures on this computer by what they show.

  kadr add ~/Pictures            watch a folder
  kadr "red bicycle in snow"     find pictures
  kadr similar photo.jpg         find pictures that look like this one
"""

EXIT_CODES = {
    0: "found, or done",
    1: "nothing found",
    2: "the question was wrong",
    3: "the daemon cannot be reached or started",
    4: "the daemon failed",
    130: "interrupted",
}

FOOT = """\
A query that equals a verb: kadr search status. One that begins with a minus: kadr -- -x
Paths go to stdout, everything said about them to stderr.
"""


def show(asked: Asked) -> int:
    """Print the help that *asked* asks for. Without a word typed it is an answer to a wrong question."""
    if "help" not in asked.options:
        sys.stderr.write(overview())
        return USAGE
    sys.stdout.write(
        overview() if asked.verb == "search" and not asked.operands else of_verb(VERBS[asked.verb])
    )
    return FOUND


def overview() -> str:
    verbs = [(f"{verb.name} {verb.operands}", verb.help) for verb in VERBS.values()]
    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    return "\n".join(
        [
            HEAD,
            _section("Verbs", verbs),
            _section("Options (kadr VERB --help says which verb takes which)", _options(tuple(OPTIONS))),
            _section("Exit codes", codes),
            FOOT,
        ]
    )


def of_verb(verb: Verb) -> str:
    head = f"kadr {verb.name} {verb.operands}".rstrip()
    return f"{head}\n    {verb.help}\n\n" + _section("Options", _options((*verb.options, *EVERYWHERE)))


def _options(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(_spelled(OPTIONS[name]), OPTIONS[name].help) for name in names]


def _spelled(option: Option) -> str:
    short = f"-{option.short}, " if option.short else "    "
    return f"{short}--{option.name} {option.value}".rstrip()


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in rows)
    return "\n".join([f"{title}:", *(f"  {left:<{width}}  {right}" for left, right in rows), ""])
