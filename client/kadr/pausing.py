"""kadr pause, kadr resume: indexing rests, while questions are answered from what is known. The daemon keeps the pause."""

from __future__ import annotations

import re

from kadr.arguments import Asked
from kadr.asking import connect, seconds
from kadr.output import talk
from kadr.protocol.errors import FOUND, Usage
from kadr.protocol.messages import Pause, Resume
from kadr.protocol.prefixes import AGO, Word

_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0}
_PART = re.compile(r"(\d+(?:[.,]\d+)?)\s*([^\W\d_]+)\s*")


def do_pause(asked: Asked) -> int:
    wanted = duration(str(asked.options["for"])) if "for" in asked.options else 0.0
    with connect(asked) as connection:
        end = connection.end(Pause(wanted), seconds(asked))
    talk(
        f"{end.get('sentence', 'Indexing is paused')}. What is known is found all the same. Go on: kadr resume"
    )
    return FOUND


def do_resume(asked: Asked) -> int:
    with connect(asked) as connection:
        end = connection.end(Resume(), seconds(asked))
    talk("indexing goes on" if end.get("paused") else "indexing was not paused")
    return FOUND


def duration(text: str) -> float:
    """The seconds of `30min`, `2h` or `1h30min`, in the words of the query language. Raises Usage."""
    spans = [_span(float(number.replace(",", ".")), unit.casefold()) for number, unit in _PART.findall(text)]
    if _PART.sub("", text).strip() or not spans or 0 in spans:
        raise Usage(why=f"--for does not understand {text!r}", act="Write --for 30min, 2h, 1h30min or 1day")
    return sum(spans)


def _span(number: float, unit: str) -> float:
    """So many of these in seconds; 0 for a word that is no unit of _SECONDS."""
    return next((number * _SECONDS.get(word.name, 0) for word in AGO if unit in _names(word)), 0)


def _names(word: Word) -> set[str]:
    return {word.name, *word.ru.split(), *word.uk.split(), *word.also.split()}
