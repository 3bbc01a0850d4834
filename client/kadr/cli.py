"""argv to request to exit code. The code is top-down: main, then what it calls.

The only place of the client that turns an error into an exit. Holds the verbs that find; the others are
in verbs.py, so that a search does not load them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from kadr import output
from kadr.arguments import DEFAULT, Asked, parse
from kadr.asking import absolute, connect, seconds
from kadr.connection import Connection, row_as
from kadr.output import count, talk
from kadr.protocol.errors import FAILED, FOUND, INTERRUPTED, NOTHING, KadrError, Usage
from kadr.protocol.messages import End, Hit, Item, Reply, Roots, Search, Similar
from kadr.table import DEFAULT_LIMIT


def main(argv: Sequence[str] | None = None) -> int:
    """Do what *argv* asks for, and say what went wrong. The result is the exit code."""
    try:
        code = run(parse(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KadrError as error:
        output.complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        talk("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        output.nobody_reads()  # head has seen enough: a normal end
        return FOUND
    except OSError as error:
        output.nobody_reads()
        talk(f"the answer cannot be written: {error.strerror}")
        return FAILED
    return code


def run(asked: Asked) -> int:
    if "help" in asked.options or not (asked.operands or asked.options or asked.verb != DEFAULT):
        from kadr import manual  # late: a search needs no help

        return manual.show(asked)
    finding = {"search": do_search, "similar": do_similar}
    if asked.verb in finding:
        return finding[asked.verb](asked)
    from kadr import verbs  # late: a search needs none of them

    return verbs.run(asked)


def do_search(asked: Asked) -> int:
    text = " ".join(asked.operands)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Usage(why="The query is not UTF-8 text", act="Set the terminal and LANG to UTF-8.") from None
    return _find(asked, Search(text, *_how(asked)))


def do_similar(asked: Asked) -> int:
    return _find(asked, Similar(absolute(asked.operands[0]), *_how(asked)))


def _how(asked: Asked) -> tuple[int, float | None, bool]:
    """limit, min_score, sync"""
    score = asked.options.get("min-score")
    return (
        int(asked.options.get("limit", DEFAULT_LIMIT)),
        None if score is None else float(score),
        bool(asked.options.get("sync")),
    )


def _find(asked: Asked, request: Search | Similar) -> int:
    line = output.hit_writer(as_json="json" in asked.options, null="null" in asked.options)
    found = 0
    with connect(asked) as connection:
        for reply in _replies(connection, request, asked):
            if isinstance(reply, Item):
                for row in reply.rows:
                    output.write(line(row_as(Hit, row)))
                found += len(reply.rows)
            elif isinstance(reply, End):
                sys.stdout.flush()  # data first, then talk about it
                _remark(reply.body)
        if not found:
            _explain(connection, asked)
    return FOUND if found else NOTHING


def _replies(connection: Connection, request: Search | Similar, asked: Asked) -> Iterator[Reply]:
    if not request.sync:
        return connection.ask(request, seconds(asked))
    from kadr.progress import shown  # late: only --sync waits for long

    return shown(connection.ask(request, seconds(asked, default=0)))


def _remark(end: dict[str, Any]) -> None:
    """What the reader has to know about the answer."""
    for warning in end.get("warnings", ()):
        talk(str(warning))
    for root in end.get("offline_roots", ()):
        talk(f"{output.visible(root)} is offline: its pictures may be missing here, and cannot be opened")
    if not end.get("complete", True):
        pending = end.get("pending", 0)
        waiting = f"{count(pending, 'picture is', 'pictures are')} still being indexed" if pending else ""
        talk(f"{waiting or 'the index is not complete yet'}; more may be found")


def _explain(connection: Connection, asked: Asked) -> None:
    """Why nothing was found, and what to do about it."""
    if not connection.end(Roots(), seconds(asked)).get("roots"):
        talk("nothing found: no folder is watched yet. Add one: kadr add ~/Pictures")
    elif "min-score" in asked.options:
        talk(f"nothing found with a score of {asked.options['min-score']} or more. Try a lower --min-score.")
    else:
        talk("nothing found. `kadr status` says what is indexed.")
