"""argv to one `Asked`. Pure: prints nothing, exits nowhere, knows no verb by name but the default one.

Written by hand over table.py instead of argparse: a query is the default verb, may begin with a minus
(`-camera:nikon`, `- snow`) and may stand between options, and every usage error is to say what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kadr.protocol.errors import Usage
from kadr.table import EVERYWHERE, OPTIONS, VERBS, Option, Verb

DEFAULT = "search"
Value = bool | int | float


class Asked(NamedTuple):
    """What the user typed: a verb, its operands in order, its options by name."""

    verb: str
    operands: list[str]
    options: dict[str, Value]


def parse(argv: Sequence[str]) -> Asked:
    """What *argv* (without the program's name) asks for. Raises Usage."""
    words, options = _split(argv)
    explicit = bool(words) and words[0].first and words[0].text in VERBS
    verb = VERBS[words[0].text if explicit else DEFAULT]
    operands = [word.text for word in words[1 if explicit else 0 :]]
    if "version" in options:
        verb, operands = VERBS["version"], []
    if "help" not in options and (operands or explicit or options):
        _check(verb, operands, options)
    return Asked(verb.name, operands, options)


class _Word(NamedTuple):
    text: str
    first: bool
    """the first operand, and not behind `--`: only there a word is a verb"""


def _split(argv: Sequence[str]) -> tuple[list[_Word], dict[str, Value]]:
    words: list[_Word] = []
    options: dict[str, Value] = {}
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            words += [_Word(text, first=False) for text in rest]
            break
        if not _is_option(argument):
            words.append(_Word(argument, first=not words))
        elif argument.startswith("--"):
            _long(argument, rest, options)
        else:
            _short(argument, rest, options)
    return words, options


def _is_option(argument: str) -> bool:
    """Whether *argument* is meant as an option: `-`, `-camera:nikon` and `- red car` are words of a query."""
    name = argument.partition("=")[0]
    return len(argument) > 1 and argument[0] == "-" and ":" not in name and " " not in name


def _long(argument: str, rest: list[str], options: dict[str, Value]) -> None:
    name, equals, value = argument[2:].partition("=")
    option = OPTIONS.get(name)
    if option is None:
        raise _unknown(argument.partition("=")[0])
    if not option.value:
        if equals:
            raise Usage(why=f"--{name} takes no value", act=f"Leave {equals + value} out.")
        options[name] = True
    else:
        options[name] = _value(option, value if equals else _next(option, rest))


def _short(argument: str, rest: list[str], options: dict[str, Value]) -> None:
    """`-n 5`, `-n5` and switches together, `-0h`."""
    letters = argument[1:]
    while letters:
        option = next((option for option in OPTIONS.values() if option.short == letters[0]), None)
        if option is None:
            raise _unknown(argument)
        letters = letters[1:]
        if not option.value:
            options[option.name] = True
        else:
            options[option.name] = _value(option, letters.removeprefix("=") or _next(option, rest))
            return


def _next(option: Option, rest: list[str]) -> str:
    if not rest:
        raise Usage(
            why=f"--{option.name} has no value behind it",
            act=f"Write --{option.name} {option.value}: {option.help}.",
        )
    return rest.pop(0)


def _value(option: Option, text: str) -> Value:
    try:
        value = option.kind(text)
    except ValueError:
        value = float("nan")
    if value - value == 0:  # neither NaN nor infinite
        return value
    wanted, example = ("a whole number", "20") if option.kind is int else ("a number", "0.25")
    raise Usage(why=f"--{option.name} wants {wanted}, not {text!r}", act=f"Write --{option.name} {example}")


def _unknown(argument: str) -> Usage:
    from difflib import get_close_matches  # late: only a mistake needs it

    known = [f"--{name}" for name in OPTIONS]
    near = get_close_matches("--" + argument.lstrip("-"), known, n=1)
    act = f"Did you mean {near[0]}?" if near else "`kadr --help` lists the options."
    return Usage(
        why=f"There is no option {argument}", act=f"{act} A query that begins with a minus goes behind --."
    )


def _check(verb: Verb, operands: list[str], options: dict[str, Value]) -> None:
    for name in options:
        if name not in verb.options and name not in EVERYWHERE:
            raise Usage(
                why=f"{verb.name} has no option --{name}", act=f"`kadr {verb.name} --help` lists what it has."
            )
    if len(operands) > verb.most:
        extra = " ".join(operands[int(verb.most) :])
        query = " ".join([verb.name, *operands])
        raise Usage(
            why=f"{verb.name} does not know what to do with {extra!r}",
            act=f'Leave it out; or, to look for pictures of it: kadr search "{query}"',
        )
    if len(operands) < verb.least:
        raise Usage(why=f"{verb.name} needs {verb.operands}", act=f"Write kadr {verb.name} {verb.operands}")
