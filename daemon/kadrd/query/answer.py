"""THE PATH OF A QUERY. The spine names steps and computes nothing; it never waits for indexing.

parse      what was typed: operands that rank, and filters on files
pictures   the vectors of pictures that the question names
meaning    the operands as one vector
plan       the nearest pictures of those that the filters let through
wording    files whose own words match
scores     what each is worth, and whether anything is close at all
fuse       both in one order
rank       files as hits, in the order and the groups that were asked for
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kadr.protocol.messages import DEFAULT_LIMIT, Hit
from kadrd.query import group, rank
from kadrd.query.asking import Asked, Asks
from kadrd.query.candidates import Candidates, Question
from kadrd.query.filters import condition
from kadrd.query.meaning import known, meaning
from kadrd.query.rank import Ranked
from kadrd.query.stages import Stages
from kadrd.store.selection import Selection
from kadrd.values import Vector

PAGE = 500
EVERYTHING = 2**31


class Wanting(NamedTuple):
    """The question names pictures that are not in the index: it can be answered once they have vectors."""

    pictures: tuple[bytes, ...]


class Answer(NamedTuple):
    """Hits in their order, some at a time, and what is to be said of them."""

    pages: Iterator[list[Hit]]
    several: bool
    """whether there is more than one page"""
    about: dict[str, Any]


def answer(asked: Asked, vectors: Mapping[bytes, Vector], asks: Asks) -> Answer | Wanting:
    """The files that *asked* wants; *vectors* are those of pictures that are not in the index. Raises KadrErrors."""
    stages = Stages()
    with stages("parse"):
        query = asks.understood(asked)
        selection = Selection(asks.reader, *condition(query.filters))
    if not query.operands:
        return _listed(asked, selection, asks, stages)
    with stages("pictures"):
        pictures = known(query.operands, vectors, asks.reader, asks.serving.model_id)
    if missing := tuple(path for path, vector in pictures.items() if vector is None):
        return Wanting(missing)
    with stages("meaning"):
        vector = meaning(query.operands, asks.serving.words, pictures)
    question = Question(query, vector, asked.limit or DEFAULT_LIMIT, asked.by)
    return _ranked(asked, question, selection, asks, stages)


def _ranked(asked: Asked, question: Question, selection: Selection, asks: Asks, stages: Stages) -> Answer:
    """The best files by meaning, by words, or by both."""
    found = Candidates(question, selection, asks.serving, stages)
    best = found.ranked()
    if asked.min_score is None:
        answers = found.close(best)
    else:
        answers = [one for one in best if one.score >= asked.min_score]
    kept = answers[: question.limit]
    ordered = kept if asked.sort == "score" else sorted(kept, key=rank.SORTED[asked.sort])
    close = bool(answers) or not best or asked.min_score is not None
    about = {"close": close, "best": best[0].score if best else 0.0}
    plan = found.plan | {"stages_ms": stages.ms} if asked.explain else {}
    return Answer(iter([_hits(asked, ordered, selection, asks)]), False, about | {"plan": plan})


def _listed(asked: Asked, selection: Selection, asks: Asks, stages: Stages) -> Answer:
    """Every file that the filters let through: newest first, or by name."""
    with stages("list"):
        files = selection.listed("name" if asked.sort == "name" else "date", asked.limit or EVERYTHING)
    plan = {"way": "filters alone", "matches": len(files), "stages_ms": stages.ms}
    about = {"close": True, "best": 0.0, "plan": plan if asked.explain else {}}
    size = PAGE if asked.group in ("", "day") else max(len(files), 1)  # days follow each other anyway
    chunks = (files[first : first + size] for first in range(0, len(files), size))
    pages = (_page(asked, chunk, selection, asks) for chunk in chunks)
    return Answer(pages, len(files) > size, about)


def _page(asked: Asked, file_ids: list[int], selection: Selection, asks: Asks) -> list[Hit]:
    return _hits(asked, [Ranked(file, 0.0, {}) for file in selection.of_files(file_ids)], selection, asks)


def _hits(asked: Asked, ranked: list[Ranked], selection: Selection, asks: Asks) -> list[Hit]:
    groups = group.groups(ranked, asked.group, asks.serving.index)
    ordered = rank.together(ranked, groups) if groups else ranked
    labels = selection.labels(one.file.file_id for one in ordered)
    return rank.hits(ordered, labels, groups, explain=asked.explain)
