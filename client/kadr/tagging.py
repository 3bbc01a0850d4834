"""The verbs of tags: tag, untag, tags. Before anything is written it says what would be, and asks.

What is written where is the daemon's to decide; here are files named, answers read and a summary made.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from kadr import output
from kadr.arguments import Asked
from kadr.asking import absolute, connect, here, query, seconds
from kadr.connection import Connection
from kadr.output import count, talk, visible
from kadr.progress import shown
from kadr.protocol.errors import FOUND, NOTHING, Usage
from kadr.protocol.messages import CARRIERS, End, Item, Tag, Tags, Untag

PLACES = {
    "xattr": "extended attributes of {}",
    "sidecar": "files beside {} (.xmp)",
    "embedded": "the files of {} themselves",
}


class Sum(NamedTuple):
    """What was, or would be, written."""

    body: dict[str, Any]
    places: Counter[str]
    refused: Counter[str]


def do_tag(asked: Asked) -> int:
    paths, text = _named(asked)
    request = Tag(
        paths, text, _limit(asked), _places(asked), _vocabulary(asked),
        _threshold(asked), trial=True, cwd=here(),
    )  # fmt: skip
    return _done(asked, request, "would get")


def do_untag(asked: Asked) -> int:
    paths, text = _named(asked)
    everywhere = "all" in asked.options
    if everywhere == bool(paths or text):
        raise Usage(
            why="untag wants files, or --all", act="kadr untag ~/Pictures/2024   or   kadr untag --all"
        )
    return _done(asked, Untag(paths, text, everywhere, trial=True, cwd=here()), "would lose")


def _done(asked: Asked, request: Tag | Untag, would: str) -> int:
    """First what would be; then, with --yes or when a person says so, it is done."""
    with connect(asked) as connection:
        trial = "dry-run" in asked.options
        if trial or "yes" not in asked.options:
            if not trial:
                _can_ask()
            found = _sent(asked, connection, request, lines=trial or sys.stdout.isatty())
            for sentence in _summary(found, would):
                talk(sentence)
            if trial or not found.body.get("written"):
                return _code(found)
            if not _agreed():
                talk("nothing was written")
                return FOUND
        found = _sent(asked, connection, request._replace(trial=False), lines="yes" in asked.options)
    for sentence in _summary(
        found, would.replace("would ", "").replace("get", "got").replace("lose", "lost")
    ):
        talk(sentence)
    return _code(found)


def _code(found: Sum) -> int:
    return FOUND if found.body.get("files") else NOTHING


def _named(asked: Asked) -> tuple[list[bytes], str]:
    """(paths, query): words that all name files or folders are paths."""
    names = asked.operands
    if names and not asked.query and all(os.path.lexists(name) for name in names):
        return [absolute(name) for name in names], ""
    return [], query(asked, names) if names or asked.query else ""


def _limit(asked: Asked) -> int:
    given = asked.options.get("limit", 0)
    return given if isinstance(given, int) else 0


def _places(asked: Asked) -> list[str]:
    given = [name for name in str(asked.options.get("write", "")).split(",") if name]
    for name in given:
        if name not in CARRIERS:
            raise Usage(
                why=f"--write knows {', '.join(CARRIERS)}, not {name}", act="kadr tag --write xattr,sidecar"
            )
    return given


def _vocabulary(asked: Asked) -> bytes:
    given = asked.options.get("vocab")
    return absolute(str(given)) if given else b""


def _threshold(asked: Asked) -> float:
    given = asked.options.get("threshold", -1.0)
    if not isinstance(given, (int, float)) or ("threshold" in asked.options and not 0 <= given <= 1):
        raise Usage(why="--threshold wants a number from 0 to 1", act="kadr tag --threshold 0.7")
    return float(given)


def _can_ask() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Usage(
            why="This writes on your files, and nobody is here to be asked",
            act="Look first with --dry-run, then say --yes.",
        )


def _agreed() -> bool:
    sys.stderr.write("kadr: go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in {"y", "yes", "д", "да", "т", "так"}


def _sent(asked: Asked, connection: Connection, request: Tag | Untag, *, lines: bool) -> Sum:
    """The request, its rows written as they come."""
    places, refused = Counter[str](), Counter[str]()
    body: dict[str, Any] = {}
    for reply in shown(connection.ask(request, seconds(asked, default=0))):
        if isinstance(reply, End):
            body = reply.body
        elif isinstance(reply, Item):
            for row in reply.rows:
                if "refused" in row:
                    refused[row.get("sentence") or row["refused"]] += 1
                else:
                    places[row["carrier"]] += 1
                if lines:
                    output.write(_line(row, as_json="json" in asked.options))
    sys.stdout.flush()
    return Sum(body, places, refused)


def _line(row: dict[str, Any], *, as_json: bool) -> bytes:
    if as_json:
        return output.json_line(row)
    path = visible(row.get("path", b""))
    if "refused" in row:
        return f"! {path}  ({visible(row.get('sentence', ''))})\n".encode()
    words = [f"+{word}" for word in row.get("added", ())] + [f"-{word}" for word in row.get("removed", ())]
    return f"{path}  {visible(', '.join(words) or 'kept')}  ({row.get('carrier')})\n".encode()


def _summary(found: Sum, did: str) -> Iterator[str]:
    files = count(int(found.body.get("files", 0)), "picture file")
    if not found.body.get("written"):
        yield f"nothing to write: {files} looked at"
    for carrier, number in found.places.items():
        yield f"{PLACES.get(carrier, carrier).format(count(number, 'picture'))} {did} tags"
    changed = [
        f"{int(found.body.get(key, 0)):,} {word}" for key, word in (("added", "new"), ("removed", "taken away"))
        if found.body.get(key)
    ]  # fmt: skip
    if changed:
        yield f"tags: {', '.join(changed)}"
    if away := int(found.body.get("away", 0)):
        yield f"{count(away, 'picture')} on disks that are away: left as they are, ask again when they are back"
    for sentence, number in found.refused.most_common(5):
        yield f"{count(number, 'picture')} left alone: {sentence}"


def do_tags(asked: Asked) -> int:
    with connect(asked) as connection:
        body = connection.end(Tags(absolute(asked.operands[0])), seconds(asked))
    if "json" in asked.options:
        output.write(output.json_line(body))
    elif sys.stdout.isatty():
        for line in _page(body):
            output.write(f"{line}\n".encode())
    else:
        for row in body.get("tags", []):
            output.write(f"{row['tag']}\n".encode())
    sys.stdout.flush()
    return FOUND if body.get("tags") or body.get("seen") else NOTHING


def _page(body: dict[str, Any]) -> Iterator[str]:
    """Whose word each tag is, where it stands, and what else kadr sees."""
    rows = body.get("tags", [])
    wide = max((len(visible(row["tag"])) for row in rows), default=0)
    for row in rows:
        yield f"{visible(row['tag']):{wide}}  {row.get('whose', ''):5}  {', '.join(row.get('in', []))}"
    seen = ", ".join(f"{visible(one['label'])} {one['score']:.2f}" for one in body.get("seen", []))
    if seen:
        yield f"kadr sees: {seen}"
    if body.get("suppressed"):
        yield f"never again, since you took them away: {visible(', '.join(body['suppressed']))}"
