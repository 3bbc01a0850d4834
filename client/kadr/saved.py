"""The verbs of saved searches: save, saved, unsave. A search `saved:NAME` is answered by the daemon."""

from __future__ import annotations

import sys

from kadr import output
from kadr.arguments import Asked
from kadr.asking import connect, here, query, seconds
from kadr.output import talk, visible
from kadr.protocol.errors import FOUND
from kadr.protocol.messages import Save, Saved, Unsave


def do_save(asked: Asked) -> int:
    name, *words = asked.operands
    text = query(asked, words)
    with connect(asked) as connection:
        kept = connection.end(Save(name, text, here()), seconds(asked)).get("text", text)
    talk(f"saved: kadr saved:{visible(name)} asks for {visible(kept)}")
    return FOUND


def do_saved(asked: Asked) -> int:
    with connect(asked) as connection:
        rows = connection.end(Saved(), seconds(asked)).get("searches", [])
    if not rows:
        talk("no search is saved yet. Save one: kadr save NAME TEXT")
    for row in rows:
        if "json" in asked.options:
            output.write(output.json_line(row))
        elif sys.stdout.isatty():
            output.write(f"{visible(row['name'])}  {visible(row['text'])}\n".encode())
        else:
            output.write(f"{row['name']}\t{row['text']}\n".encode())
    return FOUND


def do_unsave(asked: Asked) -> int:
    with connect(asked) as connection:
        connection.end(Unsave(asked.operands[0]), seconds(asked))
    talk(f"forgotten: {visible(asked.operands[0])}")
    return FOUND
