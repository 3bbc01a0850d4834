"""argv to one `Asked`. Pure: prints nothing, exits nowhere, knows no verb by name but the default one.

Written by hand over table.py instead of argparse: a query is the default verb, may begin with a minus
(`-camera:nikon`, `- snow`) and may stand between options, and every usage error is to say what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kadr.protocol.errors import Usage
from kadr.table import APART, EVERYWHERE, OPTIONS, VERBS, Option, Verb

DEFAULT = "search"
Value = bool | int | float | str | list[str]
Raw = str | list[str] | None
"""a value as it was typed: text, the rest of the line, or nothing behind a switch"""

_LETTERS = {letter: option for option in OPTIONS.values() for letter in option.shorts}
_ALSO = {name: option for option in OPTIONS.values() for name in option.also}
# What stands in an example where a number was wanted.
_EXAMPLES = {int: ("a whole number above 0", "20"), float: ("a number", "0.25")}


class Asked(NamedTuple):
    """What the user typed: a verb, its operands in order, its options by name."""

    verb: str
    """empty: nothing was typed but options, or not even those"""
    operands: list[str]
    options: dict[str, Value]
    query: list[tuple[str, str]] = []  # noqa: RUF012 - a NamedTuple's default, never changed
    """the options that are part of the query, in order: name (of Option, or of a filter) and value"""


def parse(argv: Sequence[str]) -> Asked:
    """What *argv* (without the program's name) asks for. Raises Usage."""
    words, given, explicit = _split(argv)
    names = {option.name for option, _ in given}
    if "version" in names:
        return Asked("version", [], {"version": True})
    if not words and names <= {"help"}:
        return Asked("", [], dict.fromkeys(names, True))
    verb = VERBS[words[0] if explicit else DEFAULT]
    operands = words[explicit:]
    if "help" in names:
        return Asked(verb.name, operands, {"help": True})
    asked = Asked(verb.name, operands, *_read(verb, given))
    _check(verb, asked)
    return asked


def _split(argv: Sequence[str]) -> tuple[list[str], list[tuple[Option, Raw]], bool]:
    """Words, options, and whether the first word is a verb: it is none behind `--`."""
    words: list[str] = []
    given: list[tuple[Option, Raw]] = []
    explicit = False
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            words += rest
            break
        if not _is_option(argument):
            explicit = explicit or (not words and argument in VERBS)
            words.append(argument)
        elif argument.startswith("--"):
            given.append(_long(argument, rest))
        else:
            given += _short(argument, rest)
    return words, given, explicit


def _is_option(argument: str) -> bool:
    """Whether *argument* is meant as an option: `-`, `-camera:nikon`, `-(a:b)` and `- red car` are words of a query."""
    name = argument.partition("=")[0]
    return len(argument) > 1 and argument[0] == "-" and not any(char in name for char in ': ("')


def _long(argument: str, rest: list[str]) -> tuple[Option, Raw]:
    name, equals, value = argument[2:].partition("=")
    option = OPTIONS.get(name) or _ALSO.get(name) or _filter(name)
    if option is None:
        raise _unknown(argument.partition("=")[0])
    if not option.value:
        if equals:
            raise Usage(why=f"--{name} takes no value", act=f"Leave {equals + value} out.")
        return option, None
    if equals:
        rest.insert(0, value)
    return option, _next(option, rest)


def _short(argument: str, rest: list[str]) -> list[tuple[Option, Raw]]:
    """`-n 5`, `-n5` and switches together, `-0h`."""
    letters = argument[1:]
    given: list[tuple[Option, Raw]] = []
    while letters:
        option = _LETTERS.get(letters[0])
        if option is None:
            raise _unknown(argument)
        letters = letters[1:]
        if option.value:
            if letters:
                rest.insert(0, letters.removeprefix("="))
            return [*given, (option, _next(option, rest))]
        given.append((option, None))
    return given


def _filter(name: str) -> Option | None:
    """The option that the filter *name* of the query language is."""
    from kadr.protocol.prefixes import PREFIXES  # late: a plain search has no filter among its options

    row = next((row for row in PREFIXES if name in (row.name, *row.also.split())), None)
    return row and Option(row.name, row.help, "filter", value="VALUE", kind=str, query=row.name)


def _next(option: Option, rest: list[str]) -> str | list[str]:
    if not rest:
        raise Usage(
            why=f"--{option.name} has no value behind it",
            act=f"Write --{option.name} {option.value}: {option.help}.",
        )
    if option.kind is not list:
        return rest.pop(0)
    end = rest.index(";") if ";" in rest else len(rest)
    command = rest[:end]
    del rest[: end + 1]
    return command or _next(option, [])


def _read(verb: Verb, given: list[tuple[Option, Raw]]) -> tuple[dict[str, Value], list[tuple[str, str]]]:
    """The options of *verb* by name, each checked, and those that are part of the query."""
    options: dict[str, Value] = {}
    query: list[tuple[str, str]] = []
    for typed, raw in given:
        option = _of(verb, typed)
        if option.query:
            query.append((option.name, str(raw)))
        else:
            options[option.name] = _value(option, raw)
    return options, query


def _of(verb: Verb, option: Option) -> Option:
    """What *option* is to *verb*: of dups, --near is a number; of a search it is a filter."""
    if option.name in (*verb.options, *EVERYWHERE):
        return option
    mirrored = _filter(option.name) if verb.asks else None
    if mirrored is None:
        raise Usage(
            why=f"{verb.name} has no option --{option.name}",
            act=f"`kadr {verb.name} --help` lists what it has.",
        )
    return mirrored


def _value(option: Option, raw: Raw) -> Value:
    if raw is None:
        return True
    if option.choices and raw not in option.choices:
        raise Usage(
            why=f"--{option.name} wants {_either(option.choices)}, not {raw!r}",
            act=f"Write --{option.name} {option.choices[0]}",
        )
    if isinstance(raw, list) or option.kind is str:
        return raw
    try:
        value: int | float = option.kind(raw)  # type: ignore[assignment]
    except ValueError:
        value = float("nan")
    if value - value == 0 and (option.kind is float or value > 0):  # neither NaN nor infinite
        return value
    wanted, example = _EXAMPLES[option.kind]
    raise Usage(why=f"--{option.name} wants {wanted}, not {raw!r}", act=f"Write --{option.name} {example}")


def _either(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _unknown(argument: str) -> Usage:
    from difflib import get_close_matches  # late: only a mistake needs it

    from kadr.protocol.prefixes import PREFIXES

    known = [f"--{name}" for name in (*OPTIONS, *_ALSO, *(row.name for row in PREFIXES))]
    near = get_close_matches("--" + argument.lstrip("-"), known, n=1)
    act = f"Did you mean {near[0]}?" if near else "`kadr --help` lists the options."
    return Usage(
        why=f"There is no option {argument}", act=f"{act} A query that begins with a minus goes behind --."
    )


def _check(verb: Verb, asked: Asked) -> None:
    for ways in APART:
        if len(both := [f"--{name}" for name in ways if name in asked.options]) > 1:
            raise Usage(why=f"{both[0]} and {both[1]} do not go together", act="Leave one of them out.")
    operands = asked.operands
    if len(operands) > verb.most:
        extra = " ".join(operands[int(verb.most) :])
        query = " ".join([verb.name, *operands])
        raise Usage(
            why=f"{verb.name} does not know what to do with {extra!r}",
            act=f'Leave it out; or, to look for pictures of it: kadr search "{query}"',
        )
    # A filter among the options asks for something, too.
    said = verb.operands.endswith("TEXT...") and bool(asked.query)
    if len(operands) + said < verb.least:
        raise Usage(why=f"{verb.name} needs {verb.operands}", act=f"Write kadr {verb.name} {verb.operands}")
