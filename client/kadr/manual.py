"""The help, made from table.py and the filters' own table. Nothing about a verb or an option is written here."""

from __future__ import annotations

import sys

from kadr.arguments import Asked
from kadr.protocol.errors import FOUND, USAGE
from kadr.table import EVERYWHERE, OPTIONS, SECTIONS, VERBS, Option, Verb

HEAD = """\
kadr finds pictures on this computer by what they show.

  kadr add ~/Pictures                     watch a folder
  kadr "red bicycle in snow"              find pictures
  kadr beach taken:summer near:Odesa,20km -tag:private
                                          with filters: docs/query.md, or kadr search --help
  kadr similar photo.jpg                  find pictures that look like this one
"""

EXIT_CODES = {
    0: "found, or done",
    1: "nothing found, or a command of -x or -X failed",
    2: "the question was wrong",
    3: "the daemon cannot be reached or started",
    4: "the daemon failed",
    130: "interrupted",
}

FOOT = """\
A query that equals a verb: kadr search status. One that begins with a minus: kadr -- -x
Paths go to stdout, everything said about them to stderr.
"""

# How wide the lists of names in the overview may be.
_WIDTH = 100


def show(asked: Asked) -> int:
    """Print the help that *asked* asks for. Without a word typed it is an answer to a wrong question."""
    if "help" not in asked.options:
        sys.stderr.write(overview())
        return USAGE
    sys.stdout.write(of_verb(VERBS[asked.verb]) if asked.verb else overview())
    return FOUND


def overview() -> str:
    verbs = [(f"{verb.name} {verb.operands}", verb.help) for verb in VERBS.values()]
    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    return "\n".join(
        [
            HEAD,
            section("Verbs", verbs),
            "Options (kadr VERB --help says which verb takes which, and what each does):",
            *_names(),
            "",
            section("Exit codes", codes),
            FOOT,
        ]
    )


def _names() -> list[str]:
    """The names of all options, a section a paragraph."""
    lines = []
    for key in SECTIONS:
        line = "  "
        for option in (option for option in OPTIONS.values() if option.section == key):
            name = spelled(option).strip().replace(", --", " --")
            if len(line) + len(name) > _WIDTH:
                lines.append(line.rstrip())
                line = "  "
            line += f"{name}, "
        lines.append(line.rstrip(", "))
    return lines


def of_verb(verb: Verb) -> str:
    """The page of one verb: its options by section and, where it sends a query, the filters."""
    head = f"kadr {verb.name} {verb.operands}".rstrip()
    parts = [f"{head}\n    {verb.help}\n"]
    for key, title in SECTIONS.items():
        rows = [(spelled(option), option.help) for option in of(verb) if option.section == key]
        if rows:
            parts.append(section(title, rows))
    if verb.asks:
        parts.append(section("Filters, as words of the query or as options (docs/query.md)", filters()))
    return "\n".join(parts)


def of(verb: Verb) -> list[Option]:
    """The options of *verb*, in the order of the table."""
    return [option for name, option in OPTIONS.items() if name in (*verb.options, *EVERYWHERE)]


def filters() -> list[tuple[str, str]]:
    """Every filter by its example, and what it finds."""
    from kadr.protocol.prefixes import PREFIXES  # late: the overview names no filter

    return [(row.example, row.help) for row in PREFIXES]


def spelled(option: Option) -> str:
    """An option as the help shows it: `-n, --limit N`."""
    short = f"-{option.shorts[0]}, " if option.shorts else "    "
    return f"{short}--{option.name} {option.value}".rstrip()


def section(title: str, rows: list[tuple[str, str]]) -> str:
    """*rows* in two columns below *title*."""
    width = max(len(left) for left, _ in rows)
    return "\n".join([f"{title}:", *(f"  {left:<{width}}  {right}" for left, right in rows), ""])
