"""From what was typed to what is sent: a connection with what the verb needs, patience, absolute paths."""

from __future__ import annotations

import os

from kadr.arguments import Asked
from kadr.connection import Connection
from kadr.protocol.errors import Usage
from kadr.protocol.paths import current
from kadr.start import connected
from kadr.table import OPTIONS, VERBS

# A first question may have to wait until the model is loaded.
ANSWER_SECONDS = 30.0


def connect(asked: Asked) -> Connection:
    """The connection for a verb, with what the verb and its options need."""
    needs = {*VERBS[asked.verb].needs}
    needs.update(OPTIONS[name].needs for name in asked.options)
    if asked.query:
        needs.add("filters")
    return connected(current(), tuple(sorted(needs - {""})), may_start="no-start" not in asked.options)


def seconds(asked: Asked, default: float = ANSWER_SECONDS) -> float:
    """How long to wait for an answer; 0 is for ever, and only a default can be that."""
    given = asked.options.get("timeout", default)
    if not isinstance(given, (int, float)) or ("timeout" in asked.options and given <= 0):
        raise Usage(why="--timeout wants more than 0 seconds", act="Write --timeout 10")
    return float(given)


def query(asked: Asked, operands: list[str]) -> str:
    """The line of text that *operands* and the options of the query make together. Raises Usage."""
    text = " ".join(operands)
    # One word is a query in quotes, unless it is the name of a file: kadr ./my\ cat.jpg
    whole = len(operands) == 1 and not (operands[0][:1] in "/.~" and os.path.exists(operands[0]))
    if whole and " " in text and ":" in text.partition(" ")[0]:
        from kadr.wording import is_one_filter  # late, as below

        whole = not is_one_filter(text, lambda path: os.path.exists(os.path.expanduser(path)))
    if asked.query or (" " in text and not whole):
        from kadr.wording import worded  # late: plain words need none of it

        text = worded(operands, [(name, _from_here(name, value)) for name, value in asked.query], whole=whole)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Usage(why="The query is not UTF-8 text", act="Set the terminal and LANG to UTF-8.") from None
    return text


def _from_here(name: str, value: str) -> str:
    """The folder of --in is one of here, also when a saved search is asked from elsewhere."""
    return os.fsdecode(absolute(value)) if name == "in" and not value.startswith("~") else value


def here() -> bytes:
    """The folder that relative paths in a query start from; empty where it does not exist any more."""
    try:
        return os.getcwdb()
    except FileNotFoundError:
        return b""


def absolute(operand: str) -> bytes:
    """The path *operand* as bytes, for a daemon that runs in another folder."""
    if not operand:
        raise Usage(why="The path is empty", act="Name a file or a folder.")
    try:
        return os.path.abspath(os.fsencode(operand))
    except FileNotFoundError:
        raise Usage(why="The current folder does not exist any more", act="cd to one that does.") from None
