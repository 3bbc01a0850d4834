"""A query as it is saved: the relative paths in it made whole, so that it means the same wherever it is asked. Pure."""

from __future__ import annotations

from kadrd.query import readings
from kadrd.query.expression import World
from kadrd.query.parse import parse
from kadrd.query.tokens import Mistake, Token, tokens


def kept(text: str, world: World) -> str:
    """*text* with whole paths; all else stays as it was typed. Raises EmptyQuery and QueryError.

    Without a folder in *world* (clients that do not say it) paths stay relative to wherever the search is asked.

    >>> from datetime import datetime
    >>> kept("cat in:. -in:~/old ./my.jpg", World(datetime(2024, 6, 15), cwd=b"/pictures", home=b"/home/ann"))
    'cat in:"/pictures" -in:~/old "/pictures/my.jpg"'
    """
    parse(text, world if world.cwd else world._replace(cwd=b"/"))
    if not world.cwd:
        return text
    whole, at = "", 0
    for token in tokens(text):
        if _is_path(token) and not token.text.startswith(("/", "~/", "file://")) and token.text != "~":
            whole += text[at : token.column] + _with_whole_path(text, token, world)
            at = token.column + token.length
    whole += text[at:]
    parse(whole, world)  # it may have become too long
    return whole


def _is_path(token: Token) -> bool:
    return token.kind == "picture" or (token.prefix is not None and token.prefix.kind == "under")


def _with_whole_path(text: str, token: Token, world: World) -> str:
    typed = text[token.column : token.column + token.length]
    head = typed[: typed.index(":") + 1] if token.prefix else "-" * token.negative
    try:
        path = readings.path(token.text, world).decode()
    except UnicodeDecodeError:
        why = "The folder that this starts from has a name that is no UTF-8 text, so it cannot be saved"
        raise Mistake(text, token.column, token.length).told(why, "Save it from another folder.") from None
    return head + '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
