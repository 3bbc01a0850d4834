"""argv to request to exit code. The code is top-down: main, then what it calls.

The only place of the client that turns an error into an exit. Holds the verbs that find; the others are
in modules of their own, so that a search does not load them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kadr import output
from kadr.arguments import Asked, parse
from kadr.asking import absolute, connect, here, query, seconds
from kadr.connection import Connection, row_as
from kadr.output import Lines, count, talk
from kadr.protocol.errors import FAILED, FOUND, INTERRUPTED, NOTHING, KadrError
from kadr.protocol.messages import DEFAULT_LIMIT, End, Hit, Item, Reply, Roots, Search, Similar
from kadr.table import VERBS

if TYPE_CHECKING:
    from kadr.ways.way import Way

# What becomes of hits that are not just printed.
_WAYS = {"exec", "exec-batch", "open", "link-to", "sheet", "preview", "as"}


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
    if not asked.verb or "help" in asked.options:
        from kadr import manual  # late: a search needs no help

        return manual.show(asked)
    home = sys.modules[__name__]
    if VERBS[asked.verb].home != "cli":
        from importlib import import_module  # late: a search needs none of them

        home = import_module(f"kadr.{VERBS[asked.verb].home}")
    code: int = getattr(home, f"do_{asked.verb}")(asked)
    return code


def do_search(asked: Asked) -> int:
    how = _how(asked) | {name: asked.options[name] for name in ("by", "follow") if name in asked.options}
    return _find(asked, Search(query(asked, asked.operands), **how))


def do_similar(asked: Asked) -> int:
    return _find(asked, Similar(absolute(asked.operands[0]), text=query(asked, []), **_how(asked)))


def _how(asked: Asked) -> dict[str, Any]:
    """The fields that Search and Similar share."""
    names = ("limit", "min-score", "sync", "sort", "group", "explain")
    how = {name.replace("-", "_"): asked.options[name] for name in names if name in asked.options}
    if asked.options.keys() & {"open", "preview"}:
        how.setdefault("limit", DEFAULT_LIMIT)  # nobody wants windows for all that a filter lets through
    return how | {"cwd": here()}


def _find(asked: Asked, request: Search | Similar) -> int:
    way = _way(asked, request.text)
    with connect(asked) as connection:
        if "follow" in asked.options:
            from kadr.following import follow  # late: few follow

            return follow(connection, request, seconds(asked, default=0), way)
        found, end = _answer(_replies(connection, request, asked), way)
        _remark(end)
        if not found:
            _explain(connection, asked, request, end)
        code = way.finish(connection)
    return code if found else NOTHING


def _way(asked: Asked, text: str) -> Way:
    """What becomes of the hits."""
    if not asked.options.keys() & _WAYS:
        return Lines(asked.options)
    from kadr.ways import chosen  # late: most hits are printed

    return chosen(asked, text)


def _replies(connection: Connection, request: Search | Similar, asked: Asked) -> Iterator[Reply]:
    if not request.sync:
        return connection.ask(request, seconds(asked))
    from kadr.progress import shown  # late: only --sync waits for long

    return shown(connection.ask(request, seconds(asked, default=0)))


def _answer(replies: Iterator[Reply], way: Way) -> tuple[int, dict[str, Any]]:
    """How many hits there are, all given to *way*, and the body of the End."""
    found, end = 0, {}
    for reply in replies:
        if isinstance(reply, Item):
            way.take([row_as(Hit, row) for row in reply.rows])
            found += len(reply.rows)
        elif isinstance(reply, End):
            sys.stdout.flush()  # data first, then talk about it
            end = reply.body
    return found, end


def _remark(end: dict[str, Any]) -> None:
    """What the reader has to know about the answer."""
    if end.get("plan"):
        from kadr.explaining import told  # late: only --explain asks for it

        talk("\n".join(told(end["plan"])))
    for warning in end.get("warnings", ()):
        talk(str(warning))
    for root in end.get("offline_roots", ()):
        talk(f"{output.visible(root)} is offline: its pictures may be missing here, and cannot be opened")
    if not end.get("complete", True):
        pending = end.get("pending", 0)
        waiting = f"{count(pending, 'picture is', 'pictures are')} still being indexed" if pending else ""
        talk(f"{waiting or 'the index is not complete yet'}; more may be found")


def _explain(connection: Connection, asked: Asked, request: Search | Similar, end: dict[str, Any]) -> None:
    """Why nothing was found, and what to do about it."""
    if not end.get("close", True) and end.get("best"):  # without a best one the filters let nothing through
        from kadr.explaining import nothing_close  # late: most questions have an answer

        talk(nothing_close(request, end["best"]))
    elif not connection.end(Roots(), seconds(asked)).get("roots"):
        talk("nothing found: no folder is watched yet. Add one: kadr add ~/Pictures")
    elif "min-score" in asked.options:
        talk(f"nothing found with a score of {asked.options['min-score']} or more. Try a lower --min-score.")
    else:
        talk("nothing found. `kadr status` says what is indexed.")
