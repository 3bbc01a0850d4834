"""kadr manual: the page kadr(1) as roff, made from the tables that the help is made of.

Pure but for do_manual. Only the oldest macros (man(7)), which every formatter knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from kadr import __version__, output
from kadr.arguments import Asked
from kadr.manual import EXIT_CODES
from kadr.protocol.errors import FOUND
from kadr.protocol.prefixes import PREFIXES, Prefix
from kadr.table import EVERYWHERE, OPTIONS, SECTIONS, VERBS, Option

_DESCRIPTION = (
    "kadr asks the daemon kadrd, which it starts where none runs, for pictures that show what TEXT says. "
    "Words are ranked by meaning, in English, Russian and Ukrainian; filters say which pictures count. "
    "Paths go to the standard output, everything said about them to the standard error."
)
_LANGUAGE = (
    "A filter is NAME:VALUE among the words, and --NAME VALUE among the options. "
    'A value with blanks stands in quotes: camera:"Canon EOS 5D". A minus before it leaves out what matches; OR and '
    "parentheses join filters. A filter option that is given twice lets either value through where a picture has only one "
    "(--camera, --ext, --place ...), and wants both where it may have several (--tag, --person) or both are bounds (--size). "
    "+ TEXT and - TEXT between blanks add and subtract meaning, 2:TEXT weighs it, and a path is a picture."
)
_ENVIRONMENT = (("KADR_HOME", "puts configuration, data, index and socket under one folder"),)
_FILES = (
    ("~/.config/kadr/kadr.toml", "the settings of the daemon"),
    ("~/.local/state/kadr", "the catalogue, worth a backup"),
    ("~/.cache/kadr", "what can be made anew"),
)
_EXAMPLES = (
    ('kadr "red bicycle in snow"', "pictures of that, best first"),
    ("kadr beach taken:summer near:Odesa,20km -tag:private", "of the beach, from summers near Odesa"),
    ("kadr ./cat.jpg + snow", "like that picture, with snow"),
    ("kadr dog --rating '>=4' -n 20 --link-to ~/Dogs", "an album of the best twenty"),
    ("kadr saved:best --follow --json", "what comes into a saved search and goes out of it"),
)
# Escapes make some lines longer.
_WIDTH = 70
_ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-", '"': "\\(dq", "~": "\\(ti", "^": "\\(ha"})


def do_manual(_: Asked) -> int:
    output.write(page().encode())
    return FOUND


def page() -> str:
    """kadr(1)."""
    verbs = ((f"{verb.name} {verb.operands}".strip(), verb.help) for verb in VERBS.values())
    parts = [
        r""".\" -*- coding: utf-8 -*-""",
        f'.TH KADR 1 "" "kadr {__version__}" "User Commands"',
        ".SH NAME",
        r"kadr \- find pictures on this computer by what they show",
        ".SH SYNOPSIS",
        f".B kadr\n{escaped('[OPTION]... TEXT...')}\n.br\n.B kadr\n{escaped('VERB [OPTION]... [OPERAND]...')}",
        ".SH DESCRIPTION",
        flowed(_DESCRIPTION),
        ".SH VERBS",
        _listed(verbs),
        ".SH OPTIONS",
    ]
    for key, title in SECTIONS.items():
        rows = [(_names(option), _help(option)) for option in OPTIONS.values() if option.section == key]
        parts += [f'.SS "{escaped(title)}"', _listed(rows)]
    parts += [
        ".SH FILTERS",
        flowed(_LANGUAGE),
        _listed((row.example, f"{row.help} ({_words(row)})") for row in PREFIXES),
    ]
    parts += [".SH EXIT STATUS", _listed((str(code), meaning) for code, meaning in EXIT_CODES.items())]
    for title, listed in (("ENVIRONMENT", _ENVIRONMENT), ("FILES", _FILES), ("EXAMPLES", _EXAMPLES)):
        parts += [f".SH {title}", _listed(listed)]
    return "\n".join(parts) + "\n"


def _listed(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f".TP\n.B {escaped(left)}\n{flowed(right)}" for left, right in rows)


def _names(option: Option) -> str:
    names = [f"-{letter}" for letter in option.shorts] + [f"--{name}" for name in (option.name, *option.also)]
    return f"{', '.join(names)} {option.value}".rstrip()


def _help(option: Option) -> str:
    """What an option does, and which verbs take it."""
    if option.name in EVERYWHERE:
        return option.help
    takers = [verb.name for verb in VERBS.values() if option.name in verb.options]
    return f"{option.help} ({', '.join(takers)})"


def _words(row: Prefix) -> str:
    """The other words for a filter."""
    return ", ".join(dict.fromkeys(f"{row.also} {row.ru} {row.uk}".split()))


def flowed(text: str) -> str:
    """*text* escaped, in lines that are not too long for roff's own readers."""
    return "\n".join(map(escaped, wrap(text, _WIDTH, break_on_hyphens=False)))


def escaped(text: str) -> str:
    r"""A line that roff shows as it stands there: with a minus that can be copied, and never a command.

    >>> print(escaped(".B --limit \\"))
    \&.B \-\-limit \e
    """
    text = text.translate(_ESCAPES)
    return f"\\&{text}" if text.startswith((".", "'")) else text
