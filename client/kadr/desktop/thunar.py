"""Thunar keeps all custom actions in one file, uca.xml, which is its user's. Pure: text in, text out.

Our action is put in and taken out as text, so that every other byte stays as it is; a parser only reads, and has to agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from kadr.protocol.errors import KadrError

EMPTY = '<?xml version="1.0" encoding="UTF-8"?>\n<actions>\n</actions>\n'
_ACTION = re.compile(r"<action\b.*?</action>\n?", re.DOTALL)
_END = "</actions>"


class NotUnderstood(KadrError):
    """{file} is not understood: {why}."""

    act = "Add the action by hand: Edit, Configure custom actions; command: kadr desktop similar %f"


def with_action(text: str, action: str, file: str) -> str:
    """*text* with *action* as its last one, instead of one with the same unique-id. Raises NotUnderstood."""
    rest = without_action(text, action, file)
    at = rest.rfind(_END)
    if at < 0:
        raise NotUnderstood(file=file, why="it has no actions")
    line = rest.rfind("\n", 0, at) + 1  # the end mark on a line of its own keeps its indentation
    at = line if not rest[line:at].strip() else at
    merged = rest[:at] + action + rest[at:]
    if _read(merged, file) != [*_read(rest, file), *_read(f"<actions>{action}</actions>", file)]:
        raise NotUnderstood(file=file, why="it is not what Thunar writes")
    return merged


def without_action(text: str, action: str, file: str) -> str:
    """*text* without the action that has the unique-id of *action*. Raises NotUnderstood."""
    id_ = _id(action, file)
    _read(text, file)
    kept = text
    for found in _actions(text):
        if _id(found, file) == id_:
            kept = kept.replace(found, "", 1)
    if _read(kept, file) != [one for one in _read(text, file) if one.get("unique-id") != id_]:
        raise NotUnderstood(file=file, why="it is not what Thunar writes")
    return kept


def said(text: str, id_of: str, file: str) -> str:
    """What the action with the unique-id of *id_of* says in *text*, spelled in one way; empty where there is none.

    Thunar writes more about an action than it was given, and all of that empty. Raises NotUnderstood.
    """
    wanted = _id(id_of, file)
    found = [one for one in _read(text, file) if one.get("unique-id") == wanted]
    return "\n".join(f"{name}={value}" for one in found for name, value in sorted(one.items()) if value)


def _actions(text: str) -> Iterator[str]:
    return (found[0] for found in _ACTION.finditer(text))


def _id(action: str, file: str) -> str:
    (fields,) = _read(f"<actions>{action}</actions>", file)
    return fields.get("unique-id", "")


def _read(text: str, file: str) -> list[dict[str, str]]:
    """The actions in *text*, each as its fields. A mark without text (image-files) is `yes`."""
    try:
        top = ET.fromstring(text.encode())  # noqa: S314 - the user's own file; Thunar reads it as well
    except ET.ParseError as error:
        raise NotUnderstood(file=file, why=str(error)) from None
    return [
        {
            field.tag: (field.text or "").strip()
            or ("yes" if field.tag.endswith(("-files", "directories")) else "")
            for field in one
        }
        for one in top.iter("action")
    ]
