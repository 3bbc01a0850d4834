"""From what was typed to what is sent: a connection with what the verb needs, patience, absolute paths."""

from __future__ import annotations

import os

from kadr.arguments import Asked
from kadr.connection import Connection
from kadr.protocol.errors import Usage
from kadr.protocol.paths import current
from kadr.start import connected
from kadr.table import VERBS

# A first question may have to wait until the model is loaded.
ANSWER_SECONDS = 30.0


def connect(asked: Asked) -> Connection:
    """The connection for a verb, with what the verb needs."""
    return connected(current(), VERBS[asked.verb].needs, may_start="no-start" not in asked.options)


def seconds(asked: Asked, default: float = ANSWER_SECONDS) -> float:
    """How long to wait for an answer; 0 is for ever, and only a default can be that."""
    if "timeout" not in asked.options:
        return default
    given = float(asked.options["timeout"])
    if given <= 0:
        raise Usage(why="--timeout wants more than 0 seconds", act="Write --timeout 10")
    return given


def absolute(operand: str) -> bytes:
    """The path *operand* as bytes, for a daemon that runs in another folder."""
    if not operand:
        raise Usage(why="The path is empty", act="Name a file or a folder.")
    try:
        return os.path.abspath(os.fsencode(operand))
    except FileNotFoundError:
        raise Usage(why="The current folder does not exist any more", act="cd to one that does.") from None
