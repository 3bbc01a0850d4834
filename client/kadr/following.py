"""--follow: the answer, and then what comes into it and what goes out of it. Loaded late."""

from __future__ import annotations

import sys
from typing import Any

from kadr.connection import Connection, row_as
from kadr.output import talk
from kadr.protocol.errors import FOUND
from kadr.protocol.messages import Hit, Item, Progress
from kadr.ways.way import Way

# The daemon says by this stage that the first answer is complete.
STAGE = "follow"
# What is gone needs no more than a path.
_GONE = {"score": 0.0, "picture": "", "width": 0, "height": 0}


def follow(connection: Connection, request: tuple[Any, ...], wait: float, way: Way) -> int:
    """Hand the answer to *way*, and what happens after it, until Ctrl-C, which is the normal end. The exit code."""
    answered, found = False, 0
    try:
        for reply in connection.ask(request, wait):
            for row in reply.rows if isinstance(reply, Item) else ():
                hit = row_as(Hit, _GONE | row)
                if answered:
                    way.event(str(row.get("event", "new")), hit)
                else:
                    way.take([hit])
                found += 1
            if isinstance(reply, Progress) and reply.stage == STAGE and not answered:
                answered = True
                way.finish(connection)
                if not found:
                    talk("nothing yet; what comes is shown here. Ctrl-C ends it.")
            sys.stdout.flush()  # somebody waits for it at the other end of a pipe
    except KeyboardInterrupt:
        pass
    return FOUND
