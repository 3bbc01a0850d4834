"""The verbs that tend folders and daemon: one `do_<name>` each, in the order of table.py.

Loaded late: a search needs none of them. Lays out no page (pages.py) and draws no progress (progress.py).
"""

from __future__ import annotations

import sys
import time
from typing import Any

from kadr import __version__, output, pages
from kadr.arguments import Asked
from kadr.asking import absolute, connect, seconds
from kadr.connection import Connection, NotRunning
from kadr.doctor import own_checks, told
from kadr.output import count, talk, visible
from kadr.pages import Check
from kadr.progress import shown
from kadr.protocol.errors import FAILED, FOUND, INTERRUPTED, KadrError
from kadr.protocol.messages import (
    Add,
    Doctor,
    End,
    Remove,
    Rescan,
    Roots,
    Status,
    Stop,
    Sync,
    Verify,
)
from kadr.protocol.paths import current
from kadr.start import start, wait_until_gone

WATCH_SECONDS = 1.0
_CLEAR = b"\x1b[H\x1b[J"


def do_add(asked: Asked) -> int:
    code = FOUND
    added = 0
    with connect(asked) as connection:
        for path in map(absolute, asked.operands):
            try:
                end = connection.end(Add(path), seconds(asked))
            except KadrError as error:
                output.complain(error)
                code = code or error.exit_code
                continue
            added += 1
            talk(
                f"{'watching' if end.get('new', True) else 'already watched:'} {visible(end.get('path', path))}"
            )
            for warning in end.get("warnings", ()):
                talk(str(warning))
        if added and "detach" not in asked.options:
            return _wait(connection, asked) or code
    return code


def do_remove(asked: Asked) -> int:
    code = FOUND
    with connect(asked) as connection:
        for path in map(absolute, asked.operands):
            try:
                end = connection.end(Remove(path), seconds(asked))
            except KadrError as error:
                output.complain(error)
                code = code or error.exit_code
            else:
                forgotten = count(end.get("files", 0), "file")
                talk(
                    f"no longer watching {visible(end.get('path', path))}; {forgotten} forgotten, none touched"
                )
    return code


def do_roots(asked: Asked) -> int:
    with connect(asked) as connection:
        roots = connection.end(Roots(), seconds(asked)).get("roots", [])
    if not roots:
        talk("no folder is watched yet. Add one: kadr add ~/Pictures")
    for root in roots:
        if "json" in asked.options:
            output.write(output.json_line(root))
        elif "null" in asked.options:
            output.write(root["path"] + b"\0")
        elif sys.stdout.isatty():
            output.write(f"{pages.root_line(root)}\n".encode())
        else:
            output.write(root["path"] + b"\n")
    return FOUND


def do_status(asked: Asked) -> int:
    with connect(asked) as connection:
        if "watch" not in asked.options:
            _show_status(asked, connection)
            return FOUND
        try:
            while True:
                if sys.stdout.isatty() and "json" not in asked.options:
                    output.write(_CLEAR)
                _show_status(asked, connection)
                time.sleep(WATCH_SECONDS)
        except KeyboardInterrupt:
            return FOUND  # the way a watch ends


def _show_status(asked: Asked, connection: Connection) -> None:
    body = connection.end(Status(), seconds(asked))
    if "json" in asked.options:
        output.write(output.json_line(body))
    else:
        _write_lines(pages.status(body))
    sys.stdout.flush()


def do_rescan(asked: Asked) -> int:
    path = absolute(asked.operands[0]) if asked.operands else b""
    with connect(asked) as connection:
        end = connection.end(Rescan(path), seconds(asked))
        talk(f"looking again at {count(end.get('folders', 0), 'folder')}")
        return FOUND if "detach" in asked.options else _wait(connection, asked)


def _wait(connection: Connection, asked: Asked) -> int:
    """Until every change made before now is indexed. Ctrl-C ends the waiting, not the work."""
    try:
        end = _watch(connection, Sync(), seconds(asked, default=0))
    except KeyboardInterrupt:
        talk("the daemon goes on by itself; `kadr status` shows how far it is")
        return INTERRUPTED
    summary = f"{count(end.get('pictures', 0), 'picture')} in {count(end.get('files', 0), 'file')}"
    failures, pending = end.get("failures", 0), end.get("pending", 0)
    unread = f"; {failures:,} could not be read: `kadr status` lists them" if failures else ""
    more = f"; {pending:,} more have come up since" if pending else ""
    talk(summary + unread + more)
    return FOUND


def _watch(connection: Connection, request: tuple[Any, ...], wait: float) -> dict[str, Any]:
    """The End of *request*, its progress shown on the way."""
    body: dict[str, Any] = {}
    for reply in shown(connection.ask(request, wait)):
        if isinstance(reply, End):
            body = reply.body
    return body


def do_doctor(asked: Asked) -> int:
    checks = own_checks(current())
    try:
        with Connection(current().socket) as connection:
            checks.append(Check("daemon", ok=True, says=f"{connection.welcome.server} answers"))
            given = connection.end(Doctor(), seconds(asked)).get("checks", [])
            checks += map(told, given)
    except KadrError as error:
        checks.append(Check("daemon", ok=False, says=error.sentence, act=error.act))
    if "json" in asked.options:
        for check in checks:
            output.write(output.json_line(check._asdict()))
    else:
        _write_lines(pages.doctor(checks))
    return FOUND if all(check.ok for check in checks) else FAILED


def do_verify(asked: Asked) -> int:
    with connect(asked) as connection:
        body = _watch(connection, Verify(), seconds(asked, default=0))
    if "json" in asked.options:
        output.write(output.json_line(body))
    else:
        _write_lines(pages.verify(body))
    return FOUND if body.get("ok") else FAILED


def do_start(_: Asked) -> int:
    paths = current()
    try:
        with Connection(paths.socket) as connection:
            talk(f"{connection.welcome.server} already runs")
    except NotRunning:
        with start(paths) as connection:
            talk(
                f"{connection.welcome.server} runs, with the model {connection.welcome.model.get('name', '?')}"
            )
    return FOUND


def do_stop(_: Asked) -> int:
    paths = current()
    try:
        with Connection(paths.socket) as connection:
            connection.end(Stop(), seconds=10)
    except NotRunning:
        talk("no daemon runs")
        return FOUND
    from kadr import service  # late: nobody else here needs it

    if service.end():
        talk("stopped, with its service until you log in again; kadr start starts it")
        return FOUND
    if wait_until_gone(paths, connection.welcome.instance):
        talk("stopped")
    else:
        talk("stopped; another one has been started since (by the service manager?)")
    return FOUND


def do_version(_: Asked) -> int:
    lines = [f"kadr {__version__}"]
    try:
        with Connection(current().socket) as connection:
            welcome = connection.welcome
            lines.append(f"{welcome.server}, model {welcome.model.get('name', '?')}".replace("/", " ", 1))
    except NotRunning:
        lines.append("kadrd does not run")
    except KadrError as error:
        output.complain(error)
    _write_lines(lines)
    return FOUND


def _write_lines(lines: list[str]) -> None:
    output.write("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
